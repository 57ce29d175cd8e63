"""Classic LSD: regions of like level-line direction, a rectangle for each, and the test against false alarms.

Written from the formulas of R. Grompone von Gioi et al., LSD: a Line Segment Detector, IPOL 2, 2012.
Directions are unit vectors throughout, so that "within a tolerance" is a dot product. The position (row, column) of a
gradient is the upper left of the four pixels that it is made of.
"""

import math

import numpy as np
from numba import njit

from perception.kernels.line_support import JIT

X, Y, COS, SIN, LENGTH_LOW, LENGTH_HIGH, WIDTH_LOW, WIDTH_HIGH = range(8)  # of a rectangle: middle, axis, extents
NUM_RECTANGLE = 8
MIN_WIDTH = 1.0  # px
TRIALS = 5  # of each improvement
SHRINK = 0.75  # of the radius of a region that is too thin
WIDTH_STEP = 0.5  # px
NONE, STANDARD, ADVANCED = range(3)
TEST_SETTINGS = 5  # tolerance (rad), density, log10 of the number of tests, least -log10 NFA, refinement
TAIL_ACCURACY = 0.1  # relative, of the binomial tail
NUM_SIDES = 11  # log10 of it is part of the number of tests: tolerances that are tried


@njit(**JIT)
def gradients(image, threshold, directions, magnitudes):  # type: ignore[no-untyped-def]
    """Level-line directions (H, W, 2) float32 and magnitudes (H, W) float32 of an image (H, W) uint8.

    Magnitudes not above `threshold`, and those of the last row and column, are 0. Returns the largest.
    """
    height, width = image.shape
    half = np.float32(0.5)
    largest = np.float32(0.0)
    magnitudes[:] = 0
    for row in range(height - 1):
        for column in range(width - 1):
            a, b = np.int32(image[row, column]), np.int32(image[row, column + 1])
            c, d = np.int32(image[row + 1, column]), np.int32(image[row + 1, column + 1])
            gx, gy = np.float32(b + d - a - c) * half, np.float32(c + d - a - b) * half
            magnitude = np.sqrt(gx * gx + gy * gy)
            if magnitude > threshold:
                magnitudes[row, column] = magnitude
                directions[row, column, 0] = -gy / magnitude
                directions[row, column, 1] = gx / magnitude
                largest = max(largest, magnitude)
    return largest


@njit(**JIT)
def order_by_magnitude(magnitudes, largest, num_bins, order):  # type: ignore[no-untyped-def]
    """Flat positions (int32, into `order`) of the magnitudes above 0 by falling class; returns their number."""
    flat = magnitudes.reshape(-1)
    scale = np.float32(num_bins) / max(largest, np.float32(1e-6))
    sums = np.zeros(num_bins + 1, dtype=np.int32)
    for place in range(len(flat)):
        if flat[place] > 0:
            sums[num_bins - min(int(flat[place] * scale), num_bins - 1)] += 1
    for bin_ in range(num_bins):
        sums[bin_ + 1] += sums[bin_]
    total = sums[num_bins]
    for place in range(len(flat)):
        if flat[place] > 0:
            bin_ = num_bins - 1 - min(int(flat[place] * scale), num_bins - 1)
            order[sums[bin_]] = place
            sums[bin_] += 1
    return total


