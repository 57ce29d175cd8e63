"""Kernels of the rasteriser: clusters of triangles, nearest first, into the samples of an image.

Depth is kept inverse (1/m; 0: sky). Each tile remembers the lowest inverse depth among its samples, so that what is
hidden is dropped before it is drawn: whole clusters by their box, triangles tile by tile. The result does not depend
on the order: of equal depths the triangle with the lower row is seen.
"""

import numba
import numpy as np

from perception.world.geometry.leaf_mask import is_leaf_there
from perception.world.render.lens import GROUP, TILE, TILE_ROW, TILE_SAMPLES
from perception.world.render.projection import (
    HIGHEST,
    INVERSE_DEPTH,
    INVERSE_VOLUME,
    LOWEST,
    NUM_SETUP,
    W_NEAR,
    X_HIGH,
    X_LOW,
    Y_HIGH,
    Y_LOW,
    edge_within,
    is_box_in_view,
    misses_group,
    nearest_depth,
    num_groups_x,
    set_up,
    set_up_box,
    tile_range,
)

SKY = -1  # in `rows`
ROUNDING = 4e-7  # relative, more than the inverse depth of a sample can be off
REFRESH = 6  # triangles drawn into a tile after which its lowest inverse depth is looked up again
FEW_TILES = 12  # up to so many a triangle or box is tested tile by tile, without groups
MANY_TILES = 128  # boxes that cover more are not tested


@numba.njit(nogil=True, cache=True, error_model="numpy")
def visible_clusters(lens, boxes, bodies, T_camera_body, out, distances):
    """Numbers of the clusters in view, in `out`, and their distances (m); returns how many."""
    count = 0
    for c in range(len(boxes)):
        T = T_camera_body[bodies[c]]
        if is_box_in_view(lens, boxes[c], T):
            out[count], distances[count] = c, nearest_depth(boxes[c], T)
            count += 1
    return count


@numba.njit(nogil=True, cache=True, error_model="numpy")
def draw_clusters(
    lens, chosen, corners, rows, is_leaf, ranges, bodies, boxes, T_camera_body, w_buffer, row_buffer, tile_w
):  # fmt: skip
    """Draw the clusters `chosen` into `w_buffer` and `row_buffer`, flat over whole tiles: row, column, sample."""
    setup = np.empty(NUM_SETUP)
    drawn = np.zeros(len(tile_w), dtype=np.int32)
    for c in chosen:
        T = T_camera_body[bodies[c]]
        if set_up_box(boxes[c], T, setup) and _is_hidden(lens, setup, tile_w):
            continue
        for k in range(ranges[c, 0], ranges[c, 1]):
            if set_up(corners, k, T, setup):
                _draw(lens, setup, rows[k], is_leaf[k], w_buffer, row_buffer, tile_w, drawn)


@numba.njit(nogil=True, cache=True)
def _is_hidden(lens, setup, tile_w):
    """True where bounds are outside of the image, or everything there is nearer."""
    x_first, x_last, y_first, y_last = tile_range(lens, setup[X_LOW], setup[X_HIGH], setup[Y_LOW], setup[Y_HIGH])
    y_first, y_last = y_first // TILE, y_last // TILE
    if x_last < x_first:
        return True
    if (x_last - x_first + 1) * (y_last - y_first + 1) > MANY_TILES:
        return False
    nearest = setup[HIGHEST] * (1.0 + ROUNDING)
    for y in range(y_first, y_last + 1):
        for x in range(x_first, x_last + 1):
            if nearest >= tile_w[y * lens.num_tiles[0] + x]:
                return False
    return True


