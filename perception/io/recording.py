"""What every kind of input offers to the pipeline, whatever the format it came in."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from perception.core.errors import InvalidInput
from perception.core.trajectory import Trajectory
from perception.core.types import ImageFrame, ImuBatch, Scan, SensorRig
from perception.io.config import InputConfig
from slam.graph.sensors import AntennaFix, WheelTwist

CAPTURES = (".pcap", ".pcapng")
NUMBER = re.compile(r"[-+]?(\d[\d.e+]*|nan|inf)")
LIDAR_STREAMS = ("scan", "imu")  # of the pipeline; a recording may also offer "image_raw", "fix" and "wheels"
MAX_REASONS = 20  # different texts that `Losses` keeps; a hostile file could make any number of them

Event = Scan | ImuBatch | ImageFrame | AntennaFix | WheelTwist


@dataclass(slots=True)
class Losses:
    """What a reader could not use, counted by reason. Reasons that differ in their numbers only are one."""

    counts: dict[str, int] = field(default_factory=dict)
    _first: dict[str, str] = field(default_factory=dict)  # the text kept for each reason without its numbers

    def add(self, reason: str, count: int = 1) -> None:
        """Count one more loss."""
        if len(self._first) < MAX_REASONS:
            reason = self._first.setdefault(NUMBER.sub("#", reason), reason)
        else:
            reason = self._first.get(NUMBER.sub("#", reason), "other reasons")
        self.counts[reason] = self.counts.get(reason, 0) + count

    def clear(self) -> None:
        """Start to count again."""
        self.counts.clear()
        self._first.clear()

    def __str__(self) -> str:
        return "; ".join(f"{reason} ({count} x)" for reason, count in self.counts.items())


@dataclass(frozen=True, slots=True)
class Summary:
    """What was found in a recording, for people: shown before a replay and kept in the report."""

    kind: str  # e.g. "ROS 2 bag (mcap, zstd)"
    rows: tuple[tuple[str, str], ...]  # e.g. ("points", "/points, 1200 scans, 10.0 Hz, field t in ns")
    notes: tuple[str, ...] = ()  # what the reader assumed or ignored, each a sentence


class Recording(Protocol):
    """A finite series of what sensors gave, in the order of time, with the place of LiDAR and IMU."""

    path: Path
    rig: SensorRig
    summary: Summary
    num_scans: int  # for progress; 0 where it is not known
    duration: float  # s
    reference: Trajectory | None  # ground truth where the recording has one
    reference_fraction: float  # instant of the sweep that odometry_kitti.txt refers to: 0 start, 0.5 middle, 1 end
    losses: Losses  # single messages or files that could not be used, counted while `events` runs

    def events(self, streams: Collection[str] = LIDAR_STREAMS) -> Iterator[Event]:
        """What belongs to `streams`, merged by time; nothing else is read, let alone decoded.

        A scan comes at its end, all others at their stamps. A damaged file raises `DataLoss` after its readable part.
        """


def open_recording(path: Path | str, config: InputConfig | None = None) -> Recording:
    """The recording at `path`, opened by the reader that fits it.

    Raises `InvalidInput` when no reader fits or what is needed is not there, and `ConfigError` when several topics
    or fields fit and the configuration does not choose.
    """
    path, config = Path(path), config or InputConfig()
    match kind_of(path):
        case "bag":
            from perception.io.bag_recording import BagRecording

            return BagRecording(path, config)
        case "KITTI raw drive":
            from perception.io.kitti import open_raw_drive

            return open_raw_drive(path, config)
        case "KITTI odometry sequence":
            from perception.io.kitti import open_odometry_sequence

            return open_odometry_sequence(path, config)
        case "packed KITTI drive":
            from perception.io.kitti import open_packed_drive

            return open_packed_drive(path, config)
        case _:
            from perception.io.folders import open_folder

            return open_folder(path, config)


def kind_of(path: Path) -> str:
    """Which reader fits `path`. Raises `InvalidInput` with what to give instead when none does."""
    from perception.io import kitti
    from perception.io.bags import SUFFIXES, is_bag

    if not path.exists():
        raise InvalidInput(f"{path}: does not exist; check the path")
    if path.suffix in CAPTURES:
        raise InvalidInput(
            f"{path}: is a capture of network packets; play it through the ROS driver of the sensor (ouster_ros, "
            f"velodyne_pointcloud, hesai_ros_driver) and record its sensor_msgs/PointCloud2 topic"
        )
    if is_bag(path):
        return "bag"
    if path.is_file():
        raise InvalidInput(f"{path}: is no recording; expected a bag ({', '.join(SUFFIXES)}) or a folder of scans")
    if kitti.is_raw_drive(path):
        return "KITTI raw drive"
    if kitti.is_odometry_sequence(path):
        return "KITTI odometry sequence"
    return "packed KITTI drive" if kitti.is_packed_drive(path) else "folder of scans"
