"""First hits of rays on a world of one static mesh and moving ones: two levels, one hierarchy per mesh.

`cast` is the fast version in Numba, `cast_brute_force` its definition. Ray-triangle test: Moeller and Trumbore,
"Fast, minimum storage ray/triangle intersection", 1997, two-sided.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np

from perception.core.classes import Class
from perception.core.errors import InvalidInput
from perception.world.geometry.bvh import STACK_SIZE, Bvh, build_bvh
from perception.world.geometry.clusters import Clusters, build_clusters
from perception.world.geometry.leaf_mask import covered, is_leaf_there
from perception.world.geometry.mesh import Mesh, joined, surface
from perception.world.materials import Material

NO_HIT = -1
CONE_MARGIN = 1e-3  # rad, around the rays of a firing, for rounding
_FAST = {"nnan", "nsz", "arcp", "contract"}  # infinities stay: empty boxes are made of them


@dataclass(frozen=True, slots=True, eq=False)
class Rays:
    """Beams in the world. Beams that leave together share one firing: its origin and the place of what moves."""

    origins: np.ndarray  # (F, 3) float32, m, of each firing
    directions: np.ndarray  # (N, 3) float32, unit
    firings: np.ndarray  # (N,) int32, row of `origins`
    steps: np.ndarray  # (F,) int32, row of the poses of the movers, see `cast`


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """What each ray met first."""

    ranges: np.ndarray  # (N,) float32, m; inf where nothing was met
    rows: np.ndarray  # (N,) int32, triangle in `Accelerator.mesh`; NO_HIT where nothing was met
    cosines: np.ndarray  # (N,) float32, |cos| of the angle between ray and surface normal; 0 where nothing was met


@dataclass(frozen=True, slots=True, eq=False)
class Accelerator:
    """All meshes of a world in one set of arrays, ready for `cast`."""

    mesh: Mesh  # static triangles, then those of each mover in its own frame
    first_rows: np.ndarray  # (B + 1,) int32: where each body starts in `mesh`; body 0 is the static one
    roots: np.ndarray  # (B,) int32: root node of each body
    spheres: np.ndarray  # (B, 4) float32: centre and radius around each body, in its frame
    bvh: Bvh  # of all bodies, one after the other
    clusters: Clusters  # the same triangles for the rasteriser


def build_accelerator(static: Mesh, movers: Sequence[Mesh] = ()) -> Accelerator:
    """Hierarchies for a static mesh and for each moving one (given in its own frame)."""
    bodies = [static, *movers]
    trees = [build_bvh(body) for body in bodies]
    counts = np.cumsum([0, *(len(body) for body in bodies)])
    nodes = np.cumsum([0, *(len(tree.boxes) for tree in trees)])
    leaves = np.cumsum([0, *(len(tree.leaves) for tree in trees)])
    corners = np.cumsum([0, *(len(tree.corners) for tree in trees)])
    together = Bvh(
        np.concatenate([tree.boxes for tree in trees]),
        np.concatenate([_shifted(tree.children, nodes[i], leaves[i]) for i, tree in enumerate(trees)]),
        np.concatenate([tree.leaves + np.array([corners[i], 0], dtype=np.int32) for i, tree in enumerate(trees)]),
        np.concatenate([tree.corners for tree in trees]),
        np.concatenate([tree.rows + np.int32(counts[i]) for i, tree in enumerate(trees)]),
    )
    spheres = np.array([_sphere(body) for body in bodies], dtype=np.float32)
    mesh, first_rows, roots = joined(bodies), counts.astype(np.int32), nodes[:-1].astype(np.int32)
    clusters = build_clusters(mesh, first_rows, roots, together)
    return Accelerator(mesh, first_rows, roots, spheres, together, clusters)


def no_movers() -> np.ndarray:
    """The poses that `cast` takes where nothing moves."""
    return np.zeros((1, 0, 3, 4), dtype=np.float32)


def cast(world: Accelerator, rays: Rays, T_mover_world: np.ndarray, max_range: float) -> Hits:
    """First hits up to `max_range`. `T_mover_world` (S, B - 1, 3, 4) float32: each mover at each step.

    Raises `InvalidInput` for a range that is not finite, with which a ray through empty space would never end.
    """
    if not np.isfinite(max_range):
        raise InvalidInput(f"max_range: {max_range} is not finite; give a range beyond the world, e.g. 1e5")
    n = len(rays.directions)
    hits = Hits(np.empty(n, np.float32), np.empty(n, np.int32), np.empty(n, np.float32))
    _cast(
        world.bvh.boxes,
        world.bvh.children,
        world.bvh.leaves,
        world.bvh.corners,
        world.clusters.is_leaf,
        world.bvh.rows,
        world.roots,
        _moved_spheres(world.spheres, T_mover_world),
        rays.origins,
        rays.directions,
        rays.firings,
        rays.steps,
        T_mover_world,
        np.float32(max_range),
        hits.ranges,
        hits.rows,
        hits.cosines,
    )
    return hits


def cast_brute_force(world: Accelerator, rays: Rays, T_mover_world: np.ndarray, max_range: float) -> Hits:
    """The definition of `cast`: every ray against every triangle."""
    n = len(rays.directions)
    hits = Hits(np.full(n, np.inf, np.float32), np.full(n, NO_HIT, np.int32), np.zeros(n, np.float32))
    for i in range(n):
        firing = rays.firings[i]
        for body in range(len(world.roots)):
            rows = slice(world.first_rows[body], world.first_rows[body + 1])
            o, d = rays.origins[firing], rays.directions[i]
            if body > 0:
                T = T_mover_world[rays.steps[firing], body - 1]
                o, d = T[:, :3] @ o + T[:, 3], T[:, :3] @ d
            is_leaf = world.mesh.material_ids[rows] == Material.LEAF
            t, cosine = _intersect(world.mesh.triangles[rows], is_leaf, o, d)
            best = int(np.argmin(t)) if len(t) else 0
            if len(t) and t[best] <= max_range and t[best] < hits.ranges[i]:
                hits.ranges[i], hits.rows[i], hits.cosines[i] = t[best], rows.start + best, cosine[best]
    return hits


def _intersect(
    triangles: np.ndarray, is_leaf: np.ndarray, origin: np.ndarray, direction: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Ranges (inf: missed) and |cos| of the incidence of one ray on triangles (N, 3, 3)."""
    edge_1, edge_2 = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    p = np.cross(direction, edge_2)
    determinant = np.einsum("ij,ij->i", edge_1, p)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        s = origin - triangles[:, 0]
        u = np.einsum("ij,ij->i", s, p) / determinant
        q = np.cross(s, edge_1)
        v = q @ direction / determinant
        t = np.einsum("ij,ij->i", edge_2, q) / determinant
        normal = np.cross(edge_1, edge_2)
        cosine = np.abs(normal @ direction) / np.linalg.norm(normal, axis=1)
        hit = (determinant != 0.0) & (u >= 0.0) & (v >= 0.0) & (u + v <= 1.0) & (t > 0.0)
        hit[hit] &= ~is_leaf[hit] | covered(u[hit], v[hit])
    return np.where(hit, t, np.inf).astype(np.float32), np.where(hit, cosine, 0.0).astype(np.float32)


