"""What carries the pose from scan to scan: the IMU where it is usable, else a constant motion, said aloud."""

import logging
from collections import Counter
from dataclasses import dataclass

import numpy as np

from perception.core.geometry import inverse, transform
from perception.core.health import OK, Health, Level
from perception.core.stamps import NS_PER_S
from perception.core.types import ImuBatch, ImuState, SensorRig
from slam.config import OdometryConfig
from slam.deskew import Motion
from slam.filter import STANDSTILL, Filter, Twist, sweep_motion, twist_between
from slam.imu import ImuBuffer, Refused, Start, find_start, noise_variances, without_bad_samples
from slam.start import STILL_VELOCITY_VARIANCE, first_sweep, start_filter
from slam.state import State

FIRST_VELOCITY_STD = 1.0  # m/s, of the velocity that the first two scans give

SLOW_SHIFT = 0.02  # m per sweep; smaller ones are within the noise of the points
SLOW_TURN = 0.003  # rad per sweep
STILL_SPEED = 3.0 * STILL_VELOCITY_VARIANCE**0.5  # m/s: a start that the IMU calls still may be so fast

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """A pose after its correction; two of them give the motion that is carried on without an IMU."""

    state: State
    stamp_ns: int


class MotionModel:
    """Holds the IMU samples and decides for each sweep how the filter is carried over it."""

    def __init__(self, config: OdometryConfig, rig: SensorRig, counts: Counter[str]) -> None:
        self.config, self.rig = config, rig
        self.buffer = ImuBuffer(config.imu.buffer_samples)
        self.max_step_ns = round(config.imu.max_step * NS_PER_S)
        self.max_wait_ns = round(config.imu.max_wait * NS_PER_S)
        self._counts = counts
        self.reset()

    def reset(self) -> None:
        """Forget samples, start and motion."""
        self.buffer.clear()
        self.start: Start | None = None
        self.refused = "" if self.rig.has_imu else "no IMU is mounted, or its place is not known"
        self.twist = STANDSTILL
        self.angular_velocity = np.zeros(3)
        self.noise = np.zeros(4)
        self._last: Posterior | None = None
        self.is_inertial = False

    def add(self, batch: ImuBatch) -> None:
        """Keep the usable samples of `batch`; the others are counted."""
        if not self.refused:
            self.buffer.add(without_bad_samples(batch, self.buffer.newest_ns, self.config.imu, self._counts))

    def is_ready(self, end_ns: int, newest_end_ns: int, is_last: bool) -> bool:
        """True when a sweep that ends at `end_ns` need not wait for samples any longer.

        `newest_end_ns` is the end of the newest scan: when it is far ahead of the samples they are taken as missing.
        """
        if self.refused or (self.start is not None and self.buffer.covers(end_ns)):
            return True
        is_silent = is_last or newest_end_ns - max(self.buffer.newest_ns, end_ns) > self.max_wait_ns
        if self.start is not None:
            return is_silent
        found = find_start(self.buffer, end_ns, self.config.imu, is_silent)
        if isinstance(found, Refused):
            self._refuse(found.reason)
        elif found is not None:
            self._begin(found)
        return found is not None

    def is_before_start(self, end_ns: int) -> bool:
        """True for a sweep that ended before the first IMU sample: its attitude cannot be known."""
        return self.start is not None and int(self.buffer.stamps_ns[0]) > end_ns

    @property
    def starts_still(self) -> bool:
        """True where the IMU says that nothing moved at the start."""
        return self.start is not None and self.start.is_still

    def first(self, start_ns: int, end_ns: int) -> tuple[Filter, Motion | None]:
        """The filter at the end of the first sweep, and the motion over it as far as it is known."""
        filter_ = start_filter(self.config.filter, self.rig, self.start, end_ns)
        self._last = Posterior(filter_.state, end_ns)
        if self.start is None:
            return filter_, None
        return filter_, first_sweep(self.buffer, self.start, start_ns, end_ns, self.max_step_ns)

    def first_again(self, start_ns: int, end_ns: int) -> tuple[Filter, Motion]:
        """The same with the motion that was learned since: the filter as it started, but with a velocity."""
        filter_ = start_filter(self.config.filter, self.rig, self.start, end_ns)
        filter_.set_velocity(filter_.state.R @ self.twist.linear, FIRST_VELOCITY_STD)
        self._last = Posterior(filter_.state, end_ns)
        return filter_, sweep_motion(filter_.state, end_ns, self.twist, start_ns, end_ns)

    def is_slow(self, length_ns: int) -> bool:
        """True when the learned motion does not distort a sweep of this length, or not more than a still start has."""
        if self.starts_still and np.linalg.norm(self.twist.linear) < STILL_SPEED:
            return True
        shift, turn = self.twist.linear * length_ns * 1e-9, self.twist.angular * length_ns * 1e-9
        return bool(np.linalg.norm(shift) < SLOW_SHIFT and np.linalg.norm(turn) < SLOW_TURN)

    def predict(self, filter_: Filter, start_ns: int, end_ns: int) -> Motion:
        """Carry the filter to `end_ns`; the motion covers the sweep that began at `start_ns`."""
        inputs = None
        if self.start is not None:
            inputs = self.buffer.inputs(filter_.stamp_ns, end_ns, self.max_step_ns, self.start.accel_scale)
            self._counts["scans without imu samples"] += inputs is None
        self.is_inertial = inputs is not None
        if inputs is None:
            return filter_.predict_constant(self.twist, start_ns, end_ns)
        self.angular_velocity = inputs.gyro[-1]
        return filter_.predict(inputs, self.noise)

    def predict_again(self, filter_: Filter, found: State, start_ns: int, end_ns: int) -> Motion:
        """As `predict`, by the constant motion that leads from the filter's state to the pose `found` at `end_ns`."""
        self.twist = twist_between(filter_.state, found, (end_ns - filter_.stamp_ns) * 1e-9)
        return filter_.predict_constant(self.twist, start_ns, end_ns)

    def learn(self, filter_: Filter, is_corrected: bool) -> None:
        """Take the motion from the corrected pose, and drop samples that are no longer needed."""
        if self._last is not None and filter_.stamp_ns > self._last.stamp_ns:
            dt = (filter_.stamp_ns - self._last.stamp_ns) * 1e-9
            self.twist = twist_between(self._last.state, filter_.state, dt)
            if self.start is not None and not self.is_inertial and is_corrected:
                velocity = filter_.state.R @ self.twist.linear
                filter_.set_velocity(velocity, self.config.filter.free_acceleration * dt)
            self.buffer.forget_before(self._last.stamp_ns)  # one sweep is kept for `first_again`
        self._last = Posterior(filter_.state, filter_.stamp_ns)

    @property
    def T_imu_base(self) -> np.ndarray:
        """Base in the frame whose pose the filter holds: the IMU's, or the base itself without one."""
        if self.start is None or self.rig.T_base_imu is None:
            return np.eye(4)
        return inverse(self.rig.T_base_imu)

    def imu_state(self, filter_: Filter) -> ImuState | None:
        """What `slam.imu_rate` needs to carry the pose on; None without an IMU."""
        if self.start is None:
            return None
        state = filter_.state
        return ImuState(
            filter_.stamp_ns,
            transform(state.R, state.position),
            state.velocity,
            state.gyro_bias,
            state.accel_bias,
            state.gravity,
            self.start.accel_scale,
            filter_.P,
        )

    def body_twist(self, state: State) -> Twist:
        """Velocity and angular velocity of the IMU in its own axes at the end of the sweep."""
        if not self.is_inertial:
            return self.twist
        return Twist(state.R.T @ state.velocity, self.angular_velocity - state.gyro_bias)

    def health(self) -> Health:
        """How the last sweep was carried."""
        if not self.rig.has_imu:
            return Health(Level.OK, "constant-velocity model: there is no IMU")
        if self.refused:
            return Health(Level.DEGRADED, f"constant-velocity model: the IMU is refused: {self.refused}")
        if self.start is not None and not self.is_inertial and self._last is not None:
            return Health(Level.DEGRADED, "constant-velocity model: IMU samples of the last sweep are missing")
        return OK

    def notes(self) -> tuple[str, ...]:
        """What a reader of the results should know, each a sentence."""
        if self.refused:
            return (f"Motion between scans is taken as constant, without an IMU: {self.refused}.",)
        if self.start is not None and not self.start.is_still:
            return ("The robot moved at the start: gravity was taken from the mean acceleration and may be off.",)
        return ()

    def _begin(self, start: Start) -> None:
        self.start = start
        self.is_inertial = True
        self.noise = noise_variances(self.config.imu, start.rate)
        if start.accel_scale != 1.0:
            log.warning("the IMU reports acceleration in g; samples are scaled to m/s^2")
        if not start.is_still:
            self._counts["moving starts"] += 1
            log.warning("the robot moves at the start; gravity is taken from the mean acceleration, it may be off")

    def _refuse(self, reason: str) -> None:
        self.refused = reason
        self.buffer.clear()
        self._counts["imu refused"] += 1
        log.warning("the IMU is not used: %s; carrying on with the constant-velocity model", reason)
