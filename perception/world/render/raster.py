"""Kernels of the rasteriser: clusters of triangles, nearest first, into the samples of an image.

Depth is kept inverse (1/m; 0: sky). Each tile remembers the lowest inverse depth among its samples, so that what is
hidden is dropped before it is drawn: whole clusters by their box, triangles tile by tile. The result does not depend
on the order: of equal depths the triangle with the lower row is seen.
"""

import numba
import numpy as np

from perception.world.geometry.leaf_mask import is_leaf_there
from perception.world.render.lens import GROUP, NUM_SAMPLES, TILE, TILE_ROW, TILE_SAMPLES
from perception.world.render.projection import (
    EDGES,
    HIGHEST,
    INVERSE_DEPTH,
    INVERSE_VOLUME,
    LOWEST,
    NUM_SETUP,
    W_NEAR,
    edge_within,
    is_box_in_view,
    misses_group,
    nearest_depth,
    pixel_range,
    set_up,
    set_up_box,
)

SKY = -1  # in `rows`
ROUNDING = 4e-7  # relative, more than the inverse depth of a sample can be off
REFRESH = 8  # triangles drawn into a tile after which its lowest inverse depth is looked up again
LOWEST_W, NUM_DRAWN = 0, 1  # of the state of a tile: lowest inverse depth, triangles drawn since it was looked up
MISSED, PART, ALL = 0, 1, 2  # of a tile that a triangle covers
NARROW = 24  # samples, of the 40 in a row of a tile
FEW_TILES = 12  # up to so many a triangle or box is tested tile by tile, without groups
MANY_TILES = 128  # boxes that cover more are not tested


@numba.njit(nogil=True, cache=True, error_model="numpy")
def visible_clusters(frame, boxes, bodies, T_camera_body, out, distances):
    """Numbers of the clusters in view, in `out`, and their distances (m); returns how many."""
    count = 0
    for c in range(len(boxes)):
        T = T_camera_body[bodies[c]]
        if is_box_in_view(frame, boxes[c], T):
            out[count], distances[count] = c, nearest_depth(boxes[c], T)
            count += 1
    return count


@numba.njit(nogil=True, cache=True, error_model="numpy")
def draw_clusters(
    lens, chosen, corners, rows, is_leaf, ranges, bodies, boxes, T_camera_body, w_buffer, row_buffer
):  # fmt: skip
    """Draw the clusters `chosen` into `w_buffer` and `row_buffer`, flat over whole tiles: row, column, sample.

    Arrays of the lens are handed on one by one: to take one out of a tuple costs more than a small triangle.
    """
    frame, tiles, offsets, groups, cells, cell_ranges = lens
    setup = np.empty(NUM_SETUP)
    state = np.zeros((len(tiles), 2), dtype=np.float32)
    scratch = np.empty(TILE_ROW, dtype=np.float32)
    for c in chosen:
        T = T_camera_body[bodies[c]]
        if set_up_box(boxes[c], T, setup) and _is_hidden(frame, cells, cell_ranges, setup, state):
            continue
        for k in range(ranges[c, 0], ranges[c, 1]):
            if set_up(corners, k, T, setup):
                x_first, x_last, y_first, y_last = pixel_range(frame, cells, cell_ranges, setup)
                if x_last >= x_first:
                    _draw(
                        frame.columns, tiles, offsets, groups, setup, x_first, x_last, y_first, y_last, rows[k],
                        is_leaf[k], w_buffer, row_buffer, state, scratch,
                    )  # fmt: skip


@numba.njit(nogil=True, cache=True)
def _is_hidden(frame, cells, cell_ranges, setup, state):
    """True where bounds are outside of the image, or everything there is nearer."""
    x_first, x_last, y_first, y_last = pixel_range(frame, cells, cell_ranges, setup)
    if x_last < x_first:
        return True
    x_first, x_last, y_first, y_last = x_first // TILE, x_last // TILE, y_first // TILE, y_last // TILE
    if (x_last - x_first + 1) * (y_last - y_first + 1) > MANY_TILES:
        return False
    nearest = setup[HIGHEST] * (1.0 + ROUNDING)
    for y in range(y_first, y_last + 1):
        for x in range(x_first, x_last + 1):
            if nearest >= state[y * frame.columns + x, LOWEST_W]:
                return False
    return True


