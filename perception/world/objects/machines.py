"""Construction vehicles: excavator, wheel loader, roller, mobile crane, dumper, fork lift: x ahead, on the ground."""

from collections.abc import Callable

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import Mesh
from perception.world.materials import Material
from perception.world.objects.coachwork import Cab, add_axles, add_cab, end_panel
from perception.world.objects.colours import AMBER_LAMP, BLACK, DARK, STEEL, WHITE_LAMP, one_of, pane, plate
from perception.world.objects.shapes import (
    Parts,
    Stuff,
    beam,
    bevelled,
    both_sides,
    lathe,
    limb,
    loft,
    rod,
    rotated,
    rounded_box,
    switched_off,
    vec,
)
from perception.world.variety import TRAINING, Variety

PAINTS = ((242, 184, 24), (244, 150, 26), (236, 196, 60), (226, 96, 30), (216, 214, 206))
TRACK = Stuff(Material.RUBBER, (58, 56, 54))


def make_construction_vehicle(rng: np.random.Generator, variety: Variety = TRAINING) -> Mesh:
    """A machine of a building site, 490 to 1200 triangles, `Class.CONSTRUCTION_VEHICLE`."""
    parts = Parts(Class.CONSTRUCTION_VEHICLE)
    variety.choose(rng, MACHINES)(parts, rng, variety, Stuff(Material.PAINT, one_of(rng, PAINTS)))
    mesh = switched_off(parts.mesh())
    size = rng.uniform(0.88, 1.08)
    mesh.triangles[...] *= np.float32(size)
    return mesh


def _excavator(parts: Parts, rng: np.random.Generator, variety: Variety, stuff: Stuff) -> None:
    """Tracks, a turned upper carriage with a cabin, and a boom with a shovel."""
    _add_tracks(parts, 3.4, 1.25, 0.5, 0.8)
    upper = Parts(Class.CONSTRUCTION_VEHICLE)
    upper.add(rounded_box((-1.9, -1.2, 1.0), (0.9, 1.2, 1.35), 0.06), DARK)
    upper.add(bevelled(np.array([(-1.9, 1.3), (0.2, 1.3), (0.2, 2.1), (-1.7, 2.1), (-1.95, 1.9)]), 1.18, 0.1), stuff)
    _add_glass_cab(upper, rng, variety, (-0.35, 1.05), (0.2, 1.2), (1.3, 2.9), stuff)
    lift, fold = rng.uniform(0.5, 0.95), rng.uniform(-1.4, -0.9)
    elbow = np.array([0.6 + 3.0 * np.cos(lift), -0.35, 1.6 + 3.0 * np.sin(lift)])
    knee = elbow + 1.0 * np.array([np.cos(0.2 * fold), 0.0, np.sin(0.2 * fold)])
    wrist = knee + 2.0 * np.array([np.cos(fold), 0.0, np.sin(fold)])
    for a, b, width in (((0.5, -0.35, 1.5), elbow, 0.42), (elbow, knee, 0.38), (knee, wrist, 0.28)):
        upper.add(beam(a, b, 0.8 * width, width), stuff)
    upper.add(rod((1.2, -0.35, 1.55), 0.6 * elbow + vec(0.2, -0.14, 0.5), 0.07, 6), STEEL, smooth=True)
    upper.add(
        rod(0.5 * (elbow + knee) + vec(0.0, 0.0, 0.3), 0.5 * (knee + wrist) + vec(0.1, 0.0, 0.25), 0.06, 6),
        STEEL,
        smooth=True,
    )
    _add_bucket(upper, wrist, 0.8, 0.7, DARK)
    mesh = upper.mesh()
    turned = rotated(mesh.triangles, 2, rng.uniform(-0.6, 0.6))
    mesh.triangles[...] = turned.astype(np.float32)
    parts.join(mesh)


