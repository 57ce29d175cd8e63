"""Charts as SVG text: small, without scripts or fonts from elsewhere, coloured by the style sheet of the page.

A chart is complete as it is. `templates/report.js` adds a readout under the pointer from the same points.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from itertools import pairwise
from typing import Any

import numpy as np

WIDTH = 480  # units of the view box: also readable when the page is as narrow as a phone
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 24, 38  # margins for labels
MAX_POINTS = 1000  # of one drawn curve; more do not show
NUM_TICKS = 5
NUM_BINS = 40
OUTLIER = 4.0  # times the 99th percentile: higher values are cut off and named instead of flattening the rest


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One line of a chart. A non-finite value interrupts it."""

    name: str
    x: np.ndarray  # (N,)
    y: np.ndarray  # (N,)
    colour: int = 1  # number of a colour of the style sheet
    seconds: np.ndarray | None = None  # (N,) time of each point, where x is not the time
    is_broad: bool = False  # drawn wide and pale, to be seen under another one


@dataclass(frozen=True, slots=True, eq=False)
class Chart:
    """A line chart."""

    title: str
    x_label: str
    y_label: str
    curves: Sequence[Curve]
    height: int = 240
    equal_axes: bool = False  # one metre is as long in x as in y
    from_zero: bool = False  # the y axis starts at zero
    cut_outliers: bool = False
    top: float = float("-inf")  # the y axis reaches at least so high


@dataclass(frozen=True, slots=True)
class _Axes:
    """Maps values, single ones or arrays, to the units of the view box."""

    x_min: float
    x_max: float
    y_min: float
    y_max: float
    height: int

    def x(self, values: Any) -> Any:
        return LEFT + (values - self.x_min) / (self.x_max - self.x_min) * (WIDTH - LEFT - RIGHT)

    def y(self, values: Any) -> Any:
        bottom = self.height - BOTTOM
        return bottom - (values - self.y_min) / (self.y_max - self.y_min) * (bottom - TOP)


def line_chart(chart: Chart) -> str:
    """The chart as an `<svg>` element; says so where there is nothing to draw."""
    curves = [thinned(curve, keep_peaks=not chart.equal_axes) for curve in chart.curves]
    x = _finite([curve.x for curve in curves])
    y = _finite([curve.y for curve in curves])
    if len(x) == 0 or len(y) == 0:
        return _frame(chart.title, chart.height, f'<text class="tick" x="{LEFT}" y="60">no values</text>')
    top, cut = max(float(y.max()), chart.top), ""
    if chart.cut_outliers and top > OUTLIER * (usual := float(np.percentile(y, 99.0))) > 0.0:
        top, cut = 2.0 * usual, f" (highest: {top:.3g})"
    axes = _axes(chart, x, y, top)
    parts = [_grid(axes, chart.x_label, chart.y_label), _legend([curve for curve in curves if curve.name])]
    parts += [_polylines(curve, axes) for curve in curves]
    limits = " ".join(f"{value:.9g}" for value in (axes.x_min, axes.x_max, axes.y_min, axes.y_max))
    return _frame(chart.title + cut, chart.height, "".join(parts), limits, "xy" if chart.equal_axes else "x")


def histogram(title: str, label: str, values: np.ndarray, height: int = 240) -> str:
    """Distribution of `values` (N,) as an `<svg>`, with median and 95th percentile; the last bin takes the outliers."""
    values = _finite([values])
    if len(values) == 0:
        return _frame(title, height, f'<text class="tick" x="{LEFT}" y="60">no values</text>')
    median, p95, usual = np.percentile(values, [50.0, 95.0, 99.0])
    top = min(float(values.max()), 2.0 * float(usual))
    edges = np.linspace(0.0, top if top > 0.0 else 1.0, NUM_BINS + 1)
    counts, _ = np.histogram(np.minimum(values, edges[-1]), edges)
    axes = _Axes(0.0, float(edges[-1]), 0.0, float(counts.max()) * 1.05, height)
    left, right, upper = axes.x(edges[:-1]), axes.x(edges[1:]), axes.y(counts)
    bars = "".join(
        f'<rect class="bar" x="{a + 0.5:.1f}" y="{y:.1f}" width="{b - a - 1.0:.1f}" height="{height - BOTTOM - y:.1f}">'
        f"<title>{low:.3g} to {high:.3g}: {count}</title></rect>"
        for a, b, y, low, high, count in zip(left, right, upper, edges, edges[1:], counts)
        if count
    )
    marks = _mark(axes, float(median), f"median {median:.3g}", 1) + _mark(axes, float(p95), f"p95 {p95:.3g}", 2)
    return _frame(title, height, _grid(axes, label, "count") + bars + marks)


def thinned(curve: Curve, keep_peaks: bool) -> Curve:
    """At most about `MAX_POINTS` points of a curve: every k-th, or the lowest and highest of every stretch."""
    num = len(curve.x)
    if num <= MAX_POINTS:
        return curve
    if keep_peaks:
        bounds = np.linspace(0, num, MAX_POINTS // 2 + 1).astype(np.int64)
        y = np.nan_to_num(curve.y, nan=0.0, posinf=0.0, neginf=0.0)
        peaks = [a + f(y[a:b]) for a, b in pairwise(bounds) for f in (np.argmin, np.argmax)]
        ids = np.unique([0, *peaks, num - 1])
    else:
        ids = np.unique(np.linspace(0, num - 1, MAX_POINTS).round().astype(np.int64))
    seconds = None if curve.seconds is None else curve.seconds[ids]
    return replace(curve, x=curve.x[ids], y=curve.y[ids], seconds=seconds)


def ticks(low: float, high: float, count: int = NUM_TICKS) -> np.ndarray:
    """Round values (1, 2 or 5 times a power of ten apart) inside [low, high], about `count` of them."""
    rough = (high - low) / count
    power = 10.0 ** np.floor(np.log10(rough))
    step = power * next(factor for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= rough * (1.0 - 1e-9))
    return np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1.0) * step + 0.0  # no -0


