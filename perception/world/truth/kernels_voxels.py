"""How much of every triangle lies in which voxel: triangles are cut along the planes of the grid, so it is exact.

Coordinates are in units of voxels from the lower corner of the grid. `voxel_areas_twin` is the definition.
"""

import numba
import numpy as np

NUM_CLASSES = 17  # of Occ3D, without free
FREE = 17
MAX_CORNERS = 12  # of a triangle that was cut by the six sides of a voxel, and some
TINY = np.float32(1e-12)  # area of what has none, e.g. a triangle of no width: it makes a voxel occupied all the same
STATIC = -1  # in place of a group: all that does not move


@numba.njit(nogil=True, cache=True)
def _cut(corners, count, axis, value, below, above):
    """Both parts of a convex polygon at a plane of the grid; returns the numbers of their corners."""
    num_below = num_above = 0
    for i in range(count):
        j = i + 1 if i + 1 < count else 0
        here, there = corners[i, axis] - value, corners[j, axis] - value
        x, y, z = corners[i, 0], corners[i, 1], corners[i, 2]
        if here <= 0.0:
            below[num_below, 0], below[num_below, 1], below[num_below, 2] = x, y, z
            num_below += 1
        if here >= 0.0:
            above[num_above, 0], above[num_above, 1], above[num_above, 2] = x, y, z
            num_above += 1
        if (here < 0.0 and there > 0.0) or (here > 0.0 and there < 0.0):
            f = here / (here - there)
            for k in range(3):
                below[num_below, k] = corners[i, k] + f * (corners[j, k] - corners[i, k])
            below[num_below, axis] = value
            for k in range(3):
                above[num_above, k] = below[num_below, k]
            num_below += 1
            num_above += 1
    return num_below, num_above


@numba.njit(nogil=True, cache=True)
def _area(corners, count):
    """Area of a plane polygon, in faces of a voxel."""
    x = y = z = 0.0
    for i in range(1, count - 1):
        ax, ay, az = corners[i, 0] - corners[0, 0], corners[i, 1] - corners[0, 1], corners[i, 2] - corners[0, 2]
        bx, by = corners[i + 1, 0] - corners[0, 0], corners[i + 1, 1] - corners[0, 1]
        bz = corners[i + 1, 2] - corners[0, 2]
        x += ay * bz - az * by
        y += az * bx - ax * bz
        z += ax * by - ay * bx
    return np.float32(0.5 * np.sqrt(x * x + y * y + z * z))


@numba.njit(nogil=True, cache=True)
def _span(corners, count, axis, size):
    """First and last slice of the grid that a polygon reaches along an axis; the last is the lower one for none."""
    if count == 0:
        return 0, -1
    low = high = corners[0, axis]
    for i in range(1, count):
        low = min(low, corners[i, axis])
        high = max(high, corners[i, axis])
    if not (high >= 0.0 and low < size):  # true for NaN
        return 0, -1
    return np.int64(max(low, 0.0)), np.int64(min(high, size - 0.5))


@numba.njit(nogil=True, cache=True)
def _add(x, y, z, area, kind, group, cells):
    """Note that a voxel holds so much of a class; of what moves also which group shows most of it."""
    slots, num_slots, areas, current, current_group, best, owners = cells
    slot = slots[x, y, z]
    if slot < 0:
        slot = num_slots[0]
        slots[x, y, z] = slot
        num_slots[0] = slot + 1
    before = areas[slot, kind]
    areas[slot, kind] = before + area
    if group == STATIC:
        return
    if current_group[slot] != group + 1:
        current_group[slot] = group + 1
        current[slot] = np.float32(0.0)
    current[slot] += area
    if owners[slot, kind] == 0:  # the first that moves: all up to here stands still
        best[slot, kind] = before
        owners[slot, kind] = STATIC
    if current[slot] > best[slot, kind]:
        best[slot, kind] = current[slot]
        owners[slot, kind] = group + 1


@numba.njit(nogil=True, cache=True)
def _note(x, y, z, area, kind, group, cells, columns):
    """Add to a voxel, and to the extent of its column."""
    _add(x, y, z, area, kind, group, cells)
    columns[x, y, 0] = min(columns[x, y, 0], z)
    columns[x, y, 1] = max(columns[x, y, 1], z)


@numba.njit(nogil=True, cache=True)
def _add_column(corners, count, x, y, least, kind, group, cells, columns, buffers):
    """Share the part of a triangle that stands in one column of voxels among these."""
    rest, piece, spare = buffers[0], buffers[1], buffers[2]
    low, high = _span(corners, count, 2, cells[0].shape[2])
    _, num_rest = _cut(corners, count, 2, np.float64(low), piece, rest)
    for z in range(low, high + 1):
        num, num_above = _cut(rest, num_rest, 2, z + 1.0, piece, spare)
        rest, spare, num_rest = spare, rest, num_above
        area = max(_area(piece, num), least)
        if num > 0 and area > np.float32(0.0):  # else it is touched only
            _note(x, y, z, area, kind, group, cells, columns)


