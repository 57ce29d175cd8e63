"""Depth of a world seen along parallel rays: what shadows of the sun and other views from far away are made of.

Triangles are drawn row by row, each only over the columns that it covers. A texel is covered where its middle is.
"""

import numba
import numpy as np

from perception.world.geometry.leaf_mask import is_leaf_there

EMPTY = np.float32(np.inf)  # m, where nothing is


def parallel_view(origin: np.ndarray, axes: np.ndarray, texel: float) -> np.ndarray:
    """`to_map` (3, 4) float64 for `draw_depth`: from points (m) to column, row (texels) and depth (m).

    `axes` (3, 3): unit vectors along columns, along rows and away from the light; `origin` (3,) is the middle of texel
    (0, 0) and has depth 0; `texel` in m.
    """
    scaled = axes / np.array([[texel], [texel], [1.0]])
    return np.column_stack([scaled, -scaled @ origin])


def depth_map(triangles: np.ndarray, is_leaf: np.ndarray, to_map: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Depths (rows, columns) float32 of triangles (N, 3, 3) float32 along parallel rays, m; inf: nothing.

    `is_leaf` (N,) bool: only the part inside the leaf mask is there. `size`: rows and columns.
    """
    depth = np.full(size, EMPTY)
    draw_depth(triangles, is_leaf, to_map, depth)
    return depth


@numba.njit(nogil=True, cache=True, error_model="numpy")
def draw_depth(triangles, is_leaf, to_map, depth):
    """Lower the depths (rows, columns) to those of triangles, see `depth_map`; for what is added to a map."""
    for t in range(len(triangles)):
        ax, ay, az = _moved(triangles, t, 0, to_map)
        bx, by, bz = _moved(triangles, t, 1, to_map)
        cx, cy, cz = _moved(triangles, t, 2, to_map)
        e1x, e1y, e2x, e2y = bx - ax, by - ay, cx - ax, cy - ay
        area = e1x * e2y - e1y * e2x
        if area == 0.0 or not _touches(ax, bx, cx, depth.shape[1]) or not _touches(ay, by, cy, depth.shape[0]):
            continue
        # u, v and depth are linear in column and row: factors of both, and the value at column 0, row 0
        scale = 1.0 / area
        ux, uy, vx, vy = e2y * scale, -e2x * scale, -e1y * scale, e1x * scale
        zx, zy = ux * (bz - az) + vx * (cz - az), uy * (bz - az) + vy * (cz - az)
        first = max(int(np.ceil(min(ay, by, cy))), 0)
        last = min(int(np.floor(max(ay, by, cy))), depth.shape[0] - 1)
        for row in range(first, last + 1):
            dy = row - ay
            left, right = _columns(ax, bx, cx, depth.shape[1], ux, uy * dy, vx, vy * dy)
            if is_leaf[t]:
                _draw_leaf(depth, row, left, right, ax, az, ux, uy * dy, vx, vy * dy, zx, zy * dy)
            else:
                for column in range(left, right + 1):
                    z = np.float32(az + zy * dy + zx * (column - ax))
                    if z < depth[row, column]:
                        depth[row, column] = z


@numba.njit(nogil=True, cache=True)
def _moved(triangles, t, k, T):
    x, y, z = np.float64(triangles[t, k, 0]), np.float64(triangles[t, k, 1]), np.float64(triangles[t, k, 2])
    return (
        T[0, 0] * x + T[0, 1] * y + T[0, 2] * z + T[0, 3],
        T[1, 0] * x + T[1, 1] * y + T[1, 2] * z + T[1, 3],
        T[2, 0] * x + T[2, 1] * y + T[2, 2] * z + T[2, 3],
    )


@numba.njit(nogil=True, cache=True)
def _touches(a, b, c, size):
    """True where three coordinates reach into the map and enclose the middle of a texel."""
    low, high = min(a, b, c), max(a, b, c)
    return high >= 0.0 and low <= size - 1.0 and np.ceil(low) <= high


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _columns(ax, bx, cx, size, ux, u, vx, v):
    """First and last column of a row where u, v and 1 - u - v are not negative; u and v are given at column `ax`."""
    low, high = max(min(ax, bx, cx), 0.0), min(max(ax, bx, cx), size - 1.0)
    for slope, value in ((ux, u), (vx, v), (-ux - vx, 1.0 - u - v)):
        if slope > 0.0:
            low = max(low, ax - value / slope)
        elif slope < 0.0:
            high = min(high, ax - value / slope)
        elif value < 0.0:
            return 0, -1
    return int(np.ceil(low)), int(np.floor(high)) if high >= 0.0 else -1


@numba.njit(nogil=True, cache=True)
def _draw_leaf(depth, row, left, right, ax, az, ux, u, vx, v, zx, z):
    """One row of a foliage triangle; u, v and z (relative to `az`) are given at column `ax`."""
    for column in range(left, right + 1):
        dx = column - ax
        here = np.float32(az + z + zx * dx)
        if here < depth[row, column] and is_leaf_there(np.float32(u + ux * dx), np.float32(v + vx * dx)):
            depth[row, column] = here


def warm_up() -> None:
    """Compile the kernels of this file."""
    triangles = np.zeros((1, 3, 3), dtype=np.float32)
    depth_map(triangles, np.zeros(1, dtype=np.bool_), np.zeros((3, 4)), (1, 1))
