"""The search for the direction that most segments point to, each kernel beside its definition in NumPy.

A segment is a row (N, 5) float64: middle x, y and unit direction x, y in px from the principal point of an ideal
camera, and half its length in px. A direction (3,) in the optical frame is seen at the vanishing point
(f vx / vz, f vy / vz); the ends of a segment lie `half length * sine` off the line from its middle to there (the
measure of Tardif, ICCV 2009).
"""

import numpy as np
from numba import njit

TINY = 1e-12
MIN_LEVER = 1e-3
REFINEMENTS = 8  # rounds of least squares over the segments that point to the newest direction
WIDE = 3.0  # times the tolerance: segments that the first rounds still listen to


def sines_reference(rows: np.ndarray, direction: np.ndarray, focal: float) -> np.ndarray:
    """Sines (N,) of the angles between segments (N, 5) and the lines from their middles to a vanishing point."""
    x = direction[0] - rows[:, 0] * (direction[2] / focal)
    y = direction[1] - rows[:, 1] * (direction[2] / focal)
    length = np.hypot(x, y)
    sines = np.abs(x * rows[:, 3] - y * rows[:, 2]) / np.maximum(length, TINY)
    return np.where(length > TINY, sines, 1.0)


def supports_reference(
    rows: np.ndarray, tolerances: np.ndarray, weights: np.ndarray, directions: np.ndarray, focal: float
) -> np.ndarray:
    """Support (M,) of directions (M, 3): each segment gives its weight, less the nearer it is to its tolerance."""
    ratios = np.stack([sines_reference(rows, direction, focal) for direction in directions]) / tolerances
    return (weights * np.maximum(1.0 - ratios * ratios, 0.0)).sum(axis=1)


def refined_reference(
    rows: np.ndarray, normals: np.ndarray, tolerances: np.ndarray, direction: np.ndarray, focal: float
) -> np.ndarray:
    """The direction (3,) that the planes of the agreeing segments meet in, by reweighted least squares.

    `normals` (N, 3) of the planes through the camera and the segments. A segment counts by the square of its length,
    and by Tukey's weight of its angle; the first rounds listen to segments `WIDE` times as far off.
    """
    for count in range(REFINEMENTS):
        widths = tolerances * (WIDE if count < REFINEMENTS // 2 else 1.0)
        ratios = sines_reference(rows, direction, focal) / widths
        if np.count_nonzero(ratios < 1.0) < 2:
            return direction
        weights = np.where(ratios < 1.0, (1.0 - ratios**2) ** 2, 0.0) * leverage_reference(rows, direction, focal)
        found = np.linalg.eigh(np.einsum("n,ni,nj->ij", weights, normals, normals))[1][:, 0]
        direction = found if found @ direction >= 0.0 else -found
    return direction


def leverage_reference(rows: np.ndarray, direction: np.ndarray, focal: float) -> np.ndarray:
    """Weights (N,) of the squares of normal . direction, so that their sum is in px^2 at the ends of the segments."""
    rays = np.column_stack([rows[:, :2] / focal, np.ones(len(rows))])
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    lever = np.linalg.norm(np.cross(rays, direction), axis=1)  # how much a turn of the segment moves normal . v
    return (rows[:, 4] / np.maximum(lever, MIN_LEVER)) ** 2


@njit(nogil=True, cache=True)
def sines(rows, direction, focal):  # type: ignore[no-untyped-def]
    """The same as `sines_reference`."""
    found = np.empty(rows.shape[0], dtype=np.float64)
    depth = direction[2] / focal
    for n in range(rows.shape[0]):
        x, y = direction[0] - rows[n, 0] * depth, direction[1] - rows[n, 1] * depth
        length = np.sqrt(x * x + y * y)
        found[n] = abs(x * rows[n, 3] - y * rows[n, 2]) / length if length > TINY else 1.0
    return found


@njit(nogil=True, cache=True)
def supports(rows, tolerances, weights, directions, focal):  # type: ignore[no-untyped-def]
    """The same as `supports_reference`."""
    found = np.zeros(directions.shape[0], dtype=np.float64)
    for m in range(directions.shape[0]):
        depth = directions[m, 2] / focal
        total = 0.0
        for n in range(rows.shape[0]):
            x, y = directions[m, 0] - rows[n, 0] * depth, directions[m, 1] - rows[n, 1] * depth
            cross = x * rows[n, 3] - y * rows[n, 2]
            limit = tolerances[n] * tolerances[n] * (x * x + y * y)
            if cross * cross < limit:
                total += weights[n] * (1.0 - cross * cross / limit)
        found[m] = total
    return found


@njit(nogil=True, cache=True)
def refined(rows, normals, tolerances, direction, focal):  # type: ignore[no-untyped-def]
    """The same as `refined_reference`."""
    v = direction.copy()
    for count in range(REFINEMENTS):
        wide = WIDE if count < REFINEMENTS // 2 else 1.0
        matrix, num_near = np.zeros((3, 3), dtype=np.float64), 0
        for n in range(rows.shape[0]):
            mx, my = rows[n, 0] / focal, rows[n, 1] / focal
            x, y = v[0] - mx * v[2], v[1] - my * v[2]
            length = np.sqrt(x * x + y * y)
            ratio = abs(x * rows[n, 3] - y * rows[n, 2]) / max(length, TINY) / (tolerances[n] * wide)
            if length <= TINY or ratio >= 1.0:
                continue
            num_near += 1
            cx, cy, cz = my * v[2] - v[1], v[0] - mx * v[2], mx * v[1] - my * v[0]
            lever = np.sqrt((cx * cx + cy * cy + cz * cz) / (mx * mx + my * my + 1.0))
            weight = (1.0 - ratio * ratio) ** 2 * (rows[n, 4] / max(lever, MIN_LEVER)) ** 2
            for i in range(3):
                for j in range(3):
                    matrix[i, j] += weight * normals[n, i] * normals[n, j]
        if num_near < 2:
            return v
        found = np.linalg.eigh(matrix)[1][:, 0]
        sign = 1.0 if found[0] * v[0] + found[1] * v[1] + found[2] * v[2] >= 0.0 else -1.0
        for i in range(3):
            v[i] = sign * found[i]
    return v


def warm_up() -> None:
    """Compile the kernels with the types used at run time."""
    rows, ones = np.array([[0.0, 0.0, 0.0, 1.0, 10.0]]), np.ones(1)
    direction = np.array([0.0, -1.0, 0.0])
    sines(rows, direction, 500.0)
    supports(rows, ones, ones, direction[None], 500.0)
    refined(rows.repeat(2, axis=0), np.eye(3)[:2].copy(), np.ones(2), direction, 500.0)
