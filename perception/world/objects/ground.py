"""The ground outdoors: roads, pavements with kerbs, squares, and the earth between, cut along their edges."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import Look, Mesh, joined, quads, surface
from perception.world.layout import PAVEMENT, Layout, Rectangle
from perception.world.materials import Material, Texture
from perception.world.variety import TRAINING, Variety

KERB = 0.13  # m
EARTH_DROP = 0.05  # m below the road
CELL = 5.0  # m, largest edge of a piece of ground
ROAD, WALK, EARTH, PLAZA, FLOOR = 0, 1, 2, 3, 4
LIFT = np.array([0.0, KERB, -EARTH_DROP, KERB, 0.0])  # m, by kind
KERB_STONE = 0.16  # m, width of the stones at the edge of a pavement
STONE_RISE = 0.004  # m by which they stick out
FAR, FAR_CELL, FAR_OVERLAP, FAR_DROP = 150.0, 25.0, 3.0, 0.35  # m, of the land around the built ground
EARTH_BLOCK, NUM_EARTH_BLOCKS = 16.0, 20  # m, pieces of land of one kind; repeats after so many
EARTHS = (
    (Texture.GRASS, Material.GRASS, 0.7),
    (Texture.GRAVEL, Material.SOIL, 0.16),
    (Texture.SOIL, Material.SOIL, 0.14),
)
EDGE_TOLERANCE = 1e-6  # m


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """The ground as it is triangulated: a grid whose cells are cut from low x, low y to high x, high y."""

    x: np.ndarray  # (I + 1,) float64, m
    y: np.ndarray  # (J + 1,) float64, m
    height: np.ndarray  # (I + 1, J + 1) float64, m, of the road level
    kinds: np.ndarray  # (I, J), ROAD, WALK, EARTH, PLAZA or FLOOR

    def cell(self, x: float, y: float) -> tuple[int, int]:
        """The cell under a point; points outside belong to the nearest one."""
        i = int(np.clip(np.searchsorted(self.x, x, side="right") - 1, 0, len(self.x) - 2))
        j = int(np.clip(np.searchsorted(self.y, y, side="right") - 1, 0, len(self.y) - 2))
        return i, j

    def plane(self, i: int, j: int, is_lower: bool) -> tuple[float, float, float]:
        """Height of one triangle of a cell as `a + b * x + c * y`; the lower one lies at high x."""
        dx, dy = self.x[i + 1] - self.x[i], self.y[j + 1] - self.y[j]
        h = self.height
        if is_lower:
            b, c = (h[i + 1, j] - h[i, j]) / dx, (h[i + 1, j + 1] - h[i + 1, j]) / dy
        else:
            b, c = (h[i + 1, j + 1] - h[i, j + 1]) / dx, (h[i, j + 1] - h[i, j]) / dy
        return float(h[i, j] - b * self.x[i] - c * self.y[j]), float(b), float(c)

    def surface_height(self, x: float, y: float) -> float:
        """Height (m) of what one stands on at a point, exactly as it is triangulated."""
        i, j = self.cell(x, y)
        s = (x - self.x[i]) / (self.x[i + 1] - self.x[i])
        t = (y - self.y[j]) / (self.y[j + 1] - self.y[j])
        a, b, c = self.plane(i, j, s >= t)
        return a + b * x + c * y + float(LIFT[self.kinds[i, j]])


def survey(layout: Layout, area: Rectangle) -> Ground:
    """The ground of `area`, cut up."""
    x, y = _cuts(layout, area)
    kinds = _kinds(layout, 0.5 * (x[:-1] + x[1:]), 0.5 * (y[:-1] + y[1:]))
    return Ground(x, y, layout.terrain.height(*np.meshgrid(x, y, indexing="ij")), kinds)


def make_ground(
    layout: Layout, ground: Ground, rng: np.random.Generator | None = None, variety: Variety = TRAINING
) -> Mesh:
    """All of the ground, one instance (0), without gaps or overlaps; `rng` decides how it looks."""
    rng = np.random.default_rng(0) if rng is None else rng
    grid = np.stack([*np.meshgrid(ground.x, ground.y, indexing="ij"), ground.height], axis=-1)
    corners = np.stack([grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]], axis=2)
    corners[..., 2] += LIFT[ground.kinds][..., None]
    kinds = ground.kinds
    parts = _roads(layout, corners, kinds, rng, variety)
    paving = [Look(variety.layer(rng, Texture.PAVING)) for _ in range(2)]
    parts.append(_level(corners[kinds == WALK], Class.SIDEWALK, Material.STONE, paving[0]))
    parts.append(_level(corners[kinds == PLAZA], Class.OTHER_FLAT, Material.STONE, paving[1]))
    floor = variety.choose(rng, (Texture.CONCRETE, Texture.LINOLEUM, Texture.TILE))
    parts.append(_level(corners[kinds == FLOOR], Class.OTHER_FLAT, Material.CONCRETE, Look(variety.layer(rng, floor))))
    parts += _earth(corners[kinds == EARTH], rng, variety)
    parts.append(_kerbs(corners, kinds, Look(variety.layer(rng, Texture.CONCRETE), (232, 230, 226))))
    return joined(parts)


def make_land(layout: Layout, area: Rectangle, rng: np.random.Generator, variety: Variety) -> Mesh:
    """Coarse land around the built ground of `area`, so that the world goes on behind the last house."""
    inner = area.grown(-FAR_OVERLAP)
    outer = area.grown(FAR)
    x = _stepped([outer.x_low, inner.x_low, inner.x_high, outer.x_high], FAR_CELL)
    y = _stepped([outer.y_low, inner.y_low, inner.y_high, outer.y_high], FAR_CELL)
    xx, yy = np.meshgrid(x, y, indexing="ij")
    grid = np.stack([xx, yy, layout.terrain.height(xx, yy) - FAR_DROP], axis=-1)
    corners = np.stack([grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]], axis=2)
    middle = corners.mean(axis=2)
    is_far = ~np.asarray(inner.contains(middle[..., 0], middle[..., 1]))
    return _level(corners[is_far], Class.TERRAIN, Material.GRASS, Look(variety.layer(rng, Texture.GRASS)))


def kind_at(layout: Layout, x: float, y: float) -> int:
    """ROAD, WALK, EARTH, PLAZA or FLOOR at a point."""
    if layout.has_hall and layout.passage is not None and layout.passage.contains(x, y):
        return FLOOR
    if any(plaza.contains(x, y) for plaza in layout.plazas):
        return PLAZA
    for margin, kind in ((0.0, ROAD), (PAVEMENT, WALK)):
        if any(street.area(margin).contains(x, y) for street in layout.streets):
            return kind
    return EARTH


def _kinds(layout: Layout, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The kind of ground (len(x), len(y)) at the points of a grid."""
    xx, yy = np.meshgrid(x, y, indexing="ij")
    kinds = np.full(xx.shape, EARTH)
    for margin, kind in ((PAVEMENT, WALK), (0.0, ROAD)):
        for street in layout.streets:
            kinds[street.area(margin).contains(xx, yy)] = kind
    for plaza in layout.plazas:
        kinds[plaza.contains(xx, yy)] = PLAZA
    if layout.has_hall and layout.passage is not None:
        kinds[layout.passage.contains(xx, yy)] = FLOOR
    return kinds


