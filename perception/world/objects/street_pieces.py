"""What stands on pavements besides signs and barriers: x along the street, the road is at -y, origin on the ground."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import Mesh, quads
from perception.world.materials import Material, Texture
from perception.world.objects.bicycles import make_bicycle
from perception.world.objects.colours import BLACK, BRIGHT, DARK, STEEL, WHITE_LAMP, cloth, metal, one_of, paint, pane
from perception.world.objects.shapes import UNIT_UVS, Parts, Stuff, beam, lathe, limb, panel, rod, rounded_box
from perception.world.variety import TRAINING, Variety

MASTS = ((92, 98, 96), (60, 64, 66), (150, 153, 155), (54, 78, 66))


def make_lamp(rng: np.random.Generator, variety: Variety = TRAINING) -> Mesh:
    """A street lamp, its light over the road (-y) or on its top, 90 to 250 triangles, `Class.MANMADE`."""
    parts = Parts(Class.MANMADE)
    variety.choose(rng, LAMPS)(parts, rng, Stuff(Material.METAL, one_of(rng, MASTS), variety.layer(rng, Texture.METAL)))
    return parts.mesh()


def _arm_lamp(parts: Parts, rng: np.random.Generator, mast: Stuff) -> None:
    """A mast whose bent arm reaches over the road."""
    height, reach = rng.uniform(5.5, 8.0), rng.uniform(1.0, 2.2)
    parts.add(lathe([(0.12, -0.2), (0.11, 0.9), (0.07, 1.0), (0.05, height)], 8), mast, smooth=True)
    arm = np.array([[0, 0, height - 0.05], [0, -0.4 * reach, height + 0.42], [0, -reach, height + 0.6]])
    parts.add(limb(arm, (0.05, 0.045, 0.04), 6), mast, smooth=True)
    _add_luminaire(parts, -reach, height + 0.52, mast)


def _column_lamp(parts: Parts, rng: np.random.Generator, mast: Stuff) -> None:
    """A low column with a glowing cylinder under a hat."""
    height = rng.uniform(3.2, 4.2)
    parts.add(lathe([(0.1, -0.2), (0.07, 0.5), (0.05, height)], 8), mast, smooth=True)
    parts.add(lathe([(0.1, height), (0.15, height + 0.4)], 8), WHITE_LAMP, smooth=True)
    parts.add(lathe([(0.28, height + 0.4), (0.24, height + 0.44), (0.05, height + 0.52)], 10), mast, smooth=True)


def _old_lamp(parts: Parts, rng: np.random.Generator, mast: Stuff) -> None:
    """A cast-iron post with a four-sided lantern."""
    height, iron = rng.uniform(3.0, 3.8), Stuff(Material.METAL, (44, 52, 48))
    rows = [(0.18, -0.1), (0.17, 0.3), (0.1, 0.4), (0.07, 0.9), (0.1, 0.96), (0.05, 1.05), (0.045, height)]
    parts.add(lathe(rows, 8), iron, smooth=True)
    parts.add(lathe([(0.14, height), (0.24, height + 0.45)], 4), WHITE_LAMP)
    parts.add(lathe([(0.28, height + 0.45), (0.1, height + 0.62), (0.03, height + 0.72)], 4), iron)
    parts.add(beam((-0.3, 0.0, height - 0.25), (0.3, 0.0, height - 0.25), 0.03, 0.03), iron)


def _twin_lamp(parts: Parts, rng: np.random.Generator, mast: Stuff) -> None:
    """Two straight arms, over road and pavement."""
    height, reach = rng.uniform(6.0, 8.5), rng.uniform(0.7, 1.3)
    parts.add(lathe([(0.11, -0.2), (0.06, height)], 8), mast, smooth=True)
    for side in (-1.0, 1.0):
        parts.add(beam((0, 0, height - 0.1), (0, side * reach, height), 0.06, 0.06), mast)
        _add_luminaire(parts, side * reach, height, mast)


LAMPS: tuple[Callable[[Parts, np.random.Generator, Stuff], None], ...] = (
    _arm_lamp,
    _column_lamp,
    _old_lamp,
    _twin_lamp,
)


def _add_luminaire(parts: Parts, y: float, z: float, stuff: Stuff) -> None:
    """A flat housing whose lower face glows."""
    parts.add(rounded_box((-0.13, y - 0.35, z), (0.13, y + 0.3, z + 0.12), 0.05), stuff)
    x = 0.09
    parts.add(
        panel([(-x, y - 0.25, z - 0.005), (-x, y + 0.2, z - 0.005), (x, y + 0.2, z - 0.005), (x, y - 0.25, z - 0.005)]),
        WHITE_LAMP,
    )


def make_bin(rng: np.random.Generator, variety: Variety = TRAINING) -> Mesh:
    """A litter bin or a refuse bin, 60 to 240 triangles, `Class.OTHERS`."""
    parts = Parts(Class.OTHERS)
    variety.choose(rng, BINS)(parts, rng, variety)
    return parts.mesh()


def _wheelie(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    """A refuse bin on two wheels with a lid of another colour."""
    body = Stuff(Material.PLASTIC, one_of(rng, ((66, 70, 72), (50, 92, 62), (96, 70, 52), (52, 74, 110))))
    lid = Stuff(
        Material.PLASTIC, one_of(rng, ((66, 70, 72), (40, 110, 70), (220, 180, 40), (44, 84, 160), (110, 76, 52)))
    )
    width, h = rng.uniform(0.24, 0.34), rng.uniform(0.9, 1.05)
    low, high = np.array([[-0.2, -0.24], [0.2, 0.22]]), np.array([[-width, -0.33], [width, 0.3]])
    parts.add(_frustum(low, high, 0.05, h), body)
    parts.add(rounded_box((-width - 0.02, -0.37, h), (width + 0.02, 0.32, h + 0.07), 0.03), lid)
    parts.add(beam((-width, 0.36, h + 0.02), (width, 0.36, h + 0.02), 0.03, 0.03), body)
    wheels = [rod((x - 0.03, 0.24, 0.1), (x + 0.03, 0.24, 0.1), 0.1, 8) for x in (-0.2, 0.2)]
    parts.add(np.concatenate(wheels), BLACK, smooth=True)


def _basket(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    """A litter basket on a post."""
    stuff = paint(rng, ((230, 110, 30), (60, 100, 70), (70, 74, 78), (40, 70, 130)))
    z = rng.uniform(0.4, 0.55)
    parts.add(lathe([(0.17, z), (0.21, z + 0.45), (0.19, z + 0.47)], 10)[:-10], stuff, smooth=True)
    parts.add(lathe([(0.18, z + 0.42), (0.05, z + 0.42)], 10)[-20:], BLACK)
    parts.add(rod((0.0, 0.22, -0.1), (0.0, 0.22, z + 0.55), 0.03), STEEL, smooth=True)


def _drum_bin(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    """A round bin with a hood."""
    r, h = rng.uniform(0.22, 0.3), rng.uniform(0.75, 0.95)
    stuff = metal(rng, variety) if rng.random() < 0.5 else paint(rng)
    parts.add(lathe([(r, 0.0), (r, h)], 12), stuff, smooth=True)
    parts.add(lathe([(1.05 * r, h + 0.16), (0.9 * r, h + 0.26), (0.2 * r, h + 0.3)], 12), stuff, smooth=True)
    posts = [
        beam(
            (0.9 * r * np.cos(a), 0.9 * r * np.sin(a), h),
            (0.9 * r * np.cos(a), 0.9 * r * np.sin(a), h + 0.18),
            0.04,
            0.02,
        )
        for a in (0.8, 2.4, 4.0, 5.5)
    ]
    parts.add(np.concatenate(posts), DARK)


def _container(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    """A large container with a sloping lid, on four wheels."""
    stuff = Stuff(
        Material.METAL, one_of(rng, ((60, 110, 70), (90, 96, 100), (50, 80, 130))), variety.layer(rng, Texture.METAL)
    )
    low, high = np.array([[-0.58, -0.4], [0.58, 0.4]]), np.array([[-0.68, -0.52], [0.68, 0.5]])
    parts.add(_frustum(low, high, 0.15, 1.05), stuff)
    lid = _frustum(high * 1.03, np.array([[-0.66, -0.1], [0.66, 0.48]]), 1.05, 1.3)
    parts.add(lid, Stuff(Material.PLASTIC, (52, 56, 58)))
    wheels = [rod((x - 0.03, y, 0.09), (x + 0.03, y, 0.09), 0.09, 8) for x in (-0.5, 0.5) for y in (-0.3, 0.3)]
    parts.add(np.concatenate(wheels), BLACK, smooth=True)


BINS: tuple[Callable[[Parts, np.random.Generator, Variety], None], ...] = (_wheelie, _basket, _drum_bin, _container)


def _frustum(low: np.ndarray, high: np.ndarray, z_low: float, z_high: float) -> np.ndarray:
    """A body between two level rectangles ((x, y) low and high corner)."""
    from perception.world.objects.shapes import loft

    rings = [
        [(r[0, 0], r[0, 1], z), (r[1, 0], r[0, 1], z), (r[1, 0], r[1, 1], z), (r[0, 0], r[1, 1], z)]
        for r, z in ((low, z_low), (high, z_high))
    ]
    return loft(np.array(rings))


def make_cabinet(rng: np.random.Generator, variety: Variety = TRAINING) -> Mesh:
    """A distribution cabinet or a parcel station, 70 to 150 triangles, `Class.MANMADE`."""
    parts = Parts(Class.MANMADE)
    size = rng.uniform([0.6, 0.25, 0.9], [1.3, 0.45, 1.5])
    stuff = Stuff(Material.PAINT, one_of(rng, ((176, 180, 176), (120, 128, 120), (206, 204, 194), (84, 104, 90))))
    kind = variety.choose(rng, ("plain", "poster", "kiosk", "parcels"))
    if kind in ("kiosk", "parcels"):
        size[2] = rng.uniform(1.6, 2.0)
    half = 0.5 * size[0]
    parts.add(rounded_box((-half, 0.0, 0.0), (half, size[1], size[2]), 0.02), stuff)
    parts.add(rounded_box((-half - 0.03, -0.03, size[2] - 0.05), (half + 0.03, size[1] + 0.03, size[2]), 0.01), stuff)
    seams = [beam((x, -0.005, 0.06), (x, -0.005, size[2] - 0.08), 0.01, 0.01) for x in (0.0,)]
    parts.add(np.concatenate(seams), DARK)
    if kind in ("poster", "kiosk"):
        stuff = Stuff(Material.SIGN, texture_id=variety.layer(rng, Texture.POSTER))
        x = 0.42 * size[0]
        corners = [
            (-x, -0.012, 0.25 * size[2]),
            (x, -0.012, 0.25 * size[2]),
            (x, -0.012, 0.9 * size[2]),
            (-x, -0.012, 0.9 * size[2]),
        ]
        parts.add(panel(corners), stuff, uvs=UNIT_UVS)
    if kind == "parcels":
        for z in np.arange(0.2, size[2] - 0.2, 0.3):
            parts.add(
                beam((-half + 0.03, -0.01, z), (half - 0.03, -0.01, z), 0.01, 0.26),
                Stuff(Material.PAINT, (238, 190, 36)),
            )
    return parts.mesh()


def make_bicycle_stand(rng: np.random.Generator, variety: Variety = TRAINING) -> Mesh:
    """A hoop (`Class.MANMADE`) with a bicycle that leans on it (`Class.BICYCLE`)."""
    hoop = np.array([[-0.4, 0.25, 0.0], [-0.4, 0.25, 0.7], [0.0, 0.25, 0.82], [0.4, 0.25, 0.7], [0.4, 0.25, 0.0]])
    parts = Parts(Class.MANMADE)
    for a, b in pairwise(hoop):
        parts.add(rod(a, b, 0.025, 6), STEEL, smooth=True)
    return parts.join(make_bicycle(rng, variety)).mesh()


def make_hydrant(rng: np.random.Generator, variety: Variety = TRAINING) -> Mesh:
    """A fire hydrant, 130 triangles, `Class.OTHERS`."""
    parts, stuff = Parts(Class.OTHERS), paint(rng, ((200, 40, 34), (230, 190, 40), (60, 90, 150), (176, 180, 180)))
    h = rng.uniform(0.6, 0.95)
    rows = [(0.16, 0.0), (0.16, 0.06), (0.1, 0.08), (0.1, 0.72 * h), (0.13, 0.74 * h), (0.12, 0.82 * h), (0.04, h)]
    parts.add(lathe(rows, 10), stuff, smooth=True)
    parts.add(rod((-0.19, 0, 0.55 * h), (0.19, 0, 0.55 * h), 0.05, 8), stuff, smooth=True)
    return parts.add(rod((0, 0, 0.55 * h), (0, -0.18, 0.55 * h), 0.065, 8), stuff, smooth=True).mesh()


def make_mailbox(rng: np.random.Generator, variety: Variety = TRAINING) -> Mesh:
    """A letter box, 60 to 110 triangles, `Class.OTHERS`: faces the road (-y)."""
    parts, stuff = Parts(Class.OTHERS), paint(rng, ((238, 196, 30), (196, 36, 34), (40, 76, 150)))
    if variety.choose(rng, ("box", "box", "box", "pillar")) == "pillar":
        parts.add(
            lathe([(0.24, 0.0), (0.22, 0.12), (0.22, 1.3), (0.26, 1.34), (0.24, 1.42), (0.06, 1.5)], 12),
            stuff,
            smooth=True,
        )
        parts.add(
            panel([(-0.12, -0.235, 1.14), (0.12, -0.235, 1.14), (0.12, -0.235, 1.2), (-0.12, -0.235, 1.2)]), BLACK
        )
        return parts.mesh()
    parts.add(rounded_box((-0.27, -0.18, 0.72), (0.27, 0.18, 1.4), 0.05), stuff)
    parts.add(beam((0.0, 0.0, 0.0), (0.0, 0.0, 0.72), 0.12, 0.08), DARK)
    parts.add(panel([(-0.2, -0.187, 1.2), (0.2, -0.187, 1.2), (0.2, -0.187, 1.25), (-0.2, -0.187, 1.25)]), BLACK)
    return parts.add(
        panel([(-0.15, -0.187, 0.9), (0.15, -0.187, 0.9), (0.15, -0.187, 1.1), (-0.15, -0.187, 1.1)]),
        Stuff(Material.SIGN),
    ).mesh()


def make_bus_stop(rng: np.random.Generator, variety: Variety = TRAINING) -> Mesh:
    """A bus stop: a shelter, or a post with a flag, 60 to 260 triangles, `Class.MANMADE`: open to the road (-y)."""
    parts = Parts(Class.MANMADE)
    if rng.random() < 0.35:
        parts.add(rod((0, 0, -0.1), (0, 0, 2.7), 0.04), STEEL, smooth=True)
        parts.add(beam((0.25, 0.0, 2.2), (0.25, 0.0, 2.65), 0.42, 0.03), paint(rng))
        sheet = Stuff(Material.SIGN, texture_id=variety.layer(rng, Texture.POSTER))
        corners = [(-0.2, -0.05, 1.1), (0.2, -0.05, 1.1), (0.2, -0.05, 1.8), (-0.2, -0.05, 1.8)]
        return parts.add(panel(corners), sheet, uvs=UNIT_UVS).mesh()
    return make_shelter(rng, variety)


def make_shelter(rng: np.random.Generator, variety: Variety = TRAINING) -> Mesh:
    """A bus shelter of glass with a bench and a poster, about 200 triangles, `Class.MANMADE`: open to -y."""
    parts, half = Parts(Class.MANMADE), 0.5 * rng.uniform(3.0, 4.5)
    frame = Stuff(Material.METAL, one_of(rng, MASTS))
    if variety.choose(rng, ("flat", "flat", "flat", "round")) == "flat":
        parts.add(rounded_box((-half, -0.75, 2.35), (half, 0.75, 2.45), 0.03), frame)
    else:
        arc = [(0.8 * np.cos(a), 2.25 + 0.3 * np.sin(a)) for a in np.linspace(0.0, np.pi, 6)]
        cells = [[(half, *a), (half, *b), (-half, *b), (-half, *a)] for a, b in pairwise(arc)]
        parts.add(quads(np.array(cells)), frame, smooth=True)
    posts = [beam((x, 0.6, 0.0), (x, 0.6, 2.36), 0.07, 0.07) for x in (0.1 - half, 0.0, half - 0.1)]
    posts += [beam((x, -0.55, 0.0), (x, -0.55, 2.36), 0.06, 0.06) for x in (0.1 - half, half - 0.1)]
    parts.add(np.concatenate(posts), frame)
    glass = pane(rng, variety, (190, 200, 202))
    panes = [beam((a, 0.6, 1.25), (b, 0.6, 1.25), 0.012, 1.9) for a, b in ((0.15 - half, -0.05), (0.05, half - 0.15))]
    parts.add(np.concatenate([*panes, beam((0.1 - half, -0.4, 1.25), (0.1 - half, 0.55, 1.25), 0.012, 1.9)]), glass)
    poster = Stuff(
        Material.LAMP if rng.random() < 0.4 else Material.SIGN, (226, 226, 222), variety.layer(rng, Texture.POSTER)
    )
    x = half - 0.12
    parts.add(beam((x + 0.02, -0.55, 1.2), (x + 0.02, 0.55, 1.2), 0.06, 1.8), frame)
    corners = [(x - 0.02, 0.5, 0.4), (x - 0.02, -0.5, 0.4), (x - 0.02, -0.5, 2.0), (x - 0.02, 0.5, 2.0)]
    parts.add(panel(corners), poster, uvs=UNIT_UVS)
    wood_seat = Stuff(Material.WOOD, texture_id=variety.layer(rng, Texture.WOOD))
    parts.add(beam((-0.6 * half, 0.35, 0.46), (0.3 * half, 0.35, 0.46), 0.32, 0.04), wood_seat)
    return parts.add(
        np.concatenate([beam((x, 0.35, 0.0), (x, 0.35, 0.45), 0.05, 0.2) for x in (-0.5 * half, 0.2 * half)]), frame
    ).mesh()


def make_parasol(rng: np.random.Generator, variety: Variety = TRAINING) -> Mesh:
    """A parasol, round or square, 60 triangles, `Class.OTHERS`."""
    parts, r = Parts(Class.OTHERS), rng.uniform(1.1, 1.7)
    sides = variety.choose(rng, (8, 6, 10, 4))
    z = rng.uniform(2.1, 2.5)
    canopy = lathe([(r, z), (r, z + 0.16), (0.02, z + 0.25 * r + 0.25)], sides, caps=False)
    parts.add(canopy, cloth(rng, variety, BRIGHT, 0.3)).add(rod((0, 0, 0.0), (0, 0, z + 0.3), 0.025, 6), STEEL)
    return parts.add(rounded_box((-0.3, -0.3, 0.0), (0.3, 0.3, 0.08), 0.03), DARK).mesh()
