"""The place of a robot that wakes up in a saved map: within 2 m of a mapped keyframe, at any heading, standing still.

`python -m benchmarks.slam_relocalise MAP NAME OUT` tries places of one drive. Scans are cast anew, with what moves.
"""

import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import clouds, slam_drives
from benchmarks.jobs import child
from benchmarks.options import BenchOptions
from benchmarks.peers import OURS
from benchmarks.result import Result, Target, target
from benchmarks.slam_run import LOOPS, mapping, run
from perception.core.geometry import exp_so3, inverse, log_so3, transform

DRIVES = {slam_drives.TOWN: 1.5, slam_drives.OFFICE: 0.4}  # m beside the way that was mapped: what is free of walls
NUM_TRIALS, NUM_TRIALS_LONG = 40, 200
NEAR, SHIFT, TURN, SECONDS = 2.0, 0.3, 1.0, 2.0  # m to a keyframe; what counts as found: m, deg, s
SHARE, WRONG, SLOW = "found within 0.3 m, 1 deg and 2 s", "placed wrongly", "time, p95"
STREAM = 7  # of random numbers


def measure(options: BenchOptions, result: Result) -> None:
    """Map a drive, then wake up in it again and again."""
    for name in DRIVES:
        source = slam_drives.drive(options, name)
        with tempfile.TemporaryDirectory(prefix="bench-relocalise") as folder:
            place, out = Path(folder) / "map", Path(folder) / "out.json"
            options.say(f"relocalise: mapping {name}")
            run(source, LOOPS, Path(folder), keep=place)
            options.say(f"relocalise: {name}")
            count = str(NUM_TRIALS_LONG if options.long else NUM_TRIALS)
            child([sys.executable, "-m", "benchmarks.slam_relocalise", str(place), str(source), name, count, str(out)])
            add_trials(result, data_of(name), json.loads(out.read_text()))


def targets(result: Result) -> list[Target]:
    """How often the place must be found."""
    sets = [data_of(name) for name in DRIVES]
    return [target(f"{SHARE}, {data}", 95.0, result.value(OURS, data, SHARE), ">=", "%") for data in sets]


def data_of(name: str) -> str:
    """The name of the rows of a drive."""
    return f"woken up in the map of: {name}"


def add_trials(result: Result, data: str, trials: list[dict]) -> None:
    """Rows of tries: `shift` (m) and `turn` (deg) from the truth or None, `seconds`, `reason`."""
    found = [trial for trial in trials if trial["shift"] is not None]
    good = [trial for trial in found if trial["shift"] <= SHIFT and trial["turn"] <= TURN]
    in_time = sum(trial["seconds"] < SECONDS for trial in good)
    result.add(OURS, data, SHARE, 100.0 * in_time / len(trials), "%")
    result.add(OURS, data, WRONG, 100.0 * (len(found) - len(good)) / len(trials), "%")
    result.add(OURS, data, "no place said", 100.0 * (len(trials) - len(found)) / len(trials), "%")
    why = Counter(re.sub(r"[\d.]+", "N", trial["reason"].split(":")[0]) for trial in trials if trial["shift"] is None)
    for reason, count in sorted(why.items()):
        result.add(OURS, data, f"no place said: {reason}", count, "tries")
    if found:
        result.add(OURS, data, "error, median", float(np.median([trial["shift"] for trial in found])), "m")
    result.add(OURS, data, SLOW, float(np.percentile([trial["seconds"] for trial in trials], 95)), "s")
    result.add(OURS, data, "tries", len(trials), "")


def main(place: str, source: str, name: str, count: str, out: str) -> None:
    """Try and write."""
    Path(out).write_text(json.dumps(trials(Path(place), Path(source), name, int(count))))


