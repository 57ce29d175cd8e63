"""Do the sensors and labels of a generated world agree with each other? Each function counts what does.

The ray caster of the LiDAR is the witness for images, the LiDAR the one for depth, boxes and voxels.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import binary_dilation, maximum_filter

from perception.core.classes import NUM_OPENOCC_MOVABLE
from perception.core.geometry import apply, inverse
from perception.core.labels import (
    OCCUPANCY_LOW,
    OCCUPANCY_SHAPE,
    VOXEL,
    BoxLabels3d,
    ObjectLabels,
    OccupancyLabels,
)
from perception.world.config import BeamConfig
from perception.world.geometry.raycast import NO_HIT, Accelerator, Hits, Rays, cast
from perception.world.materials import Material
from perception.world.scene import Scene
from perception.world.sensors.cameras import Exposure
from perception.world.sensors.lidar import SWEEP_NS, range_sigma
from perception.world.things import Thing
from perception.world.truth.beams import Beams
from perception.world.truth.instances import owned_instances
from perception.world.truth.kernels_voxels import FREE
from perception.world.truth.occupancy import to_openocc

SIGMAS = 4.0  # of the noise, within which a return must lie
ROUNDING = 0.01  # m, of positions in float32 and of the place of movers within a step of the sweep
MOVER_ROUNDING = 0.06  # m, likewise for what moves: half a step of a sweep at 20 m/s
HIDDEN, HIDDEN_SHARE = 0.06, 0.05  # m and share of the distance by which another surface must lie before a return to
MAX_HIDDEN = 0.5  # hide it from the camera, and the most (m)
JUMP, JUMP_SHARE = 0.1, 0.01  # m and share of the depth by which a neighbour leaves the plane: a silhouette
MIN_SPEED = 0.5  # m/s, of voxels whose flow is judged
MAX_TURN = np.radians(20.0)  # of a thing between two key frames; cars in bends stay below
NEAREST = 0.3  # m, in front of a camera
FAR = 1e5  # m, beyond the world; `cast` needs an end
BLOCK = np.ones((3, 3, 3), dtype=np.bool_)  # a voxel and its neighbours


@dataclass(frozen=True, slots=True)
class Tally:
    """How many of so many agree."""

    agreeing: int
    num: int

    @property
    def share(self) -> float:
        """Agreeing of all; NaN of none."""
        return self.agreeing / self.num if self.num else float("nan")

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.agreeing + other.agreeing, self.num + other.num)


def tally(agrees: np.ndarray) -> Tally:
    """Of a mask (N,) bool."""
    return Tally(int(np.count_nonzero(agrees)), len(agrees))


def cast_at(world: Accelerator, exposure: Exposure, places: np.ndarray) -> Hits:
    """First hits of rays from the camera, in the middle of the exposure, towards places (N, 3) in the world."""
    origin = exposure.T_world_camera[1, :3, 3]
    directions = places - origin
    directions = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    n = len(places)
    rays = Rays(
        origin[None].astype(np.float32),
        directions.astype(np.float32),
        np.zeros(n, dtype=np.int32),
        np.zeros(1, dtype=np.int32),
    )
    T_mover_world = inverse(exposure.T_world_mover[1])[None, :, :3].astype(np.float32)
    return cast(world, rays, np.ascontiguousarray(T_mover_world), FAR)


def cast_pixels(world: Accelerator, exposure: Exposure, pixels: np.ndarray) -> Hits:
    """First hits of rays through pixels (N, 2)."""
    return cast_at(world, exposure, apply(exposure.T_world_camera[1], exposure.camera.model.rays(pixels)))


def depth_agreement(
    world: Accelerator, exposure: Exposure, depth: np.ndarray, rows: np.ndarray, beams: Beams, config: BeamConfig
) -> Tally:
    """Returns of static surfaces against the depth image (H, W) of an exposure and its triangles (H, W).

    The depth at a return is that of the plane which its pixel shows, in the very direction of the return; both may
    differ by `SIGMAS` of the range noise as this direction sees it. Left out: returns behind another surface as the
    ray caster sees it, and pixels at silhouettes or beside one. Returns from leaves and pixels that show a leaf count
    only where both are the same leaf: crowns are silhouettes all over.
    """
    beams = _static(beams, world)
    local = apply(inverse(exposure.T_world_camera[1]), beams.ends)
    pixels = np.full((len(local), 2), -1, dtype=np.int64)
    ahead = local[:, 2] > NEAREST
    seen_at = exposure.camera.model.project(local[ahead])
    pixels[ahead] = np.round(np.clip(seen_at, -1.0, 1e6)).astype(np.int64)
    inside = ahead & (pixels >= 0).all(axis=1) & (pixels < rows.shape[::-1]).all(axis=1)
    beams, local, pixels = _chosen(beams, inside), local[inside], pixels[inside]
    hits = cast_at(world, exposure, beams.ends)
    distance = np.linalg.norm(local, axis=1)
    before = distance - np.minimum(HIDDEN + HIDDEN_SHARE * distance, MAX_HIDDEN)
    hidden = (hits.rows != beams.rows) & (hits.ranges < before)
    shown = rows[pixels[:, 1], pixels[:, 0]]
    plain = ~silhouettes(world, exposure, depth, rows)[pixels[:, 1], pixels[:, 0]] & (shown != NO_HIT)
    leaf = world.mesh.material_ids == Material.LEAF
    plain &= (shown == beams.rows) | ~(leaf[beams.rows] | leaf[shown])
    kept = plain & ~hidden
    beams, local, shown, pixels = _chosen(beams, kept), local[kept], shown[kept], pixels[kept]
    normals, offsets = _planes(world, exposure, shown)
    facing = np.einsum("ni,ni->n", normals, local / local[:, 2:])
    expected = offsets / facing
    sigma = _sigma_along(world, exposure, beams, config) / np.abs(facing)
    agrees = np.abs(expected - local[:, 2]) <= SIGMAS * sigma + ROUNDING
    agrees &= np.abs(depth[pixels[:, 1], pixels[:, 0]] / _plane_depth(exposure, pixels, normals, offsets) - 1.0) < 1e-3
    return tally(agrees)


def silhouettes(world: Accelerator, exposure: Exposure, depth: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Pixels (H, W) bool of which a neighbour lies off the plane that they show, and all of the sky."""
    v, u = np.nonzero(rows != NO_HIT)
    normals, offsets = _planes(world, exposure, rows[v, u])
    out = rows == NO_HIT
    height, width = rows.shape
    for dv, du in ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)):
        pixels = np.column_stack([np.clip(u + du, 0, width - 1), np.clip(v + dv, 0, height - 1)])
        expected = _plane_depth(exposure, pixels, normals, offsets)
        found = depth[pixels[:, 1], pixels[:, 0]]
        out[v, u] |= ~(np.abs(found - expected) <= JUMP + JUMP_SHARE * found)
    return out


