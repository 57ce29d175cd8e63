"""What lens and sensor do to the light of an image: motion blur, bloom, noise, tone curve."""

import math

import numba
import numpy as np

MAX_BLUR = 40.0  # px
MAX_TAPS = 16
SHARP = 0.6  # px of motion that stay sharp
SHOT_NOISE, READ_NOISE = 0.010, 0.0015  # of one full exposure by day; linear light
CURVE_SIZE = 4096
SENSITIVITY = 0.8
METER_STEP = 8  # px
METERED = (0.004, 2.0)  # light; darker and brighter counts as this
GREY, NIGHT_LOSS = 0.21, 0.62  # mean that is aimed at by day; share that the night keeps darker
ADAPTATION = 0.55  # of the exposure to the image
METER_RANGE = (0.6, 2.5)  # factors
VIGNETTE = 0.16  # loss of light in the corners


def metered(image: np.ndarray, darkness: float) -> float:
    """Factor by which an automatic exposure changes an image (H, W, 3) of linear light: part of the way to a mean grey.

    It looks at this image alone, so that any frame may be rendered on its own. `darkness`: 1 at night, kept dark.
    """
    light = image[METER_STEP // 2 :: METER_STEP, METER_STEP // 2 :: METER_STEP].mean(axis=-1, dtype=np.float64)
    if not light.size:
        return 1.0
    mean = float(np.exp(np.log(np.clip(light, *METERED)).mean()))
    wanted = GREY * (1.0 - NIGHT_LOSS * darkness)
    return float(np.clip((wanted / mean) ** ADAPTATION, *METER_RANGE))


def tone_curve(x: np.ndarray) -> np.ndarray:
    """sRGB (0 to 1) of linear light: a filmic shoulder (fit of Narkowicz, 2015), then the standard's gamma."""
    x = np.maximum(x, 0.0) * SENSITIVITY
    y = np.clip(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 0.0, 1.0)
    return np.where(y <= 0.0031308, 12.92 * y, 1.055 * y ** (1.0 / 2.4) - 0.055)


def _curve() -> np.ndarray:
    """The tone curve over the square root of linear light from 0 to 16, times 255."""
    root = np.arange(CURVE_SIZE + 1) * (4.0 / CURVE_SIZE)
    return (255.0 * tone_curve(root * root)).astype(np.float32)


CURVE = _curve()


@numba.njit(nogil=True, cache=True, error_model="numpy")
def motion(view_rays, depth, rows, bodies, steps, shutter, out):
    """Motion (H, W, 2) float32 in px from the first to the last pose of the exposure.

    `steps` (2, B, 3, 4) float32: from the middle camera to the camera at the start and at the end, by the body that
    is seen; row 0 also serves the sky, without its translation. `shutter` stretches the time.
    """
    height, width = depth.shape
    one, shutter, longest = np.float32(1.0), np.float32(shutter), np.float32(MAX_BLUR)
    for y in range(height):
        for x in range(width):
            cx, cy = view_rays[y, x, 0], view_rays[y, x, 1]
            row = rows[y, x]
            body = bodies[row] if row >= 0 else 0
            inverse = one / depth[y, x]
            fx, gy = view_rays[y, x + 1, 0] - cx, view_rays[y + 1, x, 1] - cy
            fy, gx = view_rays[y, x + 1, 1] - cy, view_rays[y + 1, x, 0] - cx
            sx = sy = np.float32(0.0)
            for k in range(2):
                T = steps[k, body]
                px = T[0, 0] * cx + T[0, 1] * cy + T[0, 2] + T[0, 3] * inverse
                py = T[1, 0] * cx + T[1, 1] * cy + T[1, 2] + T[1, 3] * inverse
                pz = T[2, 0] * cx + T[2, 1] * cy + T[2, 2] + T[2, 3] * inverse
                if pz > np.float32(0.02):
                    scale = (one if k else -one) / pz
                    sx, sy = sx + px * scale, sy + py * scale
                else:
                    sx, sy = sx + (cx if k else -cx), sy + (cy if k else -cy)
            scale = shutter / (fx * gy - fy * gx)
            mx, my = (sx * gy - sy * gx) * scale, (sy * fx - sx * fy) * scale
            square = mx * mx + my * my
            if square > longest * longest:
                scale = longest / np.float32(math.sqrt(square))
                mx, my = mx * scale, my * scale
            out[y, x, 0], out[y, x, 1] = mx, my


@numba.njit(nogil=True, cache=True, error_model="numpy")
def blur(image, motions, depth, out):
    """Mean of an image (H, W, 3) along the motion of each pixel, at steps of up to a pixel.

    What is nearer than the pixel itself smears over it only as far as it moves.
    """
    height, width = depth.shape
    half = np.float32(0.5)
    for y in range(height):
        for x in range(width):
            mx, my = motions[y, x, 0], motions[y, x, 1]
            square = mx * mx + my * my
            if square < np.float32(SHARP * SHARP):
                out[y, x, 0], out[y, x, 1], out[y, x, 2] = image[y, x, 0], image[y, x, 1], image[y, x, 2]
                continue
            taps = min(2 + int(np.float32(math.sqrt(square))), MAX_TAPS)
            step = np.float32(1.0) / np.float32(taps)
            r = g = b = weight = np.float32(0.0)
            near = depth[y, x] * np.float32(0.95)
            for k in range(taps):
                f = (np.float32(k) + half) * step - half
                u, v = int(np.float32(x) + f * mx + half), int(np.float32(y) + f * my + half)
                u, v = min(max(u, 0), width - 1), min(max(v, 0), height - 1)
                w = np.float32(1.0)
                if depth[v, u] < near:
                    nx, ny = motions[v, u, 0], motions[v, u, 1]
                    if nx * nx + ny * ny < np.float32(4.0) * f * f * square:
                        w = np.float32(0.05)
                r, g, b = r + w * image[v, u, 0], g + w * image[v, u, 1], b + w * image[v, u, 2]
                weight += w
            scale = np.float32(1.0) / weight
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = r * scale, g * scale, b * scale


@numba.njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _bits(key, counter):
    """64 well mixed bits (SplitMix64, Steele et al. 2014)."""
    z = key + np.uint64(counter) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@numba.njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _normal(bits):
    """Nearly normal number of variance 1: the sum of four even ones."""
    lane = np.uint64(0xFFFF)
    total = (
        (bits & lane) + ((bits >> np.uint64(16)) & lane) + ((bits >> np.uint64(32)) & lane) + (bits >> np.uint64(48))
    )
    return (float(total) * (1.0 / 65536.0) - 2.0) * 1.7320508


@numba.njit(nogil=True, cache=True, error_model="numpy")
def develop(image, key, shot, read, curve, out):
    """sRGB (H, W, 3) uint8 of linear light, with vignette and noise of variance `shot` * light + `read`^2."""
    height, width = out.shape[0], out.shape[1]
    cx, cy = 0.5 * (width - 1), 0.5 * (height - 1)
    corner = VIGNETTE / max(cx * cx + cy * cy, 1.0)
    key = np.uint64(key)
    for y in range(height):
        for x in range(width):
            dx, dy = x - cx, y - cy
            light = 1.0 - corner * (dx * dx + dy * dy)
            first = (y * width + x) * 3
            for c in range(3):
                value = max(image[y, x, c] * light, 0.0)
                if shot > 0.0 or read > 0.0:
                    value += _normal(_bits(key, first + c)) * math.sqrt(shot * value + read * read)
                s = math.sqrt(min(max(value, 0.0), 15.99)) * (CURVE_SIZE * 0.25)
                i = int(s)
                f = s - i
                out[y, x, c] = np.uint8(curve[i] * (1.0 - f) + curve[i + 1] * f + 0.5)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def plane_normals(rows, rays, planes, looks, R_camera_body, out):
    """Unit normals (H, W, 3) of the seen triangles' planes in camera axes, towards the camera; 0 for the sky."""
    for y in range(rows.shape[0]):
        for x in range(rows.shape[1]):
            row = rows[y, x]
            if row < 0:
                out[y, x, 0], out[y, x, 1], out[y, x, 2] = 0.0, 0.0, 0.0
                continue
            R = R_camera_body[looks[row, 5]]
            n0, n1, n2 = planes[row, 0], planes[row, 1], planes[row, 2]
            nx = R[0, 0] * n0 + R[0, 1] * n1 + R[0, 2] * n2
            ny = R[1, 0] * n0 + R[1, 1] * n1 + R[1, 2] * n2
            nz = R[2, 0] * n0 + R[2, 1] * n1 + R[2, 2] * n2
            sign = -1.0 if nx * rays[y, x, 0] + ny * rays[y, x, 1] + nz > 0.0 else 1.0
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = sign * nx, sign * ny, sign * nz
