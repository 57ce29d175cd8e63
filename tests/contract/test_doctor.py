"""`perception doctor --live` beside a driver that does several things wrong."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import Imu, PointCloud2

from nodes import messages, qos
from nodes.doctor import import_errors, watch_graph
from perception.doctor.findings import Finding
from perception.doctor.live import check_live
from perception.io.config import InputConfig
from tests.contract import graph, room

PERIOD = 0.01  # s between IMU samples; every tenth comes with a scan


@contextmanager
def driver(gravity: float, behind_ns: int = 0) -> Iterator[Node]:
    """A node that publishes clouds at 10 Hz and IMU samples at 100 Hz, stamped `behind_ns` before now."""
    node, stop = Node("driver"), threading.Event()
    points = node.create_publisher(PointCloud2, "points", qos.sensor_input(10))
    imu = node.create_publisher(Imu, "imu", qos.sensor_input(400))
    rng = np.random.default_rng(1)

    def publish() -> None:
        number, start = 0, time.monotonic()
        while not stop.wait(max(start + number * PERIOD - time.monotonic(), 0.0)):
            stamp_ns = time.time_ns() - behind_ns
            accel = np.array([0.0, 0.0, gravity]) + rng.normal(0.0, 0.01 * gravity, 3)
            imu.publish(messages.imu_to(stamp_ns, "imu", rng.normal(0.0, 0.01, 3), accel))
            if number % 10 == 0:
                points.publish(messages.cloud_to(stamp_ns, "lidar", *room.scan_points(0)))
            number += 1

    thread = threading.Thread(target=publish, daemon=True)
    thread.start()
    try:
        yield node
    finally:
        stop.set()
        thread.join()
        node.destroy_node()


def examined(seconds: float = 5.0) -> dict[str, Finding]:
    return {finding.check: finding for finding in check_live(watch_graph(seconds, InputConfig()))}


@pytest.fixture
def alone(tmp_path):
    with graph.ros(tmp_path):
        yield


def test_a_driver_in_g_on_a_late_clock_is_found_out(alone):
    with driver(gravity=1.0, behind_ns=2_000_000_000):
        found = examined()
    assert found["/imu: gravity"].level == "warn"
    assert "in g" in found["/imu: gravity"].value
    assert found["/points: clock"].level == found["/imu: clock"].level == "warn"
    assert "/driver" in found["graph"].value
    assert found["/points: stream"].level == "ok"


def test_a_subscription_that_gets_nothing_is_found_out(alone):
    with driver(gravity=9.81):
        node = Node("needs_reliable")
        node.create_subscription(PointCloud2, "points", lambda message: None, qos.result(10))
        found = examined()
        node.destroy_node()
    assert found["/points: QoS"].level == "error"
    assert "/needs_reliable wants reliable" in found["/points: QoS"].value
    assert found["/imu: gravity"].level == "ok"


def test_an_empty_graph_is_an_error_and_the_context_of_others_lives_on(alone):
    assert examined(1.0)["graph"].level == "error"
    assert rclpy.ok()


def test_ros_packages_are_tried_one_by_one(monkeypatch):
    monkeypatch.setattr("nodes.doctor.PACKAGES", ("rclpy", "sensor_msgs", "no_such_msgs"))
    assert import_errors() == {"rclpy": "", "sensor_msgs": "", "no_such_msgs": "No module named 'no_such_msgs'"}
