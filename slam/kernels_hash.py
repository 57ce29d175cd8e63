"""Voxel hash in Numba: open addressing with linear probing over packed int64 keys, dense bucket ids, linked neighbours.

A store is a handful of arrays, all owned by `slam.local_map`:
  table       (T, 2) int64   key, bucket id; T a power of two, at least twice the number of buckets
  cells       (C, 6) int32   voxel coordinates x y z, number of points, points at the last plane fit, last insertion
  neighbours  (C, 6 or 26) int32   bucket ids around, -1 for none; faces, then edges, then corners
  free        (C,) int32     stack of bucket ids that eviction gave back
  state       (5,) int64     see the indices below
"""

import numpy as np
from numba import njit

JIT = {"nogil": True, "cache": True, "error_model": "numpy"}

EMPTY = -1
TOMBSTONE = -2
BITS = 21  # per axis of a packed key
HALF = 1 << (BITS - 1)  # voxel coordinates run from -HALF to HALF - 1
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio, Knuth's multiplicative hash
FOLD, TWO = np.uint64(32), np.uint64(2)
PAIR = (1 << (2 * BITS)) | (1 << BITS)  # lowest bits of x and y in a key

X, Y, Z, COUNT, FITTED, STAMP = range(6)  # columns of cells
HIGH, NUM_FREE, NUM_TOMBSTONES, NUM_LIVE, CURSOR = range(5)  # entries of state


def neighbour_offsets() -> np.ndarray:
    """(26, 3) int64 steps to the faces, edges and corners of a voxel; step j ^ 1 is the opposite of step j."""
    steps = [(x, y, z) for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1)]
    half = sorted((s for s in steps if s > (0, 0, 0)), key=lambda s: (sum(map(abs, s)), s))
    return np.array([s for step in half for s in (step, tuple(-c for c in step))], dtype=np.int64)


OFFSETS = neighbour_offsets()


@njit(**JIT)
def pack(x, y, z):
    """Key of a voxel; coordinates must lie in [-HALF, HALF)."""
    return ((x + HALF) << (2 * BITS)) | ((y + HALF) << BITS) | (z + HALF)


@njit(**JIT)
def is_inside(x, y, z):
    """True when the voxel coordinates can be packed."""
    return -HALF < x < HALF - 1 and -HALF < y < HALF - 1 and -HALF < z < HALF - 1


@njit(**JIT)
def first_slot(table, key):
    """Slot where the search for `key` begins: four voxels that touch in x and y share a cache line."""
    corner = ((key >> (2 * BITS)) & 1) << 1 | ((key >> BITS) & 1)
    folded = np.uint64(key & ~PAIR)
    folded ^= folded >> FOLD
    folded *= MULTIPLIER
    folded ^= folded >> FOLD
    return np.int64(((folded << TWO) | np.uint64(corner)) & np.uint64(table.shape[0] - 1))


@njit(**JIT)
def find(table, key):
    """Bucket id of `key`, or -1."""
    mask = table.shape[0] - 1
    slot = first_slot(table, key)
    while True:
        found = table[slot, 0]
        if found == key:
            return table[slot, 1]
        if found == EMPTY:
            return -1
        slot = (slot + 1) & mask


@njit(**JIT)
def place(table, key, bucket):
    """Put a key that is not in the table; returns True when it took the place of a tombstone."""
    mask = table.shape[0] - 1
    slot = first_slot(table, key)
    while table[slot, 0] >= 0:
        slot = (slot + 1) & mask
    reused = table[slot, 0] == TOMBSTONE
    table[slot, 0] = key
    table[slot, 1] = bucket
    return reused


@njit(**JIT)
def create(table, cells, neighbours, free, state, x, y, z):
    """Add an empty bucket for a voxel that has none and link it with its neighbours; -1 when the store is full."""
    if state[NUM_FREE] > 0:
        state[NUM_FREE] -= 1
        bucket = np.int64(free[state[NUM_FREE]])
    elif state[HIGH] < cells.shape[0]:
        bucket = state[HIGH]
        state[HIGH] += 1
    else:
        return np.int64(-1)
    if place(table, pack(x, y, z), bucket):
        state[NUM_TOMBSTONES] -= 1
    state[NUM_LIVE] += 1
    cells[bucket, X], cells[bucket, Y], cells[bucket, Z] = x, y, z
    cells[bucket, COUNT] = cells[bucket, FITTED] = cells[bucket, STAMP] = 0
    for j in range(neighbours.shape[1]):
        other = find(table, pack(x + OFFSETS[j, 0], y + OFFSETS[j, 1], z + OFFSETS[j, 2]))
        neighbours[bucket, j] = other
        if other >= 0:
            neighbours[other, j ^ 1] = bucket
    return bucket


@njit(**JIT)
def remove(table, cells, neighbours, free, state, bucket):
    """Take a bucket out: tombstone its key, unlink it, put its id on the free stack."""
    mask = table.shape[0] - 1
    key = pack(np.int64(cells[bucket, X]), np.int64(cells[bucket, Y]), np.int64(cells[bucket, Z]))
    slot = first_slot(table, key)
    while table[slot, 0] != key:
        slot = (slot + 1) & mask
    table[slot, 0] = TOMBSTONE
    for j in range(neighbours.shape[1]):
        other = neighbours[bucket, j]
        if other >= 0:
            neighbours[other, j ^ 1] = -1
    cells[bucket, COUNT] = -1  # marks the bucket as free
    free[state[NUM_FREE]] = bucket
    state[NUM_FREE] += 1
    state[NUM_LIVE] -= 1
    state[NUM_TOMBSTONES] += 1


@njit(**JIT)
def rehash(table, cells, state):
    """Write every live bucket into the cleared `table`; no tombstones remain."""
    table[:, 0] = EMPTY
    for bucket in range(state[HIGH]):
        if cells[bucket, COUNT] >= 0:
            x, y, z = cells[bucket, X], cells[bucket, Y], cells[bucket, Z]
            place(table, pack(np.int64(x), np.int64(y), np.int64(z)), bucket)
    state[NUM_TOMBSTONES] = 0


@njit(**JIT)
def shift(cells, state, step):
    """Subtract `step` (3,) voxels from the coordinates of every live bucket; the table must be rehashed after it."""
    for bucket in range(state[HIGH]):
        if cells[bucket, COUNT] >= 0:
            for axis in range(3):
                cells[bucket, axis] -= step[axis]


@njit(**JIT)
def evict(table, cells, neighbours, free, state, centre, max_distance, num_visits):
    """Visit up to `num_visits` buckets from the cursor on and remove those far from `centre` (3,), both in voxels."""
    limit = max_distance * max_distance
    num_removed = 0
    for _ in range(min(num_visits, state[HIGH])):
        if state[CURSOR] >= state[HIGH]:
            state[CURSOR] = 0
        bucket = state[CURSOR]
        state[CURSOR] += 1
        if cells[bucket, COUNT] < 0:
            continue
        dx = cells[bucket, X] + 0.5 - centre[0]
        dy = cells[bucket, Y] + 0.5 - centre[1]
        dz = cells[bucket, Z] + 0.5 - centre[2]
        if dx * dx + dy * dy + dz * dz > limit:
            remove(table, cells, neighbours, free, state, bucket)
            num_removed += 1
    return num_removed
