"""Looks of materials: paint, wood, metal, rubber, bark, leaves, and the floors and walls of rooms."""

from typing import NamedTuple

import numpy as np

from perception.world.render.textures.noise import (
    blurred,
    fractal,
    grain,
    grid,
    masonry,
    pebbles,
    relief,
    share,
    warped,
)
from perception.world.render.textures.swatch import Color, Swatch, cracks, filled, mixed, picked, streaks, toned, valued

_DIRT = (0.0, 0.03, 0.08, 0.02, 0.15, 0.05, 0.10, 0.04)  # share of a painted surface that is dusty, by look
_SHEEN = (150.0, 90.0, 60.0, 190.0, 40.0, 120.0, 170.0, 30.0)


def plain(rng: np.random.Generator, look: int) -> Swatch:
    """Paint and plastic: almost even, for a tint; dust, orange peel, scratches or flakes by look."""
    size = 256
    tone = 1.0 + 0.012 * fractal(rng, size, 2, 0.6) + 0.006 * grain(rng, size, 0.7)
    if look == 5:
        tone *= relief(fractal(rng, size, 64, 0.4), 0.02)
    if look == 7:
        tone *= 1.0 + 0.05 * share(grain(rng, size, 0.6), 0.10, 0.3)
    color = toned((242, 242, 240), tone)
    color = mixed(color, (190, 184, 172), 0.5 * share(fractal(rng, size, 4, 0.6), _DIRT[look], 1.5))
    scratches = cracks(rng, size, (0, 0, 2, 0, 6, 0, 22, 0)[look], 1.0, 0.25, 0.05)
    return Swatch(mixed(color, (198, 196, 192), 0.6 * scratches), _SHEEN[look] * (1.0 - 0.4 * scratches))


class _Wood(NamedTuple):
    light: Color
    dark: Color
    rings: float
    knots: int
    gloss: float


_WOODS = (
    _Wood((196, 156, 106), (160, 118, 74), 7.0, 3, 60.0),
    _Wood((150, 104, 66), (112, 74, 46), 9.0, 2, 80.0),
    _Wood((222, 194, 148), (196, 160, 112), 6.0, 5, 50.0),
    _Wood((104, 70, 48), (70, 46, 32), 11.0, 0, 100.0),
    _Wood((164, 156, 144), (126, 118, 108), 8.0, 4, 16.0),
    _Wood((182, 124, 84), (146, 88, 56), 12.0, 1, 70.0),
    _Wood((214, 200, 176), (120, 92, 66), 4.0, 8, 40.0),
    _Wood((126, 92, 76), (84, 50, 44), 16.0, 0, 130.0),
)


def wood(rng: np.random.Generator, look: int) -> Swatch:
    """Grain that runs up, with knots."""
    size, kind = 256, _WOODS[look]
    return Swatch(_grained(rng, size, kind), kind.gloss)


def _grained(rng: np.random.Generator, size: int, kind: _Wood) -> np.ndarray:
    """Rings are the level lines of a slope across the grain that slow noise and knots bend."""
    down, across = grid(size)
    slope = kind.rings * 0.35 * fractal(rng, size, (2, 8), 0.45, 4)
    for y, x in rng.random((kind.knots, 2)):
        dy, dx = np.mod(down - y + 0.5, 1.0) - 0.5, np.mod(across - x + 0.5, 1.0) - 0.5
        slope += 2.2 * np.exp(-((dy / 0.05) ** 2 + (dx / 0.028) ** 2) * 0.5)
    ring = np.mod(slope, 1.0)
    band = 0.5 - 0.5 * np.cos(2 * np.pi * ring**1.6)
    fibre = fractal(rng, size, (4, 128), 0.5, 3)
    color = mixed(filled(size, kind.light), kind.dark, np.clip(0.15 + 0.6 * band + 0.18 * fibre, 0, 1))
    pores = share(grain(rng, size, (3.0, 0.45)), 0.04, 0.4)
    return mixed(color, np.array(kind.dark) * 0.75, 0.6 * pores)


class _Planks(NamedTuple):
    wood: _Wood
    count: int  # planks side by side in a repeat
    level: bool  # run across instead of up
    pieces: int  # along a plank
    gap: float  # px
    spread: float
    parquet: bool = False


