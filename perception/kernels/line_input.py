"""An image of any size as the input of a network of lines: 0..1 in float32, then scaled bilinearly, aspect ignored.

In this order, as OpenCV scales floats: pixel centres are mapped to pixel centres, and neither end reaches beyond the
border. A row of the image is scaled along its length once, however many rows of the input it contributes to.
"""

import numpy as np
from numba import njit

from perception.kernels.images import SHARES
from perception.kernels.line_support import JIT

CHANNELS = 3


def scaled_reference(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Pixels (H, W, 3) or (H, W) uint8 as (height, width, 3) float32 of `size` in 0..1; grey is repeated."""
    shares = SHARES[pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], CHANNELS, axis=2)]
    (top, below), (left, right) = taps(pixels.shape[0], size[0]), taps(pixels.shape[1], size[1])
    rows = np.minimum(top + 1, pixels.shape[0] - 1), np.minimum(left + 1, pixels.shape[1] - 1)
    one = np.float32(1)
    wide = shares[:, left] * (one - right)[:, None] + shares[:, rows[1]] * right[:, None]
    return wide[top] * (one - below)[:, None, None] + wide[rows[0]] * below[:, None, None]


def taps(num_from: int, num_to: int) -> tuple[np.ndarray, np.ndarray]:
    """First (N,) int64 of the two pixels that each of `num_to` reads among `num_from`; weight (N,) of the second."""
    places = (np.arange(num_to) + 0.5) * (1.0 / (num_to / num_from)) - 0.5
    first = np.floor(places)
    weight = (places - first).astype(np.float32)
    is_inside = (first >= 0) & (first < num_from - 1)
    return first.clip(0, num_from - 1).astype(np.int64), np.where(is_inside, weight, np.float32(0))


class Scaler:
    """Scales images of one size to one size."""

    def __init__(self, size_from: tuple[int, int], size_to: tuple[int, int], is_planar: bool) -> None:
        height, width = size_to
        self._size_from, self._size_to, self._is_planar = size_from, size_to, is_planar
        self._rows, self._columns = taps(size_from[0], height), taps(size_from[1], width)
        self._work = np.empty((2, CHANNELS * width), dtype=np.float32)

    def __call__(self, pixels: np.ndarray, out: np.ndarray) -> None:
        """Fill `out`, (3, height, width) if planar, else (height, width, 3), contiguous; see `scaled_reference`."""
        height, width = self._size_to
        flat = out.reshape(CHANNELS, height, width) if self._is_planar else out.reshape(1, height, CHANNELS * width)
        given = np.ascontiguousarray(pixels).reshape(*self._size_from, -1)
        steps = np.array([1, width] if self._is_planar else [CHANNELS, 1])
        _scale(given, SHARES, *self._rows, *self._columns, steps, self._work, flat)


@njit(**JIT)
def _scale(pixels, shares, rows, row_weights, columns, column_weights, steps, work, out):  # type: ignore[no-untyped-def]
    one = np.float32(1.0)
    num, height, width = out.shape
    held = np.full(2, -1, dtype=np.int64)  # which row of the image lies in which row of `work`
    for row in range(height):
        low = rows[row]
        high = min(low + 1, len(pixels) - 1)
        for source in (low, high):
            if held[source & 1] != source:
                _stretch(pixels[source], shares, columns, column_weights, steps, work[source & 1])
                held[source & 1] = source
        weight = row_weights[row]
        other = one - weight
        first, second = work[low & 1], work[high & 1]
        for chunk in range(num):
            line, start = out[chunk, row], chunk * width
            for i in range(width):
                line[i] = first[start + i] * other + second[start + i] * weight


@njit(**JIT)
def _stretch(line, shares, columns, weights, steps, out):  # type: ignore[no-untyped-def]
    one = np.float32(1.0)
    last = len(line) - 1
    is_grey = line.shape[1] == 1
    for i in range(len(columns)):
        left, weight = columns[i], weights[i]
        right, other = min(left + 1, last), one - weight
        place = i * steps[0]
        for channel in range(CHANNELS):
            c = 0 if is_grey else channel
            out[place + channel * steps[1]] = shares[line[left, c]] * other + shares[line[right, c]] * weight


def warm_up() -> None:
    """Compile the kernel, for images in memory of our own and in that of a message."""
    for is_writeable in (True, False):
        pixels = np.zeros((2, 2, 3), dtype=np.uint8)
        pixels.flags.writeable = is_writeable
        Scaler((2, 2), (4, 4), is_planar=True)(pixels, np.empty((3, 4, 4), dtype=np.float32))
