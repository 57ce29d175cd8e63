"""One sweep of the LiDAR on its way through the odometry, and when it ends."""

from dataclasses import dataclass

import numpy as np

from perception.core.types import Scan

SHORT = 0.5  # of the mean length; a shorter sweep lost its last points


@dataclass(frozen=True, slots=True, eq=False)
class Sweep:
    """The usable points of a scan, as measured, LiDAR frame."""

    start_ns: int
    end_ns: int
    points: np.ndarray  # (N, 3) float32, m
    offsets_ns: np.ndarray  # (N,) int64, after start_ns


class SweepClock:
    """Knows the mean length of the sweeps so far, which stands in where a scan does not tell its own (section 4.4)."""

    def __init__(self) -> None:
        self._total_ns = 0
        self._count = 0

    def end_of(self, scan: Scan) -> int:
        """Time of the end of the sweep: its largest offset, or the mean length where that is much shorter."""
        length_ns = scan.end_ns - scan.stamp_ns
        mean_ns = self._total_ns // self._count if self._count else 0
        if len(scan.points) <= 1 or length_ns < SHORT * mean_ns:
            return scan.stamp_ns + max(mean_ns, scan.duration_ns)
        self._total_ns += length_ns
        self._count += 1
        return scan.stamp_ns + length_ns
