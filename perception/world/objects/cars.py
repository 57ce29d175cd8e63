"""Cars: a body lofted through cross sections along its length, with windows, lamps, wheels in arches, and trim."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import Mesh
from perception.world.materials import Material
from perception.world.objects.car_body import CarShape, add_body, section
from perception.world.objects.colours import BLACK, CHROME, TYRE, WHITE_LAMP, car_paint, pane, plate
from perception.world.objects.shapes import (
    UNIT_UVS,
    Parts,
    Stuff,
    beam,
    both_sides,
    panel,
    rounded_box,
    switched_off,
    vec,
)
from perception.world.objects.wheels import add_wheel, wheel
from perception.world.variety import TRAINING, Variety

SPREAD = 0.04  # of the size of one kind of car
PROUD = 0.006  # m by which trim stands out from the body


@dataclass(frozen=True, slots=True)
class CarKind:
    """A kind of car and what it may carry."""

    shape: CarShape
    roof: str = "bare"  # bare, rails, box, taxi, spare (a wheel on the back)
    weight: float = 1.0


_SEDAN = CarShape(4.6, 1.82, 1.46, cowl=0.2, screen=0.03, roof_end=-0.2, deck=-0.34, tail=0.66, belt=0.62, nose=0.5)
_HATCH = CarShape(4.05, 1.76, 1.5, cowl=0.25, screen=0.09, roof_end=-0.38, deck=-0.475, tail=0.62, belt=0.6, nose=0.52)
_SUV = CarShape(
    4.6, 1.9, 1.7, cowl=0.23, screen=0.09, roof_end=-0.4, deck=-0.475, tail=0.63, belt=0.61, nose=0.56, sill=0.27,
    wheel=0.37,
)  # fmt: skip
_ESTATE = replace(_SEDAN, roof_end=-0.43, deck=-0.485, tail=0.6, height=1.5, pillars=(-0.13, -0.3))
_MPV = CarShape(
    4.6, 1.86, 1.74, cowl=0.34, screen=0.13, roof_end=-0.43, deck=-0.48, tail=0.56, belt=0.55, nose=0.5,
    pillars=(-0.1, -0.3),
)  # fmt: skip
_VAN = CarShape(
    5.3, 2.0, 2.3, cowl=0.38, screen=0.23, roof_end=-0.49, deck=-0.496, tail=0.55, belt=0.5, nose=0.42, sill=0.24,
    wheel=0.35, narrowing=0.9, glazed_to=0.09, pillars=(),
)  # fmt: skip
_SPORTS = CarShape(
    4.4, 1.88, 1.27, cowl=0.19, screen=0.0, roof_end=-0.17, deck=-0.4, tail=0.7, belt=0.64, nose=0.48, sill=0.14,
    pillars=(), glazed_to=-0.19,
)  # fmt: skip
_PICKUP = CarShape(
    5.2, 1.9, 1.82, cowl=0.22, screen=0.09, roof_end=-0.09, deck=-0.13, tail=0.6, belt=0.59, nose=0.55, sill=0.3,
    wheel=0.39, bed=0.25, pillars=(0.01,),
)  # fmt: skip
_BUBBLE = CarShape(
    3.4, 1.64, 1.52, cowl=0.31, screen=0.13, roof_end=-0.42, deck=-0.485, tail=0.58, belt=0.58, nose=0.5, pillars=()
)
_JEEP = CarShape(
    4.3, 1.9, 1.86, cowl=0.19, screen=0.12, roof_end=-0.475, deck=-0.49, tail=0.58, belt=0.58, nose=0.55, sill=0.32,
    wheel=0.4, narrowing=0.9, roundness=0.4, pillars=(-0.06, -0.27),
)  # fmt: skip
_FASTBACK = CarShape(
    4.75, 1.9, 1.42, cowl=0.2, screen=0.02, roof_end=-0.16, deck=-0.465, tail=0.69, belt=0.63, nose=0.49,
    pillars=(-0.08,), glazed_to=-0.3,
)  # fmt: skip

KINDS: tuple[CarKind, ...] = (  # the last quarter is held out
    CarKind(_SEDAN, weight=2.0),
    CarKind(_HATCH, weight=2.5),
    CarKind(_SUV, "rails", weight=2.0),
    CarKind(_ESTATE, "rails", weight=1.2),
    CarKind(_MPV, weight=0.8),
    CarKind(_VAN, weight=0.9),
    CarKind(_SPORTS, weight=0.5),
    CarKind(replace(_SEDAN, height=1.5), "taxi", weight=0.4),
    CarKind(_PICKUP, weight=0.5),
    CarKind(_BUBBLE, weight=1.0),
    CarKind(_JEEP, "spare", weight=0.8),
    CarKind(_FASTBACK, "box", weight=1.0),
)


def make_car(rng: np.random.Generator, variety: Variety = TRAINING, is_lit: bool = False) -> Mesh:
    """A car of random kind, size and colour, 700 to 1000 triangles, `Class.CAR`: x ahead, origin below the middle.

    `is_lit`: its lamps are on, as of one that drives.
    """
    kind = variety.choose(rng, KINDS, [kind.weight for kind in KINDS])
    mesh = car_of(kind, rng, variety)
    return mesh if is_lit else switched_off(mesh)


def car_of(kind: CarKind, rng: np.random.Generator, variety: Variety) -> Mesh:
    """A car of one kind, its lamps on."""
    scale = rng.normal(1.0, SPREAD, size=3).clip(1.0 - 2.0 * SPREAD, 1.0 + 2.0 * SPREAD)
    shape = kind.shape.scaled(*scale)
    body = car_paint(rng)
    if kind.roof == "taxi":
        body = Stuff(Material.PAINT, (238, 190, 30) if rng.random() < 0.6 else (226, 214, 180))
    parts = Parts(Class.CAR)
    grille = BLACK if rng.random() < 0.5 else body
    add_body(parts, shape, body, pane(rng, variety), grille)
    rim = Stuff(Material.METAL, (196, 198, 202) if rng.random() < 0.7 else (70, 72, 75))
    for axle in shape.axles:
        for side in (-1.0, 1.0):
            at = (axle * shape.length, side * (0.5 * shape.width - 0.02), shape.wheel)
            add_wheel(parts, at, 0.21, TYRE, rim)
    _add_trim(parts, shape, body, plate(rng, variety))
    _ROOFS[kind.roof](parts, shape, rng)
    return parts.mesh()


def _add_trim(parts: Parts, shape: CarShape, body: Stuff, plates: Stuff) -> None:
    """Mirrors, door seams, handles, plates and the lower edge of the front."""
    length, half = shape.length, 0.5 * shape.width
    x = (shape.cowl - 0.045) * length
    z = shape.belt * shape.height + 0.05
    mirror = beam((x, half - 0.03, z), (x - 0.02, half + 0.19, z + 0.03), 0.09, 0.13)
    parts.add(both_sides(mirror), body)
    front = shape.axles[1] - 1.1 * shape.wheel / length
    doors = [front, *shape.pillars[:2]] if shape.pillars else [front, shape.screen - 0.24]
    seam = [both_sides(_seam(shape, x)) for x in doors]
    parts.add(np.concatenate(seam), BLACK)
    handles = [both_sides(_handle(shape, x + 0.012)) for x in doors[1:]]
    parts.add(np.concatenate(handles), CHROME if body.tint[0] < 60 else BLACK)
    for end, turn in ((0.5 * length + 0.012, 1.0), (-0.5 * length - 0.012, -1.0)):
        z = 0.4 * shape.belt * shape.height + 0.5 * shape.sill + (0.0 if turn > 0 else 0.04)
        w, h = 0.26 * turn, 0.057
        corners = [(end, -w, z - h), (end, w, z - h), (end, w, z + h), (end, -w, z + h)]
        parts.add(panel(corners), plates, uvs=UNIT_UVS)


def _seam(shape: CarShape, x: float) -> np.ndarray:
    """A thin upright strip down the side at a place `x` (fraction of the length), from the window to the sill."""
    rim = section(shape, x)[1:4] + vec(0.0, PROUD, 0.0)
    step = np.array([0.007, 0.0, 0.0])
    return np.concatenate([panel([a + step, a - step, b - step, b + step]) for a, b in pairwise(rim)])


def _handle(shape: CarShape, x: float) -> np.ndarray:
    """A door handle ahead of a seam."""
    rim = section(shape, x)
    point = rim[2] + 0.72 * (rim[3] - rim[2]) + vec(0.0, 0.012, 0.0)
    return panel(
        [point + vec(dx, 0.0, dz) for dx, dz in ((0.19, -0.014), (0.02, -0.014), (0.02, 0.014), (0.19, 0.014))]
    )


def _bare(parts: Parts, shape: CarShape, rng: np.random.Generator) -> None:
    """An aerial, at most."""
    if rng.random() < 0.5:
        foot = np.array([(shape.roof_end + 0.03) * shape.length, 0.0, shape.height - 0.02])
        parts.add(beam(foot, foot + vec(-0.12, 0.0, 0.2), 0.012, 0.012), BLACK)


def _rails(parts: Parts, shape: CarShape, rng: np.random.Generator) -> None:
    """Rails along both edges of the roof."""
    y, z = 0.41 * shape.width * shape.narrowing, shape.height + 0.03
    a, b = (shape.roof_end + 0.03) * shape.length, (shape.screen - 0.03) * shape.length
    rail = np.concatenate([beam((a, y, z), (b, y, z), 0.035, 0.035), *(_foot(x, y, z) for x in (a, b))])
    parts.add(both_sides(rail), CHROME if rng.random() < 0.5 else BLACK)


def _foot(x: float, y: float, z: float) -> np.ndarray:
    return beam((x, y, z - 0.07), (x, y, z), 0.035, 0.035)


def _box(parts: Parts, shape: CarShape, rng: np.random.Generator) -> None:
    """A box for luggage on the roof of one in three."""
    if rng.random() < 0.35:
        x, z = 0.5 * (shape.roof_end + shape.screen) * shape.length, shape.height + 0.04
        parts.add(rounded_box((x - 0.7, -0.35, z), (x + 0.75, 0.4, z + 0.32), 0.12), BLACK, smooth=True)


def _taxi(parts: Parts, shape: CarShape, rng: np.random.Generator) -> None:
    """The lit sign of a taxi."""
    x, z = (shape.screen - 0.06) * shape.length, shape.height
    parts.add(rounded_box((x - 0.07, -0.2, z - 0.02), (x + 0.07, 0.2, z + 0.15), 0.03), WHITE_LAMP)


def _spare(parts: Parts, shape: CarShape, rng: np.random.Generator) -> None:
    """A spare wheel on the back."""
    tyre, rim = wheel(0.34, 0.2)
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    at = np.array([-0.5 * shape.length - 0.02, 0.12, 0.5 * shape.height + 0.06])
    parts.add(tyre @ turn.T + at, TYRE, smooth=True).add(rim @ turn.T + at, CHROME)


_ROOFS: dict[str, Callable[[Parts, CarShape, np.random.Generator], None]] = {
    "bare": _bare,
    "rails": _rails,
    "box": _box,
    "taxi": _taxi,
    "spare": _spare,
}
