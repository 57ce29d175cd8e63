"""Loops: none wrong, most true revisits closed, the map never worse than the odometry, and beside KISS-SLAM.

A loop is wrong when its relative pose is more than 0.5 m or 3 deg from the truth (real sets, against the poses that
came with them: 1 m or 5 deg). A true revisit is a keyframe within 5 m of one that lies 30 s and 50 m back at least.
"""

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import clouds, slam_drives
from benchmarks.accuracy import compare
from benchmarks.drives import SHARED
from benchmarks.jobs import JobFailed, child, cores
from benchmarks.options import BenchOptions
from benchmarks.peers import OURS
from benchmarks.result import Result, Target, target
from benchmarks.slam_peers import KISS_SLAM
from benchmarks.slam_places import python_of_peers
from benchmarks.slam_run import LOOPS, Outcome, run
from benchmarks.targets import ratio
from perception.core.geometry import inverse, log_so3
from perception.core.trajectory import Trajectory
from perception.evaluation.association import poses_at

DRIVES = (slam_drives.TOWN, slam_drives.OFFICE, slam_drives.STREET, slam_drives.NOISY, slam_drives.SPARSE)
BESIDE_KISS = (slam_drives.TOWN, slam_drives.OFFICE)  # the others with --long
REAL = ("livox_keyframes_hku2",)
LIMITS, REAL_LIMITS = (0.5, 3.0), (1.0, 5.0)  # m, deg
RADIUS, MIN_AGE, MIN_PATH = 5.0, 30.0, 50.0  # m, s, m
ODOMETRY, MAP, CPU = "ATE of the odometry", "ATE", "CPU time"
CLOSED, WRONG, ACCEPTED = "true revisits closed", "wrong loops", "loops"
HARMLESS, DRIFTED, HALVED = 0.01, 0.5, 0.5  # m that a map may be worse; m of drift that loops must halve


@dataclass(frozen=True, slots=True)
class Loops:
    """The loops of a run against the truth."""

    accepted: int
    wrong: int
    worst: float  # m, of the accepted ones
    revisits: int  # true ones, keyframes
    closed: int


@dataclass(frozen=True, slots=True, eq=False)
class Peer:
    """A run of KISS-SLAM over N scans."""

    starts_ns: np.ndarray  # (N,) int64
    ends_ns: np.ndarray  # (N,) int64
    poses: np.ndarray  # (N, 4, 4)
    cpu_ns: np.ndarray  # () int64
    closures: np.ndarray  # () int64


def measure(options: BenchOptions, result: Result) -> None:
    """Our map on every set, and KISS-SLAM on generated ones; one run on each core at a time."""
    names = (slam_drives.TOWN,) if options.is_quick else (*DRIVES, slam_drives.LONG) if options.long else DRIVES
    sources = {name: slam_drives.drive(options, name) for name in names}
    real = [name for name in REAL if (SHARED / name).is_dir()]
    python = python_of_peers()
    work: list[Callable[[], Outcome | Peer | JobFailed]] = [
        *(partial(_kiss_slam, python, sources[name]) for name in _with_kiss(options, names)),
        *(partial(_ours, source) for source in (*sources.values(), *(SHARED / name for name in real))),
    ]
    options.say(f"loops: {len(work)} runs of ours and {KISS_SLAM}")
    with ThreadPoolExecutor(len(cores())) as pool:
        found = list(pool.map(lambda one: one(), work))
    kiss = dict(zip(_with_kiss(options, names), found))
    ours = dict(zip((*names, *real), found[len(kiss) :]))
    for name in names:
        reference = clouds.read(sources[name]).reference
        if isinstance(run_of := ours[name], Outcome):
            add_outcome(result, name, run_of, reference, LIMITS)
        else:
            result.add(OURS, name, WRONG, None, f"not measured: {run_of}")
        if name in kiss:
            _add_kiss_slam(result, name, kiss[name], reference)
    for name in REAL:
        if name in ours and isinstance(run_of := ours[name], Outcome):
            add_loops(result, name, run_of, run_of.odometry, REAL_LIMITS)
        else:
            result.add(OURS, name, WRONG, None, f"not measured: {ours.get(name, 'it is not beside this checkout')}")


def targets(result: Result) -> list[Target]:
    """What loops and maps must reach."""
    found: list[Target] = []
    names = [row.data for row in result.rows if row.metric == WRONG]
    wrong = [result.value(OURS, name, WRONG) for name in names]
    total = None if not wrong or None in wrong else float(sum(value for value in wrong if value is not None))
    found.append(target(f"{WRONG}, all sets", 0.0, total))
    for name in names:
        share = result.value(OURS, name, CLOSED)
        if share is not None and name not in REAL:
            found.append(target(f"{CLOSED}, {name}", 60.0, share, ">=", "%"))
    for name in [row.data for row in result.rows if row.metric == ODOMETRY]:
        before, after = result.value(OURS, name, ODOMETRY), result.value(OURS, name, MAP)
        if before is None or after is None:
            continue
        found.append(target(f"ATE above the odometry's, {name}", HARMLESS, after - before, unit="m"))
        if before > DRIFTED:
            found.append(target(f"ATE / the odometry's, {name}", HALVED, after / before))
        kiss = result.value(KISS_SLAM, name, MAP)
        if kiss is not None:
            found.append(target(f"ATE, {name}, against {KISS_SLAM}", kiss, after, "<", "m"))
            share = ratio(result.value(OURS, name, CPU), result.value(KISS_SLAM, name, CPU))
            found.append(target(f"CPU time / that of {KISS_SLAM}, {name}", 1.0, share, "<"))
    return found