def _loader(parts: Parts, rng: np.random.Generator, variety: Variety, stuff: Stuff) -> None:
    """Four large wheels, a cabin in the middle, arms with a wide bucket ahead."""
    add_axles(parts, [-1.3, 1.4], 1.2, 0.7, 0.5)
    parts.add(bevelled(np.array([(-2.5, 1.0), (-0.4, 0.8), (-0.4, 2.0), (-2.3, 1.9), (-2.6, 1.5)]), 0.85, 0.08), stuff)
    parts.add(rounded_box((-0.5, -0.55, 0.7), (2.0, 0.55, 1.3), 0.06), stuff)
    _add_glass_cab(parts, rng, variety, (-0.7, 0.65), (-0.72, 0.72), (1.5, 3.1), stuff)
    z = rng.uniform(0.6, 1.6)
    arm = limb(np.array([(0.5, 0.6, 1.7), (1.9, 0.6, 1.5 + 0.3 * z), (2.7, 0.6, z)]), (0.14, 0.16, 0.12), 4)
    parts.add(both_sides(arm), stuff)
    parts.add(rod((0.9, 0.0, 1.5), (2.5, 0.0, z + 0.2), 0.08, 6), STEEL, smooth=True)
    scoop = np.array([(2.6, z - 0.35), (3.6, z - 0.3), (3.0, z - 0.2), (2.85, z + 0.55), (2.6, z + 0.45)])
    parts.add(bevelled(scoop, 1.35, 0.02), DARK)


def _roller(parts: Parts, rng: np.random.Generator, variety: Variety, stuff: Stuff) -> None:
    """Two steel drums, a bonnet and a roof over the seat."""
    for x in (-1.45, 1.45):
        drum = rotated(lathe([(0.55, -0.85), (0.6, -0.83), (0.6, 0.83), (0.55, 0.85)], 16), 0, 0.5 * np.pi)
        drum = rotated(drum, 1, np.pi / 16)
        parts.add(drum + vec(x, 0.0, 0.6), STEEL, smooth=True)
        fork = beam((x, 0.95, 0.6), (0.55 * x, 0.95, 1.1), 0.1, 0.25)
        parts.add(both_sides(fork), stuff)
    parts.add(
        bevelled(np.array([(-1.7, 1.25), (-0.7, 0.6), (0.8, 0.6), (1.8, 1.25), (1.7, 1.75), (-1.6, 1.6)]), 0.9, 0.08),
        stuff,
    )
    parts.add(rounded_box((-0.35, -0.3, 1.6), (0.15, 0.3, 1.95), 0.05), BLACK)
    parts.add(rounded_box((-0.5, -0.3, 1.8), (-0.35, 0.3, 2.4), 0.05), BLACK)
    posts = [beam((x, y, 1.6), (x, y, 2.75), 0.06, 0.06) for x in (-0.8, 0.8) for y in (-0.8, 0.8)]
    parts.add(np.concatenate(posts), DARK)
    parts.add(rounded_box((-1.0, -0.95, 2.72), (1.0, 0.95, 2.82), 0.04), stuff)
    parts.add(lathe([(0.07, 2.82), (0.08, 2.95), (0.03, 3.0)], 8), AMBER_LAMP, smooth=True)
    parts.add(end_panel(1.81, 0.12, 1.35, 1.5, 0.5), WHITE_LAMP)


