"""Lorries by what they carry, and trailers: x ahead, origin on the ground below the middle."""

from collections.abc import Callable

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import Mesh
from perception.world.materials import Material, Texture
from perception.world.objects.coachwork import (
    Cab,
    add_axles,
    add_cab,
    add_rear,
    end_panel,
    side_panels,
)
from perception.world.objects.colours import (
    AMBER_LAMP,
    BLACK,
    BRIGHT,
    DARK,
    RED_LAMP,
    STEEL,
    car_paint,
    cloth,
    metal,
    paint,
    pane,
    plate,
    wood,
)
from perception.world.objects.shapes import (
    UNIT_UVS,
    Parts,
    Stuff,
    beam,
    bevelled,
    limb,
    loft,
    rod,
    rotated,
    rounded_box,
    switched_off,
    upright_oval,
    vec,
)
from perception.world.variety import TRAINING, Variety

WHITES = ((238, 238, 234), (226, 228, 230), (206, 210, 212))
Load = Callable[[Parts, np.random.Generator, Variety, float, float, float], None]


def make_truck(rng: np.random.Generator, variety: Variety = TRAINING, is_lit: bool = False) -> Mesh:
    """A lorry with one of several bodies, 630 to 1200 triangles, `Class.TRUCK`: x ahead, origin below the middle.

    `is_lit`: its lamps are on, as of one that drives.
    """
    parts, load = Parts(Class.TRUCK), variety.choose(rng, LOADS, (3.0, 1.0, 1.2, 1.0, 1.0, 1.0, 1.0))
    length, half, wheel = rng.uniform(6.4, 9.0), rng.uniform(1.1, 1.25), rng.uniform(0.42, 0.5)
    has_nose = rng.random() < 0.2
    cab_length = rng.uniform(1.6, 2.2) + 0.9 * has_nose
    front, frame = 0.5 * length, wheel + 0.38
    low = 0.5 if not has_nose else 0.55
    cab = Cab(front, cab_length, half - 0.05, low, low + rng.uniform(1.85, 2.3), 0.9 * has_nose)
    add_cab(parts, cab, paint(rng, (*BRIGHT, *WHITES)), pane(rng, variety), plate(rng, variety))
    back = -0.5 * length
    parts.add(beam((back, 0.0, frame - 0.13), (front - 0.3, 0.0, frame - 0.13), 0.84 * half, 0.22), DARK)
    axles = [front - cab_length + 0.55 if not has_nose else front - 0.75, back + 0.24 * length]
    if length > 7.8:
        axles.append(axles[1] - 2.2 * wheel)
    add_axles(parts, axles, half - 0.03, wheel, 0.34)
    tank = rod((-0.2, half - 0.3, frame - 0.38), (0.9, half - 0.3, frame - 0.38), 0.25, 8)
    parts.add(tank, STEEL, smooth=True)
    load(parts, rng, variety, front - cab_length - 0.08, frame, half)
    add_rear(parts, back, half - 0.1, frame - 0.1, plate(rng, variety))
    z = 2.06 * wheel
    guards = [
        beam((x - 1.25 * wheel, y, z), (x + 1.25 * wheel, y, z), 0.36, 0.03)
        for x in axles[1:]
        for y in (0.18 - half, half - 0.18)
    ]
    parts.add(np.concatenate(guards), BLACK)
    return parts.mesh() if is_lit else switched_off(parts.mesh())


def _box(parts: Parts, rng: np.random.Generator, variety: Variety, front: float, low: float, half: float) -> None:
    """A closed box; most carry a picture."""
    back, high = -parts_length(parts), low + rng.uniform(1.9, 2.5)
    parts.add(rounded_box((back, -half, low), (front, half, high), 0.05), paint(rng, (*WHITES, *WHITES, *BRIGHT)))
    edge = [beam((back - 0.005, y, low + 0.03), (back - 0.005, y, high - 0.03), 0.03, 0.03) for y in (0.0,)]
    edge += [beam((back - 0.02, y, low + 0.1), (back - 0.02, y, high - 0.1), 0.04, 0.04) for y in (-0.25, 0.25)]
    parts.add(np.concatenate(edge), STEEL)
    if rng.random() < 0.6:
        poster = Stuff(Material.PAINT, texture_id=variety.layer(rng, Texture.POSTER))
        middle, size = 0.5 * (back + front), 0.3 * (front - back)
        faces = side_panels(middle - size, middle + size, low + 0.3, high - 0.3, half)
        parts.add(faces[:2], poster, uvs=UNIT_UVS)
        parts.add(faces[2:], poster, uvs=_mirrored_uvs())


