"""The benchmark of the odometry: `perception bench odometry`. Every number of issue 1 in one run, peers included."""

import logging
import time
from collections.abc import Callable

from benchmarks import degeneracy, drives, inertial, system
from benchmarks.environment import pins, python_with_peers
from benchmarks.jobs import JobFailed
from benchmarks.options import BenchOptions
from benchmarks.peers import OURS
from benchmarks.result import BENCHMARK, Result, machine, versions
from benchmarks.targets import targets
from perception.core.errors import ConfigError

log = logging.getLogger(__name__)
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
    unknown = set(options.only) - set(GROUPS)
    if unknown:
        raise ConfigError(f"--only {sorted(unknown)[0]}: is unknown; use {', '.join(GROUPS)}")
    result = Result("odometry", machine(), versions(["numpy", "numba", "scipy"]) | pins())
    python = _peers(options, result)
    for name, measure in GROUPS.items():
        if not options.only or name in options.only:
            _measure(name, measure, options, result, python)
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


def _measure(name: str, measure: Measure, options: BenchOptions, result: Result, python: str) -> None:
    """One group; what it cannot measure becomes a row that says so, and the other groups go on."""
    options.say(name)
    start = time.perf_counter()
    try:
        measure(options, result, python)
    except Exception as error:  # a benchmark of ten minutes must not lose its other rows to one failure
        log.exception("group %s failed", name)
        result.add(OURS, name, "group", None, f"not measured: {error}")
    result.add(BENCHMARK, name, "wall time", time.perf_counter() - start, "s")
