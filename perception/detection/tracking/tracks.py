"""The objects that are followed, as arrays with one row for each."""

from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """Tracks in the order of their beginning. The arrays of the filters are changed in place."""

    ids: np.ndarray  # (N,) int64, > 0; 0 while the track is tentative
    kinds: np.ndarray  # (N,) int64, class by number
    states: np.ndarray  # (N, 4, 2) float64, see `perception.kernels.tracking`
    covariances: np.ndarray  # (N, 4, 3) float64
    seen_ns: np.ndarray  # (N,) int64, stamp of the last image it was found in
    num_hits: np.ndarray  # (N,) int64, images it was found in
    looks: np.ndarray  # (N, D) float32, unit vectors; zeros: not known
    looked_ns: np.ndarray  # (N,) int64, stamp at which they were renewed last

    def __len__(self) -> int:
        return len(self.ids)

    def at(self, rows: np.ndarray) -> "Tracks":
        """A copy of some rows (numbers or a mask)."""
        return Tracks(*(getattr(self, field.name)[rows] for field in fields(self)))

    def joined(self, others: "Tracks") -> "Tracks":
        """These and, behind them, `others`."""
        names = (field.name for field in fields(self))
        return Tracks(*(np.concatenate([getattr(self, name), getattr(others, name)]) for name in names))


def no_tracks(dimensions: int) -> Tracks:
    """None at all; `dimensions` of the looks."""
    number, looks = np.zeros(0, dtype=np.int64), np.zeros((0, dimensions), dtype=np.float32)
    return Tracks(number, number, np.zeros((0, 4, 2)), np.zeros((0, 4, 3)), number, number, looks, number)


def blended(before: np.ndarray, now: np.ndarray, memory: float) -> np.ndarray:
    """The looks (N, D) of tracks after boxes with the looks `now` were theirs; zeros before: `now` alone."""
    is_known = before.any(axis=1, keepdims=True)
    mixed = np.where(is_known, memory * before + (1 - memory) * now, now)
    return (mixed / np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-12)).astype(np.float32)
