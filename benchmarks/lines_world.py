"""Held-out generated images for `perception bench lines`: pictures, true segments, LiDAR points and true surfaces.

Seeds from 1 000 000 on: no training has seen their shapes and layouts. Made once and kept; the folder is also a data
set for `perception evaluate lines`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.detection_peers import data_folder
from benchmarks.options import BenchOptions
from perception.core.cameras import CameraModel
from perception.core.geometry import inverse

if TYPE_CHECKING:
    from perception.world.recording import SyntheticRecording

FIRST_SEED = 1_000_000
ROUTES = ("district", "campus", "office", "district")  # in turn, by seed
SMALL, LARGE = (4, 8), (16, 20)  # worlds, and pictures of each
DURATION = 120.0  # s, of the drive that the pictures are spread over
RATE = 10  # images per second, that of the LiDAR, too: one sweep belongs to one image
SETTLED = 20  # pictures after the start that are left out: the robot stands
LIST = "lines.json"
SKY = -1
SCENES = "scenes"


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """One picture and what is known about it."""

    name: str
    camera: CameraModel
    T_world_camera: np.ndarray  # (4, 4) float64, at the middle of the exposure; z of the world is up
    points: np.ndarray  # (N, 3) float32, m, of the LiDAR in the camera's frame at that time
    planes: np.ndarray  # (K, 4) float64: n . p = offset of every surface that is seen, camera frame
    surfaces: np.ndarray  # (H, W) int32, row of `planes` that each pixel sees; -1: sky


def held_out(options: BenchOptions) -> Path:
    """The folder of the set; made where it is missing, which takes a minute or more."""
    num_worlds, per_world = LARGE if options.long else SMALL
    out = data_folder() / f"lines-heldout-{num_worlds}x{per_world}"
    if not (out / LIST).is_file():
        write_set(out, num_worlds, per_world, options)
    return out


def scenes(folder: Path) -> Iterator[HeldOut]:
    """What is known about every picture of a set."""
    for path in sorted((folder / SCENES).glob("*.npz")):
        with np.load(path, allow_pickle=False) as arrays:
            height, width = arrays["surfaces"].shape
            camera = CameraModel(width, height, arrays["K"])
            rest = (arrays[name] for name in ("T_world_camera", "points", "planes", "surfaces"))
            yield HeldOut(f"{path.stem}.jpg", camera, *rest)


def write_set(out: Path, num_worlds: int, per_world: int, options: BenchOptions) -> None:
    """Write pictures, segments and what else is known; goes on where it was stopped."""
    from perception.io.datasets.wireframe_writer import WireframeWriter

    writer = WireframeWriter(out)
    numbers = np.linspace(SETTLED, round(DURATION * RATE) - 1, per_world).round().astype(int).tolist()
    for seed in range(FIRST_SEED, FIRST_SEED + num_worlds):
        names = {number: f"{seed}-{number:05d}.jpg" for number in numbers}
        missing = {number: name for number, name in names.items() if name not in writer}
        if missing:
            options.say(f"generated: {len(missing)} pictures of world {seed}")
            _write_world(out, writer, seed, missing)
    writer.close()


def _write_world(out: Path, writer: Any, seed: int, names: dict[int, str]) -> None:
    from perception.core.files import atomic_file
    from perception.io.datasets.coco_writer import ImageEntry
    from perception.io.datasets.pictures import write_jpeg
    from perception.world.config import CameraConfig, WorldConfig
    from perception.world.recording import EPOCH_NS, SyntheticRecording
    from perception.world.truth.lines import LineTruth

    config = WorldConfig(
        seed=seed,
        duration=DURATION,
        rest=0.0,
        route=ROUTES[seed % len(ROUTES)],
        weather="random",
        cameras=CameraConfig(has_front=True, rate=RATE),
    )
    world = SyntheticRecording(config)
    camera, truth = world.cameras[0], LineTruth(world.scene, world.world)
    for number, name in names.items():
        exposure = world.exposure(camera, number)
        frame = world.renderer.render(exposure)
        labels = truth.segments(exposure, frame.rows, frame.depth)
        write_jpeg(out / "images" / name, frame.color, config.cameras.jpeg_quality)
        planes, surfaces = planes_of(world, exposure, frame.rows)
        path = out / SCENES / f"{Path(name).stem}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as file:
            np.savez_compressed(
                file,
                K=camera.model.K,
                T_world_camera=exposure.T_world_camera[1],
                points=points_of(world, number),
                planes=planes,
                surfaces=surfaces,
            )
        stamp_ns = EPOCH_NS + exposure.time_ns
        writer.add(ImageEntry(name, camera.model.width, camera.model.height, stamp_ns), labels)


def points_of(world: "SyntheticRecording", number: int) -> np.ndarray:
    """Points (N, 3) float32 of the sweep around picture `number`, where the camera was in the middle of its exposure.

    Each is moved by the true motion between its own time and the picture's, as odometry would.
    """
    from perception.world.recording import EPOCH_NS

    camera, scan = world.cameras[0], world.scan(number).scan
    times_ns, rows = np.unique(scan.stamp_ns - EPOCH_NS + scan.offsets_ns, return_inverse=True)
    T_odom_camera = world.T_odom_base(world.picture_time_ns(camera, number)) @ camera.T_base_camera
    T_camera_lidar = inverse(T_odom_camera) @ world.vehicle.poses(times_ns) @ world.rig.T_base_lidar
    moved = T_camera_lidar[rows]
    return (np.einsum("nij,nj->ni", moved[:, :3, :3], scan.points) + moved[:, :3, 3]).astype(np.float32)


def planes_of(world: "SyntheticRecording", exposure: Any, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Planes (K, 4) of the triangles that pixels see, camera frame, and the row of each pixel's (H, W); sky: -1."""
    seen, surfaces = np.unique(rows, return_inverse=True)
    surfaces = surfaces.reshape(rows.shape).astype(np.int32)
    if len(seen) and seen[0] < 0:  # the sky comes first
        seen, surfaces = seen[1:], surfaces - 1
    mesh, first = world.world.mesh, world.world.first_rows
    T_camera_world = inverse(exposure.T_world_camera[1])
    T_camera_body = np.concatenate([T_camera_world[None], T_camera_world @ exposure.T_world_mover[1]])
    T = T_camera_body[np.searchsorted(first, seen, side="right") - 1]
    corners = np.einsum("nij,nkj->nki", T[:, :3, :3], mesh.triangles[seen].astype(np.float64)) + T[:, None, :3, 3]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)
    return np.column_stack([normals, np.einsum("ni,ni->n", normals, corners[:, 0])]), surfaces
