"""De-skew against the exact pose of every point, and what crop keeps."""

import numpy as np
import pytest

from perception.core.errors import InvalidInput
from perception.core.geometry import apply, exp_so3, inverse, transform
from slam.config import PreprocessConfig
from slam.deskew import Motion, deskew, deskew_twin
from slam.preprocess import crop, crop_twin

STAMP = 1_700_000_000_000_000_000
T_IMU_LIDAR = transform(exp_so3(np.array([0.02, -0.1, 3.0])), np.array([0.3, -0.2, 0.5]))


def imu_motion(seed: int, num: int, rate: float = 3.0) -> Motion:
    """Propagates a random motion with the equations of section 4.3, `num` stamps over 0.1 s."""
    rng = np.random.default_rng(seed)
    stamps = STAMP + np.linspace(0, 100_000_000, num).astype(np.int64)
    w, a = rng.normal(0, rate, (num, 3)), rng.normal(0, 5.0, (num, 3))
    R, p, v = np.empty((num, 3, 3)), np.empty((num, 3)), np.empty((num, 3))
    R[0], p[0], v[0] = exp_so3(rng.normal(0, 1, 3)), rng.normal(0, 100, 3), rng.normal(0, 10, 3)
    for k in range(num - 1):
        dt = (stamps[k + 1] - stamps[k]) * 1e-9
        R[k + 1] = R[k] @ exp_so3(w[k] * dt)
        p[k + 1], v[k + 1] = p[k] + v[k] * dt + 0.5 * a[k] * dt**2, v[k] + a[k] * dt
    return Motion(stamps, R, p, v, a, w)


def sweep(seed: int, num: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.uniform(-60, 60, (num, 3)).astype(np.float32), rng.integers(0, 100_000_001, num)


def test_kernel_gives_the_exact_poses_for_constant_velocity() -> None:
    points, offsets = sweep(1)
    motion = imu_motion(2, 2)
    out = deskew(points, offsets, STAMP, motion, T_IMU_LIDAR)
    np.testing.assert_allclose(out, deskew_twin(points, offsets, STAMP, motion, T_IMU_LIDAR), atol=1e-4)


@pytest.mark.parametrize("num", [3, 11, 21])
def test_kernel_gives_the_exact_poses_between_imu_samples(num: int) -> None:
    """Interpolation across an IMU stamp, where the rate jumps by some rad/s here, costs up to 3 cm at 60 m."""
    points, offsets = sweep(num)
    motion = imu_motion(num, num, rate=1.0)
    out = deskew(points, offsets, STAMP, motion, T_IMU_LIDAR)
    np.testing.assert_allclose(out, deskew_twin(points, offsets, STAMP, motion, T_IMU_LIDAR), atol=0.03)
    error = np.linalg.norm(out - deskew_twin(points, offsets, STAMP, motion, T_IMU_LIDAR), axis=1)
    assert np.median(error) < 5e-5


def test_a_still_world_stands_still_after_deskew() -> None:
    motion = imu_motion(5, 21, rate=0.1)
    rng = np.random.default_rng(6)
    world = motion.p[0] + rng.uniform(-30, 30, (500, 3))
    offsets = np.sort(rng.integers(0, 100_000_001, 500))[::-1].copy()
    poses = [motion.at(STAMP + int(t)) @ T_IMU_LIDAR for t in offsets]
    measured = np.array([apply(inverse(T), p[None])[0] for T, p in zip(poses, world)]).astype(np.float32)
    T_end = motion.at(STAMP + 100_000_000) @ T_IMU_LIDAR
    out = deskew(measured, offsets, STAMP, motion, T_IMU_LIDAR)
    np.testing.assert_allclose(out, apply(inverse(T_end), world), atol=3e-3)


def test_points_before_the_first_imu_sample_carry_its_motion_on() -> None:
    motion = imu_motion(7, 6, rate=0.5)
    points, offsets = sweep(8, 300)
    offsets = offsets - 20_000_000
    out = deskew(points, offsets, STAMP, motion, T_IMU_LIDAR)
    np.testing.assert_allclose(out, deskew_twin(points, offsets, STAMP, motion, T_IMU_LIDAR), atol=3e-3)


def test_without_motion_points_stay() -> None:
    points, offsets = sweep(9, 100)
    still = Motion(
        np.array([STAMP], dtype=np.int64), np.eye(3)[None], np.zeros((1, 3)), np.zeros((1, 3)), np.zeros((1, 3)),
        np.zeros((1, 3)),
    )  # fmt: skip
    np.testing.assert_array_equal(deskew(points, offsets, STAMP, still, T_IMU_LIDAR), points)


def test_no_points_and_one_point_are_legal() -> None:
    motion = imu_motion(1, 4)
    empty = deskew(np.zeros((0, 3), np.float32), np.zeros(0, np.int64), STAMP, motion, T_IMU_LIDAR)
    assert empty.shape == (0, 3)
    one = deskew(np.ones((1, 3), np.float32), np.zeros(1, np.int64), STAMP, motion, T_IMU_LIDAR)
    twin = deskew_twin(np.ones((1, 3), np.float32), np.zeros(1, np.int64), STAMP, motion, T_IMU_LIDAR)
    np.testing.assert_allclose(one, twin, atol=1e-5)


def test_a_wild_offset_spoils_only_its_own_point() -> None:
    motion = imu_motion(3, 5, rate=0.1)
    points, offsets = sweep(4, 200)
    good = deskew(points, offsets, STAMP, motion, T_IMU_LIDAR)
    offsets[17] = 1 << 60
    out = deskew(points, offsets, STAMP, motion, T_IMU_LIDAR)
    others = np.arange(200) != 17
    np.testing.assert_allclose(out[others], good[others], atol=5e-3)
    assert np.isfinite(out).all()


def test_offsets_of_another_length_are_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match="offsets_ns"):
        deskew(np.zeros((3, 3), np.float32), np.zeros(2, np.int64), STAMP, imu_motion(1, 2), T_IMU_LIDAR)


CROPPED = [
    np.zeros((0, 3)),
    np.zeros((3, 3)),
    np.array([[np.nan, 1, 1], [np.inf, 0, 0], [5, np.nan, 0], [5, 0, 0], [3e38, 3e38, 0], [0.1, 0, 0], [99, 40, 0]]),
    np.random.default_rng(0).normal(0, 60, (5000, 3)),
]


@pytest.mark.parametrize("points", CROPPED)
@pytest.mark.parametrize("config", [PreprocessConfig(), PreprocessConfig(min_range=0.0, max_range=500.0)])
def test_crop_gives_what_its_twin_gives(points: np.ndarray, config: PreprocessConfig) -> None:
    points, offsets = points.astype(np.float32), np.arange(len(points))
    out, twin = crop(points, offsets, config), crop_twin(points, offsets, config)
    np.testing.assert_array_equal(out[1], twin[1])
    np.testing.assert_array_equal(out[0], twin[0])


def test_crop_reads_arrays_that_cannot_be_written() -> None:
    points = np.frombuffer(np.full((4, 3), 5.0, np.float32).tobytes(), np.float32).reshape(-1, 3)
    kept, _ = crop(points, np.zeros(4, np.int64), PreprocessConfig())
    assert len(kept) == 4
