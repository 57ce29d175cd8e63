"""Images as the network for line segments reads them: stretched to its input, whatever their sides."""

import cv2
import numpy as np

LEVELS = np.float32(1 / 255)  # of an 8-bit value


def stretched(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An image (H, W, 3) uint8 RGB or (H, W) uint8 grey as planes (3, height, width) float32 in 0..1.

    Resized as float, bilinearly and without regard to the aspect (`lsdnet.md`, section 2.1).
    """
    resized = cv2.resize(pixels * LEVELS, size[::-1], interpolation=cv2.INTER_LINEAR)
    if resized.ndim == 2:
        return np.repeat(resized[None], 3, axis=0)
    return np.ascontiguousarray(resized.transpose(2, 0, 1))
