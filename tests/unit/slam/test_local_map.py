"""The hashed voxel map against plain dictionaries, and its bounds."""

import numpy as np
import pytest

from perception.core.geometry import apply, exp_so3, transform
from slam import kernels_hash, kernels_knn, kernels_planes
from slam.config import MapConfig
from slam.kernels_hash import COUNT, NUM_LIVE, NUM_TOMBSTONES
from slam.local_map import LocalMap

EYE = np.eye(4)


def cloud(seed: int, num: int = 4000, spread: float = 8.0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-spread, spread, (num, 3)).astype(np.float32)


def walls(seed: int, num: int = 6000, noise: float = 0.01) -> np.ndarray:
    """A floor at z = 0.3 and a wall at x = 5.4."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(-6, 6, (num, 3))
    points[::2, 2], points[1::2, 0] = 0.3, 5.4
    return (points + rng.normal(0, noise, points.shape)).astype(np.float32)


def by_voxel(points: np.ndarray, edge: float) -> dict[tuple[int, ...], list[np.ndarray]]:
    out: dict[tuple[int, ...], list[np.ndarray]] = {}
    for point in points.astype(np.float64):
        out.setdefault(tuple(np.floor(point / edge).astype(int)), []).append(point)
    return out


def bucket_of(local_map: LocalMap, voxel: tuple[int, ...]) -> int:
    return int(kernels_hash.find(local_map.store.table, kernels_hash.pack(*voxel)))


def test_smallest_eigenvector_is_that_of_numpy() -> None:
    rng = np.random.default_rng(1)
    for scale in (1e-4, 1.0, 1e4):
        for _ in range(200):
            A = rng.normal(0, 1, (3, 3)) * rng.uniform(0.01, 1, 3)
            S = scale * A @ A.T
            values, vectors = np.linalg.eigh(S)
            smallest, middle, *normal = kernels_planes.smallest_eigen(
                S[0, 0], S[0, 1], S[0, 2], S[1, 1], S[1, 2], S[2, 2]
            )
            np.testing.assert_allclose([smallest, middle], values[:2], atol=1e-7 * values[2])
            if values[1] - values[0] > 1e-3 * values[2]:
                assert abs(np.dot(normal, vectors[:, 0])) > 1 - 1e-6


@pytest.mark.parametrize("S", [np.zeros((3, 3)), np.eye(3), np.diag([1.0, 0, 0]), np.diag([1.0, 1.0, 0])])
def test_degenerate_matrices_give_a_finite_unit_normal(S: np.ndarray) -> None:
    _, _, *normal = kernels_planes.smallest_eigen(S[0, 0], S[0, 1], S[0, 2], S[1, 1], S[1, 2], S[2, 2])
    assert np.linalg.norm(normal) == pytest.approx(1.0)
    assert np.linalg.norm(S @ normal) == pytest.approx(np.linalg.eigvalsh(S)[0], abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_every_voxel_holds_the_plane_of_its_points(seed: int) -> None:
    config = MapConfig(points_per_voxel=10_000)
    local_map = LocalMap(config)
    T = transform(exp_so3(np.array([0.1, 0.2, 0.3])), np.array([-3.0, 40.0, 1.0]))
    parts = [walls(seed), walls(seed + 10, 900), cloud(seed, 500)]
    for part in parts:
        local_map.insert(part, T)
    voxels = by_voxel(apply(T, np.concatenate(parts).astype(np.float64)), local_map.edge)
    assert local_map.num_voxels == len(voxels)
    num_planes = 0
    for voxel, points in voxels.items():
        bucket = bucket_of(local_map, voxel)
        cell, plane = local_map.store.cells[bucket], local_map.store.payload[1][bucket]
        assert cell[COUNT] == len(points)
        fitted = np.array(points)[: cell[kernels_hash.FITTED]]
        if len(fitted) < len(points) or len(points) < config.min_plane_points:
            continue
        values, vectors = np.linalg.eigh(np.cov(fitted.T, bias=True))
        is_plane = values[0] < config.max_plane_deviation**2 and values[1] > config.min_plane_ratio * values[0]
        assert bool(plane[7]) == is_plane
        if is_plane:
            num_planes += 1
            centre = (np.array(voxel) + 0.5) * local_map.edge
            assert abs(plane[:3] @ vectors[:, 0]) > 1 - 1e-4
            np.testing.assert_allclose(plane[3:6] + centre, fitted.mean(axis=0), atol=1e-5)
    assert num_planes > 50


def test_a_full_voxel_takes_no_more_points() -> None:
    local_map = LocalMap(MapConfig(points_per_voxel=10))
    for seed in range(5):
        local_map.insert(np.random.default_rng(seed).uniform(0.1, 0.9, (6, 3)).astype(np.float32), EYE)
    assert local_map.store.cells[0, COUNT] == 10


def test_neighbour_links_are_those_of_the_coordinates() -> None:
    for mode in ("voxel_plane", "knn5"):
        local_map = LocalMap(MapConfig(mode=mode))
        local_map.insert(cloud(4, 3000, 5.0), EYE)
        local_map.config = MapConfig(mode=mode, keep_range=5.0, evictions_per_scan=10**9)
        local_map.evict(np.array([3.0, 0, 0]))
        local_map.insert(cloud(5, 500, 3.0), EYE)
        store = local_map.store
        live = [b for b in range(store.state[0]) if store.cells[b, COUNT] >= 0]
        assert len(live) == len(store)
        ids = {tuple(store.cells[b, :3]): b for b in live}
        for b in live:
            for j in range(store.neighbours.shape[1]):
                expected = ids.get(tuple(store.cells[b, :3] + kernels_hash.OFFSETS[j]), -1)
                assert store.neighbours[b, j] == expected


def test_knn_voxels_keep_their_spacing_and_their_number() -> None:
    config = MapConfig(mode="knn5")
    local_map = LocalMap(config)
    local_map.insert(cloud(6, 5000, 1.0), EYE)
    store = local_map.store
    for bucket in range(len(store)):
        points = store.payload[0][bucket, : store.cells[bucket, COUNT]]
        assert 1 <= len(points) <= config.knn_points_per_voxel
        distances = np.linalg.norm(points[:, None] - points[None], axis=2) + 9.0 * np.eye(len(points))
        assert distances.min() >= config.knn_spacing - 1e-6


def test_the_five_nearest_are_those_of_brute_force() -> None:
    local_map = LocalMap(MapConfig(mode="knn5"))
    local_map.insert(cloud(7, 3000, 2.0), EYE)
    store, edge = local_map.store, local_map.edge
    stored = np.concatenate(
        [store.payload[0][b, : store.cells[b, COUNT]] + (store.cells[b, :3] + 0.5) * edge for b in range(len(store))]
    )
    nearest, distances = np.empty((5, 3)), np.empty(5)
    num_found = 0
    for query in np.random.default_rng(8).uniform(-3, 3, (300, 3)):
        found = kernels_knn.find_nearest(
            store.table, store.cells, store.neighbours, store.payload[0], edge, *query, 5.0, nearest, distances
        )
        voxels = np.abs(np.floor(stored / edge) - np.floor(query / edge)).max(axis=1) <= 1
        squared = np.sort(((stored[voxels] - query) ** 2).sum(axis=1))
        assert found == (len(squared) >= 5 and squared[4] < 5.0)
        if found:
            num_found += 1
            np.testing.assert_allclose(distances, squared[:5], atol=1e-5)
            np.testing.assert_allclose((nearest**2).sum(axis=1), distances, atol=1e-6)
    assert num_found > 50


@pytest.mark.parametrize("mode", ["voxel_plane", "knn5"])
def test_far_voxels_are_evicted_and_their_memory_is_used_again(mode: str) -> None:
    local_map = LocalMap(MapConfig(mode=mode, keep_range=30.0))
    bytes_used = []
    for step in range(120):
        position = np.array([4.0 * step, 0, 0])
        local_map.insert(cloud(step, 1500), transform(np.eye(3), position))
        local_map.evict(position)
        bytes_used.append(local_map.num_bytes)
        assert local_map.store.state[NUM_TOMBSTONES] * 4 <= len(local_map.store.table)
    assert bytes_used[-1] == bytes_used[60]
    centres = local_map.store.cells[local_map.store.cells[:, COUNT] > 0][:, :3] * local_map.edge
    assert np.abs(centres - position).max() < 30.0 + 8.0 * 4.0


def test_a_map_at_its_limit_keeps_what_is_near_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    local_map = LocalMap(MapConfig(max_voxels=1024))
    for step in range(30):
        local_map.insert(cloud(step, 2000, 12.0), transform(np.eye(3), np.array([6.0 * step, 0, 0])))
    assert local_map.num_voxels <= 1024
    here = local_map.store.cells[local_map.store.cells[:, COUNT] > 0][:, 0] * local_map.edge
    assert (np.abs(here - 174.0) < 14.0).mean() > 0.9
    assert local_map.num_shrinks > 0
    assert caplog.text.count("local map is full") == 1


def test_a_cleared_map_is_empty_and_usable() -> None:
    local_map = LocalMap(MapConfig())
    local_map.insert(walls(1), EYE)
    first = local_map.num_voxels
    local_map.clear()
    assert local_map.num_voxels == 0
    local_map.insert(walls(1), EYE)
    assert local_map.num_voxels == first


def test_points_beyond_the_key_range_are_counted_and_left_out() -> None:
    local_map = LocalMap(MapConfig())
    points = np.array([[1e7, 0, 0], [1, 1, 1]], dtype=np.float32)
    local_map.insert(points, EYE)
    assert (local_map.num_voxels, local_map.num_refused) == (1, 1)


def test_the_origin_follows_the_robot() -> None:
    local_map = LocalMap(MapConfig())
    local_map.insert(walls(1), EYE)
    far = transform(np.eye(3), np.array([1950.0, 0, 0]))
    local_map.insert(walls(1), far)
    near_before = local_map.store.state[NUM_LIVE]
    farther = transform(np.eye(3), np.array([2001.0, 3.0, 0]))
    local_map.insert(walls(1)[:10], farther)
    np.testing.assert_allclose(local_map.origin, [2001.0, 3.0, 0.0])
    assert local_map.num_voxels < near_before
    step = np.round((far[:3, 3] - local_map.origin) / local_map.edge).astype(int)
    assert all(bucket_of(local_map, tuple(np.array(voxel) + step)) >= 0 for voxel in by_voxel(walls(1), local_map.edge))
