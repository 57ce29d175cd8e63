"""Replay of a recording: run the pipeline over it, and keep what people and tools want to see afterwards."""

import hashlib
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np

from perception.core.config import changed
from perception.core.errors import DataLoss, InvalidInput
from perception.core.geometry import inverse
from perception.core.health import Health
from perception.core.trajectory import Trajectory
from perception.core.types import Detections, LineSegments, OdometryUpdate, RegistrationReport, Scan
from perception.io.recording import Recording
from perception.pipeline.config import PerceptionConfig
from perception.pipeline.full import FULL
from perception.pipeline.map_run import MapCollector, MapRun
from perception.pipeline.runner import Pace, Runner, stream_of


@dataclass(slots=True)
class ReplayResult:
    """What one replay gave. One entry per scan that has a pose, in the order of time."""

    trajectory: Trajectory  # T_odom_base at the end of each scan
    sweeps_ns: np.ndarray  # (N, 2) int64, start and end of the sweep of each pose
    reports: list[RegistrationReport]
    health: list[Health]
    cpu_ms: dict[str, np.ndarray]  # by stage, one value per output
    counters: dict[str, dict[str, int]]  # by stage
    notes: tuple[str, ...]  # what the stages want a reader to know
    num_scans: int  # read, with or without a pose
    num_runs: int  # 1 + restarts at the origin; the trajectory is that of the longest run
    wall_time: float  # s
    loss: DataLoss | None = None  # set when the recording ended early, or something is missing in the map
    detections: list[Detections] | None = None  # of each image, in the order of time; None: nobody asked for them
    lines: list[LineSegments] | None = None  # likewise
    map: MapRun | None = None  # None: no map was made

    def digest(self) -> str:
        """SHA-256 of stamps and poses: equal for equal trajectories, bit for bit."""
        return hashlib.sha256(self.trajectory.stamps_ns.tobytes() + self.trajectory.poses.tobytes()).hexdigest()


# Streams that a replay keeps; stages that none of them needs do not run unless asked for.
RESULTS = ("odometry", "map_path", "detections", "lines")
_Pose = tuple[int, np.ndarray, RegistrationReport, Health]


@dataclass(slots=True)
class _Collector:
    """Keeps the outputs of a run, and the sweep that each of them belongs to."""

    map: MapCollector
    sweeps: dict[int, tuple[int, int]] = field(default_factory=dict)  # by end of sweep
    runs: list[list[_Pose]] = field(default_factory=lambda: [[]])  # a reset starts a new one
    detections: list[Detections] = field(default_factory=list)
    lines: list[LineSegments] = field(default_factory=list)

    def sink(self, stream: str, item: object) -> None:
        if stream == "odometry_reset":
            self.runs.append([])
        elif stream == "odometry" and isinstance(item, OdometryUpdate):
            odometry = item.odometry
            self.runs[-1].append((odometry.stamp_ns, odometry.T_odom_base, item.report, odometry.health))
        elif stream == "detections" and isinstance(item, Detections):
            self.detections.append(item)
        elif stream == "lines" and isinstance(item, LineSegments):
            self.lines.append(item)
        else:
            self.map.take(item)

    def longest(self) -> list[_Pose]:
        """Poses of the longest run: those before and after a reset have no common origin."""
        return max(self.runs, key=len)


def replay(
    recording: Recording,
    config: PerceptionConfig,
    rate: float = 0.0,
    stages: Iterable[str] | None = None,
    on_scan: Callable[[int, int], None] = lambda done, total: None,
) -> ReplayResult:
    """Run the pipeline over `recording`; `on_scan` is called with (scans done, scans in all).

    `rate`: times real time, 0 for as fast as possible. `stages`: by name; else those that the results need and `config`
    enables. The recording is read for what they need and no more: without a stage that wants images none is decoded.
    A map waits for its pose graph at each keyframe, so that it does not depend on the machine. Raises `InvalidInput`
    when the recording gives no pose, and what a stage raises that cannot be made.
    """
    config = changed(config, {"mapping.is_deterministic": True})
    kept, pace, num_scans, loss = _Collector(MapCollector(config.mapping)), Pace(rate), 0, None
    pipeline = FULL.enabled(config).producing(RESULTS) if stages is None else FULL.only(stages)
    start = time.perf_counter()
    with closing(Runner(pipeline, config, recording.rig, kept.sink)) as runner:
        try:
            for event in recording.events(pipeline.inputs()):
                if isinstance(event, Scan):
                    pace.wait_for(event.end_ns)
                    kept.sweeps[event.end_ns] = (event.stamp_ns, event.end_ns)
                    num_scans += 1
                    on_scan(num_scans, recording.num_scans)
                runner.feed(stream_of(event), event)
        except DataLoss as error:
            loss = error
        runner.finish()
        return _result(runner, kept, num_scans, time.perf_counter() - start, loss or runner.lost)


def lidar_poses(result: ReplayResult, recording: Recording) -> np.ndarray:
    """Poses (N, 4, 4) of the LiDAR relative to its first one, at the reference instant of the recording.

    KITTI's poses belong to the middle of the turn; elsewhere the end of the sweep counts.
    """
    start, end = result.sweeps_ns.T
    instants = start + ((end - start) * recording.reference_fraction).astype(np.int64)
    T_odom_lidar = np.stack([result.trajectory.at(int(t)) for t in instants]) @ recording.rig.T_base_lidar
    return inverse(T_odom_lidar[0]) @ T_odom_lidar


def _result(runner: Runner, kept: _Collector, num_scans: int, wall_time: float, loss: DataLoss | None) -> ReplayResult:
    poses = kept.longest()
    if not poses:
        counted = "; ".join(f"{name}: {count}" for c in runner.counters().values() for name, count in c.items())
        raise loss or InvalidInput(f"no pose came out of {num_scans} scans ({counted or 'the recording is empty'})")
    stamps, T_odom_base, reports, health = zip(*poses)
    trajectory = Trajectory(np.array(stamps, dtype=np.int64), np.stack(T_odom_base))
    return ReplayResult(
        trajectory=trajectory,
        sweeps_ns=np.array([kept.sweeps[stamp] for stamp in stamps], dtype=np.int64),
        reports=list(reports),
        health=list(health),
        cpu_ms={name: np.array(ns) / 1e6 for name, ns in runner.stage_cpu_ns.items()},
        counters=runner.counters(),
        notes=runner.notes(),
        num_scans=num_scans,
        num_runs=sum(bool(run) for run in kept.runs),
        wall_time=wall_time,
        loss=loss,
        detections=kept.detections if "detection" in runner.workers else None,
        lines=kept.lines if "lines" in runner.workers else None,
        map=kept.map.result(trajectory) if "mapping" in runner.workers else None,
    )
