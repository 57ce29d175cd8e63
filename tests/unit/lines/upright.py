"""Segments of a world of posts and level edges, as a camera with a known roll and pitch sees them."""

import numpy as np

from perception.core.geometry import exp_so3

OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])  # from optical axes to x ahead, z up


def rotation(roll, pitch=0.0, yaw=0.0):
    """`R_world_camera`: turned to the left by `yaw`, then up by `pitch`, then about the optical axis by `roll`."""
    turn = exp_so3(np.array([0.0, 0.0, yaw])) @ OPTICAL
    return turn @ exp_so3(np.array([pitch, 0.0, 0.0])) @ exp_so3(np.array([0.0, 0.0, roll]))


def seen(camera, R_world_camera, ends):
    """Segments (N, 4) float32 px of `ends` (M, 2, 3) m in the world, those that lie in the image whole."""
    pixels = camera.project(ends @ R_world_camera)
    size = np.array([camera.width - 1, camera.height - 1])
    inside = ((pixels >= 0) & (pixels <= size)).all(axis=(1, 2))  # NaN, behind the camera, is not
    return pixels[inside].reshape(-1, 4).astype(np.float32)


def world_edges(directions, num, seed=0):
    """`num` edges (N, 2, 3) m along each of `directions` (K, 3), all around and up to 12 m away."""
    rng = np.random.default_rng(seed)
    parts = []
    for direction in directions:
        bearing, distance = rng.uniform(-np.pi, np.pi, num), rng.uniform(3.0, 12.0, num)
        middle = np.stack([distance * np.cos(bearing), distance * np.sin(bearing), rng.uniform(-2.0, 2.0, num)], axis=1)
        half = rng.uniform(0.3, 1.2, (num, 1)) * np.asarray(direction)
        parts.append(np.stack([middle - half, middle + half], axis=1))
    return np.concatenate(parts)


def upright_segments(camera, roll, pitch=0.0, num=300, seed=0):
    """Posts, at most 30 of them."""
    return seen(camera, rotation(roll, pitch), world_edges([(0.0, 0.0, 1.0)], num, seed))[:30]
