"""A camera as the rasteriser sees it: the ray of every sample, in tiles of pixels with bounds around their rays.

A triangle covers a sample where three planes through the camera say so, and this holds for the ray of any lens. So a
distorted image is rasterised as exactly as an ideal one: only the bounds differ that save work. Rays are given by their
ideal coordinates, the point (X, Y, 1) on them.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from perception.core.cameras import CameraModel

SAMPLES = np.array([[0.0, 0.0], [-0.125, -0.375], [0.375, -0.125], [-0.375, 0.125], [0.125, 0.375]], dtype=np.float32)
"""Offsets (5, 2) of the samples from the middle of the pixel, px: the middle itself, then a rotated grid."""
NUM_SAMPLES = len(SAMPLES)
TILE = 8  # px, edge of a tile
TILE_ROW = TILE * NUM_SAMPLES  # samples in one row of a tile, next to each other in memory
TILE_SAMPLES = TILE * TILE_ROW
GROUP = 8  # tiles, edge of a group of tiles
SAMPLE_REACH = 0.376  # px from the middle of a pixel to its outermost sample, and a little more
SLACK = 0.1  # px, by which bounds are wider than the samples: much more than rounding can be
NUM_CELLS = (256, 128)  # along Y and X folded to (-1, 1), of the table that says which tiles see a direction
MAX_CELLS = 16  # of the table that are read for one triangle
MAX_ERROR = 0.05  # px: a ray that does not project back to its pixel so well does not exist
NUM_CACHED = 16  # lenses that are kept


class Frame(NamedTuple):
    """The numbers of a lens that kernels need."""

    width: int  # px
    height: int
    columns: int  # of tiles
    rows: int
    fx: float  # focal lengths and principal point, px; zeros with distortion
    fy: float
    cx: float
    cy: float
    x_low: float  # lowest and highest X and Y of all rays
    x_high: float
    y_low: float
    y_high: float


class LensTables(NamedTuple):
    """The arrays of a lens that kernels need. T tiles row by row, G groups of them row by row."""

    frame: Frame
    tiles: np.ndarray  # (T, 6) float64: X, Y that its offsets count from; lowest and highest offset in X, in Y
    offsets: np.ndarray  # (2, T * 320) or, with equal tiles, (2, 320) float32: X and Y by row, pixel, sample
    groups: np.ndarray  # (G, 4) float64: lowest and highest X and Y of a group of tiles
    cells: np.ndarray  # (CY, CX, 4) int16: first and last tile column and row that see a cell; none with a pinhole
    cell_ranges: np.ndarray  # (2, C, 2) int16: for X and Y, the first tile from a cell on, the last up to a cell


@dataclass(frozen=True, slots=True, eq=False)
class Lens:
    """The rays of a camera, made once per `CameraModel` by `lens_of`."""

    camera: CameraModel
    tables: LensTables
    middles: np.ndarray  # (H, W, 2) float32: X, Y of the ray through the middle of each pixel; NaN: there is no ray


@lru_cache(maxsize=NUM_CACHED)
def lens_of(camera: CameraModel) -> Lens:
    """The tables of a camera; kept for the next call with the same object."""
    samples = _sample_rays(camera)
    rows, columns = samples.shape[0] // TILE, samples.shape[1] // TILE
    tiles = samples.reshape(rows, TILE, columns, TILE, NUM_SAMPLES, 2).transpose(0, 2, 1, 3, 4, 5)
    tiles = np.ascontiguousarray(tiles).reshape(rows * columns, TILE_SAMPLES, 2)
    origins = np.nan_to_num(tiles[:, 0])
    offsets = (tiles - origins[:, None]).astype(np.float32)
    bounds = _bounds(tiles, SLACK / min(camera.K[0, 0], camera.K[1, 1]))
    is_pinhole = camera.distortion == "none"
    cells, cell_ranges = _cells(bounds, columns, is_pinhole)
    tables = LensTables(
        _frame(camera, columns, rows, bounds),
        np.column_stack([origins, bounds - np.repeat(origins, 2, axis=1)]),
        np.ascontiguousarray(offsets[:1] if is_pinhole else offsets).reshape(-1, 2).T.copy(),
        _group_bounds(bounds.reshape(rows, columns, 4)),
        cells,
        cell_ranges,
    )
    middles = samples[: camera.height, : camera.width, 0].astype(np.float32)
    return Lens(camera, tables, np.ascontiguousarray(middles))


def _frame(camera: CameraModel, columns: int, rows: int, bounds: np.ndarray) -> Frame:
    pinhole = camera.K[[0, 1, 0, 1], [0, 1, 2, 2]] * (camera.distortion == "none")
    return Frame(camera.width, camera.height, columns, rows, *pinhole.tolist(), *_around(bounds).tolist())


def _sample_rays(camera: CameraModel) -> np.ndarray:
    """X, Y (H, W, 5, 2) of all samples; sizes rounded up to whole tiles, whose further pixels repeat the last one.

    Rays through the middles of pixels are exact; those of the other samples follow from them and their neighbours by a
    series up to squares, which is as good as exact so near to the middle and saves most of the time.
    """
    middles = _middle_rays(camera)
    slopes = [_slope(middles, axis) for axis in (1, 0)]  # per pixel in x and y
    bends = [np.nan_to_num(np.roll(middles, -1, axis) + np.roll(middles, 1, axis) - 2.0 * middles) for axis in (1, 0)]
    twist = np.nan_to_num(_slope(slopes[0], 0))
    samples = np.empty((camera.height, camera.width, NUM_SAMPLES, 2))
    for k, (x, y) in enumerate(SAMPLES.astype(np.float64)):
        there = middles + x * slopes[0] + y * slopes[1] + 0.5 * (x * x * bends[0] + y * y * bends[1]) + x * y * twist
        samples[:, :, k] = (there if k > 0 else middles)[1:-1, 1:-1]
    u = np.minimum(np.arange(-(-camera.width // TILE) * TILE), camera.width - 1)
    v = np.minimum(np.arange(-(-camera.height // TILE) * TILE), camera.height - 1)
    return samples[np.ix_(v, u)]


def _middle_rays(camera: CameraModel) -> np.ndarray:
    """X, Y (H + 2, W + 2, 2) of the middles of all pixels and of those around the image; NaN: there is no ray."""
    pixels = np.stack(np.meshgrid(np.arange(-1.0, camera.width + 1), np.arange(-1.0, camera.height + 1)), axis=-1)
    with np.errstate(all="ignore"):  # outside of its valid field a model may overflow
        rays = camera.rays(pixels)
        is_valid = np.linalg.norm(camera.project(rays) - pixels, axis=-1) < MAX_ERROR
    return np.where(is_valid[..., None], rays[..., :2], np.nan)


def _slope(values: np.ndarray, axis: int) -> np.ndarray:
    """Change of values (H, W, 2) from pixel to pixel along an axis, from the neighbours that exist."""
    ahead, behind = np.roll(values, -1, axis) - values, values - np.roll(values, 1, axis)
    both = 0.5 * (ahead + behind)
    return np.where(np.isfinite(both), both, np.where(np.isfinite(ahead), ahead, behind))


def _bounds(tiles: np.ndarray, slack: float) -> np.ndarray:
    """Lowest and highest X, lowest and highest Y (T, 4) of tiles (T, N, 2), widened; NaN for a tile without rays."""
    out = np.full((len(tiles), 4), np.nan)
    seen = np.isfinite(tiles).any(axis=(1, 2))
    with np.errstate(invalid="ignore"):
        out[seen, 0::2] = np.nanmin(tiles[seen], axis=1) - slack
        out[seen, 1::2] = np.nanmax(tiles[seen], axis=1) + slack
    return out


def _around(bounds: np.ndarray) -> np.ndarray:
    """Bounds (4,) around bounds (N, 4); an empty range where there are none."""
    seen = bounds[np.isfinite(bounds[:, 0])]
    if not len(seen):
        return np.array([np.inf, -np.inf, np.inf, -np.inf])
    return np.array([seen[:, 0].min(), seen[:, 1].max(), seen[:, 2].min(), seen[:, 3].max()])


def _group_bounds(bounds: np.ndarray) -> np.ndarray:
    rows, columns = (-(-n // GROUP) for n in bounds.shape[:2])
    parts = [
        bounds[y * GROUP : (y + 1) * GROUP, x * GROUP : (x + 1) * GROUP] for y in range(rows) for x in range(columns)
    ]
    return np.array([_around(part.reshape(-1, 4)) for part in parts])


def _cells(bounds: np.ndarray, columns: int, is_pinhole: bool) -> tuple[np.ndarray, np.ndarray]:
    """`cells` and `cell_ranges` of `LensTables` for the bounds (T, 4) of tiles."""
    num_y, num_x = NUM_CELLS
    if is_pinhole:
        return np.zeros((0, 0, 4), dtype=np.int16), np.zeros((2, 0, 2), dtype=np.int16)
    cells = np.empty((num_y, num_x, 4), dtype=np.int16)
    cells[...] = (np.iinfo(np.int16).max, -1, np.iinfo(np.int16).max, -1)
    for tile in np.flatnonzero(np.isfinite(bounds[:, 0])):
        x_low, x_high = _cell_of(bounds[tile, :2], num_x)
        y_low, y_high = _cell_of(bounds[tile, 2:], num_y)
        part = cells[y_low : y_high + 1, x_low : x_high + 1]
        np.minimum(part[..., 0::2], [tile % columns, tile // columns], out=part[..., 0::2])
        np.maximum(part[..., 1::2], [tile % columns, tile // columns], out=part[..., 1::2])
    ranges = np.zeros((2, max(NUM_CELLS), 2), dtype=np.int16)
    for axis, count in ((0, num_x), (1, num_y)):
        first, last = cells[..., 2 * axis].min(axis=axis), cells[..., 2 * axis + 1].max(axis=axis)
        ranges[axis, :count, 0] = np.minimum.accumulate(first[::-1])[::-1]
        ranges[axis, :count, 1] = np.maximum.accumulate(last)
    return cells, ranges


def _cell_of(x: np.ndarray, count: int) -> np.ndarray:
    """Number of the cell of ideal coordinates (N,); the middle of the image has finer cells than its rim."""
    folded = x / (1.0 + np.abs(x))
    return np.clip(((folded + 1.0) * (0.5 * count)).astype(np.int64), 0, count - 1)
