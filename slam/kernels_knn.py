"""Point voxels in Numba: a few points per voxel, and the plane through the five nearest neighbours of a point.

Beside the arrays of `slam.kernels_hash`, each bucket has `stored` (C, CAP, 3) float32: points relative to the centre
of the voxel. Reference behaviour of section 6.2 of bev_lio_lc.md on the structure of section 6.3.
"""

import math

import numpy as np
from numba import njit

from slam.kernels_hash import COUNT, JIT, OFFSETS, X, Y, Z, create, find, is_inside, pack
from slam.kernels_planes import smallest_eigen

NUM_NEAREST = 5


@njit(**JIT)
def insert_points(table, cells, neighbours, free, state, stored, points, pose, edge, min_spacing):
    """Add points (N, 3) float32, mapped by `pose` (3, 4), each unless its voxel is full or holds one too near.

    Returns how many points found no room in the store.
    """
    inverse, limit = 1.0 / edge, min_spacing * min_spacing
    num_refused = 0
    for i in range(points.shape[0]):
        px, py, pz = np.float64(points[i, 0]), np.float64(points[i, 1]), np.float64(points[i, 2])
        x = pose[0, 0] * px + pose[0, 1] * py + pose[0, 2] * pz + pose[0, 3]
        y = pose[1, 0] * px + pose[1, 1] * py + pose[1, 2] * pz + pose[1, 3]
        z = pose[2, 0] * px + pose[2, 1] * py + pose[2, 2] * pz + pose[2, 3]
        fx, fy, fz = math.floor(x * inverse), math.floor(y * inverse), math.floor(z * inverse)
        ix, iy, iz = np.int64(fx), np.int64(fy), np.int64(fz)
        if not is_inside(ix, iy, iz):
            num_refused += 1
            continue
        bucket = find(table, pack(ix, iy, iz))
        if bucket < 0:
            bucket = create(table, cells, neighbours, free, state, ix, iy, iz)
            if bucket < 0:
                num_refused += 1
                continue
        count = cells[bucket, COUNT]
        if count >= stored.shape[1]:
            continue
        x, y, z = x - (fx + 0.5) * edge, y - (fy + 0.5) * edge, z - (fz + 0.5) * edge
        is_near = False
        for k in range(count):
            dx, dy, dz = x - stored[bucket, k, 0], y - stored[bucket, k, 1], z - stored[bucket, k, 2]
            if dx * dx + dy * dy + dz * dz < limit:
                is_near = True
                break
        if not is_near:
            stored[bucket, count, 0], stored[bucket, count, 1], stored[bucket, count, 2] = x, y, z
            cells[bucket, COUNT] = count + 1
    return num_refused


@njit(**JIT)
def _visit(cells, stored, edge, bucket, x, y, z, nearest, distances):
    """Keep the five nearest of the points of one bucket; `nearest` holds them relative to the asked point."""
    cx, cy, cz = (cells[bucket, X] + 0.5) * edge, (cells[bucket, Y] + 0.5) * edge, (cells[bucket, Z] + 0.5) * edge
    for k in range(cells[bucket, COUNT]):
        dx, dy, dz = stored[bucket, k, 0] + cx - x, stored[bucket, k, 1] + cy - y, stored[bucket, k, 2] + cz - z
        distance = dx * dx + dy * dy + dz * dz
        if distance >= distances[NUM_NEAREST - 1]:
            continue
        slot = NUM_NEAREST - 1
        while slot > 0 and distances[slot - 1] > distance:
            distances[slot] = distances[slot - 1]
            nearest[slot, 0], nearest[slot, 1] = nearest[slot - 1, 0], nearest[slot - 1, 1]
            nearest[slot, 2] = nearest[slot - 1, 2]
            slot -= 1
        distances[slot] = distance
        nearest[slot, 0], nearest[slot, 1], nearest[slot, 2] = dx, dy, dz


@njit(**JIT)
def _gap(step, inside, edge):
    """Distance along one axis from a point, `inside` its voxel, to the voxel `step` away."""
    if step == 0:
        return 0.0
    return inside if step < 0 else edge - inside


@njit(**JIT)
def find_nearest(table, cells, neighbours, stored, edge, x, y, z, max_squared, nearest, distances):
    """The five nearest stored points within the 27 voxels around; returns False when there are fewer in reach.

    Fills `nearest` (5, 3), relative to the asked point, and `distances` (5,), squared.
    """
    for k in range(NUM_NEAREST):
        distances[k] = max_squared
    inverse = 1.0 / edge
    fx, fy, fz = math.floor(x * inverse), math.floor(y * inverse), math.floor(z * inverse)
    ix, iy, iz = np.int64(fx), np.int64(fy), np.int64(fz)
    if not is_inside(ix, iy, iz):
        return False
    home = find(table, pack(ix, iy, iz))
    if home >= 0:
        _visit(cells, stored, edge, home, x, y, z, nearest, distances)
    ux, uy, uz = x - fx * edge, y - fy * edge, z - fz * edge
    for j in range(OFFSETS.shape[0]):
        gx, gy, gz = _gap(OFFSETS[j, 0], ux, edge), _gap(OFFSETS[j, 1], uy, edge), _gap(OFFSETS[j, 2], uz, edge)
        if gx * gx + gy * gy + gz * gz >= distances[NUM_NEAREST - 1]:
            continue
        if home >= 0:
            other = np.int64(neighbours[home, j])
        else:
            other = find(table, pack(ix + OFFSETS[j, 0], iy + OFFSETS[j, 1], iz + OFFSETS[j, 2]))
        if other >= 0:
            _visit(cells, stored, edge, other, x, y, z, nearest, distances)
    return distances[NUM_NEAREST - 1] < max_squared


@njit(**JIT)
def fit_nearest(table, cells, neighbours, stored, edge, x, y, z, max_squared, max_offset, nearest, distances, plane):
    """Plane (4,) through the five nearest points; False when they are missing or one lies off it by `max_offset`."""
    if not find_nearest(table, cells, neighbours, stored, edge, x, y, z, max_squared, nearest, distances):
        return False
    mx = my = mz = 0.0
    for k in range(NUM_NEAREST):
        mx, my, mz = mx + nearest[k, 0], my + nearest[k, 1], mz + nearest[k, 2]
    mx, my, mz = mx / NUM_NEAREST, my / NUM_NEAREST, mz / NUM_NEAREST
    xx = xy = xz = yy = yz = zz = 0.0
    for k in range(NUM_NEAREST):
        dx, dy, dz = nearest[k, 0] - mx, nearest[k, 1] - my, nearest[k, 2] - mz
        xx, xy, xz, yy, yz, zz = xx + dx * dx, xy + dx * dy, xz + dx * dz, yy + dy * dy, yz + dy * dz, zz + dz * dz
    _, _, nx, ny, nz = smallest_eigen(xx, xy, xz, yy, yz, zz)
    for k in range(NUM_NEAREST):
        offset = nx * (nearest[k, 0] - mx) + ny * (nearest[k, 1] - my) + nz * (nearest[k, 2] - mz)
        if abs(offset) > max_offset:
            return False
    plane[0], plane[1], plane[2] = nx, ny, nz
    plane[3] = -(nx * (x + mx) + ny * (y + my) + nz * (z + mz))
    return True
