"""The countable objects of one generated image: their masks, the boxes around what is seen and around all of them.

An object is a `Thing` of a detected class. Of its triangles only those of its own class belong to it: the plate of a
traffic sign, not the pole that carries it. In a world that repeats, copies that are not the nearest are no objects.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.ndimage import find_objects

from perception.core.cameras import CameraModel
from perception.core.classes import DETECTED, VOID, Class
from perception.core.labels import ObjectLabels
from perception.world.geometry.clusters import group_by_instance
from perception.world.geometry.raycast import Accelerator
from perception.world.render.coverage import instance_coverage
from perception.world.render.projection import camera_from_bodies
from perception.world.scene import Scene
from perception.world.sensors.cameras import Exposure
from perception.world.truth.kernels_images import MAX_CORNERS, seen_corners

MIN_SIDE = 12.0  # px, of the visible box; objects below are ignored
MIN_VISIBLE = 0.3  # share of the object inside the image; objects below are ignored
NEAR = 0.05  # m, least depth at which something is seen
BORDER_STEP = 8  # px between the places of the border at which a bent image is measured

Coverage = Callable[[np.ndarray], np.ndarray]
"""From instance numbers (N,) int32 to the pixels (N,) int64 that each would cover if nothing hid it."""


def owned_instances(scene: Scene, world: Accelerator) -> np.ndarray:
    """Instance (N,) int32 by triangle of `world.mesh` where it is part of a detected object; 0 elsewhere."""
    ids = world.mesh.instance_ids
    kinds = np.full(max(int(ids.max(initial=0)), *(t.instance_id for t in scene.things), 0) + 1, VOID, dtype=np.uint8)
    for thing in scene.things:
        if thing.kind in DETECTED:
            kinds[thing.instance_id] = thing.kind
    return np.where(kinds[ids] == world.mesh.class_ids, ids, np.int32(0))


class ObjectTruth:
    """Labels the images of one world, in any order and from any thread."""

    def __init__(self, scene: Scene, world: Accelerator) -> None:
        self.world, self.owned, self._period = world, owned_instances(scene, world), scene.layout.period
        self._x = world.mesh.triangles[:, :, 0].mean(axis=1)  # m, of the middle; movers: in their own frame
        self._kinds = {thing.instance_id: thing.kind for thing in scene.things}
        c = world.clusters
        self._groups = group_by_instance(self.owned, world.first_rows, c.rows, c.corners, c.by_instance.order)

    def labels(self, exposure: Exposure, rows: np.ndarray, coverage: Coverage | None = None) -> ObjectLabels:
        """Objects with at least one visible pixel, by increasing instance number.

        `rows` (H, W) int32: triangle in the middle of each pixel. `coverage`: None takes the rasteriser. The amodal box
        is that of the object's part inside the image, as if nothing hid it; foliage cards count in full. Objects whose
        visible box is narrower than `MIN_SIDE` or of which less than `MIN_VISIBLE` is seen are marked `is_ignored`.
        """
        is_here = (rows >= 0) & self._is_nearest_copy(np.maximum(rows, 0), exposure)
        instance_map = np.where(is_here, self.owned[np.maximum(rows, 0)], np.int32(0))
        pixels = np.bincount(instance_map.reshape(-1))
        ids = np.flatnonzero(pixels[1:]).astype(np.int32) + np.int32(1)
        covered = coverage(ids) if coverage is not None else self._covered(exposure, ids)
        visible = pixels[ids] / np.maximum(covered, pixels[ids])  # whatever rounding says, a pixel seen is covered
        boxes = visible_boxes(instance_map, ids)
        side = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
        return ObjectLabels(
            np.array([self._kinds[i] for i in ids.tolist()], dtype=np.uint8),
            ids,
            boxes,
            self.amodal_boxes(exposure, ids),
            (1.0 - visible).astype(np.float32),
            (side < MIN_SIDE) | (visible < MIN_VISIBLE),
            instance_map,
        )

    def amodal_boxes(self, exposure: Exposure, ids: np.ndarray) -> np.ndarray:
        """Boxes (N, 4) float32 in px around all of each object that the image would hold; NaN where none of it."""
        corners, numbers = self._seen(exposure, ids)
        model = exposure.camera.model
        pixels = model.project(np.column_stack([corners, np.ones(len(corners))])) + 0.5  # boxes count from the corner
        pixels = np.clip(pixels, 0.0, [model.width, model.height])
        boxes = np.full((len(ids), 4), [np.inf, np.inf, -np.inf, -np.inf])
        np.minimum.at(boxes[:, :2], numbers, pixels)
        np.maximum.at(boxes[:, 2:], numbers, pixels)
        return np.where(np.isfinite(boxes), boxes, np.nan).astype(np.float32)

    def _covered(self, exposure: Exposure, ids: np.ndarray) -> np.ndarray:
        """Pixels (N,) that the own triangles of each object would cover, by the rasteriser."""
        owned = replace(self.world, clusters=replace(self.world.clusters, by_instance=self._groups))
        model, T_world_camera, T_world_mover = exposure.camera.model, exposure.T_world_camera, exposure.T_world_mover
        return instance_coverage(owned, model, T_world_camera[1], T_world_mover[1], ids)

    def _seen(self, exposure: Exposure, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Corners (K, 2) at depth 1 of what the image would hold of some objects, and the number in `ids` of each."""
        T_camera_body = camera_from_bodies(exposure.T_world_camera[1], exposure.T_world_mover[1])
        groups, starts = self._groups, self._groups.starts
        first, last = (starts[np.searchsorted(groups.ids, ids, side=side)] for side in ("left", "right"))
        ranges = [groups.order[a:b] for a, b in zip(first, last, strict=True)]
        rows = self.world.clusters.rows[np.concatenate([groups.order[:0], *ranges])].astype(np.int64)
        numbers = np.repeat(np.arange(len(ids)), last - first)
        is_here = self._is_nearest_copy(rows, exposure)
        rows, numbers = rows[is_here], numbers[is_here]
        bodies = (np.searchsorted(self.world.first_rows, rows, side="right") - 1).astype(np.int32)
        corners = np.empty((MAX_CORNERS * len(rows), 2), dtype=np.float64)
        sources = np.empty(MAX_CORNERS * len(rows), dtype=np.int32)
        window = _window(exposure.camera.model)
        num = seen_corners(self.world.mesh.triangles, rows, bodies, T_camera_body, window, NEAR, corners, sources)
        return corners[:num], numbers[sources[:num]]

    def _is_nearest_copy(self, rows: np.ndarray, exposure: Exposure) -> np.ndarray:
        """Which triangles (any shape) belong to the nearest copy of their object, in a world that repeats."""
        if self._period == 0.0:
            return np.ones(rows.shape, dtype=np.bool_)
        away = np.abs(self._x[rows] - exposure.T_world_camera[1, 0, 3])
        return (away <= 0.5 * self._period) | (rows >= self.world.first_rows[1])


