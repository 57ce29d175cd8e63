"""What the generated worlds are made of."""

import numpy as np
import pytest

from perception.core.classes import DETECTED, Class
from perception.core.geometry import apply, inverse
from perception.world.config import Route, SceneConfig, WorldConfig
from perception.world.geometry.mesh import Mesh, box, disc, ellipsoid, joined, placed, post, prism, quads, surface, tube
from perception.world.layout import Rectangle, make_layout
from perception.world.materials import REFLECTIVITY, VARIANTS, Material
from perception.world.objects.ground import FLOOR, ROAD, kind_at
from perception.world.objects.people import make_person
from perception.world.objects.plants import make_hedge, make_tree
from perception.world.objects.stage import COUNTABLE
from perception.world.objects.vehicles import make_bicycle, make_car, make_truck
from perception.world.objects.walls import Opening, Wall, make_wall
from perception.world.recording import SyntheticRecording
from perception.world.scene import Scene, build_scene
from perception.world.things import Thing, standing
from perception.world.variety import EVALUATION_SEED, Variety, variety_of

LARGE = [pytest.param(route, marks=pytest.mark.long) for route in ("town", "straight", "turns", "district", "campus")]
ROUTES = [*LARGE, "corridor", "endless_corridor", "tunnel", "office"]
SPARSE = SceneConfig(leaves_per_tree=60, num_moving_cars=3, num_pedestrians=4)


def area(triangles: np.ndarray) -> float:
    edges = np.diff(triangles, axis=1)
    return float(0.5 * np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1).sum())


def volume(triangles: np.ndarray) -> float:
    """Signed: positive where the corners run counter-clockwise seen from outside."""
    return float(np.einsum("ij,ij->i", triangles[:, 0], np.cross(triangles[:, 1], triangles[:, 2])).sum() / 6.0)


def test_a_box_has_its_surface_and_its_volume() -> None:
    triangles = box([1, 2, 3], [3, 5, 7])
    assert len(triangles) == 12
    assert area(triangles) == pytest.approx(2 * (6 + 8 + 12))
    assert volume(triangles) == pytest.approx(24.0)


def test_a_prism_and_an_ellipsoid_are_closed_and_face_outwards() -> None:
    wedge = prism(np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 1.0]]), -1.0, 2.0)
    assert volume(wedge) == pytest.approx(3.0)
    ball = ellipsoid([0, 0, 0], [1, 1, 1], 40, 40)
    assert volume(ball) == pytest.approx(4 / 3 * np.pi, rel=0.02)


def test_a_tube_has_the_radius_that_was_asked_for() -> None:
    pipe = tube(np.array([[0.0, 0, 0], [0, 0, 1], [0, 0, 3]]), [0.5, 0.5, 0.5], 64)
    np.testing.assert_allclose(np.hypot(pipe[..., 0], pipe[..., 1]), 0.5)
    assert area(pipe) == pytest.approx(2 * np.pi * 0.5 * 3, rel=1e-2)
    assert post(1, 2, 3, 4, 0.1)[..., 2].max() == pytest.approx(7.0, abs=0.01)
    assert area(disc([0, 0, 0], 1, 2.0, 90)) == pytest.approx(np.pi * 4, rel=1e-2)


def test_a_wall_with_openings_keeps_the_rest_of_its_area() -> None:
    wall = Wall((0.0, 0.0), (10.0, 0.0), 0.0, 6.0, Material.BRICK)
    openings = [
        Opening(1, 2, 1, 2, 0.5, Material.GLASS),
        Opening(4, 6, 0, 2, 0.2, None),
        Opening(1, 3, 4, 5, 0.1, None),
    ]
    mesh = make_wall(wall, openings)
    front = mesh.triangles[np.abs(mesh.triangles[..., 1]).max(axis=1) < 1e-6]
    assert area(front) == pytest.approx(60.0 - 1.0 - 4.0 - 2.0)
    assert area(mesh.triangles[mesh.material_ids == Material.GLASS]) == pytest.approx(1.0)
    normal = np.cross(front[:, 1] - front[:, 0], front[:, 2] - front[:, 0])
    assert (normal[:, 1] < 0.0).all()  # outside is on the right of the way from start to stop


