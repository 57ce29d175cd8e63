"""What tests and benchmarks ask of line segments: that they lie where the rendered image changes."""

import numpy as np
from scipy.ndimage import distance_transform_edt

from perception.world.geometry.raycast import Accelerator
from perception.world.render.textures.bank import bake
from perception.world.render.textures.mipmaps import linear_of, srgb_of
from perception.world.sensors.cameras import Exposure

MAX_DISTANCE = 1.5  # px


def share_on_discontinuities(
    segments: np.ndarray, world: Accelerator, exposure: Exposure, rows: np.ndarray, depth: np.ndarray
) -> float:
    """Share of points, one per px of the segments, within `MAX_DISTANCE` of a change between neighbouring pixels."""
    is_change = changes(world, exposure, rows, depth)
    away = distance_transform_edt(~is_change)
    points = np.concatenate(
        [
            s[:2] + np.linspace(0.0, 1.0, int(np.hypot(s[2] - s[0], s[3] - s[1])) + 1)[:, None] * (s[2:] - s[:2])
            for s in segments
        ]
    )
    at = np.rint(points).astype(int)
    return float((away[at[:, 1], at[:, 0]] <= MAX_DISTANCE).mean())


def changes(world: Accelerator, exposure: Exposure, rows: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Pixels (H, W) bool that differ from the next in direction, mean grey, or from its surface led on to them."""
    model, mesh = exposure.camera.model, world.mesh
    bodies = np.searchsorted(world.first_rows, np.arange(len(mesh)), side="right") - 1
    T = np.linalg.inv(exposure.T_world_camera[1]) @ np.concatenate([np.eye(4)[None], exposure.T_world_mover[1]])
    corners = np.einsum("nij,nkj->nki", T[bodies, :3, :3], mesh.triangles) + T[bodies, None, :3, 3]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    offsets = np.einsum("ni,ni->n", normals, corners[:, 0])
    bank = bake(np.unique(mesh.texture_ids))
    light = bank.mean_colors[bank.layers[mesh.texture_ids]] * linear_of(mesh.tints)
    grey = srgb_of(light).astype(float) @ [0.299, 0.587, 0.114]
    v, u = np.indices(rows.shape)
    points = model.rays(np.stack([u, v], axis=-1)) * np.where(np.isfinite(depth), depth, 0.0)[..., None]
    out = np.zeros(rows.shape, dtype=bool)
    for axis in (0, 1):
        here = np.maximum(rows, 0)
        there = np.roll(here, -1, axis=axis)
        gap = np.abs(np.einsum("hwi,hwi->hw", normals[here], np.roll(points, -1, axis=axis)) - offsets[here])
        is_other = np.abs(np.einsum("hwi,hwi->hw", normals[here], normals[there])) < np.cos(np.radians(20.0))
        is_other |= (gap > 0.02) | (np.abs(grey[here] - grey[there]) >= 11.9)
        is_other |= (rows < 0) != (np.roll(rows, -1, axis=axis) < 0)
        is_other &= (rows >= 0) | (np.roll(rows, -1, axis=axis) >= 0)
        np.moveaxis(is_other, axis, 0)[-1] = False
        out |= is_other | np.roll(is_other, 1, axis=axis)
    return out