def _shifted(children: np.ndarray, first_node: int, first_leaf: int) -> np.ndarray:
    return np.where(children >= 0, children + first_node, children - first_leaf).astype(np.int32)


def _moved_spheres(spheres: np.ndarray, T_mover_world: np.ndarray) -> np.ndarray:
    """Centre and radius (S, B - 1, 4) float32 of the spheres around the movers, in the world, at each step."""
    out = np.empty((*T_mover_world.shape[:2], 4), dtype=np.float32)
    local = spheres[None, 1:, :3] - T_mover_world[..., 3]
    out[..., :3] = np.einsum("smji,smj->smi", T_mover_world[..., :3], local)
    out[..., 3] = spheres[1:, 3]
    return out


def _sphere(mesh: Mesh) -> np.ndarray:
    if len(mesh) == 0:
        return np.zeros(4)
    corners = mesh.triangles.reshape(-1, 3).astype(np.float64)
    centre = 0.5 * (corners.min(axis=0) + corners.max(axis=0))
    return np.append(centre, np.linalg.norm(corners - centre, axis=1).max() + 1e-3)


@numba.njit(nogil=True, cache=True, fastmath=_FAST, inline="always")
def _enters(box, ox, oy, oz, ix, iy, iz, t_max):
    """Where the ray enters a box, or a number above `t_max` where it does not."""
    ax, bx = (box[0] - ox) * ix, (box[3] - ox) * ix
    ay, by = (box[1] - oy) * iy, (box[4] - oy) * iy
    az, bz = (box[2] - oz) * iz, (box[5] - oz) * iz
    near = ax if ax < bx else bx
    far = bx if ax < bx else ax
    low = ay if ay < by else by
    high = by if ay < by else ay
    near = low if low > near else near
    far = high if high < far else far
    low = az if az < bz else bz
    high = bz if az < bz else az
    near = low if low > near else near
    far = high if high < far else far
    near = near if near > np.float32(0.0) else np.float32(0.0)
    far = far if far < t_max else t_max
    return near if near <= far else np.float32(np.inf)


