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
MAX_ASIDE = 1.0  # px, of the ends of a shorter piece beside the line of a longer one
MAX_TURN, MAX_SWAY = 0.05, 0.5  # rad between pieces of one line, and px that are forgiven on top
END_REACH = 5.0  # px from the end of an edge, within which a seen part goes on to the end unless something hides it
HIDDEN, UNCLEAR, SEEN = 0, 1, 2  # what may be said of a point of an edge
STRETCH = 1.5  # by which an edge at the border of an image may look longer than one on the axis


class Edges(NamedTuple):
    """Straight pieces of the bodies of a world."""

    starts: np.ndarray  # (E, 3) float64, m, in the frame of the body
    stops: np.ndarray  # (E, 3) float64
    bodies: np.ndarray  # (E,) int32, body of the accelerator
    sizes: np.ndarray  # (E,) float64, m: width of the bands beside a line of a picture; 0: an edge of the body itself
    firsts: np.ndarray  # (K + 1,) int64, first edge of each block of neighbours
    blocks: np.ndarray  # (K, 5) float64, m: centre of each block, in the frame of its body, radius, longest edge


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
def seen_parts(edges, screen, out):
    """Pieces of `Edges` that are seen as lines: fills `out` (M, 4) float64, px; returns how many, at most M."""
    ends, count = np.empty(6, dtype=np.float64), 0
    for block in range(len(edges.blocks)):
        first, last = edges.firsts[block], edges.firsts[block + 1]
        T = screen.T_camera_body[edges.bodies[first]]
        if not _may_show(edges.blocks[block], T, screen):
            continue
        for edge in range(first, last):
            if _projected(edges.starts[edge], edges.stops[edge], T, screen, ends):
                count = _walk(ends, edges.sizes[edge], screen, out, count)
                if count == len(out):
                    return count
    return count


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _may_show(block, T, screen):
    """Whether some edge of a block (centre, radius, longest edge) may be long enough in the image."""
    radius = block[3]
    z = T[2, 0] * block[0] + T[2, 1] * block[1] + T[2, 2] * block[2] + T[2, 3]
    if z + radius < NEAR:
        return False
    focal = max(screen.lens[0], screen.lens[1])
    if block[4] * focal * STRETCH < SHORTEST_PIECE * max(z - radius, NEAR):
        return False
    x = T[0, 0] * block[0] + T[0, 1] * block[1] + T[0, 2] * block[2] + T[0, 3]
    y = T[1, 0] * block[0] + T[1, 1] * block[1] + T[1, 2] * block[2] + T[1, 3]
    for axis in range(2):
        at, f, c = (x, screen.lens[0], screen.lens[2]) if axis == 0 else (y, screen.lens[1], screen.lens[3])
        low, high = -c / f, (screen.rows.shape[1 - axis] - 1.0 - c) / f
        if at - low * z < -radius * math.sqrt(1.0 + low * low) or at - high * z > radius * math.sqrt(1.0 + high * high):
            return False
    return True


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
    first, last, is_open = -1, -1, True
    reach = END_REACH * steps / length
    for i in range(steps + 1):
        verdict = HIDDEN
        if i < steps:
            f = (i + 0.5) / steps
            verdict = _judged(ends[0] + f * du, ends[1] + f * dv, ends[2] + f * dw, nu, nv, size, screen)
        if verdict == SEEN:
            if first < 0:
                first = 0 if is_open and i <= reach else i
            last = i
        elif first >= 0 and (i == steps or (i - last) * length / steps >= MAX_GAP):
            final = last + 1
            if i == steps and steps - final <= reach:
                final = steps
            if (final - first) * length / steps >= SHORTEST_PIECE and count < len(out):
                low, high = first / steps, final / steps
                out[count, 0], out[count, 1] = ends[0] + low * du, ends[1] + low * dv
                out[count, 2], out[count, 3] = ends[0] + high * du, ends[1] + high * dv
                count += 1
            first = -1
        if verdict == HIDDEN:
            is_open = False
    return count


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _judged(u, v, w, nu, nv, size, screen):
    """Whether the point of an edge at (u, v), inverse depth w, parts what differs on its two sides: SEEN.

    HIDDEN: something is in front of it; UNCLEAR: neither.
    """
    height, width = screen.rows.shape
    z = 1.0 / w
    x, y = (u - screen.lens[2]) / screen.lens[0] * z, (v - screen.lens[3]) / screen.lens[1] * z
    iu, iv = int(u + 0.5), int(v + 0.5)
    lu, lv, ru, rv = int(u + nu + 0.5), int(v + nv + 0.5), int(u - nu + 0.5), int(v - nv + 0.5)
    if min(lu, lv, ru, rv) < 0 or max(lu, ru) >= width or max(lv, rv) >= height:
        return UNCLEAR
    near = ON_PLANE + ON_PLANE_PER_M * z
    here = screen.rows[iv, iu]
    is_here = False
    if here >= 0:
        gap, toward = _gap(here, x, y, z, screen)
        is_here = abs(gap) <= near
        if not is_here and gap * toward < 0.0 and screen.depth[iv, iu] < z:
            return HIDDEN  # its plane is met before the point
    left, right = screen.rows[lv, lu], screen.rows[rv, ru]
    left_gap = _gap(left, x, y, z, screen)[0] if left >= 0 else np.inf
    right_gap = _gap(right, x, y, z, screen)[0] if right >= 0 else np.inf
    if not (is_here or abs(left_gap) <= near or abs(right_gap) <= near):
        return UNCLEAR
    if size > 0.0:
        return SEEN if is_here and _band(here, x, y, z, size, screen) >= MIN_BAND else UNCLEAR
    if _parts(left, right, left_gap, right_gap, screen):
        return SEEN
    is_thin = is_here and (_parts(here, left, 0.0, left_gap, screen) or _parts(here, right, 0.0, right_gap, screen))
    return SEEN if is_thin else UNCLEAR


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


