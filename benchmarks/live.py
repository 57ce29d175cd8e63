"""Live nodes: 10 Hz clouds of 4 MB and 200 Hz IMU from one process to `perception run` in others, over real ROS 2."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil

from benchmarks.jobs import ROOT, SHOWN_ERROR, JobFailed, child
from benchmarks.options import BenchOptions

SECONDS = 30.0
DOMAINS = 100
STOP_SECONDS = 10.0
NUM_STARTING = 30  # clouds: the first wait until the IMU has stood still for a moment, and for what is loaded then

Found = dict[str, tuple[float, str]]  # metric: value, unit


def measure_live(
    options: BenchOptions | None = None,
    seconds: float = SECONDS,
    source: Path | None = None,
    settings: Sequence[str] = (),
) -> Found:
    """Loss, latency from publishing a cloud to receiving its odometry, and CPU, over `seconds` of a generated town.

    `source`: the beginning of another drive instead. `settings`: what `perception run --set` gets. Raises `JobFailed`
    when a process fails.
    """
    say = (options or BenchOptions()).say
    with tempfile.TemporaryDirectory(prefix="bench-live") as folder:
        drive = str(source or Path(folder) / "drive")
        if source is None:
            say(f"live: generating {seconds:.0f} s of a town")
            child([sys.executable, "-m", "benchmarks.make_drive", "world", drive, "town", "0", str(seconds)])
        say(f"live: {seconds:.0f} s in real time")
        variables = {
            **os.environ,
            "ROS_DOMAIN_ID": str(1 + os.getpid() % DOMAINS),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            "ROS_LOG_DIR": folder,
        }
        found, cpu = _drive(drive, seconds, settings, variables)
    return _metrics(found, cpu)


def _drive(
    drive: str, seconds: float, settings: Sequence[str], variables: dict[str, str]
) -> tuple[dict, dict[str, float]]:
    """What the sender found, and the CPU time by process over its wall time, in per cent of one core."""
    nodes = [sys.executable, "-m", "perception", "run", *(word for text in settings for word in ("--set", text))]
    run = subprocess.Popen(nodes, cwd=ROOT, env=variables, stderr=subprocess.PIPE)
    command = [sys.executable, "-m", "benchmarks.live_sender", drive, str(seconds)]
    try:
        sender = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, text=True)
        if sender.stdout is None or sender.stdout.readline() != "started\n":
            raise JobFailed(f"the sender did not start: exit code {sender.wait()}")
        watched = {"nodes": psutil.Process(run.pid).children()[0], "sender": psutil.Process(sender.pid)}
        for process in watched.values():
            process.cpu_percent()
        text = sender.stdout.readline()
        cpu = {name: process.cpu_percent() for name, process in watched.items() if process.is_running()}
        if sender.wait() or not text:
            raise JobFailed(f"the sender failed with exit code {sender.returncode}")
    finally:
        run.send_signal(signal.SIGINT)
        _, errors = run.communicate(timeout=STOP_SECONDS)
    if run.returncode:
        raise JobFailed(f"perception run: exit code {run.returncode}: {errors.decode()[-SHOWN_ERROR:]}")
    return json.loads(text), cpu


def _metrics(found: dict, cpu: dict[str, float]) -> Found:
    latencies = 1e3 * np.array(found["latencies"] or [np.inf])
    p50, p95, largest = np.percentile(
        latencies[NUM_STARTING:] if len(latencies) > NUM_STARTING else np.inf, [50, 95, 100]
    )
    return {
        "clouds published": (found["clouds"], ""),
        "clouds lost": (found["clouds"] - found["odometry"], ""),
        "first cloud to odometry": (float(latencies[0]), "ms"),
        "cloud to odometry, median": (float(p50), "ms"),
        "cloud to odometry, p95": (float(p95), "ms"),
        "cloud to odometry, largest": (float(largest), "ms"),
        "items dropped by a busy node": (int(found["facts"].get("odometry inbox dropped", 0)), ""),
        "poses at the rate of the IMU": (found["odometry_imu"], ""),
        **{f"CPU of the {name}": (value, "% of a core") for name, value in cpu.items()},
    }


if __name__ == "__main__":
    for metric, (value, unit) in measure_live(BenchOptions(say=print)).items():
        print(f"{metric:32} {value:10.1f} {unit}")
