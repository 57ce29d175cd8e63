"""Our odometry and its peers behind one interface. Peers come from their PyPI wheels, each with its own defaults.

This file and `run_method.py` import nothing but NumPy and `perception.core`, so that they also run in an environment
that holds the peers alone.
"""

from typing import Any, Protocol

import numpy as np

from perception.core.geometry import exp_so3, inverse, log_so3, transform
from perception.core.types import ImuBatch, Scan, SensorRig

KISS, RKO, RKO_LIDAR = "kiss-icp", "rko-lio", "rko-lio without IMU"
GICP, VGICP, VGICP_COARSE = "small_gicp GICP", "small_gicp VGICP", "small_gicp VGICP 1 m"
OURS, OURS_LIDAR = "perception", "perception without IMU"
SMALL_GICP_LEAF = 0.25  # m, the library's default for LiDAR outdoors
FINE_VOXEL, COARSE_VOXEL = 0.25, 1.0  # m, edge of a Gaussian voxel
MAX_RANGE, MIN_RANGE = 100.0, 1.0  # m, for every peer that has such limits: ours has the same

Pose = tuple[int, int, np.ndarray]  # earliest and latest instant (ns) that it may belong to, T_odom_base (4, 4)


class Method(Protocol):
    """One odometry. `prepare` is not timed; the others are, and return the poses that they completed."""

    def prepare(self, scan: Scan) -> Scan:
        """What the robot would not have to do: changes to the cloud that the method cannot make itself."""

    def add_imu(self, batch: ImuBatch) -> list[Pose]:
        """Take IMU samples."""

    def add_scan(self, scan: Scan) -> list[Pose]:
        """Take one scan."""

    def finish(self) -> list[Pose]:
        """The drive has ended."""


def make(name: str, rig: SensorRig) -> Method:
    """The method called `name`, configured for one thread."""
    match name:
        case "perception" | "perception without IMU":
            return Ours(rig if name == OURS else SensorRig(rig.base_frame, rig.lidar_frame, rig.T_base_lidar))
        case "kiss-icp":
            return KissIcp(rig)
        case "rko-lio" | "rko-lio without IMU":
            return RkoLio(rig)
        case "small_gicp GICP":
            return ScanToScanGicp(rig)
        case "small_gicp VGICP":
            return ScanToMapVgicp(rig, FINE_VOXEL)
        case "small_gicp VGICP 1 m":
            return ScanToMapVgicp(rig, COARSE_VOXEL)
    raise ValueError(f"method {name!r} is unknown")


class Ours:
    """The odometry of this package with its default configuration."""

    def __init__(self, rig: SensorRig) -> None:
        from slam.config import OdometryConfig
        from slam.odometry import LidarInertialOdometry

        self.core = LidarInertialOdometry(OdometryConfig(), rig)

    def prepare(self, scan: Scan) -> Scan:
        return scan

    def add_imu(self, batch: ImuBatch) -> list[Pose]:
        return self._poses(self.core.add_imu(batch))

    def add_scan(self, scan: Scan) -> list[Pose]:
        return self._poses(self.core.add_scan(scan))

    def finish(self) -> list[Pose]:
        return self._poses(self.core.finish())

    @staticmethod
    def _poses(updates: list[Any]) -> list[Pose]:
        stated = ((update.odometry.stamp_ns, update.odometry.T_odom_base) for update in updates)
        return [(stamp_ns, stamp_ns, T_odom_base) for stamp_ns, T_odom_base in stated]


class LidarOnly:
    """What the peers without an IMU share."""

    def __init__(self, rig: SensorRig) -> None:
        self.T_lidar_base = inverse(rig.T_base_lidar)

    def prepare(self, scan: Scan) -> Scan:
        return scan

    def add_imu(self, batch: ImuBatch) -> list[Pose]:
        return []

    def finish(self) -> list[Pose]:
        return []

    def pose(self, scan: Scan, T_odom_lidar: np.ndarray) -> list[Pose]:
        return [(scan.stamp_ns, scan.end_ns, T_odom_lidar @ self.T_lidar_base)]


class KissIcp(LidarOnly):
    """KISS-ICP with its default configuration: 1 m voxels, its own de-skewing."""

    def __init__(self, rig: SensorRig) -> None:
        super().__init__(rig)
        from kiss_icp.config import load_config
        from kiss_icp.kiss_icp import KissICP

        config = load_config(None)
        config.data.max_range, config.data.min_range = MAX_RANGE, MIN_RANGE
        config.mapping.voxel_size = MAX_RANGE / 100.0
        config.registration.max_num_threads = 1
        self.core = KissICP(config)

    def add_scan(self, scan: Scan) -> list[Pose]:
        span = max(scan.end_ns - scan.stamp_ns, 1)
        self.core.register_frame(scan.points.astype(np.float64), scan.offsets_ns / span)
        return self.pose(scan, self.core.last_pose)


