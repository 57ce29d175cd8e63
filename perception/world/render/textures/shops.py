"""Looks of shop windows: a sign above, goods on display behind the pane, a weak reflection of the street."""

import numpy as np

from perception.world.render.textures.easel import Easel
from perception.world.render.textures.glyphs import some_text
from perception.world.render.textures.noise import fractal, grid, share
from perception.world.render.textures.swatch import Color, Swatch

_SIZE = 512
_GOODS: tuple[Color, ...] = (
    (196, 60, 52),
    (60, 100, 160),
    (226, 190, 80),
    (86, 140, 90),
    (210, 206, 196),
    (120, 70, 110),
    (70, 66, 64),
    (222, 140, 90),
)
_SIGNS: tuple[Color, ...] = (
    (40, 44, 60),
    (120, 40, 36),
    (30, 80, 60),
    (226, 220, 200),
    (24, 24, 28),
    (60, 70, 110),
    (150, 110, 60),
    (200, 80, 40),
)
_WALLS: tuple[Color, ...] = (
    (150, 138, 120),
    (190, 160, 116),
    (120, 104, 86),
    (160, 168, 150),
    (90, 100, 116),
    (110, 110, 112),
    (170, 120, 80),
    (196, 196, 190),
)


def shop(rng: np.random.Generator, look: int) -> Swatch:
    """Clothes, bread, books, flowers, screens, a shutter; held out: a cafe, wheels."""
    easel = Easel(_SIZE, _WALLS[look])
    down, across = grid(_SIZE)
    depth = 0.55 + 0.6 * np.exp(-((across - 0.5) ** 2 / 0.16 + (down - 0.35) ** 2 / 0.10))
    easel.painted(easel.image * depth[..., None], np.ones_like(down))
    (_clothes, _bread, _books, _flowers, _screens, _shutter, _cafe, _wheels)[look](rng, easel)
    shine = 0.16 * share(fractal(rng, _SIZE, 2, 0.5), 0.35, 1.5) * (0.0 if look == 5 else 1.0)
    easel.painted(np.full((_SIZE, _SIZE, 3), 214.0), shine.astype(np.float32))
    _front(rng, easel, look)
    is_pane = (down > 0.2) & (down < 0.93) & (look != 5)
    return easel.swatch(1.0 + 0.015 * fractal(rng, _SIZE, 4, 0.6), np.where(is_pane, 190.0, 50.0).astype(np.float32))


def _front(rng: np.random.Generator, easel: Easel, look: int) -> None:
    """Sign, mullions, sill."""
    ground = _SIGNS[look]
    ink = (240, 232, 210) if sum(ground) < 400 else (50, 44, 40)
    rail: Color = (200, 198, 192) if look % 2 else (54, 52, 50)
    easel.rectangle(0.0, 0.0, 1.0, 0.18, ground)
    easel.text(some_text(rng, int(rng.integers(5, 9))), 0.12, 0.045, 0.88, 0.135, ink, 0.16)
    easel.rectangle(0.0, 0.18, 1.0, 0.205, rail)
    easel.rectangle(0.0, 0.93, 1.0, 1.0, tuple(0.8 * c for c in rail))
    for x in ((0.0, 0.97), (0.0, 0.485, 0.97), (0.0, 0.32, 0.65, 0.97))[look % 3]:
        easel.rectangle(x, 0.18, x + 0.03, 1.0, rail)


def _color(rng: np.random.Generator) -> Color:
    return _GOODS[int(rng.integers(len(_GOODS)))]


def _shelf(easel: Easel, y: float) -> None:
    easel.rectangle(0.0, y, 1.0, y + 0.018, (104, 84, 62))


def _clothes(rng: np.random.Generator, easel: Easel) -> None:
    for x in np.arange(0.14, 0.95, 0.19) + rng.uniform(-0.03, 0.03):
        skirt, shirt = _color(rng), _color(rng)
        easel.disc(x, 0.33, 0.032, (222, 206, 190), 1.3)
        easel.blob(np.array([[x - 0.06, 0.40], [x + 0.06, 0.40], [x + 0.045, 0.58], [x - 0.045, 0.58]]), shirt)
        for side in (-1, 1):
            easel.stroke(np.array([[x + side * 0.06, 0.41], [x + side * 0.085, 0.56]]), 0.022, shirt)
        flare = rng.uniform(0.045, 0.09)
        easel.blob(np.array([[x - 0.045, 0.58], [x + 0.045, 0.58], [x + flare, 0.78], [x - flare, 0.78]]), skirt)
        for side in (-0.02, 0.02):
            easel.stroke(np.array([[x + side, 0.78], [x + side, 0.90]]), 0.02, (222, 206, 190))


def _bread(rng: np.random.Generator, easel: Easel) -> None:
    for y in (0.42, 0.60, 0.78):
        _shelf(easel, y)
        x = 0.06
        while x < 0.95:
            radius = rng.uniform(0.025, 0.05)
            crust = rng.uniform(0.8, 1.15)
            easel.disc(x, y - 0.6 * radius, radius, (196 * crust, 136 * crust, 70 * crust), 0.6)
            easel.stroke(
                np.array([[x - 0.01, y - 0.9 * radius], [x + 0.012, y - 0.5 * radius]]), 0.006, (236, 200, 140)
            )
            x += 2.0 * radius + 0.012
    easel.rectangle(0.0, 0.82, 1.0, 0.93, (140, 100, 66))


