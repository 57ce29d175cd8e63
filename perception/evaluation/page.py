"""One self-contained HTML page: tiles, tables and charts around results. What comes from files is escaped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from perception.core.stamps import NS_PER_S
from perception.evaluation.plots import BOTTOM, TOP, WIDTH, Chart, Curve, line_chart
from perception.evaluation.trajectory import Statistics, TrajectoryErrors, path_lengths

TEMPLATES = Path(__file__).parent / "templates"
MAP_HEIGHTS = (240, 430)  # lowest and highest of the view from above
STATISTICS = ("rmse", "mean", "median", "std", "min", "max", "count")


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with charts (SVG made by `plots`) and sentences."""

    title: str
    charts: Sequence[str]
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text; the first entry of a row is its name."""

    title: str
    rows: Sequence[Sequence[str]]
    head: Sequence[str] = ()
    is_wide: bool = False


@dataclass(frozen=True, slots=True)
class HealthRow:
    """A time during which the health stayed the same."""

    start: str
    end: str
    count: int
    level: str
    reason: str


@dataclass(frozen=True, slots=True)
class Page:
    """Everything on the page, from top to bottom, as plain text (charts excepted)."""

    title: str
    subtitle: str = ""
    tiles: Sequence[tuple[str, str]] = ()  # name, value
    summary_rows: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = ()
    sections: Sequence[Section] = ()
    health: Sequence[HealthRow] = ()
    health_left_out: int = 0
    tables: Sequence[Table] = field(default_factory=tuple)
    config_yaml: str = ""


def render(page: Page) -> str:
    """The page as HTML that needs neither network nor other files."""
    from jinja2 import Environment, FileSystemLoader
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True, auto_reload=False
    )
    sections = [
        {"title": section.title, "notes": section.notes, "charts": [Markup(chart) for chart in section.charts]}
        for section in page.sections
    ]
    values = {name: getattr(page, name) for name in page.__dataclass_fields__} | {"sections": sections}
    return environment.get_template("report.html").render(values).strip() + "\n"


def number(value: Any) -> str:
    """A value as people read it: floats with four digits, long lists by their ends."""
    if value is None:
        return "none"
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (float, np.floating)):
        return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.4g}"
    if isinstance(value, (int, np.integer)):
        return f"{value:,}" if abs(value) < NS_PER_S else str(value)
    if isinstance(value, (list, tuple)):
        shown = [number(item) for item in value[:8]]
        return ", ".join(shown) + (f" and {len(value) - 8} more" if len(value) > 8 else "")
    return str(value)


def tables_of(metrics: Mapping[str, Any], title: str) -> list[Table]:
    """Nested metrics as tables: one for the plain values, one for each group, names of groups joined by points."""
    plain = [(name, number(value)) for name, value in metrics.items() if not isinstance(value, Mapping)]
    tables = [Table(title, plain)] if plain else []
    for name, group in metrics.items():
        if isinstance(group, Mapping) and group:
            tables += tables_of(group, name if title in ("Metrics", "") else f"{title}: {name}")
    return tables


def error_tables(errors: TrajectoryErrors) -> list[Table]:
    """Tables of all errors of a comparison, and of how it was made."""
    rows = [(name, *(number(getattr(statistics, key)) for key in STATISTICS)) for name, statistics in _rows(errors)]
    tables = [Table("Errors", rows, ("", *STATISTICS), is_wide=True)]
    if errors.segments:
        drift = [
            (f"{s.length:g} m", number(s.count), number(s.translation_percent), number(s.rotation_deg_per_100m))
            for s in errors.segments
        ]
        count = sum(segment.count for segment in errors.segments)
        drift.append(("all", number(count), number(errors.t_rel_percent), number(errors.r_rel_deg_per_100m)))
        tables.append(Table("Segments", drift, ("length", "count", "translation %", "rotation deg/100 m")))
    return [*tables, Table("Comparison", comparison_rows(errors))]


def comparison_rows(errors: TrajectoryErrors) -> list[tuple[str, str]]:
    """How a comparison was made, row by row, offset and lever arm included."""
    options, T = errors.options, errors.options.T_est_ref
    how = "interpolated to the reference" if options.associate == "interpolate" else "nearest stamps"
    place = "identity" if np.array_equal(T, np.eye(4)) else " / ".join(number(row.tolist()) for row in T[:3])
    return [
        ("pairs", f"{len(errors.stamps_ns)} ({how}), {errors.num_unmatched} unmatched"),
        ("alignment", options.align + (f", scale {errors.alignment.scale:.6g}" if options.align == "sim3" else "")),
        ("offset", f"{options.offset:g} s added to the estimate"),
        ("T_est_ref", place),
        ("path", f"reference {errors.reference_path_length:.2f} m, estimate {errors.estimate_path_length:.2f} m"),
        ("segments", errors.segment_rule),
    ]


def error_section(errors: TrajectoryErrors, start_ns: int) -> Section:
    """Errors over time (s after `start_ns`) and drift over the length of the segments."""
    seconds = (errors.stamps_ns - start_ns) / NS_PER_S
    curve = Curve("", seconds, errors.translation_errors)
    charts = [line_chart(Chart("Position error", "time (s)", "m", [curve], from_zero=True))]
    curve = Curve("", seconds, errors.rotation_errors_deg, colour=2)
    charts.append(line_chart(Chart("Rotation error", "time (s)", "deg", [curve], from_zero=True)))
    difference = (errors.estimate - errors.reference)[:, :3, 3].T
    curves = [Curve(name, seconds, values, i + 1) for i, (name, values) in enumerate(zip("xyz", difference))]
    charts.append(line_chart(Chart("Estimate - reference", "time (s)", "m", curves)))
    if len(errors.segments) > 1:
        lengths = np.array([segment.length for segment in errors.segments])
        percent = np.array([segment.translation_percent for segment in errors.segments])
        title = "Drift over segment length"
        charts.append(line_chart(Chart(title, "m", "%", [Curve("", lengths, percent, colour=3)], from_zero=True)))
    return Section("Errors against the reference", charts, errors.warnings)


def path_section(poses: np.ndarray, stamps_ns: np.ndarray, reference: np.ndarray | None = None) -> Section:
    """The path (N, 4, 4) from above and its height, beside the paired poses (N, 4, 4) of a reference if any."""
    seconds = (stamps_ns - stamps_ns[0]) / NS_PER_S if len(stamps_ns) else np.zeros(0)
    distance = path_lengths(poses if reference is None else reference) if len(poses) else seconds
    above, height = [], []
    for name, path, colour in (("reference", reference, 2), ("estimate", poses, 1)):
        if path is not None:
            x, y, z = path[:, :3, 3].T
            above.append(Curve(name, x, y, colour, seconds, is_broad=path is reference))
            height.append(Curve(name, distance, z, colour, is_broad=path is reference))
    tall = map_height(poses)
    return Section(
        "Trajectory",
        [
            line_chart(Chart("From above", "x (m)", "y (m)", above, tall, equal_axes=True)),
            line_chart(Chart("Height over distance", "distance (m)", "z (m)", height, tall)),
        ],
    )


def map_height(poses: np.ndarray) -> int:
    """Height of the view from above that suits the shape of the path."""
    if len(poses) == 0:
        return MAP_HEIGHTS[0]
    width, depth = np.ptp(poses[:, :2, 3], axis=0) + 1.0  # m, so that a standing robot has a shape too
    return int(np.clip(WIDTH * depth / width + TOP + BOTTOM, *MAP_HEIGHTS))


def _rows(errors: TrajectoryErrors) -> list[tuple[str, Statistics]]:
    frames, distance = errors.options.rpe_frames, errors.options.rpe_distance
    return [
        ("APE (m)", errors.ape_translation),
        ("APE (deg)", errors.ape_rotation_deg),
        (f"RPE {frames} frame (m)", errors.rpe_frames_translation),
        (f"RPE {frames} frame (deg)", errors.rpe_frames_rotation_deg),
        (f"RPE {distance:g} m (m)", errors.rpe_distance_translation),
        (f"RPE {distance:g} m (deg)", errors.rpe_distance_rotation_deg),
    ]
