"""Ports of cameras: images and their calibrations in, rectified images out, the latter only while somebody listens.

A message is not decoded here: the freshest one of each camera waits, and the camera stage decodes it in its thread.
"""

from typing import TYPE_CHECKING, Any

from rclpy.lifecycle import LifecyclePublisher
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from nodes import messages, qos
from nodes.ports import REPORT_EVERY_S, InputPort, OutputPort, is_wanted
from perception.core.errors import InvalidInput
from perception.io.cameras import CameraDecoder, info_topics, rectified_topics, split_transport

if TYPE_CHECKING:
    from nodes.base import PipelineNode

DEFAULT_TOPIC = "image"  # of a camera node to which no topics are given; remap it


def camera_topics(node: "PipelineNode") -> list[str]:
    """Full names of the image topics that `node` hears."""
    return [node.resolve_topic_name(name) for name in node.config.input.camera_topics or (DEFAULT_TOPIC,)]


def image_ports(node: "PipelineNode") -> dict[str, InputPort]:
    """One port for each camera; a single one is called `image` in diagnostics, several by their topics."""
    topics = camera_topics(node)
    if len(topics) == 1:
        return {"image": ImagePort(node, topics[0])}
    return {f"image {topic}": ImagePort(node, topic) for topic in topics}


class ImagePort(InputPort):
    """Images of one camera with the newest calibration, which is heard beside them."""

    def __init__(self, node: "PipelineNode", topic: str) -> None:
        self._decoder = CameraDecoder(node.config.input.max_image_pixels)
        self._is_depth = False
        super().__init__(node, "image_raw", topic, _type_of(topic, node.config.input.camera_transport), qos.IMAGE_DEPTH)
        info_topic = info_topics(topic)[-1]
        self._infos = node.create_subscription(CameraInfo, info_topic, self._hear, qos.sensor_input(qos.IMAGE_DEPTH))

    @property
    def max_gap_ns(self) -> int:
        """The longest silence that is none."""
        return self.node.config.camera.max_gap_ns

    def translate(self, message: Image | CompressedImage) -> list[Any]:
        """The image, not decoded yet; none while nobody wants it."""
        image = self._decoder.pending(message)
        source = self.node.source_of(image)
        if source and source != self.subscription.topic_name:
            raise InvalidInput(
                f"header.frame_id: {image.frame_id!r} is also that of {source}; give each camera a frame of its own"
            )
        self._is_depth = image.is_depth
        return [image] if self.node.is_wanted(self.stream, self.subscription.topic_name) else []

    def facts(self) -> dict[str, object]:
        """Whether the camera is calibrated, or why not."""
        if self.frame_id is None:
            return {}
        return {"calibration": self._decoder.why_uncalibrated(self.frame_id) or "known"}

    def gives(self, item: Any) -> bool:
        """True for images of this frame that measure the same, and for what was found in them."""
        return (getattr(item, "frame_id", None), getattr(item, "is_depth", False)) == (self.frame_id, self._is_depth)

    def start(self) -> None:
        """Forget the calibration too."""
        super().start()
        self._decoder = CameraDecoder(self.node.config.input.max_image_pixels)

    def destroy(self) -> None:
        """Take the topics back."""
        super().destroy()
        self.node.destroy_subscription(self._infos)

    def _hear(self, message: CameraInfo) -> None:
        try:
            self._decoder.take_info(message)
        except InvalidInput as error:
            self.node.get_logger().warning(f"{self._infos.topic_name}: {error}", throttle_duration_sec=REPORT_EVERY_S)


class ImageOutput(OutputPort):
    """Publishes the images of the camera stage and the cameras that see them, beside the topics they came from."""

    def __init__(self, node: "PipelineNode") -> None:
        self.node = node
        self._publishers = {topic: _publishers(node, topic) for topic in camera_topics(node)}

    def is_wanted(self, topic: str) -> bool:
        """True while somebody listens to what is made of the images of `topic`."""
        return any(is_wanted(publisher) for publisher in self._publishers.get(topic, ()))

    def publish(self, stream: str, item: Any) -> None:
        """One image of the camera stage; called in its thread."""
        if stream != "image":
            return
        topic = self.node.source_of(item)
        if topic not in self._publishers:
            return  # the camera changed its frame while the image was on its way
        images, infos = self._publishers[topic]
        if is_wanted(images):
            images.publish(messages.image_to(item))
        if is_wanted(infos) and item.camera is not None:
            infos.publish(messages.camera_info_to(item.stamp_ns, item.frame_id, item.camera))

    def destroy(self) -> None:
        """Take the topics back."""
        for publishers in self._publishers.values():
            for publisher in publishers:
                self.node.destroy_lifecycle_publisher(publisher)


def _type_of(topic: str, transport: str) -> type:
    """Images come compressed where the name of the topic says so, or the configuration."""
    if transport == "auto":
        return CompressedImage if split_transport(topic)[1] else Image
    return CompressedImage if transport == "compressed" else Image


def _publishers(node: "PipelineNode", topic: str) -> tuple[LifecyclePublisher, LifecyclePublisher]:
    image_topic, info_topic = rectified_topics(topic)
    images = node.create_lifecycle_publisher(Image, image_topic, qos.result(qos.IMAGE_DEPTH))
    return images, node.create_lifecycle_publisher(CameraInfo, info_topic, qos.result(qos.IMAGE_DEPTH))
