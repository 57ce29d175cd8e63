"""How well a detector and a tracker follow the objects of labelled videos, of all cameras one after the other."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from perception.core.classes import DETECTED, TO_DETECTED, VOID, Class
from perception.core.errors import InvalidInput
from perception.core.labels import ObjectLabels
from perception.detection.boxes import DetectedBoxes
from perception.detection.config import DetectionConfig
from perception.detection.tracking.config import TrackingConfig
from perception.detection.tracking.tracker import Tracker
from perception.evaluation.tracking import TrackedFrame, TrackingCounts, TrackingScores, count, frame_of, scores
from perception.io.datasets.frames import Dataset, View
from perception.io.datasets.names import class_of
from perception.io.datasets.opening import open_dataset

if TYPE_CHECKING:
    from rich.table import Table

ANY_CLASS = frozenset([int(Class.OTHERS)])  # regions without labels, as in KITTI, excuse boxes of every class
FRAME_NS = 100_000_000  # between images without stamps

Detect = Callable[[np.ndarray], DetectedBoxes]
"""From pixels (H, W, 3) uint8 to all boxes above the tracker's low score; classes are numbers in `DETECTED`."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """One labelled image of a clip."""

    stamp_ns: int
    labels: ObjectLabels
    view: View | None = None  # where the pixels are; None: there are none


Clip = Sequence[Moment]


def evaluate_tracking(
    data: Path, config: DetectionConfig, images: Path | None = None, progress: Progress | None = None
) -> TrackingScores:
    """Scores on a data set of videos whose labels number the objects: generated, KITTI, YouTube-VIS, COCO by folder.

    Raises `InvalidInput` where no object is labelled, `ModelError`, `ConfigError` and `MissingDependency`.
    """
    clips = clips_of(open_dataset(data, images))
    total, done = sum(map(len, clips)), 0
    counts = count(())
    detect = detector(config, clips[0][0])
    for clip in clips:
        frames = []
        for frame in followed(clip, detect, config.tracking):
            frames.append(frame)
            done += 1
            if progress is not None:
                progress(done, total)
        counts = counts + count(frames)
    return scores(counts)


def clips_of(dataset: Dataset) -> list[list[Moment]]:
    """The labelled images of a data set by video and camera. Raises `InvalidInput` where there are none."""
    clips: dict[tuple[int, str], list[Moment]] = {}
    video = 0
    for frame in dataset.frames():
        video += frame.is_start
        for view in frame.views:
            if view.objects is None:
                continue
            clip = clips.setdefault((video, view.camera), [])
            stamp_ns = view.stamp_ns if view.stamp_ns is not None else (len(clip) + 1) * FRAME_NS
            clip.append(Moment(stamp_ns, asked_for(view.objects), view))
    if not clips:
        raise InvalidInput(f"{dataset.path}: no image has labelled objects; give a set with boxes that are numbered")
    return list(clips.values())


def asked_for(labels: ObjectLabels) -> ObjectLabels:
    """Labels without objects of classes that are not detected; regions that are ignored stay."""
    rows = np.flatnonzero((TO_DETECTED[labels.class_ids] != VOID) | labels.is_ignored)
    names = ("class_ids", "instance_ids", "boxes", "amodal_boxes", "occlusion", "is_ignored")
    return ObjectLabels(*(getattr(labels, name)[rows] for name in names))


def detector(config: DetectionConfig, moment: Moment) -> Detect:
    """The configured detector, with all boxes that a tracker wants to see, for images like that of `moment`."""
    from perception.detection.detector import open_detector

    assert moment.view is not None
    low = min(config.nms.score_threshold, config.tracking.low_score)
    lowered = config.model_copy(update={"nms": config.nms.model_copy(update={"score_threshold": low})})
    found = open_detector(lowered, moment.view.pixels().shape[:2])
    return lambda pixels: in_detected(found.detect(pixels), found.class_names)


def followed(clip: Clip, detect: Detect, config: TrackingConfig) -> Iterator[TrackedFrame]:
    """What is labelled and what was followed in each image of a clip."""
    tracker = Tracker(config)
    for moment in clip:
        assert moment.view is not None
        pixels = moment.view.pixels()
        boxes = detect(pixels)
        yield judged(moment, boxes, tracker.update(moment.stamp_ns, boxes, pixels))


def tracked(clip: Clip, found: Iterable[DetectedBoxes], config: TrackingConfig) -> list[np.ndarray]:
    """Numbers of boxes that were found before, by image. Pixels are read only where looks are compared."""
    tracker = Tracker(config)
    with_looks = config.appearance.is_enabled
    return [
        tracker.update(moment.stamp_ns, boxes, moment.view.pixels() if with_looks and moment.view else None)
        for moment, boxes in zip(clip, found)
    ]


def judged(moment: Moment, boxes: DetectedBoxes, ids: np.ndarray) -> TrackedFrame:
    """Labels and numbered boxes of one image, as they are counted."""
    kinds = np.array(DETECTED, dtype=np.int64)[boxes.classes]
    return frame_of(moment.labels, boxes.corners, ids, kinds, ANY_CLASS)


def in_detected(boxes: DetectedBoxes, class_names: Sequence[str]) -> DetectedBoxes:
    """Boxes of a detector of other classes as boxes of `DETECTED`; without the rest."""
    numbers = TO_DETECTED[[class_of(name) for name in class_names]].astype(np.int64)[boxes.classes]
    rows = np.flatnonzero(numbers != VOID)
    return DetectedBoxes(boxes.corners[rows], boxes.scores[rows], numbers[rows])


def counted(clips: Iterable[tuple[Clip, Sequence[DetectedBoxes], Sequence[np.ndarray]]]) -> TrackingCounts:
    """What is counted in clips, given the boxes and numbers of each image."""
    total = count(())
    for clip, found, ids in clips:
        total = total + count([judged(moment, boxes, own) for moment, boxes, own in zip(clip, found, ids)])
    return total


def terminal(found: TrackingScores) -> "Table":
    """The scores for people."""
    from rich.table import Table

    table = Table("score", "value", title=f"{found.num_true} labelled boxes, {found.num_found} followed ones")
    for name, value in (
        ("HOTA", found.hota),
        ("DetA", found.detection),
        ("AssA", found.association),
        ("LocA", found.localization),
        ("IDF1", found.idf1),
        ("MOTA", found.mota),
        ("recall", found.recall),
        ("precision", found.precision),
    ):
        table.add_row(name, f"{100 * value:.1f} %")
    table.add_row("switches", str(found.switches))
    return table
