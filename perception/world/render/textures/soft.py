"""Looks of soft things: woven, knitted and printed cloth, carpets, wallpaper, skin and fur."""

from typing import NamedTuple

import numpy as np

from perception.world.render.textures.noise import (
    blurred,
    fractal,
    grain,
    grid,
    normal,
    pebbles,
    relief,
    share,
    warped,
)
from perception.world.render.textures.swatch import Color, Swatch, filled, mixed, toned, valued

_WEAVES = ("plain", "twill", "rib", "knit", "felt", "denim", "cable", "quilt")


def cloth(rng: np.random.Generator, look: int) -> Swatch:
    """One-coloured cloth, bright and neutral for a tint: weave, twill, rib, knit, felt; creases in all of them."""
    size, kind = 256, _WEAVES[look]
    down, across = grid(size)
    wave = 2.0 * np.pi
    match kind:
        case "plain":
            light = 1.0 + 0.09 * np.sin(wave * 48 * down) * np.sin(wave * 48 * across)
        case "twill":
            light = 1.0 + 0.10 * np.sin(wave * 40 * (down + across))
        case "rib":
            light = 1.0 + 0.14 * np.sin(wave * 24 * across)
        case "knit":
            light = 1.0 + 0.16 * np.sin(wave * (32 * down + 0.45 * np.abs(np.sin(wave * 10 * across))))
        case "felt":
            light = 1.0 + 0.05 * normal(grain(rng, size, (0.5, 2.5)) + grain(rng, size, (2.5, 0.5)))
        case "denim":
            light = 1.0 + 0.06 * np.sin(wave * 56 * (down - across)) + 0.08 * grain(rng, size, (5.0, 0.5))
        case "cable":
            plait = np.sin(wave * (6 * down + 0.16 * np.sin(wave * 4 * across) * 3)) * np.cos(wave * 4 * across)
            light = 1.0 + 0.16 * plait + 0.06 * np.sin(wave * 64 * down)
        case _:
            seam = np.minimum(np.abs(np.sin(wave * 3 * (down + across))), np.abs(np.sin(wave * 3 * (down - across))))
            light = 1.0 - 0.30 * np.clip(1.0 - seam / 0.35, 0, 1) + 0.03 * grain(rng, size)
    creases = warped(fractal(rng, size, (2, 4), 0.45, 4), *(12.0 * np.stack([fractal(rng, size, 2, 0.5, 2)] * 2)))
    light = light * (1.0 + 0.07 * creases) + 0.02 * grain(rng, size)
    return Swatch(toned((222, 221, 218), light), 10.0)


class _Print(NamedTuple):
    ground: Color
    inks: list[Color]
    motif: str
    count: int


_PRINTS = (
    _Print((226, 222, 214), [(52, 74, 120)], "stripes", 8),
    _Print((168, 52, 48), [(40, 40, 52), (226, 214, 180)], "tartan", 3),
    _Print((44, 62, 96), [(232, 230, 224)], "dots", 9),
    _Print((214, 206, 190), [(104, 84, 66), (176, 150, 116)], "check", 6),
    _Print((60, 100, 84), [(214, 120, 110), (236, 206, 140), (232, 228, 216)], "flowers", 6),
    _Print((196, 156, 66), [(70, 56, 48), (236, 232, 220)], "zigzag", 6),
    _Print((94, 100, 70), [(64, 68, 48), (140, 130, 92), (46, 44, 38)], "camouflage", 4),
    _Print((232, 226, 218), [(40, 44, 50), (190, 70, 60)], "hounds", 10),
)


def pattern(rng: np.random.Generator, look: int) -> Swatch:
    """Printed cloth with colours of its own."""
    size, kind = 256, _PRINTS[look]
    light = 1.0 + 0.05 * fractal(rng, size, (2, 4), 0.5, 4)
    light += 0.05 * np.sin(2 * np.pi * 64 * grid(size)[0]) * np.sin(2 * np.pi * 64 * grid(size)[1])
    color = filled(size, kind.ground)
    for ink, mask in zip(kind.inks, _motif(rng, size, kind), strict=True):
        color = mixed(color, ink, mask)
    return Swatch(color * light[..., None], 12.0)


