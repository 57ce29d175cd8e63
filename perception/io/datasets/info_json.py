"""Reader of single frames in the JSON layout of MMDetection3D's info files, as nuScenes and KITTI samples come in it.

nuScenes: `bbox_3d` is x y z of the centre, length, width, height, yaw in the LiDAR frame; the ego frame is the file's
(`lidar2ego`). KITTI: x y z of the middle of the bottom, length, height, width, rotation_y in the rectified camera
frame; the ego frame is the LiDAR's.
"""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from perception.core.cameras import CameraModel
from perception.core.classes import Class
from perception.core.errors import InvalidInput
from perception.core.files import inside
from perception.core.geometry import inverse
from perception.io.cloud_layout import MAX_POINTS
from perception.io.datasets.boxes3d import UNKNOWN, Box3d, boxes_in, heading
from perception.io.datasets.fields import field, numbers, optional, rigid, size_of
from perception.io.datasets.frames import Dataset, DatasetFrame, ScanFile, View, attempt
from perception.io.datasets.kitti_labels import camera_box, split_projection
from perception.io.datasets.masks import Labelled, objects_of
from perception.io.datasets.names import class_of
from perception.io.datasets.pictures import image_size
from perception.io.recording import Losses

KITTI_NAMES = ("Pedestrian", "Cyclist", "Car")
KITTI_CAMERA = "CAM2"
US_PER_S, NS_PER_US = 1_000_000, 1000
MAX_SECONDS = 9e9  # fits 64 bit nanoseconds
MAX_COLUMNS = 64  # of a point
IGNORED = -1  # label of what no class is given to


def open_info(path: Path, content: dict[str, Any]) -> Dataset:
    """The frames of a file: `data_list`, or one `sample`. Raises `InvalidInput` where neither is there."""
    where = str(path)
    info = field(content, "metainfo", dict, where)
    if "data_list" in content:
        frames = field(content, "data_list", list, where)
    else:
        frames = [field(content, "sample", dict, where)]
    is_kitti = info.get("DATASET", info.get("dataset")) in ("KITTI", "kitti")
    names = dict(enumerate(KITTI_NAMES)) if is_kitti else {}
    stated = optional(info, "categories", dict, where) or {}
    names |= {number: name for name, number in stated.items() if isinstance(number, int)}
    losses = Losses()
    reader = _Reader(where, path.parent, names, losses)
    load, kind = (reader.load_kitti, "KITTI") if is_kitti else (reader.load_nuscenes, "nuScenes")
    return Dataset(path, f"{kind} info file", frames, load, names, losses=losses)


