"""A room of 20 x 12 m with a box that moves through it, as a LiDAR sees it from keyframes: a map with known truth."""

import numpy as np

from perception.core.geometry import exp_so3, inverse, transform
from slam.graph.factors import Between, Prior, information_of
from slam.graph.journal import Entry
from slam.maps.folder import MapFolder
from slam.maps.keyframe import Keyframe

LOW, HIGH = np.array([-10.0, -6.0, 0.0]), np.array([10.0, 6.0, 3.0])
SENSOR_HEIGHT = 1.2
BOX = np.array([0.8, 0.8, 1.6])  # m, of what moves
SPEED = 0.9  # m per keyframe


def directions(columns=360, rows=24):
    azimuth, elevation = np.meshgrid(
        np.linspace(-np.pi, np.pi, columns, endpoint=False), np.deg2rad(np.linspace(-25.0, 15.0, rows))
    )
    flat = np.cos(elevation)
    return np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)], axis=-1).reshape(-1, 3)


def slabs(origin, rays, low, high):
    """Where rays enter and leave a box."""
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = (low - origin) / rays, (high - origin) / rays
    return np.minimum(a, b).max(axis=1), np.maximum(a, b).min(axis=1)


def seen(T_map_base, number, has_mover=True):
    """Points (N, 3) in the LiDAR frame, and which belong to the mover (N,)."""
    T_map_lidar = T_map_base @ transform(np.eye(3), np.array([0.0, 0.0, SENSOR_HEIGHT]))
    rays = directions() @ T_map_lidar[:3, :3].T
    origin = T_map_lidar[:3, 3]
    _, wall = slabs(origin, rays, LOW, HIGH)
    middle = np.array([-8.0 + SPEED * number, 3.5, 0.0])
    enter, leave = slabs(origin, rays, middle - [0.4, 0.4, 0.0], middle + np.array([0.4, 0.4, BOX[2]]))
    is_mover = (enter < leave) & (enter > 0.0) & (enter < wall) & has_mover
    points = rays * np.where(is_mover, enter, wall)[:, None]
    return (points @ T_map_lidar[:3, :3]).astype(np.float32), is_mover


def truth(num):
    """A walk through the room with some turning."""
    return np.stack(
        [transform(exp_so3(np.array([0.0, 0.0, 0.3 * i])), np.array([-4.0 + 0.5 * i, -2.0, 0.0])) for i in range(num)]
    )


def room_map(path, num=16, has_mover=True, drift=0.0, T_map_room=None):
    """A map of the room; its odometry is off by `drift` m more in x with every keyframe."""
    poses = truth(num) if T_map_room is None else T_map_room @ truth(num)
    T_odom_base = inverse(poses[0]) @ poses
    for index in range(num):
        T_odom_base[index, 0, 3] += drift * index
    T_base_lidar = transform(np.eye(3), np.array([0.0, 0.0, SENSOR_HEIGHT]))
    with MapFolder.create(path) as folder:
        for index in range(num):
            points, _ = seen(truth(num)[index], index, has_mover)
            folder.add_keyframe(Keyframe(index, 1_000_000_000 * (index + 1), T_odom_base[index], points, T_base_lidar))
            if index == 0:
                factor = Prior(0, poses[0], information_of(1e-6, 1e-6))
            else:
                step = inverse(T_odom_base[index - 1]) @ T_odom_base[index]
                factor = Between(index - 1, index, step, information_of(0.05, 0.01))
            folder.add_factor(Entry(index, factor))
        folder.save_poses(np.arange(num), poses)
    return poses
