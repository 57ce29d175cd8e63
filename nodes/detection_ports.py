"""Ports of detection: what was found in the images, as a message and drawn, each only while somebody listens."""

from typing import TYPE_CHECKING, Any

from rclpy.lifecycle import LifecyclePublisher
from sensor_msgs.msg import Image

from nodes import messages, qos
from nodes.camera_ports import camera_topics
from nodes.ports import OutputPort, is_wanted
from perception.core.health import OK, Health, Level
from perception.io.cameras import detection_topics

if TYPE_CHECKING:
    from nodes.base import PipelineNode

MISSING_VISION = (
    "vision_msgs is not installed: detections are not sent as messages, only drawn; install it with "
    "`pip install ./perception/ros_interfaces` from the source tree, or `apt install ros-jazzy-vision-msgs` beside ROS"
)


class DetectionOutput(OutputPort):
    """Publishes the detections of each camera beside its image topic. Without vision_msgs it draws them only."""

    def __init__(self, node: "PipelineNode") -> None:
        self.node = node
        self._arrays: dict[str, LifecyclePublisher] = {}
        self._images: dict[str, LifecyclePublisher] = {}
        array_type = messages.detection_array_type()
        if array_type is None:
            node.get_logger().error(MISSING_VISION)
        for topic in camera_topics(node):
            array_topic, image_topic = detection_topics(topic)
            if array_type is not None:
                self._arrays[topic] = node.create_lifecycle_publisher(array_type, array_topic, qos.result())
            self._images[topic] = node.create_lifecycle_publisher(Image, image_topic, qos.result(qos.IMAGE_DEPTH))

    def is_wanted(self, topic: str) -> bool:
        """True while somebody listens to what is found in the images of `topic`."""
        found = (publishers.get(topic) for publishers in (self._arrays, self._images))
        return any(publisher is not None and is_wanted(publisher) for publisher in found)

    def health(self) -> Health:
        """DEGRADED without vision_msgs."""
        return OK if self._arrays else Health(Level.DEGRADED, MISSING_VISION)

    def publish(self, stream: str, item: Any) -> None:
        """What was found in one image; called in the thread of the stage."""
        if stream == "detections":
            publisher = self._arrays.get(self.node.source_of(item))
            if publisher is not None and is_wanted(publisher):
                publisher.publish(messages.detections_to(item))
        elif stream == "detections_image":
            publisher = self._images.get(self.node.source_of(item))
            if publisher is not None and is_wanted(publisher):
                publisher.publish(messages.image_to(item.draw()))

    def destroy(self) -> None:
        """Take the topics back."""
        for publisher in (*self._arrays.values(), *self._images.values()):
            self.node.destroy_lifecycle_publisher(publisher)
