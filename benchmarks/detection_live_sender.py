"""The camera of the live benchmarks, in a process of its own: `python -m benchmarks.detection_live_sender PICTURES.npz
TOPIC RATE SECONDS ANSWERS`, where ANSWERS is the last part of the topic beside it that is heard.

Publishes pictures in real time, hears what is found in them, and prints as JSON how long each answer took from handing
the image to the middleware to the callback.
"""

import json
import sys
import time
from typing import Any

import numpy as np

from benchmarks.live_spin import sleep_until, spinning, wait_for_answers

DISCOVERY = 120.0  # s, kernels being compiled and backends being measured included
REPORT = 1.2  # s until the next diagnostics, at the latest
TABLES = ("lines",)  # answers whose messages are tables, a row for each thing that was found
WARM = 30  # answers before the measurement begins: the network is loaded with the first image


class Camera:
    """Publishes images and notes the times, in seconds of the monotonic clock."""

    def __init__(self, pictures: np.ndarray, topic: str, answers: str) -> None:
        from diagnostic_msgs.msg import DiagnosticArray
        from rclpy.node import Node
        from sensor_msgs.msg import Image, PointCloud2

        from nodes import messages, qos
        from perception.core.types import ImageFrame

        self.node = Node("camera_of_the_benchmark")
        self.images = self.node.create_publisher(Image, topic, qos.result(2))
        kind = PointCloud2 if answers in TABLES else messages.detection_array_type()
        self.node.create_subscription(kind, f"{topic.rpartition('/')[0]}/{answers}", self._hear, qos.result(50))
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._note, qos.result())
        self.messages = [messages.image_to(ImageFrame(1, "camera", np.ascontiguousarray(p))) for p in pictures]
        self.sent: dict[int, float] = {}  # by stamp
        self.heard: dict[int, tuple[float, int]] = {}  # by stamp: when, and how much was found
        self.facts: dict[str, str] = {}  # in the newest diagnostics of the node
        self.before: dict[str, str] = {}  # in those before the measurement

    def wait(self) -> None:
        """Until the node has answered a while. Raises `TimeoutError`."""
        deadline = time.monotonic() + DISCOVERY
        while len(self.heard) < WARM:
            if time.monotonic() > deadline:
                raise TimeoutError("no node answers")
            if self.images.get_subscription_count():
                self.publish()
            time.sleep(0.05)
        time.sleep(REPORT)
        self.before = self.facts
        self.sent.clear()
        self.heard.clear()

    def send(self, rate: float, seconds: float) -> None:
        """Images at `rate` for `seconds`."""
        start = time.monotonic()
        for number in range(round(rate * seconds)):
            sleep_until(start + number / rate)
            self.publish()

    def publish(self) -> None:
        """The next image, stamped with the time of the system."""
        from nodes import messages

        message, stamp_ns = self.messages[len(self.sent) % len(self.messages)], time.time_ns()
        message.header = messages.header_of(stamp_ns, "camera")
        self.sent[stamp_ns] = time.monotonic()
        self.images.publish(message)

    def latencies(self) -> list[float]:
        """Seconds from publishing an image to hearing what is in it, in the order of the images."""
        return [self.heard[stamp][0] - sent for stamp, sent in self.sent.items() if stamp in self.heard]

    def _hear(self, message: Any) -> None:
        stamp = message.header.stamp
        count = message.width if hasattr(message, "point_step") else len(message.detections)
        self.heard[stamp.sec * 10**9 + stamp.nanosec] = (time.monotonic(), count)

    def _note(self, message: Any) -> None:
        for status in message.status:
            self.facts = {value.key: value.value for value in status.values}


def main(source: str, topic: str, rate: str, seconds: str, answers: str = "detections") -> None:
    """Send, and print what was measured."""
    with np.load(source, allow_pickle=False) as file:
        pictures = file["pictures"]
    with spinning(lambda: Camera(pictures, topic, answers)) as camera:
        camera.wait()
        print("started", flush=True)
        camera.send(float(rate), float(seconds))
        wait_for_answers(lambda: len(camera.heard) >= len(camera.sent))
        time.sleep(REPORT)
    boxes = [number for _, number in camera.heard.values()]
    found = {"images": len(camera.sent), "latencies": camera.latencies(), "boxes": boxes}
    print(json.dumps({**found, "facts": camera.facts, "before": camera.before}))


if __name__ == "__main__":
    main(*sys.argv[1:])
