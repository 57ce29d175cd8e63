"""Small worlds and cameras for tests of the rasteriser, and its definition: every sample against every triangle."""

import numpy as np

from perception.core.cameras import CameraModel, Distortion
from perception.core.classes import Class
from perception.core.geometry import exp_so3, inverse, transform
from perception.world.geometry.leaf_mask import covered
from perception.world.geometry.mesh import Mesh, joined, surface
from perception.world.geometry.raycast import NO_HIT, Accelerator, Hits, Rays, build_accelerator, cast
from perception.world.materials import Material
from perception.world.render.projection import NEAR
from perception.world.render.visibility import SAMPLES, SKY, Visibility
from perception.world.sensors.cameras import LENSES

NO_MOVERS = np.zeros((0, 4, 4))


def camera(width: int = 61, height: int = 45, focal: float = 40.0, lens: Distortion = "none") -> CameraModel:
    K = np.array([[focal, 0.0, 0.47 * width], [0.0, 1.1 * focal, 0.52 * height], [0.0, 0.0, 1.0]])
    return CameraModel(width, height, K, lens, np.array(LENSES[lens], dtype=np.float64))


def body(triangles: np.ndarray, material: Material = Material.CONCRETE, instance: int = 0) -> Mesh:
    return surface(triangles, Class.MANMADE, material, instance)


def soup(rng: np.random.Generator, count: int, size: float = 1.5, extent: float = 10.0) -> Mesh:
    """Random triangles, some of them foliage."""
    triangles = rng.uniform(-extent, extent, size=(count, 1, 3)) + rng.normal(scale=size, size=(count, 3, 3))
    num_leaves = count // 3
    leaves = body(triangles[:num_leaves], Material.LEAF)
    return joined([leaves, body(triangles[num_leaves:])])


def moving_world(rng: np.random.Generator, count: int) -> tuple[Accelerator, np.ndarray]:
    """A random world with three movers, one of them empty, and their `T_world_mover`."""
    movers = [soup(rng, count // 2, 1.0, 2.0), body(np.zeros((0, 3, 3))), soup(rng, count // 4, 2.0, 2.0)]
    T = np.array([transform(exp_so3(rng.normal(size=3)), rng.uniform(-6, 6, size=3)) for _ in movers])
    return build_accelerator(soup(rng, count), movers), T


def look(rng: np.random.Generator) -> np.ndarray:
    """A random `T_world_camera`."""
    return transform(exp_so3(rng.normal(scale=2.0, size=3)), rng.uniform(-4, 4, size=3))


def in_camera(world: Accelerator, T_world_camera: np.ndarray, T_world_mover: np.ndarray) -> np.ndarray:
    """All triangles (N, 3, 3) float64 of a world in the camera frame."""
    T_camera_world = inverse(T_world_camera)
    out = world.mesh.triangles.astype(np.float64)
    for b, T in enumerate([T_camera_world, *(T_camera_world @ T for T in T_world_mover)]):
        part = slice(world.first_rows[b], world.first_rows[b + 1])
        out[part] = out[part] @ T[:3, :3].T + T[:3, 3]
    return out


def by_hand(
    world: Accelerator, model: CameraModel, T_world_camera: np.ndarray, T_world_mover: np.ndarray
) -> Visibility:
    """The definition of `rasterise`."""
    pixels = np.stack(np.meshgrid(np.arange(model.width), np.arange(model.height)), axis=-1)[:, :, None] + SAMPLES
    rays = model.rays(pixels)
    depth, rows = np.full(rays.shape[:-1], np.inf), np.full(rays.shape[:-1], SKY, dtype=np.int32)
    for row, (a, b, c) in enumerate(in_camera(world, T_world_camera, T_world_mover)):
        volume = a @ np.cross(b, c)
        if volume == 0.0:
            continue
        weights = rays @ np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)]).T / volume  # times inverse depth
        total = weights.sum(axis=-1)
        seen = (weights >= 0.0).all(axis=-1) & (total > 0.0) & (total <= 1.0 / NEAR)
        u, v = (np.divide(weights[..., k], total, out=np.zeros_like(total), where=seen) for k in (1, 2))
        if world.mesh.material_ids[row] == Material.LEAF:
            seen &= covered(u, v)
        nearer = seen & (np.divide(1.0, total, out=np.full_like(total, np.inf), where=seen) < depth)
        depth[nearer], rows[nearer] = 1.0 / total[nearer], row
    return Visibility(rows, depth.astype(np.float32))


def cast_pixels(
    world: Accelerator, model: CameraModel, T_world_camera: np.ndarray, T_world_mover: np.ndarray
) -> Visibility:
    """What rays through the middles of the pixels meet, as if all samples were there."""
    pixels = np.stack(np.meshgrid(np.arange(model.width), np.arange(model.height)), axis=-1)
    rays = model.rays(pixels).reshape(-1, 3)
    lengths = np.linalg.norm(rays, axis=1)
    directions = (rays / lengths[:, None]) @ T_world_camera[:3, :3].T
    beams = Rays(
        T_world_camera[None, :3, 3].astype(np.float32),
        directions.astype(np.float32),
        np.zeros(len(rays), dtype=np.int32),
        np.zeros(1, dtype=np.int32),
    )
    T_mover_world = np.zeros((1, len(T_world_mover), 3, 4), dtype=np.float32)
    if len(T_world_mover):
        T_mover_world[0] = inverse(T_world_mover)[:, :3]
    hits = cast(world, beams, T_mover_world, 1000.0)
    return _as_visibility(hits, lengths, pixels.shape[:2])


def _as_visibility(hits: Hits, lengths: np.ndarray, size: tuple[int, int]) -> Visibility:
    rows = np.where(hits.rows == NO_HIT, SKY, hits.rows).astype(np.int32).reshape(size)
    depth = (hits.ranges / lengths).astype(np.float32).reshape(size)
    return Visibility(np.repeat(rows[..., None], 5, axis=-1), np.repeat(depth[..., None], 5, axis=-1))


def equal_depths(a: np.ndarray, b: np.ndarray, relative: float = 1e-4) -> np.ndarray:
    """Where two depths agree, sky included."""
    with np.errstate(invalid="ignore"):
        return (np.abs(a - b) <= 1e-3 + relative * np.abs(b)) | (np.isinf(a) & np.isinf(b))
