"""Windows for training: cut-outs of one or four pictures, mirrored and recoloured, with the boxes that are left.

A window is described by tiles first (which picture, where, at what scale) and painted afterwards, so that pixels and
boxes follow from the same numbers. Everything is drawn from the generator given.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from perception.training.config import AugmentConfig, ColourConfig
from perception.training.pictures import Boxes, PictureList

FILL = 114  # grey of what no picture covers
NUM_TILES = 4
JITTER = 0.25  # of a part's side: how far the lines between the cut-outs of a mosaic move
FITTING = 0.9  # of a part's side: what an object that is looked at may fill
HUES = 180  # OpenCV halves degrees to fit 8 bit
RARE_POWER = 0.5  # a class is drawn in proportion to this power of its number of objects


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture in a window: px p of the picture are at `scale * p + offset` of the window."""

    picture: int
    scale: tuple[float, float]  # x, y
    offset: tuple[float, float]  # x, y, px of the window
    region: tuple[int, int, int, int]  # x1, y1, x2, y2 in the window, px: all that is shown of it


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """An input of the network with what is to be learned from it."""

    color: np.ndarray  # (H, W, 3) uint8 RGB
    boxes: Boxes  # px of the window


@dataclass(frozen=True, slots=True, eq=False)
class Focus:
    """Draws objects to look at, rare classes more often than they come."""

    rows: tuple[np.ndarray, ...]  # per class that has any: rows of its objects
    odds: np.ndarray  # of these classes, their sum is 1
    pictures: np.ndarray  # (N,) int64: the picture of every object

    @classmethod
    def of(cls, pictures: PictureList) -> "Focus":
        """Over the objects of all pictures that are to be learned."""
        classes = np.where(pictures.boxes.is_ignored, -1, pictures.boxes.classes)
        rows = tuple(np.flatnonzero(classes == kind) for kind in np.unique(classes[classes >= 0]))
        weights = np.array([len(found) for found in rows]) ** RARE_POWER
        return cls(rows, weights / weights.sum(), np.repeat(np.arange(len(pictures)), np.diff(pictures.first)))

    def draw(self, rng: np.random.Generator) -> int:
        """Row of an object."""
        return int(rng.choice(self.rows[rng.choice(len(self.rows), p=self.odds)]))


class Augmenter:
    """Makes windows from pictures. Safe for threads: it holds no state."""

    def __init__(self, pictures: PictureList, load: Callable[[int], np.ndarray], config: AugmentConfig) -> None:
        self._pictures, self._load, self._config = pictures, load, config
        self._focus = Focus.of(pictures)

    def window(self, picture: int, rng: np.random.Generator) -> Window:
        """A window that shows `picture` at least; the same for the same state of `rng`."""
        config = self._config
        tiles = self._tiles(picture, rng)
        color = painted(tiles, self._load, (config.height, config.width))
        boxes = tiled_boxes(tiles, self._pictures, config)
        if rng.random() < config.flip:
            color, boxes = mirrored(color, boxes)
        return Window(recoloured(color, rng, config), boxes)

    def _tiles(self, picture: int, rng: np.random.Generator) -> list[Tile]:
        config = self._config
        is_mosaic = rng.random() < config.mosaic
        if config.layout == "crops":
            return self._crops(picture, rng, is_mosaic)
        others = [int(row) for row in rng.integers(len(self._pictures), size=NUM_TILES - 1)]
        return self._canvas([picture, *others] if is_mosaic else [picture], rng)

    def _crops(self, picture: int, rng: np.random.Generator, is_mosaic: bool) -> list[Tile]:
        """Parts of the window, each filled with a cut-out of a picture at a scale of its own."""
        config = self._config
        height, width = config.height, config.width
        if not is_mosaic:
            return [self._crop(picture, (0, 0, width, height), rng)]
        columns, rows = (_lines(side, config.grid, rng) for side in (width, height))
        regions = [(*low, *high) for low, high in _cells(columns, rows)]
        others = rng.integers(len(self._pictures), size=len(regions) - 1)
        return [self._crop(int(row), region, rng) for row, region in zip([picture, *others], regions)]

    def _crop(self, picture: int, region: tuple[int, int, int, int], rng: np.random.Generator) -> Tile:
        """A region filled with a random part of a picture or, by chance, with an object and what surrounds it."""
        config = self._config
        x1, y1, x2, y2 = region
        inner = np.array([x2 - x1, y2 - y1])
        looked_at = self._focus.draw(rng) if rng.random() < config.focus else None
        if looked_at is not None:
            picture = int(self._focus.pictures[looked_at])
        size = self._pictures.sizes[picture].astype(np.float64)
        scale = rng.uniform(config.min_scale, config.max_scale) * config.picture_side / size.max() * self._stretch(rng)
        if looked_at is not None:
            low, high = self._pictures.boxes.corners[looked_at].reshape(2, 2).astype(np.float64)
            scale *= min(1.0, FITTING * float((inner / (high - low) / scale).min()))
        shown = inner / scale  # px of the picture
        least, most = np.minimum(size - shown, 0), np.maximum(size - shown, 0)
        if looked_at is not None:
            least, most = np.clip(high - shown, least, most), np.clip(low, least, most)
        corner = least + rng.random(2) * (most - least)
        offset = np.array([x1, y1]) - corner * scale
        return Tile(picture, _pair(scale), _pair(offset), region)

    def _stretch(self, rng: np.random.Generator) -> np.ndarray:
        """Factors (2,) of width and height, whose product is 1; their ratio is up to `stretch` either way."""
        if self._config.stretch == 1.0:
            return np.ones(2)
        root = self._config.stretch ** (0.5 * rng.uniform(-1, 1))
        return np.array([root, 1 / root])

    def _canvas(self, pictures: list[int], rng: np.random.Generator) -> list[Tile]:
        """Pictures around a point of a canvas of twice their side, or one in its middle; the window is a cut of it."""
        config = self._config
        side = config.picture_side
        cross = rng.uniform(side / 2, 3 * side / 2, size=2) if len(pictures) == NUM_TILES else np.full(2, side)
        zoom = float(rng.uniform(config.min_scale, config.max_scale))
        window = np.array([config.width, config.height])
        shift = window * (0.5 + rng.uniform(-config.translate, config.translate, size=2)) - zoom * side
        tiles = []
        for place, picture in enumerate(pictures):
            size = self._pictures.sizes[picture] * (side / self._pictures.sizes[picture].max())
            corner = cross - size / 2 if len(pictures) == 1 else cross - size * [place % 2 == 0, place < 2]
            low = np.clip(np.rint(np.maximum(corner, 0) * zoom + shift), 0, window).astype(int)
            high = np.clip(np.rint(np.minimum(corner + size, 2 * side) * zoom + shift), 0, window).astype(int)
            scale = zoom * side / float(self._pictures.sizes[picture].max())
            offset = corner * zoom + shift
            tiles.append(Tile(picture, (scale, scale), _pair(offset), (*low.tolist(), *high.tolist())))
        return tiles


