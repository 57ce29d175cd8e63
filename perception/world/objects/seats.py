"""What people sit on: chairs, benches, sofas. They face +x, the back is at -x; origin on the floor."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import Mesh
from perception.world.materials import Material, Texture
from perception.world.objects.colours import BLACK, CHROME, DARK, cloth, metal, one_of, paint, wood
from perception.world.objects.shapes import Parts, Stuff, beam, both_sides, lathe, limb, rod, rounded_box
from perception.world.variety import TRAINING, Variety

SEAT = 0.45  # m, height of a seat


def make_chair(rng: np.random.Generator, variety: Variety = TRAINING) -> Mesh:
    """A chair of one of several kinds, 90 to 400 triangles, `Class.CHAIR`: faces +x."""
    parts = Parts(Class.CHAIR)
    variety.choose(rng, CHAIRS)(parts, rng, variety)
    return parts.mesh()


def _wooden(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    """A kitchen chair with slats in its back."""
    stuff, h, w = wood(rng, variety), rng.uniform(0.82, 0.98), 0.2
    bars = [_leg(x, y, SEAT - 0.02) for x in (0.19, -0.19) for y in (w - 0.02, 0.02 - w)]
    bars += [beam((-0.19, y, SEAT), (-0.25, y, h), 0.035, 0.035) for y in (w - 0.02, 0.02 - w)]
    if rng.random() < 0.5:
        bars += [beam((-0.215, -w, z), (-0.215, w, z), 0.02, 0.06) for z in np.linspace(SEAT + 0.15, h - 0.03, 3)]
    else:
        bars += [beam((-0.2, y, SEAT), (-0.24, y, h - 0.03), 0.02, 0.03) for y in (-0.1, 0.0, 0.1)]
        bars.append(beam((-0.245, -w, h - 0.03), (-0.245, w, h - 0.03), 0.025, 0.08))
    parts.add(np.concatenate(bars), stuff)
    seat = cloth(rng, variety) if rng.random() < 0.3 else stuff
    parts.add(rounded_box((-0.22, -w - 0.01, SEAT - 0.03), (0.22, w + 0.01, SEAT + 0.015), 0.02), seat)


def _office(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    """A swivel chair on five castors, with arms."""
    seat = cloth(rng, variety, printed=0.05)
    h = rng.uniform(0.95, 1.2)
    angles = 2.0 * np.pi * np.arange(5) / 5
    star = [beam((0, 0, 0.12), (0.29 * np.cos(a), 0.29 * np.sin(a), 0.07), 0.05, 0.03) for a in angles]
    castors = [
        rod((0.29 * np.cos(a), 0.29 * np.sin(a) - 0.02, 0.03), (0.29 * np.cos(a), 0.29 * np.sin(a) + 0.02, 0.03), 0.03)
        for a in angles
    ]
    parts.add(np.concatenate([*star, *castors, rod((0, 0, 0.1), (0, 0, SEAT - 0.02), 0.035)]), BLACK)
    parts.add(rounded_box((-0.23, -0.25, SEAT - 0.02), (0.25, 0.25, SEAT + 0.06), 0.04), seat)
    parts.add(_back(-0.24, 0.23, SEAT + 0.1, h, 0.07, -0.06), seat)
    arm = np.concatenate(
        [
            beam((-0.05, 0.28, SEAT), (-0.05, 0.28, 0.66), 0.04, 0.06),
            beam((-0.16, 0.28, 0.67), (0.14, 0.28, 0.67), 0.07, 0.03),
        ]
    )
    parts.add(both_sides(arm), BLACK)
    parts.add(beam((-0.2, 0.0, SEAT), (-0.28, 0.0, SEAT + 0.2), 0.08, 0.03), BLACK)


def _shell(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    """A plastic shell on four thin legs."""
    stuff = Stuff(Material.PLASTIC, one_of(rng, ((236, 236, 232), (40, 42, 46), (196, 60, 40), (50, 110, 130))))
    half, h = 0.23, rng.uniform(0.78, 0.88)
    rows = [(0.24, SEAT + 0.01, 0.9), (0.1, SEAT, 1.0), (-0.16, SEAT + 0.01, 1.0), (-0.23, SEAT + 0.12, 0.98)]
    rows += [(-0.27, h - 0.06, 0.85), (-0.29, h, 0.6)]
    parts.add(_sheet(rows, half, 0.03), stuff, smooth=True)
    legs = [rod((0.1 * sx, 0.1 * sy, SEAT), (0.23 * sx, 0.22 * sy, 0.0), 0.013, 5) for sx in (-1, 1) for sy in (-1, 1)]
    parts.add(np.concatenate(legs), wood(rng, variety) if rng.random() < 0.5 else CHROME)


def _cafe(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    """A folding chair of slats on a crossed metal frame."""
    stuff, frame = (
        (wood(rng, variety) if rng.random() < 0.6 else paint(rng)),
        paint(rng, ((40, 42, 40), (220, 220, 214))),
    )
    h = rng.uniform(0.8, 0.88)
    parts.add(np.concatenate([_slat(x, SEAT) for x in (-0.17, -0.06, 0.05, 0.16)]), stuff)
    backs = [
        beam((-0.235 - 0.02 * k, -0.2, z), (-0.235 - 0.02 * k, 0.2, z), 0.015, 0.07)
        for k, z in enumerate((h - 0.16, h - 0.04))
    ]
    parts.add(np.concatenate(backs), stuff)
    side = [
        beam((0.2, 0.21, 0.0), (-0.26, 0.21, h), 0.02, 0.025),
        beam((-0.2, 0.2, 0.0), (0.18, 0.2, SEAT), 0.02, 0.025),
    ]
    parts.add(both_sides(np.concatenate(side)), frame)


def _garden(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    """A stackable plastic chair with arms and a high slatted back."""
    stuff = Stuff(Material.PLASTIC, one_of(rng, ((240, 240, 236), (40, 96, 60), (92, 64, 48), (60, 90, 140))))
    h = rng.uniform(0.8, 0.9)
    bars = [beam((0.22, y, 0.0), (0.19, y, 0.66), 0.05, 0.04) for y in (-0.25, 0.25)]
    bars += [beam((-0.27, y, 0.0), (-0.19, y, SEAT), 0.05, 0.04) for y in (-0.22, 0.22)]
    bars += [beam((0.24, y, 0.66), (-0.26, y, 0.68), 0.06, 0.025) for y in (-0.26, 0.26)]
    bars += [beam((-0.2, y, SEAT), (-0.3, y, h), 0.045, 0.02) for y in np.linspace(-0.2, 0.2, 6)]
    bars.append(beam((-0.3, -0.24, h), (-0.3, 0.24, h), 0.03, 0.06))
    parts.add(np.concatenate(bars), stuff)
    parts.add(rounded_box((-0.22, -0.24, SEAT - 0.03), (0.23, 0.24, SEAT), 0.02), stuff)


def _armchair(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    """An upholstered armchair."""
    _add_upholstery(parts, cloth(rng, variety, printed=0.3), 0.36, rng.uniform(0.8, 1.0), 1)


def _stool(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    """A bar stool with a low back on one leg."""
    h = rng.uniform(0.66, 0.78)
    parts.add(lathe([(0.22, 0.0), (0.2, 0.02), (0.03, 0.05), (0.03, h - 0.05)], 10), CHROME, smooth=True)
    stuff = cloth(rng, variety, printed=0.1)
    parts.add(lathe([(0.17, h - 0.05), (0.19, h), (0.15, h + 0.03)], 10), stuff, smooth=True)
    parts.add(_back(-0.17, 0.15, h + 0.02, h + 0.26, 0.04, -0.04), stuff)
    foot = limb(np.array([(0.15 * np.cos(a), 0.15 * np.sin(a), 0.3) for a in (-1.2, 0.0, 1.2)]), (0.012,) * 3, 4)
    parts.add(foot, CHROME)


def _cantilever(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    """A chair on a bent tube without rear legs."""
    stuff, h = cloth(rng, variety, printed=0.05), rng.uniform(0.82, 0.92)
    side = [
        beam((-0.22, 0.22, 0.015), (0.22, 0.22, 0.015), 0.025, 0.025),
        beam((0.22, 0.22, 0.0), (0.22, 0.22, SEAT), 0.025, 0.025),
    ]
    side += [
        beam((0.22, 0.22, SEAT - 0.01), (-0.2, 0.22, SEAT - 0.01), 0.025, 0.025),
        beam((-0.2, 0.22, SEAT), (-0.27, 0.22, h), 0.025, 0.025),
    ]
    parts.add(both_sides(np.concatenate(side)), CHROME)
    parts.add(beam((-0.22, -0.22, 0.015), (-0.22, 0.22, 0.015), 0.025, 0.025), CHROME)
    parts.add(rounded_box((-0.22, -0.21, SEAT), (0.23, 0.21, SEAT + 0.04), 0.02), stuff)
    parts.add(_back(-0.21, 0.21, SEAT + 0.14, h, 0.035, -0.05), stuff)


CHAIRS: tuple[Callable[[Parts, np.random.Generator, Variety], None], ...] = (
    _wooden,
    _office,
    _shell,
    _cafe,
    _garden,
    _armchair,
    _stool,
    _cantilever,
)


def _leg(x: float, y: float, top: float) -> np.ndarray:
    return beam((1.08 * x, 1.05 * y, 0.0), (x, y, top), 0.035, 0.035)


def _slat(x: float, z: float) -> np.ndarray:
    return beam((x, -0.2, z), (x, 0.2, z), 0.085, 0.02)


def _back(x: float, half: float, low: float, high: float, depth: float, lean: float) -> np.ndarray:
    """A padded back, leaning away from the seat."""
    body = rounded_box((x - depth, -half, low), (x, half, high), 0.35 * depth)
    body[..., 0] += lean * (body[..., 2] - low) / (high - low)
    return body


def _sheet(rows: list[tuple[float, float, float]], half: float, depth: float) -> np.ndarray:
    """A bent sheet along (x, z) points from front to back, each with its share of the half width; hollow in y."""
    from perception.world.geometry.mesh import quads

    across = np.array([-1.0, -0.6, 0.6, 1.0])
    points = np.array([[(x, f * half * y, z + depth * (abs(y) > 0.9)) for y in across] for x, z, f in rows])
    return quads(np.stack([points[:-1, :-1], points[:-1, 1:], points[1:, 1:], points[1:, :-1]], axis=2))


def make_sofa(rng: np.random.Generator, variety: Variety = TRAINING) -> Mesh:
    """A sofa of two or three seats, about 450 triangles, `Class.OTHERS`: faces +x."""
    parts = Parts(Class.OTHERS)
    seats = int(rng.integers(2, 4))
    _add_upholstery(parts, cloth(rng, variety, printed=0.2), 0.32 * seats + 0.12, rng.uniform(0.75, 0.92), seats)
    return parts.mesh()


def _add_upholstery(parts: Parts, stuff: Stuff, half: float, height: float, num_seats: int) -> None:
    """Base, back, arms and cushions."""
    parts.add(rounded_box((-0.38, -half, 0.1), (0.34, half, 0.3), 0.03), stuff)
    parts.add(_back(-0.26, half, 0.3, height, 0.14, -0.06), stuff)
    arm = rounded_box((-0.36, half - 0.14, 0.28), (0.36, half, 0.58), 0.05)
    parts.add(both_sides(arm), stuff)
    edges = np.linspace(0.14 - half, half - 0.14, num_seats + 1)
    for a, b in pairwise(edges):
        parts.add(rounded_box((-0.24, a + 0.01, 0.29), (0.37, b - 0.01, SEAT), 0.05), stuff, smooth=True)
    feet = [rod((x, y, 0.0), (x, y, 0.11), 0.025, 5) for x in (-0.32, 0.3) for y in (0.08 - half, half - 0.08)]
    parts.add(np.concatenate(feet), DARK)


def make_bench(rng: np.random.Generator, variety: Variety = TRAINING) -> Mesh:
    """A bench along x, its back at +y (towards the houses), 60 to 160 triangles, `Class.OTHERS`."""
    parts = Parts(Class.OTHERS)
    variety.choose(rng, BENCHES)(parts, rng, variety)
    return parts.mesh()


def _park_bench(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    half = 0.5 * rng.uniform(1.4, 2.0)
    slats = [beam((-half, y, SEAT), (half, y, SEAT), 0.12, 0.035) for y in (-0.18, -0.03, 0.12)]
    slats += [
        beam((-half, 0.25 + 0.04 * k, 0.6 + 0.15 * k), (half, 0.25 + 0.04 * k, 0.6 + 0.15 * k), 0.03, 0.11)
        for k in range(2)
    ]
    parts.add(np.concatenate(slats), wood(rng, variety))
    sides = []
    for x in (-0.8 * half, 0.8 * half):
        sides += [beam((x, -0.2, 0.0), (x, -0.2, SEAT), 0.05, 0.05), beam((x, 0.2, 0.0), (x, 0.32, 0.82), 0.05, 0.05)]
        sides.append(beam((x, -0.22, SEAT - 0.03), (x, 0.24, SEAT - 0.03), 0.05, 0.05))
    parts.add(np.concatenate(sides), Stuff(Material.METAL, (60, 64, 62)))


def _plain_bench(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    half = 0.5 * rng.uniform(1.3, 2.2)
    parts.add(rounded_box((-half, -0.22, SEAT - 0.06), (half, 0.22, SEAT), 0.02), wood(rng, variety))
    stone = Stuff(Material.CONCRETE, texture_id=variety.layer(rng, Texture.CONCRETE))
    parts.add(
        np.concatenate([beam((x, 0.0, 0.0), (x, 0.0, SEAT - 0.05), 0.14, 0.36) for x in (-0.7 * half, 0.7 * half)]),
        stone,
    )


def _stone_bench(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    half = 0.5 * rng.uniform(1.2, 2.4)
    stone = Stuff(Material.STONE, (236, 232, 224), variety.layer(rng, Texture.CONCRETE))
    parts.add(rounded_box((-half, -0.25, 0.0), (half, 0.25, SEAT), 0.04), stone)


def _mesh_bench(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    half = 0.5 * rng.uniform(1.2, 1.9)
    stuff = Stuff(Material.METAL, one_of(rng, ((70, 76, 80), (60, 90, 120), (150, 152, 154))))
    seats = max(2, round(half / 0.3))
    for y in np.linspace(-half + 0.3, half - 0.3, seats):
        parts.add(rounded_box((y - 0.24, -0.22, SEAT - 0.03), (y + 0.24, 0.2, SEAT), 0.02), stuff)
        parts.add(beam((y, 0.22, SEAT + 0.06), (y, 0.32, 0.85), 0.44, 0.02), stuff)
    parts.add(beam((-half, 0.05, SEAT - 0.07), (half, 0.05, SEAT - 0.07), 0.06, 0.06), metal(rng, variety))
    legs = [beam((x, 0.0, 0.0), (x, 0.0, SEAT - 0.05), 0.06, 0.3) for x in (-0.7 * half, 0.7 * half)]
    parts.add(np.concatenate(legs), metal(rng, variety))


BENCHES: tuple[Callable[[Parts, np.random.Generator, Variety], None], ...] = (
    _park_bench,
    _plain_bench,
    _stone_bench,
    _mesh_bench,
)
