"""The 2D occupancy grid of a map: counts of hits and passing rays per cell, right again after every loop closure.

Counts add up, so a keyframe that moved is taken out where it was and drawn where it is: the grid is then the one
that drawing all keyframes anew would give.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np

from perception.core.errors import MapError
from perception.core.files import write_atomic
from perception.core.geometry import apply
from perception.kernels.floor_rays import HIT, PASSED, draw_scan
from slam.maps.arrays import read_arrays, write_arrays
from slam.maps.config import GridConfig
from slam.maps.folder import GRID, MapFolder
from slam.maps.keyframe import Keyframe
from slam.maps.tiles import DamagedTile, TileStore

UNKNOWN, FREE, OCCUPIED = -1, 0, 100  # as in nav_msgs/OccupancyGrid
TILES, DRAWN, BUSY = "tiles", "drawn.pma", "busy"
LIMIT = 32768  # cells from the origin in any direction
NOWHERE = np.full((4, 4), np.nan)  # pose of a keyframe that is not drawn


@dataclass(frozen=True, slots=True, eq=False)
class FloorGrid:
    """Occupancy of the floor in the frame `map`."""

    resolution: float  # m, edge of a cell
    origin: np.ndarray  # (2,) float64, m, corner of the first cell
    cells: np.ndarray  # (H, W) int8: -1 unknown, 0 free, 100 occupied; rows go along y, columns along x

    def at_most(self, num_cells: int) -> "FloorGrid":
        """The same floor in no more cells: larger ones, which are occupied where any of their parts is."""
        step = 1
        while -(-self.cells.shape[0] // step) * -(-self.cells.shape[1] // step) > num_cells:
            step += 1
        return FloorGrid(self.resolution * step, self.origin, pooled(self.cells, step)) if step > 1 else self


class OccupancyTiles:
    """Keeps the grid of a map folder in tiles beside it. What is on the disk is derived: it may be deleted.

    Where the disk cannot be read or written every method raises `MapError`, and the next update draws all anew.
    """

    def __init__(self, folder: MapFolder, config: GridConfig | None = None, place: Path | None = None) -> None:
        """`place`: folder of the tiles; else `grid/` in the map."""
        self.map, self.config = folder, config or folder.config.grid
        self.place = place or folder.path / GRID
        self.tiles = TileStore(self.place / TILES, 2, self.config.tile_cells, self.config.cache_mb)
        self._drawn: dict[int, np.ndarray] = {}
        self._is_torn = False  # an update did not end: what the tiles hold is not known
        self._step = 1  # edge of the squares in which cells are handed out
        self._cells: dict[tuple[int, int], np.ndarray] = {}  # squares of the tiles that have not changed since
        self.num_waiting = 0  # keyframes that the last update left for the next one
        self.counts: Counter[str] = Counter()  # what the grid goes without, and how often it began anew
        with self._on_disk():
            if (self.place / BUSY).exists() or not self._read_drawn():
                self.tiles.clear()

    def update(self, ids: np.ndarray, poses: np.ndarray, limit: int | None = None) -> int:
        """Draw what is new or has moved; `poses` (N, 4, 4) `T_map_base`. Returns how many keyframes were drawn.

        With a `limit` no more are drawn, and `num_waiting` says how many are left. Where a tile is damaged all are
        drawn anew.
        """
        with self._on_disk():
            try:
                return self._update(ids, poses, limit)
            except DamagedTile:
                self._is_torn = True
                return self._update(ids, poses, limit)

    def grid(self) -> FloorGrid:
        """The grid of all tiles that are there; where one is damaged all keyframes are drawn anew.

        Only tiles that have changed since the last time are read. Beyond `max_cells` its cells are larger.
        """
        with self._on_disk():
            try:
                return self._assembled()
            except DamagedTile:
                drawn, self._is_torn = self._drawn, True
                poses = np.array(list(drawn.values())).reshape(-1, 4, 4)
                self._update(np.array(list(drawn), dtype=np.int64), poses, None)
                return self._assembled()

    @contextmanager
    def _on_disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise MapError(f"{self.place}: cannot be used ({error}); make room on the disk, or allow writing") from None

    def _forget(self) -> None:
        """Nothing is drawn any more."""
        self._drawn, self._cells = {}, {}
        self.tiles.clear()
        self._is_torn = False
        self.counts["grids drawn anew"] += 1

    def _update(self, ids: np.ndarray, poses: np.ndarray, limit: int | None) -> int:
        if self._is_torn:
            self._forget()
        where = dict(zip(ids.tolist(), poses))
        gone = [number for number in self._drawn if number not in where]
        moved = self._moved(ids, poses)
        self.num_waiting = len(moved) - len(moved[:limit])
        moved = moved[:limit]
        if not gone and not moved:
            return 0
        write_atomic(self.place / BUSY, b"", is_durable=False)
        self._is_torn = True
        for number in gone:
            self._draw(number, self._drawn.pop(number), -1)
        for number in moved:
            if number in self._drawn:
                self._draw(number, self._drawn[number], -1)
            self._draw(number, where[number], 1)
            self._drawn[number] = where[number].copy()
        self._save()
        self._is_torn = False
        return len(moved)

    def _assembled(self) -> FloorGrid:
        n, keys = self.config.tile_cells, self.tiles.keys()
        if not keys:
            return FloorGrid(self.config.resolution, np.zeros(2), np.full((1, 1), UNKNOWN, dtype=np.int8))
        low, high = np.min(keys, axis=0), np.max(keys, axis=0)
        width, height = high - low + 1
        self._enlarge(_step(n, int(width * height), self.config.max_cells))
        m = n // self._step
        cells = np.full((height * m, width * m), UNKNOWN, dtype=np.int8)
        for key in keys:
            if key not in self._cells:
                self._cells[key] = pooled(self._decided(self.tiles.tile(key)), self._step)
            row, column = (key[1] - low[1]) * m, (key[0] - low[0]) * m
            cells[row : row + m, column : column + m] = self._cells[key]
        resolution = self.config.resolution
        return _cropped(FloorGrid(resolution * self._step, low * n * resolution, cells))

    def _enlarge(self, step: int) -> None:
        """Cells are handed out in squares of `step` from now on; those that are known need not be read again."""
        if step % self._step:
            self._cells = {}
        elif step != self._step:
            self._cells = {key: pooled(cells, step // self._step) for key, cells in self._cells.items()}
        self._step = step

    def _decided(self, counts: np.ndarray) -> np.ndarray:
        hits, passes = counts
        weighted = hits * self.config.hit_weight
        share = weighted / np.maximum(weighted + passes, 1)
        cells = np.full(hits.shape, UNKNOWN, dtype=np.int8)
        is_seen = weighted + passes > 0
        cells[is_seen & (share < self.config.free)] = FREE
        cells[is_seen & (share > self.config.occupied)] = OCCUPIED
        return cells

    def _draw(self, number: int, T_map_base: np.ndarray, sign: int) -> None:
        try:
            keyframe = self.map.load(number)
        except MapError:  # the journal is whole, this cloud is not: the grid goes without it
            self.counts["clouds of the grid that cannot be read"] += 1
            return
        column, row, codes = drawn(keyframe, T_map_base, self.config)
        if max(abs(column), abs(row)) >= LIMIT:
            self.counts["keyframes outside of the grid"] += 1
            return
        for key in self.tiles.add(column, row, sign * np.stack([codes == HIT, codes == PASSED]).astype(np.int32)):
            self._cells.pop(key, None)

    def _moved(self, ids: np.ndarray, poses: np.ndarray) -> list[int]:
        """Keyframes that are not drawn, or elsewhere; all at once, as it is asked at every scan of a large map."""
        old = np.array([self._drawn.get(number, NOWHERE) for number in ids.tolist()]).reshape(-1, 4, 4)
        shift = np.linalg.norm(old[:, :3, 3] - poses[:, :3, 3], axis=1)
        chord = np.linalg.norm(old[:, :3, :3] - poses[:, :3, :3], axis=(1, 2))  # sqrt(8) sin(turn / 2)
        most = np.sqrt(8.0) * np.sin(0.5 * np.deg2rad(self.config.min_turn_deg))
        moved: list[int] = ids[~((shift <= self.config.min_shift) & (chord <= most))].tolist()
        return moved

    def _save(self) -> None:
        """Tiles first, then what they hold; the mark goes last, so that an end between them is noticed."""
        self.tiles.flush()
        ids = np.array(sorted(self._drawn), dtype=np.int64)
        poses = np.stack([self._drawn[int(i)] for i in ids]) if len(ids) else np.zeros((0, 4, 4))
        meta = {"config": self.config.model_dump(mode="json")}
        write_arrays(self.place / DRAWN, {"ids": ids, "poses": poses}, meta, is_durable=False)
        (self.place / BUSY).unlink(missing_ok=True)

    def _read_drawn(self) -> bool:
        path = self.place / DRAWN
        if not path.exists():
            return False
        try:
            arrays, meta = read_arrays(path)
        except MapError:  # a power failure may damage what is not durable; all is drawn anew
            return False
        if meta.get("config") != self.config.model_dump(mode="json"):
            path.unlink()
            return False
        self._drawn = dict(zip(arrays["ids"].tolist(), arrays["poses"]))
        return True


def drawn(keyframe: Keyframe, T_map_base: np.ndarray, config: GridConfig) -> tuple[int, int, np.ndarray]:
    """Column and row of the first cell, and codes (n, n) of `draw_scan`, of one keyframe.

    Ground clears the way to it; what is higher than `max_height` over the base says nothing.
    """
    points = apply(T_map_base @ keyframe.T_base_lidar, keyframe.points.astype(np.float64))
    sensor = (T_map_base @ keyframe.T_base_lidar)[:3, 3]
    height = points[:, 2] - T_map_base[2, 3]
    far = np.linalg.norm(points[:, :2] - sensor[:2], axis=1)
    use = (height <= config.max_height) & (far <= config.max_range)
    cells = np.floor(points[use, :2] / config.resolution).astype(np.int64)
    middle = np.floor(sensor[:2] / config.resolution).astype(np.int64)
    half = int(np.ceil(config.max_range / config.resolution)) + 2
    is_hit = height[use] >= config.min_height
    codes = np.unique(((cells - middle + half) * [1, 2 * half + 1]).sum(axis=1) * 2 + is_hit)  # each end once
    ends, is_hit = codes // 2, (codes % 2).astype(bool)
    ends = np.stack([ends % (2 * half + 1), ends // (2 * half + 1)], axis=1).astype(np.int32)
    column, row = middle - half
    return int(column), int(row), draw_scan(2 * half + 1, ends, is_hit)


def pooled(cells: np.ndarray, step: int) -> np.ndarray:
    """Cells (H, W) int8 in squares of `step`: each is the largest of its parts, so that no obstacle is lost."""
    padded = np.pad(cells, [(0, -size % step) for size in cells.shape], constant_values=UNKNOWN)
    return reduce(np.maximum, [padded[i::step, j::step] for i in range(step) for j in range(step)])


def _step(tile_cells: int, num_tiles: int, max_cells: int) -> int:
    """The least part of a tile's edge that puts a box of tiles together from at most `max_cells` squares."""
    steps = (step for step in range(1, tile_cells) if tile_cells % step == 0)
    return next((step for step in steps if num_tiles * (tile_cells // step) ** 2 <= max_cells), tile_cells)


def _cropped(grid: FloorGrid) -> FloorGrid:
    known = grid.cells != UNKNOWN
    rows, columns = np.flatnonzero(known.any(axis=1)), np.flatnonzero(known.any(axis=0))
    if len(rows) == 0:
        return FloorGrid(grid.resolution, grid.origin, np.full((1, 1), UNKNOWN, dtype=np.int8))
    first = np.array([columns[0], rows[0]])
    cells = grid.cells[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return FloorGrid(grid.resolution, grid.origin + first * grid.resolution, np.ascontiguousarray(cells))
