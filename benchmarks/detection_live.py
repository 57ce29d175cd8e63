"""Rows of `perception bench detection` about the node: a camera of 640x480 at 30 Hz in one process, `detection_node` in
another, over real ROS 2 on all cores there are.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.detection_accuracy import pictures
from benchmarks.jobs import ROOT, SHOWN_ERROR, JobFailed
from benchmarks.options import BenchOptions
from benchmarks.peers import OURS
from benchmarks.result import Result, Target, target

SECONDS, LONG_SECONDS = 20.0, 300.0
NUM_PICTURES = 12
TOPIC = "/camera/image_raw"
GROWTH = "median of the last third / of the first"
LOST = "images without an answer, share"
FRAMES = 1.5  # times between frames that 95 % of the answers may take
MAX_GROWTH = 1.2  # a backlog makes answers ever later
MAX_LOST = 1.0  # %
DOMAINS, FIRST_DOMAIN = 100, 101
STOP_SECONDS = 15.0
DROPPED, INNER = "inbox dropped", "latency p95 (ms)"  # of its stage, in the diagnostics of the node


@dataclass(frozen=True, slots=True)
class LiveNode:
    """A node that answers images."""

    stage: str
    answers: str  # last part of its topic
    things: str  # that it finds
    rate: float  # images per second

    @property
    def module(self) -> str:
        """What is started."""
        return f"nodes.{self.stage}_node"

    @property
    def heard(self) -> str:
        """The name of the row of its latency."""
        return f"image to {self.answers}"

    @property
    def data(self) -> str:
        """The name of its rows."""
        return f"node, 640x480 at {self.rate:.0f} Hz"


DETECTION = LiveNode("detection", "detections", "boxes", 30.0)


def measure(options: BenchOptions, result: Result) -> None:
    """The detection node. Raises `JobFailed`."""
    measure_node(options, result, DETECTION, pictures(options, NUM_PICTURES))


def measure_node(options: BenchOptions, result: Result, live: LiveNode, images: list[np.ndarray]) -> None:
    """Latency from publishing an image to hearing what is in it, and what the processes take. Raises `JobFailed`."""
    seconds = LONG_SECONDS if options.long else SECONDS
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
        found, cpu, memory = _drive(live, str(source), seconds, variables)
    for metric, value, unit in _rows(found, cpu, memory, live):
        result.add(OURS, live.data, metric, value, unit)


def targets(result: Result, live: LiveNode = DETECTION) -> list[Target]:
    """What is asked of the node."""
    p95 = f"{live.heard}, p95"
    return [
        target(f"{p95}, {live.data}", FRAMES * 1e3 / live.rate, result.value(OURS, live.data, p95), "<", "ms"),
        target(f"{GROWTH}, {live.data}", MAX_GROWTH, result.value(OURS, live.data, GROWTH), "<="),
        target(f"{LOST}, {live.data}", MAX_LOST, result.value(OURS, live.data, LOST), "<=", "%"),
    ]


def _drive(
    live: LiveNode, source: str, seconds: float, variables: dict[str, str]
) -> tuple[dict[str, Any], dict[str, float], float]:
    """What the sender found, CPU by process (% of a core), and memory of the node (MiB)."""
    import psutil

    parameters = ["-p", f'input.camera_topics:=["{TOPIC}"]']
    command = [sys.executable, "-m", live.module, "--ros-args", *parameters]
    node = subprocess.Popen(command, cwd=ROOT, env=variables, stderr=subprocess.PIPE)
    try:
        words = [source, TOPIC, str(live.rate), str(seconds), live.answers]
        command = [sys.executable, "-m", "benchmarks.detection_live_sender", *words]
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
        raise JobFailed(f"{live.module}: exit code {node.returncode}: {errors.decode()[-SHOWN_ERROR:]}")
    return json.loads(text), cpu, memory


def _rows(found: dict[str, Any], cpu: dict[str, float], memory: float, live: LiveNode) -> list[tuple[str, float, str]]:
    latencies = 1e3 * np.array(found["latencies"] or [np.inf])
    third = max(len(latencies) // 3, 1)
    p50, p95, p99, largest = np.percentile(latencies, [50, 95, 99, 100])
    facts, before = found["facts"], found["before"]
    noted, dropped, inner = [], f"{live.stage} {DROPPED}", f"{live.stage} {INNER}"
    if dropped in facts:
        noted.append(("images dropped by the busy node", float(facts[dropped]) - float(before.get(dropped, 0)), ""))
    if inner in facts:
        noted.append((f"{live.stage} inside the node, p95", float(facts[inner]), "ms"))
    return [
        ("images published", float(found["images"]), ""),
        (LOST, 100.0 * (1.0 - len(found["latencies"]) / max(found["images"], 1)), "%"),
        (f"{live.heard}, median", float(p50), "ms"),
        (f"{live.heard}, p95", float(p95), "ms"),
        (f"{live.heard}, p99", float(p99), "ms"),
        (f"{live.heard}, largest", float(largest), "ms"),
        (GROWTH, float(np.median(latencies[-third:]) / np.median(latencies[:third])), ""),
        (f"{live.things} in an image, mean", float(np.mean(found["boxes"] or [0])), ""),
        *noted,
        *((f"CPU of the {name}", value, "% of a core") for name, value in cpu.items()),
        ("memory of the node", memory, "MiB"),
    ]


if __name__ == "__main__":
    found = Result("detection")
    measure(BenchOptions(say=print), found)
    for row in found.rows:
        print(f"{row.metric:45} {row.value} {row.unit}")
