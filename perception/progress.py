"""Progress bars on the terminal; silent lines where there is none."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Update = Callable[[int, int], None]  # done, total (0: unknown)


@contextmanager
def progress(what: str) -> Iterator[Update]:
    """A bar for one long task, on standard error; the yielded function takes (done, total)."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(what, total=None)

        def update(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total or None)

        yield update
