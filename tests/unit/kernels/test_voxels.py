"""The voxel filter against its NumPy definition."""

import numpy as np
import pytest

from perception.core.errors import InvalidInput
from perception.kernels.voxels import (
    CALLS,
    VoxelScratch,
    voxel_downsample,
    voxel_downsample_twin,
    voxel_indices,
    voxel_indices_twin,
)

EXTREMES = [
    np.zeros((0, 3)),
    np.zeros((1, 3)),
    np.full((40, 3), 7.3),
    np.array([[np.nan, 0, 0], [1, 2, 3], [np.inf, 1, 1], [-np.inf, 0, 0], [1, 2, 3.01]]),
    np.array([[3e38, 0, 0], [-3e38, 1, 1], [1e9, 0, 0], [2.0, 2.0, 2.0]]),
    np.array([[-1e-7, 0, 0], [1e-7, 0, 0], [-0.5, -0.5, -0.5], [0.5, 0.5, 0.5]]),
]


def cloud(seed: int, num: int = 3000) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, 5.0, (num, 3)).astype(np.float32)


@pytest.mark.parametrize("points", [cloud(1), cloud(2, 17), *(p.astype(np.float32) for p in EXTREMES)])
@pytest.mark.parametrize("size", [0.25, 0.7, 50.0])
def test_filter_gives_what_its_twin_gives(points: np.ndarray, size: float) -> None:
    scratch = VoxelScratch()
    np.testing.assert_array_equal(voxel_indices(points, size, scratch), voxel_indices_twin(points, size))
    np.testing.assert_allclose(voxel_downsample(points, size, scratch), voxel_downsample_twin(points, size), atol=2e-6)


def test_reused_scratch_changes_nothing() -> None:
    scratch = VoxelScratch()
    for seed in range(5):
        points = cloud(seed, 500 * (5 - seed))
        fresh = voxel_downsample(points, 0.5, VoxelScratch())
        np.testing.assert_array_equal(voxel_downsample(points, 0.5, scratch), fresh)


def test_scratch_survives_the_wrap_of_its_call_number() -> None:
    scratch, points = VoxelScratch(), cloud(3)
    first = voxel_indices(points, 0.5, scratch).copy()
    scratch.call = CALLS - 3
    for _ in range(5):
        np.testing.assert_array_equal(voxel_indices(points, 0.5, scratch), first)


def test_range_limits_are_those_of_the_twin() -> None:
    points = np.concatenate((cloud(4), np.zeros((2, 3), np.float32), np.full((2, 3), np.nan, np.float32)))
    out = voxel_indices(points, 0.5, VoxelScratch(), 2.0, 6.0)
    np.testing.assert_array_equal(out, voxel_indices_twin(points, 0.5, 2.0, 6.0))
    assert 100 < len(out) < len(voxel_indices(points, 0.5, VoxelScratch()))


def test_distant_voxels_do_not_collide() -> None:
    far = np.array([[300.0, 0, 0], [300.0 - 2.0**12 * 0.02, 0, 0], [0, 300.0, 0], [300.0, 0, 0.03]], dtype=np.float32)
    assert len(voxel_indices(far, 0.02, VoxelScratch())) == 4


def test_points_of_another_type_are_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match="points: expected"):
        voxel_downsample(np.zeros((4, 3)), 0.5, VoxelScratch())
