"""The detection stage: objects in the images of all cameras, followed from image to image of each."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from perception.core.errors import ModelError, PerceptionError
from perception.core.health import OK, Health, Level
from perception.core.types import Detections, ImageFrame
from perception.detection.config import DetectionConfig
from perception.pipeline.spec import MAX_SOURCES, Output

if TYPE_CHECKING:
    from perception.detection.boxes import DetectedBoxes
    from perception.detection.detector import Detector
    from perception.detection.tracking.appearance import Appearance
    from perception.detection.tracking.tracker import Tracker
    from perception.pipeline.config import PerceptionConfig

FAILING = 3  # images in a row whose answers are refused: the stage says that it has failed

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


class DetectionStage:
    """One detector for all cameras, and one tracker for each of them.

    The network is loaded when the first image comes. Where that fails, the stage raises the reason at every image
    until it is made anew; other stages go on.
    """

    def __init__(self, config: DetectionConfig, open_detector: OpenDetector = open_configured) -> None:
        self.config = config
        self.events: Counter[str] = Counter()
        self._open = open_detector
        self._detector: Detector | None = None
        self._appearance: Appearance | None = None  # of tracked objects, shared by the cameras
        self._refusal: PerceptionError | None = None  # why there is no detector
        self._trackers: dict[str, Tracker] = {}  # by frame
        self._wrong = ("", 0)  # why the newest answer was refused, and how many were in a row

    def step(self, stream: str, item: ImageFrame) -> Iterable[Output]:
        """Take an image of any camera; returns `Detections` and the `DetectedImage` that shows them.

        Depth images are skipped. An answer of the network that is not finite is counted and gives nothing. Raises
        `ModelError`, `ConfigError` or `MissingDependency` where there is no detector.
        """
        if item.is_depth:
            self.events["depth images skipped"] += 1
            return []
        detector = self._ready(item)
        self.events["images"] += 1
        try:
            boxes = detector.detect(item.pixels)
        except ModelError as error:
            self._wrong = (str(error), self._wrong[1] + 1)
            self.events["answers refused"] += 1
            return []
        self._wrong = ("", 0)
        detections = self._detections(item, boxes, detector.class_names)
        self.events["objects"] += len(detections)
        return [("detections", detections), ("detections_image", _shown(item, detections))]

    def finish(self) -> Iterable[Output]:
        """Nothing is held back."""
        return []

    def reset(self) -> None:
        """End all tracks; the network stays, counters and the numbers of tracks go on."""
        for tracker in self._trackers.values():
            tracker.reset()

    def health(self) -> Health:
        """DEGRADED when the newest answer of the network was refused, FAILED when that goes on."""
        reason, in_a_row = self._wrong
        if not in_a_row:
            return OK
        return Health(Level.FAILED if in_a_row >= FAILING else Level.DEGRADED, reason)

    def notes(self) -> tuple[str, ...]:
        """Which network runs where, and why there."""
        if self._detector is None:
            return ()
        return ("detection: {model} on {backend}: {choice}".format(**self.facts()),)

    def counters(self) -> dict[str, int]:
        """Images that came, what was found, and what was refused."""
        return dict(self.events)

    def facts(self) -> dict[str, str]:
        """The network and the runtime, once they are loaded."""
        if self._detector is None:
            return {}
        runtime = self._detector.runtime
        backend = f"{runtime.backend}, {runtime.precision}, {runtime.device}"
        return {"model": self._detector.card.name, "backend": backend, "choice": runtime.choice}

    def _ready(self, item: ImageFrame) -> "Detector":
        if self._refusal is not None:
            raise self._refusal.with_traceback(None)
        if self._detector is None:
            try:
                self._appearance = _appearance(self.config)
                self._detector = self._open(self._lowered(), item.pixels.shape[:2])
            except PerceptionError as error:
                self._refusal = error
                raise
        return self._detector

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
