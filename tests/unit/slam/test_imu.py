"""Propagation, the buffer that pairs samples with scans, the test whether they are an IMU's, and the start."""

from collections import Counter

import numpy as np
import pytest

from perception.core.geometry import exp_so3, log_so3
from perception.core.types import ImuBatch
from slam import state as s
from slam.config import ImuConfig
from slam.imu import ImuBuffer, Refused, Start, find_start, noise_variances, without_bad_samples
from slam.propagation import Inputs, noise_input, propagate, propagate_step, transition
from slam.start import first_covariance, levelled
from slam.state import GRAVITY, State, boxminus, boxplus
from tests.unit.slam.test_state import SPEC_GRAVITY, random_state

MAX_STEP_NS = 100_000_000
SPEC_NOISE = np.array([0.1, 0.1, 1e-4, 1e-4])


def spec_state() -> State:
    return State(
        np.array([1.0, 2.0, 3.0]),
        exp_so3(np.array([0.02, -0.03, 0.5])),
        np.eye(3),
        np.zeros(3),
        np.array([0.5, -0.1, 0.02]),
        np.array([0.001, -0.002, 0.003]),
        np.array([0.02, -0.01, 0.05]),
        SPEC_GRAVITY,
    )


def spec_covariance() -> np.ndarray:
    diagonal = np.ones(23)
    diagonal[6:12], diagonal[15:18], diagonal[18:21], diagonal[21:] = 1e-5, 1e-4, 1e-3, 1e-5
    return np.diag(diagonal)


def random_inputs(seed: int, count: int, scale: float = 1.0) -> Inputs:
    random = np.random.default_rng(seed)
    steps = random.integers(1, 10_000_000, count)
    return Inputs(
        np.concatenate(([0], np.cumsum(steps))).astype(np.int64),
        scale * random.standard_normal((count, 3)),
        scale * 10.0 * random.standard_normal((count, 3)),
    )


def random_covariance(seed: int) -> np.ndarray:
    A = np.random.default_rng(seed).standard_normal((23, 23))
    return 1e-3 * A @ A.T + 1e-6 * np.eye(23)


def samples(count: int, step_ns: int = 5_000_000, first_ns: int = 0, force: float = GRAVITY) -> ImuBatch:
    stamps = first_ns + step_ns * np.arange(count, dtype=np.int64)
    return ImuBatch(stamps, np.zeros((count, 3)), np.tile([0.0, 0.0, force], (count, 1)))


def buffer_with(*batches: ImuBatch, capacity: int = 4096) -> ImuBuffer:
    buffer = ImuBuffer(capacity)
    for batch in batches:
        buffer.add(batch)
    return buffer


def test_one_step_has_the_numbers_of_the_specification():
    gyro, accel = np.array([0.05, -0.04, 0.6]), np.array([0.3, 0.1, 9.9])
    x, P = propagate_step(spec_state(), spec_covariance(), gyro, accel, 0.005, SPEC_NOISE)
    np.testing.assert_allclose(x.position, [1.0025, 1.9995, 3.0001], atol=1e-12)
    np.testing.assert_allclose(x.velocity, [0.501289338, -0.101152999, 0.020260436], atol=1e-9)
    np.testing.assert_allclose(log_so3(x.R), [0.020245104, -0.030158375, 0.502986893], atol=1e-9)
    assert np.trace(P) == pytest.approx(9.008325795604, abs=1e-11)
    assert np.linalg.norm(P) == pytest.approx(3.003292810818, abs=1e-11)


def test_transition_is_the_derivative_of_the_motion():
    step, dt = 1e-6, 0.02
    for seed in range(5):
        x, random = random_state(seed), np.random.default_rng(seed)
        gyro, accel = random.standard_normal(3), 10.0 * random.standard_normal(3)

        def moved(start: State, gyro=gyro, accel=accel) -> State:
            return propagate_step(start, np.zeros((23, 23)), gyro, accel, dt, np.zeros(4))[0]

        end, numeric = moved(x), np.zeros((23, 23))
        for k in range(23):
            e = np.zeros(23)
            e[k] = step
            numeric[:, k] = (boxminus(moved(boxplus(x, e)), end) - boxminus(moved(boxplus(x, -e)), end)) / (2 * step)
        np.testing.assert_allclose(transition(x, gyro, accel, dt), numeric, atol=1e-6)


