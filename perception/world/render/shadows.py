"""Shadows of the sun: depth maps seen from it, one of all that stands still and one per frame of what moves nearby."""

import math
from typing import NamedTuple

import numba
import numpy as np

TAPS = 4  # bilinear, on a ring that is turned from pixel to pixel
RING = 0.11  # m, radius of the half shadow
NORMAL_OFFSET, BIAS = 0.05, 0.05  # m, off the surface and towards the sun: hide the steps of the map


class ShadowMap(NamedTuple):
    """Depths along parallel rays. `to_map` @ (x, y, z, 1): column, row (px, of middles) and depth (m)."""

    depth: np.ndarray  # (S, S) float32, m
    to_map: np.ndarray  # (3, 4) float64
    texel: float  # m


@numba.njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _is_lit(depth, column, row, z):
    """1 where nothing is nearer to the sun than z, softened over one texel."""
    i, j = math.floor(column), math.floor(row)
    a, b = column - i, row - j
    y, x = int(j), int(i)
    if x < 0 or y < 0 or x + 1 >= depth.shape[1] or y + 1 >= depth.shape[0]:
        return 1.0
    p = 1.0 if depth[y, x] >= z else 0.0
    q = 1.0 if depth[y, x + 1] >= z else 0.0
    r = 1.0 if depth[y + 1, x] >= z else 0.0
    s = 1.0 if depth[y + 1, x + 1] >= z else 0.0
    top, bottom = p + (q - p) * a, r + (s - r) * a
    return top + (bottom - top) * b


@numba.njit(nogil=True, cache=True, error_model="numpy")
def sunlit(shadows, x, y, z, cosine, sine):
    """Share of the sun's disc that a point sees; (cosine, sine) turns the ring of taps."""
    T = shadows.to_map
    column = T[0, 0] * x + T[0, 1] * y + T[0, 2] * z + T[0, 3]
    row = T[1, 0] * x + T[1, 1] * y + T[1, 2] * z + T[1, 3]
    depth = T[2, 0] * x + T[2, 1] * y + T[2, 2] * z + T[2, 3] - BIAS
    radius = max(RING / shadows.texel, 0.75)
    c, s = cosine * radius, sine * radius
    lit = _is_lit(shadows.depth, column + c, row + s, depth) + _is_lit(shadows.depth, column - c, row - s, depth)
    c, s = 0.5 * c, 0.5 * s
    lit += _is_lit(shadows.depth, column - s, row + c, depth) + _is_lit(shadows.depth, column + s, row - c, depth)
    return lit / TAPS


def no_shadows() -> ShadowMap:
    """A map that shades nothing."""
    return ShadowMap(np.full((2, 2), np.inf, dtype=np.float32), np.zeros((3, 4)), 1.0)
