"""What stands along streets, and how it is put there."""

import numpy as np
import pytest

from perception.core.classes import Class
from perception.core.geometry import apply
from perception.world.config import SceneConfig, WorldConfig
from perception.world.geometry.mesh import box, joined, surface
from perception.world.layout import Layout, Rectangle, Street, make_layout
from perception.world.materials import Material
from perception.world.objects.ground import ROAD, Ground, kind_at, survey
from perception.world.objects.sites import Sites
from perception.world.objects.stage import Stage
from perception.world.objects.streets import LANE_CLEAR, Furnisher
from perception.world.scene import _area
from perception.world.variety import TRAINING

CAR = surface(box([-2.0, -0.9, 0.0], [2.0, 0.9, 1.5]), Class.CAR, Material.PAINT)


@pytest.fixture(scope="module")
def layout() -> Layout:
    return make_layout(WorldConfig(route="district", seed=3), np.random.default_rng([3, 3]))


@pytest.fixture(scope="module")
def ground(layout: Layout) -> Ground:
    return survey(layout, _area(layout))


def test_beside_a_street_is_on_its_left_or_right_and_looks_at_the_road() -> None:
    along_x, along_y = Street((0.0, 0.0), (50.0, 0.0)), Street((10.0, -20.0), (10.0, 30.0))
    assert along_x.beside(1.0, 5.0, 6.0) == (5.0, 6.0, 0.0)
    assert along_x.beside(-1.0, 5.0, 6.0) == (5.0, -6.0, np.pi)
    assert along_y.beside(1.0, 5.0, 6.0) == (4.0, -15.0, 0.5 * np.pi)
    for street in (along_x, along_y):
        for side in (1.0, -1.0):
            x, y, yaw = street.beside(side, 10.0, 7.0)
            x, y = x + 4.0 * np.sin(yaw), y - 4.0 * np.cos(yaw)  # 4 m along its -y
            assert street.area().contains(x, y)


def test_a_vehicle_on_a_slope_is_tilted_with_it(layout: Layout, ground: Ground) -> None:
    stage = Stage(layout, ground, 1)
    x, y = layout.streets[0].at(0.0, 1.0)
    stage.put(CAR, x, y, 0.7, is_tilted=True)
    T = stage.things[0].T_world_thing
    np.testing.assert_allclose(T[:3, :3] @ T[:3, :3].T, np.eye(3), atol=1e-12)
    slope = layout.terrain.slope(np.array([x]), np.array([y]))
    assert T[2, 0] / np.hypot(T[0, 0], T[1, 0]) == pytest.approx(
        float(slope[0][0]) * np.cos(0.7) + float(slope[1][0]) * np.sin(0.7), abs=1e-6
    )
    np.testing.assert_allclose(
        stage.meshes[0].triangles,
        apply(T, CAR.triangles.reshape(-1, 3).astype(np.float64)).reshape(-1, 3, 3),
        atol=1e-5,
    )


def test_each_countable_class_of_an_object_is_a_thing_and_the_rest_is_none(layout: Layout, ground: Ground) -> None:
    post = surface(box([0.0, 0.0, 0.0], [0.1, 0.1, 2.0]), Class.MANMADE, Material.METAL)
    sign = surface(box([0.0, -0.3, 2.0], [0.1, 0.3, 2.6]), Class.TRAFFIC_SIGN, Material.SIGN)
    stage = Stage(layout, ground, 10)
    stage.put(joined([post, sign, CAR]), 0.0, 0.0, 0.0)
    assert {thing.kind: thing.instance_id for thing in stage.things} == {Class.CAR: 10, Class.TRAFFIC_SIGN: 11}
    assert set(stage.meshes[0].instance_ids[: len(post)]) == {12} and stage.next_instance == 13
    box_of_sign = next(thing for thing in stage.things if thing.kind == Class.TRAFFIC_SIGN)
    np.testing.assert_allclose(box_of_sign.low, [0.0, -0.3, 2.0], atol=1e-6)
    np.testing.assert_allclose(box_of_sign.high, [0.1, 0.3, 2.6], atol=1e-6)


def test_what_is_taken_is_taken(layout: Layout) -> None:
    stage = Stage(layout, None, 1)
    assert stage.take(Rectangle(0.0, 0.0, 1.0, 1.0)) and not stage.take(Rectangle(0.5, 0.5, 2.0, 2.0))
    assert stage.is_clear(3.0, 3.0, 0.5) and not stage.is_clear(1.2, 1.2, 0.5)
    assert stage.height(5.0, 5.0) == 0.0


def test_a_furnished_district_keeps_both_lanes_free(layout: Layout, ground: Ground) -> None:
    stage = Stage(layout, ground, 1)
    config = SceneConfig(leaves_per_tree=40)
    Furnisher(stage, config, np.random.default_rng(0), TRAINING).furnish([])
    way = layout.course.derivative(np.arange(0.0, layout.course.length, 1.0), 0)[:, :2]
    on_road = 0
    for thing in stage.things:
        corners = apply(
            thing.T_world_thing,
            np.array([[x, y, 0.0] for x in (thing.low[0], thing.high[0]) for y in (thing.low[1], thing.high[1])]),
        )
        on_road += kind_at(layout, *thing.T_world_thing[:2, 3]) == ROAD
        if thing.low[2] < 2.0:
            assert min(np.linalg.norm(way - corner[:2], axis=1).min() for corner in corners) > 1.05
    assert on_road > 20
    kinds = {thing.kind for thing in stage.things}
    assert {Class.CAR, Class.TRAFFIC_LIGHT, Class.TRAFFIC_SIGN, Class.PEDESTRIAN, Class.CHAIR} <= kinds


def test_parked_things_keep_off_the_lanes(layout: Layout, ground: Ground) -> None:
    stage = Stage(layout, ground, 1)
    sites = Sites(stage, 40, 1.0, np.random.default_rng(1), TRAINING)
    street = Street((0.0, 0.0), (80.0, 0.0), 6.6)
    for k, make in enumerate((sites.bus_stop, sites.delivery, sites.two_wheelers, sites.roadside_works)):
        make(street, 1.0 if k % 2 else -1.0, 5.0 + 20.0 * (k // 2))
    vehicles = [t for t in stage.things if t.kind not in (Class.PEDESTRIAN, Class.TRAFFIC_SIGN)]
    assert {Class.BUS, Class.TRUCK, Class.TRAFFIC_CONE} <= {t.kind for t in vehicles}
    for thing in vehicles:
        corners = apply(
            thing.T_world_thing,
            np.array([[x, y, 0.0] for x in (thing.low[0], thing.high[0]) for y in (thing.low[1], thing.high[1])]),
        )
        assert np.abs(corners[:, 1]).min() > LANE_CLEAR - 0.45
