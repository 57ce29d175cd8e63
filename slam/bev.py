"""What keypoints of two bird's-eye images say about the pose: residuals in pixels, their Jacobian, normal equations.

Section 11 of bev_lio_lc.md, in its corrected form: keypoints of an earlier image become points of the world by the
pose that the filter had there, and are predicted in the new image by the state that is iterated. Images may be level:
`A` is then the rotation of the LiDAR's axes onto those of its image, by the predicted attitude, and stays fixed.
"""

from dataclasses import dataclass

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.types import check
from slam.config import BevTermConfig

HALF_CELL = 0.5
QUANTISATION = 1.0 / 12.0  # px^2: variance of a corner that is a whole pixel, 0.29 px
UPRIGHT = 2.0  # m: height of structure above or below the plane, for the shift by tilt
MIN_ROBUST = 1e-9  # px, of a residual that divides


@dataclass(frozen=True, slots=True)
class BevGrid:
    """Where the cells of an image lie: x = (first - row + 1/2) resolution, y likewise by the column."""

    resolution: float  # m
    first: int  # cell, counted from the sensor, of row 0 and column 0


@dataclass(frozen=True, slots=True, eq=False)
class BevEquations:
    """Information and gradient for (p, R right), units of the filter (variances are inside)."""

    information: np.ndarray  # (6, 6)
    vector: np.ndarray  # (6,)
    num_matches: int  # inside of the gate
    sum_squared: float  # px^2 over these


def pixels_of(points: np.ndarray, grid: BevGrid) -> np.ndarray:
    """pi: column and row (N, 2) of points (N, 3) in the axes of the image, m."""
    return grid.first + HALF_CELL - points[:, 1::-1] / grid.resolution


def world_points(
    pixels: np.ndarray, grid: BevGrid, R: np.ndarray, p: np.ndarray, R_IL: np.ndarray, t_IL: np.ndarray, A: np.ndarray
) -> np.ndarray:
    """Points (N, 3) of the world at keypoints (N, 2), column and row, of an image taken at the IMU pose (R, p)."""
    plane = np.zeros((len(pixels), 3))
    plane[:, :2] = (grid.first + HALF_CELL - np.asarray(pixels, dtype=np.float64)[:, ::-1]) * grid.resolution
    return (plane @ A @ R_IL.T + t_IL) @ R.T + p


def to_image(
    points: np.ndarray, R: np.ndarray, p: np.ndarray, R_IL: np.ndarray, t_IL: np.ndarray, A: np.ndarray
) -> np.ndarray:
    """Points (N, 3) of the world in the axes of the image that is taken at the IMU pose (R, p)."""
    return ((points - p) @ R - t_IL) @ R_IL @ A.T


