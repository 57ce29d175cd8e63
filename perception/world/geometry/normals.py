"""Normals at the corners of triangles: those of the faces, averaged where a body is curved."""

import numba
import numpy as np

from perception.world.geometry.mesh import Mesh

SAME_CORNER = 1e-4  # m between corners that are one
CELL = 2e-3  # m, of the grid in which corners are looked up: much more than `SAME_CORNER`
SHARPEST_DEG = 80.0  # between faces that still count as one curved surface
_PRIMES = np.array([73856093, 19349663, 83492791, 1000000007], dtype=np.int64)


def corner_normals(mesh: Mesh) -> np.ndarray:
    """Unit normals (N, 3, 3) float32 at the corners of each triangle; 0 for a triangle without area.

    Flat triangles have the normal of their face at all corners. At corners of `is_smooth` ones it is the mean over the
    smooth triangles of the same instance that share the corner and are turned by less than 80 degrees, each weighted
    by its angle there.
    """
    faces = _face_normals(mesh.triangles)
    out = np.repeat(faces[:, None].astype(np.float32), 3, axis=1)
    smooth = np.flatnonzero(mesh.is_smooth)
    if len(smooth):
        points = mesh.triangles[smooth].reshape(-1, 3).astype(np.float64)
        normals = np.repeat(faces[smooth], 3, axis=0)
        instances = np.repeat(mesh.instance_ids[smooth], 3)
        keys = _keys(np.floor(points / CELL).astype(np.int64), instances)
        order = np.argsort(keys, kind="stable")
        weights = _angles(mesh.triangles[smooth]).reshape(-1)
        means = _means(points, normals, weights, instances, keys[order], order)
        out[smooth] = means.reshape(-1, 3, 3)
    return out


def _face_normals(triangles: np.ndarray) -> np.ndarray:
    """Unit normals (N, 3) float64; 0 for a triangle without area."""
    corners = triangles.astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.divide(normals, lengths, out=np.zeros_like(normals), where=lengths > 0.0)


def _angles(triangles: np.ndarray) -> np.ndarray:
    """The angle (N, 3) of each triangle at each corner, rad."""
    corners = triangles.astype(np.float64)
    a = np.roll(corners, -1, axis=1) - corners
    b = np.roll(corners, 1, axis=1) - corners
    across = np.linalg.norm(np.cross(a, b), axis=-1)
    return np.arctan2(across, np.einsum("nki,nki->nk", a, b))


def _keys(cells: np.ndarray, instances: np.ndarray) -> np.ndarray:
    """One number (N,) int64 for the cell (N, 3) and the instance of each corner; chance may give two cells the same."""
    return cells @ _PRIMES[:3] ^ instances.astype(np.int64) * _PRIMES[3]


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _means(points, normals, weights, instances, keys, order):
    """Mean normal (N, 3) float32 at each corner. `keys` sorted, `order` the corners they belong to."""
    out = np.zeros((len(points), 3), dtype=np.float32)
    cosine = np.cos(np.radians(SHARPEST_DEG))
    total, low, high = np.zeros(3), np.zeros(3, dtype=np.int64), np.zeros(3, dtype=np.int64)
    for i in range(len(points)):
        total[:] = 0.0
        for k in range(3):
            low[k] = int(np.floor((points[i, k] - SAME_CORNER) / CELL))
            high[k] = int(np.floor((points[i, k] + SAME_CORNER) / CELL))
        for x in range(low[0], high[0] + 1):
            for y in range(low[1], high[1] + 1):
                for z in range(low[2], high[2] + 1):
                    key = (x * _PRIMES[0] + y * _PRIMES[1] + z * _PRIMES[2]) ^ (np.int64(instances[i]) * _PRIMES[3])
                    at = np.searchsorted(keys, key)
                    while at < len(keys) and keys[at] == key:
                        _add(total, points, normals, weights, instances, i, order[at], cosine)
                        at += 1
        length = np.sqrt(total[0] ** 2 + total[1] ** 2 + total[2] ** 2)
        for k in range(3):
            out[i, k] = total[k] / length if length > 0.0 else normals[i, k]
    return out


@numba.njit(nogil=True, cache=True)
def _add(total, points, normals, weights, instances, i, j, cosine):
    """Add the normal at corner `j` to those at corner `i`, if both are one and belong to one curved surface."""
    turned, distance = 0.0, 0.0
    for k in range(3):
        turned += normals[i, k] * normals[j, k]
        distance += (points[i, k] - points[j, k]) ** 2
    if instances[i] == instances[j] and distance <= SAME_CORNER**2 and turned > cosine:
        for k in range(3):
            total[k] += weights[j] * normals[j, k]


def warm_up() -> None:
    """Compile the kernels of this file."""
    none, ids = np.zeros((0, 3)), np.zeros(0, dtype=np.int64)
    _means(none, none, np.zeros(0), np.zeros(0, dtype=np.int32), ids, ids)
