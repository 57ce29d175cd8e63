"""Looks of traffic signs, licence plates and screens. All of them are inventions; none is the sign of a country."""

import numpy as np

from perception.world.render.textures.easel import Easel
from perception.world.render.textures.glyphs import some_text, write
from perception.world.render.textures.noise import fractal
from perception.world.render.textures.swatch import Color, Swatch

RED: Color = (190, 32, 40)
BLUE: Color = (28, 78, 156)
WHITE: Color = (238, 238, 234)
BLACK: Color = (26, 26, 28)
YELLOW: Color = (240, 196, 40)
GREEN: Color = (22, 112, 72)
SIGN_SHAPES = ("disc", "triangle", "square", "disc", "diamond", "octagon", "disc", "square")
"""Outline that each look of `Texture.SIGN` is drawn for; its corners lie on the border of the unit square."""


def sign(rng: np.random.Generator, look: int) -> Swatch:
    """Traffic signs: limit, warning, parking, direction, priority, stop; held out: end of limits, ways."""
    draw = (_limit, _warning, _parking, _arrow, _priority, _stop, _end, _way)[look]
    easel = draw(rng)
    return easel.swatch(1.0 + 0.02 * fractal(rng, easel.size, 4, 0.6), 90.0)


def _limit(rng: np.random.Generator) -> Easel:
    easel = Easel(256, (200, 200, 200))
    easel.disc(0.5, 0.5, 0.5, WHITE)
    easel.disc(0.5, 0.5, 0.48, RED)
    easel.disc(0.5, 0.5, 0.37, WHITE)
    easel.text(("30", "40", "60", "80")[rng.integers(4)], 0.26, 0.30, 0.76, 0.70, BLACK, 0.16)
    return easel


def _warning(rng: np.random.Generator) -> Easel:
    easel = Easel(256, WHITE)
    for scale, color in ((1.0, RED), (0.70, WHITE)):
        corners = np.array([[0.5, 0.0], [1.0, 1.0], [0.0, 1.0]])
        easel.polygon((corners - [0.5, 0.64]) * scale + [0.5, 0.64], color)
    easel.disc(0.5, 0.44, 0.045, BLACK)
    easel.polygon(np.array([[0.44, 0.50], [0.56, 0.50], [0.62, 0.68], [0.38, 0.68]]), BLACK)
    easel.bar((0.45, 0.66), (0.38, 0.86), 0.05, BLACK)
    easel.bar((0.55, 0.66), (0.63, 0.86), 0.05, BLACK)
    return easel


def _parking(rng: np.random.Generator) -> Easel:
    easel = Easel(256, WHITE)
    easel.rectangle(0.03, 0.03, 0.97, 0.97, BLUE)
    easel.rectangle(0.30, 0.18, 0.42, 0.84, WHITE)
    easel.disc(0.50, 0.37, 0.20, WHITE)
    easel.disc(0.48, 0.37, 0.09, BLUE)
    easel.rectangle(0.30, 0.18, 0.42, 0.84, WHITE)
    return easel


def _arrow(rng: np.random.Generator) -> Easel:
    easel = Easel(256, (200, 200, 200))
    easel.disc(0.5, 0.5, 0.5, WHITE)
    easel.disc(0.5, 0.5, 0.475, BLUE)
    easel.rectangle(0.43, 0.42, 0.57, 0.84, WHITE)
    easel.polygon(np.array([[0.5, 0.14], [0.75, 0.45], [0.25, 0.45]]), WHITE)
    return easel


def _priority(rng: np.random.Generator) -> Easel:
    easel = Easel(256, WHITE)
    for radius, color in ((0.5, BLACK), (0.485, WHITE), (0.34, YELLOW)):
        easel.polygon(0.5 + radius * np.array([[0, -1], [1, 0], [0, 1], [-1, 0]]), color)
    return easel


def _stop(rng: np.random.Generator) -> Easel:
    easel = Easel(256, WHITE)
    angle = np.pi / 8 + np.arange(8) * np.pi / 4
    for radius, color in ((0.541, WHITE), (0.515, RED)):
        easel.polygon(0.5 + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1), color)
    easel.rectangle(0.14, 0.43, 0.86, 0.57, WHITE)
    easel.text("STOP", 0.16, 0.18, 0.84, 0.38, WHITE, 0.15)
    return easel


def _end(rng: np.random.Generator) -> Easel:
    easel = Easel(256, (200, 200, 200))
    easel.disc(0.5, 0.5, 0.5, BLACK)
    easel.disc(0.5, 0.5, 0.475, WHITE)
    easel.text("50", 0.28, 0.33, 0.74, 0.67, (150, 150, 150), 0.16)
    for shift in (-0.10, 0.0, 0.10):
        easel.bar((0.22 + shift, 0.80 + shift * 0.3), (0.78 + shift, 0.20 + shift * 0.3), 0.035, BLACK)
    return easel


