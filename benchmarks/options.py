"""What the user asked of a benchmark, and how it tells how far it is."""

from collections.abc import Callable
from dataclasses import dataclass


def silent(message: str) -> None:
    """Say nothing."""


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """Choices of `perception bench`."""

    long: bool = False  # also what takes much longer
    only: tuple[str, ...] = ()  # groups of rows; empty: all
    seeds: int = 3  # generated drives of each kind
    say: Callable[[str], None] = silent  # told what is being measured

    @property
    def is_quick(self) -> bool:
        """Nothing was asked for by name, nor what takes long: the rest is meant to end within 15 minutes."""
        return not (self.long or self.only)
