"""Bodies that objects are put together from, and the collector of their parts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import WHITE, Look, Mesh, joined, quads, surface
from perception.world.materials import Material

Tint = tuple[int, int, int]
UNIT_UVS = np.array([[[0, 0], [1, 0], [1, 1]], [[0, 0], [1, 1], [0, 1]]], dtype=np.float32)  # of a `panel`
MIN_AREA = 1e-9  # m^2, smaller triangles are dropped: they come from rings that shrink to a point


@dataclass(frozen=True, slots=True)
class Stuff:
    """What a part is made of and how it looks."""

    material: Material
    tint: Tint = WHITE
    texture_id: int | None = None  # `Texture.layer`; None: the first look of the material


class Parts:
    """Collects the parts of one object of class `kind`."""

    def __init__(self, kind: Class) -> None:
        self.kind = kind
        self._meshes: list[Mesh] = []

    def add(self, triangles: np.ndarray, stuff: Stuff, smooth: bool = False, uvs: np.ndarray | None = None) -> "Parts":
        """Add triangles (N, 3, 3) with coordinates `uvs` (N, 3, 2) or laid in metres; `smooth`: a curved body."""
        look = Look(stuff.texture_id, stuff.tint, uvs, smooth)
        self._meshes.append(surface(triangles, self.kind, stuff.material, 0, look))
        return self

    def add_as(self, kind: Class, triangles: np.ndarray, stuff: Stuff, smooth: bool = False) -> "Parts":
        """Add triangles of another class than the object's own, e.g. the post of a sign."""
        look = Look(stuff.texture_id, stuff.tint, None, smooth)
        self._meshes.append(surface(triangles, kind, stuff.material, 0, look))
        return self

    def join(self, mesh: Mesh) -> "Parts":
        """Add a finished mesh as it is."""
        self._meshes.append(mesh)
        return self

    def mesh(self) -> Mesh:
        """All parts, in their order."""
        return joined(self._meshes)


UNLIT = 0.72  # brightness of a lamp that is off by that of its glow


def switched_off(mesh: Mesh) -> Mesh:
    """The mesh with all its lamps off."""
    lamps = mesh.material_ids == Material.LAMP
    materials = np.where(lamps, np.uint8(Material.PLASTIC), mesh.material_ids)
    tints = np.where(lamps[:, None], UNLIT * mesh.tints, mesh.tints).astype(np.uint8)
    return replace(mesh, material_ids=materials, tints=tints)


def shade(tint: Tint, factor: float) -> Tint:
    """The colour made darker (< 1) or lighter (> 1), within 0 to 255."""
    r, g, b = (int(np.clip(round(c * factor), 0, 255)) for c in tint)
    return r, g, b


def without_slivers(triangles: np.ndarray) -> np.ndarray:
    """The triangles (N, 3, 3) that have an area."""
    sides = np.diff(triangles, axis=1)
    return triangles[0.5 * np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1) > MIN_AREA]


def loft(rings: np.ndarray, caps: bool = True, is_convex: bool = False) -> np.ndarray:
    """A body through closed rings (K, S, 3) that run counter-clockwise seen from the last one looking back.

    Its caps, the last triangles, have S triangles each around their middle; S - 2 where the rings are convex.
    """
    rings = np.asarray(rings, dtype=np.float64)
    turned = np.roll(rings, -1, axis=1)
    parts = [quads(np.stack([rings[:-1], turned[:-1], turned[1:], rings[1:]], axis=2))]
    if caps:
        cap = _convex_fan if is_convex else _fan
        parts += [cap(rings[0][::-1]), cap(rings[-1])]
    return without_slivers(np.concatenate(parts))


def _fan(ring: np.ndarray) -> np.ndarray:
    """Triangles between a ring (S, 3) and its middle."""
    middle = np.broadcast_to(ring.mean(axis=0), ring.shape)
    return np.stack([middle, ring, np.roll(ring, -1, axis=0)], axis=1)


def _convex_fan(ring: np.ndarray) -> np.ndarray:
    """Triangles between the first point of a ring (S, 3) and the others."""
    return np.stack([np.broadcast_to(ring[0], ring[2:].shape), ring[1:-1], ring[2:]], axis=1)


def oval(centre: Sequence[float], radii: Sequence[float], sides: int = 8, power: float = 2.0) -> np.ndarray:
    """A level ring (sides, 3), counter-clockwise from above; larger `power`: squarer."""
    angle = 2.0 * np.pi * (np.arange(sides) + 0.5) / sides
    c, s = np.cos(angle), np.sin(angle)
    reach = (np.abs(c) ** power + np.abs(s) ** power) ** (-1.0 / power)
    return np.column_stack([radii[0] * reach * c, radii[1] * reach * s, np.zeros(sides)]) + np.asarray(centre)


def upright_oval(centre: Sequence[float], radii: Sequence[float], sides: int = 8, power: float = 2.0) -> np.ndarray:
    """A ring (sides, 3) across x, counter-clockwise seen from +x; `radii` along y and z."""
    return oval((0.0, 0.0, 0.0), radii, sides, power)[:, [2, 0, 1]] + np.asarray(centre)


