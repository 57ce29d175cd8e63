"""Scans that were predicted in the wrong attitude find their place."""

import numpy as np

from perception.core.geometry import exp_so3, inverse, log_so3, transform
from perception.core.types import OdometryUpdate, Scan
from slam.odometry import LidarInertialOdometry
from tests.unit.slam.simulation import HALF_ROOM, LIDAR_RIG, RIG, START_NS, SWEEP_NS, Room
from tests.unit.slam.test_odometry import CONFIG, recorded, run


def instant_scan(sweep: int, T_room_lidar: np.ndarray) -> Scan:
    """A scan without motion, from a pose in a room with a wall across one of its corners."""
    random = np.random.default_rng(sweep)
    rays = random.standard_normal((4000, 3)) * [1.0, 1.0, 0.5]
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    directions, p = rays @ T_room_lidar[:3, :3].T, T_room_lidar[:3, 3]
    with np.errstate(divide="ignore"):
        distance = np.maximum((HALF_ROOM - p) / directions, (-HALF_ROOM - p) / directions).min(axis=1)
    normal = np.array([1.0, 0.4, 0.1]) / np.linalg.norm([1.0, 0.4, 0.1])
    with np.errstate(divide="ignore"):
        to_wall = normal @ (5.0 * normal - p) / (directions @ normal)
    distance = np.where(to_wall > 0.0, np.minimum(distance, to_wall), distance)
    points = rays * (distance + 0.005 * random.standard_normal(4000))[:, None]
    return Scan(START_NS + sweep * SWEEP_NS, "lidar", points.astype(np.float32), np.zeros(4000, dtype=np.int64))


def registered(turn_deg: float) -> tuple[LidarInertialOdometry, OdometryUpdate, np.ndarray]:
    """Ten scans at rest, then one after a sudden turn about z; with the true pose of the last base in the first."""
    core = LidarInertialOdometry(CONFIG, LIDAR_RIG)
    T_base = transform(np.eye(3), np.array([-1.0, 0.5, 0.0]))
    for sweep in range(10):
        core.add_scan(instant_scan(sweep, T_base @ LIDAR_RIG.T_base_lidar))
    turned = T_base @ transform(exp_so3(np.radians([0.0, 0.0, turn_deg])), np.array([0.1, 0.0, 0.0]))
    (update,) = core.add_scan(instant_scan(10, turned @ LIDAR_RIG.T_base_lidar))
    return core, update, inverse(T_base) @ turned


def test_sudden_turn_without_imu_is_found():
    for turn_deg in (-28.0, -12.0, 18.0, 25.0):
        core, update, truth = registered(turn_deg)
        T = inverse(truth) @ update.odometry.T_odom_base
        assert core.counters()["scans sought in other attitudes"] == 1, turn_deg
        assert np.linalg.norm(T[:3, 3]) < 0.05, turn_deg
        assert np.linalg.norm(log_so3(T[:3, :3])) < np.radians(0.5), turn_deg


def test_ordinary_motion_seeks_no_other_attitudes():
    room, events = recorded()
    assert isinstance(room, Room)
    for rig in (RIG, LIDAR_RIG):
        core, _ = run([event for event in events if rig is RIG or isinstance(event, Scan)], rig)
        assert "scans sought in other attitudes" not in core.counters()
