"""Normal equations against their definition, and registration of generated rooms."""

import numpy as np
import pytest

from perception.core.errors import InvalidInput
from perception.core.geometry import exp_so3, inverse, transform
from slam.config import MapConfig, RegistrationConfig
from slam.kernels_hash import OFFSETS
from slam.local_map import LocalMap
from slam.registration import NormalEquations, Registration

R_IL, T_IL = exp_so3(np.array([0.01, 0.02, -0.3])), np.array([0.1, -0.05, 0.2])
MODES = ["voxel_plane", "knn5"]


def room(seed: int, num: int = 8000, noise: float = 0.01) -> np.ndarray:
    """Points on the six sides of a room of 16 x 12 x 5 m."""
    rng = np.random.default_rng(seed)
    half = np.array([8.03, 6.04, 2.55])
    points = rng.uniform(-1, 1, (num, 3)) * half
    axis = np.arange(num) % 3
    points[np.arange(num), axis] = np.where(rng.random(num) < 0.5, -1, 1) * half[axis]
    return points + rng.normal(0, noise, points.shape)


def seen_from(world: np.ndarray, T_odom_lidar: np.ndarray) -> np.ndarray:
    T = inverse(T_odom_lidar)
    return (world @ T[:3, :3].T + T[:3, 3]).astype(np.float32)


def lidar_pose(R: np.ndarray, p: np.ndarray) -> np.ndarray:
    return transform(R @ R_IL, R @ T_IL + p)


