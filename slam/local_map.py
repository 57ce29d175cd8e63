"""The local map: voxels around the robot that answer "which surface lies here" for each point of a scan.

Structure and parameters: bev_lio_lc.md section 6.3. Memory is bounded: voxels far from the robot are evicted a few
thousand per scan, arrays grow by doubling up to a configured number of voxels. Coordinates are stored relative to
voxel centres (float32) in voxels counted from a movable origin (float64), so that precision does not depend on the
distance from the start.
"""

import logging

import numpy as np

from perception.core.types import check
from slam import kernels_hash, kernels_knn, kernels_planes
from slam.config import MapConfig
from slam.kernels_hash import CURSOR, HIGH, NUM_LIVE, NUM_TOMBSTONES

FIRST_CAPACITY = 1 << 14  # voxels; grown by doubling
TOMBSTONE_SHARE = 4  # the table is rebuilt when a quarter of it are tombstones
SHRINK = 0.8  # factor on the kept range while a full map makes room
ROOM_SHARE = 0.75  # a full map is emptied to this share

log = logging.getLogger(__name__)


class VoxelStore:
    """Hash table, buckets and links of `slam.kernels_hash`, with further arrays (C, ...) of the caller's choice."""

    def __init__(self, num_neighbours: int, max_voxels: int, payload: tuple[tuple[int, ...], ...]) -> None:
        self.max_voxels = max_voxels
        capacity = min(FIRST_CAPACITY, max_voxels)
        self.state = np.zeros(5, dtype=np.int64)
        self.cells = np.zeros((capacity, 6), dtype=np.int32)
        self.neighbours = np.full((capacity, num_neighbours), -1, dtype=np.int32)
        self.free = np.zeros(capacity, dtype=np.int32)
        self.payload = [np.zeros((capacity, *shape), dtype=np.float32) for shape in payload]
        self.table = self._empty_table(capacity)

    def __len__(self) -> int:
        return int(self.state[NUM_LIVE])

    @property
    def num_bytes(self) -> int:
        """Bytes of all arrays."""
        return sum(array.nbytes for array in (self.table, self.cells, self.neighbours, self.free, *self.payload))

    @property
    def room(self) -> int:
        """Voxels that can still be created without growing."""
        return len(self.cells) - len(self)

    def reserve(self, num_new: int) -> None:
        """Grow until `num_new` voxels fit, or to the limit."""
        capacity = len(self.cells)
        while capacity < min(len(self) + num_new, self.max_voxels):
            capacity = min(2 * capacity, self.max_voxels)
        if capacity == len(self.cells):
            return
        self.cells, self.neighbours, self.free = (
            _grown(array, capacity) for array in (self.cells, self.neighbours, self.free)
        )
        self.payload = [_grown(array, capacity) for array in self.payload]
        self.table = self._empty_table(capacity)
        kernels_hash.rehash(self.table, self.cells, self.state)

    def evict(self, centre: np.ndarray, max_distance: float, num_visits: int) -> int:
        """Remove voxels farther than `max_distance` from `centre` (3,), in voxels, among the next `num_visits`."""
        removed = kernels_hash.evict(
            self.table, self.cells, self.neighbours, self.free, self.state, centre, max_distance, num_visits
        )
        if self.state[NUM_TOMBSTONES] * TOMBSTONE_SHARE > len(self.table):
            kernels_hash.rehash(self.table, self.cells, self.state)
        return int(removed)

    def shift(self, step: np.ndarray) -> None:
        """Count voxels from an origin `step` (3,) int64 voxels further on."""
        kernels_hash.shift(self.cells, self.state, step)
        kernels_hash.rehash(self.table, self.cells, self.state)

    def clear(self) -> None:
        """Remove everything, keep the memory."""
        self.state[:] = 0
        self.table[:, 0] = kernels_hash.EMPTY

    @staticmethod
    def _empty_table(capacity: int) -> np.ndarray:
        size = 1 << (2 * capacity - 1).bit_length()
        return np.full((size, 2), kernels_hash.EMPTY, dtype=np.int64)