@numba.njit(nogil=True, cache=True)
def _draw(lens, setup, row, is_leaf, w_buffer, row_buffer, tile_w, drawn):
    """Draw one triangle into all tiles that it reaches."""
    x_first, x_last, y_first, y_last = tile_range(lens, setup[X_LOW], setup[X_HIGH], setup[Y_LOW], setup[Y_HIGH])
    top, bottom = y_first // TILE, y_last // TILE
    if (x_last - x_first + 1) * (bottom - top + 1) <= FEW_TILES:
        for y in range(top, bottom + 1):
            for x in range(x_first, x_last + 1):
                _draw_tile(lens, setup, x, y, y_first, y_last, row, is_leaf, w_buffer, row_buffer, tile_w, drawn)
        return
    for group_y in range(top // GROUP, bottom // GROUP + 1):
        for group_x in range(x_first // GROUP, x_last // GROUP + 1):
            if misses_group(lens, setup, group_y * num_groups_x(lens) + group_x):
                continue
            for y in range(max(top, group_y * GROUP), min(bottom, group_y * GROUP + GROUP - 1) + 1):
                for x in range(max(x_first, group_x * GROUP), min(x_last, group_x * GROUP + GROUP - 1) + 1):
                    _draw_tile(lens, setup, x, y, y_first, y_last, row, is_leaf, w_buffer, row_buffer, tile_w, drawn)


@numba.njit(nogil=True, cache=True)
def _draw_tile(lens, setup, tile_x, tile_y, y_first, y_last, row, is_leaf, w_buffer, row_buffer, tile_w, drawn):
    """Draw one triangle into one tile, unless it misses it or is hidden there."""
    tile = tile_y * lens.num_tiles[0] + tile_x
    x0, y0 = lens.origins[tile, 0], lens.origins[tile, 1]
    x_low, x_high = lens.bounds[tile, 0], lens.bounds[tile, 1]
    y_low, y_high = lens.bounds[tile, 2], lens.bounds[tile, 3]
    is_full = not is_leaf
    for edge in range(0, 9, 3):
        a, b = setup[edge], setup[edge + 1]
        c = a * x0 + b * y0 + setup[edge + 2]
        x_most, x_least = (a * x_high, a * x_low) if a > 0.0 else (a * x_low, a * x_high)
        y_most, y_least = (b * y_high, b * y_low) if b > 0.0 else (b * y_low, b * y_high)
        if c + x_most + y_most < 0.0:
            return
        if not c + x_least + y_least > 0.0:
            is_full = False
    a, b = setup[INVERSE_DEPTH], setup[INVERSE_DEPTH + 1]
    c = a * x0 + b * y0 + setup[INVERSE_DEPTH + 2]
    x_most, x_least = (a * x_high, a * x_low) if a > 0.0 else (a * x_low, a * x_high)
    y_most, y_least = (b * y_high, b * y_low) if b > 0.0 else (b * y_low, b * y_high)
    if min(c + x_most + y_most, setup[HIGHEST]) * (1.0 + ROUNDING) < tile_w[tile]:
        return
    first, last = max(y_first - tile_y * TILE, 0), min(y_last - tile_y * TILE, TILE - 1)
    at = numba.uintp((tile_y * TILE * lens.num_tiles[0] + tile_x) * TILE_ROW)
    stride = numba.uintp(lens.num_tiles[0] * TILE_ROW)
    table = numba.uintp(tile * TILE_SAMPLES if len(lens.offsets_x) > TILE_SAMPLES else 0)
    if is_full and setup[HIGHEST] <= W_NEAR:
        _fill(setup, c, table, lens.offsets_x, lens.offsets_y, at, stride, row, w_buffer, row_buffer)
        tile_w[tile] = max(tile_w[tile], np.float32(max(c + x_least + y_least, setup[LOWEST]) * (1.0 - ROUNDING)))
        return
    if is_leaf:
        _fill_leaf(
            setup, x0, y0, table, lens.offsets_x, lens.offsets_y, at, stride, first, last, row, w_buffer, row_buffer
        )
    else:
        _fill_part(
            setup, x0, y0, table, lens.offsets_x, lens.offsets_y, at, stride, first, last, row, w_buffer, row_buffer
        )
    drawn[tile] += 1
    if drawn[tile] >= REFRESH:
        drawn[tile] = 0
        tile_w[tile] = _lowest(w_buffer, at, stride)


@numba.njit(nogil=True, cache=True)
def _fill_part(
    setup, x0, y0, table, offsets_x, offsets_y, at, stride, first, last, row, w_buffer, row_buffer
):  # fmt: skip
    """Rows `first` to `last` of a tile: the samples inside of all three edges that are nearest so far."""
    a0, b0, c0, t0 = edge_within(setup, 0, x0, y0)
    a1, b1, c1, t1 = edge_within(setup, 3, x0, y0)
    a2, b2, c2, t2 = edge_within(setup, 6, x0, y0)
    aw, bw, cw, _ = edge_within(setup, INVERSE_DEPTH, x0, y0)
    lowest, highest = np.float32(setup[LOWEST]), np.float32(setup[HIGHEST])
    for line in range(numba.uintp(first), numba.uintp(last + 1)):
        q = table + line * numba.uintp(TILE_ROW)
        o = at + line * stride
        for i in range(numba.uintp(TILE_ROW)):
            x, y = offsets_x[q + i], offsets_y[q + i]
            e0, e1, e2 = c0 + (a0 * x + b0 * y), c1 + (a1 * x + b1 * y), c2 + (a2 * x + b2 * y)
            w = cw + (aw * x + bw * y)
            w = lowest if w < lowest else w
            w = highest if w > highest else w
            before, before_row = w_buffer[o + i], row_buffer[o + i]
            is_nearer = (w > before) | ((w == before) & (row < before_row))
            is_seen = (e0 >= t0) & (e1 >= t1) & (e2 >= t2) & (w <= W_NEAR) & is_nearer
            w_buffer[o + i] = w if is_seen else before
            row_buffer[o + i] = row if is_seen else before_row


@numba.njit(nogil=True, cache=True)
def _fill(setup, c, table, offsets_x, offsets_y, at, stride, row, w_buffer, row_buffer):
    """A whole tile inside of the triangle."""
    aw, bw, cw = np.float32(setup[INVERSE_DEPTH]), np.float32(setup[INVERSE_DEPTH + 1]), np.float32(c)
    lowest, highest = np.float32(setup[LOWEST]), np.float32(setup[HIGHEST])
    for line in range(numba.uintp(TILE)):
        q = table + line * numba.uintp(TILE_ROW)
        o = at + line * stride
        for i in range(numba.uintp(TILE_ROW)):
            w = cw + (aw * offsets_x[q + i] + bw * offsets_y[q + i])
            w = lowest if w < lowest else w
            w = highest if w > highest else w
            before, before_row = w_buffer[o + i], row_buffer[o + i]
            is_nearer = (w > before) | ((w == before) & (row < before_row))
            w_buffer[o + i] = w if is_nearer else before
            row_buffer[o + i] = row if is_nearer else before_row


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _fill_leaf(
    setup, x0, y0, table, offsets_x, offsets_y, at, stride, first, last, row, w_buffer, row_buffer
):  # fmt: skip
    """As `_fill_part` for foliage: also the mask of leaves decides."""
    a0, b0, c0, t0 = edge_within(setup, 0, x0, y0)
    a1, b1, c1, t1 = edge_within(setup, 3, x0, y0)
    a2, b2, c2, t2 = edge_within(setup, 6, x0, y0)
    aw, bw, cw, _ = edge_within(setup, INVERSE_DEPTH, x0, y0)
    lowest, highest = np.float32(setup[LOWEST]), np.float32(setup[HIGHEST])
    inverse_volume = np.float32(setup[INVERSE_VOLUME])
    for line in range(numba.uintp(first), numba.uintp(last + 1)):
        q = table + line * numba.uintp(TILE_ROW)
        o = at + line * stride
        for i in range(numba.uintp(TILE_ROW)):
            x, y = offsets_x[q + i], offsets_y[q + i]
            e0, e1, e2 = c0 + (a0 * x + b0 * y), c1 + (a1 * x + b1 * y), c2 + (a2 * x + b2 * y)
            w = cw + (aw * x + bw * y)
            w = lowest if w < lowest else w
            w = highest if w > highest else w
            before, before_row = w_buffer[o + i], row_buffer[o + i]
            is_nearer = (w > before) | ((w == before) & (row < before_row))
            if (e0 >= t0) & (e1 >= t1) & (e2 >= t2) & (w <= W_NEAR) & is_nearer:
                scale = inverse_volume / w
                if is_leaf_there(e1 * scale, e2 * scale):
                    w_buffer[o + i] = w
                    row_buffer[o + i] = row


@numba.njit(nogil=True, cache=True)
def _lowest(w_buffer, at, stride):
    """Lowest inverse depth of a tile. Numbers that are not negative are ordered as their bits, and those are faster."""
    bits = w_buffer.view(np.int32)
    lowest = bits[at]
    for line in range(numba.uintp(TILE)):
        for i in range(numba.uintp(TILE_ROW)):
            lowest = min(lowest, bits[at + line * stride + i])
    return np.int32(lowest).view(np.float32)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def invert(w_buffer):
    """Inverse depths to depths in place; inf for the sky."""
    one = np.float32(1.0)
    for i in range(len(w_buffer)):
        w_buffer[i] = one / w_buffer[i]


@numba.njit(nogil=True, cache=True, error_model="numpy")
def face_normals(rows, triangles, first_rows, T_camera_body, middles, out):
    """Fill `out` (H, W, 3) float32, see `visibility.face_normals`."""
    n = np.zeros(3)
    offset, previous = 0.0, SKY
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            row = rows[i, j]
            if row == SKY:
                out[i, j] = np.float32(0.0)
                continue
            if row != previous:
                body = np.searchsorted(first_rows, row, side="right") - 1
                offset = _plane(triangles, row, T_camera_body[body], n)
                previous = row
            towards = n[0] * middles[i, j, 0] + n[1] * middles[i, j, 1] + n[2]
            sign = -1.0 if towards > 0.0 or (towards == 0.0 and offset > 0.0) else 1.0
            for k in range(3):
                out[i, j, k] = sign * n[k]


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _plane(triangles, row, T, n):
    """Unit normal of a triangle moved by `T` (3, 4), in `n`; returns the distance of its plane from the origin."""
    t = triangles[row]
    ex, ey, ez = np.float64(t[1, 0]) - t[0, 0], np.float64(t[1, 1]) - t[0, 1], np.float64(t[1, 2]) - t[0, 2]
    fx, fy, fz = np.float64(t[2, 0]) - t[0, 0], np.float64(t[2, 1]) - t[0, 1], np.float64(t[2, 2]) - t[0, 2]
    x, y, z = ey * fz - ez * fy, ez * fx - ex * fz, ex * fy - ey * fx
    scale = 1.0 / np.sqrt(x * x + y * y + z * z)
    offset = 0.0
    for k in range(3):
        n[k] = (T[k, 0] * x + T[k, 1] * y + T[k, 2] * z) * scale
        offset += n[k] * (T[k, 0] * t[0, 0] + T[k, 1] * t[0, 1] + T[k, 2] * t[0, 2] + T[k, 3])
    return offset
