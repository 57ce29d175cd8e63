"""From triangles and boxes to what covers which part of an image: plane equations and bounds.

A camera at the origin sees a triangle v0, v1, v2 along the ray d = (X, Y, 1) where `d . (v1 x v2)`, `d . (v2 x v0)` and
`d . (v0 x v1)` all have the sign of `v0 . (v1 x v2)`: these are the barycentric coordinates times a common factor.
Their sum over that number is the inverse depth. All four are linear in X and Y, also for triangles that reach behind
the camera. Olano and Greer, "Triangle scan conversion using 2D homogeneous coordinates", 1997.

Two triangles with a common edge see exactly opposite values at it, so each sample on it belongs to one of them.
"""

import numba
import numpy as np

from perception.core.geometry import inverse
from perception.world.render.lens import MAX_CELLS, NUM_CELLS, SAMPLE_REACH, TILE

NEAR = 0.05  # m: what is nearer to the plane of the camera is not seen
W_NEAR = np.float32(1.0 / NEAR)
LEAST = np.float32(1e-45)  # smallest number above 0
# Numbers of what `set_up` finds out about a triangle:
EDGES = 0  # 9 numbers: factors of X, of Y and constant, for each of the three edges
INVERSE_DEPTH = 9  # 3 numbers likewise, 1/m
LOWEST, HIGHEST = 12, 13  # inverse depth, 1/m
X_LOW, X_HIGH, Y_LOW, Y_HIGH = 14, 15, 16, 17  # ideal coordinates
INVERSE_VOLUME = 18  # turns the values of edges into barycentric coordinates times inverse depth
NUM_SETUP = 19


def camera_from_bodies(T_world_camera: np.ndarray, T_world_mover: np.ndarray) -> np.ndarray:
    """`T_camera_body` (M + 1, 3, 4) of the static body of a world and of its movers (M, 4, 4)."""
    T_camera_world = inverse(T_world_camera)
    return np.ascontiguousarray(np.concatenate([T_camera_world[None], T_camera_world @ T_world_mover])[:, :3])


@numba.njit(nogil=True, cache=True, error_model="numpy")
def set_up(corners, k, T, setup):
    """Fill `setup` for triangle `k` of `corners` (N, 9), moved by `T` (3, 4); False where it cannot be seen."""
    ax, ay, az = corners[k, 0], corners[k, 1], corners[k, 2]
    bx, by, bz = corners[k, 3], corners[k, 4], corners[k, 5]
    cx, cy, cz = corners[k, 6], corners[k, 7], corners[k, 8]
    z0 = T[2, 0] * ax + T[2, 1] * ay + T[2, 2] * az + T[2, 3]
    z1 = T[2, 0] * bx + T[2, 1] * by + T[2, 2] * bz + T[2, 3]
    z2 = T[2, 0] * cx + T[2, 1] * cy + T[2, 2] * cz + T[2, 3]
    if z0 <= NEAR and z1 <= NEAR and z2 <= NEAR:
        return False
    x0 = T[0, 0] * ax + T[0, 1] * ay + T[0, 2] * az + T[0, 3]
    x1 = T[0, 0] * bx + T[0, 1] * by + T[0, 2] * bz + T[0, 3]
    x2 = T[0, 0] * cx + T[0, 1] * cy + T[0, 2] * cz + T[0, 3]
    y0 = T[1, 0] * ax + T[1, 1] * ay + T[1, 2] * az + T[1, 3]
    y1 = T[1, 0] * bx + T[1, 1] * by + T[1, 2] * bz + T[1, 3]
    y2 = T[1, 0] * cx + T[1, 1] * cy + T[1, 2] * cz + T[1, 3]
    if z0 > NEAR and z1 > NEAR and z2 > NEAR:
        w0, w1, w2 = 1.0 / z0, 1.0 / z1, 1.0 / z2
        _bound(setup, x0 * w0, x1 * w1, x2 * w2, X_LOW)
        _bound(setup, y0 * w0, y1 * w1, y2 * w2, Y_LOW)
        _bound(setup, w0, w1, w2, LOWEST)
    else:
        _bound_clipped(setup, (x0, y0, z0), (x1, y1, z1), (x2, y2, z2))
    return _set_planes(setup, x0, y0, z0, x1, y1, z1, x2, y2, z2)


