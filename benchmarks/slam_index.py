"""The index of places: how long a query takes among ten thousand and a million descriptors, and what it misses.

Descriptors are made: 256 numbers as after reduction, each place seen several times, views of a place as far apart as
those of the packaged network on held-out drives, and variances that fall off as those of its principal directions.
"""

import os
import time

import numpy as np

from benchmarks.options import BenchOptions
from benchmarks.peers import OURS
from benchmarks.result import Result, Target, target

DIMENSIONS, VIEWS = 256, 8
COSINE = 0.8  # of two views of one place
DECAY = 0.5  # variances of the directions fall with this power of their number
SIZES = {"10 000 places": 10_000, "1 000 000 places": 1_000_000}
BOUNDS = {"10 000 places": 0.5, "1 000 000 places": 5.0}  # ms
NUM_QUERIES, CHUNK = 500, 100_000
P95, MEDIAN, HITS = "query p95", "query median", "nearest as by exact search"


def measure(options: BenchOptions, result: Result) -> None:
    """Queries one at a time, by one thread, as a robot asks."""
    from perception.place.config import IndexConfig
    from perception.place.index import DescriptorIndex, fit_reduction, unit

    for name, size in SIZES.items():
        options.say(f"index of {name}")
        vectors, queries = views(size)
        index = DescriptorIndex(DIMENSIONS, IndexConfig(num_threads=len(os.sched_getaffinity(0))))
        begin = time.perf_counter()
        index.add(vectors)
        index.reorganise()
        result.add(OURS, name, "building", time.perf_counter() - begin, "s")
        DescriptorIndex(DIMENSIONS, IndexConfig(num_threads=1))  # threads are those of the whole process
        took, found = [], []
        for query in queries:
            begin = time.perf_counter()
            rows, _ = index.search(query, 25)
            took.append(1e3 * (time.perf_counter() - begin))
            found.append(int(rows[0]))
        result.add(OURS, name, MEDIAN, float(np.median(took)), "ms")
        result.add(OURS, name, P95, float(np.percentile(took, 95)), "ms")
        result.add(OURS, name, HITS, 100.0 * float(np.mean(np.array(found) == nearest(vectors, queries))), "%")
    long_ones = unit(np.random.default_rng(0).normal(size=(512, 4096)).astype(np.float32))
    reduction = fit_reduction(long_ones, DIMENSIONS)
    begin = time.perf_counter()
    for row in long_ones[:100]:
        reduction.apply(row)
    result.add(OURS, "one descriptor", "shortening 4096 to 256", 10.0 * (time.perf_counter() - begin), "ms")


def targets(result: Result) -> list[Target]:
    """Times and what approximate search may miss."""
    found = [
        target(f"{P95}, {name}", bound, result.value(OURS, name, P95), "<", "ms") for name, bound in BOUNDS.items()
    ]
    return found + [target(f"{HITS}, {name}", 99.0, result.value(OURS, name, HITS), ">=", "%") for name in SIZES]


def views(size: int, num_queries: int = NUM_QUERIES) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (size, 256) of places seen several times, and queries (Q, 256): further views of some of them."""
    rng = np.random.default_rng(0)
    spread = (1.0 + np.arange(DIMENSIONS)) ** (-0.5 * DECAY)
    centres = (rng.normal(size=(max(1, size // VIEWS), DIMENSIONS)) * spread).astype(np.float32)
    noise = np.float32(np.sqrt(1.0 / COSINE - 1.0)) * spread.astype(np.float32)

    def seen(places: np.ndarray) -> np.ndarray:
        moved = centres[places] + noise * rng.standard_normal((len(places), DIMENSIONS), dtype=np.float32)
        return moved / np.linalg.norm(moved, axis=1, keepdims=True)

    vectors = np.concatenate([seen(np.arange(k, min(k + CHUNK, size)) % len(centres)) for k in range(0, size, CHUNK)])
    return vectors, seen(rng.integers(0, len(centres), num_queries))


def nearest(vectors: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Rows (Q,) of the largest inner products, by comparing all."""
    best, rows = np.full(len(queries), -np.inf, dtype=np.float32), np.zeros(len(queries), dtype=np.int64)
    for first in range(0, len(vectors), CHUNK):
        products = queries @ vectors[first : first + CHUNK].T
        columns = products.argmax(axis=1)
        values = products[np.arange(len(queries)), columns]
        rows, best = np.where(values > best, first + columns, rows), np.maximum(values, best)
    return rows
