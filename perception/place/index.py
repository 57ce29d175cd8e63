"""The index of places: which earlier keyframes have a global descriptor like this one. On FAISS.

Few places are compared one by one (exact); many go into inverted lists or a graph of neighbours. The index is built
from descriptors only, in order, so that the same descriptors give the same answers; it is never read from a file.
Candidates may lie anywhere: what is left out are the last seconds and metres of the own path.
"""

import math
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np

from perception.core.errors import InvalidInput, MissingDependency
from perception.core.stamps import NS_PER_S
from perception.core.types import check
from perception.place.config import IndexConfig

SEED = 1234  # of k-means inside FAISS
LIST_FACTOR = 4.0  # lists per square root of the number of places
POINTS_PER_LIST, ROUNDS = 40, 10  # of k-means: what it sees at most of each list, and how often
PQ_BITS = 8  # of codes that replace the vectors
SCAN_BITS, SCANNED_TOGETHER = 4, 4  # of codes that only find candidates; numbers in each
EXACT_AGAIN = 100  # candidates of these codes that are compared exactly


@dataclass(frozen=True, slots=True)
class Candidate:
    """An earlier place that looks like the query."""

    row: int  # in the order of `add`
    distance: float  # L2 of the unit vectors, 0 to 2


@dataclass(frozen=True, slots=True, eq=False)
class Reduction:
    """Principal directions that shorten descriptors, stored as plain arrays."""

    mean: np.ndarray  # (D,) float32
    projection: np.ndarray  # (D, d) float32

    def __post_init__(self) -> None:
        check("mean", self.mean, (None,), np.float32)
        check("projection", self.projection, (len(self.mean), None), np.float32)

    def apply(self, descriptors: np.ndarray) -> np.ndarray:
        """Unit vectors (N, d) of unit vectors (N, D)."""
        return unit((np.atleast_2d(descriptors) - self.mean) @ self.projection)


def fit_reduction(descriptors: np.ndarray, dimensions: int, is_white: bool = False, max_rows: int = 4096) -> Reduction:
    """Directions of the largest variance of descriptors (N, D), N >= 2; white: each scaled to the same variance.

    Evenly chosen `max_rows` of them are looked at. With fewer rows than `dimensions` the rest are zero. Raises
    `InvalidInput`.
    """
    check("descriptors", descriptors, (None, None), np.float32)
    num, length = descriptors.shape
    if num < 2 or not 1 <= dimensions <= length:
        raise InvalidInput(f"descriptors: {descriptors.shape} cannot give {dimensions} directions; give more, or fewer")
    rows = np.unique(np.linspace(0, num - 1, min(num, max_rows)).astype(np.int64))
    mean = descriptors[rows].astype(np.float64).mean(axis=0)
    centred = descriptors[rows] - mean
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    projection = np.zeros((length, dimensions))
    kept = min(dimensions, len(sizes))
    scale = 1.0 / np.maximum(sizes[:kept], 1e-3 * sizes[0] + 1e-12) if is_white else np.ones(kept)
    projection[:, :kept] = directions[:kept].T * scale
    return Reduction(mean.astype(np.float32), projection.astype(np.float32))


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (N, D) divided by their lengths, float32; zeros stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.ascontiguousarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)


