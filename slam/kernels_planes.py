"""Plane voxels in Numba: insertion of points as moments, plane fits, and the search for a plane per scan point.

Beside the arrays of `slam.kernels_hash`, each bucket has
  moments  (C, 9) float32  sums of x y z xx xy xz yy yz zz, relative to the centre of the voxel
  planes   (C, 8) float32  normal, centroid relative to the centre, variance along the normal (m^2), 1 when valid
Coordinates are metres relative to the origin of the map (float64), see bev_lio_lc.md section 6.3.
"""

import math

import numpy as np
from numba import njit

from slam.kernels_hash import COUNT, FITTED, JIT, OFFSETS, STAMP, create, find, is_inside, pack

REFIT_GROWTH = 1.2  # a plane is fitted again once its voxel holds this many times the points of the last fit
TWO_THIRDS_PI = 2.0 * math.pi / 3.0
ISOTROPIC = 1e-18  # m^4, squared spread of eigenvalues below which every direction is as good as another


@njit(**JIT)
def smallest_eigen(xx, xy, xz, yy, yz, zz):
    """Two smallest eigenvalues and the unit eigenvector of the smallest, of a symmetric 3x3 matrix.

    Closed form by the trigonometric solution of the characteristic polynomial (Smith, CACM 1961).
    """
    mean = (xx + yy + zz) / 3.0
    a, b, c = xx - mean, yy - mean, zz - mean
    spread = a * a + b * b + c * c + 2.0 * (xy * xy + xz * xz + yz * yz)
    if spread < ISOTROPIC:
        return mean, mean, 0.0, 0.0, 1.0
    p = math.sqrt(spread / 6.0)
    determinant = a * (b * c - yz * yz) - xy * (xy * c - yz * xz) + xz * (xy * yz - b * xz)
    angle = math.acos(min(1.0, max(-1.0, 0.5 * determinant / (p * p * p)))) / 3.0
    largest = mean + 2.0 * p * math.cos(angle)
    smallest = mean + 2.0 * p * math.cos(angle + TWO_THIRDS_PI)
    middle = 3.0 * mean - largest - smallest
    a, b, c = xx - smallest, yy - smallest, zz - smallest
    # The eigenvector is orthogonal to all rows: take the cross product of rows with the largest length.
    x0, y0, z0 = b * c - yz * yz, xz * yz - xy * c, xy * yz - xz * b
    x1, y1, z1 = y0, a * c - xz * xz, xy * xz - a * yz
    x2, y2, z2 = z0, z1, a * b - xy * xy
    n0, n1, n2 = x0 * x0 + y0 * y0 + z0 * z0, x1 * x1 + y1 * y1 + z1 * z1, x2 * x2 + y2 * y2 + z2 * z2
    if n1 > n0:
        x0, y0, z0, n0 = x1, y1, z1, n1
    if n2 > n0:
        x0, y0, z0, n0 = x2, y2, z2, n2
    if n0 <= 0.0:
        return smallest, middle, 0.0, 0.0, 1.0
    scale = 1.0 / math.sqrt(n0)
    return smallest, middle, x0 * scale, y0 * scale, z0 * scale


@njit(**JIT)
def fit_plane(cells, moments, planes, bucket, min_points, max_variance, min_ratio):
    """Fit the plane of one bucket from its moments and store it with its validity."""
    count = cells[bucket, COUNT]
    cells[bucket, FITTED] = count
    planes[bucket, 7] = 0.0
    if count < min_points:
        return
    w = 1.0 / count
    mx, my, mz = moments[bucket, 0] * w, moments[bucket, 1] * w, moments[bucket, 2] * w
    xx, xy, xz = moments[bucket, 3] * w - mx * mx, moments[bucket, 4] * w - mx * my, moments[bucket, 5] * w - mx * mz
    yy, yz, zz = moments[bucket, 6] * w - my * my, moments[bucket, 7] * w - my * mz, moments[bucket, 8] * w - mz * mz
    smallest, middle, nx, ny, nz = smallest_eigen(xx, xy, xz, yy, yz, zz)
    planes[bucket, 0], planes[bucket, 1], planes[bucket, 2] = nx, ny, nz
    planes[bucket, 3], planes[bucket, 4], planes[bucket, 5] = mx, my, mz
    planes[bucket, 6] = max(smallest, 0.0)
    if smallest < max_variance and middle > min_ratio * smallest:
        planes[bucket, 7] = 1.0


