"""Plants in pots, for rooms and before doors."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import Mesh, quads
from perception.world.materials import Material, Texture
from perception.world.objects.colours import BRIGHT, one_of, wood
from perception.world.objects.shapes import Parts, Stuff, beam, lathe, limb, rounded_box, vec
from perception.world.variety import TRAINING, Variety

GREENS = ((150, 190, 120), (110, 160, 100), (190, 210, 140), (90, 140, 110), (220, 170, 170))
CERAMIC = ((236, 234, 228), (196, 110, 72), (60, 62, 66), (90, 130, 150), (214, 190, 140))
SOIL = Stuff(Material.SOIL)


def make_potted_plant(rng: np.random.Generator, variety: Variety = TRAINING) -> Mesh:
    """A plant in a pot, 0.4 to 2 m high, 120 to 420 triangles, `Class.POTTED_PLANT`: origin on the floor."""
    parts = Parts(Class.POTTED_PLANT)
    top, reach = variety.choose(rng, POTS)(parts, rng, variety)
    variety.choose(rng, PLANTS)(parts, rng, variety, top, reach)
    return parts.mesh()


def _round_pot(parts: Parts, rng: np.random.Generator, variety: Variety) -> tuple[float, float]:
    """A flower pot that widens upwards, with a rim."""
    h, r = rng.uniform(0.2, 0.45), rng.uniform(0.13, 0.24)
    stuff = Stuff(Material.PLASTER, one_of(rng, CERAMIC), variety.layer(rng, Texture.PLAIN))
    rows = [(0.68 * r, 0.0), (0.93 * r, 0.8 * h), (1.04 * r, 0.82 * h), (1.04 * r, h)]
    parts.add(lathe(rows, 10)[:-10], stuff, smooth=True)
    return _soil(parts, r, 0.94 * h)


def _square_pot(parts: Parts, rng: np.random.Generator, variety: Variety) -> tuple[float, float]:
    """A wooden or concrete box."""
    h, r = rng.uniform(0.35, 0.6), rng.uniform(0.18, 0.32)
    concrete = Stuff(Material.CONCRETE, texture_id=variety.layer(rng, Texture.CONCRETE))
    parts.add(rounded_box((-r, -r, 0.0), (r, r, h), 0.02), wood(rng, variety) if rng.random() < 0.5 else concrete)
    return _soil(parts, 0.85 * r, h + 0.005)


def _bowl(parts: Parts, rng: np.random.Generator, variety: Variety) -> tuple[float, float]:
    """A wide bowl on a foot."""
    h, r = rng.uniform(0.3, 0.5), rng.uniform(0.25, 0.4)
    stuff = Stuff(Material.STONE, one_of(rng, CERAMIC), variety.layer(rng, Texture.CONCRETE))
    parts.add(lathe([(0.5 * r, 0.0), (0.3 * r, 0.25 * h), (0.9 * r, 0.7 * h), (r, h)], 12)[:-12], stuff, smooth=True)
    return _soil(parts, r, 0.95 * h)


def _tall_vase(parts: Parts, rng: np.random.Generator, variety: Variety) -> tuple[float, float]:
    """A slim tall pot."""
    h, r = rng.uniform(0.5, 0.8), rng.uniform(0.13, 0.19)
    stuff = Stuff(Material.PLASTIC, one_of(rng, CERAMIC))
    parts.add(lathe([(0.75 * r, 0.0), (r, 0.7 * h), (r, h)], 10)[:-10], stuff, smooth=True)
    return _soil(parts, r, 0.97 * h)


def _urn(parts: Parts, rng: np.random.Generator, variety: Variety) -> tuple[float, float]:
    """A belly that narrows again at the neck."""
    h, r = rng.uniform(0.3, 0.55), rng.uniform(0.16, 0.26)
    stuff = Stuff(Material.PLASTIC, one_of(rng, (*CERAMIC, *BRIGHT[:3])))
    rows = [(0.5 * r, 0.0), (0.95 * r, 0.3 * h), (r, 0.55 * h), (0.7 * r, 0.88 * h), (0.85 * r, h)]
    parts.add(lathe(rows, 10)[:-10], stuff, smooth=True)
    return _soil(parts, 0.75 * r, 0.95 * h)


POTS: tuple[Callable[[Parts, np.random.Generator, Variety], tuple[float, float]], ...] = (
    _round_pot,
    _square_pot,
    _bowl,
    _tall_vase,
    _urn,
)


def _soil(parts: Parts, radius: float, z: float) -> tuple[float, float]:
    parts.add(lathe([(radius, z - 0.01), (0.5 * radius, z)], 8)[-24:], SOIL)
    return z, radius


def _bush(parts: Parts, rng: np.random.Generator, variety: Variety, top: float, reach: float) -> None:
    """A round bush of many small leaves."""
    r = reach * rng.uniform(1.2, 1.8)
    directions = rng.normal(size=(70, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    foot = np.array([0.0, 0.0, top + 0.8 * r])
    centres = foot + directions * r * rng.uniform(0.45, 1.0, size=(70, 1))
    _add_cards(parts, centres, directions, 0.22 * r + 0.05, _green(rng, variety), rng)


def _sword(parts: Parts, rng: np.random.Generator, variety: Variety, top: float, reach: float) -> None:
    """Long upright blades, as of a snake plant."""
    stuff = Stuff(
        Material.CLOTH, one_of(rng, ((70, 120, 60), (90, 130, 80), (60, 100, 70))), variety.layer(rng, Texture.PLAIN)
    )
    for _ in range(int(rng.integers(10, 18))):
        angle, lean = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(0.05, 0.45)
        _add_blade(parts, (0.4 * reach, angle), top, (rng.uniform(0.35, 0.9), lean, 0.035), stuff)


def _palm(parts: Parts, rng: np.random.Generator, variety: Variety, top: float, reach: float) -> None:
    """A stem with arching fronds."""
    height = top + rng.uniform(0.5, 1.1)
    bark = Stuff(Material.BARK, texture_id=variety.layer(rng, Texture.BARK))
    parts.add(limb(np.array([[0, 0, top - 0.02], [0.02, 0.01, height]]), (0.03, 0.022), 6), bark, smooth=True)
    stuff = _green(rng, variety)
    for k in range(11):
        angle = 2.0 * np.pi * k / 11 + rng.normal(0.0, 0.2)
        _add_frond(parts, angle, height, rng.uniform(0.45, 0.7), rng.uniform(-0.3, 0.9), stuff)


def _broad(parts: Parts, rng: np.random.Generator, variety: Variety, top: float, reach: float) -> None:
    """Few large leaves on long stalks, as of a rubber plant or a monstera."""
    stuff, stalk = _green(rng, variety), Stuff(Material.CLOTH, (90, 130, 70))
    height = rng.uniform(0.5, 1.1)
    for k in range(int(rng.integers(10, 16))):
        angle, f = 2.4 * k + rng.normal(0.0, 0.2), rng.uniform(0.35, 1.0)
        out = np.array([np.cos(angle), np.sin(angle), 0.0])
        tip = np.array([0.0, 0.0, top + f * height]) + out * (0.15 + 0.25 * (1.1 - f) + 0.1 * reach)
        foot = np.array([0.0, 0.0, top + 0.5 * f * height])
        parts.add(beam(foot, tip, 0.012, 0.012)[:8], stalk)
        _add_cards(parts, tip[None], (out + vec(0.0, 0.0, 0.6))[None], 0.2, stuff, rng)
    parts.add(beam((0, 0, top - 0.02), (0, 0, top + 0.6 * height), 0.02, 0.02), stalk)


def _flowers(parts: Parts, rng: np.random.Generator, variety: Variety, top: float, reach: float) -> None:
    """A low cushion of leaves with coloured blossoms on stalks."""
    stuff = _green(rng, variety)
    directions = rng.normal(size=(26, 3)) * [1.0, 1.0, 0.5] + vec(0.0, 0.0, 0.5)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    _add_cards(parts, directions * [reach, reach, 0.15] + vec(0.0, 0.0, top + 0.04), directions, 0.16, stuff, rng)
    blossom = Stuff(
        Material.PLASTIC, one_of(rng, ((226, 60, 90), (240, 200, 60), (240, 240, 240), (150, 80, 190), (230, 110, 50)))
    )
    stalk, h = Stuff(Material.CLOTH, (90, 140, 70)), rng.uniform(0.15, 0.45)
    for _ in range(int(rng.integers(6, 11))):
        angle, r = rng.uniform(0.0, 2.0 * np.pi), reach * np.sqrt(rng.random())
        x, y, z = r * np.cos(angle), r * np.sin(angle), top + h * rng.uniform(0.7, 1.1)
        parts.add(beam((0.6 * x, 0.6 * y, top), (x, y, z), 0.008, 0.008)[:8], stalk)
        parts.add(
            lathe([(0.015, z - 0.02), (0.05, z + 0.01), (0.02, z + 0.03)], 6) + vec(x, y, 0.0), blossom, smooth=True
        )


def _cactus(parts: Parts, rng: np.random.Generator, variety: Variety, top: float, reach: float) -> None:
    """A column with arms."""
    stuff = Stuff(Material.CLOTH, one_of(rng, ((84, 130, 84), (100, 140, 90))), variety.layer(rng, Texture.PLAIN))
    h, r = rng.uniform(0.4, 0.9), rng.uniform(0.06, 0.1)
    parts.add(
        lathe([(0.9 * r, top - 0.02), (r, top + 0.5 * h), (0.9 * r, top + 0.92 * h), (0.3 * r, top + h)], 10), stuff
    )
    for side in (-1.0, 1.0):
        z = top + rng.uniform(0.3, 0.6) * h
        points = np.array(
            [[0.0, side * 0.5 * r, z], [0.0, side * 2.0 * r, z + 0.03], [0.0, side * 2.2 * r, z + 0.3 * h]]
        )
        parts.add(limb(points, (0.5 * r, 0.6 * r, 0.35 * r), 7), stuff, smooth=True)


PLANTS: tuple[Callable[[Parts, np.random.Generator, Variety, float, float], None], ...] = (
    _bush,
    _sword,
    _palm,
    _flowers,
    _broad,
    _cactus,
)


def _green(rng: np.random.Generator, variety: Variety) -> Stuff:
    return Stuff(Material.LEAF, one_of(rng, GREENS), variety.layer(rng, Texture.LEAF))


def _add_cards(
    parts: Parts, centres: np.ndarray, normals: np.ndarray, size: float, stuff: Stuff, rng: np.random.Generator
) -> None:
    """A foliage card of about `size` metres at each of `centres` (N, 3), across the `normals` (N, 3)."""
    normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    u = np.cross(normals, rng.normal(size=normals.shape))
    u /= np.maximum(np.linalg.norm(u, axis=1, keepdims=True), 1e-6)
    v = np.cross(normals, u)
    corners = [centres - 0.9 * size * u - 0.5 * size * v, centres + 0.9 * size * u - 0.5 * size * v, centres + size * v]
    parts.add(np.stack(corners, axis=1), stuff)


def _add_blade(
    parts: Parts, foot: tuple[float, float], top: float, size: tuple[float, float, float], stuff: Stuff
) -> None:
    """An upright blade: `foot` (radius, angle), `size` (length, lean, half width)."""
    (r, angle), (length, lean, half) = foot, size
    out, side = np.array([np.cos(angle), np.sin(angle), 0.0]), np.array([-np.sin(angle), np.cos(angle), 0.0])
    spine = [
        out * (r * f + lean * length * f**2) + vec(0.0, 0.0, top + length * f * (1.0 - 0.4 * lean * f))
        for f in (0.0, 0.5, 1.0)
    ]
    widths = (half, half, 0.004)
    rows = [(p - w * side, p + w * side) for p, w in zip(spine, widths, strict=True)]
    cells = [[a[1], a[0], b[0], b[1]] for a, b in pairwise(rows)]
    parts.add(quads(np.array(cells)), stuff, smooth=True)


def _add_frond(parts: Parts, angle: float, top: float, length: float, rise: float, stuff: Stuff) -> None:
    """An arching frond: cards along its spine."""
    out, side = np.array([np.cos(angle), np.sin(angle), 0.0]), np.array([-np.sin(angle), np.cos(angle), 0.0])
    f = np.linspace(0.0, 1.0, 6)[:, None]
    spine = (
        out * f * length + np.array([0.0, 0.0, 1.0]) * (rise * f - (0.45 + rise) * f**2) * length + vec(0.0, 0.0, top)
    )
    cards = []
    for k in range(5):
        a, b = spine[k], spine[k + 1]
        for sign in (-1.0, 1.0):
            tip = 0.5 * (a + b) + sign * side * 0.3 * length * (1.0 - 0.12 * k) + 0.2 * (b - a)
            cards.append([a - 0.2 * (b - a), b + 0.5 * (b - a), tip][:: int(sign)])
    parts.add(np.array(cards), stuff)
