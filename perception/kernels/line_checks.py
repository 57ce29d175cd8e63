"""What happens to segments that were found: the test of LSD on a map of directions, and joining of neighbours."""

import math

import numpy as np
from numba import njit

from perception.kernels.line_support import JIT
from perception.kernels.lsd import log_nfa


@njit(**JIT)
def log_nfas(angle, segments, half_width, chord, log_tests, values):  # type: ignore[no-untyped-def]
    """Fill `values` (N,) float64 with -log10 of the false alarms of segments (N, 4) float32 on a map of directions.

    `angle` (H, W) float32, half turns. A pixel within `half_width` px of a segment is aligned where the squared
    distance of the doubled directions is below `chord`.
    """
    height, width = angle.shape
    share = 2.0 * math.asin(math.sqrt(chord) / 2.0) / math.pi  # of all directions; undirected, both sides
    bar = 1.0 - chord / 2.0
    for row in range(len(segments)):
        x1, y1 = np.float64(segments[row, 0]), np.float64(segments[row, 1])
        dx, dy = segments[row, 2] - x1, segments[row, 3] - y1
        length = math.sqrt(dx * dx + dy * dy)
        cos, sin = (dx / length, dy / length) if length > 0.0 else (1.0, 0.0)
        cos2, sin2 = cos * cos - sin * sin, 2.0 * cos * sin
        num, num_aligned = 0, 0
        top = max(0, math.ceil(min(y1, y1 + dy) - half_width))
        bottom = min(height - 1, math.floor(max(y1, y1 + dy) + half_width))
        left = max(0, math.ceil(min(x1, x1 + dx) - half_width))
        right = min(width - 1, math.floor(max(x1, x1 + dx) + half_width))
        for r in range(top, bottom + 1):
            for c in range(left, right + 1):
                along, across = (c - x1) * cos + (r - y1) * sin, (r - y1) * cos - (c - x1) * sin
                if abs(across) > half_width or along < -0.5 or along > length + 0.5:
                    continue
                turn = 2.0 * math.pi * angle[r, c]
                num += 1
                num_aligned += math.cos(turn) * cos2 + math.sin(turn) * sin2 > bar
        values[row] = log_nfa(num, num_aligned, share, log_tests)


@njit(**JIT)
def merge(segments, scores, sine, lateral, gap, is_left):  # type: ignore[no-untyped-def]
    """Join collinear neighbours in place; `is_left` (N,) bool tells which rows remain.

    `segments` (N, 4) float64, `scores` (N,) float64. Two are joined where the sine between them is below `sine`, the
    ends of the shorter lie within `lateral` px of the line of the longer, and along it the space between them is below
    `gap` times the longer's length. The longer keeps its line, reaches as far as both, gets the mean score by length.
    """
    is_left[:] = True
    has_changed = True
    while has_changed:
        has_changed = False
        for row in range(len(segments)):
            for other in range(len(segments)):
                if row == other or not is_left[row] or not is_left[other]:
                    continue
                if _joined(segments[row], segments[other], scores, row, other, sine, lateral, gap):
                    is_left[other] = False
                    has_changed = True


@njit(**JIT)
def _joined(first, second, scores, row, other, sine, lateral, gap):  # type: ignore[no-untyped-def]
    dx, dy = first[2] - first[0], first[3] - first[1]
    ex, ey = second[2] - second[0], second[3] - second[1]
    length, shorter = math.sqrt(dx * dx + dy * dy), math.sqrt(ex * ex + ey * ey)
    if length < shorter or length == 0.0 or abs(dx * ey - dy * ex) > sine * length * shorter:
        return False
    cos, sin = dx / length, dy / length
    low, high = np.inf, -np.inf
    for end in range(2):
        x, y = second[2 * end] - first[0], second[2 * end + 1] - first[1]
        if abs(y * cos - x * sin) > lateral:
            return False
        along = x * cos + y * sin
        low, high = min(low, along), max(high, along)
    if low - length > gap * length or -high > gap * length:
        return False
    x, y = first[0], first[1]
    low, high = min(low, 0.0), max(high, length)
    first[0], first[1], first[2], first[3] = x + low * cos, y + low * sin, x + high * cos, y + high * sin
    scores[row] = (scores[row] * length + scores[other] * shorter) / (length + shorter)
    return True


def warm_up() -> None:
    """Compile the kernels with the types used at run time."""
    segments = np.array([[1, 1, 6, 1]], dtype=np.float32)
    log_nfas(np.zeros((8, 8), np.float32), segments, 1.5, 0.05, 5.0, np.empty(1))
    merge(segments.astype(np.float64), np.ones(1), 0.05, 1.5, 0.05, np.empty(1, dtype=np.bool_))
