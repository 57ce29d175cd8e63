"""Looks of what one drives and walks on outdoors: asphalt, concrete, paving, grass, soil, gravel, marking paint."""

from typing import NamedTuple

import numpy as np

from perception.world.render.textures.noise import (
    blurred,
    fractal,
    grain,
    grid,
    masonry,
    normal,
    pebbles,
    relief,
    share,
)
from perception.world.render.textures.swatch import (
    Color,
    Swatch,
    cracks,
    mixed,
    picked,
    streaks,
    toned,
    valued,
)


class _Asphalt(NamedTuple):
    color: Color
    stones: float  # how strongly the aggregate shows
    cracks: int
    patches: int
    seams: int
    oil: float  # share under stains
    net: int = 0  # cells of crocodile cracks across the image
    grooves: int = 0


_ASPHALTS = (
    _Asphalt((66, 66, 68), 0.10, 0, 0, 0, 0.02),
    _Asphalt((112, 110, 107), 0.22, 3, 0, 0, 0.03),
    _Asphalt((94, 93, 92), 0.15, 9, 0, 1, 0.05),
    _Asphalt((88, 88, 90), 0.13, 3, 4, 0, 0.03),
    _Asphalt((104, 102, 98), 0.17, 2, 1, 6, 0.04),
    _Asphalt((100, 92, 84), 0.19, 5, 2, 0, 0.14),
    _Asphalt((108, 108, 110), 0.16, 0, 0, 0, 0.04, net=14),
    _Asphalt((120, 96, 88), 0.12, 1, 0, 0, 0.02, grooves=42),
)


def asphalt(rng: np.random.Generator, look: int) -> Swatch:
    """Bitumen with aggregate; cracks, patches, sealed seams and oil by look."""
    size, kind = 512, _ASPHALTS[look]
    stones = grain(rng, size, 0.75)
    tone = 1.0 + kind.stones * np.clip(stones, -2.0, 3.5) + 0.05 * fractal(rng, size, 4, 0.55)
    color = toned(kind.color, tone)
    color = mixed(color, (52, 51, 50), 0.6 * share(fractal(rng, size, 8, 0.6), kind.oil, 1.2))
    gloss = 22.0 + 10.0 * share(stones, 0.1)
    for _ in range(kind.patches):
        color = mixed(color, toned(np.array(kind.color) * rng.uniform(0.62, 0.85), tone), _patch(rng, size))
    if kind.net:
        cells = pebbles(rng, size, kind.net)
        color = mixed(color, (48, 47, 46), np.clip(1.0 - cells.gap / 0.07, 0, 1) * share(fractal(rng, size), 0.55, 0.6))
    if kind.grooves:
        color *= (1.0 + 0.10 * np.sin(2 * np.pi * kind.grooves * grid(size)[0]))[..., None]
    color = mixed(color, (44, 43, 42), 0.85 * cracks(rng, size, kind.cracks, 1.0, 0.7, 0.35))
    seams = cracks(rng, size, kind.seams, 5.0, 0.9, 0.22)
    return Swatch(mixed(color, (30, 30, 31), 0.9 * seams), gloss + 50.0 * seams)


