"""A robot with LiDAR and IMU in a room of flat walls: scans and samples in closed form, to test the odometry."""

from dataclasses import dataclass, field

import numpy as np

from perception.core.geometry import exp_so3, inverse, transform
from perception.core.types import ImuBatch, Scan, SensorRig
from slam.state import GRAVITY

START_NS = 1_000_000_000_000
SWEEP_NS = 100_000_000
IMU_STEP_NS = 5_000_000
HALF_ROOM = np.array([9.0, 7.0, 3.0])  # m
T_BASE_LIDAR = transform(exp_so3(np.array([0.02, -0.03, 0.4])), np.array([0.3, 0.1, 0.5]))
T_BASE_IMU = transform(exp_so3(np.array([0.1, 0.2, -1.5])), np.array([-0.2, 0.15, 0.1]))
RIG = SensorRig("base_link", "lidar", T_BASE_LIDAR, "imu", T_BASE_IMU)
LIDAR_RIG = SensorRig("base_link", "lidar", T_BASE_LIDAR)


@dataclass
class Room:
    """Still until `rest` seconds, then on a smooth path; `at_speed` starts in the middle of it."""

    rest: float = 1.0
    reach: float = 1.5  # m, amplitude of the path; 0: stands still
    tilt: np.ndarray = field(default_factory=lambda: np.array([0.05, -0.08, 0.0]))  # of the base in the room, rad
    num_points: int = 4000
    range_noise: float = 0.005  # m
    gyro_noise: float = 2e-3  # rad/s per sample
    accel_noise: float = 2e-2  # m/s^2 per sample
    gyro_bias: np.ndarray = field(default_factory=lambda: np.array([0.01, -0.005, 0.008]))
    seed: int = 0

    def pose(self, time: float) -> np.ndarray:
        """T_room_base at `time` seconds after the start."""
        phase = self._phase(time)
        position = self.reach * np.array([np.sin(phase), 1.0 - np.cos(phase), 0.2 * (1.0 - np.cos(phase))])
        yaw = 0.8 * self.reach * (1.0 - np.cos(phase))
        return transform(exp_so3(np.array([0.0, 0.0, yaw])) @ exp_so3(self.tilt), position - np.array([1.0, 1.0, 0.5]))

    def imu(self, start: float, end: float) -> ImuBatch:
        """Samples from `start` to before `end` seconds."""
        random = np.random.default_rng((self.seed, round((start + 100.0) * 1e6)))
        stamps = np.arange(round(start * 1e9), round(end * 1e9), IMU_STEP_NS, dtype=np.int64)
        gyro, accel = np.zeros((len(stamps), 3)), np.zeros((len(stamps), 3))
        for k, stamp in enumerate(stamps):
            gyro[k], accel[k] = self._ideal(stamp * 1e-9)
        gyro += self.gyro_bias + self.gyro_noise * random.standard_normal(gyro.shape)
        accel += self.accel_noise * random.standard_normal(accel.shape)
        return ImuBatch(stamps + START_NS, gyro, accel)

    def scan(self, sweep: int) -> Scan:
        """Sweep number `sweep`, each point measured from where the LiDAR was at its time."""
        random = np.random.default_rng((self.seed, 7, sweep))
        azimuth = np.linspace(-np.pi, np.pi, self.num_points, endpoint=False)
        sine = random.uniform(-0.7, 0.7, self.num_points)
        cosine = np.sqrt(1.0 - sine**2)
        rays = np.stack((cosine * np.cos(azimuth), cosine * np.sin(azimuth), sine), axis=1)
        offsets = np.linspace(0, SWEEP_NS, self.num_points).astype(np.int64)
        knots = np.linspace(0, SWEEP_NS, 21)
        poses = [self.pose((sweep * SWEEP_NS + knot) * 1e-9) @ T_BASE_LIDAR for knot in knots]
        which = np.minimum(np.searchsorted(knots, offsets), 20)
        offsets = knots[which].astype(np.int64)
        R, p = np.array([T[:3, :3] for T in poses])[which], np.array([T[:3, 3] for T in poses])[which]
        directions = np.einsum("nij,nj->ni", R, rays)
        with np.errstate(divide="ignore"):
            distance = np.maximum((HALF_ROOM - p) / directions, (-HALF_ROOM - p) / directions).min(axis=1)
        distance = distance + self.range_noise * random.standard_normal(self.num_points)
        return Scan(START_NS + sweep * SWEEP_NS, "lidar", (rays * distance[:, None]).astype(np.float32), offsets)

    def reference(self, stamp_ns: int, first_ns: int) -> np.ndarray:
        """True pose of the base at `stamp_ns` in the frame of the base at `first_ns`."""
        return inverse(self.pose((first_ns - START_NS) * 1e-9)) @ self.pose((stamp_ns - START_NS) * 1e-9)

    def events(self, num_scans: int) -> list[Scan | ImuBatch]:
        """Samples and scans in the order of time, as a recording has them; samples begin 0.1 s earlier."""
        events: list[Scan | ImuBatch] = [self.imu(-0.1, 0.0)]
        for sweep in range(num_scans):
            events += [self.imu(0.1 * sweep, 0.1 * (sweep + 1)), self.scan(sweep)]
        return [*events, self.imu(0.1 * num_scans, 0.1 * num_scans + 0.05)]

    def _phase(self, time: float) -> float:
        """Grows smoothly from 0 when the rest is over: the path has no jump in acceleration."""
        t = max(time - self.rest, 0.0)
        return 0.6 * (t - 1.5 * np.tanh(t / 1.5))

    def _ideal(self, time: float) -> tuple[np.ndarray, np.ndarray]:
        h = 1e-4
        before, here, after = (self.pose(time + step) @ T_BASE_IMU for step in (-h, 0.0, h))
        acceleration = (after[:3, 3] - 2.0 * here[:3, 3] + before[:3, 3]) / h**2
        skew = here[:3, :3].T @ (after[:3, :3] - before[:3, :3]) / (2.0 * h)
        gyro = np.array([skew[2, 1] - skew[1, 2], skew[0, 2] - skew[2, 0], skew[1, 0] - skew[0, 1]]) / 2.0
        return gyro, here[:3, :3].T @ (acceleration + np.array([0.0, 0.0, GRAVITY]))
