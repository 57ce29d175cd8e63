"""Texture look-ups: bilinear in two mip levels, a few of them along the longer side of the pixel's footprint.

Filtering happens on the stored sRGB values, which is cheaper and hardly differs on the small steps within a footprint.
`sample_by_numpy` is the definition.
"""

import math
from typing import NamedTuple

import numba
import numpy as np

from perception.world.render.textures.bank import bake

MAX_TAPS = 4  # along the footprint; a longer one is blurred
SHARPNESS = -0.35  # added to the level: 4 samples per pixel and noise hide what aliases
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


@numba.njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _spread(texel):
    """The four bytes of a texel, 16 bits apart: r, b, g, gloss."""
    t = np.uint64(texel)
    return (t & np.uint64(0x00FF00FF)) | ((t & np.uint64(0xFF00FF00)) << np.uint64(24))


@numba.njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _between(a, b, weight):
    """a to b by weight / 256 in all four lanes."""
    mixed = a * (np.uint64(256) - weight) + b * weight
    return (mixed >> np.uint64(8)) & np.uint64(_LANES)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _bilinear(data, first, log2_size, u, v):
    """Four lanes at (u, v) in periods of one level."""
    n = 1 << log2_size
    x, y = u * n - 0.5, v * n - 0.5
    i, j = math.floor(x), math.floor(y)
    a, b = np.uint64((x - i) * 256.0), np.uint64((y - j) * 256.0)
    mask = n - 1
    i0, j0 = int(i) & mask, int(j) & mask
    i1, j1 = (i0 + 1) & mask, (j0 + 1) & mask
    row, below = first + (j0 << log2_size), first + (j1 << log2_size)
    top = _between(_spread(data[row + i0]), _spread(data[row + i1]), a)
    bottom = _between(_spread(data[below + i0]), _spread(data[below + i1]), a)
    return _between(top, bottom, b)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _trilinear(data, offsets, log2_size, u, v, level):
    low = int(level)
    weight = np.uint64((level - low) * 256.0)
    value = _bilinear(data, offsets[low], log2_size - low, u, v)
    if weight < np.uint64(24) or low >= log2_size:
        return value
    coarse = _bilinear(data, offsets[low + 1], log2_size - low - 1, u, v)
    return _between(value, coarse, weight)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def sample(texels, layer, u, v, ux, vx, uy, vy):
    """Colour (r, g, b) as sRGB and gloss, 0 to 1, at (u, v) for steps of (ux, vx) and (uy, vy) per pixel, in uv units."""
    repeat, log2_size = float(texels.repeats[layer]), int(texels.sizes[layer])
    size = float(1 << log2_size) * repeat
    across, down = math.sqrt(ux * ux + vx * vx) * size, math.sqrt(uy * uy + vy * vy) * size
    if across > down:
        longer, shorter, step_u, step_v = across, down, ux, vx
    else:
        longer, shorter, step_u, step_v = down, across, uy, vy
    taps = 1 + int(min(longer / max(shorter, 0.5), float(MAX_TAPS)) - 0.4)
    taps = min(taps, MAX_TAPS)
    level = math.log2(max(max(shorter, longer / (1.6 * taps)), 1e-6)) + SHARPNESS
    level = min(max(level, 0.0), float(log2_size))
    step_u, step_v = step_u * repeat, step_v * repeat
    u0, v0 = u * repeat, v * repeat
    is_unit = texels.is_unit[layer]
    low = math.ldexp(0.5, int(level) + 1 - log2_size)
    low, high = min(low, 0.5), max(1.0 - low, 0.5)  # half a texel inside, where a unit texture ends
    total = np.uint64(0)
    for k in range(taps):
        f = (k + 0.5) / taps - 0.5
        uk, vk = u0 + f * step_u, v0 + f * step_v
        if is_unit:
            uk, vk = min(max(uk, low), high), min(max(vk, low), high)
        total += _trilinear(texels.data, texels.offsets[layer], log2_size, uk, vk, level)
    scale = 1.0 / (255.0 * taps)
    lane = np.uint64(0xFFFF)
    r = float(total & lane) * scale
    b = float((total >> np.uint64(16)) & lane) * scale
    g = float((total >> np.uint64(32)) & lane) * scale
    gloss = float((total >> np.uint64(48)) & lane) * scale
    return r, g, b, gloss


@numba.njit(nogil=True, cache=True, error_model="numpy", inline="always")
def linear(c):
    """Linear light of an sRGB value in 0 to 1; a cubic that is within 0.002 of the standard's curve."""
    return c * (c * (c * 0.305306011 + 0.682171111) + 0.012522878)
