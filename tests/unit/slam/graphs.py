"""Seeded graphs for the tests of the back end: a robot drives laps, its odometry drifts, and places come back."""

from dataclasses import dataclass

import numpy as np

from perception.core.geometry import exp_so3, inverse, transform
from slam.graph.factors import Between, information_of

POSITION, ROTATION = 0.02, np.deg2rad(0.1)  # standard deviations of one step
LOOP_POSITION, LOOP_ROTATION = 0.05, np.deg2rad(0.5)


@dataclass(frozen=True)
class Laps:
    truth: np.ndarray  # (N, 4, 4)
    odometry: list[Between]  # from each pose to the next
    loops: list[Between]  # by their later pose


def noisy(rng, T, position, rotation):
    """`T` with an error in its own axes."""
    return T @ transform(exp_so3(rng.normal(0.0, rotation, 3)), rng.normal(0.0, position, 3))


def laps(num_poses, per_lap=100, seed=0, every=10):
    """Circles of 1 m steps, a little up and down; a loop to the lap before at every tenth pose."""
    rng = np.random.default_rng(seed)
    radius = per_lap / (2.0 * np.pi)
    truth = []
    for index in range(num_poses):
        angle = 2.0 * np.pi * index / per_lap
        R = exp_so3(np.array([0.0, 0.0, angle + np.pi / 2])) @ exp_so3(np.array([0.02 * np.sin(3 * angle), 0.0, 0.0]))
        place = [radius * np.cos(angle), radius * np.sin(angle), 0.3 * np.sin(2 * angle)]
        truth.append(transform(R, np.array(place)))
    truth = inverse(truth[0]) @ np.stack(truth)
    step = information_of(POSITION, ROTATION)
    odometry = [
        Between(i, i + 1, noisy(rng, inverse(truth[i]) @ truth[i + 1], POSITION, ROTATION), step)
        for i in range(num_poses - 1)
    ]
    close = information_of(LOOP_POSITION, LOOP_ROTATION)
    loops = [
        Between(j - per_lap, j, noisy(rng, inverse(truth[j - per_lap]) @ truth[j], LOOP_POSITION, LOOP_ROTATION),
                close, "loop")
        for j in range(per_lap, num_poses, every)
    ]  # fmt: skip
    return Laps(truth, odometry, loops)


def position_error(poses, truth):
    """Root mean square distance (m) of poses that start at the same place."""
    return float(np.sqrt(np.mean(np.sum((poses[:, :3, 3] - truth[:, :3, 3]) ** 2, axis=1))))
