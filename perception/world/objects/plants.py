"""Trees, hedges, bushes, flowers, grass and ivy: stems, and cards that each show a cluster of leaves."""

from dataclasses import dataclass

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import Look, Mesh, joined, surface, tube
from perception.world.materials import Material, Texture
from perception.world.objects.shapes import Tint
from perception.world.objects.walls import Wall
from perception.world.variety import TRAINING, Variety

CLEARANCE = 2.3  # m below a street tree, kept free for traffic
CARD = 0.66  # m, edge of a card in a crown
HEDGE_CARD = 0.42  # m
HEDGE_DENSITY = 26  # cards per square metre of side view
CARDS_PER_LEAF = 0.95  # a card stands for a cluster of the leaves that a configuration counts
INNER_SHADE = 0.5  # tint of the innermost cards; the outermost are 1
GREENS: tuple[Tint, ...] = ((255, 255, 255), (226, 240, 206), (238, 255, 214), (206, 226, 196), (246, 240, 190))
AUTUMN: tuple[Tint, ...] = ((255, 206, 96), (255, 150, 70), (236, 110, 70), (246, 226, 110))
FLOWERS: tuple[Tint, ...] = ((255, 90, 110), (255, 226, 90), (236, 236, 255), (220, 130, 255), (255, 150, 60))


@dataclass(frozen=True, slots=True)
class Kind:
    """What trees of one kind have in common; lengths as shares of the height."""

    height: tuple[float, float]  # m
    crown: tuple[float, float]  # radius
    bole: tuple[float, float]  # of the stem below the crown
    shape: str  # round, column, cone, weeping or palm
    bark: Tint = (255, 255, 255)
    limbs: tuple[int, int] = (4, 8)
    density: float = 1.0


KINDS: tuple[Kind, ...] = (  # the last quarter is held out for evaluation
    Kind((5.5, 10.0), (0.24, 0.33), (0.28, 0.38), "round"),
    Kind((6.0, 11.0), (0.11, 0.15), (0.12, 0.2), "column", (214, 206, 190), (3, 5)),
    Kind((5.0, 10.5), (0.2, 0.27), (0.12, 0.2), "cone", (186, 150, 120), (0, 1), 1.2),
    Kind((4.0, 6.5), (0.32, 0.4), (0.3, 0.4), "round", (200, 190, 176), (5, 8), 0.9),
    Kind((7.0, 10.5), (0.17, 0.22), (0.25, 0.35), "round", (255, 252, 246), (6, 9), 0.7),  # birch
    Kind((5.0, 8.5), (0.2, 0.26), (0.62, 0.72), "palm", (214, 190, 160), (0, 1), 0.7),
    Kind((5.0, 8.0), (0.34, 0.42), (0.3, 0.36), "weeping", (196, 180, 150), (5, 8)),
    Kind((5.5, 9.0), (0.28, 0.36), (0.4, 0.5), "flat", (190, 140, 110), (4, 7), 0.9),
)


def make_tree(rng: np.random.Generator, num_leaves: int, variety: Variety = TRAINING) -> Mesh:
    """A tree on the origin; smaller ones have fewer leaves than `num_leaves`."""
    kind = variety.choose(rng, KINDS)
    height = rng.uniform(*kind.height)
    crown, bole = rng.uniform(*kind.crown) * height, rng.uniform(*kind.bole) * height
    lean = rng.normal(0.0, 0.02, size=2) * height
    count = int(CARDS_PER_LEAF * num_leaves * kind.density * (height / 10.0) ** 1.5)
    if kind.shape == "palm":
        wood, centres, outwards = _palm(rng, height, crown, count, lean)
        depth = np.ones(len(centres))
    else:
        wood = _stem(rng, kind, height, crown, bole, lean)
        unit = _crown(rng, count, kind.shape)
        scale = np.array([crown, crown, 0.5 * (height - bole) * (1.1 if kind.shape != "flat" else 0.5)])
        middle = np.array([*lean, bole + 0.5 * (height - bole)])
        centres, depth = unit * scale + middle, np.clip(np.linalg.norm(unit, axis=1), 0.0, 1.0)
        if kind.shape == "cone":
            depth = np.clip(np.hypot(unit[:, 0], unit[:, 1]) / (0.55 - 0.5 * unit[:, 2]), 0.0, 1.0)
        outwards = unit / np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-6) + [0.0, 0.0, 0.35]
    centres[:, 2] = CLEARANCE + np.abs(centres[:, 2] - CLEARANCE)
    tints = AUTUMN if rng.random() < 0.1 and kind.shape not in ("palm", "cone") else GREENS
    tint = np.array(tints[int(rng.integers(len(tints)))], dtype=np.float64)
    size = CARD * np.clip((height / 8.0) ** 0.5, 0.7, 1.1) * (0.8 if kind.shape in ("cone", "column") else 1.0)
    foliage = _cards(rng, centres, outwards, size, tint, depth, variety.layer(rng, Texture.LEAF))
    return joined([_wood(rng, wood, kind.bark, variety), foliage])


