"""Where different objects run into each other, as a wall into a slope: creases that are edges of no body.

Two planes that are seen in neighbouring pixels meet on one straight line of the image; where it passes between the two
pixels, the surfaces meet in space as well.
"""

import math

import numba
import numpy as np

from perception.world.truth.kernels_lines import COS_DIHEDRAL, MAX_GAP, SHORTEST_PIECE, Screen, empty_screen

MAX_AWAY = 0.75  # px, of the line from the middle between the two pixels
NO_PLANE = -1  # number of curved surfaces and foliage


@numba.njit(nogil=True, cache=True, error_model="numpy")
def crease_points(screen, numbers, instances, keys, places):
    """Points on creases: fills `keys` (M,) int64, two planes, and `places` (M, 3): way along the line, x, y (px).

    `numbers` (N,) int32: number of the plane of each triangle, see `NO_PLANE`; `instances` (N,) int32: edges within one
    object are no concern here, unless it is 0, all that is no object. Returns how many points there are, at most M.
    """
    height, width = screen.rows.shape
    count, place = 0, np.empty(3, dtype=np.float64)
    for v in range(height):
        for u in range(width):
            here = screen.rows[v, u]
            if here < 0:
                continue
            for k in range(2):
                p, q = u + 1 - k, v + k
                if p >= width or q >= height:
                    continue
                there = screen.rows[q, p]
                if there < 0 or numbers[here] == numbers[there] or min(numbers[here], numbers[there]) == NO_PLANE:
                    continue
                if instances[here] == instances[there] != 0:
                    continue
                one, two = (here, there) if numbers[here] < numbers[there] else (there, here)
                if count < len(keys) and _meet(one, two, 0.5 * (u + p), 0.5 * (v + q), screen, place):
                    keys[count] = np.int64(numbers[one]) << 32 | np.int64(numbers[two])
                    places[count, 0], places[count, 1], places[count, 2] = place[0], place[1], place[2]
                    count += 1
    return count


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _meet(one, two, u, v, screen, place):
    """Whether the planes of two triangles meet at (u, v) at an angle; the nearest point of their line into `place`."""
    T, p, S, q = (
        screen.T_camera_body[screen.bodies[one]],
        screen.planes[one],
        screen.T_camera_body[screen.bodies[two]],
        screen.planes[two],
    )
    dot, p_offset, q_offset = 0.0, p[3], q[3]
    for k in range(3):
        a = T[k, 0] * p[0] + T[k, 1] * p[1] + T[k, 2] * p[2]
        b = S[k, 0] * q[0] + S[k, 1] * q[1] + S[k, 2] * q[2]
        dot += a * b
        p_offset += a * T[k, 3]
        q_offset += b * S[k, 3]
    if abs(dot) >= COS_DIHEDRAL:
        return False
    x, y = (u - screen.lens[2]) / screen.lens[0], (v - screen.lens[3]) / screen.lens[1]
    gu, gv, value = 0.0, 0.0, 0.0  # the line is where the depths of both planes agree
    for k in range(3):
        a = T[k, 0] * p[0] + T[k, 1] * p[1] + T[k, 2] * p[2]
        b = S[k, 0] * q[0] + S[k, 1] * q[1] + S[k, 2] * q[2]
        c = q_offset * a - p_offset * b
        if k == 0:
            gu, value = c / screen.lens[0], value + c * x
        elif k == 1:
            gv, value = c / screen.lens[1], value + c * y
        else:
            value += c
    slope = math.hypot(gu, gv)
    if not abs(value) <= MAX_AWAY * slope:
        return False
    away = value / (slope * slope)
    place[1], place[2] = u - away * gu, v - away * gv
    place[0] = (place[2] * gu - place[1] * gv) / slope
    return True


def creases(screen: Screen, numbers: np.ndarray, instances: np.ndarray) -> np.ndarray:
    """Pieces (M, 4) float64 of creases between objects, px. Arguments as of `crease_points`."""
    size = 2 * screen.rows.size
    keys, places = np.empty(size, dtype=np.int64), np.empty((size, 3))
    count = crease_points(screen, numbers, instances, keys, places)
    return runs(keys[:count], places[:count])


def runs(keys: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Pieces (M, 4) of at least `SHORTEST_PIECE` px between points with one key that leave no gap of `MAX_GAP`."""
    if len(keys) == 0:
        return np.zeros((0, 4))
    order = np.lexsort((places[:, 0], keys))
    keys, places = keys[order], places[order]
    is_new = np.concatenate([[True], (keys[1:] != keys[:-1]) | (np.diff(places[:, 0]) >= MAX_GAP)])
    firsts = np.flatnonzero(is_new)
    lasts = np.concatenate([firsts[1:], [len(keys)]]) - 1
    is_long = places[lasts, 0] - places[firsts, 0] >= SHORTEST_PIECE
    return np.column_stack([places[firsts[is_long], 1:], places[lasts[is_long], 1:]])


def warm_up() -> None:
    """Compile the kernel of this file for the types it is used with."""
    creases(empty_screen(), np.zeros(1, dtype=np.int32), np.zeros(1, dtype=np.int32))