@njit(**JIT)
def insert_planes(
    table, cells, neighbours, free, state, moments, planes, points, pose, edge, max_points, min_points, max_variance,
    min_ratio, stamp, touched,
):  # fmt: skip
    """Add points (N, 3) float32, mapped by `pose` (3, 4) float64 into the frame of the map, then refit what changed.

    `stamp` is a number unique to this call, `touched` (N,) int32 scratch. Returns how many points found no room.
    """
    inverse = 1.0 / edge
    last_key, bucket = np.int64(-1), np.int64(-1)
    num_touched = num_refused = 0
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
        key = pack(ix, iy, iz)
        if key != last_key:
            bucket = find(table, key)
            if bucket < 0:
                bucket = create(table, cells, neighbours, free, state, ix, iy, iz)
                if bucket < 0:
                    last_key = np.int64(-1)
                    num_refused += 1
                    continue
                moments[bucket, :] = 0.0
                planes[bucket, 7] = 0.0
            last_key = key
        if cells[bucket, COUNT] >= max_points:
            continue
        if cells[bucket, STAMP] != stamp:
            cells[bucket, STAMP] = stamp
            touched[num_touched] = bucket
            num_touched += 1
        cells[bucket, COUNT] += 1
        x, y, z = x - (fx + 0.5) * edge, y - (fy + 0.5) * edge, z - (fz + 0.5) * edge
        moments[bucket, 0] += x
        moments[bucket, 1] += y
        moments[bucket, 2] += z
        moments[bucket, 3] += x * x
        moments[bucket, 4] += x * y
        moments[bucket, 5] += x * z
        moments[bucket, 6] += y * y
        moments[bucket, 7] += y * z
        moments[bucket, 8] += z * z
    for i in range(num_touched):
        bucket = np.int64(touched[i])
        count = cells[bucket, COUNT]
        if count >= max_points or count >= REFIT_GROWTH * cells[bucket, FITTED]:
            fit_plane(cells, moments, planes, bucket, min_points, max_variance, min_ratio)
    return num_refused


@njit(**JIT)
def nearest_plane(table, neighbours, planes, edge, inverse, x, y, z):
    """Bucket of the plane for a point, -1 for none, and the voxel it lies in.

    The plane of the point's own voxel, else the one with the nearest centroid among the linked neighbours.
    """
    ix, iy, iz = np.int64(math.floor(x * inverse)), np.int64(math.floor(y * inverse)), np.int64(math.floor(z * inverse))
    if not is_inside(ix, iy, iz):
        return np.int64(-1), ix, iy, iz
    home = find(table, pack(ix, iy, iz))
    if home < 0 or planes[home, 7] > 0.0:
        return home, ix, iy, iz
    best, step, best_distance = np.int64(-1), 0, 1e30
    x, y, z = x - (ix + 0.5) * edge, y - (iy + 0.5) * edge, z - (iz + 0.5) * edge
    for j in range(neighbours.shape[1]):
        other = np.int64(neighbours[home, j])
        if other < 0 or planes[other, 7] <= 0.0:
            continue
        dx = x - OFFSETS[j, 0] * edge - planes[other, 3]
        dy = y - OFFSETS[j, 1] * edge - planes[other, 4]
        dz = z - OFFSETS[j, 2] * edge - planes[other, 5]
        distance = dx * dx + dy * dy + dz * dz
        if distance < best_distance:
            best, step, best_distance = other, j, distance
    return best, ix + OFFSETS[step, 0], iy + OFFSETS[step, 1], iz + OFFSETS[step, 2]
