"""Shadows of the sun: depth maps seen from it, one of all that stands still and one per frame of what moves nearby."""

import math
from typing import NamedTuple

import numba
import numpy as np

from perception.world.geometry.raycast import Accelerator
from perception.world.materials import Material
from perception.world.render.depth_map import draw_depth
from perception.world.render.loose import LOOSE

SUN_MAP_SIZE = 4096  # px, of what stands still
LOCAL_SIZE, LOCAL_REACH = 768, 36.0  # px; m around the camera, of what moves
TAPS = 4  # bilinear, on a ring that is turned from pixel to pixel
RING = 0.11  # m, radius of the half shadow
OFFSET, MIN_OFFSET = 0.8, 0.03  # texels, and m at least, off the surface and towards the sun: hide the map's steps
MIN_RADIUS = 0.75  # texels, of the ring
FLATTEST = 0.08  # sine of the angle of the sun's rays to a surface, below which its slope is not followed


_ORDER = np.array([0, 8, 2, 10, 12, 4, 14, 6, 3, 11, 1, 9, 15, 7, 13, 5])  # far apart where pixels are near (Bayer)
_ANGLES = _ORDER * (0.5 * np.pi / 16)
TURNS = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)


class ShadowMap(NamedTuple):
    """Depths along parallel rays. `to_map` @ (x, y, z, 1): column, row (px, of middles) and depth (m)."""

    depth: np.ndarray  # (S, S) float32, m
    to_map: np.ndarray  # (3, 4) float64
    texel: float  # m


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=LOOSE, inline="always")
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


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=LOOSE, inline="always")
def _is_hidden(depth, column, row, z):
    """1 where something is nearer to the sun than z, at the nearest texel."""
    y, x = int(row + 0.5), int(column + 0.5)
    if x < 0 or y < 0 or x >= depth.shape[1] or y >= depth.shape[0]:
        return 0
    return 1 if depth[y, x] < z else 0


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=LOOSE)
def _slopes(T, texel, nx, ny, nz):
    """Depth (m) that a plane of this normal gains per texel to the right and down."""
    ahead = T[2, 0] * nx + T[2, 1] * ny + T[2, 2] * nz
    scale = -texel * texel / min(ahead, -FLATTEST)
    across, down = T[0, 0] * nx + T[0, 1] * ny + T[0, 2] * nz, T[1, 0] * nx + T[1, 1] * ny + T[1, 2] * nz
    return across * scale, down * scale


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=LOOSE)
def sunlit(depth, T, texel, x, y, z, nx, ny, nz, cosine, sine):
    """Share of the sun's disc that is seen from a point of a plane with normal n; (cosine, sine) turns the taps."""
    offset, radius = max(OFFSET * texel, MIN_OFFSET), max(RING / texel, MIN_RADIUS)
    x, y, z = x + offset * nx, y + offset * ny, z + offset * nz
    column = T[0, 0] * x + T[0, 1] * y + T[0, 2] * z + T[0, 3]
    row = T[1, 0] * x + T[1, 1] * y + T[1, 2] * z + T[1, 3]
    far = T[2, 0] * x + T[2, 1] * y + T[2, 2] * z + T[2, 3] - offset
    across, down = _slopes(T, texel, nx, ny, nz)
    c, s = cosine * radius, sine * radius
    p, q = c * across + s * down, c * down - s * across  # depth of the plane at the taps, seen from its middle
    hidden = _is_hidden(depth, column + c, row + s, far + p) + _is_hidden(depth, column - c, row - s, far - p)
    hidden += _is_hidden(depth, column - s, row + c, far + q) + _is_hidden(depth, column + s, row - c, far - q)
    if hidden == 0:
        return 1.0
    if hidden == 4:
        return 0.0
    lit = _is_lit(depth, column + c, row + s, far + p) + _is_lit(depth, column - c, row - s, far - p)
    c, s, q = 0.5 * c, 0.5 * s, 0.5 * q
    lit += _is_lit(depth, column - s, row + c, far + q) + _is_lit(depth, column + s, row - c, far - q)
    return lit / TAPS


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=LOOSE)
def sunlit_all(still, moving, sun, count, rows, columns, line, looks, let_through, points, normals, lit):
    """Share of the sun (N,) on the fragments of image row `line`; 0 where they face away, unless light shines through.

    `let_through` (materials,): share of light that comes through a surface.
    """
    depth, T, texel = still.depth, still.to_map, still.texel
    depth_2, T_2, texel_2 = moving.depth, moving.to_map, moving.texel
    for i in range(count):
        lit[i] = 0.0
        if rows[i] < 0:
            continue
        nx, ny, nz = float(normals[i, 0]), float(normals[i, 1]), float(normals[i, 2])
        if nx * sun[0] + ny * sun[1] + nz * sun[2] <= 0.0:
            if let_through[looks[rows[i], 3]] == 0.0:
                continue
            nx, ny, nz = -nx, -ny, -nz
        x, y, z = float(points[i, 0]), float(points[i, 1]), float(points[i, 2])
        turn = TURNS[(line & 3) * 4 + (columns[i] & 3)]
        share = sunlit(depth, T, texel, x, y, z, nx, ny, nz, turn[0], turn[1])
        if share > 0.0 and depth_2.shape[0] > 2:
            share = share * sunlit(depth_2, T_2, texel_2, x, y, z, nx, ny, nz, turn[0], turn[1])
        lit[i] = share


