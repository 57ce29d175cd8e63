"""Classic LSD as a detector: no network, only the gradients of the image."""

import math

import cv2
import numpy as np

from perception.core.errors import InvalidInput
from perception.core.types import check
from perception.kernels import lsd
from perception.lines import selection as selections
from perception.lines.config import LsdConfig
from perception.lines.segments import FoundLines
from perception.lines.selection import Selection, selected

REFINEMENTS = {"none": lsd.NONE, "standard": lsd.STANDARD, "advanced": lsd.ADVANCED}
BLUR_REACH = math.sqrt(2 * 3 * math.log(10))  # standard deviations until a Gaussian has fallen to a thousandth
MIN_REGION = 4  # px, for the size of buffers


class ClassicLsd:
    """Finds segments by the gradients of an image. Serves one thread at a time."""

    def __init__(self, config: LsdConfig, selection: Selection | None = None) -> None:
        self.config, self.selection = config, selection or Selection()
        self._shape = (0, 0)

    def detect(self, pixels: np.ndarray) -> FoundLines:
        """Segments in pixels (H, W, 3) uint8 RGB or (H, W) grey, in px of them, best first.

        Scores are -log10 of the number of false alarms with `advanced` refinement, else lengths in px. Raises
        `InvalidInput` for another array.
        """
        image = self._scaled(_grey(pixels))
        self._reserve(image.shape[0], image.shape[1])
        tolerance = math.radians(self.config.angle_tolerance)
        threshold = np.float32(self.config.quantization / math.sin(tolerance))
        largest = lsd.gradients(image, threshold, self._directions, self._magnitudes)
        count = lsd.order_by_magnitude(self._magnitudes, largest, self.config.num_bins, self._order)
        log_tests = 2.5 * math.log10(image.size) + math.log10(lsd.NUM_SIDES)
        refinement = REFINEMENTS[self.config.refine]
        settings = np.array([tolerance, self.config.min_density, log_tests, self.config.min_log_nfa, refinement])
        given = self._directions, self._magnitudes, self._order, count, settings
        num = lsd.search(*given, self._is_free, self._members, self._segments)
        return selected(self._found(self._segments[:num], pixels.shape, image.shape), self.selection)

    def warm_up(self, size: tuple[int, int] = (480, 640)) -> None:
        """Do now what the first image of `size` (height, width) would wait for."""
        self.detect(np.zeros(size, dtype=np.uint8))
        warm_up()

    def close(self) -> None:
        """Nothing is held that must be freed."""

    def _scaled(self, image: np.ndarray) -> np.ndarray:
        scale = self.config.scale
        if scale == 1.0:
            return image
        sigma = self.config.sigma_scale / min(scale, 1.0)
        side = 2 * math.ceil(sigma * BLUR_REACH) + 1
        size = max(2, round(image.shape[1] * scale)), max(2, round(image.shape[0] * scale))
        return cv2.resize(cv2.GaussianBlur(image, (side, side), sigma), size, interpolation=cv2.INTER_LINEAR)

    def _found(self, found: np.ndarray, size: tuple[int, ...], scaled: tuple[int, ...]) -> FoundLines:
        """Rows of the kernel in px of the image: a gradient lies in the middle of four pixels."""
        factors = np.array([size[1] / scaled[1], size[0] / scaled[0]] * 2)
        segments = ((found[:, :4] + 1.0) * factors - 0.5).astype(np.float32)
        is_advanced = self.config.refine == "advanced"
        lengths = np.hypot(segments[:, 2] - segments[:, 0], segments[:, 3] - segments[:, 1])
        scores = found[:, 5].astype(np.float32) if is_advanced else lengths
        order = np.argsort(-scores, kind="stable")
        return FoundLines(segments[order], scores[order])

    def _reserve(self, height: int, width: int) -> None:
        if (height, width) == self._shape:
            return
        self._directions = np.zeros((height, width, 2), dtype=np.float32)
        self._magnitudes = np.zeros((height, width), dtype=np.float32)
        self._order, self._members = (np.empty(height * width, dtype=np.int32) for _ in range(2))
        self._is_free = np.zeros((height + 2, width + 2), dtype=np.bool_)
        self._segments = np.empty((height * width // MIN_REGION + 1, 6), dtype=np.float64)
        self._shape = height, width


def _grey(pixels: np.ndarray) -> np.ndarray:
    color = np.ndim(pixels) == 3
    check("pixels", pixels, (None, None, 3) if color else (None, None), np.uint8)
    if min(pixels.shape[:2]) < 1:
        raise InvalidInput(f"pixels: {pixels.shape[1]}x{pixels.shape[0]} px; give an image with pixels")
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if color else np.ascontiguousarray(pixels)


def warm_up() -> None:
    """Compile the kernels, or load them from the cache."""
    lsd.warm_up()
    selections.warm_up()
