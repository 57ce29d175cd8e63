"""Which part of a foliage triangle is there: a cluster of leaves cut out by a small table, for beams and cameras alike.

The table is looked up by the barycentric coordinates of a point, `p = c0 + u * (c1 - c0) + v * (c2 - c0)`.
"""

import numba
import numpy as np

MASK_SIZE = 32  # cells along u and along v
_MIDDLE = (0.34, 0.33)  # u, v of the twig from which the leaves grow
_TIPS = (  # u, v of the tip of each leaf: into the corners, then towards the edges
    (0.97, 0.02),
    (0.03, 0.96),
    (0.02, 0.03),
    (0.50, 0.48),
    (0.02, 0.50),
    (0.47, 0.01),
    (0.74, 0.24),
    (0.22, 0.75),
)
_HALF_WIDTH = 0.19  # of a leaf, in parts of its length


def _drawn() -> np.ndarray:
    """The mask (v, u): True where the middle of a cell lies in one of the leaves."""
    v, u = (np.mgrid[:MASK_SIZE, :MASK_SIZE] + 0.5) / MASK_SIZE
    mask = np.zeros((MASK_SIZE, MASK_SIZE), dtype=np.bool_)
    for tip_u, tip_v in _TIPS:
        along_u, along_v = tip_u - _MIDDLE[0], tip_v - _MIDDLE[1]
        length = np.hypot(along_u, along_v)
        along = ((u - _MIDDLE[0]) * along_u + (v - _MIDDLE[1]) * along_v) / length**2
        across = ((v - _MIDDLE[1]) * along_u - (u - _MIDDLE[0]) * along_v) / length**2
        outline = _HALF_WIDTH * np.sin(np.pi * np.sqrt(np.clip(along, 0.0, 1.0)))  # widest near the base
        mask |= (along > 0.0) & (along < 1.0) & (np.abs(across) < outline)
    return mask


LEAF_MASK = _drawn()
"""(32, 32) bool, row by v and column by u."""
LEAF_BITS = (LEAF_MASK.astype(np.int64) << np.arange(MASK_SIZE)).sum(axis=1).astype(np.uint32)
"""The rows of `LEAF_MASK` as bits, for kernels."""


def covered(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """True where a foliage triangle is there, at barycentric coordinates of equal shape."""
    row = np.clip((np.asarray(v) * MASK_SIZE).astype(np.int64), 0, MASK_SIZE - 1)
    column = np.clip((np.asarray(u) * MASK_SIZE).astype(np.int64), 0, MASK_SIZE - 1)
    return LEAF_MASK[row, column]


@numba.njit(nogil=True, cache=True, inline="always")
def is_leaf_there(u, v):
    """`covered` for one point (float32), for kernels."""
    column = min(max(numba.int32(u * numba.float32(MASK_SIZE)), numba.int32(0)), numba.int32(MASK_SIZE - 1))
    row = min(max(numba.int32(v * numba.float32(MASK_SIZE)), numba.int32(0)), numba.int32(MASK_SIZE - 1))
    return (LEAF_BITS[row] >> numba.uint32(column)) & numba.uint32(1) != 0
