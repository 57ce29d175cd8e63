"""The messages of a recording in the order of time, whatever it is stored as, and what is drawn from them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.types import ImageFrame, Scan
from perception.io.bags import Bag
from perception.io.config import InputConfig
from perception.io.interfaces import typestore
from perception.io.messages import Messages
from perception.io.recording import Losses, kind_of, open_recording

JPEG_QUALITY = 90


@dataclass(frozen=True, slots=True)
class Schema:
    """The type of a message and how it is written."""

    name: str  # e.g. sensor_msgs/msg/Image or foxglove.ImageAnnotations
    encoding: str  # of the schema: ros2msg, ros2idl or jsonschema
    definition: str

    @property
    def message_encoding(self) -> str:
        """How the messages are written."""
        return "json" if self.encoding == "jsonschema" else "cdr"


@dataclass(frozen=True, slots=True)
class Message:
    """One message as a viewer's file holds it."""

    time_ns: int  # since the epoch
    topic: str
    schema: Schema
    data: bytes

    def decoded(self) -> Any:
        """The message as an object. Raises `InvalidInput` for one that is not CDR or cannot be read."""
        try:
            return typestore().deserialize_cdr(self.data, self.schema.name)
        except Exception as error:  # the reader's own errors, and whatever a damaged message makes it do
            raise InvalidInput(f"topic {self.topic}: a message cannot be decoded ({error})") from None


@cache
def ros_schema(name: str) -> Schema:
    """The definition of a standard message."""
    text, _ = typestore().generate_msgdef(name, ros_version=2)
    return Schema(name, "ros2msg", text)


class Source:
    """The messages of one recording, read once from its start to its end for each call of `messages`."""

    def __init__(self, path: Path, config: InputConfig | None = None) -> None:
        """Raises `InvalidInput` where `path` is no recording."""
        self.path, self.config = path, config or InputConfig()
        self.losses = Losses()
        self._bag = Bag(path) if kind_of(path) == "bag" else None

    @property
    def num_messages(self) -> int:
        """For progress; 0 where it is not known."""
        return sum(topic.count for topic in self._bag.topics) if self._bag else 0

    def messages(self) -> Iterator[Message]:
        """Every message. Those that no viewer could show are counted in `losses`. Raises `DataLoss` at a damage."""
        return self._bag_messages(self._bag) if self._bag is not None else self._folder_messages()

    def _bag_messages(self, bag: Bag) -> Iterator[Message]:
        schemas: dict[str, Schema | None] = {}
        for channel, time_ns, raw in bag.records():
            if channel.topic not in schemas:
                schemas[channel.topic] = self._schema(channel)
            schema = schemas[channel.topic]
            if schema is None:
                self.losses.add(f"{channel.topic}: type {channel.type} has no definition, no viewer can show it")
                continue
            try:
                yield Message(time_ns, channel.topic, schema, bag.to_cdr(channel.topic, raw))
            except InvalidInput as error:
                self.losses.add(str(error))

    def _schema(self, channel: Any) -> Schema | None:
        if channel.encoding == "cdr" and channel.definition and channel.dialect in ("msg", "idl"):
            return Schema(channel.type, f"ros2{channel.dialect}", channel.definition)
        try:
            return ros_schema(channel.type)
        except Exception:  # rosbags raises its own error for a type that it does not know
            return None

    def _folder_messages(self) -> Iterator[Message]:
        recording, write = open_recording(self.path, self.config), Messages()
        rig = recording.rig
        is_first = True
        for event in recording.events():
            if isinstance(event, Scan):
                if is_first:
                    places = write.transforms(event.stamp_ns, rig.base_frame, {rig.lidar_frame: rig.T_base_lidar})
                    yield Message(event.stamp_ns, "/tf_static", ros_schema("tf2_msgs/msg/TFMessage"), places)
                    is_first = False
                n = len(event.points)
                cloud = write.cloud(event, np.zeros(n, np.float32), np.zeros(n, np.uint16))
                yield Message(event.end_ns, "/points", ros_schema("sensor_msgs/msg/PointCloud2"), cloud)
            elif isinstance(event, ImageFrame):
                yield from image_messages(event, write)


def image_messages(image: ImageFrame, write: Messages) -> Iterator[Message]:
    """An image as JPEG, and its calibration where it has one. Depth is left out: a JPEG cannot hold it."""
    import cv2

    if image.is_depth:
        return
    pixels = image.pixels if image.pixels.ndim == 2 else cv2.cvtColor(image.pixels, cv2.COLOR_RGB2BGR)
    _, jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    topic = f"/{image.frame_id.removesuffix('_optical')}"
    data = write.image(image.stamp_ns, image.frame_id, jpeg.tobytes())
    yield Message(image.stamp_ns, f"{topic}/image/compressed", ros_schema("sensor_msgs/msg/CompressedImage"), data)
    if image.camera is not None:
        info = write.camera_info(image.stamp_ns, image.frame_id, image.camera)
        yield Message(image.stamp_ns, f"{topic}/camera_info", ros_schema("sensor_msgs/msg/CameraInfo"), info)
