"""An image with its line segments: coloured by the vanishing point that they point to, with the horizon, on demand."""

from dataclasses import dataclass, field

import numpy as np

from perception.core.types import ImageFrame, LineSegments
from perception.lines.use_config import VanishingConfig
from perception.lines.vanishing import VanishingPoints, vanishing_points

PALETTE = ((60, 140, 255), (255, 80, 60), (60, 210, 90), (240, 190, 40), (200, 90, 230), (60, 210, 220))  # sRGB
OTHER = (235, 235, 235)  # of segments that point nowhere in particular
HORIZON = (255, 0, 255)
LINE_WIDTH = 2  # px
SHIFT = 4  # bits of a pixel's fraction
FONT, FONT_SCALE = 0, 0.5  # cv2.FONT_HERSHEY_SIMPLEX


@dataclass(slots=True, eq=False)
class LinesImage:
    """An image and its segments, by reference; drawn, and asked for vanishing points, only where somebody looks."""

    frame: ImageFrame
    lines: LineSegments
    config: VanishingConfig = field(default_factory=VanishingConfig)
    _vanishing: VanishingPoints | None = None
    _is_known: bool = False

    @property
    def stamp_ns(self) -> int:
        """Of the image."""
        return self.frame.stamp_ns

    @property
    def frame_id(self) -> str:
        """Of the image."""
        return self.frame.frame_id

    @property
    def is_straight(self) -> bool:
        """True where the camera is calibrated and its image undistorted, so that a straight edge is a straight line."""
        return self.frame.camera is not None and self.frame.camera.distortion == "none"

    def vanishing(self) -> VanishingPoints | None:
        """Vanishing points, made once; None where the camera is not calibrated or they are not wanted."""
        if not self._is_known:
            if self.config.is_enabled and self.frame.camera is not None and self.is_straight:
                self._vanishing = vanishing_points(self.lines.segments, self.frame.camera, self.config)
            self._is_known = True
        return self._vanishing

    def colours(self) -> np.ndarray:
        """Colours (N, 3) uint8 sRGB of the segments, by vanishing point; the vertical one has the first."""
        found = self.vanishing()
        colours = np.full((len(self.lines), 3), OTHER, dtype=np.uint8)
        if found is not None:
            first = 0 if found.has_vertical else 1
            for row in range(len(found)):
                colours[found.groups == row] = PALETTE[(row + first) % len(PALETTE)]
        return colours

    def draw(self) -> ImageFrame:
        """A copy of the image with segments, horizon, roll and pitch on it."""
        pixels = annotated(self.frame.pixels, self.lines.segments, self.colours())
        found, camera = self.vanishing(), self.frame.camera
        if found is not None and found.attitude is not None and camera is not None:
            _draw_attitude(pixels, found, found.attitude.horizon(camera))
        return ImageFrame(self.stamp_ns, self.frame_id, pixels)


def annotated(pixels: np.ndarray, segments: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """A copy of pixels (H, W, 3) uint8 RGB or (H, W) grey, as RGB, with segments (N, 4) px in colours (N, 3) uint8."""
    import cv2

    canvas = cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB) if pixels.ndim == 2 else pixels.copy()
    fixed = np.rint(segments.astype(np.float64) * (1 << SHIFT)).astype(np.int64)
    for (x1, y1, x2, y2), colour in zip(fixed.tolist(), colours.tolist(), strict=True):
        cv2.line(canvas, (x1, y1), (x2, y2), colour, LINE_WIDTH, cv2.LINE_AA, SHIFT)
    return canvas


def _draw_attitude(
    canvas: np.ndarray,
    found: VanishingPoints,
    horizon: tuple[tuple[float, float], tuple[float, float]] | None,
) -> None:
    import cv2

    assert found.attitude is not None
    if horizon is not None:
        limit = 4 * max(canvas.shape)  # px; steeper ones would overflow the integers of the drawing
        ends = [(round(x), round(float(np.clip(y, -limit, limit)))) for x, y in horizon]
        cv2.line(canvas, ends[0], ends[1], HORIZON, 1, cv2.LINE_AA)
    roll, pitch = np.degrees([found.attitude.roll, found.attitude.pitch])
    text = f"roll {roll:+.1f} pitch {pitch:+.1f} deg"
    cv2.putText(canvas, text, (6, canvas.shape[0] - 8), FONT, FONT_SCALE, HORIZON, 1, cv2.LINE_AA)
