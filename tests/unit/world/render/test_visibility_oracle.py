"""Views of a generated street against an independent ray caster: triangle, depth and normal of every pixel."""

import ctypes
from dataclasses import fields
from itertools import pairwise
from types import ModuleType

import numpy as np
import pytest

from perception.core.cameras import CameraModel, Distortion
from perception.core.geometry import apply, inverse
from perception.world.config import CameraConfig, SceneConfig, WorldConfig
from perception.world.geometry.mesh import Mesh
from perception.world.geometry.raycast import Accelerator, build_accelerator
from perception.world.materials import Material
from perception.world.recording import SyntheticRecording
from perception.world.render.visibility import SKY, face_normals, rasterise
from perception.world.sensors.cameras import Exposure, expose, make_cameras
from tests.unit.world.render.scenes import cast_pixels, equal_depths, in_camera

SHARE = 0.999  # of the pixels that must agree
TIME_NS = 20_000_000_000


def import_open3d() -> ModuleType:
    """Open3D, for which some machines lack a library that a package brings."""
    libusb = pytest.importorskip("libusb_package")
    ctypes.CDLL(str(libusb.get_library_path()), mode=ctypes.RTLD_GLOBAL)
    return pytest.importorskip("open3d")


@pytest.fixture(scope="module")
def street() -> SyntheticRecording:
    config = WorldConfig(route="turns", duration=30.0, seed=3, scene=SceneConfig(leaves_per_tree=60))
    return SyntheticRecording(config)


def views(recording: SyntheticRecording, lens: Distortion = "none") -> list[Exposure]:
    """One exposure of the front camera and one of the rear camera."""
    cameras = make_cameras(CameraConfig(num_surround=4, distortion=lens))
    return [
        expose(camera, 0, TIME_NS, recording.scene, recording.vehicle, recording.config)
        for camera in (cameras[0], cameras[3])
    ]


def without_leaves(recording: SyntheticRecording) -> Accelerator:
    """The world without foliage, of whose mask nobody else knows."""
    world, bodies = recording.world, []
    for start, stop in pairwise(world.first_rows):
        kept = start + np.flatnonzero(world.mesh.material_ids[start:stop] != Material.LEAF)
        bodies.append(Mesh(*(getattr(world.mesh, f.name)[kept] for f in fields(Mesh))))
    return build_accelerator(bodies[0], bodies[1:])


def in_world(world: Accelerator, T_world_mover: np.ndarray) -> np.ndarray:
    """All triangles (N, 3, 3) float32 where they are now."""
    out = world.mesh.triangles.copy()
    for m, T in enumerate(T_world_mover):
        part = slice(world.first_rows[m + 1], world.first_rows[m + 2])
        out[part] = apply(T, out[part].reshape(-1, 3)).reshape(-1, 3, 3)
    return out


def cast_by_open3d(
    world: Accelerator, model: CameraModel, T_world_camera: np.ndarray, T_world_mover: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows (H, W), depth (H, W) and normals (H, W, 3) in camera axes, towards the camera."""
    open3d = import_open3d()
    triangles = apply(inverse(T_world_camera), in_world(world, T_world_mover).reshape(-1, 3))
    scene = open3d.t.geometry.RaycastingScene()
    numbers = np.arange(len(triangles), dtype=np.uint32).reshape(-1, 3)
    scene.add_triangles(open3d.core.Tensor(triangles.astype(np.float32)), open3d.core.Tensor(numbers))
    pixels = np.stack(np.meshgrid(np.arange(model.width), np.arange(model.height)), axis=-1)
    directions = model.rays(pixels).astype(np.float32)
    rays = np.concatenate([np.zeros_like(directions), directions], axis=-1)
    answer = scene.cast_rays(open3d.core.Tensor(rays))
    depth, rows = answer["t_hit"].numpy(), answer["primitive_ids"].numpy().astype(np.int64)
    normals = answer["primitive_normals"].numpy()
    away = np.einsum("hwi,hwi->hw", normals, directions) > 0.0
    return np.where(np.isinf(depth), SKY, rows), depth, np.where(away[..., None], -normals, normals)


def meets(
    world: Accelerator, rows: np.ndarray, model: CameraModel, T_world_camera: np.ndarray, T_world_mover: np.ndarray
) -> np.ndarray:
    """Where the ray of a pixel meets the triangle `rows` (H, W) names: some roads lie in the very place of others."""
    a, b, c = np.moveaxis(in_camera(world, T_world_camera, T_world_mover)[rows], 2, 0)
    rays = model.rays(np.stack(np.meshgrid(np.arange(model.width), np.arange(model.height)), axis=-1))
    weights = np.stack([np.einsum("hwi,hwi->hw", rays, np.cross(*pair)) for pair in ((b, c), (c, a), (a, b))])
    weights /= weights.sum(axis=0)
    return (rows != SKY) & (weights > -1e-6).all(axis=0)


def off_silhouettes(depth: np.ndarray) -> np.ndarray:
    """Pixels (H, W) around which the depth is that of one smooth surface, or the sky."""
    inverse_depth = 1.0 / depth  # linear in the image on a plane
    steps = np.zeros(depth.shape, dtype=np.bool_)
    for axis in (0, 1):
        bend = np.abs(np.diff(inverse_depth, n=2, axis=axis))
        inner = [slice(None), slice(None)]
        inner[axis] = slice(1, -1)
        steps[tuple(inner)] |= bend > 1e-3 * np.moveaxis(np.moveaxis(inverse_depth, axis, 0)[1:-1], 0, axis) + 1e-9
    return ~steps


def test_a_street_looks_as_an_independent_ray_caster_sees_it(street: SyntheticRecording) -> None:
    world = without_leaves(street)
    for view in views(street):
        model, T, T_mover = view.camera.model, view.T_world_camera[1], view.T_world_mover[1]
        seen = rasterise(world, model, T, T_mover)
        rows, depth, normals = cast_by_open3d(world, model, T, T_mover)
        checked = off_silhouettes(depth)
        assert checked.mean() > 0.7
        mine = np.ascontiguousarray(seen.rows[..., 0])
        assert equal_depths(seen.depth[..., 0], depth)[checked].mean() >= SHARE
        is_right = mine == rows
        assert is_right[checked].mean() >= 0.998
        is_right |= equal_depths(seen.depth[..., 0], depth) & meets(world, mine, model, T, T_mover)
        assert is_right[checked].mean() >= SHARE
        same = (mine == rows) & (rows != SKY)
        angles = np.einsum("hwi,hwi->hw", face_normals(mine, world, model, T, T_mover), normals)
        assert (angles[same] > 0.9999).mean() >= SHARE


@pytest.mark.parametrize("lens", ["none", "plumb_bob", "rational_polynomial", "equidistant"])
def test_a_street_with_trees_looks_as_our_own_rays_see_it(street: SyntheticRecording, lens: Distortion) -> None:
    world, view = street.world, views(street, lens)[0]
    model, T, T_mover = view.camera.model, view.T_world_camera[1], view.T_world_mover[1]
    seen, met = rasterise(world, model, T, T_mover), cast_pixels(world, model, T, T_mover)
    assert equal_depths(seen.depth, met.depth)[..., 0].mean() >= SHARE
    assert (seen.rows == met.rows)[..., 0].mean() >= SHARE
    assert (world.mesh.material_ids[seen.rows[..., 0]] == Material.LEAF).mean() > 0.001
