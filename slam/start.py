"""The first state of the filter and how well it is known (sections 2, 4.1 and 4.2 of the specification)."""

import numpy as np

from perception.core.geometry import inverse, rotation_between
from perception.core.types import SensorRig
from slam import state as s
from slam.config import FilterConfig
from slam.deskew import Motion
from slam.filter import Filter
from slam.imu import ImuBuffer, Start
from slam.propagation import propagate
from slam.state import ERROR_DIM, GRAVITY, State

# Variances of the first state.
POSITION_VARIANCE = HEADING_VARIANCE = 1e-8  # m^2, rad^2; they define the frame
TILT_VARIANCE = 1e-4  # rad^2
EXTRINSIC_VARIANCE = 1e-5  # rad^2, m^2
STILL_VELOCITY_VARIANCE = 1e-2  # (m/s)^2
MOVING_VELOCITY_VARIANCE = 225.0  # (m/s)^2, a car
GYRO_BIAS_VARIANCE = 1e-4  # (rad/s)^2
MOVING_GYRO_BIAS_VARIANCE = 1e-2  # (rad/s)^2
ACCEL_BIAS_VARIANCE = 1e-3  # (m/s^2)^2
GRAVITY_VARIANCE = 1e-5  # rad^2
MOVING_GRAVITY_VARIANCE = 1e-2  # rad^2

LEVEL_X = 0.1  # horizontal share of an axis below which it has no heading


def start_filter(config: FilterConfig, rig: SensorRig, start: Start | None, stamp_ns: int) -> Filter:
    """The filter at the end of the first scan: base at the origin of `odom` with heading zero.

    With an IMU (`start`) z of `odom` is up; without one `odom` is the base at the start.
    """
    T_base_imu = rig.T_base_imu if start is not None and rig.T_base_imu is not None else np.eye(4)
    R_base_imu = T_base_imu[:3, :3]
    R_odom_base = levelled(R_base_imu @ start.up) if start is not None else np.eye(3)
    T_imu_lidar = inverse(T_base_imu) @ rig.T_base_lidar
    state = State(
        position=R_odom_base @ T_base_imu[:3, 3],
        R=R_odom_base @ R_base_imu,
        R_imu_lidar=T_imu_lidar[:3, :3].copy(),
        t_imu_lidar=T_imu_lidar[:3, 3].copy(),
        velocity=np.zeros(3),
        gyro_bias=start.gyro_bias if start is not None else np.zeros(3),
        accel_bias=np.zeros(3),
        gravity=np.array([0.0, 0.0, -GRAVITY]),
    )
    return Filter(config, state, first_covariance(state.R, start is None or start.is_still), stamp_ns)


def levelled(up: np.ndarray) -> np.ndarray:
    """Rotation that turns `up` (3,) to z and keeps the heading of x at zero, where x has a heading."""
    R = rotation_between(up, np.array([0.0, 0.0, 1.0]))
    length = float(np.hypot(R[0, 0], R[1, 0]))
    if length < LEVEL_X:
        return R
    c, n = R[0, 0] / length, R[1, 0] / length
    return np.array([[c, n, 0.0], [-n, c, 0.0], [0.0, 0.0, 1.0]]) @ R


def first_covariance(R: np.ndarray, is_still: bool) -> np.ndarray:
    """Covariance (23, 23) of the first state; `R` (3, 3) is its rotation W <- I."""
    P = np.zeros((ERROR_DIM, ERROR_DIM))
    P[s.POSITION, s.POSITION] = np.eye(3) * POSITION_VARIANCE
    P[s.ROTATION, s.ROTATION] = R.T @ np.diag([TILT_VARIANCE, TILT_VARIANCE, HEADING_VARIANCE]) @ R
    diagonal = np.diagonal(P).copy()
    diagonal[6:12] = EXTRINSIC_VARIANCE
    diagonal[s.VELOCITY] = STILL_VELOCITY_VARIANCE if is_still else MOVING_VELOCITY_VARIANCE
    diagonal[s.GYRO_BIAS] = GYRO_BIAS_VARIANCE if is_still else MOVING_GYRO_BIAS_VARIANCE
    diagonal[s.ACCEL_BIAS] = ACCEL_BIAS_VARIANCE
    diagonal[s.GRAVITY_DIRECTION] = GRAVITY_VARIANCE if is_still else MOVING_GRAVITY_VARIANCE
    np.fill_diagonal(P, diagonal)
    return P


def first_sweep(buffer: ImuBuffer, start: Start, start_ns: int, end_ns: int, max_step_ns: int) -> Motion | None:
    """Motion over the first sweep: rotation from the gyro, velocity not known. None where samples are missing."""
    if end_ns <= start_ns:
        return None
    inputs = buffer.inputs(start_ns, end_ns, max_step_ns, start.accel_scale)
    if inputs is None:
        return None
    zero = np.zeros(3)
    rest = State(zero, np.eye(3), np.eye(3), zero, zero, start.gyro_bias, zero, -start.up)
    return propagate(rest, np.eye(ERROR_DIM), inputs, np.zeros(4))[2]
