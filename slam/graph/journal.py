"""What a pose graph must remember to be made again: its factors, and which of them were undone."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from slam.graph.factors import Factor


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One factor as it was added."""

    factor_id: int
    factor: Factor
    initial: np.ndarray | None = None  # (4, 4): where its new pose was thought to be


class FactorJournal(Protocol):
    """Where factors are kept: in memory, or in the folder of a map (`slam/maps`)."""

    def add_factor(self, entry: Entry) -> None:
        """Keep one factor."""

    def add_undone(self, factor_id: int, reason: str) -> None:
        """Keep that it was undone."""

    def add_judged(self, factor_id: int) -> None:
        """Keep that the factors up to this number were judged: those of them that were not undone are to be trusted."""

    @property
    def judged_until(self) -> int:
        """The number that `add_judged` was given last; -1: none."""

    def entries(self) -> Iterator[Entry]:
        """All factors that count, in the order in which they were added."""

    def next_factor_id(self) -> int:
        """The first number that no factor had."""


class MemoryJournal:
    """Keeps factors as long as the process lives."""

    def __init__(self) -> None:
        self._entries: dict[int, Entry] = {}
        self.undone: dict[int, str] = {}
        self.judged_until = -1

    def add_factor(self, entry: Entry) -> None:
        """Keep one factor."""
        self._entries[entry.factor_id] = entry

    def add_undone(self, factor_id: int, reason: str) -> None:
        """Forget a factor, but not why."""
        self._entries.pop(factor_id, None)
        self.undone[factor_id] = reason

    def add_judged(self, factor_id: int) -> None:
        """Trust the factors up to this number from now on."""
        self.judged_until = max(self.judged_until, factor_id)

    def entries(self) -> Iterator[Entry]:
        """All factors that count."""
        return iter(list(self._entries.values()))

    def next_factor_id(self) -> int:
        """The first number that no factor had."""
        return max([*self._entries, *self.undone], default=-1) + 1
