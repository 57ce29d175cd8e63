"""What viewers need beside the recorded messages: boxes on images, boxes and paths in space, coloured masks."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from perception.core.colours import colour_of, instance_colours
from perception.core.stamps import NS_PER_S
from perception.core.trajectory import Trajectory
from perception.io.detection_results import FoundBox, image_name
from perception.io.messages import ODOM_FRAME, Cube, Messages
from perception.view.stream import Message, Schema, ros_schema

LINE_LOOP = 2  # foxglove.PointsAnnotation
BOX_SECONDS = 1  # a box in space disappears so long after it was last seen
PATH_STEP_NS = NS_PER_S  # between two messages of the path so far
FOUND = "replayed_detections"  # part of the topic of what a detector found
MASK_FOLDER = "instance"  # in a generated recording
_POINT = {"type": "object", "properties": {"x": {"type": "number"}, "y": {"type": "number"}}}
_COLOUR = {"type": "object", "properties": {key: {"type": "number"} for key in "rgba"}}
_TIME = {"type": "object", "properties": {"sec": {"type": "integer"}, "nsec": {"type": "integer"}}}
_LINE = {
    "timestamp": _TIME,
    "type": {"type": "integer"},
    "points": {"type": "array", "items": _POINT},
    "outline_color": _COLOUR,
    "thickness": {"type": "number"},
}
_TEXT = {
    "timestamp": _TIME,
    "position": _POINT,
    "text": {"type": "string"},
    "font_size": {"type": "number"},
    "text_color": _COLOUR,
    "background_color": _COLOUR,
}
ANNOTATIONS = Schema(
    "foxglove.ImageAnnotations",
    "jsonschema",
    json.dumps(
        {
            "title": "foxglove.ImageAnnotations",
            "type": "object",
            "properties": {
                "circles": {"type": "array", "items": {"type": "object"}},
                "points": {"type": "array", "items": {"type": "object", "properties": _LINE}},
                "texts": {"type": "array", "items": {"type": "object", "properties": _TEXT}},
            },
        }
    ),
)

Draw = Callable[[Message], Iterator[Message]]


class Overlays:
    """Draws from the messages of one recording, in their order. `reference`: true poses where they are known.

    `found`: what a detector found in the images, by their names in its results.
    """

    def __init__(
        self, folder: Path, reference: Trajectory | None, found: Mapping[str, list[FoundBox]] | None = None
    ) -> None:
        self.folder, self.reference, self.found = folder, reference, found or {}
        self.write = Messages()
        self._num_images: dict[str, int] = {}
        self._next_path_ns = 0
        self._draw: dict[str, Draw] = {
            "vision_msgs/msg/Detection2DArray": self._boxes_on_image,
            "vision_msgs/msg/Detection3DArray": self._boxes_in_space,
            "sensor_msgs/msg/CompressedImage": self._on_image,
            "sensor_msgs/msg/Image": self._found_on_image,
            "sensor_msgs/msg/PointCloud2": self._pose,
        }

    def of(self, message: Message) -> Iterator[Message]:
        """What is drawn because of a message; nothing for most."""
        draw = self._draw.get(message.schema.name)
        return draw(message) if draw is not None else iter(())

    def _boxes_on_image(self, message: Message) -> Iterator[Message]:
        boxes = [FoundBox(*best(box), box.id, *extent(box.bbox)) for box in message.decoded().detections]
        yield self._annotated(message.time_ns, message.topic, boxes)

    def _on_image(self, message: Message) -> Iterator[Message]:
        yield from self._masks(message)
        yield from self._found_on_image(message)

    def _found_on_image(self, message: Message) -> Iterator[Message]:
        """What a detector found in an image, told by its frame and stamp."""
        if not self.found:
            return
        header = message.decoded().header
        stamp_ns = header.stamp.sec * NS_PER_S + header.stamp.nanosec
        boxes = self.found.get(image_name(header.frame_id.lstrip("/"), stamp_ns))
        if boxes is not None:
            camera = message.topic.strip("/").split("/")[0]
            yield self._annotated(message.time_ns, f"/{camera}/{FOUND}", boxes)

    @staticmethod
    def _annotated(time_ns: int, topic: str, boxes: Iterable[FoundBox]) -> Message:
        time = _time(time_ns)
        points, texts = [], []
        for box in boxes:
            colour = _rgba(colour_of(box.label), 1.0 if box.score > 0.0 else 0.35)
            x, y, half_x, half_y = box.x, box.y, box.half_x, box.half_y
            signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
            ring = [{"x": x + sign_x * half_x, "y": y + sign_y * half_y} for sign_x, sign_y in signs]
            points.append(
                {"timestamp": time, "type": LINE_LOOP, "points": ring, "outline_color": colour, "thickness": 2.0}
            )
            texts.append(
                {
                    "timestamp": time,
                    "position": ring[0],
                    "text": f"{box.label} {box.identity}".strip(),
                    "font_size": 11.0,
                    "text_color": colour,
                    "background_color": _rgba((0, 0, 0), 0.5),
                }
            )
        data = json.dumps({"circles": [], "points": points, "texts": texts}).encode()
        return Message(time_ns, f"{topic}/annotations", ANNOTATIONS, data)

    def _boxes_in_space(self, message: Message) -> Iterator[Message]:
        array = message.decoded()
        cubes = [
            Cube(best(box)[0], int(box.id) if box.id.isdecimal() else number, box.bbox.center, box.bbox.size)
            for number, box in enumerate(array.detections)
        ]
        data = self.write.cubes(message.time_ns, array.header.frame_id, cubes, BOX_SECONDS)
        yield Message(
            message.time_ns, f"{message.topic}/markers", ros_schema("visualization_msgs/msg/MarkerArray"), data
        )

    def _masks(self, message: Message) -> Iterator[Message]:
        """The n-th image of a camera belongs to its n-th instance map."""
        import cv2

        camera = message.topic.strip("/").split("/")[0]
        number = self._num_images.get(message.topic, 0)
        self._num_images[message.topic] = number + 1
        file = self.folder / MASK_FOLDER / camera / f"{number:06d}.png"
        instance_map = cv2.imread(str(file), cv2.IMREAD_UNCHANGED) if file.is_file() else None
        if instance_map is None:
            return
        _, png = cv2.imencode(".png", instance_colours(instance_map)[..., [2, 1, 0, 3]])
        data = self.write.image(message.time_ns, f"{camera}_optical", png.tobytes(), "rgba8; png compressed bgra8")
        yield Message(message.time_ns, f"/{camera}/masks/compressed", message.schema, data)

    def _pose(self, message: Message) -> Iterator[Message]:
        """Where the robot is at the time of a cloud, and now and then the path so far."""
        if self.reference is None:
            return
        stamps, poses = self.reference.stamps_ns, self.reference.poses
        row = int(np.searchsorted(stamps, message.time_ns))
        if row >= len(stamps):
            return
        tf = self.write.transforms(message.time_ns, ODOM_FRAME, {self.reference.body: poses[row]})
        yield Message(message.time_ns, "/tf", ros_schema("tf2_msgs/msg/TFMessage"), tf)
        if message.time_ns >= self._next_path_ns:
            self._next_path_ns = message.time_ns + PATH_STEP_NS
            every = max(1, row // 500)
            path = self.write.path(message.time_ns, stamps[: row + 1 : every], poses[: row + 1 : every])
            yield Message(message.time_ns, "/ground_truth/path", ros_schema("nav_msgs/msg/Path"), path)


def best(detection: Any) -> tuple[str, float]:
    """Class name and score of the likeliest hypothesis."""
    if not detection.results:
        return "", 0.0
    best = max(detection.results, key=lambda result: result.hypothesis.score)
    return best.hypothesis.class_id, float(best.hypothesis.score)


def extent(box: Any) -> tuple[float, float, float, float]:
    """Centre and half sizes in px."""
    centre = box.center.position
    return float(centre.x), float(centre.y), 0.5 * float(box.size_x), 0.5 * float(box.size_y)


def _rgba(colour: tuple[int, int, int], alpha: float) -> dict[str, float]:
    return dict(zip("rgba", (*(value / 255.0 for value in colour), alpha), strict=True))


def _time(time_ns: int) -> dict[str, int]:
    sec, nsec = divmod(time_ns, NS_PER_S)
    return {"sec": sec, "nsec": nsec}
