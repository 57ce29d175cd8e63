"""Line segments drawn as what a network learns: for each pixel the nearest segment, how far it is and where it points.

`nearest_segments_numpy` is the definition.
"""

import math

import numpy as np
from numba import njit

NEVER = np.float32(np.inf)


@njit(nogil=True, cache=True)
def nearest_segments(
    segments: np.ndarray, height: int, width: int, reach: float, near: float, cosine: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distance (H, W) float32 (px, inf beyond `reach`), direction (H, W) float32 and ambiguity (H, W) bool.

    `segments` (N, 4) float32: x1, y1, x2, y2, pixel centres at integers. Direction: atan2(dy, dx) mod pi of the
    nearest segment as a share of pi; of equally near ones the first counts. Ambiguous: another segment is nearer than
    `near` px, too, and the cosine of twice the angle between both is below `cosine`.
    """
    distance = np.full((height, width), NEVER, dtype=np.float32)
    direction = np.zeros((height, width), dtype=np.float32)
    is_ambiguous = np.zeros((height, width), dtype=np.bool_)
    for is_second in range(2):
        for row in range(len(segments)):
            x1, y1, x2, y2 = (
                float(segments[row, 0]),
                float(segments[row, 1]),
                float(segments[row, 2]),
                float(segments[row, 3]),
            )
            dx, dy = x2 - x1, y2 - y1
            length = dx * dx + dy * dy
            if not (length > 0.0 and length < 1e12):
                continue
            share = _share(dx, dy)
            is_steep = abs(dy) > abs(dx)
            # the longer side is walked; along the other one, what is within reach is a strip
            a1, b1, a2, b2 = (y1, x1, y2, x2) if is_steep else (x1, y1, x2, y2)
            num_a, num_b = (height, width) if is_steep else (width, height)
            slope = (b2 - b1) / (a2 - a1)
            strip = reach * math.sqrt(1.0 + slope * slope)
            first_a = max(math.ceil(min(a1, a2) - reach), 0)
            last_a = min(math.floor(max(a1, a2) + reach), num_a - 1)
            for a in range(int(first_a), int(last_a) + 1):
                middle = b1 + slope * (a - a1)
                first_b = max(math.ceil(middle - strip), 0)
                last_b = min(math.floor(middle + strip), num_b - 1)
                for b in range(int(first_b), int(last_b) + 1):
                    x, y = (b, a) if is_steep else (a, b)
                    along = min(max(((x - x1) * dx + (y - y1) * dy) / length, 0.0), 1.0)
                    ex, ey = x - x1 - along * dx, y - y1 - along * dy
                    apart = np.float32(math.sqrt(ex * ex + ey * ey))
                    if is_second == 0:
                        if apart <= reach and apart < distance[y, x]:
                            distance[y, x] = apart
                            direction[y, x] = share
                    elif apart < near and not is_ambiguous[y, x]:
                        turn = 2.0 * math.pi * (float(share) - float(direction[y, x]))
                        is_ambiguous[y, x] = math.cos(turn) < cosine
    return distance, direction, is_ambiguous


@njit(nogil=True, cache=True)
def _share(dx: float, dy: float) -> np.float32:
    """atan2(dy, dx) mod pi as a share of pi, in [0, 1)."""
    share = np.float32((math.atan2(dy, dx) / math.pi) % 1.0)
    return np.float32(0.0) if share >= np.float32(1.0) else share


def nearest_segments_numpy(
    segments: np.ndarray, height: int, width: int, reach: float, near: float, cosine: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The definition of `nearest_segments`."""
    ends = segments.astype(np.float64)
    delta = ends[:, 2:] - ends[:, :2]
    length = (delta**2).sum(axis=1)
    kept = (length > 0.0) & (length < 1e12)
    ends, delta, length = ends[kept], delta[kept], length[kept]
    if not len(ends):
        empty = np.zeros((height, width), np.float32)
        return np.full_like(empty, NEVER), empty, np.zeros((height, width), bool)
    pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)[:, :, None]  # (H, W, 1, 2)
    along = np.clip(((pixels - ends[:, :2]) * delta).sum(axis=-1) / length, 0.0, 1.0)
    gap = pixels - ends[:, :2] - along[..., None] * delta
    apart = np.sqrt((gap**2).sum(axis=-1)).astype(np.float32)  # (H, W, N)
    nearest = apart.argmin(axis=-1)
    distance = np.take_along_axis(apart, nearest[..., None], axis=-1)[..., 0]
    share = (np.arctan2(delta[:, 1], delta[:, 0]) / np.pi % 1.0).astype(np.float32)
    share[share >= 1.0] = 0.0
    is_reached = distance <= reach
    direction = np.where(is_reached, share[nearest], np.float32(0.0))
    turn = 2.0 * np.pi * (share.astype(np.float64) - direction[..., None].astype(np.float64))
    is_ambiguous = ((apart < near) & (np.cos(turn) < cosine)).any(axis=-1) & is_reached
    return np.where(is_reached, distance, NEVER), direction, is_ambiguous


def warm_up() -> None:
    """Compile with the types used at run time."""
    nearest_segments(np.zeros((1, 4), np.float32), 8, 8, 3.0, 1.5, 0.94)
