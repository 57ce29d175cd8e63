"""Looks of houses: plaster, brick, hewn stone, roofs, corrugated sheet, and what is seen in and behind panes."""

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
    warped,
)
from perception.world.render.textures.swatch import Color, Swatch, cracks, filled, mixed, picked, streaks, toned, valued


class _Plaster(NamedTuple):
    rough: float
    blobs: int  # coarseness: cells across
    stains: float
    runs: int
    cracks: int = 0
    flaked: float = 0.0
    combed: int = 0
    ashlar: bool = False


_PLASTERS = (
    _Plaster(0.020, 128, 0.06, 0),
    _Plaster(0.060, 64, 0.10, 14),
    _Plaster(0.035, 128, 0.15, 60),
    _Plaster(0.030, 128, 0.12, 20, cracks=8),
    _Plaster(0.045, 64, 0.14, 30, cracks=3, flaked=0.05),
    _Plaster(0.090, 32, 0.05, 6),
    _Plaster(0.020, 128, 0.08, 16, combed=56),
    _Plaster(0.030, 128, 0.08, 24, ashlar=True),
)


def plaster(rng: np.random.Generator, look: int) -> Swatch:
    """Render of a facade, bright and neutral for a tint; stains, streaks, cracks, bare places by look."""
    size, kind = 256, _PLASTERS[look]
    light = relief(fractal(rng, size, kind.blobs, 0.7), kind.rough) * (1.0 + 0.02 * fractal(rng, size, 2, 0.6))
    color = toned((236, 233, 227), light)
    if kind.combed:
        wave = np.sin(2 * np.pi * kind.combed * grid(size)[0] + 1.2 * fractal(rng, size, 4, 0.5))
        color *= (1.0 + 0.07 * wave)[..., None]
    if kind.ashlar:
        blocks = masonry(size, [(1.0, [1.0] * 4, 0.125 * (i % 2)) for i in range(8)])
        color *= (1.0 + 0.015 * valued(rng, blocks.ids))[..., None]
        color *= (1.0 - 0.35 * np.clip(1.8 - blocks.edge * size, 0, 1))[..., None]
    color = mixed(color, (198, 190, 176), 0.6 * share(fractal(rng, size, 2, 0.6), kind.stains, 1.5))
    color = mixed(color, (150, 143, 130), 0.5 * streaks(rng, size, kind.runs, 0.4))
    color = mixed(color, (120, 114, 104), 0.7 * cracks(rng, size, kind.cracks, 1.0, 0.4, 0.45))
    bare = share(fractal(rng, size, 4, 0.7), kind.flaked, 0.12)
    return Swatch(mixed(color, toned((170, 142, 118), light), bare), 10.0)


class _Brick(NamedTuple):
    colors: list[Color]
    mortar: Color
    bond: str
    spread: float
    rows: int = 26
    cols: int = 8
    whitewash: float = 0.0


_BRICKS = (
    _Brick([(150, 72, 54), (136, 64, 50), (164, 84, 62)], (172, 164, 152), "running", 0.07),
    _Brick([(124, 58, 46), (104, 50, 44), (142, 70, 52), (90, 48, 46)], (148, 142, 132), "flemish", 0.08),
    _Brick([(190, 160, 112), (176, 144, 98), (204, 176, 130)], (196, 188, 172), "running", 0.06),
    _Brick([(96, 70, 60), (80, 62, 58), (112, 80, 64), (70, 58, 56)], (120, 114, 106), "english", 0.09),
    _Brick([(176, 104, 74), (190, 120, 86), (158, 90, 66)], (204, 198, 186), "third", 0.06),
    _Brick([(150, 74, 56), (136, 66, 52)], (160, 152, 140), "running", 0.08, whitewash=0.45),
    _Brick([(120, 122, 126), (100, 103, 108), (138, 140, 142)], (84, 84, 86), "stack", 0.05, 26, 8),
    _Brick([(196, 178, 150), (150, 92, 70), (166, 104, 78)], (150, 140, 126), "banded", 0.05, 20, 8),
)


