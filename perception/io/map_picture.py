"""A map as a picture from above: its floor, the path of each session, and the loops that hold them together."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.files import write_atomic
from slam.maps.folder import MapFolder
from slam.maps.grid import FREE, OCCUPIED, UNKNOWN, FloorGrid
from slam.maps.sessions import loops_of, sessions_of

MAX_SIDE, MIN_SIDE = 1400, 400  # px, of the longer side
MARGIN = 2.0  # m around what is drawn
COLOURS = {UNKNOWN: (214, 219, 226), FREE: (255, 255, 255), OCCUPIED: (43, 52, 64)}
PATHS = ((31, 119, 220), (230, 126, 20), (140, 80, 190), (0, 150, 136))  # of the sessions, in turn
LOOPS, START, TEXT = (214, 40, 57), (20, 140, 60), (60, 70, 85)
SCALES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0)  # m, of the bar


def picture_of(folder: MapFolder, grid: FloorGrid, path: np.ndarray | None = None) -> np.ndarray:
    """The picture (H, W, 3) uint8 RGB of a map with its floor, and with a further path (N, 2) m through it."""
    ids, poses = folder.poses()
    places = poses[:, :2, 3]
    paths = [places[np.searchsorted(ids, session)] for session in sessions_of(folder)]
    paths += [] if path is None else [path]
    return draw_map(grid, paths, places[np.searchsorted(ids, loops_of(folder))])


def draw_map(grid: FloorGrid, paths: Sequence[np.ndarray], loops: np.ndarray) -> np.ndarray:
    """The picture (H, W, 3) uint8 RGB of a floor, paths (N, 2) and loops (L, 2, 2) between two places, all m.

    North (y of the map) is up. Raises `InvalidInput` where there is nothing to draw.
    """
    import cv2

    paths = [path for path in paths if len(path)]
    if not paths:
        raise InvalidInput("map: it holds no keyframe, there is nothing to draw")
    low, high = _bounds(grid, np.concatenate(paths))
    scale = float(np.clip(1.0 / grid.resolution, MIN_SIDE / (high - low).max(), MAX_SIDE / (high - low).max()))
    picture = _floor(grid, low, high, scale)

    def pixels(places: np.ndarray) -> np.ndarray:
        """Columns and rows in sixteenths, as `cv2` takes them."""
        at = np.stack([places[..., 0] - low[0], high[1] - places[..., 1]], axis=-1) * scale
        return np.rint(at * 16.0).astype(np.int32)

    for number, path in enumerate(paths):
        cv2.polylines(picture, [pixels(path)], False, PATHS[number % len(PATHS)], 2, cv2.LINE_AA, 4)
    cv2.polylines(picture, list(pixels(loops)), False, LOOPS, 1, cv2.LINE_AA, 4)
    for end in pixels(loops).reshape(-1, 2):
        cv2.circle(picture, end.tolist(), 2 * 16, LOOPS, -1, cv2.LINE_AA, 4)
    for path in paths:
        cv2.circle(picture, pixels(path[:1])[0].tolist(), 5 * 16, START, -1, cv2.LINE_AA, 4)
    _draw_scale(picture, scale)
    return picture


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Write a picture (H, W, 3) uint8 RGB as PNG, whole or not at all."""
    import cv2

    write_atomic(path, cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes())


def _bounds(grid: FloorGrid, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The corners (2,) m of what is drawn: every place, and the floor where it is known."""
    low, high = places.min(axis=0), places.max(axis=0)
    if (grid.cells != UNKNOWN).any():
        low = np.minimum(low, grid.origin)
        high = np.maximum(high, grid.origin + grid.resolution * np.array(grid.cells.shape[::-1]))
    return low - MARGIN, high + MARGIN


def _floor(grid: FloorGrid, low: np.ndarray, high: np.ndarray, scale: float) -> np.ndarray:
    """The cells in their places; walls stay dark where many cells share a pixel."""
    import cv2

    width, height = np.maximum(np.ceil((high - low) * scale).astype(int), 1)
    to_cell = np.array([1.0 / scale, 1.0 / scale]) / grid.resolution
    first = (low - grid.origin) / grid.resolution
    size = max(int(np.ceil(to_cell[0])), 1)
    cells = cv2.dilate(grid.cells.astype(np.int16), np.ones((size, size))) if size > 1 else grid.cells
    columns = np.floor((np.arange(width) + 0.5) * to_cell[0] + first[0]).astype(int)
    rows = np.floor((height - 0.5 - np.arange(height)) * to_cell[1] + first[1]).astype(int)
    shown = np.full((height, width), UNKNOWN, dtype=np.int16)
    is_row, is_column = ((at >= 0) & (at < n) for at, n in zip((rows, columns), grid.cells.shape))
    shown[np.ix_(is_row, is_column)] = cells[np.ix_(rows[is_row], columns[is_column])]
    picture = np.empty((height, width, 3), dtype=np.uint8)
    for value, colour in COLOURS.items():
        picture[shown == value] = colour
    return picture


def _draw_scale(picture: np.ndarray, scale: float) -> None:
    """A bar with its length in the lower left corner."""
    import cv2

    fitting = [length for length in SCALES if length * scale <= picture.shape[1] / 4]
    length = fitting[-1] if fitting else SCALES[0]
    bottom, end = picture.shape[0] - 14, 12 + round(length * scale)
    for colour, width in ((COLOURS[FREE], 4), (TEXT, 1)):  # readable on walls, too
        cv2.line(picture, (12, bottom), (end, bottom), colour, width + 1)
        cv2.putText(
            picture, f"{length:g} m", (12, bottom - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, width, cv2.LINE_AA
        )
