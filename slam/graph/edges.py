"""All relative-pose factors of a graph as arrays, so that their residuals are one expression."""

import numpy as np

from slam.graph.factors import Between, between_residuals, chi2_of


class Edges:
    """Grows at the end; undone factors stay and are left out by their mask."""

    def __init__(self) -> None:
        self.factor_ids = np.zeros(0, dtype=np.int64)
        self.ends = np.zeros((0, 2), dtype=np.int64)  # from_id, to_id
        self.T_from_to = np.zeros((0, 4, 4))
        self.information = np.zeros((0, 6, 6))
        self.is_odometry = np.zeros(0, dtype=bool)
        self.is_live = np.zeros(0, dtype=bool)
        self.num = 0
        self._rows: dict[int, int] = {}

    def add(self, factor_id: int, edge: Between) -> None:
        """Append one factor."""
        if self.num == len(self.factor_ids):
            self._grow(max(1024, 2 * self.num))
        row = self.num
        self.factor_ids[row], self.ends[row] = factor_id, (edge.from_id, edge.to_id)
        self.T_from_to[row], self.information[row] = edge.T_from_to, edge.information
        self.is_odometry[row], self.is_live[row] = edge.kind == "odometry", True
        self._rows[factor_id] = row
        self.num += 1

    def remove(self, factor_id: int) -> None:
        """Leave a factor out from now on."""
        if factor_id in self._rows:
            self.is_live[self._rows[factor_id]] = False

    def chi2(self, ids: np.ndarray, poses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Chi2 (E,) of every factor at `poses` (N, 4, 4) of the ascending numbers `ids` (N,), and which count (E,).

        Factors whose poses are not there do not count.
        """
        ends = self.ends[: self.num]
        rows = np.searchsorted(ids, ends)
        is_known = (rows < len(ids)).all(axis=1)
        rows = np.minimum(rows, max(len(ids) - 1, 0))
        is_known &= (ids[rows] == ends).all(axis=1) if len(ids) else False
        use = self.is_live[: self.num] & is_known
        values = np.zeros(self.num)
        residuals = between_residuals(poses[rows[use, 0]], poses[rows[use, 1]], self.T_from_to[: self.num][use])
        values[use] = chi2_of(residuals, self.information[: self.num][use])
        return values, use

    def _grow(self, size: int) -> None:
        for name in ("factor_ids", "ends", "T_from_to", "information", "is_odometry", "is_live"):
            old = getattr(self, name)
            new = np.zeros((size, *old.shape[1:]), dtype=old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)
