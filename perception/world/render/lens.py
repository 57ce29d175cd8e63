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


class LensTables(NamedTuple):
    """What kernels need of a lens. T tiles row by row, G groups of them row by row."""

    size: tuple[int, int]  # px: width, height
    num_tiles: tuple[int, int]  # in x and y
    pinhole: np.ndarray  # (4,) float64: focal lengths and principal point, px; zeros with distortion
    field: np.ndarray  # (4,) float64: lowest and highest X, lowest and highest Y of all rays
    origins: np.ndarray  # (T, 2) float64: X, Y that the offsets of a tile count from
    offsets_x: np.ndarray  # (T * 320,) or, with equal tiles, (320,) float32: row, pixel, sample within the tile
    offsets_y: np.ndarray  # likewise
    bounds: np.ndarray  # (T, 4) float64: lowest and highest offset in X and in Y
    group_bounds: np.ndarray  # (G, 4) float64: lowest and highest X and Y
    cells: np.ndarray  # (CY, CX, 4) int16: first and last tile column and row that see a cell; none with a pinhole
    cells_x: np.ndarray  # (CX, 2) int16: first tile column of this cell and all to its right, last of all to its left
    cells_y: np.ndarray  # (CY, 2) int16: the same for rows


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
    origins = tiles[:, 0].copy()
    origins[~np.isfinite(origins)] = 0.0
    offsets = (tiles - origins[:, None]).astype(np.float32)
    bounds = _bounds(tiles, SLACK / min(camera.K[0, 0], camera.K[1, 1]))
    is_pinhole = camera.distortion == "none"
    if is_pinhole:
        offsets = offsets[:1]
    cells, cells_x, cells_y = _cells(bounds, columns, is_pinhole)
    tables = LensTables(
        (camera.width, camera.height),
        (columns, rows),
        camera.K[[0, 1, 0, 1], [0, 1, 2, 2]] * is_pinhole,
        _around(bounds),
        origins,
        np.ascontiguousarray(offsets[..., 0]).reshape(-1),
        np.ascontiguousarray(offsets[..., 1]).reshape(-1),
        bounds - np.repeat(origins, 2, axis=1),
        _group_bounds(bounds.reshape(rows, columns, 4)),
        cells,
        cells_x,
        cells_y,
    )
    middles = samples[: camera.height, : camera.width, 0].astype(np.float32)
    return Lens(camera, tables, np.ascontiguousarray(middles))


def _sample_rays(camera: CameraModel) -> np.ndarray:
    """X, Y (H, W, 5, 2) of all samples; sizes rounded up to whole tiles, whose further pixels repeat the last one."""
    u = np.minimum(np.arange(-(-camera.width // TILE) * TILE), camera.width - 1)
    v = np.minimum(np.arange(-(-camera.height // TILE) * TILE), camera.height - 1)
    middles = np.stack(np.meshgrid(u, v), axis=-1).astype(np.float64)
    pixels = middles[:, :, None] + SAMPLES.astype(np.float64)
    with np.errstate(all="ignore"):  # outside of its valid field a model may overflow
        rays = camera.rays(pixels)
        is_valid = np.linalg.norm(camera.project(rays) - pixels, axis=-1) < MAX_ERROR
    return np.where(is_valid[..., None], rays[..., :2], np.nan)


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


def _cells(bounds: np.ndarray, columns: int, is_pinhole: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`cells`, `cells_x` and `cells_y` of `LensTables` for the bounds (T, 4) of tiles."""
    num_y, num_x = (0, 0) if is_pinhole else NUM_CELLS
    cells = np.empty((num_y, num_x, 4), dtype=np.int16)
    cells[...] = (np.iinfo(np.int16).max, -1, np.iinfo(np.int16).max, -1)
    if not is_pinhole:
        for tile in np.flatnonzero(np.isfinite(bounds[:, 0])):
            x_low, x_high = _cell_of(bounds[tile, :2], num_x)
            y_low, y_high = _cell_of(bounds[tile, 2:], num_y)
            part = cells[y_low : y_high + 1, x_low : x_high + 1]
            np.minimum(part[..., 0::2], [tile % columns, tile // columns], out=part[..., 0::2])
            np.maximum(part[..., 1::2], [tile % columns, tile // columns], out=part[..., 1::2])
    if not cells.size:
        return cells, np.zeros((0, 2), dtype=np.int16), np.zeros((0, 2), dtype=np.int16)
    first_x = np.minimum.accumulate(cells[..., 0].min(axis=0)[::-1])[::-1]
    first_y = np.minimum.accumulate(cells[..., 2].min(axis=1)[::-1])[::-1]
    last_x, last_y = (np.maximum.accumulate(cells[..., k].max(axis=axis)) for k, axis in ((1, 0), (3, 1)))
    return cells, np.stack([first_x, last_x], axis=1), np.stack([first_y, last_y], axis=1)


def _cell_of(x: np.ndarray, count: int) -> np.ndarray:
    """Number of the cell of ideal coordinates (N,); the middle of the image has finer cells than its rim."""
    folded = x / (1.0 + np.abs(x))
    return np.clip(((folded + 1.0) * (0.5 * count)).astype(np.int64), 0, count - 1)