def _motif(rng: np.random.Generator, size: int, kind: _Print) -> list[np.ndarray]:
    """A mask for each ink."""
    down, across = grid(size)
    n = kind.count
    match kind.motif:
        case "stripes":
            masks = [np.mod(across * n, 1.0) < 0.35]
        case "tartan":
            p, q = np.mod(across * n, 1.0), np.mod(down * n, 1.0)
            dark = 0.4 * (p < 0.4) + 0.4 * (q < 0.4)
            masks = [dark, 0.8 * ((np.abs(p - 0.7) < 0.03) | (np.abs(q - 0.7) < 0.03))]
        case "dots":
            masks = [np.clip((0.30 - pebbles(rng, size, n, 0.0).near) * 10.0, 0, 1)]
        case "check":
            p, q = np.mod(across * n, 1.0) < 0.5, np.mod(down * n, 1.0) < 0.5
            masks = [0.45 * p + 0.45 * q, 0.7 * ((np.mod(across * n, 1.0) < 0.08) | (np.mod(down * n, 1.0) < 0.08))]
        case "flowers":
            cells = pebbles(rng, size, n, 0.8)
            petals = np.clip((0.34 + 0.03 * fractal(rng, size, 32, 0.4, 2) - cells.near) * 12.0, 0, 1)
            side = valued(rng, cells.ids) > 0
            masks = [petals * side, petals * ~side, np.clip((0.10 - cells.near) * 20.0, 0, 1)]
        case "zigzag":
            fold = np.mod(down * n + 0.5 * np.abs(np.mod(across * n * 2, 2.0) - 1.0), 1.0)
            masks = [fold < 0.4, (fold > 0.55) & (fold < 0.7)]
        case "camouflage":
            masks = [share(fractal(rng, size, n, 0.5, 4), part, 0.06) for part in (0.4, 0.3, 0.15)]
        case _:
            p, q = np.mod(across * n, 1.0), np.mod(down * n, 1.0)
            tooth = np.where((p < 0.5) == (q < 0.5), p < 0.5, np.mod((p + q) * 2, 1.0) < 0.5)
            masks = [tooth, (np.mod(across * 2, 1.0) < 0.02) | (np.mod(down * 2, 1.0) < 0.02)]
    return [np.asarray(mask, dtype=np.float32) for mask in masks]


_PILES = ("loop", "cut", "stripe", "squares", "loop", "persian", "waves", "hex")


def carpet(rng: np.random.Generator, look: int) -> Swatch:
    """Carpets with pile, rather bright for a tint; stripes, squares, ornaments by look."""
    size, kind = 256, _PILES[look]
    down, across = grid(size)
    pile = 1.0 + (0.14 if kind == "loop" else 0.09) * grain(rng, size, 0.6) + 0.03 * fractal(rng, size, 2)
    color = filled(size, (208, 204, 198))
    match kind:
        case "stripe":
            ids = np.floor(across * 24).astype(np.int32) % 24
            color *= (1.0 + 0.14 * valued(rng, ids))[..., None]
        case "squares":
            ids = (np.floor(across * 4) + 4 * np.floor(down * 4)).astype(np.int32)
            color *= (1.0 + 0.10 * valued(rng, ids))[..., None]
            pile += 0.05 * np.where(ids % 2 == 0, np.sin(160 * np.pi * down), np.sin(160 * np.pi * across))
        case "persian":
            color = _persian(color, down, across)
        case "waves":
            ring = np.sin(2 * np.pi * (6 * down + 0.3 * np.sin(2 * np.pi * 2 * across)))
            color = mixed(color, (128, 132, 144), (ring > 0.2).astype(np.float32))
        case "hex":
            cells = pebbles(rng, size, 12, 0.3)
            color = mixed(color, (150, 124, 112), (valued(rng, cells.ids) > 0.4).astype(np.float32))
            color = mixed(color, (106, 104, 110), np.clip(1.0 - cells.gap / 0.14, 0, 1))
        case _:
            color = mixed(color, (150, 148, 150), 0.6 * share(grain(rng, size, 0.7), 0.12 * look, 0.4))
    return Swatch(color * pile[..., None], 5.0)