def _crane(parts: Parts, rng: np.random.Generator, variety: Variety, stuff: Stuff) -> None:
    """A mobile crane: a long carriage on four axles, a telescopic boom laid forwards."""
    cab = Cab(4.6, 1.7, 1.2, 0.55, 2.2)
    add_cab(parts, cab, stuff, pane(rng, variety), plate(rng, variety))
    parts.add(rounded_box((-4.6, -1.2, 0.8), (3.0, 1.2, 1.35), 0.06), stuff)
    add_axles(parts, [-3.4, -2.1, 1.0, 2.3], 1.22, 0.52, 0.36)
    parts.add(bevelled(np.array([(-3.6, 1.35), (-0.6, 1.35), (-0.8, 2.3), (-3.6, 2.2)]), 1.1, 0.08), stuff)
    _add_glass_cab(parts, rng, variety, (-0.5, 0.9), (0.3, 1.15), (1.4, 2.9), stuff)
    tip = np.array([5.4, -0.2, rng.uniform(2.7, 4.2)])
    foot = np.array([-2.6, -0.2, 2.3])
    parts.add(beam(foot, 0.35 * foot + 0.65 * tip, 0.55, 0.6), stuff)
    parts.add(beam(0.35 * foot + 0.65 * tip, tip, 0.42, 0.46), Stuff(Material.PAINT, (226, 226, 220)))
    parts.add(rod((-0.6, -0.2, 1.6), tuple(0.6 * foot + 0.4 * tip), 0.12, 6), STEEL, smooth=True)
    hook = tip - [0.1, 0.0, 1.0]
    parts.add(rod(tuple(tip), tuple(hook), 0.02, 4), BLACK).add(rounded_box(hook - 0.15, hook + 0.15, 0.05), DARK)
    legs = [beam((x, -1.5, 0.5), (x, 1.5, 0.5), 0.25, 0.2) for x in (-4.2, 0.0)]
    parts.add(np.concatenate(legs), DARK)


def _dumper(parts: Parts, rng: np.random.Generator, variety: Variety, stuff: Stuff) -> None:
    """A site dumper: a tipping skip ahead, the seat under a bar behind."""
    add_axles(parts, [-1.0, 1.0], 1.0, 0.55, 0.42)
    parts.add(rounded_box((-1.7, -0.6, 0.55), (1.3, 0.6, 0.95), 0.06), DARK)
    parts.add(bevelled(np.array([(-1.9, 0.9), (-0.9, 0.9), (-0.9, 1.4), (-1.8, 1.45)]), 0.75, 0.08), stuff)
    rings = []
    for x, half, low, high in (
        (0.0, 0.7, 1.0, 1.75),
        (0.3, 0.9, 0.9, 1.8),
        (1.6, 0.95, 1.0, 1.7),
        (2.1, 0.9, 1.35, 1.55),
    ):
        rings.append([(x, -0.7 * half, low), (x, 0.7 * half, low), (x, half, high), (x, -half, high)])
    parts.add(loft(np.array(rings)), stuff)
    parts.add(rounded_box((-0.9, -0.25, 1.35), (-0.45, 0.25, 1.5), 0.04), BLACK)
    bars = [beam((-0.95, y, 1.2), (-0.95, y, 2.7), 0.06, 0.06) for y in (-0.6, 0.6)]
    bars.append(beam((-0.95, -0.6, 2.7), (-0.95, 0.6, 2.7), 0.06, 0.06))
    parts.add(np.concatenate(bars), BLACK)
    parts.add(lathe([(0.07, 2.72), (0.08, 2.85), (0.03, 2.9)], 8) + vec(-0.95, 0.0, 0.0), AMBER_LAMP, smooth=True)


def _fork_lift(parts: Parts, rng: np.random.Generator, variety: Variety, stuff: Stuff) -> None:
    """A telescopic or mast fork lift with its forks ahead."""
    add_axles(parts, [-0.9], 0.62, 0.33, 0.25)
    add_axles(parts, [0.75], 0.68, 0.4, 0.3)
    parts.add(
        bevelled(
            np.array([(-1.4, 0.35), (0.9, 0.3), (0.9, 0.75), (-0.3, 0.85), (-0.5, 1.2), (-1.35, 1.15)]), 0.6, 0.08
        ),
        stuff,
    )
    posts = [beam((x, y, 0.8), (0.8 * x, y, 2.2), 0.06, 0.06) for x in (-1.1, 0.6) for y in (-0.5, 0.5)]
    parts.add(np.concatenate(posts), BLACK)
    parts.add(rounded_box((-0.95, -0.55, 2.18), (0.55, 0.55, 2.25), 0.03), BLACK)
    parts.add(rounded_box((-0.6, -0.25, 1.1), (-0.1, 0.25, 1.25), 0.04), BLACK)
    parts.add(rounded_box((-0.65, -0.25, 1.2), (-0.5, 0.25, 1.75), 0.04), BLACK)
    high, z = rng.uniform(2.0, 3.0), rng.uniform(0.08, 1.2)
    mast = [beam((1.05, y, 0.1), (1.0, y, high), 0.08, 0.14) for y in (-0.35, 0.35)]
    mast += [beam((1.05, -0.35, w), (1.05, 0.35, w), 0.06, 0.08) for w in (0.5, high - 0.05)]
    parts.add(np.concatenate(mast), DARK)
    forks = [rounded_box((1.12, y - 0.06, z), (2.2, y + 0.06, z + 0.05), 0.015) for y in (-0.28, 0.28)]
    forks.append(rounded_box((1.1, -0.45, z), (1.17, 0.45, z + 0.5), 0.02))
    parts.add(np.concatenate(forks), STEEL)


