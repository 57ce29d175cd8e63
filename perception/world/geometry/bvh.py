"""Bounding volume hierarchies over triangles, built once per mesh with the surface area heuristic.

Wald, "On fast construction of SAH-based bounding volume hierarchies", 2007 (binned builder).
"""

from dataclasses import dataclass

import numba
import numpy as np

from perception.world.geometry.mesh import Mesh

LEAF_SIZE = 4  # triangles; fewer make the tree deeper, more make leaves slower
NUM_BINS = 16
BINS_SCALE = np.float32(NUM_BINS * 0.9999)  # keeps the highest centre in the last bin
STACK_SIZE = 96  # nodes; a tree is never deeper, see `_split`


@dataclass(frozen=True, slots=True, eq=False)
class Bvh:
    """A binary tree stored by inner nodes: each holds the boxes of both children, so one fetch decides about two.

    A child number >= 0 is an inner node; below 0 it is the leaf `~number`. An empty mesh has no nodes.
    """

    boxes: np.ndarray  # (M, 2, 6) float32: per child low xyz, high xyz
    children: np.ndarray  # (M, 2) int32
    leaves: np.ndarray  # (L, 2) int32: first row of `corners`, count
    corners: np.ndarray  # (N, 9) float32: first corner, then the two edges from it, in the order of the leaves
    rows: np.ndarray  # (N,) int32: number of each triangle in the mesh


def build_bvh(mesh: Mesh) -> Bvh:
    """The hierarchy of a mesh, also of an empty one or of one triangle."""
    triangles = np.ascontiguousarray(mesh.triangles)
    n = len(triangles)
    if n == 0:
        triangles = np.full((1, 3, 3), np.float32(1e30))  # one point out of every reach keeps the kernels simple
        n = 1
    order = np.arange(n, dtype=np.int32)
    boxes = np.zeros((max(n, 1), 2, 6), dtype=np.float32)
    children = np.zeros((max(n, 1), 2), dtype=np.int32)
    leaf_rows = np.zeros((n + 1, 2), dtype=np.int32)
    bounds = np.concatenate([triangles.min(axis=1), triangles.max(axis=1)], axis=1)
    num_nodes, num_leaves = _build(bounds, order, boxes, children, leaf_rows)
    first = triangles[order, 0]
    corners = np.concatenate([first, triangles[order, 1] - first, triangles[order, 2] - first], axis=1)
    return Bvh(
        boxes[:num_nodes].copy(),
        children[:num_nodes].copy(),
        leaf_rows[:num_leaves].copy(),
        np.ascontiguousarray(corners, dtype=np.float32),
        order,
    )


@numba.njit(nogil=True, cache=True)
def _area(box):
    x, y, z = box[3] - box[0], box[4] - box[1], box[5] - box[2]
    return x * y + y * z + z * x


@numba.njit(nogil=True, cache=True)
def _grow(box, other):
    """Make `box` hold `other` too."""
    for k in range(3):
        if other[k] < box[k]:
            box[k] = other[k]
        if other[k + 3] > box[k + 3]:
            box[k + 3] = other[k + 3]


@numba.njit(nogil=True, cache=True)
def _clear(box):
    for k in range(3):
        box[k] = np.float32(np.inf)
        box[k + 3] = -np.float32(np.inf)


@numba.njit(nogil=True, cache=True)
def _centres(bounds, order, start, stop, axis):
    """Lowest and highest centre of the triangles of a range, doubled."""
    low, high = np.float32(np.inf), -np.float32(np.inf)
    for i in range(start, stop):
        c = bounds[order[i], axis] + bounds[order[i], axis + 3]
        if c < low:
            low = c
        if c > high:
            high = c
    return low, high


