"""Where the keyframes of a map are, as last told by the pose graph."""

import numpy as np

from perception.core.geometry import inverse

FIRST_ROOM = 256  # keyframes


class PoseTable:
    """Poses `T_map_base` by number of the keyframe; numbers rise."""

    def __init__(self) -> None:
        self._ids = np.zeros(FIRST_ROOM, dtype=np.int64)
        self._stamps_ns = np.zeros(FIRST_ROOM, dtype=np.int64)
        self._poses = np.zeros((FIRST_ROOM, 4, 4))
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, keyframe_id: int) -> bool:
        return self._row(keyframe_id) is not None

    def __call__(self, keyframe_id: int) -> np.ndarray:
        """The pose (4, 4) of a keyframe that is there."""
        row = self._row(keyframe_id)
        assert row is not None, keyframe_id
        return self._poses[row]

    @property
    def ids(self) -> np.ndarray:
        """(N,) int64, ascending, a view."""
        return self._ids[: self._count]

    @property
    def stamps_ns(self) -> np.ndarray:
        """(N,) int64, a view."""
        return self._stamps_ns[: self._count]

    @property
    def poses(self) -> np.ndarray:
        """(N, 4, 4) float64, a view."""
        return self._poses[: self._count]

    def add(self, keyframe_id: int, stamp_ns: int, T_map_base: np.ndarray) -> None:
        """A keyframe with a higher number than all that are there."""
        if self._count == len(self._ids):
            self._ids, self._stamps_ns = (np.concatenate([a, np.zeros_like(a)]) for a in (self._ids, self._stamps_ns))
            self._poses = np.concatenate([self._poses, np.zeros_like(self._poses)])
        self._ids[self._count], self._stamps_ns[self._count] = keyframe_id, stamp_ns
        self._poses[self._count] = T_map_base
        self._count += 1

    def correct(self, ids: np.ndarray, poses: np.ndarray) -> None:
        """New poses (N, 4, 4) of some keyframes; later ones that are not among them keep their place to the last."""
        if self._count == 0 or len(ids) == 0:
            return
        rows = np.searchsorted(self.ids, ids)
        is_known = (rows < self._count) & (self._ids[np.minimum(rows, self._count - 1)] == ids)
        rows = rows[is_known]
        if len(rows) == 0:
            return
        last, tail = int(rows[-1]), slice(int(rows[-1]) + 1, self._count)
        T_new_old = poses[is_known][-1] @ inverse(self._poses[last])
        self._poses[rows] = poses[is_known]
        self._poses[tail] = T_new_old @ self._poses[tail]

    def nearest(self, point: np.ndarray, radius: float) -> int | None:
        """The keyframe nearest to a point (3,) m; None where none is within `radius` (m)."""
        if self._count == 0:
            return None
        distances = np.linalg.norm(self.poses[:, :3, 3] - point, axis=1)
        row = int(distances.argmin())
        return int(self._ids[row]) if distances[row] <= radius else None

    def _row(self, keyframe_id: int) -> int | None:
        row = int(np.searchsorted(self.ids, keyframe_id))
        return row if row < self._count and self._ids[row] == keyframe_id else None
