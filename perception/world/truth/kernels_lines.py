"""Which parts of straight edges an image shows as lines: what lies on them and on both sides of them, pixel by pixel.

`seen_parts` walks along the projected edges, `merged` joins pieces of one line. Their twins are in the test.
"""

import math
from typing import NamedTuple

import numba
import numpy as np

NEAR = 0.1  # m, least depth of a labelled point
BESIDE = 1.0  # px to each side of an edge, where one looks for what it parts
SHORTEST_PIECE = 4.0  # px; shorter pieces are not even tried to be joined
MAX_GAP = 3.0  # px, of hidden parts that are bridged
ON_PLANE, ON_PLANE_PER_M = 5e-3, 3e-4  # m and m per m of depth: a surface within goes through the point
DEPTH_STEP = 0.03  # m, between a point and a surface that is not its own: there is a jump
COS_DIHEDRAL = math.cos(math.radians(20.0))
GREY_STEP = 12.0  # grey levels
MIN_BAND = 1.0  # px, that the bands beside a line of a picture are at least wide


class Screen(NamedTuple):
    """An image and what it shows."""

    rows: np.ndarray  # (H, W) int32, triangle; below 0: sky
    depth: np.ndarray  # (H, W) float32, m along the optical axis
    planes: np.ndarray  # (N, 4) float64 by triangle: unit normal and offset in the frame of its body
    bodies: np.ndarray  # (N,) int32
    greys: np.ndarray  # (N,) float32, 0 to 255
    T_camera_body: np.ndarray  # (B, 3, 4) float64
    lens: np.ndarray  # (4,) float64: focal lengths and principal point, px


