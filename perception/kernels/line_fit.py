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
BELL = 0.3989422804014327  # 1 / sqrt(2 pi)


@njit(**JIT)
def fit(spots, fields, members, bounds, count, bandwidth, has_swap, work, segments, region_of):  # type: ignore[no-untyped-def]
    """Segments of `count` regions; returns their number.

    `spots`, `fields`, `members`, `bounds` as from `gather` and `grow`; `bandwidth` px, 0: nothing is divided;
    `has_swap` repeats the published defect; `work` (3, ...) float64 is work space. Fills `segments` (8 count, 5)
    float32 (x, y of both ends in px of the map, mean heat) and `region_of` (8 count,) int32.
    """
    num = 0
    along, across, parts = work[0], work[1], work[2]
    cuts = np.empty(MAX_PARTS, dtype=np.float64)
    axis = np.empty(5, dtype=np.float64)
    for region in range(count):
        first, end = bounds[region], bounds[region + 1]
        is_line = _axis(spots, fields, members, first, end, has_swap, axis)
        row_mean, column_mean, row_axis, column_axis = axis[0], axis[1], axis[2], axis[3]
        u_low, u_high, low, high = np.inf, -np.inf, np.inf, -np.inf
        for row in range(first, end):
            spot = spots[members[row]]
            r, c = (spot >> 16) - row_mean, (spot & 0xFFFF) - column_mean
            u, v = r * row_axis + c * column_axis, c * row_axis - r * column_axis
            along[row], across[row] = u, v
            u_low, u_high, low, high = min(u_low, u), max(u_high, u), min(low, v), max(high, v)
        num_cuts = 0
        if bandwidth > 0.0 and high - low > max(FLAT, 2.0 * bandwidth):  # below, no mixture of such bells has a minimum
            num_cuts = _cuts(across, first, end, low, high, bandwidth, is_line, cuts)
        if num_cuts == 0:  # v of the weighted middle is 0
            _write(segments[num], axis, u_low, u_high, 0.0, axis[4] / (end - first))
            region_of[num] = region
            num += 1
            continue
        _divide(across, first, end, cuts, num_cuts, parts)
        for part in range(num_cuts + 1):
            u_low, u_high, total, moment, size = np.inf, -np.inf, 0.0, 0.0, 0
            for row in range(first, end):
                if parts[row] == part:
                    heat = np.float64(fields[members[row], HEAT])
                    u_low, u_high = min(u_low, along[row]), max(u_high, along[row])
                    total += heat
                    moment += heat * across[row]
                    size += 1
            if size > 0:
                _write(segments[num], axis, u_low, u_high, moment / total, total / size)
                region_of[num] = region
                num += 1
    return num


@njit(**JIT)
def _divide(across, first, end, cuts, num_cuts, parts):  # type: ignore[no-untyped-def]
    """Number the part of each pixel of a region: that between the cuts, where no part is empty.

    Else as the published program does it: along rising v, where each pixel moves on by one part at most.
    """
    sizes = np.zeros(MAX_PARTS, dtype=np.int64)
    for row in range(first, end):
        part = 0
        while part < num_cuts and across[row] > cuts[part]:
            part += 1
        parts[row] = part
        sizes[part] += 1
    if sizes[: num_cuts + 1].min() > 0:
        return
    part = 0
    for row in first + np.argsort(across[first:end], kind="mergesort"):
        if part < num_cuts and across[row] > cuts[part]:
            part += 1
        parts[row] = part


@njit(**JIT)
def _write(segment, axis, u_low, u_high, v, score):  # type: ignore[no-untyped-def]
    row_mean, column_mean, row_axis, column_axis = axis[0], axis[1], axis[2], axis[3]
    x, y = column_mean + v * row_axis, row_mean - v * column_axis
    segment[0] = max(0.0, x + u_low * column_axis)
    segment[1] = max(0.0, y + u_low * row_axis)
    segment[2] = max(0.0, x + u_high * column_axis)
    segment[3] = max(0.0, y + u_high * row_axis)
    segment[4] = score


