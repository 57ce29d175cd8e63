"""Registration in Numba: one plane per scan point, and the normal equations of the point-to-plane residuals.

The work is cut into `NUM_CHUNKS` pieces whatever the number of threads; each writes its own row and the rows are
summed in order, so that the result does not depend on the number of threads (bev_lio_lc.md, section 17).
A match is a row of `matches` (N, 5) float64: normal, d of n.x + d = 0 in the frame of the map (metres from its
origin), largest accepted squared residual (m^2). `match_ids` (N,) int32 names its point, `match_counts` (NUM_CHUNKS,)
int64 holds the matches per chunk, `residuals` (NUM_CHUNKS,) float64 the sum of their absolute residuals (m). The
matches of a chunk begin at the first point of the chunk.
"""

import math

import numpy as np
from numba import njit, prange

from slam.kernels_hash import JIT
from slam.kernels_knn import fit_nearest
from slam.kernels_planes import nearest_plane

NUM_CHUNKS = 64
NUM_SUMS = 32  # 21 of the upper triangle, 6 of H^T z, the five of NUM_TOTALS
NUM_SUMS_EXTRINSICS = 95  # 78 + 12 + 5
NUM_TOTALS = 5  # matches, weights, squared residuals, absolute residuals, weighted squared ranges
GATE = 1.0 / 81.0  # 1 - 0.9 |r| / sqrt(range) > 0.9 is r^2 < range / 81, section 6.2


@njit(**JIT)
def _associate_planes_chunk(
    chunk, table, neighbours, planes, edge, points, pose, matches, match_ids, match_counts, residuals
):
    first = chunk * points.shape[0] // NUM_CHUNKS
    last = (chunk + 1) * points.shape[0] // NUM_CHUNKS
    inverse = 1.0 / edge
    end, absolute = first, 0.0
    for i in range(first, last):
        px, py, pz = np.float64(points[i, 0]), np.float64(points[i, 1]), np.float64(points[i, 2])
        x = pose[0, 0] * px + pose[0, 1] * py + pose[0, 2] * pz + pose[0, 3]
        y = pose[1, 0] * px + pose[1, 1] * py + pose[1, 2] * pz + pose[1, 3]
        z = pose[2, 0] * px + pose[2, 1] * py + pose[2, 2] * pz + pose[2, 3]
        bucket, ix, iy, iz = nearest_plane(table, neighbours, planes, edge, inverse, x, y, z)
        if bucket < 0:
            continue
        nx, ny, nz = np.float64(planes[bucket, 0]), np.float64(planes[bucket, 1]), np.float64(planes[bucket, 2])
        cx = (ix + 0.5) * edge + planes[bucket, 3]
        cy = (iy + 0.5) * edge + planes[bucket, 4]
        cz = (iz + 0.5) * edge + planes[bucket, 5]
        d = -(nx * cx + ny * cy + nz * cz)
        gate = GATE * math.sqrt(px * px + py * py + pz * pz)
        residual = nx * x + ny * y + nz * z + d
        if residual * residual >= gate:
            continue
        matches[end, 0], matches[end, 1], matches[end, 2], matches[end, 3] = nx, ny, nz, d
        matches[end, 4] = gate
        match_ids[end] = i
        absolute += abs(residual)
        end += 1
    match_counts[chunk] = end - first
    residuals[chunk] = absolute


@njit(**JIT)
def associate_planes(table, neighbours, planes, edge, points, pose, matches, match_ids, match_counts, residuals):
    """Match points (N, 3) float32, mapped by `pose` (3, 4) into the map, with the planes of their voxels."""
    for chunk in range(NUM_CHUNKS):
        _associate_planes_chunk(
            chunk, table, neighbours, planes, edge, points, pose, matches, match_ids, match_counts, residuals
        )


@njit(parallel=True, **JIT)
def associate_planes_parallel(
    table, neighbours, planes, edge, points, pose, matches, match_ids, match_counts, residuals
):
    """`associate_planes` on several threads."""
    for chunk in prange(NUM_CHUNKS):
        _associate_planes_chunk(
            chunk, table, neighbours, planes, edge, points, pose, matches, match_ids, match_counts, residuals
        )


