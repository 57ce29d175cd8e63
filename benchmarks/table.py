"""Results as tables on a terminal and in Markdown."""

from collections.abc import Iterable

from benchmarks.result import BENCHMARK, Result, Row, Target

FILE_WIDTH = 140  # columns, where the output is no terminal


def show(result: Result) -> None:
    """Print rows and targets as rich tables on standard output."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        console = Console(width=FILE_WIDTH)
    rows = Table(title=f"{result.name}: {result.machine.get('processor', '')}", title_justify="left")
    targets = Table(title="targets", title_justify="left")
    for name in ("data", "metric", "method"):
        rows.add_column(name)
    rows.add_column("value", justify="right")
    rows.add_column("unit")
    for row in result.rows:
        rows.add_row(row.data, row.metric, row.method, number(row.value), row.unit)
    for name in ("measure", "target", "reached", "met"):
        targets.add_column(name)
    for row in result.targets:
        colour = {True: "green", False: "red", None: "yellow"}[row.met]
        targets.add_row(row.metric, row.target, number(row.value), f"[{colour}]{verdict(row)}[/]")
    console.print(rows)
    console.print(targets)


def markdown_targets(result: Result) -> str:
    """The targets as a Markdown table."""
    lines = [(t.metric, t.target, number(t.value), verdict(t)) for t in result.targets]
    return markdown(("measure", "target", "reached", "met"), lines)


def markdown_rows(result: Result) -> str:
    """One line for each data set and metric, one column for each method."""
    measured = [row for row in result.rows if row.method != BENCHMARK]
    methods = list(dict.fromkeys(row.method for row in measured))
    cells: dict[tuple[str, str], dict[str, Row]] = {}
    for row in measured:
        cells.setdefault((row.data, row.metric), {})[row.method] = row
    lines = [
        (*key, *(number(by[m].value) if m in by else "" for m in methods), next(iter(by.values())).unit)
        for key, by in cells.items()
    ]
    return markdown(("data", "metric", *methods, "unit"), lines)


def markdown(head: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    head = tuple(head)
    body = [head, ("---",) * len(head), *map(tuple, lines)]
    return "\n".join("| " + " | ".join(line) + " |" for line in body) + "\n"


def number(value: float | None) -> str:
    """Three significant digits, more for whole numbers."""
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def verdict(row: Target) -> str:
    """yes, no, or not measured."""
    return {True: "yes", False: "no", None: "not measured"}[row.met]
