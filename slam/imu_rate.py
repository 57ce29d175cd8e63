"""Odometry at IMU rate: the last corrected state carried on with every sample, smooth where a scan corrects it."""

from collections import Counter

import numpy as np

from perception.core.geometry import exp_so3, inverse, log_so3, transform
from perception.core.health import OK
from perception.core.stamps import NS_PER_S
from perception.core.types import ImuBatch, ImuState, Odometry, SensorRig
from slam import state as s
from slam.base_motion import odometry_of_base
from slam.config import OdometryConfig
from slam.deskew import Motion
from slam.filter import Twist
from slam.imu import ImuBuffer, noise_variances, without_bad_samples
from slam.propagation import propagate
from slam.state import ERROR_DIM, State

SMOOTHING_NS = NS_PER_S // 10  # in which the step of a correction is worked off: one scan


class ImuRatePredictor:
    """Poses of the base at the stamps of the IMU samples.

    A correction is older than the newest sample, so the samples since then are applied to it again. The step from
    the old to the new pose is worked off over the next samples, so that consecutive poses show the motion alone.
    """

    def __init__(self, config: OdometryConfig, rig: SensorRig) -> None:
        self.config = config.imu
        self.max_step_ns = round(config.imu.max_step * NS_PER_S)
        self.T_imu_base = inverse(rig.T_base_imu if rig.T_base_imu is not None else np.eye(4))
        self.buffer = ImuBuffer(config.imu.buffer_samples)
        self.counts: Counter[str] = Counter()
        self.reset()

    def reset(self) -> None:
        """Forget samples and state; nothing is predicted until the next correction."""
        self.buffer.clear()
        self._state: State | None = None  # at `_stamp_ns`, with its covariance
        self._P = np.zeros((ERROR_DIM, ERROR_DIM))
        self._stamp_ns = 0
        self._accel_scale = 1.0
        self._step = np.zeros(6)  # position (m, odom) and rotation (rad, IMU) still shown of the old pose at `_step_ns`
        self._step_ns = 0

    def correct(self, state: ImuState) -> None:
        """Take the state at the end of a scan; what was predicted since is predicted again from it."""
        shown = self._shown(self._state, self._stamp_ns) if self._state is not None else None
        until_ns = self._stamp_ns
        zero, R = np.zeros(3), state.T_odom_imu[:3, :3]
        self._state = State(
            state.T_odom_imu[:3, 3],
            R,
            np.eye(3),
            zero,
            state.velocity,
            state.gyro_bias,
            state.accel_bias,
            state.gravity,
        )
        self._P = state.covariance.copy() if state.covariance is not None else np.zeros((ERROR_DIM, ERROR_DIM))
        self._stamp_ns, self._accel_scale = state.stamp_ns, state.accel_scale
        self.buffer.forget_before(state.stamp_ns)
        if shown is None or until_ns <= state.stamp_ns or self._carry(until_ns) is None:
            self._step = np.zeros(6)
            return
        self._step_ns = until_ns
        self._step[:3] = shown[:3, 3] - self._state.position
        self._step[3:] = log_so3(self._state.R.T @ shown[:3, :3])

    def add_imu(self, batch: ImuBatch) -> list[Odometry]:
        """Odometry at the stamp of each sample; empty before the first correction and after a hole in the samples."""
        batch = without_bad_samples(batch, self.buffer.newest_ns, self.config, self.counts)
        self.buffer.add(batch)
        if self._state is None or len(batch.stamps_ns) == 0 or int(batch.stamps_ns[-1]) <= self._stamp_ns:
            return []
        motion = self._carry(int(batch.stamps_ns[-1]))
        if motion is None:
            self._state = None
            return []
        first = int(np.searchsorted(motion.stamps_ns, batch.stamps_ns[0]))
        return [self._odometry(motion, k) for k in range(max(first, 1), len(motion.stamps_ns))]

    def _carry(self, until_ns: int) -> Motion | None:
        inputs = self.buffer.inputs(self._stamp_ns, until_ns, self.max_step_ns, self._accel_scale)
        if inputs is None or self._state is None:
            return None
        rate = (len(inputs.stamps_ns) - 1) / ((until_ns - self._stamp_ns) * 1e-9)
        noise = noise_variances(self.config, rate)
        self._state, self._P, motion = propagate(self._state, self._P, inputs, noise)
        self._stamp_ns = until_ns
        return motion

    def _odometry(self, motion: Motion, k: int) -> Odometry:
        R, w = motion.R[k], motion.w[k - 1]
        T_odom_imu = self._with_step(R, motion.p[k], int(motion.stamps_ns[k]))
        twist = Twist(R.T @ motion.v[k], w)
        return odometry_of_base(
            int(motion.stamps_ns[k]),
            T_odom_imu,
            self._P[: s.ROTATION.stop, : s.ROTATION.stop],
            twist,
            self.T_imu_base,
            OK,
        )

    def _shown(self, state: State, stamp_ns: int) -> np.ndarray:
        return self._with_step(state.R, state.position, stamp_ns)

    def _with_step(self, R: np.ndarray, p: np.ndarray, stamp_ns: int) -> np.ndarray:
        left = max(1.0 - (stamp_ns - self._step_ns) / SMOOTHING_NS, 0.0)
        return transform(R @ exp_so3(left * self._step[3:]), p + left * self._step[:3])
