"""The pieces of surface that the pixels of one image row show: each is shaded once, however many samples it covers.

A row of the image is worked on at a time, so that all that is known about its fragments stays in the cache.
"""

import math
from typing import NamedTuple

import numba
import numpy as np

from perception.world.materials import Material
from perception.world.render.loose import LOOSE

NUM_SAMPLES = 4  # per pixel for colour; sample 0 of the five is the middle, for ground truth
MERGED_DEPTH = 1.12  # ratio of depths up to which one curved body or crown is shaded once
LEAF_LIFT = 0.45  # added to the normals of leaves, upwards: a crown is lit as a round body more than as single cards
_LEAF = int(Material.LEAF)
_ONE = np.float32(1.0)


class View(NamedTuple):
    """One camera at one instant."""

    rays: np.ndarray  # (H + 1, W + 1, 2) float32: x and y at depth 1 of what each pixel's middle sees
    T_world_camera: np.ndarray  # (3, 4) float32
    T_body_camera: np.ndarray  # (B, 3, 4) float32, of each body of the accelerator
    R_world_body: np.ndarray  # (B, 3, 3) float32


class Fragments(NamedTuple):
    """Room for the fragments of one image row, (N,) each; float32 where nothing else is said. World axes, m."""

    column: np.ndarray  # int32
    row: np.ndarray  # int32, triangle
    weight: np.ndarray  # share of the pixel's samples
    ray: np.ndarray  # (N, 3): x and y at depth 1, and 1 / depth
    point: np.ndarray  # (N, 3)
    normal: np.ndarray  # (N, 3): unit, for shading, towards the camera
    towards: np.ndarray  # (N, 4): unit direction of the ray, and the distance
    uv: np.ndarray  # (N, 6): place on the texture; its steps for one pixel to the right, one down
    color: np.ndarray  # (N, 4): sRGB of the texture and gloss, 0 to 1
    lit: np.ndarray  # share of the sun
    ambient: np.ndarray  # (N, 3): share of the sky, of the sky that is mirrored, light of lamps


