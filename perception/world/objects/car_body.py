"""The body of a car: cross sections along its length, the faces between them, and what each face is made of."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from perception.world.geometry.mesh import quads
from perception.world.materials import Material
from perception.world.objects.colours import BLACK, DARK, RED_LAMP, WHITE_LAMP
from perception.world.objects.shapes import Parts, Stuff, shade, without_slivers

ARCH = 1.24  # radius of a wheel arch in wheel radii
PILLAR = 0.055  # m between two side windows
SAME_PLACE = 0.012  # m; sections nearer to each other become one
MAX_TOP_STEP = 0.03  # m from the belt to the middle of a bonnet
# Each half of a section has six points: underside, sill, waist, belt, upper edge of the windows, roof.
UNDER, SILL, WAIST, BELT, RAIL, ROOF = range(6)
_FRONT_LEAN = np.array([-0.07, 0.0, 0.0, -0.05, -0.14, -0.2])  # m by which the points of the ends lie further in
_REAR_LEAN = np.array([0.06, 0.0, 0.0, 0.03, 0.05, 0.07])


@dataclass(frozen=True, slots=True)
class CarShape:
    """Side view of a car: x as fractions of the length from the middle, heights as fractions of the height."""

    length: float  # m
    width: float  # m
    height: float  # m
    cowl: float  # x of the foot of the windscreen
    screen: float  # x of its top
    roof_end: float  # x of the top of the rear window
    deck: float  # x of its foot
    tail: float  # height of the rear edge of the boot
    belt: float  # height of the lower edge of the windows
    nose: float  # height of the front edge of the bonnet
    sill: float = 0.19  # m above the ground
    wheel: float = 0.32  # m, radius
    axles: tuple[float, float] = (-0.3, 0.305)  # x of the rear and of the front wheels
    pillars: tuple[float, ...] = (-0.1,)  # x of the posts between side windows
    glazed_to: float = -1.0  # x behind which the sides have no windows
    narrowing: float = 0.8  # width of the roof by that of the body
    bed: float = 0.0  # m of depth of an open load bed behind the cabin
    roundness: float = 1.0  # of the ends in plan view

    def scaled(self, length: float, width: float, height: float) -> "CarShape":
        """The same shape of another size."""
        return replace(self, length=self.length * length, width=self.width * width, height=self.height * height)


def section(shape: CarShape, x: float) -> np.ndarray:
    """The left half (6, 3) of the cross section at `x` (fraction of the length), from below to above."""
    half = 0.5 * shape.width * _plan(shape, x)
    belt, top = _belt(shape, x), _top(shape, x)
    cabin = np.clip((top - belt - MAX_TOP_STEP) / (shape.height * (0.97 - shape.belt)), 0.0, 1.0)
    roof = shape.narrowing * half
    low = max(shape.sill, _arch(shape, x))
    sill = max(shape.sill + 0.09, low + 0.005)
    is_end = x > 0.46 or x < -0.47  # where the lamps are
    waist = max((0.78 if is_end else 0.62) * belt + (0.1 if is_end else 0.3) * shape.sill, sill + 0.02)
    y = np.array([0.9, 0.985, 1.0, 0.95, 0.88, 0.72]) * half
    y[RAIL:] += cabin * (np.array([1.0, 0.88]) * roof - y[RAIL:])
    z = np.array([low, sill, waist, belt, belt + 0.012, top])
    z[RAIL] += cabin * (top - 0.055 * shape.height - z[RAIL])
    if shape.bed > 0.0 and x < shape.deck - 0.01:
        y[RAIL:], z[ROOF] = (0.9 * half, 0.86 * half), belt - (shape.bed if x > -0.47 else 0.0)
    return np.column_stack([np.full(6, x * shape.length) + _lean(x), y, z])


def _lean(x: float) -> np.ndarray:
    if abs(x) < 0.499:
        return np.zeros(6)
    return _FRONT_LEAN if x > 0 else _REAR_LEAN


def _plan(shape: CarShape, x: float) -> float:
    """Half width at `x` by the largest one."""
    end = 1.0 - shape.roundness * np.array([0.16, 0.07, 0.0, 0.0, 0.09, 0.24])
    return float(np.interp(x, [-0.5, -0.475, -0.38, 0.34, 0.465, 0.5], end))


def _belt(shape: CarShape, x: float) -> float:
    places = [-0.5, shape.deck - 1e-3, shape.cowl, 0.465, 0.5]
    heights = [shape.tail - 0.01, shape.tail, shape.belt, shape.nose, shape.nose - 0.05]
    return shape.height * float(np.interp(x, places, heights))


def _top(shape: CarShape, x: float) -> float:
    """Height of the upper outline: boot, rear window, roof, windscreen, bonnet."""
    middle = 0.5 * (shape.roof_end + shape.screen)
    if not shape.deck < x < shape.cowl:
        return _belt(shape, x) + MAX_TOP_STEP
    foot = (_belt(shape, shape.deck) + MAX_TOP_STEP, _belt(shape, shape.cowl) + MAX_TOP_STEP)
    heights = [foot[0], 0.965 * shape.height, shape.height, 0.965 * shape.height, foot[1]]
    return float(np.interp(x, [shape.deck, shape.roof_end, middle, shape.screen, shape.cowl], heights))


def _arch(shape: CarShape, x: float) -> float:
    """Height of the wheel arches' edge; 0 between them."""
    reach = ARCH * shape.wheel
    for axle in shape.axles:
        distance = abs(x - axle) * shape.length
        if distance < reach:
            return shape.wheel + float(np.sqrt(reach**2 - distance**2)) * 0.97
    return 0.0


