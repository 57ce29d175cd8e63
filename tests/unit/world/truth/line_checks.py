"""What tests and benchmarks ask of line segments: that they lie where the rendered image changes."""

import numpy as np
from scipy.ndimage import distance_transform_edt

from perception.core.geometry import inverse
from perception.world.geometry.raycast import Accelerator
from perception.world.materials import UNIT_TEXTURES, VARIANTS, Texture
from perception.world.render.textures.bank import TextureBank, bake, sample
from perception.world.render.textures.edges import grid_lines_of
from perception.world.render.textures.mipmaps import linear_of, srgb_of
from perception.world.sensors.cameras import Exposure

MAX_DISTANCE = 1.5  # px
LUMA = np.array([0.299, 0.587, 0.114])


def share_on_discontinuities(
    segments: np.ndarray, world: Accelerator, exposure: Exposure, rows: np.ndarray, depth: np.ndarray
) -> float:
    """Share of points, one per px of the segments, within `MAX_DISTANCE` of a change between neighbouring pixels."""
    away = distance_transform_edt(~changes(world, exposure, rows, depth))
    points = np.concatenate(
        [
            s[:2] + np.linspace(0.0, 1.0, int(np.hypot(s[2] - s[0], s[3] - s[1])) + 1)[:, None] * (s[2:] - s[:2])
            for s in segments
        ]
    )
    at = np.rint(points).astype(int)
    return float((away[at[:, 1], at[:, 0]] <= MAX_DISTANCE).mean())


def changes(world: Accelerator, exposure: Exposure, rows: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Pixels (H, W) bool that differ from the next in direction, in albedo, or from its surface led on to them."""
    model = exposure.camera.model
    corners = _corners_in_camera(world, exposure)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    offsets = np.einsum("ni,ni->n", normals, corners[:, 0])
    v, u = np.indices(rows.shape)
    points = model.rays(np.stack([u, v], axis=-1)) * np.where(np.isfinite(depth), depth, 0.0)[..., None]
    grey, is_picture = _albedo(world, corners, rows, points, float(model.K[0, 0]))
    out = np.zeros(rows.shape, dtype=bool)
    for axis in (0, 1):
        here, there = np.maximum(rows, 0), np.maximum(np.roll(rows, -1, axis=axis), 0)
        gap = np.abs(np.einsum("hwi,hwi->hw", normals[here], np.roll(points, -1, axis=axis)) - offsets[here])
        is_other = np.abs(np.einsum("hwi,hwi->hw", normals[here], normals[there])) < np.cos(np.radians(20.0))
        wanted = np.where(is_picture & (here == there), 6.0, 11.9)  # a step inside a picture spreads over some pixels
        is_other |= (gap > 0.02) | (np.abs(grey - np.roll(grey, -1, axis=axis)) >= wanted)
        is_other |= (rows < 0) != (np.roll(rows, -1, axis=axis) < 0)
        is_other &= (rows >= 0) | (np.roll(rows, -1, axis=axis) >= 0)
        np.moveaxis(is_other, axis, 0)[-1] = False
        out |= is_other | np.roll(is_other, 1, axis=axis)
    return out


def _corners_in_camera(world: Accelerator, exposure: Exposure) -> np.ndarray:
    mesh = world.mesh
    bodies = np.searchsorted(world.first_rows, np.arange(len(mesh)), side="right") - 1
    T = inverse(exposure.T_world_camera[1]) @ np.concatenate([np.eye(4)[None], exposure.T_world_mover[1]])
    return np.einsum("nij,nkj->nki", T[bodies, :3, :3], mesh.triangles) + T[bodies, None, :3, 3]


def _albedo(
    world: Accelerator, corners: np.ndarray, rows: np.ndarray, points: np.ndarray, focal: float
) -> tuple[np.ndarray, np.ndarray]:
    """Grey (H, W) of the albedo, by the mean of each texture without lines, and where there are pictures (H, W)."""
    mesh = world.mesh
    bank = bake(np.unique(mesh.texture_ids))
    light = bank.mean_colors[bank.layers[mesh.texture_ids]] * linear_of(mesh.tints)
    grey = (srgb_of(light).astype(float) @ LUMA)[np.maximum(rows, 0)]
    lined = [
        int(i) for i in bank.texture_ids if Texture(i // VARIANTS) in UNIT_TEXTURES or len(grid_lines_of(int(i))[0])
    ]
    is_picture = (rows >= 0) & np.isin(mesh.texture_ids, lined)[np.maximum(rows, 0)]
    pixels = np.argwhere(is_picture)
    order = np.argsort(rows[is_picture], kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(rows[is_picture][order])) + 1):
        if len(part):
            v, u = pixels[part].T
            grey[v, u] = _picture_grey(world, bank, int(rows[v[0], u[0]]), corners, points[v, u], focal)
    return grey, is_picture


def _picture_grey(
    world: Accelerator, bank: TextureBank, row: int, corners: np.ndarray, points: np.ndarray, focal: float
) -> np.ndarray:
    """Grey (N,) of what is painted on one triangle at `points` (N, 3) in the camera frame."""
    mesh, texture_id = world.mesh, int(world.mesh.texture_ids[row])
    ways, uv_ways = corners[row, 1:] - corners[row, 0], mesh.uvs[row, 1:] - mesh.uvs[row, 0]
    uv = mesh.uvs[row, 0] + (points - corners[row, 0]) @ np.linalg.pinv(ways) @ uv_ways
    metres = np.sqrt(np.linalg.norm(np.cross(*ways)) / max(abs(np.linalg.det(uv_ways)), 1e-9))  # per unit of uv
    layer = bank.layer(texture_id)
    texels = bank.sizes[layer] * points[:, 2] / (focal * max(metres * bank.repeats[layer], 1e-6))
    levels = np.clip(np.floor(np.log2(np.maximum(texels, 1.0))), 0, bank.num_levels[layer] - 1).astype(int)
    color = np.zeros((len(points), 3))
    for level in np.unique(levels):
        at = levels == level
        color[at] = sample(bank, texture_id, uv[at, 0], uv[at, 1], int(level))[:, :3]
    return srgb_of(linear_of(color.astype(np.uint8)) * linear_of(mesh.tints[row])).astype(float) @ LUMA