@numba.njit(nogil=True, cache=True, error_model="numpy")
def seen_parts(starts, stops, bodies, sizes, screen, out):
    """Pieces of edges (E, 3) that are seen as lines: fills `out` (M, 4) float64, px; returns how many, at most M."""
    ends, count = np.empty(6, dtype=np.float64), 0
    for edge in range(len(starts)):
        if _projected(starts[edge], stops[edge], screen.T_camera_body[bodies[edge]], screen, ends):
            count = _walk(ends, sizes[edge], screen, out, count)
            if count == len(out):
                break
    return count


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _projected(start, stop, T, screen, ends):
    """Whether enough of an edge lies in the image; its ends there (x, y px and inverse depth) into `ends` (6,)."""
    az = T[2, 0] * start[0] + T[2, 1] * start[1] + T[2, 2] * start[2] + T[2, 3]
    bz = T[2, 0] * stop[0] + T[2, 1] * stop[1] + T[2, 2] * stop[2] + T[2, 3]
    if az < NEAR and bz < NEAR:
        return False
    ax = T[0, 0] * start[0] + T[0, 1] * start[1] + T[0, 2] * start[2] + T[0, 3]
    ay = T[1, 0] * start[0] + T[1, 1] * start[1] + T[1, 2] * start[2] + T[1, 3]
    bx = T[0, 0] * stop[0] + T[0, 1] * stop[1] + T[0, 2] * stop[2] + T[0, 3]
    by = T[1, 0] * stop[0] + T[1, 1] * stop[1] + T[1, 2] * stop[2] + T[1, 3]
    if az < NEAR:
        f = (NEAR - az) / (bz - az)
        ax, ay, az = ax + f * (bx - ax), ay + f * (by - ay), NEAR
    elif bz < NEAR:
        f = (NEAR - bz) / (az - bz)
        bx, by, bz = bx + f * (ax - bx), by + f * (ay - by), NEAR
    fx, fy, cx, cy = screen.lens[0], screen.lens[1], screen.lens[2], screen.lens[3]
    au, av, aw = fx * ax / az + cx, fy * ay / az + cy, 1.0 / az
    du, dv, dw = fx * bx / bz + cx - au, fy * by / bz + cy - av, 1.0 / bz - aw
    low, high = 0.0, 1.0
    for axis in range(2):
        at, rate = (au, du) if axis == 0 else (av, dv)
        last = screen.rows.shape[1 - axis] - 1.0
        if rate == 0.0:
            if at < 0.0 or at > last:
                return False
        else:
            one, two = -at / rate, (last - at) / rate
            low, high = max(low, min(one, two)), min(high, max(one, two))
    if high <= low or (high - low) * math.hypot(du, dv) < SHORTEST_PIECE:
        return False
    ends[0], ends[1], ends[2] = au + low * du, av + low * dv, aw + low * dw
    ends[3], ends[4], ends[5] = au + high * du, av + high * dv, aw + high * dw
    return True


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _walk(ends, size, screen, out, count):
    """Adds the seen runs of one projected edge to `out`; returns their number so far."""
    du, dv, dw = ends[3] - ends[0], ends[4] - ends[1], ends[5] - ends[2]
    length = math.hypot(du, dv)
    steps = math.ceil(length)
    nu, nv = -dv / length * BESIDE, du / length * BESIDE
    first, last = -1, -1
    for i in range(steps + 1):
        is_seen = False
        if i < steps:
            f = (i + 0.5) / steps
            is_seen = _is_line(ends[0] + f * du, ends[1] + f * dv, ends[2] + f * dw, nu, nv, size, screen)
        if is_seen:
            first = i if first < 0 else first
            last = i
        elif first >= 0 and (i == steps or (i - last) * length / steps >= MAX_GAP):
            if (last + 1 - first) * length / steps >= SHORTEST_PIECE and count < len(out):
                low, high = first / steps, (last + 1) / steps
                out[count, 0], out[count, 1] = ends[0] + low * du, ends[1] + low * dv
                out[count, 2], out[count, 3] = ends[0] + high * du, ends[1] + high * dv
                count += 1
            first = -1
    return count


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _is_line(u, v, w, nu, nv, size, screen):
    """Whether the point of an edge at (u, v), inverse depth w, is visible, and parts what differs on its two sides."""
    height, width = screen.rows.shape
    z = 1.0 / w
    x, y = (u - screen.lens[2]) / screen.lens[0] * z, (v - screen.lens[3]) / screen.lens[1] * z
    iu, iv = int(u + 0.5), int(v + 0.5)
    lu, lv, ru, rv = int(u + nu + 0.5), int(v + nv + 0.5), int(u - nu + 0.5), int(v - nv + 0.5)
    if min(lu, lv, ru, rv) < 0 or max(lu, ru) >= width or max(lv, rv) >= height:
        return False
    near = ON_PLANE + ON_PLANE_PER_M * z
    here = screen.rows[iv, iu]
    is_here = False
    if here >= 0:
        gap, toward = _gap(here, x, y, z, screen)
        is_here = abs(gap) <= near
        if not is_here and gap * toward < 0.0 and screen.depth[iv, iu] < z:
            return False  # its plane is met before the point
    left, right = screen.rows[lv, lu], screen.rows[rv, ru]
    left_gap = _gap(left, x, y, z, screen)[0] if left >= 0 else np.inf
    right_gap = _gap(right, x, y, z, screen)[0] if right >= 0 else np.inf
    if not (is_here or abs(left_gap) <= near or abs(right_gap) <= near):
        return False
    if size > 0.0:
        return is_here and _band(here, x, y, z, size, screen) >= MIN_BAND
    if _parts(left, right, left_gap, right_gap, screen):
        return True
    return is_here and (_parts(here, left, 0.0, left_gap, screen) or _parts(here, right, 0.0, right_gap, screen))