def _curtain(parts: Parts, rng: np.random.Generator, variety: Variety, front: float, low: float, half: float) -> None:
    """A tarpaulin over hoops, in folds."""
    back, high = -parts_length(parts), low + rng.uniform(1.9, 2.4)
    stuff = cloth(rng, variety, BRIGHT, 0.0)
    places = np.linspace(back + 0.02, front - 0.02, 9)
    rings = []
    for k, x in enumerate(places):
        y = half - (0.03 if k % 2 else 0.0)
        rings.append(
            [
                (x, -y, low),
                (x, y, low),
                (x, y, high - 0.25),
                (x, 0.8 * y, high),
                (x, -0.8 * y, high),
                (x, -y, high - 0.25),
            ]
        )
    parts.add(loft(np.array(rings)), stuff)
    parts.add(beam((back, 0.0, low - 0.03), (front, 0.0, low - 0.03), 2.0 * half, 0.08), STEEL)


def _flatbed(parts: Parts, rng: np.random.Generator, variety: Variety, front: float, low: float, half: float) -> None:
    """An open bed with drop sides, and crates, pipes or timber on it."""
    back = -parts_length(parts)
    _add_bed(parts, wood(rng, variety), metal(rng, variety), (back, front), low, half, 0.4)
    at, kind = back + 0.3, int(rng.integers(3))
    if kind == 0:
        bars = [
            rod((back + 0.2, y, low + z), (front - 0.3, y, low + z), 0.13, 7)
            for y, z in ((-0.6, 0.2), (-0.3, 0.2), (0.0, 0.2), (0.3, 0.2), (-0.45, 0.42), (-0.15, 0.42), (0.15, 0.42))
        ]
        stuff = Stuff(Material.BARK, texture_id=variety.layer(rng, Texture.BARK)) if rng.random() < 0.5 else STEEL
        parts.add(np.concatenate(bars), stuff, smooth=True)
        return
    while at < front - 1.0:
        size = rng.uniform([0.7, 0.7, 0.5], [1.2, 1.8, 1.3])
        y = rng.uniform(-half + 0.1, half - 0.1 - size[1]) if size[1] < 2 * half - 0.2 else -0.5 * size[1]
        crate = rounded_box((at, y, low + 0.05), (at + size[0], y + size[1], low + size[2]), 0.02)
        parts.add(crate, wood(rng, variety) if kind == 1 else paint(rng))
        at += size[0] + rng.uniform(0.05, 0.5)


def _tipper(parts: Parts, rng: np.random.Generator, variety: Variety, front: float, low: float, half: float) -> None:
    """A ribbed steel skip with a heap of gravel."""
    back, high = -parts_length(parts), low + rng.uniform(0.9, 1.3)
    stuff = paint(rng)
    outline = np.array([(back + 0.25, low), (front, low), (front, high + 0.25), (front - 0.1, high), (back, high)])
    parts.add(bevelled(outline, half, 0.03), stuff)
    ribs = [
        side_panels(x - 0.05, x + 0.05, low + 0.1, high - 0.02, half + 0.03)
        for x in np.linspace(back + 0.5, front - 0.3, 5)
    ]
    parts.add(np.concatenate(ribs), Stuff(Material.PAINT, tuple(int(0.8 * c) for c in stuff.tint)))  # type: ignore[arg-type]
    heap = np.array(
        [
            upright_oval((x, 0.0, high - 0.1), (f * (half - 0.1), f * 0.5))
            for x, f in (
                (back + 0.2, 0.3),
                (0.7 * back + 0.3 * front, 0.95),
                (0.3 * back + 0.7 * front, 1.0),
                (front - 0.2, 0.4),
            )
        ]
    )
    parts.add(loft(heap), Stuff(Material.SOIL, texture_id=variety.layer(rng, Texture.GRAVEL)), smooth=True)