def brick(rng: np.random.Generator, look: int) -> Swatch:
    """Brickwork in several bonds."""
    size, kind = 512, _BRICKS[look]
    wobble = 0.0006 * np.stack([fractal(rng, size, 64), fractal(rng, size, 64)])
    blocks = masonry(size, [_course(kind, i) for i in range(kind.rows)], wobble)
    depth = np.clip(blocks.edge * size - 1.3, 0.0, 2.0) / 2.0
    burnt = valued(rng, blocks.ids)
    colors = _banded(kind, blocks.course) if kind.bond == "banded" else picked(rng, blocks.ids, kind.colors, 0.0)
    tone = (1.0 + kind.spread * burnt + 0.05 * grain(rng, size, 0.7) + 0.03 * fractal(rng, size, 32)) * relief(
        5.0 * depth, 0.09
    )
    mortar = toned(kind.mortar, 1.0 + 0.07 * grain(rng, size, 0.6))
    color = mixed(mortar, toned(colors, tone), np.clip(depth * 2.0, 0, 1))
    if kind.whitewash:
        color = mixed(color, (226, 222, 212), 0.85 * share(fractal(rng, size, 4, 0.7), kind.whitewash, 0.8))
    soot = 0.25 * share(fractal(rng, size, 2, 0.6), 0.25, 1.8)
    return Swatch(mixed(color, (82, 76, 70), soot), 14.0 + 14.0 * depth)


