"""Our odometry, with or without images and a map, over one drive: `python -m benchmarks.slam_run SOURCE OUT VARIANT`.

SOURCE is a folder of `benchmarks.clouds`, or one of recorded keyframes with poses, which then stand in for the
odometry. OUT (.npz) gets poses of the odometry and of the map at every scan, CPU time with that of the process of the
pose graph, and OUT (.json) what came of every revisit. With a fourth argument the map stays in that folder.
"""

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import clouds
from benchmarks.jobs import child
from perception.core.geometry import exp_so3, log_so3, transform
from perception.core.trajectory import Trajectory
from perception.core.types import ImuBatch, Odometry, OdometryUpdate, RegistrationReport, Scan, SensorRig

if TYPE_CHECKING:
    from perception.mapping.config import MappingConfig
    from perception.mapping.types import LoopReport
    from perception.pipeline.map_run import MapCollector
    from perception.place.eye import PlaceEye
    from perception.place.places import PlaceConfig
    from slam.odometry import LidarInertialOdometry

LIO, BEV1, BEV8, LOOPS = "LIO", "+BEV(1)", "+BEV(8)", "+loops"
VARIANTS = (LIO, BEV1, BEV8, LOOPS)
KEYFRAME_POSES = "odom_poses.txt"
KEYFRAME_GROWTH = np.array([2e-3] * 3 + [1e-4] * 3)  # variances (m^2, rad^2) that each recorded keyframe adds
SHORT_WALK = {"min_age": 15.0, "min_path": 10.0}  # the recorded walk has 58 m; here 40 keyframes are as far


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What one run gave. N scans."""

    odometry: Trajectory  # T_odom_base
    mapped: Trajectory  # T_map_base; empty without a map
    cpu_s: float
    degenerate: int  # scans
    step_ms: np.ndarray  # (N,) wall time of the odometry of each scan
    keyframe_ms: np.ndarray  # (K,) wall time of the mapper at each keyframe
    keyframes_ns: np.ndarray  # (K,) int64, their stamps
    look_ms: np.ndarray  # (L,) wall time of image, network and matches of each scan that images were asked for
    describe_ms: np.ndarray  # (K,) wall time of describing each keyframe
    loops: list[dict]  # query_ns, reference_ns, verdict, detail, T


def run(source: Path, variant: str, folder: Path, keep: Path | None = None) -> Outcome:
    """One variant over one drive in a process of its own. Raises `JobFailed`."""
    out = folder / "run.npz"
    rest = [str(keep)] if keep is not None else []
    child([sys.executable, "-m", "benchmarks.slam_run", str(source), str(out), variant, *rest])
    with np.load(out, allow_pickle=False) as file:
        found = {name: file[name] for name in file.files}
    loops = json.loads(out.with_suffix(".json").read_text())
    return Outcome(
        Trajectory(found["stamps_ns"], found["odometry"]),
        Trajectory(found["map_stamps_ns"], found["mapped"]),
        float(found["cpu_s"]),
        int(found["degenerate"]),
        found["step_ms"],
        found["keyframe_ms"],
        found["keyframes_ns"],
        found["look_ms"],
        found["describe_ms"],
        [{**loop, "T": None if loop["T"] is None else np.array(loop["T"])} for loop in loops],
    )


def main(source: str, out: str, variant: str, keep: str = "") -> None:
    """Run and write."""
    from perception.pipeline.map_run import MapCollector

    folder, is_recorded = Path(source), (Path(source) / KEYFRAME_POSES).is_file()
    drive = None if is_recorded else clouds.read(folder)
    rig = SensorRig("base_link", "lidar", np.eye(4)) if drive is None else drive.rig
    with tempfile.TemporaryDirectory(prefix="bench-map") as scratch:
        config = mapping(Path(keep) if keep else Path(scratch) / "map", is_short=is_recorded)
        collector, mapper = MapCollector(config), None
        reports: list[LoopReport] = []
        if variant == LOOPS:
            from perception.mapping.opening import open_mapper

            mapper = open_mapper(config, rig)
        looks: list[float] = []
        descriptions: list[float] = []
        if mapper is not None:
            _timed(mapper.map.memory, "describe", descriptions)
        core = None if drive is None else make_odometry(rig, variant)
        if core is not None and core.images is not None:
            _timed(core.images, "look", looks)
        begin, poses, steps, keyframes, degenerate = _cpu(), [], [], [], 0
        for update, took in _recorded(folder) if drive is None or core is None else _driven(drive, core):
            poses.append(update.odometry)
            steps.append(took)
            degenerate += update.report.is_degenerate
            if mapper is not None:
                before, due = time.perf_counter(), mapper.map.maker.is_due(update.odometry)
                outputs = mapper.add(update)
                keyframes += [1e3 * (time.perf_counter() - before)] if due else []
                _take(outputs, collector, reports)
        if mapper is not None:
            _take(mapper.finish(), collector, reports)
            mapper.close()
        cpu = _cpu() - begin
        odometry = Trajectory(np.array([p.stamp_ns for p in poses], np.int64), np.stack([p.T_odom_base for p in poses]))
        mapped = collector.result(odometry).trajectory
        stamps = {} if collector.path is None else dict(zip(collector.path.ids.tolist(), collector.path.stamps_ns))
    np.savez(
        out, stamps_ns=odometry.stamps_ns, odometry=odometry.poses, map_stamps_ns=mapped.stamps_ns, mapped=mapped.poses,
        cpu_s=cpu, degenerate=degenerate, step_ms=steps, keyframe_ms=keyframes,
        keyframes_ns=np.array(list(stamps.values()), dtype=np.int64), look_ms=looks, describe_ms=descriptions,
    )  # fmt: skip
    Path(out).with_suffix(".json").write_text(json.dumps([_plain(report, stamps) for report in reports]))


def mapping(folder: Path, is_short: bool = False) -> "MappingConfig":
    """Mapping as a replay does it, into a folder, without the grid, which peers do not make either."""
    from perception.core.config import validated
    from perception.mapping.config import MappingConfig

    place = {"index": SHORT_WALK} if is_short else {}
    values = {"is_enabled": True, "folder": str(folder), "is_deterministic": True, "is_grid": False, "place": place}
    return validated(MappingConfig, values)


def make_odometry(rig: SensorRig, variant: str) -> "LidarInertialOdometry":
    """The odometry with its default configuration, helped by images of one or eight headings or by none."""
    from perception.core.config import changed
    from perception.pipeline.config import PerceptionConfig
    from perception.pipeline.stages import make_images
    from slam.odometry import LidarInertialOdometry

    config = changed(PerceptionConfig(), {"odometry.images.is_enabled": variant in (BEV1, BEV8)})
    images = make_images(config)
    if images is not None and variant == BEV8:
        images.eye = _eye_of_eight(config.mapping.place)
    return LidarInertialOdometry(config.odometry, rig, images)


def _eye_of_eight(place: "PlaceConfig") -> "PlaceEye":
    """Sees each scan at all headings, as keyframes are seen."""
    from perception.networks.rein_graph import NUM_ROTATIONS
    from perception.place.descriptors import open_place_network
    from perception.place.eye import PlaceEye
    from perception.place.keypoints import find_keypoints
    from perception.place.places import Landmarks, PlaceDescriber

    class EightHeadings(PlaceDescriber):
        def landmarks_of(self, image: np.ndarray) -> Landmarks:
            pixels = find_keypoints(image, self.config.keypoints)
            features = self.network.encode(image, NUM_ROTATIONS)
            return self._landmarks(pixels, self.network.local(features, pixels), NUM_ROTATIONS)

    return PlaceEye(EightHeadings(place, open_place_network(place.network, place.bev.side)))


def _driven(drive: clouds.Clouds, core: "LidarInertialOdometry") -> Iterator[tuple[OdometryUpdate, float]]:
    """Updates, each with the wall time (ms) of its odometry."""
    since = 0.0
    for event in drive.events():
        begin = time.perf_counter()
        updates = core.add_imu(event) if isinstance(event, ImuBatch) else core.add_scan(event)
        since += 1e3 * (time.perf_counter() - begin)
        for update in updates:
            yield update, since
            since = 0.0
    for update in core.finish():
        yield update, since


def _recorded(folder: Path) -> Iterator[tuple[OdometryUpdate, float]]:
    """Recorded keyframes with the poses that their odometry gave."""
    from perception.io.recording import open_recording
    from perception.io.trajectories import kitti_poses

    scans = (event for event in open_recording(folder).events() if isinstance(event, Scan))
    for k, (scan, written) in enumerate(zip(scans, kitti_poses(folder / KEYFRAME_POSES))):
        T = transform(exp_so3(log_so3(written[:3, :3])), written[:3, 3])  # digits of a text are no exact rotation
        odometry = Odometry(scan.end_ns, T, np.diag(KEYFRAME_GROWTH * (k + 1)), np.zeros(3), np.zeros(3))
        yield OdometryUpdate(odometry, scan.points, RegistrationReport(len(scan.points), 0, 0, 0.0)), 0.0


def _timed(owner: object, name: str, times: list[float]) -> None:
    """Note the wall time (ms) of every call of a method that gives something."""
    method = getattr(owner, name)

    def timed(*arguments: object) -> object:
        begin = time.perf_counter()
        found = method(*arguments)
        if found is not None:
            times.append(1e3 * (time.perf_counter() - begin))
        return found

    setattr(owner, name, timed)


def _take(outputs: Iterable[tuple[str, object]], collector: "MapCollector", reports: list) -> None:
    for stream, item in outputs:
        collector.take(item)
        if stream == "loops":
            reports.append(item)


def _plain(report: "LoopReport", stamps: dict[int, int]) -> dict:
    T = None if report.T_reference_query is None else report.T_reference_query.tolist()
    query, reference = (int(stamps.get(number, 0)) for number in (report.query_id, report.reference_id))
    return {
        "query_ns": query, "reference_ns": reference, "verdict": report.verdict, "detail": report.detail, "T": T
    }  # fmt: skip


def _cpu() -> float:
    """CPU time (s) of this process and of its ended children."""
    own, ended = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    main(*sys.argv[1:])
