"""What moves: feet on the ground, boxes around all parts at all times, numbers as configured, nobody in the way."""

import numpy as np
import pytest

from perception.core.classes import Class
from perception.core.geometry import inverse
from perception.core.stamps import NS_PER_S
from perception.world.config import SceneConfig, WorldConfig
from perception.world.layout import Layout, make_layout
from perception.world.movers import Mover, make_people_indoors, make_street_movers
from perception.world.moving import Accompany, Beside, Still, Stride, rigid, stepping
from perception.world.objects.animals import draw_animal
from perception.world.objects.figure import draw_build, draw_outfit, make_figure
from perception.world.objects.ground import WALK, kind_at
from perception.world.objects.people import Walk
from perception.world.objects.vehicles import make_car
from perception.world.things import Thing
from perception.world.variety import TRAINING, Variety
from perception.world.walkers import stride_of

SCENE = SceneConfig(num_moving_cars=4, num_pedestrians=9, num_animals=3)
SMALL = SceneConfig(num_moving_cars=1, num_pedestrians=3, num_animals=1)
TIMES = np.arange(0, 12 * NS_PER_S, NS_PER_S // 3)


@pytest.fixture(scope="module")
def layout() -> Layout:
    return make_layout(WorldConfig(route="turns", scene=SCENE), np.random.default_rng(1))


@pytest.fixture(scope="module")
def street(layout: Layout) -> tuple[list[Mover], list[Thing]]:
    config = WorldConfig(route="turns", duration=12.0, scene=SCENE)
    return make_street_movers(layout, config, np.random.default_rng(2), 500)


def in_thing(movers: list[Mover], thing: Thing, times: np.ndarray) -> np.ndarray:
    """All corners (T, N, 3) of a thing in its own frame."""
    T_thing_world = inverse_all(thing.poses(times))
    parts = []
    for mover in movers:
        if thing.instance_id in mover.mesh.instance_ids:
            T = T_thing_world @ mover.motion.poses(times)
            points = mover.mesh.triangles.reshape(-1, 3).astype(np.float64)
            parts.append(points @ T[:, :3, :3].transpose(0, 2, 1) + T[:, None, :3, 3])
    return np.concatenate(parts, axis=1)


def inverse_all(T: np.ndarray) -> np.ndarray:
    return np.array([inverse(one) for one in T])


def test_numbers_are_as_configured_and_every_body_belongs_to_one_thing(street) -> None:
    movers, things = street
    kinds = [thing.kind for thing in things]
    driving = {Class.CAR, Class.TRUCK, Class.BUS, Class.MOTORCYCLE}
    assert sum(kind in driving for kind in kinds) == SCENE.num_moving_cars
    assert kinds.count(Class.PEDESTRIAN) == SCENE.num_pedestrians
    assert kinds.count(Class.ANIMAL) == SCENE.num_animals
    assert kinds.count(Class.BICYCLE) >= 1
    assert [thing.instance_id for thing in things] == list(range(500, 500 + len(things)))
    numbers = {thing.instance_id: thing.kind for thing in things}
    for mover in movers:
        (number,) = np.unique(mover.mesh.instance_ids)
        assert set(mover.mesh.class_ids) == {numbers[int(number)]}
    counts = np.bincount([int(mover.mesh.instance_ids[0]) - 500 for mover in movers], minlength=len(things))
    assert counts.min() >= 1 and counts.max() <= 5


def test_the_box_of_a_thing_holds_its_triangles_at_all_times_and_is_tight(street) -> None:
    movers, things = street
    for thing in things:
        points = in_thing(movers, thing, TIMES)
        assert (points >= thing.low - 1e-4).all() and (points <= thing.high + 1e-4).all()
        slack = np.concatenate([points.min(axis=(0, 1)) - thing.low, thing.high - points.max(axis=(0, 1))])
        assert slack.max() < 0.15


def test_feet_are_on_the_ground_while_walking(street) -> None:
    movers, things = street
    for thing in things:
        lowest = in_thing(movers, thing, TIMES)[..., 2].min(axis=1)
        assert np.abs(lowest).max() < 0.03, thing.kind.label


def test_the_foot_on_the_ground_does_not_slide() -> None:
    stride = Stride(0.87, 0.7, 0.18, 0.1)
    distance = np.linspace(0.0, 1.4, 200)
    phase = stride.phase(distance)
    on_ground = np.cos(phase) > 0.3  # the left foot is on its way back
    foot = distance - stride.leg * np.sin(stride.angle(phase, 1.0))
    slide = np.abs(np.gradient(foot, distance))[on_ground]
    assert slide.max() < 0.02  # of the speed of the body
    assert stride.phase(np.array([2 * 0.7]))[0] == pytest.approx(2 * np.pi)


@pytest.mark.parametrize("step", [0.0, 0.3, 0.9, 5.0])
def test_hips_are_as_high_as_the_lower_foot_demands(step: float) -> None:
    stride = Stride(0.8, max(step, 1e-6), 0.15, 0.1)
    phase = np.linspace(0.0, 2.0 * np.pi, 50)
    soles = [
        stride.bob(phase) + stride.leg + stride.lift(phase, side) - stride.leg * np.cos(angle) - reach * np.sin(angle)
        for side in (1.0, -1.0)
        for angle in (stride.angle(phase, side),)
        for reach in (stride.toe, -stride.heel)
    ]
    np.testing.assert_allclose(np.min(soles, axis=0), 0.0, atol=1e-9)


def test_arms_swing_against_the_legs_and_in_step_with_them(layout: Layout) -> None:
    rng = np.random.default_rng(3)
    figure = make_figure(draw_build(rng), draw_outfit(rng, TRAINING))
    walk = Walk(np.zeros(2), np.array([30.0, 0.0]), 1.2, 0.0, layout.terrain, 0.0)
    movers, thing = stepping(figure.trunk, figure.legs, figure.arms, walk, stride_of(figure, 1.2), 7, Class.PEDESTRIAN)
    assert len(movers) == 5 and thing.instance_id == 7 and thing.motion is walk
    times = np.arange(0, 4 * NS_PER_S, NS_PER_S // 30)
    root = inverse_all(walk.poses(times))
    left_leg, right_leg, left_arm, right_arm = ((root @ m.motion.poses(times))[:, 0, 2] for m in movers[1:])
    assert np.corrcoef(left_leg, right_leg)[0, 1] < -0.99
    assert np.corrcoef(left_leg, left_arm)[0, 1] < -0.99
    assert np.corrcoef(left_leg, right_arm)[0, 1] > 0.99
    steps = np.count_nonzero(np.diff(np.sign(left_leg - left_leg.mean())))
    assert steps == pytest.approx(4.0 * 1.2 / stride_of(figure, 1.2).step, abs=1.5)


def test_people_walk_and_stand_on_pavements_only(layout: Layout, street) -> None:
    _, things = street
    for thing in things:
        if thing.kind not in (Class.PEDESTRIAN, Class.ANIMAL):
            continue
        place = thing.poses(TIMES)[:, :2, 3]
        kinds = {kind_at(layout, float(x), float(y)) for x, y in place}
        assert kinds == {WALK} or thing.kind == Class.ANIMAL


def test_no_two_people_stand_in_each_other(street) -> None:
    _, things = street
    still = [thing for thing in things if isinstance(thing.motion, Still)]
    places = np.array([thing.motion.T_world_mover[:2, 3] for thing in still])
    gaps = np.linalg.norm(places[:, None] - places[None], axis=-1) + 9.0 * np.eye(len(places))
    assert gaps.min() > 0.6


def test_a_place_that_is_taken_is_left_alone(layout: Layout) -> None:
    config = WorldConfig(route="turns", duration=12.0, scene=SCENE)

    def is_free(x: float, y: float, radius: float) -> bool:
        return x > 40.0

    _, things = make_street_movers(layout, config, np.random.default_rng(2), 1, TRAINING, is_free)
    standing = [thing for thing in things if isinstance(thing.motion, Still)]
    assert standing and all(thing.motion.T_world_mover[0, 3] > 40.0 - 1.0 for thing in standing)


@pytest.mark.parametrize("route", ["corridor", "office"])
def test_people_indoors_stay_out_of_the_way_of_the_robot(route) -> None:
    layout = make_layout(WorldConfig(route=route, seed=4), np.random.default_rng(1))
    movers, things = make_people_indoors(layout, SCENE, np.random.default_rng(2), 1)
    assert things and movers
    course = layout.course.derivative(np.arange(0.0, layout.course.length, 0.1), 0)[:, :2]
    for thing in things:
        place = thing.poses(TIMES)[:, :2, 3]
        assert np.linalg.norm(place[:, None] - course, axis=-1).min() > 0.55


def test_the_same_seed_gives_the_same_movers_and_no_configuration_is_too_small(layout: Layout) -> None:
    config = WorldConfig(route="turns", duration=3.0, scene=SMALL)
    one, again = (make_street_movers(layout, config, np.random.default_rng(2), 1)[0] for _ in range(2))
    assert [m.mesh.triangles.tobytes() for m in one] == [m.mesh.triangles.tobytes() for m in again]
    assert all((a.motion.poses(TIMES[:3]) == b.motion.poses(TIMES[:3])).all() for a, b in zip(one, again, strict=True))
    nobody = WorldConfig(
        route="turns", duration=3.0, scene=SceneConfig(num_moving_cars=0, num_pedestrians=0, num_animals=0)
    )
    assert make_street_movers(layout, nobody, np.random.default_rng(2), 1) == ([], [])


def test_evaluation_draws_its_people_from_the_other_side(layout: Layout) -> None:
    config = WorldConfig(route="turns", duration=3.0, scene=SMALL)

    def looks(variety: Variety) -> set[int]:
        movers, _ = make_street_movers(layout, config, np.random.default_rng(2), 1, variety)
        return {int(t) for mover in movers for t in np.unique(mover.mesh.texture_ids) if t % 8}

    assert not looks(TRAINING) & looks(Variety(is_held_out=True))


def test_beside_and_still_keep_their_place() -> None:
    T = np.eye(4)
    T[:3, 3] = 1.0, 2.0, 3.0
    beside = Beside(Still(T), np.array([0.0, -1.5, 0.0]))
    np.testing.assert_allclose(beside.poses(TIMES)[:, :3, 3], np.tile([1.0, 0.5, 3.0], (len(TIMES), 1)))
    mover, thing = rigid(make_car(np.random.default_rng(0)), beside, 9, Class.CAR)
    assert set(mover.mesh.instance_ids) == {9} and thing.motion is beside
    np.testing.assert_allclose(thing.high, mover.mesh.triangles.max(axis=(0, 1)))


def test_a_dog_keeps_pace_with_its_owner(layout: Layout) -> None:
    rng = np.random.default_rng(0)
    beast = next(b for b in (draw_animal(rng, TRAINING) for _ in range(20)) if b.pairs)
    walk = Walk(np.zeros(2), np.array([30.0, 0.0]), 1.2, 0.0, layout.terrain, 0.0)
    way = Accompany(walk, np.array([0.3, -0.5, 0.0]))
    movers, _ = stepping(
        beast.trunk, beast.pairs, (), way, Stride(beast.leg, 0.9 * beast.leg, 0.05, 0.0), 3, Class.ANIMAL
    )
    assert len(movers) == 3
    np.testing.assert_allclose(way.distance(TIMES), walk.distance(TIMES))
