"""The runs that a map is made of, and the loops within and between them, read from its factors."""

import numpy as np

from slam.graph.factors import Between
from slam.maps.folder import MapFolder


def sessions_of(folder: MapFolder) -> list[np.ndarray]:
    """Numbers (N,) int64 of the keyframes of each run: odometry leads to each from the number before."""
    ids = np.array(sorted(folder.keyframes), dtype=np.int64)
    led = {b for a, b in _pairs(folder, "odometry") if a == b - 1}
    breaks = [row for row in range(1, len(ids)) if int(ids[row]) not in led]
    return np.split(ids, breaks) if len(ids) else []


def ties_of(folder: MapFolder) -> np.ndarray:
    """The keyframes (T, 2) int64 by which a session hangs on an earlier one."""
    pairs = [pair for pair in _pairs(folder, "odometry") if pair[0] != pair[1] - 1]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def loops_of(folder: MapFolder) -> np.ndarray:
    """The keyframes (L, 2) int64 that each loop joins which counts."""
    return np.array(_pairs(folder, "loop"), dtype=np.int64).reshape(-1, 2)


def _pairs(folder: MapFolder, kind: str) -> list[tuple[int, int]]:
    factors = (entry.factor for entry in folder.entries())
    return [(f.from_id, f.to_id) for f in factors if isinstance(f, Between) and f.kind == kind]