def _books(rng: np.random.Generator, easel: Easel) -> None:
    for y in (0.36, 0.52, 0.68, 0.84):
        x = 0.05
        while x < 0.95:
            width, height = rng.uniform(0.012, 0.03), rng.uniform(0.08, 0.12)
            easel.rectangle(x, y - height, x + width, y, _color(rng))
            x += width + (0.002 if rng.random() < 0.85 else 0.03)
        _shelf(easel, y)


def _flowers(rng: np.random.Generator, easel: Easel) -> None:
    for x in np.arange(0.08, 1.0, 0.105):
        top = rng.uniform(0.45, 0.62)
        for _ in range(26):
            dx, dy = rng.normal(0.0, 0.03), rng.normal(0.0, 0.05)
            easel.disc(x + dx, top + dy + 0.06, 0.018, (60 + rng.uniform(0, 40), 110, 50), 1.4)
        petals = _color(rng)
        for _ in range(12):
            easel.disc(x + rng.normal(0.0, 0.028), top + rng.normal(0.0, 0.04), 0.014, petals)
        easel.blob(np.array([[x - 0.04, 0.76], [x + 0.04, 0.76], [x + 0.03, 0.90], [x - 0.03, 0.90]]), (170, 96, 64))
    _shelf(easel, 0.90)


def _screens(rng: np.random.Generator, easel: Easel) -> None:
    for y in (0.26, 0.50):
        for x in (0.06, 0.30, 0.54, 0.78):
            easel.rectangle(x, y, x + 0.19, y + 0.17, (20, 20, 22))
            easel.rectangle(x + 0.01, y + 0.012, x + 0.18, y + 0.155, _color(rng))
            easel.disc(x + rng.uniform(0.05, 0.14), y + 0.09, 0.035, _color(rng))
    easel.rectangle(0.0, 0.72, 1.0, 0.74, (180, 180, 180))
    for x in np.arange(0.06, 0.95, 0.13):
        easel.rectangle(x, 0.80, x + 0.09, 0.90, _color(rng))
        easel.text("A" if x < 0.5 else "B", x + 0.03, 0.82, x + 0.06, 0.88, (240, 240, 240), 0.14)


def _shutter(rng: np.random.Generator, easel: Easel) -> None:
    down, _ = grid(_SIZE)
    slat = 0.78 + 0.28 * np.mod(down * 34, 1.0)
    easel.painted(np.array([150.0, 152.0, 154.0]) * slat[..., None], (down > 0.18).astype(np.float32))
    path = np.array([0.1, 0.55]) + np.cumsum(rng.normal([0.045, 0.0], [0.02, 0.06], size=(14, 2)), axis=0)
    easel.stroke(path, 0.022, _GOODS[5])
    easel.stroke(path + np.array([0.01, 0.02]), 0.008, (230, 226, 220))


def _cafe(rng: np.random.Generator, easel: Easel) -> None:
    for x in (0.2, 0.5, 0.8):
        easel.stroke(np.array([[x, 0.20], [x, 0.34]]), 0.006, (30, 30, 30))
        easel.disc(x, 0.37, 0.05, (250, 220, 150), 0.6)
    for x in (0.16, 0.42, 0.68, 0.90):
        easel.rectangle(x - 0.07, 0.68, x + 0.07, 0.70, (84, 58, 40))
        easel.rectangle(x - 0.008, 0.70, x + 0.008, 0.92, (40, 36, 34))
        person = _color(rng)
        easel.blob(np.array([[x - 0.10, 0.54], [x - 0.05, 0.54], [x - 0.04, 0.72], [x - 0.11, 0.72]]), person)
        easel.disc(x - 0.075, 0.50, 0.026, (206, 164, 136), 1.2)
        easel.disc(x + 0.02, 0.665, 0.014, (240, 240, 236), 1.2)


def _wheels(rng: np.random.Generator, easel: Easel) -> None:
    for x, y in ((0.18, 0.70), (0.50, 0.48), (0.78, 0.72)):
        frame = _color(rng)
        for side in (-0.09, 0.09):
            angle = np.linspace(0, 2 * np.pi, 40)
            hub = np.array([x + side, y + 0.06])
            easel.stroke(hub + 0.062 * np.stack([np.cos(angle), np.sin(angle)], axis=1), 0.010, (30, 30, 32))
            for a in np.linspace(0, np.pi, 6, endpoint=False):
                ray = 0.06 * np.array([np.cos(a), np.sin(a)])
                easel.stroke(np.stack([hub - ray, hub + ray]), 0.002, (170, 170, 170))
        at = np.array([x, y])
        tubes = at + np.array([[-0.09, 0.06], [-0.03, -0.06], [0.06, -0.05], [0.0, 0.07], [-0.09, 0.06]])
        easel.stroke(tubes, 0.012, frame)
        easel.stroke(at + np.array([[0.05, -0.09], [0.09, 0.06]]), 0.012, frame)
    _shelf(easel, 0.905)
