"""Readers of KITTI's images with scans and boxes: the object benchmark, drives of the raw data, packed drives beside
this project, and sequences of the odometry benchmark. The ego frame is the Velodyne's (x ahead, y left, z up).

Trajectories and scans alone are read by `perception.io.kitti`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from perception.core.cameras import CameraModel
from perception.core.errors import InvalidInput
from perception.core.geometry import inverse
from perception.core.labels import BoxLabels3d
from perception.io.datasets.boxes3d import Box3d, boxes_in
from perception.io.datasets.frames import Dataset, DatasetFrame, ScanFile, View, attempt
from perception.io.datasets.kitti_labels import (
    CATEGORIES,
    OTHER,
    KittiCalibration,
    KittiObject,
    box_of,
    read_calibration,
    read_labels,
)
from perception.io.datasets.kitti_tracklets import read_tracklets
from perception.io.datasets.masks import Labelled, objects_of
from perception.io.datasets.names import class_of
from perception.io.datasets.pictures import image_size
from perception.io.kitti import read_dates
from perception.io.recording import Losses
from perception.io.trajectories import kitti_poses, read_times

IMAGES = (".png", ".jpg")
SCANS = (".bin", ".npz")
LEFT_COLOR = 2
KITTI_COLUMNS = 4
FULL_SIZE = (1242, 375)  # px, what the calibration of a packed drive belongs to
CATEGORY_IDS = {name: number for number, name in CATEGORIES.items()}
EGO = "the ego frame is that of the Velodyne"
Boxes = dict[int, list[Box3d]]  # by frame, in the Velodyne frame


@dataclass(frozen=True, slots=True, eq=False)
class Drive:
    """Where the files of one folder are; frames go by the numbers in the names of the images."""

    images: dict[int, dict[str, Path]]  # number -> camera folder -> file
    scans: dict[int, Path]
    calibration: Callable[[int], KittiCalibration]
    stamps_ns: np.ndarray | None = None  # (N,) int64
    poses: np.ndarray | None = None  # (N, 4, 4) float64, T_world_ego
    labels: Callable[[int], list[KittiObject]] | None = None
    boxes: Boxes | None = None
    full_size: tuple[int, int] | None = None  # px, of the images that the calibration belongs to; None: of these
    losses: Losses = field(default_factory=Losses)


def open_kitti_object(path: Path) -> Dataset:
    """A folder such as `training` with image_2, calib and, where there, label_2 and velodyne."""
    labels = path / "label_2"

    def read(number: int) -> list[KittiObject]:
        return read_labels(labels / f"{number:06d}.txt")

    drive = Drive(
        _images(path, ""),
        _numbered(path / "velodyne", SCANS),
        lambda number: read_calibration(path / "calib" / f"{number:06d}.txt"),
        labels=read if labels.is_dir() else None,
    )
    return _dataset(path, "KITTI object", drive, is_video=False)


def open_kitti_raw(path: Path) -> Dataset:
    """A drive of the raw data with image_0X/data; boxes where `tracklet_labels.xml` is there.

    The calibration lies in the folder above (`calib_cam_to_cam.txt`, `calib_velo_to_cam.txt`).
    """
    calibration = _raw_calibration(path.parent)
    dates = next((file for file in sorted(path.glob("image_0*/timestamps.txt"))), None)
    tracklets = path / "tracklet_labels.xml"
    drive = Drive(
        _images(path, "data"),
        _numbered(path / "velodyne_points" / "data", SCANS),
        lambda number: calibration,
        None if dates is None else read_dates(dates),
        boxes=read_tracklets(tracklets) if tracklets.is_file() else None,
    )
    return _dataset(path, "KITTI raw drive", drive)


def open_kitti_packed(path: Path) -> Dataset:
    """A folder with image_02, scans and calib.txt; labels of the tracking benchmark where labels_tracking.txt is."""
    calibration, times = read_calibration(path / "calib.txt"), path / "times.txt"
    labels, poses = path / "labels_tracking.txt", path / "poses_ins.txt"
    by_frame: dict[int, list[KittiObject]] = {}
    for item in read_labels(labels) if labels.is_file() else []:
        by_frame.setdefault(item.frame, []).append(item)
    drive = Drive(
        _images(path, ""),
        _numbered(path / "scans", SCANS),
        lambda number: calibration,
        read_times(times) if times.is_file() else None,
        kitti_poses(poses) if poses.is_file() else None,
        (lambda number: by_frame.get(number, [])) if labels.is_file() else None,
        full_size=FULL_SIZE,
    )
    return _dataset(path, "KITTI raw drive, packed", drive)


def open_kitti_sequence(path: Path) -> Dataset:
    """A sequence of the odometry benchmark with images; poses of ../../poses/NN.txt where they are."""
    calibration, file = read_calibration(path / "calib.txt"), path.parent.parent / "poses" / f"{path.name}.txt"
    poses = None
    if file.is_file():  # of the left grey camera
        poses = inverse(calibration.T_rect_lidar) @ kitti_poses(file) @ calibration.T_rect_lidar
    scans, times = _numbered(path / "velodyne", SCANS), read_times(path / "times.txt")
    drive = Drive(_images(path, ""), scans, lambda number: calibration, times, poses)
    return _dataset(path, "KITTI odometry sequence", drive)


def _dataset(path: Path, kind: str, drive: Drive, is_video: bool = True) -> Dataset:
    numbers = sorted(drive.images.keys() | drive.scans.keys())
    if not drive.images:
        raise InvalidInput(
            f"{path}: holds no images; a folder of scans alone is a recording: `perception play` reads it"
        )
    load = partial(_load, drive, numbers[0], is_video)
    return Dataset(path, kind, numbers, load, CATEGORIES if drive.labels else {}, (EGO,), drive.losses)


def _load(drive: Drive, first: int, is_video: bool, number: int) -> DatasetFrame:
    moment = _moment(drive, number)
    cameras = drive.images.get(number, {}).items()
    views = [attempt(drive.losses, partial(_view, drive, moment, camera, file)) for camera, file in cameras]
    return DatasetFrame(
        f"{number:06d}",
        tuple(view for view in views if view is not None),
        moment.stamp_ns,
        moment.T_world_ego,
        _boxes(drive, number, moment),
        scan=ScanFile(drive.scans[number], np.eye(4), KITTI_COLUMNS) if number in drive.scans else None,
        is_start=number == first or not is_video,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Moment:
    """What all images of a frame share."""

    calibration: KittiCalibration | None
    labels: list[KittiObject] | None
    stamp_ns: int | None
    T_world_ego: np.ndarray | None


def _moment(drive: Drive, number: int) -> _Moment:
    stamps, poses = drive.stamps_ns, drive.poses
    return _Moment(
        attempt(drive.losses, partial(drive.calibration, number)),
        attempt(drive.losses, partial(drive.labels, number)) if drive.labels else None,
        int(stamps[number]) if stamps is not None and number < len(stamps) else None,
        poses[number] if poses is not None and number < len(poses) else None,
    )


def _view(drive: Drive, moment: _Moment, camera: str, file: Path) -> View:
    """An image with its calibration; 2D boxes belong to the left colour camera."""
    size, number = image_size(file), int(camera.rpartition("_")[2])
    scale = np.array(size) / (drive.full_size or size)
    model = T_ego_camera = objects = category_ids = None
    if moment.calibration is not None and number in moment.calibration.projections:
        K, T_camera_lidar = moment.calibration.camera(number)
        model, T_ego_camera = CameraModel(*size, _scaled(K, scale)), inverse(T_camera_lidar)
    if moment.labels is not None and number == LEFT_COLOR:
        found = [_labelled(item, row, scale) for row, item in enumerate(moment.labels, start=1)]
        objects, category_ids = objects_of(found, None)
    return View(
        camera, file, moment.stamp_ns, model, T_ego_camera, moment.T_world_ego, objects, category_ids, size=size
    )


def _scaled(K: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """K for an image of another size; pixel centres are at integers."""
    scaled = K.copy()
    scaled[:2, :2] *= scale[:, None]
    scaled[:2, 2] = (K[:2, 2] + 0.5) * scale - 0.5
    return scaled


def _labelled(item: KittiObject, row: int, scale: np.ndarray) -> Labelled:
    number = CATEGORY_IDS.get(item.name, CATEGORY_IDS[OTHER])
    box, instance = item.box * np.tile(scale, 2), _instance(item, row)
    return Labelled(number, class_of(item.name), instance, box, is_ignored=not item.is_care)


def _boxes(drive: Drive, number: int, moment: _Moment) -> BoxLabels3d | None:
    if drive.boxes is not None:
        return boxes_in(np.eye(4), drive.boxes.get(number, []))
    if moment.labels is None or moment.calibration is None:
        return None
    found = [box_of(item, _instance(item, row)) for row, item in enumerate(moment.labels, start=1) if item.is_care]
    return boxes_in(inverse(moment.calibration.T_rect_lidar), found)


def _instance(item: KittiObject, row: int) -> int:
    """Number of the track from 1; of the line where there are no tracks. DontCare regions come far behind."""
    if item.track >= 0:
        return item.track + 1
    return row if item.is_care else 1_000_000 + row


def _raw_calibration(folder: Path) -> KittiCalibration:
    """The files of a day of the raw data."""
    camera, lidar = folder / "calib_cam_to_cam.txt", folder / "calib_velo_to_cam.txt"
    missing = [file for file in (camera, lidar) if not file.is_file()]
    if missing:
        raise InvalidInput(f"{missing[0]}: is missing; unpack the calibration of the day beside the drive")
    return read_calibration(camera, lidar)


def _images(path: Path, inner: str) -> dict[int, dict[str, Path]]:
    """Files of every folder image_N, by the number in their names."""
    found: dict[int, dict[str, Path]] = {}
    for folder in sorted(path.glob("image_*")):
        if folder.name.rpartition("_")[2].isdecimal():
            for number, file in _numbered(folder / inner if inner else folder, IMAGES).items():
                found.setdefault(number, {})[folder.name] = file
    return found


def _numbered(folder: Path, suffixes: tuple[str, ...]) -> dict[int, Path]:
    if not folder.is_dir():
        return {}
    files = (file for file in folder.iterdir() if file.suffix.lower() in suffixes and file.stem.isdecimal())
    return {int(file.stem): file for file in sorted(files)}