def _way(rng: np.random.Generator) -> Easel:
    easel = Easel(256, WHITE)
    easel.rectangle(0.03, 0.03, 0.97, 0.97, GREEN)
    easel.rectangle(0.08, 0.50, 0.92, 0.52, WHITE)
    for top, side in ((0.12, 1), (0.58, -1)):
        easel.text(
            some_text(rng, 6),
            0.28 if side < 0 else 0.08,
            top + 0.08,
            0.92 if side < 0 else 0.70,
            top + 0.24,
            WHITE,
            0.14,
        )
        tip = 0.90 if side > 0 else 0.10
        easel.polygon(
            np.array([[tip, top + 0.16], [tip - side * 0.12, top + 0.04], [tip - side * 0.12, top + 0.28]]), WHITE
        )
    return easel


_PLATE_ASPECT = 5  # width over height
_PLATES: tuple[tuple[Color, Color, str], ...] = (  # ground, letters, decoration
    (WHITE, BLACK, "band"),
    (WHITE, (30, 40, 90), "frame"),
    (YELLOW, BLACK, "frame"),
    (WHITE, (24, 96, 64), "frame"),
    ((206, 216, 228), (60, 40, 40), "strip"),
    (WHITE, BLACK, "bands"),
    ((40, 42, 46), WHITE, "frame"),
    ((232, 170, 60), (30, 60, 50), "strip"),
)


def plate(rng: np.random.Generator, look: int) -> Swatch:
    """Licence plates, about five times as wide as high."""
    ground, ink, kind = _PLATES[look]
    easel = Easel(256, ground)
    left, right = 0.07, 0.93
    if kind in ("band", "bands"):
        easel.rectangle(0.0, 0.0, 0.10, 1.0, BLUE)
        left = 0.14
    if kind == "bands":
        easel.rectangle(0.92, 0.0, 1.0, 1.0, BLUE)
        right = 0.88
    if kind == "frame":
        easel.frame(0.01, 0.05, 0.99, 0.95, 0.02, ink)
    if kind == "strip":
        easel.rectangle(0.0, 0.0, 1.0, 0.20, ink)
    figures = some_text(rng, 2) + " " + some_text(rng, 3, "0123456789") + some_text(rng, 2)
    wide = np.repeat(easel.image, _PLATE_ASPECT, axis=1).astype(np.float32)
    side = easel.size
    write(wide, figures, (left * wide.shape[1], 0.27 * side, right * wide.shape[1], 0.85 * side), ink, 0.13)
    easel.painted(wide.reshape(side, side, _PLATE_ASPECT, 3).mean(axis=2), np.ones((side, side)))
    return easel.swatch(1.0 + 0.03 * fractal(rng, 256, 4, 0.6), 70.0)


def screen(rng: np.random.Generator, look: int) -> Swatch:
    """Screens: a sheet, a map, windows, code, a picture, a board of departures; held out: gauges, a chart."""
    draw = (_sheet, _map, _windows, _code, _picture, _board, _gauges, _chart)[look]
    return draw(rng).swatch(1.0, 140.0)


def _sheet(rng: np.random.Generator) -> Easel:
    easel = Easel(256, (244, 245, 246))
    easel.rectangle(0.0, 0.0, 1.0, 0.10, (34, 110, 70))
    easel.rectangle(0.0, 0.10, 1.0, 0.16, (214, 218, 220))
    easel.rectangle(0.0, 0.16, 0.08, 1.0, (226, 228, 230))
    for k in range(12):
        top = 0.17 + 0.068 * k
        easel.rectangle(0.0, top + 0.064, 1.0, top + 0.068, (190, 194, 198))
        for j in range(5):
            if rng.random() < 0.7:
                left = 0.10 + 0.18 * j
                easel.text(
                    some_text(rng, 4, "0123456789"), left, top + 0.02, left + 0.12, top + 0.05, (60, 62, 66), 0.14
                )
    return easel


def _map(rng: np.random.Generator) -> Easel:
    easel = Easel(256, (228, 224, 214))
    for _ in range(7):
        x, y = rng.uniform(0.1, 0.9, size=2)
        easel.disc(x, y, rng.uniform(0.05, 0.14), (190, 216, 170), rng.uniform(0.6, 1.2))
    river = np.stack(
        [np.linspace(-0.1, 1.1, 12), 0.5 + 0.25 * np.sin(np.linspace(0, 4, 12) + rng.uniform(0, 6))], axis=1
    )
    easel.stroke(river, 0.06, (160, 200, 226))
    for _ in range(9):
        ends = rng.uniform(-0.2, 1.2, size=(2, 2))
        easel.stroke(ends, 0.02, (250, 250, 250))
    easel.stroke(rng.uniform(0.1, 0.9, size=(5, 2)), 0.02, (60, 110, 220))
    easel.disc(0.6, 0.4, 0.03, RED)
    easel.rectangle(0.03, 0.04, 0.40, 0.12, WHITE)
    return easel


