"""Candidates among the scores of a detector, and greedy suppression of boxes that overlap better ones.

Each kernel stands beside its definition in plain NumPy. Boxes are corners x1, y1, x2, y2; arithmetic is float32
throughout, so that both give the same bits. Values that are not finite never become candidates.
"""

import numpy as np
from numba import njit

NUM_SIDES = 4  # left, top, right, bottom


def best_classes_reference(scores: np.ndarray, allowed: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Points (K,) whose best score exceeds the threshold, rising, and that class (the first of equals).

    `scores` (C, A) float32, any monotone scale; `allowed` (C,) bool: only points whose best class is allowed remain.
    """
    if scores.size == 0:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    valid = np.where(np.isnan(scores), -np.inf, scores)
    classes = valid.argmax(axis=0)
    best = valid.max(axis=0)
    points = np.flatnonzero((best > np.float32(threshold)) & np.isfinite(best) & allowed[classes])
    return points, classes[points]


def all_classes_reference(scores: np.ndarray, allowed: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Every pair of point and allowed class whose score exceeds the threshold, by class, then by point."""
    classes, points = np.nonzero((scores > np.float32(threshold)) & np.isfinite(scores) & allowed[:, None])
    return points, classes


def suppress_reference(boxes: np.ndarray, threshold: float, limit: int) -> np.ndarray:
    """Rows (K,) int64 of the boxes (N, 4) float32 that remain, at most `limit`; the boxes come best first.

    Each remaining box removes the later ones whose IoU with it exceeds the threshold. Boxes without area overlap none.
    """
    kept: list[int] = []
    is_left = np.ones(len(boxes), dtype=bool)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    for row in range(len(boxes)):
        if len(kept) == limit:
            break
        if not is_left[row]:
            continue
        kept.append(row)
        low, high = np.maximum(boxes[:, :2], boxes[row, :2]), np.minimum(boxes[:, 2:], boxes[row, 2:])
        width, height = np.maximum(high - low, np.float32(0)).T
        overlap = width * height
        with np.errstate(divide="ignore", invalid="ignore"):
            iou = overlap / (area[row] + area - overlap)
        is_left[row:] &= ~((overlap > 0) & (iou.astype(np.float64) > threshold))[row:]
    return np.array(kept, dtype=np.int64)


def best_classes(scores: np.ndarray, allowed: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """The same as `best_classes_reference`."""
    best = np.empty(scores.shape[1], dtype=np.float32)
    points = np.empty(scores.shape[1], dtype=np.int64)
    classes = np.empty(scores.shape[1], dtype=np.int64)
    count = _best_classes(np.ascontiguousarray(scores), allowed, np.float32(threshold), best, points, classes)
    return points[:count], classes[:count]


def all_classes(scores: np.ndarray, allowed: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """The same as `all_classes_reference`."""
    scores = np.ascontiguousarray(scores)
    none = np.empty(0, dtype=np.int64)
    count = _all_classes(scores, allowed, np.float32(threshold), none, none)
    points, classes = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    _all_classes(scores, allowed, np.float32(threshold), points, classes)
    return points, classes


def corners_reference(logits: np.ndarray, points: np.ndarray, width: int, stride: int) -> np.ndarray:
    """Corners (K, 4) float32, px, of the boxes at some points of a level that is `width` cells of `stride` px wide.

    `logits` (4 * bins, A) float32 are those of the distances of the left, top, right and bottom side from the middle of
    the cell, in cells; the distance is the mean of the bins. What is not finite gives NaN.
    """
    sides = logits[:, points].T.reshape(len(points), NUM_SIDES, len(logits) // NUM_SIDES)
    with np.errstate(invalid="ignore"):
        weights = np.exp(sides - sides.max(axis=-1, keepdims=True, initial=-np.inf))
        distances = (weights @ np.arange(sides.shape[-1], dtype=np.float32)) / weights.sum(axis=-1)
    rows, columns = np.divmod(points, width)
    middles = np.stack([columns, rows], axis=1).astype(np.float32) + np.float32(0.5)
    return np.concatenate([middles - distances[:, :2], middles + distances[:, 2:]], axis=1) * np.float32(stride)


def corners(logits: np.ndarray, points: np.ndarray, width: int, stride: int) -> np.ndarray:
    """The same as `corners_reference`, up to the rounding of single additions."""
    out = np.empty((len(points), NUM_SIDES), dtype=np.float32)
    _corners(np.ascontiguousarray(logits), points, width, np.float32(stride), out)
    return out


def suppress(boxes: np.ndarray, threshold: float, limit: int) -> np.ndarray:
    """The same as `suppress_reference`."""
    kept = np.empty(min(limit, len(boxes)), dtype=np.int64)
    is_left = np.ones(len(boxes), dtype=np.bool_)
    return kept[: _suppress(np.ascontiguousarray(boxes), float(threshold), is_left, kept)]


@njit(nogil=True, cache=True)
def _best_classes(scores, allowed, threshold, best, points, classes):  # type: ignore[no-untyped-def]
    """Fill `best` for every point and rows and classes of the candidates; returns their number."""
    num_classes, num_points = scores.shape
    for point in range(num_points):
        best[point] = -np.inf
    for number in range(num_classes):  # classes outside: their rows lie one after the other in memory
        for point in range(num_points):
            best[point] = scores[number, point] if scores[number, point] > best[point] else best[point]
    count = 0
    for point in range(num_points):
        if best[point] > threshold and best[point] < np.inf:
            number = 0
            while scores[number, point] != best[point]:
                number += 1
            if allowed[number]:
                points[count] = point
                classes[count] = number
                count += 1
    return count


@njit(nogil=True, cache=True)
def _all_classes(scores, allowed, threshold, points, classes):  # type: ignore[no-untyped-def]
    """Number of pairs above the threshold; writes them where there is room."""
    num_classes, num_points = scores.shape
    has_room = len(points) > 0
    count = 0
    for number in range(num_classes):
        if not allowed[number]:
            continue
        for point in range(num_points):
            if scores[number, point] > threshold and scores[number, point] < np.inf:
                if has_room:
                    points[count] = point
                    classes[count] = number
                count += 1
    return count


@njit(nogil=True, cache=True, error_model="numpy")
def _corners(logits, points, width, stride, out):  # type: ignore[no-untyped-def]
    num_bins = len(logits) // NUM_SIDES
    half = np.float32(0.5)
    for row in range(len(points)):
        point = points[row]
        for side in range(NUM_SIDES):
            first = side * num_bins
            largest = logits[first, point]
            for bin_ in range(1, num_bins):
                largest = max(largest, logits[first + bin_, point])
            total, weighted = np.float32(0.0), np.float32(0.0)
            for bin_ in range(num_bins):
                weight = np.exp(logits[first + bin_, point] - largest)
                total += weight
                weighted += weight * np.float32(bin_)
            middle = np.float32(point % width if side % 2 == 0 else point // width) + half
            distance = weighted / total
            out[row, side] = (middle - distance if side < 2 else middle + distance) * stride


@njit(nogil=True, cache=True, error_model="numpy")
def _suppress(boxes, threshold, is_left, kept):  # type: ignore[no-untyped-def]
    """Fill `kept` with rows that remain; returns their number. `is_left` (N,) all True is work space."""
    count = 0
    zero = np.float32(0.0)
    for row in range(len(boxes)):
        if count == len(kept):
            break
        if not is_left[row]:
            continue
        kept[count] = row
        count += 1
        x1, y1, x2, y2 = boxes[row, 0], boxes[row, 1], boxes[row, 2], boxes[row, 3]
        area = (x2 - x1) * (y2 - y1)
        for other in range(row + 1, len(boxes)):
            width = min(x2, boxes[other, 2]) - max(x1, boxes[other, 0])
            height = min(y2, boxes[other, 3]) - max(y1, boxes[other, 1])
            if not is_left[other] or width <= zero or height <= zero:
                continue
            overlap = width * height
            other_area = (boxes[other, 2] - boxes[other, 0]) * (boxes[other, 3] - boxes[other, 1])
            if overlap > zero and np.float64(overlap / (area + other_area - overlap)) > threshold:
                is_left[other] = False
    return count


def warm_up() -> None:
    """Compile the kernels, for scores in memory of our own and in that of a runtime."""
    scores, allowed = np.zeros((2, 3), dtype=np.float32), np.ones(2, dtype=np.bool_)
    logits, points = np.zeros((2 * NUM_SIDES, 3), dtype=np.float32), np.zeros(1, dtype=np.int64)
    for is_writeable in (True, False):
        scores.flags.writeable = logits.flags.writeable = is_writeable
        best_classes(scores, allowed, 0.5)
        all_classes(scores, allowed, 0.5)
        corners(logits, points, 1, 8)
    suppress(np.zeros((2, 4), dtype=np.float32), 0.5, 1)
