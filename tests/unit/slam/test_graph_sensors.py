"""Satellite fixes, wheels and odometry become factors: numbers by hand, gates, and what is refused."""

import numpy as np
import pytest

from perception.core.errors import InvalidInput
from perception.core.geometry import exp_so3, inverse, transform
from perception.core.types import Odometry
from slam.graph.config import GnssConfig, OdometryNoiseConfig, WheelConfig
from slam.graph.gnss import GnssFactors, GnssFix, LevelFrame, ecef
from slam.graph.noise import odometry_factor, wheel_factor

SECOND = 1_000_000_000


def fix(latitude=48.0, longitude=11.0, deviation=1.0, **other):
    return GnssFix(1, latitude, longitude, 500.0, np.diag([deviation**2] * 2 + [4.0 * deviation**2]), **other)


def test_places_on_earth_are_those_of_wgs84():
    assert np.allclose(ecef(0.0, 0.0, 0.0), [6378137.0, 0.0, 0.0])
    assert np.allclose(ecef(90.0, 0.0, 0.0), [0.0, 0.0, 6356752.3142], atol=1e-3)
    assert np.allclose(ecef(0.0, 90.0, 100.0), [0.0, 6378237.0, 0.0], atol=1e-6)


def test_the_level_frame_points_east_north_and_up():
    frame = LevelFrame.at(48.0, 11.0, 500.0)
    assert np.allclose(frame.enu(48.0, 11.0, 507.0), [0.0, 0.0, 7.0], atol=1e-6)
    east, north = frame.enu(48.0, 11.001, 500.0), frame.enu(48.001, 11.0, 500.0)
    assert east[0] == pytest.approx(74.62, abs=0.02) and abs(east[1]) < 0.01  # m in 0.001 deg at this latitude
    assert north[1] == pytest.approx(111.2, abs=0.02) and abs(north[0]) < 0.01


def test_fixes_are_gated_by_what_the_receiver_says_and_counted():
    factors = GnssFactors(GnssConfig(max_deviation=3.0))
    assert factors.factor(fix(), 4, np.eye(4)).pose_id == 4
    for bad in (
        fix(deviation=9.0),
        fix(has_fix=False),
        GnssFix(1, 48.0, 11.0, 0.0, None),
        GnssFix(1, 48.0, 11.0, 0.0, np.zeros((3, 3))),
    ):
        assert factors.factor(bad, 5, np.eye(4)) is None
    assert factors.counts == {
        "used": 1, "covariance too large": 1, "no fix": 1, "covariance unknown": 1, "covariance not valid": 1
    }  # fmt: skip


def test_no_receiver_is_trusted_to_millimetres():
    position = GnssFactors(GnssConfig(min_deviation=0.1)).factor(fix(deviation=1e-4), 0, np.eye(4))
    assert np.allclose(np.diag(position.information), 100.0)


def test_a_fix_between_keyframes_hangs_on_one_of_them_by_the_odometry():
    factors = GnssFactors(GnssConfig(), np.array([0.0, 0.0, 1.0]))
    later = transform(exp_so3(np.array([0.0, 0.0, 0.5])), np.array([2.0, 0.0, 0.0]))
    assert np.allclose(factors.factor(fix(), 0, later).p_base_antenna, [2.0, 0.0, 1.0])


@pytest.mark.parametrize("place", [(91.0, 0.0), (np.nan, 0.0), (0.0, 400.0)])
def test_what_is_no_place_on_earth_is_refused(place):
    with pytest.raises(InvalidInput, match="latitude"):
        GnssFix(1, *place, 0.0, np.eye(3))


def circle(rate=50, seconds=10.0, speed=1.0, turn=0.3):
    stamps = (np.arange(int(rate * seconds) + 1) / rate * SECOND).astype(np.int64)
    return stamps, np.tile([speed, 0.0, turn], (len(stamps), 1))


def test_wheels_on_a_circle_come_where_the_circle_is():
    stamps, twists = circle()
    span = (int(0.505 * SECOND), int(7.013 * SECOND))
    factor = wheel_factor(0, 1, stamps, twists, span, WheelConfig())
    angle = 0.3 * (span[1] - span[0]) / SECOND
    radius = 1.0 / 0.3
    want = transform(
        exp_so3(np.array([0, 0, angle])), np.array([radius * np.sin(angle), radius * (1 - np.cos(angle)), 0])
    )
    assert np.abs(factor.T_from_to - want).max() < 1e-4
    deviations = np.sqrt(1.0 / np.diag(factor.information))
    driven = (span[1] - span[0]) / SECOND
    assert deviations[0] == pytest.approx(0.02 + 0.02 * driven)
    assert deviations[5] == pytest.approx(np.deg2rad(0.5) + 0.1 * angle)


def test_holes_in_the_twists_give_no_factor():
    stamps, twists = circle()
    keep = (stamps < 3 * SECOND) | (stamps > 4 * SECOND)
    config = WheelConfig()
    assert wheel_factor(0, 1, stamps[keep], twists[keep], (SECOND, 6 * SECOND), config) is None
    assert wheel_factor(0, 1, stamps[keep], twists[keep], (SECOND, 2 * SECOND), config) is not None
    assert wheel_factor(0, 1, stamps, twists, (SECOND, 11 * SECOND), config) is None
    assert wheel_factor(0, 1, stamps[:0], twists[:0], (SECOND, 2 * SECOND), config) is None


def odometry(T, variance):
    return Odometry(1, T, np.eye(6) * variance, np.zeros(3), np.zeros(3))


def test_odometry_is_trusted_by_the_growth_of_its_covariance_and_never_beyond_the_floor():
    config = OdometryNoiseConfig()
    a, b = transform(exp_so3(np.array([0.1, 0.2, 1.0])), np.ones(3)), transform(np.eye(3), np.array([4.0, 1.0, 1.0]))
    floor = config.min_position + config.position_per_distance * 3.0
    for before, after, want in ((1e-9, 1e-9, floor), (1.0, 0.5, floor), (0.0, 0.04, np.hypot(floor, 0.2))):
        factor = odometry_factor(3, 4, odometry(a, before), odometry(b, after), config)
        assert np.abs(factor.T_from_to - inverse(a) @ b).max() < 1e-12
        deviations = np.sqrt(np.diag(np.linalg.inv(factor.information)))
        assert np.allclose(deviations[:3], want)


def test_the_covariance_is_turned_into_axes_of_the_later_base():
    quarter = transform(exp_so3(np.array([0.0, 0.0, np.pi / 2])), np.zeros(3))
    end = Odometry(1, quarter, np.diag([1.0, 0, 0, 0, 0, 0]), np.zeros(3), np.zeros(3))  # along x of odom: -y of base
    factor = odometry_factor(0, 1, odometry(np.eye(4), 0.0), end, OdometryNoiseConfig())
    deviations = np.sqrt(np.diag(np.linalg.inv(factor.information)))
    assert deviations[1] > 0.99 and deviations[0] < 0.05