def mask_agreement(scene: Scene, world: Accelerator, exposure: Exposure, labels: ObjectLabels, step: int = 1) -> Tally:
    """Pixels of the masks against the instances that rays through their middles meet; every `step`th row and column.

    Counts the pixels where either shows an object, which makes it the intersection over union of all masks.
    """
    shown = labels.instance_map[::step, ::step]
    v, u = np.meshgrid(np.arange(shown.shape[0]) * step, np.arange(shown.shape[1]) * step, indexing="ij")
    hits = cast_pixels(world, exposure, np.stack([u, v], axis=-1).reshape(-1, 2).astype(np.float64))
    owned = owned_instances(scene, world)
    met = np.where(hits.rows != NO_HIT, owned[np.maximum(hits.rows, 0)], 0).reshape(shown.shape)
    either = (met > 0) | (shown > 0)
    return tally(met[either] == shown[either])


def box_agreement(scene: Scene, world: Accelerator, beams: Beams, config: BeamConfig) -> Tally:
    """Returns from each thing against its box at the time of the return; noise may carry them out of it."""
    owned = owned_instances(scene, world)[beams.rows]
    sweeps = beams.times_ns // SWEEP_NS  # one by one: in a world that repeats the nearest copy changes on the way
    things = {thing.instance_id: thing for thing in scene.things}
    total = Tally(0, 0)
    for sweep in np.unique(sweeps):
        here = sweeps == sweep
        for number in np.unique(owned[here & (owned > 0)]).tolist():
            total += _in_box(scene, things[number], _chosen(beams, here & (owned == number)), config)
    return total


