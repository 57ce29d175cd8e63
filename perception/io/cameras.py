"""The cameras of a recording or of a graph: which topics they are, and their images with the newest calibration."""

from dataclasses import dataclass
from typing import Any

from perception.core.cameras import CameraModel
from perception.core.errors import ConfigError
from perception.core.types import ImageFrame
from perception.io.bags import Bag, Topic
from perception.io.camera_info import CameraInfos
from perception.io.config import InputConfig
from perception.io.images import PendingImage, image_from, image_stamp

IMAGE, COMPRESSED, INFO = (f"sensor_msgs/msg/{name}" for name in ("Image", "CompressedImage", "CameraInfo"))
VARIANTS = ("image_raw", "image_color", "image", "image_rect_color", "image_rect", "image_mono")  # of one camera
TRANSPORTS = ("", "compressedDepth", "compressed")  # the first that is there is read: what has lost least


@dataclass(frozen=True, slots=True)
class CameraTopics:
    """One camera of a bag."""

    image: Topic
    info: Topic | None  # None: not calibrated, as far as the bag tells


class CameraDecoder:
    """Frames from the messages of one camera. A calibration for another frame than that of the image is not used."""

    def __init__(self, max_pixels: int) -> None:
        self.max_pixels = max_pixels
        self._infos, self._info_frame = CameraInfos(), ""

    def take_info(self, msg: Any) -> None:
        """Take a CameraInfo. Raises `InvalidInput` once for each one that gives no camera."""
        self._info_frame = str(msg.header.frame_id).lstrip("/")
        self._infos.take(msg)

    def pending(self, msg: Any) -> PendingImage:
        """An image to decode later, with the calibration of now. Raises `InvalidInput` for a bad stamp."""
        return PendingImage(image_stamp(msg), msg, self._camera(msg), self.max_pixels)

    def frame(self, msg: Any) -> ImageFrame:
        """The image. Raises `InvalidInput`."""
        return image_from(msg, self.max_pixels, self._camera(msg))

    def why_uncalibrated(self, frame_id: str) -> str:
        """Why images of `frame_id` have no calibration; empty when they have one."""
        if self._infos.refusal:
            return f"camera_info: {self._infos.refusal}"
        if self._infos.camera is None:
            return "no camera_info has come"
        if self._info_frame not in ("", frame_id):
            return f"camera_info is that of frame {self._info_frame!r}, the images are of {frame_id!r}"
        return ""

    def _camera(self, msg: Any) -> CameraModel | None:
        frame_id = str(msg.header.frame_id).lstrip("/")
        return None if self.why_uncalibrated(frame_id) else self._infos.camera


def choose_cameras(bag: Bag, config: InputConfig) -> tuple[CameraTopics, ...]:
    """The configured cameras, or every camera of the bag once. Raises `ConfigError` for a topic without images."""
    found = {topic.name: topic for topic in bag.topics if topic.type in (IMAGE, COMPRESSED) and topic.count}
    wrong = [name for name in config.camera_topics if name not in found]
    if wrong:
        listed = ", ".join(found) or "none"
        raise ConfigError(f"input.camera_topics: {', '.join(wrong)} holds no images; topics with images: {listed}")
    names = config.camera_topics or _one_for_each_camera(list(found))
    infos = {topic.name: topic for topic in bag.topics if topic.type == INFO and topic.count}
    return tuple(
        CameraTopics(found[name], next((infos[info] for info in info_topics(name) if info in infos), None))
        for name in names
    )


def info_topics(image_topic: str) -> tuple[str, ...]:
    """Where the calibration of an image topic may lie, by convention; the usual place last."""
    base, _ = split_transport(image_topic)
    parent, _, leaf = base.rpartition("/")
    beside = (f"{parent}/camera_info_rect",) if "rect" in leaf else ()
    return (f"{base}/camera_info", *beside, f"{parent}/camera_info")


def split_transport(image_topic: str) -> tuple[str, str]:
    """The topic of the raw image, and how this one carries it: "", "compressed" or "compressedDepth"."""
    for transport in TRANSPORTS[1:]:
        for separator in "/_":
            if image_topic.endswith(separator + transport):
                return image_topic.removesuffix(separator + transport), transport
    return image_topic, ""


def rectified_topics(image_topic: str) -> tuple[str, str]:
    """Where the rectified images of an image topic are published, and the calibration that belongs to them."""
    base, _ = split_transport(image_topic)
    parent, _, leaf = base.rpartition("/")
    name = leaf.removesuffix("_raw")
    rectified = f"{parent}/{name}_rect"
    return rectified, f"{parent}/camera_info_rect" if name == "image" else f"{rectified}/camera_info"


def detection_topics(image_topic: str) -> tuple[str, str]:
    """Where detections in the images of a topic are published, and the images with them drawn on."""
    camera = camera_of(image_topic)
    return f"{camera}/detections", f"{camera}/detections_image"


def camera_of(image_topic: str) -> str:
    """The name below which the topics of a camera lie: that of the image topic without its usual ending."""
    base, _ = split_transport(image_topic)
    parent, _, leaf = base.rpartition("/")
    return parent if leaf in VARIANTS else base


def _one_for_each_camera(names: list[str]) -> list[str]:
    """Of topics that show the same, the best one, in the order of the bag."""
    best: dict[str, str] = {}
    for name in names:
        camera = camera_of(name)
        best[camera] = min(best.get(camera, name), name, key=_rank)
    return list(best.values())


def _rank(name: str) -> tuple[int, int]:
    base, transport = split_transport(name)
    leaf = base.rpartition("/")[2]
    return (VARIANTS.index(leaf) if leaf in VARIANTS else len(VARIANTS), TRANSPORTS.index(transport))