def _course(kind: _Brick, i: int) -> tuple[float, list[float], float]:
    block = 1.0 / kind.cols
    match kind.bond:
        case "flemish":
            return 1.0, [2.0, 1.0] * (2 * kind.cols // 3), block * 0.75 * (i % 2)
        case "english":
            return 1.0, [1.0] * (kind.cols * (1 + i % 2)), block * 0.25 * (i % 2)
        case "third":
            return 1.0, [1.0] * kind.cols, block * (i % 3) / 3.0
        case "stack":
            return 1.0, [1.0] * kind.cols, 0.0
        case _:
            return 1.0, [1.0] * kind.cols, block * 0.5 * (i % 2)


def _banded(kind: _Brick, course: np.ndarray) -> np.ndarray:
    """Every fifth course pair in the first colour."""
    table = np.array([kind.colors[0 if i % 10 < 2 else 1 + i % 2] for i in range(kind.rows)], dtype=np.float32)
    return table[course]


_STONES: tuple[tuple[list[Color], Color, int, float], ...] = (  # colours, mortar, courses (0: rubble), roughness
    ([(168, 156, 134), (152, 140, 120), (182, 170, 148)], (140, 132, 118), 8, 0.10),
    ([(126, 124, 122), (108, 108, 108), (144, 140, 136)], (156, 152, 144), 10, 0.12),
    ([(150, 134, 110), (120, 110, 96), (170, 150, 120), (104, 98, 90)], (150, 142, 128), 0, 0.14),
    ([(196, 186, 166), (186, 176, 158)], (160, 152, 138), 6, 0.05),
    ([(160, 106, 82), (146, 96, 76), (176, 124, 96)], (150, 132, 118), 7, 0.08),
    ([(98, 98, 94), (84, 86, 86), (116, 112, 104)], (70, 70, 68), 14, 0.14),
    ([(178, 168, 148), (120, 116, 112)], (196, 190, 176), 4, 0.06),
    ([(104, 112, 104), (86, 92, 92), (132, 130, 116), (76, 80, 82)], (60, 62, 60), 22, 0.16),
)


def stone(rng: np.random.Generator, look: int) -> Swatch:
    """Hewn blocks in courses of random widths, or rubble."""
    size, (colors, joint, rows, rough) = 256, _STONES[look]
    if rows == 0:
        cells = pebbles(rng, size, 11, 0.9)
        ids, edge = cells.ids, cells.gap * (size / 11) * 0.5
    else:
        courses = [
            (rng.uniform(0.8, 1.3), list(rng.uniform(0.6, 1.6, size=max(3, rows * 2 // 3))), rng.random())
            for _ in range(rows)
        ]
        blocks = masonry(size, courses, 0.003 * np.stack([fractal(rng, size, 16), fractal(rng, size, 16)]))
        ids, edge = blocks.ids, blocks.edge * size
    depth = np.clip(edge / 3.5, 0.0, 1.0)
    tone = relief(6.0 * depth + 1.6 * fractal(rng, size, 16, 0.75), rough) * (1.0 + 0.03 * grain(rng, size))
    color = mixed(toned(joint, 1.0 + 0.06 * grain(rng, size)), toned(picked(rng, ids, colors, 0.06), tone), depth)
    return Swatch(mixed(color, (86, 88, 74), 0.35 * share(fractal(rng, size, 2, 0.7), 0.12, 1.2)), 14.0)


class _Roof(NamedTuple):
    colors: list[Color]
    rows: int
    cols: int
    shape: str  # "pan", "slate", "scale", "flat", "seam"
    moss: float


_ROOFS = (
    _Roof([(156, 78, 54), (142, 70, 50), (168, 90, 62)], 8, 11, "pan", 0.03),
    _Roof([(84, 88, 94), (72, 76, 82), (98, 100, 104)], 14, 8, "slate", 0.02),
    _Roof([(128, 66, 50), (112, 58, 48), (144, 78, 56)], 16, 14, "scale", 0.08),
    _Roof([(76, 70, 68), (66, 62, 62)], 8, 10, "pan", 0.02),
    _Roof([(118, 110, 100), (104, 98, 92), (130, 122, 112)], 16, 9, "slate", 0.10),
    _Roof([(100, 56, 46), (116, 68, 52), (90, 52, 46)], 10, 12, "flat", 0.05),
    _Roof([(120, 138, 130), (112, 130, 122)], 1, 5, "seam", 0.0),
    _Roof([(140, 120, 96), (156, 136, 108), (122, 104, 84)], 20, 22, "scale", 0.12),
)


def roof(rng: np.random.Generator, look: int) -> Swatch:
    """Pantiles, slates, beaver tails, flat tiles or standing seams; courses run level."""
    size, kind = 256, _ROOFS[look]
    shift = 0.0 if kind.shape in ("pan", "seam") else 0.5 / kind.cols
    blocks = masonry(size, [(1.0, [1.0] * kind.cols, shift * (i % 2)) for i in range(kind.rows)])
    side = np.abs(blocks.across - 0.5) * 2.0
    match kind.shape:
        case "pan":
            light = 1.0 + 0.34 * np.sin(2 * np.pi * blocks.across + 0.6) - 0.45 * np.clip(1 - blocks.down * 6, 0, 1)
        case "scale":
            tip = np.clip((blocks.down - 1.0 + 0.45 * (1.0 - np.sqrt(np.clip(1.0 - side**2, 0, 1)))) * 9.0, -1, 0)
            light = 0.92 + 0.30 * (tip + 1.0) * 0.4 - 0.4 * np.clip(1 - blocks.down * 5, 0, 1) - 0.35 * (side > 0.93)
        case "seam":
            light = 1.0 + 0.30 * (np.abs(blocks.across - 0.97) < 0.02) - 0.35 * (np.abs(blocks.across - 0.02) < 0.02)
        case _:
            light = 1.0 - 0.45 * np.clip(1 - blocks.down * 7, 0, 1) - 0.35 * (side > 0.95) + 0.1 * blocks.down
    tone = light * (1.0 + 0.05 * fractal(rng, size, 16) + 0.03 * grain(rng, size))
    color = picked(rng, blocks.ids, kind.colors, 0.06) * tone[..., None]
    moss = share(fractal(rng, size, 8, 0.75), kind.moss, 0.6)
    return Swatch(mixed(color, (92, 98, 58), 0.7 * moss), 60.0 if kind.shape == "seam" else 24.0)


_SHEETS = ((18, "sine"), (30, "sine"), (10, "box"), (8, "box"), (14, "rib"), (40, "sine"), (6, "wide"), (22, "trap"))
_RUST = (0.0, 0.02, 0.0, 0.10, 0.01, 0.14, 0.02, 0.06)


def corrugated(rng: np.random.Generator, look: int) -> Swatch:
    """Profiled sheet with upright waves, bright and neutral for a tint; rust by look."""
    size, (waves, shape) = 256, _SHEETS[look]
    phase = np.mod(grid(size)[1] * waves, 1.0)
    match shape:
        case "sine":
            light = 1.0 + 0.26 * np.sin(2 * np.pi * phase)
        case "rib":
            light = 1.0 + 0.3 * (phase < 0.12) - 0.35 * (np.abs(phase - 0.2) < 0.08)
        case "wide":
            light = 0.92 + 0.12 * np.cos(2 * np.pi * phase) - 0.4 * (phase < 0.05)
        case _:
            slope = 0.14 if shape == "box" else 0.25
            light = 1.0 + 0.22 * (np.abs(phase - 0.1) < slope / 2) - 0.34 * (np.abs(phase - 0.6) < slope / 2)
    light = blurred(light.astype(np.float32), 0.0, 0.7) * (1.0 + 0.03 * fractal(rng, size, 2, 0.6))
    color = toned((206, 208, 210), light)
    color = mixed(color, (150, 148, 142), 0.5 * streaks(rng, size, 30, 0.5))
    rust = share(fractal(rng, size, 4, 0.75) + 1.2 * streaks(rng, size, 20, 0.4), _RUST[look], 0.5)
    return Swatch(mixed(color, toned((142, 84, 52), light), 0.85 * rust), 90.0 - 70.0 * rust)


class _Pane(NamedTuple):
    room: Color
    inside: str  # "dark", "curtain", "blind", "lit", "net", "office", "mirror", "shutter"
    sky: float  # strength of the reflection that is baked in


_PANES = (
    _Pane((38, 42, 48), "dark", 0.5),
    _Pane((70, 66, 60), "curtain", 0.3),
    _Pane((92, 92, 88), "blind", 0.2),
    _Pane((150, 124, 84), "lit", 0.1),
    _Pane((84, 86, 86), "net", 0.35),
    _Pane((64, 74, 80), "office", 0.4),
    _Pane((88, 108, 124), "mirror", 0.9),
    _Pane((66, 58, 50), "shutter", 0.3),
)


def glass(rng: np.random.Generator, look: int) -> Swatch:
    """A pane: a dim room, what hangs behind it, and a weak reflection of what stands opposite."""
    size, kind = 256, _PANES[look]
    down, across = grid(size)
    room = 1.0 + 0.35 * fractal(rng, size, 4, 0.5, 3)
    furniture = masonry(size, [(rng.uniform(0.5, 1.5), list(rng.uniform(0.4, 2.0, 7)), rng.random()) for _ in range(5)])
    room *= 1.0 + 0.30 * valued(rng, furniture.ids) * np.clip(furniture.edge * 40.0, 0, 1)
    color = toned(kind.room, np.clip(room, 0.35, 2.0))
    match kind.inside:
        case "curtain" | "net":
            color = _hung(rng, color, kind.inside == "net")
        case "blind" | "shutter":
            waves = 56 if kind.inside == "blind" else 36
            slat = 0.75 + 0.35 * np.mod(down * waves, 1.0)
            cloth = (196, 192, 182) if kind.inside == "blind" else (122, 100, 76)
            drawn = masonry(size, [(rng.uniform(0.5, 2.0), [1.0] * 5, rng.random()) for _ in range(4)])
            color = mixed(color, toned(cloth, slat), 0.85 * (valued(rng, drawn.ids) < 0.6))
        case "lit":
            glow = share(fractal(rng, size, 8, 0.4, 2), 0.15, 1.2)
            color = mixed(color, (252, 224, 170), 0.8 * glow)
        case "office":
            lamps = (np.mod(down * 4.0, 1.0) < 0.05) & (np.mod(across * 6.0, 1.0) < 0.6)
            color = mixed(color, (226, 230, 226), 0.7 * blurred(lamps.astype(np.float32), 1.0, 1.0))
    bend = 6.0 * fractal(rng, size, 8, 0.4, 2)
    clouds = warped(share(fractal(rng, size, 2, 0.55), 0.45, 1.2), bend, bend)
    color = mixed(color, (186, 200, 214), 0.35 * kind.sky * clouds)
    return Swatch(color, 232.0 - 10.0 * share(fractal(rng, size, 8, 0.7), 0.1, 1.0))


def _hung(rng: np.random.Generator, color: np.ndarray, is_net: bool) -> np.ndarray:
    """Curtains here and there behind the pane."""
    size = color.shape[0]
    folds = 0.85 + 0.12 * fractal(rng, size, (2, 64), 0.5, 3)
    _, across = grid(size)
    open_share = 0.25 if is_net else 0.45
    where = np.clip((np.abs(np.mod(across * 3.0, 1.0) - 0.5) - 0.5 * open_share) * 30.0 + 2.0 * folds - 2.0, 0, 1)
    cloth = toned((222, 220, 214), folds) if is_net else toned((188, 160, 128), folds)
    return mixed(color, cloth, where * (0.55 if is_net else 0.9))


def curtain(rng: np.random.Generator, look: int) -> Swatch:
    """Cloth in upright folds, bright and neutral for a tint; prints and nets by look."""
    size = 256
    waves = (8, 16, 16, 4, 8, 32, 8, 16)[look]
    folds = normal(fractal(rng, size, (2, waves), 0.45, 3))
    light = 1.0 + (0.11, 0.08, 0.13, 0.10, 0.06, 0.09, 0.14, 0.10)[look] * folds
    down, across = grid(size)
    color = filled(size, (222, 220, 216))
    match look:
        case 2:
            color = mixed(color, (180, 176, 170), (np.mod(across * 24 + 0.15 * folds, 1.0) < 0.4).astype(np.float32))
        case 3:
            cells = pebbles(rng, size, 7, 0.5)
            color = mixed(color, (170, 176, 160), np.clip((0.3 - cells.near) * 9.0, 0, 1))
        case 4:
            color *= (1.0 - 0.12 * (np.mod(down * 90, 1.0) < 0.5))[..., None]
        case 6:
            color = mixed(color, (168, 150, 150), share(fractal(rng, size, 8, 0.3, 2), 0.35, 0.1))
        case 7:
            color = mixed(color, (150, 160, 176), (np.mod(down * 8, 1.0) < 0.3).astype(np.float32))
    return Swatch(color * (light * (1.0 + 0.025 * grain(rng, size, 0.6)))[..., None], 12.0)
