"""Voxel filter: one point per occupied voxel, in the order in which voxels are first met.

A single pass over a hash table that is never cleared: entries carry the number of the call that wrote them.
"""

import numpy as np
from numba import njit

from perception.core.types import check

BITS = 21  # per axis of a packed key: +-2^20 voxels
HALF = 1 << (BITS - 1)
LIMIT = float(HALF - 1)
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio
FOLD = np.uint64(32)


class VoxelScratch:
    """Memory of the filter, reused from call to call and grown when a cloud is larger than any before."""

    def __init__(self) -> None:
        self.table = np.zeros((0, 2), dtype=np.int64)  # key; call number << 32 | output row
        self.call = 0

    def reserve(self, num_points: int) -> None:
        """Make the table at least twice as large as the cloud and begin a new call."""
        self.call += 1
        size = 1 << (2 * max(num_points, 1) - 1).bit_length()
        if len(self.table) < size or self.call >= 1 << 31:
            self.table = np.zeros((size, 2), dtype=np.int64)
            self.call = 1


def voxel_indices(points: np.ndarray, voxel_size: float, scratch: VoxelScratch) -> np.ndarray:
    """Row numbers (M,) int32 of the first point in each occupied voxel, ascending.

    `points` (N, 3) float32, m. Voxels are aligned to multiples of `voxel_size` (m); indices are 64 bit. Points that
    are not finite or farther than 2^20 voxels from the origin are left out.
    """
    check("points", points, (None, 3), np.float32)
    scratch.reserve(len(points))
    return _first_points(np.ascontiguousarray(points), 1.0 / voxel_size, scratch.table, scratch.call)


def voxel_downsample(points: np.ndarray, voxel_size: float, scratch: VoxelScratch) -> np.ndarray:
    """Centroids (M, 3) float32 of the points in each occupied voxel, otherwise as `voxel_indices`."""
    check("points", points, (None, 3), np.float32)
    scratch.reserve(len(points))
    return _centroids(np.ascontiguousarray(points), 1.0 / voxel_size, scratch.table, scratch.call)


@njit(nogil=True, cache=True, error_model="numpy")
def _row(table, call, key, new):
    """Output row of a voxel; `new` when this call meets it for the first time."""
    folded = np.uint64(key)
    folded ^= folded >> FOLD
    folded *= MULTIPLIER
    folded ^= folded >> FOLD
    mask = table.shape[0] - 1
    slot = np.int64(folded & np.uint64(mask))
    while True:
        entry = table[slot, 1]
        if entry >> 32 != call:
            table[slot, 0] = key
            table[slot, 1] = (call << 32) | new
            return new
        if table[slot, 0] == key:
            return entry & 0xFFFFFFFF
        slot = (slot + 1) & mask


@njit(nogil=True, cache=True, error_model="numpy")
def _first_points(points, inverse, table, call):
    out = np.empty(points.shape[0], np.int32)
    num = np.int64(0)
    last = np.int64(-1)
    for i in range(points.shape[0]):
        fx = np.floor(points[i, 0] * inverse)
        fy = np.floor(points[i, 1] * inverse)
        fz = np.floor(points[i, 2] * inverse)
        if not (abs(fx) < LIMIT and abs(fy) < LIMIT and abs(fz) < LIMIT):  # false for NaN too
            continue
        key = ((np.int64(fx) + HALF) << (2 * BITS)) | ((np.int64(fy) + HALF) << BITS) | (np.int64(fz) + HALF)
        if key == last:
            continue
        last = key
        if _row(table, call, key, num) == num:
            out[num] = i
            num += 1
    return out[:num].copy()


@njit(nogil=True, cache=True, error_model="numpy")
def _centroids(points, inverse, table, call):
    first = np.empty((points.shape[0], 3), np.float32)
    sums = np.empty((points.shape[0], 4), np.float32)  # of the offsets from the first point, and their number
    num = row = np.int64(0)
    last = np.int64(-1)
    for i in range(points.shape[0]):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        fx, fy, fz = np.floor(x * inverse), np.floor(y * inverse), np.floor(z * inverse)
        if not (abs(fx) < LIMIT and abs(fy) < LIMIT and abs(fz) < LIMIT):
            continue
        key = ((np.int64(fx) + HALF) << (2 * BITS)) | ((np.int64(fy) + HALF) << BITS) | (np.int64(fz) + HALF)
        if key != last:
            row = _row(table, call, key, num)
            last = key
            if row == num:
                num += 1
                first[row, 0], first[row, 1], first[row, 2] = x, y, z
                sums[row, 0] = sums[row, 1] = sums[row, 2] = np.float32(0.0)
                sums[row, 3] = np.float32(1.0)
                continue
        sums[row, 0] += x - first[row, 0]
        sums[row, 1] += y - first[row, 1]
        sums[row, 2] += z - first[row, 2]
        sums[row, 3] += np.float32(1.0)
    out = np.empty((num, 3), np.float32)
    for row in range(num):
        scale = np.float32(1.0) / sums[row, 3]
        for axis in range(3):
            out[row, axis] = first[row, axis] + sums[row, axis] * scale
    return out


def voxel_indices_twin(points: np.ndarray, voxel_size: float) -> np.ndarray:
    """The definition of `voxel_indices`."""
    with np.errstate(invalid="ignore", over="ignore"):
        cells = np.floor(points.astype(np.float64) * (1.0 / voxel_size))
        usable = np.flatnonzero((np.abs(cells) < LIMIT).all(axis=1))
    _, first = np.unique(cells[usable].astype(np.int64), axis=0, return_index=True)
    return np.sort(usable[first]).astype(np.int32)


def voxel_downsample_twin(points: np.ndarray, voxel_size: float) -> np.ndarray:
    """The definition of `voxel_downsample`."""
    first = voxel_indices_twin(points, voxel_size)
    with np.errstate(invalid="ignore", over="ignore"):
        cells = np.floor(points.astype(np.float64) * (1.0 / voxel_size))
    out = [points[(cells == cells[i]).all(axis=1)].astype(np.float64).mean(axis=0) for i in first]
    return np.array(out, dtype=np.float32).reshape(-1, 3)
