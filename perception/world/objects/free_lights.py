"""Traffic lights of any make, for training: one to five lamps in housings and on boards of any shape and colour."""

from itertools import pairwise

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import quads
from perception.world.materials import Material
from perception.world.objects.colours import any_tint
from perception.world.objects.glyphs import draw_outline, regular
from perception.world.objects.shapes import Parts, Stuff, Tint, lathe, loft, rod, rounded_box, shade, vec

RED, AMBER, GREEN = (226, 30, 26), (250, 176, 20), (40, 214, 110)
ROWS: dict[int, tuple[tuple[Tint, ...], ...]] = {
    1: ((AMBER,), (RED,), (GREEN,)),
    2: ((RED, GREEN), (RED, AMBER), (AMBER, GREEN), (RED, RED)),
    3: ((RED, AMBER, GREEN),),
    4: ((RED, AMBER, GREEN, GREEN), (RED, RED, AMBER, GREEN)),
    5: ((RED, AMBER, GREEN, AMBER, GREEN),),
}
COUNTS = (0.1, 0.22, 0.48, 0.12, 0.08)  # shares of one to five lamps
DARKS: tuple[Tint, ...] = ((36, 38, 40), (24, 25, 26), (40, 62, 50), (214, 170, 40), (120, 124, 126), (70, 74, 78))


def add_free_light(parts: Parts, rng: np.random.Generator) -> None:
    """A head on a mast, at its side, or at the end of an arm."""
    step, count = rng.uniform(0.2, 0.38), 1 + int(rng.choice(5, p=COUNTS))
    is_level = rng.random() < 0.18
    half = np.array([0.5 * step * count, 0.5 * step]) if is_level else np.array([0.5 * step, 0.5 * step * count])
    half += rng.uniform(0.0, 0.05, size=2)
    height = rng.uniform(1.5, 3.2)
    y, x = 0.0, float(rng.choice([0.1, rng.uniform(0.06, 0.3)]))
    points = [(0.0, 0.0, -0.1), (0.0, 0.0, height + half[1] + rng.uniform(-0.3, 0.6))]
    place = rng.random()
    if place < 0.25:  # at the side of the mast
        y = float(rng.choice([-1.0, 1.0])) * (half[0] + rng.uniform(0.08, 0.2))
        points += [(0.0, y, height)]
    elif place < 0.5:  # over the road
        y, height = -rng.uniform(1.2, 4.2), rng.uniform(4.2, 6.0)
        points = [(0.0, 0.0, -0.1), (0.0, 0.0, height - rng.uniform(-0.2, 0.5)), (0.0, y, height)]
    _add_head(parts, rng, np.array([x, y, height]), half, _row(rng, count), is_level)
    _add_mast(parts, rng, points)


def _row(rng: np.random.Generator, count: int) -> list[tuple[Tint, bool]]:
    """Colours from the top and whether they are lit."""
    row = ROWS[count][int(rng.integers(len(ROWS[count])))]
    if rng.random() < 0.08:
        row = row[::-1]
    lit = rng.choice(count, size=min(count, int(rng.choice([0, 1, 2], p=(0.08, 0.8, 0.12)))), replace=False)
    return [(tint, k in lit) for k, tint in enumerate(row)]


def _add_head(
    parts: Parts, rng: np.random.Generator, middle: np.ndarray, half: np.ndarray, row: list, is_level: bool
) -> None:
    """Board, housing, lamps and visors; `middle` is that of the back, `half` the half sizes along y and z."""
    depth = rng.uniform(0.08, 0.26)
    tint = DARKS[int(rng.integers(len(DARKS)))] if rng.random() < 0.7 else any_tint(rng)
    housing = Stuff(Material.PLASTIC, tint)
    if rng.random() < 0.5:
        _add_board(parts, rng, middle - vec(0.03, 0.0, 0.0), half)
    steps = np.linspace(1.0, -1.0, 2 * len(row) + 1)[1::2]
    axis = vec(0.0, -half[0], 0.0) if is_level else vec(0.0, 0.0, half[1])
    centres = [middle + s * axis for s in steps]
    size, cell = float(half.min()), vec(0.0, *(half / [len(row), 1.0] if is_level else half / [1.0, len(row)]))
    if rng.random() < 0.3 and len(row) > 1:  # a housing for each lamp
        for centre in centres:
            _add_housing(parts, rng, centre, 0.97 * cell, depth, housing)
    else:
        _add_housing(parts, rng, middle, vec(0.0, *half), depth, housing)
    is_round, radius, hood = rng.random() < 0.8, size * rng.uniform(0.55, 0.85), rng.uniform(0.06, 0.3)
    has_hoods, has_ring = rng.random() < 0.6, rng.random() < 0.2
    for centre, (colour, is_lit) in zip(centres, row, strict=True):
        lamp = Stuff(
            Material.LAMP if is_lit else Material.PLASTIC, colour if is_lit else shade(colour, rng.uniform(0.15, 0.4))
        )
        front = centre + vec(depth + 0.004, 0.0, 0.0)
        if has_ring:
            parts.add(
                _lens(front - vec(0.002, 0.0, 0.0), 1.12 * radius, is_round), Stuff(Material.PLASTIC, (20, 20, 21))
            )
        parts.add(_lens(front, radius, is_round), lamp)
        if has_hoods:
            parts.add(_hood(front, 1.08 * radius, hood), housing, smooth=True)


