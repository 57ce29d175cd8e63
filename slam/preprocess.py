"""What happens to a scan before it is registered: unusable points are dropped, the rest is thinned out.

Section 5 of bev_lio_lc.md.
"""

import numpy as np
from numba import njit

from perception.core.types import check
from perception.kernels.voxels import VoxelScratch, voxel_indices
from slam.config import PreprocessConfig
from slam.kernels_hash import JIT

NO_RETURN = 1e-6  # m; a driver writes zeros where no echo came back


def thin(
    points: np.ndarray, offsets_ns: np.ndarray, config: PreprocessConfig, scratch: VoxelScratch
) -> tuple[np.ndarray, np.ndarray]:
    """`crop` and the voxel filter of the map in one pass: points (M, 3) float32 and their offsets (M,) int64.

    Voxels are those of the raw cloud: thinning comes before de-skewing, which is then needed for few points only.
    """
    check("offsets_ns", offsets_ns, (len(points),), np.int64)
    least = max(config.min_range, NO_RETURN)
    rows = voxel_indices(points, config.map_voxel_size, scratch, least, config.max_range)
    return np.take(points, rows, axis=0), np.take(offsets_ns, rows)


def crop(points: np.ndarray, offsets_ns: np.ndarray, config: PreprocessConfig) -> tuple[np.ndarray, np.ndarray]:
    """Points (M, 3) float32 and their offsets (M,) int64 with a range between the configured limits.

    NaN, Inf and points at zero range (no return) are dropped; the order is kept.
    """
    check("points", points, (None, 3), np.float32)
    check("offsets_ns", offsets_ns, (len(points),), np.int64)
    return _crop(
        np.require(points, requirements=("C", "W")),
        np.require(offsets_ns, requirements=("C", "W")),
        np.float32(config.min_range),
        np.float32(config.max_range),
    )


def crop_twin(points: np.ndarray, offsets_ns: np.ndarray, config: PreprocessConfig) -> tuple[np.ndarray, np.ndarray]:
    """The definition of `crop`."""
    with np.errstate(invalid="ignore", over="ignore"):
        squared = (points**2).sum(axis=1)
        keep = (squared >= np.float32(config.min_range) ** 2) & (squared <= np.float32(config.max_range) ** 2)
    keep &= squared > 0.0
    return points[keep], offsets_ns[keep]


@njit(**JIT)
def _crop(points, offsets_ns, min_range, max_range):
    out, times = np.empty_like(points), np.empty_like(offsets_ns)
    least, most = min_range * min_range, max_range * max_range
    num = 0
    for i in range(points.shape[0]):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        squared = x * x + y * y + z * z
        if squared >= least and squared <= most and squared > np.float32(0.0):  # false for NaN
            out[num, 0], out[num, 1], out[num, 2] = x, y, z
            times[num] = offsets_ns[i]
            num += 1
    return out[:num], times[:num]