def _picture(rng: np.random.Generator) -> Easel:
    easel = Easel(256, (30, 30, 34))
    easel.rectangle(0.05, 0.05, 0.95, 0.82, (120, 170, 214))
    hills = np.stack(
        [np.linspace(0.05, 0.95, 30), 0.5 + 0.08 * np.sin(np.linspace(0, 7, 30) + rng.uniform(0, 6))], axis=1
    )
    easel.blob(np.concatenate([hills, [[0.95, 0.82], [0.05, 0.82]]]), (86, 130, 70))
    easel.disc(0.75, 0.22, 0.07, (250, 236, 180))
    easel.rectangle(0.05, 0.89, 0.95, 0.905, (90, 90, 96))
    easel.rectangle(0.05, 0.89, rng.uniform(0.2, 0.8), 0.905, RED)
    return easel


def _gauges(rng: np.random.Generator) -> Easel:
    easel = Easel(256, (20, 24, 32))
    inks: tuple[Color, ...] = ((90, 210, 160), (240, 180, 60), (100, 160, 240))
    for i in range(2):
        for j in range(3):
            x, y = (j + 0.5) / 3.0, 0.26 + 0.46 * i
            easel.disc(x, y, 0.14, (44, 50, 62))
            angle = np.linspace(2.4, rng.uniform(3.5, 7.0), 24)
            arc = np.stack([x + 0.115 * np.cos(angle), y + 0.115 * np.sin(angle)], axis=1)
            easel.stroke(arc, 0.03, inks[(i + j) % 3])
            easel.text(some_text(rng, 2, "123456789"), x - 0.05, y - 0.04, x + 0.05, y + 0.04, WHITE, 0.14)
    return easel


def _windows(rng: np.random.Generator) -> Easel:
    easel = Easel(256, (60, 110, 150))
    for left, top, width, height in ((0.08, 0.10, 0.55, 0.50), (0.35, 0.35, 0.55, 0.50)):
        easel.rectangle(left, top, left + width, top + height, (236, 238, 240))
        easel.rectangle(left, top, left + width, top + 0.06, (84, 92, 104))
        for k in range(6):
            end = left + width * rng.uniform(0.4, 0.95)
            easel.rectangle(left + 0.04, top + 0.11 + 0.055 * k, end, top + 0.13 + 0.055 * k, (150, 154, 160))
    easel.rectangle(0.0, 0.93, 1.0, 1.0, (40, 44, 52))
    return easel


def _code(rng: np.random.Generator) -> Easel:
    easel = Easel(256, (30, 32, 38))
    easel.rectangle(0.0, 0.0, 0.18, 1.0, (44, 48, 56))
    inks: tuple[Color, ...] = ((150, 200, 140), (208, 150, 96), (120, 160, 220), (200, 200, 204))
    for k in range(22):
        x = 0.22 + 0.05 * rng.integers(4)
        while x < 0.22 + rng.uniform(0.2, 0.7):
            width = rng.uniform(0.03, 0.14)
            easel.rectangle(x, 0.05 + 0.042 * k, x + width, 0.068 + 0.042 * k, inks[rng.integers(4)])
            x += width + 0.02
    return easel


def _board(rng: np.random.Generator) -> Easel:
    easel = Easel(256, (18, 20, 26))
    easel.rectangle(0.0, 0.0, 1.0, 0.13, (30, 70, 130))
    easel.text("DEPARTURES", 0.06, 0.03, 0.7, 0.10, WHITE, 0.14)
    for k in range(7):
        top = 0.18 + 0.115 * k
        easel.text(some_text(rng, 5, "0123456789"), 0.05, top, 0.25, top + 0.07, YELLOW, 0.12)
        easel.text(some_text(rng, 8), 0.32, top, 0.74, top + 0.07, YELLOW, 0.12)
        easel.text(some_text(rng, 2, "123456789"), 0.84, top, 0.94, top + 0.07, (236, 236, 236), 0.12)
    return easel


def _chart(rng: np.random.Generator) -> Easel:
    easel = Easel(256, (240, 240, 236))
    easel.rectangle(0.10, 0.08, 0.115, 0.90, BLACK)
    easel.rectangle(0.10, 0.885, 0.95, 0.90, BLACK)
    for k in range(7):
        left, height = 0.16 + 0.11 * k, rng.uniform(0.15, 0.7)
        easel.rectangle(
            left, 0.885 - height, left + 0.07, 0.885, ((70, 120, 180), (200, 110, 60), (90, 150, 90))[k % 3]
        )
    easel.stroke(np.stack([np.linspace(0.18, 0.9, 9), rng.uniform(0.15, 0.6, 9)], axis=1), 0.012, RED)
    return easel
