"""The pixels of lines in a map of heat: gathered, with their doubled directions, and put in order of their heat.

Pixels are numbered from 1 in the order in which they are gathered: row by row, quarter after quarter where the map is
cut. Maps of numbers have a border of one zero all round, so that neighbours can be read without asking for it.
"""

import numpy as np
from numba import njit

COS, SIN, HEAT, NUM_FIELDS = 0, 1, 2, 4  # columns of the fields of a pixel; the fourth keeps them aligned
DIGIT_BITS = 12
NUM_DIGITS = 1 << DIGIT_BITS
JIT = {"nogil": True, "cache": True, "error_model": "numpy", "boundscheck": False}

# cos and sin of 2 pi x on [-1/8, 1/8] as polynomials of x^2 (Taylor; the rest is below one unit of float32)
TURN = 2 * np.pi
COSINE = tuple(np.float32((-1) ** n * TURN ** (2 * n) / float(np.prod(np.arange(1, 2 * n + 1)))) for n in range(6))
SINE = tuple(np.float32((-1) ** n * TURN ** (2 * n + 1) / float(np.prod(np.arange(1, 2 * n + 2)))) for n in range(5))


def doubled_directions_reference(angle: np.ndarray) -> np.ndarray:
    """cos and sin (..., 2) float32 of the doubled direction; `angle` is the direction in half turns."""
    turns = TURN * angle.astype(np.float64)
    return np.stack([np.cos(turns), np.sin(turns)], axis=-1).astype(np.float32)


def order_reference(heats: np.ndarray) -> np.ndarray:
    """Numbers (K,) int32 of pixels from the hottest on; of equally hot ones the later first. `heats` (K,) float32."""
    return np.argsort(heats, kind="stable")[::-1].astype(np.int32)


@njit(**JIT)
def gather(heat, angle, binary, threshold, cuts, numbers, places, fields):  # type: ignore[no-untyped-def]
    """Collect the pixels where `binary` is not 0 and heat exceeds the threshold; returns the first of each part.

    `heat`, `angle` (H, W) float32, `binary` (H, W) uint8; `cuts` (2,): row and column where the map is cut, 0: not.
    Fills `numbers` (H + 2, W + 2) int32 (0: no pixel of a line), `places` int32 (position in `numbers`, flat) and
    `fields` (..., 4) float32, both from row 1 on. The result (5,): part i has the numbers result[i] to
    result[i + 1] - 1.
    """
    height, width = heat.shape
    stride = width + 2
    firsts = np.ones(5, dtype=np.int32)
    flat = numbers.reshape(-1)
    flat[:] = 0
    count = np.int32(1)
    for part in range(4):
        row_from, row_to = (0, cuts[0]) if part < 2 else (cuts[0], height)
        column_from, column_to = (0, cuts[1]) if part % 2 == 0 else (cuts[1], width)
        for row in range(row_from, row_to):
            for column in range(column_from, column_to):
                if binary[row, column] and heat[row, column] > threshold:
                    place = (row + 1) * stride + column + 1
                    flat[place] = count
                    places[count] = place
                    fields[count, COS] = angle[row, column]
                    fields[count, HEAT] = heat[row, column]
                    count += np.int32(1)
        firsts[part + 1] = count
    _double(fields, count)
    return firsts


@njit(**JIT)
def _double(fields, count):  # type: ignore[no-untyped-def]
    """Replace the angles of the pixels 1 to count - 1 (half turns) by cos and sin of the doubled directions."""
    half = np.float32(0.5)
    for number in range(1, count):
        angle = fields[number, COS]
        quarter = np.floor(np.float32(4.0) * angle + half)
        x = angle - np.float32(0.25) * quarter
        xx = x * x
        cos = COSINE[0] + xx * (COSINE[1] + xx * (COSINE[2] + xx * (COSINE[3] + xx * (COSINE[4] + xx * COSINE[5]))))
        sin = x * (SINE[0] + xx * (SINE[1] + xx * (SINE[2] + xx * (SINE[3] + xx * SINE[4]))))
        turn = np.int32(quarter) & 3
        is_odd = (turn & 1) != 0
        first, second = (sin, cos) if is_odd else (cos, sin)
        fields[number, COS] = -first if turn == 1 or turn == 2 else first
        fields[number, SIN] = -second if turn >= 2 else second


@njit(**JIT)
def order_by_heat(fields, count, order, spare, sums):  # type: ignore[no-untyped-def]
    """Sort the numbers 1 to count - 1 into order[: count - 1], the coldest first, equals as they come.

    Positive floats are ordered like their bits: a radix sort, least digit first. `order`, `spare` (>= count) int32 and
    `sums` (4096,) int32 are work space.
    """
    bits = fields.view(np.uint32)
    low, high = np.uint32(0xFFFFFFFF), np.uint32(0)
    for number in range(1, count):
        low = min(low, bits[number, HEAT])
        high = max(high, bits[number, HEAT])
        order[number - 1] = number
    shift = np.uint32(0)
    total = count - 1
    while total > 0 and (high - low) >> shift > 0:
        sums[:] = 0
        for row in range(total):
            sums[((bits[order[row], HEAT] - low) >> shift) & np.uint32(NUM_DIGITS - 1)] += 1
        before = np.int32(0)
        for digit in range(NUM_DIGITS):
            here = sums[digit]
            sums[digit] = before
            before += here
        for row in range(total):
            number = order[row]
            digit = ((bits[number, HEAT] - low) >> shift) & np.uint32(NUM_DIGITS - 1)
            spare[sums[digit]] = number
            sums[digit] += 1
        for row in range(total):
            order[row] = spare[row]
        shift += np.uint32(DIGIT_BITS)
        if shift >= 32:
            break
