"""Triangles with what they are, and the elementary bodies that everything in the generated world is made of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from perception.core.classes import Class
from perception.core.types import check
from perception.world.materials import DEFAULT_TEXTURE, Material


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """A triangle soup. Corners run counter-clockwise seen from outside; beams and cameras see both sides."""

    triangles: np.ndarray  # (N, 3, 3) float32: triangle, corner, xyz in m
    class_ids: np.ndarray  # (N,) uint8, `Class`
    material_ids: np.ndarray  # (N,) uint8, `Material`
    instance_ids: np.ndarray  # (N,) int32, the object a triangle belongs to; 0: the ground and other static matter
    texture_ids: np.ndarray  # (N,) uint16, `Texture.layer`
    tints: np.ndarray  # (N, 3) uint8, sRGB colour that the texture is multiplied with; 255: as it is
    uvs: np.ndarray  # (N, 3, 2) float32, place of each corner on its texture, in m (unit textures: 0 to 1), v upwards
    is_smooth: np.ndarray  # (N,) bool, part of a curved body: shaded round, and its edges are no lines

    def __post_init__(self) -> None:
        n = len(self.triangles)
        check("triangles", self.triangles, (None, 3, 3), np.float32)
        check("class_ids", self.class_ids, (n,), np.uint8)
        check("material_ids", self.material_ids, (n,), np.uint8)
        check("instance_ids", self.instance_ids, (n,), np.int32)
        check("texture_ids", self.texture_ids, (n,), np.uint16)
        check("tints", self.tints, (n, 3), np.uint8)
        check("uvs", self.uvs, (n, 3, 2), np.float32)
        check("is_smooth", self.is_smooth, (n,), np.bool_)

    def __len__(self) -> int:
        return len(self.triangles)


WHITE = (255, 255, 255)


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """How a surface looks beyond its material. `uvs` (N, 3, 2); None: laid over the triangles in metres."""

    texture_id: int | None = None  # `Texture.layer`; None: the first look of the material
    tint: tuple[int, int, int] = WHITE  # sRGB
    uvs: np.ndarray | None = None
    is_smooth: bool = False


PLAIN_LOOK = Look()


def surface(triangles: np.ndarray, kind: Class, material: Material, instance: int = 0, look: Look = PLAIN_LOOK) -> Mesh:
    """A mesh of one class, one material, one look and one instance from triangles (N, 3, 3)."""
    triangles = np.ascontiguousarray(triangles, dtype=np.float32).reshape(-1, 3, 3)
    n = len(triangles)
    texture = DEFAULT_TEXTURE[material].layer(0) if look.texture_id is None else look.texture_id
    uvs = laid_uvs(triangles) if look.uvs is None else np.ascontiguousarray(look.uvs, dtype=np.float32)
    return Mesh(
        triangles,
        np.full(n, kind, dtype=np.uint8),
        np.full(n, material, dtype=np.uint8),
        np.full(n, instance, dtype=np.int32),
        np.full(n, texture, dtype=np.uint16),
        np.tile(np.array(look.tint, dtype=np.uint8), (n, 1)),
        uvs,
        np.full(n, look.is_smooth, dtype=np.bool_),
    )


def laid_uvs(triangles: np.ndarray) -> np.ndarray:
    """Coordinates (N, 3, 2) float32 in m on triangles (N, 3, 3): u to the right from outside, v up the slope.

    On level faces u is x and v is y. Neighbours in one plane fit together without a seam.
    """
    triangles = np.asarray(triangles, dtype=np.float64).reshape(-1, 3, 3)
    (ax, ay, az), (bx, by, bz) = (triangles[:, 1] - triangles[:, 0]).T, (triangles[:, 2] - triangles[:, 0]).T
    x, y, z = (
        ay * bz - az * by,
        az * bx - ax * bz,
        ax * by - ay * bx,
    )  # the normal; written out, as small meshes are many
    size = np.maximum(np.sqrt(x * x + y * y + z * z), 1e-20)
    x, y, z = x / size, y / size, z / size
    level = np.sqrt(x * x + y * y)
    is_level, level = level <= 1e-3, np.maximum(level, 1e-3)
    right_x, right_y = np.where(is_level, 1.0, -y / level), np.where(is_level, 0.0, x / level)
    up_x, up_y, up_z = -z * right_y, z * right_x, x * right_y - y * right_x
    up_x, up_y, up_z = np.where(is_level, 0.0, up_x), np.where(is_level, 1.0, up_y), np.where(is_level, 0.0, up_z)
    uvs = np.empty((len(triangles), 3, 2), dtype=np.float32)
    uvs[..., 0] = triangles[..., 0] * right_x[:, None] + triangles[..., 1] * right_y[:, None]
    uvs[..., 1] = (triangles * np.stack([up_x, up_y, up_z], axis=1)[:, None]).sum(axis=-1)
    return uvs


def joined(meshes: Iterable[Mesh]) -> Mesh:
    """All triangles of several meshes, in their order; an empty mesh for none."""
    meshes = [surface(np.zeros((0, 3, 3)), Class.OTHERS, Material.CONCRETE), *meshes]
    return Mesh(*(np.concatenate([getattr(mesh, f.name) for mesh in meshes]) for f in fields(Mesh)))


def placed(mesh: Mesh, yaw: float, position: Sequence[float], instance: int | None = None) -> Mesh:
    """A copy turned by `yaw` about z, then moved to `position` (3,); renumbered where `instance` is given."""
    c, s = np.cos(yaw), np.sin(yaw)
    R = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    moved = (mesh.triangles.astype(np.float64) @ R.T + np.asarray(position)).astype(np.float32)
    ids = mesh.instance_ids if instance is None else np.full(len(mesh), instance, dtype=np.int32)
    return replace(mesh, triangles=moved, instance_ids=ids)


def quads(corners: np.ndarray) -> np.ndarray:
    """Two triangles each (2N, 3, 3) for quadrilaterals (N, 4, 3) whose corners run around them."""
    corners = np.asarray(corners, dtype=np.float64).reshape(-1, 4, 3)
    return np.stack([corners[:, [0, 1, 2]], corners[:, [0, 2, 3]]], axis=1).reshape(-1, 3, 3)


# Corners of a box as bits (x, y, z), six faces counter-clockwise from outside: bottom, top, -y, +y, -x, +x.
_BOX_FACES = np.array([[0, 2, 3, 1], [4, 5, 7, 6], [0, 1, 5, 4], [2, 6, 7, 3], [0, 4, 6, 2], [1, 3, 7, 5]])


def box(low: Sequence[float], high: Sequence[float], with_bottom: bool = True) -> np.ndarray:
    """The 12 triangles of an axis-aligned box; 10 without its bottom."""
    low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    bits = (np.arange(8)[:, None] >> np.arange(3)) & 1
    corners = np.where(bits, high, low)
    return quads(corners[_BOX_FACES[0 if with_bottom else 1 :]])


def tube(path: np.ndarray, radii: Sequence[float], sides: int = 8) -> np.ndarray:
    """A round body around the points `path` (K, 3) with a radius at each, open at both ends."""
    path, radii = np.asarray(path, dtype=np.float64), np.asarray(radii, dtype=np.float64)
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    helper = np.where(np.abs(along[:, 2:]) < 0.9, [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]])
    u = np.cross(helper, along)
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    v = np.cross(along, u)
    angle = 2.0 * np.pi * np.arange(sides) / sides
    ring = u[:, None] * np.cos(angle)[None, :, None] + v[:, None] * np.sin(angle)[None, :, None]
    points = path[:, None] + radii[:, None, None] * ring
    turned = np.roll(points, -1, axis=1)
    return quads(np.stack([points[:-1], turned[:-1], turned[1:], points[1:]], axis=2))


def post(x: float, y: float, z: float, height: float, radius: float, sides: int = 8) -> np.ndarray:
    """An upright round post on the point (x, y, z), closed at the top by a cone of no height."""
    path = np.array([[x, y, z], [x, y, z + height], [x, y, z + height + 1e-3]])
    return tube(path, [radius, radius, 1e-4], sides)


def disc(centre: Sequence[float], axis: int, radius: float, sides: int = 12) -> np.ndarray:
    """A round plate around `centre` across the coordinate axis `axis` (0, 1 or 2)."""
    angle = 2.0 * np.pi * np.arange(sides + 1) / sides
    rim = np.zeros((sides + 1, 3))
    rim[:, (axis + 1) % 3], rim[:, (axis + 2) % 3] = radius * np.cos(angle), radius * np.sin(angle)
    rim += np.asarray(centre, dtype=np.float64)
    middle = np.broadcast_to(np.asarray(centre, dtype=np.float64), (sides, 3))
    return np.stack([middle, rim[:-1], rim[1:]], axis=1)


def prism(outline: np.ndarray, y_low: float, y_high: float) -> np.ndarray:
    """A body with a convex side view `outline` (K, 2) in x and z, counter-clockwise seen from -y, between two y."""
    outline = np.asarray(outline, dtype=np.float64)
    near = np.column_stack([outline[:, 0], np.full(len(outline), y_low), outline[:, 1]])
    far = near + np.array([0.0, y_high - y_low, 0.0])
    belt = quads(np.stack([np.roll(near, -1, 0), near, far, np.roll(far, -1, 0)], axis=1))
    fan = [near[[0, i, i + 1]] for i in range(1, len(outline) - 1)]
    fan += [far[[0, i + 1, i]] for i in range(1, len(outline) - 1)]
    return np.concatenate([belt, np.array(fan)])


def ellipsoid(centre: Sequence[float], radii: Sequence[float], sides: int = 8, rings: int = 5) -> np.ndarray:
    """A closed ellipsoid with its axes along x, y, z."""
    polar = np.linspace(0.0, np.pi, rings + 1)
    angle = np.linspace(0.0, 2.0 * np.pi, sides + 1)
    unit = np.stack(
        [
            np.sin(polar)[:, None] * np.cos(angle),
            np.sin(polar)[:, None] * np.sin(angle),
            np.broadcast_to(np.cos(polar)[:, None], (rings + 1, sides + 1)),
        ],
        axis=-1,
    )
    points = np.asarray(centre) + unit * np.asarray(radii)
    return quads(np.stack([points[1:, :-1], points[1:, 1:], points[:-1, 1:], points[:-1, :-1]], axis=2))


def leaves(rng: np.random.Generator, centres: np.ndarray, size: float) -> np.ndarray:
    """One randomly turned triangle of about `size` metres at each of `centres` (N, 3)."""
    corners = rng.normal(size=(len(centres), 3, 3))
    corners -= corners.mean(axis=1, keepdims=True)
    corners *= size / np.maximum(np.linalg.norm(corners, axis=2, keepdims=True).max(axis=1, keepdims=True), 1e-6)
    return centres[:, None] + corners
