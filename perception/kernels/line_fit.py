"""From regions of pixels to segments: axis weighted by heat, parallel lines divided, ends and mean heat of each part.

Along the axis runs u, across it v. A region is divided where the density of its v has a minimum. The published program
sorts v and walks along it with an edge that moves on by at most one bin per pixel; here pixels are counted by the bin
in which they lie and the walk is done over these counts, with the same result and without sorting.
"""

import numpy as np
from numba import njit

from perception.kernels.line_support import HEAT, JIT

NUM_BINS = 15  # of the density; the walk may reach one more
NUM_POINTS = NUM_BINS + 1  # at which the density is looked at
MAX_PARTS = 8  # minima are at least two points apart
FLAT = 1e-6  # px of v within which nothing is divided
TINY = 1e-12


@njit(**JIT)
def fit(places, fields, stride, members, bounds, count, bandwidth, has_swap, work, segments, region_of):  # type: ignore[no-untyped-def]
    """Segments of `count` regions; returns their number.

    `places`, `fields`, `members`, `bounds` as from `grow`; `stride` columns of the map of numbers; `bandwidth`
    px, 0: nothing is divided; `has_swap` repeats the published defect; `work` (2, ...) float64 is work space. Fills `segments` (8 count, 5) float32 (x, y of both ends in px of the
    map, mean heat) and `region_of` (8 count,) int32.
    """
    num = 0
    along, across = work[0], work[1]
    cuts = np.empty(MAX_PARTS, dtype=np.float64)
    for region in range(count):
        first, end = bounds[region], bounds[region + 1]
        row_mean, column_mean, row_axis, column_axis = _axis(places, fields, stride, members, first, end, has_swap)
        low, high = np.inf, -np.inf
        for row in range(first, end):
            place = places[members[row]]
            r = place // stride - 1 - row_mean
            c = place % stride - 1 - column_mean
            u, v = r * row_axis + c * column_axis, c * row_axis - r * column_axis
            along[row], across[row] = u, v
            low, high = min(low, v), max(high, v)
        num_cuts = 0
        if bandwidth > 0.0 and high - low > max(FLAT, 2.0 * bandwidth):  # below, no mixture of such bells has a minimum
            num_cuts = _cuts(across, first, end, low, high, bandwidth, cuts)
        for part in range(num_cuts + 1):
            if num_cuts:
                above = cuts[part - 1] if part > 0 else -np.inf
                below = cuts[part] if part < num_cuts else np.inf
            else:
                above, below = -np.inf, np.inf
            u_low, u_high, total, moment, size = np.inf, -np.inf, 0.0, 0.0, 0
            for row in range(first, end):
                v = across[row]
                if v > above and v <= below:
                    heat = np.float64(fields[members[row], HEAT])
                    u_low, u_high = min(u_low, along[row]), max(u_high, along[row])
                    total += heat
                    moment += heat * v
                    size += 1
            if size == 0:
                continue
            v = moment / total
            segments[num, 0] = max(0.0, u_low * column_axis + v * row_axis + column_mean)
            segments[num, 1] = max(0.0, u_low * row_axis - v * column_axis + row_mean)
            segments[num, 2] = max(0.0, u_high * column_axis + v * row_axis + column_mean)
            segments[num, 3] = max(0.0, u_high * row_axis - v * column_axis + row_mean)
            segments[num, 4] = total / size
            region_of[num] = region
            num += 1
    return num


@njit(**JIT)
def _axis(places, fields, stride, members, first, end, has_swap):  # type: ignore[no-untyped-def]
    """Weighted middle (row, column) and unit vector (row, column; row not negative) of the principal axis."""
    seed = places[members[first]]
    row_seed, column_seed = seed // stride, seed % stride
    w, wr, wc, wrr, wcc, wrc = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    is_row, is_column = True, True
    for row in range(first, end):
        number = members[row]
        place = places[number]
        r, c = np.float64(place // stride - row_seed), np.float64(place % stride - column_seed)
        heat = np.float64(fields[number, HEAT])
        hr, hc = heat * r, heat * c
        w += heat
        wr += hr
        wc += hc
        wrr += hr * r
        wcc += hc * c
        wrc += hr * c
        is_row &= r == 0.0
        is_column &= c == 0.0
    r, c = wr / w, wc / w
    row_mean, column_mean = r + row_seed - 1.0, c + column_seed - 1.0
    if is_row or is_column:
        is_down = is_column if not has_swap else is_row
        return row_mean, column_mean, 1.0 if is_down else 0.0, 0.0 if is_down else 1.0
    rr, cc, rc = wrr / w - r * r, wcc / w - c * c, wrc / w - r * c
    root = np.sqrt(4.0 * rc * rc + (rr - cc) * (rr - cc))
    large = (rr + cc + root) / 2.0
    if rr > cc:
        row_axis, column_axis = large - cc, rc
    else:
        row_axis, column_axis = (rc, large - rr) if rc >= 0.0 else (-rc, rr - large)
    norm = np.sqrt(row_axis * row_axis + column_axis * column_axis)
    if norm <= TINY:
        return row_mean, column_mean, 0.0, 1.0
    return row_mean, column_mean, row_axis / norm, column_axis / norm


@njit(**JIT)
def _cuts(across, first, end, low, high, bandwidth, cuts):  # type: ignore[no-untyped-def]
    """Fill `cuts` with the v of the minima of the density, rising; returns their number."""
    step = (high - low) / NUM_BINS + TINY
    edges = np.empty(NUM_POINTS, dtype=np.float64)
    edges[0] = low + step
    for bin_ in range(1, NUM_POINTS):
        edges[bin_] = edges[bin_ - 1] + step
    counts = np.zeros(NUM_POINTS, dtype=np.int64)
    for row in range(first, end):
        v = across[row]
        bin_ = min(int((v - low) / step), NUM_BINS)
        while bin_ > 0 and v <= edges[bin_ - 1]:
            bin_ -= 1
        while bin_ < NUM_BINS and v > edges[bin_]:
            bin_ += 1
        counts[bin_] += 1
    _walk(counts)
    bells = np.empty(NUM_POINTS, dtype=np.float64)
    ratio = step / bandwidth
    for bin_ in range(NUM_POINTS):
        bells[bin_] = np.exp(-0.5 * ((bin_ + 0.5) * ratio) ** 2)
    before, here, num = np.inf, np.inf, 0
    for point in range(NUM_POINTS):
        density = 0.0
        for bin_ in range(NUM_POINTS):
            density += counts[bin_] * bells[point - bin_ - 1 if bin_ < point else bin_ - point]
        if point >= 2 and here < before and here < density:
            cuts[num] = low + (point - 1 + 0.5) * (high - low) / NUM_BINS
            num += 1
        before, here = here, density
    return num


@njit(**JIT)
def _walk(counts):  # type: ignore[no-untyped-def]
    """Turn the counts of bins into those of the walk, in which each pixel moves on by one bin at most."""
    at = 0
    for bin_ in range(NUM_POINTS):
        left = counts[bin_]
        counts[bin_] = 0
        while left > 0:
            if at < bin_:
                at += 1
            if at == bin_:
                counts[at] += left
                break
            counts[at] += 1
            left -= 1
