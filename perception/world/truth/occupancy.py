"""Semantic occupancy and its flow around the robot, as Occ3D and OpenOcc label it (`alocc.md` sections 2 and 14).

The grid lies in the ego frame of the key frame: the pose of the base at the stamp of the front camera. A voxel has the
class of which it holds the largest area of surface. Surfaces are one voxel thick; only cars, trucks and buses are
filled: in each column of voxels, from the lowest to the highest that the body touches. Foliage cards count in full.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from perception.core.cameras import CameraModel
from perception.core.classes import NUM_OPENOCC_MOVABLE, TO_OCC3D, TO_OPENOCC, Class
from perception.core.geometry import inverse
from perception.core.labels import OCCUPANCY_LOW, OCCUPANCY_SHAPE, VOXEL, OccupancyLabels
from perception.core.stamps import NS_PER_MS, NS_PER_S
from perception.world.geometry.raycast import Accelerator
from perception.world.scene import Scene
from perception.world.sensors.cameras import Exposure
from perception.world.sensors.lidar import SWEEP_NS
from perception.world.truth.beams import Beams
from perception.world.truth.kernels_rays import distinct, walk
from perception.world.truth.kernels_voxels import FREE, STATIC, voxel_areas

KEY_FRAME_NS = 500 * NS_PER_MS  # 2 Hz; the sweeps of this time around a key frame make `mask_lidar`
SOLID = (Class.CAR, Class.TRUCK, Class.BUS)  # bodies without openings
TILE = 16.0  # m, of the parts of the world that are taken or left as a whole
REACH = float(np.hypot(*OCCUPANCY_LOW[:2])) + 4.0  # m, from the ego to the farthest voxel, leaning a little
PIXEL_STEP = 4  # px between the rays of a camera: 0.4 m at the far corner of the grid
DIFFERENCE_NS = 10 * NS_PER_MS  # before and after, of the central difference


def to_openocc(semantics: np.ndarray) -> np.ndarray:
    """OpenOcc numbers (17 classes) of Occ3D numbers (18 classes), any shape, uint8."""
    return TO_OPENOCC[semantics]


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """The triangles of one class of one object that moves or is solid."""

    rows: np.ndarray  # (K,) int64
    thing: int  # number in `Scene.things`
    is_moving: bool
    is_solid: bool
    radius: float  # m, around the origin of the thing


class _Tiles:
    """Static triangles by the square of the ground in which their middle lies."""

    def __init__(self, triangles: np.ndarray, rows: np.ndarray) -> None:
        cells = np.floor(triangles[rows, :, :2].mean(axis=1) / TILE).astype(np.int64)
        _, numbers = np.unique(cells, axis=0, return_inverse=True)
        order = np.argsort(numbers.reshape(-1), kind="stable")
        counts = np.bincount(numbers.reshape(-1))
        starts = np.cumsum(counts) - counts
        corners = triangles[rows[order], :, :2]
        self._rows = np.split(rows[order], starts[1:]) if len(rows) else []
        self._low = np.minimum.reduceat(corners.min(axis=1), starts) if len(rows) else np.zeros((0, 2))
        self._high = np.maximum.reduceat(corners.max(axis=1), starts) if len(rows) else np.zeros((0, 2))

    def near(self, centre: np.ndarray) -> list[np.ndarray]:
        """Rows of all squares of which something lies within `REACH` of a place (2,)."""
        away = np.maximum(np.maximum(self._low - centre, centre - self._high), 0.0)
        return [self._rows[i] for i in np.flatnonzero(np.hypot(*away.T) <= REACH)]


class OccupancyTruth:
    """Labels key frames of one world, in any order and from any thread."""

    def __init__(self, scene: Scene, world: Accelerator) -> None:
        self.scene, self.world = scene, world
        self._kinds = TO_OCC3D[world.mesh.class_ids]
        num_static = int(world.first_rows[1])
        self._bodies = np.searchsorted(world.first_rows, np.arange(len(world.mesh)), side="right").astype(np.int32) - 1
        self._parts = _parts(scene, world)
        rest = np.ones(len(world.mesh), dtype=np.bool_)
        for part in self._parts:
            rest[part.rows] = False
        self._tiles = _Tiles(world.mesh.triangles, np.flatnonzero(rest[:num_static]))
        self._unnamed = num_static + np.flatnonzero(rest[num_static:])  # moves, but is no thing
        self._rays: dict[int, tuple[CameraModel, np.ndarray]] = {}

    def labels(
        self, time_ns: int, T_world_ego: np.ndarray, exposures: Sequence[Exposure], beams: Beams
    ) -> OccupancyLabels:
        """The labels at `time_ns` after the start, in the grid around `T_world_ego` (4, 4), see `Scene.wrapped`.

        `exposures`: of all cameras at this key frame, each seen from its own pose at its own stamp. `beams`: returns of
        the sweeps around it (`KEY_FRAME_NS` in all); voxels they end in or pass are seen.
        """
        times_ns = time_ns + np.array([-DIFFERENCE_NS, 0, DIFFERENCE_NS], dtype=np.int64)
        T_world_thing = self.scene.thing_poses(times_ns, float(T_world_ego[0, 3]))
        semantics, owner = self._classes(time_ns, T_world_ego, T_world_thing[:, 1])
        return OccupancyLabels(
            semantics,
            self._seen_by_lidar(T_world_ego, beams),
            self._seen_by_cameras(T_world_ego, exposures, semantics != FREE),
            _flow(semantics, owner, _rates(T_world_ego, T_world_thing)),
        )

    def _classes(
        self, time_ns: int, T_world_ego: np.ndarray, T_world_thing: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Occ3D numbers (X, Y, Z) uint8, and the moving thing (X, Y, Z) int32 that a voxel belongs to, or STATIC."""
        tiles = self._tiles.near(T_world_ego[:2, 3])
        parts = self._parts_near(T_world_ego, T_world_thing)
        chunks = [np.concatenate([self._unnamed, *tiles]), *(part.rows for part in parts)]
        batches = (
            np.cumsum([0, *(len(chunk) for chunk in chunks)], dtype=np.int64),
            np.array([STATIC, *(part.thing if part.is_moving else STATIC for part in parts)], dtype=np.int32),
            np.array([False, *(part.is_solid for part in parts)], dtype=np.bool_),
        )
        rows = np.concatenate(chunks)
        T_grid_body = _grid_from_ego() @ inverse(T_world_ego) @ self._body_poses(time_ns, float(T_world_ego[0, 3]))
        return voxel_areas(
            self.world.mesh.triangles,
            self._kinds,
            rows,
            self._bodies[rows],
            np.ascontiguousarray(T_grid_body[:, :3]),
            batches,
            OCCUPANCY_SHAPE,
        )

    def _parts_near(self, T_world_ego: np.ndarray, T_world_thing: np.ndarray) -> list[_Part]:
        """Parts that may reach into the grid, those that stand still first."""
        distance = np.hypot(*(T_world_thing[:, :2, 3] - T_world_ego[:2, 3]).T)
        near = [part for part in self._parts if distance[part.thing] - part.radius <= REACH]
        return sorted(near, key=lambda part: part.is_moving)

    def _body_poses(self, time_ns: int, x: float) -> np.ndarray:
        """`T_world_body` (B, 4, 4) of the bodies of the accelerator."""
        times_ns = np.array([time_ns], dtype=np.int64)
        out = np.tile(np.eye(4), (1 + len(self.scene.movers), 1, 1))
        for row, mover in enumerate(self.scene.movers, start=1):
            out[row] = mover.motion.poses(times_ns)[0]
            out[row, :3, 3] = self.scene.wrapped_mover(out[row : row + 1, :3, 3], x)[0]
        return out

    def _seen_by_lidar(self, T_world_ego: np.ndarray, beams: Beams) -> np.ndarray:
        seen = np.zeros(OCCUPANCY_SHAPE, dtype=np.bool_)
        starts, steps = np.empty_like(beams.origins), np.empty_like(beams.origins)
        changes = np.flatnonzero(np.diff(beams.times_ns // SWEEP_NS)) + 1
        for first, last in pairwise([0, *changes.tolist(), len(starts)]):  # sweep by sweep: each has its own origin
            T = self._grid_from_world(T_world_ego, beams.origins[first:last])[:3].copy()
            taken = np.zeros(OCCUPANCY_SHAPE, dtype=np.bool_)
            num = distinct(beams.origins[first:last], beams.ends[first:last], T, taken, starts, steps)
            walk(starts[:num], steps[:num], 1.0, seen, False, seen)
        return seen

    def _seen_by_cameras(
        self, T_world_ego: np.ndarray, exposures: Sequence[Exposure], occupied: np.ndarray
    ) -> np.ndarray:
        seen = np.zeros(OCCUPANCY_SHAPE, dtype=np.bool_)
        for exposure in exposures:
            T_world_camera = exposure.T_world_camera[1]
            T = self._grid_from_world(T_world_ego, T_world_camera[None, :3, 3]) @ T_world_camera
            steps = self._camera_rays(exposure.camera.model) @ T[:3, :3].T
            walk(T[None, :3, 3].copy(), steps, np.inf, occupied, True, seen)
        return seen

    def _grid_from_world(self, T_world_ego: np.ndarray, places: np.ndarray) -> np.ndarray:
        """(4, 4) for `places` (N, 3), which a world that repeats may have wrapped apart from the ego."""
        period = self.scene.layout.period
        T = _grid_from_ego() @ inverse(T_world_ego)
        if period > 0.0 and len(places):
            T[:3, 3] -= T[:3, 0] * period * np.round((places[0, 0] - T_world_ego[0, 3]) / period)
        return T

    def _camera_rays(self, model: CameraModel) -> np.ndarray:
        """Points (N, 3) at depth 1 of every `PIXEL_STEP`th pixel; bent lenses take a while, so they are kept."""
        if id(model) not in self._rays:
            u, v = np.meshgrid(np.arange(0, model.width, PIXEL_STEP), np.arange(0, model.height, PIXEL_STEP))
            rays = model.rays(np.stack([u, v], axis=-1).reshape(-1, 2).astype(np.float64))
            self._rays[id(model)] = (model, rays)  # the model is held, so its id stays its own
        return self._rays[id(model)][1]


def _grid_from_ego() -> np.ndarray:
    """(4, 4): from metres in the ego frame to voxels from the lower corner of the grid."""
    T = np.diag([1.0 / VOXEL, 1.0 / VOXEL, 1.0 / VOXEL, 1.0])
    T[:3, 3] = -OCCUPANCY_LOW / VOXEL
    return T


def _rates(T_world_ego: np.ndarray, T_world_thing: np.ndarray) -> np.ndarray:
    """(N, 4, 4): from a place in the ego frame to its velocity (m/s) in ego axes as part of each thing.

    `T_world_thing` (N, 3, 4, 4): `DIFFERENCE_NS` before, at, and after the time.
    """
    change = (T_world_thing[:, 2] - T_world_thing[:, 0]) * (NS_PER_S / (2 * DIFFERENCE_NS))
    return inverse(T_world_ego) @ change @ inverse(T_world_thing[:, 1]) @ T_world_ego


def _flow(semantics: np.ndarray, owner: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """(X, Y, Z, 2) float32: velocity over ground of the voxel's middle, as part of the thing that it belongs to."""
    flow = np.full((*semantics.shape, 2), np.nan, dtype=np.float32)
    can_move = (TO_OPENOCC < NUM_OPENOCC_MOVABLE)[semantics]
    flow[can_move] = 0.0
    cells = np.argwhere(can_move & (owner != STATIC))
    at = tuple(cells.T)
    centres = OCCUPANCY_LOW + VOXEL * (cells + 0.5)
    flow[at] = np.einsum("nij,nj->ni", rates[owner[at], :2, :3], centres) + rates[owner[at], :2, 3]
    return flow


def _parts(scene: Scene, world: Accelerator) -> list[_Part]:
    """Of every thing that moves or is solid, the triangles by class."""
    mesh = world.mesh
    order = np.lexsort((mesh.class_ids, mesh.instance_ids))
    ids = mesh.instance_ids[order]
    out = []
    for number, thing in enumerate(scene.things):
        if thing.motion is None and thing.kind not in SOLID:
            continue
        rows = order[np.searchsorted(ids, thing.instance_id) : np.searchsorted(ids, thing.instance_id, side="right")]
        radius = float(np.linalg.norm(np.maximum(np.abs(thing.low), np.abs(thing.high))))
        for kind in np.unique(mesh.class_ids[rows]):
            own = rows[mesh.class_ids[rows] == kind]
            is_solid = kind == thing.kind and thing.kind in SOLID
            out.append(_Part(own, number, thing.motion is not None, is_solid, radius))
    return out
