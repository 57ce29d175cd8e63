"""A robot that stands in a box-shaped room: the smallest input on which the odometry has something to do."""

from collections.abc import Iterator

import numpy as np

START_NS = 1_700_000_000_000_000_000
SCAN_NS, IMU_NS = 100_000_000, 5_000_000
HALF = np.array([10.0, 7.0, 2.5])  # m
GRAVITY = 9.81  # m/s^2


def scan_points(index: int, num_points: int = 6000) -> tuple[np.ndarray, np.ndarray]:
    """Points (N, 3) float32 on the walls as the sensor sees them, and their offsets (N,) int64."""
    rng = np.random.default_rng(index)
    directions = rng.normal(size=(num_points, 3))
    distance = (HALF / np.abs(directions)).min(axis=1)
    points = directions * distance[:, None]
    points += rng.normal(scale=0.005, size=points.shape)  # m
    offsets_ns = np.sort(rng.integers(0, SCAN_NS, num_points))
    offsets_ns[0], offsets_ns[-1] = 0, SCAN_NS - 1
    return points.astype(np.float32), offsets_ns


def imu_sample(index: int) -> tuple[int, np.ndarray, np.ndarray]:
    """Stamp, angular velocity and specific force of a sensor at rest."""
    rng = np.random.default_rng(index)
    accel = np.array([0.0, 0.0, GRAVITY]) + rng.normal(scale=0.01, size=3)
    return START_NS + index * IMU_NS, rng.normal(scale=0.001, size=3), accel


def events(num_scans: int) -> Iterator[tuple[str, int]]:
    """("imu", index) and ("scan", index) in the order in which a robot sends them: a scan at its end."""
    per_scan = SCAN_NS // IMU_NS
    for index in range(num_scans * per_scan + 3):
        yield "imu", index
        if index % per_scan == 0 and index > 0 and index // per_scan <= num_scans:
            yield "scan", index // per_scan - 1
