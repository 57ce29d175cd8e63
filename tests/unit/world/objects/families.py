"""What the tests of countable objects share: their makers, the tables of their shape families, and checks of bodies."""

from collections.abc import Callable
from types import ModuleType

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import Mesh
from perception.world.objects import (
    animals,
    barriers,
    bicycles,
    buses,
    cars,
    figure,
    machines,
    people,
    pots,
    seats,
    signs,
    street_pieces,
    tables,
    trucks,
)
from perception.world.objects.machines import make_construction_vehicle

# Module, table of shape families, maker, class, low and high limits of the size (m) along x, y, z.
FAMILIES: tuple[tuple[ModuleType, str, Callable[..., Mesh], Class, tuple, tuple], ...] = (
    (cars, "KINDS", cars.make_car, Class.CAR, (3.0, 1.8, 1.1), (5.9, 2.6, 2.8)),
    (trucks, "LOADS", trucks.make_truck, Class.TRUCK, (6.2, 2.1, 2.2), (10.0, 3.2, 4.4)),
    (trucks, "TRAILERS", trucks.make_trailer, Class.TRAILER, (2.6, 1.2, 0.8), (12.6, 3.0, 4.1)),
    (buses, "BUSES", buses.make_bus, Class.BUS, (6.8, 2.1, 2.6), (12.6, 3.2, 4.5)),
    (machines, "MACHINES", make_construction_vehicle, Class.CONSTRUCTION_VEHICLE, (3.0, 1.0, 1.8), (13.0, 5.5, 6.5)),
    (bicycles, "BICYCLES", bicycles.make_bicycle, Class.BICYCLE, (1.3, 0.4, 0.9), (2.4, 0.7, 1.3)),
    (bicycles, "MOTORCYCLES", bicycles.make_motorcycle, Class.MOTORCYCLE, (1.5, 0.6, 1.0), (2.8, 1.0, 1.7)),
    (people, "POSES", people.make_person, Class.PEDESTRIAN, (0.15, 0.3, 0.85), (1.9, 1.4, 2.6)),
    (figure, "LEGWEAR", people.make_person, Class.PEDESTRIAN, (0.15, 0.3, 0.85), (1.9, 1.4, 2.6)),
    (people, "CARRIED", people.make_person, Class.PEDESTRIAN, (0.15, 0.3, 0.85), (1.9, 1.4, 2.6)),
    (animals, "ANIMALS", animals.make_animal, Class.ANIMAL, (0.2, 0.1, 0.15), (1.6, 0.5, 1.0)),
    (barriers, "CONES", barriers.make_cone, Class.TRAFFIC_CONE, (0.2, 0.2, 0.25), (0.8, 0.8, 1.15)),
    (barriers, "BARRIERS", barriers.make_barrier, Class.BARRIER, (1.0, 0.2, 0.7), (3.8, 0.8, 2.1)),
    (signs, "DESIGNS", signs.make_sign, Class.TRAFFIC_SIGN, (0.05, 0.3, 1.9), (0.2, 1.8, 3.2)),
    (signs, "LIGHTS", signs.make_traffic_light, Class.TRAFFIC_LIGHT, (0.3, 0.2, 2.8), (0.75, 4.2, 6.3)),
    (seats, "CHAIRS", seats.make_chair, Class.CHAIR, (0.35, 0.35, 0.6), (1.0, 0.9, 1.25)),
    (pots, "POTS", pots.make_potted_plant, Class.POTTED_PLANT, (0.2, 0.2, 0.25), (2.2, 2.2, 2.6)),
    (pots, "PLANTS", pots.make_potted_plant, Class.POTTED_PLANT, (0.2, 0.2, 0.25), (2.2, 2.2, 2.6)),
    (street_pieces, "LAMPS", street_pieces.make_lamp, Class.MANMADE, (0.2, 0.2, 3.2), (0.7, 3.6, 9.5)),
    (street_pieces, "BINS", street_pieces.make_bin, Class.OTHERS, (0.35, 0.35, 0.8), (1.5, 1.2, 1.4)),
    (seats, "BENCHES", seats.make_bench, Class.OTHERS, (1.1, 0.3, 0.4), (2.5, 0.8, 1.0)),
    (tables, "TABLES", tables.make_table, Class.OTHERS, (0.45, 0.5, 0.3), (1.1, 2.3, 1.15)),
    (tables, "SHELVES", tables.make_shelf, Class.OTHERS, (0.2, 0.4, 0.7), (0.6, 1.8, 2.3)),
)  # fmt: skip
NAMES = [f"{module.__name__.rsplit('.', 1)[1]}.{table}" for module, table, *_ in FAMILIES]


def volume(triangles: np.ndarray) -> float:
    """Signed volume (m^3): positive where closed bodies face outwards."""
    corners = triangles.astype(np.float64)
    return float(np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6.0)


def size(mesh: Mesh) -> np.ndarray:
    """Extent (3,) in m."""
    return np.ptp(mesh.triangles, axis=(0, 1))


def areas(mesh: Mesh) -> np.ndarray:
    """Area (N,) of each triangle (m^2)."""
    sides = np.diff(mesh.triangles.astype(np.float64), axis=1)
    return 0.5 * np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1)
