"""One look before it is baked: colour and gloss as floats, and the strokes with which looks are painted."""

from typing import NamedTuple

import cv2
import numpy as np

Color = tuple[float, float, float]
_SUBPIXEL_BITS = 4  # of drawn coordinates
NO_EDGES = np.zeros((0, 4), dtype=np.float32)


class Swatch(NamedTuple):
    """A look: row 0 on top."""

    color: np.ndarray  # (S, S, 3) float32, sRGB, 0 to 255
    gloss: np.ndarray | float  # (S, S) float32 or one number, 0 to 255
    edges: np.ndarray = NO_EDGES  # (N, 4) float32, straight lines that were drawn: u, v, u, v


def filled(size: int, color: Color) -> np.ndarray:
    """An image of one colour."""
    return np.broadcast_to(np.array(color, dtype=np.float32), (size, size, 3)).copy()


def toned(color: Color | np.ndarray, factor: np.ndarray) -> np.ndarray:
    """A colour (3,) or an image, times a factor (S, S) around 1."""
    return np.asarray(color, dtype=np.float32) * factor[..., None]


def mixed(below: np.ndarray, above: Color | np.ndarray, mask: np.ndarray) -> np.ndarray:
    """`above` painted over an image where `mask` (S, S) is 1."""
    out = np.asarray(above, dtype=np.float32) - below
    out *= mask[..., None].astype(np.float32, copy=False)
    out += below
    return out


def picked(rng: np.random.Generator, ids: np.ndarray, colors: list[Color], spread: float) -> np.ndarray:
    """Each cell of `ids` (S, S) in one of the colours, its brightness off by a share `spread`."""
    count = int(ids.max()) + 1
    table = np.array(colors, dtype=np.float32)[rng.integers(len(colors), size=count)]
    table = table * (1.0 + spread * rng.standard_normal((count, 1), dtype=np.float32))
    return table[ids]


def valued(rng: np.random.Generator, ids: np.ndarray) -> np.ndarray:
    """A random number of deviation 1 for each cell."""
    return rng.standard_normal(int(ids.max()) + 1, dtype=np.float32)[ids]


def cracks(rng: np.random.Generator, size: int, count: int, width: float, length: float, bend: float) -> np.ndarray:
    """A mask (S, S) of lines that wander; `length` as a share of the image, `width` in px, `bend` rad per step."""
    mask = np.zeros((size, size), dtype=np.uint8)
    steps = max(4, int(24 * length))
    for _ in range(count):
        heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0.0, bend, size=steps))
        stride = length * size / steps
        path = rng.uniform(0, size, size=2) + np.cumsum(
            stride * np.stack([np.cos(heading), np.sin(heading)], axis=1), axis=0
        )
        stroke(mask, path, width, 255)
    return mask.astype(np.float32) / np.float32(255.0)


def stroke(mask: np.ndarray, path: np.ndarray, width: float, value: float) -> None:
    """Draws a line through the points `path` (K, 2; x, y in px); what leaves on one side enters on the other."""
    size = mask.shape[0]
    low, high = np.floor(path.min(axis=0) / size - 0.1), np.floor(path.max(axis=0) / size + 0.1)
    for i in range(int(low[0]), int(high[0]) + 1):
        for j in range(int(low[1]), int(high[1]) + 1):
            points = fixed(path - np.array([i, j]) * size)
            cv2.polylines(mask, [points], False, value, max(1, round(width)), cv2.LINE_AA, _SUBPIXEL_BITS)


def fixed(points: np.ndarray) -> np.ndarray:
    """Points (K, 2) px in the fixed point numbers that the drawing functions take with `_SUBPIXEL_BITS`."""
    return np.rint(np.asarray(points) * (1 << _SUBPIXEL_BITS)).astype(np.int32)[:, None]


def streaks(rng: np.random.Generator, size: int, count: int, length: float) -> np.ndarray:
    """A mask of stains that run down and fade; `length` as a share of the image."""
    starts = np.zeros((size, size), dtype=np.float32)
    rows, cols = rng.integers(size, size=count), rng.integers(size, size=count)
    starts[rows, cols] = rng.uniform(0.3, 1.0, size=count)
    starts = cv2.GaussianBlur(cv2.copyMakeBorder(starts, 8, 8, 8, 8, cv2.BORDER_WRAP), (0, 0), 1.2)[8:-8, 8:-8]
    reach = max(2, int(length * size))
    decay = np.exp(-3.0 * np.arange(size) / reach).astype(np.float32)
    spectrum = np.fft.rfft(starts, axis=0) * np.fft.rfft(decay)[:, None]
    run = np.fft.irfft(spectrum, n=size, axis=0).astype(np.float32)
    return np.clip(run / max(float(run.max()), 1e-6), 0.0, 1.0)
