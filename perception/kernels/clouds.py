"""From the strided fields of a point cloud message to dense points and times, in one pass over its bytes.

`gather` is the Numba kernel, `gather_reference` its definition in plain NumPy.
"""

import numpy as np
from numba import njit

WILD_NS = 10_000_000_000.0  # a time farther than this from its reference is no time of a sweep
TIME_TYPES = (np.uint32, np.float32, np.float64)  # what drivers use; others go through `gather_reference`


def gather_reference(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, time: np.ndarray, reference: float, to_ns: float
) -> tuple[np.ndarray, np.ndarray, int]:
    """Points (N, 3) float32 and offsets (N,) int64 ns of the usable ones, and how many had a wild time.

    `x y z time` are (height, width) views; the offset is `(time - reference) * to_ns`, rounded to the nearest. Points
    that are not finite or exactly zero, and points whose offset is not finite or beyond `WILD_NS`, are left out.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        points = np.stack([x.ravel(), y.ravel(), z.ravel()], axis=1).astype(np.float32, copy=False)
        offsets = (time.ravel().astype(np.float64) - reference) * to_ns
        wild = ~(np.abs(offsets) <= WILD_NS)
        usable = np.isfinite(points).all(axis=1) & (points != 0.0).any(axis=1)
    keep = usable & ~wild
    return points[keep], np.rint(offsets[keep]).astype(np.int64), int((usable & wild).sum())


@njit(nogil=True, cache=True)
def gather(x, y, z, time, reference, to_ns):  # type: ignore[no-untyped-def]
    """The same as `gather_reference` for float32 `x y z`; compiled once for each of `TIME_TYPES`."""
    height, width = x.shape
    points = np.empty((height * width, 3), dtype=np.float32)
    offsets = np.empty(height * width, dtype=np.int64)
    count = 0
    num_wild = 0
    for row in range(height):
        for column in range(width):
            px, py, pz = x[row, column], y[row, column], z[row, column]
            if not (np.isfinite(px) and np.isfinite(py) and np.isfinite(pz)):
                continue
            if px == 0.0 and py == 0.0 and pz == 0.0:
                continue
            offset = (np.float64(time[row, column]) - reference) * to_ns
            if not abs(offset) <= WILD_NS:
                num_wild += 1
                continue
            points[count, 0], points[count, 1], points[count, 2] = px, py, pz
            offsets[count] = np.int64(np.rint(offset))
            count += 1
    return points[:count], offsets[:count], num_wild


def warm_up() -> None:
    """Compile `gather` for every type of time."""
    raw = bytes(64)
    x = np.ndarray((2, 2), np.float32, raw, 0, (32, 16))
    for dtype in TIME_TYPES:
        gather(x, x, x, np.ndarray((2, 2), dtype, raw, 0, (32, 16)), 0.0, 1.0)
