"""Depth of line segments from points beside them, as Numba kernels; `depth_reference.py` is their definition in NumPy.

The inverse depth of a plane is a linear function of the pixel. Beside a segment it is written q = a t + b s + c with t
from 0 to 1 along the segment and s, px, across it; q at s = 0 is what the ends of the segment have on that plane.
"""

import numpy as np
from numba import njit

LIFTED, NO_SURFACE, HIDDEN, UNSURE, TOO_FAR = 0, 1, 2, 3, 4  # what became of a segment
MAX_BESIDE = 1024  # points beside a segment that are looked at
MAX_LAYERS = 3  # surfaces behind each other on one side of a segment
NEAR = 4.0  # px across: a point so far off counts half when a surface is chosen
CLOSE = 6.0  # px across: ... when it is fitted; one of its points must be as near
FLAT = 1.5  # px, spread across below which points tell nothing of a slope
LEAD = 1.5  # px: a surface in front must come as near to the segment as the one behind it, but for this
SINGULAR = 1e-7  # of a determinant to the product of the diagonal: below, points lie on a line
MARGIN = 0.1  # of the length: points beyond the ends count as well
MIN_STD = 0.01  # m, of a point's depth: what no LiDAR is better than
AGREEMENT = 3.0  # sigma within which the surfaces of both sides meet in the segment
PIXEL_STD = 0.5  # px, of a segment across itself
A_T, B_S, C = 0, 1, 2


@njit(nogil=True, cache=True)
def beside(segment, pixels, band, t, s, rows):  # type: ignore[no-untyped-def]
    """Fill t, s and row of the points (M, 2) px within `band` of a segment (4,); returns how many they are."""
    dx, dy = segment[2] - segment[0], segment[3] - segment[1]
    length = np.sqrt(dx * dx + dy * dy)
    ux, uy = dx / length, dy / length
    low_x, high_x = min(segment[0], segment[2]) - band, max(segment[0], segment[2]) + band
    low_y, high_y = min(segment[1], segment[3]) - band, max(segment[1], segment[3]) + band
    count = 0
    for row in range(pixels.shape[0]):
        x, y = pixels[row, 0], pixels[row, 1]
        if x < low_x or x > high_x or y < low_y or y > high_y:
            continue
        x, y = x - segment[0], y - segment[1]
        along, across = (x * ux + y * uy) / length, y * ux - x * uy
        if -MARGIN <= along <= 1.0 + MARGIN and abs(across) <= band and count < t.shape[0]:
            t[count], s[count], rows[count] = along, across, row
            count += 1
    return count


@njit(nogil=True, cache=True)
def tolerance_of(q, tolerance, relative):  # type: ignore[no-untyped-def]
    """How far (1/m) inverse depths of one surface may lie apart at q."""
    return (tolerance + relative / q) * q * q


@njit(nogil=True, cache=True)
def consensus(t, s, q, chosen, samples, tolerance, relative, plane):  # type: ignore[no-untyped-def]
    """The plane (3,) that most of the `chosen` points (rows) lie on, near ones first; returns its score."""
    count, best = chosen.shape[0], 0.0
    if count < 2:
        return best
    for k in range(samples.shape[0]):
        i, j = chosen[int(samples[k, 0] * count)], chosen[int(samples[k, 1] * count)]
        a, b, c = 0.0, 0.0, 0.0
        if k % 2 == 0:
            m = chosen[int(samples[k, 2] * count)]
            t1, s1, q1 = t[j] - t[i], s[j] - s[i], q[j] - q[i]
            t2, s2, q2 = t[m] - t[i], s[m] - s[i], q[m] - q[i]
            area = t1 * s2 - t2 * s1
            if abs(area) < 1e-3:
                continue
            a, b = (q1 * s2 - q2 * s1) / area, (t1 * q2 - t2 * q1) / area
        else:  # thin things have points one above the other
            if abs(t[j] - t[i]) < 1e-2:
                continue
            a = (q[j] - q[i]) / (t[j] - t[i])
        c = q[i] - a * t[i] - b * s[i]
        score = 0.0
        for n in range(count):
            row = chosen[n]
            if abs(a * t[row] + b * s[row] + c - q[row]) < tolerance_of(q[row], tolerance, relative):
                score += 1.0 / (1.0 + abs(s[row]) / NEAR)
        if score > best:
            best = score
            plane[A_T], plane[B_S], plane[C] = a, b, c
    return best