@numba.njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _gap(row, x, y, z, screen):
    """Distance (m) of a point in the camera frame from the plane of a triangle, and the plane's offset from the camera.

    Both have a sign: the plane lies between camera and point where these differ from each other.
    """
    T, plane = screen.T_camera_body[screen.bodies[row]], screen.planes[row]
    nx = T[0, 0] * plane[0] + T[0, 1] * plane[1] + T[0, 2] * plane[2]
    ny = T[1, 0] * plane[0] + T[1, 1] * plane[1] + T[1, 2] * plane[2]
    nz = T[2, 0] * plane[0] + T[2, 1] * plane[1] + T[2, 2] * plane[2]
    offset = plane[3] + nx * T[0, 3] + ny * T[1, 3] + nz * T[2, 3]
    return nx * x + ny * y + nz * z - offset, -offset


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _band(row, x, y, z, size, screen):
    """Width (px) of a band of `size` m on the plane of a triangle, as foreshortened as it may be."""
    T, plane = screen.T_camera_body[screen.bodies[row]], screen.planes[row]
    toward = 0.0
    for k, at in enumerate((x, y, z)):
        toward += (T[k, 0] * plane[0] + T[k, 1] * plane[1] + T[k, 2] * plane[2]) * at
    return size * screen.lens[0] / z * abs(toward) / math.sqrt(x * x + y * y + z * z)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _parts(one, two, one_gap, two_gap, screen):
    """Whether two triangles on both sides of a point differ in depth, direction or colour there."""
    if one == two:
        return False
    if one < 0 or two < 0:
        return True
    if max(abs(one_gap), abs(two_gap)) >= DEPTH_STEP:
        return True
    if abs(screen.greys[one] - screen.greys[two]) >= GREY_STEP:
        return True
    T, p, S, q = (
        screen.T_camera_body[screen.bodies[one]],
        screen.planes[one],
        screen.T_camera_body[screen.bodies[two]],
        screen.planes[two],
    )
    dot = 0.0
    for k in range(3):
        dot += (T[k, 0] * p[0] + T[k, 1] * p[1] + T[k, 2] * p[2]) * (S[k, 0] * q[0] + S[k, 1] * q[1] + S[k, 2] * q[2])
    return abs(dot) < COS_DIHEDRAL


MAX_ASIDE = 1.0  # px, of the ends of a shorter piece beside the line of a longer one
MAX_TURN = 0.05  # rad, between pieces of one line


@numba.njit(nogil=True, cache=True, error_model="numpy")
def merged(segments, order):
    """Joins pieces of one line in place: `segments` (N, 4) float64, px; `order` (N,) int64, longest first.

    Two pieces are one line where the ends of the shorter lie beside the longer by less than `MAX_ASIDE`, their
    directions agree, and they overlap or leave a gap below `MAX_GAP`. Those that went into another become NaN.
    """
    for a in range(len(order)):
        i = order[a]
        if math.isnan(segments[i, 0]):
            continue
        is_growing = True
        while is_growing:
            is_growing = False
            for b in range(a + 1, len(order)):
                j = order[b]
                if not math.isnan(segments[j, 0]) and _absorbed(segments[i], segments[j]):
                    segments[j, :] = np.nan
                    is_growing = True


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _absorbed(long, short):
    """Whether the shorter piece is part of the line of the longer one, which then reaches over both."""
    dx, dy = long[2] - long[0], long[3] - long[1]
    length = math.hypot(dx, dy)
    dx, dy = dx / length, dy / length
    px, py, qx, qy = short[0] - long[0], short[1] - long[1], short[2] - long[0], short[3] - long[1]
    p, q = px * dx + py * dy, qx * dx + qy * dy
    if min(p, q) > length + MAX_GAP or max(p, q) < -MAX_GAP:
        return False
    p_aside, q_aside = py * dx - px * dy, qy * dx - qx * dy
    if abs(p_aside) > MAX_ASIDE or abs(q_aside) > MAX_ASIDE:
        return False
    if abs(q_aside - p_aside) > MAX_TURN * abs(q - p) + 0.5:
        return False
    low, high = min(0.0, min(p, q)), max(length, max(p, q))
    x, y = long[0], long[1]
    long[0], long[1], long[2], long[3] = x + low * dx, y + low * dy, x + high * dx, y + high * dy
    return True