def trials(place: Path, source: Path, name: str, count: int) -> list[dict]:
    """What came of every try."""
    from perception.core.config import changed
    from perception.core.types import Odometry, OdometryUpdate, RegistrationReport
    from perception.mapping.opening import open_mapper
    from perception.mapping.types import MapOdom

    drive = clouds.read(source)
    rig, reference = drive.rig, drive.reference
    mapper = open_mapper(changed(mapping(place), {"mode": "localization"}), rig)
    table, cast = mapper.map.poses, _caster(name, rig.T_base_lidar)
    mapped = np.stack([reference.at(int(stamp)) for stamp in table.stamps_ns])  # T_world_base of the keyframes
    rng = np.random.default_rng([slam_drives.SEED, STREAM])
    found: list[dict] = []
    while len(found) < count:
        stamp = int(rng.integers(reference.stamps_ns[0], reference.stamps_ns[-1]))
        turn = exp_so3(np.array([0.0, 0.0, rng.uniform(-np.pi, np.pi)]))
        aside = np.array([0.0, rng.uniform(-DRIVES[name], DRIVES[name]), 0.0])
        T_world_base = reference.at(stamp) @ transform(turn, aside)
        distances = np.linalg.norm(mapped[:, :3, 3] - T_world_base[:3, 3], axis=1)
        nearest = int(distances.argmin())
        if distances[nearest] > NEAR:
            continue
        points = cast(T_world_base, stamp)
        T_odom_base = _level(T_world_base)
        odometry = Odometry(stamp, T_odom_base, np.diag([1e-8] * 6), np.zeros(3), np.zeros(3))
        update = OdometryUpdate(odometry, points, RegistrationReport(len(points), 0, 0, 0.0))
        mapper.begin_session("woken up")
        begin = time.perf_counter()
        outputs = mapper.add(update)
        seconds = time.perf_counter() - begin
        said = next((item for _, item in outputs if isinstance(item, MapOdom)), None)
        entry = {"seconds": seconds, "shift": None, "turn": None, "reason": mapper.map.localizer.reason}
        if said is not None:
            wanted = table.poses[nearest] @ inverse(mapped[nearest]) @ T_world_base
            difference = inverse(wanted) @ said.T_map_base
            entry["shift"] = float(np.linalg.norm(difference[:3, 3]))
            entry["turn"] = float(np.degrees(np.linalg.norm(log_so3(difference[:3, :3]))))
        found.append(entry)
    mapper.close()
    return found


def _level(T_world_base: np.ndarray) -> np.ndarray:
    """What odometry knows at its start: roll and pitch, by gravity; the place and the heading are its own."""
    heading = np.arctan2(T_world_base[1, 0], T_world_base[0, 0])
    return transform(exp_so3(np.array([0.0, 0.0, -heading])) @ T_world_base[:3, :3], np.zeros(3))


def _caster(name: str, T_base_lidar: np.ndarray) -> Callable[[np.ndarray, int], np.ndarray]:
    """A function from a pose (4, 4) of the standing base, and a stamp, to the points (N, 3) of a sweep."""
    from perception.world.motion import MotionState
    from perception.world.recording import EPOCH_NS, LIDAR_FRAME, SyntheticRecording
    from perception.world.sensors.lidar import SWEEP_NS, LidarSimulator
    from slam.config import OdometryConfig
    from slam.preprocess import VoxelScratch, thin

    class Standing:
        """A vehicle that does not move."""

        def __init__(self, T_world_body: np.ndarray) -> None:
            self.T = T_world_body

        def state(self, times_ns: np.ndarray) -> MotionState:
            n, zero = len(times_ns), np.zeros((len(times_ns), 3))
            return MotionState(
                np.tile(self.T[:3, :3], (n, 1, 1)), np.tile(self.T[:3, 3], (n, 1)), zero, zero, zero, zero
            )

    recording = SyntheticRecording(slam_drives.world(name))
    preprocess, scratch = OdometryConfig().preprocess, VoxelScratch()

    def points(T_world_base: np.ndarray, stamp_ns: int) -> np.ndarray:
        standing: Any = Standing(T_world_base)
        beams = recording.config.beams
        simulator = LidarSimulator(recording.scene, recording.world, standing, T_base_lidar, beams, STREAM)
        sweep = (stamp_ns - EPOCH_NS) // SWEEP_NS
        scan = simulator.scan(recording.config.lidar, int(sweep), EPOCH_NS, LIDAR_FRAME).scan
        return thin(scan.points, scan.offsets_ns, preprocess, scratch)[0]

    return points


if __name__ == "__main__":
    main(*sys.argv[1:])
