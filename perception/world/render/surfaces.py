"""What shading needs to know about each triangle, packed so that one pixel touches few cache lines."""

from typing import NamedTuple

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import Mesh
from perception.world.geometry.normals import corner_normals
from perception.world.geometry.raycast import Accelerator
from perception.world.materials import UNIT_TEXTURES, VARIANTS, Material

PLANE_STEPS = (500.0, 50.0)  # per unit of normal and per m of offset: planes that differ by less are one
PANE_STEP = 0.05  # m, to which middles of panes are rounded
DARK_PANE = 0xFF  # lower byte of the random number of a pane that is never lit at night
VEHICLES = (
    Class.BICYCLE,
    Class.BUS,
    Class.CAR,
    Class.CONSTRUCTION_VEHICLE,
    Class.MOTORCYCLE,
    Class.TRAILER,
    Class.TRUCK,
)


class Surfaces(NamedTuple):
    """Per triangle of `Accelerator.mesh`, in the frame of its body."""

    planes: np.ndarray  # (N, 12) float32: unit normal and offset, then u and v as affine functions of the point
    looks: np.ndarray  # (N, 8) int32: tint r, g, b, material, texture layer, body, row of `round_normals` or -1, random
    groups: np.ndarray  # (N,) int32: triangles of one plane and one look share a number; they are shaded together
    round_normals: np.ndarray  # (S, 12) float32: normal of curved bodies as an affine function of the point
    classes: np.ndarray  # (N,) uint8, `Class`


def pack_surfaces(world: Accelerator) -> Surfaces:
    """The surfaces of a world."""
    mesh = world.mesh
    planes, looks = _planes(mesh), np.zeros((len(mesh), 8), dtype=np.int32)
    looks[:, :3], looks[:, 3], looks[:, 4] = mesh.tints, mesh.material_ids, mesh.texture_ids
    looks[:, 5] = np.repeat(np.arange(len(world.first_rows) - 1), np.diff(world.first_rows))
    smooth = np.flatnonzero(mesh.is_smooth)
    looks[:, 6] = -1
    looks[smooth, 6] = np.arange(len(smooth))
    looks[:, 7] = _pane_numbers(mesh)
    looks[np.isin(mesh.class_ids, VEHICLES), 7] |= DARK_PANE
    round_normals = _affine_on_triangles(mesh.triangles[smooth], corner_normals(mesh)[smooth])
    return Surfaces(planes, looks, _groups(mesh, planes), round_normals.reshape(-1, 12), mesh.class_ids)


def _planes(mesh: Mesh) -> np.ndarray:
    planes = np.zeros((len(mesh), 12), dtype=np.float32)
    corners = mesh.triangles.astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)
    planes[:, :3], planes[:, 3] = normals, np.einsum("ni,ni->n", normals, corners[:, 0])
    planes[:, 4:] = _affine_on_triangles(mesh.triangles, mesh.uvs).reshape(-1, 8)
    return planes


def _affine_on_triangles(triangles: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Gradient and constant (N, C, 4) float32 of what has `values` (N, 3, C) at the corners of triangles (N, 3, 3)."""
    corners, values = triangles.astype(np.float64), values.astype(np.float64)
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    aa, ab, bb = np.einsum("ni,ni->n", a, a), np.einsum("ni,ni->n", a, b), np.einsum("ni,ni->n", b, b)
    area = np.maximum(aa * bb - ab * ab, 1e-16)[:, None]
    first, second = (bb[:, None] * a - ab[:, None] * b) / area, (aa[:, None] * b - ab[:, None] * a) / area
    gradient = np.einsum("nc,ni->nci", values[:, 1] - values[:, 0], first)
    gradient += np.einsum("nc,ni->nci", values[:, 2] - values[:, 0], second)
    constant = values[:, 0] - np.einsum("nci,ni->nc", gradient, corners[:, 0])
    return np.concatenate([gradient, constant[..., None]], axis=-1).astype(np.float32)


def _groups(mesh: Mesh, planes: np.ndarray) -> np.ndarray:
    """Number of the plane and look of each triangle; curved bodies and leaves by their look alone."""
    key = np.zeros((len(mesh), 8), dtype=np.int64)
    key[:, :3] = np.round(planes[:, :3] * PLANE_STEPS[0])
    key[:, 3] = np.round(planes[:, 3] * PLANE_STEPS[1])
    key[mesh.is_smooth | (mesh.material_ids == Material.LEAF), :4] = 0
    key[:, 4] = (mesh.tints.astype(np.int64) << np.array([0, 8, 16])).sum(axis=1)
    key[:, 5] = mesh.material_ids.astype(np.int64) << 32 | mesh.texture_ids
    key[:, 6] = mesh.instance_ids
    is_unit = np.isin(mesh.texture_ids // VARIANTS, [int(texture) for texture in UNIT_TEXTURES])
    key[:, 7] = np.where(is_unit | (mesh.material_ids == Material.GLASS), _pane_numbers(mesh), 0)
    mixed = np.zeros(len(mesh), dtype=np.uint64)
    for column in key.T.astype(np.uint64):
        mixed = _mixed(mixed ^ column)
    return np.unique(mixed, return_inverse=True)[1].astype(np.int32).reshape(-1)


def _pane_numbers(mesh: Mesh) -> np.ndarray:
    """A random number (N,) int32 in [0, 2^16) per rectangle: both its triangles have their longest edge in common."""
    corners = mesh.triangles.astype(np.float64)
    ends = np.roll(corners, -1, axis=1)
    longest = np.argmax(np.round(np.linalg.norm(ends - corners, axis=2), 3), axis=1)
    rows = np.arange(len(mesh))
    middle = np.round(0.5 * (corners[rows, longest] + ends[rows, longest]) / PANE_STEP).astype(np.int64)
    number = _mixed(mesh.instance_ids.astype(np.uint64))
    for column in middle.T.astype(np.uint64):
        number = _mixed(number ^ column)
    return (number & np.uint64(0xFFFF)).astype(np.int32)


def _mixed(x: np.ndarray) -> np.ndarray:
    """Well mixed bits of (N,) uint64 (finaliser of SplitMix64, Steele et al. 2014)."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
