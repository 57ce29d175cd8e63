"""How well places are found again: recall of the nearest, precision and recall over all thresholds.

A query counts if the reference holds a place within the radius. A right answer lies within the radius, whatever its
similarity; the curve of precision and recall ranks the best answers of all queries, those without a right one included.
"""

from dataclasses import dataclass

import numpy as np

from perception.core.errors import InvalidInput

Z95 = 1.959964  # of the normal distribution, two-sided 95 %


@dataclass(frozen=True, slots=True, eq=False)
class PlaceScores:
    """What was found."""

    num_queries: int  # that have a right answer
    recall_at_1: float
    interval: tuple[float, float]  # 95 %, by Wilson
    recall_at_full_precision: float  # share of those queries accepted before the first wrong answer
    precisions: np.ndarray  # (Q,) by falling similarity of the best answer
    recalls: np.ndarray  # (Q,)


def judge_places(similarity: np.ndarray, distances: np.ndarray, eligible: np.ndarray, radius: float) -> PlaceScores:
    """Scores of similarities (Q, R) of places whose true distances (Q, R), m, are known; only `eligible` pairs count.

    Raises `InvalidInput` where no query has a right answer.
    """
    if not similarity.shape == distances.shape == eligible.shape or similarity.ndim != 2:
        raise InvalidInput(
            f"similarity {similarity.shape}, distances {distances.shape}, eligible {eligible.shape} differ"
        )
    has_any = eligible.any(axis=1)
    has_right = (eligible & (distances <= radius)).any(axis=1)
    if not has_right.any():
        raise InvalidInput(f"places: no query has an eligible place within {radius} m; give a drive with revisits")
    seen = np.where(eligible, similarity, -np.inf)
    best = seen.argmax(axis=1)
    rows = np.arange(len(best))
    is_right = has_right & (distances[rows, best] <= radius)
    num, hits = int(has_right.sum()), int(is_right.sum())
    order = np.argsort(-seen[rows, best][has_any], kind="stable")
    ranked = is_right[has_any][order]
    right = np.cumsum(ranked)
    precisions, recalls = right / np.arange(1, len(ranked) + 1), right / num
    wrong = np.flatnonzero(~ranked)
    full = right[wrong[0] - 1] if len(wrong) and wrong[0] else (0 if len(wrong) else hits)
    return PlaceScores(num, hits / num, wilson(hits, num), float(full) / num, precisions, recalls)


def wilson(hits: int, num: int) -> tuple[float, float]:
    """The 95 % interval of a share of `hits` among `num`."""
    share, squared = hits / num, Z95 * Z95 / num
    middle = (share + squared / 2) / (1 + squared)
    half = Z95 / (1 + squared) * np.sqrt(share * (1 - share) / num + squared / (4 * num))
    return float(max(0.0, middle - half)), float(min(1.0, middle + half))
