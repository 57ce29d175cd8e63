"""State of a node from its inputs and stages: the health, and the facts behind it."""

from collections.abc import Mapping

import psutil

from nodes.ports import InputPort
from nodes.stage_thread import StageThread
from perception.core.health import Health, Level, worst

NO_TF = Health(Level.DEGRADED, "tf2_msgs is not installed: no transforms are heard or sent")
BYTES_PER_MB = 1e6


def health(now_ns: int, inputs: Mapping[str, InputPort], threads: Mapping[str, StageThread]) -> Health:
    """The worst of all inputs and stages at `now_ns` (monotonic)."""
    parts = [port.health(now_ns) for port in inputs.values()]
    for thread in threads.values():
        parts += [thread.health(), thread.overload(now_ns)]
    return worst(*parts)


def facts(now_ns: int, inputs: Mapping[str, InputPort], threads: Mapping[str, StageThread]) -> dict[str, object]:
    """Rates, ages, counts, latencies and memory, by name."""
    found: dict[str, object] = {}
    for name, port in inputs.items():
        monitor = port.monitor
        found[f"{name} rate (Hz)"] = f"{monitor.rate(now_ns):.1f}"
        found[f"{name} age (s)"] = f"{monitor.silence_ns(now_ns) / 1e9:.2f}"
        counts = {"received": monitor.num_received, "refused": monitor.num_refused, "missing": monitor.num_missing}
        found.update({f"{name} {key}": value for key, value in {**counts, **port.facts()}.items()})
    for name, thread in threads.items():
        quantiles = thread.latency.quantiles()
        if quantiles is not None:
            for key in ("p50", "p95", "p99"):
                found[f"{name} latency {key} (ms)"] = f"{getattr(quantiles, key):.1f}"
        found.update({f"{name} {key}": value for key, value in {**thread.counters(), **thread.facts()}.items()})
    found["memory (MB)"] = f"{psutil.Process().memory_info().rss / BYTES_PER_MB:.0f}"
    return found