def _add_board(parts: Parts, rng: np.random.Generator, middle: np.ndarray, half: np.ndarray) -> None:
    """A board behind the head: any outline around it, or a margin all the way; at times with a rim."""
    if rng.random() < 0.6:
        outline = np.array([(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)]) * (
            half + rng.uniform(0.03, 0.25, size=2)
        )
    else:
        outline = draw_outline(rng)
        outline = outline / np.abs(outline).max(axis=0) * (half * rng.uniform(1.1, 1.5) + 0.05)
    tint = (
        any_tint(rng) if rng.random() < 0.4 else ((30, 31, 32), (226, 226, 222), (120, 122, 124))[int(rng.integers(3))]
    )
    ring = np.column_stack([np.zeros(len(outline)), outline]) + middle
    parts.add(loft(np.stack([ring, ring + vec(0.02, 0.0, 0.0)])), Stuff(Material.PAINT, tint))
    if rng.random() < 0.35:
        inner = np.column_stack([np.full(len(outline), 0.023), outline * rng.uniform(0.8, 0.93)]) + middle
        face = np.array([inner[[0, k, k + 1]] for k in range(1, len(inner) - 1)])
        parts.add(face, Stuff(Material.PAINT, any_tint(rng)))


def _add_housing(
    parts: Parts, rng: np.random.Generator, middle: np.ndarray, half: np.ndarray, depth: float, stuff: Stuff
) -> None:
    """A box, at times round."""
    if 0.9 < half[1] / half[2] < 1.15 and rng.random() < 0.5:
        rim = np.column_stack([np.zeros(12), regular(12) * half[1:]]) + middle
        parts.add(loft(np.stack([rim, rim + vec(depth, 0.0, 0.0)]), is_convex=True), stuff, smooth=True)
    else:
        parts.add(rounded_box(middle - half, middle + half + vec(depth, 0.0, 0.0), 0.04), stuff)


def _lens(middle: np.ndarray, radius: float, is_round: bool) -> np.ndarray:
    """A round or a square lens that looks to +x."""
    rim = regular(12 if is_round else 4, 0.25 * np.pi) * radius * (1.0 if is_round else 1.3)
    ring = np.column_stack([np.zeros(len(rim)), rim]) + middle
    top = np.broadcast_to(middle + vec(0.015, 0.0, 0.0), ring.shape)
    return np.stack([top, ring, np.roll(ring, -1, axis=0)], axis=1)


def _hood(middle: np.ndarray, radius: float, length: float) -> np.ndarray:
    """A hood over a lens, open below."""
    angle = np.linspace(-0.15 * np.pi, 1.15 * np.pi, 7)
    rim = middle + radius * np.column_stack([np.zeros(7), np.cos(angle), np.sin(angle)])
    far = rim + vec(length, 0.0, 0.0)
    return quads(np.stack([rim[:-1], far[:-1], far[1:], rim[1:]], axis=1))


def _add_mast(parts: Parts, rng: np.random.Generator, points: list[tuple[float, float, float]]) -> None:
    """A post, with an arm where there are three points."""
    radius, gray = rng.uniform(0.035, 0.09), int(rng.uniform(40, 190))
    stuff = Stuff(Material.METAL, (gray, gray, gray) if rng.random() < 0.75 else any_tint(rng))
    for k, (a, b) in enumerate(pairwise(points)):
        parts.add_as(Class.MANMADE, rod(a, b, radius * (1.0 if k == 0 else 0.7), 8), stuff, smooth=True)
    if rng.random() < 0.6:
        foot = lathe([(2.0 * radius, -0.1), (2.0 * radius, 0.25), (radius, 0.32)], 8)
        parts.add_as(Class.MANMADE, foot, stuff, smooth=True)
