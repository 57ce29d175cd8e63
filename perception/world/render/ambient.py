"""How much of the sky, and of the light of lamps, reaches each place: a coarse grid, made once per recording."""

import math
from typing import NamedTuple

import numba
import numpy as np

from perception.world.render.loose import LOOSE

OFFSET = 1.0  # cells, off the surface, so that what is inside of a wall does not darken it
BOUNCE = 0.2  # of the light of lamps, from walls and floors in all directions


class Ambient(NamedTuple):
    """Light that comes to the middles of cells from all sides, as a constant and a vector.

    What falls on a surface of normal n is `constant + vector @ n`; the full sky gives 0.5 and (0, 0, 0.5).
    """

    sky: np.ndarray  # (Z, Y, X, 4) float32: constant, then the vector
    lamps: np.ndarray  # likewise; one cell of zeros where no lamp shines
    low: tuple[float, float, float]  # m, of the middle of the first cell
    steps: tuple[float, float, float]  # cells per m


def open_air() -> Ambient:
    """A grid of one cell that sees the whole sky."""
    sky = np.array([0.5, 0.0, 0.0, 0.5], dtype=np.float32).reshape(1, 1, 1, 4)
    return Ambient(sky, np.zeros((1, 1, 1, 4), dtype=np.float32), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=LOOSE, inline="always")
def _cell(x, low, step, count):
    """Cell below a place, its weight, and the cell above."""
    s = min(max((x - low) * step, 0.0), count - 1.0)
    i = min(int(s), max(count - 2, 0))
    return i, min(i + 1, count - 1), np.float32(s - i)


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=LOOSE, inline="always")
def _mixed(values, at, right, down, w00, w01, w10, w11):
    """Bilinear value of the channel at `at`; `right` and `down`: steps to the neighbouring cells."""
    below = at + down
    return w00 * values[at] + w01 * values[at + right] + w10 * values[below] + w11 * values[below + right]


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=LOOSE)
def looked_up(grid, low, steps, x, y, z):
    """Trilinear value (4) of a grid."""
    return _looked_up(grid.reshape(-1), grid.shape, low, steps, x, y, z)


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=LOOSE, inline="always")
def _looked_up(values, shape, low, steps, x, y, z):
    """As `looked_up`, of `values` that lie one after the other: one index is cheaper than four."""
    i, i1, a = _cell(x, low[0], steps[0], shape[2])
    j, j1, b = _cell(y, low[1], steps[1], shape[1])
    k, k1, c = _cell(z, low[2], steps[2], shape[0])
    one = np.float32(1.0)
    w00, w01, w10, w11 = (one - b) * (one - a), (one - b) * a, b * (one - a), b * a
    d = one - c
    at = 4 * ((k * shape[1] + j) * shape[2] + i)
    right, down, up = 4 * (i1 - i), 4 * (j1 - j) * shape[2], 4 * (k1 - k) * shape[1] * shape[2]
    above = at + up
    return (
        d * _mixed(values, at, right, down, w00, w01, w10, w11)
        + c * _mixed(values, above, right, down, w00, w01, w10, w11),
        d * _mixed(values, at + 1, right, down, w00, w01, w10, w11)
        + c * _mixed(values, above + 1, right, down, w00, w01, w10, w11),
        d * _mixed(values, at + 2, right, down, w00, w01, w10, w11)
        + c * _mixed(values, above + 2, right, down, w00, w01, w10, w11),
        d * _mixed(values, at + 3, right, down, w00, w01, w10, w11)
        + c * _mixed(values, above + 3, right, down, w00, w01, w10, w11),
    )


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=LOOSE)
def gather_all(ambient, count, rows, points, normals, towards, out):
    """Sky on the surface, sky in the mirrored direction and light of lamps (N, 3) of the fragments of an image row."""
    sky, lamps, low, steps = ambient.sky, ambient.lamps, ambient.low, ambient.steps
    offset = np.float32(OFFSET / steps[0])
    zero, two = np.float32(0.0), np.float32(2.0)
    bounce = np.float32(BOUNCE)
    has_lamps = lamps.shape[2] > 1
    sky_values, lamp_values = sky.reshape(-1), lamps.reshape(-1)
    for i in range(count):
        if rows[i] < 0:
            continue
        nx, ny, nz = normals[i, 0], normals[i, 1], normals[i, 2]
        x, y, z = points[i, 0] + offset * nx, points[i, 1] + offset * ny, points[i, 2] + offset * nz
        c, vx, vy, vz = _looked_up(sky_values, sky.shape, low, steps, x, y, z)
        straight = vx * nx + vy * ny + vz * nz
        out[i, 0] = max(c + straight, zero)
        dx, dy, dz = towards[i, 0], towards[i, 1], towards[i, 2]
        across = two * (nx * dx + ny * dy + nz * dz)
        out[i, 1] = max(c + vx * dx + vy * dy + vz * dz - across * straight, zero)
        out[i, 2] = zero
        if has_lamps:
            c, vx, vy, vz = _looked_up(lamp_values, lamps.shape, low, steps, x, y, z)
            strength = np.float32(math.sqrt(vx * vx + vy * vy + vz * vz))
            out[i, 2] = max(c + vx * nx + vy * ny + vz * nz, zero) + bounce * strength
