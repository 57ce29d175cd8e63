"""Images with what was found in them drawn on: boxes, names, scores and the numbers of tracks."""

import zlib
from dataclasses import dataclass

import numpy as np

from perception.core.colours import UNKNOWN, colour_of
from perception.core.types import Detections, ImageFrame

FONT, FONT_SCALE = 0, 0.45  # cv2.FONT_HERSHEY_SIMPLEX
LINE_WIDTH = 2  # px
PADDING = 2  # px around a text
DARK = 140  # mean of a colour below which white text is legible on it
BRIGHTEST, DULLEST = 255, 70  # of the channels of colours made from names


@dataclass(frozen=True, slots=True, eq=False)
class DetectedImage:
    """An image and what was found in it, by reference; drawn only where somebody looks."""

    frame: ImageFrame
    detections: Detections

    @property
    def stamp_ns(self) -> int:
        """Of the image."""
        return self.frame.stamp_ns

    @property
    def frame_id(self) -> str:
        """Of the image."""
        return self.frame.frame_id

    def draw(self) -> ImageFrame:
        """A copy of the image with the detections on it."""
        return ImageFrame(self.stamp_ns, self.frame_id, annotated(self.frame.pixels, self.detections))


def annotated(pixels: np.ndarray, detections: Detections) -> np.ndarray:
    """A copy of pixels (H, W, 3) uint8 RGB or (H, W) grey, as RGB, with the detections on it, the best on top."""
    import cv2

    canvas = cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB) if pixels.ndim == 2 else pixels.copy()
    for row in reversed(range(len(detections))):
        name = detections.class_names[detections.class_ids[row]]
        track = int(detections.track_ids[row])
        text = f"{name} {detections.scores[row]:.2f}" + (f" #{track}" if track else "")
        _draw_box(canvas, detections.boxes[row], text, colour_for(name))
    return canvas


def colour_for(name: str) -> tuple[int, int, int]:
    """The sRGB colour of a class; one made from the name for classes that are not ours."""
    colour = colour_of(name)
    if colour != UNKNOWN:
        return colour
    mixed = zlib.crc32(name.encode())
    red, green, blue = (DULLEST + (mixed >> shift & 0xFF) * (BRIGHTEST - DULLEST) // 255 for shift in (0, 8, 16))
    return red, green, blue


def _draw_box(canvas: np.ndarray, box: np.ndarray, text: str, colour: tuple[int, int, int]) -> None:
    import cv2

    height, width = canvas.shape[:2]
    x1, y1 = max(0, round(float(box[0]))), max(0, round(float(box[1])))
    x2, y2 = min(width - 1, round(float(box[2])) - 1), min(height - 1, round(float(box[3])) - 1)
    cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, LINE_WIDTH)
    (text_width, text_height), descent = cv2.getTextSize(text, FONT, FONT_SCALE, 1)
    left = min(x1, max(0, width - text_width - 2 * PADDING))
    bottom = max(y1, text_height + descent + 2 * PADDING)  # inside the image, even for a box at its top
    corner = left + text_width + 2 * PADDING, bottom - text_height - descent - 2 * PADDING
    cv2.rectangle(canvas, (left, bottom), corner, colour, cv2.FILLED)
    ink = (255, 255, 255) if sum(colour) < 3 * DARK else (0, 0, 0)
    cv2.putText(canvas, text, (left + PADDING, bottom - descent - PADDING), FONT, FONT_SCALE, ink, 1, cv2.LINE_AA)
