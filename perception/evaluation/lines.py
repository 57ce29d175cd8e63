"""How good found line segments are: F^H and AP^H, which compare drawings, and sAP, which compares end points.

Both as published comparisons have them (`lsdnet.md` section 6). F^H asks which pixels lie on a line: both sides are
drawn one pixel wide, and pixels are matched one to one within 1 % of the diagonal. sAP asks for the same end points.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from perception.core.types import check
from perception.kernels import matching

HEAT_THRESHOLDS = np.round(np.arange(0.40, 0.901, 0.05), 2)  # for scores that are mean heat, LSDNet's
NUM_QUANTILES = 11  # thresholds for the scores of other detectors
MAX_DISTANCE = 0.01  # of the diagonal, between two pixels that are matched
FOUND_SHIFT = 0.5  # px, taken from the coordinates of what was found before they are rounded, as published
STRUCTURAL_SIDE = 128.0  # px, width and height of the grid of sAP
STRUCTURAL_LIMITS = (5, 10, 15)  # px^2 of that grid, sum of both ends
ABSENT = np.iinfo(np.int32).max  # level of a pixel without a line

Update = Callable[[int, int], None]  # done, total


@dataclass(frozen=True, slots=True, eq=False)
class ImageLines:
    """True and found line segments of one image, px."""

    name: str
    size: tuple[int, int]  # px, width and height
    truth: np.ndarray  # (N, 4) float32: x, y of one end, x, y of the other
    segments: np.ndarray  # (M, 4) float32
    scores: np.ndarray  # (M,) float32; the higher the surer, else of any range

    def __post_init__(self) -> None:
        check("truth", self.truth, (None, 4), np.float32)
        check("segments", self.segments, (None, 4), np.float32)
        check("scores", self.scores, (len(self.segments),), np.float32)

    def above(self, threshold: float) -> "ImageLines":
        """Without the segments that score lower."""
        kept = self.scores >= threshold
        return replace(self, segments=self.segments[kept], scores=self.scores[kept])


@dataclass(frozen=True, slots=True, eq=False)
class HeatScores:
    """Pixels that were matched, found and asked for, by image and threshold, and what follows for the whole set."""

    thresholds: np.ndarray  # (T,) float64, ascending
    matched: np.ndarray  # (I, T) int64
    found: np.ndarray  # (I, T) int64
    asked: np.ndarray  # (I,) int64

    @property
    def precision(self) -> np.ndarray:
        """(T,) share of the found pixels that lie on a true line; 1 where nothing is found."""
        return _ratio(self.matched.sum(axis=0), self.found.sum(axis=0), 1.0)

    @property
    def recall(self) -> np.ndarray:
        """(T,) share of the true pixels that are found; 0 where there are none."""
        return _ratio(self.matched.sum(axis=0), np.full(len(self.thresholds), self.asked.sum()), 0.0)

    @property
    def f_scores(self) -> np.ndarray:
        """(T,) harmonic means of precision and recall."""
        return _ratio(2 * self.matched.sum(axis=0), self.found.sum(axis=0) + self.asked.sum(), 0.0)

    @property
    def best(self) -> int:
        """The row of the threshold at which F^H is largest."""
        return int(self.f_scores.argmax())

    @property
    def f_score(self) -> float:
        """F^H: the largest over all thresholds."""
        return float(self.f_scores[self.best])

    @property
    def average_precision(self) -> float:
        """AP^H: the area under precision by recall, each precision that of the best at no less recall."""
        order = np.argsort(self.recall, kind="stable")
        return area(self.recall[order], self.precision[order])

    def of_images(self, row: int) -> np.ndarray:
        """(I,) F of every image at the threshold of a row; 0 where nothing is asked for and nothing found."""
        return _ratio(2 * self.matched[:, row], self.found[:, row] + self.asked, 0.0)


def heat_f_score(images: Sequence[ImageLines], thresholds: np.ndarray, update: Update | None = None) -> HeatScores:
    """Compare drawings of true and found lines at all `thresholds`: a segment counts that scores no less.

    The found pixels of a high threshold are among those of a lower one, so that one matching, extended threshold by
    threshold, answers for all of them.
    """
    limits = np.sort(np.asarray(thresholds, dtype=np.float64))
    matched = np.zeros((len(images), len(limits)), dtype=np.int64)
    found, asked = np.zeros_like(matched), np.zeros(len(images), dtype=np.int64)
    for row, image in enumerate(images):
        matched[row], found[row], asked[row] = _compared(image, limits)
        if update:
            update(row + 1, len(images))
    return HeatScores(limits, matched, found, asked)


def thresholds_for(images: Sequence[ImageLines], num: int = NUM_QUANTILES) -> np.ndarray:
    """Thresholds for scores of an unknown range: the lowest, and others that leave out equal shares of all segments."""
    scores = np.concatenate([image.scores for image in images]) if images else np.zeros(0)
    if len(scores) == 0:
        return np.zeros(1)
    return np.unique(np.quantile(scores, np.arange(num) / num, method="lower").astype(np.float64))


def structural_ap(images: Sequence[ImageLines], limits: Sequence[float] = STRUCTURAL_LIMITS) -> dict[float, float]:
    """sAP by limit: the area under precision by recall, where the end points decide what is found.

    A segment is right where the nearest true one of its image is nearer than the limit and no better one has it.
    """
    total = sum(len(image.truth) for image in images)
    scores = np.concatenate([image.scores for image in images]) if images else np.zeros(0)
    order = np.argsort(-scores, kind="stable")
    nearest, distances = _nearest(images)
    nearest, distances = nearest[order], distances[order]
    return {limit: _structural(nearest, distances < limit, total) for limit in limits}


def drawn_pixels(segments: np.ndarray, shift: float, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (K, 2) int64, row and column, of segments (N, 4) drawn one pixel wide, and the segment (K,) of each.

    Of each there are as many samples as it is long, rounded up, evenly spaced; those beyond the border are moved there.
    """
    ends = segments.astype(np.float64)
    steps = ends[:, 2:] - ends[:, :2]
    counts = np.maximum(np.ceil(np.hypot(*steps.T)).astype(np.int64), 1)
    owners = np.repeat(np.arange(len(ends)), counts)
    numbers = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    shares = numbers / np.maximum(counts[owners] - 1, 1)
    points = ends[owners, :2] + shares[:, None] * steps[owners] - shift
    pixels = np.floor(points + 0.5).clip(0, np.array(size) - 1).astype(np.int64)
    return pixels[:, ::-1], owners