@numba.njit(nogil=True, cache=True)
def _add_triangle(corners, kind, group, cells, columns, buffers):
    """Cut a triangle into slices along x, these into columns."""
    slots, area = cells[0], _area(corners, 3)
    if _is_in_one_voxel(corners):  # of fine models most are
        x, y, z = np.int64(corners[0, 0]), np.int64(corners[0, 1]), np.int64(corners[0, 2])
        _note(x, y, z, max(area, TINY), kind, group, cells, columns)
        return
    least = TINY if area <= TINY else np.float32(0.0)
    rest_x, slice_x, spare_x = buffers[3], buffers[4], buffers[5]
    x_low, x_high = _span(corners, 3, 0, slots.shape[0])
    _, num_rest_x = _cut(corners, 3, 0, np.float64(x_low), slice_x, rest_x)
    for x in range(x_low, x_high + 1):
        num_x, num_above_x = _cut(rest_x, num_rest_x, 0, x + 1.0, slice_x, spare_x)
        rest_x, spare_x, num_rest_x = spare_x, rest_x, num_above_x
        rest, piece, spare = buffers[6], buffers[7], buffers[8]
        low, high = _span(slice_x, num_x, 1, slots.shape[1])
        _, num_rest = _cut(slice_x, num_x, 1, np.float64(low), piece, rest)
        for y in range(low, high + 1):
            num, num_above = _cut(rest, num_rest, 1, y + 1.0, piece, spare)
            rest, spare, num_rest = spare, rest, num_above
            if num > 0:
                _add_column(piece, num, x, y, least, kind, group, cells, columns, buffers)


@numba.njit(nogil=True, cache=True)
def _is_in_one_voxel(corners):
    for axis in range(3):
        cell = np.floor(corners[0, axis])
        if np.floor(corners[1, axis]) != cell or np.floor(corners[2, axis]) != cell:
            return False
    return True


@numba.njit(nogil=True, cache=True)
def _fill(columns, box, kind, group, cells):
    """Close every column of a solid between its lowest and highest voxel; what has a surface there keeps its class."""
    for x in range(box[0], box[1] + 1):
        for y in range(box[2], box[3] + 1):
            for z in range(columns[x, y, 0], columns[x, y, 1] + 1):
                _add(x, y, z, TINY, kind, group, cells)


@numba.njit(nogil=True, cache=True)
def _forget(columns, box, height):
    for x in range(box[0], box[1] + 1):
        for y in range(box[2], box[3] + 1):
            columns[x, y, 0], columns[x, y, 1] = height, -1


@numba.njit(nogil=True, cache=True)
def _place(triangle, T, corners, box, shape):
    """Put a triangle into the grid and grow `box` by its columns; False where it misses the grid."""
    for k in range(3):
        p = triangle[k]
        for axis in range(3):
            corners[k, axis] = T[axis, 0] * p[0] + T[axis, 1] * p[1] + T[axis, 2] * p[2] + T[axis, 3]
    z_low, z_high = _span(corners, 3, 2, shape[2])
    x_low, x_high = _span(corners, 3, 0, shape[0])
    y_low, y_high = _span(corners, 3, 1, shape[1])
    if z_low > z_high or x_low > x_high or y_low > y_high:
        return False
    box[0], box[1] = min(box[0], x_low), max(box[1], x_high)
    box[2], box[3] = min(box[2], y_low), max(box[3], y_high)
    return True


@numba.njit(nogil=True, cache=True)
def _voxel_areas(triangles, kinds, rows, bodies, T_grid_body, starts, groups, is_solid, cells):
    """Go through the batches of triangles; see `voxel_areas`."""
    slots = cells[0]
    columns = np.empty((slots.shape[0], slots.shape[1], 2), dtype=np.int16)
    box = np.array([0, slots.shape[0] - 1, 0, slots.shape[1] - 1], dtype=np.int64)
    _forget(columns, box, slots.shape[2])
    buffers = np.empty((9, MAX_CORNERS, 3), dtype=np.float64)
    corners = np.empty((3, 3), dtype=np.float64)
    for batch in range(len(starts) - 1):
        box[:] = (slots.shape[0], -1, slots.shape[1], -1)
        for i in range(starts[batch], starts[batch + 1]):
            if _place(triangles[rows[i]], T_grid_body[bodies[i]], corners, box, slots.shape):
                _add_triangle(corners, kinds[rows[i]], groups[batch], cells, columns, buffers)
        if is_solid[batch] and starts[batch + 1] > starts[batch]:
            _fill(columns, box, kinds[rows[starts[batch]]], groups[batch], cells)
        _forget(columns, box, slots.shape[2])


