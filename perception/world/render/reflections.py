"""What wet ground mirrors of the image itself: the mirrored ray is followed over the depths of the pixels.

What is not in the image is the sky, or the haze of the street.
"""

import numba
import numpy as np

from perception.world.render.hashing import hash01
from perception.world.render.sky import radiance

STEPS = 14
FIRST, GROWTH = 0.25, 1.42  # m of the first step; each is longer by this factor
THICKNESS = 0.5  # m, and this share of the step, that things are deep behind what is seen of them
HALVINGS = 3  # of the last step where something was met
RIPPLE = 0.035  # rad, by which rain makes the water uneven
LEAST = 0.004  # share of light that is worth the work


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _met(depth, K, px, py, pz, rx, ry, rz, jitter):
    """Column and row of what a ray from p along r meets in the image, and 1 where it does; 0 where it leaves it."""
    height, width = depth.shape
    length, t = FIRST, FIRST * jitter
    for _ in range(STEPS):
        z = pz + t * rz
        if z < 0.3:
            return 0, 0, 0
        u, v = int(K[0] * (px + t * rx) / z + K[2] + 0.5), int(K[1] * (py + t * ry) / z + K[3] + 0.5)
        if u < 0 or v < 0 or u >= width or v >= height:
            return 0, 0, 0
        behind = z - depth[v, u]
        if 0.02 * z < behind < THICKNESS + length:
            low, high = t - length, t
            for _ in range(HALVINGS):
                middle = 0.5 * (low + high)
                z = pz + middle * rz
                k, m = int(K[0] * (px + middle * rx) / z + K[2] + 0.5), int(K[1] * (py + middle * ry) / z + K[3] + 0.5)
                if 0 <= k < width and 0 <= m < height and z > depth[m, k]:
                    high, u, v = middle, k, m
                else:
                    low = middle
            return u, v, 1
        length *= GROWTH
        t += length
    return 0, 0, 0


@numba.njit(nogil=True, cache=True, error_model="numpy")
def add_reflections(image, water, depth, normals, rays, K, R_world_camera, mirrored, light, out):
    """Add what wet ground mirrors to `image` (H, W, 3), into `out`; `water` (H, W, 2) as of `light_all`.

    `depth` (H, W), `normals` (H, W, 3) and `rays` (H + 1, W + 1, 2) as in `View`; `K` (4,): focal lengths and centre,
    px (a distorted lens is taken for an ideal one here); `mirrored`: the sky.
    """
    exposure, R = light.exposure, R_world_camera
    for y in range(depth.shape[0]):
        for x in range(depth.shape[1]):
            r, g, b = image[y, x, 0], image[y, x, 1], image[y, x, 2]
            if water[y, x, 0] > LEAST:
                z = depth[y, x]
                dx, dy = rays[y, x, 0], rays[y, x, 1]
                scale = 1.0 / np.sqrt(dx * dx + dy * dy + 1.0)
                nx, ny, nz = normals[y, x, 0], normals[y, x, 1], normals[y, x, 2]
                nx, nz = nx + RIPPLE * (hash01(x, y, 1) - 0.5), nz + RIPPLE * (hash01(x, y, 2) - 0.5)
                along = 2.0 * scale * (dx * nx + dy * ny + nz)
                rx, ry, rz = dx * scale - along * nx, dy * scale - along * ny, scale - along * nz
                u, v, is_met = _met(depth, K, dx * z, dy * z, z, rx, ry, rz, 0.6 + 0.8 * hash01(x, y, 3))
                w = water[y, x, 0]
                if is_met:
                    r, g, b = r + w * image[v, u, 0], g + w * image[v, u, 1], b + w * image[v, u, 2]
                else:
                    wx = R[0, 0] * rx + R[0, 1] * ry + R[0, 2] * rz
                    wy = R[1, 0] * rx + R[1, 1] * ry + R[1, 2] * rz
                    wz = R[2, 0] * rx + R[2, 1] * ry + R[2, 2] * rz
                    mr, mg, mb = radiance(mirrored, wx, wy, max(wz, 0.01))
                    w = water[y, x, 1] * exposure
                    r, g, b = r + w * mr, g + w * mg, b + w * mb
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = r, g, b
