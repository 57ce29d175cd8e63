"""One scan on a grid of the floor: cells with an obstacle, and cells that rays pass on their way to something."""

import numpy as np
from numba import njit

from perception.core.types import check

UNKNOWN, PASSED, HIT = 0, 1, 2
JIT = {"nogil": True, "cache": True, "error_model": "numpy"}


def draw_scan(size: int, ends: np.ndarray, is_hit: np.ndarray) -> np.ndarray:
    """Codes (size, size) uint8 of one scan from the cell in the middle: `HIT` where a ray ends in an obstacle.

    `ends` (M, 2) int32: column and row of the end of each ray, inside of the grid; `is_hit` (M,) bool. Rays are
    Bresenham's lines, without their end; a cell that is both passed and hit is hit.
    """
    check("ends", ends, (None, 2), np.int32)
    check("is_hit", is_hit, (len(ends),), np.bool_)
    codes = np.zeros((size, size), dtype=np.uint8)
    _draw(codes, np.ascontiguousarray(ends), np.ascontiguousarray(is_hit))
    return codes


def draw_scan_by_lines(size: int, ends: np.ndarray, is_hit: np.ndarray) -> np.ndarray:
    """The definition of `draw_scan`."""
    codes = np.zeros((size, size), dtype=np.uint8)
    for column, row in ends:
        for x, y in line(size // 2, size // 2, int(column), int(row))[:-1]:
            codes[y, x] = PASSED
    for column, row in ends[is_hit]:
        codes[row, column] = HIT
    return codes


def line(x: int, y: int, end_x: int, end_y: int) -> list[tuple[int, int]]:
    """Cells of Bresenham's line, both ends included."""
    step_x, step_y = (1 if end_x > x else -1), (1 if end_y > y else -1)
    dx, dy = abs(end_x - x), -abs(end_y - y)
    error, cells = dx + dy, [(x, y)]
    while (x, y) != (end_x, end_y):
        doubled = 2 * error
        if doubled >= dy:
            error, x = error + dy, x + step_x
        if doubled <= dx:
            error, y = error + dx, y + step_y
        cells.append((x, y))
    return cells


def warm_up() -> None:
    """Compile with the types used at run time."""
    draw_scan(3, np.zeros((1, 2), dtype=np.int32), np.zeros(1, dtype=np.bool_))


@njit(**JIT)
def _draw(codes, ends, is_hit):
    middle = codes.shape[0] // 2
    for i in range(ends.shape[0]):
        x = y = middle
        end_x, end_y = np.int64(ends[i, 0]), np.int64(ends[i, 1])
        step_x = 1 if end_x > x else -1
        step_y = 1 if end_y > y else -1
        dx, dy = abs(end_x - x), -abs(end_y - y)
        error = dx + dy
        while x != end_x or y != end_y:
            codes[y, x] = PASSED
            doubled = 2 * error
            if doubled >= dy:
                error += dy
                x += step_x
            if doubled <= dx:
                error += dx
                y += step_y
    for i in range(ends.shape[0]):
        if is_hit[i]:
            codes[ends[i, 1], ends[i, 0]] = HIT