_PLANKINGS = (
    _Planks(_Wood((190, 150, 104), (150, 112, 72), 8.0, 4, 70.0), 12, False, 2, 1.2, 0.07),
    _Planks(_Wood((140, 100, 68), (104, 70, 46), 8.0, 3, 60.0), 10, True, 2, 1.4, 0.08),
    _Planks(_Wood((168, 160, 148), (124, 116, 106), 8.0, 6, 14.0), 14, False, 1, 2.4, 0.10),
    _Planks(_Wood((226, 224, 218), (206, 202, 194), 7.0, 1, 50.0), 12, True, 1, 2.0, 0.02),
    _Planks(_Wood((112, 78, 54), (78, 52, 36), 9.0, 1, 110.0), 16, False, 3, 1.0, 0.07),
    _Planks(_Wood((206, 176, 130), (170, 134, 90), 7.0, 2, 90.0), 16, True, 4, 1.0, 0.09),
    _Planks(_Wood((182, 138, 92), (140, 98, 62), 8.0, 0, 120.0), 16, False, 4, 1.0, 0.10, parquet=True),
    _Planks(_Wood((128, 84, 70), (92, 56, 48), 9.0, 2, 20.0), 20, True, 1, 3.0, 0.05),
)


def planks(rng: np.random.Generator, look: int) -> Swatch:
    """Boards side by side: floors, cladding, decks; parquet as a pattern of its own."""
    size, kind = 256, _PLANKINGS[look]
    courses = [(1.0, list(rng.uniform(0.7, 1.3, size=kind.pieces)), float(rng.random())) for _ in range(kind.count)]
    boards = masonry(size, courses)
    ids, edge = (boards.ids, boards.edge) if kind.level else (boards.ids.T, boards.edge.T)
    color = _grained(rng, size, kind.wood)
    color = np.swapaxes(color, 0, 1) if kind.level else color
    if kind.parquet:
        ids, edge, color = _parquet(size, kind.count, color)
    count = int(ids.max()) + 1
    shift = rng.integers(0, size, size=(count, 2)).astype(np.float32)[ids]
    color = warped(np.ascontiguousarray(color), np.round(shift[..., 0]), np.round(shift[..., 1]))
    color = color * (1.0 + kind.spread * valued(rng, ids))[..., None]
    joint = np.clip(kind.gap - edge * size, 0, 1)
    return Swatch(mixed(color, (58, 46, 36), 0.85 * joint), kind.wood.gloss * (1.0 - 0.7 * joint))


