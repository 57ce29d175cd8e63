"""Work done ahead by other threads, handed out in its order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def done_ahead(jobs: Iterable[Callable[[], T]], num_threads: int, waiting: int = 0) -> Iterator[T]:
    """Results of `jobs` in their order. At most `num_threads` + `waiting` of them are ready before they are asked for.

    Ending early cancels what has not begun. An error of a job is raised where its result would come.
    """
    pending: deque[Future[T]] = deque()
    pool = ThreadPoolExecutor(num_threads)
    try:
        for job in jobs:
            pending.append(pool.submit(job))
            if len(pending) > num_threads + waiting:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
