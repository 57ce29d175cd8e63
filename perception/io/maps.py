"""Maps in the formats of others: point clouds, trajectories, pose graphs, the grid of `map_server`."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.files import atomic_file, write_atomic
from perception.core.geometry import exp_so3, matrix_from_quaternion, transform
from perception.core.trajectory import Trajectory
from perception.io.map_picture import picture_of, write_picture
from perception.io.ply import write_ply
from perception.io.trajectories import write_tum
from slam.graph.factors import Between, information_of
from slam.graph.g2o import write_g2o
from slam.maps.card import CARD
from slam.maps.cloud import map_cloud
from slam.maps.folder import MapFolder
from slam.maps.grid import FREE, OCCUPIED, FloorGrid, OccupancyTiles
from slam.maps.merge import MapLoop

FORMATS = ("pcd", "ply", "tum", "g2o", "grid", "png")
GREY = {OCCUPIED: 0, FREE: 254}  # of map_server's pictures; everything else is unknown
GREY_UNKNOWN = 205
OCCUPIED_THRESHOLD, FREE_THRESHOLD = 0.65, 0.196  # 205 is 0.196 of the way from white to black: just not free


def export(folder: MapFolder, path: Path, kind: str, voxel_size: float = 0.1) -> str:
    """Write a map as `kind` (one of `FORMATS`) to `path`; returns a sentence on what was written.

    `pcd`, `ply`: the whole cloud, one point per voxel of `voxel_size` (m). `tum`: optimised poses. `g2o`: poses and
    relative factors that count. `grid`: `path` gets the suffix .pgm, and .yaml beside it. `png`: floor, paths and loops
    to look at. Raises `InvalidInput`.
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
        case "png":
            picture = picture_of(folder, map_grid(folder, path.parent))
            write_picture(path, picture)
            return f"{picture.shape[1]} x {picture.shape[0]} pixels"
    raise InvalidInput(f"format: {kind!r} is unknown; use one of {', '.join(FORMATS)}")


def is_map(path: Path) -> bool:
    """Whether a folder is a saved map."""
    return (path / CARD).is_file()


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


def read_loops(path: Path, position: float, rotation: float) -> list[MapLoop]:
    """Loops between two maps, one per line: `first second x y z qx qy qz qw` and, if known, their standard deviations.

    `first` and `second` are keyframes, the pose is that of the second base seen from the first (m), the deviations
    are m and deg; without them `position` (m) and `rotation` (rad) count. Raises `InvalidInput` naming file and line.
    """
    loops = []
    for number, words in text_lines(path):
        if len(words) not in (9, 11) or not (words[0].isdecimal() and words[1].isdecimal()):
            raise InvalidInput(f"{path}:{number}: expected 'first second x y z qx qy qz qw', got {' '.join(words)!r}")
        values = finite_numbers(f"{path}:{number}", words[2:])
        deviations = (values[7], np.deg2rad(values[8])) if len(values) == 9 else (position, rotation)
        if min(deviations) <= 0.0:
            raise InvalidInput(f"{path}:{number}: standard deviations are {deviations}, expected positive ones")
        T = pose_of(f"{path}:{number}", values[:7])
        loops.append(MapLoop(int(words[0]), int(words[1]), T, information_of(*deviations)))
    return loops


def pose_of(where: str, values: np.ndarray) -> np.ndarray:
    """A pose (4, 4) of `x y z qx qy qz qw`, or of `x y z yaw` with the yaw in degrees. Raises `InvalidInput`."""
    if len(values) == 4:
        return transform(exp_so3(np.array([0.0, 0.0, np.deg2rad(values[3])])), values[:3])
    if len(values) != 7 or not 0.5 < np.linalg.norm(values[3:]) < 2.0:
        raise InvalidInput(f"{where}: expected 'x y z yaw_deg' or 'x y z qx qy qz qw' with a unit quaternion")
    return transform(matrix_from_quaternion(values[3:]), values[:3])


def finite_numbers(where: str, words: list[str]) -> np.ndarray:
    """Numbers (N,) of words. Raises `InvalidInput`."""
    try:
        values = np.array([float(word) for word in words])
    except ValueError as error:
        raise InvalidInput(f"{where}: {error}") from None
    if not np.isfinite(values).all():
        raise InvalidInput(f"{where}: holds a number that is not finite")
    return values


def text_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number and words of each line that is neither empty nor a comment. Raises `InvalidInput`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: cannot be read as text ({error})") from None
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line.split()


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
