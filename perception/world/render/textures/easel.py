"""Drawing for textures that fill the unit square once. What is drawn straight is remembered for the line labels."""

import cv2
import numpy as np

from perception.world.render.textures.glyphs import write
from perception.world.render.textures.swatch import Color, Swatch

_SUBPIXEL_BITS = 4
SHORTEST_EDGE = 0.06  # share of the texture; what is shorter is never a line of an image


class Easel:
    """A square image; x runs to the right, y down, both from 0 to 1."""

    def __init__(self, size: int, color: Color) -> None:
        self.image = np.empty((size, size, 3), dtype=np.uint8)
        self.image[:] = np.array(color, dtype=np.float32).astype(np.uint8)
        self._edges: list[tuple[float, float, float, float]] = []

    @property
    def size(self) -> int:
        """Side in px."""
        return int(self.image.shape[0])

    def polygon(self, points: np.ndarray, color: Color) -> None:
        """A filled polygon (K, 2) with straight sides."""
        points = np.asarray(points, dtype=np.float64)
        cv2.fillPoly(self.image, [self._whole(points)], color, cv2.LINE_AA, _SUBPIXEL_BITS)
        for a, b in zip(points, np.roll(points, -1, axis=0)):
            self._remember(a, b)

    def rectangle(self, left: float, top: float, right: float, bottom: float, color: Color) -> None:
        """A filled rectangle."""
        self.polygon(np.array([[left, top], [right, top], [right, bottom], [left, bottom]]), color)

    def frame(self, left: float, top: float, right: float, bottom: float, width: float, color: Color) -> None:
        """The outline of a rectangle, `width` wide to the inside."""
        self.rectangle(left, top, right, top + width, color)
        self.rectangle(left, bottom - width, right, bottom, color)
        self.rectangle(left, top, left + width, bottom, color)
        self.rectangle(right - width, top, right, bottom, color)

    def disc(self, x: float, y: float, radius: float, color: Color, squeeze: float = 1.0) -> None:
        """A filled ellipse; `squeeze`: height over width."""
        angle = np.linspace(0.0, 2.0 * np.pi, 48, endpoint=False)
        rim = np.stack([x + radius * np.cos(angle), y + squeeze * radius * np.sin(angle)], axis=1)
        cv2.fillPoly(self.image, [self._whole(rim)], color, cv2.LINE_AA, _SUBPIXEL_BITS)

    def blob(self, points: np.ndarray, color: Color) -> None:
        """A filled shape (K, 2) whose rim counts as curved."""
        cv2.fillPoly(self.image, [self._whole(np.asarray(points))], color, cv2.LINE_AA, _SUBPIXEL_BITS)

    def stroke(self, points: np.ndarray, width: float, color: Color) -> None:
        """A line (K, 2) that counts as no edge: thin, or bent."""
        thickness = max(1, round(width * self.size))
        cv2.polylines(
            self.image, [self._whole(np.asarray(points))], False, color, thickness, cv2.LINE_AA, _SUBPIXEL_BITS
        )

    def bar(self, start: tuple[float, float], stop: tuple[float, float], width: float, color: Color) -> None:
        """A straight bar between two points."""
        a, b = np.array(start), np.array(stop)
        across = np.array([a[1] - b[1], b[0] - a[0]]) / max(float(np.hypot(*(b - a))), 1e-9) * 0.5 * width
        self.polygon(np.stack([a + across, b + across, b - across, a - across]), color)

    def text(
        self, text: str, left: float, top: float, right: float, bottom: float, color: Color, weight: float
    ) -> None:
        """Letters in a box."""
        box = (left * self.size, top * self.size, right * self.size, bottom * self.size)
        write(self.image, text, box, color, weight)

    def painted(self, area: np.ndarray, mask: np.ndarray) -> None:
        """Lays an image (S, S, 3) over the drawing where `mask` (S, S; 0 to 1) says so."""
        layer = self.image.astype(np.float32)
        self.image = np.clip(layer + (area - layer) * mask[..., None] + 0.5, 0, 255).astype(np.uint8)

    def swatch(self, light: np.ndarray | float, gloss: np.ndarray | float) -> Swatch:
        """The drawing times `light` (S, S)."""
        factor = light[..., None] if isinstance(light, np.ndarray) else light
        edges = np.array(self._edges, dtype=np.float32).reshape(-1, 4)
        return Swatch(self.image.astype(np.float32) * factor, gloss, edges)

    def _whole(self, points: np.ndarray) -> np.ndarray:
        """Fixed point numbers of the drawing functions, for which a pixel's middle is a whole number."""
        return np.rint((points * self.size - 0.5) * (1 << _SUBPIXEL_BITS)).astype(np.int32)[:, None]

    def _remember(self, a: np.ndarray, b: np.ndarray) -> None:
        if np.hypot(*(b - a)) >= SHORTEST_EDGE:
            self._edges.append((float(a[0]), 1.0 - float(a[1]), float(b[0]), 1.0 - float(b[1])))
