"""Straight lines inside textures: borders of signs, frames of posters, door panels; stripes and chequers in metres."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from perception.core.errors import InvalidInput
from perception.world.materials import UNIT_TEXTURES, VARIANTS, Texture

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # grey of sRGB values (ITU-R BT.601), as image tools make it
FAINTEST_STEP = 6.0  # grey levels that are worth keeping; users ask for more
SHORTEST = 0.06  # share of the texture
_PIECE = 8  # texels along a line whose mean is taken
_BESIDE = 2.5  # texels to each side, where the step is measured
_WIDTHS = (5.0, 10.0, 20.0, 40.0)  # texels, of bands beside a line whose means may still differ
_BAND_SAMPLES, _LINE_SAMPLES = 5, 16  # across a band, and along a line
_SPACING = 1.0 / 128.0  # of the samples along a line, as a share of the texture


class PictureLines(NamedTuple):
    """Lines inside one look."""

    segments: np.ndarray  # (N, 4) float32: u, v of one end, u, v of the other
    steps: np.ndarray  # (N,) float32, mean step in grey, 0 to 255, across each, before any tint
    widths: np.ndarray  # (N,) float32, share of the texture: the step is there in an image no coarser than this


class GridLines(NamedTuple):
    """Lines that run across the whole of a texture in metres, along one of its axes, again and again."""

    axes: np.ndarray  # (N,) int64, 0: at one u, 1: at one v
    places: np.ndarray  # (N,) float64, m: u or v, within the first repeat
    steps: np.ndarray  # (N,) float64, mean step in grey across each, before any tint
    widths: np.ndarray  # (N,) float64, m, of the narrower of the stripes beside it


@lru_cache(maxsize=len(UNIT_TEXTURES) * VARIANTS)
def segments_of(texture_id: int) -> PictureLines:
    """Lines of a unit texture that can be seen in it; textures laid in metres have none.

    Raises `InvalidInput` for a number that names no look.
    """
    from perception.world.render.textures.looks import paint, swatch_of

    if not 0 <= texture_id < len(Texture) * VARIANTS:
        raise InvalidInput(f"texture_id: {texture_id} names no look; use Texture.layer")
    runs: list[tuple[np.ndarray, float, float]] = []
    if Texture(texture_id // VARIANTS) in UNIT_TEXTURES:
        swatch = swatch_of(texture_id)
        grey = paint(swatch)[..., :3].astype(np.float32) @ LUMA
        runs = [run for edge in swatch.edges for run in _visible_runs(grey, edge.astype(np.float64))]
    segments, steps, widths = zip(*runs, strict=True) if runs else ((), (), ())
    return PictureLines(
        np.array(segments, dtype=np.float32).reshape(-1, 4),
        np.array(steps, dtype=np.float32),
        np.array(widths, dtype=np.float32),
    )


def _every(count: int, shift: float = 0.0) -> tuple[float, ...]:
    """Places of `count` lines spread over a repeat."""
    return tuple((k + shift) / count for k in range(count))


_GRIDS: dict[tuple[Texture, int], tuple[tuple[float, ...], tuple[float, ...]]] = {  # shares of a repeat: u, v
    (Texture.CONCRETE, 6): (_every(40), ()),
    (Texture.BRICK, 7): ((), (0.0, 0.4, 0.5, 0.9)),
    (Texture.PATTERN, 0): ((*_every(8), *_every(8, 0.35)), ()),
    (Texture.PATTERN, 3): (_every(12), _every(12)),
    (Texture.CARPET, 2): (_every(24), ()),
    (Texture.CARPET, 3): (_every(4), _every(4)),
    (Texture.LINOLEUM, 2): (_every(4), _every(4)),
    (Texture.LINOLEUM, 5): (_every(4), _every(4)),
    (Texture.WALLPAPER, 1): (_every(24), ()),
    (Texture.TILE, 4): (_every(8), _every(8)),
    (Texture.TILE, 7): (_every(12), _every(12)),
    (Texture.CURTAIN, 7): ((), (*_every(8), *_every(8, 0.7))),
}
"""Borders of the stripes and chequers of looks in metres. Joints of masonry are too narrow to be lines of an image."""


@lru_cache(maxsize=len(_GRIDS))
def grid_lines_of(texture_id: int) -> GridLines:
    """The lines of a look in metres that has stripes or chequers, with steps as they are measured on it."""
    from perception.world.render.textures.bank import REPEAT
    from perception.world.render.textures.looks import paint, swatch_of

    family, variant = divmod(texture_id, VARIANTS)
    found: list[tuple[float, float, float, float]] = []
    if (family, variant) in _GRIDS:
        grey = paint(swatch_of(texture_id))[..., :3].astype(np.float32) @ LUMA
        for axis, shares in enumerate(_GRIDS[Texture(family), variant]):
            places = np.sort(np.array(shares))
            if len(places):
                width = 0.5 * float(np.diff(places, append=1.0 + places[0]).min())
                steps = _steps_across(grey if axis == 0 else grey.T, places, max(2, int(0.8 * width * len(grey))))
                found += [(axis, p * REPEAT[family], s, 2.0 * width * REPEAT[family]) for p, s in zip(places, steps)]
    axes, places, steps, widths = np.array(found, dtype=np.float64).reshape(-1, 4).T
    kept = steps >= FAINTEST_STEP
    return GridLines(axes[kept].astype(np.int64), places[kept], steps[kept], widths[kept])


def _steps_across(image: np.ndarray, places: np.ndarray, band: int) -> np.ndarray:
    """Mean steps (N,) in grey between bands of `band` px on both sides of columns at `places` (N,), piece by piece.

    Pieces, because chequers change the sign of the step along a line while grain averages out.
    """
    size = len(image)
    pieces = image.reshape(size // _PIECE, _PIECE, size).mean(axis=1)
    columns = np.rint(places * size).astype(np.int64)[:, None] + np.arange(band)
    right, left = pieces[:, columns % size].mean(axis=2), pieces[:, (columns - band) % size].mean(axis=2)
    return np.abs(right - left).mean(axis=0)


def _visible_runs(grey: np.ndarray, edge: np.ndarray) -> list[tuple[np.ndarray, float, float]]:
    """The parts of a drawn line across which the finished picture has a step, with its mean and its width."""
    a, b = edge[:2], edge[2:]
    length = float(np.hypot(*(b - a)))
    count = max(3, int(length / _SPACING))
    t = (np.arange(count) + 0.5) / count
    across = np.array([a[1] - b[1], b[0] - a[0]]) / (length * grey.shape[0])
    points = a + t[:, None] * (b - a)
    steps = _steps(grey, points, across * _BESIDE)
    out = []
    is_seen = np.concatenate([[False], steps >= FAINTEST_STEP, [False]])
    for first, last in np.flatnonzero(np.diff(is_seen.astype(np.int8))).reshape(-1, 2):
        if (last - first) * length / count >= SHORTEST:
            ends = a + np.array([[first / count], [last / count]]) * (b - a)
            width = _width(grey, points[first:last], across, 0.5 * float(steps[first:last].mean()))
            out.append((ends.reshape(4), float(steps[first:last].mean()), width))
    return out


def _width(grey: np.ndarray, points: np.ndarray, across: np.ndarray, wanted: float) -> float:
    """Widest band (share of the texture) whose mean differs by `wanted` between the two sides of a line."""
    offsets = np.array(_WIDTHS)[:, None] * (np.arange(_BAND_SAMPLES) + 0.5) / _BAND_SAMPLES
    asides = np.stack([offsets, -offsets])[..., None, None] * across
    values = _read(grey, (points[:: max(1, len(points) // _LINE_SAMPLES)] + asides).reshape(-1, 2))[0]
    means = values.reshape(2, len(_WIDTHS), _BAND_SAMPLES, -1).mean(axis=2)
    is_there = np.abs(means[0] - means[1]).mean(axis=1) >= wanted
    return max([_BESIDE, *np.array(_WIDTHS)[is_there]]) / grey.shape[0]


def _steps(grey: np.ndarray, points: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Difference (N,) between the places at `offset` on both sides of points (N, 2); 0 beyond the border."""
    one, other = _read(grey, points + offset), _read(grey, points - offset)
    return np.where(one[1] & other[1], np.abs(one[0] - other[0]), 0.0)


def _read(grey: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Grey (N,) at places (N, 2; u, v), and whether they lie on the texture."""
    side = grey.shape[0]
    at = np.floor(points * side).astype(np.int64)
    inside = np.minimum(np.maximum(at, 0), side - 1)
    return grey[inside[:, 1], inside[:, 0]], (at == inside).all(axis=1)
