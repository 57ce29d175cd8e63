"""Point clouds of simple places."""

import numpy as np

from perception.core.geometry import exp_so3


def yard(seed=0, density=6.0, size=25.0, num_boxes=9):
    """Ground, walls around it and boxes on it, sampled at `density` points per square metre: (N, 3) float32."""
    rng = np.random.default_rng([seed, 1])
    faces = [((-size, -size, 0), (2 * size, 0, 0), (0, 2 * size, 0))]
    faces += [((-size, -size, 0), (2 * size, 0, 0), (0, 0, 4)), ((-size, -size, 0), (0, 2 * size, 0), (0, 0, 6))]
    faces += [((size, size, 0), (-2 * size, 0, 0), (0, 0, 5)), ((size, size, 0), (0, -1.4 * size, 0), (0, 0, 4))]
    for _ in range(num_boxes):
        x, y = rng.uniform(-0.85 * size, 0.8 * size, 2)
        w, d, h = rng.uniform(1.0, 4.0, 3)
        turn = rng.uniform(0, np.pi)
        a, b = w * np.array([np.cos(turn), np.sin(turn), 0]), d * np.array([-np.sin(turn), np.cos(turn), 0])
        corner, up = np.array([x, y, 0.0]), np.array([0, 0, h])
        faces += [(corner, a, up), (corner, b, up), (corner + a, b, up), (corner + b, a, up), (corner + up, a, b)]
    points = []
    for origin, u, v in faces:
        count = max(4, round(density * np.linalg.norm(np.cross(u, v))))
        s, t = np.random.default_rng([seed, 2, len(points)]).random((2, count, 1))
        points.append(np.asarray(origin) + s * np.asarray(u) + t * np.asarray(v))
    return np.concatenate(points).astype(np.float32)


def pose(x=0.0, y=0.0, z=0.0, yaw=0.0, tilt=(0.0, 0.0)):
    """T_world_sensor (4, 4)."""
    T = np.eye(4)
    T[:3, :3] = exp_so3(np.array([0, 0, yaw])) @ exp_so3(np.array([*tilt, 0.0]))
    T[:3, 3] = x, y, z
    return T


def seen(points, T_world_sensor, noise=0.02, seed=0):
    """World points in the frame of a sensor, with noise, float32."""
    R, p = T_world_sensor[:3, :3], T_world_sensor[:3, 3]
    rng = np.random.default_rng([seed, 3])
    return ((points - p) @ R + rng.normal(0, noise, points.shape)).astype(np.float32)
