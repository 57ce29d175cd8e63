"""The figure of a person: trunk and head, arms and legs that turn about their hinges, and what is worn."""

from dataclasses import dataclass, replace

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import Mesh, joined, quads
from perception.world.materials import Material, Texture
from perception.world.objects.colours import HAIRS, SKINS, TROUSERS, cloth, one_of
from perception.world.objects.shapes import Parts, Stuff, limb, loft, oval, rod, rotated, rotation, vec
from perception.world.variety import Variety

# Heights in statures.
ANKLE, KNEE, HIP, WAIST, CHEST, SHOULDER, CHIN, CROWN = 0.045, 0.27, 0.5, 0.6, 0.73, 0.815, 0.87, 1.0
SIDES = 8  # of a trunk, a head
JOINT = 0.02  # m; the middle of a knee bends with the shin


@dataclass(frozen=True, slots=True)
class Build:
    """Measures of one person."""

    stature: float  # m
    breadth: float  # 1: average
    depth: float  # of the belly; 1: average
    is_child: bool

    @property
    def hip(self) -> float:
        """Height of the hip joints (m), the length of a leg."""
        return HIP * self.stature * (0.94 if self.is_child else 1.0)


@dataclass(frozen=True, slots=True)
class Outfit:
    """What a person wears and looks like."""

    skin: Stuff
    hair: Stuff
    top: Stuff
    trousers: Stuff
    shoes: Stuff
    face: Stuff
    legs: str  # one of `LEGWEAR`
    hair_style: str  # one of `HAIR_STYLES`
    hat: str  # none or one of `HATS`
    has_short_sleeves: bool


@dataclass(frozen=True, slots=True, eq=False)
class Limb:
    """An arm or a leg that hangs straight down, and the hinge about whose y axis it swings."""

    mesh: Mesh
    hinge: np.ndarray  # (3,) m, in the frame of the person


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """A person standing upright: x ahead, origin on the ground between the feet."""

    build: Build
    trunk: Mesh
    legs: tuple[Limb, Limb]  # left, right
    arms: tuple[Limb, Limb]  # left, right


def draw_build(rng: np.random.Generator) -> Build:
    """A grown-up, or a child for one in nine."""
    if rng.random() < 0.11:
        return Build(float(rng.uniform(1.05, 1.45)), float(rng.uniform(0.9, 1.08)), float(rng.uniform(0.9, 1.1)), True)
    stature = float(np.clip(rng.normal(1.72, 0.09), 1.5, 1.95))
    return Build(stature, float(rng.uniform(0.9, 1.18)), float(rng.uniform(0.85, 1.35)), False)


LEGWEAR = ("trousers", "shorts", "skirt", "coat", "wide", "robe")
HAIR_STYLES = ("short", "long", "bald", "bob", "bun")
HATS = ("cap", "beanie", "hood", "brim")
HAT_SHARE = 0.3  # of the people wear one


def draw_outfit(rng: np.random.Generator, variety: Variety) -> Outfit:
    """Clothes, hair and face; cut, cloth and face are of one side of the variety."""
    skin = Stuff(Material.SKIN, one_of(rng, SKINS, 0.04), variety.layer(rng, Texture.SKIN))
    hair = Stuff(Material.FUR, one_of(rng, HAIRS, 0.06), variety.layer(rng, Texture.FUR))
    top = cloth(rng, variety)
    legs = variety.choose(rng, LEGWEAR, (4.0, 0.8, 1.0, 1.0, 3.0, 1.0))
    is_same = legs in ("coat", "robe")
    return Outfit(
        skin,
        hair,
        top,
        cloth(rng, variety, TROUSERS, 0.06) if not is_same or legs == "coat" else top,
        Stuff(Material.RUBBER, one_of(rng, ((40, 36, 34), (225, 225, 222), (96, 66, 44), (150, 40, 40)))),
        Stuff(Material.SKIN, skin.tint, variety.layer(rng, Texture.FACE)),
        legs,
        variety.choose(rng, HAIR_STYLES, (3.0, 1.4, 0.4, 1.0, 1.0)),
        variety.choose(rng, HATS) if rng.random() < HAT_SHARE else "none",
        bool(rng.random() < 0.35),
    )


