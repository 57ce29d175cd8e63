"""What `perception doctor` asks of ROS. rclpy is imported where it is used: it may be what is missing."""

import importlib
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from perception.core.errors import ConfigError, InvalidInput, MissingDependency, MissingTransform
from perception.core.stamps import NS_PER_S

if TYPE_CHECKING:
    from perception.core.types import SensorRig
    from perception.doctor.live import Endpoint, LiveFacts
    from perception.io.config import InputConfig

Progress = Callable[[int, int], None]
OWN_NAME = "perception_doctor"
LOOK_PERIOD = 0.25  # s between two looks for new topics
CLOUD, IMU, TF = "sensor_msgs/msg/PointCloud2", "sensor_msgs/msg/Imu", "tf2_msgs/msg/TFMessage"
DIAGNOSTICS = "diagnostic_msgs/msg/DiagnosticArray"
PACKAGES = ("rclpy", "sensor_msgs", "nav_msgs", "geometry_msgs", "diagnostic_msgs", "tf2_msgs", "vision_msgs")


def import_errors() -> dict[str, str]:
    """Each ROS package that the nodes need, and why it cannot be imported; empty where it can."""
    return {name: _import_error(name if name == "rclpy" else f"{name}.msg") for name in PACKAGES}


def _import_error(module: str) -> str:
    try:
        importlib.import_module(module)
    except ImportError as error:  # also for a library of the system that is missing
        return " ".join(str(error).split()) or type(error).__name__
    return ""


def watch_graph(seconds: float, config: "InputConfig", progress: Progress = lambda done, total: None) -> "LiveFacts":
    """Listen to the graph for `seconds` and return what was seen. Raises `MissingDependency` without rclpy.

    Topics that appear while it listens are taken in too.
    """
    from nodes import middleware
    from perception.kernels import clouds

    middleware.prepare(network=True)
    try:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor
    except ImportError as error:
        raise MissingDependency(f"doctor --live needs ROS ({error}); run `make setup`, or source a ROS 2") from None
    clouds.warm_up()  # loading it would hold up the first cloud
    context = rclpy.Context()
    rclpy.init(context=context)
    try:
        node = rclpy.create_node(OWN_NAME, context=context, enable_rosout=False, start_parameter_services=False)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        graph = _Graph(node, config)
        start = time.monotonic()
        while (passed := time.monotonic() - start) < seconds and context.ok():
            graph.discover()
            progress(round(100.0 * passed / seconds), 100)
            until = min(time.monotonic() + LOOK_PERIOD, start + seconds)
            while (left := until - time.monotonic()) > 0.0:
                executor.spin_once(timeout_sec=left)
        facts = graph.facts(seconds)
        executor.shutdown()
        node.destroy_node()
        return facts
    finally:
        rclpy.try_shutdown(context=context)


