"""Polygons as masks: a pixel belongs to a polygon where its middle lies inside.

Pixel i covers [i, i + 1), as in COCO; inside is what a ray to the right leaves after an odd number of edges.
"""

import numpy as np
from numba import njit


def fill_reference(points: np.ndarray, mask: np.ndarray) -> None:
    """Set the pixels of `mask` (H, W) bool whose middle is inside the polygon `points` (N, 2) float64, px: x, y."""
    height, width = mask.shape
    columns = np.arange(width)
    for row in range(height):
        first = [np.ceil(x - 0.5) for x in _crossings(points, row + 0.5)]
        left_of = np.array([columns < x for x in first]).reshape(-1, width)
        mask[row] |= left_of.sum(axis=0) % 2 == 1


def _crossings(points: np.ndarray, y: float) -> list[float]:
    found = []
    for (x_a, y_a), (x_b, y_b) in zip(points, np.roll(points, -1, axis=0)):
        if (y_a <= y) != (y_b <= y):
            found.append(x_a + (y - y_a) / (y_b - y_a) * (x_b - x_a))
    return found


@njit(nogil=True, cache=True)
def fill(points, mask):  # type: ignore[no-untyped-def]
    """The same as `fill_reference`."""
    height, width = mask.shape
    count = len(points)
    crossings = np.empty(count, dtype=np.float64)
    if count == 0:
        return
    low, high = points[:, 1].min(), points[:, 1].max()
    for row in range(max(0, int(max(low, -1.0)) - 1), int(min(high + 1.0, float(height)))):
        y, found = row + 0.5, 0
        for k in range(count):
            x_a, y_a = points[k]
            x_b, y_b = points[(k + 1) % count]
            if (y_a <= y) != (y_b <= y):
                crossings[found] = x_a + (y - y_a) / (y_b - y_a) * (x_b - x_a)
                found += 1
        edges = np.sort(crossings[:found])
        for k in range(0, found - 1, 2):
            begin = max(0.0, np.ceil(edges[k] - 0.5))
            end = min(float(width), np.ceil(edges[k + 1] - 0.5))
            for column in range(int(min(begin, float(width))), int(max(end, 0.0))):
                mask[row, column] = True


def warm_up() -> None:
    """Compile `fill`."""
    fill(np.zeros((3, 2), dtype=np.float64), np.zeros((1, 1), dtype=np.bool_))
