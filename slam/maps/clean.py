"""Removal of what moved: a place is cleared where the rays of enough other keyframes pass through it.

Space is looked at tile by tile, so that memory does not grow with the map. A scan clears nothing in or beside a voxel
in which it has points itself, nor along the last part of its rays: walls seen at a flat angle stay.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from perception.core.geometry import apply
from perception.kernels.carving import carve, region_of, rows_of
from slam.maps.config import CleanConfig
from slam.maps.folder import MapFolder, whole_map
from slam.maps.keyframe import Keyframe


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What a run removed."""

    num_points: int
    num_removed: int


def moving_points(
    folder: MapFolder,
    config: CleanConfig | None = None,
    on_tile: Callable[[int, int], None] = lambda done, total: None,
) -> dict[int, np.ndarray]:
    """For each keyframe a mask (N,) of its points that moved. Raises `MapError`."""
    config = config or folder.config.clean
    ids, poses = folder.poses()
    moved = {int(i): np.zeros(folder.keyframes[int(i)].num_points, dtype=bool) for i in ids}
    boxes = list(_tiles(poses, config))
    for done, box in enumerate(boxes):
        _clean_tile(folder, ids, poses, box, config, moved)
        on_tile(done + 1, len(boxes))
    return moved


def cleaned_keyframes(folder: MapFolder, moved: dict[int, np.ndarray]) -> Iterator[Keyframe]:
    """The keyframes of a map without those points."""
    for number in sorted(folder.keyframes):
        keyframe = folder.load(number)
        yield replace(keyframe, points=keyframe.points[~moved[number]])


def write_cleaned(folder: MapFolder, moved: dict[int, np.ndarray], out: Path) -> Cleaned:
    """The map `out`: as `folder`, without those points. Raises `MapError`."""
    with whole_map(out, folder.config_yaml, folder.card.name, folder.config) as target:
        for keyframe in cleaned_keyframes(folder, moved):
            target.add_keyframe(keyframe)
        for entry in folder.entries():
            target.add_factor(entry)
        if folder.judged_until >= 0:
            target.add_judged(folder.judged_until)
        target.save_poses(*folder.poses())
    return Cleaned(sum(map(len, moved.values())), sum(int(mask.sum()) for mask in moved.values()))


def _tiles(poses: np.ndarray, config: CleanConfig) -> Iterator[np.ndarray]:
    """Boxes (2, 3) m that cover everything within reach of a keyframe, in the plane."""
    if len(poses) == 0:
        return
    size = np.floor(2.0 * config.radius / config.voxel_size) * config.voxel_size
    cells = np.floor(poses[:, :2, 3] / size).astype(np.int64)
    reach = int(np.ceil(config.max_range / size))
    around = np.arange(-reach, reach + 1)
    offsets = np.stack(np.meshgrid(around, around), axis=-1).reshape(-1, 2)
    height = poses[:, 2, 3]
    low, high = height.min() - config.max_range, height.max() + config.max_range
    for column, row in np.unique((cells[:, None] + offsets).reshape(-1, 2), axis=0):
        yield np.array([[column * size, row * size, low], [(column + 1) * size, (row + 1) * size, high]])


def _clean_tile(
    folder: MapFolder,
    ids: np.ndarray,
    poses: np.ndarray,
    box: np.ndarray,
    config: CleanConfig,
    moved: dict[int, np.ndarray],
) -> None:
    near = _near(poses, box, config)
    inside = []  # points of each keyframe, from the corner of the tile, as float32: exact far from the origin, too
    for row in near:
        points, _ = _local(folder.load(int(ids[row])), poses[row], box[0])
        inside.append(points[((points >= 0.0) & (points < box[1] - box[0])).all(axis=1)])
    if not sum(map(len, inside)):
        return
    local_box = box - box[0]
    region = region_of(np.concatenate(inside), local_box, config.voxel_size)
    for scan, row in enumerate(near):
        points, origin = _local(folder.load(int(ids[row])), poses[row], box[0])
        carve(region, scan, origin, points, config.margin, config.max_range)
    is_clear = (region.passes >= config.min_passes) & (region.passes > config.passes_per_hit * region.hits)
    for row in near:
        points, _ = _local(folder.load(int(ids[row])), poses[row], box[0])
        found = rows_of(region, points)
        moved[int(ids[row])] |= (found >= 0) & is_clear[np.maximum(found, 0)]


def _near(poses: np.ndarray, box: np.ndarray, config: CleanConfig) -> np.ndarray:
    """Rows of the keyframes that reach a tile, the nearest ones where they are too many, ascending."""
    places = poses[:, :2, 3]
    gap = np.linalg.norm(places - np.clip(places, box[0, :2], box[1, :2]), axis=1)
    rows = np.flatnonzero(gap <= config.max_range)
    if len(rows) > config.max_keyframes:
        middle = np.linalg.norm(places[rows] - box[:, :2].mean(axis=0), axis=1)
        rows = np.sort(rows[np.argsort(middle, kind="stable")[: config.max_keyframes]])
    return rows


def _local(keyframe: Keyframe, T_map_base: np.ndarray, corner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (N, 3) float32 and sensor (3,) float64 from the corner of a tile."""
    T_map_lidar = T_map_base @ keyframe.T_base_lidar
    points = apply(T_map_lidar, keyframe.points.astype(np.float64)) - corner
    return points.astype(np.float32), T_map_lidar[:3, 3] - corner