def make_figure(build: Build, outfit: Outfit) -> Figure:
    """Trunk, legs and arms of a person, 470 to 560 triangles, `Class.PEDESTRIAN`."""
    legs = tuple(_leg(build, outfit, side) for side in (1.0, -1.0))
    arms = tuple(_arm(build, outfit, side) for side in (1.0, -1.0))
    trunk = joined([_trunk(build, outfit), _head(build, outfit)])
    return Figure(build, trunk, legs, arms)  # type: ignore[arg-type]


def _trunk(build: Build, outfit: Outfit) -> Mesh:
    """From the thighs to the neck; a coat, skirt or robe reaches further down."""
    s, b, d = build.stature, build.breadth, build.depth
    rows = [  # height (statures), depth, half breadth (m at a stature of 1.75)
        (HIP - 0.03, 0.1, 0.15 * b),
        (HIP + 0.03, 0.115 * d, 0.175 * b),
        (WAIST, 0.1 * d, 0.15 * b),
        (CHEST, 0.115, 0.18 * b),
        (SHOULDER - 0.03, 0.1, 0.2 * b),
        (SHOULDER + 0.012, 0.07, 0.15 * b),
        (SHOULDER + 0.03, 0.055, 0.06),
    ]
    hem = {"skirt": 0.3, "coat": 0.32, "robe": 0.06}.get(outfit.legs)
    if hem is not None:
        flare = {"skirt": 1.35, "coat": 1.2, "robe": 1.3}[outfit.legs]
        rows = [(hem, 0.16 * flare * d, 0.17 * flare * b), *rows[1:]]
    scale = s / 1.75
    rings = np.array([oval((0.0, 0.0, z * s), (rx * scale, ry * scale), SIDES, 2.4) for z, rx, ry in rows])
    parts = Parts(Class.PEDESTRIAN)
    split = {"skirt": 2, "trousers": 1, "wide": 1, "shorts": 1}.get(outfit.legs, 0)
    body = loft(rings)
    per_row, cap = 2 * SIDES, body[-2 * SIDES :]
    lower, upper = body[: split * per_row], body[split * per_row : -2 * SIDES]
    if len(lower):
        parts.add(
            lower if outfit.legs in ("trousers", "wide") else np.concatenate([lower, cap[:SIDES]]),
            outfit.trousers,
            smooth=True,
        )
        parts.add(np.concatenate([upper, cap[SIDES:]]), outfit.top, smooth=True)
    else:
        parts.add(np.concatenate([upper, cap]), outfit.top, smooth=True)
    neck = rod((0.0, 0.0, (SHOULDER + 0.01) * s), (0.012, 0.0, (CHIN + 0.02) * s), 0.05 * scale, 6)[:12]
    return parts.add(neck, outfit.skin, smooth=True).mesh()


def head_size(build: Build) -> float:
    """From chin to crown (m)."""
    return 0.13 * (0.8 * 1.75 + 0.2 * build.stature) * (0.92 if build.is_child else 1.0)


def _head(build: Build, outfit: Outfit) -> Mesh:
    """Head with a face on its front, hair and hat."""
    size = head_size(build)
    low = CHIN * build.stature - 0.01
    heights = np.array([0.0, 0.16, 0.42, 0.68, 0.88, 1.0])
    radii = np.array([[0.24, 0.2], [0.38, 0.29], [0.43, 0.345], [0.44, 0.36], [0.33, 0.28], [0.1, 0.09]]) * size
    rings = np.array(
        [oval((0.02 - 0.02 * f, 0.0, low + f * size), r, SIDES) for f, r in zip(heights, radii, strict=True)]
    )
    parts = Parts(Class.PEDESTRIAN)
    rest, face = _without_face(rings)
    parts.add(rest, outfit.skin, smooth=True)
    y, z = face[..., 1], face[..., 2]
    half = float(radii[:, 1].max())
    uvs = np.stack([0.5 + 0.5 * y / half, (z - low) / size], axis=-1).astype(np.float32)
    parts.add(face, outfit.face, smooth=True, uvs=uvs.clip(0.0, 1.0))
    nose = np.array([[0.47, 0.0, 0.5], [0.41, 0.05, 0.36], [0.41, -0.05, 0.36], [0.53, 0.0, 0.38]]) * size
    nose += [0.01, 0.0, low]
    parts.add(nose[[[0, 1, 3], [0, 3, 2], [1, 2, 3]]], outfit.skin, smooth=True)
    _add_hair(parts, outfit, low, size)
    return parts.mesh()