def _stem(
    rng: np.random.Generator, kind: Kind, height: float, crown: float, bole: float, lean: np.ndarray
) -> list[np.ndarray]:
    """A stem and its limbs."""
    top = np.array([*lean, (0.92 if kind.shape in ("cone", "column") else 0.85) * height])
    radius = (0.016 if kind.crown[1] < 0.25 else 0.021) * height
    path = np.array([[0.0, 0.0, -0.3], [0.0, 0.0, 0.15], [0.0, 0.0, 0.5], 0.5 * top, top])
    wood = [tube(path, [1.7 * radius, 1.35 * radius, radius, 0.7 * radius, 0.15 * radius], 8)]
    for _ in range(int(rng.integers(*kind.limbs)) if kind.limbs[1] > 1 else 0):
        angle, rise = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(0.0, 0.5)
        foot = np.array([*(lean * 0.5), bole * 0.95 + rise * (height - bole)])
        reach = 0.75 * crown * (1.0 - 0.4 * rise)
        tip = foot + np.array([reach * np.cos(angle), reach * np.sin(angle), 0.2 * height])
        tip[2] = min(tip[2], 0.95 * height)
        bow = 0.5 * (foot + tip) + np.array([0.0, 0.0, 0.1])
        wood.append(tube(np.array([foot, bow, tip]), [0.45 * radius, 0.28 * radius, 0.02], 5))
    return wood


