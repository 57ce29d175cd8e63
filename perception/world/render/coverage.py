"""How many pixels each object would cover if nothing hid it: what occlusion ratios are measured by."""

import numba
import numpy as np

from perception.core.cameras import CameraModel
from perception.core.types import check
from perception.world.geometry.leaf_mask import is_leaf_there
from perception.world.geometry.raycast import Accelerator
from perception.world.render.lens import NUM_SAMPLES, TILE, TILE_ROW, TILE_SAMPLES, Lens, lens_of
from perception.world.render.projection import (
    EDGES,
    INVERSE_DEPTH,
    INVERSE_VOLUME,
    NUM_SETUP,
    W_NEAR,
    camera_from_bodies,
    edge_within,
    is_box_in_view,
    pixel_range,
    set_up,
)


def instance_coverage(
    world: Accelerator,
    camera: CameraModel | Lens,
    T_world_camera: np.ndarray,
    T_world_mover: np.ndarray,
    instance_ids: np.ndarray,
) -> np.ndarray:
    """Pixels (N,) int64 whose middle each of `instance_ids` (N,) would cover alone; 0 for one that does not exist."""
    check("instance_ids", instance_ids, (None,), instance_ids.dtype)
    lens = (camera if isinstance(camera, Lens) else lens_of(camera)).tables
    c, by = world.clusters, world.clusters.by_instance
    groups = np.column_stack([np.searchsorted(by.ids, instance_ids, side=side) for side in ("left", "right")])
    T_camera_body = camera_from_bodies(T_world_camera, T_world_mover)
    return _cover(lens, groups, by.order, by.starts, by.bodies, by.boxes, c.corners, c.is_leaf, T_camera_body)


@numba.njit(nogil=True, cache=True)
def _cover(lens, groups, order, starts, bodies, boxes, corners, is_leaf, T_camera_body):
    """Pixels of each object, which has the groups of triangles from `groups[:, 0]` to before `groups[:, 1]`."""
    frame, tiles, offsets, _, cells, cell_ranges = lens
    setup = np.empty(NUM_SETUP)
    out = np.zeros(len(groups), dtype=np.int64)
    stamps = np.zeros(frame.columns * frame.rows * TILE * TILE, dtype=np.int32)
    for n in range(len(groups)):
        for which in range(groups[n, 0], groups[n, 1]):
            T = T_camera_body[bodies[which]]
            if not is_box_in_view(frame, boxes[which], T):
                continue
            for k in range(starts[which], starts[which + 1]):
                if set_up(corners, order[k], T, setup):
                    out[n] += _stamp(
                        frame, tiles, offsets, cells, cell_ranges, setup, is_leaf[order[k]], np.int32(n + 1), stamps
                    )
    return out


@numba.njit(nogil=True, cache=True)
def _stamp(frame, tiles, offsets, cells, cell_ranges, setup, is_leaf, stamp, stamps):
    """Mark the pixels of one triangle; returns how many were not marked before."""
    x_first, x_last, y_first, y_last = pixel_range(frame, cells, cell_ranges, setup)
    count = 0
    for y in range(y_first // TILE, y_last // TILE + 1):
        first, last = max(y_first - y * TILE, 0), min(y_last - y * TILE, TILE - 1)
        for x in range(x_first // TILE, x_last // TILE + 1):
            width = min(TILE, frame.width - x * TILE)
            count += _stamp_tile(frame.columns, tiles, offsets, setup, x, y, width, first, last, is_leaf, stamp, stamps)
    return count


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _stamp_tile(columns, tiles, offsets, setup, tile_x, tile_y, width, first, last, is_leaf, stamp, stamps):
    """The same in rows `first` to `last` of one tile."""
    tile = tile_y * columns + tile_x
    x0, y0 = tiles[tile, 0], tiles[tile, 1]
    for edge in range(EDGES, EDGES + 9, 3):
        a, b = setup[edge], setup[edge + 1]
        most = a * (tiles[tile, 3] if a > 0.0 else tiles[tile, 2]) + b * (tiles[tile, 5] if b > 0.0 else tiles[tile, 4])
        if a * x0 + b * y0 + setup[edge + 2] + most < 0.0:
            return 0
    a0, b0, c0, t0 = edge_within(setup, 0, x0, y0)
    a1, b1, c1, t1 = edge_within(setup, 3, x0, y0)
    a2, b2, c2, t2 = edge_within(setup, 6, x0, y0)
    aw, bw, cw, _ = edge_within(setup, INVERSE_DEPTH, x0, y0)
    inverse_volume = np.float32(setup[INVERSE_VOLUME])
    table = tile * TILE_SAMPLES if offsets.shape[1] > TILE_SAMPLES else 0
    count = 0
    for line in range(first, last + 1):
        at = ((tile_y * TILE + line) * columns + tile_x) * TILE
        for i in range(width):
            q = table + line * TILE_ROW + i * NUM_SAMPLES
            x, y = offsets[0, q], offsets[1, q]
            e0, e1, e2 = c0 + (a0 * x + b0 * y), c1 + (a1 * x + b1 * y), c2 + (a2 * x + b2 * y)
            w = cw + (aw * x + bw * y)
            if not (e0 >= t0 and e1 >= t1 and e2 >= t2 and w <= W_NEAR) or stamps[at + i] == stamp:
                continue
            scale = inverse_volume / w
            if not is_leaf or is_leaf_there(e1 * scale, e2 * scale):
                stamps[at + i] = stamp
                count += 1
    return count
