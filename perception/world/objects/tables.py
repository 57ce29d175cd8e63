"""Tables, desks with what stands on them, shelves. One sits or stands at +x; origin on the floor."""

from collections.abc import Callable

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import Mesh
from perception.world.materials import Material, Texture
from perception.world.objects.colours import BLACK, BRIGHT, CHROME, DARK, metal, one_of, wood
from perception.world.objects.shapes import UNIT_UVS, Parts, Stuff, beam, lathe, panel, rod, rounded_box
from perception.world.variety import TRAINING, Variety

TABLE, DESK = 0.74, 0.73  # m, heights
BOARD = 0.03  # m, of a table top


def make_table(rng: np.random.Generator, variety: Variety = TRAINING) -> Mesh:
    """A table of one of several kinds, 90 to 170 triangles, `Class.OTHERS`."""
    parts = Parts(Class.OTHERS)
    variety.choose(rng, TABLES)(parts, rng, variety)
    return parts.mesh()


def _four_legs(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    """A board on four legs."""
    half = np.array([0.5 * rng.uniform(0.7, 0.95), 0.5 * rng.uniform(0.8, 1.8)])
    stuff = wood(rng, variety)
    parts.add(rounded_box((*-half, TABLE - BOARD), (*half, TABLE), 0.01), stuff)
    x, y = half - 0.06
    legs = [beam((sx * x, sy * y, 0.0), (sx * x, sy * y, TABLE - 0.02), 0.06, 0.06) for sx in (-1, 1) for sy in (-1, 1)]
    parts.add(np.concatenate(legs), stuff if rng.random() < 0.6 else DARK)


def _round(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    """A round board on one foot, as cafes have."""
    r, height = rng.uniform(0.3, 0.5), TABLE if rng.random() < 0.75 else 1.08
    parts.add(lathe([(r, height - BOARD), (r, height)], 14), wood(rng, variety))
    foot = [(0.6 * r, 0.0), (0.55 * r, 0.03), (0.035, 0.06), (0.035, height - 0.02)]
    parts.add(lathe(foot, 10), CHROME if rng.random() < 0.5 else BLACK, smooth=True)


def _trestle(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    """A beer table: boards on two trestles."""
    half = 0.5 * rng.uniform(1.6, 2.2)
    parts.add(rounded_box((-0.35, -half, TABLE - BOARD), (0.35, half, TABLE), 0.01), wood(rng, variety))
    legs = []
    for y in (-0.75 * half, 0.75 * half):
        legs += [beam((0.3 * s, y, 0.0), (0.22 * s, y, TABLE - BOARD), 0.04, 0.04) for s in (-1, 1)]
        legs.append(beam((-0.27, y, 0.25), (0.27, y, 0.25), 0.03, 0.03))
    parts.add(np.concatenate(legs), Stuff(Material.METAL, (60, 110, 70)))


def _low(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    """A low table with a second board or of glass."""
    half, h = rng.uniform([0.25, 0.4], [0.35, 0.6]), rng.uniform(0.36, 0.46)
    stuff = wood(rng, variety)
    top = Stuff(Material.GLASS, (170, 190, 190)) if rng.random() < 0.3 else stuff
    parts.add(rounded_box((*-half, h - 0.03), (*half, h), 0.01), top)
    parts.add(rounded_box((*(0.06 - half), 0.12), (*(half - 0.06), 0.14), 0.01), stuff)
    legs = [
        beam(
            (sx * (half[0] - 0.04), sy * (half[1] - 0.04), 0.0),
            (sx * (half[0] - 0.04), sy * (half[1] - 0.04), h - 0.02),
            0.05,
            0.05,
        )
        for sx in (-1, 1)
        for sy in (-1, 1)
    ]
    parts.add(np.concatenate(legs), stuff)


TABLES: tuple[Callable[[Parts, np.random.Generator, Variety], None], ...] = (_four_legs, _round, _low, _trestle)


def make_desk(rng: np.random.Generator, variety: Variety = TRAINING) -> Mesh:
    """A desk with drawers, a screen, a keyboard and papers, 350 to 580 triangles, `Class.OTHERS`: one sits at +x."""
    parts = Parts(Class.OTHERS)
    half = 0.5 * rng.uniform(1.2, 1.7)
    parts.add(rounded_box((-0.38, -half, DESK - BOARD), (0.38, half, DESK), 0.01), wood(rng, variety))
    frame = DARK if rng.random() < 0.5 else metal(rng, variety)
    kind = variety.choose(rng, ("drawers", "frame", "cheeks", "column"))
    if kind in ("drawers", "cheeks"):
        body = wood(rng, variety)
        parts.add(beam((0.0, half - 0.04, 0.0), (0.0, half - 0.04, DESK - BOARD), 0.68, 0.03), body)
        width = 0.4 if kind == "drawers" else 0.03
        low, high = (-0.32, -half + 0.03, 0.04), (0.34, -half + 0.03 + width, DESK - BOARD)
        parts.add(rounded_box(low, high, 0.01), body)
        for z in (0.25, 0.45, 0.62) if kind == "drawers" else ():
            parts.add(beam((0.35, -half + 0.15, z), (0.35, -half + 0.31, z), 0.02, 0.02), CHROME)
    else:
        ys = (half - 0.1, 0.1 - half)
        legs = [
            beam((x, y, 0.0), (x, y, DESK - 0.02), 0.05, 0.05)
            for y in ys
            for x in ((-0.3, 0.3) if kind == "frame" else (0.0,))
        ]
        legs += [beam((-0.34, y, 0.02), (0.34, y, 0.02), 0.06, 0.04) for y in ys]
        parts.add(np.concatenate(legs), frame)
    for y in (0.0,) if rng.random() < 0.65 else (-0.3, 0.3):
        _add_screen(parts, rng, variety, y)
    parts.add(rounded_box((0.08, -0.22, DESK), (0.22, 0.22, DESK + 0.02), 0.005), BLACK)
    paper = Stuff(Material.PLASTIC, (240, 238, 230))
    for _ in range(int(rng.integers(0, 3))):
        x, y = rng.uniform(-0.2, 0.2), rng.uniform(0.3, half - 0.15) * rng.choice([-1.0, 1.0])
        parts.add(
            rounded_box((x - 0.12, y - 0.1, DESK), (x + 0.12, y + 0.1, DESK + rng.uniform(0.005, 0.06)), 0.003), paper
        )
    return parts.mesh()


def _add_screen(parts: Parts, rng: np.random.Generator, variety: Variety, y: float) -> None:
    """A computer screen on a desk, seen from +x."""
    half, low, high = rng.uniform(0.24, 0.32), DESK + 0.12, DESK + rng.uniform(0.42, 0.52)
    parts.add(rounded_box((-0.2, y - half, low), (-0.16, y + half, high), 0.01), BLACK)
    parts.add(
        np.concatenate(
            [
                beam((-0.2, y, DESK), (-0.2, y, low + 0.05), 0.05, 0.03),
                beam((-0.28, y, DESK + 0.01), (-0.12, y, DESK + 0.01), 0.2, 0.015),
            ]
        ),
        BLACK,
    )
    face = panel(
        [
            (-0.157, y - half + 0.02, low + 0.02),
            (-0.157, y + half - 0.02, low + 0.02),
            (-0.157, y + half - 0.02, high - 0.02),
            (-0.157, y - half + 0.02, high - 0.02),
        ]
    )
    stuff = Stuff(
        Material.LAMP if rng.random() < 0.5 else Material.GLASS, (190, 200, 210), variety.layer(rng, Texture.SCREEN)
    )
    parts.add(face, stuff, uvs=UNIT_UVS)


def make_shelf(rng: np.random.Generator, variety: Variety = TRAINING) -> Mesh:
    """A shelf with books and boxes, or a closed cupboard, 180 to 550 triangles, `Class.OTHERS`: open to +x."""
    parts = Parts(Class.OTHERS)
    variety.choose(rng, SHELVES)(parts, rng, variety)
    return parts.mesh()


def _bookshelf(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    half, height, depth = rng.uniform(0.35, 0.6), rng.uniform(1.1, 2.1), 0.3
    stuff = wood(rng, variety)
    levels = np.linspace(0.06, height, int(height / 0.34) + 1)
    _add_boards(parts, stuff, half, levels, depth)
    parts.add(beam((0.01, 0.0, 0.5 * height), (0.02, 0.0, 0.5 * height), 2.0 * half, height), stuff)
    for z in levels[:-1]:
        _add_books(parts, rng, half, float(z) + 0.012)


def _rack(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    """A metal rack with boxes."""
    half, height, depth = rng.uniform(0.45, 0.8), rng.uniform(1.6, 2.0), 0.42
    levels = np.linspace(0.15, height, 4)
    _add_boards(parts, metal(rng, variety), half, levels, depth)
    for z in levels[:-1]:
        at = -half + 0.05
        while at < half - 0.3:
            width, h = rng.uniform(0.2, 0.4), rng.uniform(0.15, 0.38)
            if rng.random() < 0.75:
                box = Stuff(Material.PLASTIC, one_of(rng, ((180, 140, 96), (164, 126, 84), *BRIGHT[:3])))
                parts.add(
                    rounded_box((0.05, at, z + 0.012), (depth - 0.05, min(at + width, half - 0.04), z + h), 0.01), box
                )
            at += width + 0.03


def _cupboard(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    half, height = rng.uniform(0.4, 0.6), rng.uniform(0.8, 2.0)
    parts.add(rounded_box((0.0, -half, 0.0), (0.42, half, height), 0.01), wood(rng, variety))
    doors = Stuff(Material.WOOD, wood(rng, variety).tint, variety.layer(rng, Texture.WOOD))
    for a, b in ((-half + 0.02, -0.01), (0.01, half - 0.02)):
        parts.add(rounded_box((0.4, a, 0.05), (0.435, b, height - 0.03), 0.008), doors)
        y = b - 0.06 if b < 0.1 else a + 0.06
        parts.add(beam((0.44, y, 0.45 * height), (0.44, y, 0.6 * height), 0.02, 0.02), CHROME)


def _lockers(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    """A row of metal lockers."""
    count, height = int(rng.integers(2, 5)), rng.uniform(1.7, 1.95)
    body = Stuff(
        Material.METAL,
        one_of(rng, ((150, 156, 160), (70, 96, 130), (120, 140, 120))),
        variety.layer(rng, Texture.METAL),
    )
    half = 0.16 * count
    parts.add(rounded_box((0.0, -half, 0.0), (0.45, half, height), 0.01), body)
    for k in range(count):
        y = -half + 0.32 * k
        parts.add(beam((0.455, y + 0.16, 0.08), (0.455, y + 0.16, height - 0.03), 0.3, 0.012), body)
        parts.add(beam((0.47, y + 0.27, 0.95), (0.47, y + 0.27, 1.05), 0.02, 0.02), BLACK)


SHELVES: tuple[Callable[[Parts, np.random.Generator, Variety], None], ...] = (_bookshelf, _rack, _cupboard, _lockers)


def _add_boards(parts: Parts, stuff: Stuff, half: float, levels: np.ndarray, depth: float) -> None:
    """Sides and boards of a shelf whose back is at x = 0."""
    sides = [beam((0.5 * depth, y, 0.0), (0.5 * depth, y, levels[-1]), depth, 0.025) for y in (-half, half)]
    boards = [beam((0.5 * depth, -half, z), (0.5 * depth, half, z), depth, 0.024) for z in levels]
    parts.add(np.concatenate([*sides, *boards]), stuff)


def _add_books(parts: Parts, rng: np.random.Generator, half: float, z: float) -> None:
    """Blocks of books of one colour each on a board."""
    at = -half + 0.03
    while at < half - 0.1:
        width, h = rng.uniform(0.05, 0.22), rng.uniform(0.18, 0.27)
        if rng.random() < 0.8:
            stuff = Stuff(Material.PLASTIC, one_of(rng, (*BRIGHT, (120, 90, 70), (200, 190, 170))))
            y = min(at + width, half - 0.02)
            x = rng.uniform(0.2, 0.27)
            parts.add(beam((0.5 * x + 0.02, at, z + 0.5 * h), (0.5 * x + 0.02, y, z + 0.5 * h), x, h), stuff)
        at += width + rng.uniform(0.0, 0.06)


def make_lectern(rng: np.random.Generator, variety: Variety = TRAINING) -> Mesh:
    """A sign stand with a poster, as stands in halls and before shops, 40 triangles, `Class.OTHERS`: faces +x."""
    parts = Parts(Class.OTHERS)
    half, height = rng.uniform(0.28, 0.4), rng.uniform(0.9, 1.6)
    poster = Stuff(Material.SIGN, texture_id=variety.layer(rng, Texture.POSTER))
    for sign in (1.0, -1.0):
        face = panel(
            [
                (0.22 * sign, -half * sign, 0.1),
                (0.22 * sign, half * sign, 0.1),
                (0.03 * sign, half * sign, height),
                (0.03 * sign, -half * sign, height),
            ]
        )
        parts.add(face, poster, uvs=UNIT_UVS)
    bars = [rod((0.24 * s, y, 0.0), (0.0, y, height + 0.03), 0.018, 5) for s in (-1, 1) for y in (-half, half)]
    parts.add(np.concatenate(bars), CHROME if rng.random() < 0.5 else wood(rng, variety))
    return parts.mesh()
