"""Free space: which voxels of a region the rays of a scan pass, and which they end in.

Voxels are found in a hash table of the region; the walk is that of Amanatides and Woo, "A fast voxel traversal
algorithm for ray tracing", 1987, clipped to the region's box. `carve` has its definition in `carve_by_crossings`.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from perception.core.types import check

BITS = 20  # per axis of a packed voxel
HALF = 1 << (BITS - 1)
EMPTY = np.int64(-1)
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio
SHIFT = np.uint64(20)
JIT = {"nogil": True, "cache": True, "error_model": "numpy"}


@dataclass(slots=True, eq=False)
class Region:
    """Occupied voxels of a box, with what the scans say of each. Coordinates are m from the corner of the box."""

    voxel_size: float
    box: np.ndarray  # (2, 3) float64, m, lower and upper corner
    keys: np.ndarray  # (V,) int64, packed, ascending
    table: np.ndarray  # (T,) int64, row of the voxel in that slot; T a power of two
    hits: np.ndarray  # (V,) int32, scans with a point in it
    passes: np.ndarray  # (V,) int32, scans with a ray through it and no point in or beside it
    near: np.ndarray  # (V,) int32, last scan with a point in or beside it
    seen: np.ndarray  # (V,) int32, last scan that passed it
    hit: np.ndarray  # (V,) int32, last scan that hit it


def region_of(points: np.ndarray, box: np.ndarray, voxel_size: float) -> Region:
    """The region of `box` (2, 3) m with a voxel for each occupied place of `points` (N, 3) float32 m inside of it."""
    check("points", points, (None, 3), np.float32)
    keys = np.unique(voxel_keys(points, box, voxel_size))
    keys = keys[keys >= 0]
    table = np.full(1 << max(2 * len(keys), 8).bit_length(), EMPTY, dtype=np.int64)
    _fill(keys, table)
    counts = [np.zeros(len(keys), dtype=np.int32) for _ in range(2)]
    stamps = [np.full(len(keys), -1, dtype=np.int32) for _ in range(3)]
    return Region(voxel_size, box.astype(np.float64), keys, table, *counts, *stamps)


def voxel_keys(points: np.ndarray, box: np.ndarray, voxel_size: float) -> np.ndarray:
    """Packed voxel (N,) int64 of each point; -1 outside of the box."""
    cells = np.floor((points.astype(np.float64) - box[0]) / voxel_size).astype(np.int64)
    is_inside = ((points >= box[0]) & (points < box[1])).all(axis=1)
    return np.where(is_inside, pack_all(cells), EMPTY)


def pack_all(cells: np.ndarray) -> np.ndarray:
    """Packed voxels (N,) of integer coordinates (N, 3)."""
    return ((cells[:, 0] + HALF) << (2 * BITS)) | ((cells[:, 1] + HALF) << BITS) | (cells[:, 2] + HALF)


def rows_of(region: Region, points: np.ndarray) -> np.ndarray:
    """Row (N,) in the region of the voxel of each point; -1 where there is none."""
    keys = voxel_keys(points, region.box, region.voxel_size)
    if len(region.keys) == 0:
        return np.full(len(points), -1)
    rows = np.minimum(np.searchsorted(region.keys, keys), len(region.keys) - 1)
    return np.where(region.keys[rows] == keys, rows, -1)


def carve(region: Region, scan: int, origin: np.ndarray, points: np.ndarray, margin: float, max_range: float) -> None:
    """Count what one scan, a number that rises from call to call, says of the region.

    `origin` (3,) float64 and `points` (N, 3) float32 in m. The last `margin` m of a ray clear nothing, nor does what
    lies beyond `max_range` m; points beyond it are no hits.
    """
    check("points", points, (None, 3), np.float32)
    _carve(
        region.keys, region.table, region.hits, region.passes, region.near, region.seen, region.hit, np.int32(scan),
        origin.astype(np.float64), np.ascontiguousarray(points), region.box, region.voxel_size, margin, max_range,
    )  # fmt: skip


def carve_by_crossings(
    region: Region, scan: int, origin: np.ndarray, points: np.ndarray, margin: float, max_range: float
) -> None:
    """The definition of `carve`: a ray's voxels are those between its crossings of the planes of the grid."""
    size, start = region.voxel_size, (origin - region.box[0]) / region.voxel_size
    index = {int(key): row for row, key in enumerate(region.keys)}
    upper = np.ceil((region.box[1] - region.box[0]) / size)
    ends = (points.astype(np.float64) - region.box[0]) / size
    ranges = np.linalg.norm(ends - start, axis=1) * size
    for end in ends[ranges <= max_range]:
        home = np.floor(end).astype(np.int64)
        row = index.get(int(pack_all(home[None])[0]), -1)
        if row >= 0 and region.hit[row] != scan:
            region.hit[row], region.hits[row] = scan, region.hits[row] + 1
        around = home + np.stack(np.meshgrid(*[(-1, 0, 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
        for key in pack_all(around):
            if int(key) in index:
                region.near[index[int(key)]] = scan
    for end, distance in zip(ends, ranges):
        length = min(distance - margin, max_range)
        if length <= 0.0:
            continue
        step = (end - start) * (length / distance)
        crossings = [0.0, 1.0]
        for axis in np.flatnonzero(step):
            planes = np.arange(np.floor(min(start[axis], start[axis] + step[axis])) + 1,
                               np.ceil(max(start[axis], start[axis] + step[axis])))  # fmt: skip
            crossings.extend((planes - start[axis]) / step[axis])
        times = np.sort(np.array(crossings))
        cells = np.floor(start + (0.5 * (times[1:] + times[:-1]))[:, None] * step).astype(np.int64)
        cells = cells[((cells >= 0) & (cells < upper)).all(axis=1)]
        for key in pack_all(cells):
            row = index.get(int(key), -1)
            if row >= 0 and region.near[row] != scan and region.seen[row] != scan:
                region.seen[row], region.passes[row] = scan, region.passes[row] + 1


def warm_up() -> None:
    """Compile with the types used at run time."""
    box = np.array([[0.0, 0.0, 0.0], [4.0, 4.0, 4.0]])
    points = np.full((1, 3), 3.0, dtype=np.float32)
    carve(region_of(points, box, 0.5), 0, np.zeros(3), points, 0.5, 10.0)


@njit(**JIT)
def _slot(key, mask):
    folded = np.uint64(key) * MULTIPLIER
    return np.int64((folded >> SHIFT) & np.uint64(mask))


@njit(**JIT)
def _fill(keys, table):
    mask = table.shape[0] - 1
    for row in range(keys.shape[0]):
        slot = _slot(keys[row], mask)
        while table[slot] >= 0:
            slot = (slot + 1) & mask
        table[slot] = row


@njit(**JIT)
def _find(keys, table, x, y, z):
    key = ((x + HALF) << (2 * BITS)) | ((y + HALF) << BITS) | (z + HALF)
    mask = table.shape[0] - 1
    slot = _slot(key, mask)
    while table[slot] >= 0:
        if keys[table[slot]] == key:
            return table[slot]
        slot = (slot + 1) & mask
    return np.int64(-1)


@njit(**JIT)
def _carve(keys, table, hits, passes, near, seen, hit, scan, origin, points, box, size, margin, max_range):
    inverse = 1.0 / size
    start = (origin - box[0]) * inverse
    upper = np.ceil((box[1] - box[0]) * inverse)
    reach = max_range * inverse
    for i in range(points.shape[0]):
        ex = (points[i, 0] - box[0, 0]) * inverse
        ey = (points[i, 1] - box[0, 1]) * inverse
        ez = (points[i, 2] - box[0, 2]) * inverse
        if (ex - start[0]) ** 2 + (ey - start[1]) ** 2 + (ez - start[2]) ** 2 > reach * reach:
            continue
        x, y, z = np.int64(np.floor(ex)), np.int64(np.floor(ey)), np.int64(np.floor(ez))
        if x < -1 or y < -1 or z < -1 or x > upper[0] or y > upper[1] or z > upper[2]:
            continue
        row = _find(keys, table, x, y, z)
        if row >= 0 and hit[row] != scan:
            hit[row] = scan
            hits[row] += 1
        for dx in range(-1, 2):
            for dy in range(-1, 2):
                for dz in range(-1, 2):
                    row = _find(keys, table, x + dx, y + dy, z + dz)
                    if row >= 0:
                        near[row] = scan
    step = np.empty(3)
    for i in range(points.shape[0]):
        squared = 0.0
        for a in range(3):
            step[a] = (points[i, a] - box[0, a]) * inverse - start[a]
            squared += step[a] * step[a]
        distance = np.sqrt(squared)
        length = min(distance - margin * inverse, reach)
        if length > 0.0:
            for a in range(3):
                step[a] *= length / distance
            _walk(keys, table, passes, near, seen, scan, start, step, upper)


@njit(**JIT)
def _walk(keys, table, passes, near, seen, scan, start, step, upper):
    """Along start + t * step, t from 0 to 1, as far as it is inside of the box."""
    first, last = 0.0, 1.0
    for a in range(3):
        if step[a] == 0.0:
            if start[a] < 0.0 or start[a] >= upper[a]:
                return
            continue
        t_low, t_high = -start[a] / step[a], (upper[a] - start[a]) / step[a]
        first = max(first, min(t_low, t_high))
        last = min(last, max(t_low, t_high))
    if first >= last:
        return
    cell = np.empty(3, np.int64)
    direction = np.empty(3, np.int64)
    at = np.empty(3)
    per_cell = np.empty(3)
    inside = first + 1e-9 * (last - first)
    for a in range(3):
        place = start[a] + inside * step[a]
        cell[a] = min(max(np.int64(np.floor(place)), 0), np.int64(upper[a]) - 1)
        direction[a] = 1 if step[a] > 0.0 else -1
        if step[a] == 0.0:
            at[a] = per_cell[a] = np.inf
        else:
            per_cell[a] = abs(1.0 / step[a])
            at[a] = (cell[a] + (1 if step[a] > 0.0 else 0) - start[a]) / step[a]
    while True:
        row = _find(keys, table, cell[0], cell[1], cell[2])
        if row >= 0 and near[row] != scan and seen[row] != scan:
            seen[row] = scan
            passes[row] += 1
        a = 0
        if at[1] < at[a]:
            a = 1
        if at[2] < at[a]:
            a = 2
        if at[a] >= last:
            return
        cell[a] += direction[a]
        if cell[a] < 0 or cell[a] >= upper[a]:
            return
        at[a] += per_cell[a]