@numba.njit(nogil=True, cache=True)
def _best_split(bounds, order, start, stop, bin_boxes, bin_counts, right_areas, sweep):
    """Axis and bin of the cheapest split of a range by the centres of its triangles; axis -1: none."""
    best_axis, best_bin, best_cost = -1, 0, np.float32(np.inf)
    for axis in range(3):
        c_low, c_high = _centres(bounds, order, start, stop, axis)
        if not c_high > c_low:
            continue
        scale = BINS_SCALE / (c_high - c_low)
        for b in range(NUM_BINS):
            _clear(bin_boxes[b])
            bin_counts[b] = 0
        for i in range(start, stop):
            t = order[i]
            b = int((bounds[t, axis] + bounds[t, axis + 3] - c_low) * scale)
            bin_counts[b] += 1
            _grow(bin_boxes[b], bounds[t])
        _clear(sweep)
        for b in range(NUM_BINS - 1, 0, -1):
            _grow(sweep, bin_boxes[b])
            right_areas[b] = _area(sweep)
        _clear(sweep)
        left = 0
        for b in range(NUM_BINS - 1):
            _grow(sweep, bin_boxes[b])
            left += bin_counts[b]
            if left == 0 or left == stop - start:
                continue
            cost = left * _area(sweep) + (stop - start - left) * right_areas[b + 1]
            if cost < best_cost:
                best_axis, best_bin, best_cost = axis, b, cost
    return best_axis, best_bin


@numba.njit(nogil=True, cache=True)
def _split(bounds, order, start, stop, depth, bin_boxes, bin_counts, right_areas, sweep):
    """Reorder a range into two parts and return where the second starts.

    The middle where no split by place exists (equal centres) and below a depth that would overflow the stack of a ray.
    """
    axis, best_bin = -1, 0
    if depth < STACK_SIZE // 2:
        axis, best_bin = _best_split(bounds, order, start, stop, bin_boxes, bin_counts, right_areas, sweep)
    if axis < 0:
        return (start + stop) // 2
    c_low, c_high = _centres(bounds, order, start, stop, axis)
    scale = BINS_SCALE / (c_high - c_low)
    left, right = start, stop - 1
    while left <= right:
        t = order[left]
        if int((bounds[t, axis] + bounds[t, axis + 3] - c_low) * scale) <= best_bin:
            left += 1
        else:
            order[left], order[right] = order[right], t
            right -= 1
    return left


@numba.njit(nogil=True, cache=True)
def _push(todo, top, start, stop, parent, side, depth):
    todo[top, 0], todo[top, 1], todo[top, 2], todo[top, 3], todo[top, 4] = start, stop, parent, side, depth
    return top + 1


@numba.njit(nogil=True, cache=True)
def _build(bounds, order, boxes, children, leaves):
    """Fill nodes and leaves; returns how many of each. A single leaf still gets a node, with an empty second child."""
    bin_boxes = np.empty((NUM_BINS, 6), dtype=np.float32)
    right_areas = np.empty(NUM_BINS, dtype=np.float32)
    sweep = np.empty(6, dtype=np.float32)
    bin_counts = np.empty(NUM_BINS, dtype=np.int64)
    todo = np.empty((4 * STACK_SIZE, 5), dtype=np.int64)  # start, stop, parent node, side, depth
    n = len(order)
    num_nodes, num_leaves = 1, 0
    _clear(boxes[0, 0])
    _clear(boxes[0, 1])
    middle = n
    if n > LEAF_SIZE:
        middle = _split(bounds, order, 0, n, 0, bin_boxes, bin_counts, right_areas, sweep)
    top = _push(todo, 0, middle, n, 0, 1, 1)
    top = _push(todo, top, 0, middle, 0, 0, 1)
    while top > 0:
        top -= 1
        start, stop, parent, side, depth = todo[top, 0], todo[top, 1], todo[top, 2], todo[top, 3], todo[top, 4]
        _clear(boxes[parent, side])
        for i in range(start, stop):
            _grow(boxes[parent, side], bounds[order[i]])
        if stop - start <= LEAF_SIZE:
            leaves[num_leaves, 0], leaves[num_leaves, 1] = start, stop - start
            children[parent, side] = ~num_leaves
            num_leaves += 1
            continue
        middle = _split(bounds, order, start, stop, depth, bin_boxes, bin_counts, right_areas, sweep)
        children[parent, side] = num_nodes
        top = _push(todo, top, middle, stop, num_nodes, 1, depth + 1)
        top = _push(todo, top, start, middle, num_nodes, 0, depth + 1)
        num_nodes += 1
    return num_nodes, num_leaves
