"""Which box belongs to which track: the pairs with the largest sum of similarities."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Rows and columns of a table of similarities that belong together, and those that are left, rising."""

    rows: np.ndarray  # (K,) int64
    columns: np.ndarray  # (K,) int64, of the same pairs
    rows_left: np.ndarray  # (N - K,) int64
    columns_left: np.ndarray  # (M - K,) int64


def assigned(similarity: np.ndarray, least: float) -> Pairs:
    """The best one-to-one pairs of `similarity` (N, M); those below `least` (> 0) count nothing and are no pairs."""
    from scipy.optimize import linear_sum_assignment

    gains = np.where(similarity >= least, similarity, 0.0)
    rows, columns = linear_sum_assignment(gains, maximize=True)
    is_pair = gains[rows, columns] > 0
    rows, columns = rows[is_pair].astype(np.int64), columns[is_pair].astype(np.int64)
    return Pairs(rows, columns, _others(rows, len(gains)), _others(columns, gains.shape[1]))


def _others(taken: np.ndarray, count: int) -> np.ndarray:
    is_left = np.ones(count, dtype=np.bool_)
    is_left[taken] = False
    return np.flatnonzero(is_left)
