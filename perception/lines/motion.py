"""Points of a scan where they were at the time of an image, for a robot that moves."""

import numpy as np

from perception.core.geometry import apply
from perception.core.stamps import NS_PER_S
from perception.core.types import Odometry, Scan


def points_at(
    scan: Scan, odometry: Odometry, T_base_lidar: np.ndarray, stamp_ns: int, T_camera_base: np.ndarray
) -> np.ndarray:
    """Points (N, 3) float64 m of `scan` in the base at `stamp_ns`, those behind the camera left out.

    Each is carried from its own time at the velocities of `odometry`.
    """
    in_base = apply(T_base_lidar, scan.points.astype(np.float64))
    rows = np.flatnonzero(in_base @ T_camera_base[2, :3] + T_camera_base[2, 3] > 0.0)
    seconds = (scan.stamp_ns + scan.offsets_ns[rows] - stamp_ns) / NS_PER_S
    return carried(odometry, in_base[rows], seconds)


def carried(odometry: Odometry, points: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Points (N, 3) m in the base of `seconds` (N,) later, in the base of now, at the velocities of `odometry`.

    To the second order in the turn, which is a millimetre at 10 m for 0.1 s at 1 rad/s.
    """
    turns = odometry.angular_velocity * seconds[:, None]
    steps = odometry.velocity * seconds[:, None]
    once = np.cross(turns, points)
    return points + once + 0.5 * np.cross(turns, once) + steps + 0.5 * np.cross(turns, steps)
