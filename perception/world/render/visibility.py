"""Which triangle each sample of an image sees, and how far: the rasteriser of the generated world.

The same triangles, foliage included, that beams of the LiDAR meet. Kernels are in `raster.py`.
"""

from dataclasses import dataclass

import numpy as np

from perception.core.cameras import CameraModel
from perception.core.classes import Class
from perception.core.types import check
from perception.world.geometry.mesh import surface
from perception.world.geometry.raycast import Accelerator, build_accelerator
from perception.world.materials import Material
from perception.world.render import raster
from perception.world.render.coverage import instance_coverage
from perception.world.render.lens import NUM_SAMPLES, SAMPLES, TILE, Lens, LensTables, lens_of
from perception.world.render.projection import camera_from_bodies
from perception.world.render.raster import SKY, draw_clusters, invert, visible_clusters

__all__ = ["SAMPLES", "SKY", "Visibility", "face_normals", "instance_coverage", "rasterise", "warm_up"]


@dataclass(frozen=True, slots=True, eq=False)
class Visibility:
    """What the samples of an image see, see `SAMPLES`."""

    rows: np.ndarray  # (H, W, 5) int32, triangle of `Accelerator.mesh`; SKY: none
    depth: np.ndarray  # (H, W, 5) float32, m along the optical axis; inf: sky

    def __post_init__(self) -> None:
        size = self.rows.shape[:2]
        check("rows", self.rows, (*size, NUM_SAMPLES), np.int32)
        check("depth", self.depth, (*size, NUM_SAMPLES), np.float32)


def rasterise(
    world: Accelerator, camera: CameraModel | Lens, T_world_camera: np.ndarray, T_world_mover: np.ndarray
) -> Visibility:
    """What a camera at `T_world_camera` (4, 4) sees while the movers are at `T_world_mover` (M, 4, 4).

    Both sides of triangles are seen, from 5 cm on. Of equal depths the lower row is seen. The rays of a lens are made
    once per camera object, see `lens_of`. One thread; several may call it at the same time.
    """
    lens = camera.tables if isinstance(camera, Lens) else lens_of(camera).tables
    T_camera_body = camera_from_bodies(T_world_camera, T_world_mover)
    chosen = _nearest_first(world, lens, T_camera_body)
    w = np.zeros(lens.frame.rows * lens.frame.columns * TILE * TILE * NUM_SAMPLES, dtype=np.float32)
    seen = np.full(len(w), SKY, dtype=np.int32)
    c = world.clusters
    draw_clusters(lens, chosen, c.corners, c.rows, c.is_leaf, c.ranges, c.bodies, c.boxes, T_camera_body, w, seen)
    invert(w)
    return Visibility(_cut(seen, lens), _cut(w, lens))


def face_normals(
    rows: np.ndarray,
    world: Accelerator,
    camera: CameraModel | Lens,
    T_world_camera: np.ndarray,
    T_world_mover: np.ndarray,
) -> np.ndarray:
    """Unit normals (H, W, 3) float32 of the triangles `rows` (H, W) int32, camera axes, towards the camera; 0: sky."""
    check("rows", rows, (None, None), np.int32)
    lens = camera if isinstance(camera, Lens) else lens_of(camera)
    out = np.empty((*rows.shape, 3), dtype=np.float32)
    T_camera_body = camera_from_bodies(T_world_camera, T_world_mover)
    raster.face_normals(rows, world.mesh.triangles, world.first_rows, T_camera_body, lens.middles, out)
    return out


def _nearest_first(world: Accelerator, lens: LensTables, T_camera_body: np.ndarray) -> np.ndarray:
    """Clusters in view (K,) int32 by their distance."""
    c = world.clusters
    found, distances = np.empty(len(c.ranges), dtype=np.int32), np.empty(len(c.ranges))
    count = visible_clusters(lens.frame, c.boxes, c.bodies, T_camera_body, found, distances)
    return found[np.argsort(distances[:count], kind="stable")]


def _cut(buffer: np.ndarray, lens: LensTables) -> np.ndarray:
    """The image (H, W, 5) in a buffer over whole tiles."""
    frame = lens.frame
    image = buffer.reshape(frame.rows * TILE, frame.columns * TILE, NUM_SAMPLES)
    return np.ascontiguousarray(image[: frame.height, : frame.width])


def warm_up() -> None:
    """Compile the kernels of the rasteriser for the types they are used with."""
    world = build_accelerator(surface(np.ones((1, 3, 3)), Class.OTHERS, Material.CONCRETE))
    lens = lens_of(CameraModel(1, 1, np.eye(3)))
    still, nobody = np.eye(4), np.zeros((0, 4, 4))
    rows = np.ascontiguousarray(rasterise(world, lens, still, nobody).rows[..., 0])
    face_normals(rows, world, lens, still, nobody)
    instance_coverage(world, lens, still, nobody, np.zeros(1, dtype=np.int64))
