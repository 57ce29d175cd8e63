"""Objects cut out of an image, stretched to one size: what the network for their looks is trained on and is given."""

import cv2
import numpy as np


def crop(pixels: np.ndarray, corners: np.ndarray, size: tuple[int, int], margin: int = 0) -> np.ndarray:
    """The box `corners` (4,) of an image (H, W, 3) uint8 as `size` (height, width) px, with `margin` px around it.

    What lies outside the image repeats its border.
    """
    height, width = size
    scale_x, scale_y = (corners[2] - corners[0]) / width, (corners[3] - corners[1]) / height
    T_image_crop = np.array(
        [
            [scale_x, 0.0, corners[0] + (0.5 - margin) * scale_x - 0.5],  # middles of pixels are at halves
            [0.0, scale_y, corners[1] + (0.5 - margin) * scale_y - 0.5],
        ]
    )
    outer = (width + 2 * margin, height + 2 * margin)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(pixels, T_image_crop, outer, flags=flags, borderMode=cv2.BORDER_REPLICATE)