def _without_face(rings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The head without the front between its lowest and its second highest ring, and that front."""
    turned = np.roll(rings, -1, axis=1)
    cells = np.stack([rings[:-1], turned[:-1], turned[1:], rings[1:]], axis=2)
    is_front = np.zeros(cells.shape[:2], dtype=bool)
    is_front[:4, [6, 7, 0]] = True  # sides from -67 to +67 degrees
    is_front[:4, 6] = is_front[:4, 0] = True
    caps = loft(rings)[-SIDES:]
    return np.concatenate([quads(cells[~is_front]), caps]), quads(cells[is_front])


def _cap(low: float, size: float, rows: list[tuple[float, float]], shift: float = -0.02) -> np.ndarray:
    """A shell around the head: (height above the chin in heads, radius in heads) from its edge to its top."""
    return loft(
        np.array([oval((0.0 + shift * size, 0.0, low + f * size), (r * size, 0.84 * r * size), SIDES) for f, r in rows])
    )


def _add_hair(parts: Parts, outfit: Outfit, low: float, size: float) -> None:
    if outfit.hat in ("none", "cap", "brim", "beanie") and outfit.hair_style != "bald":
        fringe, back = 0.74, {"short": 0.45, "bob": 0.1, "long": -0.45, "bun": 0.4}[outfit.hair_style]
        angle = 2.0 * np.pi * (np.arange(SIDES) + 0.5) / SIDES
        edge = np.where(np.abs(np.angle(np.exp(1j * angle))) < 1.3, fringe, back)
        rings = []
        for height, r in ((edge, 0.475), (np.maximum(edge + 0.06, 0.6), 0.48), (np.full(SIDES, 0.93), 0.4)):
            ring = oval((-0.025 * size, 0.0, 0.0), (r * size, 0.85 * r * size), SIDES)
            ring[:, 2] = low + height * size
            rings.append(ring)
        rings.append(oval((-0.02 * size, 0.0, low + 1.04 * size), (0.15 * size, 0.12 * size), SIDES))
        parts.add(np.delete(loft(np.array(rings)), np.s_[-2 * SIDES : -SIDES], axis=0), outfit.hair, smooth=True)
        if outfit.hair_style == "bun":
            parts.add(
                rod((-0.4 * size, 0, low + 0.8 * size), (-0.62 * size, 0, low + 0.86 * size), 0.13 * size), outfit.hair
            )
    if outfit.hat == "none":
        return
    rows = {
        "cap": [(0.74, 0.5), (0.95, 0.44), (1.08, 0.2)],
        "helmet": [(0.62, 0.53), (0.92, 0.54), (1.14, 0.32), (1.2, 0.06)],
        "beanie": [(0.68, 0.5), (0.98, 0.44), (1.14, 0.16)],
        "hood": [(0.02, 0.5), (0.55, 0.54), (0.95, 0.44), (1.08, 0.15)],
        "brim": [(0.76, 0.82), (0.79, 0.82), (0.8, 0.48), (1.08, 0.4)],
    }[outfit.hat]
    shift = {"hood": -0.14}.get(outfit.hat, -0.02)
    stuff = outfit.top if outfit.hat == "hood" else Stuff(Material.CLOTH, outfit.shoes.tint)
    parts.add(_cap(low, size, rows, shift), stuff, smooth=outfit.hat != "brim")
    if outfit.hat == "cap":
        z = low + 0.76 * size
        peak = [(0.36, -0.26), (0.76, -0.2), (0.76, 0.2), (0.36, 0.26)]
        parts.add(quads(np.array([[[x * size, y * size, z] for x, y in peak]])), stuff)


def _leg(build: Build, outfit: Outfit, side: float) -> Limb:
    """From the hip to the sole."""
    s, scale = build.stature, build.stature / 1.75
    y, hip = side * 0.085 * scale * build.breadth, build.hip
    cuff, calf = (0.085, 0.08) if outfit.legs == "wide" else (0.045, 0.062)
    rows = [(ANKLE * s, cuff), (0.68 * KNEE * s, calf), (KNEE * s, 0.066), (hip - 0.02, 0.088)]
    rings = np.array([oval((0.0, y, z), (r * scale, r * scale), 5) for z, r in rows])
    body = loft(rings)
    is_bare = outfit.legs in ("shorts", "skirt")
    parts = Parts(Class.PEDESTRIAN)
    if is_bare:
        above = outfit.trousers if outfit.legs == "shorts" else outfit.skin
        parts.add(body[:20], outfit.skin, smooth=True).add(body[20:30], above, smooth=True)
    else:
        parts.add(body[:30], outfit.trousers, smooth=True)
    shoe = np.array(
        [
            oval((0.045 * scale, y, 0.0), (0.14 * scale, 0.048 * scale), 5, 2.6),
            oval((0.04 * scale, y, 0.05 * scale), (0.125 * scale, 0.045 * scale), 5, 2.6),
            oval((0.0, y, 0.1 * scale), (0.052 * scale, 0.048 * scale), 5),
        ]
    )
    return Limb(parts.add(loft(shoe), outfit.shoes, smooth=True).mesh(), np.array([0.0, y, hip]))


def _arm(build: Build, outfit: Outfit, side: float) -> Limb:
    """From the shoulder to the finger tips; the elbow a little bent."""
    scale = build.stature / 1.75
    hinge = np.array([0.0, side * 0.19 * build.breadth * scale, (SHOULDER - 0.025) * build.stature])
    reach = np.array(
        [
            [0.0, -0.06, 0.05],
            [0.0, -0.02, 0.035],
            [0.0, 0.005, -0.03],
            [-0.012, 0.035, -0.27],
            [0.03, 0.05, -0.5],
            [0.06, 0.035, -0.66],
        ]
    )
    body = limb(hinge + reach * [1.0, side, 1.0] * scale, np.array([0.02, 0.042, 0.056, 0.046, 0.038, 0.02]) * scale, 5)
    sleeve = 30 if outfit.has_short_sleeves else 40  # triangles
    parts = Parts(Class.PEDESTRIAN)
    parts.add(np.concatenate([body[:sleeve], body[50:55]]), outfit.top, smooth=True)
    parts.add(np.concatenate([body[sleeve:50], body[55:]]), outfit.skin, smooth=True)
    return Limb(parts.mesh(), hinge)


def swung(limb: Limb, angle: float, bend: float = 0.0) -> Mesh:
    """The limb turned about its hinge (rad, positive: its end goes back), and bent by `bend` at half its length."""
    points = limb.mesh.triangles.reshape(-1, 3).astype(np.float64)
    if bend:
        middle = 0.5 * (points[:, 2].min() + limb.hinge[2])
        joint = np.array([0.0, limb.hinge[1], middle])
        lower = points[:, 2] < middle + JOINT
        points[lower] = (points[lower] - joint) @ rotation(1, bend).T + joint
    return replace(limb.mesh, triangles=rotated(points.reshape(-1, 3, 3), 1, angle, limb.hinge).astype(np.float32))


def seated(
    figure: Figure, seat: float, lean: float, legs: tuple[tuple[float, float], ...], arms: tuple[float, float]
) -> Mesh:
    """The figure with its hips at the height `seat` (m), its trunk leant forward by `lean` (rad).

    `legs`: hip and knee angles of the left and of the right one, `arms`: shoulder and elbow angle.
    """
    hip = np.array([0.0, 0.0, figure.build.hip])
    upper = joined([figure.trunk, *(swung(arm, *arms) for arm in figure.arms)])
    upper = replace(upper, triangles=rotated(upper.triangles, 1, lean, hip).astype(np.float32))
    mesh = joined([upper, *(swung(leg, *angles) for leg, angles in zip(figure.legs, legs, strict=True))])
    return replace(mesh, triangles=(mesh.triangles + vec(0.0, 0.0, seat - hip[2])).astype(np.float32))
