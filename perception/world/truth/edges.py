"""Straight edges of the bodies of a world: found once, in the frame of each body.

Which of them an image shows, and whether they are seen as lines there, is decided by `lines.py`: here all edges are
kept that could be. Curved bodies (`is_smooth`) and foliage have none.
"""

import numpy as np

from perception.world.geometry.mesh import Mesh
from perception.world.geometry.raycast import Accelerator
from perception.world.materials import Material
from perception.world.render.textures.bank import bake
from perception.world.render.textures.edges import LUMA
from perception.world.render.textures.mipmaps import linear_of, srgb_of
from perception.world.truth.kernels_edges import chains
from perception.world.truth.kernels_lines import Edges
from perception.world.truth.textured_lines import MIN_STEP, grid_lines, picture_lines

MIN_DIHEDRAL = np.radians(20.0)
MERGE_STEPS = (2000.0, 2000.0, 2000.0)  # per m: corners that agree to half a millimetre are one
ROUND_TURN = (np.radians(1.5), np.radians(32.0))  # bends between the sides of an outline that stands for a curve
ROUND_SIDE = 0.6  # m, longest side of such an outline
ROUND_RATIO = 1.3  # between the lengths of neighbouring sides
BLOCK_CELL = 4.0  # m, of the cells whose edges are skipped together
SHORTEST_CLASS = 0.05  # m; all shorter edges are of one class


def greys(mesh: Mesh) -> np.ndarray:
    """Mean grey (N,) float32, 0 to 255, of each triangle: mean of its texture times its tint."""
    bank = bake(np.unique(mesh.texture_ids))
    light = bank.mean_colors[bank.layers[mesh.texture_ids]] * linear_of(mesh.tints)
    return srgb_of(light).astype(np.float32) @ LUMA


def edges_of(world: Accelerator, grey: np.ndarray) -> Edges:
    """All edges of a world's bodies and the lines in the pictures on them. `grey` (N,) as by `greys`."""
    found = [(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0))]
    bodies = [np.zeros(0, dtype=np.int32)]
    for body in range(len(world.first_rows) - 1):
        rows = np.arange(world.first_rows[body], world.first_rows[body + 1])
        parts = [_mesh_edges(world.mesh, rows, grey), picture_lines(world.mesh, rows), grid_lines(world.mesh, rows)]
        bodies.append(np.full(sum(len(part[0]) for part in parts), body, dtype=np.int32))
        found += parts
    starts, stops, sizes = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    return _in_blocks(starts, stops, np.concatenate(bodies), sizes)


def _in_blocks(starts: np.ndarray, stops: np.ndarray, bodies: np.ndarray, sizes: np.ndarray) -> Edges:
    """Edges in an order in which neighbours of about one length follow each other, cut into blocks."""
    lengths = np.linalg.norm(stops - starts, axis=1)
    classes = np.ceil(np.log2(np.maximum(lengths, SHORTEST_CLASS))).astype(np.int64)
    cells = np.floor(0.5 * (starts + stops) / BLOCK_CELL).astype(np.int64)
    order = np.lexsort((cells[:, 2], cells[:, 1], cells[:, 0], classes, bodies))
    starts, stops, bodies, sizes, lengths = (a[order] for a in (starts, stops, bodies, sizes, lengths))
    keys = np.column_stack([bodies, classes[order], cells[order]])
    is_new = np.any(keys[1:] != keys[:-1], axis=1)
    firsts = np.concatenate([[0], 1 + np.flatnonzero(is_new), [len(order)]]).astype(np.int64)
    firsts = np.unique(firsts)
    if len(order) == 0:
        return Edges(starts, stops, bodies, sizes, np.zeros(1, dtype=np.int64), np.zeros((0, 5)))
    low = np.minimum.reduceat(np.minimum(starts, stops), firsts[:-1])
    high = np.maximum.reduceat(np.maximum(starts, stops), firsts[:-1])
    radius = 0.5 * np.linalg.norm(high - low, axis=1)
    longest = np.maximum.reduceat(lengths, firsts[:-1])
    return Edges(starts, stops, bodies, sizes, firsts, np.column_stack([0.5 * (low + high), radius, longest]))