@cache
def stations(shape: CarShape) -> tuple[float, ...]:
    """Places of the sections, from the rear to the front."""
    reach = ARCH * shape.wheel / shape.length
    fixed = [-0.5, -0.475, shape.deck, shape.roof_end, 0.5 * (shape.roof_end + shape.screen), shape.screen, shape.cowl]
    fixed += [0.465, 0.5]
    fixed += [axle + f * reach for axle in shape.axles for f in (-1.02, -0.92, -0.5, 0.5, 0.92, 1.02)]
    half = 0.5 * PILLAR / shape.length
    fixed += [x + side * half for x in shape.pillars for side in (-1.0, 1.0)]
    if shape.glazed_to > -0.5:
        fixed.append(shape.glazed_to)
    if shape.bed > 0.0:
        fixed += [shape.deck - 0.012, -0.468]
    out: list[float] = []
    for x in sorted(fixed):
        if not out or x - out[-1] > SAME_PLACE / shape.length:
            out.append(x)
    return tuple(out)


def add_body(parts: Parts, shape: CarShape, paint: Stuff, glass: Stuff, grille: Stuff) -> None:
    """Add the closed body of a car; `grille` is what lies between its headlamps."""
    places = stations(shape)
    left = np.array([section(shape, x) for x in places])
    right = left * [1.0, -1.0, 1.0]
    faces: dict[Stuff, list[np.ndarray]] = {}
    for k in range(len(places) - 1):
        x = 0.5 * (places[k] + places[k + 1])
        for row in range(5):
            stuff = _side_stuff(shape, x, row, paint, glass)
            b = k + 1
            corners = np.array([left[k, row], left[b, row], left[b, row + 1], left[k, row + 1]])
            other = np.array([right[k, row + 1], right[b, row + 1], right[b, row], right[k, row]])
            faces.setdefault(stuff, []).extend([corners[::-1], other[::-1]])
        roof = np.array([left[k, ROOF], right[k, ROOF], right[k + 1, ROOF], left[k + 1, ROOF]])
        faces.setdefault(_top_stuff(shape, x, paint, glass), []).append(roof)
        floor = np.array([right[k, UNDER], left[k, UNDER], left[k + 1, UNDER], right[k + 1, UNDER]])
        faces.setdefault(BLACK, []).append(floor)
    _add_end(faces, left[-1], right[-1], (BLACK, DARK if shape.height > 1.6 else BLACK, grille), WHITE_LAMP, paint)
    _add_end(faces, right[0], left[0], (BLACK, paint, paint), RED_LAMP, paint)
    for stuff, corners in faces.items():
        parts.add(without_slivers(quads(np.array(corners))), stuff, smooth=True)


def _side_stuff(shape: CarShape, x: float, row: int, paint: Stuff, glass: Stuff) -> Stuff:
    """What a face of the side is made of; `row` is its lower point."""
    if row == UNDER:
        return BLACK
    if row == WAIST and x > 0.465:
        return WHITE_LAMP
    if row == WAIST and x < -0.475:
        return RED_LAMP
    if row == BELT and shape.deck < x < shape.cowl:
        half = 0.5 * PILLAR / shape.length + 1e-4
        if any(abs(x - pillar) < half for pillar in shape.pillars):
            return BLACK
        return glass if x > max(shape.glazed_to, shape.roof_end - 0.002) else paint
    if shape.bed > 0.0 and x < shape.deck and row == RAIL:
        return BLACK
    return paint


def _top_stuff(shape: CarShape, x: float, paint: Stuff, glass: Stuff) -> Stuff:
    """What a face of the upper side is made of."""
    if shape.screen < x < shape.cowl:
        return glass
    if shape.deck < x < shape.roof_end:
        return glass
    if shape.bed > 0.0 and x < shape.deck:
        return BLACK
    return paint


def _add_end(
    faces: dict[Stuff, list[np.ndarray]], left: np.ndarray, right: np.ndarray, rows: tuple[Stuff, Stuff, Stuff],
    lamp: Stuff, paint: Stuff,
) -> None:  # fmt: skip
    """The closed front or rear: bumper, grille, lamps at both corners. `left` is at the left seen along its normal."""
    stuffs = [rows[0], rows[1], rows[2], paint, paint]
    for row in range(5):
        edges = [right[row] + f * (left[row] - right[row]) for f in (0.0, 0.24, 0.76, 1.0)]
        above = [right[row + 1] + f * (left[row + 1] - right[row + 1]) for f in (0.0, 0.24, 0.76, 1.0)]
        for k in range(3):
            stuff = lamp if row == WAIST and k != 1 else stuffs[row]
            if row == SILL and k != 1:
                stuff = Stuff(Material.PAINT, shade(paint.tint, 0.97))
            faces.setdefault(stuff, []).append(np.array([edges[k], edges[k + 1], above[k + 1], above[k]]))