@njit(**JIT)
def _axis(spots, fields, members, first, end, has_swap, axis):  # type: ignore[no-untyped-def]
    """Fill `axis` (5,): weighted middle (row, column), unit vector of the principal axis (row, column), sum of heat.

    The row of the vector is not negative. Returns whether the region is one pixel wide and parallel to a side.
    """
    seed = spots[members[first]]
    row_seed, column_seed = seed >> 16, seed & 0xFFFF
    w, wr, wc, wrr, wcc, wrc = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    any_row, any_column = 0, 0
    for row in range(first, end):
        number = members[row]
        dr, dc = (spots[number] >> 16) - row_seed, (spots[number] & 0xFFFF) - column_seed
        any_row |= dr
        any_column |= dc
        r, c, heat = np.float64(dr), np.float64(dc), np.float64(fields[number, HEAT])
        hr, hc = heat * r, heat * c
        w += heat
        wr += hr
        wc += hc
        wrr += hr * r
        wcc += hc * c
        wrc += hr * c
    r, c = wr / w, wc / w
    axis[0], axis[1], axis[4] = row_seed + r, column_seed + c, w
    if any_row == 0 or any_column == 0:
        is_down = any_column == 0 if not has_swap else any_row == 0
        axis[2], axis[3] = (1.0, 0.0) if is_down else (0.0, 1.0)
        return True
    axis[2], axis[3] = _principal(wrr / w - r * r, wcc / w - c * c, wrc / w - r * c)
    return False


@njit(**JIT)
def _principal(rr, cc, rc):  # type: ignore[no-untyped-def]
    """Unit eigenvector (row, column; row not negative) of the larger eigenvalue of second moments."""
    large = (rr + cc + np.sqrt(4.0 * rc * rc + (rr - cc) * (rr - cc))) / 2.0
    if rr > cc:  # of the two forms of the vector the one that does not vanish
        row, column = large - cc, rc
    else:
        row, column = (rc, large - rr) if rc >= 0.0 else (-rc, rr - large)
    norm = np.sqrt(row * row + column * column)
    return (row / norm, column / norm) if norm > TINY else (0.0, 1.0)


@njit(**JIT)
def _cuts(across, first, end, low, high, bandwidth, is_published, cuts):  # type: ignore[no-untyped-def]
    """Fill `cuts` with the v of the minima of the density, rising; returns their number.

    `is_published`: the pixels are evenly spaced, which only the defect produces; rounding then decides about minima,
    and the order of operations is that of the published program.
    """
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
    densities = np.empty(NUM_POINTS, dtype=np.float64)
    if is_published:
        _published_densities(counts, low, high, step, bandwidth, densities)
    else:
        _densities(counts, step / bandwidth, densities)
    num = 0
    for point in range(1, NUM_POINTS - 1):
        if densities[point] < densities[point - 1] and densities[point] < densities[point + 1]:
            cuts[num] = low + (point + 0.5) * (high - low) / NUM_BINS
            num += 1
    return num


@njit(**JIT)
def _densities(counts, ratio, densities):  # type: ignore[no-untyped-def]
    """Sums of bells at the points, which lie half way between the middles of bins; `ratio` bin to bandwidth."""
    bells = np.empty(NUM_POINTS, dtype=np.float64)
    for bin_ in range(NUM_POINTS):
        bells[bin_] = np.exp(-0.5 * ((bin_ + 0.5) * ratio) ** 2)
    for point in range(NUM_POINTS):
        total = 0.0
        for bin_ in range(point):
            total += counts[bin_] * bells[point - bin_ - 1]
        for bin_ in range(point, NUM_POINTS):
            total += counts[bin_] * bells[bin_ - point]
        densities[point] = total


@njit(**JIT)
def _published_densities(counts, low, high, step, bandwidth, densities):  # type: ignore[no-untyped-def]
    for point in range(NUM_POINTS):
        x = low + point * ((high - low) / NUM_BINS)
        total = 0.0
        for bin_ in range(NUM_POINTS):
            away = (x - (low + (bin_ + 0.5) * step)) / bandwidth
            total += counts[bin_] * (np.exp(-0.5 * (away * away)) * BELL)
        densities[point] = total


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
