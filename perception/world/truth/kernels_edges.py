"""Joins the edges of a mesh that lie on one straight line into the longest pieces. The twin is in the test."""

import numba
import numpy as np

STRAIGHT_COSINE = 0.99998  # of the bend between neighbours that still count as one line: 0.36 degrees
MAX_BULGE = 2e-3  # m, by which a joined vertex may lie beside the line between the ends


@numba.njit(nogil=True, cache=True)
def chains(points, ends, first, touching, starts, stops):
    """Ends of the longest straight chains of edges.

    `points` (V, 3) float64; `ends` (E, 2) int64, the two vertices of each edge; `touching` (2 E,) int64, edges by
    vertex: those of vertex v from `first[v]` to `first[v + 1]`. Fills `starts` and `stops` (E,) int64 with vertices;
    returns how many chains there are. Every edge belongs to exactly one.
    """
    is_used = np.zeros(len(ends), dtype=np.bool_)
    path = np.empty(len(ends) + 1, dtype=np.int64)
    count = 0
    for edge in range(len(ends)):
        if is_used[edge]:
            continue
        is_used[edge] = True
        path[0], path[1] = ends[edge, 0], ends[edge, 1]
        length = 2
        for _ in range(2):
            length = _grown(points, ends, first, touching, is_used, path, length)
            for k in range(length // 2):
                path[k], path[length - 1 - k] = path[length - 1 - k], path[k]
        starts[count], stops[count] = path[0], path[length - 1]
        count += 1
    return count


@numba.njit(nogil=True, cache=True)
def _grown(points, ends, first, touching, is_used, path, length):
    """Length of a path of vertices after it was led on from its last vertex as far as it stays straight."""
    while True:
        tip, before = path[length - 1], path[length - 2]
        found = -1
        for k in range(first[tip], first[tip + 1]):
            edge = touching[k]
            if is_used[edge]:
                continue
            far = ends[edge, 0] + ends[edge, 1] - tip
            if _cosine(points, before, tip, far) >= STRAIGHT_COSINE and _is_straight(points, path, length, far):
                found = edge
                break
        if found < 0:
            return length
        is_used[found] = True
        path[length] = ends[found, 0] + ends[found, 1] - tip
        length += 1


@numba.njit(nogil=True, cache=True)
def _cosine(points, a, b, c):
    """Cosine of the bend at b on the way from a to c."""
    dot, one, two = 0.0, 0.0, 0.0
    for k in range(3):
        p, q = points[b, k] - points[a, k], points[c, k] - points[b, k]
        dot, one, two = dot + p * q, one + p * p, two + q * q
    return dot / max(np.sqrt(one * two), 1e-30)


@numba.njit(nogil=True, cache=True)
def _is_straight(points, path, length, far):
    """Whether all vertices of a path lie on the line from its first one to `far`."""
    start = path[0]
    dx, dy, dz = points[far, 0] - points[start, 0], points[far, 1] - points[start, 1], points[far, 2] - points[start, 2]
    square = dx * dx + dy * dy + dz * dz
    for k in range(1, length):
        px, py = points[path[k], 0] - points[start, 0], points[path[k], 1] - points[start, 1]
        pz = points[path[k], 2] - points[start, 2]
        cx, cy, cz = py * dz - pz * dy, pz * dx - px * dz, px * dy - py * dx
        if cx * cx + cy * cy + cz * cz > MAX_BULGE * MAX_BULGE * square:
            return False
    return True


def warm_up() -> None:
    """Compile the kernel of this file for the types it is used with."""
    none, zero = np.zeros(0, dtype=np.int64), np.zeros(1, dtype=np.int64)
    chains(np.zeros((0, 3)), np.zeros((0, 2), dtype=np.int64), zero, none, none.copy(), none.copy())
