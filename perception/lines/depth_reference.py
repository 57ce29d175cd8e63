"""The definition of `depth_kernels` in NumPy: the depth of line segments, one by one, from points beside them."""

from dataclasses import dataclass

import numpy as np

from perception.lines import depth_kernels as k


@dataclass(frozen=True, slots=True, eq=False)
class _Plane:
    """q = a t + b s + c beside a segment."""

    values: np.ndarray  # (3,) a, b, c
    covariance: np.ndarray  # (3, 3)
    num_points: int
    nearest: float  # px across

    def errors(self, t: np.ndarray, s: np.ndarray, q: np.ndarray) -> np.ndarray:
        """How much nearer (1/m) points are than the plane."""
        return q - np.column_stack([t, s, np.ones(len(t))]) @ self.values

    def ends(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Depths (2,) of the ends of the segment and their uncertainty; None behind the camera."""
        table = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 1.0]])
        q = table @ self.values
        if not (q > 1e-6).all():
            return None
        variances = np.einsum("ni,ij,nj->n", table, self.covariance, table) + (self.values[1] * k.PIXEL_STD) ** 2
        return 1.0 / q, np.sqrt(np.maximum(variances, 0.0)) / q**2


Limits = tuple[float, float, float, float]  # tolerance (m), relative tolerance, least points, least coverage


def lift_reference(
    segments: np.ndarray,
    pixels: np.ndarray,
    inverse_depths: np.ndarray,
    samples: np.ndarray,
    band: float,
    limits: Limits,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Depths (N, 2), their uncertainty (N, 2), points (N,) and outcomes (N,), as `depth_kernels.lift` fills them in."""
    n = len(segments)
    depths, stds = np.zeros((n, 2)), np.zeros((n, 2))
    counts, outcomes = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    for row, segment in enumerate(segments):
        t, s, q = _beside(segment, pixels, inverse_depths, band)
        planes = [_surface(t, s, q, np.flatnonzero(sign * s >= 0.0), samples, limits) for sign in (1.0, -1.0)]
        outcomes[row], counts[row], depths[row], stds[row] = _joined(planes, t, s, q, limits)
    return depths, stds, counts, outcomes


def _beside(
    segment: np.ndarray, pixels: np.ndarray, inverse_depths: np.ndarray, band: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    step = segment[2:] - segment[:2]
    length = np.hypot(*step)
    low, high = np.minimum(segment[:2], segment[2:]) - band, np.maximum(segment[:2], segment[2:]) + band
    offsets = pixels - segment[:2]
    t, s = offsets @ step / length**2, (offsets[:, 1] * step[0] - offsets[:, 0] * step[1]) / length
    near = ((pixels >= low) & (pixels <= high)).all(axis=1)
    near &= (t >= -k.MARGIN) & (t <= 1.0 + k.MARGIN) & (np.abs(s) <= band)
    rows = np.flatnonzero(near)[: k.MAX_BESIDE]
    return t[rows], s[rows], inverse_depths[rows]


def _limits_of(q: np.ndarray, limits: Limits) -> np.ndarray:
    return (limits[0] + limits[1] / q) * q * q


def _consensus(t: np.ndarray, s: np.ndarray, q: np.ndarray, samples: np.ndarray, limits: Limits) -> np.ndarray | None:
    """The plane (3,) through a drawn pair or triple that most points lie on, near ones first."""
    best, plane = 0.0, None
    weights, widths = 1.0 / (1.0 + np.abs(s) / k.NEAR), _limits_of(q, limits)
    for number, sample in enumerate(samples):
        i, j, m = (sample * len(t)).astype(int)
        if number % 2 == 0:
            table = np.array([[t[j] - t[i], s[j] - s[i]], [t[m] - t[i], s[m] - s[i]]])
            if abs(np.linalg.det(table)) < 1e-3:
                continue
            a, b = np.linalg.solve(table, [q[j] - q[i], q[m] - q[i]])
        else:
            if abs(t[j] - t[i]) < 1e-2:
                continue
            a, b = (q[j] - q[i]) / (t[j] - t[i]), 0.0
        c = q[i] - a * t[i] - b * s[i]
        score = weights[np.abs(a * t + b * s + c - q) < widths].sum()
        if score > best * (1.0 + 1e-12):  # sums in another order are no better
            best, plane = score, np.array([a, b, c])
    return plane


def _fitted(t: np.ndarray, s: np.ndarray, q: np.ndarray, plane: np.ndarray, limits: Limits) -> tuple[_Plane, float]:
    """The least squares plane of the points on `plane`, twice, and how much of the segment they lie beside."""
    fit, coverage = _Plane(plane, np.zeros((3, 3)), 0, np.inf), 0.0
    for _ in range(2):
        on = np.abs(fit.errors(t, s, q)) < _limits_of(q, limits)
        errors, tt, ss, qq = fit.errors(t, s, q)[on], t[on], s[on], q[on]
        if on.sum() < 2 or np.ptp(tt) < 1e-3:
            return _Plane(fit.values, fit.covariance, 0, np.inf), 0.0
        closeness = 1.0 / (1.0 + (ss / k.CLOSE) ** 2)
        weights = closeness / qq**4
        table = np.column_stack([tt, ss, np.ones(len(tt))])
        matrix, right = (table * weights[:, None]).T @ table, table.T @ (weights * qq)
        mean = np.average(ss, weights=closeness)
        has_slope = np.average(ss * ss, weights=closeness) - mean * mean >= k.FLAT**2 and on.sum() >= 4
        inverse = _inverted(matrix, has_slope)
        if inverse is None:
            return _Plane(fit.values, fit.covariance, 0, np.inf), 0.0
        variance = max((weights * errors**2).sum() / closeness.sum(), k.MIN_STD**2)
        variance *= on.sum() / max(1.0, on.sum() - 3.0)
        fit = _Plane(inverse @ right, inverse * variance, int(on.sum()), float(np.abs(ss).min()))
        coverage = min(float(tt.max()), 1.0) - max(float(tt.min()), 0.0)
    return fit, coverage


def _inverted(matrix: np.ndarray, has_slope: bool) -> np.ndarray | None:
    """The inverse; zero for the slope across where the points tell none. None where they tell nothing."""
    for used in ([[0, 1, 2]] if has_slope else []) + [[0, 2]]:
        part = matrix[np.ix_(used, used)]
        if np.linalg.det(part) > k.SINGULAR * np.prod(np.diag(part)):
            inverse = np.zeros((3, 3))
            inverse[np.ix_(used, used)] = np.linalg.inv(part)
            return inverse
    return None


def _surface(
    t: np.ndarray, s: np.ndarray, q: np.ndarray, rows: np.ndarray, samples: np.ndarray, limits: Limits
) -> _Plane | None:
    """The nearest surface that enough of the points `rows` support."""
    found, reach = None, k.CLOSE
    for _ in range(k.MAX_LAYERS):
        if len(rows) < limits[2]:
            break
        part = t[rows], s[rows], q[rows]
        plane = _consensus(*part, samples, limits) if len(rows) >= 2 else None
        if plane is None:
            break
        fit, coverage = _fitted(*part, plane, limits)
        is_sound = fit.num_points >= limits[2] and coverage >= limits[3] and fit.nearest <= reach
        if is_sound:
            found, reach = fit, min(k.CLOSE, fit.nearest + k.LEAD)
        errors, widths = fit.errors(*part), _limits_of(q[rows], limits)
        is_before = errors >= widths
        rows = rows[is_before if found is not None else is_before | (errors <= -widths)]
    return found


def _joined(
    planes: list[_Plane | None], t: np.ndarray, s: np.ndarray, q: np.ndarray, limits: Limits
) -> tuple[int, int, np.ndarray, np.ndarray]:
    """Outcome, points, depths and uncertainty from the surfaces of both sides."""
    nothing = np.zeros(2)
    known = [(side, plane, ends) for side, plane in enumerate(planes) if plane is not None and (ends := plane.ends())]
    if not known:
        return k.NO_SURFACE, 0, nothing, nothing
    if len(known) == 2:
        (_, first, (z0, sigma0)), (_, second, (z1, sigma1)) = known
        width = k.AGREEMENT * np.hypot(sigma0, sigma1) + limits[0] + limits[1] * z0
        if (np.abs(z0 - z1) <= width).all():
            w0, w1 = sigma0**-2, sigma1**-2
            return k.LIFTED, first.num_points + second.num_points, (w0 * z0 + w1 * z1) / (w0 + w1), (w0 + w1) ** -0.5
    side, plane, (z, sigma) = min(known, key=lambda entry: float(entry[2][0].sum()))
    if len(known) == 1:
        other = (s * (-1.0 if side == 0 else 1.0) > 0.0) & (np.abs(s) <= k.CLOSE)
        if (plane.errors(t, s, q)[other] > _limits_of(q[other], limits)).sum() >= 2:
            return k.HIDDEN, 0, nothing, nothing
    return k.LIFTED, plane.num_points, z, sigma
