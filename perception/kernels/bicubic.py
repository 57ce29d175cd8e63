"""Bicubic sampling of images and feature maps at any place, zero outside; and rotations made of it.

The kernel is Keys' with a = -0.75, as in torch's `grid_sample` and `interpolate`. Places are row and column in pixels,
whole numbers at the middles of pixels. Channels are the last axis, so that a tap is one run through memory.
`sample_twin` is the definition.
"""

import math

import numpy as np
from numba import njit

SHARPNESS = -0.75  # a of Keys' kernel
TAPS = 4  # per axis
JIT = {"nogil": True, "cache": True, "error_model": "numpy"}


def rotation_places(side: int, angle: float) -> np.ndarray:
    """Where each pixel of a square image (side, side) comes from when it is rotated: (side * side, 2) row, column.

    The image turns about its middle; torch's affine grid of [[cos, sin], [-sin, cos]] with aligned corners.
    """
    axis = np.linspace(-1.0, 1.0, side)
    y, x = (grid.ravel() for grid in np.meshgrid(axis, axis, indexing="ij"))
    cosine, sine = math.cos(angle), math.sin(angle)
    source = np.stack([-sine * x + cosine * y, cosine * x + sine * y], axis=1)
    return np.ascontiguousarray((source + 1.0) * (0.5 * (side - 1)))


def resize_places(height: int, width: int, new_height: int, new_width: int) -> np.ndarray:
    """Where each pixel of a resized image comes from, corners on corners: (new_height * new_width, 2)."""
    rows = np.linspace(0.0, height - 1.0, new_height)
    columns = np.linspace(0.0, width - 1.0, new_width)
    return np.stack([grid.ravel() for grid in np.meshgrid(rows, columns, indexing="ij")], axis=1)


def sample_twin(image: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Values (N, C) float32 of an image (H, W, C) float32 at places (N, 2) float64: row, column."""
    height, width, channels = image.shape
    padded = np.zeros((height + 2, width + 2, channels), dtype=np.float64)
    padded[1:-1, 1:-1] = image
    base = np.floor(places)
    weights = [_weights_twin(places[:, axis] - base[:, axis]) for axis in range(2)]
    out = np.zeros((len(places), channels))
    for i in range(TAPS):
        for j in range(TAPS):
            row = np.clip(base[:, 0] - 1 + i, -1, height).astype(np.int64) + 1
            column = np.clip(base[:, 1] - 1 + j, -1, width).astype(np.int64) + 1
            out += (weights[0][:, i] * weights[1][:, j])[:, None] * padded[row, column]
    return out.astype(np.float32)


def _weights_twin(t: np.ndarray) -> np.ndarray:
    a = SHARPNESS
    near = lambda d: ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0  # noqa: E731
    far = lambda d: ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a  # noqa: E731
    return np.stack([far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)], axis=1)


@njit(**JIT)
def _weights(t, out):  # type: ignore[no-untyped-def]
    """The four weights of a place that lies by `t`, 0 to 1, behind a pixel."""
    a = SHARPNESS
    d = t + 1.0
    out[0] = ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a
    out[1] = ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0
    d = 1.0 - t
    out[2] = ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0
    d = 2.0 - t
    out[3] = ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a


@njit(**JIT)
def sample(image, places, out):  # type: ignore[no-untyped-def]
    """As `sample_twin`, into `out` (N, C) float32."""
    height, width, channels = image.shape
    down, across = np.empty(TAPS), np.empty(TAPS)
    for n in range(places.shape[0]):
        for c in range(channels):
            out[n, c] = np.float32(0.0)
        row, column = np.floor(places[n, 0]), np.floor(places[n, 1])
        if not (row > -3.0 and column > -3.0 and row < height + 1.0 and column < width + 1.0):  # true for NaN
            continue
        _weights(places[n, 0] - row, down)
        _weights(places[n, 1] - column, across)
        first_row, first_column = np.int64(row) - 1, np.int64(column) - 1
        for i in range(TAPS):
            if first_row + i < 0 or first_row + i >= height:
                continue
            for j in range(TAPS):
                if first_column + j < 0 or first_column + j >= width:
                    continue
                weight = np.float32(down[i] * across[j])
                tap = image[first_row + i, first_column + j]
                for c in range(channels):
                    out[n, c] += weight * tap[c]


@njit(**JIT)
def sample_plane(image, places, out):  # type: ignore[no-untyped-def]
    """As `sample` for an image (H, W) of one channel, into `out` (N,) float32."""
    height, width = image.shape
    down, across = np.empty(TAPS), np.empty(TAPS)
    for n in range(places.shape[0]):
        row, column = np.floor(places[n, 0]), np.floor(places[n, 1])
        out[n] = np.float32(0.0)
        if not (row > -3.0 and column > -3.0 and row < height + 1.0 and column < width + 1.0):  # true for NaN
            continue
        _weights(places[n, 0] - row, down)
        _weights(places[n, 1] - column, across)
        first_row, first_column = np.int64(row) - 1, np.int64(column) - 1
        total = 0.0
        for i in range(max(0, -first_row), min(TAPS, height - first_row)):
            line = 0.0
            for j in range(max(0, -first_column), min(TAPS, width - first_column)):
                line += across[j] * image[first_row + i, first_column + j]
            total += down[i] * line
        out[n] = np.float32(total)


@njit(**JIT)
def maximum_into(best, values):  # type: ignore[no-untyped-def]
    """`best` (N, C) float32 becomes the larger of both, element by element."""
    for n in range(best.shape[0]):
        for c in range(best.shape[1]):
            best[n, c] = max(best[n, c], values[n, c])


def warm_up() -> None:
    """Compile the kernels with the types of the descriptors."""
    places = np.zeros((1, 2))
    image, out = np.zeros((2, 2, 2), dtype=np.float32), np.zeros((1, 2), dtype=np.float32)
    sample(image, places, out)
    sample_plane(image[:, :, 0].copy(), places, np.zeros(1, dtype=np.float32))
    maximum_into(out, out)
