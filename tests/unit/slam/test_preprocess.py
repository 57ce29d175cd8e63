"""What is left of a scan before it is registered."""

import numpy as np
import pytest

from perception.core.errors import InvalidInput
from perception.core.types import Scan, SensorRig
from perception.kernels.voxels import VoxelScratch, voxel_indices_twin
from slam.config import OdometryConfig, PreprocessConfig
from slam.odometry import LidarInertialOdometry
from slam.preprocess import NO_RETURN, thin


def cloud(seed: int) -> np.ndarray:
    points = np.random.default_rng(seed).normal(0, 30, (5000, 3)).astype(np.float32)
    points[::50] = 0.0
    points[1::50] = np.nan
    points[2::50, 1] = np.inf
    return points


@pytest.mark.parametrize("min_range", [0.0, 2.0])
def test_thinning_keeps_the_first_point_in_range_of_each_voxel(min_range: float) -> None:
    config = PreprocessConfig(min_range=min_range, max_range=80.0, map_voxel_size=2.0)
    points, offsets = cloud(1), np.arange(5000)
    kept, times = thin(points, offsets, config, VoxelScratch())
    rows = voxel_indices_twin(points, 2.0, max(min_range, NO_RETURN), 80.0)
    np.testing.assert_array_equal(times, rows)
    np.testing.assert_array_equal(kept, points[rows])
    assert 1000 < len(kept) < 4700


@pytest.mark.parametrize("points", [np.zeros((0, 3)), np.zeros((5, 3)), np.full((5, 3), np.nan)])
def test_a_scan_without_returns_leaves_nothing(points: np.ndarray) -> None:
    offsets = np.zeros(len(points), np.int64)
    kept, times = thin(points.astype(np.float32), offsets, PreprocessConfig(), VoxelScratch())
    assert (kept.shape, times.shape) == ((0, 3), (0,))


def test_offsets_of_another_length_are_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match="offsets_ns"):
        thin(cloud(1), np.zeros(3, np.int64), PreprocessConfig(), VoxelScratch())


def test_every_point_in_range_is_handed_out_on_demand() -> None:
    points = np.random.default_rng(2).uniform(-9, 9, (4000, 3)).astype(np.float32)
    points[:, 2] = -1.5
    points[:10] = 0.0
    scans = [Scan(k * 100_000_000 + 1, "lidar", points, np.zeros(4000, np.int64), 100_000_000) for k in range(2)]
    handed = {}
    for all_points in (False, True):
        config = OdometryConfig(preprocess=PreprocessConfig(all_points=all_points, min_range=0.5))
        core = LidarInertialOdometry(config, SensorRig("base", "lidar", np.eye(4)))
        updates = [update for scan in scans for update in core.add_scan(scan)] + core.finish()
        handed[all_points] = [len(update.points) for update in updates]
    in_range = int((np.linalg.norm(points, axis=1) >= 0.5).sum())
    assert handed[True] == [in_range, in_range]
    assert handed[False][0] < in_range
