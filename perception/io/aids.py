"""Satellite fixes and wheel odometry without ROS: messages of drivers as records in the frame of the base."""

from collections.abc import Callable
from typing import Any

import numpy as np

from perception.core.errors import InvalidInput, MissingTransform
from perception.core.frames import TransformBuffer
from perception.core.stamps import stamp_from_ros
from perception.io.config import InputConfig
from perception.io.extrinsics import configured_transform
from slam.graph.gnss import GnssFix
from slam.graph.sensors import AntennaFix, WheelTwist

FIX = "sensor_msgs/msg/NavSatFix"
WHEEL_TYPES = {name.split("/")[-1]: name for name in (
    "nav_msgs/msg/Odometry", "geometry_msgs/msg/TwistStamped", "geometry_msgs/msg/TwistWithCovarianceStamped"
)}  # fmt: skip
STATUS_FIX = 0  # sensor_msgs/NavSatStatus: less than this is none
COVARIANCE_UNKNOWN = 0  # sensor_msgs/NavSatFix
MAX_TWIST = 1e3  # m/s or rad/s; beyond any vehicle

Place = Callable[[str], np.ndarray]  # from the name of a frame to `T_base_frame`; raises `MissingTransform`
Reader = Callable[[Any], AntennaFix | WheelTwist]  # from a message; raises `InvalidInput`, `MissingTransform`


def fix_reader(config: InputConfig, base_frame: str, transforms: TransformBuffer) -> Reader:
    """What makes fixes of `sensor_msgs/NavSatFix`. Raises `ConfigError` for a wrong `input.T_base_gnss`."""
    place = _place(config.T_base_gnss, "input.T_base_gnss", base_frame, transforms)
    return lambda message: fix_from(message, place)


def wheel_reader(config: InputConfig, base_frame: str, transforms: TransformBuffer) -> Reader:
    """What makes twists of the messages of `WHEEL_TYPES`. Raises `ConfigError` for a wrong `input.T_base_wheels`."""
    place = _place(config.T_base_wheels, "input.T_base_wheels", base_frame, transforms)
    return lambda message: twist_from(message, place)


def fix_from(message: Any, place: Place) -> AntennaFix:
    """The fix of a receiver. One that has none is a record that says so: what it fills the other fields with is open.

    Raises `InvalidInput` for a place that is none on Earth, and `MissingTransform` where the antenna's is not known.
    """
    stamp_ns = stamp_of(message)
    has_fix = message.status.status >= STATUS_FIX
    values = float(message.latitude), float(message.longitude), float(message.altitude)
    covariance = None
    if has_fix and message.position_covariance_type != COVARIANCE_UNKNOWN:
        covariance = np.array(message.position_covariance, dtype=np.float64).reshape(3, 3)
    return AntennaFix(GnssFix(stamp_ns, *values, covariance, has_fix), place(frame_of(message))[:3, 3].copy())


def twist_from(message: Any, place: Place) -> WheelTwist:
    """The motion of the base of a twist that holds for another frame of the same body.

    The velocity of the origin of that frame is that of the base's plus the turn times the lever between them. Raises
    `InvalidInput` for values that are not finite, and `MissingTransform` where the place of the frame is not known.
    """
    twist = message.twist.twist if hasattr(message.twist, "twist") else message.twist
    linear, angular = (np.array([v.x, v.y, v.z], dtype=np.float64) for v in (twist.linear, twist.angular))
    if not (np.abs([linear, angular]) <= MAX_TWIST).all():
        raise InvalidInput(
            f"twist: linear {linear.tolist()}, angular {angular.tolist()} is not finite or beyond {MAX_TWIST:g}; "
            "check the driver of the wheels"
        )
    T_base_frame = place(frame_of(message))
    turn = T_base_frame[:3, :3] @ angular
    velocity = T_base_frame[:3, :3] @ linear - np.cross(turn, T_base_frame[:3, 3])
    return WheelTwist(stamp_of(message), velocity[:2].copy(), float(turn[2]))


def stamp_of(message: Any) -> int:
    """Stamp in nanoseconds. Raises `InvalidInput`."""
    return stamp_from_ros(message.header.stamp.sec, message.header.stamp.nanosec)


def frame_of(message: Any) -> str:
    """Frame that a message speaks of: the twist of an Odometry is in its child frame."""
    return getattr(message, "child_frame_id", message.header.frame_id).lstrip("/")


def _place(given: tuple[float, ...], name: str, base_frame: str, transforms: TransformBuffer) -> Place:
    """From the configuration where it says so, else from the transforms, which never change once they are known."""
    T_given = configured_transform(name, given)
    known: dict[str, np.ndarray] = {}

    def place(frame: str) -> np.ndarray:
        if T_given is not None:
            return T_given
        if frame not in known:
            try:
                known[frame] = transforms.lookup(base_frame, frame)
            except MissingTransform as error:
                raise MissingTransform(f"{error}: --set {name}=[x,y,z,qx,qy,qz,qw]") from None
        return known[frame]

    return place
