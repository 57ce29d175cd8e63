"""Which box belongs to which object, at the threshold of use: counts, confusion of classes, and the worst failures."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from perception.detection.boxes import DetectedBoxes, areas, overlaps
from perception.evaluation.detection_truth import ImageTruth

MIN_OVERLAP = 0.5  # IoU of a box with its object; of an ignored region: share of the box inside
UNMATCHED, IGNORED = -1, -2
MAX_KEPT = 24  # failures of a kind
KINDS = ("found where nothing is", "wrong class", "missed")


@dataclass(frozen=True, slots=True, eq=False)
class Failure:
    """One error of a detector. `found` and `expected` are names of classes; empty: nothing."""

    kind: str
    image: ImageTruth
    box: np.ndarray  # (4,) px, of what was found, of the object where it was missed
    found: str
    expected: str
    score: float  # of the box; 0 where there is none


@dataclass(slots=True, eq=False)
class Tally:
    """Counts over all images that were added. The last row and column of the confusion are the background."""

    names: tuple[str, ...]
    num_found: int = 0
    confusion: np.ndarray = field(init=False)  # (C + 1, C + 1) int64, objects of a class by what they were found as
    _worst: dict[str, list[tuple[float, int, Failure]]] = field(init=False)
    _order: count = field(init=False, default_factory=count)

    def __post_init__(self) -> None:
        side = len(self.names) + 1
        self.confusion = np.zeros((side, side), dtype=np.int64)
        self._worst = {kind: [] for kind in KINDS}

    def add(self, image: ImageTruth, found: DetectedBoxes) -> None:
        """Count the boxes of one image, best first."""
        background, pairs = len(self.names), match(image, found)
        self.num_found += len(found)
        for row, (pair, kind) in enumerate(zip(pairs.tolist(), found.classes.tolist())):
            if pair == IGNORED:
                continue
            expected = background if pair == UNMATCHED else int(image.classes[pair])
            self.confusion[expected, kind] += 1
            if expected != kind:
                self._note(image, found.corners[row], kind, expected, float(found.scores[row]))
        for row in np.setdiff1d(np.flatnonzero(~image.is_ignored), pairs).tolist():
            self.confusion[image.classes[row], background] += 1
            self._note(image, image.boxes[row], background, int(image.classes[row]), 0.0)

    def objects(self, row: int) -> int:
        """Objects of a class."""
        return int(self.confusion[row].sum())

    def precision(self, row: int) -> float | None:
        """Share of the boxes of a class that are right."""
        return _share(self.confusion[row, row], self.confusion[:, row].sum())

    def recall(self, row: int) -> float | None:
        """Share of the objects of a class that were found as such."""
        return _share(self.confusion[row, row], self.confusion[row].sum())

    def totals(self) -> tuple[float | None, float | None]:
        """Precision and recall over all classes."""
        right = np.trace(self.confusion)
        return _share(right, self.confusion[:, :-1].sum()), _share(right, self.confusion[:-1].sum())

    def failures(self, kind: str) -> Sequence[Failure]:
        """The worst of a kind first: boxes by their score, missed objects by their size."""
        return [entry[2] for entry in sorted(self._worst[kind], key=lambda entry: (-entry[0], -entry[1]))]

    def _note(self, image: ImageTruth, box: np.ndarray, found: int, expected: int, score: float) -> None:
        names = (*self.names, "")
        is_missed = found == len(self.names)
        kind = KINDS[2] if is_missed else KINDS[0] if expected == len(self.names) else KINDS[1]
        weight = float(areas(box)) if is_missed else score
        entry = (weight, -next(self._order), Failure(kind, image, box, names[found], names[expected], score))
        if len(self._worst[kind]) < MAX_KEPT:
            heapq.heappush(self._worst[kind], entry)
        else:
            heapq.heappushpop(self._worst[kind], entry)


def match(image: ImageTruth, found: DetectedBoxes) -> np.ndarray:
    """The object (row) of each box, (D,) int64; UNMATCHED, or IGNORED where a region of its class may hold it.

    Best box first, each takes the object of its class that it overlaps most; what is left then takes objects of other
    classes in the same way. An object is taken once.
    """
    pairs = np.full(len(found), UNMATCHED, dtype=np.int64)
    corners = found.corners.astype(np.float64)
    shares = overlaps(corners, image.boxes)
    shares[:, image.is_ignored] = 0.0
    is_same = found.classes[:, None] == image.classes[None, :]
    for allowed in (is_same, ~is_same):
        _take(pairs, np.where(allowed, shares, 0.0), shares)
    inside = _inside(corners, image.boxes) * (is_same & image.is_ignored)
    pairs[(pairs == UNMATCHED) & (inside.max(axis=1, initial=0.0) >= MIN_OVERLAP)] = IGNORED
    return pairs


def _take(pairs: np.ndarray, allowed: np.ndarray, shares: np.ndarray) -> None:
    """Give each box without an object the best that is allowed and left; taken ones are cleared in both tables."""
    if allowed.shape[1] == 0:
        return
    for row in np.flatnonzero(pairs == UNMATCHED).tolist():
        best = int(allowed[row].argmax())
        if allowed[row, best] >= MIN_OVERLAP:
            pairs[row] = best
            allowed[:, best] = shares[:, best] = 0.0


def _inside(boxes: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Share (D, N) of each box that lies in each region."""
    low = np.maximum(boxes[:, None, :2], regions[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], regions[None, :, 2:])
    shared, own = areas(np.concatenate([low, high], axis=-1)), areas(boxes)[:, None]
    return np.divide(shared, own, out=np.zeros_like(shared), where=own > 0)


def _share(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None