class DescriptorIndex:
    """Nearest unit vectors by the inner product; rows are counted in the order in which they were added.

    FAISS has the only copy of them.
    """

    def __init__(self, dimensions: int, config: IndexConfig) -> None:
        """Raises `InvalidInput` for codes that do not fit, `MissingDependency` without FAISS."""
        if config.is_compressed and dimensions % config.code_bytes:
            raise InvalidInput(f"code_bytes: {config.code_bytes} does not divide descriptors of {dimensions}")
        self.config, self.dimensions = config, dimensions
        self.is_exact = True  # whether every place is compared
        self._faiss = _library()
        self._faiss.omp_set_num_threads(config.num_threads)
        self._index: Any = self._faiss.IndexFlatIP(dimensions)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def add(self, vectors: np.ndarray) -> None:
        """Append unit vectors (N, D) float32. Raises `InvalidInput` for others."""
        check("vectors", vectors, (None, self.dimensions), np.float32)
        if not np.isfinite(vectors).all():
            raise InvalidInput("vectors: hold values that are not finite; leave these places out")
        self._index.add(np.ascontiguousarray(vectors))

    def reorganise(self) -> None:
        """Make the larger index, if there are places enough for it; a driving robot only adds to what there is.

        Many long descriptors take a minute. Meanwhile exact search stays exact, and lists take more places than they
        were trained for.
        """
        if not self.is_exact or len(self) <= self.config.exact_below:
            return
        vectors = self._index.reconstruct_n(0, len(self))
        self._index = self._graph() if self.config.kind == "hnsw" else self._lists(vectors)
        self._index.add(vectors)
        self.is_exact = False

    def search(self, query: np.ndarray, count: int, limit: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Rows (K,) int64 and inner products (K,) float32 of the nearest, K <= `count`, among the first `limit`."""
        check("query", query, (self.dimensions,), np.float32)
        limit = len(self) if limit is None else min(limit, len(self))
        if limit <= 0 or count <= 0:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
        count = min(count, limit)
        found, rows = self._index.search(query[None], count, params=self._parameters(count, limit))
        is_there = rows[0] >= 0
        return rows[0][is_there].astype(np.int64), found[0][is_there]

    def _graph(self) -> Any:
        index = self._faiss.IndexHNSWFlat(self.dimensions, self.config.links, self._faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = 2 * self.config.effort
        return index

    def _lists(self, vectors: np.ndarray) -> Any:
        """Lists of codes; unless these are all that is kept, the best of them are compared exactly."""
        num_lists = max(1, int(LIST_FACTOR * np.sqrt(len(vectors))))
        coarse, metric = self._faiss.IndexFlatIP(self.dimensions), self._faiss.METRIC_INNER_PRODUCT
        if self.config.is_compressed:
            size = (self.dimensions, num_lists, self.config.code_bytes, PQ_BITS)
            lists = self._faiss.IndexIVFPQ(coarse, *size, metric)
        else:
            parts = self.dimensions // math.gcd(self.dimensions, SCANNED_TOGETHER)
            lists = self._faiss.IndexIVFPQFastScan(coarse, self.dimensions, num_lists, parts, SCAN_BITS, metric)
        lists.cp.seed, lists.cp.max_points_per_centroid, lists.cp.niter = SEED, POINTS_PER_LIST, ROUNDS
        rows = np.linspace(0, len(vectors) - 1, min(len(vectors), POINTS_PER_LIST * num_lists)).astype(np.int64)
        lists.train(vectors[rows])
        lists.own_fields, self._kept = False, (coarse, lists)  # Python keeps them alive
        return lists if self.config.is_compressed else self._faiss.IndexRefineFlat(lists)

    def _parameters(self, count: int, limit: int) -> Any:
        """How to search; what it is made of is kept alive by the object that is returned."""
        selected = {} if limit == len(self) else {"sel": self._faiss.IDSelectorRange(0, limit)}
        if self.is_exact:
            return self._faiss.SearchParameters(**selected)
        if self.config.kind == "hnsw":
            return self._faiss.SearchParametersHNSW(efSearch=self.config.effort, **selected)
        lists = self._faiss.SearchParametersIVF(nprobe=self.config.probes, **selected)
        if self.config.is_compressed:
            return lists
        more = max(1.0, EXACT_AGAIN / count)
        return self._faiss.IndexRefineSearchParameters(k_factor=more, base_index_params=lists, **selected)


@dataclass(slots=True)
class PlaceIndex:
    """Keyframes with their descriptors, and which of them may be the place where the robot is.

    Keyframes of a session are added in order. Those of other sessions (a map that was loaded) are never too recent.
    """

    index: DescriptorIndex
    reduction: Reduction | None = None
    _stamps_ns: list[int] = field(default_factory=list)
    _paths: list[float] = field(default_factory=list)
    _session_start: int = 0

    def __len__(self) -> int:
        return len(self._stamps_ns)

    def add(self, descriptor: np.ndarray, stamp_ns: int, path: float) -> int:
        """Add a keyframe: its descriptor (D,), stamp, and metres of the path up to it. Its row is returned."""
        if len(self) > self._session_start and (stamp_ns < self._stamps_ns[-1] or path < self._paths[-1]):
            raise InvalidInput(f"keyframe: stamp {stamp_ns} or path {path:.1f} m is before the last; begin a session")
        self.index.add(self._short(descriptor))
        self._stamps_ns.append(stamp_ns)
        self._paths.append(path)
        return len(self) - 1

    def begin_session(self) -> None:
        """What is added from now on is of another recording: nothing of what is there is too recent for it."""
        self._session_start = len(self)

    def candidates(self, descriptor: np.ndarray, stamp_ns: int, path: float) -> list[Candidate]:
        """Earlier places, the most alike first, that are old and far enough along the path, and alike enough."""
        config = self.index.config
        limit = self._limit(stamp_ns - round(config.min_age * NS_PER_S), path - config.min_path)
        rows, products = self.index.search(self._short(descriptor)[0], config.candidates, limit)
        distances = np.sqrt(np.maximum(2.0 - 2.0 * products, 0.0))
        return [Candidate(int(r), float(d)) for r, d in zip(rows, distances) if d <= config.max_distance]

    def _limit(self, stamp_ns: int, path: float) -> int:
        """How many of the first keyframes are of other sessions, or old and far enough."""
        start = self._session_start
        old = np.searchsorted(np.array(self._stamps_ns[start:], dtype=np.int64), stamp_ns, side="right")
        far = np.searchsorted(np.array(self._paths[start:]), path, side="right")
        return start + int(min(old, far))

    def _short(self, descriptor: np.ndarray) -> np.ndarray:
        row = np.ascontiguousarray(np.atleast_2d(descriptor), dtype=np.float32)
        return row if self.reduction is None else self.reduction.apply(row)


def _library() -> ModuleType:
    try:
        import faiss
    except ImportError:
        raise MissingDependency("the index of places needs FAISS: pip install 'faiss-cpu'") from None
    return faiss
