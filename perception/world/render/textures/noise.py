"""Random fields that join at their borders: what all textures are made of. Arrays are float32, row 0 on top."""

from typing import NamedTuple

import cv2
import numpy as np

FAINTEST = 0.02  # share of the first octave; fainter ones are left out
_PAD = 2  # px on each side that cubic interpolation looks at


def fractal(
    rng: np.random.Generator,
    size: int,
    cells: int | tuple[int, int] = 4,
    gain: float = 0.5,
    octaves: int = 12,
) -> np.ndarray:
    """Noise (size, size) of mean 0 and deviation 1: `cells` (down, across; powers of two) blobs, then halves of them.

    Each of the `octaves` is `gain` times as strong as the one before.
    """
    rows, cols = (cells, cells) if isinstance(cells, int) else cells
    field, strength = rng.standard_normal((rows, cols), dtype=np.float32), np.float32(1.0)
    for octave in range(1, 2 * size):
        if rows == cols == size:
            break
        field = _doubled(field, rows < size, cols < size)
        rows, cols = field.shape
        strength *= np.float32(gain)
        if octave < octaves and strength > FAINTEST:
            noise = _even(rng, field.shape)
            noise *= strength
            field += noise
    return normal(field)


def grain(rng: np.random.Generator, size: int, sigma: float | tuple[float, float] = 0.0) -> np.ndarray:
    """White noise (size, size) of mean 0 and deviation 1, blurred by `sigma` px (down, across)."""
    down, across = sigma if isinstance(sigma, tuple) else (sigma, sigma)
    if down <= 0.0 and across <= 0.0:
        return rng.standard_normal((size, size), dtype=np.float32)
    return normal(blurred(_even(rng, (size, size)), down, across))


def blurred(field: np.ndarray, down: float, across: float) -> np.ndarray:
    """A periodic image blurred by a Gaussian of two deviations (px)."""
    pad = min(int(3.0 * max(down, across)) + 1, field.shape[0])
    wide = cv2.copyMakeBorder(field, pad, pad, pad, pad, cv2.BORDER_WRAP)
    soft = cv2.GaussianBlur(wide, (0, 0), sigmaX=max(across, 1e-3), sigmaY=max(down, 1e-3))
    return soft[pad:-pad, pad:-pad]


def normal(field: np.ndarray) -> np.ndarray:
    """The field with mean 0 and deviation 1."""
    mean, deviation = cv2.meanStdDev(field)
    out = field - np.float32(mean[0, 0])
    out /= np.float32(max(deviation[0, 0], 1e-9))
    return out