def test_noise_input_is_the_derivative_by_the_noise_of_the_samples():
    step, dt, x = 1e-6, 0.02, random_state(8)
    gyro, accel = np.array([0.3, -1.0, 2.0]), np.array([1.0, 2.0, 9.0])
    G = noise_input(x, gyro, dt)

    def moved(noise: np.ndarray) -> State:
        return propagate_step(x, np.zeros((23, 23)), gyro - noise[:3], accel - noise[3:], dt, np.zeros(4))[0]

    for k in range(6):
        e = np.zeros(6)
        e[k] = step
        column = boxminus(moved(e), moved(-e)) / (2 * step)
        np.testing.assert_allclose(G[:, k], column, atol=1e-6)


@pytest.mark.parametrize(("count", "scale"), [(1, 1.0), (21, 1.0), (7, 0.0), (20, 100.0)])
def test_compiled_propagation_equals_its_definition(count, scale):
    for seed in range(5):
        x, P, inputs = random_state(seed), random_covariance(seed), random_inputs(seed, count, scale)
        got_x, got_P, motion = propagate(x, P, inputs, SPEC_NOISE)
        want_x, want_P = x, P
        for k, dt in enumerate(inputs.dts):
            np.testing.assert_allclose(motion.p[k], want_x.position, rtol=0, atol=1e-9)
            np.testing.assert_allclose(motion.R[k], want_x.R, rtol=0, atol=1e-12)
            np.testing.assert_allclose(motion.v[k], want_x.velocity, rtol=0, atol=1e-9)
            np.testing.assert_allclose(motion.w[k], inputs.gyro[k] - x.gyro_bias, rtol=0, atol=1e-12)
            want_a = want_x.R @ (inputs.accel[k] - x.accel_bias) + x.gravity
            np.testing.assert_allclose(motion.a[k], want_a, rtol=0, atol=1e-9)
            want_x, want_P = propagate_step(want_x, want_P, inputs.gyro[k], inputs.accel[k], dt, SPEC_NOISE)
        np.testing.assert_allclose(got_x.packed(), want_x.packed(), rtol=0, atol=1e-9)
        np.testing.assert_allclose(got_P, want_P, rtol=0, atol=1e-9 * np.abs(want_P).max())


def test_propagation_over_no_interval_changes_nothing():
    x, P = random_state(2), random_covariance(2)
    inputs = Inputs(np.array([5], dtype=np.int64), np.zeros((0, 3)), np.zeros((0, 3)))
    got_x, got_P, motion = propagate(x, P, inputs, SPEC_NOISE)
    np.testing.assert_array_equal(got_x.packed(), x.packed())
    np.testing.assert_allclose(got_P, P, rtol=1e-12)
    assert len(motion.stamps_ns) == 1


def test_buffer_interpolates_at_both_ends_of_the_asked_time():
    stamps = np.array([0, 10, 20], dtype=np.int64) * 1_000_000
    values = np.array([[0.0, 0, 0], [1.0, 0, 0], [3.0, 0, 0]])
    inputs = buffer_with(ImuBatch(stamps, values, values)).inputs(5_000_000, 15_000_000, MAX_STEP_NS, 2.0)
    np.testing.assert_array_equal(inputs.stamps_ns, [5_000_000, 10_000_000, 15_000_000])
    np.testing.assert_allclose(inputs.gyro[:, 0], [0.75, 1.5])
    np.testing.assert_allclose(inputs.accel[:, 0], [1.5, 3.0])


def test_buffer_holds_the_outer_samples_beyond_its_ends():
    inputs = buffer_with(samples(3)).inputs(-2_000_000, 15_000_000, MAX_STEP_NS, 1.0)
    assert inputs.stamps_ns[0] == -2_000_000
    assert inputs.stamps_ns[-1] == 15_000_000
    np.testing.assert_allclose(inputs.accel, np.tile([0.0, 0.0, GRAVITY], (4, 1)))


