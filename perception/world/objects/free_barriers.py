"""Barriers of any make, for training: profiles, rails, frames and rows of blocks in any colours and stripes."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from perception.world.materials import Material, Texture
from perception.world.objects.colours import any_tint, contrasting
from perception.world.objects.shapes import Parts, Stuff, Tint, beam, lathe, loft, rod, rotated, rounded_box, vec
from perception.world.variety import Variety

USUAL: tuple[tuple[Tint, Tint], ...] = (
    ((204, 30, 28), (240, 240, 236)),
    ((240, 88, 24), (240, 240, 236)),
    ((24, 25, 28), (244, 200, 24)),
    ((30, 84, 164), (240, 240, 236)),
)
Pair = tuple[Stuff, Stuff]


def add_free_barrier(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    """A barrier 1.1 to 3 m long."""
    KINDS[int(rng.integers(len(KINDS)))](parts, rng, variety, rng.uniform(1.1, 3.0), rng.uniform(0.72, 1.25))


def _pair(rng: np.random.Generator) -> Pair:
    """Two colours that contrast."""
    material = Material.PLASTIC if rng.random() < 0.6 else Material.SIGN
    if rng.random() < 0.5:
        a, b = USUAL[int(rng.integers(len(USUAL)))]
    else:
        a = any_tint(rng)
        b = contrasting(rng, a)
    return Stuff(material, a), Stuff(material, b)


def _plain(rng: np.random.Generator, variety: Variety) -> Stuff:
    """Concrete, metal, wood or any plastic."""
    kind, gray = int(rng.integers(4)), int(rng.uniform(90, 245))
    tint = (gray, gray, gray)
    if kind == 0:
        return Stuff(Material.CONCRETE, tint, variety.layer(rng, Texture.CONCRETE))
    if kind == 1:
        return Stuff(Material.METAL, tint, variety.layer(rng, Texture.METAL))
    if kind == 2:
        return Stuff(Material.WOOD, tint, variety.layer(rng, Texture.WOOD))
    return Stuff(Material.PLASTIC, any_tint(rng))


def _profile(parts: Parts, rng: np.random.Generator, variety: Variety, length: float, h: float) -> None:
    """A solid body of random section, in pieces of one or two colours."""
    levels = np.sort(rng.uniform(0.1, 0.85, size=int(rng.integers(0, 4)))) * h
    widths = np.sort(rng.uniform(0.05, 0.32, size=len(levels) + 2))[::-1]
    if rng.random() < 0.2:
        widths = rng.permutation(widths)
    right = list(zip(widths, [0.0, *levels, h], strict=True))
    ring = np.array([(0.0, y, z) for y, z in [*right, *((-y, z) for y, z in right[::-1])]])
    stuffs = _pair(rng) if rng.random() < 0.5 else (_plain(rng, variety),) * 2
    edges = np.linspace(-0.5, 0.5, int(rng.integers(1, 6)) + 1) * length
    for k, (a, b) in enumerate(pairwise(edges)):
        parts.add(loft(np.stack([ring + vec(a, 0.0, 0.0), ring + vec(b - 0.01, 0.0, 0.0)])), stuffs[k % 2])
    if rng.random() < 0.3:
        z = rng.uniform(0.5, 0.8) * h
        wide = float(widths.max()) + 0.005
        parts.add(beam((-0.48 * length, 0.0, z), (0.48 * length, 0.0, z), 2.0 * wide, 0.12), _pair(rng)[0])


def _rails(parts: Parts, rng: np.random.Generator, variety: Variety, length: float, h: float) -> None:
    """One to four striped boards between supports."""
    pair, slant = _pair(rng), float(rng.choice([0.0, 0.0, rng.uniform(-0.15, 0.15)]))
    count, wide = int(rng.integers(1, 5)), rng.uniform(0.08, 0.28)
    for z in h - 0.5 * wide - np.arange(count) * rng.uniform(1.1, 1.8) * wide:
        if z - 0.5 * wide > 0.08:
            _add_board(parts, rng, pair, length, float(z), min(wide, 0.24), slant)
    _add_supports(parts, rng, variety, length, h)


def _add_board(
    parts: Parts, rng: np.random.Generator, pair: Pair, length: float, z: float, wide: float, slant: float
) -> None:
    """A board of alternating stripes, upright or slanted."""
    count = int(rng.integers(1, 12))
    edges, half = np.linspace(-0.5, 0.5, count + 1) * length, 0.5 * wide
    depth = rng.uniform(0.015, 0.05)
    for k, (a, b) in enumerate(pairwise(edges)):
        lean = (slant if k > 0 else 0.0, slant if k + 1 < count else 0.0)
        ring = np.array(
            [(a - lean[0], 0.0, z - half), (b - lean[1], 0.0, z - half), (b + lean[1], 0.0, z + half),
             (a + lean[0], 0.0, z + half)]
        )  # fmt: skip
        body = loft(np.stack([ring + vec(0.0, depth, 0.0), ring - vec(0.0, depth, 0.0)]), is_convex=True)
        parts.add(body, pair[k % 2])


def _add_supports(parts: Parts, rng: np.random.Generator, variety: Variety, length: float, h: float) -> None:
    """Posts on feet, plates, or slanted legs in one plane."""
    stuff, kind = _plain(rng, variety), int(rng.integers(4))
    foot = _plain(rng, variety) if rng.random() < 0.5 else Stuff(Material.RUBBER, (40, 40, 42))
    reach = rng.uniform(0.15, 0.35)
    for x in np.array([-1.0, 1.0]) * length * rng.uniform(0.3, 0.48):
        post = (
            rod((x, 0.045, 0.0), (x, 0.045, h), 0.03) if kind == 0 else beam((x, 0.045, 0.0), (x, 0.045, h), 0.06, 0.04)
        )
        parts.add(post, stuff)
        if kind == 1:
            parts.add(beam((x, -reach, 0.03), (x, reach, 0.03), 0.06, 0.05), stuff)
        elif kind == 2:
            parts.add(beam((x, -reach, 0.02), (x, 0.04, 0.6 * h), 0.05, 0.04), stuff)
            parts.add(beam((x, -reach, 0.02), (x, reach, 0.02), 0.05, 0.04), stuff)
        else:
            size = rng.uniform(0.08, 0.22)
            parts.add(rounded_box((x - size, -reach, 0.0), (x + size, reach, rng.uniform(0.05, 0.2)), 0.03), foot)


def _frame(parts: Parts, rng: np.random.Generator, variety: Variety, length: float, h: float) -> None:
    """A frame with bars, a sheet, cells or hoops in it, up to two metres high."""
    h *= rng.choice([1.0, 1.0, rng.uniform(1.2, 1.8)])
    stuff, half, low, d = _plain(rng, variety), 0.5 * length, rng.uniform(0.08, 0.3), rng.uniform(0.015, 0.06)
    tubes = [beam((-half, 0.0, z), (half, 0.0, z), d, d) for z in (low, h)]
    tubes += [beam((x, 0.0, 0.0), (x, 0.0, h), d, d) for x in (-half, half)]
    parts.add(np.concatenate(tubes), stuff)
    filling = rng.integers(5)
    if filling == 0:  # a sheet, whole or in fields
        _add_sheet(parts, rng, variety, half, low, h)
    elif filling == 1:
        rows = np.linspace(low, h, int(rng.integers(2, 7)) + 1)[1:-1]
        parts.add(
            np.concatenate([beam((-half, 0.0, z), (half, 0.0, z), 0.5 * d, 0.5 * d) for z in [*rows, low]]), stuff
        )
    elif filling == 2:
        n = int(rng.integers(2, 5))
        xs = np.linspace(-half, half, n + 1)
        bars = [beam((a, 0.0, low), (b, 0.0, h), 0.6 * d, 0.6 * d) for a, b in pairwise(xs)]
        bars += [beam((a, 0.0, h), (b, 0.0, low), 0.6 * d, 0.6 * d) for a, b in pairwise(xs)]
        parts.add(np.concatenate(bars), stuff)
    else:
        xs = np.linspace(-half, half, int(rng.integers(4, 20)))
        thick = min(0.6 * d, 0.02) if filling == 3 else rng.uniform(0.4, 0.8) * length / len(xs)
        pair = _pair(rng)
        for k, x in enumerate(xs[1:-1]):
            parts.add(beam((x, 0.0, low), (x, 0.0, h), thick, 0.6 * d), stuff if filling == 3 else pair[k % 2])
    for x in (-0.8 * half, 0.8 * half):
        reach = rng.uniform(0.2, 0.35)
        parts.add(beam((x, -reach, 0.03), (x, reach, 0.03), rng.uniform(0.04, 0.25), 0.06), _plain(rng, variety))


def _add_sheet(parts: Parts, rng: np.random.Generator, variety: Variety, half: float, low: float, h: float) -> None:
    pair = _pair(rng) if rng.random() < 0.6 else (_plain(rng, variety),) * 2
    edges = np.linspace(-half, half, int(rng.integers(1, 7)) + 1)
    middle, high = 0.5 * (low + h), rng.uniform(0.5, 1.0) * (h - low)
    for k, (a, b) in enumerate(pairwise(edges)):
        parts.add(beam((a, 0.0, middle), (b, 0.0, middle), 0.012, high), pair[k % 2])


def _blocks(parts: Parts, rng: np.random.Generator, variety: Variety, length: float, h: float) -> None:
    """A row of boxes or upright barrels side by side, at times with a rail on top."""
    count, pair, wide = int(rng.integers(2, 6)), _pair(rng), rng.uniform(0.18, 0.34)
    pair = pair if rng.random() < 0.7 else (_plain(rng, variety),) * 2
    step, h = length / count, h * rng.uniform(0.75, 1.0)
    is_round = rng.random() < 0.3
    for k in range(count):
        x = (k + 0.5) * step - 0.5 * length
        if is_round:
            r = min(0.48 * step, 0.35)
            parts.add(
                lathe([(r, 0.0), (0.95 * r, 0.5 * h), (0.9 * r, h)], 10) + vec(x, 0.0, 0.0), pair[k % 2], smooth=True
            )
        else:
            low, high = vec(x - 0.48 * step, -wide, 0.0), vec(x + 0.48 * step, wide, h)
            parts.add(rounded_box(low, high, rng.uniform(0.02, 0.1)), pair[k % 2])
    if rng.random() < 0.3:
        parts.add(rod((-0.5 * length, 0.0, h), (0.5 * length, 0.0, h), rng.uniform(0.03, 0.08)), _pair(rng)[0])


def _pipes(parts: Parts, rng: np.random.Generator, variety: Variety, length: float, h: float) -> None:
    """Bent or straight pipes: hoops, or rails of pipe on posts."""
    stuff = _plain(rng, variety) if rng.random() < 0.5 else _pair(rng)[0]
    radius, half = rng.uniform(0.025, 0.07), 0.5 * length
    bend = np.linspace(0.0, np.pi, 7)
    corner = rng.uniform(0.1, 0.9) * min(half, 0.6 * h)
    arc = np.column_stack([np.cos(bend), np.zeros(7), np.sin(bend)]) * [corner, 0.0, corner]
    arc[:, 2] += h - corner
    arc[:, 0] += np.where(bend < 0.5 * np.pi, half - corner, corner - half)
    path = np.concatenate([[[half, 0.0, 0.0]], arc, [[-half, 0.0, 0.0]]])
    pieces = [rod(a, b, radius) for a, b in pairwise(path) if np.linalg.norm(b - a) > 1e-6]
    pieces += [
        rod((-half, 0.0, z), (half, 0.0, z), radius) for z in rng.uniform(0.25, 0.7, int(rng.integers(0, 3))) * h
    ]
    parts.add(np.concatenate(pieces), stuff, smooth=True)
    size = rng.uniform(0.08, 0.2)
    feet = [rounded_box((x - size, -1.5 * size, 0.0), (x + size, 1.5 * size, 0.08), 0.02) for x in (-half, half)]
    parts.add(np.concatenate(feet), _plain(rng, variety))


def _leaning(parts: Parts, rng: np.random.Generator, variety: Variety, length: float, h: float) -> None:
    """Two sheets that lean against each other, with fields or stripes."""
    pair, tilt = _pair(rng), rng.uniform(0.12, 0.3)
    count, is_level = int(rng.integers(1, 6)), rng.random() < 0.5
    cuts = np.linspace(0.0, 1.0, count + 1)
    for k, (a, b) in enumerate(pairwise(cuts)):
        x = (-0.5, 0.5) if is_level else (a - 0.5, b - 0.5)
        z = (a * h, b * h) if is_level else (0.0, h)
        sheet = beam((x[0] * length, 0.0, 0.5 * sum(z)), (x[1] * length, 0.0, 0.5 * sum(z)), 0.02, z[1] - z[0])
        for side in (-1.0, 1.0):
            parts.add(rotated(sheet, 0, side * tilt, (0.0, 0.0, h)), pair[k % 2])


KINDS: tuple[Callable[[Parts, np.random.Generator, Variety, float, float], None], ...] = (
    _profile,
    _rails,
    _rails,
    _frame,
    _frame,
    _blocks,
    _pipes,
    _leaning,
)