class LocalMap:
    """Surfaces seen so far around the robot, in the frame `odom`.

    `voxel_plane`: one plane per voxel, fitted to the moments of its points. `knn5`: a few points per voxel, the plane
    is fitted to five neighbours of each query (the reference behaviour, slower).
    """

    def __init__(self, config: MapConfig) -> None:
        self.config = config
        self.origin = np.zeros(3)  # odom coordinates of the corner that voxels are counted from
        self.num_refused = 0  # points that found no room since the start
        self.num_shrinks = 0  # times a full map had to give up voxels within the kept range
        self._num_inserts = 0
        self._touched = np.zeros(0, dtype=np.int32)
        if config.mode == "voxel_plane":
            self.store = VoxelStore(6, config.max_voxels, ((9,), (8,)))
        else:
            self.store = VoxelStore(26, config.max_voxels, ((config.knn_points_per_voxel, 3),))

    @property
    def edge(self) -> float:
        """Edge of a voxel, m."""
        return self.config.voxel_size if self.config.mode == "voxel_plane" else self.config.knn_voxel_size

    @property
    def num_voxels(self) -> int:
        """Voxels that hold points."""
        return len(self.store)

    @property
    def num_bytes(self) -> int:
        """Memory of the map."""
        return self.store.num_bytes + self._touched.nbytes

    def relative(self, R: np.ndarray, p: np.ndarray) -> np.ndarray:
        """Pose (3, 4) float64 with respect to the origin of the map."""
        return np.column_stack((R, p - self.origin))

    def insert(self, points: np.ndarray, T_odom_lidar: np.ndarray) -> None:
        """Add points (N, 3) float32 in the LiDAR frame, seen from `T_odom_lidar` (4, 4)."""
        check("points", points, (None, 3), np.float32)
        self._move_origin(T_odom_lidar[:3, 3])
        self.store.reserve(len(points))
        if self.store.room < len(points):
            self._make_room(T_odom_lidar[:3, 3])
        self._num_inserts += 1
        pose = self.relative(T_odom_lidar[:3, :3], T_odom_lidar[:3, 3])
        self.num_refused += self._insert(np.ascontiguousarray(points), pose)

    def evict(self, position: np.ndarray) -> None:
        """Remove voxels farther than the kept range from `position` (3,), a part of the map per call."""
        self.store.evict(self._in_voxels(position), self.config.keep_range / self.edge, self.config.evictions_per_scan)

    def clear(self) -> None:
        """Forget everything."""
        self.store.clear()
        self.origin = np.zeros(3)
        self._num_inserts = 0

    def _insert(self, points: np.ndarray, pose: np.ndarray) -> int:
        store, config = self.store, self.config
        arrays = (store.table, store.cells, store.neighbours, store.free, store.state, *store.payload, points, pose)
        if config.mode == "knn5":
            return int(kernels_knn.insert_points(*arrays, self.edge, config.knn_spacing))
        if len(self._touched) < len(points):
            self._touched = np.zeros(len(points), dtype=np.int32)
        refused = kernels_planes.insert_planes(
            *arrays,
            self.edge,
            config.points_per_voxel,
            config.min_plane_points,
            config.max_plane_deviation**2,
            config.min_plane_ratio,
            self._num_inserts,
            self._touched,
        )
        return int(refused)

    def _in_voxels(self, position: np.ndarray) -> np.ndarray:
        return (position - self.origin) / self.edge

    def _move_origin(self, position: np.ndarray) -> None:
        if np.abs(position - self.origin).max() <= self.config.reorigin_distance:
            return
        step = np.round(self._in_voxels(position)).astype(np.int64)
        self.store.evict(self._in_voxels(position), self.config.keep_range / self.edge, int(self.store.state[HIGH]))
        self.store.shift(step)
        self.origin = self.origin + step * self.edge

    def _make_room(self, position: np.ndarray) -> None:
        kept_range = self.config.keep_range
        while len(self.store) > ROOM_SHARE * self.config.max_voxels and kept_range > self.edge:
            self.store.state[CURSOR] = 0
            self.store.evict(self._in_voxels(position), kept_range / self.edge, int(self.store.state[HIGH]))
            kept_range *= SHRINK
        if self.num_shrinks == 0:
            log.warning(
                "local map is full (%d voxels): only %.0f m around are kept", self.config.max_voxels, kept_range
            )
        self.num_shrinks += 1


def _grown(array: np.ndarray, capacity: int) -> np.ndarray:
    out = np.zeros((capacity, *array.shape[1:]), dtype=array.dtype)
    out[: len(array)] = array
    return out
