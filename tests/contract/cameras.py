"""A driver's side of a camera for tests, and a listener to what a node makes of its images."""

import time
from contextlib import contextmanager

import cv2
import numpy as np
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from nodes import messages, qos
from nodes.camera_node import CameraNode
from perception.core.cameras import CameraModel
from perception.core.types import ImageFrame
from tests.contract import room
from tests.contract.graph import SETTLING, spinning, wait_for

OK, WARN, ERROR = b"\x00", b"\x01", b"\x02"
K = np.array([[200.0, 0.0, 159.5], [0.0, 205.0, 119.5], [0.0, 0.0, 1.0]])
BENT = CameraModel(320, 240, K, "plumb_bob", np.array([-0.25, 0.06, 0.001, -0.001, 0.0]))
PERIOD_NS = 50_000_000


def picture(seed=0):
    return cv2.GaussianBlur(np.random.default_rng(seed).integers(0, 256, (240, 320, 3), dtype=np.uint8), (0, 0), 3)


class Camera:
    """A driver's side of one camera, and a listener to what the node makes of it."""

    def __init__(self, node, name="cam", compressed=False, listens=True, frame_id=None):
        self.node, self.name, self.frame_id, self.number = node, name, frame_id or name, 0
        topic = f"/{name}/image_raw" + ("/compressed" if compressed else "")
        self.images = node.create_publisher(CompressedImage if compressed else Image, topic, qos.result(5))
        self.infos = node.create_publisher(CameraInfo, f"/{name}/camera_info", qos.result(5))
        self.heard, self.cameras = [], []
        if listens:
            self.listen()

    def listen(self):
        kind = qos.result(10)
        self.listeners = [
            self.node.create_subscription(Image, f"/{self.name}/image_rect", self.heard.append, kind),
            self.node.create_subscription(CameraInfo, f"/{self.name}/camera_info_rect", self.cameras.append, kind),
        ]

    def leave(self):
        for listener in self.listeners:
            self.node.destroy_subscription(listener)

    def send(self, message=None, camera=BENT):
        """One image, its number in the stamp, behind its calibration."""
        stamp_ns = room.START_NS + self.number * PERIOD_NS
        self.number += 1
        if camera is not None:
            self.infos.publish(messages.camera_info_to(stamp_ns, self.frame_id, camera))
            time.sleep(0.01)
        message = message or messages.image_to(ImageFrame(stamp_ns, self.frame_id, picture()))
        message.header = messages.header_of(stamp_ns, self.frame_id)
        self.images.publish(message)
        return stamp_ns

    def send_until(self, condition, what, **given):
        def sent():
            self.send(**given)
            time.sleep(0.05)
            return condition()

        wait_for(sent, what)

    def wait_for_node(self):
        wait_for(lambda: self.images.get_subscription_count() and self.infos.get_subscription_count(), "the node")
        time.sleep(SETTLING)


def jpeg_message(pixels):
    message = CompressedImage(format="rgb8; jpeg compressed bgr8")
    message.data = cv2.imencode(".jpg", pixels[..., ::-1])[1].tobytes()
    return message


@contextmanager
def running(make=CameraNode, **parameters):
    overrides = [Parameter(name.replace("__", "."), value=value) for name, value in parameters.items()]
    node = make(parameter_overrides=overrides)
    try:
        with spinning(node):
            assert node.autostart()
            yield node
    finally:
        node.trigger_shutdown()
        node.destroy_node()
