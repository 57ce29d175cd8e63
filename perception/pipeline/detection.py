"""The detection stage: objects in the images of all cameras, followed from image to image of each."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from perception.core.types import Detections, ImageFrame
from perception.detection.config import DetectionConfig
from perception.pipeline.network_stage import NetworkStage
from perception.pipeline.spec import MAX_SOURCES, Output

if TYPE_CHECKING:
    from perception.detection.boxes import DetectedBoxes
    from perception.detection.detector import Detector
    from perception.detection.tracking.appearance import Appearance
    from perception.detection.tracking.tracker import Tracker
    from perception.pipeline.config import PerceptionConfig

OpenDetector = Callable[[DetectionConfig, tuple[int, int]], "Detector"]  # for images of (height, width)


def make_detection(config: "PerceptionConfig", rig: object = None) -> "DetectionStage":
    """The detection stage for all cameras of one robot; it needs no places of sensors."""
    return DetectionStage(config.detection)


def warm_up_detection() -> None:
    """Import what takes a moment and compile the kernels; the network is loaded with the first image."""
    from perception.detection import annotate, detector  # noqa: F401
    from perception.detection.tracking import tracker  # noqa: F401
    from perception.detection.tracking.association import assigned
    from perception.kernels import tracking

    detector.warm_up()
    tracking.warm_up()
    assigned(np.ones((1, 1)), 0.5)  # imports its solver


def open_configured(config: DetectionConfig, size: tuple[int, int]) -> "Detector":
    """The detector of `config`, imported when it is needed. Raises `ModelError`, `ConfigError`, `MissingDependency`."""
    from perception.detection.detector import open_detector

    return open_detector(config, size)


class DetectionStage(NetworkStage):
    """One detector for all cameras, and one tracker for each of them.

    `step` returns `Detections` and the `DetectedImage` that shows them.
    """

    def __init__(self, config: DetectionConfig, open_detector: OpenDetector = open_configured) -> None:
        super().__init__()
        self.config = config
        self._open = open_detector
        self._appearance: Appearance | None = None  # of tracked objects, shared by the cameras
        self._trackers: dict[str, Tracker] = {}  # by frame

    def reset(self) -> None:
        """End all tracks; the network stays, counters and the numbers of tracks go on."""
        for tracker in self._trackers.values():
            tracker.reset()

    def notes(self) -> tuple[str, ...]:
        """Which network runs where, and why there."""
        if self._detector is None:
            return ()
        return ("detection: {model} on {backend}: {choice}".format(**self.facts()),)

    def _opened(self, size: tuple[int, int]) -> "Detector":
        self._appearance = _appearance(self.config)
        return self._open(self._lowered(), size)

    def _outputs(self, item: ImageFrame, found: "DetectedBoxes") -> Iterable[Output]:
        detections = self._detections(item, found, self._detector.class_names)
        self.events["objects"] += len(detections)
        return [("detections", detections), ("detections_image", _shown(item, detections))]

    def _lowered(self) -> DetectionConfig:
        """The configuration of the detector: a tracker wants to see boxes with low scores, too."""
        config = self.config
        if not config.tracking.is_enabled or config.tracking.low_score >= config.nms.score_threshold:
            return config
        nms = config.nms.model_copy(update={"score_threshold": config.tracking.low_score})
        return config.model_copy(update={"nms": nms})

    def _detections(self, item: ImageFrame, boxes: "DetectedBoxes", names: tuple[str, ...]) -> Detections:
        rows, ids = np.arange(len(boxes)), np.zeros(len(boxes), dtype=np.int64)
        if self.config.tracking.is_enabled:
            from perception.detection.tracking.tracker import reported

            ids = self._tracker(item.frame_id).update(
                item.stamp_ns, boxes, item.pixels if item.pixels.ndim == 3 else None
            )
            rows = reported(boxes, ids, self.config.nms.score_threshold)
        height, width = item.pixels.shape[:2]
        return Detections(
            stamp_ns=item.stamp_ns,
            frame_id=item.frame_id,
            size_px=(width, height),
            boxes=boxes.corners[rows],
            scores=boxes.scores[rows],
            class_ids=boxes.classes[rows],
            class_names=names,
            track_ids=ids[rows],
        )

    def _tracker(self, frame_id: str) -> "Tracker":
        tracker = self._trackers.get(frame_id)
        if tracker is None:
            from perception.detection.tracking.tracker import Tracker

            if len(self._trackers) >= MAX_SOURCES:  # a frame that changes its name must not fill the memory
                self._trackers.pop(next(iter(self._trackers)))
            tracker = self._trackers[frame_id] = Tracker(self.config.tracking, self._appearance)
        return tracker


def _appearance(config: DetectionConfig) -> "Appearance | None":
    """What compares the looks of objects, where that is asked for."""
    if not (config.tracking.is_enabled and config.tracking.appearance.is_enabled):
        return None
    from perception.detection.tracking.appearance import open_appearance

    return open_appearance(config.tracking.appearance)


def _shown(frame: ImageFrame, detections: Detections) -> Any:
    from perception.detection.annotate import DetectedImage

    return DetectedImage(frame, detections)