def _tanker(parts: Parts, rng: np.random.Generator, variety: Variety, front: float, low: float, half: float) -> None:
    """An oval tank with rings and manholes."""
    back, high = -parts_length(parts), rng.uniform(0.75, 0.95)
    stuff = metal(rng, variety, (220, 222, 224)) if rng.random() < 0.5 else paint(rng, (*WHITES, *BRIGHT))
    ends = ((back, 0.8), (back + 0.15, 0.96), (back + 0.4, 1.0), (front - 0.4, 1.0), (front - 0.15, 0.96), (front, 0.8))
    rings = [upright_oval((x, 0.0, low + high), (f * half, f * high), 12, 2.4) for x, f in ends]
    parts.add(loft(np.array(rings)), stuff, smooth=True)
    for x in np.linspace(back + 0.8, front - 0.8, 3):
        ring = [upright_oval((x + dx, 0.0, low + high), (1.012 * half, 1.012 * high), 12, 2.4) for dx in (-0.05, 0.05)]
        parts.add(loft(np.array(ring), caps=False), DARK, smooth=True)
        parts.add(
            rounded_box((x - 0.6, -0.25, low + 2.0 * high - 0.02), (x - 0.2, 0.25, low + 2.0 * high + 0.1), 0.05), STEEL
        )


def _mixer(parts: Parts, rng: np.random.Generator, variety: Variety, front: float, low: float, half: float) -> None:
    """A drum for concrete, with its chute."""
    back, stuff = -parts_length(parts), paint(rng)
    rows = [(0.0, 0.35), (0.12, 0.75), (0.35, 1.0), (0.62, 1.0), (0.88, 0.62), (1.0, 0.4)]
    span, z = front - 0.1 - back, low + 1.15
    rings = [upright_oval((front - 0.1 - f * span, 0.0, z + 0.35 * f), (r * 1.05, r * 1.05), 12) for f, r in rows][::-1]
    drum = loft(np.array(rings))
    stripe = np.arange(len(drum)) // 24 % 2 == 1
    parts.add(drum[~stripe], stuff, smooth=True)
    parts.add(drum[stripe], Stuff(Material.PAINT, (236, 236, 232)), smooth=True)
    for x in (front - 0.4, back + 0.5):
        parts.add(beam((x, 0.0, low - 0.05), (x, 0.0, z - 0.3), 1.2, 0.2), DARK)
    chute = limb(np.array([(back + 0.3, 0.0, z + 0.1), (back - 0.5, 0.0, low + 0.1)]), (0.28, 0.18), 6)
    parts.add(chute, stuff)


def _refuse(parts: Parts, rng: np.random.Generator, variety: Variety, front: float, low: float, half: float) -> None:
    """A refuse lorry: a rounded body and a hopper at the rear."""
    back, high = -parts_length(parts), low + 2.1
    stuff = paint(rng, ((232, 120, 28), (240, 240, 236), (60, 120, 70)))
    outline = np.array(
        [(back + 1.3, low - 0.2), (front, low), (front, high - 0.2), (front - 0.3, high), (back + 1.0, high)]
    )
    parts.add(bevelled(outline, half, 0.12), stuff, smooth=True)
    hopper = [
        (back, low - 0.1),
        (back + 0.3, low - 0.35),
        (back + 1.35, low - 0.2),
        (back + 1.35, high),
        (back + 0.9, high),
        (back, low + 1.1),
    ]
    parts.add(bevelled(np.array(hopper), half - 0.06, 0.04), DARK)
    for y in (-half + 0.15, half - 0.15):
        parts.add(rounded_box((back - 0.02, y - 0.1, low + 1.0), (back + 0.1, y + 0.1, low + 1.15), 0.03), AMBER_LAMP)
    stripes = [end_panel(back - 0.01, 0.12, low + 0.1, low + 0.3, y) for y in (-0.8, -0.3, 0.2, 0.7)]
    parts.add(np.concatenate(stripes), Stuff(Material.SIGN, (220, 40, 34)))


LOADS: tuple[Load, ...] = (_box, _curtain, _flatbed, _tipper, _tanker, _mixer, _refuse)


def parts_length(parts: Parts) -> float:
    """How far (m) what is there already reaches back."""
    return float(-parts.mesh().triangles[..., 0].min())


def _mirrored_uvs() -> np.ndarray:
    """Coordinates of a unit texture on the mirror image of a panel, so that it can still be read."""
    return (UNIT_UVS * [-1.0, 1.0] + [1.0, 0.0]).astype(np.float32)[:, ::-1]


