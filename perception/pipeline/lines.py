"""The stages of line segments: those in the images of all cameras, and with a LiDAR those in space."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from perception.core.errors import InvalidInput, MissingTransform
from perception.core.geometry import exp_so3, inverse, transform
from perception.core.health import OK, Health, Level
from perception.core.stamps import NS_PER_S
from perception.core.types import ImageFrame, LineSegments, Odometry, Scan, SensorRig
from perception.lines.config import LinesConfig
from perception.lines.motion import points_at
from perception.lines.use_config import Lines3dConfig
from perception.pipeline.network_stage import NetworkStage
from perception.pipeline.spec import Output

if TYPE_CHECKING:
    from perception.lines.annotate import LinesImage
    from perception.lines.classic import ClassicLsd
    from perception.lines.detector import LineDetector
    from perception.lines.segments import FoundLines
    from perception.lines.segments3d import Segments3d
    from perception.pipeline.config import PerceptionConfig

OpenDetector = Callable[[LinesConfig, tuple[int, int]], "LineDetector | ClassicLsd"]  # for images of (height, width)


def make_lines(config: "PerceptionConfig", rig: object = None) -> "LinesStage":
    """The stage of line segments for all cameras of one robot; it needs no places of sensors."""
    return LinesStage(config.lines)


def make_lines_3d(config: "PerceptionConfig", rig: SensorRig) -> "Lines3dStage":
    """The stage of segments in space for all cameras of one robot."""
    return Lines3dStage(config.lines_3d, rig)


def warm_up_lines() -> None:
    """Import what takes a moment and compile the kernels; the network is loaded with the first image."""
    from perception.lines import annotate, segments, vanishing  # noqa: F401
    from perception.lines.detector import open_line_detector  # noqa: F401

    segments.warm_up()
    vanishing.warm_up()


def warm_up_lines_3d() -> None:
    """Compile the kernels."""
    from perception.lines import segments3d

    segments3d.warm_up()


def open_configured(config: LinesConfig, size: tuple[int, int]) -> "LineDetector | ClassicLsd":
    """The detector of `config`, imported when it is needed. Raises `ModelError`, `ConfigError`, `MissingDependency`."""
    from perception.lines.detector import open_line_detector

    return open_line_detector(config, size)


class LinesStage(NetworkStage):
    """One detector of line segments for all cameras, with a network or without.

    `step` returns `LineSegments` and the `LinesImage` that shows them.
    """

    def __init__(self, config: LinesConfig, open_detector: OpenDetector = open_configured) -> None:
        super().__init__()
        self.config = config
        self._open = open_detector

    def reset(self) -> None:
        """Images stand for themselves; counters go on."""

    def notes(self) -> tuple[str, ...]:
        """Which detector runs where, and why there."""
        if self._detector is None:
            return ()
        facts = self.facts()
        where = f" on {facts['backend']}: {facts['choice']}" if "backend" in facts else ""
        return (f"lines: {facts['model']}{where}",)

    def facts(self) -> dict[str, str]:
        """The detector, and the runtime of a network, once they are loaded."""
        if self._detector is not None and not hasattr(self._detector, "runtime"):
            return {"model": "classic LSD"}
        return super().facts()

    def _opened(self, size: tuple[int, int]) -> "LineDetector | ClassicLsd":
        return self._open(self.config, size)

    def _outputs(self, item: ImageFrame, found: "FoundLines") -> Iterable[Output]:
        from perception.lines.annotate import LinesImage

        height, width = item.pixels.shape[:2]
        lines = LineSegments(item.stamp_ns, item.frame_id, (width, height), found.segments, found.scores)
        self.events["segments"] += len(lines)
        return [("lines", lines), ("lines_image", LinesImage(item, lines, self.config.vanishing))]


class Lines3dStage:
    """Gives the segments of images their depth from the newest scan, whose points the odometry moves to their time."""

    def __init__(self, config: Lines3dConfig, rig: SensorRig) -> None:
        self.config, self.rig = config, rig
        self.events: Counter[str] = Counter()
        self._scan: Scan | None = None
        self._odometry: Odometry | None = None
        self._refusal = ""  # why the newest image got no depth

    def step(self, stream: str, item: Any) -> Iterable[Output]:
        """Take a `Scan`, an `OdometryUpdate`, or a `LinesImage`, which gives `Segments3d`.

        An image of a camera that is not calibrated, whose place is not known, or that is too far in time from the
        newest scan is counted and gives nothing; the health says why.
        """
        if stream == "scan":
            self._scan = item
        elif stream == "odometry":
            self._odometry = item.odometry
        else:
            return self._of_image(item)
        return []

    def finish(self) -> Iterable[Output]:
        """Nothing is held back."""
        return []

    def reset(self) -> None:
        """Forget the scan; counters go on."""
        self._scan = self._odometry = None

    def health(self) -> Health:
        """DEGRADED when the newest image got no depth."""
        return Health(Level.DEGRADED, f"no segments in space: {self._refusal}") if self._refusal else OK

    def notes(self) -> tuple[str, ...]:
        """Why there are none, where there are none."""
        return (f"no segments in space: {self._refusal}",) if self._refusal else ()

    def counters(self) -> dict[str, int]:
        """Images and segments that got a depth, and why others did not."""
        return dict(self.events)

    def close(self) -> None:
        """It holds nothing."""

    def facts(self) -> dict[str, str]:
        """Nothing besides the counts."""
        return {}

    def T_odom_camera(self, image: "LinesImage") -> np.ndarray:
        """Place (4, 4) of the camera at an image that was given a depth. Raises `MissingTransform`."""
        if self._odometry is None:
            raise MissingTransform(f"no odometry at the image of {image.frame_id!r}")
        odometry = self._odometry
        seconds = (image.stamp_ns - odometry.stamp_ns) / NS_PER_S
        T_base_later = transform(exp_so3(odometry.angular_velocity * seconds), odometry.velocity * seconds)
        return odometry.T_odom_base @ T_base_later @ inverse(self.T_camera_base(image.frame_id))

    def T_camera_base(self, frame_id: str) -> np.ndarray:
        """Place of the base in an optical frame. Raises `MissingTransform`."""
        if self.rig.places is None:
            raise MissingTransform(
                f"no transform from {self.rig.base_frame!r} to {frame_id!r}: the recording has no places of sensors"
            )
        return self.rig.places.lookup(frame_id, self.rig.base_frame)

    def _of_image(self, image: "LinesImage") -> Iterable[Output]:
        try:
            found = self._lifted(image)
        except (InvalidInput, MissingTransform) as error:
            self._refusal = str(error)
            self.events["images without depth"] += 1
            return []
        self._refusal = ""
        if found is None:
            self.events["images before the first pose"] += 1
            return []
        self.events["images"] += 1
        self.events["segments"] += len(found)
        self.events.update(found.refused)
        return [("lines_3d", found)]

    def _lifted(self, image: "LinesImage") -> "Segments3d | None":
        from perception.lines.segments3d import lift_segments

        camera = image.frame.camera
        if camera is None:
            raise InvalidInput(f"camera {image.frame_id!r} is not calibrated: publish its camera_info")
        if not image.is_straight:
            raise InvalidInput(f"the images of {image.frame_id!r} are distorted: set camera.rectify=true")
        T_camera_base = self.T_camera_base(image.frame_id)
        if self._scan is None or self._odometry is None:
            return None
        for name, stamp_ns in (("scan", self._scan.end_ns), ("pose", self._odometry.stamp_ns)):
            seconds = (image.stamp_ns - stamp_ns) / NS_PER_S
            if abs(seconds) > self.config.max_age:
                raise InvalidInput(
                    f"image of {image.frame_id!r}: its stamp is {seconds:.2f} s after that of the newest {name}, more "
                    f"than lines_3d.max_age; synchronise the clocks"
                )
        points = points_at(self._scan, self._odometry, self.rig.T_base_lidar, image.stamp_ns, T_camera_base)
        return lift_segments(image.lines, camera, points, T_camera_base, self.config)
