"""The one form in which every benchmark reports: rows, targets, machine and versions, as a table and as JSON."""

import json
import math
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from perception import __version__
from perception.core.errors import InvalidInput
from perception.core.files import write_atomic

BENCHMARK = "benchmark"  # the method of rows about the benchmark itself


@dataclass(frozen=True, slots=True)
class Row:
    """One measured number. `value` None: it could not be measured, and `unit` says why."""

    method: str
    data: str
    metric: str
    value: float | None
    unit: str


@dataclass(frozen=True, slots=True)
class Target:
    """One promise and what was reached. `met` None: nothing was measured that could decide it."""

    metric: str
    target: str
    value: float | None
    met: bool | None


@dataclass(slots=True)
class Result:
    """What one benchmark found."""

    name: str
    machine: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)

    def add(self, method: str, data: str, metric: str, value: float | None, unit: str) -> None:
        """Append one row; a value that is no finite number counts as not measured."""
        if value is not None and not math.isfinite(value):
            value, unit = None, f"not measured: {float(value)}"
        self.rows.append(Row(method, data, metric, None if value is None else float(value), unit))

    def value(self, method: str, data: str, metric: str) -> float | None:
        """The value of one row; None where it was not measured."""
        found = (r.value for r in self.rows if (r.method, r.data, r.metric) == (method, data, metric))
        return next(found, None)

    def to_json(self) -> str:
        """The result as JSON text."""
        return json.dumps(asdict(self), indent=1, allow_nan=False) + "\n"


def target(metric: str, bound: float, value: float | None, sense: str = "<=", unit: str = "") -> Target:
    """The target `metric` `sense` `bound`, decided by `value`; `sense` is one of <=, <, >=, >."""
    text = f"{sense} {bound:.4g} {unit}".strip()
    if value is None:
        return Target(metric, text, None, None)
    met = {"<=": value <= bound, "<": value < bound, ">=": value >= bound, ">": value > bound}[sense]
    return Target(metric, text, float(value), bool(met))


def machine() -> dict[str, Any]:
    """Processor, cores this process may use, memory, system and Python."""
    return {
        "processor": _from_proc("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}, {'-'.join(platform.libc_ver())}",
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 1),  # of other programs; times are fair near 0 only
    }


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Installed version of each package, and of this one."""
    from importlib.metadata import distributions

    wanted = set(packages)
    installed = {d.name: d.version for d in distributions() if d.name in wanted}
    return {"perception": __version__} | {name: installed.get(name, "not installed") for name in sorted(wanted)}


def read(path: Path) -> Result:
    """A result that `to_json` wrote. Raises `InvalidInput`."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        rows = [Row(**row) for row in values.pop("rows")]
        return Result(**values | {"rows": rows, "targets": [Target(**row) for row in values["targets"]]})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidInput(f"result {path}: is not the JSON of a benchmark ({error})") from None


def write(result: Result, path: Path) -> None:
    """Write the JSON of a result, whole or not at all."""
    write_atomic(path, result.to_json())


def _from_proc(path: str, key: str) -> str:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")