def _add_bed(
    parts: Parts, floor: Stuff, sides: Stuff, ends: tuple[float, float], low: float, half: float, height: float
) -> None:
    """A floor and low sides of a load bed."""
    back, front = ends
    parts.add(rounded_box((back, -half, low - 0.05), (front, half, low + 0.05), 0.02), floor)
    x = 0.5 * (back + front)
    walls = [
        beam((back, y, low + 0.5 * height), (front, y, low + 0.5 * height), 0.04, height)
        for y in (-half + 0.02, half - 0.02)
    ]
    walls += [beam((back + 0.02, -half, low + 0.5 * height), (back + 0.02, half, low + 0.5 * height), 0.04, height)]
    walls += [beam((front - 0.02, -half, low + height), (front - 0.02, half, low + height), 0.04, 2.0 * height)]
    parts.add(np.concatenate(walls), sides)
    posts = [
        beam((px, y, low), (px, y, low + height + 0.03), 0.06, 0.06) for px in (back, x, front) for y in (-half, half)
    ]
    parts.add(np.concatenate(posts), DARK)


def make_trailer(rng: np.random.Generator, variety: Variety = TRAINING) -> Mesh:
    """A trailer without what draws it, 320 to 600 triangles, `Class.TRAILER`: x ahead, origin below the middle."""
    parts = Parts(Class.TRAILER)
    variety.choose(rng, TRAILERS)(parts, rng, variety)
    return switched_off(parts.mesh())


