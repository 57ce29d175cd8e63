"""Maps in the formats of others: point clouds, trajectories, pose graphs, the grid of `map_server`."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.files import atomic_file, write_atomic
from perception.core.trajectory import Trajectory
from perception.io.ply import write_ply
from perception.io.trajectories import write_tum
from slam.graph.factors import Between
from slam.graph.g2o import write_g2o
from slam.maps.cloud import map_cloud
from slam.maps.folder import MapFolder
from slam.maps.grid import FREE, OCCUPIED, FloorGrid, OccupancyTiles

FORMATS = ("pcd", "ply", "tum", "g2o", "grid")
GREY = {OCCUPIED: 0, FREE: 254}  # of map_server's pictures; everything else is unknown
GREY_UNKNOWN = 205
OCCUPIED_THRESHOLD, FREE_THRESHOLD = 0.65, 0.196  # 205 is 0.196 of the way from white to black: just not free


def export(folder: MapFolder, path: Path, kind: str, voxel_size: float = 0.1) -> str:
    """Write a map as `kind` (one of `FORMATS`) to `path`; returns a sentence on what was written.

    `pcd`, `ply`: the whole cloud, one point per voxel of `voxel_size` (m). `tum`: optimised poses. `g2o`: poses and
    relative factors that count. `grid`: `path` gets the suffix .pgm, and .yaml beside it. Raises `InvalidInput`.
    """
    match kind:
        case "pcd" | "ply":
            return _export_cloud(folder, path, kind, voxel_size)
        case "tum":
            trajectory = map_trajectory(folder)
            write_tum(path, trajectory)
            return f"{len(trajectory)} poses"
        case "g2o":
            ids, poses = folder.poses()
            edges = [entry.factor for entry in folder.entries() if isinstance(entry.factor, Between)]
            write_g2o(path, ids.tolist(), poses, edges)
            return f"{len(ids)} poses and {len(edges)} edges"
        case "grid":
            grid = map_grid(folder, path.parent)
            write_grid(path, grid)
            return f"{grid.cells.shape[1]} x {grid.cells.shape[0]} cells of {grid.resolution:g} m"
    raise InvalidInput(f"format: {kind!r} is unknown; use one of {', '.join(FORMATS)}")


def map_trajectory(folder: MapFolder) -> Trajectory:
    """`T_map_base` of all keyframes in the order of time. Raises `InvalidInput` where two have one stamp."""
    ids, poses = folder.poses()
    stamps = np.array([folder.keyframes[int(i)].stamp_ns for i in ids], dtype=np.int64)
    order = np.argsort(stamps, kind="stable")
    return Trajectory(stamps[order], poses[order], world="map")


def map_grid(folder: MapFolder, scratch: Path | None = None) -> FloorGrid:
    """The occupancy grid of a map, made in a temporary folder; the map is not touched."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(dir=scratch) as place:
        tiles = OccupancyTiles(folder, place=Path(place))
        tiles.update(*folder.poses())
        return tiles.grid()


def write_grid(path: Path, grid: FloorGrid) -> None:
    """Write `path` (.pgm) and its neighbour .yaml as `map_server` reads them, each whole or not at all."""
    picture = np.full(grid.cells.shape, GREY_UNKNOWN, dtype=np.uint8)
    for value, grey in GREY.items():
        picture[grid.cells == value] = grey
    height, width = picture.shape
    path = path.with_suffix(".pgm")
    write_atomic(path, f"P5\n{width} {height}\n255\n".encode("ascii") + picture[::-1].tobytes())
    x, y = grid.origin
    lines = (
        f"image: {path.name}", "mode: trinary", f"resolution: {grid.resolution:.6g}", f"origin: [{x:.6g}, {y:.6g}, 0]",
        "negate: 0", f"occupied_thresh: {OCCUPIED_THRESHOLD}", f"free_thresh: {FREE_THRESHOLD}",
    )  # fmt: skip
    write_atomic(path.with_suffix(".yaml"), "\n".join(lines) + "\n")


def write_pcd(path: Path, pieces: Iterable[np.ndarray], count: int) -> None:
    """Write `count` points, in pieces (M, 3) float32 m, as binary PCD, whole or not at all."""
    header = (
        "# .PCD v0.7 - Point Cloud Data file format\nVERSION 0.7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\n"
        f"WIDTH {count}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {count}\nDATA binary\n"
    )
    with atomic_file(path) as file:
        file.write(header.encode("ascii"))
        for piece in pieces:
            file.write(np.ascontiguousarray(piece, dtype="<f4").tobytes())


def _export_cloud(folder: MapFolder, path: Path, kind: str, voxel_size: float) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    pieces = list(_pieces(folder, path.parent, voxel_size))
    count = sum(map(len, pieces))
    if kind == "pcd":
        write_pcd(path, pieces, count)
    else:
        write_ply(path, np.concatenate(pieces) if pieces else np.zeros((0, 3), np.float32))
    return f"{count} points"


def _pieces(folder: MapFolder, scratch: Path, voxel_size: float) -> Iterator[np.ndarray]:
    if not 0.0 < voxel_size <= 100.0:
        raise InvalidInput(f"voxel_size: {voxel_size} m is not between 0 and 100")
    yield from map_cloud(folder, voxel_size, scratch)
