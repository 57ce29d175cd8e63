"""Animals: dogs, cats, foxes, birds; legs swing in pairs. x ahead, origin on the ground below the middle."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import Mesh, joined
from perception.world.materials import Material, Texture
from perception.world.objects.colours import one_of
from perception.world.objects.figure import Limb, swung
from perception.world.objects.shapes import Parts, Stuff, Tint, both_sides, lathe, limb, loft, panel, upright_oval, vec
from perception.world.variety import TRAINING, Variety

FURS: tuple[Tint, ...] = (
    (40, 34, 30),
    (92, 64, 42),
    (178, 134, 84),
    (224, 214, 198),
    (120, 116, 112),
    (206, 170, 120),
    (66, 60, 58),
)
NOSE = Stuff(Material.SKIN, (32, 28, 28))


@dataclass(frozen=True, slots=True, eq=False)
class Beast:
    """An animal on its feet. `pairs`: the front and the rear legs; none of a bird, whose legs are in the trunk."""

    trunk: Mesh
    pairs: tuple[Limb, ...]
    leg: float  # m, from hinge to ground


@dataclass(frozen=True, slots=True)
class Quadruped:
    """Measures (m) of a kind of four-legged animal."""

    length: float  # of the trunk
    leg: float
    girth: float  # radius of the chest
    neck: float  # length
    rise: float  # of the neck, rad
    head: float  # radius
    snout: float
    ears: str  # pointed or hanging
    tail: float
    tail_rise: float  # rad
    bushy: float = 1.0  # width of the tail


_HOUND = Quadruped(0.62, 0.48, 0.13, 0.2, 0.8, 0.085, 0.13, "hanging", 0.3, 0.5)
_CAT = Quadruped(0.34, 0.2, 0.075, 0.06, 0.6, 0.055, 0.02, "pointed", 0.28, 1.1)
_TERRIER = Quadruped(0.38, 0.22, 0.1, 0.1, 0.9, 0.07, 0.07, "pointed", 0.14, 1.2)
_DACHSHUND = Quadruped(0.5, 0.13, 0.085, 0.1, 0.7, 0.06, 0.1, "hanging", 0.2, 0.4)
_FOX = Quadruped(0.48, 0.3, 0.09, 0.12, 0.5, 0.07, 0.1, "pointed", 0.38, -0.5, 2.2)


def make_animal(rng: np.random.Generator, variety: Variety = TRAINING) -> Mesh:
    """An animal that stands, 210 to 430 triangles, `Class.ANIMAL`."""
    beast = draw_animal(rng, variety)
    angle = rng.uniform(-0.25, 0.25)
    return joined([beast.trunk, *(swung(pair, a) for pair, a in zip(beast.pairs, (angle, -angle), strict=False))])


def draw_animal(rng: np.random.Generator, variety: Variety) -> Beast:
    """An animal of one of the kinds."""
    return variety.choose(rng, ANIMALS)(rng, variety)


def _hound(rng: np.random.Generator, variety: Variety) -> Beast:
    return _on_four_legs(_HOUND, rng, variety, FURS)


def _cat(rng: np.random.Generator, variety: Variety) -> Beast:
    return _on_four_legs(_CAT, rng, variety, FURS)


def _terrier(rng: np.random.Generator, variety: Variety) -> Beast:
    return _on_four_legs(_TERRIER, rng, variety, FURS)


def _dachshund(rng: np.random.Generator, variety: Variety) -> Beast:
    return _on_four_legs(_DACHSHUND, rng, variety, FURS[:3])


def _fox(rng: np.random.Generator, variety: Variety) -> Beast:
    return _on_four_legs(_FOX, rng, variety, ((196, 98, 44), (176, 90, 50)))


def _pigeon(rng: np.random.Generator, variety: Variety) -> Beast:
    tint = one_of(rng, ((120, 126, 138), (96, 100, 112), (206, 204, 204), (120, 90, 76)))
    return _bird(0.3, 0.075, 0.5, tint, (200, 90, 80), rng, variety)


def _goose(rng: np.random.Generator, variety: Variety) -> Beast:
    tint = one_of(rng, ((236, 236, 232), (132, 116, 98), (90, 96, 90)))
    return _bird(0.75, 0.16, 1.1, tint, (236, 140, 40), rng, variety)


ANIMALS: tuple[Callable[[np.random.Generator, Variety], Beast], ...] = (
    _hound,
    _cat,
    _pigeon,
    _terrier,
    _dachshund,
    _fox,
    _goose,
)


def _on_four_legs(q: Quadruped, rng: np.random.Generator, variety: Variety, furs: tuple[Tint, ...]) -> Beast:
    """Trunk, neck, head, tail, and two pairs of legs."""
    size = rng.uniform(0.85, 1.15)
    fur = Stuff(Material.FUR, one_of(rng, furs), variety.layer(rng, Texture.FUR))
    legs = fur if rng.random() < 0.6 else Stuff(Material.FUR, one_of(rng, furs), fur.texture_id)
    parts, half, back = Parts(Class.ANIMAL), 0.5 * q.length, q.leg + 0.3 * q.girth
    rows = [(-half - 0.3 * q.girth, 0.35), (-half, 0.8), (-0.2 * half, 0.78), (0.6 * half, 1.0), (half, 0.85)]
    rows.append((half + 0.45 * q.girth, 0.4))
    rings = [upright_oval((x, 0.0, back), (0.82 * f * q.girth, f * q.girth)) for x, f in rows]
    parts.add(loft(np.array(rings)) * size, fur, smooth=True)
    foot, up = vec(half, 0.0, back + 0.35 * q.girth), vec(np.cos(q.rise), 0.0, np.sin(q.rise))
    top = foot + q.neck * up
    parts.add(
        limb(np.array([foot - 0.3 * q.girth * up, top]), (0.62 * q.girth, 0.9 * q.head), 7) * size, fur, smooth=True
    )
    _add_head(parts, q, top, fur, legs, size)
    tail = vec(-half - 0.2 * q.girth, 0.0, back + 0.4 * q.girth)
    tip = tail + q.tail * vec(-np.cos(q.tail_rise), 0.0, np.sin(q.tail_rise))
    wide = 0.028 * q.bushy
    points = np.array([tail, 0.45 * tail + 0.55 * tip, tip])
    parts.add(limb(points, (0.025, wide, 0.012 * q.bushy), 5) * size, fur, smooth=True)
    pairs = tuple(_pair(q, x, size, legs) for x in (0.78 * half, -0.85 * half))
    return Beast(parts.mesh(), pairs, q.leg * size)


def _add_head(parts: Parts, q: Quadruped, at: np.ndarray, fur: Stuff, muzzle: Stuff, size: float) -> None:
    """Skull, snout with its nose, eyes and ears."""
    r = q.head
    rows = [(-0.9, 0.55), (-0.4, 0.95), (0.3, 0.95), (0.85, 0.6)]
    skull = loft(np.array([upright_oval(at + vec(x * r, 0.0, 0.0), (f * r, f * r), 7) for x, f in rows]))
    parts.add(skull * size, fur, smooth=True)
    end = at + vec(0.8 * r + q.snout, 0.0, -0.35 * r)
    snout = limb(np.array([at + vec(0.4 * r, 0.0, -0.2 * r), end]), (0.6 * r, 0.36 * r), 6)
    parts.add(snout * size, muzzle, smooth=True)
    parts.add(
        limb(np.array([end + vec(-0.01, 0, 0.18 * r), end + vec(0.02, 0, 0.16 * r)]), (0.2 * r, 0.14 * r), 5) * size,
        NOSE,
    )
    eye = [at + r * vec(*corner) for corner in ((0.8, 0.34, 0.2), (0.8, 0.34, 0.4), (0.74, 0.56, 0.3))]
    parts.add(both_sides(np.array([[eye[0], eye[2], eye[1]]])) * size, NOSE)
    foot = [at + vec(x * r, y * r, 0.75 * r) for x, y in ((0.25, 0.35), (-0.25, 0.4), (0.0, 0.85))]
    tip = at + (vec(-0.05 * r, 0.75 * r, 1.75 * r) if q.ears == "pointed" else vec(0.1 * r, 1.15 * r, -0.6 * r))
    ear = np.array([[foot[0], foot[1], tip], [foot[1], foot[2], tip], [foot[2], foot[0], tip]])
    ear = ear[:, ::-1] if q.ears == "pointed" else ear
    parts.add(both_sides(ear) * size, fur)


def _pair(q: Quadruped, x: float, size: float, fur: Stuff) -> Limb:
    """Left and right leg at `x`, one a little ahead of the other."""
    parts, r = Parts(Class.ANIMAL), 0.28 * q.girth
    for side in (1.0, -1.0):
        y, dx = side * 0.55 * q.girth, side * 0.12 * q.leg * np.sign(x)
        points = [(x, y, q.leg + 0.1 * q.girth), (x - 0.12 * q.leg + dx, y, 0.5 * q.leg), (x + dx, y, 0.03)]
        points.append((x + dx + 0.5 * r, y, 0.0))
        parts.add(limb(np.array(points), (1.5 * r, 0.85 * r, 0.6 * r, 0.75 * r), 5) * size, fur, smooth=True)
    mesh = parts.mesh()
    mesh.triangles[..., 2] = np.maximum(mesh.triangles[..., 2], 0.0)
    return Limb(mesh, vec(x, 0.0, q.leg) * size)


def _bird(
    length: float, girth: float, neck: float, tint: Tint, beak: Tint, rng: np.random.Generator, variety: Variety
) -> Beast:
    """A bird on its feet; `neck` in lengths of a third of the body."""
    size, r = rng.uniform(0.9, 1.1), girth
    plume = Stuff(Material.FUR, tint, variety.layer(rng, Texture.PLAIN))
    parts, z, half = Parts(Class.ANIMAL), 0.42 * length, 0.5 * length
    rows = [
        (-half, 0.1, 0.05),
        (-0.6 * half, 0.45, 0.02),
        (0.0, 1.0, 0.0),
        (0.45 * half, 0.95, 0.02),
        (0.8 * half, 0.45, 0.1),
    ]
    rings = [upright_oval((x, 0.0, z + dz * length), (f * r, 0.9 * f * r)) for x, f, dz in rows]
    parts.add(loft(np.array(rings)) * size, plume, smooth=True)
    foot, top = vec(0.5 * half, 0.0, z + 0.5 * r), vec(0.75 * half, 0.0, z + 0.5 * r + 0.3 * neck * length)
    parts.add(limb(np.array([foot, top]), (0.55 * r, 0.3 * r), 6) * size, plume, smooth=True)
    head = lathe([(0.2 * r, -0.4 * r), (0.42 * r, -0.1 * r), (0.36 * r, 0.25 * r), (0.1 * r, 0.42 * r)], 7) + top
    parts.add(head * size, plume, smooth=True)
    bill = limb(np.array([top + vec(0.3 * r, 0, 0), top + vec(0.95 * r, 0, -0.1 * r)]), (0.16 * r, 0.03), 5)
    parts.add(bill * size, Stuff(Material.PLASTIC, beak))
    tail = panel(
        [(-0.7 * half, -0.4 * r, z), (-0.7 * half, 0.4 * r, z), (-1.25 * half, 0.5 * r, z), (-1.25 * half, -0.5 * r, z)]
    )
    parts.add(tail * size, plume)
    legs = [
        limb(np.array([(0.1 * half, y, z - 0.6 * r), (0.12 * half, y, 0.0)]), (0.12 * r, 0.07 * r), 4)
        for y in (-0.35 * r, 0.35 * r)
    ]
    parts.add(np.concatenate(legs) * size, Stuff(Material.SKIN, beak))
    toes = [
        panel([(x, y - 0.03, 0.004), (x, y + 0.03, 0.004), (x - 0.3 * r, y, 0.004), (x - 0.3 * r, y, 0.004)])[:1]
        for y in (-0.35 * r, 0.35 * r)
        for x in (0.12 * half + 0.4 * r,)
    ]
    parts.add(np.concatenate(toes) * size, Stuff(Material.SKIN, beak))
    return Beast(parts.mesh(), (), z * size)
