"""Which key frames of a drive see the same place again."""

import numpy as np
from scipy.spatial import cKDTree

from perception.core.stamps import NS_PER_S

MAX_DISTANCE = 5.0  # m
MIN_GAP_NS = 30 * NS_PER_S
MIN_TRAVEL = 50.0  # m on the way between both


def loop_pairs(
    stamps_ns: np.ndarray,
    T_odom_base: np.ndarray,
    max_distance: float = MAX_DISTANCE,
    min_gap_ns: int = MIN_GAP_NS,
    min_travel: float = MIN_TRAVEL,
) -> np.ndarray:
    """Pairs (N, 2) int64 of key frames, the earlier one first, nearest pairs first.

    `stamps_ns` (K,) int64 ascending, `T_odom_base` (K, 4, 4) true poses. Both frames of a pair lie at most
    `max_distance` (m) apart, at least `min_gap_ns` in time, and the robot drove at least `min_travel` (m) in between,
    so that waiting closes no loop.
    """
    places = T_odom_base[:, :3, 3]
    travel = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(places, axis=0), axis=1)))[: len(places)]
    if len(places) == 0:
        return np.zeros((0, 2), dtype=np.int64)
    pairs = cKDTree(places).query_pairs(max_distance, output_type="ndarray").astype(np.int64).reshape(-1, 2)
    first, second = pairs.min(axis=1), pairs.max(axis=1)
    is_loop = (stamps_ns[second] - stamps_ns[first] >= min_gap_ns) & (travel[second] - travel[first] >= min_travel)
    first, second = first[is_loop], second[is_loop]
    distance = np.linalg.norm(places[first] - places[second], axis=1)
    order = np.lexsort((second, first, distance))
    return np.column_stack([first[order], second[order]])
