from itertools import pairwise

import numpy as np
import pytest

from perception.core.geometry import transform
from perception.core.stamps import NS_PER_S
from perception.core.types import Odometry
from perception.mapping.sensors import Fixes, Wheels
from slam.graph.config import GraphConfig
from slam.graph.gnss import GnssFix
from slam.graph.sensors import AntennaFix, WheelTwist

START_NS = 1_700_000_000 * NS_PER_S
ANTENNA = np.array([-0.5, 0.0, 1.0])


def odometry(seconds, speed=2.0):
    """A base that drives along x."""
    T = transform(np.eye(3), np.array([speed * seconds, 0.0, 0.0]))
    return Odometry(START_NS + round(seconds * NS_PER_S), T, np.eye(6), np.zeros(3), np.zeros(3))


def fix(seconds, east=0.0, has_fix=True):
    found = GnssFix(START_NS + round(seconds * NS_PER_S), 48.0, 11.0 + east * 1e-5, 500.0, np.eye(3), has_fix)
    return AntennaFix(found, ANTENNA)


def twist(seconds, speed=2.0):
    return WheelTwist(START_NS + round(seconds * NS_PER_S), np.array([speed, 0.0]), 0.0)


def test_a_fix_between_two_poses_hangs_on_the_keyframe_before_it_by_what_the_odometry_says():
    fixes = Fixes(GraphConfig())
    fixes.due(odometry(1.0), 7, odometry(0.0))
    fixes.add(fix(1.05))
    (factor,) = fixes.due(odometry(1.1), 7, odometry(0.0))
    assert factor.pose_id == 7
    np.testing.assert_allclose(factor.p_base_antenna, ANTENNA + np.array([2.1, 0.0, 0.0]), atol=1e-9)


def test_a_keyframe_gets_one_fix_and_a_receiver_without_one_gives_none():
    fixes = Fixes(GraphConfig())
    fixes.due(odometry(0.9), 0, odometry(0.0))
    for number in range(5):
        fixes.add(fix(1.0 + 0.1 * number, has_fix=number > 0))
    found = [factor for step in range(6) for factor in fixes.due(odometry(1.0 + 0.1 * step), 0, odometry(0.0))]
    assert len(found) == 1
    assert fixes.counts["fixes: no fix"] == 1


def test_a_fix_that_comes_late_hangs_on_the_keyframe_of_its_time():
    fixes = Fixes(GraphConfig())
    for step in range(11):
        assert fixes.due(odometry(0.1 * step), 7, odometry(0.0)) == []
    fixes.add(fix(0.75))
    fixes.due(odometry(1.1), 8, odometry(1.0))
    fixes.add(fix(0.95))  # the keyframe before has a fix
    fixes.add(fix(1.05))
    (second,) = fixes.due(odometry(1.2), 8, odometry(1.0))
    assert second.pose_id == 8
    np.testing.assert_allclose(second.p_base_antenna, ANTENNA + np.array([0.1, 0.0, 0.0]), atol=1e-9)
    assert fixes.counts["fixes: used"] == 2
    fixes.due(odometry(4.0), 9, odometry(3.9))
    fixes.add(fix(1.15))
    assert fixes.due(odometry(4.1), 9, odometry(3.9)) == []
    assert fixes.counts["fixes: without an odometry"] == 1


@pytest.mark.parametrize("wild", [3600.0, -3600.0])
def test_one_wild_stamp_costs_its_fix_and_no_other(wild):
    fixes = Fixes(GraphConfig())
    fixes.due(odometry(0.0), 0, odometry(0.0))
    for seconds in (0.5, wild, 1.0, 1.5):
        fixes.add(fix(seconds))
    found = [f for number in (1, 2, 3) for f in fixes.due(odometry(0.5 * number), number, odometry(0.0))]
    assert len(found) == 3
    assert fixes.counts["fixes: unconfirmed jump"] == 1


def pair(wheels, *keyframes):
    """The factors that come with a row of keyframes, one second apart."""
    spans = pairwise(keyframes)
    return [wheels.due(a, b, START_NS + a * NS_PER_S, START_NS + b * NS_PER_S) for a, b in spans]


def test_twists_between_two_keyframes_are_a_factor_once_the_next_one_has_come():
    wheels = Wheels(GraphConfig())
    for step in range(61):
        wheels.add(twist(0.05 * step))
    first, second = pair(wheels, 0, 1, 2)
    assert first is None
    assert (second.from_id, second.to_id) == (0, 1)
    np.testing.assert_allclose(second.T_from_to[:3, 3], [2.0, 0.0, 0.0], atol=1e-9)


@pytest.mark.parametrize("wild", [3600.0, -3600.0])
def test_one_wild_stamp_costs_its_twist_and_no_other(wild):
    wheels = Wheels(GraphConfig())
    for step in range(61):
        wheels.add(twist(0.05 * step))
        if step == 10:
            wheels.add(twist(wild, speed=100.0))
    _, second = pair(wheels, 0, 1, 2)
    np.testing.assert_allclose(second.T_from_to[:3, 3], [2.0, 0.0, 0.0], atol=1e-9)
    assert wheels.counts["wheels: unconfirmed jump"] == 1


def test_a_clock_that_was_moved_back_is_followed():
    wheels = Wheels(GraphConfig())
    for step in range(20):
        wheels.add(twist(1000.0 + 0.05 * step))
    for step in range(61):
        wheels.add(twist(0.05 * step - 1.0))
    _, second = pair(wheels, 0, 1, 2)
    assert second is not None


def test_twists_that_come_twice_are_counted_and_left_out():
    wheels = Wheels(GraphConfig())
    for _ in range(3):
        wheels.add(twist(0.0))
    assert wheels.counts["wheels: duplicate"] == 2


def test_a_gap_in_the_twists_gives_no_factor():
    wheels = Wheels(GraphConfig())
    for step in (*range(5), *range(19, 61)):
        wheels.add(twist(0.05 * step))
    assert pair(wheels, 0, 1, 2) == [None, None]
    assert wheels.counts["wheels: gaps"] == 1
