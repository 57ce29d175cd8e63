"""Ports of line segments: tables, markers, attitude and drawn images beside each camera, each only for listeners."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rclpy.lifecycle import LifecyclePublisher
from sensor_msgs.msg import Image, Imu, PointCloud2
from visualization_msgs.msg import MarkerArray

from nodes import line_messages, messages, qos
from nodes.camera_ports import camera_topics
from nodes.ports import OutputPort, is_wanted
from perception.io.cameras import camera_of

if TYPE_CHECKING:
    from nodes.base import PipelineNode

KINDS = {
    "lines": PointCloud2,
    "lines_markers": MarkerArray,
    "lines_image": Image,
    "vanishing_points": PointCloud2,
    "attitude": Imu,
}
KINDS_3D = {"lines_3d": PointCloud2, "lines_3d_markers": MarkerArray}


class _CameraOutput(OutputPort):
    """Publishers of the topics `kinds` beside each image topic."""

    def __init__(self, node: "PipelineNode", kinds: dict[str, type]) -> None:
        self.node = node
        self._publishers: dict[str, dict[str, LifecyclePublisher]] = {
            topic: {
                name: node.create_lifecycle_publisher(kind, f"{camera_of(topic)}/{name}", qos.result(qos.IMAGE_DEPTH))
                for name, kind in kinds.items()
            }
            for topic in camera_topics(node)
        }

    def is_wanted(self, topic: str) -> bool:
        """True while somebody listens to what is found in the images of `topic`; "": of any."""
        chosen = [self._publishers.get(topic, {})] if topic else self._publishers.values()
        return any(is_wanted(publisher) for publishers in chosen for publisher in publishers.values())

    def destroy(self) -> None:
        """Take the topics back."""
        for publishers in self._publishers.values():
            for publisher in publishers.values():
                self.node.destroy_lifecycle_publisher(publisher)

    def send(self, name: str, item: Any, make: Callable[[], Any]) -> None:
        """Publish what `make` gives (None: nothing) on the topic `name` of the camera of `item`, for listeners only."""
        publisher = self._publishers.get(self.node.source_of(item), {}).get(name)
        if publisher is None or not is_wanted(publisher):
            return
        message = make()
        if message is not None:
            publisher.publish(message)


class LinesOutput(_CameraOutput):
    """Publishes the segments of each camera, where they point to, and what that says about the camera."""

    def __init__(self, node: "PipelineNode") -> None:
        super().__init__(node, KINDS)

    def publish(self, stream: str, item: Any) -> None:
        """What was found in one image; called in the thread of the stage."""
        if stream == "lines":
            self.send("lines", item, lambda: line_messages.lines_to(item))
        elif stream == "lines_image":
            self.send("attitude", item, lambda: _attitude(item))
            self.send("vanishing_points", item, lambda: _vanishing(item))
            self.send("lines_markers", item, lambda: _markers(item))
            self.send("lines_image", item, lambda: messages.image_to(item.draw()))


class Lines3dOutput(_CameraOutput):
    """Publishes the segments in space of each camera."""

    def __init__(self, node: "PipelineNode") -> None:
        super().__init__(node, KINDS_3D)

    def publish(self, stream: str, item: Any) -> None:
        """The segments of one image; called in the thread of the stage."""
        if stream == "lines_3d":
            self.send("lines_3d", item, lambda: line_messages.lines_3d_to(item))
            self.send("lines_3d_markers", item, lambda: line_messages.line_3d_markers_to(item))


def _attitude(image: Any) -> Imu | None:
    """None where the segments do not tell which way is up: a gap, not a guess."""
    found = image.vanishing()
    if found is None or found.attitude is None:
        return None
    return line_messages.attitude_to(image.stamp_ns, image.frame_id, found.attitude)


def _vanishing(image: Any) -> PointCloud2 | None:
    found = image.vanishing()
    return line_messages.vanishing_to(image.stamp_ns, image.frame_id, found) if found is not None else None


def _markers(image: Any) -> MarkerArray | None:
    """None for a camera that is not calibrated: where its pixels look is not known."""
    if not image.is_straight:
        return None
    return line_messages.line_markers_to(image.lines, image.frame.camera, image.colours())
