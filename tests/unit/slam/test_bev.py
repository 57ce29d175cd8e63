import numpy as np
import pytest

from perception.core.errors import InvalidInput
from perception.core.geometry import exp_so3, log_so3
from slam.bev import BevGrid, BevTerm, noise_variance, pixels_of, refusal, residuals, world_points
from slam.config import BevTermConfig

GRID = BevGrid(0.4, 100)
R, P_IMU = exp_so3(np.array([0.02, -0.03, 0.5])), np.array([1.0, 2.0, 3.0])
R_IL, T_IL = exp_so3(np.array([0.01, 0.02, -0.3])), np.array([0.1, -0.05, 0.2])
POINT = np.array([[12.0, -7.0, 1.5]])
LEVEL = exp_so3(np.array([0.05, -0.08, 0.0]))
CONFIG = BevTermConfig()


def test_the_numbers_of_the_specification():
    e, H = residuals(POINT, np.zeros((1, 2)), GRID, R, P_IMU, R_IL, T_IL, np.eye(3))
    np.testing.assert_allclose(-e[0], [128.077942721, 78.319152834], atol=2e-8)
    want = [
        [-0.497627771, 2.448964250, 0.070290136, 3.410368468, -1.216227714, 22.373806802],
        [2.449968953, 0.497295448, 0.018691339, -0.425943173, -3.356363492, 27.591568757],
    ]
    np.testing.assert_allclose(H[0], want, atol=2e-8)


@pytest.mark.parametrize("A", [np.eye(3), LEVEL])
def test_the_jacobian_is_that_of_differences(A):
    rng = np.random.default_rng(0)
    points, step = rng.uniform(-30, 30, (20, 3)), 1e-6
    _, H = residuals(points, np.zeros((20, 2)), GRID, R, P_IMU, R_IL, T_IL, A)
    for k in range(6):
        delta = np.eye(6)[k] * step
        ahead, back = (
            residuals(
                points, np.zeros((20, 2)), GRID, R @ exp_so3(s * delta[3:]), P_IMU + s * delta[:3], R_IL, T_IL, A
            )[0]
            for s in (1, -1)
        )
        np.testing.assert_allclose(H[:, :, k], -(ahead - back) / (2 * step), atol=1e-6)


@pytest.mark.parametrize("A", [np.eye(3), LEVEL])
def test_keypoints_come_back_to_where_they_were(A):
    pixels = np.array([[3.0, 190.0], [100.0, 100.0], [200.0, 0.0]])
    points = world_points(pixels, GRID, R, P_IMU, R_IL, T_IL, A)
    e, _ = residuals(points, pixels, GRID, R, P_IMU, R_IL, T_IL, A)
    np.testing.assert_allclose(e, 0.0, atol=1e-9)


def test_forward_is_up_and_left_is_left():
    np.testing.assert_allclose(pixels_of(np.array([[10.0, 4.0, 7.0]]), GRID), [[90.5, 75.5]])


def term(A=LEVEL, outliers=0, config=CONFIG, noise=0.0, P=None):
    rng = np.random.default_rng(1)
    before = rng.uniform(20, 180, (80, 2))
    points = world_points(before, GRID, R, P_IMU, R_IL, T_IL, LEVEL)
    R_now, p_now = R @ exp_so3(np.array([0.0, 0.0, 0.03])), P_IMU + np.array([0.7, 0.2, 0.0])
    e, _ = residuals(points, np.zeros((80, 2)), GRID, R_now, p_now, R_IL, T_IL, A)
    pixels = -e + noise * rng.normal(0, 1, e.shape)
    pixels[:outliers] += rng.uniform(30, 60, (outliers, 2))
    return BevTerm(points, pixels, GRID, A, 1.0, config, P), R_now, p_now


