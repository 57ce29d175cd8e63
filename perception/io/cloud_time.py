"""What the time field of a cloud means: which field, which unit, and what it counts from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from perception.core.errors import ConfigError
from perception.io.config import InputConfig

TIME_FIELDS = ("t", "time", "timestamp", "offset_time", "time_stamp", "time_offset", "timestamps", "point_time")
TO_NS = {"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1.0}
MIN_SPAN_NS, MAX_SPAN_NS = 20e6, 500e6  # a sweep lasts 0.02 to 0.5 s
NEAR_NS = 1_000_000_000  # times this close to the header stamp are of the same clock
RELATIVE_NS = 1e9  # times farther from zero do not count from the header stamp
DEFAULT_SWEEP_NS = 100_000_000  # spinning sensors turn at 10 Hz unless told otherwise

Kind = Literal["none", "relative", "signed", "absolute", "foreign", "azimuth"]


@dataclass(frozen=True, slots=True)
class PointTime:
    """How the time of a point is found.

    relative: after the stamp. signed: before and after it. absolute: on the clock of the stamp. foreign: on another
    clock, so that only differences count. azimuth: from the angle. none: the scan is taken as instantaneous.
    """

    kind: Kind
    field: str = ""
    unit: str = ""
    span_ns: int = 0  # longest sweep seen when the format was detected
    notes: tuple[str, ...] = ()

    def column(self, views: dict[str, np.ndarray]) -> tuple[np.ndarray, float, float]:
        """Column of times, the time they are counted from (in their unit), and its unit in ns."""
        if not self.field:
            return views["x"], 0.0, 0.0  # any column of the right type, times zero
        column = views[self.field]
        if self.kind not in ("absolute", "foreign"):
            return column, 0.0, TO_NS[self.unit]
        latest = float(column.max())
        if not np.isfinite(latest):
            finite = column[np.isfinite(column)]
            latest = float(finite.max()) if finite.size else 0.0
        return column, latest, TO_NS[self.unit]

    def reference_ns(self, reference: float) -> int:
        """The time that `column` counts from in whole nanoseconds, without the rounding of a float product."""
        scale = int(TO_NS.get(self.unit, 0.0))
        whole = int(np.floor(reference))
        return whole * scale + round((reference - whole) * scale)

    def __str__(self) -> str:
        match self.kind:
            case "none":
                return "no time of points"
            case "azimuth":
                return "time of points from their azimuth"
        return f"time field {self.field} in {self.unit}, {self.kind}"


def detect_time(clouds: Sequence[dict[str, np.ndarray]], stamps: Sequence[int], config: InputConfig) -> PointTime:
    """The meaning of the time field of `clouds` (views by field), whose headers hold `stamps` (ns).

    Raises `ConfigError` listing the candidates when several fields, or no unit, fit.
    """
    names = tuple(clouds[0])
    if config.time_field in ("none", "azimuth"):
        return PointTime("none" if config.time_field == "none" else "azimuth")
    if config.time_field and config.time_field not in names:
        raise ConfigError(f"input.time_field: {config.time_field!r} is not in the cloud; it has {', '.join(names)}")
    candidates = [config.time_field] if config.time_field else [n for n in names if n.lower() in TIME_FIELDS]
    ranges = {name: _range([cloud[name] for cloud in clouds], [cloud["x"] for cloud in clouds]) for name in candidates}
    moving = {name: found for name, found in ranges.items() if found.span > 0.0}
    if not moving:
        return PointTime("none", notes=(_instantaneous(candidates),))
    fitting = {name: units for name, found in moving.items() if (units := _units(found.span, config))}
    if not fitting:
        raise ConfigError(f"input.time_unit: {_no_unit(moving)}; set input.time_unit, or input.time_field=none")
    if len(fitting) > 1:
        listed = ", ".join(f"{name} (in {units[0]})" for name, units in fitting.items())
        raise ConfigError(f"input.time_field: several fields could be the time: {listed}; set input.time_field")
    ((name, units),) = fitting.items()
    return _meaning(name, units[0], moving[name], stamps[0])


@dataclass(frozen=True, slots=True)
class _Range:
    first: float  # earliest time of the first cloud, in the unit of the field
    lowest: float  # of all clouds
    span: float  # longest within one cloud


def _range(columns: list[np.ndarray], xs: list[np.ndarray]) -> _Range:
    """Times of the points that exist; a point without coordinates often has a time of zero."""
    firsts, spans = [], [0.0]
    for column, x in zip(columns, xs):
        with np.errstate(invalid="ignore"):
            times = column.astype(np.float64)
            times = times[np.isfinite(times) & np.isfinite(x) & (x != 0.0)]
        if times.size:
            firsts.append(float(times.min()))
            spans.append(float(times.max() - times.min()))
    return _Range(firsts[0] if firsts else 0.0, min(firsts, default=0.0), max(spans))


def _units(span: float, config: InputConfig) -> list[str]:
    if config.time_unit != "auto":
        return [config.time_unit]
    return [unit for unit, scale in TO_NS.items() if MIN_SPAN_NS <= span * scale <= MAX_SPAN_NS]


def _meaning(name: str, unit: str, found: _Range, stamp_ns: int) -> PointTime:
    scale = TO_NS[unit]
    span_ns = round(found.span * scale)
    if abs(found.lowest * scale) <= RELATIVE_NS:
        is_signed = found.lowest < -found.span / 4  # more than the jitter of a first point
        return PointTime("signed" if is_signed else "relative", name, unit, span_ns)
    if abs(found.first * scale - stamp_ns) <= NEAR_NS:
        return PointTime("absolute", name, unit, span_ns)
    note = f"field {name} runs on another clock than the header stamps; only its differences are used"
    return PointTime("foreign", name, unit, span_ns, (note,))


def _instantaneous(candidates: list[str]) -> str:
    reason = f"field {candidates[0]} is the same for all points" if candidates else "the clouds have no time field"
    return f"{reason}: each scan is taken as instantaneous and is not de-skewed"


def _no_unit(ranges: dict[str, _Range]) -> str:
    listed = (
        f"field {name} spans {found.span:.6g}, that is "
        + ", ".join(f"{found.span * scale / 1e9:.3g} s if in {unit}" for unit, scale in TO_NS.items())
        for name, found in ranges.items()
    )
    return f"no unit makes a sweep last 0.02 to 0.5 s: {'; '.join(listed)}"


def sweep_from_stamps(stamps: Sequence[int]) -> int:
    """Median period (ns) of the clouds when it is a plausible sweep, else 0."""
    if len(stamps) < 3:
        return 0
    period = float(np.median(np.diff(np.asarray(stamps, dtype=np.int64))))
    return round(period) if MIN_SPAN_NS <= period <= MAX_SPAN_NS else 0
