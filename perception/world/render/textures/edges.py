"""Straight lines inside the textures that fill the unit square: borders of signs, frames of posters, door panels."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from perception.core.errors import InvalidInput
from perception.world.materials import UNIT_TEXTURES, VARIANTS, Texture

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # grey of sRGB values (ITU-R BT.601), as image tools make it
FAINTEST_STEP = 6.0  # grey levels that are worth keeping; users ask for more
SHORTEST = 0.06  # share of the texture
_BESIDE = 2.5  # texels to each side, where the step is measured
_WIDTHS = (5.0, 10.0, 20.0, 40.0)  # texels, of bands beside a line whose means may still differ
_BAND_SAMPLES, _LINE_SAMPLES = 5, 16  # across a band, and along a line
_SPACING = 1.0 / 128.0  # of the samples along a line, as a share of the texture


class PictureLines(NamedTuple):
    """Lines inside one look."""

    segments: np.ndarray  # (N, 4) float32: u, v of one end, u, v of the other
    steps: np.ndarray  # (N,) float32, mean step in grey, 0 to 255, across each, before any tint
    widths: np.ndarray  # (N,) float32, share of the texture: the step is there in an image no coarser than this


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
