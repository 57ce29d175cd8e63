"""Time and accuracy of our odometry and its peers, on generated drives and on a KITTI drive."""

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks import clouds
from benchmarks.accuracy import Run, best_errors
from benchmarks.jobs import ROOT, Job, JobFailed, child, cores, run_alone, run_beside
from benchmarks.options import BenchOptions
from benchmarks.peers import GICP, KISS, OURS, OURS_LIDAR, RKO, RKO_LIDAR, VGICP, VGICP_COARSE
from benchmarks.result import Result
from perception.core.trajectory import Trajectory

SHARED = ROOT.parent / "shared" / "data"
ROUTES = ("straight", "turns", "corridor")
GENERATED, KITTI = "generated drives", "kitti_raw_0005"
DURATION = 22.0  # s, of which the first two stand still: 200 scans that move
SETTLED = 10  # scans before the times count: maps are small at first
WITH_IMU = (OURS, KISS, RKO, GICP, VGICP)
WITHOUT_IMU = (OURS, KISS, RKO_LIDAR, GICP, VGICP)


def generated(options: BenchOptions, result: Result, python: str) -> None:
    """Every method on every generated drive; the drives of the first seed are timed, one method after the other."""
    methods = WITH_IMU + ((OURS_LIDAR, RKO_LIDAR, VGICP_COARSE) if options.long else ())
    with tempfile.TemporaryDirectory(prefix="bench-drives") as folder:
        options.say(f"generating {len(ROUTES) * options.seeds} drives of {DURATION:.0f} s")
        drives = _make(Path(folder), options.seeds)
        cpu_ns: dict[str, list[np.ndarray]] = {method: [] for method in methods}
        for (route, seed), drive in drives.items():
            runs = _runs(drive, methods, python, is_timed=seed == 0, options=options, name=f"{route} {seed}")
            reference = clouds.read(drive).reference
            for method, run in runs.items():
                _add_accuracy(result, method, f"{route} {seed}", run, reference, at_reference=False)
                if seed == 0 and isinstance(run, Run):
                    _add_times(result, method, f"{route} {seed}", [run.cpu_ns])
                    cpu_ns[method].append(run.cpu_ns)
        for method, times in cpu_ns.items():
            if times:
                _add_times(result, method, GENERATED, times)


def kitti(options: BenchOptions, result: Result, python: str) -> None:
    """Every method that needs no IMU on the KITTI drive."""
    source = SHARED / KITTI
    if not source.is_dir():
        result.add(OURS, KITTI, "ATE", None, f"not measured: {source.name} is not beside this checkout")
        return
    with tempfile.TemporaryDirectory(prefix="bench-kitti") as folder:
        drive = Path(folder) / KITTI
        child([sys.executable, "-m", "benchmarks.make_drive", "recording", str(drive), str(source)])
        reference = clouds.read(drive).reference
        methods = WITHOUT_IMU + ((VGICP_COARSE,) if options.long else ())
        for method, run in _runs(drive, methods, python, is_timed=True, options=options, name=KITTI).items():
            _add_accuracy(result, method, KITTI, run, reference, at_reference=True)
            if isinstance(run, Run):
                _add_times(result, method, KITTI, [run.cpu_ns])


def _make(folder: Path, num_seeds: int) -> dict[tuple[str, int], Path]:
    wanted = {(route, seed): folder / f"{route}-{seed}" for seed in range(num_seeds) for route in ROUTES}

    def one(key: tuple[str, int]) -> None:
        route, seed = key
        make = [sys.executable, "-m", "benchmarks.make_drive", "world", str(wanted[key])]
        child([*make, route, str(seed), str(DURATION)])

    with ThreadPoolExecutor(len(cores())) as pool:
        list(pool.map(one, wanted))
    return wanted


def _runs(
    drive: Path, methods: tuple[str, ...], python: str, is_timed: bool, options: BenchOptions, name: str
) -> dict[str, Run | JobFailed]:
    jobs = [Job(method, drive, sys.executable if method in (OURS, OURS_LIDAR) else python) for method in methods]
    options.say(f"{name}: {', '.join(methods)}" + (", timed" if is_timed else ""))
    if not is_timed:
        return dict(zip(methods, run_beside(jobs)))
    return {job.method: _timed(job) for job in jobs}


def _timed(job: Job) -> Run | JobFailed:
    try:
        return run_alone(job)
    except JobFailed as failure:
        return failure


def _add_accuracy(
    result: Result, method: str, data: str, run: Run | JobFailed, reference: Trajectory, at_reference: bool
) -> None:
    if isinstance(run, JobFailed):
        result.add(method, data, "ATE", None, f"not measured: {run}")
        return
    instant, errors = best_errors(run, reference, at_reference)
    result.add(method, data, "ATE", errors.ape_translation.rmse, "m")
    result.add(method, data, "ATE rotation", errors.ape_rotation_deg.rmse, "deg")
    result.add(method, data, "instant of the poses", instant, "of the sweep")
    result.add(method, data, "poses", len(run.poses), "")
    for segment in errors.segments:
        result.add(method, data, f"translation error over {segment.length:.0f} m", segment.translation_percent, "%")


def _add_times(result: Result, method: str, data: str, cpu_ns: list[np.ndarray]) -> None:
    cpu_ms = np.concatenate([times[SETTLED:] for times in cpu_ns]) / 1e6
    result.add(method, data, "CPU time per scan, median", float(np.median(cpu_ms)), "ms")
    result.add(method, data, "CPU time per scan, p95", float(np.percentile(cpu_ms, 95)), "ms")