def _caravan(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    """A caravan with windows and a door."""
    length, half, high = rng.uniform(4.2, 6.0), rng.uniform(1.05, 1.2), rng.uniform(2.4, 2.65)
    a, z = 0.5 * length, 0.4
    outline = [
        (-a, z + 0.1),
        (-a + 0.2, z),
        (a - 0.5, z),
        (a, z + 0.6),
        (a - 0.25, high - 0.4),
        (a - 0.7, high),
        (-a + 0.3, high),
        (-a, high - 0.4),
    ]
    parts.add(bevelled(np.array(outline), half, 0.08), paint(rng, (*WHITES, (226, 214, 190))), smooth=True)
    glass = pane(rng, variety)
    for x in (-0.55 * a, 0.35 * a):
        parts.add(side_panels(x - 0.5, x + 0.5, 1.25, 1.85, half), glass)
    parts.add(
        side_panels(-0.12 * a - 0.3, -0.12 * a + 0.3, z + 0.1, 2.1, half)[2:], Stuff(Material.PAINT, (200, 200, 196))
    )
    parts.add(side_panels(-0.95 * a, 0.8 * a, 1.0, 1.08, half), paint(rng))
    add_axles(parts, [-0.1 * a], half - 0.02, 0.31, 0.2)
    _add_hitch(parts, a - 0.3, 1.3, 0.45)
    add_rear(parts, -a, half - 0.15, 0.62, plate(rng, variety))


def _open_trailer(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    """A small open trailer of a car, at times with a cover."""
    length, half = rng.uniform(1.9, 3.0), rng.uniform(0.6, 0.85)
    a = 0.5 * length
    _add_bed(parts, wood(rng, variety), metal(rng, variety), (-a, a), 0.55, half, 0.35)
    if rng.random() < 0.5:
        cover = [(-a, 0.88), (a, 0.88), (a - 0.05, 1.3), (-a + 0.05, 1.3)]
        parts.add(bevelled(np.array(cover), half, 0.06), cloth(rng, variety, BRIGHT, 0.0))
    add_axles(parts, [-0.05], half + 0.2, 0.29, 0.17)
    _add_hitch(parts, a, 1.1, 0.48)
    add_rear(parts, -a, half - 0.05, 0.56, plate(rng, variety))


def _semi(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    """A semi-trailer on its legs: a closed box on two or three axles."""
    length, half, high = rng.uniform(8.5, 12.0), 1.25, rng.uniform(3.5, 3.9)
    a = 0.5 * length
    stuff = paint(rng, (*WHITES, *WHITES, *BRIGHT))
    ribbed = Stuff(stuff.material, stuff.tint, variety.layer(rng, Texture.CORRUGATED))
    parts.add(rounded_box((-a, -half, 1.15), (a, half, high), 0.04), ribbed if rng.random() < 0.5 else stuff)
    parts.add(rounded_box((-a + 0.1, -0.5, 0.9), (a - 0.3, 0.5, 1.15), 0.03), DARK)
    add_axles(parts, [-a + f for f in (1.2, 2.4, 3.6)[: int(rng.integers(2, 4))]], half - 0.03, 0.48, 0.36)
    legs = [beam((0.55 * a, y, 0.0), (0.55 * a, y, 1.1), 0.14, 0.14) for y in (-0.6, 0.6)]
    parts.add(np.concatenate(legs), DARK)
    for y in (-0.3, 0.3):
        parts.add(beam((-a - 0.02, y, 1.25), (-a - 0.02, y, high - 0.1), 0.04, 0.04), STEEL)
    add_rear(parts, -a, half - 0.08, 1.05, plate(rng, variety))


def _boat(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    """A boat on a trailer."""
    length, half = rng.uniform(4.2, 5.8), rng.uniform(0.8, 1.0)
    a = 0.5 * length
    rows = [(-a, 1.0, 0.62), (0.0, 1.0, 0.6), (0.6 * a, 0.7, 0.7), (a, 0.06, 1.15)]
    rings = []
    for x, f, keel in rows:
        y = f * half
        rings.append(
            [
                (x, 0.0, keel),
                (x, 0.8 * y, keel + 0.12),
                (x, y, 1.3),
                (x, 0.85 * y, 1.32),
                (x, -0.85 * y, 1.32),
                (x, -y, 1.3),
                (x, -0.8 * y, keel + 0.12),
            ]
        )
    parts.add(loft(np.array(rings)), paint(rng, (*WHITES, *BRIGHT)), smooth=True)
    screen = rotated(
        rounded_box((0.2 * a, -0.7 * half, 1.3), (0.2 * a + 0.03, 0.7 * half, 1.7), 0.02), 1, -0.4, vec(0.2 * a, 0, 1.3)
    )
    parts.add(screen, pane(rng, variety))
    parts.add(rounded_box((-a - 0.25, -0.2, 0.7), (-a + 0.05, 0.2, 1.6), 0.08), BLACK)
    frame = [beam((-a + 0.2, y, 0.5), (0.75 * a, 0.3 * y, 0.5), 0.07, 0.08) for y in (-0.7, 0.7)]
    parts.add(np.concatenate(frame), STEEL)
    add_axles(parts, [-0.25 * a], half + 0.12, 0.3, 0.18)
    _add_hitch(parts, 0.75 * a, 1.2, 0.5)
    add_rear(parts, -a + 0.1, half, 0.58, plate(rng, variety))


def _hopper(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    """A farm trailer with high sloping sides."""
    length, half = rng.uniform(4.0, 5.5), 1.15
    a = 0.5 * length
    outline = np.array([(-a + 0.3, 1.0), (a - 0.3, 1.0), (a, 2.2), (-a, 2.2)])
    parts.add(bevelled(outline, half, 0.05), car_paint(rng))
    parts.add(side_panels(-0.95 * a, 0.95 * a, 2.05, 2.2, half), STEEL)
    parts.add(rounded_box((-a + 0.2, -0.5, 0.75), (a - 0.2, 0.5, 1.0), 0.03), DARK)
    add_axles(parts, [-0.35, -1.35] if length > 4.6 else [-0.3], half - 0.05, 0.45, 0.32)
    _add_hitch(parts, a - 0.2, 1.5, 0.8)
    for y in (-0.9, 0.9):
        parts.add(end_panel(-a + 0.17, 0.1, 1.02, 1.12, y), RED_LAMP)


TRAILERS: tuple[Callable[[Parts, np.random.Generator, Variety], None], ...] = (
    _caravan,
    _open_trailer,
    _semi,
    _boat,
    _hopper,
)


def _add_hitch(parts: Parts, x: float, reach: float, z: float) -> None:
    """The drawbar with its support wheel."""
    bars = [beam((x, y, z), (x + reach, 0.0, z), 0.07, 0.08) for y in (-0.4, 0.4)]
    bars.append(rod((x + 0.7 * reach, 0.0, 0.12), (x + 0.7 * reach, 0.0, z + 0.3), 0.03, 6))
    bars.append(rod((x + 0.7 * reach, -0.04, 0.1), (x + 0.7 * reach, 0.04, 0.1), 0.1, 8))
    parts.add(np.concatenate(bars), DARK)
