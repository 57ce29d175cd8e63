"""The iterated update: algebra against its definition, consistency of the covariance, and standing still."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from perception.core.geometry import exp_so3, hat, log_so3
from slam import kernels_inertial as kernels
from slam import state as s
from slam.config import FilterConfig
from slam.filter import STANDSTILL, Filter, Twist, sweep_motion, twist_between, update_step_twin
from slam.measurement import damped
from slam.propagation import Inputs, propagate
from slam.start import first_covariance
from slam.state import State, boxminus, boxplus, error_jacobian
from tests.unit.slam.test_imu import random_covariance
from tests.unit.slam.test_state import random_error, random_state

CONFIG = FilterConfig()


@dataclass(frozen=True)
class Information:
    HtH: np.ndarray
    Htz: np.ndarray
    num_matches: int


@dataclass(frozen=True, eq=False)
class Planes:
    """Points (N, 3) in LiDAR axes that lie on planes n.x + d = 0 of W, up to noise."""

    points: np.ndarray
    normals: np.ndarray
    offsets: np.ndarray

    @staticmethod
    def seen_from(x: State, random: np.random.Generator, count: int, noise: float) -> "Planes":
        points = random.uniform(-15.0, 15.0, (count, 3))
        normals = random.standard_normal((count, 3))
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        world = (points @ x.R_imu_lidar.T + x.t_imu_lidar) @ x.R.T + x.position
        offsets = -np.einsum("ij,ij->i", normals, world) + noise * random.standard_normal(count)
        return Planes(points, normals, offsets)

    def rows(self, x: State, size: int) -> tuple[np.ndarray, np.ndarray]:
        """H (N, size) of section 7 and z = -r."""
        in_imu = self.points @ x.R_imu_lidar.T + x.t_imu_lidar
        c = self.normals @ x.R
        H = np.hstack((self.normals, np.cross(in_imu, c), np.cross(self.points, c @ x.R_imu_lidar), c))[:, :size]
        r = np.einsum("ij,ij->i", self.normals, in_imu @ x.R.T + x.position) + self.offsets
        return H, -r

    def information(self, x: State, size: int) -> Information:
        H, z = self.rows(x, size)
        return Information(H.T @ H, H.T @ z, len(z))


def random_information(seed: int, size: int, count: int = 200) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    H = random.standard_normal((count, size))
    return H.T @ H, H.T @ (0.1 * random.standard_normal(count))


@pytest.mark.parametrize("size", [6, 12])
@pytest.mark.parametrize("away", [0.0, 1e-3, 0.3])
def test_compiled_update_step_equals_its_definition(size, away):
    for seed in range(10):
        prior, P = random_state(seed), random_covariance(seed)
        x = boxplus(prior, random_error(seed + 10, away))
        HtH, Htz = random_information(seed, size)
        got_x, got_delta, got_P = np.empty(36), np.empty(23), np.empty((23, 23))
        assert kernels.update_step(prior.packed(), x.packed(), P, HtH, Htz, 1e-3, got_x, got_delta, got_P)
        want_x, want_delta, want_P = update_step_twin(prior, x, P, HtH, Htz, 1e-3)
        np.testing.assert_allclose(got_delta, want_delta, rtol=0, atol=1e-8)
        np.testing.assert_allclose(got_x, want_x.packed(), rtol=0, atol=1e-8)
        np.testing.assert_allclose(got_P, want_P, rtol=0, atol=1e-9)


def test_update_step_is_the_gain_form_of_the_specification():
    prior, P, variance = random_state(1), random_covariance(1), 1e-3
    x = boxplus(prior, random_error(2, 0.05))
    HtH, Htz = random_information(3, 6)
    d = boxminus(x, prior)
    J = error_jacobian(prior, d)
    d, L = J @ d, J @ P @ J.T
    H_full, z_full = np.zeros((23, 23)), np.zeros(23)
    H_full[:6, :6], z_full[:6] = HtH / variance, Htz / variance
    S_inverse = np.linalg.inv(H_full + np.linalg.inv(L))
    delta = S_inverse @ z_full + (S_inverse @ H_full - np.eye(23)) @ d
    np.testing.assert_allclose(update_step_twin(prior, x, P, HtH, Htz, variance)[1], delta, atol=1e-9)


def test_rotations_equal_their_own_transported_error():
    d = np.array([0.3, -0.4, 0.2])
    delta = np.zeros(23)
    delta[s.ROTATION] = d
    np.testing.assert_allclose((error_jacobian(random_state(0), delta) @ delta)[s.ROTATION], d, atol=1e-12)


@pytest.mark.parametrize("broken", ["zero", "negative", "nan"])
def test_covariance_that_is_not_definite_is_reported_not_used(broken):
    prior, P = random_state(1), random_covariance(1)
    P[4, 4] = {"zero": 0.0, "negative": -1.0, "nan": np.nan}[broken]
    HtH, Htz = random_information(3, 6)
    got = np.empty(36), np.empty(23), np.empty((23, 23))
    assert not kernels.update_step(prior.packed(), prior.packed(), P, HtH, Htz, 1e-3, *got)
    filter_ = Filter(CONFIG, prior, P, 0)
    correction = filter_.update(lambda x, search: Information(HtH, Htz, 200))
    assert not correction.is_accepted
    assert "definite" in correction.reason
    np.testing.assert_array_equal(filter_.state.packed(), prior.packed())


def test_measurement_rows_are_the_derivative_of_the_residual():
    step, x = 1e-6, random_state(4)
    planes = Planes.seen_from(x, np.random.default_rng(0), 20, 0.1)
    H, _ = planes.rows(x, 12)
    for k in range(12):
        e = np.zeros(23)
        e[k] = step
        numeric = (planes.rows(boxplus(x, -e), 12)[1] - planes.rows(boxplus(x, e), 12)[1]) / (2 * step)
        np.testing.assert_allclose(H[:, k], numeric, atol=1e-6)


def test_update_finds_the_pose_that_the_planes_were_seen_from():
    truth = random_state(7)
    planes = Planes.seen_from(truth, np.random.default_rng(1), 500, 0.0)
    delta = np.zeros(23)
    delta[:6] = [0.3, -0.2, 0.1, 0.02, -0.03, 0.05]
    filter_ = Filter(CONFIG, boxplus(truth, delta), first_covariance(truth.R, True) + 1e-1 * np.eye(23), 0)
    correction = filter_.update(lambda x, search: planes.information(x, 6))
    assert correction.is_accepted
    np.testing.assert_allclose(boxminus(filter_.state, truth)[:6], 0.0, atol=1e-4)
    assert np.linalg.eigvalsh(filter_.P).min() > 0.0


def test_correspondences_are_sought_first_after_long_steps_and_once_at_rest():
    truth, searches = random_state(7), []
    planes = Planes.seen_from(truth, np.random.default_rng(1), 500, 0.0)
    start = replace(truth, position=truth.position + 0.5)

    def measure(x: State, search: bool) -> Information:
        searches.append(search)
        return planes.information(x, 6)

    correction = Filter(CONFIG, start, np.eye(23), 0).update(measure)
    assert searches[:2] == [True, True]  # the first step is longer than search_step
    assert searches[-1]  # the last one verifies the correspondences at rest
    assert correction.num_iterations == len(searches) < CONFIG.max_iterations


def test_too_few_matches_leave_the_prediction():
    prior = random_state(5)
    filter_ = Filter(CONFIG, prior, random_covariance(5), 0)
    correction = filter_.update(lambda x, search: Information(np.zeros((6, 6)), np.zeros(6), 3))
    assert not correction.is_accepted
    assert "3 of at least" in correction.reason
    np.testing.assert_array_equal(filter_.state.packed(), prior.packed())


def test_directions_without_information_keep_the_prior():
    prior, P = random_state(5), random_covariance(5)
    HtH = np.zeros((6, 6))
    HtH[2, 2] = 1e4
    filter_ = Filter(CONFIG, prior, P, 0)
    filter_.update(lambda x, search: Information(HtH, np.zeros(6), 100))
    np.testing.assert_allclose(filter_.state.packed(), prior.packed(), atol=1e-9)
    assert filter_.P[2, 2] < 1e-6
    assert filter_.P[0, 0] > 0.1 * P[0, 0]


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_a_damped_translation_keeps_its_share_and_all_other_information(share):
    random = np.random.default_rng(0)
    H = random.standard_normal((300, 6)) @ np.diag([1, 1, 0.05, 5, 5, 5])
    HtH, Htz = H.T @ H, H.T @ random.standard_normal(300)
    A, B, C = HtH[:3, :3], HtH[:3, 3:], HtH[3:, 3:]
    values, vectors = np.linalg.eigh(A - B @ np.linalg.inv(C) @ B.T)
    weak = vectors[:, 0]
    got, got_z = damped(HtH, Htz, weak, share)
    mode = np.concatenate((weak, -np.linalg.inv(C) @ B.T @ weak))
    np.testing.assert_allclose(got @ mode, share * HtH @ mode, atol=1e-9)
    assert got_z @ mode == pytest.approx(share * Htz @ mode, abs=1e-9)
    expected = HtH.copy()
    expected[:3, :3] -= (1.0 - share) * values[0] * np.outer(weak, weak)
    np.testing.assert_allclose(got, expected, atol=1e-9)
    assert np.linalg.eigvalsh(got)[0] > -1e-9


def test_constant_motion_is_predicted_on_the_screw_and_spreads_the_pose_only():
    x, P = random_state(9), random_covariance(9)
    filter_ = Filter(CONFIG, x, P.copy(), 0)
    twist = Twist(np.array([8.0, 0.5, 0.1]), np.array([0.1, -0.2, 0.7]))
    motion = filter_.predict_constant(twist, 0, 100_000_000)
    R, p = twist.moved(x.R, x.position, 0.1)
    np.testing.assert_allclose(filter_.state.R, R, atol=1e-12)
    np.testing.assert_allclose(filter_.state.position, p, atol=1e-12)
    np.testing.assert_allclose(motion.p[-1], p, atol=1e-12)
    np.testing.assert_array_equal(filter_.state.velocity, x.velocity)
    np.testing.assert_array_equal(filter_.P[6:, 6:], P[6:, 6:])
    np.testing.assert_array_equal(filter_.P[:6, 6:], 0.0)
    moved = twist_between(x, filter_.state, 0.1)
    np.testing.assert_allclose(moved.linear, twist.linear, atol=1e-8)
    np.testing.assert_allclose(moved.angular, twist.angular, atol=1e-10)
    assert filter_.stamp_ns == 100_000_000


def test_uncertainty_of_a_constant_motion_is_that_of_an_unknown_acceleration():
    x = random_state(9)
    filter_ = Filter(CONFIG, x, np.zeros((23, 23)), 0)
    filter_.predict_constant(STANDSTILL, 0, 200_000_000)
    np.testing.assert_allclose(np.diagonal(filter_.P)[:6], (0.5 * 10.0 * 0.2**2) ** 2)


def test_pose_covariance_of_a_constant_motion_is_carried_by_its_derivative():
    x, twist, dt, step = random_state(3), Twist(np.array([20.0, 1.0, 0.0]), np.array([0.0, 0.3, 1.0])), 0.1, 1e-6
    P = np.zeros((23, 23))
    P[:6, :6] = random_covariance(3)[:6, :6]
    filter_ = Filter(CONFIG, x, P, 0)
    filter_.predict_constant(twist, 0, round(dt * 1e9))

    def moved(e: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return twist.moved(x.R @ exp_so3(e[3:]), x.position + e[:3], dt)

    F = np.zeros((6, 6))
    for k in range(6):
        e = np.zeros(6)
        e[k] = step
        (R_a, p_a), (R_b, p_b) = moved(-e), moved(e)
        F[:, k] = np.concatenate((p_b - p_a, log_so3(R_a.T @ R_b))) / (2 * step)
    expected = F @ P[:6, :6] @ F.T + (0.5 * 10.0 * dt**2) ** 2 * np.eye(6)
    np.testing.assert_allclose(filter_.P[:6, :6], expected, atol=1e-7)


def test_sweep_of_a_constant_motion_passes_through_its_poses():
    x, twist = random_state(3), Twist(np.array([20.0, 1.0, 0.0]), np.array([0.0, 0.3, 1.5]))
    motion = sweep_motion(x, 1_000_000_000, twist, 950_000_000, 1_100_000_000)
    assert motion.stamps_ns[0] == 950_000_000
    assert motion.stamps_ns[-1] == 1_100_000_000
    for stamp in (950_000_000, 977_000_000, 1_000_000_000, 1_055_000_001, 1_100_000_000):
        R, p = twist.moved(x.R, x.position, (stamp - 1_000_000_000) * 1e-9)
        np.testing.assert_allclose(motion.at(stamp)[:3, 3], p, atol=1e-4)
        np.testing.assert_allclose(motion.at(stamp)[:3, :3], R, atol=1e-9)


def test_new_velocity_is_not_tied_to_the_rest():
    filter_ = Filter(CONFIG, random_state(1), random_covariance(1), 0)
    filter_.set_velocity(np.array([1.0, 2.0, 3.0]), 0.5)
    np.testing.assert_array_equal(filter_.state.velocity, [1.0, 2.0, 3.0])
    np.testing.assert_allclose(filter_.P[s.VELOCITY, s.VELOCITY], 0.25 * np.eye(3))
    assert np.count_nonzero(filter_.P[s.VELOCITY]) == 3


def test_standing_still_for_a_minute_drifts_less_than_a_centimetre():
    random = np.random.default_rng(0)
    truth = replace(
        random_state(0),
        position=np.zeros(3),
        R=np.eye(3),
        velocity=np.zeros(3),
        gyro_bias=np.array([0.01, -0.02, 0.005]),
        accel_bias=np.zeros(3),
        gravity=np.array([0.0, 0.0, -s.GRAVITY]),
    )
    noise = np.array([8e-4, 8e-2, 8e-6, 8e-4])
    start = replace(truth, gyro_bias=truth.gyro_bias + 1e-3, accel_bias=np.array([0.02, -0.01, 0.03]))
    filter_ = Filter(CONFIG, start, first_covariance(truth.R, True), 0)
    worst = 0.0
    for scan in range(600):
        stamps = scan * 100_000_000 + 5_000_000 * np.arange(21, dtype=np.int64)
        gyro = truth.gyro_bias + 5e-3 * random.standard_normal((20, 3))
        accel = np.array([0.0, 0.0, s.GRAVITY]) + 5e-2 * random.standard_normal((20, 3))
        filter_.predict(Inputs(stamps, gyro, accel), noise)
        planes = Planes.seen_from(truth, random, 1000, 0.03)
        filter_.update(lambda x, search, planes=planes: planes.information(x, 6))
        worst = max(worst, float(np.linalg.norm(filter_.state.position)))
    assert worst < 0.01
    assert np.linalg.norm(filter_.state.velocity) < 0.05


def test_errors_of_fifty_runs_are_as_large_as_the_covariance_says():
    """Acceptance case (c): mean NEES of the 23 dimensions over 50 runs of 10 s inside the 95 % band."""
    noise, num_runs, num_scans = np.array([1e-4, 1e-2, 1e-5, 1e-4]), 50, 50
    nees = np.zeros(num_runs)
    for run in range(num_runs):
        nees[run] = _nees_of_a_run(np.random.default_rng(run), noise, num_scans)
    half_band = 1.96 * np.sqrt(2.0 * 23 / num_runs)  # the sum of num_runs chi-squares of 23 dimensions, over num_runs
    assert abs(nees.mean() - 23.0) < half_band, f"mean NEES {nees.mean():.2f}, band 23 +- {half_band:.2f}"


def _nees_of_a_run(random: np.random.Generator, noise: np.ndarray, num_scans: int) -> float:
    """NEES at the end of a run: truth moves by the filter's own model with noise drawn as the filter believes it."""
    first = replace(random_state(0), R=exp_so3(np.array([0.1, -0.2, 0.5])), velocity=np.array([2.0, 0.5, 0.0]))
    first = replace(first, gravity=np.array([0.3, -0.2, -9.8]) * s.GRAVITY / np.linalg.norm([0.3, -0.2, -9.8]))
    P = first_covariance(first.R, is_still=True)
    truth = boxplus(first, np.linalg.cholesky(P) @ random.standard_normal(23))
    filter_ = Filter(CONFIG, first, P, 0)
    for scan in range(num_scans):
        stamps = scan * 200_000_000 + 10_000_000 * np.arange(21, dtype=np.int64)
        time = stamps[:20, None] * 1e-9
        rates = np.hstack((0.3 * np.sin(time), 0.2 * np.cos(2.0 * time), 0.5 + 0.0 * time))
        pushes = np.hstack((np.sin(time), np.cos(0.7 * time), 0.3 * np.sin(3.0 * time)))
        forces = (pushes - truth.gravity) @ truth.R
        true_biases = np.concatenate((truth.gyro_bias, truth.accel_bias))
        walks = np.repeat(np.sqrt(noise[2:]), 3) * 0.01 * random.standard_normal((20, 6))
        biases = true_biases + np.cumsum(np.vstack((np.zeros(6), walks)), axis=0)
        gyro = rates + biases[:20, :3] + np.sqrt(noise[0]) * random.standard_normal((20, 3))
        accel = forces + biases[:20, 3:] + np.sqrt(noise[1]) * random.standard_normal((20, 3))
        unbiased = replace(truth, gyro_bias=np.zeros(3), accel_bias=np.zeros(3))
        truth, _, _ = propagate(unbiased, np.zeros((23, 23)), Inputs(stamps, rates, forces), noise)
        truth = replace(truth, gyro_bias=biases[20, :3], accel_bias=biases[20, 3:])
        filter_.predict(Inputs(stamps, gyro, accel), noise)
        planes = Planes.seen_from(truth, random, 60, np.sqrt(CONFIG.point_variance))
        filter_.update(lambda x, search, planes=planes: planes.information(x, 12))
    error = boxminus(truth, filter_.state)
    return float(error @ np.linalg.solve(filter_.P, error))


