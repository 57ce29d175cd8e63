"""Time and quality in one table and one plot: `python -m benchmarks.lines_plot RESULT.json PAGE.md PLOT.png`.

Both show the 20 re-annotated photos as they are; the table has times for 640x480, too. The plot needs matplotlib,
which the extra of the tests brings.
"""

import io
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks import table
from benchmarks.lines_ours import CLASSIC
from benchmarks.lines_peers import NAMES
from benchmarks.lines_quality import ALL, BEST, DATA
from benchmarks.lines_speed import AS_THEY_ARE, FASTEST, LARGE
from benchmarks.render import between
from benchmarks.result import Result, read
from perception.core.files import atomic_file, write_atomic

BEGIN, END = "<!-- summary: begin -->\n", "<!-- summary: end -->\n"
HEAD = ("method", "F^H, best threshold, %", "F^H, all segments, %", "sAP10, %", "ms, as they are", "ms, 640x480")
OURS, PEERS, NETWORKS = "#1f77b4", "#7f7f7f", "#d62728"
RISES = (0, 10, -10, 20, -20, 30, -30, 40, -40, 50, -50)  # points, above and below a dot
PLACES = tuple(((8 * turn, rise), side) for rise in RISES for turn, side in ((1, "left"), (-1, "right")))
ALTERNATIVE = "F^H by time for a photo on one core, ours and the peers"
SIZE_INCHES, DOTS_PER_INCH = (7.0, 4.4), 130


def rows(result: Result) -> list[tuple[str, list[float | None]]]:
    """Methods by falling F^H, each with the numbers of the table; those with F^H and a time only."""
    found = []
    for name in dict.fromkeys(row.method for row in result.rows if row.data == DATA):
        values = [result.value(name, DATA, metric) for metric in (BEST, ALL, "sAP10")]
        times = [result.value(name, data, FASTEST) for data in (AS_THEY_ARE, LARGE)]
        if values[0] is not None and times[0] is not None:
            found.append((name, [*values, *times]))
    return sorted(found, key=lambda row: -(row[1][0] or 0.0))


def summary(result: Result) -> str:
    """The table in Markdown."""
    return table.markdown(HEAD, [(name, *map(table.number, values)) for name, values in rows(result)])


def plot(result: Result) -> bytes:
    """F^H by time as PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH, layout="tight")
    axes, labels = figure.add_subplot(), []
    for name, (quality, _, _, milliseconds, _) in rows(result):
        assert quality is not None
        assert milliseconds is not None
        colour = PEERS if name in NAMES else OURS if name in CLASSIC else NETWORKS
        axes.plot(milliseconds, quality, "o", color=colour)
        labels.append((name, (milliseconds, quality), colour))
    axes.set_xscale("log")
    axes.margins(0.3, 0.15)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("time for a photo, one core (ms)")
    axes.set_ylabel("$F^H$ at the best threshold (%)")
    axes.grid(visible=True, which="both", alpha=0.25)
    _label(axes, labels)
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def _label(axes: Any, labels: list[tuple[str, tuple[float, float], str]]) -> None:
    """Write the names beside their points, each at the first place where it covers no other and no point."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(axes.figure).draw()
    dots = [axes.transData.transform(point) for _, point, _ in labels]
    taken: list[Any] = []
    for name, point, colour in labels:
        for offset, side in PLACES:
            text = axes.annotate(
                name, point, offset, textcoords="offset points", fontsize=8, color=colour, ha=side, va="center"
            )
            box = text.get_window_extent()
            is_free = not any(box.overlaps(other) for other in taken) and not any(box.contains(*dot) for dot in dots)
            if is_free or (offset, side) == PLACES[-1]:
                taken.append(box)
                break
            text.remove()


def main(source: str, page: str, picture: str) -> None:
    """Write the plot, and the table between the marks of the page."""
    result, path = read(Path(source)), Path(page)
    with atomic_file(Path(picture)) as file:
        file.write(plot(result))
    shown = f"![{ALTERNATIVE}]({os.path.relpath(picture, path.parent)})\n"
    text = "\n".join((summary(result), shown))
    write_atomic(path, between(path.read_text(encoding="utf-8"), text, BEGIN, END))


if __name__ == "__main__":
    main(*sys.argv[1:])
