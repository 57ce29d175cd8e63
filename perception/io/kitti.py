"""KITTI: drives of the raw data, sequences of the odometry benchmark, and the packed drives beside this project.

Sources: A. Geiger, P. Lenz, C. Stiller, R. Urtasun, "Vision meets Robotics: The KITTI Dataset", IJRR 2013; the formats
as its development kits describe them.
"""

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.geometry import exp_so3, inverse, transform
from perception.core.stamps import NS_PER_S
from perception.core.trajectory import Trajectory
from perception.io.cloud_time import DEFAULT_SWEEP_NS, PointTime
from perception.io.config import InputConfig
from perception.io.folders import FolderRecording, ScanFiles, matched, scan_files
from perception.io.pointcloud import CloudFormat
from perception.io.trajectories import kitti_poses, read_times

if TYPE_CHECKING:
    from perception.io.datasets.frames import Dataset

EARTH_RADIUS = 6378137.0  # m, as in the development kit
FRAME = "velodyne"
MIDDLE = 0.5  # of the turn: the instant KITTI's times and poses belong to
NO_IMU = "the GPS/INS (oxts) is a reference only: its 10 Hz are no IMU"
FROM_AZIMUTH = "the time of a point is computed from its azimuth (clockwise turn from the back)"
COMPENSATED = "the scans of the odometry benchmark are already motion compensated: they are not de-skewed"


def is_raw_drive(path: Path) -> bool:
    """A drive of the raw data, e.g. 2011_09_26_drive_0005_sync."""
    return (path / "velodyne_points" / "data").is_dir()


def is_odometry_sequence(path: Path) -> bool:
    """A sequence of the odometry benchmark, e.g. sequences/00."""
    return (path / "velodyne").is_dir() and (path / "times.txt").is_file()


def is_packed_drive(path: Path) -> bool:
    """A folder scans/ with times.txt and the poses of the GPS/INS."""
    return (path / "scans").is_dir() and (path / "times.txt").is_file() and (path / "poses_ins.txt").is_file()


def open_packed_drive(path: Path, config: InputConfig) -> FolderRecording:
    """The layout `kitti_raw_*`: times and poses of the Velodyne at mid-turn, not motion compensated."""
    files, times = scan_files(path / "scans"), read_times(path / "times.txt")
    matched(path / "scans", files, times, path / "times.txt")
    reference = _trajectory(path / "poses_ins.txt", kitti_poses(path / "poses_ins.txt"), times)
    scans = ScanFiles(
        "KITTI raw drive, packed", files, times, turning(config), FRAME, reference, MIDDLE, (FROM_AZIMUTH, NO_IMU),
        images=_images(path),
    )  # fmt: skip
    return FolderRecording(path, scans, config)


def open_raw_drive(path: Path, config: InputConfig) -> FolderRecording:
    """A drive of the raw data. Scans that are missing in the middle (drive 0009 has some) are named as lost."""
    folder = path / "velodyne_points"
    files, times = scan_files(folder / "data"), read_dates(folder / "timestamps.txt")
    rows = [_row(file, len(times)) for file in files]
    missing = len(times) - len(files)
    lost = (f"{missing} of {len(times)} scans are missing in {folder / 'data'}",) if missing else ()
    reference, notes = _oxts_reference(path)
    scans = ScanFiles(
        "KITTI raw drive", files, times[rows], turning(config, _turn_ns(folder)), FRAME, reference, MIDDLE,
        (FROM_AZIMUTH, NO_IMU, *notes), lost, _images(path),
    )  # fmt: skip
    return FolderRecording(path, scans, config)


def open_odometry_sequence(path: Path, config: InputConfig) -> FolderRecording:
    """A sequence of the odometry benchmark, with the poses of ../../poses/NN.txt where they are."""
    files, times = scan_files(path / "velodyne"), read_times(path / "times.txt")
    rows = [_row(file, len(times)) for file in files]
    poses, reference = path.parent.parent / "poses" / f"{path.name}.txt", None
    if poses.is_file():
        T_cam_velo = _calibration(path / "calib.txt")
        reference = _trajectory(poses, inverse(T_cam_velo) @ kitti_poses(poses) @ T_cam_velo, times)
    asked = config.time_field == "azimuth"
    format = turning(config) if asked else CloudFormat(None, PointTime("none"), 0, "middle")
    notes = (FROM_AZIMUTH if asked else COMPENSATED,)
    scans = ScanFiles(
        "KITTI odometry sequence", files, times[rows], format, FRAME, reference, MIDDLE, notes, images=_images(path)
    )
    return FolderRecording(path, scans, config)


def _images(path: Path) -> "Callable[[], Dataset] | None":
    """What opens the images beside the scans; None where there are none."""
    if not any(path.glob("image_*")):
        return None

    def open_images() -> "Dataset":
        from perception.io.datasets import kitti_frames

        if is_raw_drive(path):
            return kitti_frames.open_kitti_raw(path)
        return kitti_frames.open_kitti_packed(path) if is_packed_drive(path) else kitti_frames.open_kitti_sequence(path)

    return open_images


def turning(config: InputConfig, sweep_ns: int = DEFAULT_SWEEP_NS) -> CloudFormat:
    """Scans stamped at mid-turn, whose points get their time from the azimuth, or none when that is asked for."""
    time = PointTime("none" if config.time_field == "none" else "azimuth")
    return CloudFormat(None, time, sweep_ns, "middle")


