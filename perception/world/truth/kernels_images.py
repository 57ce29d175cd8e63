"""What of a triangle lies inside the pyramid that a camera sees: clipping at five planes (Sutherland, Hodgman 1974)."""

import numba
import numpy as np

NUM_PLANES = 5  # near, left, right, above, below
MAX_CORNERS = 3 + NUM_PLANES  # of a triangle that was cut by all of them


@numba.njit(nogil=True, cache=True)
def _cut(corners, count, a, b, c, d, out):
    """The part of a convex polygon where a x + b y + c z + d >= 0; returns the number of its corners."""
    num = 0
    for i in range(count):
        j = i + 1 if i + 1 < count else 0
        x, y, z = corners[i, 0], corners[i, 1], corners[i, 2]
        here = a * x + b * y + c * z + d
        there = a * corners[j, 0] + b * corners[j, 1] + c * corners[j, 2] + d
        if here >= 0.0:
            out[num, 0], out[num, 1], out[num, 2] = x, y, z
            num += 1
        if (here >= 0.0) != (there >= 0.0):
            f = here / (here - there)
            for k in range(3):
                out[num, k] = corners[i, k] + f * (corners[j, k] - corners[i, k])
            num += 1
    return num


@numba.njit(nogil=True, cache=True)
def seen_corners(triangles, rows, bodies, T_camera_body, window, near, corners, sources):
    """Corners of the parts of some triangles that lie inside the pyramid of a camera, at depth 1.

    `triangles` (N, 3, 3) float32, each in the frame of its body; `rows` (K,) int64 the wanted ones; `bodies` (K,) int32
    rows of `T_camera_body` (B, 3, 4) float64; `window` (4,) float64: x_low, y_low, x_high, y_high of the pyramid at
    depth 1; `near` (m): least depth. Fills `corners` (8 K, 2) float64 and `sources` (8 K,) int32, the number in
    `rows`; returns how many.
    """
    a = np.empty((MAX_CORNERS, 3), dtype=np.float64)
    b = np.empty((MAX_CORNERS, 3), dtype=np.float64)
    total = 0
    for i in range(len(rows)):
        T = T_camera_body[bodies[i]]
        for k in range(3):
            p = triangles[rows[i], k]
            for axis in range(3):
                a[k, axis] = T[axis, 0] * p[0] + T[axis, 1] * p[1] + T[axis, 2] * p[2] + T[axis, 3]
        count = _cut(a, 3, 0.0, 0.0, 1.0, -near, b)
        count = _cut(b, count, 1.0, 0.0, -window[0], 0.0, a)
        count = _cut(a, count, 0.0, 1.0, -window[1], 0.0, b)
        count = _cut(b, count, -1.0, 0.0, window[2], 0.0, a)
        count = _cut(a, count, 0.0, -1.0, window[3], 0.0, b)
        for k in range(count):
            corners[total, 0], corners[total, 1] = b[k, 0] / b[k, 2], b[k, 1] / b[k, 2]
            sources[total] = i
            total += 1
    return total


def seen_corners_twin(triangle: np.ndarray, window: np.ndarray, near: float) -> np.ndarray:
    """The definition of `seen_corners` for one triangle (3, 3) in the camera frame: (K, 2) at depth 1."""
    x_low, y_low, x_high, y_high = window
    planes = [[0, 0, 1, -near], [1, 0, -x_low, 0], [0, 1, -y_low, 0], [-1, 0, x_high, 0], [0, -1, y_high, 0]]
    polygon = [np.append(corner, 1.0) for corner in triangle.astype(np.float64)]
    for plane in np.array(planes, dtype=np.float64):
        kept = []
        for p, q in zip(polygon, [*polygon[1:], *polygon[:1]], strict=True):
            here, there = plane @ p, plane @ q
            kept += [p] if here >= 0.0 else []
            kept += [p + here / (here - there) * (q - p)] if (here >= 0.0) != (there >= 0.0) else []
        polygon = kept
    return np.array([p[:2] / p[2] for p in polygon]).reshape(-1, 2)


def warm_up() -> None:
    """Compile the kernels of this file for the types they are used with."""
    rows, bodies = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int32)
    corners, sources = np.zeros((MAX_CORNERS, 2)), np.zeros(MAX_CORNERS, dtype=np.int32)
    triangles = np.ones((1, 3, 3), dtype=np.float32)
    seen_corners(triangles, rows, bodies, np.zeros((1, 3, 4)), np.zeros(4), 0.1, corners, sources)
