"""Runs the groups of a benchmark one after the other; one that fails costs its own rows alone."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping

from benchmarks.options import BenchOptions
from benchmarks.peers import OURS
from benchmarks.result import BENCHMARK, Result
from perception.core.errors import ConfigError

log = logging.getLogger(__name__)


def check_only(groups: Iterable[str], options: BenchOptions) -> None:
    """Raises `ConfigError` where `--only` names a group that there is not."""
    unknown = set(options.only) - set(groups)
    if unknown:
        raise ConfigError(f"--only {sorted(unknown)[0]}: is unknown; use {', '.join(groups)}")


def measure_groups(
    groups: Mapping[str, Callable[[BenchOptions, Result], None]], options: BenchOptions, result: Result
) -> None:
    """Measure every group, or those of `--only`."""
    for name, measure in groups.items():
        if not options.only or name in options.only:
            _measure(name, measure, options, result)


def _measure(name: str, measure: Callable[[BenchOptions, Result], None], options: BenchOptions, result: Result) -> None:
    options.say(name)
    start = time.perf_counter()
    try:
        measure(options, result)
    except Exception as error:  # a benchmark of ten minutes must not lose its other rows to one failure
        log.exception("group %s failed", name)
        result.add(OURS, name, "group", None, f"not measured: {error}")
    result.add(BENCHMARK, name, "wall time", time.perf_counter() - start, "s")