def share(field: np.ndarray, part: float, softness: float = 0.3) -> np.ndarray:
    """A mask (0 to 1) that covers about `part` of the image where a field of deviation 1 is highest."""
    if part <= 0.0:
        return np.zeros_like(field)
    sample = field.reshape(-1)[:: max(1, field.size // 4096)]
    level = np.float32(np.quantile(sample, 1.0 - part))
    return np.clip((field - level) / np.float32(softness) + np.float32(0.5), 0.0, 1.0)


def relief(height: np.ndarray, strength: float) -> np.ndarray:
    """Light (about 1) that falls from the upper left on a height field (px)."""
    slope = np.roll(height, 1, axis=1) - height + np.roll(height, 1, axis=0) - height
    return np.clip(1.0 - np.float32(strength) * slope, 0.4, 1.6)


def grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of the pixels as shares of the image: down and across, each (size, size)."""
    t = (np.arange(size, dtype=np.float32) + np.float32(0.5)) / np.float32(size)
    return np.repeat(t[:, None], size, axis=1), np.repeat(t[None, :], size, axis=0)


def warped(image: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """A periodic image whose pixels are fetched `down` and `across` px away."""
    size = image.shape[0]
    t = np.arange(size, dtype=np.float32)
    x, y = np.mod(t[None, :] + across, size), np.mod(t[:, None] + down, size)
    wide = cv2.copyMakeBorder(image, 0, 1, 0, 1, cv2.BORDER_WRAP)
    return cv2.remap(wide, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR)


class Cells(NamedTuple):
    """Pebbles: every pixel belongs to the nearest of scattered points."""

    ids: np.ndarray  # (S, S) int32
    near: np.ndarray  # (S, S) float32, distance to that point, in spacings
    gap: np.ndarray  # (S, S) float32, how much farther the second nearest is: 0 on the border between two


def pebbles(rng: np.random.Generator, size: int, count: int, jitter: float = 0.9) -> Cells:
    """About `count` by `count` scattered cells; jitter 0: a square grid."""
    spots = 0.5 + jitter * (rng.random((count, count, 2), dtype=np.float32) - np.float32(0.5))
    t = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * np.float32(count / size)
    cell = t.astype(np.int32)
    near, second = np.full((size, size), 9.0, np.float32), np.full((size, size), 9.0, np.float32)
    ids = np.zeros((size, size), dtype=np.int32)
    for di in (-1, 0, 1):
        for dj in (-1, 0, 1):
            rows, cols = (cell + di) % count, (cell + dj) % count
            spot = spots[rows][:, cols]
            dy = spot[..., 0] + (cell + di - t)[:, None]
            dx = spot[..., 1] + (cell + dj - t)[None, :]
            dx *= dx
            dy *= dy
            dx += dy
            np.copyto(ids, (rows * count)[:, None] + cols[None, :], where=dx < near)
            np.minimum(second, np.maximum(near, dx, out=dy), out=second)
            np.minimum(near, dx, out=near)
    near, second = np.sqrt(near), np.sqrt(second)
    return Cells(ids, near, second - near)


class Blocks(NamedTuple):
    """Masonry: every pixel belongs to a block of a course."""

    ids: np.ndarray  # (S, S) int32
    edge: np.ndarray  # (S, S) float32, distance to the nearest joint, as a share of the image
    down: np.ndarray  # (S, S) float32, place inside the block, 0 at its top, 1 at its foot
    across: np.ndarray  # (S, S) float32, 0 at its left, 1 at its right
    course: np.ndarray  # (S, S) int32


def masonry(size: int, courses: list[tuple[float, list[float], float]], wobble: np.ndarray | None = None) -> Blocks:
    """Courses from the top: height, widths of the blocks (both relative), shift to the right (share of the image).

    `wobble` (2, size, size): bends the joints, as shares of the image.
    """
    down, across = grid(size)
    if wobble is not None:
        down, across = down + wobble[0], across + wobble[1]
    down, across = np.mod(down, 1.0), np.mod(across, 1.0)
    heights = np.cumsum([0.0, *(course[0] for course in courses)])
    heights = (heights / heights[-1]).astype(np.float32)
    places = (np.arange(_BINS, dtype=np.float32) + np.float32(0.5)) / np.float32(_BINS)
    by_place = np.clip(np.searchsorted(heights, places, side="right") - 1, 0, len(courses) - 1).astype(np.int32)
    course = by_place[np.minimum((down * _BINS).astype(np.int32), _BINS - 1)]
    lefts, rights, ids = _lookup(courses)
    shifts = np.array([c[2] for c in courses], dtype=np.float32)
    moved = np.mod(across - shifts[course], 1.0)
    bins = np.minimum((moved * _BINS).astype(np.int32), _BINS - 1)
    left, right = lefts[course, bins], rights[course, bins]
    top, foot = heights[course], heights[course + 1]
    edge = np.minimum(np.minimum(moved - left, right - moved), np.minimum(down - top, foot - down))
    return Blocks(ids[course, bins], edge, (down - top) / (foot - top), (moved - left) / (right - left), course)


_BINS = 4096  # places along a course that are told apart


def _lookup(courses: list[tuple[float, list[float], float]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Left and right end and number of the block at each of `_BINS` places of each course."""
    places = (np.arange(_BINS) + 0.5) / _BINS
    lefts, rights, ids, first = [], [], [], 0
    for _, widths, _ in courses:
        ends = np.cumsum([0.0, *widths])
        ends /= ends[-1]
        block = np.searchsorted(ends, places, side="right") - 1
        lefts.append(ends[block])
        rights.append(ends[block + 1])
        ids.append(first + block)
        first += len(widths)
    return (
        np.array(lefts, dtype=np.float32),
        np.array(rights, dtype=np.float32),
        np.array(ids, dtype=np.int32),
    )


def _even(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Evenly distributed numbers of mean 0 and deviation 1: where many are added up they are as good as normal ones."""
    field = rng.random(shape, dtype=np.float32)
    field -= np.float32(0.5)
    field *= np.float32(np.sqrt(12.0))
    return field


def _doubled(field: np.ndarray, is_down: bool, is_across: bool) -> np.ndarray:
    rows, cols = field.shape
    wide = np.pad(field, ((_PAD, _PAD), (_PAD, _PAD)), mode="wrap")
    height, width = (rows + 2 * _PAD) * (1 + is_down), (cols + 2 * _PAD) * (1 + is_across)
    big = cv2.resize(wide, (width, height), interpolation=cv2.INTER_CUBIC)
    down, across = _PAD * (1 + is_down), _PAD * (1 + is_across)
    return np.ascontiguousarray(big[down : height - down, across : width - across])