def _palm(
    rng: np.random.Generator, height: float, crown: float, count: int, lean: np.ndarray
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """A bare stem with fronds that bow down; the cards lie along them."""
    top = np.array([*(3.0 * lean), 0.86 * height])
    middle = 0.5 * top + np.array([*(-0.7 * lean), 0.0])
    wood = [tube(np.array([[0, 0, -0.3], [0, 0, 0.2], middle, top]), [0.26, 0.2, 0.15, 0.13], 8)]
    fronds = max(9, count // 14)
    angle = 2.0 * np.pi * (np.arange(fronds) + rng.random(fronds)) / fronds
    rise = rng.uniform(0.1, 0.9, size=fronds)
    along = np.repeat(np.linspace(0.12, 1.0, 12)[None], fronds, axis=0)
    reach = 1.5 * crown * along
    z = top[2] + crown * (1.1 * rise[:, None] * along - 1.5 * along**2.2)
    centres = np.stack([top[0] + reach * np.cos(angle)[:, None], top[1] + reach * np.sin(angle)[:, None], z], axis=-1)
    outwards = np.stack(
        [0.5 * np.cos(angle)[:, None] * along, 0.5 * np.sin(angle)[:, None] * along, np.ones_like(along)], axis=-1
    )
    return wood, centres.reshape(-1, 3), outwards.reshape(-1, 3)


def _wood(rng: np.random.Generator, wood: list[np.ndarray], tint: Tint, variety: Variety) -> Mesh:
    look = Look(variety.layer(rng, Texture.BARK), tint, None, True)
    return surface(np.concatenate(wood), Class.VEGETATION, Material.BARK, 0, look)


def _crown(rng: np.random.Generator, count: int, shape: str) -> np.ndarray:
    """Points (count, 3) within about the unit ball: clumps on its surface, as crowns are hollow and uneven."""
    if shape == "cone":
        level = 1.0 - np.sqrt(rng.random(count))  # from the foot up, denser below
        tier = np.floor(level * 9.0) / 9.0 + rng.uniform(0.0, 0.05, size=count)
        angle, reach = rng.uniform(0.0, 2.0 * np.pi, size=count), np.sqrt(rng.uniform(0.15, 1.0, size=count))
        reach = reach * (1.0 - tier)
        return np.column_stack([reach * np.cos(angle), reach * np.sin(angle), 2.0 * tier - 1.0 - 0.12 * reach])
    num_clumps = {"column": 22, "flat": 12, "weeping": 12}.get(shape, 16)
    clumps = rng.normal(size=(num_clumps, 3))
    clumps /= np.linalg.norm(clumps, axis=1, keepdims=True)
    clumps *= rng.uniform(0.45, 0.8, size=(num_clumps, 1))
    points = clumps[rng.integers(0, num_clumps, size=count)]
    offset = rng.normal(size=(count, 3))
    offset *= rng.uniform(0.18, 0.36, size=(count, 1)) / np.linalg.norm(offset, axis=1, keepdims=True)
    points = points + offset
    if shape == "weeping":
        outer = np.hypot(points[:, 0], points[:, 1])
        points[:, 2] -= 0.9 * outer**2 * rng.random(count)
    return points


def _cards(
    rng: np.random.Generator,
    centres: np.ndarray,
    outwards: np.ndarray,
    size: float,
    tint: np.ndarray,
    depth: np.ndarray,
    layer: int,
    spread: float = 0.45,
) -> Mesh:
    """One triangle at each of `centres` (N, 3), facing about `outwards` (N, 3); darker at small `depth` (N,)."""
    n = len(centres)
    normal = outwards + spread * rng.normal(size=(n, 3))
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6)
    u = np.cross(normal, rng.normal(size=(n, 3)))
    u /= np.maximum(np.linalg.norm(u, axis=1, keepdims=True), 1e-6)
    v = np.cross(normal, u)
    # The mask of leaves fills the corner at the first point of a right-angled card.
    edge = size * rng.uniform(0.75, 1.25, size=(n, 1))
    corner = centres - (u + v) * edge / 3.0
    triangles = np.stack([corner, corner + u * edge, corner + v * edge], axis=1)
    place = rng.uniform(0.0, 0.5, size=(n, 1, 2))
    uvs = place + np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]) * edge[:, None] * 0.8
    mesh = surface(triangles, Class.VEGETATION, Material.LEAF, 0, Look(layer, (255, 255, 255), uvs))
    light = INNER_SHADE + (1.0 - INNER_SHADE) * np.clip(depth, 0.0, 1.0)[:, None] ** 1.5
    tones = tint * light * rng.normal(1.0, 0.08, size=(n, 1)) + rng.normal(0.0, 6.0, size=(n, 3))
    mesh.tints[:] = np.clip(tones, 20.0, 255.0).astype(np.uint8)
    return mesh


def make_hedge(
    rng: np.random.Generator, length: float, height: float = 1.3, width: float = 0.8, variety: Variety = TRAINING
) -> Mesh:
    """A hedge along x from the origin: cards on the sides and the top of a box."""
    count = int(HEDGE_DENSITY * length * height)
    unit = rng.random((count, 3))
    face = rng.random(count)
    unit[face < 0.36, 1], unit[face > 0.64, 1] = 0.06, 0.94
    is_top = np.abs(face - 0.5) < 0.14
    unit[is_top, 2] = 0.95
    outwards = np.zeros((count, 3))
    outwards[face < 0.36, 1], outwards[face > 0.64, 1], outwards[is_top, 2] = -1.0, 1.0, 1.0
    unit += rng.normal(0.0, 0.025, size=(count, 3))
    unit[:, 0] = 0.04 + 0.92 * unit[:, 0]
    centres = unit * [length, width, height] + np.array([0.0, -0.5 * width, 0.0])
    tint = np.array(GREENS[int(rng.integers(len(GREENS)))], dtype=np.float64)
    depth = 0.35 + 0.65 * unit[:, 2]
    return _cards(
        rng, centres, outwards + np.array([0.0, 0.0, 0.3]), HEDGE_CARD, tint, depth, variety.layer(rng, Texture.LEAF)
    )


