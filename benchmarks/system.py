"""The program as a whole: how fast it starts and replays, what memory it holds, and how it keeps up live."""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.jobs import MAX_SECONDS, ONE_THREAD, ROOT, SHOWN_ERROR, JobFailed, child, environment
from benchmarks.options import BenchOptions
from benchmarks.peers import OURS
from benchmarks.result import Result

REPLAYED, STREAMED, LIVE, START = "120 s recording", "streamed drive", "live nodes", "start-up"
RECORDING_SECONDS = 120.0
SHORT_STREAM, LONG_STREAM = 180.0, 1800.0  # s of driving
REPEATS = 5  # of what takes less than a few seconds; the median counts


def start_up(options: BenchOptions, result: Result, python: str) -> None:
    """Wall time from starting Python to the first pose, kernels being in the cache, and of `perception --help`."""
    with tempfile.TemporaryDirectory(prefix="bench-start") as folder:
        drive = Path(folder) / "drive"
        child([sys.executable, "-m", "benchmarks.make_drive", "world", str(drive), "straight", "0", "1.5"])
        first_pose = [sys.executable, "-m", "benchmarks.first_pose", str(drive)]
        child(first_pose)  # fills the cache of compiled kernels and that of the disk
        result.add(OURS, START, "to the first pose, warm cache", _median_wall(first_pose), "s")
    help_text = [sys.executable, "-m", "perception", "--help"]
    child(help_text)
    result.add(OURS, START, "perception --help", _median_wall(help_text), "s")


def replay_speed(options: BenchOptions, result: Result, python: str) -> None:
    """Length of a recording by the wall time of `perception replay` over it, report and start included."""
    with tempfile.TemporaryDirectory(prefix="bench-replay") as folder:
        recording, out = str(Path(folder) / "recording"), str(Path(folder) / "out")
        command = [sys.executable, "-m", "perception"]
        options.say(f"replay: recording {RECORDING_SECONDS:.0f} s of a generated town")
        child([*command, "synth", recording, "--seed", "0", "--duration", str(RECORDING_SECONDS)])
        size = sum(file.stat().st_size for file in Path(recording).rglob("*") if file.is_file())
        options.say("replay: whole process")
        start, cpu = time.perf_counter(), _children_cpu()
        _plain([*command, "replay", recording, "--out", out])
        seconds = time.perf_counter() - start
        result.add(OURS, REPLAYED, "CPU time of replay", _children_cpu() - cpu, "s")
        result.add(OURS, REPLAYED, "size", size / 2**20, "MiB")
        result.add(OURS, REPLAYED, "wall time of replay", seconds, "s")
        result.add(OURS, REPLAYED, "real-time factor of replay", RECORDING_SECONDS / seconds, "x")


def memory(options: BenchOptions, result: Result, python: str) -> None:
    """Memory of a process that generates a drive scan by scan and runs the odometry on it, nothing stored."""
    duration = LONG_STREAM if options.long else SHORT_STREAM
    options.say(f"memory: {duration / 60:.0f} minutes of a generated town, streamed")
    seconds = max(MAX_SECONDS, 2.0 * duration)
    found = json.loads(child([sys.executable, "-m", "benchmarks.stream_memory", str(duration)], seconds))
    result.add(OURS, STREAMED, "duration", found["minutes"], "min")
    result.add(OURS, STREAMED, "scans", found["scans"], "")
    result.add(OURS, STREAMED, "memory after warm-up", found["warm_mib"], "MiB")
    result.add(OURS, STREAMED, "memory slope after warm-up", found["slope_mib_per_min"], "MiB/min")
    result.add(OURS, STREAMED, "memory peak", found["peak_mib"], "MiB")


def live(options: BenchOptions, result: Result, python: str) -> None:
    """Clouds of 4 MB at 10 Hz and IMU at 200 Hz from one process to the nodes in others, over real ROS 2."""
    from benchmarks.live import measure_live

    for metric, (value, unit) in measure_live(options).items():
        result.add(OURS, LIVE, metric, value, unit)


def _median_wall(command: list[str]) -> float:
    walls = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        child(command)
        walls.append(time.perf_counter() - start)
    return float(np.median(walls))


def _children_cpu() -> float:
    """CPU time (s) of all ended children of this process."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _plain(command: list[str]) -> None:
    """Run a command with as many threads as it takes by itself, as from a user's shell. Raises `JobFailed`."""
    variables = {name: value for name, value in environment().items() if name not in ONE_THREAD}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise JobFailed(f"{' '.join(command[1:4])}: exit code {done.returncode}: {done.stderr[-SHOWN_ERROR:]}")
