"""`perception evaluate`: two trajectory files in, a table, JSON and a page with plots out."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from perception.core.errors import ConfigError
from perception.core.files import write_atomic
from perception.core.geometry import matrix_from_quaternion, transform
from perception.core.trajectory import Trajectory
from perception.evaluation.page import Page, Table, error_section, error_tables, path_section, render
from perception.evaluation.trajectory import Options, TrajectoryErrors, evaluate
from perception.io.trajectories import read_trajectory

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table as RichTable

MIN_QUATERNION = 1e-6  # length; a shorter one names no rotation


def evaluate_files(
    estimate: Path, reference: Path, options: Options, out: Path | None = None, times: Path | None = None
) -> TrajectoryErrors:
    """Compare the trajectory in the file `estimate` with the one in `reference`.

    `times`: stamps of those of the two that are in KITTI's format, which has none. With `out`, a folder, the result is
    written there as `evaluation.json` and `evaluation.html`. Raises `InvalidInput` naming the file.
    """
    poses, truth = (_read(path, times) for path in (estimate, reference))
    errors = evaluate(poses, truth, options)
    if out is not None:
        files = {"estimate": str(estimate), "reference": str(reference)}
        write_atomic(out / "evaluation.json", json.dumps({**files, **errors.to_json()}, indent=1, allow_nan=False))
        write_atomic(out / "evaluation.html", render(page_of(errors, estimate, reference)))
    return errors


def parse_transform(text: str) -> np.ndarray:
    """`T` (4, 4) from "x y z qx qy qz qw" or "x y z", separated by spaces or commas. Raises `ConfigError`."""
    words = text.replace(",", " ").split()
    try:
        values = np.array([float(word) for word in words])
    except ValueError:
        values = np.zeros(0)
    if len(values) == 3:
        values = np.append(values, [0.0, 0.0, 0.0, 1.0])
    if len(values) != 7 or not np.isfinite(values).all() or np.linalg.norm(values[3:]) < MIN_QUATERNION:
        raise ConfigError(f"transform {text!r}: expected 'x y z qx qy qz qw' or 'x y z', metres and a quaternion")
    return transform(matrix_from_quaternion(values[3:]), values[:3])


def parse_lengths(text: str) -> tuple[float, ...]:
    """Lengths in metres from "10,20,50"; none from an empty text. Raises `ConfigError`."""
    try:
        return tuple(float(word) for word in text.split(",") if word.strip())
    except ValueError:
        raise ConfigError(f"segments {text!r}: expected metres separated by commas, e.g. 10,20,50") from None


def page_of(errors: TrajectoryErrors, estimate: Path, reference: Path) -> Page:
    """The comparison as a page."""
    start_ns = int(errors.stamps_ns[0])
    return Page(
        title=f"{estimate.name} against {reference.name}",
        subtitle=f"{len(errors.stamps_ns)} pairs over {errors.reference_path_length:.1f} m",
        tiles=[
            ("position error (rmse)", f"{errors.ape_translation.rmse:.4g} m"),
            ("rotation error (rmse)", f"{errors.ape_rotation_deg.rmse:.4g} deg"),
            *([("drift", f"{errors.t_rel_percent:.3g} %")] if errors.segments else []),
        ],
        summary_rows=[("estimate", str(estimate)), ("reference", str(reference))],
        sections=[
            path_section(errors.estimate, errors.stamps_ns, errors.reference),
            error_section(errors, start_ns),
        ],
        tables=error_tables(errors),
    )


def tables(errors: TrajectoryErrors) -> "Group":
    """The comparison for the terminal."""
    from rich.console import Group
    from rich.text import Text

    warnings = [Text(f"warning: {warning}", style="yellow") for warning in errors.warnings]
    return Group(*(for_terminal(table) for table in error_tables(errors)), *warnings)


def for_terminal(table: Table) -> "RichTable":
    """A table of a page as one of the terminal."""
    from rich.box import SIMPLE
    from rich.markup import escape
    from rich.table import Table as RichTable

    made = RichTable(
        title=table.title, title_justify="left", box=SIMPLE, show_header=bool(table.head), padding=(0, 1, 0, 0)
    )
    for position in range(max(map(len, table.rows))):
        name = table.head[position] if table.head else ""
        made.add_column(name, justify="right" if position and table.head else "left", no_wrap=position == 0)
    for row in table.rows:
        made.add_row(*map(escape, row))
    return made


def _read(path: Path, times: Path | None) -> Trajectory:
    with path.open(encoding="utf-8", errors="replace") as file:
        rows = (line for line in file if line.strip() and not line.startswith("#"))
        is_kitti = len(next(rows, "").replace(",", " ").split()) == 12
    return read_trajectory(path, times if is_kitti else None)
