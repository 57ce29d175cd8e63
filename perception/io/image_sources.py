"""Images to look at one after the other, wherever they are: files, folders, videos, cameras of recordings."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from perception.core.errors import InvalidInput
from perception.core.stamps import NS_PER_S
from perception.core.types import Detections, ImageFrame, LineSegments
from perception.io.bags import Bag, is_bag
from perception.io.config import InputConfig
from perception.io.detection_results import image_name
from perception.io.recording import Losses

IMAGES = (".jpg", ".jpeg", ".png", ".webp")
VIDEOS = (".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".mpg", ".mpeg")
PERIOD_NS = NS_PER_S // 10  # between the images of a folder, which have no times
MAX_FILES = 1_000_000  # images of a folder
FRAMES_AHEAD = 4  # decoded while others are looked at
FIRST_NS = 1  # a stamp of 0 means: none

Kind = Literal["images", "video", "recording"]
KITTI = ("KITTI raw drive", "KITTI odometry sequence", "packed KITTI drive")


@dataclass(slots=True)
class ImageSource:
    """A finite series of images, and what of it could not be read."""

    path: Path
    kind: Kind
    num_images: int  # 0: not known
    rate: float  # Hz; 0: not known
    make: Callable[["ImageSource"], Iterator[tuple[str, ImageFrame]]]
    losses: Losses = field(default_factory=Losses)

    def frames(self) -> Iterator[tuple[str, ImageFrame]]:
        """Name and image, in order, read ahead in a thread. What cannot be read is counted in `losses`.

        Raises `DataLoss` after the readable part of a damaged recording or video.
        """
        from perception.io.merging import read_ahead

        yield from read_ahead(lambda: self.make(self), FRAMES_AHEAD)


def open_images(path: Path, config: InputConfig) -> ImageSource:
    """The images at `path`. Raises `InvalidInput` where there are none, with what can be given."""
    if not path.exists():
        raise InvalidInput(f"{path}: does not exist; check the path")
    if is_bag(path):
        return _bag_source(path, config)
    if path.is_dir():
        return _folder_source(path, config)
    suffix = path.suffix.lower()
    if suffix in IMAGES:
        return ImageSource(path, "images", 1, 0.0, lambda source: _files(source, [path], path.parent, config))
    if suffix in VIDEOS:
        return _video_source(path, config)
    known = ", ".join((*IMAGES, *VIDEOS))
    raise InvalidInput(f"{path}: is no image, video or recording; give a file {known}, a bag, or a folder of images")


def _folder_source(path: Path, config: InputConfig) -> ImageSource:
    from perception.io.recording import kind_of

    if kind_of(path) in KITTI:
        return _recording_source(path, config)
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in IMAGES and file.is_file())
    if not files:
        raise InvalidInput(f"{path}: holds no images ({', '.join(IMAGES)}) and is no recording")
    if len(files) > MAX_FILES:
        raise InvalidInput(f"{path}: holds {len(files)} images, expected at most {MAX_FILES}; give a part of them")
    return ImageSource(path, "images", len(files), 0.0, lambda source: _files(source, files, path, config))


def _files(source: ImageSource, files: list[Path], root: Path, config: InputConfig) -> Iterator[tuple[str, ImageFrame]]:
    from perception.io.datasets.pictures import image_size, read_color

    for number, file in enumerate(files):
        try:
            width, height = image_size(file)
            if width * height > config.max_image_pixels:
                raise InvalidInput(f"{file}: has {width} x {height} pixels; raise input.max_image_pixels")
            pixels = read_color(file)
        except InvalidInput as error:
            source.losses.add(str(error))
            continue
        yield file.relative_to(root).as_posix(), ImageFrame(FIRST_NS + number * PERIOD_NS, source.path.name, pixels)


def _video_source(path: Path, config: InputConfig) -> ImageSource:
    import cv2

    video = cv2.VideoCapture(str(path))
    try:
        width, height, count, rate = (
            video.get(key)
            for key in (
                cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_COUNT, cv2.CAP_PROP_FPS,
            )
        )  # fmt: skip
        if not video.isOpened() or width < 1 or height < 1:
            raise InvalidInput(f"{path}: cannot be opened as a video; it is damaged, or its codec is not built in")
    finally:
        video.release()
    if width * height > config.max_image_pixels:
        raise InvalidInput(f"{path}: has images of {width:g} x {height:g} pixels; raise input.max_image_pixels")
    rate = rate if 0.0 < rate < 1e4 else 0.0  # some containers tell none
    return ImageSource(path, "video", max(0, int(count)), rate, _video_frames)


def _video_frames(source: ImageSource) -> Iterator[tuple[str, ImageFrame]]:
    import cv2

    period_ns = round(NS_PER_S / source.rate) if source.rate else PERIOD_NS
    video, number = cv2.VideoCapture(str(source.path)), 0
    try:
        while True:
            is_read, pixels = video.read()
            if not is_read:
                break
            frame = ImageFrame(FIRST_NS + number * period_ns, source.path.name, cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
            yield f"{source.path.name}/{number:06d}", frame
            number += 1
    finally:
        video.release()
    if number < source.num_images:
        source.losses.add(f"{source.path}: the video ends early", source.num_images - number)


def _recording_source(path: Path, config: InputConfig) -> ImageSource:
    from perception.io.recording import open_recording

    recording = open_recording(path, config)

    def frames(source: ImageSource) -> Iterator[tuple[str, ImageFrame]]:
        source.losses = recording.losses
        for event in recording.events(("image_raw",)):
            if isinstance(event, ImageFrame):
                yield name_of(event), event

    return ImageSource(path, "recording", 0, 0.0, frames)


def _bag_source(path: Path, config: InputConfig) -> ImageSource:
    """The cameras of a bag, which needs no LiDAR."""
    from perception.io.cameras import choose_cameras

    bag = Bag(path)
    cameras = choose_cameras(bag, config)
    if not cameras:
        raise InvalidInput(f"{path}: has no camera; topics: {', '.join(topic.name for topic in bag.topics)}")

    def frames(source: ImageSource) -> Iterator[tuple[str, ImageFrame]]:
        from perception.io.bag_recording import camera_frames

        for frame in camera_frames(bag, cameras, config.max_image_pixels):
            yield name_of(frame), frame

    return ImageSource(path, "recording", sum(camera.image.count for camera in cameras), 0.0, frames, bag.losses)


def name_of(frame: ImageFrame | Detections | LineSegments) -> str:
    """What an image of a recording is called in results."""
    return image_name(frame.frame_id, frame.stamp_ns)
