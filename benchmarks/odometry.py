"""The benchmark of the odometry: `perception bench odometry`. Every number of its page in one run, peers included."""

from collections.abc import Callable

from benchmarks import degeneracy, drives, inertial, system
from benchmarks.environment import pins, python_with_peers
from benchmarks.groups import check_only, measure_groups
from benchmarks.jobs import JobFailed
from benchmarks.options import BenchOptions
from benchmarks.result import Result, machine, versions
from benchmarks.targets import targets

Measure = Callable[[BenchOptions, Result, str], None]
GROUPS: dict[str, Measure] = {
    "drives": drives.generated,
    "kitti": drives.kitti,
    "imu": inertial.measure,
    "degeneracy": degeneracy.measure,
    "startup": system.start_up,
    "replay": system.replay_speed,
    "memory": system.memory,
    "live": system.live,
}


def run(options: BenchOptions) -> Result:
    """Measure the groups that were asked for. Raises `ConfigError` for an unknown group."""
    check_only(GROUPS, options)
    result = Result("odometry", machine(), versions(["numpy", "numba", "scipy"]) | pins())
    python = _peers(options, result)
    measure_groups({name: _with_peers(measure, python) for name, measure in GROUPS.items()}, options, result)
    asked = targets(result)
    result.targets = [t for t in asked if t.met is not None] if options.only else asked
    return result


def _peers(options: BenchOptions, result: Result) -> str:
    """The interpreter with the peers; without one the rows of the peers say why they are empty."""
    options.say("looking for the peers")
    try:
        return python_with_peers()
    except JobFailed as failure:
        result.add("peers", "all", "environment", None, f"not measured: {failure}")
        return "python-without-peers"


def _with_peers(measure: Measure, python: str) -> Callable[[BenchOptions, Result], None]:
    return lambda options, result: measure(options, result, python)
