"""Ports between topics and the streams of LiDAR, IMU and odometry; those of others are in files of their own."""

import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from nav_msgs.msg import Odometry as OdometryMessage
from nav_msgs.msg import Path
from rclpy.publisher import Publisher
from sensor_msgs.msg import Imu, PointCloud2

from nodes import messages, qos
from nodes.statistics import StreamMonitor
from perception.core.errors import ConfigError, InvalidInput, MissingTransform
from perception.core.geometry import apply, quaternion_from_matrix
from perception.core.health import OK, Health
from perception.core.types import OdometryUpdate, SensorRig
from perception.io.pointcloud import CloudDecoder
from perception.pipeline.publish import PublishConfig

if TYPE_CHECKING:
    from nodes.base import PipelineNode

FORMAT_CLOUDS = 3  # enough to know the period and, from the point times, the unit
REPORT_EVERY_S = 5.0  # a repeated refusal is logged this often, with its count


class InputPort:
    """One subscription: translates each message and hands it to the node, or counts it as refused."""

    def __init__(self, node: "PipelineNode", stream: str, topic: str, message_type: type, depth: int) -> None:
        self.node, self.stream = node, stream
        self.frame_id: str | None = None  # of the newest message; None before the first
        self.subscription = node.create_subscription(message_type, topic, self._receive, qos.sensor_input(depth))
        self.monitor = StreamMonitor(self.subscription.topic_name, time.monotonic_ns())

    def translate(self, message: Any) -> list[Any]:
        """The items that a message completes.

        Raises `InvalidInput`, `ConfigError` where it cannot be understood, and `MissingTransform`.
        """
        raise NotImplementedError

    def health(self, now_ns: int) -> Health:
        """Of the stream at `now_ns` (monotonic); too long a silence is a failure."""
        return self.monitor.health(now_ns, self.max_gap_ns)

    @property
    def max_gap_ns(self) -> int:
        """The longest silence that is none."""
        return self.node.config.odometry.time.max_gap_ns

    def facts(self) -> dict[str, object]:
        """What diagnostics should tell besides rate, age and counts."""
        return {}

    def gives(self, item: Any) -> bool:
        """True where `item` of a later stage was made of a message of this topic."""
        return False

    def start(self) -> None:
        """Forget what was measured and detected before."""
        self.frame_id = None
        self.monitor = StreamMonitor(self.subscription.topic_name, time.monotonic_ns())

    def stop(self) -> None:
        """The stages end."""

    def destroy(self) -> None:
        """Take the topic back."""
        self.node.destroy_subscription(self.subscription)

    def _receive(self, message: Any) -> None:
        if not self.node.is_active:
            return
        now_ns = time.monotonic_ns()
        self.monitor.note(now_ns)
        try:
            items = self.translate(message)
        except (InvalidInput, ConfigError, MissingTransform) as error:
            self.monitor.refuse(error)
            self.node.get_logger().warning(
                f"{self.monitor.topic}: {error} ({self.monitor.num_refused} refused so far)",
                throttle_duration_sec=REPORT_EVERY_S,
            )
            return
        self.monitor.accept(messages.stamp_of(message.header))
        self._announce(message.header.frame_id.lstrip("/"))
        for item in items:
            self.node.take(self.stream, item, now_ns)

    def _announce(self, frame_id: str) -> None:
        if frame_id != self.frame_id:
            self.frame_id = frame_id
            self.node.wake_stages()


class ScanPort(InputPort):
    """Point clouds as scans. The first few are held back until their common format is known."""

    def __init__(self, node: "PipelineNode") -> None:
        self._held: list[PointCloud2] = []
        self._decoder: CloudDecoder | None = None
        super().__init__(node, "scan", "points", PointCloud2, qos.CLOUD_DEPTH)

    def start(self) -> None:
        """Detect the format again."""
        super().start()
        self._held, self._decoder = [], None

    def translate(self, message: PointCloud2) -> list[Any]:
        """The scan in a cloud."""
        if self._decoder is not None:
            return [self._decoder.scan(message)]
        messages.check_cloud(message)
        self._held.append(message)
        if len(self._held) < FORMAT_CLOUDS:
            return []
        held, self._held = self._held, []
        self._decoder = messages.decoder_of(held, self.node.config.input)
        return [self._decoder.scan(cloud) for cloud in held]


class ImuPort(InputPort):
    """IMU samples."""

    def __init__(self, node: "PipelineNode") -> None:
        super().__init__(node, "imu", "imu", Imu, qos.IMU_DEPTH)

    def translate(self, message: Imu) -> list[Any]:
        """The sample in a message."""
        return [messages.imu_from(message)]


class OutputPort:
    """Publishes streams of the pipeline; most say nothing about the rest."""

    def start(self, rig: SensorRig) -> None:
        """The stages begin, with the sensors in these places; called in the thread of a stage."""

    def hear(self, stream: str, item: Any) -> None:
        """An input item arrived; called in the thread of the subscriptions."""

    def publish(self, stream: str, item: Any) -> None:
        """An output of any stage; called in its thread."""
        raise NotImplementedError

    def is_wanted(self, topic: str) -> bool:
        """True while somebody listens to what is made of the messages of `topic`; "": of what no camera gave."""
        return True

    def health(self) -> Health:
        """Whether everything that is asked for can be published."""
        return OK

    def destroy(self) -> None:
        """Take the topics back."""
        raise NotImplementedError


