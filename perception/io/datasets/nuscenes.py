"""Reader of nuScenes: key frames with six cameras, LiDAR and boxes, and with occupancy where Occ3D or OpenOcc is there.

The ego frame of a key frame is that of its front camera's stamp, as `alocc.md` section 2 has it.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from perception.core.cameras import CameraModel
from perception.core.errors import InvalidInput
from perception.core.files import inside
from perception.core.geometry import inverse
from perception.core.labels import BoxLabels3d
from perception.core.stamps import NS_PER_S
from perception.io.datasets.boxes3d import Box3d, boxes_in
from perception.io.datasets.fields import field, numbers, pose, size_of
from perception.io.datasets.frames import Dataset, DatasetFrame, ScanFile, View, attempt
from perception.io.datasets.names import class_of
from perception.io.datasets.nuscenes_tables import Row, Tables, named, read_tables
from perception.io.datasets.occupancy_files import occupancy_paths, read_occupancy
from perception.io.recording import Losses

CAMERAS = ("CAM_FRONT_LEFT", "CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_BACK_LEFT", "CAM_BACK", "CAM_BACK_RIGHT")
FRONT, LIDAR = "CAM_FRONT", "LIDAR_TOP"
LIDAR_COLUMNS = 5  # x y z intensity ring
NS_PER_US = 1000
MAX_GAP_US = 1_500_000  # between neighbouring boxes that a velocity is taken from; twice that across both sides


def open_nuscenes(root: Path, version: Path) -> Dataset:
    """The key frames of the tables in the folder `version`, files below `root`. Raises `InvalidInput`."""
    losses = Losses()
    reader = _Reader(root, read_tables(version), losses)
    notes = (f"the ego frame is that of the stamp of {FRONT}",)
    return Dataset(root, f"nuScenes {version.name}", reader.tables.samples, reader.load, notes=notes, losses=losses)


@dataclass(frozen=True, slots=True, eq=False)
class _Reader:
    root: Path
    tables: Tables
    losses: Losses

    def load(self, sample: Row) -> DatasetFrame:
        """One key frame. A camera, box or occupancy that is damaged is counted and left out."""
        token = sample["token"]
        data = self.tables.data.get(token, {})
        reference = data.get(FRONT) or data.get(LIDAR)
        if reference is None:
            raise InvalidInput(f"{self.tables.folder}: sample {token} has neither {FRONT} nor {LIDAR}")
        T_world_ego = self._ego(reference)
        scene = field(self.tables.scenes[sample["scene_token"]], "name", str, f"{self.tables.folder}/scene.json")
        views = [attempt(self.losses, partial(self._view, name, data[name])) for name in CAMERAS if name in data]
        paths = occupancy_paths(self.root, scene, token)
        return DatasetFrame(
            f"{scene}/{token}",
            tuple(view for view in views if view is not None),
            sample["timestamp"] * NS_PER_US,
            T_world_ego,
            self._boxes(token, T_world_ego),
            attempt(self.losses, partial(read_occupancy, *paths)) if any(paths) else None,
            attempt(self.losses, partial(self._scan, data[LIDAR], T_world_ego)) if LIDAR in data else None,
            not sample.get("prev"),
        )

    def _view(self, name: str, row: Row) -> View:
        where = self._where("sample_data", row)
        calibration = self._calibration(row)
        K = numbers(field(calibration, "camera_intrinsic", list, where), (3, 3), f"{where}: camera_intrinsic")
        width, height = size_of(row, where)
        return View(
            name,
            inside(self.root, field(row, "filename", str, where)),
            field(row, "timestamp", int, where) * NS_PER_US,
            CameraModel(width, height, K),
            pose(calibration, where),
            self._ego(row),
            size=(width, height),
        )

    def _scan(self, row: Row, T_world_ego: np.ndarray) -> ScanFile:
        """The sweep, moved from the ego pose at its stamp to the key frame's."""
        where = self._where("sample_data", row)
        file = inside(self.root, field(row, "filename", str, where))
        T_ego_lidar = inverse(T_world_ego) @ self._ego(row) @ pose(self._calibration(row), where)
        return ScanFile(file, T_ego_lidar, LIDAR_COLUMNS)

    def _boxes(self, sample: str, T_world_ego: np.ndarray) -> BoxLabels3d:
        rows = self.tables.annotations.get(sample, [])
        found = [attempt(self.losses, partial(self._box, row)) for row in rows]
        return boxes_in(inverse(T_world_ego), [box for box in found if box is not None])

    def _box(self, row: Row) -> Box3d:
        """A box in the world."""
        where = self._where("sample_annotation", row)
        instance = field(row, "instance_token", str, where)
        if instance not in self.tables.categories:
            raise InvalidInput(f"{where}: instance_token {instance!r} is not in instance.json")
        T_world_box = pose(row, where)
        width, length, height = numbers(field(row, "size", list, where), (3,), f"{where}: size")
        return Box3d(
            class_of(self.tables.categories[instance]),
            self.tables.instance_ids[instance],
            T_world_box[:3, 3],
            np.array([length, width, height]),
            T_world_box[:3, 0],
            self._velocity(row),
            field(row, "num_lidar_pts", int, where),
        )

    def _velocity(self, row: Row) -> np.ndarray:
        """Difference of the boxes before and after; one-sided at the ends of a track, NaN across long gaps."""
        rows = self.tables.annotation_by_token
        before, after = rows.get(named(row, "prev"), row), rows.get(named(row, "next"), row)
        num_steps = (before is not row) + (after is not row)
        times = [self.tables.times_us.get(named(other, "sample_token"), 0) for other in (before, after)]
        gap_us = times[1] - times[0]
        if num_steps == 0 or not 0 < gap_us <= num_steps * MAX_GAP_US:
            return np.full(3, np.nan)
        start, end = (numbers(other.get("translation"), (3,), "translation") for other in (before, after))
        return (end - start) / (gap_us * NS_PER_US / NS_PER_S)

    def _ego(self, row: Row) -> np.ndarray:
        record = self.tables.row("ego_pose", self.tables.poses, named(row, "ego_pose_token"))
        return pose(record, self._where("ego_pose", record))

    def _calibration(self, row: Row) -> Row:
        return self.tables.row("calibrated_sensor", self.tables.calibrations, named(row, "calibrated_sensor_token"))

    def _where(self, table: str, row: Row) -> str:
        return f"{self.tables.folder / table}.json: {row.get('token')}"
