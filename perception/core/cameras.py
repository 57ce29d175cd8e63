"""The camera model: from points in the camera frame to pixels and back, with the distortions that ROS knows.

Camera frame (REP-103 optical): x right, y down, z forward. Pixel (0, 0) is the middle of the top left pixel.
Distortion follows OpenCV and `sensor_msgs/CameraInfo`: plumb_bob (5), rational_polynomial (8), equidistant (4, fisheye:
Kannala and Brandt 2006).
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.types import check

Distortion = Literal["none", "plumb_bob", "rational_polynomial", "equidistant"]
NUM_COEFFICIENTS: dict[str, int] = {"none": 0, "plumb_bob": 5, "rational_polynomial": 8, "equidistant": 4}
UNDISTORT_STEPS = 50  # of the fixed point iteration; a lens of 130 degrees needs as many for 1e-5 px


def _no_coefficients() -> np.ndarray:
    return np.zeros(0)


@dataclass(frozen=True, slots=True, eq=False)
class CameraModel:
    """A pinhole camera with an optional lens distortion."""

    width: int  # px
    height: int  # px
    K: np.ndarray  # (3, 3) float64, px
    distortion: Distortion = "none"
    D: np.ndarray = field(default_factory=_no_coefficients)  # (0 | 4 | 5 | 8,) float64, in the order of OpenCV

    def __post_init__(self) -> None:
        check("K", self.K, (3, 3), np.float64)
        if self.distortion not in NUM_COEFFICIENTS:
            raise InvalidInput(f"distortion: {self.distortion!r} is unknown; use {', '.join(NUM_COEFFICIENTS)}")
        check("D", self.D, (NUM_COEFFICIENTS[self.distortion],), np.float64)
        if self.width < 1 or self.height < 1 or self.K[0, 0] <= 0.0 or self.K[1, 1] <= 0.0:
            raise InvalidInput(
                f"camera: {self.width}x{self.height} with focal lengths {self.K[0, 0]:g}, {self.K[1, 1]:g}; "
                f"size and focal lengths must be positive: calibrate the camera"
            )

    def project(self, points: np.ndarray) -> np.ndarray:
        """Pixels (..., 2) float64 of points (..., 3) in the camera frame; NaN for points behind the camera."""
        points = np.asarray(points, dtype=np.float64)
        z = np.where(points[..., 2] > 0.0, points[..., 2], np.nan)
        ideal = points[..., :2] / z[..., None]
        return self._distorted(ideal) * [self.K[0, 0], self.K[1, 1]] + self.K[:2, 2]

    def rays(self, pixels: np.ndarray) -> np.ndarray:
        """Points (..., 3) at depth 1 that are seen at pixels (..., 2)."""
        pixels = np.asarray(pixels, dtype=np.float64)
        ideal = self._ideal((pixels - self.K[:2, 2]) / [self.K[0, 0], self.K[1, 1]])
        return np.concatenate([ideal, np.ones((*ideal.shape[:-1], 1))], axis=-1)

    def _distorted(self, ideal: np.ndarray) -> np.ndarray:
        x, y = ideal[..., 0], ideal[..., 1]
        r2 = x * x + y * y
        if self.distortion == "none":
            return ideal
        if self.distortion == "equidistant":
            r = np.sqrt(r2)
            theta = np.arctan(r)
            t2 = theta * theta
            bent = theta * (1.0 + t2 * (self.D[0] + t2 * (self.D[1] + t2 * (self.D[2] + t2 * self.D[3]))))
            return ideal * np.where(r > 1e-9, bent / np.maximum(r, 1e-9), 1.0)[..., None]
        k1, k2, p1, p2, k3 = self.D[:5]
        radial = 1.0 + r2 * (k1 + r2 * (k2 + r2 * k3))
        if self.distortion == "rational_polynomial":
            k4, k5, k6 = self.D[5:]
            radial = radial / (1.0 + r2 * (k4 + r2 * (k5 + r2 * k6)))
        bent_x = x * radial + 2.0 * p1 * x * y + p2 * (r2 + 2.0 * x * x)
        bent_y = y * radial + p1 * (r2 + 2.0 * y * y) + 2.0 * p2 * x * y
        return np.stack([bent_x, bent_y], axis=-1)

    def _ideal(self, bent: np.ndarray) -> np.ndarray:
        if self.distortion == "none":
            return bent
        if self.distortion == "equidistant":
            return bent * _unbent_fisheye(np.linalg.norm(bent, axis=-1), self.D)[..., None]
        ideal = bent
        for _ in range(UNDISTORT_STEPS):
            ideal = ideal - (self._distorted(ideal) - bent)
        return ideal


def _unbent_fisheye(bent: np.ndarray, D: np.ndarray) -> np.ndarray:
    """tan(theta) / r for the radius r (...) of an equidistant image, by Newton's method."""
    theta = bent.copy()
    for _ in range(UNDISTORT_STEPS):
        t2 = theta * theta
        value = theta * (1.0 + t2 * (D[0] + t2 * (D[1] + t2 * (D[2] + t2 * D[3])))) - bent
        slope = 1.0 + t2 * (3.0 * D[0] + t2 * (5.0 * D[1] + t2 * (7.0 * D[2] + t2 * 9.0 * D[3])))
        theta = theta - value / slope
    return np.where(bent > 1e-9, np.tan(theta) / np.maximum(bent, 1e-9), 1.0)
