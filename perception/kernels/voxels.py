"""Voxel filter: one point per occupied voxel, in the order in which voxels are first met.

A single pass over a hash table that is never cleared: entries carry the number of the call that wrote them. Voxels
of a block of 2 x 2 x 2 lie side by side in one cache line, as neighbours in a scan mostly do in space.
"""

import numpy as np
from numba import njit

from perception.core.types import check

BITS = 16  # per axis of a packed key
HALF = 1 << (BITS - 1)  # voxel coordinates run from -HALF to HALF - 1
LIMIT = float(HALF - 1)  # voxels; points farther from the origin are left out
MAX_REACH = 1e18  # m
CALL_BITS = 16
CALLS = 1 << CALL_BITS
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio
FOLD = np.uint64(32)
JIT = {"nogil": True, "cache": True, "error_model": "numpy"}


class VoxelScratch:
    """Memory of the filter, reused from call to call and grown when a cloud is larger than any before."""

    def __init__(self) -> None:
        self.table = np.zeros(0, dtype=np.int64)  # key << CALL_BITS | call number
        self.rows = np.zeros(0, dtype=np.int32)  # output row of the voxel in that slot
        self.found = np.zeros(0, dtype=np.int32)  # indices of the points that were first
        self.call = 0

    def reserve(self, num_points: int) -> None:
        """Make the table at least twice as large as the cloud and begin a new call."""
        self.call += 1
        size = max(1 << (2 * max(num_points, 1) - 1).bit_length(), 8)
        if len(self.table) < size:
            self.table, self.rows = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int32)
            self.found = np.zeros(size // 2 + 1, dtype=np.int32)  # one more: the kernel writes before it counts
            self.call = 1
        elif self.call == CALLS:
            self.table[:] = 0
            self.call = 1


def voxel_indices(
    points: np.ndarray,
    voxel_size: float,
    scratch: VoxelScratch,
    min_range: float = 0.0,
    max_range: float = np.inf,
) -> np.ndarray:
    """Row numbers (M,) int32 of the first point in each occupied voxel, ascending.

    `points` (N, 3) float32, m. Voxels are aligned to multiples of `voxel_size` (m). Points that are not finite, with
    a range outside the limits (m), or farther than 2^15 voxels from the origin are left out. The result is a view
    of the scratch, good until its next use.
    """
    check("points", points, (None, 3), np.float32)
    scratch.reserve(len(points))
    num = _first_points(
        np.require(points, requirements=("C", "W")),
        np.float32(1.0 / voxel_size),
        np.float32(min_range),
        _reach(max_range, voxel_size),
        scratch.table,
        scratch.call,
        scratch.found,
    )
    return scratch.found[:num]


def voxel_downsample(points: np.ndarray, voxel_size: float, scratch: VoxelScratch) -> np.ndarray:
    """Centroids (M, 3) float32 of the points in each occupied voxel, otherwise as `voxel_indices`."""
    check("points", points, (None, 3), np.float32)
    scratch.reserve(len(points))
    return _centroids(
        np.require(points, requirements=("C", "W")),
        np.float32(1.0 / voxel_size),
        _reach(np.inf, voxel_size),
        scratch.table,
        scratch.rows,
        scratch.call,
    )


def _reach(max_range: float, voxel_size: float) -> np.float32:
    """Largest range (m) whose voxels can be packed and whose square is finite."""
    return np.float32(min(max_range, LIMIT * voxel_size, MAX_REACH))


@njit(**JIT)
def _key(x, y, z, inverse):
    """Packed voxel coordinates, the lowest bit of each axis in the lowest three bits."""
    ix = np.int64(np.floor(x * inverse)) + HALF
    iy = np.int64(np.floor(y * inverse)) + HALF
    iz = np.int64(np.floor(z * inverse)) + HALF
    block = ((ix >> 1) << (2 * BITS)) | ((iy >> 1) << BITS) | (iz >> 1)
    return (block << 3) | ((ix & 1) << 2) | ((iy & 1) << 1) | (iz & 1)


@njit(**JIT)
def _slot(table, call, key):
    """Slot where this call keeps the voxel, or would keep it: then the entry there is one of another call."""
    folded = np.uint64(key >> 3) * MULTIPLIER
    folded ^= folded >> FOLD
    mask = table.shape[0] - 1
    slot = np.int64(((folded << np.uint64(3)) | np.uint64(key & 7)) & np.uint64(mask))
    wanted = (key << CALL_BITS) | call
    while table[slot] != wanted and table[slot] & (CALLS - 1) == call:
        slot = (slot + 1) & mask
    return slot


@njit(**JIT)
def _first_points(points, inverse, min_range, max_range, table, call, found):
    """Whether a voxel is new cannot be foretold, so it is counted and never branched on."""
    least, most = min_range * min_range, max_range * max_range
    num = np.int64(0)
    for i in range(points.shape[0]):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        squared = x * x + y * y + z * z
        if not (squared >= least and squared <= most):  # true for NaN
            continue
        key = _key(x, y, z, inverse)
        slot = _slot(table, call, key)
        entry, wanted = table[slot], (key << CALL_BITS) | call
        table[slot] = wanted
        found[num] = i
        num += np.int64(entry != wanted)
    return num


@njit(**JIT)
def _centroids(points, inverse, max_range, table, rows, call):
    most = max_range * max_range
    first = np.empty((points.shape[0], 3), np.float32)
    sums = np.empty((points.shape[0], 4), np.float32)  # of the offsets from the first point, and their number
    num = row = np.int64(0)
    last = np.int64(-1)
    for i in range(points.shape[0]):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        if not x * x + y * y + z * z <= most:  # true for NaN
            continue
        key = _key(x, y, z, inverse)
        if key != last:
            last = key
            slot = _slot(table, call, key)
            if table[slot] != (key << CALL_BITS) | call:
                table[slot] = (key << CALL_BITS) | call
                row = num
                rows[slot] = row
                num += 1
                first[row, 0], first[row, 1], first[row, 2] = x, y, z
                sums[row, 0] = sums[row, 1] = sums[row, 2] = np.float32(0.0)
                sums[row, 3] = np.float32(1.0)
                continue
            row = np.int64(rows[slot])
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


def _cells(
    points: np.ndarray, voxel_size: float, min_range: float = 0.0, max_range: float = np.inf
) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(invalid="ignore", over="ignore"):
        squared = points[:, 0] ** 2 + points[:, 1] ** 2 + points[:, 2] ** 2
        limits = np.float32(min_range), _reach(max_range, voxel_size)
        usable = (squared >= limits[0] ** 2) & (squared <= limits[1] ** 2)
        return np.floor(points * np.float32(1.0 / voxel_size)), usable


def voxel_indices_twin(
    points: np.ndarray, voxel_size: float, min_range: float = 0.0, max_range: float = np.inf
) -> np.ndarray:
    """The definition of `voxel_indices`."""
    cells, usable = _cells(points, voxel_size, min_range, max_range)
    rows = np.flatnonzero(usable)
    _, first = np.unique(cells[rows].astype(np.int64), axis=0, return_index=True)
    return np.sort(rows[first]).astype(np.int32)


def voxel_downsample_twin(points: np.ndarray, voxel_size: float) -> np.ndarray:
    """The definition of `voxel_downsample`."""
    cells, usable = _cells(points, voxel_size)
    firsts = voxel_indices_twin(points, voxel_size)
    out = [points[usable & (cells == cells[i]).all(axis=1)].astype(np.float64).mean(axis=0) for i in firsts]
    return np.array(out, dtype=np.float32).reshape(-1, 3)
