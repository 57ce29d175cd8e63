"""Bird's-eye images of scans: x (forward) is up, y (left) is left, brightness says how much stands in a cell.

Section 9 of bev_lio_lc.md. A voxel filter evens out the density of the points first, so that a wall looks alike from
near and far. Both published rules are here: that of the script with which the weights were trained (BEVPlace++), and
that of the node (BEV-LIO). The image of a tilted sensor is made level by a rotation that the caller knows.
"""

import numpy as np
from numba import njit

from perception.core.types import check
from perception.place.config import BevConfig

CAPS = {"bevplace": 10, "bevlio": 15}  # voxels above a cell beyond which it is as bright as can be
WHITE = 255.0
HALF_VOXEL = 0.5
KEY_BITS = 21  # per axis of a packed voxel
KEY_OFFSET = 1 << (KEY_BITS - 1)
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio
FOLD = np.uint64(29)
EMPTY = np.int64(-1)
JIT = {"nogil": True, "cache": True, "error_model": "numpy"}


def bev_image(points: np.ndarray, config: BevConfig, R_level_lidar: np.ndarray | None = None) -> np.ndarray:
    """The bird's-eye image (side, side) uint8 of points (N, 3) float32, m, in the frame of the LiDAR.

    `R_level_lidar` (3, 3) turns the points first, e.g. by roll and pitch of the filter so that z points up; heights
    are those after it. Points that are not finite, or outside of the image, are left out.
    """
    return shaded(bev_counts(points, config, R_level_lidar), config)


def bev_counts(points: np.ndarray, config: BevConfig, R_level_lidar: np.ndarray | None = None) -> np.ndarray:
    """Occupied voxels above each cell (side, side) int32, by their mean point and without a cap; as `bev_image`."""
    check("points", points, (None, 3), np.float32)
    counts = np.zeros((config.side, config.side), dtype=np.int32)
    _count(np.ascontiguousarray(points), _rotation(R_level_lidar), *_numbers(config), counts)
    return counts


def shaded(counts: np.ndarray, config: BevConfig) -> np.ndarray:
    """Brightness (n, n) uint8 of counts (n, n) by the rule of the configuration; the fullest cell is white."""
    capped = np.minimum(counts, CAPS[config.rule])
    if config.rule == "bevlio":
        capped = np.where(capped > 1, capped, 0)
    most = int(capped.max(initial=0))
    return np.rint(capped * (WHITE / max(most, 1))).astype(np.uint8)


def cell_centres(pixels: np.ndarray, config: BevConfig) -> np.ndarray:
    """Middles (N, 2) float64 of pixels (N, 2), column and row, as x and y in metres of the level sensor."""
    return (config.first + HALF_VOXEL - np.asarray(pixels, dtype=np.float64)[:, ::-1]) * config.resolution


def bev_counts_twin(points: np.ndarray, config: BevConfig, R_level_lidar: np.ndarray | None = None) -> np.ndarray:
    """The definition of `bev_counts`."""
    R = _rotation(R_level_lidar)
    resolution, voxel_size, extent, low, high, first, is_cropped = _numbers(config)
    with np.errstate(invalid="ignore", over="ignore"):
        x, y, z = np.asarray(points, dtype=np.float64).T
        x, y, z = (R[k, 0] * x + R[k, 1] * y + R[k, 2] * z for k in range(3))
        reach = extent if is_cropped else extent + 2.0 * voxel_size
        keep = (np.abs(x) < reach) & (np.abs(y) < reach) & (z > low) & (z < high)
    kept = np.stack([x[keep], y[keep], z[keep]], axis=1)
    counts = np.zeros((config.side, config.side), dtype=np.int32)
    if not len(kept):
        return counts
    origin = kept.min(axis=0) - HALF_VOXEL * voxel_size if is_cropped else np.zeros(3)
    voxels = np.floor((kept - origin) / voxel_size).astype(np.int64)
    _, voxel_of, sizes = np.unique(voxels, axis=0, return_inverse=True, return_counts=True)
    means = [np.bincount(voxel_of.ravel(), kept[:, axis]) / sizes for axis in range(2)]
    rows, columns = (first - np.floor(mean / resolution).astype(np.int64) for mean in means)
    inside = (rows >= 0) & (rows < config.side) & (columns >= 0) & (columns < config.side)
    np.add.at(counts, (rows[inside], columns[inside]), 1)
    return counts