def _cuts(layout: Layout, area: Rectangle) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates at which the ground is cut: every edge of a street, and between these at most `CELL` apart."""
    areas = [street.area(margin) for street in layout.streets for margin in (0.0, PAVEMENT)]
    areas += layout.plazas
    if layout.passage is not None:
        areas.append(layout.passage)
    out = []
    for low, high, axis in ((area.x_low, area.x_high, "x"), (area.y_low, area.y_high, "y")):
        edges = {low, high} | {getattr(a, f"{axis}_{end}") for a in areas for end in ("low", "high")}
        if axis == "x" and layout.period > 0.0:  # the grid repeats with the world
            edges |= {edge + k * layout.period for edge in edges for k in (-2, -1, 1, 2)}
        inner = sorted(edge for edge in edges if low <= edge <= high)
        kept = [edge for k, edge in enumerate(inner) if k == 0 or edge - inner[k - 1] > EDGE_TOLERANCE]
        out.append(_stepped(kept, CELL))
    return out[0], out[1]


def _stepped(edges: Sequence[float], step: float) -> np.ndarray:
    """The edges, and points between them at most `step` apart."""
    pieces = [np.linspace(a, b, int(np.ceil((b - a) / step)) + 1)[:-1] for a, b in pairwise(edges)]
    return np.append(np.concatenate(pieces), edges[-1])


def _level(corners: np.ndarray, kind: Class, material: Material, look: Look) -> Mesh:
    """Cells (N, 4, 3) whose texture lies along x and y, whatever the slope."""
    triangles = quads(corners)
    return surface(triangles, kind, material, 0, Look(look.texture_id, look.tint, triangles[..., :2]))


def _roads(
    layout: Layout, corners: np.ndarray, kinds: np.ndarray, rng: np.random.Generator, variety: Variety
) -> list[Mesh]:
    """Asphalt: each street has its own age."""
    middle = corners.mean(axis=2)
    todo = kinds == ROAD
    looks = [variety.layer(rng, Texture.ASPHALT) for _ in range(2)]
    parts = []
    for k, street in enumerate(layout.streets):
        here = todo & np.asarray(street.area().contains(middle[..., 0], middle[..., 1]))
        todo &= ~here
        gray = int(rng.integers(216, 256))
        look = looks[0] if k == 0 or rng.random() < 0.6 else looks[1]
        parts.append(_level(corners[here], Class.DRIVEABLE_SURFACE, Material.ASPHALT, Look(look, (gray, gray, gray))))
    return parts


def _earth(corners: np.ndarray, rng: np.random.Generator, variety: Variety) -> list[Mesh]:
    """Grass, gravel and bare soil in blocks."""
    blocks = rng.choice(len(EARTHS), size=(NUM_EARTH_BLOCKS, NUM_EARTH_BLOCKS), p=[share for _, _, share in EARTHS])
    row = np.floor(corners.mean(axis=1) / EARTH_BLOCK).astype(np.int64) % NUM_EARTH_BLOCKS
    which = blocks[row[:, 0], row[:, 1]]
    return [
        _level(corners[which == k], Class.TERRAIN, material, Look(variety.layer(rng, texture)))
        for k, (texture, material, _) in enumerate(EARTHS)
    ]


def _kerbs(corners: np.ndarray, kinds: np.ndarray, look: Look) -> Mesh:
    """Upright faces between neighbouring cells of different height, and kerb stones; `corners` (I, J, 4, 3)."""
    faces, stones = [], []
    lift = LIFT[kinds]
    for low, high, edge, back in (
        ((slice(None, -1), slice(None)), (slice(1, None), slice(None)), (1, 2, 3, 0), np.array([1.0, 0.0, 0.0])),
        ((slice(None), slice(None, -1)), (slice(None), slice(1, None)), (3, 2, 1, 0), np.array([0.0, 1.0, 0.0])),
    ):
        differs = lift[low] != lift[high]
        a, b = corners[low][differs], corners[high][differs]
        faces.append(np.stack([a[:, edge[0]], a[:, edge[1]], b[:, edge[2]], b[:, edge[3]]], axis=1))
        is_first_higher = a[:, edge[0], 2] > b[:, edge[3], 2]
        p = np.where(is_first_higher[:, None], a[:, edge[0]], b[:, edge[3]])
        q = np.where(is_first_higher[:, None], a[:, edge[1]], b[:, edge[2]])
        inwards = np.where(is_first_higher, -1.0, 1.0)[:, None] * KERB_STONE * back
        rise = np.array([0.0, 0.0, STONE_RISE])
        stones.append(np.stack([p, q, q + inwards, p + inwards], axis=1) + rise)
    upright = surface(quads(np.concatenate(faces)), Class.SIDEWALK, Material.STONE, 0, look)
    flat = quads(np.concatenate(stones))
    return joined([upright, _faced_up(flat, look)])


def _faced_up(triangles: np.ndarray, look: Look) -> Mesh:
    """Level triangles turned so that they face upwards."""
    normal = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    triangles = np.where((normal[:, 2] < 0.0)[:, None, None], triangles[:, ::-1], triangles)
    return surface(triangles, Class.SIDEWALK, Material.STONE, 0, Look(look.texture_id, look.tint, triangles[..., :2]))
