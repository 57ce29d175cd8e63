"""A node of a live benchmark, served by a thread of its own while the measurement sends and waits."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from nodes import middleware

PATIENCE = 3.0  # s for the last answer
PAUSE = 0.05  # s


class HasNode(Protocol):
    """Whoever publishes and hears through a node of rclpy."""

    node: Any


N = TypeVar("N", bound=HasNode)


@contextmanager
def spinning(make: Callable[[], N]) -> Iterator[N]:
    """What `make` returns, its callbacks being called until the end of the block."""
    middleware.prepare()
    import rclpy
    from rclpy.experimental import EventsExecutor

    rclpy.init()
    owner, executor, stop = make(), EventsExecutor(), threading.Event()
    executor.add_node(owner.node)

    def spin() -> None:
        while not stop.is_set():
            executor.spin_once(timeout_sec=0.1)

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        yield owner
    finally:
        stop.set()
        thread.join()
        executor.shutdown()
        owner.node.destroy_node()
        rclpy.try_shutdown()


def wait_for_answers(is_complete: Callable[[], bool]) -> None:
    """Until all have come, or the patience for the last one ends."""
    deadline = time.monotonic() + PATIENCE
    while not is_complete() and time.monotonic() < deadline:
        time.sleep(PAUSE)


def sleep_until(when: float) -> None:
    """Sleep to a time of the monotonic clock, s."""
    delay = when - time.monotonic()
    if delay > 0.0:
        time.sleep(delay)
