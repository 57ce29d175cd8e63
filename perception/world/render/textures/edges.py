"""Straight lines inside the textures that fill the unit square: borders of signs, frames of posters, door panels."""

from functools import lru_cache

import numpy as np

from perception.core.errors import InvalidInput
from perception.world.materials import UNIT_TEXTURES, VARIANTS, Texture
from perception.world.render.textures.looks import paint, swatch_of

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # grey of sRGB values (ITU-R BT.601), as image tools make it
FAINTEST_STEP = 6.0  # grey levels that are worth keeping; users ask for more
_BESIDE = 2.5  # texels to each side, where the step is measured
_SPACING = 1.0 / 128.0  # of the samples along a line, as a share of the texture
_SHORTEST = 0.06  # share of the texture


@lru_cache(maxsize=len(UNIT_TEXTURES) * VARIANTS)
def segments_of(texture_id: int) -> tuple[np.ndarray, np.ndarray]:
    """Lines (N, 4) float32 (u, v, u, v) of a unit texture that can still be seen in it, and the steps in grey.

    Steps (N,) float32 are 0 to 255, measured on the texture itself, before any tint. Textures laid in metres have none.
    Raises `InvalidInput` for a number that names no look.
    """
    if not 0 <= texture_id < len(Texture) * VARIANTS:
        raise InvalidInput(f"texture_id: {texture_id} names no look; use Texture.layer")
    if Texture(texture_id // VARIANTS) not in UNIT_TEXTURES:
        return np.zeros((0, 4), dtype=np.float32), np.zeros(0, dtype=np.float32)
    grey = paint(texture_id)[..., :3].astype(np.float32) @ LUMA
    runs = [run for edge in swatch_of(texture_id).edges for run in _visible_runs(grey, edge.astype(np.float64))]
    segments = np.array([run[0] for run in runs], dtype=np.float32).reshape(-1, 4)
    return segments, np.array([run[1] for run in runs], dtype=np.float32)


def _visible_runs(grey: np.ndarray, edge: np.ndarray) -> list[tuple[np.ndarray, float]]:
    """The parts of a drawn line across which the finished picture has a step, each with its mean step."""
    a, b = edge[:2], edge[2:]
    length = float(np.hypot(*(b - a)))
    count = max(3, int(length / _SPACING))
    t = (np.arange(count) + 0.5) / count
    across = np.array([a[1] - b[1], b[0] - a[0]]) / length * _BESIDE / grey.shape[0]
    points = a + t[:, None] * (b - a)
    sides, insides = zip(*(_read(grey, points + side * across) for side in (1.0, -1.0)), strict=True)
    steps = np.where(insides[0] & insides[1], np.abs(sides[0] - sides[1]), 0.0)
    out = []
    is_seen = np.concatenate([[False], steps >= FAINTEST_STEP, [False]])
    for first, last in np.flatnonzero(np.diff(is_seen.astype(np.int8))).reshape(-1, 2):
        if (last - first) * length / count >= _SHORTEST:
            ends = a + np.array([[first / count], [last / count]]) * (b - a)
            out.append((ends.reshape(4), float(steps[first:last].mean())))
    return out


def _read(grey: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Grey (N,) at places (N, 2; u, v), and whether they lie on the texture."""
    side = grey.shape[0]
    at = np.floor(points * side).astype(np.int64)
    is_inside = ((at >= 0) & (at < side)).all(axis=1)
    at = np.clip(at, 0, side - 1)
    return grey[at[:, 1], at[:, 0]], is_inside
