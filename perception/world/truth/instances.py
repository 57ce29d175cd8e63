"""The countable objects of one generated image: their masks, the boxes around what is seen and around all of them.

An object is a `Thing` of a detected class. Of its triangles only those of its own class belong to it: the plate of a
traffic sign, not the pole that carries it.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.ndimage import find_objects

from perception.core.cameras import CameraModel
from perception.core.classes import DETECTED, VOID, Class
from perception.core.geometry import inverse
from perception.core.labels import ObjectLabels
from perception.world.geometry.raycast import Accelerator
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


def label_instances(
    scene: Scene, world: Accelerator, exposure: Exposure, rows: np.ndarray, coverage: Coverage | None = None
) -> ObjectLabels:
    """Objects with at least one visible pixel, by increasing instance number.

    `rows` (H, W) int32: triangle in the middle of each pixel. `coverage`: None takes the rasteriser. The amodal box is
    the one of the object's part inside the image, as if nothing hid it; foliage cards count in full. Objects whose
    visible box is narrower than `MIN_SIDE` or of which less than `MIN_VISIBLE` is seen are marked `is_ignored`.
    """
    owned = owned_instances(scene, world)
    instance_map = np.where(rows >= 0, owned[np.maximum(rows, 0)], np.int32(0))
    pixels = np.bincount(instance_map.reshape(-1))
    ids = np.flatnonzero(pixels[1:]).astype(np.int32) + np.int32(1)
    boxes = visible_boxes(instance_map, ids)
    covered = (coverage or _rasterised(world, owned, exposure))(ids)
    visible = pixels[ids] / np.maximum(covered, pixels[ids])  # a pixel seen is a pixel covered, whatever rounding says
    side = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    return ObjectLabels(
        _class_ids(scene, ids),
        ids,
        boxes,
        amodal_boxes(world, owned, exposure, ids),
        (1.0 - visible).astype(np.float32),
        (side < MIN_SIDE) | (visible < MIN_VISIBLE),
        instance_map,
    )


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


def amodal_boxes(world: Accelerator, owned: np.ndarray, exposure: Exposure, ids: np.ndarray) -> np.ndarray:
    """Boxes (N, 4) float32 in px around all of each object that the image would hold; NaN where none of it would.

    `owned` (N,) int32: instance by triangle, as of `owned_instances`.
    """
    slots = np.full(max(int(owned.max(initial=0)), int(ids.max(initial=0))) + 1, -1, dtype=np.int32)
    slots[ids] = np.arange(len(ids), dtype=np.int32)
    rows = np.flatnonzero(slots[owned] >= 0)
    corners, sources = _seen(world, rows, exposure)
    model = exposure.camera.model
    pixels = model.project(np.column_stack([corners, np.ones(len(corners))])) + 0.5  # boxes count from the corner
    pixels = np.clip(pixels, 0.0, [model.width, model.height])
    boxes = np.full((len(ids), 4), [np.inf, np.inf, -np.inf, -np.inf])
    at = slots[owned[rows]][sources]
    np.minimum.at(boxes[:, :2], at, pixels)
    np.maximum.at(boxes[:, 2:], at, pixels)
    return np.where(np.isfinite(boxes), boxes, np.nan).astype(np.float32)


def _class_ids(scene: Scene, ids: np.ndarray) -> np.ndarray:
    kinds = {thing.instance_id: thing.kind for thing in scene.things}
    return np.array([kinds[i] for i in ids.tolist()], dtype=np.uint8)


def _rasterised(world: Accelerator, owned: np.ndarray, exposure: Exposure) -> Coverage:
    """Coverage by the rasteriser, of the triangles that are part of the object only."""
    from perception.world.render.visibility import instance_coverage

    parts = replace(world, mesh=replace(world.mesh, instance_ids=owned))
    T_world_camera, T_world_mover = exposure.T_world_camera[1], exposure.T_world_mover[1]
    return lambda ids: instance_coverage(parts, exposure.camera.model, T_world_camera, T_world_mover, ids)


def _seen(world: Accelerator, rows: np.ndarray, exposure: Exposure) -> tuple[np.ndarray, np.ndarray]:
    """Corners (K, 2) at depth 1 of what the image holds of some triangles, and the number in `rows` of each."""
    T_camera_world = inverse(exposure.T_world_camera[1])
    T_camera_body = np.concatenate([T_camera_world[None], T_camera_world @ exposure.T_world_mover[1]])[:, :3]
    bodies = (np.searchsorted(world.first_rows, rows, side="right") - 1).astype(np.int32)
    corners = np.empty((MAX_CORNERS * len(rows), 2), dtype=np.float64)
    sources = np.empty(MAX_CORNERS * len(rows), dtype=np.int32)
    window = _window(exposure.camera.model)
    num = seen_corners(world.mesh.triangles, rows, bodies, T_camera_body, window, NEAR, corners, sources)
    return corners[:num], sources[:num]


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
