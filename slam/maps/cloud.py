"""The cloud of a whole map, thinned, tile by tile."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from perception.core.geometry import apply
from perception.kernels.voxels import VoxelScratch, voxel_indices
from slam.maps.folder import MapFolder

TILE = 50.0  # m
ROW = 12  # bytes of a point


def map_cloud(folder: MapFolder, voxel_size: float, scratch_folder: Path | None = None) -> Iterator[np.ndarray]:
    """Points (M, 3) float32 in the frame `map`, one per voxel of `voxel_size` (m), a piece for each tile.

    Memory holds one keyframe or one tile; the rest is in a temporary folder. Raises `MapError`.
    """
    ids, poses = folder.poses()
    with TemporaryDirectory(dir=scratch_folder) as name:
        for number, T_map_base in zip(ids.tolist(), poses):
            _spread(Path(name), folder, number, T_map_base, voxel_size)
        for path in sorted(Path(name).iterdir()):
            corner = np.array([int(part) * TILE for part in path.name.split("_")], dtype=np.float64)
            points = np.fromfile(path, np.float32).reshape(-1, 3)
            points = points[voxel_indices(points, voxel_size, VoxelScratch())]
            yield (points + np.array([*corner, 0.0])).astype(np.float32)


def _spread(where: Path, folder: MapFolder, number: int, T_map_base: np.ndarray, voxel_size: float) -> None:
    keyframe = folder.load(number)
    kept = keyframe.points[voxel_indices(keyframe.points, voxel_size, VoxelScratch())]
    points = apply(T_map_base @ keyframe.T_base_lidar, kept.astype(np.float64))
    tiles = np.floor(points[:, :2] / TILE).astype(np.int64)
    for column, row in np.unique(tiles, axis=0):
        inside = (tiles == (column, row)).all(axis=1)
        local = points[inside] - np.array([column * TILE, row * TILE, 0.0])
        with (where / f"{column}_{row}").open("ab") as file:
            file.write(local.astype(np.float32).tobytes())
