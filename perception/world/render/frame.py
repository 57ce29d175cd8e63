"""What one exposure of a generated camera gives: the image, and what is exactly known about its pixels."""

from dataclasses import dataclass

import numpy as np

from perception.core.types import check


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One rendered image. All but the colour belongs to the middle of each pixel at the middle of the exposure."""

    color: np.ndarray  # (H, W, 3) uint8, sRGB
    depth: np.ndarray  # (H, W) float32, m along the optical axis; inf: sky
    rows: np.ndarray  # (H, W) int32, triangle of `Accelerator.mesh`; NO_HIT: sky
    normals: np.ndarray  # (H, W, 3) float32, unit, camera axes, of the triangle's plane, towards the camera; 0: sky

    def __post_init__(self) -> None:
        size = self.depth.shape
        check("color", self.color, (*size, 3), np.uint8)
        check("depth", self.depth, size, np.float32)
        check("rows", self.rows, size, np.int32)
        check("normals", self.normals, (*size, 3), np.float32)
