"""Small maps for tests; run as a program, a writer that appends keyframes until it is killed."""

import sys
from pathlib import Path

import numpy as np

from slam.graph.factors import Between, Prior, information_of
from slam.graph.journal import Entry
from slam.maps.folder import MapFolder
from slam.maps.keyframe import Keyframe
from tests.unit.slam.graphs import Laps, laps

STEP_NS = 1_000_000_000


def cloud(number, num_points=400):
    return np.random.default_rng(number).uniform(-30.0, 30.0, (num_points, 3)).astype(np.float32)


def keyframe(number, T_odom_base, num_points=400):
    rng = np.random.default_rng([number, 1])
    descriptors = {
        "global": rng.normal(size=64).astype(np.float32),
        "local": rng.normal(size=(9, 8)).astype(np.float16),
    }
    T_base_lidar = np.eye(4)
    T_base_lidar[2, 3] = 1.5
    return Keyframe(number, (number + 1) * STEP_NS, T_odom_base, cloud(number, num_points), T_base_lidar, descriptors)


def append(folder, data, num, after=lambda number: None, num_points=400):
    """Write `num` more keyframes of a drive, each with its factor."""
    T_odom_base = [np.eye(4)]
    for edge in data.odometry:
        T_odom_base.append(T_odom_base[-1] @ edge.T_from_to)
    first, factor = folder.next_keyframe_id(), folder.next_factor_id()
    for number in range(first, first + num):
        folder.add_keyframe(keyframe(number, T_odom_base[number], num_points))
        new = data.odometry[number - 1] if number else Prior(0, np.eye(4), information_of(1e-6, 1e-6))
        folder.add_factor(Entry(factor, new))
        factor += 1
        for loop in (loop for loop in data.loops if loop.to_id == number):
            folder.add_factor(Entry(factor, loop))
            factor += 1
        after(number)


def made(path, num, per_lap=20, num_points=400):
    data = laps(max(num, 2), per_lap=per_lap)
    with MapFolder.create(path, "odometry: {}\n") as folder:
        append(folder, data, num, num_points=num_points)
    return data


def straight(num):
    """A drive that is made in no time."""
    step = np.eye(4)
    step[0, 3] = 1.0
    return Laps(np.zeros((0, 4, 4)), [Between(i, i + 1, step, information_of(0.1, 0.1)) for i in range(num)], [])


if __name__ == "__main__":  # arguments: folder, number of keyframes at most; prints each number when it is safe
    target = Path(sys.argv[1])
    opened = MapFolder(target, is_writable=True)
    append(opened, straight(1500), int(sys.argv[2]), lambda number: print(number, flush=True))