@numba.njit(nogil=True, cache=True)
def _bound(setup, a, b, c, at):
    low, high = (a, b) if a < b else (b, a)
    setup[at] = c if c < low else low
    setup[at + 1] = c if c > high else high


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _bound_clipped(setup, a, b, c):
    """Bounds of the part of a triangle that is farther than `NEAR`; its highest inverse depth is left open."""
    setup[X_LOW], setup[X_HIGH], setup[Y_LOW], setup[Y_HIGH] = np.inf, -np.inf, np.inf, -np.inf
    deepest = 0.0
    for p, q in ((a, b), (b, c), (c, a)):
        if p[2] > NEAR:
            _widen(setup, p[0] / p[2], p[1] / p[2])
            deepest = max(deepest, p[2])
        if (p[2] > NEAR) != (q[2] > NEAR):
            f = (NEAR - p[2]) / (q[2] - p[2])
            _widen(setup, (p[0] + f * (q[0] - p[0])) / NEAR, (p[1] + f * (q[1] - p[1])) / NEAR)
    setup[LOWEST], setup[HIGHEST] = 1.0 / deepest, np.inf


@numba.njit(nogil=True, cache=True)
def _widen(setup, x, y):
    setup[X_LOW], setup[X_HIGH] = min(setup[X_LOW], x), max(setup[X_HIGH], x)
    setup[Y_LOW], setup[Y_HIGH] = min(setup[Y_LOW], y), max(setup[Y_HIGH], y)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _set_planes(setup, x0, y0, z0, x1, y1, z1, x2, y2, z2):
    """The edges, turned so that the inside is positive, and the inverse depth; False for a triangle seen edge-on."""
    ex, ey, ez, fx, fy, fz = x1 - x0, y1 - y0, z1 - z0, x2 - x0, y2 - y0, z2 - z0
    nx, ny, nz = ey * fz - ez * fy, ez * fx - ex * fz, ex * fy - ey * fx
    volume = nx * x0 + ny * y0 + nz * z0
    if volume == 0.0:
        return False
    side = 1.0 if volume > 0.0 else -1.0
    setup[0], setup[1], setup[2] = side * (y1 * z2 - z1 * y2), side * (z1 * x2 - x1 * z2), side * (x1 * y2 - y1 * x2)
    setup[3], setup[4], setup[5] = side * (y2 * z0 - z2 * y0), side * (z2 * x0 - x2 * z0), side * (x2 * y0 - y2 * x0)
    setup[6], setup[7], setup[8] = side * (y0 * z1 - z0 * y1), side * (z0 * x1 - x0 * z1), side * (x0 * y1 - y0 * x1)
    inverse = 1.0 / volume
    setup[9], setup[10], setup[11] = nx * inverse, ny * inverse, nz * inverse
    setup[INVERSE_VOLUME] = abs(inverse)
    return True


@numba.njit(nogil=True, cache=True)
def pixel_range(frame, cells, cell_ranges, setup):
    """First and last column, first and last row of pixels that bounds reach; an empty range outside."""
    x_low, x_high, y_low, y_high = setup[X_LOW], setup[X_HIGH], setup[Y_LOW], setup[Y_HIGH]
    if x_low > frame.x_high or x_high < frame.x_low or y_low > frame.y_high or y_high < frame.y_low:
        return 0, -1, 0, -1
    if frame.fx == 0.0:
        return _seen_range(frame, cells, cell_ranges, x_low, x_high, y_low, y_high)
    # Behind the decimal point the conversion to whole numbers cuts off: numbers below 0 must be clipped first.
    left = int(max(x_low * frame.fx + frame.cx + (1.0 - SAMPLE_REACH), 0.0))
    upper = int(max(y_low * frame.fy + frame.cy + (1.0 - SAMPLE_REACH), 0.0))
    right = int(min(x_high * frame.fx + frame.cx + SAMPLE_REACH, frame.width - 1.0))
    lower = int(min(y_high * frame.fy + frame.cy + SAMPLE_REACH, frame.height - 1.0))
    if left > right or upper > lower:
        return 0, -1, 0, -1
    return left, right, upper, lower


@numba.njit(nogil=True, cache=True)
def _seen_range(frame, cells, cell_ranges, x_low, x_high, y_low, y_high):
    """The same with distortion, by the table of the lens: whole tiles."""
    left, right = _cell(x_low, NUM_CELLS[1]), _cell(x_high, NUM_CELLS[1])
    upper, lower = _cell(y_low, NUM_CELLS[0]), _cell(y_high, NUM_CELLS[0])
    first_x, last_x, first_y, last_y = 32767, -1, 32767, -1
    if (right - left + 1) * (lower - upper + 1) > MAX_CELLS:
        first_x, last_x = int(cell_ranges[0, left, 0]), int(cell_ranges[0, right, 1])
        first_y, last_y = int(cell_ranges[1, upper, 0]), int(cell_ranges[1, lower, 1])
    else:
        for y in range(upper, lower + 1):
            for x in range(left, right + 1):
                first_x, last_x = min(first_x, int(cells[y, x, 0])), max(last_x, int(cells[y, x, 1]))
                first_y, last_y = min(first_y, int(cells[y, x, 2])), max(last_y, int(cells[y, x, 3]))
    if last_x < first_x or last_y < first_y:
        return 0, -1, 0, -1
    right, lower = min(last_x * TILE + TILE, frame.width), min(last_y * TILE + TILE, frame.height)
    return first_x * TILE, right - 1, first_y * TILE, lower - 1


