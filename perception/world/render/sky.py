"""The sky and what lies on the horizon: painted once per recording as a panorama, then only looked up."""

import math
from typing import NamedTuple

import numba
import numpy as np

from perception.world.render.weather import Weather

SIZE = (384, 2048)  # px: rows from the nadir to the zenith, columns around
MIRRORED_SIZE = (48, 256)  # px, of what dull surfaces reflect
SUN_RADIUS = 0.0065  # rad; larger than the true 0.0047, as lenses show it
CLOUD_SIZE = 512  # px, of the pattern that repeats
CLOUD_HEIGHT = 0.35  # of the pattern's period
HAZE_OF_HILLS = 0.72  # share of haze in front of them
WINDOWS_PER_ROW = 0.10  # lit, far away at night
SKY_STREAM = 7  # random stream of a seed


class Sky(NamedTuple):
    """Radiance from all directions, linear RGB. Rows are even in the square root of the sine of the elevation."""

    panorama: np.ndarray  # (H, W, 3) float32, without the disc of the sun
    mirrored: np.ndarray  # (h, w, 3) float32, blurred, without hills


def paint_sky(weather: Weather, seed: int) -> Sky:
    """The sky of a recording."""
    rng = np.random.default_rng([seed, SKY_STREAM])
    pattern, hills = _cloud_pattern(rng), _hill_line(rng, SIZE[1])
    clear = _dome(_directions(SIZE), weather, pattern)
    panorama = _with_hills(clear, hills, weather, rng)
    mirrored = _reduced(clear, MIRRORED_SIZE)
    return Sky(panorama.astype(np.float32), mirrored.astype(np.float32))


def _directions(size: tuple[int, int]) -> np.ndarray:
    """Unit vectors (H, W, 3) to the middles of the pixels of a panorama."""
    height, width = size
    level = 2.0 * (np.arange(height) + 0.5) / height - 1.0
    z = np.sign(level) * level * level
    azimuth = 2.0 * np.pi * (np.arange(width) + 0.5) / width
    flat = np.sqrt(1.0 - z * z)
    return np.stack(
        [flat[:, None] * np.cos(azimuth), flat[:, None] * np.sin(azimuth), np.repeat(z[:, None], width, axis=1)],
        axis=-1,
    )


def _dome(d: np.ndarray, weather: Weather, pattern: np.ndarray) -> np.ndarray:
    """Gradient, glow around the sun, clouds above the horizon; the ground's haze below it."""
    z = np.maximum(d[..., 2:], 0.0)
    towards_sun = np.clip(d @ weather.sun, -1.0, 1.0)[..., None]
    horizon = weather.horizon_color + weather.glow_color * (0.5 + 0.5 * towards_sun) ** 6 * np.exp(-4.0 * z)
    color = weather.zenith_color + (horizon - weather.zenith_color) * np.exp(-5.5 * z)
    halo = 0.10 * np.maximum(towards_sun, 0.0) ** 24 + 0.35 * np.maximum(towards_sun, 0.0) ** 400
    color = color + weather.sun_color * halo * (1.0 - 0.9 * weather.cloudiness**4)
    color = _with_clouds(color, d, weather, pattern, towards_sun)
    below = np.clip(-40.0 * d[..., 2:], 0.0, 1.0)
    ground = 0.45 * weather.horizon_color * np.array([0.75, 0.73, 0.62])
    return color + (ground - color) * below * (1.0 - np.exp(-0.004 / np.maximum(weather.haze, 1e-6)) * 0.2)


def _with_clouds(
    color: np.ndarray, d: np.ndarray, weather: Weather, pattern: np.ndarray, towards_sun: np.ndarray
) -> np.ndarray:
    up = np.maximum(d[..., 2], 0.0) + 0.06
    x, y = CLOUD_HEIGHT * d[..., 0] / up, CLOUD_HEIGHT * d[..., 1] / up
    threshold = 1.05 - 1.15 * weather.cloudiness
    cover = np.clip((_looked_up(pattern, x, y) - threshold) / 0.35, 0.0, 1.0)
    step = 0.012 * weather.sun[:2] / max(float(np.linalg.norm(weather.sun[:2])), 1e-6)
    sunward = np.clip((_looked_up(pattern, x + step[0], y + step[1]) - threshold) / 0.35, 0.0, 1.0)
    lit = np.clip(0.75 + 1.6 * (cover - sunward) - 0.25 * cover, 0.3, 1.1)[..., None]
    rim = 0.35 * np.maximum(towards_sun, 0.0) ** 8 * (1.0 - cover[..., None])
    light = 0.55 * weather.sun_color + 0.35 * weather.horizon_color
    cloud = light * (lit + rim) + 0.30 * weather.zenith_color * (1.0 - lit)
    if weather.cloudiness >= 1.0:  # a closed cover shows its folds only
        return color * (0.90 + 0.16 * cover[..., None] * np.clip(8.0 * d[..., 2:], 0.0, 1.0))
    share = (0.92 * cover * np.clip(14.0 * d[..., 2], 0.0, 1.0))[..., None]
    return color + (cloud - color) * share