@njit(**JIT)
def search(directions, magnitudes, order, count, settings, is_free, members, segments):  # type: ignore[no-untyped-def]
    """Segments of an image; returns their number.

    `directions`, `magnitudes` as from `gradients`, `order[:count]` the seeds; `settings` see TEST_SETTINGS. `is_free`
    (H + 2, W + 2) bool (with a border) and `members` (H W,) int32 are work space; `segments` (..., 6) float64 is
    filled: x, y of both ends (px, positions of gradients), width, -log10 NFA.
    """
    width = magnitudes.shape[1]
    tolerance, log_tests, refinement = settings[0], settings[2], int(settings[4])
    is_free[:] = False
    is_free[1:-1, 1:-1] = magnitudes > 0
    share = tolerance / math.pi
    least = int(-log_tests / math.log10(share))
    rectangle = np.empty(NUM_RECTANGLE, dtype=np.float64)
    num = 0
    for row in range(count):
        seed = order[row]
        if not is_free[seed // width + 1, seed % width + 1] or num == len(segments):
            continue
        size, x, y = _grow(directions, is_free, seed, math.cos(tolerance), members)
        if size < least:
            continue
        _rectangle(magnitudes, members, size, x, y, rectangle)
        if refinement >= STANDARD:
            size = _refined(directions, magnitudes, is_free, members, size, settings[1], rectangle)
            if size == 0:
                continue
        value = 0.0
        if refinement == ADVANCED:
            value = improve(directions, magnitudes, rectangle, tolerance, log_tests, settings[3])
            if value <= settings[3]:
                continue
        low, high = rectangle[LENGTH_LOW], rectangle[LENGTH_HIGH]
        side = (rectangle[WIDTH_LOW] + rectangle[WIDTH_HIGH]) / 2.0
        x0 = rectangle[X] - side * rectangle[SIN]
        y0 = rectangle[Y] + side * rectangle[COS]
        segments[num, 0], segments[num, 1] = x0 + low * rectangle[COS], y0 + low * rectangle[SIN]
        segments[num, 2], segments[num, 3] = x0 + high * rectangle[COS], y0 + high * rectangle[SIN]
        segments[num, 4], segments[num, 5] = rectangle[WIDTH_HIGH] - rectangle[WIDTH_LOW], value
        num += 1
    return num


@njit(**JIT)
def _grow(directions, is_free, seed, cosine, members):  # type: ignore[no-untyped-def]
    """Grow a region; returns its size and the sum of its directions."""
    width = is_free.shape[1] - 2
    bar = np.float32(cosine * cosine)
    zero = np.float32(0.0)
    is_free[seed // width + 1, seed % width + 1] = False
    members[0] = seed
    x, y = directions[seed // width, seed % width, 0], directions[seed // width, seed % width, 1]
    limit = bar * (x * x + y * y)
    size, next_ = 1, 0
    while next_ < size:
        row, column = members[next_] // width, members[next_] % width
        next_ += 1
        for r in range(row - 1, row + 2):
            for c in range(column - 1, column + 2):
                if not is_free[r + 1, c + 1]:
                    continue
                along = x * directions[r, c, 0] + y * directions[r, c, 1]
                if along <= zero or along * along < limit:
                    continue
                is_free[r + 1, c + 1] = False
                members[size] = r * width + c
                size += 1
                x += directions[r, c, 0]
                y += directions[r, c, 1]
                limit = bar * (x * x + y * y)
    return size, x, y


@njit(**JIT)
def _rectangle(magnitudes, members, size, x, y, rectangle):  # type: ignore[no-untyped-def]
    """Fill `rectangle` from a region; (x, y) tells which way along its axis is forward."""
    width = magnitudes.shape[1]
    row0, column0 = members[0] // width, members[0] % width
    w, wx, wy, wxx, wyy, wxy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(size):
        r, c = members[i] // width, members[i] % width
        weight, dx, dy = np.float64(magnitudes[r, c]), np.float64(c - column0), np.float64(r - row0)
        w += weight
        wx += weight * dx
        wy += weight * dy
        wxx += weight * dx * dx
        wyy += weight * dy * dy
        wxy += weight * dx * dy
    mx, my = wx / w, wy / w
    xx, yy, xy = wxx / w - mx * mx, wyy / w - my * my, wxy / w - mx * my
    root = math.sqrt((xx - yy) * (xx - yy) + 4.0 * xy * xy)
    large = (xx + yy + root) / 2.0
    cos, sin = (large - yy, xy) if xx > yy else (xy, large - xx)
    norm = math.sqrt(cos * cos + sin * sin)
    if norm <= 0.0:
        cos, sin, norm = np.float64(x), np.float64(y), math.sqrt(np.float64(x) * x + np.float64(y) * y)
    if cos * x + sin * y < 0.0:
        norm = -norm
    cos, sin = cos / norm, sin / norm
    l_low, l_high, w_low, w_high = 0.0, 0.0, 0.0, 0.0
    for i in range(size):
        dx, dy = members[i] % width - column0 - mx, members[i] // width - row0 - my
        along, across = dx * cos + dy * sin, dy * cos - dx * sin
        l_low, l_high = min(l_low, along), max(l_high, along)
        w_low, w_high = min(w_low, across), max(w_high, across)
    half = max(w_high - w_low, MIN_WIDTH) / 2.0  # to both sides of the weighted middle
    rectangle[X], rectangle[Y], rectangle[COS], rectangle[SIN] = column0 + mx, row0 + my, cos, sin
    rectangle[LENGTH_LOW], rectangle[LENGTH_HIGH] = l_low, l_high
    rectangle[WIDTH_LOW], rectangle[WIDTH_HIGH] = -half, half


@njit(**JIT)
def _density(rectangle, size):  # type: ignore[no-untyped-def]
    length = rectangle[LENGTH_HIGH] - rectangle[LENGTH_LOW]
    area = length * (rectangle[WIDTH_HIGH] - rectangle[WIDTH_LOW])
    return size / area if area > 0.0 else np.inf


@njit(**JIT)
def _refined(directions, magnitudes, is_free, members, size, density, rectangle):  # type: ignore[no-untyped-def]
    """Grow a region anew with a smaller tolerance, then cut what is far, until it is dense; 0: nothing is left."""
    if _density(rectangle, size) >= density:
        return size
    width = magnitudes.shape[1]
    seed = members[0]
    row0, column0 = seed // width, seed % width
    cos, sin = directions[row0, column0, 0], directions[row0, column0, 1]
    reach = rectangle[WIDTH_HIGH] - rectangle[WIDTH_LOW]
    total, squares, num = 0.0, 0.0, 0
    for i in range(size):
        r, c = members[i] // width, members[i] % width
        is_free[r + 1, c + 1] = True
        if (r - row0) ** 2 + (c - column0) ** 2 < reach * reach:
            a, b = directions[r, c, 0], directions[r, c, 1]
            turn = math.atan2(np.float64(cos * b - sin * a), np.float64(cos * a + sin * b))
            total += turn
            squares += turn * turn
            num += 1
    mean = total / num
    tolerance = min(2.0 * math.sqrt(max(squares / num - mean * mean, 0.0)), math.pi / 3.0)
    size, x, y = _grow(directions, is_free, seed, math.cos(tolerance), members)
    if size < 2:
        return 0
    _rectangle(magnitudes, members, size, x, y, rectangle)
    if _density(rectangle, size) >= density:
        return size
    return _cut(directions, magnitudes, is_free, members, size, density, rectangle)


@njit(**JIT)
def _cut(directions, magnitudes, is_free, members, size, density, rectangle):  # type: ignore[no-untyped-def]
    """Remove the farthest pixels from a region until it is dense; returns its size, 0: nothing is left."""
    width = magnitudes.shape[1]
    row0, column0 = members[0] // width, members[0] % width
    radius = 0.0
    for end in (rectangle[LENGTH_LOW], rectangle[LENGTH_HIGH]):
        dx = rectangle[X] + end * rectangle[COS] - column0
        dy = rectangle[Y] + end * rectangle[SIN] - row0
        radius = max(radius, math.sqrt(dx * dx + dy * dy))
    while _density(rectangle, size) < density:
        radius *= SHRINK
        x, y, left = np.float32(0.0), np.float32(0.0), 0
        for i in range(size):
            r, c = members[i] // width, members[i] % width
            if (r - row0) ** 2 + (c - column0) ** 2 > radius * radius:
                is_free[r + 1, c + 1] = True
                continue
            members[left] = members[i]
            left += 1
            x += directions[r, c, 0]
            y += directions[r, c, 1]
        size = left
        if size < 2:
            return 0
        _rectangle(magnitudes, members, size, x, y, rectangle)
    return size


@njit(**JIT)
def improve(directions, magnitudes, rectangle, tolerance, log_tests, enough):  # type: ignore[no-untyped-def]
    """The best -log10 NFA of a rectangle and of finer tolerances and narrower ones; `rectangle` becomes the best.

    Stops as soon as the value exceeds `enough`.
    """
    share = tolerance / math.pi
    best = _value(directions, magnitudes, rectangle, share, log_tests)
    if best > enough:
        return best
    trial = rectangle.copy()
    best, share = _finer(directions, magnitudes, rectangle, share, share, log_tests, best)
    for side in range(3):  # both sides, one, the other
        if best > enough:
            return best
        trial[:] = rectangle
        for _ in range(TRIALS):
            if trial[WIDTH_HIGH] - trial[WIDTH_LOW] - WIDTH_STEP < WIDTH_STEP:
                break
            if side == 0:
                trial[WIDTH_LOW] += WIDTH_STEP / 2.0
                trial[WIDTH_HIGH] -= WIDTH_STEP / 2.0
            elif side == 1:
                trial[WIDTH_LOW] += WIDTH_STEP
            else:
                trial[WIDTH_HIGH] -= WIDTH_STEP
            value = _value(directions, magnitudes, trial, share, log_tests)
            if value > best:
                best = value
                rectangle[:] = trial
    if best > enough:
        return best
    best, share = _finer(directions, magnitudes, rectangle, share, share, log_tests, best)
    return best


@njit(**JIT)
def _finer(directions, magnitudes, rectangle, share, best_share, log_tests, best):  # type: ignore[no-untyped-def]
    for _ in range(TRIALS):
        share /= 2.0
        value = _value(directions, magnitudes, rectangle, share, log_tests)
        if value > best:
            best, best_share = value, share
    return best, best_share


@njit(**JIT)
def _value(directions, magnitudes, rectangle, share, log_tests):  # type: ignore[no-untyped-def]
    """-log10 NFA of the pixels in a rectangle that are aligned with it within `share` of half a turn."""
    height, width = magnitudes.shape
    cos, sin = rectangle[COS], rectangle[SIN]
    bar = np.float32(math.cos(share * math.pi))
    cos32, sin32 = np.float32(cos), np.float32(sin)
    l_low, l_high, w_low, w_high = rectangle[4], rectangle[5], rectangle[6], rectangle[7]
    top, bottom = np.inf, -np.inf
    for length in (l_low, l_high):
        for side in (w_low, w_high):
            y = rectangle[Y] + length * sin + side * cos
            top, bottom = min(top, y), max(bottom, y)
    num, num_aligned = 0, 0
    for row in range(max(0, math.ceil(top)), min(height - 1, math.floor(bottom)) + 1):
        dy = row - rectangle[Y]
        low, high = _span(cos, dy * sin, l_low, l_high)
        low2, high2 = _span(-sin, dy * cos, w_low, w_high)
        first = max(0.0, math.ceil(max(low, low2) + rectangle[X]))
        last = min(width - 1.0, math.floor(min(high, high2) + rectangle[X]))
        for column in range(int(first), int(last) + 1):
            num += 1
            if magnitudes[row, column] > 0:
                along = directions[row, column, 0] * cos32 + directions[row, column, 1] * sin32
                num_aligned += along >= bar
    return log_nfa(num, num_aligned, share, log_tests)


@njit(**JIT)
def _span(slope, offset, low, high):  # type: ignore[no-untyped-def]
    """The x with low <= slope x + offset <= high."""
    if abs(slope) < 1e-9:
        return (-np.inf, np.inf) if low - 1e-9 <= offset <= high + 1e-9 else (np.inf, -np.inf)
    first, second = (low - offset) / slope, (high - offset) / slope
    return min(first, second) - 1e-9, max(first, second) + 1e-9


def log_nfa_reference(num: int, num_aligned: int, share: float, log_tests: float) -> float:
    """-log10 of the expected number of false alarms: tests times the binomial tail from `num_aligned` on."""
    from scipy.stats import binom

    return float(-log_tests - binom.logsf(num_aligned - 1, num, share) / math.log(10.0))


@njit(**JIT)
def log_nfa(num, num_aligned, share, log_tests):  # type: ignore[no-untyped-def]
    """The same as `log_nfa_reference`, within the accuracy of a tenth of the tail."""
    if num == 0 or num_aligned == 0:
        return -log_tests
    if num == num_aligned:
        return -log_tests - num * math.log10(share)
    odds = share / (1.0 - share)
    first = math.lgamma(num + 1.0) - math.lgamma(num_aligned + 1.0) - math.lgamma(num - num_aligned + 1.0)
    first += num_aligned * math.log(share) + (num - num_aligned) * math.log1p(-share)
    term = 1.0  # in units of the first one, so that nothing underflows
    tail = 1.0
    for i in range(num_aligned + 1, num + 1):
        factor = (num - i + 1) / i * odds
        term *= factor
        tail += term
        if factor < 1.0 and term * factor / (1.0 - factor) < TAIL_ACCURACY * 0.1 * tail:
            break
    return min(-log_tests - (first + math.log(tail)) / math.log(10.0), np.inf)


def warm_up() -> None:
    """Compile the kernels with the types used at run time."""
    image = np.zeros((32, 32), dtype=np.uint8)
    image[:, 16:] = 200
    directions, magnitudes = np.zeros((32, 32, 2), np.float32), np.zeros((32, 32), np.float32)
    largest = gradients(image, np.float32(5.0), directions, magnitudes)
    order = np.empty(32 * 32, dtype=np.int32)
    count = order_by_magnitude(magnitudes, largest, 1024, order)
    settings = np.array([math.radians(22.5), 0.7, 8.0, 0.0, ADVANCED])
    is_free, members = np.empty((34, 34), np.bool_), np.empty(32 * 32, np.int32)
    search(directions, magnitudes, order, count, settings, is_free, members, np.empty((16, 6)))