@numba.njit(nogil=True, cache=True)
def _cell(x, count):
    folded = x / (1.0 + abs(x))
    return min(max(int((folded + 1.0) * (0.5 * count)), 0), count - 1)


@numba.njit(nogil=True, cache=True)
def misses_group(groups, group, setup):
    """True where a whole group of tiles is outside of one edge."""
    for edge in range(EDGES, EDGES + 9, 3):
        x, y = setup[edge], setup[edge + 1]
        most_x = x * (groups[group, 1] if x > 0.0 else groups[group, 0])
        most_y = y * (groups[group, 3] if y > 0.0 else groups[group, 2])
        if most_x + most_y + setup[edge + 2] < 0.0:
            return True
    return False


@numba.njit(nogil=True, cache=True, forceinline=True)
def edge_within(setup, edge, x0, y0):
    """An edge within a tile in float32: its three numbers and the value from which on a sample is inside.

    A sample exactly on an edge belongs to the side whose edge points to the right, or straight down.
    """
    a, b = setup[edge], setup[edge + 1]
    c = a * x0 + b * y0 + setup[edge + 2]
    owns = a > 0.0 or (a == 0.0 and b > 0.0)
    return np.float32(a), np.float32(b), np.float32(c), np.float32(0.0) if owns else LEAST


@numba.njit(nogil=True, cache=True)
def is_box_in_view(frame, box, T):
    """False where the sphere around a box (low xyz, high xyz), moved by `T`, is outside of the view."""
    x, y, z, r = _sphere_of(box, T)
    return (
        z + r > NEAR
        and x - frame.x_high * z <= r * np.sqrt(1.0 + frame.x_high * frame.x_high)
        and frame.x_low * z - x <= r * np.sqrt(1.0 + frame.x_low * frame.x_low)
        and y - frame.y_high * z <= r * np.sqrt(1.0 + frame.y_high * frame.y_high)
        and frame.y_low * z - y <= r * np.sqrt(1.0 + frame.y_low * frame.y_low)
    )


@numba.njit(nogil=True, cache=True)
def nearest_depth(box, T):
    """Depth (m) that nothing in a box is nearer than."""
    _, _, z, r = _sphere_of(box, T)
    return z - r


@numba.njit(nogil=True, cache=True)
def _sphere_of(box, T):
    hx, hy = 0.5 * (np.float64(box[3]) - box[0]), 0.5 * (np.float64(box[4]) - box[1])
    hz = 0.5 * (np.float64(box[5]) - box[2])
    px, py, pz = box[0] + hx, box[1] + hy, box[2] + hz
    x = T[0, 0] * px + T[0, 1] * py + T[0, 2] * pz + T[0, 3]
    y = T[1, 0] * px + T[1, 1] * py + T[1, 2] * pz + T[1, 3]
    z = T[2, 0] * px + T[2, 1] * py + T[2, 2] * pz + T[2, 3]
    return x, y, z, np.sqrt(hx * hx + hy * hy + hz * hz)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def set_up_box(box, T, setup):
    """Bounds of a box (low xyz, high xyz), moved by `T`, in `setup`; False where it is not all before the camera."""
    setup[X_LOW], setup[X_HIGH], setup[Y_LOW], setup[Y_HIGH] = np.inf, -np.inf, np.inf, -np.inf
    nearest = np.inf
    for corner in range(8):
        px = box[3] if corner & 1 else box[0]
        py = box[4] if corner & 2 else box[1]
        pz = box[5] if corner & 4 else box[2]
        z = T[2, 0] * px + T[2, 1] * py + T[2, 2] * pz + T[2, 3]
        if z <= NEAR:
            return False
        x = T[0, 0] * px + T[0, 1] * py + T[0, 2] * pz + T[0, 3]
        y = T[1, 0] * px + T[1, 1] * py + T[1, 2] * pz + T[1, 3]
        _widen(setup, x / z, y / z)
        nearest = min(nearest, z)
    setup[HIGHEST] = 1.0 / nearest
    return True
