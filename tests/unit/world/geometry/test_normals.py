"""Normals at corners: flat where a body has edges, round where it is curved."""

import numpy as np
import pytest

from perception.core.classes import Class
from perception.world.geometry.mesh import Look, Mesh, box, ellipsoid, joined, surface, tube
from perception.world.geometry.normals import SAME_CORNER, SHARPEST_DEG, corner_normals
from perception.world.materials import Material


def body(triangles: np.ndarray, is_smooth: bool, instance: int = 1) -> Mesh:
    return surface(triangles, Class.OTHERS, Material.METAL, instance, Look(is_smooth=is_smooth))


def face_normals(triangles: np.ndarray) -> np.ndarray:
    corners = triangles.astype(np.float64)
    n = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return n / np.maximum(np.linalg.norm(n, axis=1, keepdims=True), 1e-30)


def by_hand(mesh: Mesh) -> np.ndarray:
    """The definition: every corner against every other."""
    faces = face_normals(mesh.triangles)
    out = np.repeat(faces[:, None], 3, axis=1)
    points = mesh.triangles.astype(np.float64)
    for t in np.flatnonzero(mesh.is_smooth):
        for k in range(3):
            total = np.zeros(3)
            for s in np.flatnonzero(mesh.is_smooth & (mesh.instance_ids == mesh.instance_ids[t])):
                for j in np.flatnonzero(np.linalg.norm(points[s] - points[t, k], axis=1) <= SAME_CORNER):
                    if faces[s] @ faces[t] > np.cos(np.radians(SHARPEST_DEG)):
                        a, b = points[s, (j + 1) % 3] - points[s, j], points[s, (j + 2) % 3] - points[s, j]
                        cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
                        total += np.arccos(np.clip(cosine, -1.0, 1.0)) * faces[s]
            if total.any():
                out[t, k] = total / np.linalg.norm(total)
    return out


def test_flat_bodies_keep_the_normals_of_their_faces() -> None:
    mesh = body(box([0, 0, 0], [1, 2, 3]), False)
    normals = corner_normals(mesh)
    assert normals.dtype == np.float32
    np.testing.assert_allclose(normals, np.repeat(face_normals(mesh.triangles)[:, None], 3, axis=1), atol=1e-6)


def test_normals_of_a_sphere_point_away_from_its_middle() -> None:
    mesh = body(ellipsoid([10.0, -7.0, 2.0], [0.5, 0.5, 0.5], sides=24, rings=16), True)
    normals = corner_normals(mesh)
    away = mesh.triangles - np.float32([10.0, -7.0, 2.0])
    away /= np.linalg.norm(away, axis=-1, keepdims=True)
    has_area = np.linalg.norm(normals, axis=-1) > 0.5
    assert has_area.mean() > 0.9
    assert (np.einsum("nki,nki->nk", normals, away)[has_area] > np.cos(np.radians(2.0))).all()


def test_edges_sharper_than_the_limit_stay_edges() -> None:
    mesh = body(box([0, 0, 0], [1, 1, 1]), True)
    np.testing.assert_allclose(
        corner_normals(mesh), np.repeat(face_normals(mesh.triangles)[:, None], 3, axis=1), atol=1e-6
    )


@pytest.mark.parametrize("count", [1, 30])
def test_corners_agree_with_the_definition(count: int) -> None:
    rng = np.random.default_rng(count)
    grid = rng.uniform(-0.3, 0.3, size=(6, 3)) + 0.5 * CELL_EDGE
    triangles = grid[rng.integers(0, 6, size=(count, 3))] + rng.uniform(-2e-5, 2e-5, size=(count, 3, 3))
    mesh = joined(
        [
            body(triangles, True, 1),
            body(triangles[::2], True, 2),
            body(triangles[::3], False, 1),
            body(tube(np.array([[0.0, 0, 0], [0.1, 0, 1], [0.4, 0, 2]]), [0.2, 0.1, 0.1]), True, 3),
        ]
    )
    np.testing.assert_allclose(corner_normals(mesh), by_hand(mesh), atol=2e-4)


CELL_EDGE = np.array([0.002, 0.004, -0.002])  # corners lie on both sides of the cells they are looked up in


def test_corners_on_both_sides_of_a_cell_are_one() -> None:
    roof = np.array([[[0.0, 0, 0], [1, 0, -0.2], [0, 1, 0]], [[0.0, 0, 0], [0, 1, 0], [-1, 0, -0.2]]])
    roof[1] -= 2e-5
    normals = corner_normals(body(roof, True))
    np.testing.assert_allclose(normals[0, 0], normals[1, 0], atol=1e-4)
    np.testing.assert_allclose(normals[0, 0], [0.0, 0.0, 1.0], atol=0.02)
    assert abs(normals[0, 1] @ [0, 0, 1.0] - 1.0) > 0.01


def test_other_instances_and_flat_neighbours_do_not_count() -> None:
    roof = np.array([[[0.0, 0, 0], [1, 0, -0.2], [0, 1, 0]], [[0.0, 0, 0], [0, 1, 0], [-1, 0, -0.2]]])
    for other in (body(roof[1:], True, 2), body(roof[1:], False, 1)):
        normals = corner_normals(joined([body(roof[:1], True, 1), other]))
        np.testing.assert_allclose(normals[0], np.repeat(face_normals(roof[:1]), 3, axis=0), atol=1e-6)


def test_no_triangles_and_triangles_without_area_are_no_problem() -> None:
    assert corner_normals(body(np.zeros((0, 3, 3)), True)).shape == (0, 3, 3)
    normals = corner_normals(body(np.array([[[0.0, 0, 0], [1, 1, 1], [2, 2, 2]], [[1.0, 1, 1]] * 3]), True))
    np.testing.assert_array_equal(normals, 0.0)