def label_instances(
    scene: Scene, world: Accelerator, exposure: Exposure, rows: np.ndarray, coverage: Coverage | None = None
) -> ObjectLabels:
    """Label a single image, see `ObjectTruth.labels`; for more of one world keep an `ObjectTruth`."""
    return ObjectTruth(scene, world).labels(exposure, rows, coverage)


def semantics_of(world: Accelerator, rows: np.ndarray) -> np.ndarray:
    """`Class` (H, W) uint8 by pixel from triangles (H, W). Sky is FREE: the ray meets nothing, and that is known."""
    if len(world.mesh) == 0:
        return np.full(rows.shape, Class.FREE, dtype=np.uint8)
    return np.where(rows >= 0, world.mesh.class_ids[np.maximum(rows, 0)], np.uint8(Class.FREE))


def visible_boxes(instance_map: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Boxes (N, 4) float32 in px around the pixels of each of `ids` (N,), all of which occur; pixel i is [i, i + 1)."""
    found = find_objects(instance_map)
    spans = [found[i - 1] for i in ids]
    return np.array([(x.start, y.start, x.stop, y.stop) for y, x in spans], dtype=np.float32).reshape(-1, 4)


def _window(model: CameraModel) -> np.ndarray:
    """x_low, y_low, x_high, y_high (4,) at depth 1 around the border of the image."""
    x = np.linspace(-0.5, model.width - 0.5, model.width // BORDER_STEP + 2)
    y = np.linspace(-0.5, model.height - 0.5, model.height // BORDER_STEP + 2)
    border = np.concatenate(
        [np.column_stack([x, np.full(len(x), end)]) for end in y[[0, -1]]]
        + [np.column_stack([np.full(len(y), end), y]) for end in x[[0, -1]]]
    )
    rays = model.rays(border)[:, :2]
    return np.concatenate([rays.min(axis=0), rays.max(axis=0)])
