"""Results as tables on a terminal and in Markdown."""

from collections.abc import Iterable, Mapping
from itertools import groupby

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
    """One line for each data set and metric, one column for each method; a new table where the methods change."""
    by_data: dict[str, dict[str, dict[str, Row]]] = {}
    for row in result.rows:
        if row.method != BENCHMARK:
            by_data.setdefault(row.data, {}).setdefault(row.metric, {})[row.method] = row
    methods = {data: list(dict.fromkeys(m for by in metrics.values() for m in by)) for data, metrics in by_data.items()}
    tables = []
    for _, same in groupby(by_data, key=lambda data: frozenset(methods[data])):
        part = list(same)
        lines = [_line(data, metric, by, methods[part[0]]) for data in part for metric, by in by_data[data].items()]
        tables.append(markdown(("data", "metric", *methods[part[0]], "unit"), lines))
    return "\n".join(tables)


def _line(data: str, metric: str, by: Mapping[str, Row], methods: Iterable[str]) -> tuple[str, ...]:
    """The cells of one metric; the unit is that of a measured value where there is one."""
    unit = next((row.unit for row in by.values() if row.value is not None), next(iter(by.values())).unit)
    return (data, metric, *(number(by[method].value) if method in by else "" for method in methods), unit)


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