@njit(**JIT)
def _associate_knn_chunk(
    chunk, table, cells, neighbours, stored, edge, points, pose, max_distance, max_offset, matches, match_ids,
    match_counts, residuals,
):  # fmt: skip
    first = chunk * points.shape[0] // NUM_CHUNKS
    last = (chunk + 1) * points.shape[0] // NUM_CHUNKS
    nearest, distances, plane = np.empty((5, 3)), np.empty(5), np.empty(4)
    end, absolute = first, 0.0
    for i in range(first, last):
        px, py, pz = np.float64(points[i, 0]), np.float64(points[i, 1]), np.float64(points[i, 2])
        x = pose[0, 0] * px + pose[0, 1] * py + pose[0, 2] * pz + pose[0, 3]
        y = pose[1, 0] * px + pose[1, 1] * py + pose[1, 2] * pz + pose[1, 3]
        z = pose[2, 0] * px + pose[2, 1] * py + pose[2, 2] * pz + pose[2, 3]
        if not fit_nearest(
            table, cells, neighbours, stored, edge, x, y, z, max_distance, max_offset, nearest, distances, plane
        ):
            continue
        gate = GATE * math.sqrt(px * px + py * py + pz * pz)
        residual = plane[0] * x + plane[1] * y + plane[2] * z + plane[3]
        if residual * residual >= gate:
            continue
        matches[end, 0], matches[end, 1], matches[end, 2], matches[end, 3] = plane[0], plane[1], plane[2], plane[3]
        matches[end, 4] = gate
        match_ids[end] = i
        absolute += abs(residual)
        end += 1
    match_counts[chunk] = end - first
    residuals[chunk] = absolute


@njit(**JIT)
def associate_knn(
    table,
    cells,
    neighbours,
    stored,
    edge,
    points,
    pose,
    max_distance,
    max_offset,
    matches,
    match_ids,
    match_counts,
    residuals,
):
    """Match points (N, 3) float32, mapped by `pose` (3, 4) into the map, with planes through their 5 neighbours."""
    for chunk in range(NUM_CHUNKS):
        _associate_knn_chunk(
            chunk, table, cells, neighbours, stored, edge, points, pose, max_distance, max_offset, matches, match_ids,
            match_counts, residuals,
        )  # fmt: skip


@njit(parallel=True, **JIT)
def associate_knn_parallel(
    table,
    cells,
    neighbours,
    stored,
    edge,
    points,
    pose,
    max_distance,
    max_offset,
    matches,
    match_ids,
    match_counts,
    residuals,
):
    """`associate_knn` on several threads."""
    for chunk in prange(NUM_CHUNKS):
        _associate_knn_chunk(
            chunk, table, cells, neighbours, stored, edge, points, pose, max_distance, max_offset, matches, match_ids,
            match_counts, residuals,
        )  # fmt: skip


@njit(**JIT)
def robust_weight(squared, scale):
    """Weight of a squared residual by Geman and McClure; 1 when `scale` (m) is 0."""
    if scale <= 0.0:
        return 1.0
    factor = scale * scale / (scale * scale + squared)
    return factor * factor


@njit(**JIT)
def _linearise_chunk(chunk, points, R, p, R_IL, t_IL, scale, matches, match_ids, match_counts, sums):
    first = chunk * points.shape[0] // NUM_CHUNKS
    h00 = h01 = h02 = h03 = h04 = h05 = h11 = h12 = h13 = h14 = h15 = h22 = h23 = h24 = h25 = 0.0
    h33 = h34 = h35 = h44 = h45 = h55 = 0.0
    g0 = g1 = g2 = g3 = g4 = g5 = num = weights = squares = absolute = ranges = 0.0
    for m in range(first, first + match_counts[chunk]):
        i = match_ids[m]
        lx, ly, lz = np.float64(points[i, 0]), np.float64(points[i, 1]), np.float64(points[i, 2])
        x = R_IL[0, 0] * lx + R_IL[0, 1] * ly + R_IL[0, 2] * lz + t_IL[0]
        y = R_IL[1, 0] * lx + R_IL[1, 1] * ly + R_IL[1, 2] * lz + t_IL[1]
        z = R_IL[2, 0] * lx + R_IL[2, 1] * ly + R_IL[2, 2] * lz + t_IL[2]
        a0, a1, a2 = matches[m, 0], matches[m, 1], matches[m, 2]
        cx = R[0, 0] * a0 + R[1, 0] * a1 + R[2, 0] * a2  # c = R^T n
        cy = R[0, 1] * a0 + R[1, 1] * a1 + R[2, 1] * a2
        cz = R[0, 2] * a0 + R[1, 2] * a1 + R[2, 2] * a2
        r = cx * x + cy * y + cz * z + a0 * p[0] + a1 * p[1] + a2 * p[2] + matches[m, 3]
        squared = r * r
        if squared >= matches[m, 4]:
            continue
        a3, a4, a5 = y * cz - z * cy, z * cx - x * cz, x * cy - y * cx  # p_I x c
        w = robust_weight(squared, scale)
        w0, w1, w2, w3, w4, w5 = w * a0, w * a1, w * a2, w * a3, w * a4, w * a5
        h00 += w0 * a0
        h01 += w0 * a1
        h02 += w0 * a2
        h03 += w0 * a3
        h04 += w0 * a4
        h05 += w0 * a5
        h11 += w1 * a1
        h12 += w1 * a2
        h13 += w1 * a3
        h14 += w1 * a4
        h15 += w1 * a5
        h22 += w2 * a2
        h23 += w2 * a3
        h24 += w2 * a4
        h25 += w2 * a5
        h33 += w3 * a3
        h34 += w3 * a4
        h35 += w3 * a5
        h44 += w4 * a4
        h45 += w4 * a5
        h55 += w5 * a5
        g0 -= w0 * r
        g1 -= w1 * r
        g2 -= w2 * r
        g3 -= w3 * r
        g4 -= w4 * r
        g5 -= w5 * r
        num += 1.0
        weights += w
        squares += squared
        absolute += abs(r)
        ranges += w * (x * x + y * y + z * z)
    s = sums[chunk]
    s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7] = h00, h01, h02, h03, h04, h05, h11, h12
    s[8], s[9], s[10], s[11], s[12], s[13], s[14], s[15] = h13, h14, h15, h22, h23, h24, h25, h33
    s[16], s[17], s[18], s[19], s[20] = h34, h35, h44, h45, h55
    s[21], s[22], s[23], s[24], s[25], s[26] = g0, g1, g2, g3, g4, g5
    s[27], s[28], s[29], s[30], s[31] = num, weights, squares, absolute, ranges


