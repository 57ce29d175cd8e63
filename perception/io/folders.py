"""Folders with one file per scan and a time for each: the general reader, and the one for any folder of scans."""

import heapq
import logging
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from perception.core.errors import ConfigError, DataLoss, InvalidInput
from perception.core.frames import TransformBuffer
from perception.core.stamps import NS_PER_S
from perception.core.trajectory import Trajectory
from perception.core.types import ImageFrame, Scan
from perception.io.cloud_time import detect_time
from perception.io.columns import SUFFIXES, Columns, read_columns
from perception.io.config import InputConfig
from perception.io.extrinsics import sensor_rig
from perception.io.merging import read_ahead
from perception.io.pointcloud import CloudFormat, scan_from_columns
from perception.io.recording import LIDAR_STREAMS, Event, Losses, Summary
from perception.io.trajectories import parse_stamp, read_times

if TYPE_CHECKING:
    from perception.io.datasets.frames import Dataset

log = logging.getLogger(__name__)

TIMES_FILES = ("times.txt", "timestamps.txt", "stamps.txt")
MAX_WAITING = 4  # scans read ahead
PROBE_FILES = 3  # looked at to find the time of the points
DIGITS = {16: 1000, 19: 1}  # a file name of so many digits is a time in microseconds or nanoseconds
LIDAR_FRAME = "lidar"


@dataclass(frozen=True, slots=True, eq=False)
class ScanFiles:
    """Scans on disk, in the order of time, and how they are to be read."""

    kind: str  # for people
    files: list[Path]
    stamps_ns: np.ndarray  # (N,) int64
    format: CloudFormat
    frame_id: str = LIDAR_FRAME
    reference: Trajectory | None = None
    reference_fraction: float = 1.0
    notes: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()  # what should be there and is not
    images: "Callable[[], Dataset] | None" = None  # opens the images beside the scans, where there may be some


class FolderRecording:
    """See `perception.io.recording.Recording`. A folder has no IMU."""

    def __init__(self, path: Path, scans: ScanFiles, config: InputConfig) -> None:
        """Raises `InvalidInput` when an IMU is required."""
        if config.imu == "required":
            raise InvalidInput(f"input.imu is required, but a folder of scans has no IMU samples: {path}")
        self.path = path
        self.scans = scans
        self.rig, notes = sensor_rig(config, scans.frame_id, None, TransformBuffer())
        self.num_scans = len(scans.files)
        self._cameras = frozenset(config.camera_topics)
        self.duration = float(scans.stamps_ns[-1] - scans.stamps_ns[0]) / NS_PER_S
        self.reference, self.reference_fraction = scans.reference, scans.reference_fraction
        self.losses = Losses()
        self.summary = Summary(scans.kind, self._rows(), (*scans.notes, *notes))

    def events(self, streams: Collection[str] = LIDAR_STREAMS) -> Iterator[Event]:
        """Scans and images, read ahead in a thread. A file that cannot be read costs only itself."""
        self.losses.clear()
        try:
            yield from read_ahead(lambda: self._ordered(streams), MAX_WAITING)
        finally:
            if self.losses.counts:
                log.warning("%s: not used: %s", self.path, self.losses)
        if self.scans.lost:
            raise DataLoss(f"{self.path}: {'; '.join(self.scans.lost)}")

    def _ordered(self, streams: Collection[str]) -> Iterator[Scan | ImageFrame]:
        scans = self._scans() if "scan" in streams else ()
        images = self._images() if "image_raw" in streams else ()
        yield from heapq.merge(scans, images, key=_time_of)

    def _images(self) -> Iterator[ImageFrame]:
        """Every image of the chosen cameras that can be read and has a time."""
        from perception.io.datasets.frames import attempt

        images = attempt(self.losses, self.scans.images) if self.scans.images is not None else None
        if images is None:
            return
        self._check_cameras({folder.name for folder in self.path.glob("image_*")})
        for frame in images.frames():
            for view in frame.views:
                if view.stamp_ns is not None and (not self._cameras or view.camera in self._cameras):
                    image = attempt(self.losses, view.image)
                    if image is not None:
                        yield image
        for reason, count in images.losses.counts.items():
            self.losses.add(reason, count)

    def _check_cameras(self, known: set[str]) -> None:
        if not self._cameras <= known:
            wrong = ", ".join(sorted(self._cameras - known))
            raise ConfigError(f"input.camera_topics: {wrong} is none of {', '.join(sorted(known))} of {self.path}")

    def _scans(self) -> Iterator[Scan]:
        for file, stamp_ns in zip(self.scans.files, self.scans.stamps_ns):
            scan = self._scan(file, int(stamp_ns))
            if scan is not None:
                yield scan

    def _scan(self, file: Path, stamp_ns: int) -> Scan | None:
        try:
            columns = as_rows(read_columns(file))
            return scan_from_columns(columns, stamp_ns, self.scans.frame_id, self.scans.format)
        except InvalidInput as error:
            self.losses.add(str(error))
            return None

    def _rows(self) -> tuple[tuple[str, str], ...]:
        period = float(np.median(np.diff(self.scans.stamps_ns))) / NS_PER_S if self.num_scans > 1 else 0.0
        rate = f", {1.0 / period:.1f} Hz" if period > 0.0 else ""
        points = f"{self.num_scans} files{rate}, frame {self.scans.frame_id}, {self.scans.format}"
        reference = f"{len(self.reference)} poses" if self.reference else "none"
        return ("points", points), ("imu", "none"), ("base", self.rig.base_frame), ("reference", reference)