def _in_box(scene: Scene, thing: Thing, beams: Beams, config: BeamConfig) -> Tally:
    """Returns of one sweep from one thing."""
    times_ns, at = np.unique(beams.times_ns, return_inverse=True)
    poses = replace(scene, things=(thing,)).thing_poses(times_ns, float(beams.origins[0, 0]))[0]
    T_thing_world = inverse(poses)[at]
    local = np.einsum("nij,nj->ni", T_thing_world[:, :3, :3], beams.ends) + T_thing_world[:, :3, 3]
    reach = np.linalg.norm(beams.ends - beams.origins, axis=1)
    rounding = ROUNDING if thing.motion is None else MOVER_ROUNDING
    margin = (SIGMAS * range_sigma(reach, np.zeros(len(reach)), config) + rounding)[:, None]
    return tally(((local >= thing.low - margin) & (local <= thing.high + margin)).all(axis=1))


def occupancy_agreement(labels: OccupancyLabels, T_world_ego: np.ndarray, beams: Beams) -> Tally:
    """Returns within the grid whose voxel, or one beside it, is occupied."""
    cells, within = voxels_of(apply(inverse(T_world_ego), beams.ends))
    occupied = binary_dilation(labels.semantics != FREE, BLOCK)
    return tally(occupied[tuple(cells[within].T)])


@dataclass(frozen=True, slots=True)
class FlowAgreement:
    """The voxels of moving things at one key frame against those of the next."""

    near: Tally  # moved by their flow, they meet one of their class or lie beside it
    overlap_before: Tally  # intersection over union before they are moved
    overlap_after: Tally  # and after


def flow_agreement(
    now: OccupancyLabels,
    T_world_now: np.ndarray,
    later: OccupancyLabels,
    T_world_later: np.ndarray,
    seconds: float,
    boxes: tuple[BoxLabels3d, BoxLabels3d] | None = None,
) -> FlowAgreement:
    """Move the voxels of moving things along their flow into the next key frame, `seconds` later, class by class.

    `boxes` of both key frames: things that turn by more than `MAX_TURN` in between are left out; they leave the line.
    """
    near = before = after = Tally(0, 0)
    T_later_now = inverse(T_world_later) @ T_world_now
    turning = np.zeros(OCCUPANCY_SHAPE, dtype=np.bool_)
    if boxes is not None:
        turning = _turning(boxes[0], boxes[1], inverse(T_later_now))
    numbers = to_openocc(now.semantics)
    for kind in range(NUM_OPENOCC_MOVABLE):
        cells = np.argwhere((numbers == kind) & _is_moving(now) & ~turning)
        centres = OCCUPANCY_LOW + VOXEL * (cells + 0.5)
        shift = np.zeros_like(centres)
        shift[:, :2] = seconds * now.flow[tuple(cells.T)]
        target = (to_openocc(later.semantics) == kind) & _is_moving(later)
        moved, within = voxels_of(apply(T_later_now, centres + shift))
        near += tally(maximum_filter(target, size=3)[tuple(moved[within].T)])
        after += _overlap(moved[within], target)
        still, within = voxels_of(apply(T_later_now, centres))
        before += _overlap(still[within], target)
    return FlowAgreement(near, before, after)


