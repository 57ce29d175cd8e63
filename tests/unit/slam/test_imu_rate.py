"""Odometry at IMU rate: right between the scans, smooth over their corrections, silent where nothing is known."""

from dataclasses import replace

import numpy as np
import pytest

from perception.core.geometry import exp_so3, inverse, log_so3, transform
from perception.core.types import ImuBatch, ImuState, Odometry
from slam.config import OdometryConfig
from slam.imu_rate import SMOOTHING_NS, ImuRatePredictor
from slam.state import GRAVITY
from tests.unit.slam.simulation import RIG, START_NS, T_BASE_IMU, Room

STEP_NS = 5_000_000


@pytest.fixture
def room() -> Room:
    return Room(rest=-4.0, gyro_noise=0.0, accel_noise=0.0, gyro_bias=np.zeros(3))


def true_state(room: Room, time: float) -> ImuState:
    """State of the IMU in the room, as a perfect odometry would give it."""
    h = 1e-5
    before, here, after = (room.pose(time + step) @ T_BASE_IMU for step in (-h, 0.0, h))
    velocity = (after[:3, 3] - before[:3, 3]) / (2 * h)
    zero = np.zeros(3)
    stamp_ns = START_NS + round(time * 1e9)
    return ImuState(stamp_ns, here, velocity, zero, zero, np.array([0.0, 0.0, -GRAVITY]), covariance=1e-6 * np.eye(23))


def one_by_one(batch: ImuBatch) -> list[ImuBatch]:
    return [
        ImuBatch(batch.stamps_ns[k : k + 1], batch.gyro[k : k + 1], batch.accel[k : k + 1])
        for k in range(len(batch.stamps_ns))
    ]


def still_samples(start_ns: int, count: int) -> ImuBatch:
    stamps = start_ns + STEP_NS * np.arange(count, dtype=np.int64)
    up = T_BASE_IMU[:3, :3].T @ [0.0, 0.0, GRAVITY]
    return ImuBatch(stamps, np.zeros((count, 3)), np.tile(up, (count, 1)))


def still_state(stamp_ns: int, shift: float = 0.0) -> ImuState:
    zero, T = np.zeros(3), T_BASE_IMU.copy()
    T[0, 3] += shift
    return ImuState(stamp_ns, T, zero, zero, zero, np.array([0.0, 0.0, -GRAVITY]))


def test_nothing_is_predicted_before_the_first_correction(room):
    predictor = ImuRatePredictor(OdometryConfig(), RIG)
    assert predictor.add_imu(room.imu(0.0, 0.2)) == []


def test_every_sample_after_the_correction_gives_the_true_pose_and_velocity(room):
    predictor = ImuRatePredictor(OdometryConfig(), RIG)
    predictor.add_imu(room.imu(0.0, 0.1))
    predictor.correct(true_state(room, 0.0925))
    predicted = [odometry for batch in one_by_one(room.imu(0.1, 0.3)) for odometry in predictor.add_imu(batch)]
    assert [odometry.stamp_ns for odometry in predicted] == [START_NS + 100_000_000 + STEP_NS * k for k in range(40)]
    for odometry in predicted:
        time, h = (odometry.stamp_ns - START_NS) * 1e-9, 1e-5
        T = inverse(room.pose(time)) @ odometry.T_odom_base
        assert np.linalg.norm(T[:3, 3]) < 2e-3
        assert np.linalg.norm(log_so3(T[:3, :3])) < 1e-3
        velocity = room.pose(time)[:3, :3].T @ (room.pose(time + h)[:3, 3] - room.pose(time - h)[:3, 3]) / (2 * h)
        np.testing.assert_allclose(odometry.velocity, velocity, atol=0.02)


def test_batches_give_the_same_as_single_samples(room):
    single, whole = ImuRatePredictor(OdometryConfig(), RIG), ImuRatePredictor(OdometryConfig(), RIG)
    for predictor in (single, whole):
        predictor.correct(true_state(room, 0.0))
    batch = room.imu(0.0, 0.2)
    expected = [odometry for part in one_by_one(batch) for odometry in single.add_imu(part)]
    got = whole.add_imu(batch)
    assert len(got) == len(expected) == 39  # the first sample is the state's own instant
    for a, b in zip(got, expected, strict=True):
        assert a.stamp_ns == b.stamp_ns
        np.testing.assert_allclose(a.T_odom_base, b.T_odom_base, atol=1e-12)


def test_late_correction_is_carried_to_the_newest_sample(room):
    predictor = ImuRatePredictor(OdometryConfig(), RIG)
    predictor.add_imu(room.imu(0.0, 0.5))
    predictor.correct(true_state(room, 0.2))
    (odometry,) = predictor.add_imu(room.imu(0.5, 0.505))[-1:]
    T = inverse(room.pose(0.5)) @ odometry.T_odom_base
    assert np.linalg.norm(T[:3, 3]) < 5e-3