def test_placing_turns_moves_and_renumbers() -> None:
    mesh = surface(box([0, 0, 0], [1, 2, 3]), Class.CAR, Material.PAINT)
    moved = placed(mesh, np.pi / 2, (10.0, 0.0, 1.0), 7)
    np.testing.assert_allclose(moved.triangles.min(axis=(0, 1)), [8, 0, 1], atol=1e-5)
    assert set(moved.instance_ids) == {7} and set(mesh.instance_ids) == {0}
    assert len(joined([])) == 0 and len(joined([mesh, moved])) == 24
    assert quads(np.zeros((0, 4, 3))).shape == (0, 3, 3)


@pytest.mark.parametrize("make", [make_car, make_truck, make_person, lambda rng: make_tree(rng, 200)])
def test_bodies_stand_on_the_ground_and_have_a_sensible_size(make) -> None:
    for seed in range(5):
        corners = make(np.random.default_rng(seed)).triangles.reshape(-1, 3)
        assert -0.6 < corners[:, 2].min() < 0.1
        assert 1.3 < corners[:, 2].max() < 14.0
        assert np.abs(corners[:, :2]).max() < 6.0


def test_leaves_and_hedges_are_vegetation_and_a_bicycle_is_a_bicycle() -> None:
    rng = np.random.default_rng(0)
    assert set(make_hedge(rng, 4.0).class_ids) == {Class.VEGETATION}
    assert set(make_bicycle().class_ids) == {Class.BICYCLE}
    assert len(REFLECTIVITY) == len(Material) and REFLECTIVITY.min() > 0.0


@pytest.mark.parametrize(
    "route", [*LARGE, pytest.param("office", marks=pytest.mark.long), "corridor", "endless_corridor", "tunnel"]
)
def test_the_same_seed_builds_the_same_world_and_another_seed_another(route: Route) -> None:
    first, again, other = (build_scene(WorldConfig(route=route, seed=seed, scene=SPARSE)) for seed in (4, 4, 5))
    for name in Mesh.__slots__:
        assert getattr(first.static, name).tobytes() == getattr(again.static, name).tobytes()
    assert len(first.movers) == len(again.movers)
    for a, b in zip(first.movers, again.movers):
        assert a.mesh.triangles.tobytes() == b.mesh.triangles.tobytes()
        assert a.motion.poses(np.array([10**9])).tobytes() == b.motion.poses(np.array([10**9])).tobytes()
    if route != "endless_corridor":  # it has nothing to draw by lot
        assert first.static.triangles.tobytes() != other.static.triangles.tobytes()


@pytest.mark.parametrize("route", ROUTES)
def test_every_object_has_a_number_of_its_own_and_known_classes(route: Route) -> None:
    scene = build_scene(WorldConfig(route=route, scene=SPARSE))
    assert np.isfinite(scene.static.triangles).all()
    assert set(np.unique(scene.static.class_ids)) <= set(Class)
    assert set(np.unique(scene.static.material_ids)) <= set(Material)
    movers = [set(mover.mesh.instance_ids.tolist()) for mover in scene.movers]
    assert all(len(ids) == 1 for ids in movers)
    numbers = {ids.pop() for ids in movers}  # what walks has several bodies of one number
    assert numbers == {thing.instance_id for thing in scene.things if thing.motion is not None}
    assert not numbers & set(scene.static.instance_ids.tolist())