def area(recall: np.ndarray, precision: np.ndarray) -> float:
    """The area under precision by ascending recall (N,), each precision the largest at no less recall."""
    best = np.maximum.accumulate(np.append(precision, 0.0)[::-1])[::-1][:-1]
    return float((np.diff(recall, prepend=0.0) * best).sum())


def _compared(image: ImageLines, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Matched and found pixels (T,) of one image at each threshold, and how many are asked for."""
    width, height = image.size
    labels = np.full((height, width), matching.FREE, dtype=np.int32)
    labels[tuple(drawn_pixels(image.truth, 0.0, image.size)[0].T)] = 0
    num_asked = int((labels == 0).sum())
    labels[labels == 0] = np.arange(num_asked)
    pixels, bounds = _by_level(image, thresholds)
    offsets = matching.near_offsets(MAX_DISTANCE * float(np.hypot(width, height)))
    graph = matching.near_pixels(pixels, labels, offsets)
    of_found = np.full(len(pixels), matching.FREE, dtype=np.int32)
    of_asked = np.full(num_asked, matching.FREE, dtype=np.int32)
    gained = [matching.extend(*graph, of_found, of_asked, a, b) for a, b in zip([0, *bounds[:-1]], bounds)]
    return np.cumsum(gained)[::-1], bounds[::-1], num_asked


def _by_level(image: ImageLines, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Found pixels (K, 2), those of high scores first, and how many there are (T,) at each threshold, highest first."""
    width, height = image.size
    pixels, owners = drawn_pixels(image.segments, FOUND_SHIFT, image.size)
    lacking = len(thresholds) - np.searchsorted(thresholds, image.scores.astype(np.float64), side="right")
    levels = np.full((height, width), ABSENT, dtype=np.int64)
    np.minimum.at(levels, tuple(pixels.T), lacking[owners])  # number of thresholds that the score does not reach
    drawn = np.argwhere(levels < len(thresholds))
    level = levels[tuple(drawn.T)]
    bounds = np.searchsorted(np.sort(level), np.arange(len(thresholds)), side="right")
    return drawn[np.argsort(level, kind="stable")], bounds


def _nearest(images: Sequence[ImageLines]) -> tuple[np.ndarray, np.ndarray]:
    """The true segment nearest to each found one, numbered through the whole set, and its squared distance."""
    nearest, distances, first = [np.zeros(0, dtype=np.int64)], [np.zeros(0)], 0
    for image in images:
        scale = STRUCTURAL_SIDE / np.array([*image.size, *image.size], dtype=np.float64)
        found, truth = image.segments * scale, image.truth * scale
        if len(truth) == 0:
            nearest.append(np.full(len(found), first))
            distances.append(np.full(len(found), np.inf))
            continue
        apart = np.minimum(*(_squares(found, ends) for ends in (truth, truth[:, [2, 3, 0, 1]])))
        rows = apart.argmin(axis=1)
        nearest.append(first + rows)
        distances.append(apart[np.arange(len(found)), rows])
        first += len(truth)
    return np.concatenate(nearest), np.concatenate(distances)


def _squares(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Squared distances (M, N) of vectors (M, 4) and (N, 4)."""
    return ((found[:, None, :] - truth[None, :, :]) ** 2).sum(axis=2)


def _structural(nearest: np.ndarray, is_near: np.ndarray, total: int) -> float:
    """The area for one limit; the rows are in the order of the scores."""
    if total == 0 or len(nearest) == 0:
        return 0.0
    rows = np.flatnonzero(is_near)
    right = np.zeros(len(nearest), dtype=bool)
    right[rows[np.unique(nearest[rows], return_index=True)[1]]] = True
    hits = np.cumsum(right)
    return area(hits / total, hits / np.arange(1, len(hits) + 1))


def _ratio(part: np.ndarray, whole: np.ndarray, empty: float) -> np.ndarray:
    """`part / whole`, `empty` where the whole is 0."""
    return np.divide(part, whole, out=np.full(np.shape(part), empty), where=whole > 0)