def rows(registration: Registration, points: np.ndarray, R: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Section 7, match by match: H (M, 12) and z (M,)."""
    H, z = [], []
    for chunk, count in enumerate(registration._match_counts):
        first = chunk * len(points) // 64
        for m in range(first, first + count):
            point = points[registration._match_ids[m]].astype(np.float64)
            n, d, gate = registration._matches[m, :3], registration._matches[m, 3], registration._matches[m, 4]
            p_imu = R_IL @ point + T_IL
            r = n @ (R @ p_imu + p - registration._origin) + d
            if r * r < gate:
                c = R.T @ n
                H.append(np.concatenate((n, np.cross(p_imu, c), np.cross(point, R_IL.T @ c), c)))
                z.append(-r)
    return np.array(H), np.array(z)


def solve(registration: Registration, local_map: LocalMap, points: np.ndarray, R: np.ndarray, p: np.ndarray):
    """Plain Gauss-Newton."""
    for _ in range(10):
        registration.associate(local_map, points, R, p, R_IL, T_IL)
        equations = registration.linearise(points, R, p, R_IL, T_IL)
        step = np.linalg.solve(equations.HtH, equations.Htz)
        p, R = p + step[:3], R @ exp_so3(step[3:])
    return R, p, equations


def prepared(mode: str, origin: np.ndarray, **options: float) -> tuple[LocalMap, Registration, np.ndarray, np.ndarray]:
    """A map of the room around `origin`, and the true IMU pose of a further scan."""
    local_map = LocalMap(MapConfig(mode=mode))
    T_first = lidar_pose(np.eye(3), origin)
    for seed in range(6):
        local_map.insert(seen_from(room(seed) + origin, T_first), T_first)
    return local_map, Registration(RegistrationConfig(**options)), exp_so3(np.array([0.02, -0.03, 0.5])), origin + 0.4


def test_jacobian_row_of_section_7() -> None:
    n, d, p_L = np.array([0.6, -0.48, 0.64]), -1.2, np.array([[3.0, 4.0, -1.0]], dtype=np.float32)
    R, p = exp_so3(np.array([0.02, -0.03, 0.5])), np.array([1.0, 2.0, 3.0])
    registration = Registration(RegistrationConfig(robust_scale=0.0))
    registration._reserve(1)
    registration._matches[0] = [*n, d, 10.0]
    registration._match_counts[63] = 1
    out = registration.linearise(p_L, R, p, R_IL, T_IL)
    h = np.array([0.6, -0.48, 0.64, 1.262593474, -2.900398691, -3.817494503])
    np.testing.assert_allclose(out.HtH, np.outer(h, h), atol=1e-8)
    np.testing.assert_allclose(out.Htz, 0.892831978 * h, atol=1e-8)
    assert (out.num_matches, out.sum_squared_residual) == (1, pytest.approx(0.892831978**2))


def test_jacobian_agrees_with_finite_differences() -> None:
    rng = np.random.default_rng(1)
    local_map, registration, R, p = prepared("voxel_plane", np.zeros(3))
    points = seen_from(room(9, 300), lidar_pose(R, p))
    registration.associate(local_map, points, R, p, R_IL, T_IL)
    registration._matches[:, 4] = 1e9
    H, _ = rows(registration, points, R, p)
    planes = registration._matches[registration._matches[:, 4] > 0]
    assert len(H) > 100
    m = int(registration._match_counts[:30].sum())
    chunk = int(np.flatnonzero(np.cumsum(registration._match_counts) > m)[0])
    slot = chunk * 300 // 64
    point, plane = points[registration._match_ids[slot]].astype(np.float64), registration._matches[slot]
    assert len(planes) > 0

    def residual(delta: np.ndarray) -> float:
        inner = R_IL @ exp_so3(delta[6:9]) @ point + T_IL + delta[9:]
        return float(plane[:3] @ (R @ exp_so3(delta[3:6]) @ inner + p + delta[:3]) + plane[3])

    row = np.cumsum(registration._match_counts)[chunk - 1]
    for _ in range(5):
        step = 1e-6 * rng.normal(size=12)
        assert (residual(step) - residual(-step)) / 2 == pytest.approx(H[row] @ step, abs=1e-12)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("robust_scale", [0.0, 0.2])
def test_sums_are_those_of_the_rows(mode: str, robust_scale: float) -> None:
    local_map, registration, R, p = prepared(mode, np.zeros(3), robust_scale=robust_scale, robust_factor=0.0)
    points = seen_from(room(9, 3000), lidar_pose(R, p))
    registration.associate(local_map, points, R, p + 0.02, R_IL, T_IL)
    R, p = R @ exp_so3(np.array([0.01, -0.02, 0.01])), p + np.array([0.1, -0.05, 0.02])
    H, z = rows(registration, points, R, p)
    w = (robust_scale**2 / (robust_scale**2 + z**2)) ** 2 if robust_scale > 0 else np.ones_like(z)
    for size in (6, 12):
        out = registration.linearise(points, R, p, R_IL, T_IL, with_extrinsics=size == 12)
        np.testing.assert_allclose(out.HtH, (H[:, :size] * w[:, None]).T @ H[:, :size], rtol=1e-9, atol=1e-7)
        np.testing.assert_allclose(out.Htz, (H[:, :size] * w[:, None]).T @ z, rtol=1e-9, atol=1e-7)
        assert out.num_matches == len(z) > 1000
        assert out.sum_squared_residual == pytest.approx(z @ z)
        assert out.sum_weights == pytest.approx(w.sum())


def test_the_robust_scale_follows_the_residuals_down_to_its_limit() -> None:
    local_map, registration, R, p = prepared("voxel_plane", np.zeros(3), robust_scale=0.08, robust_factor=1.5)
    points = seen_from(room(9, 3000), lidar_pose(R, p))
    for offset in (0.5, 0.0):
        registration.associate(local_map, points, R, p + offset, R_IL, T_IL)
        _, z = rows(registration, points, R, p + offset)
        scale = max(0.08, 1.5 * np.abs(z).mean())
        out = registration.linearise(points, R, p + offset, R_IL, T_IL)
        assert out.sum_weights == pytest.approx(((scale**2 / (scale**2 + z**2)) ** 2).sum())
    assert scale == 0.08


def test_planes_are_those_of_the_voxel_of_each_point() -> None:
    """The twin of the search: own voxel first, else the nearest centroid among the voxels that share a face."""
    local_map, registration, R, p = prepared("voxel_plane", np.zeros(3))
    local_map.insert(np.random.default_rng(3).uniform(-8, 8, (3000, 3)).astype(np.float32), np.eye(4))
    points = seen_from(room(9, 1500, noise=0.1), lidar_pose(R, p))
    registration.associate(local_map, points, R, p, R_IL, T_IL)
    store, edge = local_map.store, local_map.edge
    live = np.flatnonzero(store.cells[: len(store), 5] > 0)
    ids = {tuple(store.cells[b, :3]): b for b in live}
    T, expected, found = lidar_pose(R, p), {}, {}
    for i, point in enumerate(points.astype(np.float64)):
        x = T[:3, :3] @ point + T[:3, 3]
        voxel = np.floor(x / edge).astype(int)
        home = ids.get(tuple(voxel), -1)
        if home < 0:
            continue
        near = [ids.get(tuple(voxel + step), -1) for step in OFFSETS[:6]]
        near = [b for b in near if b >= 0 and store.payload[1][b, 7] > 0]
        centroids = {b: (store.cells[b, :3] + 0.5) * edge + store.payload[1][b, 3:6] for b in [home, *near]}
        if store.payload[1][home, 7] <= 0:
            home = min(near, key=lambda b: np.linalg.norm(centroids[b] - x), default=-1)
        if home < 0:
            continue
        n = store.payload[1][home, :3].astype(np.float64)
        if (n @ (x - centroids[home])) ** 2 < np.linalg.norm(point) / 81:
            expected[i] = np.append(n, -n @ centroids[home])
    for chunk, count in enumerate(registration._match_counts):
        first = chunk * len(points) // 64
        found.update(
            {int(registration._match_ids[m]): registration._matches[m, :4] for m in range(first, first + count)}
        )
    assert set(found) == set(expected)
    assert len(found) > 700
    for i, plane in found.items():
        np.testing.assert_allclose(plane, expected[i], atol=1e-5)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", range(3))
def test_registration_finds_the_pose(mode: str, seed: int) -> None:
    local_map, registration, R, p = prepared(mode, np.zeros(3))
    points = seen_from(room(seed + 20, 3000), lidar_pose(R, p))
    rng = np.random.default_rng(seed)
    R_found, p_found, equations = solve(
        registration, local_map, points, R @ exp_so3(rng.normal(0, 0.01, 3)), p + rng.normal(0, 0.15, 3)
    )
    assert np.linalg.norm(p_found - p) < 0.005
    assert np.abs(R_found - R).max() < 0.001
    assert np.sqrt(equations.sum_squared_residual / equations.num_matches) < 0.03


@pytest.mark.parametrize("mode", MODES)
def test_ten_kilometres_away_residuals_are_those_near_the_origin(mode: str) -> None:
    results: list[NormalEquations] = []
    # Multiples of the edges of both kinds of voxels, so that the same points share a voxel.
    for origin in (np.zeros(3), np.array([9_999.0, -6_999.0, 99.0])):
        local_map, registration, R, p = prepared(mode, origin)
        points = seen_from(room(9, 3000), lidar_pose(R, p - origin))
        registration.associate(local_map, points, R, p, R_IL, T_IL)
        results.append(registration.linearise(points, R, p, R_IL, T_IL))
    near, far = results
    assert near.num_matches == far.num_matches
    assert far.sum_squared_residual == pytest.approx(near.sum_squared_residual, rel=1e-3)
    np.testing.assert_allclose(far.Htz, near.Htz, atol=1e-3 * np.abs(near.Htz).max())


@pytest.mark.parametrize("mode", MODES)
def test_one_and_two_threads_give_the_same_bits(mode: str) -> None:
    local_map, one, R, p = prepared(mode, np.zeros(3))
    two = Registration(RegistrationConfig(num_threads=2))
    points = seen_from(room(9, 3000), lidar_pose(R, p))
    results = []
    for registration in (one, two):
        registration.associate(local_map, points, R, p + 0.05, R_IL, T_IL)
        results.append(registration.linearise(points, R, p + 0.05, R_IL, T_IL))
    np.testing.assert_array_equal(results[0].HtH, results[1].HtH)
    np.testing.assert_array_equal(results[0].Htz, results[1].Htz)


@pytest.mark.parametrize("points", [np.zeros((0, 3)), np.full((1, 3), 3.0), np.full((50, 3), 2.0)])
@pytest.mark.parametrize("mode", MODES)
def test_few_or_equal_points_give_finite_sums(mode: str, points: np.ndarray) -> None:
    local_map = LocalMap(MapConfig(mode=mode))
    registration = Registration(RegistrationConfig())
    for _ in range(2):
        registration.associate(local_map, points.astype(np.float32), np.eye(3), np.zeros(3), R_IL, T_IL)
        out = registration.linearise(points.astype(np.float32), np.eye(3), np.zeros(3), R_IL, T_IL)
        assert np.isfinite(out.HtH).all()
        local_map.insert(points.astype(np.float32), np.eye(4))


def test_another_cloud_than_the_associated_one_is_refused() -> None:
    registration = Registration(RegistrationConfig())
    registration.associate(LocalMap(MapConfig()), np.zeros((5, 3), np.float32), np.eye(3), np.zeros(3), R_IL, T_IL)
    with pytest.raises(InvalidInput, match="points_lidar: expected the 5 points"):
        registration.linearise(np.zeros((4, 3), np.float32), np.eye(3), np.zeros(3), R_IL, T_IL)
