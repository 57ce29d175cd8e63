"""The camera stage: images as everything behind it wants them, rectified and cut to size."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from perception.core.config import Config
from perception.core.errors import InvalidInput
from perception.core.health import OK, Health, Level
from perception.core.stamps import NS_PER_S
from perception.core.types import ImageFrame
from perception.io.camera_info import Rectifier, crop_camera, crop_frame, pinhole, same_camera
from perception.io.images import PendingImage
from perception.pipeline.spec import MAX_SOURCES, Output

if TYPE_CHECKING:
    from perception.core.cameras import CameraModel
    from perception.pipeline.config import PerceptionConfig

CROP_LENGTH = 4  # left, top, width, height

Source = tuple[str, bool]  # optical frame, and whether its images are depths


class CameraConfig(Config):
    """What happens to images before anything looks at them."""

    rectify: bool = Field(True, description="Take the distortion out of the images of calibrated cameras.")
    crop: tuple[int, ...] = Field(
        (), description="Part of every image that is used: left, top, width, height (px); empty: all of it."
    )
    max_gap: float = Field(1.0, gt=0.0, le=60.0, description="A camera that is silent for longer (s) is reported.")

    @field_validator("crop")
    @classmethod
    def _is_a_window(cls, crop: tuple[int, ...]) -> tuple[int, ...]:
        if crop and (len(crop) != CROP_LENGTH or min(crop[:2]) < 0 or min(crop[2:]) < 1):
            raise ValueError("expected left, top >= 0 and width, height >= 1")
        return crop

    @property
    def max_gap_ns(self) -> int:
        """The longest silence that is none."""
        return int(self.max_gap * NS_PER_S)


def make_camera(config: "PerceptionConfig", rig: object = None) -> "CameraStage":
    """The camera stage for all cameras of one robot; it needs no places of sensors."""
    return CameraStage(config.camera)


def warm_up_camera() -> None:
    """Import what decodes images, which takes a moment."""
    import cv2  # noqa: F401
    import rosbags.image  # noqa: F401


@dataclass(slots=True)
class _View:
    """What is known of one camera."""

    last_ns: int = 0
    rectifier: Rectifier | None = None
    is_calibrated: bool = True


class CameraStage:
    """Rectifies calibrated images and cuts them; those of other cameras pass uncorrected, and it says so."""

    def __init__(self, config: CameraConfig) -> None:
        self.config = config
        self.events: Counter[str] = Counter()
        self._views: dict[Source, _View] = {}
        self._uncalibrated: dict[str, None] = {}  # frames, for the notes; a dictionary keeps their order
        self._refusal = ""  # why the newest image could not be used; empty when it could

    def step(self, stream: str, item: Any) -> Iterable[Output]:
        """Take an `ImageFrame` or `PendingImage` of any camera, return it as the stages behind want it.

        One that cannot be decoded or cut is counted as refused and dropped.
        """
        self.events["images"] += 1
        try:
            output = self._prepared(item.decode() if isinstance(item, PendingImage) else item)
        except InvalidInput as error:
            self._refusal = f"image of {item.frame_id!r}: {error}"
            self.events["refused"] += 1
            return []
        self._refusal = ""
        return [("image", output)]

    def finish(self) -> Iterable[Output]:
        """Nothing is held back."""
        return []

    def reset(self) -> None:
        """Forget the cameras; counters stay."""
        self._views.clear()

    def health(self) -> Health:
        """DEGRADED when a camera is silent while others go on, or is to be rectified and not calibrated, or refused."""
        if self._refusal:
            return Health(Level.DEGRADED, self._refusal)
        newest_ns = max((view.last_ns for view in self._views.values()), default=0)
        for (frame_id, _), view in self._views.items():
            silence = newest_ns - view.last_ns
            if silence > self.config.max_gap_ns:
                reason = f"camera {frame_id!r} is {silence / NS_PER_S:.1f} s behind the others; check its driver"
                return Health(Level.DEGRADED, reason)
            if self.config.rectify and not view.is_calibrated:
                return Health(Level.DEGRADED, _uncalibrated(frame_id))
        return OK

    def notes(self) -> tuple[str, ...]:
        """Cameras whose images passed uncorrected, or that there was no image at all."""
        if not self.events["images"]:
            return ("no image came; the recording has no camera that can be read",)
        return tuple(_uncalibrated(frame_id) for frame_id in self._uncalibrated)

    def counters(self) -> dict[str, int]:
        """Images that came, and what was done with them."""
        return dict(self.events)

    def close(self) -> None:
        """It holds nothing."""

    def facts(self) -> dict[str, str]:
        """Nothing besides the counts."""
        return {}

    def _prepared(self, frame: ImageFrame) -> ImageFrame:
        view = self._view(frame)
        view.is_calibrated = frame.camera is not None
        return self._rectified(frame, view) if self.config.rectify else self._cut(frame)

    def _view(self, frame: ImageFrame) -> _View:
        """The camera of an image. A clock that was moved back is that of all of them."""
        source = frame.frame_id, frame.is_depth
        view = self._views.get(source)
        if view is not None and frame.stamp_ns < view.last_ns - self.config.max_gap_ns:
            self.events["rewinds"] += 1
            for other in self._views.values():
                other.last_ns = frame.stamp_ns
        if view is None:
            if len(self._views) >= MAX_SOURCES:  # a frame that changes its name must not fill the memory
                self._views.pop(next(iter(self._views)))
            view = self._views[source] = _View()
        view.last_ns = max(view.last_ns, frame.stamp_ns)
        return view

    def _rectified(self, frame: ImageFrame, view: _View) -> ImageFrame:
        if frame.camera is None:
            self.events["not calibrated"] += 1
            if len(self._uncalibrated) < MAX_SOURCES:
                self._uncalibrated[frame.frame_id] = None
            return self._cut(frame)
        if frame.camera.distortion == "none":
            return self._cut(frame)
        self.events["rectified"] += 1
        if view.rectifier is None or not _is_for(view.rectifier, frame.camera):
            target = pinhole(frame.camera)
            view.rectifier = Rectifier(
                frame.camera, crop_camera(target, self.config.crop) if self.config.crop else target
            )
        return view.rectifier.frame(frame)

    def _cut(self, frame: ImageFrame) -> ImageFrame:
        return crop_frame(frame, self.config.crop) if self.config.crop else frame


def _is_for(rectifier: Rectifier, camera: "CameraModel") -> bool:
    return rectifier.camera is camera or same_camera(rectifier.camera, camera)


def _uncalibrated(frame_id: str) -> str:
    return (
        f"camera {frame_id!r} is not calibrated, its images are used as they are: publish its camera_info, or set "
        f"camera.rectify=false"
    )