def read_dates(path: Path) -> np.ndarray:
    """Stamps (N,) int64 ns from lines such as `2011-09-26 13:02:25.594360375`, taken as UTC. Raises `InvalidInput`."""
    stamps = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        date, _, fraction = line.strip().partition(".")
        if not date:
            continue
        if (not fraction.isdecimal() and fraction) or len(fraction) > 9:
            raise InvalidInput(f"{path}:{number}: expected a date with up to nine decimals, got {line!r}")
        stamps.append(_seconds(path, number, date) * NS_PER_S + int(fraction.ljust(9, "0")))
    return np.array(stamps, dtype=np.int64)


def oxts_poses(path: Path) -> np.ndarray:
    """Poses (N, 4, 4) of the GPS/INS relative to the first, from the files of an oxts folder, in order.

    Mercator projection at the latitude of the first, rotation Rz(yaw) Ry(pitch) Rx(roll), as in the development kit.
    """
    files = sorted((path / "data").glob("*.txt"))
    rows = np.array([_oxts_row(file) for file in files]).reshape(-1, 6)
    if len(rows) == 0:
        raise InvalidInput(f"{path}: holds no sample in data/*.txt")
    scale = np.cos(np.radians(rows[0, 0]))
    poses = np.stack([_oxts_pose(row, scale) for row in rows])
    return inverse(poses[0]) @ poses


def _oxts_pose(row: np.ndarray, scale: float) -> np.ndarray:
    latitude, longitude, altitude, roll, pitch, yaw = row
    x = scale * EARTH_RADIUS * np.radians(longitude)
    y = scale * EARTH_RADIUS * np.log(np.tan(np.radians(90.0 + latitude) / 2.0))
    axes = np.eye(3)
    R = exp_so3(yaw * axes[2]) @ exp_so3(pitch * axes[1]) @ exp_so3(roll * axes[0])
    return transform(R, np.array([x, y, altitude]))


def _oxts_row(file: Path) -> list[float]:
    words = _text(file).split()
    try:
        row = [float(word) for word in words[:6]]
    except ValueError:
        row = []
    if len(row) != 6 or not np.isfinite(row).all():
        raise InvalidInput(f"{file}: expected latitude, longitude, altitude, roll, pitch and yaw first")
    return row


def _oxts_reference(path: Path) -> tuple[Trajectory | None, tuple[str, ...]]:
    """Poses of the Velodyne from the GPS/INS of a drive; nothing where the calibration beside the drive is missing."""
    oxts, calibration = path / "oxts", path.parent / "calib_imu_to_velo.txt"
    if not (oxts / "data").is_dir():
        return None, ()
    if not calibration.is_file():
        return None, (f"no reference: {calibration} is missing, so the place of the GPS/INS is not known",)
    T_velo_imu = _calibration(calibration)
    poses = T_velo_imu @ oxts_poses(oxts) @ inverse(T_velo_imu)
    return _trajectory(oxts, poses, read_dates(oxts / "timestamps.txt")), ()


def _trajectory(source: Path, poses: np.ndarray, times: np.ndarray) -> Trajectory:
    if len(poses) != len(times):
        raise InvalidInput(f"{source}: expected {len(times)} poses, one for each time, got {len(poses)}")
    return Trajectory(times, np.ascontiguousarray(poses), body=FRAME, world=f"first {FRAME}")


def _calibration(path: Path) -> np.ndarray:
    """The transform in a calibration file: `R:` and `T:` of the raw data, or `Tr:` of the odometry benchmark."""
    found = {}
    for line in _text(path).splitlines():
        key, _, values = line.partition(":")
        if key in ("R", "T", "Tr", "Tr_velo_to_cam"):
            try:
                found[key] = np.array([float(word) for word in values.split()])
            except ValueError:
                raise InvalidInput(f"{path}: {key} holds a word that is no number") from None
    matrix = found.get("Tr", found.get("Tr_velo_to_cam"))
    if matrix is not None and matrix.size == 12:
        return transform(matrix.reshape(3, 4)[:, :3], matrix.reshape(3, 4)[:, 3])
    if "R" in found and "T" in found and found["R"].size == 9 and found["T"].size == 3:
        return transform(found["R"].reshape(3, 3), found["T"])
    raise InvalidInput(f"{path}: expected R (9 numbers) and T (3), or Tr (12)")


def _turn_ns(folder: Path) -> int:
    """Median time of a turn, from the times of its start and end where they are."""
    start, end = folder / "timestamps_start.txt", folder / "timestamps_end.txt"
    if not (start.is_file() and end.is_file()):
        return DEFAULT_SWEEP_NS
    starts, ends = read_dates(start), read_dates(end)
    if len(starts) != len(ends) or len(starts) == 0:
        raise InvalidInput(f"{end}: expected {len(starts)} times as in {start}, got {len(ends)}")
    return int(np.median(ends - starts))


def _row(file: Path, count: int) -> int:
    """The number in the name of a scan is its row in the list of times."""
    if not file.stem.isdecimal() or int(file.stem) >= count:
        raise InvalidInput(f"{file}: its name is no number below {count}, the number of times")
    return int(file.stem)


def _seconds(path: Path, number: int, date: str) -> int:
    try:
        return int(datetime.strptime(date, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc).timestamp())
    except ValueError:
        raise InvalidInput(f"{path}:{number}: expected a date such as 2011-09-26 13:02:25.594, got {date!r}") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: cannot be read as text ({error})") from None