def test_step_of_a_correction_is_worked_off_within_one_scan():
    predictor = ImuRatePredictor(OdometryConfig(), RIG)
    predictor.correct(still_state(0))
    before = predictor.add_imu(still_samples(STEP_NS, 40))
    predictor.correct(still_state(40 * STEP_NS - 60_000_000, shift=0.1))
    after = predictor.add_imu(still_samples(41 * STEP_NS, 40))
    x = np.array([odometry.T_odom_base[0, 3] for odometry in before + after])
    assert x[0] == pytest.approx(0.0, abs=1e-9)
    assert x[-1] == pytest.approx(0.1, abs=1e-9)
    assert np.abs(np.diff(x)).max() <= 0.1 * STEP_NS / SMOOTHING_NS + 1e-9
    assert x[len(before) + SMOOTHING_NS // STEP_NS] == pytest.approx(0.1, abs=1e-9)


def test_step_in_rotation_is_worked_off_too():
    predictor = ImuRatePredictor(OdometryConfig(), RIG)
    predictor.correct(still_state(0))
    predictor.add_imu(still_samples(STEP_NS, 40))
    turned = still_state(40 * STEP_NS - 60_000_000)
    T = transform(exp_so3(np.array([0.0, 0.0, 0.1])), np.zeros(3)) @ turned.T_odom_imu
    predictor.correct(replace(turned, T_odom_imu=T))
    after = predictor.add_imu(still_samples(41 * STEP_NS, 40))
    yaw = np.array([log_so3(odometry.T_odom_base[:3, :3])[2] for odometry in after])
    assert yaw[0] < 0.01
    assert (np.diff(yaw) > -1e-9).all()
    assert yaw[-1] == pytest.approx(0.1, abs=1e-6)


def test_standing_still_stays_still_over_many_corrections():
    predictor = ImuRatePredictor(OdometryConfig(), RIG)
    x: list[Odometry] = []
    for scan in range(10):
        predictor.correct(still_state(scan * 20 * STEP_NS))
        x += predictor.add_imu(still_samples(scan * 20 * STEP_NS + STEP_NS, 20))
    positions = np.array([odometry.T_odom_base[:3, 3] for odometry in x])
    np.testing.assert_allclose(positions, 0.0, atol=1e-9)
    np.testing.assert_allclose([odometry.velocity for odometry in x], 0.0, atol=1e-9)


def test_uncertainty_grows_between_corrections(room):
    predictor = ImuRatePredictor(OdometryConfig(), RIG)
    predictor.correct(true_state(room, 0.0))
    traces = [np.trace(predictor.add_imu(part)[-1].covariance) for part in one_by_one(room.imu(0.005, 0.3))]
    assert (np.diff(traces) > 0.0).all()


def test_hole_in_the_samples_ends_the_prediction_until_the_next_correction(room):
    predictor = ImuRatePredictor(OdometryConfig(), RIG)
    predictor.correct(true_state(room, 0.0))
    assert len(predictor.add_imu(room.imu(0.005, 0.1))) == 19
    assert predictor.add_imu(room.imu(0.4, 0.5)) == []
    predictor.correct(true_state(room, 0.45))
    assert len(predictor.add_imu(room.imu(0.5, 0.6))) == 20


def test_bad_and_repeated_samples_are_left_out(room):
    predictor = ImuRatePredictor(OdometryConfig(), RIG)
    predictor.correct(true_state(room, 0.0))
    batch = room.imu(0.005, 0.105)
    batch.gyro[4], batch.accel[9] = np.nan, np.inf
    predicted = predictor.add_imu(batch)
    assert len(predicted) == 18
    assert predictor.add_imu(batch) == []
    assert np.isfinite(np.array([odometry.T_odom_base for odometry in predicted])).all()


def test_after_a_reset_nothing_is_known(room):
    predictor = ImuRatePredictor(OdometryConfig(), RIG)
    predictor.correct(true_state(room, 0.0))
    predictor.reset()
    assert predictor.add_imu(room.imu(0.005, 0.1)) == []


def test_force_in_g_is_scaled_as_the_odometry_says():
    predictor = ImuRatePredictor(OdometryConfig(), RIG)
    predictor.correct(replace(still_state(0), accel_scale=GRAVITY))
    batch = still_samples(STEP_NS, 40)
    predicted = predictor.add_imu(ImuBatch(batch.stamps_ns, batch.gyro, batch.accel / GRAVITY))
    np.testing.assert_allclose(predicted[-1].velocity, 0.0, atol=1e-9)
