"""De-skew in Numba: exact poses on a regular grid over the sweep, matrices interpolated between them for each point."""

import math

import numpy as np
from numba import njit

from slam.kernels_hash import JIT


@njit(**JIT)
def _exp(w, dt, out):
    """Rotation (3, 3) of the rate `w` over `dt`, Rodrigues' formula."""
    x, y, z = w[0] * dt, w[1] * dt, w[2] * dt
    squared = x * x + y * y + z * z
    if squared < 1e-12:  # rad^2; the series is exact to 1e-13 there
        a, b = 1.0 - squared / 6.0, 0.5 - squared / 24.0
    else:
        angle = math.sqrt(squared)
        a, b = math.sin(angle) / angle, (1.0 - math.cos(angle)) / squared
    out[0, 0], out[0, 1], out[0, 2] = 1.0 - b * (y * y + z * z), b * x * y - a * z, b * x * z + a * y
    out[1, 0], out[1, 1], out[1, 2] = b * x * y + a * z, 1.0 - b * (x * x + z * z), b * y * z - a * x
    out[2, 0], out[2, 1], out[2, 2] = b * x * z - a * y, b * y * z + a * x, 1.0 - b * (x * x + y * y)


@njit(**JIT)
def _dot(A, B, out):
    for i in range(3):
        for j in range(3):
            out[i, j] = A[i, 0] * B[0, j] + A[i, 1] * B[1, j] + A[i, 2] * B[2, j]


@njit(**JIT)
def pose_nodes(times, R, p, v, a, w, back, R_IL, t_IL, begin, end, num):
    """Poses of the LiDAR in its frame at the end, `num` of them from `begin` to `end`: rows R|t (num, 12) float32.

    `times` (K,) are the stamps of the motion in seconds before its end, `begin` and `end` likewise. `back` (3, 3) is
    the transpose of the attitude of the LiDAR at the end.
    """
    nodes = np.empty((num, 12), np.float32)
    step, Rt, M = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    last = len(times) - 1
    k = 0
    for i in range(num):
        t = begin + (end - begin) * i / (num - 1)
        while k < last - 1 and times[k + 1] <= t:
            k += 1
        dt = t - times[k]
        _exp(w[k], dt, step)
        _dot(R[k], step, Rt)
        x = p[k, 0] + v[k, 0] * dt + 0.5 * a[k, 0] * dt * dt - p[last, 0]
        y = p[k, 1] + v[k, 1] * dt + 0.5 * a[k, 1] * dt * dt - p[last, 1]
        z = p[k, 2] + v[k, 2] * dt + 0.5 * a[k, 2] * dt * dt - p[last, 2]
        x += Rt[0, 0] * t_IL[0] + Rt[0, 1] * t_IL[1] + Rt[0, 2] * t_IL[2]
        y += Rt[1, 0] * t_IL[0] + Rt[1, 1] * t_IL[1] + Rt[1, 2] * t_IL[2]
        z += Rt[2, 0] * t_IL[0] + Rt[2, 1] * t_IL[1] + Rt[2, 2] * t_IL[2]
        _dot(back, Rt, M)
        _dot(M, R_IL, step)
        for row in range(3):
            for column in range(3):
                nodes[i, 4 * row + column] = step[row, column]
            shift = R_IL[0, row] * t_IL[0] + R_IL[1, row] * t_IL[1] + R_IL[2, row] * t_IL[2]
            nodes[i, 4 * row + 3] = back[row, 0] * x + back[row, 1] * y + back[row, 2] * z - shift
    return nodes


@njit(**JIT)
def deskew_points(points, offsets_ns, shift_ns, begin_ns, end_ns, nodes):
    """Points (N, 3) float32 mapped by the pose at `offsets_ns + shift_ns`, interpolated in `nodes`."""
    out = np.empty_like(points)
    last = nodes.shape[0] - 1
    scale = np.float32(last / (end_ns - begin_ns))
    begin = begin_ns - shift_ns
    for i in range(points.shape[0]):
        f = np.float32(offsets_ns[i] - begin) * scale
        f = min(max(f, np.float32(0.0)), np.float32(last))
        k = min(np.int64(f), last - 1)
        f -= np.float32(k)
        a, b = nodes[k], nodes[k + 1]
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        for row in range(3):
            j = 4 * row
            at_a = a[j] * x + a[j + 1] * y + a[j + 2] * z + a[j + 3]
            at_b = b[j] * x + b[j + 1] * y + b[j + 2] * z + b[j + 3]
            out[i, row] = at_a + f * (at_b - at_a)
    return out
