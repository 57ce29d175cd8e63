"""A robot on laps in the generated yard, with an odometry that drifts as the test says."""

from dataclasses import dataclass, field

import numpy as np

from perception.core.geometry import exp_so3, inverse, transform
from perception.core.types import Odometry, OdometryUpdate, RegistrationReport, SensorRig
from tests.yard import HEIGHT, RADII, ranges

START_NS, STEP_NS = 1_700_000_000_000_000_000, 400_000_000
STEP = 2.1  # m between two scans
RIG = SensorRig("base_link", "lidar", transform(np.eye(3), np.array([0.0, 0.0, HEIGHT])), "imu", np.eye(4))
POINTS = 6000


def pose_at(phase: float) -> np.ndarray:
    """T_yard_base on the lap, along it."""
    a, b = RADII
    heading = np.arctan2(b * np.cos(phase), -a * np.sin(phase))
    R = exp_so3(np.array([0.0, 0.0, heading]))
    return transform(R, np.array([a * np.cos(phase), b * np.sin(phase), 0.0]))


def cloud_at(T_yard_base: np.ndarray, seed: int, world: int = 0) -> np.ndarray:
    """Points (N, 3) float32 in the frame of the LiDAR."""
    rng = np.random.default_rng([seed, world])
    azimuth, elevation = rng.uniform(-np.pi, np.pi, POINTS), np.deg2rad(rng.uniform(-25.0, 20.0, POINTS))
    flat = np.cos(elevation)
    rays = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)], axis=1)
    origins = np.tile(T_yard_base[:3, 3] + [0.0, 0.0, HEIGHT], (POINTS, 1))
    far = ranges(origins, rays @ T_yard_base[:3, :3].T, world) + 0.01 * rng.normal(size=POINTS)
    return (rays * far[:, None]).astype(np.float32)


@dataclass
class Robot:
    """Gives one `OdometryUpdate` per step; every step adds `drift` to what the odometry says."""

    drift: np.ndarray = field(default_factory=lambda: np.eye(4))
    world: int = 0
    phase: float = 0.0
    truth: list[np.ndarray] = field(default_factory=list)  # T_yard_base of each update
    stamps_ns: list[int] = field(default_factory=list)
    _T_odom_base: np.ndarray = field(default_factory=lambda: np.eye(4))

    def step(self) -> OdometryUpdate:
        """The next scan."""
        T = pose_at(self.phase)
        if self.truth:
            self._T_odom_base = self._T_odom_base @ inverse(self.truth[-1]) @ T @ self.drift
        self.truth.append(T)
        self.stamps_ns.append(START_NS + len(self.stamps_ns) * STEP_NS)
        self.phase += STEP / float(np.hypot(RADII[0] * np.sin(self.phase), RADII[1] * np.cos(self.phase)))
        covariance = np.diag(np.repeat([1e-4, 1e-6], 3)) * len(self.truth)
        odometry = Odometry(self.stamps_ns[-1], self._T_odom_base.copy(), covariance, np.zeros(3), np.zeros(3))
        return OdometryUpdate(odometry, cloud_at(T, len(self.truth), self.world), RegistrationReport(POINTS, 0, 1, 0.0))

    def restart_odometry(self) -> None:
        """The odometry begins at the origin again."""
        self._T_odom_base = np.eye(4)

    def carry(self, phase: float) -> None:
        """Somebody lifts the robot and sets it down further on the lap; the odometry does not notice."""
        back = self.phase - np.arctan2(RADII[0] * self.truth[-1][1, 3], RADII[1] * self.truth[-1][0, 3])
        self.phase += phase
        self.truth[-1] = pose_at(self.phase - back)

    def error(self, T_map_base: np.ndarray, T_map_yard: np.ndarray) -> float:
        """Distance (m) of a pose in the map from where the robot is."""
        return float(np.linalg.norm((T_map_base - T_map_yard @ self.truth[-1])[:3, 3]))
