"""Boxes in images and their algebra. Corners are x1, y1, x2, y2 in px; (0, 0) is the corner of the first pixel."""

from dataclasses import dataclass

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.types import check


@dataclass(frozen=True, slots=True, eq=False)
class DetectedBoxes:
    """What a detector found in one image, best first."""

    corners: np.ndarray  # (N, 4) float32, px
    scores: np.ndarray  # (N,) float32, 0..1
    classes: np.ndarray  # (N,) int64

    def __post_init__(self) -> None:
        check("corners", self.corners, (None, 4), np.float32)
        check("scores", self.scores, (len(self.corners),), np.float32)
        check("classes", self.classes, (len(self.corners),), np.int64)

    def __len__(self) -> int:
        return len(self.corners)


def to_corners(boxes: np.ndarray) -> np.ndarray:
    """cx, cy, w, h (..., 4) to corners, in the type of the input."""
    half = boxes[..., 2:] / 2
    return np.concatenate([boxes[..., :2] - half, boxes[..., :2] + half], axis=-1)


def to_centers(corners: np.ndarray) -> np.ndarray:
    """Corners (..., 4) to cx, cy, w, h, in the type of the input."""
    low, high = corners[..., :2], corners[..., 2:]
    return np.concatenate([(low + high) / 2, high - low], axis=-1)


def areas(corners: np.ndarray) -> np.ndarray:
    """px^2 of boxes (..., 4); 0 where a box is turned inside out."""
    size = np.maximum(corners[..., 2:] - corners[..., :2], 0)
    return size[..., 0] * size[..., 1]


def overlaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union (N, M) of boxes (N, 4) and (M, 4); 0 for two boxes without area."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = areas(np.concatenate([low, high], axis=-1))
    union = areas(first)[:, None] + areas(second)[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(union), where=union > 0)


def clipped(corners: np.ndarray, height: int, width: int) -> np.ndarray:
    """Boxes (..., 4) cut at the borders of an image. Raises `InvalidInput` for an image without pixels."""
    if height < 1 or width < 1:
        raise InvalidInput(f"image: {width}x{height} px; give one with pixels")
    limits = np.array([width, height, width, height], dtype=corners.dtype)
    return np.clip(corners, 0, limits)