@numba.njit(nogil=True, cache=True)
def _draw(
    columns, tiles, offsets, groups, setup, x_first, x_last, y_first, y_last, row, is_leaf, w_buffer, row_buffer,
    state, scratch,
):  # fmt: skip
    """Draw one triangle into all tiles that it reaches, in pixels `x_first` to `x_last`, `y_first` to `y_last`."""
    left, right, top, bottom = x_first // TILE, x_last // TILE, y_first // TILE, y_last // TILE
    num_tiles = (right - left + 1) * (bottom - top + 1)
    is_small = num_tiles <= 2
    if num_tiles <= FEW_TILES:
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                _draw_tile(
                    columns, tiles, offsets, setup, x, y, x_first, x_last, y_first, y_last, row, is_leaf, is_small,
                    w_buffer, row_buffer, state, scratch,
                )  # fmt: skip
        return
    num_groups = (columns + GROUP - 1) // GROUP
    for group_y in range(top // GROUP, bottom // GROUP + 1):
        for group_x in range(left // GROUP, right // GROUP + 1):
            if misses_group(groups, group_y * num_groups + group_x, setup):
                continue
            for y in range(max(top, group_y * GROUP), min(bottom, group_y * GROUP + GROUP - 1) + 1):
                for x in range(max(left, group_x * GROUP), min(right, group_x * GROUP + GROUP - 1) + 1):
                    _draw_tile(
                        columns, tiles, offsets, setup, x, y, x_first, x_last, y_first, y_last, row, is_leaf, is_small,
                        w_buffer, row_buffer, state, scratch,
                    )  # fmt: skip


@numba.njit(nogil=True, cache=True)
def _draw_tile(
    columns, tiles, offsets, setup, tile_x, tile_y, x_first, x_last, y_first, y_last, row, is_leaf, is_small, w_buffer,
    row_buffer, state, scratch,
):  # fmt: skip
    """Draw one triangle in one tile, unless it misses the tile or is hidden there."""
    tile = tile_y * columns + tile_x
    x0, y0 = tiles[tile, 0], tiles[tile, 1]
    if is_small:  # its bounds say nearly as much as its edges
        if setup[HIGHEST] * (1.0 + ROUNDING) < state[tile, LOWEST_W]:
            return
    else:
        covers, least = _compare(tiles, tile, setup, state)
        if covers == MISSED:
            return
        if covers == ALL and not is_leaf and setup[HIGHEST] <= W_NEAR:
            at, stride, table = _places(columns, tile_x, tile_y, tile, offsets.shape[1])
            _fill(setup, x0, y0, table, offsets, at, stride, row, w_buffer, row_buffer, scratch)
            state[tile, LOWEST_W] = max(state[tile, LOWEST_W], np.float32(least * (1.0 - ROUNDING)))
            return
    at, stride, table = _places(columns, tile_x, tile_y, tile, offsets.shape[1])
    begin, end = numba.uintp(max(y_first - tile_y * TILE, 0)), numba.uintp(min(y_last - tile_y * TILE, TILE - 1) + 1)
    start = min(max(x_first - tile_x * TILE, 0) * NUM_SAMPLES, TILE_ROW - NARROW)
    is_narrow = (x_last - tile_x * TILE + 1) * NUM_SAMPLES <= start + NARROW
    if is_narrow:
        at, table = at + numba.uintp(start), table + numba.uintp(start)
    if is_leaf and is_narrow:
        _fill_narrow_leaf(setup, x0, y0, table, offsets, at, stride, begin, end, row, w_buffer, row_buffer, scratch)
    elif is_leaf:
        _fill_wide_leaf(setup, x0, y0, table, offsets, at, stride, begin, end, row, w_buffer, row_buffer, scratch)
    elif is_narrow:
        _fill_narrow(setup, x0, y0, table, offsets, at, stride, begin, end, row, w_buffer, row_buffer, scratch)
    else:
        _fill_wide(setup, x0, y0, table, offsets, at, stride, begin, end, row, w_buffer, row_buffer, scratch)
    state[tile, NUM_DRAWN] += np.float32(1.0)
    if state[tile, NUM_DRAWN] >= REFRESH:
        state[tile, NUM_DRAWN] = np.float32(0.0)
        at, stride, table = _places(columns, tile_x, tile_y, tile, offsets.shape[1])
        state[tile, LOWEST_W] = _lowest(w_buffer, at, stride, scratch)


@numba.njit(nogil=True, cache=True, forceinline=True)
def _places(columns, tile_x, tile_y, tile, length):
    """First sample of a tile in the buffers, step to its next row, and first sample in the table of offsets."""
    at, stride = numba.uintp((tile_y * TILE * columns + tile_x) * TILE_ROW), numba.uintp(columns * TILE_ROW)
    return at, stride, numba.uintp(tile * TILE_SAMPLES if length > TILE_SAMPLES else 0)


@numba.njit(nogil=True, cache=True, forceinline=True)
def _compare(tiles, tile, setup, state):
    """How much of a tile a triangle may cover, MISSED also where it is hidden; its lowest inverse depth there."""
    x0, y0, x_low, x_high = tiles[tile, 0], tiles[tile, 1], tiles[tile, 2], tiles[tile, 3]
    y_low, y_high = tiles[tile, 4], tiles[tile, 5]
    covers = ALL
    for edge in range(EDGES, EDGES + 9, 3):
        least, most = _span(setup, edge, x0, y0, x_low, x_high, y_low, y_high)
        if most < 0.0:
            return MISSED, 0.0
        covers = covers if least > 0.0 else PART
    least, most = _span(setup, INVERSE_DEPTH, x0, y0, x_low, x_high, y_low, y_high)
    if min(most, setup[HIGHEST]) * (1.0 + ROUNDING) < state[tile, LOWEST_W]:
        return MISSED, 0.0
    return covers, max(least, setup[LOWEST])


@numba.njit(nogil=True, cache=True, forceinline=True)
def _span(setup, plane, x0, y0, x_low, x_high, y_low, y_high):
    """Lowest and highest value of a plane within a tile."""
    a, b = setup[plane], setup[plane + 1]
    c = a * x0 + b * y0 + setup[plane + 2]
    x_most, x_least = (a * x_high, a * x_low) if a > 0.0 else (a * x_low, a * x_high)
    y_most, y_least = (b * y_high, b * y_low) if b > 0.0 else (b * y_low, b * y_high)
    return c + x_least + y_least, c + x_most + y_most


# In the kernels that fill, a number is first stored to `scratch`: else the compiler merges the choice between the old
# and the new number with its store, into an instruction that takes 20 cycles on some processors. Loops of constant
# length become vector instructions; hence one kernel for triangles up to four pixels wide in a tile and one for others.


@numba.njit(nogil=True, cache=True)
def _fill_narrow(setup, x0, y0, table, offsets, at, stride, begin, end, row, w_buffer, row_buffer, scratch):
    _fill_part(setup, x0, y0, table, offsets, at, stride, begin, end, NARROW, row, w_buffer, row_buffer, scratch)


@numba.njit(nogil=True, cache=True)
def _fill_wide(setup, x0, y0, table, offsets, at, stride, begin, end, row, w_buffer, row_buffer, scratch):
    _fill_part(setup, x0, y0, table, offsets, at, stride, begin, end, TILE_ROW, row, w_buffer, row_buffer, scratch)


@numba.njit(nogil=True, cache=True)
def _fill_narrow_leaf(setup, x0, y0, table, offsets, at, stride, begin, end, row, w_buffer, row_buffer, scratch):
    _fill_leaf(setup, x0, y0, table, offsets, at, stride, begin, end, NARROW, row, w_buffer, row_buffer, scratch)


@numba.njit(nogil=True, cache=True)
def _fill_wide_leaf(setup, x0, y0, table, offsets, at, stride, begin, end, row, w_buffer, row_buffer, scratch):
    _fill_leaf(setup, x0, y0, table, offsets, at, stride, begin, end, TILE_ROW, row, w_buffer, row_buffer, scratch)


@numba.njit(nogil=True, cache=True, forceinline=True)
def _fill_part(setup, x0, y0, table, offsets, at, stride, begin, end, width, row, w_buffer, row_buffer, scratch):
    """Rows `begin` to `end` of a tile, `width` samples each: those inside of all edges that are nearest so far."""
    a0, b0, c0, t0 = edge_within(setup, 0, x0, y0)
    a1, b1, c1, t1 = edge_within(setup, 3, x0, y0)
    a2, b2, c2, t2 = edge_within(setup, 6, x0, y0)
    aw, bw, cw, _ = edge_within(setup, INVERSE_DEPTH, x0, y0)
    lowest, highest = np.float32(setup[LOWEST]), np.float32(setup[HIGHEST])
    for line in range(begin, end):
        q = table + line * numba.uintp(TILE_ROW)
        o = at + line * stride
        for i in range(numba.uintp(width)):
            x, y = offsets[0, q + i], offsets[1, q + i]
            e0, e1, e2 = c0 + (a0 * x + b0 * y), c1 + (a1 * x + b1 * y), c2 + (a2 * x + b2 * y)
            w = cw + (aw * x + bw * y)
            w = lowest if w < lowest else w
            w = highest if w > highest else w
            before, before_row = w_buffer[o + i], row_buffer[o + i]
            is_nearer = (w > before) | ((w == before) & (row < before_row))
            is_seen = (e0 >= t0) & (e1 >= t1) & (e2 >= t2) & (w <= W_NEAR) & is_nearer
            scratch[i] = w
            w_buffer[o + i] = w if is_seen else before
            row_buffer[o + i] = row if is_seen else before_row


@numba.njit(nogil=True, cache=True)
def _fill(setup, x0, y0, table, offsets, at, stride, row, w_buffer, row_buffer, scratch):
    """A whole tile inside of the triangle."""
    aw, bw, cw, _ = edge_within(setup, INVERSE_DEPTH, x0, y0)
    lowest, highest = np.float32(setup[LOWEST]), np.float32(setup[HIGHEST])
    for line in range(numba.uintp(TILE)):
        q = table + line * numba.uintp(TILE_ROW)
        o = at + line * stride
        for i in range(numba.uintp(TILE_ROW)):
            w = cw + (aw * offsets[0, q + i] + bw * offsets[1, q + i])
            w = lowest if w < lowest else w
            w = highest if w > highest else w
            before, before_row = w_buffer[o + i], row_buffer[o + i]
            is_nearer = (w > before) | ((w == before) & (row < before_row))
            scratch[i] = w
            w_buffer[o + i] = w if is_nearer else before
            row_buffer[o + i] = row if is_nearer else before_row


@numba.njit(nogil=True, cache=True, error_model="numpy", forceinline=True)
def _fill_leaf(setup, x0, y0, table, offsets, at, stride, begin, end, width, row, w_buffer, row_buffer, scratch):
    """As `_fill_part` for foliage: also the mask of leaves decides, in a second pass over what is left."""
    a0, b0, c0, t0 = edge_within(setup, 0, x0, y0)
    a1, b1, c1, t1 = edge_within(setup, 3, x0, y0)
    a2, b2, c2, t2 = edge_within(setup, 6, x0, y0)
    aw, bw, cw, _ = edge_within(setup, INVERSE_DEPTH, x0, y0)
    lowest, highest = np.float32(setup[LOWEST]), np.float32(setup[HIGHEST])
    inverse_volume, none, num_seen = np.float32(setup[INVERSE_VOLUME]), np.float32(0.0), np.int32(0)
    for line in range(begin, end):
        q = table + line * numba.uintp(TILE_ROW)
        o = at + line * stride
        num_seen = np.int32(0)
        for i in range(numba.uintp(width)):
            x, y = offsets[0, q + i], offsets[1, q + i]
            e0, e1, e2 = c0 + (a0 * x + b0 * y), c1 + (a1 * x + b1 * y), c2 + (a2 * x + b2 * y)
            w = cw + (aw * x + bw * y)
            w = lowest if w < lowest else w
            w = highest if w > highest else w
            before, before_row = w_buffer[o + i], row_buffer[o + i]
            is_nearer = (w > before) | ((w == before) & (row < before_row))
            is_seen = (e0 >= t0) & (e1 >= t1) & (e2 >= t2) & (w <= W_NEAR) & is_nearer
            scratch[i] = w if is_seen else none
            num_seen += np.int32(is_seen)
        if num_seen == 0:
            continue
        for i in range(numba.uintp(width)):
            w = scratch[i]
            if w > none:
                x, y = offsets[0, q + i], offsets[1, q + i]
                scale = inverse_volume / w
                if is_leaf_there((c1 + (a1 * x + b1 * y)) * scale, (c2 + (a2 * x + b2 * y)) * scale):
                    w_buffer[o + i] = w
                    row_buffer[o + i] = row


@numba.njit(nogil=True, cache=True)
def _lowest(w_buffer, at, stride, scratch):
    """Lowest inverse depth of a tile."""
    width = numba.uintp(len(scratch))  # a constant would make a long chain of single instructions of all loops
    for i in range(width):
        scratch[i] = w_buffer[at + i]
    for line in range(numba.uintp(1), numba.uintp(TILE)):
        for i in range(width):
            w, least = w_buffer[at + line * stride + i], scratch[i]
            scratch[i] = w if w < least else least
    lowest = scratch[0]
    for i in range(width):
        lowest = scratch[i] if scratch[i] < lowest else lowest
    return lowest


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
