"""Distance of each point to the nearest of other points, up to a radius: a hash of cells as wide as the radius.

`nearest_distances_twin` is the definition.
"""

import numpy as np
from numba import njit

from perception.core.errors import InvalidInput
from perception.core.types import check

BITS = 21  # per axis of a packed cell
OFFSET = 1 << (BITS - 1)
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio
FOLD = np.uint64(32)
EMPTY = -1
JIT = {"nogil": True, "cache": True, "error_model": "numpy"}


def nearest_distances(points: np.ndarray, others: np.ndarray, radius: float) -> np.ndarray:
    """Distances (N,) float32 of points (N, 3) float32 to the nearest of others (M, 3) float32; inf beyond the radius.

    Points farther from the origin than 2^20 radii have no neighbours. Raises `InvalidInput`.
    """
    check("points", points, (None, 3), np.float32)
    check("others", others, (None, 3), np.float32)
    if not 0.0 < radius < np.inf:
        raise InvalidInput(f"radius: {radius} is not above 0 m; give one")
    found = np.empty(len(points), dtype=np.float32)
    _nearest(np.ascontiguousarray(points), np.ascontiguousarray(others), float(radius), found)
    return found


def nearest_distances_twin(points: np.ndarray, others: np.ndarray, radius: float) -> np.ndarray:
    """The definition of `nearest_distances`."""
    found = np.full(len(points), np.inf)
    for row, point in enumerate(points.astype(np.float64)):
        squared = ((others.astype(np.float64) - point) ** 2).sum(axis=1)
        squared = squared[squared <= radius * radius]
        if len(squared):
            found[row] = np.sqrt(squared.min())
    return found.astype(np.float32)


@njit(**JIT)
def _cell(value, inverse):  # type: ignore[no-untyped-def]
    """Number of the cell, or EMPTY for what cannot be packed."""
    cell = np.floor(np.float64(value) * inverse)
    if not (cell > -OFFSET + 1 and cell < OFFSET - 2):  # true for NaN
        return np.int64(EMPTY)
    return np.int64(cell) + OFFSET


@njit(**JIT)
def _slot(keys, key):  # type: ignore[no-untyped-def]
    mixed = np.uint64(key) * MULTIPLIER
    mask = np.int64(keys.shape[0] - 1)
    slot = np.int64((mixed ^ (mixed >> FOLD)) & np.uint64(mask))
    while keys[slot] != EMPTY and keys[slot] != key:
        slot = (slot + 1) & mask
    return slot


@njit(**JIT)
def _nearest(points, others, radius, found):  # type: ignore[no-untyped-def]
    size = 16
    while size < 2 * others.shape[0]:
        size *= 2
    keys, heads = np.full(size, EMPTY, np.int64), np.full(size, EMPTY, np.int64)
    following = np.full(others.shape[0], EMPTY, np.int64)
    inverse = 1.0 / radius
    for i in range(others.shape[0]):
        x, y, z = _cell(others[i, 0], inverse), _cell(others[i, 1], inverse), _cell(others[i, 2], inverse)
        if x < 0 or y < 0 or z < 0:
            continue
        key = (((x << BITS) | y) << BITS) | z
        slot = _slot(keys, key)
        keys[slot] = key
        following[i] = heads[slot]
        heads[slot] = i
    for n in range(points.shape[0]):
        best = radius * radius
        has = False
        px, py, pz = np.float64(points[n, 0]), np.float64(points[n, 1]), np.float64(points[n, 2])
        x, y, z = _cell(px, inverse), _cell(py, inverse), _cell(pz, inverse)
        found[n] = np.float32(np.inf)
        if x < 0 or y < 0 or z < 0:
            continue
        for dx in range(-1, 2):
            for dy in range(-1, 2):
                for dz in range(-1, 2):
                    slot = _slot(keys, ((((x + dx) << BITS) | (y + dy)) << BITS) | (z + dz))
                    i = heads[slot]
                    while i != EMPTY:
                        ex, ey, ez = others[i, 0] - px, others[i, 1] - py, others[i, 2] - pz
                        squared = ex * ex + ey * ey + ez * ez
                        if squared <= best:
                            best, has = squared, True
                        i = following[i]
        if has:
            found[n] = np.float32(np.sqrt(best))


def warm_up() -> None:
    """Compile the kernel with the types of `nearest_distances`."""
    point = np.zeros((1, 3), dtype=np.float32)
    nearest_distances(point, point, 1.0)
