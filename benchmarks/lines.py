"""The benchmark of line segments: `perception bench lines`. Every number of its page in one run, peers included.

With nothing cached it downloads the peers and pictures held-out worlds, and stays below 15 minutes on two cores.
"""

from collections.abc import Callable

from benchmarks import lines_live, lines_parity, lines_quality, lines_speed, lines_use
from benchmarks.environment import pins
from benchmarks.groups import check_only, measure_groups
from benchmarks.lines_players import REQUIREMENTS
from benchmarks.options import BenchOptions
from benchmarks.result import Result, machine, versions

Measure = Callable[[BenchOptions, Result], None]
GROUPS: dict[str, Measure] = {
    "parity": lines_parity.measure,
    "quality": lines_quality.measure,
    "speed": lines_speed.measure,
    "generated": lines_use.generated,
    "use": lines_use.use,
    "node": lines_live.measure,
}
PACKAGES = ["numpy", "numba", "opencv-python-headless", "torch", "onnxruntime", "openvino"]


def run(options: BenchOptions) -> Result:
    """Measure the groups that were asked for. Raises `ConfigError` for an unknown group."""
    check_only(GROUPS, options)
    result = Result("lines", machine(), versions(PACKAGES) | pins(REQUIREMENTS))
    measure_groups(GROUPS, options, result)
    parts = (lines_parity, lines_quality, lines_speed, lines_use)
    asked = [target for part in parts for target in part.targets(result)]
    result.targets = [target for target in asked if target.met is not None] if options.only else asked
    return result