class _Graph:
    """Subscriptions to everything that tells about the sensors."""

    def __init__(self, node: Any, config: "InputConfig") -> None:
        from perception.core.frames import TransformBuffer

        self.node, self.config = node, config
        self.buffer = TransformBuffer()
        self.clouds: dict[str, Any] = {}
        self.imus: dict[str, Any] = {}
        self.edges: dict[tuple[str, str], None] = {}
        self.bad_transforms: dict[str, None] = {}
        self.statuses: dict[str, Any] = {}
        self.largest_cloud = 0
        self.clock_ns: int | None = None
        self._heard: set[str] = set()

    def discover(self) -> None:
        """Subscribe to what is new on the graph and of a kind that matters."""
        from diagnostic_msgs.msg import DiagnosticArray
        from rosgraph_msgs.msg import Clock
        from sensor_msgs.msg import Imu, PointCloud2

        from nodes import qos
        from perception.doctor.streams import CloudWatch, ImuWatch

        for topic, types in self.node.get_topic_names_and_types():
            if topic in self._heard or not self.node.count_publishers(topic):
                continue
            if CLOUD in types:
                watch = self.clouds[topic] = CloudWatch(topic, CLOUD, self.config)
                self._subscribe(PointCloud2, topic, partial(self._take_cloud, watch), qos.sensor_input(qos.CLOUD_DEPTH))
            elif IMU in types:
                samples = self.imus[topic] = ImuWatch(topic, IMU)
                self._subscribe(Imu, topic, partial(self._take_imu, samples), qos.sensor_input(qos.IMU_DEPTH))
            elif topic == "/tf_static" and TF in types:
                self._subscribe_tf(topic, qos.STATIC_TRANSFORMS)
            elif topic == "/diagnostics" and DIAGNOSTICS in types:
                self._subscribe(DiagnosticArray, topic, self._take_diagnostics, qos.sensor_input(100))
            elif topic == "/clock":
                self._subscribe(Clock, topic, self._take_clock, qos.sensor_input(10))

    def facts(self, seconds: float) -> "LiveFacts":
        """What was seen."""
        from perception.doctor.live import LiveFacts, Status, sources

        own = self.node.get_fully_qualified_name()
        names = sorted(f"{space.rstrip('/')}/{name}" for name, space in self.node.get_node_names_and_namespaces())
        endpoints = tuple(self._endpoints(own))
        lidars, inertial = sources(endpoints, CLOUD), sources(endpoints, IMU)
        clouds = tuple(watch.facts() for topic, watch in self.clouds.items() if topic in lidars)
        imus = tuple(watch.facts() for topic, watch in self.imus.items() if topic in inertial)
        rig, reason = self._rig(clouds, imus)
        return LiveFacts(
            seconds=seconds,
            domain=os.environ.get("ROS_DOMAIN_ID", "0"),
            nodes=tuple(name for name in names if name != own and not name.rsplit("/", 1)[-1].startswith("_")),
            endpoints=endpoints,
            clouds=clouds,
            imus=imus,
            largest_cloud=self.largest_cloud,
            edges=tuple(self.edges),
            rig=rig,
            rig_error="; ".join([*self.bad_transforms, *([reason] if reason else [])]),
            has_sim_clock=self.clock_ns is not None,
            statuses=tuple(Status(s.name, s.level[0], s.message) for s in self.statuses.values()),
        )

    def _subscribe(self, kind: Any, topic: str, callback: Any, profile: Any) -> None:
        self._heard.add(topic)
        self.node.create_subscription(kind, topic, callback, profile)

    def _subscribe_tf(self, topic: str, profile: Any) -> None:
        try:
            from tf2_msgs.msg import TFMessage
        except ImportError:
            self._heard.add(topic)
            self.bad_transforms["tf2_msgs is not installed: /tf_static cannot be heard"] = None
            return
        self._subscribe(TFMessage, topic, self._take_transforms, profile)

    def _now(self) -> int:
        return time.time_ns() if self.clock_ns is None else self.clock_ns

    def _take_cloud(self, watch: Any, message: Any) -> None:
        self.largest_cloud = max(self.largest_cloud, len(message.data))
        watch.add(message, self._now())

    def _take_imu(self, watch: Any, message: Any) -> None:
        watch.add(message, self._now())

    def _take_clock(self, message: Any) -> None:
        self.clock_ns = message.clock.sec * NS_PER_S + message.clock.nanosec

    def _take_diagnostics(self, message: Any) -> None:
        self.statuses.update((status.name, status) for status in message.status)

    def _take_transforms(self, message: Any) -> None:
        from perception.io.extrinsics import add_transforms

        try:
            add_transforms(self.buffer, message, is_static=True)
        except InvalidInput as reason:
            self.bad_transforms[str(reason)] = None
        for item in message.transforms:
            self.edges[item.header.frame_id.lstrip("/"), item.child_frame_id.lstrip("/")] = None

    def _rig(self, clouds: Any, imus: Any) -> "tuple[SensorRig | None, str]":
        """Where the sensors sit, or why that is not known. Several sensors of a kind: nothing is said."""
        from perception.io.extrinsics import sensor_rig

        frames = [[frame.lstrip("/") for one in several for frame in one.stream.frames] for several in (clouds, imus)]
        if len(frames[0]) != 1 or len(frames[1]) > 1:
            return None, ""
        try:
            return sensor_rig(self.config, frames[0][0], frames[1][0] if frames[1] else None, self.buffer)[0], ""
        except (MissingTransform, ConfigError) as reason:
            return None, str(reason)

    def _endpoints(self, own: str) -> "Iterator[Endpoint]":
        from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

        from perception.doctor.live import Endpoint

        for topic, _ in self.node.get_topic_names_and_types():
            publishers = [(info, True) for info in self.node.get_publishers_info_by_topic(topic)]
            readers = [(info, False) for info in self.node.get_subscriptions_info_by_topic(topic)]
            for info, is_publisher in publishers + readers:
                name = f"{info.node_namespace.rstrip('/')}/{info.node_name}"
                if name != own:
                    profile = info.qos_profile
                    reliable = profile.reliability == ReliabilityPolicy.RELIABLE
                    latched = profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
                    yield Endpoint(topic, info.topic_type, name, is_publisher, reliable, latched)
