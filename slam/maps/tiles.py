"""Square tiles of a large array: those in use are in memory, the others on the disk, the bound is in bytes."""

from collections import OrderedDict
from pathlib import Path

import numpy as np

from perception.core.errors import MapError
from slam.maps.arrays import read_arrays, write_arrays

MB = 1 << 20


class DamagedTile(MapError):
    """A tile cannot be read back; tiles are derived, so the remedy is to make all of them anew."""


class TileStore:
    """Tiles (layers, n, n) int32 by their column and row; what was never written is 0."""

    def __init__(self, folder: Path, layers: int, num_cells: int, cache_mb: int) -> None:
        self.folder, self.shape, self.max_bytes = Path(folder), (layers, num_cells, num_cells), cache_mb * MB
        self._tiles: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()
        self._changed: set[tuple[int, int]] = set()

    def add(self, column: int, row: int, values: np.ndarray) -> list[tuple[int, int]]:
        """Add `values` (layers, H, W), whose first cell is `column`, `row` of the whole array.

        Returns the tiles that have changed. Raises `DamagedTile`, and `MapError` where older ones cannot be written:
        some tiles have changed then.
        """
        n, changed = self.shape[1], []
        height, width = values.shape[1:]
        for ty in range(row // n, (row + height - 1) // n + 1):
            for tx in range(column // n, (column + width - 1) // n + 1):
                x0, x1 = max(column, tx * n), min(column + width, (tx + 1) * n)
                y0, y1 = max(row, ty * n), min(row + height, (ty + 1) * n)
                part = values[:, y0 - row : y1 - row, x0 - column : x1 - column]
                if part.any():
                    self._tile((tx, ty))[:, y0 - ty * n : y1 - ty * n, x0 - tx * n : x1 - tx * n] += part
                    self._changed.add((tx, ty))
                    changed.append((tx, ty))
                    self._shrink()
        return changed

    def keys(self) -> list[tuple[int, int]]:
        """Column and row of each tile that is there."""
        saved = {_key(path) for path in self.folder.glob("*.pma")} if self.folder.is_dir() else set()
        return sorted(saved | set(self._tiles))

    def tile(self, key: tuple[int, int]) -> np.ndarray:
        """One tile, to be read. Raises `DamagedTile`."""
        tile = self._tile(key)
        self._shrink()
        return tile

    def flush(self) -> None:
        """Write what has changed."""
        for key in sorted(self._changed):
            self._write(key)
        self._changed.clear()

    def clear(self) -> None:
        """Forget every tile, here and on the disk."""
        self._tiles.clear()
        self._changed.clear()
        if self.folder.is_dir():
            for path in self.folder.glob("*.pma"):
                path.unlink()

    @property
    def num_bytes(self) -> int:
        """Of the tiles in memory."""
        return sum(tile.nbytes for tile in self._tiles.values())

    def _tile(self, key: tuple[int, int]) -> np.ndarray:
        if key in self._tiles:
            self._tiles.move_to_end(key)
            return self._tiles[key]
        path = self._path(key)
        tile = self._read(path) if path.exists() else np.zeros(self.shape, dtype=np.int32)
        self._tiles[key] = tile
        return tile

    def _read(self, path: Path) -> np.ndarray:
        try:
            tile = read_arrays(path)[0].get("counts")
        except MapError as error:
            raise DamagedTile(str(error)) from None
        if tile is None or tile.shape != self.shape or tile.dtype != np.int32:
            raise DamagedTile(f"{path}: counts are not {self.shape} int32; delete the folder, it is made anew")
        return tile

    def _shrink(self) -> None:
        while len(self._tiles) > 1 and self.num_bytes > self.max_bytes:
            key, _tile = next(iter(self._tiles.items()))
            if key in self._changed:
                self._write(key)
                self._changed.discard(key)
            del self._tiles[key]

    def _write(self, key: tuple[int, int]) -> None:
        write_arrays(self._path(key), {"counts": self._tiles[key]}, {}, is_durable=False)

    def _path(self, key: tuple[int, int]) -> Path:
        return self.folder / f"{key[0]}_{key[1]}.pma"


def _key(path: Path) -> tuple[int, int]:
    column, _, row = path.stem.partition("_")
    try:
        return int(column), int(row)
    except ValueError:
        raise MapError(f"{path}: is no tile; remove it") from None
