"""Rows of `perception bench detection` about the node: a camera of 640x480 at 30 Hz in one process, `detection_node` in
another, over real ROS 2 on all cores there are.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.detection_accuracy import pictures
from benchmarks.jobs import ROOT, SHOWN_ERROR, JobFailed
from benchmarks.options import BenchOptions
from benchmarks.peers import OURS
from benchmarks.result import Result, Target, target

RATE = 30.0  # images per second
SECONDS, LONG_SECONDS = 20.0, 300.0
NUM_PICTURES = 12
TOPIC = "/camera/image_raw"
DATA = "node, 640x480 at 30 Hz"
P95, GROWTH = "image to detections, p95", "median of the last third / of the first"
LOST = "images without an answer, share"
FRAMES = 1.5  # times between frames that 95 % of the answers may take
MAX_GROWTH = 1.2  # a backlog makes answers ever later
MAX_LOST = 1.0  # %
DOMAINS, FIRST_DOMAIN = 100, 101
STOP_SECONDS = 15.0
DROPPED, INNER = "detection inbox dropped", "detection latency p95 (ms)"  # in the diagnostics of the node


def measure(options: BenchOptions, result: Result) -> None:
    """Latency from publishing an image to hearing what is in it, and what the processes take. Raises `JobFailed`."""
    seconds = LONG_SECONDS if options.long else SECONDS
    images = pictures(options, NUM_PICTURES)
    with tempfile.TemporaryDirectory(prefix="bench-live") as folder:
        source = Path(folder) / "pictures.npz"
        np.savez(source, pictures=np.stack(images))
        options.say(f"node: {seconds:.0f} s in real time")
        variables = {
            **os.environ,
            "ROS_DOMAIN_ID": str(FIRST_DOMAIN + os.getpid() % DOMAINS),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            "ROS_LOG_DIR": folder,
        }
        found, cpu, memory = _drive(str(source), seconds, variables)
    for metric, value, unit in _rows(found, cpu, memory):
        result.add(OURS, DATA, metric, value, unit)


def targets(result: Result) -> list[Target]:
    """What is asked of the node."""
    return [
        target(f"{P95}, {DATA}", FRAMES * 1e3 / RATE, result.value(OURS, DATA, P95), "<", "ms"),
        target(f"{GROWTH}, {DATA}", MAX_GROWTH, result.value(OURS, DATA, GROWTH), "<="),
        target(f"{LOST}, {DATA}", MAX_LOST, result.value(OURS, DATA, LOST), "<=", "%"),
    ]


def _drive(source: str, seconds: float, variables: dict[str, str]) -> tuple[dict[str, Any], dict[str, float], float]:
    """What the sender found, CPU by process (% of a core), and memory of the node (MiB)."""
    import psutil

    parameters = ["-p", f'input.camera_topics:=["{TOPIC}"]']
    command = [sys.executable, "-m", "nodes.detection_node", "--ros-args", *parameters]
    node = subprocess.Popen(command, cwd=ROOT, env=variables, stderr=subprocess.PIPE)
    try:
        command = [sys.executable, "-m", "benchmarks.detection_live_sender", source, TOPIC, str(RATE), str(seconds)]
        sender = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, text=True)
        if sender.stdout is None or sender.stdout.readline() != "started\n":
            raise JobFailed(f"the sender did not start: exit code {sender.wait()}")
        watched = {"node": psutil.Process(node.pid), "sender": psutil.Process(sender.pid)}
        for process in watched.values():
            process.cpu_percent()
        text = sender.stdout.readline()
        cpu = {name: process.cpu_percent() for name, process in watched.items() if process.is_running()}
        memory = watched["node"].memory_info().rss / 2**20
        if sender.wait() or not text:
            raise JobFailed(f"the sender failed with exit code {sender.returncode}")
    finally:
        node.send_signal(signal.SIGINT)
        try:
            _, errors = node.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            node.kill()
            _, errors = node.communicate()
    if node.returncode:
        raise JobFailed(f"detection_node: exit code {node.returncode}: {errors.decode()[-SHOWN_ERROR:]}")
    return json.loads(text), cpu, memory


def _rows(found: dict[str, Any], cpu: dict[str, float], memory: float) -> list[tuple[str, float, str]]:
    latencies = 1e3 * np.array(found["latencies"] or [np.inf])
    third = max(len(latencies) // 3, 1)
    p50, p95, p99, largest = np.percentile(latencies, [50, 95, 99, 100])
    facts, before = found["facts"], found["before"]
    noted = []
    if DROPPED in facts:
        noted.append(("images dropped by the busy node", float(facts[DROPPED]) - float(before.get(DROPPED, 0)), ""))
    if INNER in facts:
        noted.append(("detection inside the node, p95", float(facts[INNER]), "ms"))
    return [
        ("images published", float(found["images"]), ""),
        (LOST, 100.0 * (1.0 - len(found["latencies"]) / max(found["images"], 1)), "%"),
        ("image to detections, median", float(p50), "ms"),
        (P95, float(p95), "ms"),
        ("image to detections, p99", float(p99), "ms"),
        ("image to detections, largest", float(largest), "ms"),
        (GROWTH, float(np.median(latencies[-third:]) / np.median(latencies[:third])), ""),
        ("boxes in an image, mean", float(np.mean(found["boxes"] or [0])), ""),
        *noted,
        *((f"CPU of the {name}", value, "% of a core") for name, value in cpu.items()),
        ("memory of the node", memory, "MiB"),
    ]


if __name__ == "__main__":
    found = Result("detection")
    measure(BenchOptions(say=print), found)
    for row in found.rows:
        print(f"{row.metric:45} {row.value} {row.unit}")
