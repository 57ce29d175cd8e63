"""Lamps of a world, found in its surfaces, and headlights of what drives."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from perception.core.classes import Class
from perception.world.geometry.mesh import Mesh
from perception.world.geometry.raycast import Accelerator
from perception.world.materials import Material
from perception.world.render.ambient import Ambient, looked_up

CLUSTER = 0.6  # m: the middles of neighbouring surfaces of one lamp are no farther apart
INDOOR_SKY = 0.25  # share of the sky below which a lamp hangs in a room
STREET_POWER, STREET_REACH = 48.0, 26.0  # light at 1 m; m
ROOM_POWER, ROOM_REACH = 1.5, 9.0
SELF = 0.15  # m below its surfaces, where the light of a lamp starts
VEHICLES = (Class.BUS, Class.CAR, Class.MOTORCYCLE, Class.TRUCK)
NO_LAMPS = (*VEHICLES, Class.BICYCLE, Class.CONSTRUCTION_VEHICLE, Class.TRAILER, Class.TRAFFIC_LIGHT)  # shine, no more
HEADLIGHT = (0.65, 260.0, 0.88)  # m above the ground, brightness at 1 m, cosine of the half angle
MAX_SPOTS = 6  # nearest headlights that light a frame
SPOT_RANGE = 60.0  # m


@dataclass(frozen=True, slots=True, eq=False)
class Lamp:
    """A source of light that stands still."""

    place: np.ndarray  # (3,) float64, m
    power: float  # light on a white surface 1 m below it
    reach: float  # m, farther it gives none


def find_lamps(mesh: Mesh) -> np.ndarray:
    """Places (L, 3) float64 of what shines in a still mesh, each a little below its surfaces."""
    is_lamp = (mesh.material_ids == Material.LAMP) & ~np.isin(mesh.class_ids, NO_LAMPS)
    corners = mesh.triangles[is_lamp].astype(np.float64)
    if not len(corners):
        return np.zeros((0, 3))
    middles = corners.mean(axis=1)
    pairs = cKDTree(middles).query_pairs(CLUSTER, output_type="ndarray")
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(middles), len(middles)))
    number = connected_components(links, directed=False)[1]
    count = np.bincount(number)
    places = np.stack([np.bincount(number, middles[:, k]) / count for k in range(3)], axis=1)
    lowest = np.full(len(count), np.inf)
    np.minimum.at(lowest, number, corners[..., 2].min(axis=1))
    places[:, 2] = lowest - SELF
    return places


def lamps_of(places: np.ndarray, ambient: Ambient, darkness: float) -> list[Lamp]:
    """Lamps that are on: those in rooms always, those under the sky in the dark."""
    out = []
    for place in places:
        sky = 2.0 * looked_up(ambient.sky, ambient.low, ambient.steps, *(float(x) for x in place))[0]
        if sky < INDOOR_SKY:
            out.append(Lamp(place, ROOM_POWER, ROOM_REACH))
        elif darkness > 0.5:
            out.append(Lamp(place, STREET_POWER * darkness, STREET_REACH))
    return out


def headlights(world: Accelerator, T_world_mover: np.ndarray, T_world_robot: np.ndarray, darkness: float) -> np.ndarray:
    """The nearest headlights (S, 8) float32 for `Stage.spots`: of the robot (4, 4) and of moving cars (M, 4, 4)."""
    height, power, cosine = HEADLIGHT
    spots = [_spot(T_world_robot, 2.2, height, power * darkness, cosine)]
    here = T_world_robot[:3, 3]
    for m, T in enumerate(T_world_mover):
        rows = slice(world.first_rows[m + 1], world.first_rows[m + 2])
        is_car = rows.stop > rows.start and world.mesh.class_ids[rows.start] in VEHICLES
        if is_car and np.linalg.norm(T[:3, 3] - here) < SPOT_RANGE:
            front = float(world.mesh.triangles[rows, :, 0].max())
            spots.append(_spot(T, front + 0.05, height, power * darkness, cosine))
    spots.sort(key=lambda spot: float(np.linalg.norm(spot[:3] - here)))
    return np.array(spots[:MAX_SPOTS], dtype=np.float32).reshape(-1, 8)


def _spot(T: np.ndarray, ahead: float, height: float, power: float, cosine: float) -> np.ndarray:
    place = T[:3, :3] @ np.array([ahead, 0.0, height]) + T[:3, 3]
    direction = T[:3, :3] @ np.array([0.9965, 0.0, -0.0837])  # 5 degrees down
    return np.array([*place, *direction, power, cosine])
