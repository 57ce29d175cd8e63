"""What lorries, buses and trailers share: cabs, shells with rows of windows, panels on sides and ends, axles."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from perception.world.geometry.mesh import quads
from perception.world.materials import Material
from perception.world.objects.colours import BLACK, DARK, RED_LAMP, TYRE, WHITE_LAMP
from perception.world.objects.shapes import (
    UNIT_UVS,
    Parts,
    Stuff,
    beam,
    bevelled,
    both_sides,
    panel,
    rounded_box,
    without_slivers,
)
from perception.world.objects.wheels import add_wheel

PROUD = 0.012  # m by which panels stand out from what they lie on
STEEL_RIM = Stuff(Material.METAL, (176, 178, 180))
ARCH = 1.2  # radius of a wheel arch in wheel radii


def end_panel(x: float, half: float, low: float, high: float, y: float = 0.0) -> np.ndarray:
    """An upright rectangle across x; it looks ahead at x > 0 and back at x < 0."""
    h = half if x > 0.0 else -half
    return panel([(x, y - h, low), (x, y + h, low), (x, y + h, high), (x, y - h, high)])


def side_panels(x_low: float, x_high: float, z_low: float, z_high: float, half: float) -> np.ndarray:
    """Upright rectangles on both sides of a body whose half width is `half`."""
    y = half + PROUD
    return both_sides(panel([(x_high, y, z_low), (x_low, y, z_low), (x_low, y, z_high), (x_high, y, z_high)]))


def add_axles(parts: Parts, axles: Sequence[float], half: float, radius: float, width: float) -> None:
    """Wheels on both sides at each of `axles` (x in m), their outer faces at `half`; and the axle between them."""
    for x in axles:
        for side in (-1.0, 1.0):
            add_wheel(parts, (x, side * half, radius), width, TYRE, STEEL_RIM, is_open=True)
    bars = [beam((x, -half + width, radius), (x, half - width, radius), 0.12, 0.12) for x in axles]
    parts.add(np.concatenate(bars), BLACK)


def add_rear(parts: Parts, x: float, half: float, z: float, plates: Stuff) -> None:
    """Lamps, underrun bar and plate at the rear end `x` (m, negative) of a lorry or a trailer."""
    parts.add(beam((x + 0.02, -half, z - 0.06), (x + 0.02, half, z - 0.06), 0.08, 0.12), DARK)
    for y in (-0.8 * half, 0.8 * half):
        parts.add(end_panel(x - 0.03, 0.16 * half, z - 0.1, z - 0.02, y), RED_LAMP)
    parts.add(end_panel(x - 0.03, 0.26, z - 0.115, z - 0.005), plates, uvs=UNIT_UVS)


@dataclass(frozen=True, slots=True)
class Cab:
    """The cab of a lorry: its front at `front`, its back `length` behind."""

    front: float  # m
    length: float
    half: float
    low: float  # height of its lower edge
    high: float
    nose: float = 0.0  # m of bonnet before the windscreen


def add_cab(parts: Parts, cab: Cab, paint: Stuff, glass: Stuff, plates: Stuff) -> None:
    """Body, windows, lamps, mirrors, steps and plate of a cab."""
    f, size = cab.front - cab.nose, cab.high - cab.low
    belt, back = cab.low + 0.5 * size, cab.front - cab.length
    foot, brow = (f, belt), (f - 0.16, cab.high - 0.12 * size)
    outline = [(back, cab.low), (f, cab.low), foot, brow, (f - 0.4, cab.high), (back, cab.high)]
    parts.add(bevelled(np.array(outline), cab.half, 0.07), paint, smooth=True)
    if cab.nose:
        hood = rounded_box((f - 0.1, -0.8 * cab.half, cab.low), (cab.front, 0.8 * cab.half, belt + 0.05), 0.12)
        parts.add(hood, paint, smooth=True)
    half = 0.88 * cab.half
    a, b = foot[0] + PROUD - 0.005, brow[0] + 0.03
    wind = [
        (a, -half, foot[1] + 0.05),
        (a, half, foot[1] + 0.05),
        (b, 0.94 * half, brow[1]),
        (b, -0.94 * half, brow[1]),
    ]
    parts.add(panel(wind), glass)
    door = (f - 0.25 - min(0.8, 0.55 * cab.length), f - 0.25)
    y = cab.half + PROUD
    pane = [
        (door[1] - 0.02, y, belt + 0.02),
        (door[0], y, belt + 0.02),
        (door[0], y, brow[1] - 0.02),
        (door[1] - 0.2, y, brow[1] - 0.02),
    ]
    parts.add(both_sides(panel(pane)), glass)
    parts.add(side_panels(door[0] - 0.03, door[0] - 0.015, cab.low + 0.15, brow[1], cab.half), BLACK)
    parts.add(side_panels(door[0] + 0.02, door[0] + 0.2, belt - 0.14, belt - 0.1, cab.half), BLACK)
    _add_face(parts, cab, plates)
    mirror = beam((f - 0.11, cab.half + 0.18, belt + 0.1), (f - 0.11, cab.half + 0.18, belt + 0.62), 0.2, 0.1)
    arm = beam((f - 0.1, cab.half - 0.05, belt + 0.6), (f - 0.1, cab.half + 0.12, belt + 0.6), 0.03, 0.03)
    parts.add(both_sides(np.concatenate([mirror, arm])), BLACK)


def _add_face(parts: Parts, cab: Cab, plates: Stuff) -> None:
    """Bumper, grille, headlamps and plate."""
    x, size = cab.front, cab.high - cab.low
    low, top = cab.low - 0.1, cab.low + 0.16 * size
    half = (0.84 if cab.nose else 1.0) * cab.half
    parts.add(rounded_box((x - 0.25, -cab.half, low), (x + 0.06, cab.half, top), 0.05), DARK)
    grille = [
        end_panel(x + PROUD, 0.62 * half, top + 0.06 * size * k, top + (0.06 * k + 0.04) * size) for k in range(1, 4)
    ]
    parts.add(np.concatenate(grille), BLACK)
    for y in (-0.78 * cab.half, 0.78 * cab.half):
        parts.add(end_panel(x + 0.06 + PROUD, 0.16 * cab.half, top - 0.14, top - 0.03, y), WHITE_LAMP)
    parts.add(end_panel(x + 0.06 + PROUD, 0.26, low + 0.05, low + 0.165), plates, uvs=UNIT_UVS)


@dataclass(frozen=True, slots=True, eq=False)
class Shell:
    """A body from sections (K, P, 3) of its left half along x, and what each face is made of."""

    sections: np.ndarray
    side: Callable[[int, int], Stuff]  # by piece (K - 1) and row (P - 1) from below
    top: Callable[[int], Stuff]
    front: Callable[[int, int], Stuff]  # by row and column (0 right, 1 middle, 2 left)
    rear: Callable[[int, int], Stuff]
    split: float = 0.62  # share of the middle column of the ends


def add_shell(parts: Parts, shell: Shell) -> None:
    """Add the closed body."""
    left = shell.sections
    right = left * [1.0, -1.0, 1.0]
    faces: dict[Stuff, list[np.ndarray]] = {}
    for k in range(len(left) - 1):
        for row in range(left.shape[1] - 1):
            corners = np.array([left[k + 1, row], left[k, row], left[k, row + 1], left[k + 1, row + 1]])
            other = np.array([right[k, row], right[k + 1, row], right[k + 1, row + 1], right[k, row + 1]])
            faces.setdefault(shell.side(k, row), []).extend([corners, other])
        roof = np.array([left[k, -1], right[k, -1], right[k + 1, -1], left[k + 1, -1]])
        floor = np.array([right[k, 0], left[k, 0], left[k + 1, 0], right[k + 1, 0]])
        faces.setdefault(shell.top(k), []).append(roof)
        faces.setdefault(BLACK, []).append(floor)
    _add_end(faces, right[-1], left[-1], shell.front, shell.split)
    _add_end(faces, left[0], right[0], shell.rear, shell.split)
    for stuff, corners in faces.items():
        parts.add(without_slivers(quads(np.array(corners))), stuff, smooth=stuff.material != Material.LAMP)


def _add_end(
    faces: dict[Stuff, list[np.ndarray]], a: np.ndarray, b: np.ndarray, stuff: Callable[[int, int], Stuff], split: float
) -> None:
    """An end from its right (seen against its normal: left) points `a` to `b`, in three columns."""
    shares = (0.0, 0.5 - 0.5 * split, 0.5 + 0.5 * split, 1.0)
    for row in range(len(a) - 1):
        low = [a[row] + f * (b[row] - a[row]) for f in shares]
        high = [a[row + 1] + f * (b[row + 1] - a[row + 1]) for f in shares]
        for k in range(3):
            faces.setdefault(stuff(row, k), []).append(np.array([low[k], low[k + 1], high[k + 1], high[k]]))


def arch(x: float, axles: Sequence[float], radius: float) -> float:
    """Height of the edge of the wheel arches at `x`; 0 between them."""
    for axle in axles:
        if abs(x - axle) < ARCH * radius:
            return radius + float(np.sqrt((ARCH * radius) ** 2 - (x - axle) ** 2)) * 0.95
    return 0.0


def arch_stations(axles: Sequence[float], radius: float) -> list[float]:
    """Places at which a section follows the edge of the wheel arches."""
    return [axle + f * ARCH * radius for axle in axles for f in (-1.02, -0.93, -0.5, 0.5, 0.93, 1.02)]