class RkoLio(LidarOnly):
    """RKO-LIO with its default configuration and its initial levelling, which suits these drives better than none."""

    def __init__(self, rig: SensorRig) -> None:
        super().__init__(rig)
        from rko_lio.config import LIOConfig
        from rko_lio.lio import LIO

        self.rig = rig
        self.core = LIO(
            LIOConfig(max_num_threads=1, max_range=MAX_RANGE, min_range=MIN_RANGE, initialization_phase=True)
        )

    def add_imu(self, batch: ImuBatch) -> list[Pose]:
        for stamp_ns, gyro, accel in zip(batch.stamps_ns, batch.gyro, batch.accel):
            self.core.add_imu_measurement(accel, gyro, int(stamp_ns), self.rig.T_base_imu)
        return []

    def add_scan(self, scan: Scan) -> list[Pose]:
        stamps_ns = scan.stamp_ns + scan.offsets_ns
        self.core.register_scan(scan.points, stamps_ns, self.rig.T_base_lidar, scan.stamp_ns, scan.end_ns)
        return [(scan.stamp_ns, scan.end_ns, self.core.pose())]


class SmallGicp(LidarOnly):
    """What both odometries on small_gicp share: it registers clouds, so prediction and de-skewing are ours.

    Prediction: the last motion once more. De-skewing to the middle of the sweep with the same motion, not timed.
    """

    def __init__(self, rig: SensorRig) -> None:
        super().__init__(rig)
        self.T_odom_lidar, self.motion = np.eye(4), np.eye(4)

    def prepare(self, scan: Scan) -> Scan:
        span = max(scan.end_ns - scan.stamp_ns, 1)
        points = deskewed(scan.points, scan.offsets_ns / span - 0.5, self.motion)
        return Scan(scan.stamp_ns, scan.frame_id, points, scan.offsets_ns, scan.duration_ns)

    def preprocess(self, scan: Scan) -> tuple[Any, Any]:
        import small_gicp

        return small_gicp.preprocess_points(
            scan.points.astype(np.float64), downsampling_resolution=SMALL_GICP_LEAF, num_threads=1
        )

    def moved(self, scan: Scan, T_odom_lidar: np.ndarray) -> list[Pose]:
        R = exp_so3(log_so3(T_odom_lidar[:3, :3]))  # else rounding doubles with every prediction
        T_odom_lidar = transform(R, T_odom_lidar[:3, 3])
        self.motion = inverse(self.T_odom_lidar) @ T_odom_lidar
        self.T_odom_lidar = T_odom_lidar
        return self.pose(scan, T_odom_lidar)


class ScanToScanGicp(SmallGicp):
    """GICP of each scan on the one before."""

    def __init__(self, rig: SensorRig) -> None:
        super().__init__(rig)
        self.last: tuple[Any, Any] | None = None

    def add_scan(self, scan: Scan) -> list[Pose]:
        import small_gicp

        cloud, tree = self.preprocess(scan)
        T_last_lidar = np.eye(4)
        if self.last is not None:
            found = small_gicp.align(self.last[0], cloud, self.last[1], self.motion, num_threads=1)
            T_last_lidar = found.T_target_source
        self.last = (cloud, tree)
        return self.moved(scan, self.T_odom_lidar @ T_last_lidar)


class ScanToMapVgicp(SmallGicp):
    """GICP of each scan on a map of Gaussian voxels."""

    def __init__(self, rig: SensorRig, voxel_size: float) -> None:
        super().__init__(rig)
        import small_gicp

        self.map = small_gicp.GaussianVoxelMap(voxel_size)

    def add_scan(self, scan: Scan) -> list[Pose]:
        import small_gicp

        cloud, _ = self.preprocess(scan)
        T_odom_lidar = self.T_odom_lidar @ self.motion
        if self.map.size():
            T_odom_lidar = small_gicp.align(self.map, cloud, T_odom_lidar, num_threads=1).T_target_source
        self.map.insert(cloud, T_odom_lidar)
        return self.moved(scan, T_odom_lidar)


def deskewed(points: np.ndarray, fractions: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """Points (N, 3) seen from one instant, at constant velocity. `fractions` (N,) of the motion (4, 4) of a sweep.

    Rotation vector and translation are scaled, as `perception.core.geometry.interpolate` does for one pose.
    """
    v = log_so3(motion[:3, :3])
    angle = float(np.sqrt(v @ v))
    axis = v / angle if angle > 0.0 else np.array([0.0, 0.0, 1.0])
    p = points.astype(np.float64)
    sine, cosine = np.sin(fractions * angle)[:, None], np.cos(fractions * angle)[:, None]
    turned = p * cosine + np.cross(axis, p) * sine + axis * (p @ axis)[:, None] * (1.0 - cosine)
    return (turned + fractions[:, None] * motion[:3, 3]).astype(np.float32)