def _mesh_edges(mesh: Mesh, rows: np.ndarray, grey: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Folds, borders and changes of colour between the triangles `rows`: starts, stops (E, 3), zeros (E,)."""
    corners = mesh.triangles[rows].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(normals, axis=1)
    is_wanted = (mesh.material_ids[rows] != Material.LEAF) & (area > 1e-10)
    rows, corners, normals = (
        rows[is_wanted],
        corners[is_wanted],
        (normals / np.maximum(area, 1e-20)[:, None])[is_wanted],
    )
    vertices, points = _merged(corners.reshape(-1, 3))
    ends, sides = _candidates(vertices.reshape(-1, 3), normals, grey[rows], mesh.is_smooth[rows])
    if len(ends) == 0:
        return np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0)
    ends = ends[~_stands_for_a_curve(points, ends, sides)]
    first, touching = _by_vertex(ends, len(points))
    starts, stops = np.empty(len(ends), dtype=np.int64), np.empty(len(ends), dtype=np.int64)
    count = chains(points, ends, first, touching, starts, stops)
    return points[starts[:count]], points[stops[:count]], np.zeros(count)


def _merged(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number of the vertex of each corner (N, 3), and the vertices (V, 3)."""
    steps = np.rint(corners * MERGE_STEPS).astype(np.int64)
    steps -= steps.min(axis=0, initial=0)
    spans = steps.max(axis=0, initial=0) + 1
    keys = (steps[:, 0] * spans[1] + steps[:, 1]) * spans[2] + steps[:, 2]
    _, kept, vertices = np.unique(keys, return_index=True, return_inverse=True)
    return vertices.reshape(-1), corners[kept]


def _candidates(
    vertices: np.ndarray, normals: np.ndarray, grey: np.ndarray, is_smooth: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (E, 2) of the edges that may be seen, and one plane (E, 3) that each lies in.

    An edge between two triangles is left out where these go on in one plane with one colour; an edge of a curved body
    always. Edges with one triangle, or with more than two, are kept: what an image shows there decides.
    """
    a, b = vertices.reshape(-1), np.roll(vertices, -1, axis=1).reshape(-1)
    owners = np.repeat(np.arange(len(vertices)), 3)
    is_edge = a != b
    a, b, owners = a[is_edge], b[is_edge], owners[is_edge]
    low, high = np.minimum(a, b), np.maximum(a, b)
    order = np.lexsort((owners, high, low))
    low, high, owners, is_forward = low[order], high[order], owners[order], (a < b)[order]
    if len(low) == 0:
        return np.zeros((0, 2), dtype=np.int64), np.zeros((0, 3))
    firsts = np.flatnonzero(np.r_[True, (np.diff(low) != 0) | (np.diff(high) != 0)])
    counts = np.diff(np.r_[firsts, len(low)])
    is_kept = ~np.logical_or.reduceat(is_smooth[owners], firsts)
    pair = counts == 2
    one, two = firsts[pair], firsts[pair] + 1
    turn = np.where(is_forward[one] == is_forward[two], -1.0, 1.0)  # one of the two is turned inside out
    cosine = np.einsum("ni,ni->n", normals[owners[one]], normals[owners[two]]) * turn
    is_step = np.abs(grey[owners[one]] - grey[owners[two]]) >= MIN_STEP
    is_kept[pair] &= (cosine <= np.cos(MIN_DIHEDRAL)) | is_step
    kept = firsts[is_kept]
    return np.stack([low[kept], high[kept]], axis=1), normals[owners[kept]]


def _by_vertex(ends: np.ndarray, num_vertices: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the edges of each vertex begin (V + 1,), and the edges (2 E,)."""
    order = np.argsort(ends.reshape(-1), kind="stable")
    counts = np.bincount(ends.reshape(-1), minlength=num_vertices)
    return np.concatenate([[0], np.cumsum(counts)]), order // 2


def _stands_for_a_curve(points: np.ndarray, ends: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """True (E,) where an edge is one of many short sides of a polygon: both its neighbours turn a little further."""
    first, touching = _by_vertex(ends, len(points))
    ways = points[ends[:, 1]] - points[ends[:, 0]]
    lengths = np.linalg.norm(ways, axis=1)
    goes_on = np.zeros((len(ends), 2), dtype=bool)
    degrees = np.diff(first)
    for side in (0, 1):
        here = ends[:, side]
        out = ways if side == 1 else -ways
        for k in range(int(min(degrees.max(initial=0), 6))):
            has = degrees[here] > k
            other = touching[np.minimum(first[here] + k, len(touching) - 1)]
            on = np.where((ends[other, 0] == here)[:, None], ways[other], -ways[other])
            cosine = np.einsum("ni,ni->n", out, on) / np.maximum(lengths * lengths[other], 1e-20)
            is_turn = (cosine < np.cos(ROUND_TURN[0])) & (cosine > np.cos(ROUND_TURN[1]))
            ratio = np.maximum(lengths, lengths[other]) / np.maximum(np.minimum(lengths, lengths[other]), 1e-9)
            goes_on[:, side] |= has & is_turn & (ratio < ROUND_RATIO)
    return goes_on.all(axis=1) & (lengths < ROUND_SIDE)
