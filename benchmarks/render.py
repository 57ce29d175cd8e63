"""Writes the numbers of a result into a page, between two marks: `python -m benchmarks.render RESULT.json PAGE.md`."""

import sys
from pathlib import Path

from benchmarks import table
from benchmarks.result import BENCHMARK, Result, read
from perception.core.errors import InvalidInput
from perception.core.files import write_atomic

BEGIN, END = "<!-- bench: begin -->\n", "<!-- bench: end -->\n"


def main(result: str, page: str) -> None:
    """Replace the marked part of the page. Raises `InvalidInput` where it has no marks."""
    path = Path(page)
    write_atomic(path, between(path.read_text(encoding="utf-8"), rendered(read(Path(result)))))


def rendered(result: Result) -> str:
    """Machine, versions, targets and rows as Markdown."""
    machine = ", ".join(f"{key} {value}" for key, value in result.machine.items())
    versions = ", ".join(f"{name} {version}" for name, version in result.versions.items())
    seconds = ", ".join(f"{row.data} {row.value:.0f} s" for row in result.rows if row.method == BENCHMARK)
    head = f"Machine: {machine}.\nVersions: {versions}.\nWall time: {seconds}.\n"
    return "\n".join((head, table.markdown_targets(result), table.markdown_rows(result)))


def between(page: str, text: str, begin: str = BEGIN, end: str = END) -> str:
    """`page` with what stands between its marks replaced by `text`. Raises `InvalidInput` where it has none."""
    head, found_begin, rest = page.partition(begin)
    _, found_end, tail = rest.partition(end)
    if not found_begin or not found_end:
        raise InvalidInput(f"page: has no lines {begin.strip()!r} and {end.strip()!r}; add them around the numbers")
    return head + begin + text + end + tail


if __name__ == "__main__":
    main(*sys.argv[1:])
