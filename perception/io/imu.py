"""`sensor_msgs/Imu` without ROS: samples, batches, and whether a stream is an IMU at all."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.stamps import NS_PER_S, stamp_from_ros
from perception.core.types import ImuBatch

MIN_RATE = 50.0  # Hz
ACCEL_RANGE = (8.0, 11.5)  # m/s^2, median norm of a sensor that feels gravity
ACCEL_RANGE_G = (0.8, 1.2)  # the same for a sensor that reports in g
MAX_VALUE = 1e4  # rad/s or m/s^2; beyond any sensor, and small enough that no arithmetic overflows

Sample = tuple[int, float, float, float, float, float, float]  # stamp ns, gyro, accel


def imu_sample(msg: Any) -> Sample:
    """Stamp (ns), angular velocity (rad/s) and specific force of one message.

    Raises `InvalidInput` for a malformed stamp and for values that are not finite or absurd.
    """
    stamp, gyro, accel = msg.header.stamp, msg.angular_velocity, msg.linear_acceleration
    values = (gyro.x, gyro.y, gyro.z, accel.x, accel.y, accel.z)
    for name, value in zip(("gyro x", "gyro y", "gyro z", "accel x", "accel y", "accel z"), values):
        if not -MAX_VALUE <= value <= MAX_VALUE:
            raise InvalidInput(f"imu {name}: {value} is not finite or beyond {MAX_VALUE:g}; check the driver")
    return (stamp_from_ros(stamp.sec, stamp.nanosec), *values)


def imu_batch(samples: Sequence[Sample]) -> ImuBatch:
    """Samples, oldest first, as one batch."""
    stamps = np.array([sample[0] for sample in samples], dtype=np.int64)
    values = np.array([sample[1:] for sample in samples], dtype=np.float64).reshape(-1, 6)
    return ImuBatch(stamps, np.ascontiguousarray(values[:, :3]), np.ascontiguousarray(values[:, 3:]))


def why_unusable(samples: Sequence[Sample], is_unknown: bool = False) -> str:
    """Why this stream does not count as an IMU, or an empty string.

    `is_unknown`: its messages say that the acceleration is not measured (covariance[0] is -1). Rule of
    bev_lio_lc.md, section 4.1.
    """
    if is_unknown:
        return "its messages mark the acceleration as unknown (linear_acceleration_covariance[0] is -1)"
    rate = imu_rate(samples)
    if rate < MIN_RATE:
        return f"it runs at {rate:.3g} Hz, at least {MIN_RATE:g} Hz are needed"
    accel = float(np.median(np.linalg.norm(imu_batch(samples).accel, axis=1)))
    if not any(low <= accel <= high for low, high in (ACCEL_RANGE, ACCEL_RANGE_G)):
        return (
            f"the median of its acceleration is {accel:.3g}, which is gravity neither in m/s^2 "
            f"({ACCEL_RANGE[0]:g} to {ACCEL_RANGE[1]:g}) nor in g ({ACCEL_RANGE_G[0]:g} to {ACCEL_RANGE_G[1]:g})"
        )
    return ""


def imu_rate(samples: Sequence[Sample]) -> float:
    """Samples per second, by the stamps; 0 for fewer than two."""
    if len(samples) < 2:
        return 0.0
    span = max(sample[0] for sample in samples) - min(sample[0] for sample in samples)
    return (len(samples) - 1) * NS_PER_S / span if span else 0.0