@pytest.mark.parametrize("route", [*LARGE, "office", "corridor"])
def test_nothing_stands_in_the_way_of_the_robot(route: Route) -> None:
    recording = SyntheticRecording(WorldConfig(route=route, duration=100.0, scene=SPARSE))
    half_width, front = (0.3, 1.3) if route in ("corridor", "office") else (1.0, 3.4)
    for sweep in range(0, 1000, 50):
        points = apply(recording.rig.T_base_lidar, recording.scan(sweep).scan.points)
        inside = (np.abs(points[:, 1]) < half_width) & (points[:, 0] > 0.0) & (points[:, 0] < front)
        assert not (inside & (points[:, 2] > 0.4) & (points[:, 2] < 1.6)).any()


@pytest.mark.long
def test_a_repeating_street_looks_the_same_one_period_on() -> None:
    scene = build_scene(WorldConfig(route="straight", scene=SPARSE))
    period = scene.layout.period
    corners = scene.static.triangles[:, 0].astype(np.float64)
    window = (corners[:, 0] > -60.0) & (corners[:, 0] < 60.0)
    here = np.round(corners[window] + [period, 0, 0], 1)
    there = np.round(corners[(corners[:, 0] > period - 61.0) & (corners[:, 0] < period + 61.0)], 1)
    common = set(map(tuple, here)) & set(map(tuple, there))
    assert len(common) > 0.97 * len(set(map(tuple, here)))  # not all: rounding, and the grid of the ground


@pytest.fixture(scope="module")
def office() -> Scene:
    return build_scene(WorldConfig(route="office", seed=1, scene=SPARSE))


def corners_in_box(scene: Scene, thing: Thing) -> np.ndarray:
    """Corners (N, 3) of a standing thing in its own frame."""
    mine = scene.static.triangles[scene.static.instance_ids == thing.instance_id].reshape(-1, 3)
    return apply(inverse(thing.T_world_thing), mine.astype(np.float64))


def test_boxes_of_things_hold_their_triangles_and_touch_them_on_every_side(office: Scene) -> None:
    still = [thing for thing in office.things if thing.motion is None]
    assert len(still) > 30
    for thing in still:
        corners = corners_in_box(office, thing)
        np.testing.assert_allclose(corners.min(axis=0), thing.low, atol=1e-4)
        np.testing.assert_allclose(corners.max(axis=0), thing.high, atol=1e-4)


def test_every_countable_object_is_a_thing_of_its_class_and_nothing_else_is(office: Scene) -> None:
    numbers = [thing.instance_id for thing in office.things]
    assert len(set(numbers)) == len(numbers) and min(numbers) > 0
    kinds = {thing.instance_id: thing.kind for thing in office.things}
    static = office.static
    countable = np.isin(static.class_ids, COUNTABLE)
    assert all(
        kinds[int(number)] == kind for number, kind in zip(static.instance_ids[countable], static.class_ids[countable])
    )
    assert not np.isin(static.instance_ids[~countable], numbers).any()


