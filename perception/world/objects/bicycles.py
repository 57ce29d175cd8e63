"""Bicycles and motorcycles, standing or ridden: x ahead, origin on the ground below the middle."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import Mesh, joined, tube
from perception.world.materials import Material
from perception.world.objects.colours import (
    AMBER_LAMP,
    BLACK,
    CHROME,
    DARK,
    RED_LAMP,
    TYRE,
    WHITE_LAMP,
    paint,
    plate,
)
from perception.world.objects.figure import draw_build, draw_outfit, make_figure, seated
from perception.world.objects.shapes import (
    UNIT_UVS,
    Parts,
    Stuff,
    beam,
    lathe,
    limb,
    loft,
    panel,
    rod,
    rotated,
    rounded_box,
    switched_off,
    upright_oval,
    vec,
)
from perception.world.variety import TRAINING, Variety


@dataclass(frozen=True, slots=True)
class BicycleKind:
    """Measures (m) of a kind of bicycle."""

    wheel: float = 0.34  # radius
    tyre: float = 0.02
    base: float = 1.05  # between the hubs
    saddle: float = 0.96  # height
    bar: float = 1.04  # height of the handlebar
    top_tube: float = 0.86  # height of its rear end
    has_drops: bool = False
    carries: str = "nothing"  # nothing, basket, rack, box


BICYCLES: tuple[BicycleKind, ...] = (
    BicycleKind(carries="rack"),
    BicycleKind(top_tube=0.45, bar=1.12, saddle=0.92, carries="basket"),
    BicycleKind(tyre=0.016, bar=0.94, saddle=1.0, has_drops=True),
    BicycleKind(wheel=0.36, tyre=0.032, bar=1.06, top_tube=0.78),
    BicycleKind(wheel=0.25, base=1.02, top_tube=0.5, bar=1.02, carries="rack"),
    BicycleKind(wheel=0.32, base=1.6, top_tube=0.5, bar=1.08, carries="box"),
)


def make_bicycle(rng: np.random.Generator | None = None, variety: Variety = TRAINING, has_rider: bool = False) -> Mesh:
    """A bicycle, upright, all of it `Class.BICYCLE`, its rider too: 540 to 620 triangles, with a rider 1100."""
    rng = np.random.default_rng(0) if rng is None else rng
    kind = variety.choose(rng, BICYCLES)
    parts = Parts(Class.BICYCLE)
    rear, front = np.array([-0.5 * kind.base, 0.0, kind.wheel]), np.array([0.5 * kind.base, 0.0, kind.wheel])
    for hub in (rear, front):
        _add_spoked_wheel(parts, hub, kind)
    seat, head = _add_frame(parts, kind, rear, front, paint(rng))
    _CARRIED[kind.carries](parts, kind, head)
    mesh = parts.mesh() if has_rider else switched_off(parts.mesh())
    return joined([mesh, _rider(rng, variety, Class.BICYCLE, seat, 0.55)]) if has_rider else mesh


def _add_spoked_wheel(parts: Parts, hub: np.ndarray, kind: BicycleKind) -> None:
    """A tyre, a few spokes and the hub."""
    angle = np.linspace(0.0, 2.0 * np.pi, 15)
    r = kind.wheel - kind.tyre
    ring = np.column_stack([r * np.cos(angle), np.zeros(15), -r * np.sin(angle)])
    parts.add(tube(ring + hub, np.full(15, kind.tyre), 3), TYRE, smooth=True)
    spokes = []
    for a in np.pi * np.arange(4) / 4 + 0.2:
        reach, across = r * np.array([np.cos(a), 0.0, np.sin(a)]), 0.004 * np.array([-np.sin(a), 0.0, np.cos(a)])
        spokes.append(panel([hub - reach - across, hub + reach - across, hub + reach + across, hub - reach + across]))
    parts.add(np.concatenate(spokes), CHROME)
    parts.add(rod(hub - [0.0, 0.05, 0.0], hub + vec(0.0, 0.05, 0.0), 0.025, 5), CHROME)


def _add_frame(
    parts: Parts, kind: BicycleKind, rear: np.ndarray, front: np.ndarray, stuff: Stuff
) -> tuple[np.ndarray, np.ndarray]:
    """Frame, saddle, handlebar and cranks; returns the middle of the saddle and the upper end of the steering tube."""
    crank = np.array([rear[0] + 0.44, 0.0, 0.29])
    lean = np.array([-0.3, 0.0, 1.0])
    seat = crank + lean * (kind.saddle - 0.06 - crank[2])
    joint = crank + lean * (kind.top_tube - crank[2])
    head = front + np.array([-0.28, 0.0, 1.0]) * (kind.bar - 0.08 - front[2])
    neck = front + np.array([-0.28, 0.0, 1.0]) * (0.78 * kind.bar - front[2])
    bars = [rod(crank, seat, 0.017, 5), rod(crank, neck, 0.02, 5), rod(joint, neck + vec(0, 0, 0.05), 0.017, 5)]
    bars += [rod(front, head, 0.018, 5)]
    bars += [rod(rear + vec(0, y, 0), end, 0.011, 4) for y in (-0.05, 0.05) for end in (crank, joint)]
    parts.add(np.concatenate(bars), stuff, smooth=True)
    parts.add(rounded_box(seat + vec(-0.14, -0.07, 0.02), seat + vec(0.13, 0.07, 0.07), 0.03), BLACK, smooth=True)
    bar = head + vec(0.03, 0.0, 0.08)
    if kind.has_drops:
        ends = np.array([[0, 0, 0], [0, 0.2, 0], [0.1, 0.22, -0.01], [0.09, 0.22, -0.1], [0.0, 0.22, -0.12]])
    else:
        ends = np.array([[0, 0, 0], [0.02, 0.12, 0.01], [-0.03, 0.24, 0.01], [-0.14, 0.3, 0.0]])
    for sign in (1.0, -1.0):
        path = bar + ends * [1.0, sign, 1.0]
        parts.add(np.concatenate([rod(a, b, 0.013, 4) for a, b in pairwise(path)]), DARK)
    parts.add(rod(crank + vec(0, -0.05, 0), crank + vec(0, -0.06, 0), 0.09, 8), CHROME)
    for y, turn in ((-0.08, 1.0), (0.08, -1.0)):
        pedal = crank + vec(0.12 * turn, y, -0.11 * turn)
        parts.add(beam(crank + vec(0, y, 0), pedal, 0.015, 0.02), CHROME)
        parts.add(beam(pedal, pedal + vec(0, 1.2 * y, 0), 0.07, 0.02), BLACK)
    parts.add(
        panel([bar + vec(0.06, y, z) for y, z in ((-0.03, -0.12), (0.03, -0.12), (0.03, -0.06), (-0.03, -0.06))]),
        WHITE_LAMP,
    )
    return seat + vec(0.0, 0.0, 0.06), bar


def _nothing(parts: Parts, kind: BicycleKind, head: np.ndarray) -> None:
    """Nothing is carried."""


def _basket(parts: Parts, kind: BicycleKind, head: np.ndarray) -> None:
    low = head + vec(0.08, -0.16, -0.22)
    parts.add(rounded_box(low, low + vec(0.26, 0.32, 0.2), 0.03), Stuff(Material.WOOD, (214, 184, 140)))
    _mudguards(parts, kind)


def _rack(parts: Parts, kind: BicycleKind, head: np.ndarray) -> None:
    x, z = -0.5 * kind.base, 2.0 * kind.wheel + 0.07
    parts.add(rounded_box((x - 0.28, -0.06, z), (x + 0.16, 0.06, z + 0.02), 0.008), BLACK)
    parts.add(np.concatenate([beam((x, y, kind.wheel), (x - 0.1, y, z), 0.012, 0.012) for y in (-0.06, 0.06)]), BLACK)
    _mudguards(parts, kind)


def _box(parts: Parts, kind: BicycleKind, head: np.ndarray) -> None:
    """The wooden box of a cargo bicycle between handlebar and front wheel."""
    a, b = head[0] - 0.25, 0.5 * kind.base - 0.3
    a = min(a, b - 0.4) - 0.1
    parts.add(rounded_box((a, -0.28, 0.28), (b, 0.28, 0.82), 0.04), Stuff(Material.WOOD, (226, 196, 150)))


def _mudguards(parts: Parts, kind: BicycleKind) -> None:
    for x, sweep in ((-0.5 * kind.base, (0.1, 2.6)), (0.5 * kind.base, (0.9, 2.8))):
        angle = np.linspace(*sweep, 5)
        r = kind.wheel + 0.03
        rim = np.column_stack([x + r * np.cos(angle), np.full(5, 0.03), kind.wheel + r * np.sin(angle)])
        other = rim * [1.0, -1.0, 1.0]
        parts.add(np.concatenate([panel([other[k], rim[k], rim[k + 1], other[k + 1]]) for k in range(4)]), DARK)


_CARRIED: dict[str, Callable[[Parts, BicycleKind, np.ndarray], None]] = {
    "nothing": _nothing,
    "basket": _basket,
    "rack": _rack,
    "box": _box,
}


def _rider(rng: np.random.Generator, variety: Variety, kind: Class, seat: np.ndarray, lean: float) -> Mesh:
    """Somebody who sits at `seat` and holds a handlebar, all of it of the class of what is ridden."""
    build = replace(draw_build(rng), is_child=False)
    build = replace(build, stature=max(build.stature, 1.6))
    outfit = replace(draw_outfit(rng, variety), legs="wide" if variety.is_held_out else "trousers", hat="helmet")
    legs, reach = (((-1.35, 1.25), (-0.75, 0.95)), 0.45) if kind == Class.BICYCLE else (((-1.3, 1.45),) * 2, 0.85)
    arms = (-reach - lean, -0.3)
    mesh = seated(make_figure(build, outfit), float(seat[2]) + 0.09, lean, legs, arms)
    moved = mesh.triangles + np.array([seat[0], 0.0, 0.0])
    return replace(mesh, triangles=moved.astype(np.float32), class_ids=np.full(len(mesh), kind, dtype=np.uint8))


def make_motorcycle(rng: np.random.Generator, variety: Variety = TRAINING, has_rider: bool = False) -> Mesh:
    """A motorcycle or a scooter, all of it `Class.MOTORCYCLE`, its rider too: 680 to 840 triangles, ridden 1350."""
    parts = Parts(Class.MOTORCYCLE)
    seat, lean = variety.choose(rng, MOTORCYCLES)(parts, rng, variety)
    mesh = parts.mesh() if has_rider else switched_off(parts.mesh())
    return joined([mesh, _rider(rng, variety, Class.MOTORCYCLE, seat, lean)]) if has_rider else mesh


def _naked(parts: Parts, rng: np.random.Generator, variety: Variety) -> tuple[np.ndarray, float]:
    """A motorcycle without fairing: tank, seat, engine."""
    _add_chassis(parts, rng, variety, (-0.7, 0.72), 0.31, 0.16, paint(rng))
    return np.array([-0.25, 0.0, 0.82]), 0.3


def _sports(parts: Parts, rng: np.random.Generator, variety: Variety) -> tuple[np.ndarray, float]:
    """With a fairing over front and engine."""
    stuff = paint(rng)
    _add_chassis(parts, rng, variety, (-0.68, 0.7), 0.31, 0.18, stuff)
    rows = [(-0.1, 0.55, 0.16, 0.22), (0.3, 0.62, 0.2, 0.3), (0.62, 0.82, 0.2, 0.24), (0.82, 0.86, 0.1, 0.1)]
    parts.add(loft(np.array([upright_oval((x, 0.0, z), (ry, rz)) for x, z, ry, rz in rows])), stuff, smooth=True)
    screen = panel([(0.66, -0.14, 1.03), (0.66, 0.14, 1.03), (0.5, 0.12, 1.22), (0.5, -0.12, 1.22)])
    parts.add(screen, Stuff(Material.GLASS, (120, 130, 136)))
    parts.add(panel([(0.83, -0.09, 0.82), (0.83, 0.09, 0.82), (0.8, 0.11, 0.92), (0.8, -0.11, 0.92)]), WHITE_LAMP)
    return np.array([-0.3, 0.0, 0.84]), 0.65


def _chopper(parts: Parts, rng: np.random.Generator, variety: Variety) -> tuple[np.ndarray, float]:
    """Long and low, with a high handlebar and bags at the rear."""
    _add_chassis(parts, rng, variety, (-0.75, 0.95), 0.33, 0.34, paint(rng), seat=0.68)
    for y in (-0.27, 0.27):
        parts.add(rounded_box((-0.95, y - 0.1, 0.38), (-0.45, y + 0.1, 0.68), 0.05), BLACK)
    return np.array([-0.3, 0.0, 0.68]), -0.05


def _scooter(parts: Parts, rng: np.random.Generator, variety: Variety) -> tuple[np.ndarray, float]:
    """Small wheels, a flat floor and a shield before the legs."""
    stuff = paint(rng)
    for x in (-0.58, 0.6):
        _add_fat_wheel(parts, (x, 0.0, 0.22), 0.11)
    rows = [(-0.85, 0.6, 0.1, 0.12), (-0.6, 0.58, 0.17, 0.22), (-0.2, 0.55, 0.17, 0.2), (-0.08, 0.42, 0.14, 0.1)]
    parts.add(
        loft(np.array([upright_oval((x, 0.0, z), (ry, rz), 8, 2.6) for x, z, ry, rz in rows])), stuff, smooth=True
    )
    parts.add(rounded_box((-0.15, -0.17, 0.22), (0.38, 0.17, 0.3), 0.03), stuff)
    shield = loft(np.array([upright_oval((x, 0.0, 0.62), (w, 0.4), 8, 3.0) for x, w in ((0.36, 0.2), (0.42, 0.2))]))
    parts.add(rotated(shield, 1, -0.25, (0.4, 0.0, 0.3)), stuff, smooth=True)
    parts.add(rounded_box((-0.75, -0.14, 0.76), (-0.1, 0.14, 0.84), 0.04), BLACK)
    parts.add(rounded_box((0.42, -0.09, 0.22 + 0.24), (0.78, 0.09, 0.5), 0.03), stuff)
    parts.add(rod((0.58, 0.0, 0.25), (0.32, 0.0, 1.02), 0.03, 6), DARK)
    _add_bar(parts, (0.28, 0.0, 1.05), 0.06)
    _add_ends(parts, rng, variety, (0.36, 0.98), (-0.87, 0.6))
    if rng.random() < 0.5:
        parts.add(rounded_box((-1.02, -0.2, 0.84), (-0.62, 0.2, 1.16), 0.05), stuff)
    return np.array([-0.38, 0.0, 0.84]), 0.05


MOTORCYCLES: tuple[Callable[[Parts, np.random.Generator, Variety], tuple[np.ndarray, float]], ...] = (
    _naked,
    _sports,
    _scooter,
    _chopper,
)


def _add_chassis(
    parts: Parts, rng: np.random.Generator, variety: Variety, axles: tuple[float, float], wheel: float, rake: float,
    stuff: Stuff, seat: float = 0.82,
) -> None:  # fmt: skip
    """Wheels, fork, tank, seat, engine, exhaust, lamps and mudguards."""
    rear, front = axles
    for x in axles:
        _add_fat_wheel(parts, (x, 0.0, wheel), 0.14 if x < 0 else 0.11)
    top = np.array([front - rake - 0.12, 0.0, seat + 0.15])
    fork = [rod((front, y, wheel), top + vec(0.0, y, 0.0), 0.025, 5) for y in (-0.09, 0.09)]
    parts.add(np.concatenate(fork), CHROME, smooth=True)
    rows = [(-0.12, 0.02, 0.1, 0.06), (0.05, 0.06, 0.15, 0.12), (0.28, 0.07, 0.15, 0.12), (0.42, 0.05, 0.07, 0.08)]
    tank = np.array([upright_oval((x, 0.0, seat + dz), (ry, rz)) for x, dz, ry, rz in rows])
    parts.add(loft(tank), stuff, smooth=True)
    rows = [(-0.85, 0.08, 0.06, 0.05), (-0.6, 0.0, 0.13, 0.06), (-0.3, -0.03, 0.14, 0.06), (-0.08, 0.0, 0.1, 0.06)]
    parts.add(
        loft(np.array([upright_oval((x, 0.0, seat + dz), (ry, rz)) for x, dz, ry, rz in rows])), BLACK, smooth=True
    )
    parts.add(rounded_box((-0.22, -0.15, 0.28), (0.3, 0.15, 0.66), 0.06), DARK)
    parts.add(
        np.concatenate([beam((0.04 * k - 0.1, -0.19, 0.5), (0.04 * k - 0.1, 0.19, 0.5), 0.015, 0.2) for k in range(4)]),
        CHROME,
    )
    frame = [rod((0.35, 0.0, seat), (0.3, 0.0, 0.32), 0.025, 5), rod((rear, 0.1, wheel), (-0.1, 0.1, 0.4), 0.03, 5)]
    frame += [
        rod((rear, -0.1, wheel), (-0.1, -0.1, 0.4), 0.03, 5),
        rod((rear, 0.1, wheel), (-0.45, 0.1, seat - 0.05), 0.025, 5),
    ]
    parts.add(np.concatenate(frame), DARK, smooth=True)
    exhaust = limb(
        np.array([[0.25, -0.18, 0.34], [-0.3, -0.2, 0.32], [rear - 0.1, -0.22, 0.42]]), (0.03, 0.045, 0.06), 6
    )
    parts.add(exhaust, CHROME, smooth=True)
    _add_bar(parts, tuple(top + vec(-0.05, 0.0, 0.1 + 0.5 * max(rake - 0.2, 0.0))), 0.04)
    _add_ends(parts, rng, variety, (float(top[0]) + 0.14, float(top[2]) - 0.02), (-0.9, seat + 0.04))
    _add_fenders(parts, axles, wheel, stuff)


def _add_fenders(parts: Parts, axles: tuple[float, float], wheel: float, stuff: Stuff) -> None:
    """Mudguards over both wheels."""
    rear, front = axles
    guard = wheel + 0.03
    for x, sweep in ((rear, (1.2, 2.7)), (front, (0.8, 2.5))):
        angle = np.linspace(*sweep, 4)
        rim = np.column_stack([x + guard * np.cos(angle), np.full(4, 0.08), wheel + guard * np.sin(angle)])
        cells = [panel([rim[k] * [1, -1, 1], rim[k], rim[k + 1], rim[k + 1] * [1, -1, 1]]) for k in range(3)]
        parts.add(np.concatenate(cells), stuff)


def _add_fat_wheel(parts: Parts, hub: tuple[float, float, float], width: float) -> None:
    """A wide round tyre about y with rims on both sides."""
    r = hub[2]
    rows = [
        (0.66 * r, -0.45 * width),
        (r, -0.3 * width),
        (r, 0.3 * width),
        (0.66 * r, 0.45 * width),
    ]
    body = rotated(rotated(lathe(rows, 12), 2, np.pi / 12), 0, 0.5 * np.pi) + np.asarray(hub)  # a corner below
    parts.add(body[:-24], TYRE, smooth=True)
    rim = body[-24:]
    spokes = np.arange(24) % 3 == 0
    parts.add(rim[spokes], CHROME).add(rim[~spokes], Stuff(Material.METAL, (52, 54, 56)))


def _add_bar(parts: Parts, at: tuple[float, ...], rise: float) -> None:
    """A handlebar with mirrors."""
    x, _, z = at
    for side in (1.0, -1.0):
        parts.add(rod((x, 0.0, z), (x - 0.1, side * 0.34, z + rise), 0.016, 5), BLACK)
        parts.add(rod((x - 0.02, side * 0.24, z + rise), (x, side * 0.34, z + rise + 0.14), 0.008, 4), BLACK)
        parts.add(
            beam((x, side * 0.36 - 0.05, z + rise + 0.14), (x, side * 0.36 + 0.05, z + rise + 0.14), 0.02, 0.08), BLACK
        )


def _add_ends(
    parts: Parts, rng: np.random.Generator, variety: Variety, front: tuple[float, float], rear: tuple[float, float]
) -> None:
    """Headlamp, tail lamp, indicators and plate; places are (x, z)."""
    (x, z), (xr, zr) = front, rear
    lamp = rotated(lathe([(0.05, -0.08), (0.085, 0.0)], 8), 1, 0.5 * np.pi) + vec(x, 0.0, z)
    parts.add(lamp[:-8], CHROME, smooth=True).add(lamp[-8:], WHITE_LAMP)
    parts.add(rounded_box((xr - 0.03, -0.07, zr), (xr, 0.07, zr + 0.06), 0.01), RED_LAMP)
    for y in (-0.15, 0.15):
        parts.add(beam((xr, y, zr), (xr + 0.04, y, zr), 0.04, 0.03), AMBER_LAMP)
    low = zr - 0.3
    corners = [(xr - 0.02, 0.1, low), (xr - 0.02, -0.1, low), (xr, -0.1, low + 0.18), (xr, 0.1, low + 0.18)]
    parts.add(panel(corners), plate(rng, variety), uvs=UNIT_UVS)
