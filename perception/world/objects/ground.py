"""The ground of a town: roads, pavements with kerbs, and the earth between, cut along the edges of the streets."""

from itertools import pairwise

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import Mesh, joined, quads, surface
from perception.world.layout import PAVEMENT, Layout, Rectangle
from perception.world.materials import Material

KERB = 0.13  # m
EARTH_DROP = 0.05  # m below the road
CELL = 4.0  # m, largest edge of a piece of ground
ROAD, WALK, EARTH = 0, 1, 2
_LIFT = np.array([0.0, KERB, -EARTH_DROP])
_LOOK = (
    (Class.DRIVEABLE_SURFACE, Material.ASPHALT),
    (Class.SIDEWALK, Material.CONCRETE),
    (Class.TERRAIN, Material.GRASS),
)


def make_ground(layout: Layout, area: Rectangle) -> Mesh:
    """The ground of `area`, one instance (0), without gaps or overlaps."""
    x, y = _cuts(layout, area)
    kinds = _kinds(layout, 0.5 * (x[:-1] + x[1:]), 0.5 * (y[:-1] + y[1:]))
    height = layout.terrain.height(*np.meshgrid(x, y, indexing="ij"))
    grid = np.stack([*np.meshgrid(x, y, indexing="ij"), height], axis=-1)
    corners = np.stack([grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]], axis=2)
    corners[..., 2] += _LIFT[kinds][..., None]
    tops = [surface(quads(corners[kinds == kind]), *_LOOK[kind]) for kind in (ROAD, WALK, EARTH)]
    return joined([*tops, _kerbs(corners, kinds)])


def kind_at(layout: Layout, x: float, y: float) -> int:
    """ROAD, WALK or EARTH at a point."""
    for margin, kind in ((0.0, ROAD), (PAVEMENT, WALK)):
        if any(street.area(margin).contains(x, y) for street in layout.streets):
            return kind
    return EARTH


def _kinds(layout: Layout, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """ROAD, WALK or EARTH (len(x), len(y)) for the points of a grid."""
    xx, yy = np.meshgrid(x, y, indexing="ij")
    kinds = np.full(xx.shape, EARTH)
    for margin, kind in ((PAVEMENT, WALK), (0.0, ROAD)):
        for street in layout.streets:
            kinds[street.area(margin).contains(xx, yy)] = kind
    return kinds


def _cuts(layout: Layout, area: Rectangle) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates at which the ground is cut: every edge of a street, and between these at most `CELL` apart."""
    out = []
    for low, high, axis in ((area.x_low, area.x_high, "x"), (area.y_low, area.y_high, "y")):
        edges = {low, high}
        for street in layout.streets:
            for margin in (0.0, PAVEMENT):
                rectangle = street.area(margin)
                edges |= {getattr(rectangle, f"{axis}_low"), getattr(rectangle, f"{axis}_high")}
        inner = np.array(sorted(edge for edge in edges if low <= edge <= high))
        pieces = [np.linspace(a, b, int(np.ceil((b - a) / CELL)) + 1)[:-1] for a, b in pairwise(inner) if b - a > 1e-6]
        out.append(np.append(np.concatenate(pieces), high))
    return out[0], out[1]


def _kerbs(corners: np.ndarray, kinds: np.ndarray) -> Mesh:
    """Upright faces between neighbouring cells of different height; `corners` (I, J, 4, 3)."""
    faces = []
    across_x = kinds[:-1] != kinds[1:]
    left, right = corners[:-1][across_x], corners[1:][across_x]
    faces.append(np.stack([left[:, 1], left[:, 2], right[:, 3], right[:, 0]], axis=1))
    across_y = kinds[:, :-1] != kinds[:, 1:]
    near, far = corners[:, :-1][across_y], corners[:, 1:][across_y]
    faces.append(np.stack([near[:, 3], near[:, 2], far[:, 1], far[:, 0]], axis=1))
    return surface(quads(np.concatenate(faces)), Class.SIDEWALK, Material.CONCRETE)
