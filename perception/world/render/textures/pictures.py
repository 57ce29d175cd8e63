"""Looks of posters, doors and faces. Shop windows have a file of their own."""

import numpy as np

from perception.world.render.textures.easel import Easel
from perception.world.render.textures.glyphs import some_text
from perception.world.render.textures.noise import fractal, grid, normal, pebbles, share
from perception.world.render.textures.swatch import Color, Swatch, toned

_SIZE = 512  # px of posters


def poster(rng: np.random.Generator, look: int) -> Swatch:
    """Adverts: skies, products, landscapes, letters, portraits, shapes; held out: a town by night, a sale."""
    draw = (_sunset, _product, _landscape, _letters, _portrait, _shapes, _night, _sale)[look]
    easel = draw(rng)
    easel.frame(0.0, 0.0, 1.0, 1.0, 0.018, (228, 226, 220))
    return easel.swatch(1.0 + 0.015 * fractal(rng, easel.size, 2, 0.6), 60.0)


def _gradient(easel: Easel, top: Color, bottom: Color) -> None:
    down, _ = grid(easel.size)
    image = np.array(top) + (np.array(bottom) - np.array(top)) * down[..., None]
    easel.painted(image, np.ones_like(down))


def _sunset(rng: np.random.Generator) -> Easel:
    easel = Easel(_SIZE, (0, 0, 0))
    _gradient(easel, (60, 64, 130), (250, 150, 80))
    easel.disc(0.6, 0.52, 0.16, (255, 226, 150))
    for k, color in enumerate(((120, 70, 100), (80, 48, 84), (46, 32, 62))):
        x = np.linspace(0.0, 1.0, 40)
        hill = 0.62 + 0.08 * k + 0.05 * np.sin(2 * np.pi * ((1 + k) * x + rng.random())) + 0.01 * rng.normal(size=40)
        easel.blob(np.concatenate([np.stack([x, hill], axis=1), [[1.0, 1.0], [0.0, 1.0]]]), color)
    easel.text(some_text(rng, 7), 0.10, 0.10, 0.90, 0.22, (250, 244, 230), 0.16)
    easel.text(some_text(rng, 14), 0.20, 0.88, 0.80, 0.93, (240, 220, 200), 0.12)
    return easel


def _product(rng: np.random.Generator) -> Easel:
    easel = Easel(_SIZE, (232, 196, 60))
    easel.disc(0.5, 0.58, 0.34, (246, 222, 130))
    bottle = np.array(
        [[0.45, 0.18], [0.55, 0.18], [0.55, 0.34], [0.64, 0.44], [0.64, 0.86], [0.36, 0.86], [0.36, 0.44], [0.45, 0.34]]
    )
    easel.polygon(bottle, (40, 110, 70))
    easel.rectangle(0.44, 0.15, 0.56, 0.20, (210, 210, 200))
    easel.rectangle(0.36, 0.52, 0.64, 0.74, (240, 236, 222))
    easel.text(some_text(rng, 4), 0.39, 0.58, 0.61, 0.68, (170, 40, 40), 0.18)
    easel.rectangle(0.39, 0.44, 0.42, 0.84, (90, 160, 116))
    easel.text(some_text(rng, 8), 0.08, 0.04, 0.92, 0.12, (60, 40, 30), 0.16)
    easel.text(some_text(rng, 12), 0.15, 0.90, 0.85, 0.95, (90, 60, 30), 0.14)
    return easel