@numba.njit(nogil=True, cache=True, fastmath=_FAST)
def _trace(boxes, children, leaves, corners, is_leaf, root, ox, oy, oz, dx, dy, dz, t_max, stack, stack_t):
    """Range and position in `corners` of the first hit of one ray in one body; (t_max, -1) for none."""
    tiny, one, zero = np.float32(1e-12), np.float32(1.0), np.float32(0.0)
    ix = one / (dx if abs(dx) > tiny else tiny)
    iy = one / (dy if abs(dy) > tiny else tiny)
    iz = one / (dz if abs(dz) > tiny else tiny)
    best = -1
    top = 1
    stack[0], stack_t[0] = root, zero
    while top > 0:
        top -= 1
        if stack_t[top] > t_max:
            continue
        node = stack[top]
        while node >= 0:
            near_0 = _enters(boxes[node, 0], ox, oy, oz, ix, iy, iz, t_max)
            near_1 = _enters(boxes[node, 1], ox, oy, oz, ix, iy, iz, t_max)
            first, second = children[node, 0], children[node, 1]
            if near_1 < near_0:
                first, second = second, first
                near_0, near_1 = near_1, near_0
            if near_0 > t_max:
                break
            if near_1 <= t_max:
                stack[top], stack_t[top] = second, near_1
                top += 1
            node = first
        if node >= 0:
            continue
        start, count = leaves[~node, 0], leaves[~node, 1]
        for k in range(start, start + count):
            c = corners[k]
            e1x, e1y, e1z, e2x, e2y, e2z = c[3], c[4], c[5], c[6], c[7], c[8]
            px, py, pz = dy * e2z - dz * e2y, dz * e2x - dx * e2z, dx * e2y - dy * e2x
            determinant = e1x * px + e1y * py + e1z * pz
            if determinant == zero:
                continue
            scale = one / determinant
            sx, sy, sz = ox - c[0], oy - c[1], oz - c[2]
            u = (sx * px + sy * py + sz * pz) * scale
            if u < zero or u > one:
                continue
            qx, qy, qz = sy * e1z - sz * e1y, sz * e1x - sx * e1z, sx * e1y - sy * e1x
            v = (dx * qx + dy * qy + dz * qz) * scale
            if v < zero or u + v > one:
                continue
            t = (e2x * qx + e2y * qy + e2z * qz) * scale
            if zero < t <= t_max and (not is_leaf[k] or is_leaf_there(u, v)):
                t_max = t
                best = k
    return t_max, best


@numba.njit(nogil=True, cache=True)
def _incidence(c, dx, dy, dz):
    nx, ny, nz = c[4] * c[8] - c[5] * c[7], c[5] * c[6] - c[3] * c[8], c[3] * c[7] - c[4] * c[6]
    length = np.sqrt(nx * nx + ny * ny + nz * nz)
    return abs(nx * dx + ny * dy + nz * dz) / length


