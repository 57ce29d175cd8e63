"""Where the level frame of satellite fixes lies in the map: the first alignment, before the graph estimates it.

Both verticals are gravity's, so a heading and an offset are left: Umeyama's closed form in the plane, weighted.
"""

from collections.abc import Callable

import numpy as np

from perception.core.geometry import apply, exp_so3, transform
from slam.graph.config import GnssConfig
from slam.graph.factors import Position


class DatumAligner:
    """Keeps fixes until they span enough ground."""

    def __init__(self, config: GnssConfig) -> None:
        self.config = config
        self.waiting: dict[int, Position] = {}

    def wait(self, factor_id: int, factor: Position) -> None:
        """Keep one fix."""
        self.waiting[factor_id] = factor

    def drop(self) -> list[int]:
        """Let go of the oldest where too many wait; returns their numbers."""
        dropped = list(self.waiting)[: max(len(self.waiting) - self.config.max_waiting, 0)]
        for factor_id in dropped:
            del self.waiting[factor_id]
        return dropped

    def take(self) -> dict[int, Position]:
        """Everything that waits; then nothing does."""
        waiting, self.waiting = self.waiting, {}
        return waiting

    def align(self, pose: Callable[[int], np.ndarray]) -> np.ndarray | None:
        """`T_map_enu` (4, 4), or None while the fixes are too few or too near each other."""
        if len(self.waiting) < self.config.min_fixes:
            return None
        fixes = list(self.waiting.values())
        enu = np.array([fix.p_enu for fix in fixes])
        if np.ptp(enu[:, :2], axis=0).max() < self.config.min_baseline:
            return None
        antennas = np.array([apply(pose(fix.pose_id), fix.p_base_antenna[None])[0] for fix in fixes])
        if np.ptp(antennas[:, :2], axis=0).max() < 0.5 * self.config.min_baseline:
            return None  # fixes that wander while the robot stands
        weights = np.array([np.trace(fix.information[:2, :2]) for fix in fixes])
        return level_alignment(enu, antennas, weights)


def level_alignment(source: np.ndarray, target: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """`T_target_source` (4, 4), a heading and an offset, that maps `source` (N, 3) onto `target` (N, 3) best."""
    weights = weights / weights.sum()
    centre_a, centre_b = weights @ source, weights @ target
    a, b = source - centre_a, target - centre_b
    sine = float(weights @ (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]))
    cosine = float(weights @ (a[:, 0] * b[:, 0] + a[:, 1] * b[:, 1]))
    R = exp_so3(np.array([0.0, 0.0, np.arctan2(sine, cosine)]))
    return transform(R, centre_b - R @ centre_a)