@numba.njit(nogil=True, cache=True)
def _judge(slots, areas, owners, semantics, owner):
    """Class of the largest area of each voxel, and the group that shows most of it."""
    for x in range(slots.shape[0]):
        for y in range(slots.shape[1]):
            for z in range(slots.shape[2]):
                slot = slots[x, y, z]
                if slot < 0:
                    continue
                best = 0
                for kind in range(1, NUM_CLASSES):
                    if areas[slot, kind] > areas[slot, best]:
                        best = kind
                semantics[x, y, z] = best
                owner[x, y, z] = max(owners[slot, best] - 1, STATIC)


def voxel_areas(
    triangles: np.ndarray,
    kinds: np.ndarray,
    rows: np.ndarray,
    bodies: np.ndarray,
    T_grid_body: np.ndarray,
    batches: tuple[np.ndarray, np.ndarray, np.ndarray],
    shape: tuple[int, int, int],
) -> tuple[np.ndarray, np.ndarray]:
    """Class `shape` uint8 (FREE: empty) and group `shape` int32 (STATIC: stands still) of each voxel.

    `triangles` (N, 3, 3) float32 in the frames of their bodies, `kinds` (N,) uint8 below 17; `rows` (K,) int64 the
    wanted ones, `bodies` (K,) int32 rows of `T_grid_body` (B, 3, 4) float64. `batches`: where each of G batches starts
    in `rows` (G + 1,) int64, its group (G,) int32, and whether it is a solid (G,) bool, of one class and closed between
    its lowest and highest voxel in each column. Batches that stand still come first.
    """
    starts, groups, is_solid = batches
    size = int(np.prod(shape))
    cells = (
        np.full(shape, -1, dtype=np.int32),  # slot of a voxel in what follows, taken when first touched
        np.zeros(1, dtype=np.int32),
        np.zeros((size, NUM_CLASSES), dtype=np.float32),  # memory that is never touched costs nothing
        np.zeros(size, dtype=np.float32),
        np.zeros(size, dtype=np.int32),
        np.zeros((size, NUM_CLASSES), dtype=np.float32),
        np.zeros((size, NUM_CLASSES), dtype=np.int32),
    )
    _voxel_areas(triangles, kinds, rows, bodies, T_grid_body, starts, groups, is_solid, cells)
    semantics = np.full(shape, FREE, dtype=np.uint8)
    owner = np.full(shape, STATIC, dtype=np.int32)
    _judge(cells[0], cells[2], cells[6], semantics, owner)
    return semantics, owner


def voxel_areas_twin(triangle: np.ndarray, shape: tuple[int, int, int]) -> dict[tuple[int, int, int], float]:
    """The definition: area of one triangle (3, 3) in each voxel where it has some, by cutting at the six sides."""
    low = np.clip(np.floor(triangle.min(axis=0)), 0, None).astype(int)
    high = np.clip(np.floor(triangle.max(axis=0)), None, np.array(shape) - 1).astype(int)
    out = {}
    for cell in np.ndindex(*np.maximum(high - low + 1, 0)):
        voxel = low + cell
        polygon = triangle.astype(np.float64)
        for axis in range(3):
            polygon = _half(_half(polygon, axis, float(voxel[axis]), 1.0), axis, float(voxel[axis] + 1), -1.0)
        fan = [np.cross(polygon[i] - polygon[0], polygon[i + 1] - polygon[0]) for i in range(1, len(polygon) - 1)]
        area = 0.5 * float(np.linalg.norm(np.sum(fan, axis=0))) if fan else 0.0
        if area > 0.0:
            out[tuple(voxel.tolist())] = area
    return out


def _half(polygon: np.ndarray, axis: int, value: float, sign: float) -> np.ndarray:
    """The part of a polygon (K, 3) on one side of a plane."""
    kept = []
    for p, q in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        here, there = sign * (p[axis] - value), sign * (q[axis] - value)
        kept += [p] if here >= 0.0 else []
        kept += [p + here / (here - there) * (q - p)] if here * there < 0.0 else []
    return np.array(kept).reshape(-1, 3)


def warm_up() -> None:
    """Compile the kernels of this file for the types they are used with."""
    batches = np.array([0, 1]), np.array([STATIC], dtype=np.int32), np.array([True])
    triangles, kinds = np.ones((1, 3, 3), dtype=np.float32), np.zeros(1, dtype=np.uint8)
    rows, bodies = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int32)
    voxel_areas(triangles, kinds, rows, bodies, np.zeros((1, 3, 4)), batches, (2, 2, 2))
