"""`report.html`: what a run saw, what it found, how good and how fast it was, in one file that needs no network."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.files import write_atomic
from perception.core.health import Health
from perception.core.stamps import NS_PER_S
from perception.core.trajectory import Trajectory
from perception.evaluation.map_report import MapView, map_section
from perception.evaluation.page import (
    HealthRow,
    Page,
    Section,
    error_section,
    error_tables,
    number,
    path_section,
    render,
    tables_of,
)
from perception.evaluation.plots import Chart, Curve, histogram, line_chart
from perception.evaluation.trajectory import TrajectoryErrors, evaluate, path_lengths
from perception.io.recording import Summary

MAX_HEALTH_ROWS = 40
Samples = tuple[np.ndarray, np.ndarray]  # stamps_ns (N,) int64 and values (N,)


@dataclass(frozen=True, slots=True, eq=False)
class RunReport:
    """What is known about one run. Only title, summary and trajectory must be there."""

    title: str
    summary: Summary
    trajectory: Trajectory  # T_odom_base
    reference: Trajectory | None = None  # of the same body; drawn and compared with `errors`, computed where not given
    errors: TrajectoryErrors | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)  # as in metrics.json, groups may be nested
    timings: Mapping[str, Samples] = field(default_factory=dict)  # by stage: CPU time of each step in ms
    series: Mapping[str, Samples] = field(default_factory=dict)  # by name with unit, e.g. "matches"; bool or number
    health: tuple[tuple[int, Health], ...] = ()  # stamp_ns and state, one per scan
    highlights: tuple[tuple[str, str], ...] = ()  # name and value, shown large beside distance and error
    counters: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # by stage
    map: MapView | None = None
    config_yaml: str = ""


def write_report(path: Path, report: RunReport) -> None:
    """Write `report` as one HTML file, whole or not at all."""
    write_atomic(path, render(page_of(report)))


def page_of(report: RunReport) -> Page:
    """The report as a page: an estimate without enough of a reference is shown alone, and the page says why."""
    errors, notes = report.errors, list(report.summary.notes)
    if errors is None and report.reference is not None:
        try:
            errors = evaluate(report.trajectory, report.reference)
        except InvalidInput as error:
            notes.append(f"Not compared with the reference: {error}")
    health, left_out = health_rows(report.health, _start(report.trajectory))
    tables = tables_of(report.metrics, "Metrics")
    for stage, counts in report.counters.items():
        tables += tables_of(dict(counts), f"Counters of {stage}") if counts else []
    return Page(
        title=report.title,
        subtitle=report.summary.kind,
        tiles=_tiles(report, errors),
        summary_rows=report.summary.rows,
        notes=notes,
        sections=_sections(report, errors),
        health=health,
        health_left_out=left_out,
        tables=[*(error_tables(errors) if errors is not None else []), *tables],
        config_yaml=report.config_yaml,
    )


def health_rows(health: tuple[tuple[int, Health], ...], start_ns: int) -> tuple[list[HealthRow], int]:
    """Runs of equal health as rows (times in s after `start_ns`), and how many rows were left out."""
    rows = []
    for state, run in groupby(health, key=lambda item: item[1]):
        stamps = [stamp for stamp, _ in run]
        start, end = ((stamp - start_ns) / NS_PER_S for stamp in (stamps[0], stamps[-1]))
        rows.append(HealthRow(f"{start:.1f}", f"{end:.1f}", len(stamps), state.level.name, state.reason))
    return rows[:MAX_HEALTH_ROWS], max(len(rows) - MAX_HEALTH_ROWS, 0)


def _start(trajectory: Trajectory) -> int:
    return int(trajectory.stamps_ns[0]) if len(trajectory) else 0


def _tiles(report: RunReport, errors: TrajectoryErrors | None) -> list[tuple[str, str]]:
    trajectory = report.trajectory
    tiles = [("poses", number(len(trajectory)))]
    if len(trajectory):
        duration = int(trajectory.stamps_ns[-1] - trajectory.stamps_ns[0]) / NS_PER_S
        tiles += [("duration", f"{duration:.1f} s"), ("distance", f"{path_lengths(trajectory.poses)[-1]:.1f} m")]
    if errors is not None:
        tiles.append(("position error (rmse)", f"{errors.ape_translation.rmse:.3f} m"))
        if errors.segments:
            tiles.append(("drift", f"{errors.t_rel_percent:.2f} %"))
    for stage, (_, values) in report.timings.items():
        if len(values):
            median, p95 = np.percentile(values, [50.0, 95.0])
            tiles.append((f"{stage}: CPU per scan, p95 {p95:.1f} ms", f"{median:.1f} ms"))
    return [*tiles, *report.highlights]


def _sections(report: RunReport, errors: TrajectoryErrors | None) -> list[Section]:
    start_ns = _start(report.trajectory)
    if errors is None:
        sections = [path_section(report.trajectory.poses, report.trajectory.stamps_ns)]
    else:
        sections = [path_section(errors.estimate, errors.stamps_ns, errors.reference), error_section(errors, start_ns)]
    if report.map is not None:
        sections.append(map_section(report.map, report.trajectory, errors))
    timing = [chart for stage, samples in report.timings.items() for chart in _timing(stage, samples, start_ns)]
    if timing:
        sections.append(Section("Timing", timing))
    series = [_series(name, samples, start_ns) for name, samples in report.series.items()]
    if series:
        sections.append(Section("Matching", series))
    return sections


def _timing(stage: str, samples: Samples, start_ns: int) -> list[str]:
    stamps, values = samples
    curve = Curve("", (stamps - start_ns) / NS_PER_S, values)
    over_time = Chart(f"{stage}: CPU time", "time (s)", "ms", [curve], from_zero=True, cut_outliers=True)
    return [line_chart(over_time), histogram(f"{stage}: distribution", "CPU time (ms)", values)]


def _series(name: str, samples: Samples, start_ns: int) -> str:
    stamps, values = samples
    seconds = (stamps - start_ns) / NS_PER_S
    is_flag = values.dtype == np.bool_
    share = f" ({100.0 * values.mean():.1f} % of the scans)" if is_flag and len(values) else ""
    curve = Curve("", seconds, values.astype(np.float64), colour=4 if is_flag else 3)
    label, top = ("0 no, 1 yes", 1.0) if is_flag else ("", 0.0)
    return line_chart(Chart(name + share, "time (s)", label, [curve], from_zero=True, top=top))