def _rotation(R_level_lidar: np.ndarray | None) -> np.ndarray:
    if R_level_lidar is None:
        return np.eye(3)
    R = np.ascontiguousarray(R_level_lidar, dtype=np.float64)
    check("R_level_lidar", R, (3, 3), np.float64)
    return R


def _numbers(config: BevConfig) -> tuple[float, float, float, float, float, int, bool]:
    """What the kernel reads: the rule of the script crops in all axes and begins its voxels at the lowest point."""
    is_cropped = config.rule == "bevplace"
    low, high = config.min_height, config.max_height
    if is_cropped:
        low, high = max(low, -config.extent), min(high, config.extent)
    return config.resolution, config.voxel_size, config.extent, low, high, config.first, is_cropped


@njit(**JIT)
def _count(points, R, resolution, voxel_size, extent, low, high, first, is_cropped, counts):  # type: ignore[no-untyped-def]
    """Fill `counts`. Two passes: which points count and where voxels begin, then the mean of each voxel."""
    reach = extent if is_cropped else extent + 2.0 * voxel_size
    kept = np.empty((points.shape[0], 3), np.float64)
    num = 0
    x0 = y0 = z0 = np.inf
    for i in range(points.shape[0]):
        px, py, pz = np.float64(points[i, 0]), np.float64(points[i, 1]), np.float64(points[i, 2])
        x = R[0, 0] * px + R[0, 1] * py + R[0, 2] * pz
        y = R[1, 0] * px + R[1, 1] * py + R[1, 2] * pz
        z = R[2, 0] * px + R[2, 1] * py + R[2, 2] * pz
        if not (abs(x) < reach and abs(y) < reach and z > low and z < high):  # true for NaN
            continue
        kept[num, 0], kept[num, 1], kept[num, 2] = x, y, z
        x0, y0, z0 = min(x0, x), min(y0, y), min(z0, z)
        num += 1
    if is_cropped:
        half = HALF_VOXEL * voxel_size
        x0, y0, z0 = x0 - half, y0 - half, z0 - half
    else:
        x0 = y0 = z0 = 0.0
    size = 16
    while size < 2 * num:
        size *= 2
    keys = np.full(size, EMPTY, np.int64)
    sums = np.zeros((size, 3), np.float64)  # x, y, number of points
    for i in range(num):
        x, y = kept[i, 0], kept[i, 1]
        ix = np.int64(np.floor((x - x0) / voxel_size)) + KEY_OFFSET
        iy = np.int64(np.floor((y - y0) / voxel_size)) + KEY_OFFSET
        iz = np.int64(np.floor((kept[i, 2] - z0) / voxel_size)) + KEY_OFFSET
        key = (((ix << KEY_BITS) | iy) << KEY_BITS) | iz
        mixed = np.uint64(key) * MULTIPLIER
        slot = np.int64((mixed ^ (mixed >> FOLD)) & np.uint64(size - 1))
        while keys[slot] != EMPTY and keys[slot] != key:
            slot = (slot + 1) & (size - 1)
        keys[slot] = key
        sums[slot, 0] += x
        sums[slot, 1] += y
        sums[slot, 2] += 1.0
    for slot in range(size):
        if keys[slot] == EMPTY:
            continue
        row = first - np.int64(np.floor(sums[slot, 0] / sums[slot, 2] / resolution))
        column = first - np.int64(np.floor(sums[slot, 1] / sums[slot, 2] / resolution))
        if 0 <= row < counts.shape[0] and 0 <= column < counts.shape[1]:
            counts[row, column] += 1


def warm_up() -> None:
    """Compile the kernel with the types of `bev_counts`."""
    for rule in CAPS:
        bev_counts(np.zeros((1, 3), dtype=np.float32), BevConfig(rule=rule))