def _with_hills(sky: np.ndarray, hills: np.ndarray, weather: Weather, rng: np.random.Generator) -> np.ndarray:
    """Two ridges on the horizon, the nearer darker; far lit windows in them at night."""
    d = _directions(sky.shape[:2])
    out = sky.copy()
    for k, (share, color) in enumerate(
        [(HAZE_OF_HILLS, (0.09, 0.12, 0.14)), (HAZE_OF_HILLS - 0.3, (0.07, 0.09, 0.05))]
    ):
        veil = 1.0 - (1.0 - share) * np.exp(-350.0 * weather.haze)
        lit = 0.55 * weather.sun_color.mean() + 0.6 * weather.zenith_color.mean()
        ridge = veil * weather.horizon_color + (1.0 - veil) * np.array(color) * lit
        soft = np.clip((hills[k][None, :] - d[..., 2]) / 0.0025 + 0.5, 0.0, 1.0) * (d[..., 2] > -0.03)
        out += (ridge - out) * soft[..., None]
        if weather.kind == "night" and k == 1:
            lights = (rng.random(sky.shape[:2]) < WINDOWS_PER_ROW * 0.06) & (soft > 0.9) & (d[..., 2] > 0.0)
            out[lights] += np.array([0.5, 0.36, 0.2])
    return out


def _hill_line(rng: np.random.Generator, columns: int) -> np.ndarray:
    """Sine of the elevation (2, columns) of two ridges."""
    azimuth = 2.0 * np.pi * np.arange(columns) / columns
    out = np.full((2, columns), [[0.034], [0.014]])
    for row, rough in enumerate((1.2, 0.9)):
        for wave in range(2, 160):
            amplitude = (0.020, 0.010)[row] / wave**rough
            out[row] += amplitude * np.sin(wave * azimuth + rng.uniform(0.0, 2.0 * np.pi))
    return np.maximum(out, 0.002)


def _cloud_pattern(rng: np.random.Generator) -> np.ndarray:
    """Fractal noise (CLOUD_SIZE, CLOUD_SIZE) in 0 to 1 that repeats: white noise with a 1/f spectrum."""
    frequency = np.fft.fftfreq(CLOUD_SIZE) * CLOUD_SIZE
    radius = np.hypot(frequency[:, None], frequency[None, :])
    spectrum = np.fft.fft2(rng.normal(size=(CLOUD_SIZE, CLOUD_SIZE))) / np.maximum(radius, 2.0) ** 1.75
    spectrum[0, 0] = 0.0
    noise = np.fft.ifft2(spectrum).real
    return np.clip(0.5 + 0.2 * noise / noise.std(), 0.0, 1.0)


def _looked_up(pattern: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Bilinear value of a repeating pattern at x, y in periods."""
    n = len(pattern)
    u, v = (x % 1.0) * n, (y % 1.0) * n
    i, j = u.astype(np.int64), v.astype(np.int64)
    a, b = u - i, v - j
    i, j, k, m = i % n, j % n, (i + 1) % n, (j + 1) % n
    top = pattern[j, i] * (1.0 - a) + pattern[j, k] * a
    return top * (1.0 - b) + (pattern[m, i] * (1.0 - a) + pattern[m, k] * a) * b


def _reduced(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Means over blocks."""
    height, width = size
    rows, columns = image.shape[0] // height, image.shape[1] // width
    return image.reshape(height, rows, width, columns, 3).mean(axis=(1, 3))


@numba.njit(nogil=True, cache=True, error_model="numpy")
def radiance(panorama, x, y, z):
    """Bilinear radiance (r, g, b) of a panorama in the direction of the unit vector (x, y, z)."""
    height, width = panorama.shape[0], panorama.shape[1]
    level = math.sqrt(abs(z))
    v = (0.5 + 0.5 * (level if z >= 0.0 else -level)) * height - 0.5
    u = (math.atan2(y, x) * (0.5 / math.pi) + 1.0) * width - 0.5
    i, j = int(u), int(max(v, 0.0))
    a, b = u - i, max(v, 0.0) - j
    i0, i1 = i % width, (i + 1) % width
    j = min(j, height - 1)
    k = min(j + 1, height - 1)
    w00, w01, w10, w11 = (1.0 - a) * (1.0 - b), a * (1.0 - b), (1.0 - a) * b, a * b
    p = panorama  # no views of its rows: counting their references would make threads wait for each other
    return (
        w00 * p[j, i0, 0] + w01 * p[j, i1, 0] + w10 * p[k, i0, 0] + w11 * p[k, i1, 0],
        w00 * p[j, i0, 1] + w01 * p[j, i1, 1] + w10 * p[k, i0, 1] + w11 * p[k, i1, 1],
        w00 * p[j, i0, 2] + w01 * p[j, i1, 2] + w10 * p[k, i0, 2] + w11 * p[k, i1, 2],
    )
