"""How well objects were followed: HOTA, IDF1 and MOTA of numbered boxes against labelled ones.

J. Luiten et al., "HOTA: A Higher Order Metric for Evaluating Multi-Object Tracking", IJCV 2021; E. Ristani et al.,
"Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking", 2016 (IDF1); K. Bernardin and
R. Stiefelhagen, "Evaluating Multiple Object Tracking Performance: The CLEAR MOT Metrics", 2008 (MOTA). Boxes of
different classes never match; all classes and clips are counted together.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import reduce

import numpy as np
from scipy.optimize import linear_sum_assignment

from perception.core.labels import ObjectLabels
from perception.core.types import check
from perception.detection.boxes import areas, overlaps

THRESHOLDS = np.arange(1, 20) / 20  # IoU, the alpha of HOTA
MATCHING_IOU = 0.5  # of IDF1 and MOTA
ROUNDING = np.finfo(np.float64).eps
ANY_CLASS = -1  # of an ignored region
IGNORED_SHARE = 0.5  # of a found box inside an ignored object, above which it is not counted
KEPT_BONUS = 1000.0  # MOTA: a pair of the image before goes before any better overlap


@dataclass(frozen=True, slots=True, eq=False)
class TrackedFrame:
    """What is labelled and what was found in one image. Numbers are those of a clip."""

    true_boxes: np.ndarray  # (N, 4) float32, corners, px
    true_ids: np.ndarray  # (N,) int64
    true_kinds: np.ndarray  # (N,) int64
    boxes: np.ndarray  # (M, 4) float32
    ids: np.ndarray  # (M,) int64
    kinds: np.ndarray  # (M,) int64

    def __post_init__(self) -> None:
        for prefix in ("true_", ""):
            n = len(getattr(self, f"{prefix}boxes"))
            check(f"{prefix}boxes", getattr(self, f"{prefix}boxes"), (None, 4), np.float32)
            check(f"{prefix}ids", getattr(self, f"{prefix}ids"), (n,), np.int64)
            check(f"{prefix}kinds", getattr(self, f"{prefix}kinds"), (n,), np.int64)

    def similarity(self) -> np.ndarray:
        """IoU (N, M) float64; 0 between different classes."""
        same = self.true_kinds[:, None] == self.kinds[None, :]
        return np.where(same, overlaps(self.true_boxes.astype(np.float64), self.boxes.astype(np.float64)), 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class TrackingCounts:
    """What the scores are computed from; those of several clips are added."""

    num_true: int  # labelled boxes
    num_found: int
    matched: np.ndarray  # (19,) float64, pairs at each threshold
    associated: np.ndarray  # (19,) float64, sum over these pairs of how well their tracks agree
    overlap: np.ndarray  # (19,) float64, sum of their IoU
    identified: int  # pairs of the best one-to-one assignment of whole tracks
    detected: int  # pairs of MOTA
    switches: int  # labelled objects that got another number

    def __add__(self, other: "TrackingCounts") -> "TrackingCounts":
        names = [field.name for field in fields(self)]
        return TrackingCounts(*(getattr(self, name) + getattr(other, name) for name in names))


@dataclass(frozen=True, slots=True)
class TrackingScores:
    """Shares from 0 to 1; MOTA may be negative. Without any pair they are 0, and the localization 1."""

    hota: float
    detection: float  # DetA
    association: float  # AssA
    localization: float  # LocA
    idf1: float
    mota: float
    recall: float  # at IoU 0.5
    precision: float
    switches: int
    num_true: int
    num_found: int


def frame_of(
    labels: ObjectLabels, boxes: np.ndarray, ids: np.ndarray, kinds: np.ndarray, any_class: frozenset[int] = frozenset()
) -> TrackedFrame:
    """A frame from labels and found boxes (M, 4), ids (M,) and `Class` (M,), without what is not to be counted.

    Boxes without a track (id 0) are left out. Ignored objects are not asked for, and a found box that lies in one of
    its class (`any_class`: classes of regions that excuse every class) and matches no other object costs nothing.
    """
    asked = ~labels.is_ignored
    truth = labels.boxes[asked], labels.instance_ids[asked].astype(np.int64), labels.class_ids[asked].astype(np.int64)
    numbered = ids > 0
    frame = TrackedFrame(*truth, boxes[numbered], ids[numbered].astype(np.int64), kinds[numbered].astype(np.int64))
    regions = labels.class_ids[labels.is_ignored].astype(np.int64)
    regions = np.where(np.isin(regions, list(any_class)), ANY_CLASS, regions)
    excused = _excused(frame, labels.boxes[labels.is_ignored], regions)
    return TrackedFrame(*truth, frame.boxes[~excused], frame.ids[~excused], frame.kinds[~excused])


def measure(clips: Iterable[Sequence[TrackedFrame]]) -> TrackingScores:
    """The scores of some clips together."""
    return scores(reduce(TrackingCounts.__add__, (count(clip) for clip in clips), count(())))


def count(clip: Sequence[TrackedFrame]) -> TrackingCounts:
    """What is counted in one clip."""
    numbered = _Clip.of(clip)
    matched, associated, overlap = _hota(numbered)
    detected, switches = _clear(numbered)
    num_true, num_found = (int(counts.sum()) for counts in (numbered.num_true, numbered.num_found))
    return TrackingCounts(num_true, num_found, matched, associated, overlap, _identified(numbered), detected, switches)


def scores(counts: TrackingCounts) -> TrackingScores:
    """The scores that follow from counts."""
    c = counts
    detection = _shares(c.matched, c.num_true + c.num_found - c.matched)
    association = _shares(c.associated, c.matched)
    return TrackingScores(
        hota=float(np.sqrt(detection * association).mean()),
        detection=float(detection.mean()),
        association=float(association.mean()),
        localization=float(np.where(c.matched > 0, _shares(c.overlap, c.matched), 1.0).mean()),
        idf1=2 * c.identified / max(c.num_true + c.num_found, 1),
        mota=(c.detected - (c.num_found - c.detected) - c.switches) / max(c.num_true, 1),
        recall=c.detected / max(c.num_true, 1),
        precision=c.detected / max(c.num_found, 1),
        switches=c.switches,
        num_true=c.num_true,
        num_found=c.num_found,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Clip:
    """A clip whose tracks are numbered from 0 without gaps."""

    similarities: list[np.ndarray]  # by image, (N, M) float64
    true_rows: list[np.ndarray]  # by image, (N,) int64
    found_rows: list[np.ndarray]  # by image, (M,) int64
    num_true: np.ndarray  # (T,) int64, boxes of each labelled track
    num_found: np.ndarray  # (F,) int64

    @classmethod
    def of(cls, clip: Sequence[TrackedFrame]) -> "_Clip":
        true_rows, num_true = _numbered([frame.true_ids for frame in clip])
        found_rows, num_found = _numbered([frame.ids for frame in clip])
        return cls([frame.similarity() for frame in clip], true_rows, found_rows, num_true, num_found)

    def images(self) -> Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Similarity, and rows of the labelled and of the found tracks, of one image after the other."""
        return zip(self.similarities, self.true_rows, self.found_rows)

    def table(self) -> np.ndarray:
        """Zeros (T, F) float64."""
        return np.zeros((len(self.num_true), len(self.num_found)))


