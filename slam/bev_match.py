"""Which keypoints of two bird's-eye images are the same, where a prediction says about where they lie.

What belongs to the sensor and not to the world (rings on the floor, walls that thin out with the range) looks the same
wherever the sensor is, and would say that it stands still. So a keypoint counts only where the image changes along the
direction that is asked for, not where it fits best as if the sensor had not moved; and one shift must explain clearly
more pairs than every other shift does.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

APART = 2.5  # times the distance within which shifts agree: another shift
PATCH = 3  # px to each side of a keypoint that must change
STEPS = (2, 3, 4)  # px along the direction


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """Keypoints of an image."""

    pixels: np.ndarray  # (N, 2) float64, whole columns and rows
    descriptors: np.ndarray  # (N, C) float32, unit vectors
    standing: np.ndarray  # (n, n) bool: where something stands


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """Where keypoints of an earlier image should lie in the new one."""

    pixels: np.ndarray  # (N, 2) float64, by the prediction
    unmoved: np.ndarray  # (N, 2) float64, if the sensor had only turned
    reach: float  # px, of the errors of the prediction


def change_along(sight: Sight, axes: np.ndarray) -> np.ndarray:
    """How much the image changes around each keypoint (N,), 0 to 1, when it is moved along unit vectors (K, 2), px.

    The least over the axes and some steps both ways; a smooth wall does not change along itself.
    """
    margin = PATCH + max(STEPS)
    padded = np.pad(sight.standing.astype(np.float32), margin)
    patches = sliding_window_view(padded, (2 * PATCH + 1, 2 * PATCH + 1))
    columns, rows = sight.pixels.astype(np.int64).T + margin - PATCH
    here, least = patches[rows, columns], np.ones(len(sight.pixels))
    for axis in axes:
        for step in (*STEPS, *(-step for step in STEPS)):
            column, row = np.rint(step * axis).astype(np.int64)
            there = patches[rows + row, columns + column]
            total = np.maximum((here + there).sum(axis=(1, 2)), 1.0)
            least = np.minimum(least, np.abs(here - there).sum(axis=(1, 2)) / total)
    return least


def pairs_near(now: Sight, before: Sight, expected: Expected, locked: float) -> tuple[np.ndarray, int]:
    """Pairs (P, 2) int64, rows of both, that are nearest to each other among those that the prediction allows.

    Those are nearer than the reach to where they should lie. Keypoints that are more like one within `locked` px of
    where that would lie without a motion are left out; how many that are comes second.
    """
    if len(now.pixels) == 0 or len(before.pixels) == 0:
        return np.zeros((0, 2), dtype=np.int64), 0
    is_near = _distances(now.pixels, expected.pixels) < expected.reach
    is_locked = _distances(now.pixels, expected.unmoved) < locked
    similarity = np.where(is_near | is_locked, now.descriptors @ before.descriptors.T, -np.inf)
    nearest, rows = similarity.argmax(axis=1), np.arange(len(similarity))
    is_mutual, is_still = similarity.argmax(axis=0)[nearest] == rows, is_locked[rows, nearest]
    is_good = is_mutual & is_near[rows, nearest] & ~is_still
    return np.stack([rows[is_good], nearest[is_good]], axis=1).astype(np.int64), int((is_mutual & is_still).sum())


def common_shift(shifts: np.ndarray, distance: float) -> tuple[np.ndarray, int]:
    """The shifts (P,) bool, of (P, 2), around which most lie within `distance`, and how many lie around the next best.

    The next best is another one: farther than `APART` distances from the best.
    """
    if len(shifts) == 0:
        return np.zeros(0, dtype=bool), 0
    gaps = _distances(shifts, shifts)
    counts = (gaps < distance).sum(axis=1)
    middle = shifts[gaps[counts.argmax()] < distance].mean(axis=0)
    away = np.linalg.norm(shifts - middle, axis=1)
    return away < distance, int(counts[away > APART * distance].max(initial=0))


def _distances(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(N, M) between (N, 2) and (M, 2)."""
    return np.hypot(*(points[:, None, k] - others[None, :, k] for k in (0, 1)))
