"""How good a detector is on a labelled data set: AP as COCO measures it, and what it does at the threshold of use.

Protocol of published accuracies (LeYOLO, `leyolo.md` sections 7.3, 8 and 11): images one at a time, long side to a
given size, score threshold 0.001, every class of a box above it, IoU 0.7, at most 300 boxes; boxes are written with 3
decimals and scores with 5; pycocotools judges. Sizes of objects (small, medium, large) are those of their boxes.
"""

import io
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from perception.core.errors import InvalidInput, MissingDependency
from perception.detection import letterbox
from perception.detection.boxes import DetectedBoxes
from perception.detection.config import NmsConfig
from perception.detection.nms import VALIDATION, detections_from_outputs
from perception.evaluation.detection_matching import Tally
from perception.evaluation.detection_truth import ImageTruth, Truth
from perception.io.datasets.frames import attempt
from perception.kernels.images import planes

if TYPE_CHECKING:
    from perception.inference.runtime import Runtime

LEVELS = ("p3", "p4", "p5")
MAX_JUDGED = (1, 10, 100)  # best boxes of an image that pycocotools looks at
BOX_DECIMALS, SCORE_DECIMALS = 3, 5
PARTS = ("preparation", "network", "suppression, both thresholds")

Heads = Callable[[np.ndarray], Sequence[np.ndarray]]
"""From planes (1, 3, H, W) float32 in 0..1 to the raw outputs of the three levels of that image, (C, h, w) each."""
Update = Callable[[int, int], None]  # done, total


@dataclass(frozen=True, slots=True)
class Protocol:
    """How each image is given to the network, and which boxes count."""

    side: int = 640  # px, long side of the input
    is_square: bool = False  # fill the input to side x side, as engines of one shape need it
    use: NmsConfig = field(default_factory=NmsConfig)  # for counts, confusion and failures

    def fit(self, size: tuple[int, int]) -> letterbox.Letterbox:
        """The place of an image of `size` (height, width) in the input."""
        if self.is_square:
            return letterbox.fixed(size, (self.side, self.side))
        return letterbox.validation(size, self.side)


@dataclass(frozen=True, slots=True)
class ClassScores:
    """One class. A share is None where nothing could be divided."""

    name: str
    objects: int
    average_precision: float | None  # AP@[.50:.95]
    average_precision_50: float | None
    average_recall: float | None  # 100 boxes an image
    precision: float | None  # at the threshold of use
    recall: float | None


