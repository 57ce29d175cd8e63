"""Colours (sRGB) and stuffs that objects share."""

from collections.abc import Sequence

import numpy as np

from perception.world.materials import Material, Texture
from perception.world.objects.shapes import Stuff, Tint
from perception.world.variety import Variety

CAR_PAINTS: tuple[tuple[Tint, float], ...] = (
    ((214, 215, 214), 0.2),
    ((28, 29, 32), 0.17),
    ((120, 124, 128), 0.15),
    ((184, 188, 192), 0.14),
    ((32, 58, 108), 0.09),
    ((160, 26, 28), 0.07),
    ((78, 92, 108), 0.05),
    ((70, 62, 54), 0.03),
    ((36, 82, 56), 0.03),
    ((206, 190, 160), 0.03),
    ((224, 108, 30), 0.015),
    ((232, 190, 40), 0.015),
    ((92, 160, 200), 0.02),
)
BRIGHT: tuple[Tint, ...] = (
    (196, 36, 34),
    (30, 84, 164),
    (34, 128, 74),
    (238, 190, 36),
    (232, 120, 28),
    (236, 236, 232),
    (24, 150, 160),
    (116, 56, 132),
    (40, 42, 46),
)
FABRICS: tuple[Tint, ...] = (
    (36, 38, 44),
    (62, 66, 76),
    (232, 230, 224),
    (40, 60, 102),
    (96, 128, 166),
    (150, 34, 40),
    (58, 92, 62),
    (188, 160, 116),
    (120, 86, 60),
    (206, 120, 132),
    (222, 176, 60),
    (130, 134, 138),
    (90, 60, 110),
    (46, 130, 136),
    (208, 92, 48),
)
TROUSERS: tuple[Tint, ...] = (
    (38, 50, 78),
    (60, 84, 124),
    (34, 34, 38),
    (84, 86, 90),
    (150, 128, 96),
    (92, 74, 56),
    (64, 72, 56),
    (196, 190, 178),
)
SKINS: tuple[Tint, ...] = (
    (244, 212, 190),
    (232, 190, 160),
    (214, 166, 130),
    (186, 134, 98),
    (146, 98, 68),
    (108, 72, 50),
    (78, 52, 40),
)
HAIRS: tuple[Tint, ...] = (
    (26, 22, 20),
    (52, 36, 26),
    (92, 62, 38),
    (150, 112, 62),
    (200, 166, 104),
    (150, 72, 36),
    (168, 166, 162),
    (222, 220, 216),
)
WOODS: tuple[Tint, ...] = ((255, 255, 255), (230, 206, 176), (190, 150, 112), (140, 104, 78), (250, 236, 214))

TYRE = Stuff(Material.RUBBER, (70, 70, 72))
BLACK = Stuff(Material.PLASTIC, (34, 35, 37))
DARK = Stuff(Material.PLASTIC, (58, 60, 63))
CHROME = Stuff(Material.METAL, (220, 222, 225))
STEEL = Stuff(Material.METAL, (150, 153, 157))
RED_LAMP = Stuff(Material.LAMP, (190, 14, 14))
WHITE_LAMP = Stuff(Material.LAMP, (250, 246, 232))
AMBER_LAMP = Stuff(Material.LAMP, (250, 150, 20))


def one_of(rng: np.random.Generator, tints: Sequence[Tint], spread: float = 0.08) -> Tint:
    """One of several colours, made a little lighter or darker, and shifted a little in hue."""
    tint = np.array(tints[int(rng.integers(len(tints)))], dtype=np.float64)
    tint = tint * rng.normal(1.0, spread) + rng.normal(0.0, 40.0 * spread, size=3)
    r, g, b = (int(c) for c in np.clip(tint, 8, 255))
    return r, g, b


def any_tint(rng: np.random.Generator) -> Tint:
    """A colour from anywhere; a third of them hardly has a hue."""
    value, saturation = rng.uniform(0.08, 1.0), rng.uniform(0.0, 0.12) if rng.random() < 0.35 else rng.uniform(0.2, 1.0)
    wheel = np.clip(np.abs((rng.random() * 6.0 + np.array([0.0, 4.0, 2.0])) % 6.0 - 3.0) - 1.0, 0.0, 1.0)
    r, g, b = (int(c) for c in np.clip(255.0 * value * (1.0 - saturation * (1.0 - wheel)), 8, 250))
    return r, g, b


def contrasting(rng: np.random.Generator, tint: Tint, least: float = 70.0) -> Tint:
    """Another colour from anywhere whose brightness differs from that of `tint` by `least` of 255."""
    for _ in range(20):
        other = any_tint(rng)
        if abs(brightness(other) - brightness(tint)) > least:
            return other
    return (242, 242, 238) if brightness(tint) < 128.0 else (26, 27, 30)


def brightness(tint: Tint) -> float:
    """Of a colour, 0 to 255."""
    return float(np.dot(tint, (0.3, 0.59, 0.11)))


def car_paint(rng: np.random.Generator) -> Stuff:
    """Paint of a car, in the colours that cars have."""
    shares = np.array([share for _, share in CAR_PAINTS])
    k = int(rng.choice(len(CAR_PAINTS), p=shares / shares.sum()))
    return Stuff(Material.PAINT, one_of(rng, [CAR_PAINTS[k][0]], 0.05))


def paint(rng: np.random.Generator, tints: Sequence[Tint] = BRIGHT) -> Stuff:
    """Paint of one of the colours."""
    return Stuff(Material.PAINT, one_of(rng, tints))


def pane(rng: np.random.Generator, variety: Variety, tint: Tint = (96, 104, 110)) -> Stuff:
    """Dark glass of a vehicle."""
    return Stuff(Material.GLASS, tint, variety.layer(rng, Texture.GLASS))


def plate(rng: np.random.Generator, variety: Variety) -> Stuff:
    """A licence plate (unit texture)."""
    return Stuff(Material.SIGN, (255, 255, 255), variety.layer(rng, Texture.PLATE))


def wood(rng: np.random.Generator, variety: Variety) -> Stuff:
    """Wood or planks of one of several stains."""
    family = Texture.WOOD if rng.random() < 0.7 else Texture.PLANKS
    return Stuff(Material.WOOD, one_of(rng, WOODS, 0.04), variety.layer(rng, family))


def cloth(rng: np.random.Generator, variety: Variety, tints: Sequence[Tint] = FABRICS, printed: float = 0.25) -> Stuff:
    """Cloth of one of the colours; a share of it is printed."""
    family = Texture.PATTERN if rng.random() < printed else Texture.CLOTH
    return Stuff(Material.CLOTH, one_of(rng, tints), variety.layer(rng, family))


def metal(rng: np.random.Generator, variety: Variety, tint: Tint = (168, 170, 174)) -> Stuff:
    """Bare or galvanised metal."""
    return Stuff(Material.METAL, tint, variety.layer(rng, Texture.METAL))