def _landscape(rng: np.random.Generator) -> Easel:
    easel = Easel(_SIZE, (0, 0, 0))
    _gradient(easel, (110, 170, 220), (226, 236, 240))
    down, _ = grid(_SIZE)
    clouds = share(fractal(rng, _SIZE, (8, 2), 0.55), 0.35, 1.0) * (down < 0.5)
    easel.painted(np.full((_SIZE, _SIZE, 3), 250.0), clouds)
    ridge = 0.45 + 0.10 * normal(fractal(rng, _SIZE, (2, 4), 0.5))[0]
    rock = toned((120, 116, 122), 1.0 + 0.25 * fractal(rng, _SIZE, 8, 0.7))
    easel.painted(rock, (down > ridge[None, :]).astype(np.float32))
    meadow = toned((96, 136, 62), 1.0 + 0.2 * fractal(rng, _SIZE, 16, 0.8))
    easel.painted(meadow, (down > 0.66 + 0.03 * fractal(rng, _SIZE, (2, 2))[0][None, :]).astype(np.float32))
    easel.rectangle(0.0, 0.82, 1.0, 1.0, (180, 36, 44))
    easel.text(some_text(rng, 6), 0.06, 0.86, 0.60, 0.95, (250, 250, 250), 0.18)
    return easel


def _letters(rng: np.random.Generator) -> Easel:
    easel = Easel(_SIZE, (236, 232, 222))
    easel.text(some_text(rng, 3), 0.06, 0.06, 0.94, 0.34, (30, 30, 34), 0.22)
    easel.rectangle(0.06, 0.40, 0.94, 0.43, (200, 50, 40))
    easel.text(some_text(rng, 5), 0.06, 0.48, 0.94, 0.62, (30, 30, 34), 0.2)
    for k in range(7):
        easel.text(
            some_text(rng, 16), 0.06, 0.68 + 0.042 * k, rng.uniform(0.6, 0.94), 0.70 + 0.042 * k, (90, 88, 84), 0.16
        )
    return easel


def _portrait(rng: np.random.Generator) -> Easel:
    easel = Easel(_SIZE, (0, 0, 0))
    _gradient(easel, (70, 120, 130), (190, 210, 200))
    easel.blob(_ring(0.48, 1.02, 0.42, 0.36), (60, 50, 70))
    easel.rectangle(0.42, 0.52, 0.55, 0.72, (206, 160, 130))
    easel.blob(_ring(0.48, 0.40, 0.19, 0.25), (70, 46, 34))
    easel.blob(_ring(0.48, 0.44, 0.15, 0.20), (222, 178, 148))
    for x in (0.42, 0.54):
        easel.disc(x, 0.42, 0.022, (250, 250, 250), 0.6)
        easel.disc(x, 0.42, 0.011, (50, 40, 40))
        easel.stroke(np.array([[x - 0.03, 0.385], [x + 0.03, 0.38]]), 0.008, (60, 40, 30))
    easel.stroke(np.array([[0.43, 0.54], [0.48, 0.56], [0.53, 0.54]]), 0.012, (170, 70, 70))
    easel.stroke(np.array([[0.485, 0.43], [0.50, 0.50], [0.475, 0.505]]), 0.006, (180, 130, 106))
    easel.text(some_text(rng, 9), 0.06, 0.84, 0.94, 0.94, (250, 246, 236), 0.16)
    return easel


def _ring(x: float, y: float, width: float, height: float) -> np.ndarray:
    angle = np.linspace(0.0, 2.0 * np.pi, 60, endpoint=False)
    return np.stack([x + width * np.cos(angle), y + height * np.sin(angle)], axis=1)


def _shapes(rng: np.random.Generator) -> Easel:
    easel = Easel(_SIZE, (240, 232, 214))
    colors: tuple[Color, ...] = ((200, 60, 44), (36, 70, 120), (232, 180, 60), (40, 44, 50), (90, 140, 120))
    for i in range(4):
        for j in range(4):
            left, top, color = 0.06 + 0.22 * j, 0.06 + 0.20 * i, colors[rng.integers(5)]
            easel.rectangle(left, top, left + 0.22, top + 0.20, colors[rng.integers(5)])
            if rng.random() < 0.5:
                easel.disc(left + 0.11, top + 0.10, 0.09, color)
            else:
                easel.polygon(np.array([[left, top], [left + 0.22, top + 0.20], [left, top + 0.20]]), color)
    easel.text(some_text(rng, 10), 0.06, 0.90, 0.94, 0.96, (40, 40, 44), 0.16)
    return easel