@numba.njit(nogil=True, cache=True)
def _near_movers(directions, start, stop, origin, spheres, max_range, near):
    """Number of movers, listed in `near`, whose sphere (M, 4) meets the cone around the rays of one firing."""
    mx, my, mz = 0.0, 0.0, 0.0
    for i in range(start, stop):
        mx, my, mz = mx + directions[i, 0], my + directions[i, 1], mz + directions[i, 2]
    length = np.sqrt(mx * mx + my * my + mz * mz)
    widest = np.pi
    if length > 1e-3 * (stop - start):
        mx, my, mz = mx / length, my / length, mz / length
        least = 1.0
        for i in range(start, stop):
            least = min(least, mx * directions[i, 0] + my * directions[i, 1] + mz * directions[i, 2])
        widest = np.arccos(max(-1.0, least)) + CONE_MARGIN
    count = 0
    for m in range(len(spheres)):
        cx, cy, cz = spheres[m, 0] - origin[0], spheres[m, 1] - origin[1], spheres[m, 2] - origin[2]
        radius = spheres[m, 3]
        distance = np.sqrt(cx * cx + cy * cy + cz * cz)
        if distance > radius + max_range:
            continue
        if distance > radius and widest < np.pi:
            cosine = (mx * cx + my * cy + mz * cz) / distance
            if np.arccos(min(1.0, max(-1.0, cosine))) - np.arcsin(radius / distance) > widest:
                continue
        near[count] = m
        count += 1
    return count


@numba.njit(nogil=True, cache=True)
def _cast(
    boxes, children, leaves, corners, is_leaf, rows, roots, spheres, origins, directions, firings, steps, movers,
    max_range, ranges, hit_rows, cosines,
):  # fmt: skip
    stack = np.empty(STACK_SIZE, dtype=np.int32)
    stack_t = np.empty(STACK_SIZE, dtype=np.float32)
    near = np.empty(movers.shape[1], dtype=np.int32)
    num_near, stop = 0, 0
    for i in range(len(directions)):
        f = firings[i]
        if i == stop:
            while stop < len(directions) and firings[stop] == f:
                stop += 1
            num_near = _near_movers(directions, i, stop, origins[f], spheres[steps[f]], max_range, near)
        ox, oy, oz = origins[f, 0], origins[f, 1], origins[f, 2]
        dx, dy, dz = directions[i, 0], directions[i, 1], directions[i, 2]
        t, best = _trace(
            boxes, children, leaves, corners, is_leaf, roots[0], ox, oy, oz, dx, dy, dz, max_range, stack, stack_t
        )
        ux, uy, uz = dx, dy, dz
        for n in range(num_near):
            m = near[n]
            sphere = spheres[steps[f], m]
            cx, cy, cz, radius = sphere[0] - ox, sphere[1] - oy, sphere[2] - oz, sphere[3]
            along = cx * dx + cy * dy + cz * dz
            across = cx * cx + cy * cy + cz * cz - along * along
            if across > radius * radius or along < -radius or along - radius > t:
                continue
            T = movers[steps[f], m]
            px = T[0, 0] * ox + T[0, 1] * oy + T[0, 2] * oz + T[0, 3]
            py = T[1, 0] * ox + T[1, 1] * oy + T[1, 2] * oz + T[1, 3]
            pz = T[2, 0] * ox + T[2, 1] * oy + T[2, 2] * oz + T[2, 3]
            vx = T[0, 0] * dx + T[0, 1] * dy + T[0, 2] * dz
            vy = T[1, 0] * dx + T[1, 1] * dy + T[1, 2] * dz
            vz = T[2, 0] * dx + T[2, 1] * dy + T[2, 2] * dz
            t_mover, k = _trace(
                boxes, children, leaves, corners, is_leaf, roots[m + 1], px, py, pz, vx, vy, vz, t, stack, stack_t
            )
            if k >= 0:
                t, best, ux, uy, uz = t_mover, k, vx, vy, vz
        if best < 0:
            ranges[i], hit_rows[i], cosines[i] = np.float32(np.inf), NO_HIT, np.float32(0.0)
        else:
            ranges[i], hit_rows[i] = t, rows[best]
            cosines[i] = _incidence(corners[best], ux, uy, uz)


def warm_up() -> None:
    """Compile the kernels of this file and of `bvh.py` for the types they are used with."""
    corner = np.zeros((1, 3, 3))
    triangle = surface(corner, Class.OTHERS, Material.CONCRETE)
    origins, directions = np.zeros((1, 3), dtype=np.float32), np.ones((1, 3), dtype=np.float32)
    rays = Rays(origins, directions, np.zeros(1, dtype=np.int32), np.zeros(1, dtype=np.int32))
    cast(build_accelerator(triangle), rays, no_movers(), 1.0)