@pytest.mark.parametrize("outliers", [0, 15])
def test_gauss_newton_finds_heading_and_place_in_the_plane_despite_wrong_matches(outliers):
    made, R_now, p_now = term(outliers=outliers, P=np.diag([1.0, 1.0, 1e-4, 1e-4, 1e-4, 0.01]))
    R_at, p_at = R.copy(), P_IMU.copy()
    prior = np.diag([1e-6, 1e-6, 1e4, 1e4, 1e4, 1e-6])  # heights, roll and pitch come from elsewhere
    for _ in range(12):
        found = made.linearise(R_at, p_at, R_IL, T_IL)
        step = np.linalg.solve(found.information + prior, found.vector)
        p_at, R_at = p_at + step[:3], R_at @ exp_so3(step[3:])
    np.testing.assert_allclose(p_at[:2], p_now[:2], atol=0.02)
    assert np.abs(log_so3(R_now.T @ R_at)).max() < 2e-3
    strict, _, _ = term(outliers=outliers)
    assert strict.linearise(R_now, p_now, R_IL, T_IL).num_matches == 80 - outliers


def test_height_is_left_to_others():
    level, _, _ = term(A=np.eye(3))
    flat = BevTerm(level.points, level.pixels, GRID, np.eye(3), 1.0, CONFIG, np.eye(6) * 1e4)
    found = flat.linearise(np.eye(3), P_IMU, np.eye(3), np.zeros(3))
    np.testing.assert_allclose(found.information[2], 0.0, atol=1e-9)


def test_many_matches_count_as_few():
    made, R_now, p_now = term(config=BevTermConfig(max_share=10_000.0))
    few, _, _ = term(config=BevTermConfig(max_share=8.0))
    all_of = made.linearise(R_now, p_now, R_IL, T_IL).information
    np.testing.assert_allclose(few.linearise(R_now, p_now, R_IL, T_IL).information, all_of / 10, rtol=1e-9)


def test_noise_follows_the_scatter_and_the_tilt_of_images_that_are_not_level():
    rng = np.random.default_rng(0)
    scattered = rng.normal(0, 2.5, (4000, 2))
    assert noise_variance(scattered, 0.1, True, CONFIG, 0.4) == pytest.approx(2.5**2, rel=0.1)
    assert noise_variance(0.1 * scattered, 0.0, False, CONFIG, 0.4) == 1.0
    assert noise_variance(0.1 * scattered, 0.1, False, CONFIG, 0.4) == pytest.approx(1 + (2 * np.sin(0.1) / 0.4) ** 2)
    assert noise_variance(np.zeros((0, 2)), 0.0, True, CONFIG, 0.4) == 1.0


@pytest.mark.parametrize(
    ("inliers", "matches", "tilt", "others", "word"),
    [
        (50, 100, 0.0, 30, ""),
        (50, 100, -0.3, 0, "tilted"),
        (7, 7, 0.0, 0, "fewer"),
        (15, 100, 0.0, 0, "share"),
        (30, 100, 0.0, 25, "another motion"),
    ],
)
def test_images_that_say_too_little_are_left_out_with_a_reason(inliers, matches, tilt, others, word):
    reason = refusal(inliers, matches, tilt, CONFIG, others)
    assert word in reason
    assert bool(reason) == bool(word)


def test_no_matches_say_nothing():
    empty = BevTerm(np.zeros((0, 3)), np.zeros((0, 2)), GRID, np.eye(3), 1.0, CONFIG, np.eye(6))
    found = empty.linearise(R, P_IMU, R_IL, T_IL)
    assert found.num_matches == 0
    assert not found.information.any()


def test_matches_that_cannot_be_used_are_refused():
    with pytest.raises(InvalidInput, match="variance"):
        BevTerm(np.zeros((1, 3)), np.zeros((1, 2)), GRID, np.eye(3), 0.0, CONFIG)
    with pytest.raises(InvalidInput, match="pixels"):
        BevTerm(np.zeros((2, 3)), np.zeros((1, 2)), GRID, np.eye(3), 1.0, CONFIG)
