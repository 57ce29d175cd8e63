"""Scans and IMU samples of a drive on disk, as plain arrays, so that every method is given the same bytes."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from perception.core.trajectory import Trajectory
from perception.core.types import ImuBatch, Scan, SensorRig

Event = Scan | ImuBatch


@dataclass(frozen=True, slots=True, eq=False)
class Clouds:
    """One drive. S scans with P points in all, M IMU samples, R reference poses."""

    points: np.ndarray  # (P, 3) float32, m, LiDAR frame
    offsets_ns: np.ndarray  # (P,) int64, after the start of the scan
    ends: np.ndarray  # (S,) int64, row after the last point of each scan
    starts_ns: np.ndarray  # (S,) int64
    durations_ns: np.ndarray  # (S,) int64
    imu_stamps_ns: np.ndarray  # (M,) int64
    gyro: np.ndarray  # (M, 3) float64, rad/s
    accel: np.ndarray  # (M, 3) float64, m/s^2
    T_base_lidar: np.ndarray  # (4, 4) float64
    T_base_imu: np.ndarray  # (4, 4) float64, or (0,) without an IMU
    reference_stamps_ns: np.ndarray  # (R,) int64
    reference_poses: np.ndarray  # (R, 4, 4) float64, T_world_base

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def rig(self) -> SensorRig:
        """Where the sensors sit."""
        imu = {"imu_frame": "imu", "T_base_imu": np.array(self.T_base_imu)} if self.T_base_imu.ndim == 2 else {}
        return SensorRig("base_link", "lidar", np.array(self.T_base_lidar), **imu)

    @property
    def reference(self) -> Trajectory:
        """Ground truth, T_world_base."""
        return Trajectory(np.array(self.reference_stamps_ns), np.array(self.reference_poses))

    def scan(self, i: int) -> Scan:
        """Scan `i`, copied into memory."""
        rows = slice(int(self.ends[i - 1]) if i else 0, int(self.ends[i]))
        points, offsets = np.array(self.points[rows]), np.array(self.offsets_ns[rows])
        return Scan(int(self.starts_ns[i]), "lidar", points, offsets, int(self.durations_ns[i]))

    def events(self, with_imu: bool = True) -> Iterator[Event]:
        """Before each scan the IMU samples up to its end, as a live robot receives them; at last the other samples."""
        done = 0
        for i in range(len(self)):
            scan = self.scan(i)
            until = int(np.searchsorted(self.imu_stamps_ns, scan.end_ns, side="right"))
            if with_imu and until > done:
                yield self._imu(slice(done, until))
                done = until
            yield scan
        if with_imu and done < len(self.imu_stamps_ns):
            yield self._imu(slice(done, None))

    def _imu(self, rows: slice) -> ImuBatch:
        return ImuBatch(*(np.array(part[rows]) for part in (self.imu_stamps_ns, self.gyro, self.accel)))


def write(folder: Path, events: Iterator[Event], rig: SensorRig, reference: Trajectory) -> None:
    """Store the events of a recording as one array per field, each a file that can be mapped into memory."""
    scans: list[Scan] = []
    batches: list[ImuBatch] = []
    for event in events:
        scans.append(event) if isinstance(event, Scan) else batches.append(event)
    none = np.zeros((0, 3))
    arrays = Clouds(
        np.concatenate([scan.points for scan in scans]),
        np.concatenate([scan.offsets_ns for scan in scans]),
        np.cumsum([len(scan.points) for scan in scans]),
        np.array([scan.stamp_ns for scan in scans], dtype=np.int64),
        np.array([scan.end_ns - scan.stamp_ns for scan in scans], dtype=np.int64),
        np.concatenate([np.zeros(0, dtype=np.int64), *(batch.stamps_ns for batch in batches)]),
        np.concatenate([none, *(batch.gyro for batch in batches)]),
        np.concatenate([none, *(batch.accel for batch in batches)]),
        rig.T_base_lidar,
        np.zeros(0) if rig.T_base_imu is None else rig.T_base_imu,
        reference.stamps_ns,
        reference.poses,
    )
    folder.mkdir(parents=True, exist_ok=True)
    for field in fields(Clouds):
        np.save(folder / f"{field.name}.npy", getattr(arrays, field.name), allow_pickle=False)


def read(folder: Path) -> Clouds:
    """The drive that `write` stored, mapped into memory."""
    names = [field.name for field in fields(Clouds)]
    return Clouds(*(np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in names))