def _finite(arrays: Sequence[np.ndarray]) -> np.ndarray:
    joined = np.concatenate([np.asarray(a, dtype=np.float64) for a in arrays]) if arrays else np.zeros(0)
    return joined[np.isfinite(joined)]


def _axes(chart: Chart, x: np.ndarray, y: np.ndarray, top: float) -> _Axes:
    x_min, x_max = _padded(float(x.min()), float(x.max()), 0.0 if not chart.equal_axes else 0.04)
    y_min, y_max = _padded(0.0 if chart.from_zero else float(y.min()), top, 0.05)
    y_min = 0.0 if chart.from_zero else y_min
    if chart.equal_axes:
        inner_width, inner_height = WIDTH - LEFT - RIGHT, chart.height - TOP - BOTTOM
        scale = max((x_max - x_min) / inner_width, (y_max - y_min) / inner_height)
        x_mid, y_mid = (x_min + x_max) / 2.0, (y_min + y_max) / 2.0
        x_min, x_max = x_mid - scale * inner_width / 2.0, x_mid + scale * inner_width / 2.0
        y_min, y_max = y_mid - scale * inner_height / 2.0, y_mid + scale * inner_height / 2.0
    return _Axes(x_min, x_max, y_min, y_max, chart.height)


def _padded(low: float, high: float, share: float) -> tuple[float, float]:
    if high - low < 1e-9 * max(abs(low), abs(high), 1e-3):
        half = max(abs(low) * 0.01, 0.5)
        return low - half, high + half
    return low - share * (high - low), high + share * (high - low)


def _grid(axes: _Axes, x_label: str, y_label: str) -> str:
    bottom, parts = axes.height - BOTTOM, []
    for value in ticks(axes.x_min, axes.x_max):
        x = float(axes.x(value))
        parts.append(f'<path class="plot-grid" d="M{x:.1f} {TOP}V{bottom}"/>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{bottom + 14}" text-anchor="middle">{value:.6g}</text>')
    for value in ticks(axes.y_min, axes.y_max):
        y = float(axes.y(value))
        parts.append(f'<path class="plot-grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 5}" y="{y + 3.5:.1f}" text-anchor="end">{value:.6g}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text class="label" x="{middle}" y="{axes.height - 7}" text-anchor="middle">{escape(x_label)}</text>'
    )
    at = f'x="12" y="{(TOP + bottom) / 2}" transform="rotate(-90 12 {(TOP + bottom) / 2})"'
    parts.append(f'<text class="label" {at} text-anchor="middle">{escape(y_label)}</text>')
    return "".join(parts)


def _legend(curves: Sequence[Curve]) -> str:
    parts, x = [], float(WIDTH - RIGHT)
    for curve in reversed(curves):
        at = f'x="{x:.0f}" y="13" text-anchor="end"'
        parts.append(f'<text class="legend c{curve.colour}" {at}>{escape(curve.name)}</text>')
        x -= 6.0 * len(curve.name) + 14.0
    return "".join(parts)


def _polylines(curve: Curve, axes: _Axes) -> str:
    keep = np.isfinite(curve.x) & np.isfinite(curve.y)
    x, y = axes.x(np.where(keep, curve.x, 0.0)), axes.y(np.where(keep, curve.y, 0.0)).clip(TOP, None)
    bounds = np.flatnonzero(np.diff(np.concatenate([[False], keep, [False]]).astype(np.int8)))
    parts = []
    for start, end in zip(bounds[::2], bounds[1::2]):
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x[start:end].tolist(), y[start:end].tolist()))
        times = "" if curve.seconds is None else " ".join(f"{t:.1f}" for t in curve.seconds[start:end].tolist())
        data = f' data-t="{times}"' if times else ""
        look = f"line c{curve.colour}{' broad' if curve.is_broad else ''}"
        parts.append(f'<polyline class="{look}" data-name="{escape(curve.name)}"{data} points="{points}"/>')
    return "".join(parts)


def _mark(axes: _Axes, value: float, text: str, row: int) -> str:
    x = float(axes.x(value))
    side, dx = ("end", -4) if x > 0.7 * WIDTH else ("start", 4)
    return (
        f'<path class="mark" d="M{x:.1f} {TOP}V{axes.height - BOTTOM}"/>'
        f'<text class="note" x="{x + dx:.1f}" y="{TOP - 2 + 13 * row}" text-anchor="{side}">{escape(text)}</text>'
    )


def _frame(title: str, height: int, inside: str, limits: str = "", pick: str = "") -> str:
    data = f' data-limits="{limits}" data-margins="{LEFT} {RIGHT} {TOP} {BOTTOM}" data-pick="{pick}"' if limits else ""
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}"{data}>'
        f'<text class="title" x="{LEFT}" y="13">{escape(title)}</text>{inside}</svg>'
    )