def _numbered(ids: list[np.ndarray]) -> tuple[list[np.ndarray], np.ndarray]:
    joined = np.concatenate([np.zeros(0, dtype=np.int64), *ids])
    _, rows, counts = np.unique(joined, return_inverse=True, return_counts=True)
    ends = np.cumsum([len(part) for part in ids])[:-1]
    return (np.split(rows, ends) if ids else []), counts


def _hota(clip: _Clip) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs, their agreement, and their overlap, (19,) each.

    Boxes are paired once for all thresholds, so that tracks which agree over the whole clip go first.
    """
    agreement = _agreement(clip)
    met = np.zeros((len(THRESHOLDS), *agreement.shape))
    overlap = np.zeros(len(THRESHOLDS))
    for similarity, true_rows, found_rows in clip.images():
        rows, columns = linear_sum_assignment(agreement[np.ix_(true_rows, found_rows)] * similarity, maximize=True)
        found = similarity[rows, columns]
        is_met = found[None, :] >= THRESHOLDS[:, None] - ROUNDING
        overlap += (is_met * found).sum(axis=1)
        met[:, true_rows[rows], found_rows[columns]] += is_met  # a track occurs once in an image
    union = clip.num_true[:, None] + clip.num_found[None, :] - met
    return met.sum(axis=(1, 2)), (met * _shares(met, union)).sum(axis=(1, 2)), overlap


def _agreement(clip: _Clip) -> np.ndarray:
    """How much two tracks (T, F) may belong together: shared over all of their boxes, weighted by overlap."""
    shared = clip.table()
    for similarity, true_rows, found_rows in clip.images():
        rivals = similarity.sum(axis=0, keepdims=True) + similarity.sum(axis=1, keepdims=True) - similarity
        shared[np.ix_(true_rows, found_rows)] += np.divide(
            similarity, rivals, out=np.zeros_like(similarity), where=rivals > ROUNDING
        )
    return _shares(shared, clip.num_true[:, None] + clip.num_found[None, :] - shared)


def _identified(clip: _Clip) -> int:
    shared = clip.table()
    for similarity, true_rows, found_rows in clip.images():
        shared[np.ix_(true_rows, found_rows)] += similarity >= MATCHING_IOU
    rows, columns = linear_sum_assignment(shared, maximize=True)
    return int(shared[rows, columns].sum())


def _clear(clip: _Clip) -> tuple[int, int]:
    """Pairs and switches of MOTA: an object keeps the number of the image before where it can."""
    detected = switches = 0
    before = np.full(len(clip.num_true), -1)  # number in the image before
    last = before.copy()  # number when it was seen last
    for similarity, true_rows, found_rows in clip.images():
        is_kept = before[true_rows][:, None] == found_rows[None, :]
        gains = np.where(similarity >= MATCHING_IOU - ROUNDING, similarity + KEPT_BONUS * is_kept, 0.0)
        rows, columns = linear_sum_assignment(gains, maximize=True)
        is_pair = gains[rows, columns] > 0
        objects, numbers = true_rows[rows[is_pair]], found_rows[columns[is_pair]]
        switches += int(((last[objects] >= 0) & (last[objects] != numbers)).sum())
        detected += len(objects)
        before[:] = -1
        before[objects] = last[objects] = numbers
    return detected, switches


def _excused(frame: TrackedFrame, regions: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Which found boxes (M,) bool match no labelled object and lie in an ignored one."""
    similarity = np.where((matrix := frame.similarity()) >= MATCHING_IOU, matrix, 0.0)
    rows, columns = linear_sum_assignment(similarity, maximize=True)
    is_matched = np.zeros(len(frame.boxes), dtype=np.bool_)
    is_matched[columns[similarity[rows, columns] > 0]] = True
    may_excuse = (kinds[:, None] == ANY_CLASS) | (kinds[:, None] == frame.kinds[None, :])
    low = np.maximum(regions[:, None, :2], frame.boxes[None, :, :2])
    high = np.minimum(regions[:, None, 2:], frame.boxes[None, :, 2:])
    inside = areas(np.concatenate([low, high], axis=-1))
    return ((inside > IGNORED_SHARE * areas(frame.boxes)) & may_excuse).any(axis=0) & ~is_matched


def _shares(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros_like(part, dtype=np.float64), where=np.asarray(whole) > 0)
