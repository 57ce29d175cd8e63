"""What keeps traffic out: cones, barriers, bollards, fences. x along the barrier, origin on the ground."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import Mesh
from perception.world.materials import Material, Texture
from perception.world.objects.colours import AMBER_LAMP, BLACK, DARK, STEEL, metal, paint, wood
from perception.world.objects.free_barriers import add_free_barrier
from perception.world.objects.shapes import Parts, Stuff, beam, lathe, loft, oval, panel, rod, rounded_box, vec
from perception.world.variety import TRAINING, Variety

ORANGE, WHITE, RED, YELLOW = (
    Stuff(Material.PLASTIC, (240, 88, 24)),
    Stuff(Material.SIGN, (240, 240, 236)),
    Stuff(Material.SIGN, (204, 30, 28)),
    Stuff(Material.PLASTIC, (244, 200, 30)),
)
FENCE_STEP = 2.0  # m between posts


def make_cone(rng: np.random.Generator, variety: Variety = TRAINING) -> Mesh:
    """A traffic cone or one of its relatives with stripes, 90 to 210 triangles, `Class.TRAFFIC_CONE`."""
    parts = Parts(Class.TRAFFIC_CONE)
    variety.choose(rng, CONES)(parts, rng)
    return parts.mesh()


def _cone(parts: Parts, rng: np.random.Generator) -> None:
    """The common cone on a square foot."""
    _add_cone(parts, rng, rng.uniform(0.45, 0.78), 0.17, 0.03, 2)


def _slim_cone(parts: Parts, rng: np.random.Generator) -> None:
    """A tall slim channeliser with many stripes."""
    _add_cone(parts, rng, rng.uniform(0.9, 1.1), 0.11, 0.05, 3)


def _small_cone(parts: Parts, rng: np.random.Generator) -> None:
    """A small cone of one colour without stripes."""
    _add_cone(parts, rng, rng.uniform(0.28, 0.4), 0.13, 0.025, 0)


def _drum(parts: Parts, rng: np.random.Generator) -> None:
    """A barrel with stripes."""
    height, r = rng.uniform(0.85, 1.0), rng.uniform(0.2, 0.26)
    foot = Stuff(Material.RUBBER, (60, 60, 60))
    parts.add(lathe([(1.35 * r, 0.0), (1.3 * r, 0.06)], 10), foot)
    edges = np.linspace(0.06, height, 6)
    for k, (a, b) in enumerate(pairwise(edges)):
        ring = lathe([(r * (1.1 - 0.25 * a / height), a), (r * (1.1 - 0.25 * b / height), b)], 10)
        parts.add(ring if k == 4 else ring[:20], WHITE if k % 2 else ORANGE, smooth=True)


CONES: tuple[Callable[[Parts, np.random.Generator], None], ...] = (_cone, _slim_cone, _small_cone, _drum)


def _add_cone(
    parts: Parts, rng: np.random.Generator, height: float, radius: float, top: float, num_stripes: int
) -> None:
    colour = ORANGE if rng.random() < 0.75 else Stuff(Material.PLASTIC, (214, 40, 30))
    if rng.random() < 0.1:
        colour = YELLOW
    foot, half = Stuff(Material.RUBBER, (44, 44, 46)) if rng.random() < 0.6 else colour, 1.25 * radius
    parts.add(rounded_box((-half, -half, 0.0), (half, half, 0.04), 0.015), foot)
    edges = np.linspace(0.04, height, 2 * num_stripes + 2)
    for k, (a, b) in enumerate(pairwise(edges)):
        radii = [radius + (top - radius) * z / height for z in (a, b)]
        ring = lathe([(radii[0], a), (radii[1], b)], 9)
        ring = ring if k == len(edges) - 2 else ring[:18]
        parts.add(ring, WHITE if k % 2 else colour, smooth=True)


def make_barrier(rng: np.random.Generator, variety: Variety = TRAINING) -> Mesh:
    """A barrier of 1.2 to 3 m along x, 60 to 300 triangles, `Class.BARRIER`."""
    parts = Parts(Class.BARRIER)
    if variety.is_free(rng):
        add_free_barrier(parts, rng, variety)
    else:
        variety.choose(rng, BARRIERS)(parts, rng, variety)
    return parts.mesh()


def _jersey(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    """A concrete profile."""
    length, h = rng.uniform(1.8, 3.0), rng.uniform(0.78, 0.95)
    outline = [(-0.3, 0.0), (0.3, 0.0), (0.3, 0.1 * h), (0.14, 0.38 * h), (0.09, h), (-0.09, h)]
    outline += [(-0.14, 0.38 * h), (-0.3, 0.1 * h)]
    stuff = Stuff(Material.CONCRETE, (232, 230, 224), variety.layer(rng, Texture.CONCRETE))
    parts.add(_profile(outline, length), stuff)
    if rng.random() < 0.4:
        parts.add(
            _profile([(-0.105, h - 0.2), (0.105, h - 0.2), (0.1, h - 0.05), (-0.1, h - 0.05)], length * 0.99), RED
        )


def _water_filled(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    """A hollow plastic body, red or white."""
    length, h = rng.uniform(1.1, 1.8), rng.uniform(0.75, 1.0)
    stuff = Stuff(Material.PLASTIC, (214, 44, 34) if rng.random() < 0.5 else (236, 236, 232))
    outline = [(-0.22, 0.0), (0.22, 0.0), (0.22, 0.25 * h), (0.12, 0.5 * h), (0.1, h), (-0.1, h), (-0.12, 0.5 * h)]
    parts.add(_profile([*outline, (-0.22, 0.25 * h)], length), stuff)
    for x in (-0.3 * length, 0.3 * length):
        parts.add(rounded_box((x - 0.12, -0.235, 0.04), (x + 0.12, 0.235, 0.12), 0.02), BLACK)


def _boards(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    """Boards with red and white stripes on feet, at times with a lamp."""
    length, h = rng.uniform(1.2, 2.4), rng.uniform(0.95, 1.15)
    for z in (h - 0.12, h - 0.62) if rng.random() < 0.6 else (h - 0.12,):
        _add_stripes(parts, length, z, 0.2)
    for x in (-0.42 * length, 0.42 * length):
        parts.add(beam((x, 0.03, 0.05), (x, 0.03, h), 0.05, 0.05), STEEL)
        parts.add(rounded_box((x - 0.12, -0.35, 0.0), (x + 0.12, 0.35, 0.1), 0.03), BLACK)
    if rng.random() < 0.5:
        parts.add(lathe([(0.08, h), (0.09, h + 0.1), (0.04, h + 0.17)], 8), AMBER_LAMP, smooth=True)


def _crowd_fence(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    """A steel frame with bars, as it keeps a crowd back."""
    length, h = rng.uniform(1.8, 2.4), rng.uniform(1.0, 1.15)
    half, bars = 0.5 * length, []
    bars += [beam((-half, 0.0, z), (half, 0.0, z), 0.035, 0.035) for z in (0.2, h)]
    bars += [beam((x, 0.0, 0.0), (x, 0.0, h), 0.035, 0.035) for x in (-half, half)]
    bars += [beam((x, 0.0, 0.2), (x, 0.0, h), 0.014, 0.014) for x in np.linspace(-half, half, int(length / 0.14))[1:-1]]
    bars += [beam((x, -0.3, 0.02), (x, 0.3, 0.02), 0.04, 0.03) for x in (-0.8 * half, 0.8 * half)]
    parts.add(np.concatenate(bars), metal(rng, variety))


def _plank(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    """A trestle: a striped plank over two pairs of crossed legs."""
    length, h = rng.uniform(1.4, 2.2), rng.uniform(0.8, 1.0)
    _add_stripes(parts, length, h - 0.1, 0.2)
    legs = [
        beam((x, 0.32 * s, 0.0), (x, -0.02 * s, h), 0.07, 0.04) for x in (-0.4 * length, 0.4 * length) for s in (-1, 1)
    ]
    parts.add(np.concatenate(legs), wood(rng, variety))


def _mesh_fence(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    """A tall site fence of wire mesh on concrete feet."""
    length, h = rng.uniform(2.4, 3.4), rng.uniform(1.8, 2.0)
    half = 0.5 * length
    bars = [beam((x, 0.0, 0.05), (x, 0.0, h), 0.04, 0.04) for x in (-half, half)]
    bars += [beam((-half, 0.0, z), (half, 0.0, z), 0.035, 0.035) for z in (0.15, h)]
    bars += [beam((x, 0.0, 0.15), (x, 0.0, h), 0.008, 0.008) for x in np.arange(-half, half, 0.2)[1:]]
    bars += [beam((-half, 0.0, z), (half, 0.0, z), 0.008, 0.008) for z in np.arange(0.45, h, 0.3)]
    parts.add(np.concatenate(bars), metal(rng, variety))
    for x in (-half, half):
        parts.add(rounded_box((x - 0.12, -0.32, 0.0), (x + 0.12, 0.32, 0.13), 0.03), DARK)


BARRIERS: tuple[Callable[[Parts, np.random.Generator, Variety], None], ...] = (
    _jersey,
    _water_filled,
    _boards,
    _crowd_fence,
    _plank,
    _mesh_fence,
)


def _profile(outline: list[tuple[float, float]], length: float) -> np.ndarray:
    """A body along x with a section of (y, z) points, counter-clockwise seen from +x."""
    ring = np.array([(0.0, y, z) for y, z in outline])
    return loft(np.stack([ring - [0.5 * length, 0.0, 0.0], ring + vec(0.5 * length, 0.0, 0.0)]))


def _add_stripes(parts: Parts, length: float, z: float, height: float) -> None:
    """A board with slanted red and white stripes on both faces."""
    edges = np.linspace(-0.5 * length, 0.5 * length, round(length / 0.2) + 1)
    step = edges[1] - edges[0]
    middle = z + 0.5 * height
    parts.add(beam((-0.5 * length, 0.0, middle), (0.5 * length, 0.0, middle), 0.025, height), WHITE)
    for k, x in enumerate(edges[:-1]):
        if k % 2:
            continue
        slant = 0.5 * step if k + 1 < len(edges) - 1 else 0.0
        left = 0.5 * step if k > 0 else 0.0
        outline = ((x, z), (x + step, z), (x + step + slant, z + height), (x + left, z + height))
        front = np.array([(px, -0.015, pz) for px, pz in outline])
        parts.add(np.concatenate([panel(front), panel(front[::-1] + vec(0.0, 0.03, 0.0))]), RED)


def make_bollard(rng: np.random.Generator, variety: Variety = TRAINING) -> Mesh:
    """A post that keeps cars off the pavement, 40 to 110 triangles, `Class.MANMADE`."""
    parts = Parts(Class.MANMADE)
    height, r = rng.uniform(0.75, 1.1), rng.uniform(0.05, 0.1)
    stuff = (metal(rng, variety), DARK, paint(rng, ((60, 66, 62), (206, 206, 200), (150, 30, 30))))[
        int(rng.integers(3))
    ]
    kind = variety.choose(rng, ("round", "ball", "square", "stone"))
    if kind == "round":
        parts.add(lathe([(r, -0.1), (r, height - 0.05), (0.6 * r, height)], 8), stuff, smooth=True)
    elif kind == "ball":
        rows = [(0.8 * r, -0.1), (0.8 * r, height - 2.4 * r), (1.3 * r, height - 1.5 * r), (1.2 * r, height - 0.6 * r)]
        parts.add(lathe([*rows, (0.3 * r, height)], 8), stuff, smooth=True)
    elif kind == "square":
        parts.add(rounded_box((-r, -r, -0.1), (r, r, height), 0.02), wood(rng, variety))
    else:
        stone = Stuff(Material.STONE, (226, 222, 214), variety.layer(rng, Texture.CONCRETE))
        parts.add(lathe([(2.2 * r, -0.1), (2.0 * r, 0.35), (1.2 * r, 0.48), (0.2 * r, 0.52)], 10), stone, smooth=True)
    if kind in ("round", "ball") and rng.random() < 0.5:
        band = lathe([(1.04 * r, 0.7 * height), (1.04 * r, 0.8 * height)], 8)[:16]
        parts.add(band, WHITE if rng.random() < 0.5 else RED, smooth=True)
    return parts.mesh()


def make_fence(rng: np.random.Generator, length: float, variety: Variety = TRAINING) -> Mesh:
    """A fence along x from the origin, `Class.MANMADE`: pickets, rails, panels or wire."""
    parts = Parts(Class.MANMADE)
    variety.choose(rng, FENCES)(parts, rng, length, variety)
    return parts.mesh()


def _pickets(parts: Parts, rng: np.random.Generator, length: float, variety: Variety) -> None:
    height, stuff = rng.uniform(0.9, 1.3), wood(rng, variety)
    bars = _posts(length, height, 0.08)
    bars += [beam((0.0, 0.0, z), (length, 0.0, z), 0.04, 0.08) for z in (0.3 * height, 0.8 * height)]
    bars += [beam((x, -0.04, 0.08), (x, -0.04, height), 0.08, 0.02) for x in np.arange(0.12, length - 0.05, 0.17)]
    parts.add(np.concatenate(bars), stuff)


def _rails(parts: Parts, rng: np.random.Generator, length: float, variety: Variety) -> None:
    height, stuff = rng.uniform(0.9, 1.2), wood(rng, variety)
    bars = _posts(length, height, 0.1)
    bars += [beam((0.0, -0.06, z), (length, -0.06, z), 0.03, 0.13) for z in np.linspace(0.35, height - 0.1, 3)]
    parts.add(np.concatenate(bars), stuff)


def _iron(parts: Parts, rng: np.random.Generator, length: float, variety: Variety) -> None:
    height = rng.uniform(1.0, 1.6)
    bars = _posts(length, height, 0.05)
    bars += [beam((0.0, 0.0, z), (length, 0.0, z), 0.03, 0.03) for z in (0.15, height - 0.12)]
    bars += [rod((x, 0.0, 0.15), (x, 0.0, height), 0.012, 4, 0.006) for x in np.arange(0.15, length, 0.2)]
    parts.add(np.concatenate(bars), Stuff(Material.METAL, (60, 64, 62)))


def _panels(parts: Parts, rng: np.random.Generator, length: float, variety: Variety) -> None:
    height = rng.uniform(1.4, 1.8)
    parts.add(np.concatenate(_posts(length, height, 0.1)), DARK)
    boards = Stuff(Material.WOOD, wood(rng, variety).tint, variety.layer(rng, Texture.PLANKS))
    parts.add(beam((0.0, 0.0, 0.5 * height + 0.03), (length, 0.0, 0.5 * height + 0.03), 0.03, height - 0.1), boards)


FENCES: tuple[Callable[[Parts, np.random.Generator, float, Variety], None], ...] = (_pickets, _rails, _iron, _panels)


def _posts(length: float, height: float, width: float) -> list[np.ndarray]:
    """Upright posts from the start to the end."""
    places = np.linspace(0.0, length, max(2, round(length / FENCE_STEP) + 1))
    return [beam((x, 0.0, -0.2), (x, 0.0, height + 0.05), width, width) for x in places]


def make_roadworks(rng: np.random.Generator, variety: Variety = TRAINING) -> Mesh:
    """A pile of earth or gravel as roadworks leave it, 60 triangles, `Class.OTHERS`."""
    r, height = rng.uniform(0.6, 1.3), rng.uniform(0.4, 0.8)
    rows = [(1.0, 0.0), (0.8, 0.35), (0.4, 0.8), (0.1, 1.0)]
    rings = np.array([oval((0.0, 0.0, z * height), (f * r, f * r), 9) for f, z in rows])
    rings[..., :2] *= 1.0 + rng.normal(0.0, 0.08, size=(*rings.shape[:2], 1))
    family = Texture.SOIL if rng.random() < 0.5 else Texture.GRAVEL
    return Parts(Class.OTHERS).add(loft(rings), Stuff(Material.SOIL, texture_id=variety.layer(rng, family))).mesh()
