"""Triangles of a world in the order in which a rasteriser takes them: in clusters of neighbours with boxes around them.

Clusters are subtrees of the hierarchies that the ray caster uses.
"""

from dataclasses import dataclass

import numba
import numpy as np

from perception.world.geometry.bvh import STACK_SIZE, Bvh
from perception.world.geometry.mesh import Mesh
from perception.world.materials import Material

CLUSTER_SIZE = 48  # triangles at most: fewer cost more tests of boxes, more cost more hidden triangles that are drawn


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """All triangles of an `Accelerator`, ordered by place, body after body."""

    corners: np.ndarray  # (N, 9) float32: the three corners, m, in the frame of the body
    rows: np.ndarray  # (N,) int32: number of each triangle in the mesh
    is_leaf: np.ndarray  # (N,) bool: only the part inside the leaf mask is there
    ranges: np.ndarray  # (C, 2) int32: first triangle of each cluster and the one after its last
    bodies: np.ndarray  # (C,) int32: body it belongs to
    boxes: np.ndarray  # (C, 6) float32: low xyz, high xyz, in the frame of the body
    by_instance: "Instances"


@dataclass(frozen=True, slots=True, eq=False)
class Instances:
    """The triangles of `Clusters` in I groups: each of one object in one body. What walks has several bodies."""

    ids: np.ndarray  # (I,) int32, ascending: number of the object, once for each of its bodies
    order: np.ndarray  # (N,) int32: triangles in `Clusters`
    starts: np.ndarray  # (I + 1,) int32: where each group starts in `order`
    bodies: np.ndarray  # (I,) int32
    boxes: np.ndarray  # (I, 6) float32: low xyz, high xyz, in the frame of the body


def build_clusters(mesh: Mesh, first_rows: np.ndarray, roots: np.ndarray, bvh: Bvh) -> Clusters:
    """The clusters of all bodies of a world, see `Accelerator` for the arguments."""
    filled = [body for body in range(len(roots)) if first_rows[body] < first_rows[body + 1]]
    parts = [_cut_all(bvh, int(roots[body])) for body in filled]
    none = [np.zeros((0, 2), dtype=np.int32)], [np.zeros((0, 6), dtype=np.float32)]
    ranges = np.concatenate([part[0] for part in parts] or none[0])
    boxes = np.concatenate([part[1] for part in parts] or none[1])
    bodies = np.repeat(np.array(filled, dtype=np.int32), [len(part[0]) for part in parts])
    rows = np.minimum(bvh.rows, max(len(mesh) - 1, 0))  # an empty body has one entry that no cluster names
    corners = mesh.triangles[rows].reshape(-1, 9) if len(mesh) else np.zeros((0, 9), dtype=np.float32)
    is_leaf = mesh.material_ids[rows] == Material.LEAF if len(mesh) else np.zeros(len(rows), dtype=np.bool_)
    named = np.concatenate([np.arange(*part) for part in ranges] or [np.zeros(0, dtype=np.int64)])
    instances = group_by_instance(mesh.instance_ids, first_rows, rows, corners, named)
    return Clusters(np.ascontiguousarray(corners), rows.astype(np.int32), is_leaf, ranges, bodies, boxes, instances)


def group_by_instance(
    instance_ids: np.ndarray, first_rows: np.ndarray, rows: np.ndarray, corners: np.ndarray, named: np.ndarray
) -> Instances:
    """The entries `named` of `rows` and `corners` by object and body; `instance_ids` (N,) by triangle of the mesh."""
    numbers = instance_ids[rows[named]]
    bodies = np.searchsorted(first_rows, rows[named], side="right") - 1
    by_both = np.lexsort((bodies, numbers))
    order, numbers, bodies = named[by_both], numbers[by_both], bodies[by_both]
    is_first = np.ones(len(order), dtype=np.bool_)
    is_first[1:] = (np.diff(numbers) != 0) | (np.diff(bodies) != 0)
    starts = np.flatnonzero(is_first)
    boxes = np.zeros((len(starts), 6), dtype=np.float32)
    if len(starts):
        points = corners[order].reshape(-1, 3, 3)
        boxes[:, :3] = np.minimum.reduceat(points.min(axis=1), starts)
        boxes[:, 3:] = np.maximum.reduceat(points.max(axis=1), starts)
    ids, bodies = numbers[starts].astype(np.int32), bodies[starts].astype(np.int32)
    return Instances(ids, order.astype(np.int32), np.append(starts, len(order)).astype(np.int32), bodies, boxes)


def _cut_all(bvh: Bvh, root: int) -> tuple[np.ndarray, np.ndarray]:
    ranges = np.empty((len(bvh.leaves) + 1, 2), dtype=np.int32)
    boxes = np.empty((len(bvh.leaves) + 1, 6), dtype=np.float32)
    count = _cut(bvh.boxes, bvh.children, bvh.leaves, root, ranges, boxes)
    return ranges[:count].copy(), boxes[:count].copy()


@numba.njit(nogil=True, cache=True)
def _range_below(children, leaves, child):
    """First triangle below a child, and the one after its last."""
    left, right = child, child
    while left >= 0:
        left = children[left, 0]
    while right >= 0:
        right = children[right, 1]
    return leaves[~left, 0], leaves[~right, 0] + leaves[~right, 1]


@numba.njit(nogil=True, cache=True)
def _cut(boxes, children, leaves, root, out_ranges, out_boxes):
    """Largest subtrees below `root` of at most `CLUSTER_SIZE` triangles; returns how many."""
    todo = np.empty(4 * STACK_SIZE, dtype=np.int64)
    todo[0] = root
    top, count = 1, 0
    while top > 0:
        top -= 1
        node = todo[top]
        for side in range(1, -1, -1):
            child = children[node, side]
            start, stop = _range_below(children, leaves, child)
            if child >= 0 and stop - start > CLUSTER_SIZE:
                todo[top] = child
                top += 1
            elif stop > start:
                out_ranges[count, 0], out_ranges[count, 1] = start, stop
                out_boxes[count] = boxes[node, side]
                count += 1
    return count
