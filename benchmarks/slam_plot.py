"""Precision by recall of every place method: `python -m benchmarks.slam_plot RESULT.json PLOT.png`, with matplotlib."""

import io
import sys
from pathlib import Path

from benchmarks.peers import OURS
from benchmarks.result import Result, read
from benchmarks.slam_peers import MAP_CLOSURES
from benchmarks.slam_places import ALONE, GENERATED, LEVELS, POLAR, REAL, precision_at
from perception.core.files import atomic_file

COLOURS = {OURS: "#d62728", ALONE: "#ff9896", POLAR: "#7f7f7f", MAP_CLOSURES: "#1f77b4"}
SIZE_INCHES, DOTS_PER_INCH = (9.0, 3.8), 130


def plot(result: Result) -> bytes:
    """Two panels, generated drives and the real one, as PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH, layout="tight")
    for column, data in enumerate((GENERATED, REAL)):
        axes = figure.add_subplot(1, 2, column + 1)
        for method, colour in COLOURS.items():
            values = [result.value(method, data, precision_at(level)) for level in LEVELS]
            reached = [(100.0 * level, value) for level, value in zip(LEVELS, values) if value]
            if reached:
                axes.plot(*zip(*reached), "o-", markersize=3, color=colour, label=method)
        axes.set_title(data, fontsize=9)
        axes.set_xlabel("recall (%)")
        axes.set_ylabel("precision (%)")
        axes.set_xlim(0.0, 102.0)
        axes.set_ylim(0.0, 104.0)
        axes.grid(visible=True, alpha=0.25)
        if column:
            axes.legend(fontsize=7, loc="upper right")
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def main(source: str, picture: str) -> None:
    """Write the plot."""
    with atomic_file(Path(picture)) as file:
        file.write(plot(read(Path(source))))


if __name__ == "__main__":
    main(*sys.argv[1:])
