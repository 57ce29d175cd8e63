"""The benchmark of detection: `perception bench detection`. Every number of its page in one run, peers included.

With nothing cached it downloads the peers, pictures held-out worlds and stays below 15 minutes on two cores.
"""

from collections.abc import Callable

from benchmarks import (
    detection_accuracy,
    detection_layers,
    detection_live,
    detection_speed,
    detection_tracking,
    detection_whole,
)
from benchmarks.detection_peers import REQUIREMENTS
from benchmarks.environment import pins
from benchmarks.groups import check_only, measure_groups
from benchmarks.options import BenchOptions
from benchmarks.result import Result, machine, versions

Measure = Callable[[BenchOptions, Result], None]
GROUPS: dict[str, Measure] = {
    "parity": detection_accuracy.parity,
    "coco": detection_accuracy.coco,
    "world": detection_accuracy.world,
    "real": detection_accuracy.real,
    "speed": detection_speed.measure,
    "memory": detection_speed.memory,
    "whole": detection_whole.measure,
    "layers": detection_layers.measure,
    "tracking": detection_tracking.measure,
    "node": detection_live.measure,
}
PACKAGES = ["numpy", "numba", "opencv-python-headless", "torch", "onnxruntime", "openvino", "pycocotools"]


def run(options: BenchOptions) -> Result:
    """Measure the groups that were asked for. Raises `ConfigError` for an unknown group."""
    check_only(GROUPS, options)
    peers = {name: version for name, version in pins(REQUIREMENTS).items() if name == "ultralytics"}
    result = Result("detection", machine(), versions(PACKAGES) | peers)
    measure_groups(GROUPS, options, result)
    parts = (detection_accuracy, detection_speed, detection_whole, detection_tracking, detection_live)
    asked = [target for part in parts for target in part.targets(result)]
    result.targets = [target for target in asked if target.met is not None] if options.only else asked
    return result