@njit(nogil=True, cache=True)
def inverted(matrix, has_slope, inverse):  # type: ignore[no-untyped-def]
    """Fill the inverse of a symmetric `matrix` (3, 3); zero for the slope across where the points tell none.

    False where they tell nothing at all.
    """
    if has_slope:
        a, b, c = matrix[0, 0], matrix[0, 1], matrix[0, 2]
        d, e, f = matrix[1, 1], matrix[1, 2], matrix[2, 2]
        det = a * (d * f - e * e) - b * (b * f - c * e) + c * (b * e - c * d)
        if det > SINGULAR * a * d * f:
            inverse[0, 0], inverse[1, 1], inverse[2, 2] = (
                (d * f - e * e) / det,
                (a * f - c * c) / det,
                (a * d - b * b) / det,
            )
            inverse[0, 1] = inverse[1, 0] = (c * e - b * f) / det
            inverse[0, 2] = inverse[2, 0] = (b * e - c * d) / det
            inverse[1, 2] = inverse[2, 1] = (b * c - a * e) / det
            return True
    a, c, f = matrix[A_T, A_T], matrix[A_T, C], matrix[C, C]
    det = a * f - c * c
    if not det > SINGULAR * a * f:
        return False
    inverse[A_T, A_T], inverse[C, C] = f / det, a / det
    inverse[A_T, C] = inverse[C, A_T] = -c / det
    return True


@njit(nogil=True, cache=True)
def fitted(t, s, q, chosen, tolerance, relative, plane, covariance):  # type: ignore[no-untyped-def]
    """Refine `plane` by least squares over the points that lie on it, in place, with its covariance (3, 3).

    Returns how many these are, the first and the last of them along the segment, and the nearest across.
    """
    num_on, low, high, nearest = 0, 2.0, -1.0, 1e9
    for _ in range(2):
        sum_w, sum_s, sum_ss = 0.0, 0.0, 0.0
        num_on, low, high, nearest = 0, 2.0, -1.0, 1e9
        matrix, right = np.zeros((3, 3), dtype=np.float64), np.zeros(3, dtype=np.float64)
        total, squares = 0.0, 0.0
        for n in range(chosen.shape[0]):
            row = chosen[n]
            error = plane[A_T] * t[row] + plane[B_S] * s[row] + plane[C] - q[row]
            if abs(error) >= tolerance_of(q[row], tolerance, relative):
                continue
            num_on += 1
            low, high, nearest = min(low, t[row]), max(high, t[row]), min(nearest, abs(s[row]))
            closeness = 1.0 / (1.0 + (s[row] / CLOSE) ** 2)
            weight = closeness / q[row] ** 4  # of depth, in 1/m^2
            total += closeness
            squares += weight * error * error
            sum_w, sum_s, sum_ss = sum_w + closeness, sum_s + closeness * s[row], sum_ss + closeness * s[row] * s[row]
            value = (t[row], s[row], 1.0)
            for i in range(3):
                right[i] += weight * value[i] * q[row]
                for j in range(3):
                    matrix[i, j] += weight * value[i] * value[j]
        if num_on < 2 or high - low < 1e-3:
            return 0, low, high, nearest
        mean = sum_s / sum_w
        has_slope = sum_ss / sum_w - mean * mean >= FLAT * FLAT and num_on >= 4
        inverse = np.zeros((3, 3), dtype=np.float64)
        if not inverted(matrix, has_slope, inverse):
            return 0, low, high, nearest
        for i in range(3):
            plane[i] = inverse[i, 0] * right[0] + inverse[i, 1] * right[1] + inverse[i, 2] * right[2]
        variance = max(squares / total, MIN_STD * MIN_STD) * (num_on / max(1.0, num_on - 3.0))
        covariance[:] = inverse * variance
    return num_on, low, high, nearest


@njit(nogil=True, cache=True)
def surface(t, s, q, chosen, samples, limits, plane, covariance):  # type: ignore[no-untyped-def]
    """The nearest surface that enough of the `chosen` points support; returns how many, 0 for none.

    `limits`: tolerance (m), relative tolerance, least points, least coverage.
    """
    tolerance, relative, least, coverage = limits
    rest, found, reach = chosen, 0, CLOSE
    trial, spread = np.zeros(3, dtype=np.float64), np.zeros((3, 3), dtype=np.float64)
    for _ in range(MAX_LAYERS):
        if rest.shape[0] < least:
            break
        if consensus(t, s, q, rest, samples, tolerance, relative, trial) <= 0.0:
            break
        num_on, low, high, nearest = fitted(t, s, q, rest, tolerance, relative, trial, spread)
        is_sound = num_on >= least and min(high, 1.0) - max(low, 0.0) >= coverage and nearest <= reach
        if is_sound:
            found, reach = num_on, min(CLOSE, nearest + LEAD)
            plane[:] = trial
            covariance[:] = spread
        # what is in front of it is looked at next; where it is none, everything but its points
        kept, count = np.empty(rest.shape[0], dtype=np.int64), 0
        for n in range(rest.shape[0]):
            row = rest[n]
            error = q[row] - (trial[A_T] * t[row] + trial[B_S] * s[row] + trial[C])
            limit = tolerance_of(q[row], tolerance, relative)
            if error >= limit or (not is_sound and found == 0 and error <= -limit):
                kept[count] = row
                count += 1
        rest = kept[:count]
    return found


