"""What bright lights and rain do to an image before the sensor: bloom, streaks, drops on the glass."""

import math

import numba
import numpy as np

STEP = 4  # px of the image per px of the bloom
THRESHOLD = 1.25  # linear light above which the lens scatters
SIGMAS = (1.1, 4.0)  # px of the bloom: a tight core and a wide veil
SHARES = (0.16, 0.10)
STREAKS_PER_PIXEL = 1.6e-3
STREAK_LIGHT = 0.16  # share of the streak's own light, at most
NEAR, FAR = 1.2, 9.0  # m, of the drops that leave streaks
FALL = 7.5  # m/s
STREAK_TIME = 0.011  # s, for which the eye of the camera follows them
DROPS = 7  # on the glass
DROP_RADII = (2.0, 8.0)  # px per 704 px of width
DROP_FRAMES = 25  # for which drops stay where they are


def add_bloom(image: np.ndarray) -> np.ndarray:
    """The image (H, W, 3) float32 with the light that the lens scatters around bright parts; itself where none is."""
    bright = np.zeros((-(-image.shape[0] // STEP), -(-image.shape[1] // STEP), 3), dtype=np.float32)
    if _bright_parts(image, bright) == 0.0:
        return image
    spread, scratch, out = np.zeros_like(bright), np.empty_like(bright), np.empty_like(image)
    for sigma, share in zip(SIGMAS, SHARES, strict=True):
        reach = math.ceil(2.5 * sigma)
        weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
        weights = (weights / weights.sum()).astype(np.float32)
        _spread_rows(bright, weights, scratch)
        turned = np.ascontiguousarray(scratch.transpose(1, 0, 2))
        across = np.empty_like(turned)
        _spread_rows(turned, weights, across)
        spread += np.float32(share) * across.transpose(1, 0, 2)
    _add_enlarged(image, spread, out)
    return out


def add_rain(image: np.ndarray, light: np.ndarray, focal: float, rng: np.random.Generator) -> np.ndarray:
    """The image with streaks of falling drops, of radiance `light` (3,)."""
    height, width = image.shape[:2]
    count = round(STREAKS_PER_PIXEL * height * width)
    depth = NEAR * (FAR / NEAR) ** rng.random(count)
    length = FALL * STREAK_TIME * focal / depth
    slant = rng.normal(0.06, 0.05, size=count) + rng.normal(0.0, 0.08)
    streaks = np.stack(
        [
            rng.uniform(0.0, width, size=count), rng.uniform(-40.0, height, size=count), slant * length, length,
            STREAK_LIGHT * rng.uniform(0.3, 1.0, size=count) * np.minimum(2.2 / depth, 1.0),
        ],
        axis=1,
    ).astype(np.float32)  # fmt: skip
    _draw_streaks(image, streaks, light.astype(np.float32))
    return image


def add_drops(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The image seen through drops on the glass: each shows it small and upside down."""
    height, width = image.shape[:2]
    count = int(rng.poisson(DROPS))
    low, high = (radius * width / 704.0 for radius in DROP_RADII)
    radii = low * (high / low) ** (rng.random(count) ** 2.0)
    drops = np.stack([rng.uniform(0, width, count), rng.uniform(0, height, count), radii], axis=1).astype(np.float32)
    out = image.copy()
    _draw_drops(image, drops, out)
    return out


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _bright_parts(image, out):
    """Mean over blocks of the light above the threshold; returns the largest."""
    height, width = image.shape[0], image.shape[1]
    share, most = np.float32(1.0 / (STEP * STEP)), np.float32(0.0)
    for y in range(height):
        for x in range(width):
            top = max(image[y, x, 0], image[y, x, 1], image[y, x, 2])
            if top > np.float32(THRESHOLD):
                scale = share * (np.float32(1.0) - np.float32(THRESHOLD) / top)
                for c in range(3):
                    out[y // STEP, x // STEP, c] += scale * image[y, x, c]
                    most = max(most, out[y // STEP, x // STEP, c])
    return most


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _spread_rows(image, weights, out):
    height, width = image.shape[0], image.shape[1]
    reach = len(weights) // 2
    for y in range(height):
        for x in range(width):
            r = g = b = np.float32(0.0)
            for k in range(max(-reach, -x), min(reach, width - 1 - x) + 1):
                w, p = weights[k + reach], image[y, x + k]
                r, g, b = r + w * p[0], g + w * p[1], b + w * p[2]
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = r, g, b


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _add_enlarged(image, small, out):
    """Add the small image, bilinear."""
    rows, columns = small.shape[0], small.shape[1]
    one = np.float32(1.0)
    for y in range(image.shape[0]):
        v = min(max((np.float32(y) + np.float32(0.5)) / np.float32(STEP) - np.float32(0.5), 0.0), rows - one)
        j = int(v)
        b, k = np.float32(v - j), min(j + 1, rows - 1)
        for x in range(image.shape[1]):
            u = min(max((np.float32(x) + np.float32(0.5)) / np.float32(STEP) - np.float32(0.5), 0.0), columns - one)
            i = int(u)
            a, m = np.float32(u - i), min(i + 1, columns - 1)
            w00, w01, w10, w11 = (one - a) * (one - b), a * (one - b), (one - a) * b, a * b
            for c in range(3):
                light = w00 * small[j, i, c] + w01 * small[j, m, c] + w10 * small[k, i, c] + w11 * small[k, m, c]
                out[y, x, c] = image[y, x, c] + light


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _draw_streaks(image, streaks, light):
    """Blend lines (x, y, dx, dy, share) into the image; they fade towards both ends."""
    for s in range(len(streaks)):
        x0, y0, dx, dy, share = streaks[s, 0], streaks[s, 1], streaks[s, 2], streaks[s, 3], streaks[s, 4]
        steps = max(int(dy), 1)
        for k in range(steps):
            f = (k + 0.5) / steps
            y, at = int(y0 + f * dy), x0 + f * dx
            x = math.floor(at)
            if y < 0 or y >= image.shape[0]:
                continue
            fade = share * 4.0 * f * (1.0 - f)
            for side in range(2):
                i = int(x) + side
                if 0 <= i < image.shape[1]:
                    w = fade * ((at - x) if side else 1.0 - (at - x))
                    for c in range(3):
                        image[y, i, c] += w * (light[c] - image[y, i, c])


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _draw_drops(image, drops, out):
    """Replace discs (x, y, radius) by what a drop there refracts."""
    height, width = image.shape[0], image.shape[1]
    for s in range(len(drops)):
        cx, cy, radius = drops[s, 0], drops[s, 1], drops[s, 2]
        for y in range(max(int(cy - radius), 0), min(int(cy + radius) + 1, height)):
            for x in range(max(int(cx - radius), 0), min(int(cx + radius) + 1, width)):
                dx, dy = (x - cx) / radius, (y - cy) / radius
                square = dx * dx + dy * dy
                if square >= 1.0:
                    continue
                bend = radius * (3.0 + 5.0 * square)
                u, v = min(max(int(cx - bend * dx), 0), width - 1), min(max(int(cy - bend * dy), 0), height - 1)
                share = min((1.0 - square) * 2.0, 0.7)
                shade = 0.88 + 0.2 * dy
                for c in range(3):
                    below, above = image[min(v + 2, height - 1), u, c], image[max(v - 2, 0), u, c]
                    mean = 0.5 * image[v, u, c] + 0.25 * (below + above)
                    out[y, x, c] += share * (shade * mean - image[y, x, c])
