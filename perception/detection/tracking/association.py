"""Which box belongs to which track: the pairs with the largest sum of similarities."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

NOBODY = -1  # owner of a box that no track claims


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Rows and columns of a table of similarities that belong together, and those that are left, rising."""

    rows: np.ndarray  # (K,) int64
    columns: np.ndarray  # (K,) int64, of the same pairs
    rows_left: np.ndarray  # (N - K,) int64
    columns_left: np.ndarray  # (M - K,) int64


def assigned(similarity: np.ndarray, least: float) -> Pairs:
    """The best one-to-one pairs of `similarity` (N, M); those below `least` (> 0) count nothing and are no pairs."""
    gains = np.where(similarity >= least, similarity, 0.0)
    rows, columns = linear_sum_assignment(gains, maximize=True)
    is_pair = gains[rows, columns] > 0
    rows, columns = rows[is_pair].astype(np.int64), columns[is_pair].astype(np.int64)
    return Pairs(rows, columns, _others(rows, len(gains)), _others(columns, gains.shape[1]))


def _others(taken: np.ndarray, count: int) -> np.ndarray:
    is_left = np.ones(count, dtype=np.bool_)
    is_left[taken] = False
    return np.flatnonzero(is_left)


class Claims:
    """Which track each box belongs to, found in steps: what one step decides is not open in the next."""

    def __init__(self, num_tracks: int, num_boxes: int) -> None:
        self.owners = np.full(num_boxes, NOBODY, dtype=np.int64)  # row of a track by box
        self._is_free = np.ones(num_tracks, dtype=np.bool_)  # tracks without a box

    def open(self, may_claim: np.ndarray, is_offered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the tracks (of a mask (N,)) without a box, and of the boxes (of a mask (M,)) without a track."""
        return np.flatnonzero(may_claim & self._is_free), np.flatnonzero(is_offered & (self.owners == NOBODY))

    def make(self, similarity: np.ndarray, may_claim: np.ndarray, is_offered: np.ndarray, least: float) -> np.ndarray:
        """Give boxes to tracks by their `similarity` (N, M), if it is `least` or more; which boxes were given."""
        rows, columns = self.open(may_claim, is_offered)
        pairs = assigned(similarity[np.ix_(rows, columns)], least)
        self.owners[columns[pairs.columns]] = rows[pairs.rows]
        self._is_free[rows[pairs.rows]] = False
        return columns[pairs.columns]