def make_bush(rng: np.random.Generator, variety: Variety = TRAINING) -> Mesh:
    """A round bush on the origin, in flower at times."""
    radius = rng.uniform(0.5, 1.1)
    unit = _crown(rng, int(110 * radius**1.6), "round")
    centres = unit * [radius, radius, 0.85 * radius] + np.array([0.0, 0.0, 0.75 * radius])
    centres[:, 2] = np.abs(centres[:, 2] - 0.08) + 0.08
    tint = np.array(GREENS[int(rng.integers(len(GREENS)))], dtype=np.float64)
    depth = np.linalg.norm(unit, axis=1)
    mesh = _cards(
        rng, centres, unit + np.array([0.0, 0.0, 0.4]), HEDGE_CARD, tint, depth, variety.layer(rng, Texture.LEAF)
    )
    if rng.random() < 0.3:
        mesh.tints[rng.random(len(mesh)) < 0.3] = FLOWERS[int(rng.integers(len(FLOWERS)))]
    return mesh


def make_tufts(rng: np.random.Generator, size: float, variety: Variety = TRAINING, height: float = 0.3) -> Mesh:
    """Tall grass over a square of `size` around the origin: upright cards."""
    count = int(7.0 * size**2)
    centres = np.column_stack([rng.uniform(-0.5, 0.5, size=(count, 2)) * size, np.full(count, 0.25 * height)])
    outwards = np.column_stack([rng.normal(size=(count, 2)), np.full(count, 0.15)])
    tint = np.array(((226, 232, 170), (214, 240, 180))[int(rng.integers(2))], dtype=np.float64)
    layer = variety.layer(rng, Texture.LEAF)
    return _cards(rng, centres, outwards, height, tint, rng.random(count), layer, 0.1)


def make_flower_bed(rng: np.random.Generator, length: float, width: float, variety: Variety = TRAINING) -> Mesh:
    """A bed of earth along x from the origin with low flowers of one or two colours."""
    count = int(26 * length * width)
    centres = np.column_stack(
        [rng.random((count, 2)) * [length, width] - [0.0, 0.5 * width], rng.uniform(0.08, 0.22, count)]
    )
    outwards = np.column_stack([0.6 * rng.normal(size=(count, 2)), np.ones(count)])
    mesh = _cards(rng, centres, outwards, 0.2, np.full(3, 240.0), rng.random(count), variety.layer(rng, Texture.LEAF))
    colours = np.array(FLOWERS, dtype=np.uint8)[rng.integers(len(FLOWERS), size=2)]
    flowers = rng.random(count) < 0.45
    mesh.tints[flowers] = colours[rng.integers(2, size=int(flowers.sum()))]
    z = 0.03
    half = 0.5 * width
    bed = np.array(
        [[[0, -half, z], [length, -half, z], [length, half, z]], [[0, -half, z], [length, half, z], [0, half, z]]]
    )
    soil = surface(bed, Class.TERRAIN, Material.SOIL, 0, Look(variety.layer(rng, Texture.SOIL)))
    return joined([soil, mesh])


def make_ivy(wall: Wall, ground: float, rng: np.random.Generator, variety: Variety = TRAINING) -> Mesh:
    """Ivy on a wall: cards that hang close to it, denser below."""
    height = min(rng.uniform(2.5, 8.0), wall.high - ground - 0.3)
    length = min(rng.uniform(2.5, 9.0), wall.length)
    start = rng.uniform(0.0, wall.length - length)
    count = int(8.0 * length * height)
    up = rng.random(count) ** 1.5
    along = start + length * (0.5 + (rng.random(count) - 0.5) * (1.0 - 0.5 * up))
    centres = np.column_stack([along, -0.06 - 0.1 * rng.random(count), ground + up * height])
    outwards = np.tile([0.0, -1.0, 0.25], (count, 1))
    tint = np.array(GREENS[int(rng.integers(len(GREENS)))], dtype=np.float64)
    mesh = _cards(
        rng, centres, outwards, 0.5, tint, 0.3 + 0.7 * rng.random(count), variety.layer(rng, Texture.LEAF), 0.2
    )
    mesh.triangles[:] = wall.lifted(mesh.triangles)
    return mesh
