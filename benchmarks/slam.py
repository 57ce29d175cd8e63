"""The benchmark of mapping: `perception bench slam`, meant to end within 15 minutes, peers and drives included.

Every group in full is what `--long` or `--only` ask for.
"""

from collections.abc import Callable

from benchmarks import (
    slam_backend,
    slam_factor,
    slam_index,
    slam_kills,
    slam_live,
    slam_loops,
    slam_parity,
    slam_places,
    slam_relocalise,
)
from benchmarks.environment import pins
from benchmarks.groups import check_only, measure_groups
from benchmarks.options import BenchOptions
from benchmarks.result import Result, machine, versions
from benchmarks.slam_peers import REQUIREMENTS

Measure = Callable[[BenchOptions, Result], None]
GROUPS: dict[str, Measure] = {
    "parity": slam_parity.measure,
    "index": slam_index.measure,
    "graphs": slam_backend.graphs,
    "updates": slam_backend.updates,
    "beside": slam_backend.beside,
    "folder": slam_backend.folder,
    "kills": slam_kills.measure,
    "fleet": slam_backend.fleet,
    "places": slam_places.measure,
    "loops": slam_loops.measure,
    "factor": slam_factor.measure,
    "relocalise": slam_relocalise.measure,
    "live": slam_live.measure,
}
QUICK = ("parity", "index", "graphs", "updates", "beside", "folder", "places", "loops")  # the last of the town alone
PACKAGES = ["numpy", "numba", "opencv-python-headless", "gtsam", "faiss-cpu", "onnxruntime", "openvino", "torch"]
PARTS = (
    slam_parity,
    slam_places,
    slam_factor,
    slam_live,
    slam_loops,
    slam_backend,
    slam_index,
    slam_kills,
    slam_relocalise,
)


def run(options: BenchOptions) -> Result:
    """Measure the groups that were asked for. Raises `ConfigError` for an unknown group."""
    check_only(GROUPS, options)
    result = Result("slam", machine(), versions(PACKAGES) | pins(REQUIREMENTS))
    measure_groups({name: GROUPS[name] for name in (QUICK if options.is_quick else GROUPS)}, options, result)
    asked = [target for part in PARTS for target in part.targets(result)]
    result.targets = asked if options.long else [target for target in asked if target.met is not None]
    return result
