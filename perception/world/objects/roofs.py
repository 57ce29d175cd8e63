"""Roofs of several kinds over a rectangle, and what stands on them."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import Mesh, box, placed, quads
from perception.world.layout import Rectangle
from perception.world.materials import Material, Texture
from perception.world.objects.colours import one_of
from perception.world.objects.shapes import Parts, Stuff, Tint, lathe, rod
from perception.world.variety import Variety

ROOFS = ("gable", "flat", "hip", "shed", "mansard", "gambrel")  # the last quarter is held out for evaluation
EAVES = 0.4  # m
TILES: tuple[Tint, ...] = ((255, 255, 255), (255, 226, 210), (214, 206, 204), (186, 190, 198), (232, 206, 180))
Profile = tuple[tuple[float, float], ...]
# Across the ridge, as shares of half the width and of the rise, from one eaves to the other.
_PROFILES: dict[str, Profile] = {
    "gable": ((-1.0, 0.0), (0.0, 1.0), (1.0, 0.0)),
    "shed": ((-1.0, 0.0), (1.0, 0.6)),
    "gambrel": ((-1.0, 0.0), (-0.68, 0.72), (0.0, 1.0), (0.68, 0.72), (1.0, 0.0)),
}


@dataclass(frozen=True, slots=True)
class RoofStuff:
    """What a roof is made of."""

    cover: Stuff
    wall: Stuff  # of its gables
    trim: Stuff
    chimney: Stuff


def draw_roof_stuff(rng: np.random.Generator, variety: Variety, wall: Stuff, trim: Stuff) -> RoofStuff:
    """Tiles or slates by lot."""
    cover = Stuff(Material.BRICK, one_of(rng, TILES, 0.04), variety.layer(rng, Texture.ROOF))
    return RoofStuff(cover, wall, trim, Stuff(Material.BRICK, (236, 224, 218), variety.layer(rng, Texture.BRICK)))


def make_roof(
    plot: Rectangle, top: float, kind: str, stuff: RoofStuff, rng: np.random.Generator, variety: Variety
) -> Mesh:
    """The roof over a house whose walls end at `top`; instance 0."""
    x_size, y_size = plot.x_high - plot.x_low, plot.y_high - plot.y_low
    half_length, half_width = 0.5 * max(x_size, y_size), 0.5 * min(x_size, y_size)
    parts = Parts(Class.MANMADE)
    if kind == "flat":
        _flat(parts, half_length, half_width, stuff, rng, variety)
    elif kind in ("hip", "mansard"):
        _hipped(parts, half_length, half_width, kind == "mansard", stuff, rng)
    else:
        _ridged(parts, half_length, half_width, _PROFILES[kind], stuff, rng)
    yaw = 0.0 if x_size >= y_size else 0.5 * np.pi
    return placed(parts.mesh(), yaw, (0.5 * (plot.x_low + plot.x_high), 0.5 * (plot.y_low + plot.y_high), top))


def _flat(parts: Parts, a: float, b: float, stuff: RoofStuff, rng: np.random.Generator, variety: Variety) -> None:
    """A flat roof with a parapet, ventilators and the head of a lift."""
    gravel = Stuff(Material.SOIL, (214, 212, 208), variety.layer(rng, Texture.GRAVEL))
    parts.add(quads(np.array([[[-a, -b, 0.02], [a, -b, 0.02], [a, b, 0.02], [-a, b, 0.02]]])), gravel)
    t, rise = 0.25, rng.uniform(0.35, 0.9)
    out = 0.08
    for low, high in (
        ([-a - out, -b - out, -0.15], [a + out, -b + t, rise]),
        ([-a - out, b - t, -0.15], [a + out, b + out, rise]),
        ([-a - out, -b + t, -0.15], [-a + t, b - t, rise]),
        ([a - t, -b + t, -0.15], [a + out, b - t, rise]),
    ):
        parts.add(box(low, high), stuff.trim)
    steel = Stuff(Material.METAL, (196, 200, 202), variety.layer(rng, Texture.METAL))
    for _ in range(int(rng.integers(1, 5))):
        x, y, s = rng.uniform(-0.7, 0.7) * a, rng.uniform(-0.6, 0.6) * b, rng.uniform(0.3, 0.8)
        parts.add(box([x - s, y - 0.7 * s, 0.0], [x + s, y + 0.7 * s, rng.uniform(0.6, 1.4)]), steel)
    if rng.random() < 0.5:
        x, s = rng.uniform(-0.5, 0.5) * a, rng.uniform(1.0, 1.6)
        parts.add(box([x - s, -s, 0.0], [x + s, s, 2.4]), stuff.wall)
    if rng.random() < 0.6:
        parts.add(rod((0.3 * a, 0.3 * b, 0.0), (0.3 * a, 0.3 * b, rng.uniform(2.0, 5.0)), 0.03, 5), steel, True)


def _ridged(parts: Parts, a: float, b: float, profile: Profile, stuff: RoofStuff, rng: np.random.Generator) -> None:
    """A roof with the same section from gable to gable: the ridge runs along x."""
    rise = rng.uniform(0.55, 1.0) * b * (1.0 if len(profile) > 2 else 0.45)
    slope = rise * (profile[1][1] - profile[0][1]) / (b * (profile[1][0] - profile[0][0]))
    points = np.array([(b * p, rise * q) for p, q in profile])
    wall = points.copy()
    points[0] += [-EAVES, -EAVES * slope]
    points[-1] += [EAVES, -EAVES * slope if len(profile) > 2 else EAVES * slope]
    reach, thickness = a + rng.uniform(0.1, 0.35), 0.14
    up = np.column_stack([points[:, 0], points[:, 1] + thickness])
    cover, under = _belt(up, reach), _belt(points[::-1], reach)
    parts.add(cover, stuff.cover).add(under, stuff.trim)
    rim = np.vstack([points, up[::-1]])
    for k in range(len(points) - 1):  # the verges at both gables
        quad = rim[[k, k + 1, len(rim) - 2 - k, len(rim) - 1 - k]]
        for x, order in ((reach, [0, 1, 2, 3]), (-reach, [3, 2, 1, 0])):
            parts.add(quads(np.column_stack([np.full(4, x), quad])[order][None]), stuff.trim)
    for y, z in (points[0], points[-1]):  # the eaves
        gutter = box([-reach, y - 0.07, z - 0.02], [reach, y + 0.07, z + thickness])
        parts.add(gutter, Stuff(Material.METAL, (150, 146, 140)))
    foot = np.array([[b, 0.0], [-b, 0.0]]) if len(profile) > 2 else np.array([[b, 0.0]])
    outline = np.vstack([wall[::1], foot[: 1 if len(profile) == 2 else 0]])
    for x, turn in ((a, -1), (-a, 1)):
        ring = np.column_stack([np.full(len(outline), x), outline])[::turn]
        fan = np.array([ring[[0, k, k + 1]] for k in range(1, len(ring) - 1)])
        parts.add(fan, stuff.wall)
    if len(profile) == 2:  # the high wall of a shed roof
        parts.add(quads(np.array([[[a, b, 0.0], [-a, b, 0.0], [-a, b, wall[-1, 1]], [a, b, wall[-1, 1]]]])), stuff.wall)
    _on_slope(parts, a, b, rise, stuff, rng, len(profile) == 3)


def _belt(points: np.ndarray, reach: float) -> np.ndarray:
    """Faces (N, 3, 3) along x from a section (K, 2) in y and z, whose outer side is on the left of its way."""
    p, q = points[:-1], points[1:]
    ones = np.full(len(p), reach)
    corners = [np.column_stack([s * ones, r]) for s, r in ((-1, p), (1, p), (1, q), (-1, q))]
    return quads(np.stack(corners, axis=1))


def _on_slope(
    parts: Parts, a: float, b: float, rise: float, stuff: RoofStuff, rng: np.random.Generator, is_gable: bool
) -> None:
    """Chimneys, windows in the slope, solar panels, dormers."""
    for _ in range(int(rng.integers(1, 3))):
        x, y = rng.uniform(-0.8, 0.8) * a, rng.uniform(-0.35, 0.35) * b
        foot, top = 0.0, rise + rng.uniform(0.5, 1.2)
        parts.add(box([x - 0.4, y - 0.3, foot], [x + 0.4, y + 0.3, top]), stuff.chimney)
        parts.add(box([x - 0.46, y - 0.36, top], [x + 0.46, y + 0.36, top + 0.1]), stuff.trim)
        pot = lathe([(0.12, top + 0.1), (0.1, top + 0.45)], 8) + np.array([x + 0.15, y, 0.0])
        parts.add(pot, Stuff(Material.BRICK, (196, 110, 80)), True)
    if not is_gable:
        return
    glass = Stuff(Material.GLASS, (70, 84, 104))
    draw = rng.random()
    side = float(rng.choice([-1.0, 1.0]))
    for x in np.arange(-0.75 * a, 0.75 * a, 2.4):
        if draw < 0.35:
            _in_slope(parts, b, rise, side, (x, x + 0.8), (0.35, 0.58), Stuff(Material.GLASS, (190, 206, 220)))
        elif draw < 0.55:
            _in_slope(parts, b, rise, side, (x, x + 2.2), (0.2, 0.85), glass)
        elif draw < 0.75 and abs(x) < 0.6 * a:
            _dormer(parts, b, rise, side, x + 1.0, stuff)


def _in_slope(
    parts: Parts, b: float, rise: float, side: float, along: tuple[float, float], up: tuple[float, float], stuff: Stuff
) -> None:
    """A pane that lies on the tiles, from and to shares of the way up."""
    lift = 0.2
    corners = [
        [x, side * b * (1.0 - f), rise * f + lift]
        for x, f in ((along[0], up[0]), (along[1], up[0]), (along[1], up[1]), (along[0], up[1]))
    ]
    corners = corners if side < 0.0 else corners[::-1]
    parts.add(quads(np.array([corners])), stuff)


def _dormer(parts: Parts, b: float, rise: float, side: float, x: float, stuff: RoofStuff) -> None:
    """A window that stands out of the slope, with a small roof of its own."""
    low, high, half = 0.3 * rise, min(0.3 * rise + 1.3, 0.85 * rise), 0.7
    front, back = side * 0.72 * b, side * b * max(0.0, 1.0 - high / rise)
    y = sorted((front, back))
    parts.add(box([x - half, y[0], low], [x + half, y[1], high]), stuff.wall)
    parts.add(box([x - half - 0.12, y[0] - 0.12, high], [x + half + 0.12, y[1] + 0.12, high + 0.12]), stuff.cover)
    pane = [[x - 0.45, front + side * 0.02, z] for z in (low + 0.35, high - 0.15)]
    corners = [pane[0], [x + 0.45, *pane[0][1:]], [x + 0.45, *pane[1][1:]], pane[1]]
    corners = corners if side < 0.0 else corners[::-1]
    parts.add(quads(np.array([corners])), Stuff(Material.GLASS, (210, 216, 222)))


def _hipped(parts: Parts, a: float, b: float, is_mansard: bool, stuff: RoofStuff, rng: np.random.Generator) -> None:
    """Four slopes; a mansard has a steep and a gentle part."""
    rise = rng.uniform(0.45, 0.8) * b
    rings = [(a + EAVES, b + EAVES, -0.05)]
    if is_mansard:
        rise = rng.uniform(2.2, 2.8)
        rings += [(a - 0.5, b - 0.5, rise)]
        rings += [(a - b + 0.3, 0.05, rise + 0.3 * b)]
    else:
        rings += [(max(a - b, 0.05), 0.05, rise)]
    for (a0, b0, z0), (a1, b1, z1) in pairwise(rings):
        low = np.array([[-a0, -b0, z0], [a0, -b0, z0], [a0, b0, z0], [-a0, b0, z0]])
        high = np.array([[-a1, -b1, z1], [a1, -b1, z1], [a1, b1, z1], [-a1, b1, z1]])
        parts.add(quads(np.stack([low, np.roll(low, -1, 0), np.roll(high, -1, 0), high], axis=1)), stuff.cover)
    parts.add(box([-a - EAVES, -b - EAVES, -0.2], [a + EAVES, b + EAVES, -0.04]), stuff.trim)
    for _ in range(int(rng.integers(1, 3))):
        x, y = rng.uniform(-0.7, 0.7) * a, rng.uniform(-0.4, 0.4) * b
        parts.add(box([x - 0.35, y - 0.35, 0.0], [x + 0.35, y + 0.35, rise + 1.2]), stuff.chimney)
    if is_mansard:
        for x in np.arange(-0.8 * a, 0.8 * a, 2.6):
            for side in (-1.0, 1.0):
                y = sorted((side * (b - 0.1), side * (b - 1.2)))
                parts.add(box([x, y[0], 0.4], [x + 1.1, y[1], 2.0]), stuff.trim)
                pane = quads(
                    np.array([[[x + 0.15, 0, 0.6], [x + 0.95, 0, 0.6], [x + 0.95, 0, 1.8], [x + 0.15, 0, 1.8]]])
                )
                pane = pane if side < 0.0 else pane[:, ::-1]
                parts.add(pane + np.array([0.0, side * (b - 0.08), 0.0]), Stuff(Material.GLASS, (206, 214, 222)))
