"""Texture look-ups: bilinear in two mip levels, a few of them along the longer side of the pixel's footprint.

Filtering happens on the stored sRGB values, which is cheaper and hardly differs on the small steps within a footprint.
`sample` of `textures/bank.py` defines one level.
"""

import math
from typing import NamedTuple

import numba
import numpy as np

from perception.world.render.loose import LOOSE
from perception.world.render.textures.bank import bake

MAX_TAPS = 2  # along the footprint; a longer one is blurred
SHARPNESS = -0.1  # added to the level: 4 samples per pixel and noise hide what aliases
_LANES = 0x00FF00FF00FF00FF


class Texels(NamedTuple):
    """All textures of a world, with their mip chains, by layer."""

    data: np.ndarray  # (K,) uint32: r, g, b, gloss from the lowest byte
    offsets: np.ndarray  # (L, NUM_LEVELS) int32: first texel of each level
    sizes: np.ndarray  # (L,) int32: log2 of the size of level 0, px
    repeats: np.ndarray  # (L,) float32: texture periods per unit of uv
    is_unit: np.ndarray  # (L,) bool: ends at the border of the unit square instead of being repeated


def texels_of(texture_ids: np.ndarray) -> Texels:
    """The textures that a world uses, by texture id; ids that it does not use show the first one."""
    bank = bake(np.unique(texture_ids))
    layers = np.maximum(bank.layers, 0)
    return Texels(
        np.ascontiguousarray(bank.texels).view("<u4").reshape(-1),
        np.ascontiguousarray(bank.levels[layers], dtype=np.int32),
        np.round(np.log2(bank.sizes[layers])).astype(np.int32),
        (1.0 / bank.repeats[layers]).astype(np.float32),
        bank.is_unit[layers],
    )


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=LOOSE, inline="always")
def _spread(texel):
    """The four bytes of a texel, 16 bits apart: r, b, g, gloss."""
    t = np.int64(texel)
    return (t & 0x00FF00FF) | ((t & 0xFF00FF00) << 24)


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=LOOSE, inline="always")
def _between(a, b, weight):
    """a to b by weight / 256 in all four lanes."""
    return ((a * (256 - weight) + b * weight) >> 8) & _LANES


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=LOOSE)
def _bilinear(data, first, log2_size, u, v):
    """Four lanes at (u, v) in periods of one level."""
    n = float(1 << log2_size)
    x, y = u * n - 0.5, v * n - 0.5
    i, j = math.floor(x), math.floor(y)
    a, b = np.int64((x - i) * 256.0), np.int64((y - j) * 256.0)
    mask = (1 << log2_size) - 1
    i0, j0 = np.int64(i) & mask, np.int64(j) & mask
    i1, j1 = (i0 + 1) & mask, (j0 + 1) & mask
    row, below = first + (j0 << log2_size), first + (j1 << log2_size)
    top = _between(_spread(data[row + i0]), _spread(data[row + i1]), a)
    bottom = _between(_spread(data[below + i0]), _spread(data[below + i1]), a)
    return _between(top, bottom, b)


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=LOOSE)
def sample(data, offsets, layer, log2_size, repeat, is_unit, u, v, ux, vx, uy, vy):
    """Colour (r, g, b) as sRGB and gloss, 0 to 1, at (u, v), for steps (ux, vx) and (uy, vy) per pixel.

    One tap is trilinear; of several along a long footprint each is bilinear in one of the two levels, in proportion.
    """
    size = repeat * float(1 << log2_size)
    across, down = size * size * (ux * ux + vx * vx), size * size * (uy * uy + vy * vy)
    if across > down:
        longer, shorter, step_u, step_v = math.sqrt(across), math.sqrt(down), ux * repeat, vx * repeat
    else:
        longer, shorter, step_u, step_v = math.sqrt(down), math.sqrt(across), uy * repeat, vy * repeat
    taps = 1 + int(min(longer / max(shorter, 0.5) - 0.4, MAX_TAPS - 1.0)) if longer > 0.7 else 1
    level = math.log2(max(max(shorter, longer / (1.6 * taps)), 1e-6)) + SHARPNESS
    level = min(max(level, 0.0), float(log2_size))
    low = np.int64(level)
    coarser = level - low
    high = min(low + 1, np.int64(log2_size))
    u0, v0 = u * repeat, v * repeat
    if is_unit:  # half a texel inside, where a unit texture ends
        border = 0.5 / float(1 << (log2_size - high))
        u0, v0 = min(max(u0, border), 1.0 - border), min(max(v0, border), 1.0 - border)
        step_u, step_v = 0.0, 0.0
    if taps == 1:
        total = _bilinear(data, offsets[layer, low], log2_size - low, u0, v0)
        weight = np.int64(coarser * 256.0)
        if weight > 32:
            total = _between(total, _bilinear(data, offsets[layer, high], log2_size - high, u0, v0), weight)
    else:
        total = np.int64(0)
        step = 1.0 / taps
        for k in range(taps):
            f = (k + 0.5) * step
            m = high if f < coarser else low
            total += _bilinear(data, offsets[layer, m], log2_size - m, u0 + (f - 0.5) * step_u, v0 + (f - 0.5) * step_v)
    scale = 1.0 / (255.0 * taps)
    r, b = (total & 0xFFFF) * scale, ((total >> 16) & 0xFFFF) * scale
    g, gloss = ((total >> 32) & 0xFFFF) * scale, ((total >> 48) & 0xFFFF) * scale
    return r, g, b, gloss


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=LOOSE, inline="always")
def linear(c):
    """Linear light of an sRGB value in 0 to 1; a cubic that is within 0.002 of the standard's curve."""
    return c * (c * (c * 0.305306011 + 0.682171111) + 0.012522878)


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=LOOSE)
def sample_all(texels, count, rows, looks, uv, color):
    """`sample` for the fragments of one image row."""
    data, offsets, sizes = texels.data, texels.offsets, texels.sizes
    repeats, is_unit = texels.repeats, texels.is_unit
    for i in range(count):
        if rows[i] < 0:
            continue
        layer = looks[rows[i], 4]
        color[i, 0], color[i, 1], color[i, 2], color[i, 3] = sample(
            data, offsets, layer, np.int64(sizes[layer]), float(repeats[layer]), is_unit[layer],
            float(uv[i, 0]), float(uv[i, 1]), float(uv[i, 2]), float(uv[i, 3]), float(uv[i, 4]), float(uv[i, 5]),
        )  # fmt: skip
