"""Weak directions of single scans by hand, in an endless corridor, and in real recordings."""

from collections.abc import Iterator

import numpy as np
import pytest

from benchmarks.degeneracy import KEYFRAMES, flags, keyframes
from perception.core.geometry import exp_so3, transform
from slam.config import RegistrationConfig
from slam.degeneracy import Degeneracy, analyse
from tests.shared import shared

CONFIG = RegistrationConfig()
Seen = Iterator[tuple[np.ndarray, np.ndarray]]  # points in the LiDAR frame, T_odom_lidar


def information(normals: np.ndarray, points: np.ndarray) -> Degeneracy:
    rows = np.hstack((normals, np.cross(points, normals)))
    return analyse(rows.T @ rows, len(rows), float((points**2).sum(axis=1).mean()), CONFIG)


def test_a_floor_alone_leaves_two_translations_and_one_rotation() -> None:
    points = np.random.default_rng(1).uniform(-10, 10, (500, 3)) * [1, 1, 0] - [0, 0, 1]
    found = information(np.tile([0.0, 0.0, 1.0], (500, 1)), points)
    assert found.is_degenerate
    np.testing.assert_allclose(found.weak_translation[:, 2], 0.0, atol=1e-6)
    assert len(found.weak_translation) == 2
    np.testing.assert_allclose(np.abs(found.weak_rotation), [[0, 0, 1]], atol=1e-6)


def test_a_corridor_along_x_leaves_that_translation() -> None:
    rng = np.random.default_rng(2)
    points, normals = rng.uniform(-1, 1, (900, 3)) * [20, 1, 1], np.zeros((900, 3))
    points[:600, 1], normals[:600, 1] = np.sign(points[:600, 1]), 1.0
    points[600:, 2], normals[600:, 2] = np.sign(points[600:, 2]), 1.0
    found = information(normals, points)
    np.testing.assert_allclose(np.abs(found.weak_translation), [[1, 0, 0]], atol=1e-3)
    assert len(found.weak_rotation) == 0


def test_a_room_leaves_nothing() -> None:
    rng = np.random.default_rng(3)
    points, normals = rng.uniform(-5, 5, (900, 3)), np.eye(3)[np.arange(900) % 3]
    points = np.where(normals > 0, 5 * np.sign(points), points)
    assert not information(normals, points).is_degenerate


def test_eigenvalues_of_translation_do_not_depend_on_the_unit_of_rotation() -> None:
    rng = np.random.default_rng(4)
    points, normals = rng.normal(0, 10, (200, 3)), rng.normal(0, 1, (200, 3))
    normals /= np.linalg.norm(normals, axis=1)[:, None]
    near, far = information(normals, points), information(normals, 100 * points)
    np.testing.assert_allclose(near.translation_eigenvalues, far.translation_eigenvalues, rtol=1e-6)
    np.testing.assert_allclose(near.rotation_eigenvalues, far.rotation_eigenvalues, rtol=1e-6)


@pytest.mark.parametrize("HtH", [np.zeros((6, 6)), np.diag([1.0, 0, 0, 0, 0, 0])])
def test_too_little_information_is_weak_and_finite(HtH: np.ndarray) -> None:
    for weight in (0.0, 3.0):
        found = analyse(HtH, weight, 25.0, CONFIG)
        assert len(found.weak_translation) >= 2
        assert np.isfinite(found.translation_eigenvalues).all()


def corridor(seed: int, width: float, noise: float, num: int) -> Seen:
    """64 x 1024 beams in an endless smooth corridor along x, height 2.6 m, range 100 m; the LiDAR sways a little."""
    rng = np.random.default_rng(seed)
    elevation, azimuth = np.meshgrid(np.deg2rad(np.linspace(-25, 15, 64)), np.linspace(-np.pi, np.pi, 1024))
    beams = np.stack((np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)), -1)
    beams = beams.reshape(-1, 3)
    for k in range(num):
        R, y = exp_so3(rng.normal(0, [0.01, 0.01, 0.05])), rng.normal(0, 0.1)
        d = beams @ R.T
        with np.errstate(divide="ignore"):
            to_wall = np.where(d[:, 1] > 0, width / 2 - y, -width / 2 - y) / d[:, 1]
            reach = np.minimum(to_wall, np.where(d[:, 2] > 0, 1.6, -1.0) / d[:, 2]) + rng.normal(0, noise, len(d))
        hit = reach < 100.0
        yield (beams[hit] * reach[hit, None]).astype(np.float32), transform(R, np.array([0.1 * k, y, 0.0]))


@pytest.mark.parametrize(("width", "noise"), [(2.0, 0.01), (3.0, 0.02), (6.0, 0.02)])
def test_an_endless_corridor_is_flagged_in_95_of_100_scans(width: float, noise: float) -> None:
    assert np.mean(list(flags(corridor(0, width, noise, 40)))) >= 0.95


@pytest.mark.parametrize("name", KEYFRAMES)
def test_no_key_frame_of_the_real_recordings_is_flagged(name: str) -> None:
    assert not any(flags(keyframes(shared(f"data/{name}"))))


def test_one_scan_that_sees_little_is_not_flagged_after_many_that_saw_enough():
    enough, little = np.diag([50.0, 50.0, 50.0, 5e3, 5e3, 5e3]), np.diag([0.1, 50.0, 50.0, 5e3, 5e3, 5e3])
    before = analyse(enough, 100.0, 25.0, CONFIG).translation
    assert len(analyse(little, 100.0, 25.0, CONFIG).weak_translation) == 1
    assert len(analyse(little, 100.0, 25.0, CONFIG, before).weak_translation) == 0
    for _ in range(30):
        found = analyse(little, 100.0, 25.0, CONFIG, before)
        before = found.translation
    assert len(found.weak_translation) == 1


def test_a_scan_loses_its_say_along_a_translation_that_it_hardly_tells():
    def shares(value: float) -> list[float]:
        return [share for axis, share in analysed(value).doubts(CONFIG) if abs(axis[0]) > 0.99]

    def analysed(value: float) -> Degeneracy:
        return analyse(np.diag([value, 0.4, 0.4, 50.0, 50.0, 50.0]) * 100.0, 100.0, 25.0, CONFIG)

    assert CONFIG.full_translation == 0.1
    assert shares(0.2) == []
    assert shares(0.05) == pytest.approx([0.5**4])
    assert shares(0.02) == pytest.approx([0.2**4])
    assert shares(0.5 * CONFIG.weak_translation) == [0.0]