def _night(rng: np.random.Generator) -> Easel:
    easel = Easel(_SIZE, (0, 0, 0))
    _gradient(easel, (16, 20, 50), (90, 60, 110))
    easel.disc(0.75, 0.2, 0.09, (240, 236, 210))
    left = 0.0
    while left < 1.0:
        width, top = rng.uniform(0.08, 0.16), rng.uniform(0.35, 0.65)
        easel.rectangle(left, top, left + width, 1.0, (24, 26, 40))
        for y in np.arange(top + 0.03, 0.95, 0.045):
            for x in np.arange(left + 0.015, left + width - 0.02, 0.03):
                if rng.random() < 0.45:
                    easel.rectangle(x, y, x + 0.014, y + 0.022, (250, 214, 120))
        left += width
    easel.text(some_text(rng, 6), 0.08, 0.08, 0.60, 0.18, (240, 120, 190), 0.14)
    return easel


def _sale(rng: np.random.Generator) -> Easel:
    easel = Easel(_SIZE, (240, 240, 236))
    easel.polygon(np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.35], [0.0, 0.75]]), (230, 60, 120))
    down, _ = grid(_SIZE)
    dots = pebbles(rng, _SIZE, 36, 0.0).near
    easel.painted(
        np.full((_SIZE, _SIZE, 3), (40.0, 170.0, 190.0)), np.clip((0.5 * down - dots) * 12.0, 0, 1) * (down > 0.45)
    )
    easel.text("50", 0.10, 0.12, 0.70, 0.50, (252, 240, 90), 0.24)
    easel.disc(0.76, 0.20, 0.05, (252, 240, 90))
    easel.disc(0.90, 0.34, 0.05, (252, 240, 90))
    easel.bar((0.74, 0.40), (0.92, 0.14), 0.03, (252, 240, 90))
    easel.text("SALE", 0.20, 0.74, 0.94, 0.94, (30, 30, 34), 0.2)
    return easel


class _Panels:
    """Fields of a door: left, top, right, bottom; those of `panes` are glass."""

    FIELDS = (
        [(0.14, 0.08, 0.46, 0.44), (0.54, 0.08, 0.86, 0.44), (0.14, 0.52, 0.46, 0.92), (0.54, 0.52, 0.86, 0.92)],
        [(0.16, 0.56, 0.84, 0.92)],
        [],
        [(0.16, 0.08, 0.84, 0.26), (0.16, 0.31, 0.84, 0.49), (0.16, 0.54, 0.84, 0.72), (0.16, 0.77, 0.84, 0.93)],
        [(0.16, 0.62, 0.84, 0.92)],
        [],
        [(0.12, 0.60, 0.88, 0.94)],
        [(0.10, 0.06, 0.34, 0.94), (0.40, 0.06, 0.62, 0.94)],
    )
    PANES = (
        [],
        [(0.16, 0.08, 0.84, 0.50)],
        [(0.60, 0.14, 0.80, 0.44)],
        [],
        [(0.18, 0.08, 0.47, 0.32), (0.53, 0.08, 0.82, 0.32), (0.18, 0.36, 0.47, 0.57), (0.53, 0.36, 0.82, 0.57)],
        [],
        [(0.12, 0.06, 0.88, 0.16), (0.12, 0.20, 0.88, 0.30), (0.12, 0.34, 0.88, 0.44), (0.12, 0.48, 0.88, 0.56)],
        [(0.70, 0.06, 0.90, 0.94)],
    )


