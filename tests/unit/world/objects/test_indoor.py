"""Rooms, their doors and windows, and what stands in them."""

import numpy as np
import pytest

from perception.core.classes import Class
from perception.world.config import WorldConfig
from perception.world.layout import Layout, make_layout
from perception.world.layouts.plan import Door, FloorPlan, Rectangle, Space
from perception.world.materials import Material
from perception.world.objects.indoor import make_corridors
from perception.world.objects.interiors import PATH_CLEAR, Interior
from perception.world.objects.rooms import FLOORS, door_spans, make_rooms, sides_of
from perception.world.objects.stage import Stage
from perception.world.variety import TRAINING

ROOMS = FloorPlan(
    (
        Space(Rectangle(0.0, 0.0, 10.0, 3.0), "corridor", 2.8),
        Space(Rectangle(0.0, 3.18, 5.0, 8.0), "office", 2.8, (2,)),
    ),
    (Door(2.0, 3.09, True, 1.0, 2.1, "open"),),
)


def office_layout() -> Layout:
    return make_layout(WorldConfig(route="office", seed=2), np.random.default_rng([2, 3]))


def test_a_door_is_found_in_both_walls_it_leads_through() -> None:
    corridor, office = ROOMS.spaces
    assert [(a, b) for a, b, _ in door_spans(corridor, 2, ROOMS.doors)] == [(1.5, 2.5)]
    assert [(a, b) for a, b, _ in door_spans(office, 0, ROOMS.doors)] == [(2.5, 3.5)]  # that wall runs against x
    assert not door_spans(corridor, 0, ROOMS.doors) and not door_spans(office, 2, ROOMS.doors)


def test_the_walls_of_a_space_face_into_it() -> None:
    area = Rectangle(1.0, 2.0, 5.0, 9.0)
    for (ax, ay), (bx, by) in sides_of(area):
        right = np.array([by - ay, ax - bx]) / np.hypot(bx - ax, by - ay)
        middle = 0.5 * np.array([ax + bx, ay + by]) + 0.5 * right
        assert area.contains(*middle)


def test_one_can_see_through_an_open_door_and_through_a_window() -> None:
    mesh = np.concatenate([room.triangles for room in make_rooms(ROOMS, np.random.default_rng(0), TRAINING)])
    walls = mesh[np.ptp(mesh[..., 1], axis=1) < 1e-6]  # parallel to x
    for x, z, is_open in ((2.0, 1.0, True), (0.5, 1.0, False), (2.0, 2.5, False)):
        assert is_covered(walls[np.abs(walls[..., 1].mean(axis=1) - 3.09) < 0.2], x, z) != is_open
    assert not is_covered(walls[np.abs(walls[..., 1].mean(axis=1) - 8.0) < 0.02], 1.3, 1.6)


def is_covered(triangles: np.ndarray, x: float, z: float) -> bool:
    a, b, c = (triangles[:, k][:, [0, 2]] - [x, z] for k in range(3))
    areas = [p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0] for p, q in ((a, b), (b, c), (c, a))]
    return bool((np.all([s > 0 for s in areas], axis=0) | np.all([s < 0 for s in areas], axis=0)).any())


@pytest.mark.parametrize("use", FLOORS)
def test_every_room_has_a_floor_and_all_but_a_court_a_ceiling_with_lamps(use: str) -> None:
    plan = FloorPlan((Space(Rectangle(0.0, 0.0, 6.0, 5.0), use, 3.0, (2,)),), ())
    (mesh,) = make_rooms(plan, np.random.default_rng(1), TRAINING)
    flat = np.ptp(mesh.triangles[..., 2], axis=1) < 1e-6
    assert is_level_covered(mesh.triangles[flat & (np.abs(mesh.triangles[:, 0, 2]) < 1e-6)], 3.1, 2.2)
    has_ceiling = is_level_covered(mesh.triangles[flat & (mesh.triangles[:, 0, 2] > 2.9)], 3.1, 2.2)
    assert has_ceiling == (use != "court")
    lamps = mesh.material_ids == Material.LAMP
    assert lamps.any() == (use != "court")


def is_level_covered(triangles: np.ndarray, x: float, y: float) -> bool:
    return is_covered(triangles[..., [0, 2, 1]], x, y)


def test_furniture_keeps_the_way_of_the_robot_free_and_stays_in_its_room() -> None:
    layout = office_layout()
    stage = Stage(layout, None, 1)
    Interior(stage, layout.floor_plan, 1.0, np.random.default_rng(0), TRAINING).furnish()
    way = layout.course.derivative(np.arange(0.0, layout.course.length, 0.3), 0)[:, :2]
    areas = [space.area.grown(0.3) for space in layout.floor_plan.spaces]
    for thing in stage.things:
        x, y = thing.T_world_thing[:2, 3]
        assert np.linalg.norm(way - [x, y], axis=1).min() > 0.6 * PATH_CLEAR
        assert any(area.contains(x, y) for area in areas)
    assert {Class.CHAIR, Class.POTTED_PLANT} <= {thing.kind for thing in stage.things}


def test_the_corridor_has_doors_with_looks_and_plants_that_are_things() -> None:
    layout = make_layout(WorldConfig(route="corridor"), np.random.default_rng(0))
    stage = Stage(layout, None, 1)
    parts = make_corridors(stage, np.random.default_rng(0))
    assert all(set(part.instance_ids) == {0} for part in parts if len(part))
    numbers = [int(number) for mesh in stage.meshes for number in np.unique(mesh.instance_ids)]
    assert len(set(numbers)) == len(numbers)
    assert [thing.kind for thing in stage.things] == [Class.POTTED_PLANT] * 3