@njit(nogil=True, cache=True)
def ends_of(plane, covariance, depths, stds):  # type: ignore[no-untyped-def]
    """Depths (2,) of both ends on a plane and their uncertainty, in place; False where an end is behind the camera."""
    slope = plane[B_S]
    for k in range(2):
        q = plane[A_T] * k + plane[C]
        if not q > 1e-6:
            return False
        variance = covariance[C, C] + k * (2.0 * covariance[A_T, C] + covariance[A_T, A_T])
        variance += (slope * PIXEL_STD) ** 2
        depths[k], stds[k] = 1.0 / q, np.sqrt(max(variance, 0.0)) / (q * q)
    return True


@njit(nogil=True, cache=True)
def lift(segments, pixels, inverse_depths, samples, band, limits, depths, stds, counts, outcomes):  # type: ignore[no-untyped-def]
    """Depth (N, 2) m of the ends of segments (N, 4) px, their uncertainty, the points behind them, and the outcome.

    `pixels` (M, 2) float64 and `inverse_depths` (M,) 1/m of the points; `samples` (K, 3) from 0 to below 1.
    """
    size = min(MAX_BESIDE, pixels.shape[0])
    t, s, q = np.empty(size, dtype=np.float64), np.empty(size, dtype=np.float64), np.empty(size, dtype=np.float64)
    rows = np.empty(size, dtype=np.int64)
    planes, spreads = np.zeros((2, 3), dtype=np.float64), np.zeros((2, 3, 3), dtype=np.float64)
    z, sigma = np.zeros((2, 2), dtype=np.float64), np.zeros((2, 2), dtype=np.float64)
    for n in range(segments.shape[0]):
        outcomes[n], counts[n] = NO_SURFACE, 0
        count = beside(segments[n], pixels, band, t, s, rows)
        for k in range(count):
            q[k] = inverse_depths[rows[k]]
        is_found = np.zeros(2, dtype=np.bool_)
        founds = np.zeros(2, dtype=np.int64)
        for side in range(2):
            sign = 1.0 if side == 0 else -1.0
            chosen = np.flatnonzero(s[:count] * sign >= 0.0)
            founds[side] = surface(t, s, q, chosen, samples, limits, planes[side], spreads[side])
            is_found[side] = founds[side] > 0 and ends_of(planes[side], spreads[side], z[side], sigma[side])
        if not (is_found[0] or is_found[1]):
            continue
        if is_found[0] and is_found[1]:
            is_joined = True
            for k in range(2):
                limit = AGREEMENT * np.sqrt(sigma[0, k] ** 2 + sigma[1, k] ** 2) + limits[0] + limits[1] * z[0, k]
                is_joined = is_joined and abs(z[0, k] - z[1, k]) <= limit
            if is_joined:
                for k in range(2):
                    w0, w1 = 1.0 / sigma[0, k] ** 2, 1.0 / sigma[1, k] ** 2
                    depths[n, k] = (w0 * z[0, k] + w1 * z[1, k]) / (w0 + w1)
                    stds[n, k] = np.sqrt(1.0 / (w0 + w1))
                outcomes[n], counts[n] = LIFTED, founds[0] + founds[1]
                continue
        near = 0 if is_found[0] and (not is_found[1] or z[0].sum() <= z[1].sum()) else 1
        if not is_found[1 - near] and _is_hidden(t, s, q, count, near, planes[near], limits):
            outcomes[n] = HIDDEN
            continue
        outcomes[n], counts[n] = LIFTED, founds[near]
        depths[n], stds[n] = z[near], sigma[near]


@njit(nogil=True, cache=True)
def _is_hidden(t, s, q, count, near, plane, limits):  # type: ignore[no-untyped-def]
    """True where points on the other side of a segment are in front of its surface: it may be the edge of theirs."""
    sign, num_before = (-1.0 if near == 0 else 1.0), 0
    for k in range(count):
        if s[k] * sign > 0.0 and abs(s[k]) <= CLOSE:
            limit = tolerance_of(q[k], limits[0], limits[1])
            if q[k] - (plane[A_T] * t[k] + plane[B_S] * s[k] + plane[C]) > limit:
                num_before += 1
    return num_before >= 2