@njit(**JIT)
def linearise(points, R, p, R_IL, t_IL, scale, matches, match_ids, match_counts, sums):
    """Fill `sums` (NUM_CHUNKS, NUM_SUMS) with the normal equations for (p, R); `p` is relative to the map's origin."""
    for chunk in range(NUM_CHUNKS):
        _linearise_chunk(chunk, points, R, p, R_IL, t_IL, scale, matches, match_ids, match_counts, sums)


@njit(parallel=True, **JIT)
def linearise_parallel(points, R, p, R_IL, t_IL, scale, matches, match_ids, match_counts, sums):
    """`linearise` on several threads."""
    for chunk in prange(NUM_CHUNKS):
        _linearise_chunk(chunk, points, R, p, R_IL, t_IL, scale, matches, match_ids, match_counts, sums)


@njit(**JIT)
def linearise_extrinsics(points, R, p, R_IL, t_IL, scale, matches, match_ids, match_counts, sums):
    """As `linearise` for (p, R, R_IL, t_IL), `sums` (NUM_CHUNKS, NUM_SUMS_EXTRINSICS): 78 + 12 + 5 numbers."""
    a = np.empty(12)
    for chunk in range(NUM_CHUNKS):
        sums[chunk, :] = 0.0
        first = chunk * points.shape[0] // NUM_CHUNKS
        for m in range(first, first + match_counts[chunk]):
            i = match_ids[m]
            lx, ly, lz = np.float64(points[i, 0]), np.float64(points[i, 1]), np.float64(points[i, 2])
            x = R_IL[0, 0] * lx + R_IL[0, 1] * ly + R_IL[0, 2] * lz + t_IL[0]
            y = R_IL[1, 0] * lx + R_IL[1, 1] * ly + R_IL[1, 2] * lz + t_IL[1]
            z = R_IL[2, 0] * lx + R_IL[2, 1] * ly + R_IL[2, 2] * lz + t_IL[2]
            nx, ny, nz = matches[m, 0], matches[m, 1], matches[m, 2]
            cx = R[0, 0] * nx + R[1, 0] * ny + R[2, 0] * nz
            cy = R[0, 1] * nx + R[1, 1] * ny + R[2, 1] * nz
            cz = R[0, 2] * nx + R[1, 2] * ny + R[2, 2] * nz
            r = cx * x + cy * y + cz * z + nx * p[0] + ny * p[1] + nz * p[2] + matches[m, 3]
            squared = r * r
            if squared >= matches[m, 4]:
                continue
            ex = R_IL[0, 0] * cx + R_IL[1, 0] * cy + R_IL[2, 0] * cz  # R_IL^T c
            ey = R_IL[0, 1] * cx + R_IL[1, 1] * cy + R_IL[2, 1] * cz
            ez = R_IL[0, 2] * cx + R_IL[1, 2] * cy + R_IL[2, 2] * cz
            a[0], a[1], a[2] = nx, ny, nz
            a[3], a[4], a[5] = y * cz - z * cy, z * cx - x * cz, x * cy - y * cx
            a[6], a[7], a[8] = ly * ez - lz * ey, lz * ex - lx * ez, lx * ey - ly * ex
            a[9], a[10], a[11] = cx, cy, cz
            w = robust_weight(squared, scale)
            k = 0
            for row in range(12):
                for column in range(row, 12):
                    sums[chunk, k] += w * a[row] * a[column]
                    k += 1
            for row in range(12):
                sums[chunk, 78 + row] -= w * a[row] * r
            sums[chunk, 90] += 1.0
            sums[chunk, 91] += w
            sums[chunk, 92] += squared
            sums[chunk, 93] += abs(r)
            sums[chunk, 94] += w * (x * x + y * y + z * z)