def _time_of(item: Scan | ImageFrame) -> int:
    """When an item is complete."""
    return item.end_ns if isinstance(item, Scan) else item.stamp_ns


def as_rows(columns: Columns) -> dict[str, np.ndarray]:
    """The columns (N,) as an unorganised cloud (1, N), which is what messages give."""
    return {name: column[None, :] for name, column in columns.items()}


def open_folder(path: Path, config: InputConfig) -> FolderRecording:
    """Any folder of scans with times. Raises `InvalidInput` telling what to add, and `ConfigError`."""
    folder = path / "scans" if (path / "scans").is_dir() else path
    files = scan_files(folder)
    stamps = _times(path, folder, files)
    time = _point_time(files, stamps, config)
    format = CloudFormat(None, time, 0, config.stamp_at)
    return FolderRecording(path, ScanFiles("folder of scans", files, stamps, format, notes=time.notes), config)


def scan_files(folder: Path) -> list[Path]:
    """The scans in a folder, by name; numbers in names count as numbers. Raises `InvalidInput`."""
    by_suffix: dict[str, list[Path]] = {}
    for file in folder.iterdir():
        if file.suffix.lower() in SUFFIXES and file.is_file():
            by_suffix.setdefault(file.suffix.lower(), []).append(file)
    if not by_suffix:
        raise InvalidInput(f"{folder}: holds no scan; expected {', '.join(SUFFIXES)}, a bag, or a KITTI folder")
    if len(by_suffix) > 1:
        listed = ", ".join(f"{len(files)} {suffix}" for suffix, files in sorted(by_suffix.items()))
        raise InvalidInput(f"{folder}: holds scans of several kinds ({listed}); give a folder with one kind")
    (files,) = by_suffix.values()
    return sorted(files, key=_natural)


def matched(path: Path, files: list[Path], times: np.ndarray, source: Path) -> None:
    """Refuse a list of times of another length than the files."""
    if len(files) != len(times):
        raise InvalidInput(f"{source}: expected {len(files)} times, one for each scan of {path}, got {len(times)}")


def _times(path: Path, folder: Path, files: list[Path]) -> np.ndarray:
    for place in dict.fromkeys((path, folder)):
        for name in TIMES_FILES:
            if (place / name).is_file():
                times = read_times(place / name)
                matched(folder, files, times, place / name)
                return times
    return np.array([_time_in_name(file) for file in files], dtype=np.int64)


def _time_in_name(file: Path) -> int:
    stem = file.stem
    if stem.isdecimal() and len(stem) in DIGITS:
        return int(stem) * DIGITS[len(stem)]
    if re.fullmatch(r"\d{1,12}\.\d+", stem):
        return parse_stamp(stem, str(file))
    raise InvalidInput(
        f"{file}: its name is no time; add {TIMES_FILES[0]} to the folder, one time in seconds per line for each scan, "
        f"or name the files by seconds (1700000000.123456) or nanoseconds"
    )


def _point_time(files: list[Path], stamps: np.ndarray, config: InputConfig):  # type: ignore[no-untyped-def]
    clouds = [as_rows(read_columns(file)) for file in files[:PROBE_FILES]]
    return detect_time(clouds, [int(stamp) for stamp in stamps[: len(clouds)]], config)


def _natural(file: Path) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", file.stem)
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts]
