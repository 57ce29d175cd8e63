"""Which voxels rays pass. Amanatides and Woo, "A fast voxel traversal algorithm for ray tracing", 1987.

Coordinates are in units of voxels from the lower corner of the grid. `walk_twin` is the definition.
"""

import numba
import numpy as np


@numba.njit(nogil=True, cache=True)
def _enter(o, d, inverse, size, t_low, t_high):
    """The part of a ray between two planes across one axis; empty where the second number is below the first."""
    if d == 0.0:
        return (t_low, t_high) if 0.0 <= o < size else (1.0, 0.0)
    a, b = (0.0 - o) * inverse, (size - o) * inverse
    if not (a <= b or b <= a):  # NaN
        return 1.0, 0.0
    return max(t_low, min(a, b)), min(t_high, max(a, b))


@numba.njit(nogil=True, cache=True)
def _first(o, d, t, size):
    """The voxel along one axis in which a ray is at `t`."""
    return min(max(np.int64(np.floor(o + t * d)), 0), size - 1)


@numba.njit(nogil=True, cache=True)
def _next(o, d, inverse, cell):
    """The border at which a ray leaves its voxel along one axis, where that is, and the step."""
    if d == 0.0:
        return 0.0, np.inf, 0
    border = cell + 1.0 if d > 0.0 else np.float64(cell)
    return border, (border - o) * inverse, 1 if d > 0.0 else -1


@numba.njit(nogil=True, cache=True)
def walk(origins, steps, reach, occupied, stops, seen):
    """Mark the voxels that rays pass: all up to `reach` times their step or, if `stops`, to the first occupied one.

    `origins` (1 or N, 3) and `steps` (N, 3) float64, in voxels; `occupied` and `seen` (X, Y, Z) bool, C-contiguous.
    No index is checked: borders are computed as the end of the ray is, so none is passed at the rim of the grid.
    """
    size_x, size_y, size_z = seen.shape
    is_occupied, is_seen = occupied.reshape(-1), seen.reshape(-1)
    for i in range(len(steps)):
        origin = origins[i] if len(origins) > 1 else origins[0]
        ox, oy, oz = origin[0], origin[1], origin[2]
        dx, dy, dz = steps[i, 0], steps[i, 1], steps[i, 2]
        ix = 1.0 / dx if dx != 0.0 else 0.0
        iy = 1.0 / dy if dy != 0.0 else 0.0
        iz = 1.0 / dz if dz != 0.0 else 0.0
        t, end = _enter(ox, dx, ix, size_x, 0.0, reach)
        t, end = _enter(oy, dy, iy, size_y, t, end)
        t, end = _enter(oz, dz, iz, size_z, t, end)
        if not t <= end:  # true for NaN
            continue
        x, y, z = _first(ox, dx, t, size_x), _first(oy, dy, t, size_y), _first(oz, dz, t, size_z)
        border_x, t_x, step_x = _next(ox, dx, ix, x)
        border_y, t_y, step_y = _next(oy, dy, iy, y)
        border_z, t_z, step_z = _next(oz, dz, iz, z)
        jump_x, jump_y = step_x * size_y * size_z, step_y * size_z
        cell = (x * size_y + y) * size_z + z
        while True:
            is_seen[cell] = True
            if stops and is_occupied[cell]:
                break
            along_x = t_x <= t_y and t_x <= t_z  # which axis cannot be foretold: it is selected, never branched on
            along_y = not along_x and t_y <= t_z
            t = t_x if along_x else (t_y if along_y else t_z)
            if not t < end:
                break
            cell += jump_x if along_x else (jump_y if along_y else step_z)
            border_x += step_x if along_x else 0
            border_y += step_y if along_y else 0
            border_z += 0 if along_x or along_y else step_z
            t_x = (border_x - ox) * ix if dx != 0.0 else np.inf
            t_y = (border_y - oy) * iy if dy != 0.0 else np.inf
            t_z = (border_z - oz) * iz if dz != 0.0 else np.inf


@numba.njit(nogil=True, cache=True)
def distinct(origins, ends, T, taken, starts, steps):
    """Of segments that end (or leave the grid) in the same voxel the first: the others pass hardly another voxel.

    `origins`, `ends` (N, 3) float64, m, `T` (3, 4) float64 into the grid; `taken` (X, Y, Z) bool, all False. Fills
    `starts` and `steps` (N, 3) float64, in voxels; returns how many. Segments that miss the grid are left out.
    """
    size_x, size_y, size_z = taken.shape
    num = 0
    for i in range(len(origins)):
        for k in range(3):
            o = T[k, 0] * origins[i, 0] + T[k, 1] * origins[i, 1] + T[k, 2] * origins[i, 2] + T[k, 3]
            e = T[k, 0] * ends[i, 0] + T[k, 1] * ends[i, 1] + T[k, 2] * ends[i, 2] + T[k, 3]
            starts[num, k], steps[num, k] = o, e - o
        ox, oy, oz = starts[num, 0], starts[num, 1], starts[num, 2]
        dx, dy, dz = steps[num, 0], steps[num, 1], steps[num, 2]
        t, end = _enter(ox, dx, 1.0 / dx if dx != 0.0 else 0.0, size_x, 0.0, 1.0)
        t, end = _enter(oy, dy, 1.0 / dy if dy != 0.0 else 0.0, size_y, t, end)
        t, end = _enter(oz, dz, 1.0 / dz if dz != 0.0 else 0.0, size_z, t, end)
        if t <= end:
            x, y, z = _first(ox, dx, end, size_x), _first(oy, dy, end, size_y), _first(oz, dz, end, size_z)
            num += np.int64(not taken[x, y, z])
            taken[x, y, z] = True
    return num


def walk_twin(origin: np.ndarray, step: np.ndarray, reach: float, shape: tuple[int, int, int]) -> list[tuple[int, ...]]:
    """The definition: voxels (x, y, z) in their order along one ray (3,), (3,), all up to `reach` times its step."""
    with np.errstate(divide="ignore", invalid="ignore"):
        borders = np.concatenate(
            [(np.arange(size + 1) - o) / d for o, d, size in zip(origin, step, shape, strict=True)]
        )
    cuts = np.unique(np.concatenate([[0.0, reach], borders[(borders > 0.0) & (borders < reach)]]))
    out = []
    for t in 0.5 * (cuts[:-1] + cuts[1:]):  # between two borders a ray is in one voxel
        voxel = np.floor(origin + t * step).astype(int)
        if ((voxel >= 0) & (voxel < shape)).all():
            out.append(tuple(voxel.tolist()))
    return out


def warm_up() -> None:
    """Compile the kernels of this file for the types they are used with."""
    grid = np.zeros((2, 2, 2), dtype=np.bool_)
    walk(np.zeros((1, 3)), np.ones((1, 3)), 1.0, grid, True, grid)
    distinct(np.zeros((1, 3)), np.ones((1, 3)), np.zeros((3, 4)), grid, np.zeros((1, 3)), np.zeros((1, 3)))
