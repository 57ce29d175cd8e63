"""The motion of the IMU told as that of the base: lever arm, axes, and the covariance that nav_msgs wants."""

import numpy as np

from perception.core.geometry import hat
from perception.core.health import Health
from perception.core.types import Odometry
from slam.filter import Twist


def odometry_of_base(
    stamp_ns: int, T_odom_imu: np.ndarray, P: np.ndarray, twist: Twist, T_imu_base: np.ndarray, health: Health
) -> Odometry:
    """Odometry of the base from the pose of the IMU, its covariance and its motion.

    `P` (6, 6): position in odom (m), rotation perturbed on the right (rad). `twist`: in IMU axes.
    """
    R, across = T_odom_imu[:3, :3], hat(T_imu_base[:3, 3])
    J = np.eye(6)
    J[:3, 3:], J[3:, 3:] = -R @ across, R
    covariance = J @ P @ J.T
    R_base_imu = T_imu_base[:3, :3].T
    return Odometry(
        stamp_ns,
        T_odom_imu @ T_imu_base,
        0.5 * (covariance + covariance.T),
        R_base_imu @ (twist.linear - across @ twist.angular),
        R_base_imu @ twist.angular,
        health,
    )