def sun_shadows(world: Accelerator, sun: np.ndarray, low: np.ndarray, high: np.ndarray) -> ShadowMap:
    """Shadows of all that stands still on the part of the world between two corners (3,), m."""
    return depth_along(world, sun, SUN_MAP_SIZE, low, high)


def depth_along(world: Accelerator, direction: np.ndarray, size: int, low: np.ndarray, high: np.ndarray) -> ShadowMap:
    """Depth of all that stands still before a box, seen along parallel rays from `direction` (3,).

    `direction`: unit, towards the light; `low`, `high`: corners (3,) of the box, m; `size` in px.
    """
    stop = int(world.first_rows[1])
    to_map, texel = _fitted(_box_corners(low, high), direction, size)
    depth = np.full((size, size), np.inf, dtype=np.float32)
    is_leaf = world.mesh.material_ids[:stop] == Material.LEAF
    draw_depth(world.mesh.triangles[:stop], is_leaf, to_map, depth)
    return ShadowMap(depth, to_map, texel)


def moving_shadows(world: Accelerator, sun: np.ndarray, eye: np.ndarray, T_world_mover: np.ndarray) -> ShadowMap:
    """Shadows of the movers near the camera at `eye` (3,)."""
    corners = _box_corners(eye - LOCAL_REACH, eye + LOCAL_REACH)
    to_map, texel = _fitted(corners, sun, LOCAL_SIZE)
    if not len(T_world_mover):
        return ShadowMap(np.full((2, 2), np.inf, dtype=np.float32), to_map, texel)
    depth = np.full((LOCAL_SIZE, LOCAL_SIZE), np.inf, dtype=np.float32)
    for m, T in enumerate(T_world_mover):
        if np.linalg.norm(T[:3, 3] - eye) > LOCAL_REACH + 10.0:
            continue
        rows = slice(int(world.first_rows[m + 1]), int(world.first_rows[m + 2]))
        is_leaf = world.mesh.material_ids[rows] == Material.LEAF
        draw_depth(world.mesh.triangles[rows], is_leaf, np.ascontiguousarray(to_map @ T), depth)
    return ShadowMap(depth, to_map, texel)


def _box_corners(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    bits = (np.arange(8)[:, None] >> np.arange(3)) & 1
    return np.where(bits, high, low).astype(np.float64)


def _fitted(corners: np.ndarray, direction: np.ndarray, size: int) -> tuple[np.ndarray, float]:
    """`to_map` of a square map that holds points (N, 3), and the size of its texels (m)."""
    helper = np.array([0.0, 0.0, 1.0]) if abs(direction[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
    right = np.cross(helper, direction)
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(direction, right), -direction])
    places = corners @ axes.T
    low, high = places.min(axis=0), places.max(axis=0)
    texel = float(max(high[0] - low[0], high[1] - low[1])) / (size - 2)
    to_map = np.empty((3, 4))
    to_map[:2, :3], to_map[:2, 3] = axes[:2] / texel, 0.5 - low[:2] / texel
    to_map[2, :3], to_map[2, 3] = axes[2], -low[2]
    return to_map, texel