def test_hat_of_the_lever_moves_the_base_covariance():
    from perception.core.health import OK
    from slam.base_motion import odometry_of_base
    from tests.unit.slam.simulation import T_BASE_IMU

    random = np.random.default_rng(0)
    x, P = random_state(2), random_covariance(4)[:6, :6]
    T_imu_base = np.linalg.inv(T_BASE_IMU)
    T_odom_imu = np.eye(4)
    T_odom_imu[:3, :3], T_odom_imu[:3, 3] = x.R, x.position
    twist = Twist(np.array([1.0, 2.0, 3.0]), np.array([0.1, -0.4, 0.6]))
    odometry = odometry_of_base(1, T_odom_imu, 1e-4 * P, twist, T_imu_base, OK)
    errors = random.multivariate_normal(np.zeros(6), 1e-4 * P, 20000)
    lever = T_imu_base[:3, 3]
    moved = errors[:, :3] - errors[:, 3:] @ (x.R @ hat(lever)).T
    sampled = np.cov(np.hstack((moved, errors[:, 3:] @ x.R.T)).T)
    np.testing.assert_allclose(odometry.covariance, sampled, atol=0.05 * np.abs(sampled).max())
    np.testing.assert_allclose(odometry.T_odom_base, T_odom_imu @ T_imu_base, atol=1e-12)
    h = 1e-5
    later = T_odom_imu.copy()
    later[:3, :3], later[:3, 3] = twist.moved(x.R, x.position, h)
    velocity = ((later @ T_imu_base)[:3, 3] - odometry.T_odom_base[:3, 3]) / h
    np.testing.assert_allclose(odometry.T_odom_base[:3, :3] @ odometry.velocity, velocity, atol=1e-3)
    np.testing.assert_allclose(odometry.angular_velocity, T_BASE_IMU[:3, :3] @ twist.angular, atol=1e-12)