@pytest.mark.parametrize(
    ("first", "second", "end_ns"),
    [
        (samples(10), samples(10, first_ns=200_000_000), 220_000_000),  # a hole within
        (samples(10), samples(0), 200_000_000),  # missing at the end
        (samples(10, first_ns=150_000_000), samples(0), 180_000_000),  # missing at the start
        (samples(0), samples(0), 10_000_000),
    ],
)
def test_buffer_gives_no_inputs_over_a_hole(first, second, end_ns):
    assert buffer_with(first, second).inputs(0, end_ns, MAX_STEP_NS, 1.0) is None


def test_steps_that_reach_the_filter_are_positive_and_at_most_a_tenth_of_a_second():
    random = np.random.default_rng(0)
    buffer = ImuBuffer(4096)
    stamp = 0
    for step in random.choice([1, 1_000_000, 5_000_000, 99_000_000, 100_000_000], 500):
        stamp += int(step)
        buffer.add(samples(1, first_ns=stamp))
    for start in range(0, stamp - 300_000_000, 97_000_003):
        inputs = buffer.inputs(start, start + 250_000_000, MAX_STEP_NS, 1.0)
        assert inputs is not None
        assert inputs.dts.min() > 0.0
        assert inputs.dts.max() <= 0.1


def test_full_buffer_drops_the_oldest_samples_and_counts_them():
    buffer = buffer_with(*(samples(7, first_ns=35_000_000 * k) for k in range(10)), capacity=20)
    assert len(buffer) == 20
    assert buffer.num_overflown == 50
    assert buffer.newest_ns == 69 * 5_000_000
    np.testing.assert_array_equal(buffer.stamps_ns, 5_000_000 * np.arange(50, 70))


def test_batch_larger_than_the_buffer_keeps_its_newest_samples():
    buffer = buffer_with(samples(100), capacity=16)
    np.testing.assert_array_equal(buffer.stamps_ns, 5_000_000 * np.arange(84, 100))
    assert buffer.num_overflown == 84


def test_forgetting_keeps_the_sample_that_the_next_interval_begins_in():
    buffer = buffer_with(samples(10))
    buffer.forget_before(12_000_000)
    assert buffer.stamps_ns[0] == 10_000_000


def test_samples_that_are_not_finite_impossible_or_not_newer_are_dropped_and_counted():
    batch = samples(8)
    batch.gyro[1, 0], batch.accel[2, 1], batch.gyro[3, 2], batch.accel[4, 0] = np.nan, np.inf, 90.0, -1e5
    batch.stamps_ns[6] = batch.stamps_ns[5]
    counts: Counter[str] = Counter()
    kept = without_bad_samples(batch, -1, ImuConfig(), counts)
    np.testing.assert_array_equal(kept.stamps_ns, batch.stamps_ns[[0, 5, 7]])
    assert counts == {
        "imu samples not finite": 2, "imu samples beyond the limits": 2, "imu samples not newer": 1
    }  # fmt: skip


def test_good_samples_pass_unchanged():
    batch = samples(5)
    assert without_bad_samples(batch, -1, ImuConfig(), Counter()) is batch


def test_start_waits_until_half_a_second_of_samples_is_there():
    assert find_start(buffer_with(samples(90)), 100_000_000, ImuConfig()) is None
    start = find_start(buffer_with(samples(110)), 100_000_000, ImuConfig())
    assert isinstance(start, Start)
    assert start.is_still
    assert start.rate == pytest.approx(200.0)


def test_still_start_takes_bias_and_gravity_from_the_mean():
    random, batch = np.random.default_rng(0), samples(200)
    gyro = np.array([0.02, -0.03, 0.05]) + 2e-3 * random.standard_normal((200, 3))
    accel = batch.accel + 0.02 * random.standard_normal((200, 3))
    start = find_start(buffer_with(ImuBatch(batch.stamps_ns, gyro, accel)), 900_000_000, ImuConfig())
    np.testing.assert_allclose(start.gyro_bias, [0.02, -0.03, 0.05], atol=1e-3)
    np.testing.assert_allclose(start.up, [0.0, 0.0, GRAVITY], atol=0.01)