@dataclass(slots=True, eq=False)
class Evaluation:
    """What was found on one data set. Shares are 0 to 1; None: no object asks for it."""

    summary: dict[str, float | None]  # AP, AP50, AP75, by size, AR
    classes: list[ClassScores]
    tally: Tally
    counts: dict[str, int]
    seconds: dict[str, float]  # of an image, median, by part
    results: list[dict[str, Any]] = field(default_factory=list)  # as COCO has them
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Everything but the boxes."""
        return {
            "summary": self.summary,
            "classes": [{name: getattr(entry, name) for name in entry.__dataclass_fields__} for entry in self.classes],
            "counts": self.counts,
            "median_milliseconds": {name: 1e3 * value for name, value in self.seconds.items()},
            "confusion": {"names": [*self.tally.names, "background"], "counts": self.tally.confusion.tolist()},
            "notes": self.notes,
        }


def heads_of(runtime: "Runtime") -> Heads:
    """A runtime of LeYOLO as `evaluate_detector` calls it."""

    def call(images: np.ndarray) -> list[np.ndarray]:
        outputs = runtime.infer({"images": images})
        return [outputs[level][0] for level in LEVELS]

    return call


def find(heads: Heads, pixels: np.ndarray, protocol: Protocol, *configs: NmsConfig) -> list[DetectedBoxes]:
    """Boxes in px of an image (H, W, 3) uint8 RGB: one entry for each configuration, from one pass of the network."""
    box = protocol.fit(pixels.shape[:2])
    outputs = heads(planes(box.apply(pixels))[None])
    return _boxes(outputs, box, configs)


def evaluate_detector(
    heads: Heads, truth: Truth, protocol: Protocol | None = None, update: Update | None = None
) -> Evaluation:
    """Run a detector over a data set and judge it. Raises `InvalidInput` where no image could be read."""
    protocol = protocol or Protocol()
    images: list[ImageTruth] = []
    found: list[DetectedBoxes] = []
    tally, seconds, dropped = Tally(truth.classes.names), [], 0
    for done, frame in enumerate(truth.images(), start=1):
        for image in frame:
            pixels = attempt(truth.losses, image.pixels)
            if pixels is None:
                continue
            (boxes, used), took = _timed(heads, pixels, protocol)
            kept, num_dropped = truth.classes.compared(boxes)
            tally.add(image, truth.classes.compared(used)[0])
            images.append(image)
            found.append(kept)
            seconds.append(took)
            dropped += num_dropped
        if update:
            update(done, len(truth))
    if not images:
        raise InvalidInput(
            f"{truth.dataset.path}: no labelled image could be read ({truth.losses or 'none has boxes'})"
        )
    times = dict(zip(PARTS, np.median(seconds, axis=0).tolist()))
    return _judged(truth, images, found, tally, _counts(images, found, dropped, tally), times)


def _judged(
    truth: Truth,
    images: Sequence[ImageTruth],
    found: Sequence[DetectedBoxes],
    tally: Tally,
    counts: dict[str, int],
    seconds: dict[str, float],
) -> Evaluation:
    """All that is said about what was found."""
    summary, per_class = average_precision(images, found, truth.classes.names)
    classes = [
        ClassScores(name, tally.objects(row), *per_class[row], tally.precision(row), tally.recall(row))
        for row, name in enumerate(truth.classes.names)
    ]
    results = results_of(images, found, truth.classes.category_ids)
    notes = [f"not used: {truth.losses}"] if truth.losses.counts else []
    return Evaluation(summary, classes, tally, counts, seconds, results, notes)


def results_of(
    images: Sequence[ImageTruth], found: Sequence[DetectedBoxes], category_ids: Sequence[int]
) -> list[dict[str, Any]]:
    """Boxes as a COCO file of results lists them; `category_ids` are those of the classes of `found`."""
    rows = []
    for image, boxes in zip(images, found):
        corners = boxes.corners.astype(np.float64)
        sides = np.hstack([corners[:, :2], corners[:, 2:] - corners[:, :2]]).round(BOX_DECIMALS).tolist()
        for side, score, kind in zip(sides, boxes.scores.tolist(), boxes.classes.tolist()):
            rows.append(
                {
                    "image_id": image.image_id,
                    "category_id": int(category_ids[kind]),
                    "bbox": side,
                    "score": round(score, SCORE_DECIMALS),
                }
            )
    return rows


ClassPrecision = tuple[float | None, float | None, float | None]  # AP, AP50, AR


def average_precision(
    images: Sequence[ImageTruth], found: Sequence[DetectedBoxes], names: Sequence[str]
) -> tuple[dict[str, float | None], list[ClassPrecision]]:
    """AP and AR of pycocotools over all classes, and AP, AP50, AR of each. Raises `MissingDependency`."""
    coco, judge_type = _pycocotools()
    ids = range(len(names))
    categories = [{"id": kind, "name": name} for kind, name in enumerate(names)]
    entries = [{"id": number, "width": i.size[0], "height": i.size[1]} for number, i in enumerate(images)]
    with redirect_stdout(io.StringIO()):
        truth, given = coco(), coco()
        truth.dataset = {"images": entries, "categories": categories, "annotations": _annotations(images)}
        given.dataset = {"images": entries, "categories": categories, "annotations": _given(images, found)}
        truth.createIndex()
        given.createIndex()
        judge = judge_type(truth, given, "bbox")
        judge.params.catIds, judge.params.maxDets = list(ids), list(MAX_JUDGED)
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    keys = ("AP", "AP50", "AP75", "AP small", "AP medium", "AP large", "AR 1", "AR 10", "AR 100")
    summary = {key: None if value < 0 else float(value) for key, value in zip(keys, judge.stats)}
    precision, recall = judge.eval["precision"][..., 0, -1], judge.eval["recall"][..., 0, -1]
    per_class = [(_mean(precision[..., k]), _mean(precision[0, :, k]), _mean(recall[:, k])) for k in ids]
    return summary, per_class


def _timed(heads: Heads, pixels: np.ndarray, protocol: Protocol) -> tuple[list[DetectedBoxes], np.ndarray]:
    """What `find` does for validation and for use, and the seconds (3,) that its parts took."""
    start = time.perf_counter()
    box = protocol.fit(pixels.shape[:2])
    images = planes(box.apply(pixels))[None]
    prepared = time.perf_counter()
    outputs = heads(images)
    computed = time.perf_counter()
    found = _boxes(outputs, box, (VALIDATION, protocol.use))
    return found, np.array([prepared - start, computed - prepared, time.perf_counter() - computed])


def _boxes(
    outputs: Sequence[np.ndarray], box: letterbox.Letterbox, configs: Sequence[NmsConfig]
) -> list[DetectedBoxes]:
    found = [detections_from_outputs(outputs, config) for config in configs]
    return [DetectedBoxes(box.to_source(one.corners), one.scores, one.classes) for one in found]


def _counts(images: Sequence[ImageTruth], found: Sequence[DetectedBoxes], dropped: int, tally: Tally) -> dict[str, int]:
    return {
        "images": len(images),
        "objects": sum(int((~image.is_ignored).sum()) for image in images),
        "ignored regions, of each class they are for": sum(int(image.is_ignored.sum()) for image in images),
        "boxes above the validation threshold": sum(map(len, found)),
        "boxes of classes that the set does not have": dropped,
        "boxes above the threshold of use": tally.num_found,
    }


def _annotations(images: Sequence[ImageTruth]) -> list[dict[str, Any]]:
    rows = []
    for number, image in enumerate(images):
        for (x, y, x_high, y_high), kind, ignored in zip(image.boxes.tolist(), image.classes, image.is_ignored):
            size = {"bbox": [x, y, x_high - x, y_high - y], "area": (x_high - x) * (y_high - y)}
            place = {"id": len(rows) + 1, "image_id": number, "category_id": int(kind), "iscrowd": int(ignored)}
            rows.append(place | size)
    return rows


def _given(images: Sequence[ImageTruth], found: Sequence[DetectedBoxes]) -> list[dict[str, Any]]:
    """Boxes as pycocotools takes them, rounded as a file of results would hold them."""
    rows = []
    for number, boxes in enumerate(found):
        for row in results_of([images[number]], [boxes], range(int(boxes.classes.max(initial=0)) + 1)):
            width, height = row["bbox"][2:]
            rows.append(row | {"id": len(rows) + 1, "image_id": number, "area": width * height, "iscrowd": 0})
    return rows


def _mean(values: np.ndarray) -> float | None:
    """Mean of the entries that pycocotools could fill."""
    known = values[values > -1]
    return float(known.mean()) if known.size else None


def _pycocotools() -> tuple[Any, Any]:
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError:
        raise MissingDependency("average precision needs pycocotools: pip install 'perception[eval]'") from None
    return COCO, COCOeval
