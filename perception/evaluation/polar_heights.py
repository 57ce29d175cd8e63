"""A simple rival of learned descriptors: greatest heights in polar cells around the sensor, compared at every heading.

The idea is that of Scan Context (Kim and Kim, IROS 2018), written from its description: rings and sectors, the
highest point in each cell, and the mean cosine distance of the sectors at the best rotation.
"""

import numpy as np

NUM_RINGS, NUM_SECTORS = 20, 60
SMALL = 1e-9


def polar_heights(points: np.ndarray, max_range: float = 40.0, lowest: float = -3.0) -> np.ndarray:
    """Heights (rings, sectors) float32 above `lowest` (m) of level points (N, 3); empty cells are 0."""
    ranges = np.hypot(points[:, 0], points[:, 1])
    near = (ranges < max_range) & (points[:, 2] > lowest)
    ring = (ranges[near] / max_range * NUM_RINGS).astype(np.int64)
    angle = np.arctan2(points[near, 1], points[near, 0]) / (2.0 * np.pi) % 1.0
    sector = np.minimum((angle * NUM_SECTORS).astype(np.int64), NUM_SECTORS - 1)
    heights = np.zeros((NUM_RINGS, NUM_SECTORS), dtype=np.float32)
    np.maximum.at(heights, (ring, sector), (points[near, 2] - lowest).astype(np.float32))
    return heights


def polar_similarity(query: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Similarity (Q, R) of heights (Q, rings, sectors) and (R, rings, sectors): the mean cosine at the best heading."""
    a, b = _unit_sectors(query), _unit_sectors(reference)
    filled_a, filled_b = ((np.abs(h).sum(axis=1) > 0).astype(np.float32) for h in (query, reference))
    best = np.full((len(query), len(reference)), -np.inf, dtype=np.float32)
    for shift in range(NUM_SECTORS):
        rolled, filled = np.roll(b, shift, axis=2), np.roll(filled_b, shift, axis=1)
        sums = a.reshape(len(a), -1) @ rolled.reshape(len(b), -1).T
        np.maximum(best, sums / np.maximum(filled_a @ filled.T, 1.0), out=best)
    return best


def _unit_sectors(heights: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(heights, axis=1, keepdims=True)
    return (heights / np.maximum(lengths, SMALL)).astype(np.float32)