def residuals(
    points: np.ndarray,
    pixels: np.ndarray,
    grid: BevGrid,
    R: np.ndarray,
    p: np.ndarray,
    R_IL: np.ndarray,
    t_IL: np.ndarray,
    A: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """e (N, 2) px = pixels - pi(q), and H (N, 2, 6) = d pi / d(p, R) of world points (N, 3) seen at pixels (N, 2).

    Right perturbation of R; a step delta changes e by -H delta. `A` is the identity for images that are not level.
    """
    e = pixels - pixels_of(to_image(points, R, p, R_IL, t_IL, A), grid)
    A_imu = A @ R_IL.T
    dq = np.empty((len(points), 3, 6))
    dq[:, :, :3] = -(A_imu @ R.T)
    dq[:, :, 3:] = A_imu @ _hats((points - p) @ R)
    return e, -dq[:, 1::-1] / grid.resolution


def noise_variance(residual_px: np.ndarray, tilt: float, is_level: bool, config: BevTermConfig, cell: float) -> float:
    """Variance (px^2) of each coordinate of a keypoint, from how matches (N, 2) scatter around what fits them best.

    Never less than the configured noise and that of whole pixels. Where the image is not level what stands high is
    shifted by the tilt (rad): a second share.
    """
    scatter = 1.4826 * float(np.median(np.abs(residual_px))) if residual_px.size else 0.0  # robust sigma
    shift = 0.0 if is_level else UPRIGHT * abs(np.sin(tilt)) / cell
    return max(config.noise**2, scatter**2 + QUANTISATION) + shift**2


def refusal(num_inliers: int, num_matches: int, tilt: float, config: BevTermConfig, num_others: int = 0) -> str:
    """Why the keypoints of an image are left out, or nothing. `tilt` of the LiDAR, rad.

    `num_others` matches agree with the next best motion.
    """
    if np.degrees(abs(tilt)) > config.max_tilt_deg:
        return f"tilted by {np.degrees(abs(tilt)):.1f} deg, more than {config.max_tilt_deg:g}"
    if num_inliers < config.min_inliers:
        return f"{num_inliers} matches agree, fewer than {config.min_inliers}"
    if num_inliers < config.min_ratio * num_matches:
        return f"{num_inliers} of {num_matches} matches agree, a smaller share than {config.min_ratio:g}"
    if num_inliers < config.distinct * num_others:
        return f"{num_inliers} matches agree, but {num_others} with another motion"
    return ""


class BevTerm:
    """Matches of an image with an earlier one, ready to be linearised again and again by the filter."""

    def __init__(
        self,
        points: np.ndarray,
        pixels: np.ndarray,
        grid: BevGrid,
        A: np.ndarray,
        variance: float,
        config: BevTermConfig,
        P: np.ndarray | None = None,
    ) -> None:
        """World points (N, 3) of the earlier keypoints, pixels (N, 2) of the new ones. Raises `InvalidInput`.

        `P` (6, 6), the covariance of the predicted pose, widens the gate.
        """
        points, pixels = np.asarray(points, dtype=np.float64), np.asarray(pixels, dtype=np.float64)
        check("points", points, (None, 3), np.float64)
        check("pixels", pixels, (len(points), 2), np.float64)
        if not variance > 0.0 or not np.isfinite(points).all():
            raise InvalidInput(f"variance {variance} px^2 or points are no numbers that can be used; check the matches")
        self.points, self.pixels, self.grid, self.A = points, pixels, grid, np.asarray(A, dtype=np.float64)
        self.variance, self.config, self.P = variance, config, P

    def linearise(self, R: np.ndarray, p: np.ndarray, R_IL: np.ndarray, t_IL: np.ndarray) -> BevEquations:
        """Equations at the IMU pose (R, p).

        All matches together weigh like `max_share` of them at most: their errors (heights, cells) are not independent.
        """
        e, H = residuals(self.points, self.pixels, self.grid, R, p, R_IL, t_IL, self.A)
        S = np.tile(self.variance * np.eye(2), (len(e), 1, 1))
        if self.P is not None:
            S = S + H @ self.P @ H.transpose(0, 2, 1)
        distances = np.einsum("ni,ni->n", e, np.linalg.solve(S, e[..., None])[..., 0]) if len(e) else np.zeros(0)
        inside = distances <= self.config.gate
        e, H = e[inside], H[inside]
        lengths = np.linalg.norm(e, axis=1)
        weights = np.minimum(1.0, self.config.huber / np.maximum(lengths, MIN_ROBUST))
        weights = weights / self.variance * min(1.0, self.config.max_share / max(len(e), 1))
        information = np.einsum("nki,n,nkj->ij", H, weights, H)
        return BevEquations(information, np.einsum("nki,n,nk->i", H, weights, e), len(e), float(lengths @ lengths))


def _hats(vectors: np.ndarray) -> np.ndarray:
    """Skew matrices (N, 3, 3) of vectors (N, 3)."""
    out = np.zeros((len(vectors), 3, 3))
    x, y, z = vectors.T
    out[:, 0, 1], out[:, 0, 2], out[:, 1, 2] = -z, y, -x
    out[:, 1, 0], out[:, 2, 0], out[:, 2, 1] = z, -y, x
    return out
