"""Maximum matching in bipartite graphs, and the graph of the pixels of two drawings that lie near each other.

Hopcroft and Karp (SIAM J. Comput. 2, 1973) with a greedy start. The graph is a list of neighbours: those of left vertex
u are `neighbours[starts[u] : starts[u + 1]]`, int32 numbers of right vertices. `extend_reference` is the definition of
how many pairs there are; which pairs they are is open wherever several choices are largest.
"""

import numpy as np
from numba import njit

FREE = -1  # in place of the partner of a vertex
DEAD = -2  # a right vertex that no path to a free one goes through any more


def near_offsets(radius: float) -> np.ndarray:
    """Steps (K, 2) int64, rows and columns, to all pixels within `radius` px of a pixel, nearest first."""
    reach = int(np.floor(radius))
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1)
    squares = rows**2 + columns**2
    order = np.argsort(squares, kind="stable")
    return np.stack([rows, columns], axis=1)[order[: int((squares <= radius**2).sum())]].astype(np.int64)


def near_pixels_reference(pixels: np.ndarray, labels: np.ndarray, radius: float) -> list[list[int]]:
    """The `labels` (H, W) int32, >= 0, within `radius` of each pixel (N, 2) int64, row and column; nearest first."""
    height, width = labels.shape
    found = []
    for pixel in pixels:
        near = near_offsets(radius) + pixel
        near = near[(near >= 0).all(axis=1) & (near[:, 0] < height) & (near[:, 1] < width)]
        found.append([int(label) for label in labels[near[:, 0], near[:, 1]] if label >= 0])
    return found


def extend_reference(neighbours: list[list[int]], of_right: dict[int, int]) -> int:
    """Match left vertices, one after the other, along any path that frees a right one; how many pairs there are.

    `of_right`, right vertex to its left partner, is filled.
    """

    def find(u: int, seen: set[int]) -> bool:
        for v in neighbours[u]:
            if v not in seen:
                seen.add(v)
                if v not in of_right or find(of_right[v], seen):
                    of_right[v] = u
                    return True
        return False

    return sum(find(u, set()) for u in range(len(neighbours)))


@njit(nogil=True, cache=True)
def near_pixels(pixels, labels, offsets):  # type: ignore[no-untyped-def]
    """The graph (starts (N + 1,) int64, neighbours int32) of `near_pixels_reference`; `offsets` of `near_offsets`."""
    height, width = labels.shape
    starts = np.zeros(len(pixels) + 1, dtype=np.int64)
    neighbours = np.empty(max(16 * len(pixels), 1), dtype=np.int32)
    total = 0
    for n in range(len(pixels)):
        if total + len(offsets) > len(neighbours):
            longer = np.empty(2 * len(neighbours) + len(offsets), dtype=np.int32)
            longer[:total] = neighbours[:total]
            neighbours = longer
        for k in range(len(offsets)):
            row, column = pixels[n, 0] + offsets[k, 0], pixels[n, 1] + offsets[k, 1]
            if 0 <= row < height and 0 <= column < width and labels[row, column] >= 0:
                neighbours[total] = labels[row, column]
                total += 1
        starts[n + 1] = total
    return starts, neighbours[:total]


@njit(nogil=True, cache=True)
def extend(starts, neighbours, of_left, of_right, first, last):  # type: ignore[no-untyped-def]
    """Make the matching of left vertices [0, first) the largest of [0, last); the number of pairs that it gained.

    `of_left` (N,) and `of_right` (M,) int32 hold partners and are changed in place; they begin as `FREE`. Left vertices
    that remained free in an earlier call stay so, and what they reached is `DEAD`: no larger matching needs them.
    """
    gained = _greedy(starts, neighbours, of_left, of_right, first, last)
    free, num_free = np.empty(last - first, dtype=np.int32), 0
    for u in range(first, last):
        if of_left[u] == FREE:
            free[num_free] = u
            num_free += 1
    layers, queue = np.empty(last, dtype=np.int32), np.empty(last, dtype=np.int32)
    stack, cursors = np.empty(last, dtype=np.int32), np.empty(last, dtype=np.int64)
    while num_free and _layered(starts, neighbours, of_right, free[:num_free], layers, queue):
        cursors[:] = starts[:last]
        remaining = 0
        for k in range(num_free):
            if _augmented(starts, neighbours, of_left, of_right, free[k], layers, stack, cursors):
                gained += 1
            else:
                free[remaining] = free[k]
                remaining += 1
        num_free = remaining
    return gained


@njit(nogil=True, cache=True)
def _greedy(starts, neighbours, of_left, of_right, first, last):  # type: ignore[no-untyped-def]
    """Give each left vertex its first free neighbour; how many got one."""
    gained = 0
    for u in range(first, last):
        for k in range(starts[u], starts[u + 1]):
            v = neighbours[k]
            if of_right[v] == FREE:
                of_left[u], of_right[v] = v, u
                gained += 1
                break
    return gained


@njit(nogil=True, cache=True)
def _layered(starts, neighbours, of_right, free, layers, queue):  # type: ignore[no-untyped-def]
    """Steps from free left vertices to each left vertex, up to the nearest free right one; False: none is reached.

    Then all that was reached is dead.
    """
    layers[:] = FREE
    head, tail, limit = 0, len(free), np.iinfo(np.int32).max
    for k in range(tail):
        queue[k] = free[k]
        layers[free[k]] = 0
    while head < tail:
        u = queue[head]
        head += 1
        if layers[u] >= limit:
            break
        for k in range(starts[u], starts[u + 1]):
            partner = of_right[neighbours[k]]
            if partner == FREE:
                limit = layers[u]
            elif partner != DEAD and layers[partner] == FREE:
                layers[partner] = layers[u] + 1
                queue[tail] = partner
                tail += 1
    if limit == np.iinfo(np.int32).max:
        for h in range(tail):
            for k in range(starts[queue[h]], starts[queue[h] + 1]):
                of_right[neighbours[k]] = DEAD
        return False
    return True


@njit(nogil=True, cache=True)
def _augmented(starts, neighbours, of_left, of_right, root, layers, stack, cursors):  # type: ignore[no-untyped-def]
    """Search a path of the layers from `root` to a free right vertex, and exchange the pairs along it."""
    stack[0], depth = root, 0
    while depth >= 0:
        u = stack[depth]
        if cursors[u] == starts[u + 1]:
            layers[u] = FREE
            depth -= 1
            if depth >= 0:
                cursors[stack[depth]] += 1
            continue
        partner = of_right[neighbours[cursors[u]]]
        if partner == FREE:
            for d in range(depth, -1, -1):
                v = neighbours[cursors[stack[d]]]
                of_left[stack[d]], of_right[v] = v, stack[d]
                cursors[stack[d]] += 1
            return True
        if partner != DEAD and layers[partner] == layers[u] + 1:
            depth += 1
            stack[depth] = partner
        else:
            cursors[u] += 1
    return False


def warm_up() -> None:
    """Compile the kernels."""
    labels = np.zeros((1, 1), dtype=np.int32)
    graph = near_pixels(np.zeros((1, 2), dtype=np.int64), labels, near_offsets(1.0))
    extend(*graph, np.full(1, FREE, dtype=np.int32), np.full(1, FREE, dtype=np.int32), 0, 1)