class OdometryPort(OutputPort):
    """Publishes what the odometry says: poses at scan and IMU rate, path, registered cloud and TF."""

    def __init__(self, node: "PipelineNode") -> None:
        self.node = node
        self.odometry = node.create_lifecycle_publisher(OdometryMessage, "odometry", qos.result())
        self.odometry_imu = node.create_lifecycle_publisher(OdometryMessage, "odometry_imu", qos.result(100))
        self.cloud = node.create_lifecycle_publisher(PointCloud2, "cloud_registered", qos.result(2))
        self.path_publisher = node.create_lifecycle_publisher(Path, "path", qos.latched())
        self.path, self._path_due_ns = PathRecord(node.config.publish), 0
        self._rig: SensorRig | None = None
        self._predictor: Any = None
        self._corrected_ns = 0
        self._lock = threading.Lock()

    def start(self, rig: SensorRig) -> None:
        """The odometry begins at the origin, with its sensors in these places; called in the thread of its stage."""
        from slam.imu_rate import ImuRatePredictor

        with self._lock:
            self._rig = rig
            self._predictor = ImuRatePredictor(self.node.config.odometry, rig) if rig.has_imu else None
        self.path, self._path_due_ns = PathRecord(self.node.config.publish), 0

    def publish(self, stream: str, item: Any) -> None:
        """One output of the odometry; called in the thread of its stage."""
        if stream == "odometry":
            self._publish(item)
        elif stream == "odometry_reset" and self._rig is not None:
            self.start(self._rig)

    def _publish(self, update: OdometryUpdate) -> None:
        odometry, frames = update.odometry, (self.node.config.publish.odom_frame, self.node.config.input.base_frame)
        self.odometry.publish(messages.odometry_to_bytes(odometry, *frames))
        if self.node.config.publish.tf:
            self.node.transforms.send(odometry.stamp_ns, *frames, odometry.T_odom_base)
        self._correct(update)
        self._publish_cloud(update)
        self.path.add(odometry.stamp_ns, odometry.T_odom_base)
        self._publish_path(frames[0])

    def hear(self, stream: str, item: Any) -> None:
        """An input item arrived; called in the thread of the subscriptions."""
        if stream != "imu" or not is_wanted(self.odometry_imu):
            return
        with self._lock:
            predicted = self._predictor.add_imu(item) if self._predictor is not None else []
            corrected_ns = self._corrected_ns
        frames = (self.node.config.publish.odom_frame, self.node.config.input.base_frame)
        max_gap_ns = self.node.config.odometry.time.max_gap_ns
        for odometry in predicted:
            if odometry.stamp_ns - corrected_ns <= max_gap_ns:  # longer without a scan, and it is a guess
                self.odometry_imu.publish(messages.odometry_to_bytes(odometry, *frames))

    def destroy(self) -> None:
        """Take the topics back."""
        for publisher in (self.odometry, self.odometry_imu, self.cloud, self.path_publisher):
            self.node.destroy_lifecycle_publisher(publisher)

    def _correct(self, update: OdometryUpdate) -> None:
        with self._lock:
            if update.imu_state is None or self._predictor is None:
                return
            self._predictor.correct(update.imu_state)
            self._corrected_ns = update.odometry.stamp_ns

    def _publish_cloud(self, update: OdometryUpdate) -> None:
        if self._rig is None or not is_wanted(self.cloud):
            return
        points = apply(update.odometry.T_odom_base @ self._rig.T_base_lidar, update.points)
        frame = self.node.config.publish.odom_frame
        self.cloud.publish(messages.cloud_to(update.odometry.stamp_ns, frame, points.astype(np.float32, copy=False)))

    def _publish_path(self, frame: str) -> None:
        now_ns = time.monotonic_ns()
        if now_ns < self._path_due_ns or not is_wanted(self.path_publisher):
            return
        self._path_due_ns = now_ns + int(1e9 / self.node.config.publish.path_rate)
        self.path_publisher.publish(messages.path_to_bytes(*self.path.rows(), frame))


class PathRecord:
    """The poses of a path, thinned by distance and bounded in number."""

    def __init__(self, config: PublishConfig) -> None:
        self.step, self.capacity = config.path_step, config.path_poses
        self.stamps_ns: list[int] = []
        self.poses: list[np.ndarray] = []

    def add(self, stamp_ns: int, T_odom_base: np.ndarray) -> None:
        """Append a pose when the body moved by `step` since the last; when full, every second one goes."""
        place = T_odom_base[:3, 3]
        if self.poses and np.linalg.norm(place - self.poses[-1][:3]) < self.step:
            return
        if len(self.poses) >= self.capacity:
            self.stamps_ns, self.poses, self.step = self.stamps_ns[::2], self.poses[::2], max(self.step, 0.01) * 2.0
        self.stamps_ns.append(stamp_ns)
        self.poses.append(np.concatenate([place, quaternion_from_matrix(T_odom_base[:3, :3])]))

    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Stamps (N,) int64 and poses (N, 7) float64."""
        return np.array(self.stamps_ns, dtype=np.int64), np.array(self.poses, dtype=np.float64).reshape(-1, 7)


def is_wanted(publisher: Publisher) -> bool:
    """True while somebody listens."""
    return publisher.get_subscription_count() > 0
