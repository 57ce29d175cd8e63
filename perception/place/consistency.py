"""Revisits that agree with one another: two true ones and the odometry between them close a cycle.

A false revisit may look right and fit right; in a self-similar world it does. It seldom agrees with another one. A
revisit waits until others agree with it (pairwise consistency, as Mangelson et al., ICRA 2018, reduced to counting).
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from perception.core.geometry import inverse, log_so3
from perception.place.config import VerificationConfig


@dataclass(frozen=True, slots=True, eq=False)
class Revisit:
    """A verified pair of keyframes, with where odometry has them. Rows are those of the index of places."""

    query: int
    reference: int
    T_reference_query: np.ndarray  # (4, 4)
    T_odom_query: np.ndarray  # (4, 4)
    T_odom_reference: np.ndarray  # (4, 4)
    query_path: float  # m of the path up to the keyframe
    reference_path: float
    reference_session: int = 0  # keyframes of one session share one odometry


class ConsistencyCheck:
    """Remembers recent revisits and lets those pass that enough others agree with."""

    def __init__(self, config: VerificationConfig) -> None:
        self.config = config
        self._recent: deque[tuple[Revisit, bool]] = deque(maxlen=config.recent)  # and whether it has passed

    def offer(self, revisit: Revisit) -> list[Revisit]:
        """The revisits that pass now: this one, and earlier ones that waited for it; none while it must wait."""
        agreeing = [k for k, (other, _) in enumerate(self._recent) if agree(revisit, other, self.config)]
        is_passed = len(agreeing) + 1 >= self.config.min_support
        released = []
        if is_passed:
            released = [self._recent[k][0] for k in agreeing if not self._recent[k][1]]
            for k in agreeing:
                self._recent[k] = (self._recent[k][0], True)
        self._recent.append((revisit, is_passed))
        return [*released, revisit] if is_passed else []

    def clear(self) -> None:
        """Forget everything, e.g. after a reset of the odometry."""
        self._recent.clear()


def agree(one: Revisit, other: Revisit, config: VerificationConfig) -> bool:
    """Whether the cycle of two revisits and the odometry between them closes, within what odometry may drift.

    Revisits of different sessions make no such cycle.
    """
    if one.reference_session != other.reference_session:
        return False
    shift, turn = cycle_error(one, other)
    path = abs(one.query_path - other.query_path) + abs(one.reference_path - other.reference_path)
    limit = config.cycle_distance + config.cycle_drift * path
    return shift <= limit and turn <= config.cycle_deg


def cycle_error(one: Revisit, other: Revisit) -> tuple[float, float]:
    """By how much (m, deg) the cycle reference 1 - query 1 - query 2 - reference 2 - reference 1 does not close."""
    T_q1_q2 = inverse(one.T_odom_query) @ other.T_odom_query
    T_r2_r1 = inverse(other.T_odom_reference) @ one.T_odom_reference
    cycle = one.T_reference_query @ T_q1_q2 @ inverse(other.T_reference_query) @ T_r2_r1
    return float(np.linalg.norm(cycle[:3, 3])), float(np.degrees(np.linalg.norm(log_so3(cycle[:3, :3]))))
