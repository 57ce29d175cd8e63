"""From the pixels of a camera to the planes that networks read."""

import numpy as np
from numba import njit

SHARES = (np.arange(256) / np.float32(255)).astype(np.float32)  # of full brightness, by grey level


def planes_reference(image: np.ndarray) -> np.ndarray:
    """Pixels (H, W, 3) uint8 as planes (3, H, W) float32 in 0..1, channels in the same order."""
    return SHARES[np.ascontiguousarray(image.transpose(2, 0, 1))]


def planes(image: np.ndarray, out: np.ndarray | None = None, top: int = 0, left: int = 0) -> np.ndarray:
    """The same as `planes_reference`; `out` (3, H + ..., W + ...) float32 is filled from `top`, `left` where given.

    What lies around the image in `out` stays as it is. Raises `ValueError` where the image does not fit.
    """
    height, width, _ = image.shape
    out = np.empty((3, height, width), dtype=np.float32) if out is None else out
    if min(top, left) < 0 or top + height > out.shape[1] or left + width > out.shape[2]:
        raise ValueError(f"image of {width}x{height} px at {left}, {top}: outside {out.shape[2]}x{out.shape[1]} px")
    _planes(np.ascontiguousarray(image), SHARES, top, left, out)
    return out


@njit(nogil=True, cache=True)
def _planes(image, shares, top, left, out):  # type: ignore[no-untyped-def]
    height, width, _ = image.shape
    for row in range(height):
        for column in range(width):
            out[0, row + top, column + left] = shares[image[row, column, 0]]
            out[1, row + top, column + left] = shares[image[row, column, 1]]
            out[2, row + top, column + left] = shares[image[row, column, 2]]


def warm_up() -> None:
    """Compile the kernel, for images in memory of our own and in that of a message."""
    image = np.zeros((1, 1, 3), dtype=np.uint8)
    planes(image)
    image.flags.writeable = False
    planes(image)