@dataclass(frozen=True, slots=True)
class _Reader:
    where: str
    root: Path
    names: dict[int, str]
    losses: Losses

    def load_nuscenes(self, record: Any) -> DatasetFrame:
        """One key frame with its cameras, boxes and scan."""
        token = _token(record, self.where, "token")
        where = f"{self.where}: {token}"
        T_world_ego = rigid(field(record, "ego2global", list, where), f"{where}: ego2global")
        lidar, images = field(record, "lidar_points", dict, where), field(record, "images", dict, where)
        T_ego_lidar = rigid(field(lidar, "lidar2ego", list, where), f"{where}: lidar2ego")
        T_world_lidar = T_world_ego @ T_ego_lidar
        views = [attempt(self.losses, partial(self._view, images, camera, T_world_lidar, where)) for camera in images]
        items = optional(record, "instances", list, where) or []
        found = [
            attempt(self.losses, partial(self._lidar_box, item, number, where)) for number, item in enumerate(items, 1)
        ]
        return DatasetFrame(
            token,
            tuple(view for view in views if view is not None),
            _stamp_ns(record, where),
            T_world_ego,
            boxes_in(T_ego_lidar, [box for box in found if box is not None]),
            scan=self._scan(lidar, T_ego_lidar, where),
            is_start=True,
        )

    def load_kitti(self, record: Any) -> DatasetFrame:
        """One frame of the left colour camera with its boxes and scan."""
        name = _token(record, self.where, "sample_id")
        where = f"{self.where}: {name}"
        images, lidar = field(record, "images", dict, where), field(record, "lidar_points", dict, where)
        R_rect = rigid(field(images, "R0_rect", list, where), f"{where}: R0_rect")
        T_rect_lidar = R_rect @ rigid(field(lidar, "Tr_velo_to_cam", list, where), f"{where}: Tr_velo_to_cam")
        items = list(enumerate(field(record, "instances", list, where), start=1))
        found = [attempt(self.losses, partial(self._camera_box, item, number, where)) for number, item in items]
        flat = [attempt(self.losses, partial(self._flat, item, number, where)) for number, item in items]
        objects, category_ids = objects_of([item for item in flat if item is not None], None)
        view = self._kitti_view(field(images, KITTI_CAMERA, dict, where), T_rect_lidar, where)
        boxes = boxes_in(inverse(T_rect_lidar), [box for box in found if box is not None])
        view = replace(view, objects=objects, category_ids=category_ids)
        return DatasetFrame(name, (view,), boxes=boxes, scan=self._scan(lidar, np.eye(4), where), is_start=True)

    def _view(self, images: dict[str, Any], camera: str, T_world_lidar: np.ndarray, where: str) -> View:
        """A camera. Its own ego pose follows from `lidar2cam`, which holds the motion between the two stamps."""
        entry, where = field(images, camera, dict, where), f"{where}: {camera}"
        file = inside(self.root, field(entry, "img_path", str, where))
        T_ego_camera = rigid(field(entry, "cam2ego", list, where), f"{where}: cam2ego")
        T_camera_lidar = rigid(field(entry, "lidar2cam", list, where), f"{where}: lidar2cam")
        K = numbers(field(entry, "cam2img", list, where), (3, 3), f"{where}: cam2img")
        T_world_ego = T_world_lidar @ inverse(T_camera_lidar) @ inverse(T_ego_camera)
        model = CameraModel(*_size(entry, file, where), K)
        return View(camera, file, _stamp_ns(entry, where), model, T_ego_camera, T_world_ego)

    def _kitti_view(self, camera: dict[str, Any], T_rect_lidar: np.ndarray, where: str) -> View:
        file = inside(self.root, field(camera, "img_path", str, where))
        K, T_camera_rect = split_projection(numbers(camera.get("cam2img"), (4, 4), f"{where}: cam2img")[:3], where)
        size = _size(camera, file, where)
        return View("image_2", file, None, CameraModel(*size, K), inverse(T_camera_rect @ T_rect_lidar), size=size)

    def _lidar_box(self, item: Any, number: int, where: str) -> Box3d:
        where = f"{where}: instance {number}"
        x, y, z, length, width, height, yaw = numbers(field(item, "bbox_3d", list, where), (7,), f"{where}: bbox_3d")
        velocity = np.full(3, np.nan)
        if item.get("velocity") not in (None, [None, None]):
            velocity = np.append(numbers(item["velocity"], (2,), f"{where}: velocity"), 0.0)
        kind, count = self._kind(field(item, "bbox_label_3d", int, where)), _num_points(item, where)
        centre, size = np.array([x, y, z]), np.array([length, width, height])
        return Box3d(kind, number, centre, size, heading(yaw), velocity, count)

    def _camera_box(self, item: Any, number: int, where: str) -> Box3d | None:
        """A box in the rectified camera frame; None for what has no class."""
        where = f"{where}: instance {number}"
        values = numbers(field(item, "bbox_3d", list, where), (7,), f"{where}: bbox_3d")
        label = field(item, "bbox_label_3d", int, where)
        if label == IGNORED:
            return None
        x, y, z, length, height, width, rotation_y = values
        bottom, size = np.array([x, y, z]), np.array([length, width, height])
        return camera_box(self._kind(label), number, bottom, size, rotation_y, _num_points(item, where))

    def _flat(self, item: Any, number: int, where: str) -> Labelled:
        where = f"{where}: instance {number}"
        label = field(item, "bbox_label", int, where)
        box = numbers(field(item, "bbox", list, where), (4,), f"{where}: bbox")
        return Labelled(label, self._kind(label), number, box, is_ignored=label == IGNORED)

    def _kind(self, label: int) -> Class:
        return class_of(self.names.get(label, ""))

    def _scan(self, lidar: dict[str, Any], T_ego_lidar: np.ndarray, where: str) -> ScanFile:
        file, count = field(lidar, "lidar_path", str, where), field(lidar, "num_pts_feats", int, where)
        if not 3 <= count <= MAX_COLUMNS:
            raise InvalidInput(f"{where}: num_pts_feats: expected 3 to {MAX_COLUMNS}, got {count}")
        return ScanFile(inside(self.root, file), T_ego_lidar, count)


def _token(record: Any, where: str, name: str) -> str:
    """What a frame is called."""
    if not isinstance(record, dict):
        raise InvalidInput(f"{where}: expected a frame, got {type(record).__name__}")
    return str(record.get(name, record.get("sample_idx")))


def _stamp_ns(entry: dict[str, Any], where: str) -> int:
    """Nanoseconds of a time in seconds that is known to the microsecond."""
    seconds = field(entry, "timestamp", float, where)
    if not 0.0 <= seconds < MAX_SECONDS:
        raise InvalidInput(f"{where}: timestamp: expected seconds since 1970, got {seconds:g}")
    return round(seconds * US_PER_S) * NS_PER_US


def _num_points(item: dict[str, Any], where: str) -> int:
    count = optional(item, "num_lidar_pts", int, where)
    return UNKNOWN if count is None else max(UNKNOWN, min(count, MAX_POINTS))


def _size(entry: dict[str, Any], file: Path, where: str) -> tuple[int, int]:
    if "width" in entry and "height" in entry:
        return size_of(entry, where)
    return image_size(file)