def add_outcome(result: Result, name: str, found: Outcome, reference: Trajectory, limits: tuple[float, float]) -> None:
    """Accuracy before and after, loops, and CPU time."""
    result.add(OURS, name, ODOMETRY, ate(found.odometry, reference), "m")
    result.add(OURS, name, MAP, ate(found.mapped, reference), "m")
    add_loops(result, name, found, reference, limits)
    result.add(OURS, name, CPU, found.cpu_s, "s")
    result.add(OURS, name, "keyframes", len(found.keyframe_ms), "")
    result.add(OURS, name, "keyframe, p95", float(np.percentile(found.keyframe_ms, 95)), "ms")


def add_loops(result: Result, name: str, found: Outcome, reference: Trajectory, limits: tuple[float, float]) -> None:
    """How many loops, wrong ones, closed revisits, and every reason of a refusal with its count."""
    judged = judge(found, reference, limits)
    result.add(OURS, name, ACCEPTED, judged.accepted, "")
    result.add(OURS, name, WRONG, judged.wrong, "")
    if judged.accepted:
        result.add(OURS, name, "largest error of a loop", judged.worst, "m")
    result.add(OURS, name, "true revisits", judged.revisits, "keyframes")
    result.add(OURS, name, CLOSED, 100.0 * judged.closed / judged.revisits if judged.revisits else None, "%")
    for verdict in sorted({loop["verdict"] for loop in found.loops} - {"accepted"}):
        count = sum(loop["verdict"] == verdict for loop in found.loops)
        result.add(OURS, name, f"candidates: {verdict}", count, "")


def judge(found: Outcome, reference: Trajectory, limits: tuple[float, float]) -> Loops:
    """Hold the accepted loops that were not undone against the truth."""
    undone = {(loop["query_ns"], loop["reference_ns"]) for loop in found.loops if loop["verdict"] == "undone"}
    kept = [loop for loop in found.loops if loop["verdict"] == "accepted"]
    kept = [loop for loop in kept if (loop["query_ns"], loop["reference_ns"]) not in undone]
    wrong, worst, right = 0, 0.0, set()
    for loop in kept:
        T_query, T_reference = poses_at(reference, np.array([loop["query_ns"], loop["reference_ns"]]))
        difference = inverse(inverse(T_reference) @ T_query) @ loop["T"]
        shift = float(np.linalg.norm(difference[:3, 3]))
        turn = float(np.degrees(np.linalg.norm(log_so3(difference[:3, :3]))))
        worst = max(worst, shift)
        if shift > limits[0] or turn > limits[1]:
            wrong += 1
        else:
            right.add(loop["query_ns"])
    revisits = true_revisits(found.keyframes_ns, reference)
    return Loops(len(kept), wrong, worst, len(revisits), len(revisits & right))


def true_revisits(keyframes_ns: np.ndarray, reference: Trajectory) -> set[int]:
    """Stamps of the keyframes that are back where an old and far enough keyframe was."""
    known = keyframes_ns[(keyframes_ns >= reference.stamps_ns[0]) & (keyframes_ns <= reference.stamps_ns[-1])]
    if len(known) < 2:
        return set()
    places = poses_at(reference, known)[:, :3, 3]
    path = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(places, axis=0), axis=1)))
    is_near = np.linalg.norm(places[:, None] - places[None], axis=2) <= RADIUS
    is_old = (known[:, None] - known[None] >= MIN_AGE * 1e9) & (path[:, None] - path[None] >= MIN_PATH)
    return set(known[(is_near & is_old).any(axis=1)].tolist())


def ate(estimate: Trajectory, reference: Trajectory) -> float | None:
    """Root mean square of the distance (m) after rigid alignment; None without poses."""
    return compare(estimate, reference, at_reference=False).ape_translation.rmse if len(estimate) > 2 else None


def _with_kiss(options: BenchOptions, names: Sequence[str]) -> list[str]:
    return [name for name in names if options.long or name in BESIDE_KISS]


def _ours(source: Path) -> Outcome | JobFailed:
    try:
        with tempfile.TemporaryDirectory(prefix="bench-loops") as folder:
            return run(source, LOOPS, Path(folder))
    except JobFailed as failure:
        return failure


def _kiss_slam(python: str | JobFailed, source: Path) -> Peer | JobFailed:
    if isinstance(python, JobFailed):
        return python
    try:
        with tempfile.TemporaryDirectory(prefix="bench-kiss") as folder:
            out = Path(folder) / "run.npz"
            child([python, "-m", "benchmarks.slam_peers", "slam", str(source), str(out)])
            with np.load(out, allow_pickle=False) as file:
                return Peer(*(file[name] for name in ("starts_ns", "ends_ns", "poses", "cpu_ns", "closures")))
    except JobFailed as failure:
        return failure


def _add_kiss_slam(result: Result, name: str, found: Outcome | Peer | JobFailed, reference: Trajectory) -> None:
    if not isinstance(found, Peer):
        result.add(KISS_SLAM, name, MAP, None, f"not measured: {found}")
        return
    stamps = (found.starts_ns, (found.starts_ns + found.ends_ns) // 2, found.ends_ns)  # it does not say which
    errors = [ate(Trajectory(at, found.poses), reference) for at in stamps]
    result.add(KISS_SLAM, name, MAP, min(error for error in errors if error is not None), "m")
    result.add(KISS_SLAM, name, CPU, float(found.cpu_ns) / 1e9, "s")
    result.add(KISS_SLAM, name, ACCEPTED, float(found.closures), "")
