"""Regions of like direction and heat, grown from seeds, breadth first, and joined where a map was cut.

A pixel q joins a region with direction V (unit vector of the doubled angle, that of the sum of its pixels' vectors)
and mean heat h where |V - V(q)|^2 < chord and |h - H(q)| < deviation. Both are asked without root or division: with
the sum S of k vectors and T of k heats, S V(q) > (1 - chord / 2) |S| and |T - k H(q)| < k deviation.
"""

import numpy as np
from numba import njit

from perception.kernels.line_support import COS, HEAT, JIT, SIN

NUM_NEIGHBOURS = 8
NUMBER = np.uint64(0xFFFFFFFF)  # lower half of an entry of the order


@njit(**JIT)
def grow(numbers, places, fields, order, firsts, limits, members, bounds, sums):  # type: ignore[no-untyped-def]
    """Grow regions from the last of `order` to its first; returns their number.

    `numbers`, `places`, `fields`, `firsts` as from `gather`; the numbers of pixels that belong to a region, or to one
    too small to be kept, become 0. `limits` (3,) float32: chord, deviation of heat, size that must be exceeded.
    Fills `members` int32 (numbers of pixels, region after region), `bounds` (region i is members[bounds[i] :
    bounds[i + 1]]) and `sums` (..., 2) float32, the sums of the vectors.
    """
    flat = numbers.reshape(-1)
    stride, one = np.uint64(numbers.shape[1]), np.uint64(1)
    offsets = np.empty(NUM_NEIGHBOURS, dtype=np.uint64)
    for side in range(NUM_NEIGHBOURS):
        place = side + (side >= NUM_NEIGHBOURS // 2)  # not the pixel itself
        offsets[side] = np.uint64(place // 3) * stride + np.uint64(place % 3)
    cosine = np.float32(1.0) - limits[0] / np.float32(2.0)
    cosine *= cosine
    deviation = limits[1]
    count, first = 0, 0
    bounds[0] = 0
    zero = np.float32(0.0)
    for row in range(firsts[4] - 2, -1, -1):
        seed = np.int32(order[row] & NUMBER)
        if flat[places[seed]] == 0:
            continue
        flat[places[seed]] = 0
        part = 0
        while seed >= firsts[part + 1]:
            part += 1
        low, high = firsts[part], firsts[part + 1]
        members[first] = seed
        end = first + 1
        next_ = first
        x, y, total, size = fields[seed, COS], fields[seed, SIN], fields[seed, HEAT], np.float32(1.0)
        bar = cosine * (x * x + y * y)
        while next_ < end:
            start = places[members[next_]] - stride - one
            next_ += 1
            for side in range(NUM_NEIGHBOURS):
                place = start + offsets[side]
                number = flat[place]
                if number < low or number >= high:
                    continue
                along = x * fields[number, COS] + y * fields[number, SIN]
                if along <= zero or along * along <= bar:
                    continue
                if abs(total - size * fields[number, HEAT]) >= deviation * size:
                    continue
                flat[place] = 0
                members[end] = number
                end += 1
                x += fields[number, COS]
                y += fields[number, SIN]
                total += fields[number, HEAT]
                size += np.float32(1.0)
                bar = cosine * (x * x + y * y)
        if size > limits[2]:
            sums[count, 0], sums[count, 1] = x, y
            count += 1
            bounds[count] = end
            first = end
    return count


@njit(**JIT)
def join(places, stride, cuts, members, bounds, sums, count, chord, owner, joined, ends):  # type: ignore[no-untyped-def]
    """Join regions that touch across a cut and have like directions; returns the number of regions.

    The upper and the lower half of the vertical cut, and the left and the right half of the horizontal one, are
    looked at apart; nothing is joined across the middle. `owner` (flat as `numbers`) int32 is work space; `joined`
    and `ends` become the new members and bounds.
    """
    owner[:] = -1
    root = np.arange(count)
    for region in range(count):
        for row in range(bounds[region], bounds[region + 1]):
            owner[places[members[row]]] = region
    height = len(owner) // stride
    for half in range(2):
        row_from, row_to = (1, cuts[0] + 1) if half == 0 else (cuts[0] + 1, height - 1)
        for row in range(row_from, row_to):
            here = row * stride + cuts[1]
            for other in range(max(row - 1, row_from), min(row + 2, row_to)):
                _link(root, owner[here], owner[other * stride + cuts[1] + 1], sums, chord)
    for half in range(2):
        column_from, column_to = (1, cuts[1] + 1) if half == 0 else (cuts[1] + 1, stride - 1)
        for column in range(column_from, column_to):
            here = cuts[0] * stride + column
            for other in range(max(column - 1, column_from), min(column + 2, column_to)):
                _link(root, owner[here], owner[(cuts[0] + 1) * stride + other], sums, chord)
    num, end = 0, 0
    ends[0] = 0
    for region in range(count):
        if _root(root, region) != region:
            continue
        for other in range(region, count):
            if _root(root, other) == region:
                for row in range(bounds[other], bounds[other + 1]):
                    joined[end] = members[row]
                    end += 1
        num += 1
        ends[num] = end
    return num


@njit(**JIT)
def _root(root, region):  # type: ignore[no-untyped-def]
    while root[region] != region:
        region = root[region]
    return region


@njit(**JIT)
def _link(root, first, second, sums, chord):  # type: ignore[no-untyped-def]
    if first < 0 or second < 0:
        return
    norm = np.sqrt(sums[first, 0] ** 2 + sums[first, 1] ** 2) * np.sqrt(sums[second, 0] ** 2 + sums[second, 1] ** 2)
    dot = sums[first, 0] * sums[second, 0] + sums[first, 1] * sums[second, 1]
    if dot > (np.float32(1.0) - chord / np.float32(2.0)) * norm:
        first, second = _root(root, first), _root(root, second)
        root[max(first, second)] = min(first, second)
