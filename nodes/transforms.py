"""TF: the static tree that is heard, the moving transform that is sent, and the places of the sensors made from it."""

from collections.abc import Callable

import numpy as np
from rclpy.lifecycle import LifecycleNode

from nodes import messages, qos
from perception.core.errors import ConfigError, InvalidInput
from perception.core.frames import TransformBuffer
from perception.core.geometry import matrix_from_quaternion, transform
from perception.core.types import SensorRig
from perception.io.config import InputConfig

MISSING_TF2 = (
    "tf2_msgs is not installed: nothing is heard from /tf_static or sent on /tf; install it with "
    "`pip install ./perception/ros_interfaces` from the source tree, or `apt install ros-jazzy-tf2-msgs` beside ROS"
)


class Transforms:
    """Hears /tf_static into a buffer and sends on /tf. Without tf2_msgs it does neither, and says so."""

    def __init__(self, node: LifecycleNode, on_change: Callable[[], None]) -> None:
        self.node = node
        self.buffer = TransformBuffer()
        self.num_refused = 0
        self._on_change = on_change
        self._publisher = self._subscription = None
        try:
            from tf2_msgs.msg import TFMessage
        except ImportError:
            node.get_logger().error(MISSING_TF2)
            return
        self._message_type = TFMessage
        self._publisher = node.create_lifecycle_publisher(TFMessage, "/tf", qos.TRANSFORMS)
        self._subscription = node.create_subscription(TFMessage, "/tf_static", self._hear, qos.STATIC_TRANSFORMS)

    @property
    def is_available(self) -> bool:
        """False without tf2_msgs."""
        return self._publisher is not None

    def send(self, stamp_ns: int, parent: str, child: str, T_parent_child: np.ndarray) -> None:
        """Send one transform on /tf."""
        if self._publisher is not None:
            transforms = [messages.transform_to(stamp_ns, parent, child, T_parent_child)]
            self._publisher.publish(self._message_type(transforms=transforms))

    def destroy(self) -> None:
        """Take the topics back."""
        if self._publisher is not None:
            self.node.destroy_lifecycle_publisher(self._publisher)
            self.node.destroy_subscription(self._subscription)
            self._publisher = self._subscription = None

    def _hear(self, message: object) -> None:
        for item in message.transforms:
            parent, child = item.header.frame_id.lstrip("/"), item.child_frame_id.lstrip("/")
            try:
                self.buffer.set_static(parent, child, messages.transform_from(item))
            except InvalidInput as error:
                self.num_refused += 1
                self.node.get_logger().error(f"/tf_static: {error}", throttle_duration_sec=5.0)
        self._on_change()


def rig_from(buffer: TransformBuffer, config: InputConfig, lidar_frame: str, imu_frame: str | None = None) -> SensorRig:
    """Where the sensors sit: from the configuration where it says so, else from the static tree.

    `imu_frame` is None without an IMU. Raises `MissingTransform` naming the two frames that are not joined.
    """
    T_base_lidar = _place(buffer, config.base_frame, lidar_frame, config.T_base_lidar, "input.T_base_lidar")
    if imu_frame is None:
        return SensorRig(config.base_frame, lidar_frame, T_base_lidar, places=buffer)
    T_base_imu = _place(buffer, config.base_frame, imu_frame, config.T_base_imu, "input.T_base_imu")
    return SensorRig(config.base_frame, lidar_frame, T_base_lidar, imu_frame, T_base_imu, buffer)


def _place(buffer: TransformBuffer, base: str, sensor: str, given: tuple[float, ...], name: str) -> np.ndarray:
    if not given:
        return buffer.lookup(base, sensor)
    if len(given) != 7 or not np.linalg.norm(given[3:]) > 0.0:
        raise ConfigError(f"{name}: expected seven numbers x y z qx qy qz qw, got {list(given)}")
    return transform(matrix_from_quaternion(np.array(given[3:])), np.array(given[:3]))
