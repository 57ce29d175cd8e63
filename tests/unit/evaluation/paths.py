"""Seeded trajectories for the tests of this folder."""

import numpy as np

from perception.core.geometry import exp_so3, transform
from perception.core.trajectory import Trajectory


def curved_drive(num_poses: int = 200, step: float = 1.0, period_ns: int = 100_000_000) -> Trajectory:
    """A drive of `step` metres per pose that turns, climbs and banks."""
    yaw = 0.5 * np.sin(np.arange(num_poses) * 0.05)
    directions = np.stack([np.cos(yaw), np.sin(yaw), 0.1 * np.sin(3.0 * yaw)], axis=1)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    positions = np.concatenate([np.zeros((1, 3)), np.cumsum(step * directions[:-1], axis=0)])
    rotations = [exp_so3(np.array([0.05 * np.sin(a), 0.02, 0.0])) @ exp_so3(np.array([0.0, 0.0, a])) for a in yaw]
    poses = np.stack([transform(R, t) for R, t in zip(rotations, positions)])
    return Trajectory(1_700_000_000_000_000_000 + np.arange(num_poses, dtype=np.int64) * period_ns, poses)


def straight_drive(num_poses: int = 100) -> Trajectory:
    """One metre along x per pose, without any turn."""
    poses = np.tile(np.eye(4), (num_poses, 1, 1))
    poses[:, 0, 3] = np.arange(num_poses)
    return Trajectory(np.arange(num_poses, dtype=np.int64) * 100_000_000, poses)


def moved(trajectory: Trajectory, T: np.ndarray) -> Trajectory:
    """The same trajectory seen from another world frame."""
    return Trajectory(trajectory.stamps_ns, T @ trajectory.poses)


def noisy(trajectory: Trajectory, seed: int, metres: float = 0.1, radians: float = 0.01) -> Trajectory:
    """Every pose disturbed on its own."""
    rng = np.random.default_rng(seed)
    noise = [
        transform(exp_so3(rng.normal(0.0, radians, 3)), rng.normal(0.0, metres, 3)) for _ in range(len(trajectory))
    ]
    return Trajectory(trajectory.stamps_ns, trajectory.poses @ np.stack(noise))