def _persian(color: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Round medallions with petals, and tendrils between them."""
    y, x = np.mod(down * 2.0, 1.0) - 0.5, np.mod(across * 2.0, 1.0) - 0.5
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    petals = radius * (1.0 + 0.18 * np.cos(8.0 * angle))
    tendrils = np.sin(2 * np.pi * 5 * across + 2.0 * np.sin(2 * np.pi * 4 * down)) * np.sin(
        2 * np.pi * 5 * down + 2.0 * np.sin(2 * np.pi * 4 * across)
    )
    color = mixed(color, (138, 56, 50), np.ones_like(radius))
    color = mixed(color, (206, 176, 120), np.clip((np.abs(tendrils) - 0.55) * 5.0, 0, 1) * (petals > 0.36))
    color = mixed(color, (48, 52, 86), np.clip((0.36 - petals) * 40.0, 0, 1))
    color = mixed(color, (206, 184, 134), np.clip(1.0 - np.abs(petals - 0.33) * 60.0, 0, 1))
    color = mixed(color, (158, 74, 62), np.clip((0.22 - petals) * 40.0, 0, 1))
    return mixed(
        color, (220, 200, 156), np.clip(np.cos(12.0 * angle) * 2.0, 0, 1) * ((radius > 0.07) & (radius < 0.15))
    )


def wallpaper(rng: np.random.Generator, look: int) -> Swatch:
    """Wallpapers, bright and nearly neutral for a tint."""
    size = 256
    down, across = grid(size)
    color = toned((234, 231, 224), 1.0 + 0.015 * grain(rng, size, 0.8) + 0.01 * fractal(rng, size, 2))
    ink = (196, 190, 178)
    match look:
        case 0:
            mask = 0.25 * share(fractal(rng, size, 64, 0.6), 0.3, 0.6)
        case 1:
            mask = 0.8 * (np.mod(across * 12, 1.0) < 0.5)
        case 2:
            mask = np.clip((0.26 - pebbles(rng, size, 8, 0.0).near) * 14.0, 0, 1)
        case 3:
            mask = 0.8 * _damask(down, across)
        case 4:
            mask = 0.7 * ((np.mod(across * 24, 1.0) < 0.12) | (np.mod(across * 6, 1.0) < 0.12))
        case 5:
            mask = 0.5 * share(normal(grain(rng, size, (6.0, 0.6))), 0.3, 0.8)
        case 6:
            fold = np.mod(down * 8 + np.abs(np.mod(across * 8, 2.0) - 1.0), 1.0)
            mask = 0.8 * (fold < 0.4)
        case _:
            cells = pebbles(rng, size, 6, 0.7)
            angle = np.sin(5.0 * (across * 40 + valued(rng, cells.ids))) * 0.06
            mask = np.clip((0.30 + angle - cells.near) * 14.0, 0, 1)
    return Swatch(mixed(color, ink, np.asarray(mask, dtype=np.float32)), 14.0)


def _damask(down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Ogees with a drop inside, every second column half a repeat lower."""
    column = np.floor(across * 6)
    x, y = np.mod(across * 6, 1.0) - 0.5, np.mod(down * 4 + 0.5 * np.mod(column, 2.0), 1.0) - 0.5
    width = 0.42 * np.cos(np.pi * y) ** 2
    rim = np.abs(np.abs(x) - width) < 0.05
    drop = (np.hypot(x * 1.6, y) < 0.2) | ((np.abs(x) < 0.03) & (np.abs(y) < 0.4))
    return (rim | drop).astype(np.float32)


def skin(rng: np.random.Generator, look: int) -> Swatch:
    """Skin, bright for a tint that gives its tone."""
    size = 256
    tone = 1.0 + 0.03 * fractal(rng, size, 4, 0.6) + 0.015 * grain(rng, size, 0.8)
    color = toned((240, 226, 216), tone)
    color = mixed(color, (226, 176, 160), 0.5 * share(fractal(rng, size, 4, 0.5, 3), 0.05 + 0.04 * look, 1.5))
    color = mixed(
        color,
        (178, 130, 104),
        0.5 * share(grain(rng, size, 1.0), (0.0, 0.004, 0.01, 0.0, 0.02, 0.002, 0.03, 0.006)[look], 0.3),
    )
    if look in (3, 7):
        creases = np.abs(fractal(rng, size, (32, 8), 0.6))
        color = mixed(color, (206, 170, 152), 0.4 * np.clip(1.0 - creases / 0.08, 0, 1))
    return Swatch(color, 40.0)


class _Fur(NamedTuple):
    length: float  # px of a hair
    spots: str
    part: float


_FURS = (
    _Fur(5.0, "", 0.0),
    _Fur(3.0, "mottled", 0.4),
    _Fur(8.0, "", 0.0),
    _Fur(4.0, "stripes", 0.35),
    _Fur(5.0, "patches", 0.4),
    _Fur(2.0, "feathers", 0.0),
    _Fur(3.0, "spots", 0.0),
    _Fur(7.0, "brindle", 0.3),
)


def fur(rng: np.random.Generator, look: int) -> Swatch:
    """Fur and feathers with hairs that hang, bright for a tint; patches, stripes, spots by look."""
    size, kind = 256, _FURS[look]
    bend = 6.0 * fractal(rng, size, 4, 0.5, 3)
    hair = warped(grain(rng, size, (kind.length, 0.6)), 0.3 * bend, bend)
    color = toned((216, 211, 203), 1.0 + 0.14 * hair + 0.06 * fractal(rng, size, 4, 0.6))
    dark: Color = (104, 92, 82)
    match kind.spots:
        case "mottled" | "patches":
            cells = 8 if kind.spots == "mottled" else 2
            color = mixed(
                color, toned(dark, 1.0 + 0.12 * hair), share(fractal(rng, size, cells, 0.5, 4), kind.part, 0.2)
            )
        case "stripes" | "brindle":
            cells = (16, 4) if kind.spots == "stripes" else (64, 8)
            color = mixed(
                color, toned(dark, 1.0 + 0.12 * hair), share(fractal(rng, size, cells, 0.5, 3), kind.part, 0.3)
            )
        case "spots":
            near = pebbles(rng, size, 9, 0.9).near
            color = mixed(color, toned(dark, 1.0 + 0.12 * hair), np.clip((0.34 - near + 0.02 * hair) * 9.0, 0, 1))
        case "feathers":
            scale = pebbles(rng, size, 22, 0.4)
            color *= (0.85 + 0.3 * blurred(np.clip(scale.gap, 0, 0.6), 0.7, 0.7) * 1.5)[..., None]
    return Swatch(color * relief(0.3 * hair, 0.1)[..., None], 14.0)