def test_turning_at_a_constant_rate_is_no_standstill():
    batch = samples(300)
    gyro = np.tile([0.0, 0.0, 0.7], (300, 1))
    start = find_start(buffer_with(ImuBatch(batch.stamps_ns, gyro, batch.accel)), 1_400_000_000, ImuConfig())
    assert not start.is_still
    np.testing.assert_array_equal(start.gyro_bias, 0.0)


def test_moving_start_turns_the_forces_back_to_the_reference_instant():
    stamps, rate = samples(301).stamps_ns, 0.8
    angles = rate * (stamps - 1_000_000_000) * 1e-9  # about x
    accel = GRAVITY * np.stack((0.0 * angles, np.sin(angles), np.cos(angles)), axis=1)
    batch = ImuBatch(stamps, np.tile([rate, 0.0, 0.0], (len(stamps), 1)), accel)
    start = find_start(buffer_with(batch), 1_000_000_000, ImuConfig())
    assert not start.is_still
    np.testing.assert_allclose(start.up, [0.0, 0.0, GRAVITY], atol=1e-3)


def test_force_in_g_is_scaled_by_standard_gravity():
    start = find_start(buffer_with(samples(200, force=1.02)), 900_000_000, ImuConfig())
    assert start.accel_scale == GRAVITY
    np.testing.assert_allclose(start.up, [0.0, 0.0, 1.02 * GRAVITY])


@pytest.mark.parametrize("force", [0.0, 0.5, 3.0, 7.5, 12.0, 98.0])
def test_stream_without_gravity_is_refused_by_its_force(force):
    refused = find_start(buffer_with(samples(200, force=force)), 900_000_000, ImuConfig())
    assert isinstance(refused, Refused)
    assert f"{force:.2f}" in refused.reason
    assert "gravity" in refused.reason


def test_slow_stream_is_refused_by_its_rate():
    refused = find_start(buffer_with(samples(60, step_ns=50_000_000)), 1_500_000_000, ImuConfig())
    assert isinstance(refused, Refused)
    assert "20.0 Hz" in refused.reason


def test_absent_stream_is_refused_when_no_more_will_come():
    assert find_start(ImuBuffer(100), 0, ImuConfig()) is None
    assert isinstance(find_start(ImuBuffer(100), 0, ImuConfig(), is_last=True), Refused)


def test_noise_is_ten_times_the_datasheet_at_the_rate_of_the_imu():
    config = ImuConfig(gyro_noise=1e-4, accel_noise=1e-3, gyro_walk=1e-5, accel_walk=2e-4, noise_factor=10.0)
    np.testing.assert_allclose(noise_variances(config, 200.0), 200.0 * np.array([1e-6, 1e-4, 1e-8, 4e-6]))


def test_levelled_axes_point_up_and_keep_their_heading():
    for seed in range(20):
        up = exp_so3(np.random.default_rng(seed).uniform(-0.8, 0.8, 3)) @ [0.0, 0.0, 9.8]
        R = levelled(up)
        np.testing.assert_allclose(R @ up, [0.0, 0.0, 9.8], atol=1e-9)
        assert R[1, 0] == pytest.approx(0.0, abs=1e-12)
        assert R[0, 0] > 0.0
    upright = levelled(np.array([9.8, 0.0, 0.0]))  # x points up: it has no heading
    np.testing.assert_allclose(upright @ [9.8, 0.0, 0.0], [0.0, 0.0, 9.8], atol=1e-9)


def test_first_covariance_is_tight_in_position_and_heading_and_looser_in_tilt():
    R = exp_so3(np.array([0.3, -1.2, 0.4]))
    P = first_covariance(R, is_still=True)
    np.testing.assert_allclose(R @ P[s.ROTATION, s.ROTATION] @ R.T, np.diag([1e-4, 1e-4, 1e-8]), atol=1e-12)
    np.testing.assert_allclose(P[s.POSITION, s.POSITION], 1e-8 * np.eye(3))
    assert np.linalg.eigvalsh(P).min() > 0.0
    assert (np.diagonal(first_covariance(R, is_still=False)) >= np.diagonal(P)).all()
