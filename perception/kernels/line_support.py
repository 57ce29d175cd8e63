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
def gather(heat, angle, binary, threshold, cuts, numbers, places, spots, fields):  # type: ignore[no-untyped-def]
    """Collect the pixels where `binary` is not 0 and heat exceeds the threshold; returns the first of each part.

    `heat`, `angle` (H, W) float32, `binary` (H, W) uint8; `cuts` (2,): row and column where the map is cut, 0: not.
    Fills `numbers` (H + 2, W + 2) int32 (0: no pixel of a line) and, from row 1 on, `places` uint32 (position in
    `numbers`, flat), `spots` int32 (row << 16 | column) and `fields` (..., 4) float32; these three have one row more
    than there are pixels, at least. The result (5,): part i has the numbers result[i] to result[i + 1] - 1.
    """
    height, width = heat.shape
    stride = width + 2
    firsts = np.ones(5, dtype=np.int32)
    flat = numbers.reshape(-1)
    flat[:] = 0
    marks = np.zeros((width + 7) // 8 * 8, dtype=np.uint8)
    words = marks.view(np.uint64)
    count = 1
    for part in range(4):
        row_from, row_to = (0, cuts[0]) if part < 2 else (cuts[0], height)
        column_from, column_to = (0, cuts[1]) if part % 2 == 0 else (cuts[1], width)
        for row in range(row_from, row_to):
            for column in range(width):
                marks[column] = np.uint8(binary[row, column] != 0) & np.uint8(heat[row, column] > threshold)
            start = (row + 1) * stride + 1
            for word in range(column_from // 8, (column_to + 7) // 8):
                if words[word] == 0:
                    continue
                for column in range(max(8 * word, column_from), min(8 * word + 8, column_to)):
                    mark = marks[column]  # without a branch: what is no pixel is overwritten
                    flat[start + column] = count * mark
                    places[count] = start + column
                    spots[count] = row << 16 | column
                    count += mark
        firsts[part + 1] = count
    for number in range(1, count):
        row, column = spots[number] >> 16, spots[number] & 0xFFFF
        fields[number, COS] = angle[row, column]
        fields[number, HEAT] = heat[row, column]
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
    """The numbers 1 to count - 1, the coldest first, equals as they come: the lower half of count - 1 uint64.

    Positive floats are ordered like their bits: a radix sort, least digit first. `order`, `spare` (>= count) uint64 and
    `sums` (4096,) int32 are work space, one of the first two is the result.
    """
    bits = fields.view(np.uint32)
    low, high = np.uint32(0xFFFFFFFF), np.uint32(0)
    for number in range(1, count):
        low = min(low, bits[number, HEAT])
        high = max(high, bits[number, HEAT])
    for number in range(1, count):
        order[number - 1] = np.uint64(bits[number, HEAT] - low) << np.uint64(32) | np.uint64(number)
    shift = 32
    while shift < 64 and (np.uint64(high - low) << np.uint64(32)) >> np.uint64(shift) > 0 and count > 1:
        sums[:] = 0
        for row in range(count - 1):
            sums[(order[row] >> np.uint64(shift)) & np.uint64(NUM_DIGITS - 1)] += 1
        before = np.int32(0)
        for digit in range(NUM_DIGITS):
            here = sums[digit]
            sums[digit] = before
            before += here
        for row in range(count - 1):
            digit = (order[row] >> np.uint64(shift)) & np.uint64(NUM_DIGITS - 1)
            spare[sums[digit]] = order[row]
            sums[digit] += 1
        order, spare = spare, order
        shift += DIGIT_BITS
    return order
