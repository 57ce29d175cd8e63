"""Darkness of corners and contacts, from the depths of one image: McGuire, Mara and Luebke, "Scalable ambient
obscurance", 2012, on every second pixel, smoothed and brought back to full size with respect to depth."""

import numba
import numpy as np

REACH = 0.9  # m, within which neighbours darken
TAPS = 9
TURNS = 5  # of the spiral of taps
STRENGTH = 4.0
DARKEST = 0.25
FARTHEST = 80.0  # m; farther nothing is darkened
BIAS = 0.012  # per m of depth, hides the steps of slanted surfaces
MIN_RADIUS, MAX_RADIUS = 3.0, 60.0  # px, of the full image
STEP = 2  # px
TOLERANCE = 0.06  # share of the depth within which neighbours are smoothed together

_SHARES = (np.arange(TAPS) + 0.5) / TAPS
_SPIRAL = 2.0 * np.pi * (TURNS * _SHARES + (np.argsort(np.random.default_rng(0).random(16)) / 16.0)[:, None])
SPIRALS = (_SHARES[:, None] * np.stack([np.cos(_SPIRAL), np.sin(_SPIRAL)], axis=-1)).astype(np.float32)
"""Places (16, TAPS, 2) of the taps, for a block of 4x4 pixels that are smoothed together."""


def obscurance(depth: np.ndarray, normals: np.ndarray, rays: np.ndarray, focal: float) -> np.ndarray:
    """Share (H, W) float32 of the light of the sky that nearby surfaces leave.

    `depth` (H, W), m, and `normals` (H, W, 3), camera axes; `rays` (H + 1, W + 1, 2), see `View`; `focal` in px.
    """
    height, width = depth.shape
    small = np.ones((-(-height // STEP), -(-width // STEP)), dtype=np.float32)
    _gather(depth, normals, rays, np.float64(focal), small)
    smooth, full = np.empty_like(small), np.empty_like(depth)
    _smooth(small, depth, smooth)
    _enlarge(smooth, depth, full)
    return full


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _gather(depth, normals, rays, focal, out):
    height, width = depth.shape
    zero, one, far = np.float32(0.0), np.float32(1.0), np.float32(FARTHEST)
    widest, bias, least = np.float32(REACH * focal), np.float32(BIAS), np.float32(0.01)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            y, x = i * STEP, j * STEP
            z = depth[y, x]
            radius = min(widest / z, np.float32(MAX_RADIUS))
            if not z < far or radius < np.float32(MIN_RADIUS):
                out[i, j] = one
                continue
            px, py = rays[y, x, 0] * z, rays[y, x, 1] * z
            nx, ny, nz = normals[y, x, 0], normals[y, x, 1], normals[y, x, 2]
            reach = radius * z / np.float32(focal)
            reach2 = reach * reach
            scale = one / reach2
            spiral = SPIRALS[(i & 3) * 4 + (j & 3)]
            total = zero
            for k in range(TAPS):
                v, u = int(np.float32(y) + radius * spiral[k, 1]), int(np.float32(x) + radius * spiral[k, 0])
                if u < 0 or v < 0 or u >= width or v >= height:
                    continue
                w = depth[v, u]
                if not w < far:
                    continue
                qx, qy, qz = rays[v, u, 0] * w - px, rays[v, u, 1] * w - py, w - z
                square = (qx * qx + qy * qy + qz * qz) * scale
                f = one - square
                along = qx * nx + qy * ny + qz * nz - bias * z
                if f > zero and along > zero:
                    total += f * f * f * along / (square + least)
            dark = np.float32(STRENGTH / TAPS) * total / reach
            out[i, j] = max(np.float32(DARKEST), one - dark)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _smooth(small, depth, out):
    """Mean over 4x4 neighbours of about the same depth: as wide as the pattern of the spirals."""
    height, width = small.shape
    share = np.float32(TOLERANCE)
    for i in range(height):
        for j in range(width):
            z = depth[i * STEP, j * STEP]
            total = weight = np.float32(0.0)
            for k in range(max(i - 2, 0), min(i + 2, height)):
                for m in range(max(j - 2, 0), min(j + 2, width)):
                    if abs(depth[k * STEP, m * STEP] - z) < share * z:
                        total += small[k, m]
                        weight += np.float32(1.0)
            out[i, j] = total / weight if weight > 0.0 else np.float32(1.0)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _enlarge(small, depth, out):
    """Bilinear, between neighbours of about the same depth only."""
    height, width = out.shape
    rows, columns = small.shape
    near, little = np.float32(TOLERANCE), np.float32(0.001)
    for y in range(height):
        i = y // STEP
        k = min(i + (y & 1), rows - 1)
        for x in range(width):
            z = depth[y, x]
            j = x // STEP
            m = min(j + (x & 1), columns - 1)
            limit = near * z
            p = np.float32(1.0) if abs(depth[i * STEP, j * STEP] - z) <= limit else little
            q = np.float32(1.0) if abs(depth[i * STEP, m * STEP] - z) <= limit else little
            r = np.float32(1.0) if abs(depth[k * STEP, j * STEP] - z) <= limit else little
            s = np.float32(1.0) if abs(depth[k * STEP, m * STEP] - z) <= limit else little
            total = p * small[i, j] + q * small[i, m] + r * small[k, j] + s * small[k, m]
            out[y, x] = total / (p + q + r + s)
