"""Vehicles: closed bodies, wheels on the ground, glass, lamps, plates, riders."""

import numpy as np
import pytest

from perception.core.classes import Class
from perception.world.geometry.mesh import Mesh
from perception.world.materials import VARIANTS, Material, Texture
from perception.world.objects.buses import BUSES, make_bus
from perception.world.objects.car_body import add_body, section, stations
from perception.world.objects.cars import KINDS, car_of, make_car
from perception.world.objects.colours import BLACK, car_paint, pane
from perception.world.objects.shapes import Parts
from perception.world.objects.vehicles import make_bicycle, make_motorcycle, make_truck
from perception.world.objects.wheels import inside, wheel
from perception.world.variety import TRAINING, Variety
from tests.unit.world.objects.families import areas, size, volume


def body_of(shape) -> Mesh:
    rng = np.random.default_rng(0)
    parts = Parts(Class.CAR)
    add_body(parts, shape, car_paint(rng), pane(rng, TRAINING), BLACK)
    return parts.mesh()


@pytest.mark.parametrize("kind", KINDS)
def test_the_body_of_a_car_is_closed_and_faces_outwards(kind) -> None:
    mesh = body_of(kind.shape)
    space = kind.shape.length * kind.shape.width * kind.shape.height
    assert 0.3 * space < volume(mesh.triangles) < 0.9 * space
    normals = np.cross(mesh.triangles[:, 1] - mesh.triangles[:, 0], mesh.triangles[:, 2] - mesh.triangles[:, 0]).astype(
        np.float64
    )
    assert np.linalg.norm(normals.sum(axis=0)) < 1e-3 * np.linalg.norm(normals, axis=1).sum()  # nothing is missing


@pytest.mark.parametrize("kind", KINDS)
def test_sections_of_a_car_rise_from_the_sill_to_the_roof(kind) -> None:
    for x in stations(kind.shape):
        rim = section(kind.shape, x)
        assert (rim[:, 1] > 0.0).all()
        assert (np.diff(rim[:5, 2]) > -1e-6).all()
        assert rim[:, 2].max() <= kind.shape.height + 1e-6


@pytest.mark.parametrize("kind", KINDS)
def test_a_car_has_windows_lamps_wheels_and_plates(kind) -> None:
    mesh = car_of(kind, np.random.default_rng(1), TRAINING)
    area = areas(mesh)
    assert 0.8 < area[mesh.material_ids == Material.GLASS].sum() < 8.0
    assert 0.05 < area[mesh.material_ids == Material.LAMP].sum() < 1.5
    lamps = mesh.triangles[mesh.material_ids == Material.LAMP].mean(axis=1)
    red = mesh.tints[mesh.material_ids == Material.LAMP, 1] < 100
    assert (lamps[red, 0] < 0.0).all() and red.any() and (lamps[~red, 0] > 0.0).any()
    plates = mesh.texture_ids // VARIANTS == Texture.PLATE
    assert area[plates].sum() == pytest.approx(2 * 0.52 * 0.114, rel=1e-3)
    tyres = mesh.triangles[(mesh.material_ids == Material.RUBBER)]
    assert abs(tyres[..., 2].min()) < 0.02
    assert mesh.is_smooth[mesh.material_ids == Material.PAINT].mean() > 0.8


def test_a_wheel_is_closed_and_its_outside_looks_left() -> None:
    tyre, rim = wheel(0.3, 0.2)
    closed = np.concatenate([tyre, rim, inside(0.3, 0.2)])
    assert 0.5 * np.pi * 0.3**2 * 0.2 < volume(closed) < np.pi * 0.3**2 * 0.2
    assert rim[..., 1].max() <= 0.0 and tyre[..., 1].min() == pytest.approx(-0.2)
    normals = np.cross(rim[:, 1] - rim[:, 0], rim[:, 2] - rim[:, 0])
    assert (normals[:, 1] > 0.0).all()


@pytest.mark.parametrize("make", [make_bicycle, make_motorcycle])
def test_a_rider_sits_on_what_it_rides_and_is_of_its_class(make) -> None:
    for seed in range(6):
        alone, ridden = (make(np.random.default_rng(seed), TRAINING, has_rider=has) for has in (False, True))
        kind = set(alone.class_ids)
        assert set(ridden.class_ids) == kind
        rider = ridden.triangles[len(alone) :]
        assert len(rider) > 250
        assert 1.5 < ridden.triangles[..., 2].max() < 2.3 and rider[..., 2].min() > 0.1
        assert abs(rider[..., 1].mean()) < 0.05


def test_buses_have_windows_on_both_sides_and_doors_on_the_right() -> None:
    for seed in range(6):
        mesh = make_bus(np.random.default_rng(seed))
        glass = mesh.triangles[mesh.material_ids == Material.GLASS].mean(axis=1)
        half = 0.4 * size(mesh)[1]
        assert (glass[:, 1] > half).sum() >= 8 and (glass[:, 1] < -half).sum() > (glass[:, 1] > half).sum()


def test_a_double_decker_is_held_out_and_taller_than_the_others() -> None:
    held = make_bus(np.random.default_rng(0), Variety(is_held_out=True))
    assert BUSES[-1].upper is not None
    assert size(held)[2] > max(size(make_bus(np.random.default_rng(seed)))[2] for seed in range(8))


def test_lorries_come_with_many_loads() -> None:
    shapes = {len(make_truck(np.random.default_rng(seed))) for seed in range(20)}
    assert len(shapes) >= 8


@pytest.mark.parametrize("make", [make_car, make_bus, make_truck])
def test_what_is_parked_has_its_lamps_off_and_what_drives_has_them_on(make) -> None:
    parked, driving = (make(np.random.default_rng(5), TRAINING, is_lit=is_lit) for is_lit in (False, True))
    assert not (parked.material_ids == Material.LAMP).any() and (driving.material_ids == Material.LAMP).any()
    assert parked.triangles.tobytes() == driving.triangles.tobytes()
    changed = (parked.tints != driving.tints).any(axis=1)
    assert (changed == (driving.material_ids == Material.LAMP)).all()
