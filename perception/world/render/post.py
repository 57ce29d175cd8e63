"""What lens and sensor do to the light of an image: motion blur, bloom, noise, tone curve."""

import math

import numba
import numpy as np

MAX_BLUR = 40.0  # px
BLUR_TAPS = 7
SHARP = 0.6  # px of motion that stay sharp
SHOT_NOISE, READ_NOISE = 0.010, 0.0015  # of one full exposure by day; linear light
CURVE_SIZE = 4096
VIGNETTE = 0.16  # loss of light in the corners
BLOOM_STEP = 4  # px
BLOOM_THRESHOLD = 1.1  # linear light


def tone_curve(x: np.ndarray) -> np.ndarray:
    """sRGB (0 to 1) of linear light: a filmic shoulder (fit of Narkowicz, 2015), then the standard's gamma."""
    x = np.maximum(x, 0.0) * 0.85
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

    `steps` (2, B, 3, 4) float64: from the middle camera to the camera at the start and at the end, by the body that
    is seen; row 0 also serves the sky, without its translation. `shutter` stretches the time.
    """
    height, width = depth.shape
    for y in range(height):
        for x in range(width):
            cx, cy = float(view_rays[y, x, 0]), float(view_rays[y, x, 1])
            row = rows[y, x]
            body = bodies[row] if row >= 0 else 0
            inverse = 1.0 / depth[y, x] if row >= 0 else 0.0
            fx, gy = view_rays[y, x + 1, 0] - cx, view_rays[y + 1, x, 1] - cy
            fy, gx = view_rays[y, x + 1, 1] - cy, view_rays[y + 1, x, 0] - cx
            sx, sy = 0.0, 0.0
            for k in range(2):
                T = steps[k, body]
                px = T[0, 0] * cx + T[0, 1] * cy + T[0, 2] + T[0, 3] * inverse
                py = T[1, 0] * cx + T[1, 1] * cy + T[1, 2] + T[1, 3] * inverse
                pz = T[2, 0] * cx + T[2, 1] * cy + T[2, 2] + T[2, 3] * inverse
                if pz > 0.02:
                    sign = 1.0 if k else -1.0
                    sx, sy = sx + sign * (px / pz - cx), sy + sign * (py / pz - cy)
            determinant = fx * gy - fy * gx
            scale = shutter / determinant
            mx, my = (sx * gy - sy * gx) * scale, (sy * fx - sx * fy) * scale
            length = math.sqrt(mx * mx + my * my)
            scale = MAX_BLUR / length if length > MAX_BLUR else 1.0
            out[y, x, 0], out[y, x, 1] = mx * scale, my * scale


@numba.njit(nogil=True, cache=True, error_model="numpy")
def blur(image, motions, depth, out):
    """Gather (H, W, 3) along the motion of each pixel; what is farther and still does not smear over what is near."""
    height, width = depth.shape
    for y in range(height):
        for x in range(width):
            mx, my = motions[y, x, 0], motions[y, x, 1]
            if mx * mx + my * my < SHARP * SHARP:
                out[y, x, 0], out[y, x, 1], out[y, x, 2] = image[y, x, 0], image[y, x, 1], image[y, x, 2]
                continue
            r = g = b = weight = 0.0
            near = depth[y, x] * 0.95
            for k in range(BLUR_TAPS):
                f = (k + 0.5) / BLUR_TAPS - 0.5
                u = min(max(x + f * mx, 0.0), width - 1.001)
                v = min(max(y + f * my, 0.0), height - 1.001)
                i, j = int(u), int(v)
                a, c = u - i, v - j
                p = int(u + 0.5)
                q = int(v + 0.5)
                w = 1.0
                if depth[q, p] < near:  # something before this pixel: it smears only as far as it moves itself
                    nx, ny = motions[q, p, 0], motions[q, p, 1]
                    if nx * nx + ny * ny < 4.0 * f * f * (mx * mx + my * my):
                        w = 0.05
                w00, w01, w10, w11 = w * (1.0 - a) * (1.0 - c), w * a * (1.0 - c), w * (1.0 - a) * c, w * a * c
                i1, j1 = min(i + 1, width - 1), min(j + 1, height - 1)
                r += w00 * image[j, i, 0] + w01 * image[j, i1, 0] + w10 * image[j1, i, 0] + w11 * image[j1, i1, 0]
                g += w00 * image[j, i, 1] + w01 * image[j, i1, 1] + w10 * image[j1, i, 1] + w11 * image[j1, i1, 1]
                b += w00 * image[j, i, 2] + w01 * image[j, i1, 2] + w10 * image[j1, i, 2] + w11 * image[j1, i1, 2]
                weight += w
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = r / weight, g / weight, b / weight


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
    corner = VIGNETTE / (cx * cx + cy * cy)
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
            n, R = planes[row], R_camera_body[looks[row, 5]]
            nx = R[0, 0] * n[0] + R[0, 1] * n[1] + R[0, 2] * n[2]
            ny = R[1, 0] * n[0] + R[1, 1] * n[1] + R[1, 2] * n[2]
            nz = R[2, 0] * n[0] + R[2, 1] * n[1] + R[2, 2] * n[2]
            sign = -1.0 if nx * rays[y, x, 0] + ny * rays[y, x, 1] + nz > 0.0 else 1.0
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = sign * nx, sign * ny, sign * nz
