"""A recording of a robot that drives laps in a yard, made in seconds: the smallest input on which a map closes loops.

The world is a plane, walls around it and boxes on it; rays meet them in closed form. Poses, rates and forces are those
of one smooth motion.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rosbags.typesys import Stores

from perception.core.geometry import exp_so3, inverse, transform
from perception.core.trajectory import Trajectory
from perception.io.trajectories import write_tum
from slam.state import GRAVITY
from tests.unit.io.bags import CLOUD, IMU, TF, Factory, Message, write_ros2

START_NS = 1_700_000_000_000_000_000
SWEEP_NS, IMU_NS = 100_000_000, 5_000_000
HALF = np.array([[26.0, 19.0], [17.0, 29.0]])  # m, of the yards
HEIGHT = 1.6  # m, of the LiDAR over the ground
RADII = np.array([12.0, 9.0])  # m, of the lap: 66 m
REST, BLEND = 1.0, 1.0  # s
POINTS, KNOTS = 4000, 11
RANGE_NOISE = 0.01  # m
PAUSE_NS = 60_000_000_000


@dataclass(frozen=True)
class Drive:
    """One drive: `laps` of them may be less than one or negative (the other way round); `start` in laps."""

    laps: float = 1.4
    start: float = 0.0
    speed: float = 6.0  # m/s
    seed: int = 0
    world: int = 0  # which yard
    gyro_noise: float = 2e-3

    @property
    def lap(self) -> float:
        """Length (m) of a lap."""
        a, b = RADII
        return float(np.pi * (3 * (a + b) - np.sqrt((3 * a + b) * (a + 3 * b))))

    @property
    def num_scans(self) -> int:
        """Until the laps are driven."""
        return round((REST + BLEND + abs(self.laps) * self.lap / self.speed) * 1e9 / SWEEP_NS)

    def pose(self, time: float) -> np.ndarray:
        """T_yard_base at `time` (s)."""
        t = max(time - REST, 0.0)
        phase = 2 * np.pi * (self.start + np.sign(self.laps) * self.speed * (t - BLEND * np.tanh(t / BLEND)) / self.lap)
        a, b = RADII
        heading = np.arctan2(b * np.cos(phase), -a * np.sin(phase)) + (np.pi if self.laps < 0 else 0.0)
        return transform(exp_so3(np.array([0.0, 0.0, heading])), np.array([a * np.cos(phase), b * np.sin(phase), 0.0]))

    def imu(self, index: int) -> tuple[int, np.ndarray, np.ndarray]:
        """Stamp, angular velocity (3,) rad/s and specific force (3,) m/s^2 of a sample at the base."""
        rng, h, time = np.random.default_rng([self.seed, 1, index]), 1e-4, index * IMU_NS * 1e-9
        before, here, after = (self.pose(time + step) for step in (-h, 0.0, h))
        acceleration = (after[:3, 3] - 2.0 * here[:3, 3] + before[:3, 3]) / h**2 + [0.0, 0.0, GRAVITY]
        skew = here[:3, :3].T @ (after[:3, :3] - before[:3, :3]) / (2.0 * h)
        gyro = np.array([skew[2, 1] - skew[1, 2], skew[0, 2] - skew[2, 0], skew[1, 0] - skew[0, 1]]) / 2.0
        noise = self.gyro_noise * rng.normal(size=3), 2e-2 * rng.normal(size=3)
        return START_NS + index * IMU_NS, gyro + noise[0], here[:3, :3].T @ acceleration + noise[1]

    def scan(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Points (N, 3) float32 as the LiDAR measured them while it moved, and their offsets (N,) int64 ns."""
        rng = np.random.default_rng([self.seed, 2, index])
        azimuth = np.linspace(np.pi, -np.pi, POINTS, endpoint=False)
        elevation = np.deg2rad(rng.uniform(-25.0, 20.0, POINTS))
        flat = np.cos(elevation)
        rays = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)], axis=1)
        knot = np.arange(len(rays)) * KNOTS // len(rays)
        offsets = knot * (SWEEP_NS // KNOTS)
        T = np.stack([self.pose((index * SWEEP_NS + k * (SWEEP_NS // KNOTS)) * 1e-9) for k in range(KNOTS)])[knot]
        origins = T[:, :3, 3] + [0.0, 0.0, HEIGHT]
        far = ranges(origins, np.einsum("nij,nj->ni", T[:, :3, :3], rays), self.world)
        far += RANGE_NOISE * rng.normal(size=len(far))
        return (rays * far[:, None]).astype(np.float32), offsets.astype(np.int64)

    def truth(self) -> Trajectory:
        """Poses relative to the first one, at 50 Hz."""
        times = np.arange(0, (self.num_scans + 1) * SWEEP_NS, SWEEP_NS // 5)
        poses = np.stack([self.pose(time * 1e-9) for time in times])
        return Trajectory(START_NS + times, inverse(poses[0]) @ poses)


def boxes(world: int) -> np.ndarray:
    """Corners (B, 2, 3) m of what stands in the yard, clear of the lap."""
    rng, found = np.random.default_rng([world, 3]), []
    while len(found) < 22:
        middle, half = rng.uniform(-1.0, 1.0, 2) * (HALF[world] - 2.0), rng.uniform(0.3, 1.8, 2)
        if abs(np.linalg.norm(middle / RADII) - 1.0) > 0.38:
            found.append([[*(middle - half), 0.0], [*(middle + half), rng.uniform(1.0, 5.0)]])
    return np.array(found)


def ranges(origins: np.ndarray, rays: np.ndarray, world: int) -> np.ndarray:
    """Distance (N,) along each ray (N, 3) to the ground, the walls or the nearest box."""
    half = HALF[world]
    with np.errstate(divide="ignore", invalid="ignore"):
        wall = np.maximum((half - origins[:, :2]) / rays[:, :2], (-half - origins[:, :2]) / rays[:, :2]).min(axis=1)
        far = np.minimum(wall, np.where(rays[:, 2] < 0.0, -origins[:, 2] / rays[:, 2], np.inf))
        for low, high in boxes(world):
            a, b = (low - origins) / rays, (high - origins) / rays
            enter, leave = np.minimum(a, b).max(axis=1), np.maximum(a, b).min(axis=1)
            far = np.where((enter < leave) & (enter > 0.0), np.minimum(far, enter), far)
    return far


def record(path: Path, drive: Drive, *later: Drive) -> Path:
    """The drive as a bag with its ground truth; `later` ones follow it, each after a silence of `PAUSE_NS`."""
    factory, start_ns = Factory(Stores.ROS2_JAZZY), START_NS
    places = (("base_link", "lidar", (0.0, 0.0, HEIGHT)), ("base_link", "imu", (0.0, 0.0, 0.0)))
    items = [("/tf_static", TF, START_NS - 1, factory.transforms(places, START_NS))]
    for one in (drive, *later):
        items += _messages(factory, one, start_ns)
        start_ns += one.num_scans * SWEEP_NS + PAUSE_NS
    write_ros2(path, items)
    write_tum(path / "ground_truth.tum", drive.truth())
    return path


def _messages(factory: Factory, drive: Drive, start_ns: int) -> list[Message]:
    """Samples and scans of a drive in the order of time."""
    items: list[Message] = []
    for index in range((drive.num_scans + 1) * SWEEP_NS // IMU_NS):
        stamp_ns, gyro, accel = drive.imu(index)
        stamp_ns += start_ns - START_NS
        msg = factory.imu(stamp_ns)
        for vector, values in ((msg.angular_velocity, gyro), (msg.linear_acceleration, accel)):
            vector.x, vector.y, vector.z = map(float, values)
        items.append(("/imu", IMU, stamp_ns, msg))
    for index in range(drive.num_scans):
        points, offsets_ns = drive.scan(index)
        stamp_ns = start_ns + index * SWEEP_NS
        msg = factory.cloud(stamp_ns, points=len(points))
        records = msg.data.view([("xyz", "<f4", 3), ("intensity", "<f4"), ("t", "<u4")])
        records["xyz"], records["t"] = points, offsets_ns
        items.append(("/points", CLOUD, stamp_ns + SWEEP_NS, msg))
    return sorted(items, key=lambda item: item[2])
