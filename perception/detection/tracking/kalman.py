"""The Kalman filters of all tracks: how far a box may have moved, and what a detected box says about it.

Noise is proportional to the size of the box: what is near moves and wobbles by more pixels.
"""

import numpy as np

from perception.detection.boxes import to_centers, to_corners
from perception.detection.tracking.config import MotionConfig
from perception.kernels import tracking as kernels

LEAST_SIZE = 1.0  # px: a predicted side is never less


def sizes(boxes: np.ndarray) -> np.ndarray:
    """Size (N, 4) px that the noise of cx, cy, w, h is proportional to, from boxes (N, 4) cx, cy, w, h."""
    return np.tile(np.maximum(boxes[:, 2:], LEAST_SIZE), 2)


def started(corners: np.ndarray, velocity: np.ndarray, config: MotionConfig) -> tuple[np.ndarray, np.ndarray]:
    """States and covariances (see `perception.kernels.tracking`) of new tracks at `corners` (N, 4).

    `velocity` (2,), px/s along x and y, is what boxes in this image share: the camera's own motion.
    """
    boxes = to_centers(corners.astype(np.float64))
    states = np.stack([boxes, np.zeros_like(boxes)], axis=-1)
    states[:, :2, 1] = velocity
    variances = _variances(boxes, config)
    spread = (config.start_velocity * sizes(boxes)) ** 2
    return states, np.stack([variances, np.zeros_like(variances), spread], axis=-1)


def predict(states: np.ndarray, covariances: np.ndarray, seconds: float, config: MotionConfig) -> None:
    """Move tracks on, in place."""
    density = (config.acceleration_noise * sizes(states[..., 0])) ** 2
    density[:, :2] += config.camera_noise**2
    kernels.predict(states, covariances, density, float(seconds))


def correct(states: np.ndarray, covariances: np.ndarray, corners: np.ndarray, config: MotionConfig) -> None:
    """Correct tracks, in place, by the boxes `corners` (N, 4) that were found to be theirs."""
    boxes = to_centers(corners.astype(np.float64))
    kernels.correct(states, covariances, boxes, _variances(boxes, config))


def distances(states: np.ndarray, covariances: np.ndarray, corners: np.ndarray, config: MotionConfig) -> np.ndarray:
    """How far the middles of boxes (M, 4) are from those of tracks (N), in standard deviations: (N, M)."""
    boxes = to_centers(corners.astype(np.float64))
    variances = covariances[:, None, :2, 0] + _variances(boxes, config)[None, :, :2]
    return np.sqrt((((boxes[None, :, :2] - states[:, None, :2, 0]) ** 2) / variances).sum(axis=-1))


def shared_velocity(states: np.ndarray) -> np.ndarray:
    """What moves all boxes alike, (2,) px/s along x and y: the median; 0 without tracks."""
    return np.median(states[:, :2, 1], axis=0) if len(states) else np.zeros(2)


def corners_of(states: np.ndarray) -> np.ndarray:
    """Boxes (N, 4) float64 of tracks, as corners."""
    boxes = states[..., 0].copy()
    np.maximum(boxes[:, 2:], LEAST_SIZE, out=boxes[:, 2:])
    return to_corners(boxes)


def _variances(boxes: np.ndarray, config: MotionConfig) -> np.ndarray:
    return np.maximum(config.measurement_noise * sizes(boxes), config.least_noise) ** 2 + np.finfo(np.float64).tiny
