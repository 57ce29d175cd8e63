"""Regions and segments as the method is described, in plain NumPy and Python: what the kernels must agree with."""

import numpy as np

from perception.lines.config import RegionsConfig

STEPS = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]
NUM_BINS = 15


def mask(heat: np.ndarray, config: RegionsConfig) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of lines (H, W) bool, and whether rounding decides about them."""
    levels = np.clip(np.rint(heat.astype(np.float64) * 255), 0, 255)
    sigma = 0.3 * ((config.block - 1) / 2 - 1) + 0.8
    reach = config.block // 2
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    bell /= bell.sum()
    mean = np.pad(levels, reach, mode="edge")
    mean = np.apply_along_axis(np.convolve, 0, mean, bell, "valid")
    mean = np.apply_along_axis(np.convolve, 1, mean, bell, "valid")
    is_close = np.abs(mean % 1 - 0.5) < 1e-3
    return (heat > np.float32(config.heat_threshold)) & (levels - np.rint(mean) > -config.offset), is_close


def regions(heat: np.ndarray, angle: np.ndarray, pixels: np.ndarray, config: RegionsConfig) -> list[np.ndarray]:
    """Rows and columns (K, 2) of each region, in the order in which they were found."""
    vectors = np.stack([np.cos(2 * np.pi * angle), np.sin(2 * np.pi * angle)], axis=-1).astype(np.float32)
    is_free = np.pad(pixels, 1)
    seeds = np.argwhere(pixels)
    found = []
    for seed in seeds[np.argsort(heat[pixels], kind="stable")[::-1]]:
        if not is_free[tuple(seed + 1)]:
            continue
        is_free[tuple(seed + 1)] = False
        members, total, mean = [tuple(seed)], vectors[tuple(seed)].copy(), heat[tuple(seed)]
        for row, column in members:
            near = [(row + r, column + c) for r, c in STEPS if is_free[row + r + 1, column + c + 1]]
            for place in near:
                away = total / np.linalg.norm(total) - vectors[place]
                if away @ away < config.chord and abs(mean - heat[place]) < config.heat_deviation:
                    is_free[place[0] + 1, place[1] + 1] = False
                    members.append(place)
                    total += vectors[place]
                    mean = np.float32((mean * (len(members) - 1) + heat[place]) / len(members))
        if len(members) > config.min_size:
            found.append(np.array(members))
    return found


def segments(region: np.ndarray, heat: np.ndarray, config: RegionsConfig) -> np.ndarray:
    """Segments (N, 5) of a region: x, y of both ends, mean heat."""
    weights = heat[tuple(region.T)].astype(np.float64)
    middle = weights @ region / weights.sum()
    rows, columns = (region - middle).T
    axis = _axis(rows, columns, weights, config.has_axis_swap)
    along, across = rows * axis[0] + columns * axis[1], columns * axis[0] - rows * axis[1]
    parts = _parts(across, config.bandwidth) if config.is_split else np.zeros(len(across), dtype=int)
    found = []
    for part in np.unique(parts):
        here = parts == part
        v = weights[here] @ across[here] / weights[here].sum()
        ends = [
            (u * axis[1] + v * axis[0] + middle[1], u * axis[0] - v * axis[1] + middle[0])
            for u in (along[here].min(), along[here].max())
        ]
        found.append([*np.maximum(ends, 0).ravel(), weights[here].mean()])
    return np.array(found)


def _axis(rows: np.ndarray, columns: np.ndarray, weights: np.ndarray, has_swap: bool) -> np.ndarray:
    if np.ptp(rows) == 0 or np.ptp(columns) == 0:
        return np.array([1.0, 0.0]) if (np.ptp(columns) == 0) != has_swap else np.array([0.0, 1.0])
    _values, vectors = np.linalg.eigh(np.cov(np.stack([rows, columns]), aweights=weights, bias=True))
    return vectors[:, 1] * (1 if vectors[0, 1] >= 0 else -1)


def _parts(across: np.ndarray, bandwidth: float) -> np.ndarray:
    """The part (K,) to which each pixel belongs, by a walk over the sorted values."""
    order = np.argsort(across, kind="stable")
    low, high = across.min(), across.max()
    if high - low <= 1e-6:
        return np.zeros(len(across), dtype=int)
    step = (high - low) / NUM_BINS + 1e-12
    counts, edge, at = np.zeros(NUM_BINS + 1), low + step, 0
    for value in across[order]:
        if value > edge:
            edge, at = edge + step, at + 1
        counts[at] += 1
    middles = low + (np.arange(NUM_BINS + 1) + 0.5) * step
    points = low + np.arange(NUM_BINS + 1) * (high - low) / NUM_BINS
    density = np.exp(-0.5 * ((points[:, None] - middles) / bandwidth) ** 2) @ counts
    minima = [i for i in range(1, NUM_BINS) if density[i] < min(density[i - 1], density[i + 1])]
    cuts = [low + (i + 0.5) * (high - low) / NUM_BINS for i in minima]
    parts, part = np.zeros(len(across), dtype=int), 0
    for row in order:
        if part < len(cuts) and across[row] > cuts[part]:
            part += 1
        parts[row] = part
    return parts
