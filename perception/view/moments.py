"""A recording as a series of moments for people: the newest image of each camera, the cloud, boxes and the pose."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.stamps import NS_PER_S
from perception.core.trajectory import Trajectory
from perception.io.cloud_layout import cloud_bytes, read_layout
from perception.io.images import image_from
from perception.view.overlays import best, extent
from perception.view.stream import Message, Source

IMAGE, RAW_IMAGE = "sensor_msgs/msg/CompressedImage", "sensor_msgs/msg/Image"
CLOUD = "sensor_msgs/msg/PointCloud2"
MAX_PIXELS = 64_000_000  # of one image
BOXES, BOXES_3D = "vision_msgs/msg/Detection2DArray", "vision_msgs/msg/Detection3DArray"


@dataclass(frozen=True, slots=True)
class ImageBox:
    """A box on an image: class, number of the object, middle and half size in px."""

    label: str
    identity: str
    extent: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class SpaceBox:
    """A box in the frame of the robot: class, number, x, y, z of its middle, length, width, height (m), yaw (rad)."""

    label: str
    identity: str
    pose: tuple[float, float, float, float, float, float, float]


@dataclass(slots=True, eq=False)
class Moment:
    """What is shown together."""

    time_ns: int = 0
    images: dict[str, bytes] = field(default_factory=dict)  # camera -> JPEG or PNG
    image_boxes: dict[str, list[ImageBox]] = field(default_factory=dict)
    points: np.ndarray = field(default_factory=lambda: np.zeros((0, 3), dtype=np.float32))  # base frame
    boxes: list[SpaceBox] = field(default_factory=list)  # base frame
    T_odom_base: np.ndarray | None = None


def moments(
    source: Source, reference: Trajectory | None, period: float, T_base_lidar: np.ndarray | None
) -> Iterator[Moment]:
    """A moment at most every `period` seconds, at a cloud where there are clouds, else at an image.

    `T_base_lidar` None: clouds are left out. Messages that cannot be read are counted in the losses of the source.
    """
    now, next_ns = Moment(), None
    anchors = (CLOUD,) if T_base_lidar is not None else (IMAGE, RAW_IMAGE)
    for message in source.messages():
        try:
            is_due = _take(message, now, T_base_lidar, next_ns is None or message.time_ns >= next_ns)
        except InvalidInput as error:
            source.losses.add(str(error))
            continue
        if not (is_due and message.schema.name in anchors):
            continue
        now.time_ns, now.T_odom_base = message.time_ns, _pose(reference, message.time_ns)
        yield replace(now, images=dict(now.images), image_boxes=dict(now.image_boxes))
        next_ns = message.time_ns + round(period * NS_PER_S)


def _take(message: Message, now: Moment, T_base_lidar: np.ndarray | None, is_due: bool) -> bool:
    """Keep what a message tells; heavy ones only where a moment is due. Returns `is_due`."""
    match message.schema.name:
        case name if name == IMAGE and is_due:
            now.images[_camera(message.topic)] = bytes(message.decoded().data)
        case name if name == RAW_IMAGE and is_due:
            now.images[_camera(message.topic)] = _jpeg(message.decoded())
        case name if name == CLOUD and is_due and T_base_lidar is not None:
            now.points = _points(message.decoded(), T_base_lidar)
        case name if name == BOXES:
            boxes = message.decoded().detections
            now.image_boxes[_camera(message.topic)] = [ImageBox(best(b)[0], b.id, extent(b.bbox)) for b in boxes]
        case name if name == BOXES_3D:
            now.boxes = [_space_box(box) for box in message.decoded().detections]
    return is_due


def _space_box(box: Any) -> SpaceBox:
    centre, size = box.bbox.center, box.bbox.size
    yaw = 2.0 * np.arctan2(centre.orientation.z, centre.orientation.w)
    place = centre.position
    return SpaceBox(best(box)[0], box.id, (place.x, place.y, place.z, size.x, size.y, size.z, float(yaw)))


def _points(cloud: Any, T_base_lidar: np.ndarray) -> np.ndarray:
    """Finite points (N, 3) float32 in the base frame."""
    if cloud.width * cloud.height == 0:
        return np.zeros((0, 3), dtype=np.float32)
    layout = read_layout(cloud)
    columns = layout.views(*cloud_bytes(cloud, layout))
    points = np.stack([columns[name].ravel() for name in "xyz"], axis=1).astype(np.float64)
    points = points[np.isfinite(points).all(axis=1)]
    return (points @ T_base_lidar[:3, :3].T + T_base_lidar[:3, 3]).astype(np.float32)


def _jpeg(message: Any) -> bytes:
    """A raw image as JPEG; depth as nothing, a JPEG cannot hold it."""
    import cv2

    image = image_from(message, MAX_PIXELS)
    if image.is_depth:
        return b""
    shown = image.pixels if image.pixels.ndim == 2 else cv2.cvtColor(image.pixels, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", shown)[1].tobytes()


def _camera(topic: str) -> str:
    return topic.strip("/").split("/")[0]


def _pose(reference: Trajectory | None, time_ns: int) -> np.ndarray | None:
    if reference is None or not reference.stamps_ns[0] <= time_ns <= reference.stamps_ns[-1]:
        return None
    return reference.at(time_ns)
