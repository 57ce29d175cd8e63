"""Ahead-of-time compilation of the Numba kernels of the odometry, so that the first scan is as fast as the others.

The kernels live in `kernels_hash` (voxel hash), `kernels_planes` and `kernels_knn` (the two maps),
`kernels_registration`, `kernels_deskew` and `perception.kernels.voxels`. Numba keeps the compiled code in
`NUMBA_CACHE_DIR` or beside the sources; it is specific to the processor.
"""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from slam.config import MapConfig


def warm_up(num_threads: int = 1) -> None:
    """Compile every kernel, or load it from the cache, by running the whole chain on a few points.

    Called at installation and when a node is configured. Kernels for several threads are included when
    `num_threads` asks for them.
    """
    from perception.kernels.voxels import VoxelScratch, voxel_downsample, voxel_indices
    from slam.config import MapConfig, PreprocessConfig
    from slam.deskew import Motion, deskew
    from slam.preprocess import crop

    points = np.array([[x, y, 0.0] for x in range(2, 6) for y in range(4)], dtype=np.float32)
    offsets_ns = np.zeros(len(points), dtype=np.int64)
    points, offsets_ns = crop(points, offsets_ns, PreprocessConfig())
    still = np.zeros((2, 3))
    motion = Motion(np.array([0, 10], dtype=np.int64), np.stack((np.eye(3), np.eye(3))), still, still, still, still)
    points = deskew(points, offsets_ns, 0, motion, np.eye(4))
    scratch = VoxelScratch()
    voxel_indices(points, 0.1, scratch)
    points = voxel_downsample(points, 0.1, scratch)
    _warm_up_map(MapConfig(), points, num_threads)
    _warm_up_map(MapConfig(mode="knn5"), points, num_threads)


def _warm_up_map(config: "MapConfig", points: np.ndarray, num_threads: int) -> None:
    from slam.config import RegistrationConfig
    from slam.local_map import LocalMap
    from slam.registration import Registration

    local_map, eye, zero = LocalMap(config), np.eye(3), np.zeros(3)
    local_map.insert(points, np.eye(4))
    local_map.insert(points, np.eye(4))
    for threads in {1, num_threads}:
        registration = Registration(RegistrationConfig(num_threads=threads))
        registration.associate(local_map, points, eye, zero, eye, zero)
        registration.linearise(points, eye, zero, eye, zero)
        registration.linearise(points, eye, zero, eye, zero, with_extrinsics=True)
    local_map.store.shift(np.zeros(3, dtype=np.int64))
    local_map.evict(np.full(3, 2.0 * config.keep_range))
