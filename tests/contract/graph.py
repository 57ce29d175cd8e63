"""A robot's side of the graph for tests: sends what sensors send, and keeps what it hears."""

import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Odometry
from nav_msgs.msg import Path as PathMessage
from rclpy.experimental import EventsExecutor
from rclpy.node import Node
from sensor_msgs.msg import Imu, PointCloud2

from nodes import messages, middleware, qos
from tests.contract import room

WAIT = 60.0  # s; what is waited for takes a few, on a machine that has nothing else to do
SETTLING = 0.5  # s; for a publisher to learn of its subscriber, which the subscriber cannot see
_domains = count(os.getpid())


def environment(log_dir: Path) -> dict[str, str]:
    """Variables of a graph that nobody else is in."""
    return {
        "ROS_DOMAIN_ID": str(1 + next(_domains) % 100),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "ROS_LOG_DIR": str(log_dir),
        **middleware.environment(base={}),
    }


@contextmanager
def spinning(*nodes: Node) -> Iterator[None]:
    """Run the callbacks of `nodes` in a thread of their own."""
    executor, stop = EventsExecutor(), threading.Event()
    for node in nodes:
        executor.add_node(node)

    def spin() -> None:
        while not stop.is_set():
            executor.spin_once(timeout_sec=0.05)

    thread = threading.Thread(target=spin, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        executor.shutdown()


def wait_for(condition: Callable[[], Any], what: str, timeout: float = WAIT) -> None:
    """Wait until `condition` holds; fails the test naming `what` it waited for."""
    if not comes_true(condition, timeout):
        pytest.fail(f"waited {timeout:g} s for {what}")


def comes_true(condition: Callable[[], Any], timeout: float = WAIT) -> bool:
    """Wait until `condition` holds; False when it did not in time."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


class Robot:
    """Publishes points, IMU and static transforms; hears everything that the odometry says."""

    def __init__(self) -> None:
        self.node = Node("robot")
        self.points = self.node.create_publisher(PointCloud2, "points", qos.result(10))
        self.imu = self.node.create_publisher(Imu, "imu", qos.result(400))
        self.heard: dict[str, list[Any]] = defaultdict(list)
        for topic, kind, profile in (
            ("odometry", Odometry, qos.result(1000)),
            ("odometry_imu", Odometry, qos.result(1000)),
            ("path", PathMessage, qos.latched()),
            ("cloud_registered", PointCloud2, qos.result(100)),
            ("/diagnostics", DiagnosticArray, qos.result(1000)),
        ):
            self._hear(topic, kind, profile)
        try:
            from tf2_msgs.msg import TFMessage
        except ImportError:
            return
        self.static = self.node.create_publisher(TFMessage, "/tf_static", qos.STATIC_TRANSFORMS)
        self._hear("/tf", TFMessage, qos.TRANSFORMS)

    def send_places(self) -> None:
        """LiDAR and IMU sit in the body's origin."""
        from tf2_msgs.msg import TFMessage

        places = [messages.transform_to(1, "base_link", frame, np.eye(4)) for frame in ("lidar", "imu")]
        self.static.publish(TFMessage(transforms=places))

    def drive(
        self, num_scans: int, first: int = 0, with_imu: bool = True, pause: float = 0.02, shift_ns: int = 0
    ) -> None:
        """Send the room as scans `first` to `first + num_scans`, `pause` seconds apart."""
        for kind, index in room.events(first + num_scans):
            if kind == "scan" and index >= first:
                self.points.publish(self.cloud(index, shift_ns))
                time.sleep(pause)
            elif kind == "imu" and with_imu and index * room.IMU_NS >= first * room.SCAN_NS:
                stamp_ns, gyro, accel = room.imu_sample(index)
                self.imu.publish(messages.imu_to(stamp_ns + shift_ns, "imu", gyro, accel))

    def drive_until_heard(self, first: int = 0, shift_ns: int = 0) -> None:
        """Send scans until a further pose comes; how many of them a sensor's best effort delivers does not matter."""
        num_heard, scans = len(self.heard["odometry"]), count(first, 2)
        deadline = time.monotonic() + WAIT
        while len(self.heard["odometry"]) == num_heard:
            if time.monotonic() > deadline:
                pytest.fail(f"waited {WAIT:g} s for a pose")
            self.drive(2, first=next(scans), pause=0.05, shift_ns=shift_ns)

    @staticmethod
    def cloud(index: int, shift_ns: int = 0) -> PointCloud2:
        """One scan of the room."""
        return messages.cloud_to(room.START_NS + index * room.SCAN_NS + shift_ns, "lidar", *room.scan_points(index))

    def wait_for_node(self, num_inputs: int = 2) -> None:
        """Until the node under test hears the sensors and is heard."""
        inputs = (self.points, self.imu)[:num_inputs]
        wait_for(lambda: all(p.get_subscription_count() for p in inputs), "the node to subscribe")
        wait_for(lambda: self.node.count_publishers("odometry"), "the node to advertise its odometry")
        time.sleep(SETTLING)

    def values(self) -> dict[str, str]:
        """Facts in the newest diagnostics."""
        newest = self.heard["/diagnostics"][-1].status[0]
        return {value.key: value.value for value in newest.values}

    def wait_for_reason(self, text: str, level: bytes, timeout: float = WAIT) -> None:
        """Until the diagnostics say `text` at `level`."""

        def is_said() -> bool:
            states = [array.status[0] for array in self.heard["/diagnostics"]]
            return any(text in state.message and state.level == level for state in states)

        wait_for(is_said, f"diagnostics with {text!r}", timeout)

    def _hear(self, topic: str, kind: type, profile: Any) -> None:
        self.node.create_subscription(kind, topic, self.heard[topic].append, profile)


@contextmanager
def ros(log_dir: Path) -> Iterator[None]:
    """A context in a graph of its own."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(log_dir).items():
            patch.setenv(name, value)
        rclpy.init()
        try:
            yield
        finally:
            rclpy.try_shutdown()
