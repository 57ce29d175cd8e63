"""The robot's side of the live benchmark, in a process of its own: `python -m benchmarks.live_sender DRIVE SECONDS`.

Sends the drive in real time as clouds of 4 MB and IMU samples, hears the odometry, and prints as JSON when each cloud
was handed to the middleware and when its odometry was in the callback.
"""

import array
import json
import sys
import threading
import time
from pathlib import Path

import numpy as np

from benchmarks import clouds
from benchmarks.live_spin import sleep_until, spinning, wait_for_answers
from perception.core.stamps import NS_PER_S

NUM_POINTS = 130_000
POINT = np.dtype(  # 32 bytes, as some drivers send it
    {
        "names": ["x", "y", "z", "intensity", "t", "ring"],
        "formats": ["<f4", "<f4", "<f4", "<f4", "<u4", "<u2"],
        "offsets": [0, 4, 8, 16, 20, 24],
        "itemsize": 32,
    }
)
FIELDS = (("x", 0, 7), ("y", 4, 7), ("z", 8, 7), ("intensity", 16, 7), ("t", 20, 6), ("ring", 24, 4))
RANGE_NOISE = 0.015  # m, of the points that are added to make the cloud large
LEAD = 0.5  # s until the first message
DISCOVERY = 60.0  # s, kernels being compiled included
REPORT = 1.2  # s until the next diagnostics, at the latest


class Sender:
    """Publishes the drive and notes the times, all in seconds of the monotonic clock."""

    def __init__(self, drive: clouds.Clouds, seconds: float) -> None:
        from diagnostic_msgs.msg import DiagnosticArray
        from nav_msgs.msg import Odometry
        from rclpy.node import Node
        from sensor_msgs.msg import Imu, PointCloud2
        from tf2_msgs.msg import TFMessage

        from nodes import messages, qos

        self.drive = drive
        end_ns = int(drive.starts_ns[0]) + int(seconds * NS_PER_S)
        self.num_scans = int(np.searchsorted(drive.starts_ns, end_ns))
        last_ns = int(drive.starts_ns[self.num_scans - 1] + drive.durations_ns[self.num_scans - 1])
        self.num_samples = int(np.searchsorted(drive.imu_stamps_ns, last_ns, side="right")) + 1  # one ends the sweep
        self.node = Node("live_sender")
        self.points = self.node.create_publisher(PointCloud2, "points", qos.result(5))
        self.imu = self.node.create_publisher(Imu, "imu", qos.result(400))
        self.node.create_subscription(Odometry, "odometry", self._hear, qos.result(50))
        self.node.create_subscription(Odometry, "odometry_imu", self._count, qos.result(400))
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._note, qos.result())
        static = self.node.create_publisher(TFMessage, "/tf_static", qos.STATIC_TRANSFORMS)
        rig = drive.rig
        pairs = ((rig.lidar_frame, rig.T_base_lidar), (rig.imu_frame, rig.T_base_imu))
        static.publish(TFMessage(transforms=[messages.transform_to(0, rig.base_frame, name, T) for name, T in pairs]))
        self._static = static
        self.sent: list[tuple[int, float]] = []  # start of the sweep in ns, and when it was published
        self.heard: list[tuple[int, float]] = []  # stamp of the odometry, and when it came
        self.num_imu_odometry = 0
        self.facts: dict[str, str] = {}  # in the newest diagnostics of the node

    def wait(self) -> None:
        """Until the node listens and is heard. Raises `TimeoutError`."""
        deadline = time.monotonic() + DISCOVERY
        while not (
            self.points.get_subscription_count()
            and self.imu.get_subscription_count()
            and self.node.count_publishers("odometry")
        ):
            if time.monotonic() > deadline:
                raise TimeoutError("no node listens")
            time.sleep(0.05)
        time.sleep(1.0)  # the other direction of discovery

    def send(self) -> None:
        """The whole drive: scans at their end and IMU samples at their stamp, each kind from a thread of its own."""
        start = time.monotonic() + LEAD
        imu = threading.Thread(target=self._send_imu, args=(start,))
        imu.start()
        rng, start_ns = np.random.default_rng(0), int(self.drive.imu_stamps_ns[0])
        for index in range(self.num_scans):
            scan = self.drive.scan(index)
            cloud = large_cloud(scan, rng)
            end_ns = scan.stamp_ns + int(self.drive.durations_ns[index])
            sleep_until(start + (end_ns - start_ns) * 1e-9)
            self.sent.append((scan.stamp_ns, time.monotonic()))
            self.points.publish(cloud)
        imu.join()

    def _send_imu(self, start: float) -> None:
        from nodes import messages

        drive = self.drive
        for row, stamp_ns in enumerate(drive.imu_stamps_ns[: self.num_samples].tolist()):
            message = messages.imu_to(stamp_ns, "imu", drive.gyro[row], drive.accel[row])
            sleep_until(start + (stamp_ns - int(drive.imu_stamps_ns[0])) * 1e-9)
            self.imu.publish(message)

    def latencies(self) -> list[float]:
        """Seconds from publishing a cloud to hearing its odometry, for each cloud that has one."""
        found = []
        stamps = np.array([stamp_ns for stamp_ns, _ in self.sent])
        for stamp_ns, heard in self.heard:
            index = int(np.searchsorted(stamps, stamp_ns)) - 1  # the state is at the end of the sweep
            if index >= 0:
                found.append(heard - self.sent[index][1])
        return found

    def _hear(self, message: object) -> None:
        stamp = message.header.stamp
        self.heard.append((stamp.sec * 10**9 + stamp.nanosec, time.monotonic()))

    def _note(self, message: object) -> None:
        for status in message.status:
            self.facts = {value.key: value.value for value in status.values}

    def _count(self, message: object) -> None:
        self.num_imu_odometry += 1


def large_cloud(scan: object, rng: np.random.Generator) -> object:
    """The scan as a cloud of `NUM_POINTS`: every point, and as many of them again with noise of their own."""
    from sensor_msgs.msg import PointCloud2, PointField

    from nodes import messages

    rows = np.sort(np.arange(NUM_POINTS) % len(scan.points))
    points = scan.points[rows]
    norm = np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-3)
    points = points + points / norm * rng.normal(scale=RANGE_NOISE, size=(NUM_POINTS, 1)).astype(np.float32)
    table = np.zeros(NUM_POINTS, POINT)
    table["x"], table["y"], table["z"] = points.T
    table["t"] = scan.offsets_ns[rows]
    data = array.array("B")
    data.frombytes(table.view(np.uint8))
    cloud = PointCloud2(header=messages.header_of(scan.stamp_ns, scan.frame_id), height=1, width=NUM_POINTS)
    cloud.fields = [PointField(name=name, offset=at, datatype=kind, count=1) for name, at, kind in FIELDS]
    cloud.point_step, cloud.row_step, cloud.data, cloud.is_dense = POINT.itemsize, table.nbytes, data, True
    return cloud


def main(folder: str, seconds: str) -> None:
    """Send the first `seconds` of the drive in `folder` and print what was measured."""
    with spinning(lambda: Sender(clouds.read(Path(folder)), float(seconds))) as sender:
        sender.wait()
        print("started", flush=True)
        sender.send()
        wait_for_answers(lambda: len(sender.heard) >= len(sender.sent))
        time.sleep(REPORT)
    found = {"clouds": len(sender.sent), "odometry": len({stamp for stamp, _ in sender.heard}), "facts": sender.facts}
    print(json.dumps({**found, "odometry_imu": sender.num_imu_odometry, "latencies": sender.latencies()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
