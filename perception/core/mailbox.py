"""Bounded hand-over of items from one thread to another, which counts what it drops."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Closed(Exception):
    """The mailbox was closed and is empty."""


class Mailbox(Generic[Item]):
    """FIFO of at most `capacity` items. A full mailbox drops its oldest item, or lets the writer wait.

    `num_put`, `num_dropped` and `num_taken` always add up: put == dropped + taken + len.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"capacity: expected at least 1, got {capacity}")
        self.capacity = capacity
        self.num_put = self.num_dropped = self.num_taken = 0
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, item: Item, replaces: Callable[[Item], bool] | None = None) -> int:
        """Store `item`, dropping those that it replaces, and the oldest ones when full; returns how many went."""
        with self._changed:
            if self._closed:
                raise Closed
            kept = [old for old in self._items if not replaces(old)] if replaces is not None else self._items
            dropped = len(self._items) - len(kept)
            if dropped:
                self._items = deque(kept)
            while len(self._items) >= self.capacity:
                self._items.popleft()
                dropped += 1
            self._store(item)
            self.num_dropped += dropped
            return dropped

    def put_wait(self, item: Item) -> None:
        """Store `item`, waiting for room. Replay uses it, so that results do not depend on the machine."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._items) < self.capacity)
            if self._closed:
                raise Closed
            self._store(item)

    def get(self, timeout: float | None = None) -> Item | None:
        """The oldest item, or None after `timeout` seconds; raises `Closed` when closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._items), timeout)
            if self._items:
                self.num_taken += 1
                self._changed.notify_all()
                return self._items.popleft()
            if self._closed:
                raise Closed
            return None

    def discard(self, is_unwanted: Callable[[Item], bool]) -> None:
        """Drop what waits and is unwanted, counted as dropped."""
        with self._changed:
            kept = deque(item for item in self._items if not is_unwanted(item))
            self.num_dropped += len(self._items) - len(kept)
            self._items = kept
            self._changed.notify_all()

    def clear(self) -> None:
        """Drop everything that waits, counted as dropped."""
        self.discard(lambda item: True)

    def close(self) -> None:
        """Refuse further items and wake every waiting thread; items already stored can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __len__(self) -> int:
        return len(self._items)

    def _store(self, item: Item) -> None:
        self._items.append(item)
        self.num_put += 1
        self._changed.notify_all()
