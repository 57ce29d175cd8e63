"""Random outlines and pictures of signs: convex polygons of points (right, up) that fill about [-1, 1] squared."""

from collections.abc import Callable

import numpy as np

Polygons = list[np.ndarray]  # each (K, 2), convex, counter-clockwise
SEGMENTS = (((-1, 1), (1, 1)), ((-1, 0), (1, 0)), ((-1, -1), (1, -1)), ((-1, 0), (-1, 1)), ((1, 0), (1, 1)))
SEGMENTS += (((-1, -1), (-1, 0)), ((1, -1), (1, 0)), ((-1, -1), (1, 1)), ((-1, 1), (1, -1)), ((0, -1), (0, 1)))
"""Strokes of signs that look like letters and digits."""


def regular(sides: int, turn: float = 0.0) -> np.ndarray:
    """A regular polygon (sides, 2) of radius 1."""
    angle = 2.0 * np.pi * np.arange(sides) / sides + turn
    return np.column_stack([np.cos(angle), np.sin(angle)])


def stroke(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    """A straight bar (4, 2) from a to b."""
    along = np.asarray(b, dtype=np.float64) - a
    across = 0.5 * width * np.array([-along[1], along[0]]) / max(float(np.linalg.norm(along)), 1e-9)
    return np.array([a - across, b - across, b + across, a + across])


def turned(polygons: Polygons, angle: float) -> Polygons:
    """The polygons turned about the middle."""
    c, s = np.cos(angle), np.sin(angle)
    return [polygon @ np.array([[c, s], [-s, c]]) for polygon in polygons]


def draw_outline(rng: np.random.Generator) -> np.ndarray:
    """The outline (K, 2) of a plate: regular, round, a rectangle, with cut corners, a house, an arrow."""
    kind = rng.choice(6, p=(0.27, 0.2, 0.27, 0.1, 0.06, 0.1))
    if kind == 0:
        sides = int(rng.integers(3, 9))
        turn = float(rng.choice([0.0, 0.5, 0.25])) * 2.0 * np.pi / sides + 0.5 * np.pi
        return regular(sides, turn + (rng.uniform(-0.3, 0.3) if rng.random() < 0.15 else 0.0))
    if kind == 1:
        return regular(16) * [rng.choice([1.0, 1.0, rng.uniform(0.6, 1.4)]), 1.0]
    aspect = float(np.exp(rng.uniform(-0.9, 1.0)))
    half = np.array([np.sqrt(aspect), 1.0 / np.sqrt(aspect)])
    if kind == 2:
        return np.array([(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)]) * half
    if kind == 3:
        return _cut(half, float(rng.uniform(0.08, 0.45)) * float(half.min()))
    if kind == 4:
        return np.array([(-1.0, -1.0), (1.0, -1.0), (1.0, rng.uniform(0.0, 0.5)), (0.0, 1.0), (-1.0, 0.2)]) * half
    neck, width, side = rng.uniform(0.2, 0.8), rng.uniform(1.2, 1.8), rng.choice([-1.0, 1.0])
    points = np.array([(-width, -0.5), (neck, -0.5), (width, 0.0), (neck, 0.5), (-width, 0.5)])
    return points if side > 0.0 else (points * [-1.0, 1.0])[::-1]


def _cut(half: np.ndarray, cut: float) -> np.ndarray:
    """A rectangle without its corners."""
    (a, b), c = half, cut
    points = [(c - a, -b), (a - c, -b), (a, c - b), (a, b - c), (a - c, b), (c - a, b), (-a, b - c), (-a, c - b)]
    return np.array(points)


def inner_half(outline: np.ndarray) -> np.ndarray:
    """Half sizes (2,) of an upright box within a convex outline around the origin."""
    size = np.abs(outline).max(axis=0)
    edges = np.roll(outline, -1, axis=0) - outline
    normals = np.column_stack([edges[:, 1], -edges[:, 0]])
    reach = np.einsum("ij,ij->i", normals, outline)  # of each edge's line, times its length
    return size * float((reach / (np.abs(normals) @ size)).min())


def draw_glyph(rng: np.random.Generator) -> Polygons:
    """One picture."""
    return GLYPHS[int(rng.integers(len(GLYPHS)))](rng)


def _bars(rng: np.random.Generator) -> Polygons:
    """Lines of writing, each of a few words."""
    lines = np.linspace(0.7, -0.7, int(rng.integers(1, 5)))
    high, out = min(0.32, 0.8 / len(lines)), []
    for z in lines if len(lines) > 1 else (0.0,):
        at, end = -1.0, rng.uniform(0.2, 1.0)
        while at < end - 0.1:
            stop = min(at + rng.uniform(0.2, 1.0), end)
            out.append(stroke(np.array([at, z]), np.array([stop, z]), high))
            at = stop + 0.12
    return out


def _arrow(rng: np.random.Generator) -> Polygons:
    """An arrow to any side, at times bent."""
    width, tip, long = rng.uniform(0.2, 0.45), rng.uniform(0.45, 0.8), rng.uniform(0.0, 0.4)
    head = np.array([(-tip, long), (tip, long), (0.0, 1.0)])
    out = [stroke(np.array([0.0, -1.0]), np.array([0.0, long]), width), head]
    if rng.random() < 0.3:
        out.append(stroke(np.array([-0.9, -0.85]), np.array([0.0, -0.85]), width))
    return turned(out, float(rng.choice([0.0, 0.5, 1.0, -0.5, 0.25, -0.25])) * np.pi)


def _disc(rng: np.random.Generator) -> Polygons:
    """One to three dots."""
    count = int(rng.integers(1, 4))
    places = np.linspace(-0.65, 0.65, count) if count > 1 else np.zeros(1)
    radius = rng.uniform(0.6, 0.95) / max(count, 1)
    return [regular(10) * radius + ([p, 0.0] if rng.random() < 0.5 else [0.0, p]) for p in places]


def _letters(rng: np.random.Generator) -> Polygons:
    """One to three signs made of strokes, as letters and digits are."""
    count, out = int(rng.integers(1, 4)), []
    for k in range(count):
        middle = np.array([(2.0 * k + 1.0) / count - 1.0, 0.0])
        scale = np.array([0.68 / count, 0.8])
        for j in rng.choice(len(SEGMENTS), size=int(rng.integers(3, 6)), replace=False):
            a, b = np.array(SEGMENTS[j], dtype=np.float64)
            out.append(stroke(middle + a * scale, middle + b * scale, rng.uniform(0.2, 0.3)))
    return out


def _person(rng: np.random.Generator) -> Polygons:
    """Head, trunk and limbs."""
    a, b = rng.uniform(0.1, 0.6, size=2)
    hip, neck = np.array([0.0, -0.15]), np.array([0.0, 0.5])
    ends = [(hip, (a, -1.0)), (hip, (-b, -1.0)), (neck, (b + 0.1, -0.05)), (neck, (-a - 0.1, 0.0))]
    limbs = [stroke(start, np.array(end), 0.16) for start, end in ends]
    return [regular(8) * 0.2 + [0.0, 0.8], stroke(hip, neck, 0.34), *limbs]


def _triangles(rng: np.random.Generator) -> Polygons:
    """Chevrons or wedges in a row."""
    count = int(rng.integers(1, 4))
    row = [regular(3) * 0.9 / count + [(2.0 * k + 1.0) / count - 1.0, 0.0] for k in range(count)]
    return turned(row, float(rng.choice([0.0, 0.5, 1.0, -0.5])) * np.pi)


def _cross(rng: np.random.Generator) -> Polygons:
    """Two bars across each other, or one alone."""
    width, turn = rng.uniform(0.2, 0.5), float(rng.choice([0.0, 0.25, 0.5, -0.25]))
    bars = [stroke(np.array([-1.0, 0.0]), np.array([1.0, 0.0]), width)]
    if rng.random() < 0.5:
        bars.append(stroke(np.array([0.0, -1.0]), np.array([0.0, 1.0]), width))
    return turned(bars, turn * np.pi)


def _vehicle(rng: np.random.Generator) -> Polygons:
    """A box with a cabin on two wheels."""
    cabin = np.array([(-0.5, 0.0), (0.6, 0.0), (rng.uniform(0.1, 0.5), 0.6), (rng.uniform(-0.5, -0.2), 0.6)])
    wheels = [regular(8) * 0.25 + [x, -0.5] for x in (-0.55, 0.55)]
    return [stroke(np.array([-1.0, -0.2]), np.array([1.0, -0.2]), 0.45), cabin, *wheels]


def _chaos(rng: np.random.Generator) -> Polygons:
    """Polygons without a meaning."""
    return [
        regular(int(rng.integers(3, 7)), rng.uniform(0.0, 6.3)) * rng.uniform(0.15, 0.5) + rng.uniform(-0.6, 0.6, 2)
        for _ in range(int(rng.integers(2, 6)))
    ]


GLYPHS: tuple[Callable[[np.random.Generator], Polygons], ...] = (
    _bars,
    _bars,
    _arrow,
    _arrow,
    _disc,
    _letters,
    _letters,
    _person,
    _triangles,
    _cross,
    _vehicle,
    _chaos,
)