def test_things_of_a_world_that_repeats_are_asked_for_where_the_robot_is() -> None:
    layout = make_layout(WorldConfig(route="straight"), np.random.default_rng(0))
    mesh = surface(box([0, 0, 0], [1, 1, 1]), Class.CAR, Material.PAINT)
    scene = Scene(mesh, (), layout, (standing(mesh, Class.CAR, 1, 0.0, np.array([5.0, 2.0, 0.0])),))
    period = layout.period
    for robot_x, expected in ((0.0, 5.0), (period - 1.0, period + 5.0), (period + 1.0, 5.0), (7.2 * period, 5.0)):
        poses = scene.thing_poses(np.array([0, 10**9]), robot_x)
        assert poses.shape == (1, 2, 4, 4)
        assert poses[0, :, 0, 3] == pytest.approx(expected)
        place = scene.wrapped(np.array([[robot_x, 0.0, 0.0]]), robot_x)[0]
        assert abs(poses[0, 0, 0, 3] - place[0]) <= 0.5 * period


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4, EVALUATION_SEED, EVALUATION_SEED + 1, EVALUATION_SEED + 2])
@pytest.mark.parametrize("route", ["district", "campus"])
def test_a_loop_is_closed_and_stays_on_its_roads(route: Route, seed: int) -> None:
    layout = make_layout(WorldConfig(route=route, seed=seed), np.random.default_rng([seed, 3]))
    course = layout.course
    assert 300.0 <= course.length <= 700.0
    place = course.derivative(np.arange(0.0, course.length, 0.5), 0)
    assert np.abs(place[0, :2]).max() < 0.5 and abs(place[0, 3]) < 0.02  # from the origin along x
    assert np.abs(course.lap[:3]).max() < 1e-6
    for shift in (-1.1, 1.1):  # both sides of the robot
        x, y = place[:, 0] - shift * np.sin(place[:, 3]), place[:, 1] + shift * np.cos(place[:, 3])
        assert {kind_at(layout, px, py) for px, py in zip(x, y)} <= {ROAD, FLOOR}
    assert (layout.passage is not None) == (route == "campus")
    assert np.abs(course.derivative(np.arange(0.0, course.length, 0.25), 1)[:, 3]).max() < 0.35  # 1/m


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4, 5, EVALUATION_SEED, EVALUATION_SEED + 1])
def test_the_way_through_an_office_leads_through_rooms_and_open_doors_only(seed: int) -> None:
    layout = make_layout(WorldConfig(route="office", seed=seed), np.random.default_rng([seed, 3]))
    plan = layout.floor_plan
    assert plan is not None and len(plan.spaces) > 8
    doors = [
        Rectangle(d.x - dx, d.y - dy, d.x + dx, d.y + dy)
        for d in plan.doors
        if d.kind == "portal"
        for dx, dy in [(0.5 * d.width - 0.4, 0.5) if d.is_along_x else (0.5, 0.5 * d.width - 0.4)]
    ]
    free = [space.area.grown(-0.4) for space in plan.spaces] + doors
    for x, y in layout.course.derivative(np.arange(0.0, layout.course.length, 0.1), 0)[:, :2]:
        assert any(area.contains(x, y) for area in free)


def test_layouts_of_evaluation_are_never_those_of_training() -> None:
    from perception.world.layouts.district import CAMPUS_LOOPS, LOOPS
    from perception.world.layouts.office import RINGS

    for options in (LOOPS, CAMPUS_LOOPS, RINGS):
        training, held_out = (Variety(side).part(options) for side in (False, True))
        assert training and held_out and not set(training) & set(held_out)


@pytest.mark.parametrize("seed", [2, EVALUATION_SEED + 2])
def test_every_surface_has_a_look_of_its_side(seed: int) -> None:
    scene = build_scene(WorldConfig(route="office", seed=seed, scene=SPARSE))
    allowed = variety_of(seed).part(range(VARIANTS))
    meshes = [scene.static, *(mover.mesh for mover in scene.movers)]
    assert all(np.isin(mesh.texture_ids % VARIANTS, allowed).all() for mesh in meshes)


@pytest.mark.long
@pytest.mark.parametrize("seed", [0, 1, 2, EVALUATION_SEED])
def test_an_average_district_has_everything_within_sight_of_the_way(seed: int) -> None:
    scene = build_scene(WorldConfig(route="district", seed=seed))
    way = scene.layout.course.derivative(np.arange(0.0, scene.layout.course.length, 2.0), 0)[:, :2]
    places = scene.thing_poses(np.array([0]), 0.0)[:, 0, :2, 3]
    near = np.linalg.norm(places[:, None] - way[None], axis=-1).min(axis=1) < 60.0
    seen = {thing.kind for thing, is_near in zip(scene.things, near) if is_near}
    assert seen >= {*DETECTED, Class.ANIMAL}
    assert set(np.unique(scene.static.class_ids)) >= {
        Class.OTHERS, Class.DRIVEABLE_SURFACE, Class.OTHER_FLAT, Class.SIDEWALK, Class.TERRAIN, Class.MANMADE,
        Class.VEGETATION,
    }  # fmt: skip
