"""Windows to train on line segments: a picture and its segments under one affine map, and the maps drawn from them.

End points are moved first and directions follow from them; a map of directions is never resampled.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from perception.kernels.line_targets import nearest_segments
from perception.networks.lsdnet_graph import SIDE
from perception.training.augment import FILL, recoloured
from perception.training.batches import Share, StepBatches
from perception.training.line_pictures import LinePictures
from perception.training.lines_config import LineAugmentConfig, LineTargetConfig, LineTrainingConfig
from perception.training.pictures import PictureStore

MARGIN = 2.0  # px inside the border of a picture where its labels may be cut off: nothing is learned there
MIDDLE_GREY = 127.5


@dataclass(frozen=True, slots=True, eq=False)
class LineMaps:
    """What is to be learned of one window, or, with one more axis in front, of several."""

    heat: np.ndarray  # (S, S) float32, 0..1
    angle: np.ndarray  # (S, S) float32, direction as a share of pi
    is_known: np.ndarray  # (S, S) bool: shows a part of the picture
    has_angle: np.ndarray  # (S, S) bool


@dataclass(frozen=True, slots=True, eq=False)
class LineWindow:
    """An input of the network with what is to be learned from it."""

    color: np.ndarray  # (S, S, 3) uint8 RGB
    maps: LineMaps


@dataclass(frozen=True, slots=True, eq=False)
class LineBatch:
    """Windows of one step."""

    images: np.ndarray  # (B, S, S, 3) uint8 RGB
    maps: LineMaps  # of (B, S, S)


class LineBatches(StepBatches[LineWindow, LineBatch]):
    """Makes the batch of any step."""

    def __init__(self, pictures: LinePictures, config: LineTrainingConfig, share: Share | None = None) -> None:
        super().__init__(config, len(pictures), share)
        self._pictures, self._config = pictures, config
        self._load: Callable[[int], np.ndarray] = PictureStore(pictures, config.cache_gb).__getitem__

    def window(self, picture: int, is_finish: bool, rng: np.random.Generator) -> LineWindow:
        """As in `StepBatches`."""
        augment = self._config.finish if is_finish else self._config.augment
        size = self._pictures.sizes[picture]
        T_window_picture = placed(size, augment, rng)
        color = cv2.warpAffine(
            self._load(picture), T_window_picture, (augment.side, augment.side), borderValue=(FILL, FILL, FILL)
        )
        segments = moved(self._pictures.segments_of(picture), T_window_picture)
        is_known = shown(size, T_window_picture, augment.side)
        return LineWindow(
            blemished(recoloured(color, rng, augment), rng, augment), drawn(segments, is_known, self._config.targets)
        )

    def stacked(self, windows: list[LineWindow]) -> LineBatch:
        """As in `StepBatches`."""
        columns = zip(*((w.maps.heat, w.maps.angle, w.maps.is_known, w.maps.has_angle) for w in windows))
        return LineBatch(
            np.stack([window.color for window in windows]), LineMaps(*(np.stack(rows) for rows in columns))
        )


def parts(batch: LineBatch, number: int) -> list[LineBatch]:
    """A batch divided as among so many processes: part k has the windows k, k + number, ..."""
    maps = batch.maps
    return [
        LineBatch(
            batch.images[part::number],
            LineMaps(*(rows[part::number] for rows in (maps.heat, maps.angle, maps.is_known, maps.has_angle))),
        )
        for part in range(number)
    ]


def placed(size: np.ndarray, config: LineAugmentConfig, rng: np.random.Generator) -> np.ndarray:
    """T_window_picture (2, 3) float64: where px of a picture of `size` (width, height) are in the window.

    The picture is stretched to the input of the network, scaled, mirrored and turned about its middle; a point of it
    that is drawn comes to the middle of the window, such that the window shows as much of the picture as it can.
    """
    scale = rng.uniform(config.min_scale, config.max_scale)
    root = config.stretch ** (0.5 * rng.uniform(-1, 1))
    scales = SIDE * scale * np.array([root, 1 / root]) / size
    mirror, flip = (-1.0 if rng.random() < share else 1.0 for share in (config.mirror, config.flip))
    turn = math.radians(config.turn_deg * rng.uniform(-1, 1)) + (math.pi / 2) * (rng.random() < config.quarter_turn)
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    linear = rotation @ np.diag(scales * [mirror, flip])
    extent = np.abs(linear) @ size  # of the picture in the window, px
    reach = np.maximum(extent - config.side, 0.0) / 2  # how far the middles may be apart without showing less
    middle = (config.side - 1) / 2 + rng.uniform(-1, 1, size=2) * reach
    return np.column_stack([linear, middle - linear @ ((size - 1) / 2)])


def moved(segments: np.ndarray, T_window_picture: np.ndarray) -> np.ndarray:
    """Segments (N, 4) float32 of a picture in px of the window."""
    ends = segments.reshape(-1, 2) @ T_window_picture[:, :2].T + T_window_picture[:, 2]
    return ends.reshape(-1, 4).astype(np.float32)


def shown(size: np.ndarray, T_window_picture: np.ndarray, side: int) -> np.ndarray:
    """Where the window (side, side) shows the picture, bool, but for a margin at its border."""
    linear, shift = T_window_picture[:, :2], T_window_picture[:, 2]
    inverse = np.linalg.inv(linear)
    margin = MARGIN * np.linalg.norm(inverse, axis=1)  # px of the picture
    grid = np.arange(side, dtype=np.float64)
    x = inverse[0, 0] * (grid - shift[0])[None] + inverse[0, 1] * (grid - shift[1])[:, None]
    y = inverse[1, 0] * (grid - shift[0])[None] + inverse[1, 1] * (grid - shift[1])[:, None]
    inside_x = (x >= margin[0] - 0.5) & (x <= size[0] - 0.5 - margin[0])
    return inside_x & (y >= margin[1] - 0.5) & (y <= size[1] - 0.5 - margin[1])


def drawn(segments: np.ndarray, is_known: np.ndarray, config: LineTargetConfig) -> LineMaps:
    """The maps of segments (N, 4) float32, px of the window; strokes fade over one pixel at their borders."""
    half = config.stroke / 2
    reach = max(half + 0.5, config.near)
    cosine = math.cos(2 * math.radians(config.ambiguous_deg))
    distance, angle, is_ambiguous = nearest_segments(segments, *is_known.shape, reach, config.near, cosine)
    heat = np.clip(half + 0.5 - distance, 0.0, 1.0).astype(np.float32)
    return LineMaps(heat, angle, is_known, is_known & (distance <= config.near) & ~is_ambiguous)


def blemished(color: np.ndarray, rng: np.random.Generator, config: LineAugmentConfig) -> np.ndarray:
    """Another contrast, a blur, and noise."""
    contrast = 1 + config.contrast * rng.uniform(-1, 1)
    sigma, noise = config.blur * rng.random() ** 2, config.noise * rng.random()
    levels = np.clip((np.arange(256) - MIDDLE_GREY) * contrast + MIDDLE_GREY, 0, 255).astype(np.uint8)
    color = cv2.LUT(color, levels)
    if sigma > 0.2:  # less does not show
        color = cv2.GaussianBlur(color, (0, 0), sigma)
    if noise > 0.5:
        added = rng.standard_normal(color.shape, dtype=np.float32) * np.float32(noise)
        color = np.clip(color + added, 0, 255).astype(np.uint8)
    return color