def voxels_of(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Voxels (N, 3) int64 of points (N, 3) in the ego frame, and which of them lie in the grid (N,) bool."""
    cells = np.floor((points - OCCUPANCY_LOW) / VOXEL).astype(np.int64)
    return cells, ((cells >= 0) & (cells < OCCUPANCY_SHAPE)).all(axis=1)


def _is_moving(labels: OccupancyLabels) -> np.ndarray:
    return np.nan_to_num(np.hypot(labels.flow[..., 0], labels.flow[..., 1])) > MIN_SPEED


def _turning(now: BoxLabels3d, later: BoxLabels3d, T_now_later: np.ndarray) -> np.ndarray:
    """Voxels (X, Y, Z) bool of the boxes that turn by more than `MAX_TURN`, and those beside them."""
    out = np.zeros(OCCUPANCY_SHAPE, dtype=np.bool_)
    axes = np.column_stack([np.cos(later.yaws), np.sin(later.yaws)]) @ T_now_later[:2, :2].T
    yaws = dict(zip(later.instance_ids.tolist(), np.arctan2(axes[:, 1], axes[:, 0]), strict=True))
    for i, number in enumerate(now.instance_ids.tolist()):
        turn = yaws.get(number, now.yaws[i]) - now.yaws[i]
        if abs(np.arctan2(np.sin(turn), np.cos(turn))) <= MAX_TURN:
            continue
        reach = 0.5 * np.linalg.norm(now.sizes[i]) + VOXEL
        low, high = ((now.centres[i] + side * reach - OCCUPANCY_LOW) / VOXEL for side in (-1.0, 1.0))
        low, high = np.maximum(np.floor(low), 0).astype(int), np.maximum(np.ceil(high), 0).astype(int)
        out[low[0] : high[0], low[1] : high[1], low[2] : high[2]] = True
    return out


def _overlap(cells: np.ndarray, target: np.ndarray) -> Tally:
    """Intersection and union of voxels (N, 3) with a mask."""
    mine = np.zeros_like(target)
    mine[tuple(cells.T)] = True
    return Tally(int(np.count_nonzero(mine & target)), int(np.count_nonzero(mine | target)))


def _static(beams: Beams, world: Accelerator) -> Beams:
    return _chosen(beams, beams.rows < world.first_rows[1])


def _chosen(beams: Beams, mask: np.ndarray) -> Beams:
    return Beams(beams.origins[mask], beams.ends[mask], beams.rows[mask], beams.times_ns[mask])


def _planes(world: Accelerator, exposure: Exposure, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit normals (N, 3) and offsets (N,) of the planes n . p = offset of triangles, in the camera frame."""
    T_camera_world = inverse(exposure.T_world_camera[1])
    T_camera_body = np.concatenate([T_camera_world[None], T_camera_world @ exposure.T_world_mover[1]])
    T = T_camera_body[np.searchsorted(world.first_rows, rows, side="right") - 1]
    corners = world.mesh.triangles[rows].astype(np.float64)
    corners = np.einsum("nij,nkj->nki", T[:, :3, :3], corners) + T[:, None, :3, 3]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)
    return normals, np.einsum("ni,ni->n", normals, corners[:, 0])


def _plane_depth(exposure: Exposure, pixels: np.ndarray, normals: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Depth (N,) of planes in the middle of pixels (N, 2)."""
    rays = exposure.camera.model.rays(pixels.astype(np.float64))
    with np.errstate(divide="ignore"):
        return offsets / np.einsum("ni,ni->n", normals, rays)


def _sigma_along(world: Accelerator, exposure: Exposure, beams: Beams, config: BeamConfig) -> np.ndarray:
    """Standard deviation (N,) of the distance (m) from a return to the plane that it came from."""
    along = beams.ends - beams.origins
    reach = np.linalg.norm(along, axis=1)
    normals, _ = _planes(world, exposure, beams.rows)
    axes = along / reach[:, None] @ exposure.T_world_camera[1, :3, :3]
    cosines = np.abs(np.einsum("ni,ni->n", normals, axes))
    return range_sigma(reach, cosines, config) * cosines