def door(rng: np.random.Generator, look: int) -> Swatch:
    """Doors with panels, panes, a handle and a letter slot, bright and neutral for a tint."""
    easel = Easel(256, (226, 224, 220))
    easel.frame(0.0, 0.0, 1.0, 1.0, 0.03, (196, 194, 190))
    for left, top, right, bottom in _Panels.FIELDS[look]:
        easel.rectangle(left, top, right, bottom, (176, 174, 170))
        easel.rectangle(left + 0.02, top + 0.012, right, bottom, (240, 238, 234))
        easel.rectangle(left + 0.02, top + 0.012, right - 0.02, bottom - 0.012, (216, 214, 210))
    for left, top, right, bottom in _Panels.PANES[look]:
        easel.rectangle(left, top, right, bottom, (150, 148, 144))
        easel.rectangle(left + 0.02, top + 0.01, right - 0.02, bottom - 0.01, (64, 74, 80))
    if look == 5:
        for k in range(1, 7):
            easel.rectangle(k / 7.0 - 0.006, 0.0, k / 7.0 + 0.006, 1.0, (150, 148, 144))
    if look in (1, 4):
        easel.rectangle(0.36, 0.585 if look == 4 else 0.525, 0.64, 0.605 if look == 4 else 0.545, (120, 112, 92))
    easel.rectangle(0.04, 0.50, 0.085, 0.58, (150, 142, 120))
    easel.rectangle(0.05, 0.53, 0.16, 0.545, (112, 106, 90))
    glass = (easel.image[..., 0] < 100).astype(np.float32)
    light = 1.0 + 0.03 * fractal(rng, 256, (2, 32), 0.5, 4) + 0.04 * glass * fractal(rng, 256, 2, 0.5)
    return easel.swatch(light, 50.0 + 170.0 * glass)


_HAIR: tuple[Color, ...] = (
    (60, 44, 34),
    (30, 26, 26),
    (140, 104, 64),
    (96, 60, 40),
    (150, 146, 142),
    (44, 34, 30),
    (190, 160, 110),
    (70, 66, 64),
)


def face(rng: np.random.Generator, look: int) -> Swatch:
    """Faces, bright for a tint that gives the tone of the skin; beards, glasses, a mask by look."""
    easel = Easel(256, (240, 226, 216))
    hair = _HAIR[look]
    easel.blob(_ring(0.5, 0.72, 0.30, 0.16), (236, 212, 200))
    for x in (0.30, 0.70):
        easel.disc(x, 0.62, 0.10, (238, 198, 184))
    if look in (1, 4, 7):
        easel.blob(_ring(0.5, 0.80, 0.26, 0.18), tuple(0.35 * c + 110 for c in hair))
    for x in (0.34, 0.66):
        easel.disc(x, 0.46, 0.085, (206, 178, 166), 0.6)
        easel.disc(x, 0.46, 0.07, (246, 244, 240), 0.5)
        easel.disc(x, 0.46, 0.034, ((70, 50, 40), (60, 90, 120), (60, 80, 56))[look % 3])
        easel.disc(x, 0.46, 0.016, (16, 16, 16))
        arch = np.array([[x - 0.10, 0.375], [x, 0.345], [x + 0.10, 0.375]])
        easel.stroke(arch, 0.022 + 0.006 * (look % 2), hair)
    easel.stroke(np.array([[0.47, 0.48], [0.44, 0.62], [0.50, 0.65], [0.56, 0.62]]), 0.014, (206, 170, 154))
    smile = rng.uniform(0.0, 0.03)
    easel.stroke(np.array([[0.40, 0.765 - smile], [0.50, 0.775], [0.60, 0.765 - smile]]), 0.035, (190, 110, 104))
    easel.stroke(np.array([[0.40, 0.765 - smile], [0.50, 0.770], [0.60, 0.765 - smile]]), 0.010, (120, 60, 60))
    if look in (2, 5):
        for x in (0.34, 0.66):
            easel.stroke(_ring(x, 0.46, 0.12, 0.09)[np.r_[0:60, 0]], 0.016, (40, 36, 40))
        easel.stroke(np.array([[0.46, 0.45], [0.54, 0.45]]), 0.016, (40, 36, 40))
    if look == 6:
        for x in (0.34, 0.66):
            easel.disc(x, 0.46, 0.13, (28, 28, 34), 0.75)
        easel.stroke(np.array([[0.20, 0.44], [0.80, 0.44]]), 0.03, (28, 28, 34))
    if look == 7:
        easel.polygon(np.array([[0.24, 0.60], [0.76, 0.60], [0.70, 0.88], [0.30, 0.88]]), (190, 210, 222))
    return easel.swatch(1.0 + 0.02 * fractal(rng, 256, 4, 0.6), 36.0)
