"""From an image of any size to the input of a network, aspect kept, and boxes back again.

The image is scaled, bilinearly, to fit, and the rest is filled with grey. Three ways to choose the size: fixed (what
engines of one shape need), minimum rectangle (a single image), validation (as published accuracies are measured).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from perception.core.errors import InvalidInput
from perception.core.types import check
from perception.detection.boxes import clipped

GREY = 114  # of the border, all channels
STRIDE = 32  # px: sides of an input are its multiples
ROUNDING = 0.1  # px: an odd border is larger below and on the right
VALIDATION_MARGIN = 0.5  # strides: the published loader adds it before rounding up


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Where an image lies in the input of a network. Sizes are (height, width) in px."""

    source: tuple[int, int]
    resized: tuple[int, int]
    size: tuple[int, int]  # of the input
    top: int  # px of border
    left: int  # px of border
    scale: tuple[float, float]  # px of the input per px of the source, along y and x

    def apply(self, image: np.ndarray) -> np.ndarray:
        """The input (H, W, 3) uint8 of an image (H, W, 3) uint8 of the source's size; may share its memory.

        Raises `InvalidInput`.
        """
        check("image", image, (*self.source, 3), np.uint8)
        if self.resized != self.source:
            image = cv2.resize(image, self.resized[::-1], interpolation=cv2.INTER_LINEAR)
        if self.resized == self.size:
            return image
        bottom = self.size[0] - self.resized[0] - self.top
        right = self.size[1] - self.resized[1] - self.left
        return cv2.copyMakeBorder(
            image, self.top, bottom, self.left, right, cv2.BORDER_CONSTANT, value=(GREY, GREY, GREY)
        )

    def to_source(self, corners: np.ndarray) -> np.ndarray:
        """Boxes (N, 4) of the input as boxes of the source, cut at its borders."""
        shift = np.array([self.left, self.top] * 2, dtype=corners.dtype)
        scale = np.array(self.scale[::-1] * 2, dtype=corners.dtype)
        return clipped((corners - shift) / scale, *self.source)

    def to_input(self, corners: np.ndarray) -> np.ndarray:
        """Boxes (N, 4) of the source as boxes of the input."""
        shift = np.array([self.left, self.top] * 2, dtype=corners.dtype)
        return corners * np.array(self.scale[::-1] * 2, dtype=corners.dtype) + shift


def fixed(source: tuple[int, int], size: tuple[int, int], may_enlarge: bool = True) -> Letterbox:
    """An image of `source` in the middle of an input of `size`. Raises `InvalidInput`."""
    scale, resized = _fit(source, size, may_enlarge)
    return _centered(source, resized, size, (scale, scale))


def minimum(source: tuple[int, int], side: int) -> Letterbox:
    """The smallest input with a long side of about `side` px and sides in steps of 32 px. Raises `InvalidInput`."""
    scale, resized = _fit(source, (side, side), may_enlarge=True)
    height, width = (inner + (side - inner) % STRIDE for inner in resized)
    return _centered(source, resized, (height, width), (scale, scale))


def validation(source: tuple[int, int], side: int, size: tuple[int, int] | None = None) -> Letterbox:
    """As published accuracies are measured: the long side becomes `side` px, sizes are rounded up.

    `size` is that of the batch, from `validation_size`; None: of this image alone. Raises `InvalidInput`.
    """
    _check_size("image", source)
    size = size or validation_size([source], side)
    factor = side / max(source)
    resized = (min(math.ceil(source[0] * factor), side), min(math.ceil(source[1] * factor), side))
    if resized[0] > size[0] or resized[1] > size[1]:
        raise InvalidInput(f"size: {size} is smaller than the image of {resized}; use validation_size of the batch")
    return _centered(source, resized, size, (resized[0] / source[0], resized[1] / source[1]))


def validation_size(sources: Sequence[tuple[int, int]], side: int) -> tuple[int, int]:
    """Height and width of the input for a batch of images of these sizes. Raises `InvalidInput`."""
    _check_size("side", (side, side))
    for source in sources:
        _check_size("image", source)
    ratios = [height / width for height, width in sources]
    shape = (1.0, 1.0)
    if ratios and max(ratios) < 1:
        shape = (max(ratios), 1.0)
    elif ratios and min(ratios) > 1:
        shape = (1.0, 1 / min(ratios))
    height, width = (math.ceil(share * side / STRIDE + VALIDATION_MARGIN) * STRIDE for share in shape)
    return height, width


def _fit(source: tuple[int, int], size: tuple[int, int], may_enlarge: bool) -> tuple[float, tuple[int, int]]:
    _check_size("image", source)
    _check_size("size", size)
    scale = min(size[0] / source[0], size[1] / source[1])
    if not may_enlarge:
        scale = min(scale, 1.0)
    height, width = (max(1, round(inner * scale)) for inner in source)  # half to even
    return scale, (height, width)


def _centered(
    source: tuple[int, int], resized: tuple[int, int], size: tuple[int, int], scale: tuple[float, float]
) -> Letterbox:
    top, left = (max(0, round((outer - inner) / 2 - ROUNDING)) for outer, inner in zip(size, resized))
    return Letterbox(source, resized, size, top, left, scale)


def _check_size(name: str, size: tuple[int, int]) -> None:
    if min(size) < 1:
        raise InvalidInput(f"{name}: {size[1]}x{size[0]} px; give at least 1x1")