def _patch(rng: np.random.Generator, size: int) -> np.ndarray:
    """A mended place: a rectangle that lies across the border as likely as anywhere."""
    mask = np.zeros((size, size), dtype=np.float32)
    height, width = rng.integers(size // 8, size // 3, size=2)
    mask[:height, :width] = 1.0
    mask[2 : height - 2, 2 : width - 2] = 0.85
    return np.roll(mask, tuple(rng.integers(size, size=2)), axis=(0, 1))


class _Concrete(NamedTuple):
    color: Color
    panels: tuple[int, int]  # rows and columns of formwork in a repeat; 0: none
    boards: int  # marks of boards in the height
    stains: float
    runs: int  # streaks from above
    ribs: int = 0
    pebbles: int = 0


_CONCRETES = (
    _Concrete((164, 162, 156), (0, 0), 0, 0.10, 0),
    _Concrete((150, 149, 146), (2, 1), 0, 0.12, 12),
    _Concrete((142, 138, 130), (0, 0), 24, 0.10, 6),
    _Concrete((134, 130, 121), (1, 2), 0, 0.30, 60),
    _Concrete((192, 189, 181), (2, 2), 0, 0.05, 4),
    _Concrete((116, 115, 107), (0, 0), 0, 0.40, 40),
    _Concrete((170, 164, 150), (0, 0), 0, 0.08, 20, ribs=20),
    _Concrete((158, 150, 138), (0, 0), 0, 0.05, 0, pebbles=56),
)


def concrete(rng: np.random.Generator, look: int) -> Swatch:
    """Cast concrete with pores, marks of its formwork, stains and streaks by look."""
    size, kind = 256, _CONCRETES[look]
    tone = 1.0 + 0.05 * fractal(rng, size, 2, 0.6) + 0.03 * grain(rng, size)
    if kind.ribs:
        tone *= 1.0 + 0.22 * np.clip(2.0 * np.sin(2 * np.pi * kind.ribs * grid(size)[1]), -1, 1)
    color = toned(kind.color, tone)
    if kind.pebbles:
        cells = pebbles(rng, size, kind.pebbles)
        stones = picked(rng, cells.ids, [(176, 166, 148), (120, 112, 104), (196, 190, 180), (146, 118, 96)], 0.08)
        color = mixed(color, stones, np.clip(cells.gap / 0.25, 0, 1))
    if kind.boards:
        boards = masonry(size, [(1.0, [1.0], 0.0)] * kind.boards)
        color *= (1.0 + 0.05 * valued(rng, boards.ids) + 0.03 * fractal(rng, size, (64, 2)))[..., None]
        color *= (1.0 - 0.25 * np.clip(1.0 - boards.edge * size / 1.3, 0, 1))[..., None]
    if kind.panels[0]:
        color = _formwork(rng, color, kind.panels)
    color = mixed(color, (92, 88, 78), 0.35 * share(fractal(rng, size, 2, 0.65), kind.stains, 1.0))
    color = mixed(color, (84, 80, 72), 0.45 * streaks(rng, size, kind.runs, 0.35))
    pores = share(grain(rng, size, 0.8), 0.008, 0.2)
    return Swatch(mixed(color, (88, 86, 82), 0.7 * pores), 18.0)


def _formwork(rng: np.random.Generator, color: np.ndarray, panels: tuple[int, int]) -> np.ndarray:
    size, (rows, cols) = color.shape[0], panels
    blocks = masonry(size, [(1.0, [1.0] * cols, 0.0)] * rows)
    color = color * (1.0 + 0.04 * valued(rng, blocks.ids))[..., None]
    color = mixed(color, (100, 98, 94), 0.6 * np.clip(1.6 - blocks.edge * size, 0, 1))
    y, x = np.abs(blocks.down - 0.5) * 2.0 / rows, np.abs(blocks.across - 0.5) * 2.0 / cols
    away = np.hypot(y - 0.5 / rows, x - 0.6 / cols)
    return mixed(color, (70, 69, 66), 0.9 * np.clip((0.022 - away) * 60.0, 0, 1))


class _Paving(NamedTuple):
    colors: list[Color]
    joint: Color
    rows: int  # courses in a repeat; 0: round cobbles
    cols: int
    bond: float  # shift of every second course, in blocks
    rough: float
    spread: float
    weave: str = ""  # "herringbone", "fan" or "basket"


_PAVINGS = (
    _Paving([(158, 154, 147)], (96, 92, 86), 4, 4, 0.0, 0.05, 0.05),
    _Paving([(166, 158, 146), (150, 145, 137)], (106, 100, 92), 6, 4, 0.5, 0.06, 0.05),
    _Paving([(118, 116, 114), (104, 102, 102), (130, 126, 120)], (62, 58, 53), 18, 14, 0.5, 0.14, 0.09),
    _Paving([(150, 84, 66), (134, 76, 62), (162, 98, 78)], (104, 92, 82), 24, 12, 0.5, 0.08, 0.07),
    _Paving([(128, 122, 112), (108, 104, 98), (142, 130, 114)], (70, 66, 58), 0, 16, 0.0, 0.12, 0.08),
    _Paving([(184, 178, 166), (172, 168, 160)], (120, 114, 106), 3, 3, 0.0, 0.03, 0.03),
    _Paving([(140, 128, 118), (160, 120, 100), (112, 106, 104)], (78, 72, 66), 16, 16, 0.0, 0.07, 0.06, "basket"),
    _Paving([(168, 160, 140), (150, 146, 134), (120, 118, 116)], (110, 104, 92), 0, 7, 0.0, 0.08, 0.05, "crazy"),
)


def paving(rng: np.random.Generator, look: int) -> Swatch:
    """Slabs, setts, bricks, cobbles or crazy paving."""
    size, kind = 512, _PAVINGS[look]
    rough = 1.0 + 0.04 * fractal(rng, size, 4, 0.6) + kind.rough * 0.5 * grain(rng, size, 0.8)
    if kind.rows == 0:
        cells = pebbles(rng, size, kind.cols, 0.55 if not kind.weave else 0.9)
        ids, depth = cells.ids, cells.gap * (size / kind.cols) * 0.5
    else:
        ids, depth = _laid(size, kind)
    height = np.minimum(depth / (10.0 if kind.rough > 0.09 else 2.5), 1.0)
    stones = picked(rng, ids, kind.colors, kind.spread) * (rough * relief(8.0 * height, kind.rough))[..., None]
    dirt = toned(kind.joint, 1.0 + 0.15 * grain(rng, size, 0.7))
    color = mixed(dirt, stones, np.clip(depth - 1.2, 0, 1))
    color = mixed(color, (92, 88, 78), 0.25 * share(fractal(rng, size, 4, 0.65), 0.15, 1.5))
    return Swatch(color, 20.0 + 18.0 * height)


def _laid(size: int, kind: _Paving) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the blocks and distance to their rims (px)."""
    if kind.weave == "basket":
        half = kind.rows // 2
        upright = masonry(size, [(1.0, [1.0] * kind.cols, 0.0)] * half)
        level = masonry(size, [(1.0, [1.0] * half, 0.0)] * kind.rows)
        down, across = grid(size)
        is_upright = ((down * half).astype(int) + (across * half).astype(int)) % 2 == 0
        ids = np.where(is_upright, upright.ids, level.ids + upright.ids.max() + 1)
        return ids, np.where(is_upright, upright.edge, level.edge) * size
    courses = [(1.0, [1.0] * kind.cols, kind.bond * (i % 2) / kind.cols) for i in range(kind.rows)]
    blocks = masonry(size, courses)
    return blocks.ids, blocks.edge * size


class _Lawn(NamedTuple):
    green: Color
    dry: Color
    soil: float  # share of bare soil
    dryness: float
    flowers: int
    stripes: int = 0
    clumps: int = 0


_LAWNS = (
    _Lawn((86, 112, 48), (128, 128, 66), 0.00, 0.20, 0),
    _Lawn((72, 100, 44), (120, 116, 62), 0.06, 0.30, 0),
    _Lawn((100, 118, 56), (150, 140, 84), 0.10, 0.45, 0),
    _Lawn((78, 108, 46), (110, 122, 60), 0.01, 0.15, 260),
    _Lawn((66, 92, 42), (96, 104, 54), 0.03, 0.20, 60),
    _Lawn((122, 120, 66), (168, 150, 96), 0.14, 0.55, 0),
    _Lawn((74, 112, 50), (104, 138, 68), 0.00, 0.10, 0, stripes=4),
    _Lawn((84, 104, 52), (146, 136, 78), 0.05, 0.30, 420, clumps=14),
)


def grass(rng: np.random.Generator, look: int) -> Swatch:
    """Blades seen from above with dry and bare places, flowers by look."""
    size, kind = 512, _LAWNS[look]
    blades = normal(grain(rng, size, (2.2, 0.5)) + grain(rng, size, (0.5, 2.2)) + 0.8 * grain(rng, size, 0.6))
    tone = 1.0 + 0.20 * blades + 0.07 * fractal(rng, size, 4, 0.6)
    color = mixed(toned(kind.green, tone), toned(kind.dry, tone), share(fractal(rng, size, 4, 0.65), kind.dryness, 1.6))
    if kind.stripes:
        color *= (1.0 + 0.10 * np.clip(4.0 * np.sin(2 * np.pi * kind.stripes * grid(size)[1]), -1, 1))[..., None]
    if kind.clumps:
        cells = pebbles(rng, size, kind.clumps)
        color *= (1.15 - 0.4 * cells.near)[..., None]
    earth = toned((104, 86, 62), 1.0 + 0.12 * grain(rng, size, 0.8))
    color = mixed(color, earth, share(fractal(rng, size, 8, 0.7), kind.soil, 0.6))
    return Swatch(_flowers(rng, color, kind.flowers), 12.0)


def _flowers(rng: np.random.Generator, color: np.ndarray, count: int) -> np.ndarray:
    size = color.shape[0]
    petals = np.array([(240, 236, 224), (236, 204, 60), (226, 222, 236), (198, 120, 170)], dtype=np.float32)
    for y, x, k in zip(rng.integers(size, size=count), rng.integers(size, size=count), rng.integers(4, size=count)):
        color[y, x] = color[(y + 1) % size, x] = color[y, (x + 1) % size] = petals[k]
    return color


_SOILS: tuple[tuple[Color, float, float], ...] = (  # colour, share of stones, share of litter
    ((112, 90, 66), 0.02, 0.05),
    ((92, 74, 56), 0.01, 0.25),
    ((138, 114, 84), 0.06, 0.04),
    ((80, 66, 54), 0.03, 0.10),
    ((150, 126, 98), 0.02, 0.00),
    ((120, 86, 62), 0.10, 0.08),
    ((70, 56, 46), 0.00, 0.60),
    ((166, 138, 104), 0.00, 0.00),
)
_RIPPLED = 7


def soil(rng: np.random.Generator, look: int) -> Swatch:
    """Earth, mulch or sand."""
    size, (base, stones, litter) = 256, _SOILS[look]
    clods = fractal(rng, size, 16, 0.75)
    color = toned(base, relief(clods, 0.16) * (1.0 + 0.06 * fractal(rng, size, 2, 0.6)))
    if look == _RIPPLED:
        bend = 3.0 * fractal(rng, size, 2, 0.4)
        color *= (1.0 + 0.08 * np.sin(2 * np.pi * 26 * grid(size)[0] + bend))[..., None]
    color = mixed(color, toned((150, 142, 130), relief(clods, 0.1)), share(grain(rng, size, 1.4), stones, 0.3))
    chips = share(grain(rng, size, (0.6, 2.6)), 0.5 * litter, 0.5) + share(
        grain(rng, size, (2.6, 0.6)), 0.5 * litter, 0.5
    )
    leaf = picked(rng, pebbles(rng, size, 40).ids, [(132, 96, 58), (108, 78, 48), (156, 118, 70), (84, 64, 44)], 0.1)
    return Swatch(mixed(color, leaf, np.clip(chips, 0, 1)), 8.0)


_GRAVELS: tuple[tuple[list[Color], int, float], ...] = (  # colours, stones across the image, share of grass between
    ([(150, 146, 140), (128, 124, 120), (170, 166, 158)], 48, 0.0),
    ([(168, 152, 126), (150, 132, 108), (186, 172, 148)], 40, 0.0),
    ([(120, 118, 118), (96, 96, 98), (140, 138, 136)], 64, 0.05),
    ([(176, 170, 160), (196, 190, 182), (150, 146, 142)], 28, 0.0),
    ([(140, 120, 104), (118, 102, 92), (160, 142, 124)], 56, 0.12),
    ([(108, 104, 100), (132, 126, 120)], 20, 0.0),
    ([(190, 188, 186), (80, 78, 78), (150, 146, 142)], 34, 0.0),
    ([(160, 116, 96), (136, 98, 84), (180, 140, 118)], 44, 0.0),
)


def gravel(rng: np.random.Generator, look: int) -> Swatch:
    """Loose stones."""
    size, (colors, count, weeds) = 256, _GRAVELS[look]
    cells = pebbles(rng, size, count, 1.0)
    dome = np.clip(cells.gap / 0.5, 0, 1)
    light = relief(4.0 * blurred(dome, 0.6, 0.6), 0.22) * (0.5 + 0.5 * np.clip(cells.gap / 0.2, 0, 1))
    color = picked(rng, cells.ids, colors, 0.10) * light[..., None]
    color *= (1.0 + 0.05 * fractal(rng, size, 2))[..., None]
    return Swatch(mixed(color, (92, 108, 60), share(fractal(rng, size, 8, 0.8), weeds, 0.4)), 14.0)


_WEAR = (0.04, 0.12, 0.25, 0.08, 0.35, 0.18, 0.30, 0.10)  # share of marking paint that is gone, by look


def road_paint(rng: np.random.Generator, look: int) -> Swatch:
    """Marking paint that traffic wore off; the tint gives its colour."""
    size = 256
    color = toned((236, 236, 232), 1.0 + 0.03 * fractal(rng, size, 4) + 0.025 * grain(rng, size, 0.6))
    color = mixed(color, (176, 172, 164), 0.5 * share(fractal(rng, size, 4, 0.7), 0.3, 1.5))
    crumbs = normal(0.9 * fractal(rng, size, 4, 0.6, 3) + fractal(rng, size, 32, 0.9))
    gone = share(crumbs, _WEAR[look], 0.7)
    if look in (2, 5):
        gone = np.maximum(gone, cracks(rng, size, 14, 1.0, 0.4, 0.5))
    if look == 6:
        gone = np.maximum(gone, np.clip(1.0 - pebbles(rng, size, 24).gap / 0.12, 0, 1))
    if look == 7:
        gone = np.maximum(gone, share(grain(rng, size, (0.5, 6.0)), 0.25, 0.6))
    return Swatch(mixed(color, (104, 103, 101), 0.85 * gone), 46.0 - 24.0 * gone)