def lathe(profile: Sequence[Sequence[float]], sides: int = 10, caps: bool = True) -> np.ndarray:
    """A round body about z from (radius, z) pairs, from its lower to its upper end."""
    return loft(np.array([oval((0.0, 0.0, z), (r, r), sides) for r, z in profile]), caps)


def rod(
    a: Sequence[float], b: Sequence[float], radius: float, sides: int = 6, end_radius: float | None = None
) -> np.ndarray:
    """A closed round bar from a to b."""
    points = np.array([a, b], dtype=np.float64)
    return loft(_sections(points, (radius, radius if end_radius is None else end_radius), sides), is_convex=True)


def limb(points: np.ndarray, radii: Sequence[float], sides: int = 6) -> np.ndarray:
    """A closed round body through `points` (K, 3); all sections lie across the way from the first to the last."""
    return loft(_sections(np.asarray(points, dtype=np.float64), radii, sides))


def _sections(points: np.ndarray, radii: Sequence[float], sides: int) -> np.ndarray:
    u, v = _across(points[-1] - points[0])
    angle = 2.0 * np.pi * (np.arange(sides) + 0.5) / sides
    ring = np.cos(angle)[:, None] * u + np.sin(angle)[:, None] * v
    return points[:, None] + np.asarray(radii)[:, None, None] * ring


def _across(along: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two unit vectors that make a right-handed frame with `along`; the first is level."""
    along = along / np.linalg.norm(along)
    helper = np.array([0.0, 0.0, 1.0]) if abs(along[2]) < 0.95 else np.array([1.0, 0.0, 0.0])
    u = np.cross(helper, along)
    u /= np.linalg.norm(u)
    return u, np.cross(along, u)


def beam(a: Sequence[float], b: Sequence[float], width: float, height: float) -> np.ndarray:
    """A straight bar of rectangular section; `width` is level."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    u, v = _across(b - a)
    ring = np.array([-u * width - v * height, u * width - v * height, u * width + v * height, -u * width + v * height])
    return loft(np.stack([a + 0.5 * ring, b + 0.5 * ring]), is_convex=True)


def panel(corners: Sequence[Sequence[float]]) -> np.ndarray:
    """Two triangles; corners from lower left, counter-clockwise seen from the front. Goes with `UNIT_UVS`."""
    return quads(np.asarray([corners], dtype=np.float64))


def rounded_box(low: Sequence[float], high: Sequence[float], radius: float) -> np.ndarray:
    """A box with cut edges."""
    low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    r = np.minimum(radius, 0.24 * (high - low))
    rings = [
        _octagon(low + inset * r, high - inset * r, r, z)
        for inset, z in ((1.0, low[2]), (0.0, low[2] + r[2]), (0.0, high[2] - r[2]), (1.0, high[2]))
    ]
    return loft(np.array(rings), is_convex=True)


def _octagon(low: np.ndarray, high: np.ndarray, r: np.ndarray, z: float) -> np.ndarray:
    (a, b), (c, d) = low[:2], high[:2]
    p, q = r[:2]
    xy = [(a + p, b), (c - p, b), (c, b + q), (c, d - q), (c - p, d), (a + p, d), (a, d - q), (a, b + q)]
    return np.column_stack([np.array(xy), np.full(8, z)])


def bevelled(outline: np.ndarray, half_width: float, bevel: float) -> np.ndarray:
    """A body with a side view `outline` (K, 2) in x and z, counter-clockwise seen from -y, and cut edges.

    The outline must be star-shaped about its middle.
    """
    outline = np.asarray(outline, dtype=np.float64)
    middle = 0.5 * (outline.min(axis=0) + outline.max(axis=0))
    size = np.maximum(0.5 * (outline.max(axis=0) - outline.min(axis=0)), 1e-6)
    inner = middle + (outline - middle) * np.maximum(1.0 - bevel / size, 0.1)
    rings = [
        np.column_stack([points[:, 0], np.full(len(points), y), points[:, 1]])
        for points, y in (
            (inner, half_width),
            (outline, half_width - bevel),
            (outline, bevel - half_width),
            (inner, -half_width),
        )
    ]
    return loft(np.array(rings))


def rotated(triangles: np.ndarray, axis: int, angle: float, about: Sequence[float] = (0.0, 0.0, 0.0)) -> np.ndarray:
    """Triangles turned about a line parallel to a coordinate axis through `about`."""
    return (np.asarray(triangles) - np.asarray(about)) @ rotation(axis, angle).T + np.asarray(about)


def rotation(axis: int, angle: float) -> np.ndarray:
    """The (3, 3) matrix of a turn about a coordinate axis."""
    R = np.eye(3)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    R[i, i] = R[j, j] = np.cos(angle)
    R[j, i] = np.sin(angle)
    R[i, j] = -R[j, i]
    return R


def mirrored(triangles: np.ndarray) -> np.ndarray:
    """The other side: y changes its sign, the corners their order."""
    return (np.asarray(triangles) * [1.0, -1.0, 1.0])[:, ::-1]


def both_sides(triangles: np.ndarray) -> np.ndarray:
    """The triangles and their mirror image across y = 0."""
    return np.concatenate([triangles, mirrored(triangles)])


def vec(x: float, y: float, z: float) -> np.ndarray:
    """A point or a step (3,)."""
    return np.array([x, y, z], dtype=np.float64)
