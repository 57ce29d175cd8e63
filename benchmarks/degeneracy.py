"""How often a scan is said not to determine the translation: nearly always in an endless corridor, never elsewhere.

Drives are replayed. Key frames are no stream of scans: they are seen from their recorded poses, and replayed beside.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.drives import KITTI, SHARED
from benchmarks.jobs import child
from benchmarks.options import BenchOptions
from benchmarks.peers import OURS
from benchmarks.result import Result

CORRIDOR = "endless_corridor"
KEYFRAMES = {"ouster_indoor_keyframes": "lio_poses.txt", "livox_keyframes_hku2": "odom_poses.txt"}
RECORDINGS = (KITTI, *KEYFRAMES)
DURATION = 22.0  # s in the corridor
FLAGGED = "scans flagged degenerate"


def measure(options: BenchOptions, result: Result, python: str) -> None:
    """Share of flagged scans in the generated corridor and in each recording."""
    sources = [("world", CORRIDOR), *(("recording", name) for name in RECORDINGS)]
    for kind, name in sources:
        if kind == "recording" and not (SHARED / name).is_dir():
            result.add(OURS, name, FLAGGED, None, "not measured: it is not beside this checkout")
            continue
        options.say(f"degeneracy: {name}")
        what = name if kind == "world" else str(SHARED / name)
        flagged, registered = map(int, child([sys.executable, "-m", "benchmarks.degeneracy", kind, what]).split())
        result.add(OURS, name, "scans registered", registered, "")
        share = 100.0 * flagged / registered if registered else None
        result.add(OURS, name, "scans flagged in a replay" if name in KEYFRAMES else FLAGGED, share, "%")
        if name in KEYFRAMES:
            result.add(OURS, name, FLAGGED, 100.0 * float(np.mean(list(flags(keyframes(SHARED / name))))), "%")


def keyframes(folder: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Points (N, 3) float32 of each key frame of one of `KEYFRAMES`, and its recorded pose (4, 4)."""
    from perception.core.types import Scan
    from perception.io.recording import open_recording
    from perception.io.trajectories import kitti_poses

    scans = (event for event in open_recording(folder).events() if isinstance(event, Scan))
    for scan, T_odom_lidar in zip(scans, kitti_poses(folder / KEYFRAMES[folder.name]), strict=True):
        yield scan.points, T_odom_lidar


def flags(scans: Iterator[tuple[np.ndarray, np.ndarray]]) -> Iterator[bool]:
    """Whether each scan but the first is flagged, seen from its pose against the map of those before it."""
    from perception.kernels.voxels import VoxelScratch, voxel_indices
    from slam.config import OdometryConfig
    from slam.degeneracy import analyse
    from slam.local_map import LocalMap
    from slam.preprocess import thin
    from slam.registration import Registration

    config, scratch, eye, zero = OdometryConfig(), VoxelScratch(), np.eye(3), np.zeros(3)
    local_map, registration, translation = LocalMap(config.map), Registration(config.registration), None
    for raw, T in scans:
        points, _ = thin(raw, np.zeros(len(raw), np.int64), config.preprocess, scratch)
        sparse = points[voxel_indices(points, config.preprocess.registration_voxel_size, scratch)]
        if local_map.num_voxels > 0:
            pose = (T[:3, :3], T[:3, 3], eye, zero)
            registration.associate(local_map, sparse, *pose)
            plain = registration.linearise(sparse, *pose, is_robust=False)
            found = analyse(plain.HtH, plain.num_matches, plain.mean_squared_range, config.registration, translation)
            translation = found.translation
            yield len(found.weak_translation) > 0
        local_map.insert(points, T)
        local_map.evict(T[:3, 3])


def count(kind: str, name: str) -> tuple[int, int]:
    """Flagged and registered scans of one replay; the scan that only founds the map has no correspondences."""
    from perception.core.config import validated
    from perception.io.recording import open_recording
    from perception.pipeline.config import PerceptionConfig
    from perception.pipeline.replay import replay
    from perception.world.config import WorldConfig
    from perception.world.recording import SyntheticRecording

    if kind == "world":
        recording = SyntheticRecording(validated(WorldConfig, {"route": name, "duration": DURATION}))
    else:
        recording = open_recording(name)
    registered = list(_registered(replay(recording, PerceptionConfig()).reports))
    return sum(report.is_degenerate for report in registered), len(registered)


def _registered(reports: list) -> Iterator:
    return (report for report in reports if report.num_iterations > 0)


if __name__ == "__main__":
    sys.stdout.write("{} {}\n".format(*count(*sys.argv[1:])))
