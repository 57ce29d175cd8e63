"""How exact the labels of a generated world are: images, boxes, voxels and beams as witnesses of each other."""

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.options import BenchOptions
from benchmarks.peers import OURS
from benchmarks.result import Result

if TYPE_CHECKING:
    from perception.world.recording import SyntheticRecording
    from perception.world.render.visibility import Visibility
    from perception.world.sensors.cameras import Exposure
    from perception.world.truth.consistency import Tally

SEEDS = (1, 1_000_001)  # one for training, one for evaluation
DATA = "labels, district"
DURATION = 8.0  # s
EVERY = 5  # pictures between key frames, at 10 Hz
SILHOUETTE = 0.02  # relative step of the depth between neighbours
SAME_DEPTH = 1e-3  # relative
SAME_NORMAL = 0.999  # cosine
PERCENT = 99.0
NAMES = {
    "depth": "LiDAR returns on the depth image of their moment",
    "mask": "pixels of masks as rays see them",
    "box": "LiDAR returns of objects inside their boxes",
    "occupancy": "LiDAR returns in or beside occupied voxels",
    "flow": "moving voxels of what does not turn, beside their class after their flow",
}
BOUNDS = tuple((DATA, name, ">=", 90.0 if key == "flow" else PERCENT, "%") for key, name in NAMES.items())


def measure(options: BenchOptions, result: Result) -> None:
    """Shares of what agrees, over the key frames of a training and of an evaluation world."""
    agreeing: dict[str, np.ndarray] = {}
    for seed in SEEDS:
        options.say(f"labels: seed {seed}")
        for key, tally in _tallies(seed):
            counted = np.array([tally.agreeing, tally.num], dtype=np.int64)
            agreeing[key] = agreeing.get(key, np.zeros(2, dtype=np.int64)) + counted
    for key, (same, num) in agreeing.items():
        result.add(OURS, DATA, NAMES[key], 100.0 * same / num if num else None, "%" if num else "not measured: none")
        result.add(OURS, DATA, f"{NAMES[key]}, compared", num, "")