@numba.njit(nogil=True, cache=True, error_model="numpy")
def merged(segments, order):
    """Joins pieces of one line in place: `segments` (N, 4) float64, px; `order` (N,) int64, longest first.

    Two pieces are one line where the ends of the shorter lie beside the longer by less than `MAX_ASIDE`, their
    directions agree, and they overlap or leave a gap below `MAX_GAP`. The longer one then reaches over both; the other
    becomes NaN.
    """
    for a in range(len(order)):
        line = segments[order[a]]
        if math.isnan(line[0]):
            continue
        x, y, length = line[0], line[1], math.hypot(line[2] - line[0], line[3] - line[1])
        dx, dy = (line[2] - x) / length, (line[3] - y) / length
        low, high = 0.0, length
        is_growing = True
        while is_growing:
            is_growing = False
            for b in range(a + 1, len(order)):
                piece = segments[order[b]]
                aside = (piece[1] - y) * dx - (piece[0] - x) * dy
                if not abs(aside) <= MAX_ASIDE:  # NaN as well
                    continue
                turn = (piece[3] - y) * dx - (piece[2] - x) * dy
                p = (piece[0] - x) * dx + (piece[1] - y) * dy
                q = (piece[2] - x) * dx + (piece[3] - y) * dy
                if abs(turn) > MAX_ASIDE or abs(turn - aside) > MAX_TURN * abs(q - p) + MAX_SWAY:
                    continue
                if min(p, q) <= high + MAX_GAP and max(p, q) >= low - MAX_GAP:
                    is_growing = is_growing or min(p, q) < low or max(p, q) > high
                    low, high = min(low, p, q), max(high, p, q)
                    piece[:] = np.nan
        line[0], line[1], line[2], line[3] = x + low * dx, y + low * dy, x + high * dx, y + high * dy


def warm_up() -> None:
    """Compile the kernels of this file for the types they are used with."""
    point, one = np.zeros((1, 3)), np.zeros(1, dtype=np.int32)
    edges = Edges(point, point, one, np.zeros(1), np.array([0, 1], dtype=np.int64), np.zeros((1, 5)))
    seen_parts(edges, empty_screen(), np.empty((1, 4)))
    merged(np.zeros((0, 4)), np.zeros(0, dtype=np.int64))


def empty_screen() -> Screen:
    """An image of the sky over a world of one triangle, to compile with."""
    return Screen(
        np.full((2, 2), -1, dtype=np.int32),
        np.full((2, 2), np.inf, dtype=np.float32),
        np.zeros((1, 4)),
        np.zeros(1, dtype=np.int32),
        np.zeros(1, dtype=np.float32),
        np.zeros((1, 3, 4)),
        np.ones(4),
    )
