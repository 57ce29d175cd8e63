"""Reader of single frames in the JSON layout of MMDetection3D's info files, as nuScenes and KITTI samples come in it.

nuScenes: `bbox_3d` is x y z of the centre, length, width, height, yaw in the LiDAR frame; the ego frame is the file's
(`lidar2ego`). KITTI: x y z of the middle of the bottom, length, height, width, rotation_y in the rectified camera
frame; the ego frame is the LiDAR's.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from perception.core.cameras import CameraModel
from perception.core.errors import InvalidInput
from perception.core.files import inside
from perception.core.geometry import inverse, transform
from perception.io.datasets.boxes3d import UNKNOWN, Box3d, boxes_in, heading
from perception.io.datasets.fields import field, numbers, rigid
from perception.io.datasets.frames import Dataset, DatasetFrame, ScanFile, View, attempt
from perception.io.datasets.kitti_labels import camera_box
from perception.io.datasets.masks import Labelled, objects_of
from perception.io.datasets.names import class_of
from perception.io.datasets.pictures import image_size
from perception.io.recording import Losses

KITTI_NAMES = ("Pedestrian", "Cyclist", "Car")
KITTI_CAMERA = "CAM2"
US_PER_S, NS_PER_US = 1_000_000, 1000
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
    names |= {number: name for name, number in info.get("categories", {}).items() if isinstance(number, int)}
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

    def load_nuscenes(self, record: dict[str, Any]) -> DatasetFrame:
        """One key frame with its cameras, boxes and scan."""
        token = str(record.get("token", record.get("sample_idx")))
        where = f"{self.where}: {token}"
        lidar, T_world_ego = field(record, "lidar_points", dict, where), rigid(record.get("ego2global"), where)
        T_ego_lidar = rigid(lidar.get("lidar2ego"), f"{where}: lidar2ego")
        images = field(record, "images", dict, where)
        views = [
            attempt(self.losses, partial(self._view, record, camera, T_ego_lidar, T_world_ego)) for camera in images
        ]
        found = [
            attempt(self.losses, partial(self._lidar_box, item, number, where))
            for number, item in enumerate(record.get("instances", []), start=1)
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

    def load_kitti(self, record: dict[str, Any]) -> DatasetFrame:
        """One frame of the left colour camera with its boxes and scan."""
        name = str(record.get("sample_idx", record.get("sample_id")))
        where = f"{self.where}: {name}"
        images, lidar = field(record, "images", dict, where), field(record, "lidar_points", dict, where)
        camera = field(images, KITTI_CAMERA, dict, where)
        R_rect = rigid(images.get("R0_rect"), f"{where}: R0_rect")
        T_rect_lidar = R_rect @ rigid(lidar.get("Tr_velo_to_cam"), f"{where}: Tr_velo_to_cam")
        file = inside(self.root, field(camera, "img_path", str, where))
        P = numbers(camera.get("cam2img"), (4, 4), f"{where}: cam2img")
        K, shift = P[:3, :3], np.linalg.solve(P[:3, :3], P[:3, 3])
        T_camera_lidar = transform(np.eye(3), shift) @ T_rect_lidar
        model = CameraModel(*_size(camera, file), K)
        items = list(enumerate(field(record, "instances", list, where), start=1))
        found = [attempt(self.losses, partial(self._camera_box, item, number, where)) for number, item in items]
        flat = [attempt(self.losses, partial(self._flat, item, number, where)) for number, item in items]
        objects, category_ids = objects_of([item for item in flat if item is not None], None)
        size = (model.width, model.height)
        view = View("image_2", file, None, model, inverse(T_camera_lidar), None, objects, category_ids, size=size)
        boxes = boxes_in(inverse(T_rect_lidar), [box for box in found if box is not None])
        return DatasetFrame(name, (view,), boxes=boxes, scan=self._scan(lidar, np.eye(4), where), is_start=True)

    def _view(self, record: dict[str, Any], camera: str, T_ego_lidar: np.ndarray, T_world_ego: np.ndarray) -> View:
        """A camera. Its own ego pose follows from `lidar2cam`, which holds the motion between the two stamps."""
        entry, where = record["images"][camera], f"{self.where}: {camera}"
        file = inside(self.root, field(entry, "img_path", str, where))
        T_ego_camera = rigid(entry.get("cam2ego"), f"{where}: cam2ego")
        T_camera_lidar = rigid(entry.get("lidar2cam"), f"{where}: lidar2cam")
        T_world_camera = T_world_ego @ T_ego_lidar @ inverse(T_camera_lidar)
        K = numbers(entry.get("cam2img"), (3, 3), f"{where}: cam2img")
        return View(
            camera,
            file,
            _stamp_ns(entry, where),
            CameraModel(*_size(entry, file), K),
            T_ego_camera,
            T_world_camera @ inverse(T_ego_camera),
        )

    def _lidar_box(self, item: Any, number: int, where: str) -> Box3d:
        where = f"{where}: instance {number}"
        x, y, z, length, width, height, yaw = numbers(field(item, "bbox_3d", list, where), (7,), f"{where}: bbox_3d")
        velocity = item.get("velocity")
        is_known = isinstance(velocity, list) and len(velocity) == 2 and all(isinstance(v, float) for v in velocity)
        return Box3d(
            class_of(self.names.get(item.get("bbox_label_3d"), "")),
            number,
            np.array([x, y, z]),
            np.array([length, width, height]),
            heading(yaw),
            np.array([*velocity, 0.0]) if is_known else np.full(3, np.nan),
            item.get("num_lidar_pts", UNKNOWN),
        )

    def _camera_box(self, item: Any, number: int, where: str) -> Box3d | None:
        where = f"{where}: instance {number}"
        values = numbers(field(item, "bbox_3d", list, where), (7,), f"{where}: bbox_3d")
        if item.get("bbox_label_3d") == IGNORED:
            return None
        x, y, z, length, height, width, rotation_y = values
        kind, count = class_of(self.names.get(item.get("bbox_label_3d"), "")), item.get("num_lidar_pts", UNKNOWN)
        return camera_box(kind, number, np.array([x, y, z]), np.array([length, width, height]), rotation_y, count)

    def _flat(self, item: Any, number: int, where: str) -> Labelled:
        where, label = f"{where}: instance {number}", item.get("bbox_label", IGNORED)
        box = numbers(field(item, "bbox", list, where), (4,), f"{where}: bbox")
        return Labelled(label, class_of(self.names.get(label, "")), number, box, is_ignored=label == IGNORED)

    def _scan(self, lidar: dict[str, Any], T_ego_lidar: np.ndarray, where: str) -> ScanFile:
        file = inside(self.root, field(lidar, "lidar_path", str, where))
        return ScanFile(file, T_ego_lidar, field(lidar, "num_pts_feats", int, where))


def _stamp_ns(entry: dict[str, Any], where: str) -> int:
    """Nanoseconds of a time in seconds that is known to the microsecond."""
    return round(field(entry, "timestamp", float, where) * US_PER_S) * NS_PER_US


def _size(entry: dict[str, Any], file: Path) -> tuple[int, int]:
    width, height = entry.get("width"), entry.get("height")
    if isinstance(width, int) and isinstance(height, int):
        return width, height
    if not file.is_file():
        raise InvalidInput(f"{file}: is missing, and its size is not in the info file; copy the images beside it")
    return image_size(file)
