"""Traffic signs and traffic lights: faces look along +x, their posts stand on the origin."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import WHITE, Mesh, quads
from perception.world.materials import Material, Texture
from perception.world.objects.colours import DARK, STEEL, one_of
from perception.world.objects.free_lights import add_free_light
from perception.world.objects.free_signs import add_free_sign
from perception.world.objects.shapes import Parts, Stuff, Tint, beam, lathe, loft, panel, rod, rounded_box, vec
from perception.world.variety import TRAINING, Variety

Outline = tuple[tuple[float, float], ...]
DEPTH = 0.025  # m of a plate
SIGN_BACK = Stuff(Material.METAL, (132, 134, 136))


def _regular(sides: int, turn: float = 0.0) -> Outline:
    angle = 2.0 * np.pi * np.arange(sides) / sides + turn
    return tuple((float(np.cos(a)), float(np.sin(a))) for a in angle)


# Outlines in half sizes: (right, up) seen from the front, counter-clockwise.
ROUND, TRIANGLE, DIAMOND = _regular(14), _regular(3, np.pi / 2), _regular(4, np.pi / 2)
YIELD, OCTAGON = _regular(3, -np.pi / 2), _regular(8, np.pi / 8)
SQUARE: Outline = ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9))
TALL: Outline = ((-0.75, -1.0), (0.75, -1.0), (0.75, 1.0), (-0.75, 1.0))
WIDE: Outline = ((-1.7, -0.8), (1.7, -0.8), (1.7, 0.8), (-1.7, 0.8))
ARROW: Outline = ((-1.7, -0.6), (1.4, -0.6), (1.9, 0.0), (1.4, 0.6), (-1.7, 0.6))
BOARD: Outline = (
    (-1.0, -0.8),
    (-0.8, -1.0),
    (0.8, -1.0),
    (1.0, -0.8),
    (1.0, 0.8),
    (0.8, 1.0),
    (-0.8, 1.0),
    (-1.0, 0.8),
)
# Each outline with the look of `Texture.SIGN` that is drawn for it; none: a red rim around a white field.
DESIGNS: tuple[tuple[Outline, int | None], ...] = (
    (ROUND, 0),
    (TRIANGLE, 1),
    (SQUARE, 2),
    (ROUND, 3),
    (DIAMOND, 4),
    (OCTAGON, 5),
    (TALL, 2),
    (YIELD, None),
    (WIDE, 7),
    (ARROW, 7),
    (BOARD, 6),
)
SUPPLEMENT = np.array([(-0.3, -0.075), (0.3, -0.075), (0.3, 0.075), (-0.3, 0.075)])  # m, a smaller plate below
FIELD = 0.68  # size of the white field of a sign without picture, by that of its red rim
WHITE_SIGN, RED_SIGN = Stuff(Material.SIGN, (236, 236, 232)), Stuff(Material.SIGN, (196, 28, 32))


def make_sign(rng: np.random.Generator, variety: Variety = TRAINING) -> Mesh:
    """A traffic sign that faces +x, 40 to 110 triangles. `Class.TRAFFIC_SIGN`; its post is `Class.MANMADE`.

    Whoever places it may give both one number, but a box of the sign itself must leave the post out.
    """
    parts = Parts(Class.TRAFFIC_SIGN)
    if variety.is_free(rng):
        add_free_sign(parts, rng, variety)
        return parts.mesh()
    half, height = rng.uniform(0.28, 0.42), rng.uniform(2.0, 2.5)
    outline, look = variety.choose(rng, DESIGNS)
    corners = np.array(outline) * half
    if look is None:
        _add_plate(parts, corners, height, RED_SIGN)
        inner = np.column_stack([np.full(len(corners), 0.042 + DEPTH), FIELD * corners + [0.0, height]])
        parts.add(inner[None, : len(outline)], WHITE_SIGN)
    else:
        _add_plate(parts, corners, height, Stuff(Material.SIGN, WHITE, Texture.SIGN.layer(look)))
    if rng.random() < 0.35:  # a smaller plate below, as signs have for times and distances
        low = height + corners[:, 1].min() - 0.12
        _add_plate(parts, SUPPLEMENT, low, Stuff(Material.SIGN, WHITE, variety.layer(rng, Texture.PLATE)))
    top = height + 0.6 * half
    parts.add_as(Class.MANMADE, rod((0.0, 0.0, -0.1), (0.0, 0.0, top), 0.03), STEEL, smooth=True)
    return parts.mesh()


BOARD_PAINTS: tuple[Tint, ...] = ((28, 78, 156), (22, 112, 72), (120, 76, 44), (232, 232, 228))


def make_gantry_sign(rng: np.random.Generator, variety: Variety = TRAINING) -> Mesh:
    """A large direction sign on two posts, with lines of writing and an arrow; classes as `make_sign`."""
    parts = Parts(Class.TRAFFIC_SIGN)
    half, height = rng.uniform(0.7, 1.1), rng.uniform(2.4, 2.9)
    tint = variety.choose(rng, BOARD_PAINTS)
    _add_plate(
        parts, np.array([[-1.5, -0.8], [1.5, -0.8], [1.5, 0.8], [-1.5, 0.8]]) * half, height, Stuff(Material.SIGN, tint)
    )
    ink = WHITE_SIGN if tint[0] < 200 else Stuff(Material.SIGN, (30, 32, 36))
    x, side = 0.043 + DEPTH, float(rng.choice([-1.0, 1.0]))
    for z in (0.45, 0.0, -0.45):
        middle, reach = -0.4 * side, rng.uniform(0.35, 0.8)
        corners = [
            (x, (middle + a * reach) * half, height + (z + b) * half)
            for a, b in ((-1, -0.1), (1, -0.1), (1, 0.1), (-1, 0.1))
        ]
        parts.add(panel(corners), ink)
    shaft = [(0.85, -0.55), (1.0, -0.55), (1.0, 0.25), (0.85, 0.25)]
    tip = [(0.7, 0.2), (1.15, 0.2), (0.925, 0.6)]
    for polygon in (shaft, tip):
        ring = np.array([(x, side * y * half, height + z * half) for y, z in polygon][:: int(side)])
        parts.add(np.array([ring[[0, k, k + 1]] for k in range(1, len(ring) - 1)]), ink)
    for y in (-half, half):
        parts.add_as(Class.MANMADE, rod((0.0, y, -0.1), (0.0, y, height + 0.7 * half), 0.05), STEEL, smooth=True)
    return parts.mesh()


def _add_plate(parts: Parts, outline: np.ndarray, height: float, face: Stuff) -> None:
    """A plate in front of the post: its face has the picture, its back and rim are metal."""
    ring = np.column_stack([np.full(len(outline), 0.04), outline[:, 0], outline[:, 1] + height])
    body = loft(np.stack([ring, ring + vec(DEPTH, 0.0, 0.0)]))
    front = body[-len(outline) :]
    low, size = ring.min(axis=0), np.ptp(ring, axis=0)
    u, v = (front[..., 1] - low[1]) / size[1], (front[..., 2] - low[2]) / size[2]
    uvs = np.stack([u, v], axis=-1).astype(np.float32).clip(0.0, 1.0)
    parts.add(front, face, uvs=uvs).add(body[: -len(outline)], SIGN_BACK)


LIT = ((226, 30, 26), (250, 176, 20), (40, 214, 110))  # red, amber, green from the top
HOUSINGS: tuple[Tint, ...] = ((36, 38, 40), (36, 38, 40), (40, 62, 50), (214, 170, 40))
_UNLIT = ((70, 16, 14), (78, 56, 12), (14, 60, 34))


def make_traffic_light(rng: np.random.Generator, variety: Variety = TRAINING) -> Mesh:
    """A traffic light that faces +x, one lamp lit. The head is `Class.TRAFFIC_LIGHT`, its mast `Class.MANMADE`.

    Whoever places it may give both one number, but a box of the light itself must leave the mast out.
    """
    parts = Parts(Class.TRAFFIC_LIGHT)
    if variety.is_free(rng):
        add_free_light(parts, rng)
    else:
        variety.choose(rng, LIGHTS)(parts, rng)
    return parts.mesh()


def _pole_light(parts: Parts, rng: np.random.Generator) -> None:
    """A head of three lamps on a post."""
    height = rng.uniform(3.0, 3.4)
    _add_head(parts, rng, (0.1, 0.0, height - 0.95), 3)
    _add_mast(parts, [(0.0, 0.0, -0.1), (0.0, 0.0, height)])


def _arm_light(parts: Parts, rng: np.random.Generator) -> None:
    """A head on an arm over the road (towards -y), and a second one on the post."""
    height, reach = rng.uniform(5.2, 5.8), rng.uniform(2.2, 3.6)
    _add_head(parts, rng, (0.1, -reach, height - 0.75), 3, state := int(rng.integers(3)))
    _add_head(parts, rng, (0.12, 0.0, 2.4), 3, state)
    _add_mast(parts, [(0.0, 0.0, -0.1), (0.0, 0.0, height - 0.3), (0.0, -reach, height)])


def _walk_light(parts: Parts, rng: np.random.Generator) -> None:
    """Two lamps for people on foot, low on a post."""
    _add_head(parts, rng, (0.1, 0.0, 2.25), 2)
    _add_mast(parts, [(0.0, 0.0, -0.1), (0.0, 0.0, 3.0)])


def _round_light(parts: Parts, rng: np.random.Generator) -> None:
    """A head of three lamps, one above the other in round housings with a white board behind."""
    height = rng.uniform(2.9, 3.3)
    board = rounded_box((0.05, -0.3, height - 1.1), (0.08, 0.3, height + 0.12), 0.02)
    parts.add(board, Stuff(Material.PAINT, (228, 228, 224)))
    _add_head(parts, rng, (0.13, 0.0, height - 0.95), 3)
    _add_mast(parts, [(0.0, 0.0, -0.1), (0.0, 0.0, height)])


LIGHTS: tuple[Callable[[Parts, np.random.Generator], None], ...] = (_pole_light, _arm_light, _walk_light, _round_light)


def _add_head(
    parts: Parts, rng: np.random.Generator, at: tuple[float, float, float], count: int, state: int | None = None
) -> None:
    """A dark housing with `count` lamps whose lower end is `at`; one of them is lit."""
    x, y, z = at
    step, lit = 0.3, int(rng.integers(count)) if state is None else state
    housing = Stuff(Material.PLASTIC, one_of(rng, HOUSINGS, 0.03))
    parts.add(rounded_box((x, y - 0.16, z), (x + 0.2, y + 0.16, z + step * count + 0.05), 0.04), housing)
    colours = range(3) if count == 3 else (0, 2)
    for k, colour in enumerate(colours):
        middle = np.array([x + 0.205, y, z + step * (count - k - 0.5) + 0.025])
        tint = LIT[colour] if k == lit else _UNLIT[colour]
        stuff = Stuff(Material.LAMP if k == lit else Material.PLASTIC, tint)
        parts.add(_lens(middle, 0.105), stuff)
        parts.add(_visor(middle, 0.12), housing, smooth=True)


def _lens(middle: np.ndarray, radius: float) -> np.ndarray:
    """A round lens that looks to +x."""
    angle = 2.0 * np.pi * np.arange(11) / 10
    rim = middle + radius * np.column_stack([np.zeros(11), np.cos(angle), np.sin(angle)])
    top = np.broadcast_to(middle + vec(0.02, 0.0, 0.0), (10, 3))
    return np.stack([top, rim[:-1], rim[1:]], axis=1)


def _visor(middle: np.ndarray, radius: float) -> np.ndarray:
    """A hood over a lens."""
    angle = np.linspace(-0.15 * np.pi, 1.15 * np.pi, 6)
    rim = middle + radius * np.column_stack([np.zeros(6), np.cos(angle), np.sin(angle)])
    far = rim + vec(0.16, 0.0, 0.0)
    return quads(np.stack([rim[:-1], far[:-1], far[1:], rim[1:]], axis=1))


def _add_mast(parts: Parts, points: list[tuple[float, float, float]]) -> None:
    """A post, with an arm where there are three points."""
    for a, b in pairwise(points):
        parts.add_as(Class.MANMADE, rod(a, b, 0.065, 8, 0.055), DARK, smooth=True)
    foot = lathe([(0.13, -0.1), (0.13, 0.25), (0.07, 0.32)], 8)
    parts.add_as(Class.MANMADE, foot, DARK, smooth=True)
    if len(points) > 2:
        parts.add_as(Class.MANMADE, beam(points[1], points[2], 0.05, 0.05), DARK)