def _parquet(size: int, count: int, color: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Squares of four strips, turned by a right angle from one to the next."""
    down, across = grid(size)
    is_turned = ((down * count // 4).astype(int) + (across * count // 4).astype(int)) % 2 == 0
    strips = masonry(size, [(1.0, [1.0] * (count // 4), 0.0)] * count)
    ids = np.where(is_turned, strips.ids, strips.ids.T + strips.ids.max() + 1)
    edge = np.where(is_turned, strips.edge, strips.edge.T)
    return ids, edge, np.where(is_turned[..., None], np.swapaxes(color, 0, 1), color)


_METALS = ("brushed", "cast", "brushed", "sheet", "galvanised", "stained", "hammered", "perforated")


def metal(rng: np.random.Generator, look: int) -> Swatch:
    """Brushed, cast, galvanised, stained or perforated metal, bright and neutral for a tint."""
    size, kind = 256, _METALS[look]
    tone = 1.0 + 0.02 * fractal(rng, size, 2, 0.6)
    match kind:
        case "brushed":
            along = (0.5, 14.0) if look == 0 else (14.0, 0.5)
            tone += 0.05 * grain(rng, size, along)
        case "cast":
            tone *= relief(fractal(rng, size, 64, 0.6), 0.05)
        case "galvanised":
            tone += 0.07 * valued(rng, pebbles(rng, size, 22, 1.0).ids) * 0.8
        case "hammered":
            tone *= relief(4.0 * blurred(pebbles(rng, size, 24, 0.7).near, 1.0, 1.0), 0.12)
        case "perforated":
            holes = np.clip((0.30 - pebbles(rng, size, 24, 0.0).near) * 6.0, 0, 1)
            tone *= 1.0 - 0.75 * holes
    color = toned((204, 206, 210), tone + 0.01 * grain(rng, size))
    color = mixed(color, (164, 158, 148), 0.5 * streaks(rng, size, 14 if look in (3, 5) else 3, 0.5))
    rust = share(fractal(rng, size, 4, 0.75), 0.10, 0.4) if kind == "stained" else np.zeros((size, size), np.float32)
    return Swatch(mixed(color, (140, 88, 58), 0.8 * rust), 170.0 - 130.0 * rust)


def rubber(rng: np.random.Generator, look: int) -> Swatch:
    """Dark rubber: tread, dust."""
    size = 256
    base = (46, 40, 54, 44, 50, 38, 48, 58)[look]
    down, across = grid(size)
    waves = (0, 10, 0, 14, 6, 0, 8, 12)[look]
    tread = np.sin(2 * np.pi * waves * (down + 0.25 * np.abs(np.mod(across * 4, 2.0) - 1.0)))
    tone = 1.0 + (0.25 * np.clip(3.0 * tread, -1, 1) if waves else 0.0) + 0.06 * grain(rng, size, 0.7)
    color = toned((base, base, base + 1), tone)
    dust = share(fractal(rng, size, 4, 0.6), (0.05, 0.2, 0.4, 0.1, 0.3, 0.02, 0.25, 0.5)[look], 1.5)
    return Swatch(mixed(color, (112, 104, 92), 0.4 * dust), 26.0)


class _Bark(NamedTuple):
    color: Color
    furrows: tuple[int, int]  # cells of noise, down and across
    depth: float
    moss: float
    style: str = "furrowed"  # or "birch", "plane", "palm"


_BARKS = (
    _Bark((112, 92, 72), (4, 32), 0.22, 0.04),
    _Bark((92, 76, 62), (8, 32), 0.28, 0.10),
    _Bark((128, 116, 100), (4, 16), 0.10, 0.06),
    _Bark((74, 60, 50), (8, 64), 0.26, 0.02),
    _Bark((140, 112, 84), (8, 16), 0.24, 0.00),
    _Bark((214, 208, 196), (4, 16), 0.04, 0.00, "birch"),
    _Bark((168, 160, 128), (4, 8), 0.05, 0.00, "plane"),
    _Bark((128, 104, 80), (32, 4), 0.20, 0.00, "palm"),
)


def bark(rng: np.random.Generator, look: int) -> Swatch:
    """Bark of standing trees, furrows upright."""
    size, kind = 256, _BARKS[look]
    bend = 5.0 * fractal(rng, size, 8, 0.5, 3)
    furrows = warped(fractal(rng, size, kind.furrows, 0.65), bend, bend)
    color = toned(
        kind.color, relief(3.0 * furrows, kind.depth * 0.5) * (1.0 + kind.depth * np.clip(furrows, -2.2, 1.5))
    )
    if kind.style == "birch":
        color = mixed(color, (62, 56, 52), share(fractal(rng, size, (64, 8), 0.5, 2), 0.07, 0.3))
        color = mixed(color, (50, 46, 44), share(fractal(rng, size, (8, 8), 0.5, 3), 0.04, 0.3))
    if kind.style == "plane":
        flakes = pebbles(rng, size, 9, 1.0)
        colors: list[Color] = [(186, 180, 146), (140, 134, 108), (118, 110, 92), (206, 198, 170)]
        color = mixed(
            color, picked(rng, flakes.ids, colors, 0.05) * (1.0 + 0.03 * furrows)[..., None], np.full_like(bend, 0.85)
        )
    if kind.style == "palm":
        color *= (1.0 - 0.45 * (np.mod(grid(size)[0] * 14 + 0.06 * bend, 1.0) < 0.16))[..., None]
    return Swatch(mixed(color, (96, 112, 62), 0.7 * share(fractal(rng, size, 4, 0.75), kind.moss, 0.8)), 8.0)


_LEAVES: tuple[tuple[Color, Color], ...] = (
    ((86, 116, 46), (112, 140, 62)),
    ((66, 98, 44), (88, 118, 54)),
    ((108, 128, 58), (136, 150, 74)),
    ((54, 84, 48), (74, 102, 60)),
    ((122, 134, 60), (150, 156, 72)),
    ((78, 102, 66), (104, 124, 86)),
    ((166, 120, 48), (190, 150, 62)),
    ((112, 52, 46), (140, 74, 56)),
)


def leaf(rng: np.random.Generator, look: int) -> Swatch:
    """Leaf tissue: veins, lighter and darker leaves side by side, autumn as a look of its own."""
    size, (dark, bright) = 256, _LEAVES[look]
    cells = pebbles(rng, size, 12, 1.0)
    color = mixed(filled(size, dark), bright, np.clip(0.5 + 0.35 * valued(rng, cells.ids), 0, 1))
    veins = np.abs(fractal(rng, size, 16, 0.6))
    color *= (1.0 + 0.06 * grain(rng, size, 0.7) - 0.18 * np.clip(1.0 - cells.gap / 0.15, 0, 1))[..., None]
    color = mixed(color, np.array(bright) * 1.25, 0.4 * np.clip(1.0 - veins / 0.08, 0, 1))
    return Swatch(mixed(color, (140, 116, 62), share(fractal(rng, size, 16, 0.8), 0.02, 0.4)), 46.0)


def linoleum(rng: np.random.Generator, look: int) -> Swatch:
    """Floors of halls and offices: marbled, speckled, chequered, rubber studs, terrazzo."""
    size = 256
    bases: tuple[Color, ...] = (
        (178, 172, 158),
        (132, 146, 140),
        (196, 182, 150),
        (150, 118, 98),
        (120, 128, 142),
        (206, 202, 192),
        (190, 186, 176),
        (86, 90, 94),
    )
    base = np.array(bases[look])
    bend = 14.0 * fractal(rng, size, 4, 0.5, 3)
    marble = warped(fractal(rng, size, (16, 4), 0.6), bend, bend)
    color = toned(base, 1.0 + (0.05 if look < 5 else 0.015) * marble)
    if look in (1, 4):
        color = mixed(color, base * 1.3, share(grain(rng, size, 0.8), 0.05, 0.3))
        color = mixed(color, base * 0.65, share(grain(rng, size, 0.8), 0.05, 0.3))
    if look in (2, 5):
        tiles = masonry(size, [(1.0, [1.0] * 4, 0.0)] * 4)
        odd = ((tiles.ids // 4 + tiles.ids) % 2).astype(np.float32)
        color = mixed(color, toned(base * 0.72, 1.0 + 0.04 * marble), odd * (1.0 if look == 2 else 0.25))
        color = mixed(color, base * 0.55, 0.6 * np.clip(1.4 - tiles.edge * size, 0, 1))
    if look == 6:
        chips = pebbles(rng, size, 44, 1.0)
        stones = picked(rng, chips.ids, [(214, 208, 196), (150, 120, 100), (98, 96, 96), (196, 182, 156)], 0.06)
        color = mixed(color, stones, np.clip((chips.gap - 0.1) * 8.0, 0, 1) * (valued(rng, chips.ids) > -0.3))
    if look == 7:
        studs = pebbles(rng, size, 40, 0.0).near
        color *= relief(3.0 * np.clip((0.34 - studs) * 8.0, 0, 1), 0.14)[..., None]
    return Swatch(mixed(color, base * 0.8, 0.3 * share(fractal(rng, size, 2, 0.7), 0.2, 1.5)), 96.0 - 8.0 * marble)


def tile(rng: np.random.Generator, look: int) -> Swatch:
    """Glazed tiles of kitchens and stations."""
    size = 256
    colors: tuple[list[Color], ...] = (
        [(234, 234, 230)],
        [(226, 222, 210), (220, 216, 204)],
        [(158, 182, 190), (148, 174, 184)],
        [(214, 198, 170), (206, 188, 160)],
        [(236, 234, 228), (70, 76, 84)],
        [(126, 148, 130), (138, 158, 140), (112, 136, 120)],
        [(60, 84, 120), (228, 226, 220), (186, 144, 80)],
        [(150, 66, 58), (232, 226, 214)],
    )
    rows, cols, bond = ((8, 8, 0), (12, 6, 1), (8, 8, 0), (4, 4, 0), (8, 8, 2), (16, 8, 1), (24, 24, 0), (12, 12, 2))[
        look
    ]
    blocks = masonry(size, [(1.0, [1.0] * cols, 0.5 / cols * (i % 2 if bond == 1 else 0)) for i in range(rows)])
    if bond == 2:
        table = np.array(colors[look], dtype=np.float32)
        color = table[(blocks.course + blocks.ids % cols) % 2]
    else:
        color = picked(rng, blocks.ids, colors[look], 0.02)
    face = np.clip(blocks.edge * size - 1.0, 0, 1)
    color = (
        color
        * (relief(2.0 * np.clip(blocks.edge * size / 3.0, 0, 1), 0.05) * (1 + 0.01 * fractal(rng, size)))[..., None]
    )
    return Swatch(mixed(filled(size, (168, 164, 156)), color, face), 40.0 + 175.0 * face)