def _tallies(seed: int) -> Iterator[tuple[str, "Tally"]]:
    from perception.core.config import validated
    from perception.world.config import WorldConfig
    from perception.world.recording import SyntheticRecording
    from perception.world.render.visibility import rasterise
    from perception.world.sensors.lidar import SWEEP_NS
    from perception.world.truth import consistency
    from perception.world.truth.beams import beams_of, joined_beams, sweeps_around
    from perception.world.truth.boxes import label_boxes
    from perception.world.truth.instances import ObjectTruth
    from perception.world.truth.occupancy import KEY_FRAME_NS, OccupancyTruth

    values = {"route": "district", "seed": seed, "duration": DURATION, "cameras": {"num_surround": 6}}
    recording = SyntheticRecording(validated(WorldConfig, values))
    truth = OccupancyTruth(recording.scene, recording.world)
    object_truth = ObjectTruth(recording.scene, recording.world)
    frames = []
    for number in range(0, recording.num_pictures, EVERY):
        exposures = [recording.exposure(camera, number) for camera in recording.cameras]
        time_ns = exposures[0].time_ns
        sweeps = sweeps_around(time_ns, KEY_FRAME_NS // 2, recording.num_scans)
        parts = [beams_of(recording.lidar, recording.scan(sweep), sweep * SWEEP_NS) for sweep in sweeps]
        beams = joined_beams(parts)
        T_world_ego = recording.T_world_base(time_ns)
        labels = truth.labels(time_ns, T_world_ego, exposures, beams)
        T_odom_ego = recording.T_odom_base(time_ns)
        boxes = label_boxes(recording.scene, time_ns, T_world_ego, float(T_odom_ego[0, 3]))
        frames.append((time_ns, T_odom_ego, labels, boxes))
        yield "occupancy", consistency.occupancy_agreement(labels, T_world_ego, beams)
        yield "box", consistency.box_agreement(recording.scene, recording.world, beams, recording.config.beams)
        for exposure in exposures[::2]:
            T_world_camera, T_world_mover = exposure.T_world_camera[1], exposure.T_world_mover[1]
            seen = rasterise(recording.world, exposure.camera.model, T_world_camera, T_world_mover)
            rows, depth = np.ascontiguousarray(seen.rows[..., 0]), np.ascontiguousarray(seen.depth[..., 0])
            objects = object_truth.labels(exposure, rows)
            yield "mask", consistency.mask_agreement(recording.scene, recording.world, exposure, objects, step=4)
            agreement = consistency.depth_agreement
            yield "depth", agreement(recording.world, exposure, depth, rows, beams, recording.config.beams)
    for (time_ns, T_now, now, boxes), (later_ns, T_later, later, later_boxes) in pairwise(frames):
        seconds, both = 1e-9 * (later_ns - time_ns), (boxes, later_boxes)
        yield "flow", consistency.flow_agreement(now, T_now, later, T_later, seconds, both).near


def triangles_at(recording: "SyntheticRecording", exposure: "Exposure") -> np.ndarray:
    """All triangles (N, 3, 3) float32 of a world in the middle of an exposure, in the order of its rows."""
    world = recording.world
    out = world.mesh.triangles.copy()
    for body in range(1, len(world.roots)):
        rows = slice(world.first_rows[body], world.first_rows[body + 1])
        T = exposure.T_world_mover[1, body - 1]
        out[rows] = (out[rows].astype(np.float64) @ T[:3, :3].T + T[:3, 3]).astype(np.float32)
    return out


def pixel_rays(exposure: "Exposure") -> np.ndarray:
    """Origin and direction (H, W, 6) float32 in the world of a ray through each pixel, at depth 1 per unit."""
    camera, T = exposure.camera.model, exposure.T_world_camera[1]
    u, v = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    directions = camera.rays(np.stack([u, v], axis=-1).astype(np.float64)) @ T[:3, :3].T
    origins = np.broadcast_to(T[:3, 3], directions.shape)
    return np.concatenate([origins, directions], axis=-1).astype(np.float32)


def agreement(
    recording: "SyntheticRecording",
    exposure: "Exposure",
    seen: "Visibility",
    found: dict[str, np.ndarray],
) -> np.ndarray:
    """Pixels (4,) with the same triangle, depth and normal as a ray caster, and how many are off silhouettes.

    Where the peer sees foliage nothing is compared: it knows no leaf mask.
    """
    from perception.world.materials import Material
    from perception.world.render.visibility import face_normals

    rows, depth = seen.rows[..., 0], seen.depth[..., 0]
    peer_rows = np.where(np.isfinite(found["ranges"]), found["rows"], -1)
    is_leaf = recording.world.mesh.material_ids == Material.LEAF
    inner = _off_silhouettes(found["ranges"], peer_rows) & ~is_leaf[np.maximum(peer_rows, 0)]
    is_sky = ~np.isfinite(found["ranges"])
    with np.errstate(invalid="ignore"):
        same_depth = np.where(is_sky, ~np.isfinite(depth), np.abs(depth / found["ranges"] - 1.0) < SAME_DEPTH)
    camera, T_world_camera, T_world_mover = exposure.camera.model, exposure.T_world_camera[1], exposure.T_world_mover[1]
    ours = face_normals(np.ascontiguousarray(rows), recording.world, camera, T_world_camera, T_world_mover)
    theirs = found["normals"] @ T_world_camera[:3, :3]
    cosine = np.abs(np.einsum("hwi,hwi->hw", ours, theirs))
    same_normal = np.where(is_sky, rows < 0, cosine > SAME_NORMAL)
    return np.array([np.count_nonzero(x[inner]) for x in (rows == peer_rows, same_depth, same_normal)] + [inner.sum()])


def _off_silhouettes(ranges: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Pixels (H, W) bool whose neighbours all show the same triangle, or one that goes on at the same depth."""
    near = np.where(np.isfinite(ranges), ranges, 1e6)
    inner = np.ones(ranges.shape, dtype=np.bool_)
    for axis in (0, 1):
        for step in (-1, 1):
            other, other_row = np.roll(near, step, axis), np.roll(rows, step, axis)
            inner &= (other_row == rows) | (np.abs(other / near - 1.0) < SILHOUETTE)
    inner[[0, -1]] = inner[:, [0, -1]] = False
    return inner
