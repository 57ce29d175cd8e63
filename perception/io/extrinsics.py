"""Where the sensors sit on the robot: from the configuration, from /tf_static, or refused. Never guessed."""

from typing import Any

import numpy as np

from perception.core.errors import ConfigError, InvalidInput, MissingTransform
from perception.core.frames import TransformBuffer
from perception.core.geometry import matrix_from_quaternion, transform
from perception.core.stamps import NS_PER_S
from perception.core.types import SensorRig
from perception.io.config import InputConfig

MIN_QUATERNION_NORM = 0.5


def sensor_rig(
    config: InputConfig, lidar_frame: str, imu_frame: str | None, transforms: TransformBuffer
) -> tuple[SensorRig, tuple[str, ...]]:
    """The rig and what was assumed for it. `imu_frame` None: no IMU is used.

    Where the transforms do not know `input.base_frame`, the LiDAR frame is the base, aloud. Raises
    `MissingTransform` with the remedy when the place of a sensor that is used is not known.
    """
    base = config.base_frame
    notes: tuple[str, ...] = ()
    T_base_lidar = configured_transform("input.T_base_lidar", config.T_base_lidar)
    T_base_imu = configured_transform("input.T_base_imu", config.T_base_imu)
    if T_base_lidar is None and base not in transforms.frames() | {lidar_frame, imu_frame}:
        notes = (f"no transform knows the frame {base!r}: the LiDAR frame {lidar_frame!r} is the base",)
        base = lidar_frame
    if T_base_lidar is None:
        T_base_lidar = _lookup(transforms, base, lidar_frame, "input.T_base_lidar=[x,y,z,qx,qy,qz,qw] or base_frame")
    if imu_frame is None:
        return SensorRig(base, lidar_frame, T_base_lidar, places=transforms), notes
    if T_base_imu is None:
        T_base_imu = _imu_place(transforms, base, lidar_frame, imu_frame, T_base_lidar)
    return SensorRig(base, lidar_frame, T_base_lidar, imu_frame, T_base_imu, transforms), notes


def configured_transform(name: str, values: tuple[float, ...]) -> np.ndarray | None:
    """The transform (4, 4) of seven numbers x y z qx qy qz qw, None for none. Raises `ConfigError`."""
    if not values:
        return None
    if len(values) != 7:
        raise ConfigError(f"{name}: expected 7 numbers x y z qx qy qz qw, got {len(values)}")
    array = np.array(values, dtype=np.float64)
    if np.linalg.norm(array[3:]) < MIN_QUATERNION_NORM:
        raise ConfigError(f"{name}: the quaternion {values[3:]} has no direction; no rotation is 0 0 0 1")
    return transform(matrix_from_quaternion(array[3:]), array[:3])


def add_transforms(buffer: TransformBuffer, message: Any, is_static: bool) -> None:
    """Store the transforms of a `tf2_msgs/TFMessage`. Raises `InvalidInput` at the first that is none."""
    for stamped in message.transforms:
        parent, child = stamped.header.frame_id.lstrip("/"), stamped.child_frame_id.lstrip("/")
        t, q = stamped.transform.translation, stamped.transform.rotation
        quaternion = np.array([q.x, q.y, q.z, q.w])
        if not np.linalg.norm(quaternion) > MIN_QUATERNION_NORM:
            raise InvalidInput(f"transform {parent!r} -> {child!r}: its quaternion {quaternion} is no rotation")
        T_parent_child = transform(matrix_from_quaternion(quaternion), np.array([t.x, t.y, t.z]))
        if is_static:
            buffer.set_static(parent, child, T_parent_child)
        else:
            stamp = stamped.header.stamp
            buffer.set_moving(parent, child, stamp.sec * NS_PER_S + stamp.nanosec, T_parent_child)


def _lookup(transforms: TransformBuffer, target: str, source: str, remedy: str) -> np.ndarray:
    try:
        return transforms.lookup(target, source)
    except MissingTransform as error:
        raise MissingTransform(f"{error}: --set {remedy}") from None


def _imu_place(
    transforms: TransformBuffer, base: str, lidar_frame: str, imu_frame: str, T_base_lidar: np.ndarray
) -> np.ndarray:
    """From the base, or by way of the LiDAR when the configuration placed that one."""
    try:
        return transforms.lookup(base, imu_frame)
    except MissingTransform:
        remedy = "input.T_base_imu=[x,y,z,qx,qy,qz,qw], or input.imu=off to go without it"
        return T_base_lidar @ _lookup(transforms, lidar_frame, imu_frame, remedy)