def _pair(values: np.ndarray) -> tuple[float, float]:
    return float(values[0]), float(values[1])


def _lines(side: int, parts: int, rng: np.random.Generator) -> list[int]:
    """Where a side (px) is divided, both ends included."""
    inner = (np.arange(1, parts) + rng.uniform(-JITTER, JITTER, size=parts - 1)) * side / parts
    return [0, *inner.astype(int).tolist(), side]


def _cells(columns: list[int], rows: list[int]) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Low and high corner (x, y) of the parts between lines, row by row."""
    spans = [list(pairwise(lines)) for lines in (columns, rows)]
    return [((x1, y1), (x2, y2)) for y1, y2 in spans[1] for x1, x2 in spans[0]]


def painted(tiles: list[Tile], load: Callable[[int], np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """The picture (H, W, 3) uint8 of tiles in a window of `size` (H, W)."""
    import cv2

    color = np.full((*size, 3), FILL, dtype=np.uint8)
    for tile in tiles:
        x1, y1, x2, y2 = tile.region
        if x2 <= x1 or y2 <= y1:
            continue
        wide, tall = tile.scale  # OpenCV counts from the middle of the first pixel
        left, top = tile.offset[0] - x1 + (wide - 1) / 2, tile.offset[1] - y1 + (tall - 1) / 2
        T_region_picture = np.array([[wide, 0, left], [0, tall, top]])
        color[y1:y2, x1:x2] = cv2.warpAffine(
            load(tile.picture), T_region_picture, (x2 - x1, y2 - y1), borderValue=(FILL, FILL, FILL)
        )
    return color


def tiled_boxes(tiles: list[Tile], pictures: PictureList, config: AugmentConfig) -> Boxes:
    """The boxes of tiles, cut at their regions. What is too small or too much cut to be learned is ignored."""
    parts = [_tile_boxes(tile, pictures.boxes_of(tile.picture), config) for tile in tiles]
    return Boxes(
        np.concatenate([part.corners for part in parts]),
        np.concatenate([part.classes for part in parts]),
        np.concatenate([part.is_ignored for part in parts]),
    )


def _tile_boxes(tile: Tile, boxes: Boxes, config: AugmentConfig) -> Boxes:
    x1, y1, x2, y2 = tile.region
    scale, offset = (np.tile(np.array(pair, dtype=np.float32), 2) for pair in (tile.scale, tile.offset))
    whole = boxes.corners * scale + offset
    seen = np.clip(whole, np.array([x1, y1, x1, y1], np.float32), np.array([x2, y2, x2, y2], np.float32))
    sides, whole_sides = seen[:, 2:] - seen[:, :2], whole[:, 2:] - whole[:, :2]
    shortest, longest = sides.min(axis=1), sides.max(axis=1)
    is_learned = (
        (shortest > config.min_side)
        & (sides.prod(axis=1) > config.min_visible * whole_sides.prod(axis=1))
        & (longest < config.max_aspect * shortest)
    )
    is_there = shortest > 0
    return Boxes(seen[is_there], boxes.classes[is_there], (boxes.is_ignored | ~is_learned)[is_there])


def mirrored(color: np.ndarray, boxes: Boxes) -> tuple[np.ndarray, Boxes]:
    """Left and right exchanged."""
    x1, y1, x2, y2 = boxes.corners.T
    width = color.shape[1]
    corners = np.stack([width - x2, y1, width - x1, y2], axis=1)
    return np.ascontiguousarray(color[:, ::-1]), Boxes(corners, boxes.classes, boxes.is_ignored)


def recoloured(color: np.ndarray, rng: np.random.Generator, config: ColourConfig) -> np.ndarray:
    """Hue, saturation and brightness, each times 1 plus up to its greatest change; at times without colour."""
    import cv2

    if config.grey and rng.random() < config.grey:
        color = cv2.cvtColor(cv2.cvtColor(color, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    gains = 1 + rng.uniform(-1, 1, size=3) * [config.hue, config.saturation, config.value]
    levels = np.arange(256)
    hues = (levels * gains[0] % HUES).astype(np.uint8)
    others = np.clip(levels[:, None] * gains[1:], 0, 255).astype(np.uint8)
    table = np.stack([hues, others[:, 0], others[:, 1]], axis=1)[None]  # (1, 256, 3)
    return cv2.cvtColor(cv2.LUT(cv2.cvtColor(color, cv2.COLOR_RGB2HSV), table), cv2.COLOR_HSV2RGB)