def room_for(width: int) -> Fragments:
    """Room for the fragments of a row of `width` pixels."""
    n = NUM_SAMPLES * width
    wide = [np.empty((n, k), dtype=np.float32) for k in (3, 3, 3, 4, 6, 4)]
    column, row = np.empty(n, dtype=np.int32), np.empty(n, dtype=np.int32)
    weight, lit = np.empty(n, dtype=np.float32), np.empty(n, dtype=np.float32)
    return Fragments(column, row, weight, *wide, lit, np.empty((n, 3), dtype=np.float32))


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=LOOSE)
def collect(rows, depth, samples, rays, next_rays, groups, out):
    """Fragments of one image row; returns how many. Those of the sky have triangle -1.

    `rows` and `depth` (W, 5) of the samples, `samples` (5, 2) their offsets in px, `rays` (W + 1, 2) of this image row
    and of the next, `groups` (N,): triangles of equal group are shaded together.
    """
    count = 0
    column_out, row_out, weight_out, ray_out = out.column, out.row, out.weight, out.ray
    for x in range(rows.shape[0]):
        cx, cy = rays[x, 0], rays[x, 1]
        fx, fy, gx, gy = rays[x + 1, 0] - cx, rays[x + 1, 1] - cy, next_rays[x, 0] - cx, next_rays[x, 1] - cy
        done = 0
        for i in range(1, NUM_SAMPLES + 1):
            if done & (1 << i):
                continue
            row = rows[x, i]
            members, sx, sy, inverse = 1, samples[i, 0], samples[i, 1], _ONE / depth[x, i]
            for j in range(i + 1, NUM_SAMPLES + 1):
                other = rows[x, j]
                if done & (1 << j) or (other != row and (other < 0 or row < 0 or groups[other] != groups[row])):
                    continue
                if row >= 0 and not _is_near(depth[x, i], depth[x, j]) and other != row:
                    continue
                done |= 1 << j
                members += 1
                sx, sy, inverse = sx + samples[j, 0], sy + samples[j, 1], inverse + _ONE / depth[x, j]
            share = _ONE / np.float32(members)
            sx, sy = sx * share, sy * share
            column_out[count], row_out[count] = x, row
            weight_out[count] = np.float32(members) * np.float32(1.0 / NUM_SAMPLES)
            ray_out[count, 0], ray_out[count, 1] = cx + sx * fx + sy * gx, cy + sx * fy + sy * gy
            ray_out[count, 2] = inverse * share
            count += 1
    return count


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=LOOSE, inline="always")
def _is_near(a, b):
    ratio = np.float32(MERGED_DEPTH)
    return a < ratio * b and b < ratio * a


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=LOOSE)
def locate(count, rays, next_rays, view, surfaces, out):
    """Fill place, normal, direction and texture coordinates of the fragments of one image row."""
    planes, looks, round_normals = surfaces.planes, surfaces.looks, surfaces.round_normals
    T_body_camera, R_world_body, C = view.T_body_camera, view.R_world_body, view.T_world_camera
    column, rows, ray = out.column, out.row, out.ray
    point, normal, towards, uv = out.point, out.normal, out.towards, out.uv
    tiny = np.float32(1e-4)
    for i in range(count):
        cx, cy = ray[i, 0], ray[i, 1]
        dx = C[0, 0] * cx + C[0, 1] * cy + C[0, 2]
        dy = C[1, 0] * cx + C[1, 1] * cy + C[1, 2]
        dz = C[2, 0] * cx + C[2, 1] * cy + C[2, 2]
        length = np.float32(math.sqrt(dx * dx + dy * dy + dz * dz))
        scale = _ONE / length
        towards[i, 0], towards[i, 1], towards[i, 2] = dx * scale, dy * scale, dz * scale
        row = rows[i]
        if row < 0:
            continue
        depth = _ONE / ray[i, 2]
        towards[i, 3] = depth * length
        point[i, 0], point[i, 1], point[i, 2] = depth * dx + C[0, 3], depth * dy + C[1, 3], depth * dz + C[2, 3]
        x, body = column[i], looks[row, 5]
        T = T_body_camera[body]
        rx = T[0, 0] * cx + T[0, 1] * cy + T[0, 2]
        ry = T[1, 0] * cx + T[1, 1] * cy + T[1, 2]
        rz = T[2, 0] * cx + T[2, 1] * cy + T[2, 2]
        px, py, pz = depth * rx + T[0, 3], depth * ry + T[1, 3], depth * rz + T[2, 3]
        nx, ny, nz = planes[row, 0], planes[row, 1], planes[row, 2]
        facing = nx * rx + ny * ry + nz * rz
        slant = depth / (facing if abs(facing) > tiny else (tiny if facing > 0.0 else -tiny))
        # One pixel to the right and one down on the plane, from the rays beside this one.
        fx, fy = rays[x + 1, 0] - rays[x, 0], rays[x + 1, 1] - rays[x, 1]
        gx, gy = next_rays[x, 0] - rays[x, 0], next_rays[x, 1] - rays[x, 1]
        ax, ay, az = T[0, 0] * fx + T[0, 1] * fy, T[1, 0] * fx + T[1, 1] * fy, T[2, 0] * fx + T[2, 1] * fy
        bx, by, bz = T[0, 0] * gx + T[0, 1] * gy, T[1, 0] * gx + T[1, 1] * gy, T[2, 0] * gx + T[2, 1] * gy
        za, zb = -slant * (nx * ax + ny * ay + nz * az), -slant * (nx * bx + ny * by + nz * bz)
        ax, ay, az = depth * ax + za * rx, depth * ay + za * ry, depth * az + za * rz
        bx, by, bz = depth * bx + zb * rx, depth * by + zb * ry, depth * bz + zb * rz
        uv[i, 0] = planes[row, 4] * px + planes[row, 5] * py + planes[row, 6] * pz + planes[row, 7]
        uv[i, 1] = planes[row, 8] * px + planes[row, 9] * py + planes[row, 10] * pz + planes[row, 11]
        uv[i, 2], uv[i, 3] = (
            planes[row, 4] * ax + planes[row, 5] * ay + planes[row, 6] * az,
            planes[row, 8] * ax + planes[row, 9] * ay + planes[row, 10] * az,
        )
        uv[i, 4], uv[i, 5] = (
            planes[row, 4] * bx + planes[row, 5] * by + planes[row, 6] * bz,
            planes[row, 8] * bx + planes[row, 9] * by + planes[row, 10] * bz,
        )
        curved = looks[row, 6]
        if curved >= 0:
            c = round_normals
            sx = c[curved, 0] * px + c[curved, 1] * py + c[curved, 2] * pz + c[curved, 3]
            sy = c[curved, 4] * px + c[curved, 5] * py + c[curved, 6] * pz + c[curved, 7]
            sz = c[curved, 8] * px + c[curved, 9] * py + c[curved, 10] * pz + c[curved, 11]
            if sx * nx + sy * ny + sz * nz > 0.0:
                scale = _ONE / np.float32(math.sqrt(sx * sx + sy * sy + sz * sz))
                nx, ny, nz = sx * scale, sy * scale, sz * scale
        if facing > 0.0:
            nx, ny, nz = -nx, -ny, -nz
        R = R_world_body[body]
        wx = R[0, 0] * nx + R[0, 1] * ny + R[0, 2] * nz
        wy = R[1, 0] * nx + R[1, 1] * ny + R[1, 2] * nz
        wz = R[2, 0] * nx + R[2, 1] * ny + R[2, 2] * nz
        if looks[row, 3] == _LEAF:
            wz += np.float32(LEAF_LIFT)
            scale = _ONE / np.float32(math.sqrt(wx * wx + wy * wy + wz * wz + tiny))
            wx, wy, wz = wx * scale, wy * scale, wz * scale
        normal[i, 0], normal[i, 1], normal[i, 2] = wx, wy, wz
