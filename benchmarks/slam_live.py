"""Images and mapping live: what they cost per scan and per keyframe, and what the odometry beside them feels.

Nodes of `perception run` get clouds of 4 MB at 10 Hz and IMU samples over ROS 2, once as they are and once with images
and mapping; times of the image branch are those of a tunnel, where it works at every scan.
"""

import tempfile
from pathlib import Path

import numpy as np

from benchmarks import slam_drives
from benchmarks.live import measure_live
from benchmarks.options import BenchOptions
from benchmarks.peers import OURS
from benchmarks.result import Result, Target, target
from benchmarks.slam_run import BEV1, LOOPS, run
from benchmarks.targets import ratio

SECONDS = 30.0
PLAIN, WHOLE = "odometry alone", "with images and mapping"
SETTINGS = {PLAIN: (), WHOLE: ("mapping.is_enabled=true", "odometry.images.is_enabled=true")}
DRIVES = (slam_drives.TOWN, slam_drives.TUNNELS[0])
BRANCH = "BEV branch, one thread"
LOOK, DESCRIBE, LOST, LATENCY = (
    "image, network and match of a scan, p95",
    "describing a keyframe, p95",
    "clouds lost",
    "cloud to odometry, p95",
)


def measure(options: BenchOptions, result: Result) -> None:
    """The branch by itself, then the nodes."""
    for name, variant, metric in ((DRIVES[1], BEV1, LOOK), (DRIVES[1], LOOPS, DESCRIBE)):
        source = slam_drives.drive(options, name)
        options.say(f"live: {variant} over {name}")
        with tempfile.TemporaryDirectory(prefix="bench-live") as folder:
            found = run(source, variant, Path(folder))
        times = found.look_ms if metric == LOOK else found.describe_ms
        result.add(OURS, BRANCH, metric, float(np.percentile(times, 95)) if len(times) else None, "ms")
        result.add(OURS, BRANCH, metric.replace("p95", "median"), float(np.median(times)) if len(times) else None, "ms")
    for name in DRIVES:
        source = slam_drives.drive(options, name)
        for how, settings in SETTINGS.items():
            data = f"live, {name}, {how}"
            for metric, (value, unit) in measure_live(options, SECONDS, source, settings).items():
                result.add(OURS, data, metric, value, unit)


def targets(result: Result) -> list[Target]:
    """What it may cost."""
    found = [
        target(f"{LOOK}, {BRANCH}", 80.0, result.value(OURS, BRANCH, LOOK), "<", "ms"),
        target(f"{DESCRIBE}, {BRANCH}", 400.0, result.value(OURS, BRANCH, DESCRIBE), "<", "ms"),
    ]
    for name in DRIVES:
        lost = result.value(OURS, f"live, {name}, {WHOLE}", LOST)
        found.append(target(f"{LOST}, live, {name}, {WHOLE}", 0.0, lost))
    plain, whole = (result.value(OURS, f"live, {DRIVES[0]}, {how}", LATENCY) for how in (PLAIN, WHOLE))
    return [*found, target(f"{LATENCY}, {DRIVES[0]}, {WHOLE} / {PLAIN}", 1.2, ratio(whole, plain), "<")]