MACHINES: tuple[Callable[[Parts, np.random.Generator, Variety, Stuff], None], ...] = (
    _excavator,
    _loader,
    _roller,
    _dumper,
    _crane,
    _fork_lift,
)


def _add_tracks(parts: Parts, length: float, half: float, width: float, height: float) -> None:
    """Two crawler tracks with rollers."""
    a, r = 0.5 * length, 0.5 * height
    angle = np.linspace(-0.5 * np.pi, 0.5 * np.pi, 5)
    front = np.column_stack([a - r + r * np.cos(angle), r + r * np.sin(angle)])
    outline = np.vstack([front, front[::-1] * [-1.0, 1.0]])
    body = bevelled(outline, 0.5 * width, 0.02)
    for y in (-half + 0.5 * width, half - 0.5 * width):
        parts.add(body + vec(0.0, y, 0.0), TRACK)
    discs = [rod((x, half - 0.05, r), (x, half + 0.02, r), 0.6 * r, 8) for x in (-a + r, 0.0, a - r)]
    parts.add(both_sides(np.concatenate(discs)), STEEL)
    parts.add(rounded_box((-0.8, -half + width, 0.4 * height), (0.8, half - width, 1.2 * height), 0.05), DARK)


def _add_glass_cab(
    parts: Parts,
    rng: np.random.Generator,
    variety: Variety,
    x: tuple[float, float],
    y: tuple[float, float],
    z: tuple[float, float],
    stuff: Stuff,
) -> None:
    """A cabin with glass all around between its posts."""
    inset = 0.04
    low, high = (x[0] + inset, y[0] + inset, z[0]), (x[1] - inset, y[1] - inset, z[1] - 0.05)
    parts.add(rounded_box(low, high, 0.04), pane(rng, variety))
    posts = [
        beam((px, py, z[0]), (px, py, z[1] - 0.03), 0.08, 0.08)
        for px in (x[0] + 0.04, x[1] - 0.04)
        for py in (y[0] + 0.04, y[1] - 0.04)
    ]
    parts.add(np.concatenate(posts), BLACK)
    parts.add(
        rounded_box((x[0] - 0.03, y[0] - 0.03, z[1] - 0.08), (x[1] + 0.06, y[1] + 0.03, z[1] + 0.03), 0.04), stuff
    )
    base = rounded_box((x[0], y[0], z[0] - 0.05), (x[1], y[1], z[0] + 0.35 * (z[1] - z[0])), 0.03)
    parts.add(base, stuff)


def _add_bucket(parts: Parts, at: np.ndarray, half: float, size: float, stuff: Stuff) -> None:
    """A shovel that hangs at `at`, open towards the machine, with teeth."""
    outline = [(-0.5, -0.75), (-0.1, -1.0), (0.35, -0.75), (0.4, -0.2), (0.05, 0.05), (-0.1, -0.1)]
    body = bevelled(np.array(outline) * size, 0.6 * half, 0.02) + at
    parts.add(body, stuff)
    teeth = [
        beam(at + vec(-0.5 * size, y, -0.72 * size), at + vec(-0.68 * size, y, -0.66 * size), 0.08, 0.05)
        for y in (-0.35, 0.0, 0.35)
    ]
    parts.add(np.concatenate(teeth), STEEL)
