"""Districts: a grid of streets by lot, and a closed loop round some of its blocks that the robot drives."""

from dataclasses import dataclass

import numpy as np

from perception.world.layouts.paths import rounded
from perception.world.layouts.plan import LANE, PAVEMENT, Rectangle, Street
from perception.world.variety import Variety

Cell = tuple[int, int]
Node = tuple[int, int]

# Blocks that a loop goes round, as cells of the grid; the last quarter is held out for evaluation.
LOOPS: tuple[tuple[Cell, ...], ...] = (
    ((0, 0), (1, 0)),
    ((0, 0), (1, 0), (1, 1)),
    ((0, 0), (1, 0), (0, 1), (1, 1)),
    ((0, 0), (1, 0), (2, 0), (1, 1)),
    ((0, 0),),
    ((0, 0), (1, 0), (2, 0), (0, 1)),
    ((0, 0), (1, 0), (1, 1), (2, 1)),
    ((0, 0), (1, 0), (2, 0), (0, 1), (2, 1)),
)
CAMPUS_LOOPS: tuple[tuple[Cell, ...], ...] = (((0, 0),), ((0, 0), (0, 1)), ((0, 0), (0, 1), (0, 2)))
LENGTH = (330.0, 560.0)  # m, of a loop
SPACING = (44.0, 125.0)  # m, between neighbouring streets of the grid
DRIVEN_HALF, SIDE_HALF = (5.5, 5.5, 6.1, 6.6), (3.6, 4.4, 5.5, 6.6)  # m, half widths of streets
RADIUS, BLUR = 7.5, 4.5  # m, of the bends
STUB = (32.0, 75.0)  # m, of side streets that lead out of the grid
STUB_CLEARANCE = 12.0  # m to other streets
HALL_LENGTH, HALL_HALF, HALL_ENDS = (34.0, 46.0), (13.0, 17.0), 24.0  # m; what remains of the street at both ends
SQUARE_TRIES = 12
STEPS: tuple[Node, ...] = ((1, 0), (0, 1), (-1, 0), (0, -1))


@dataclass(frozen=True, slots=True)
class District:
    """A plan by lot. The origin is the start, the robot heads along x."""

    path: np.ndarray  # (K, 2) m
    streets: tuple[Street, ...]
    plazas: tuple[Rectangle, ...]
    hall: Rectangle | None


def make_district(rng: np.random.Generator, variety: Variety, has_hall: bool) -> District:
    """A loop of 300 to 700 m through streets of random width and distance; a hall is built over one of them."""
    cells = _turned(rng, variety.choose(rng, CAMPUS_LOOPS if has_hall else LOOPS), has_hall)
    nodes = _outline(cells)
    x, y = _lines(rng, cells, len(nodes), has_hall)
    corners = [node for k, node in enumerate(nodes) if _is_corner(nodes, k)]
    if rng.random() < 0.5:
        corners = corners[:1] + corners[:0:-1]
    places = np.array([[x[i], y[j]] for i, j in corners])
    streets = _loop_streets(rng, places)
    hall = _hall(rng, places) if has_hall else None
    streets += _inner_streets(rng, cells, nodes, x, y)
    streets += _stubs(rng, nodes, x, y, streets, hall)
    plazas = _islands(rng, streets, places)
    for _ in range(SQUARE_TRIES):
        square = _square(rng, cells, x, y)
        if square is not None and (hall is None or not square.overlaps(hall.grown(1.0))):
            plazas.append(square)
            break
    path, start = _path(rng, places, hall)
    return District(
        path,
        tuple(street.shifted(-start) for street in streets),
        tuple(_moved(plaza, -start) for plaza in plazas),
        None if hall is None else _moved(hall, -start),
    )


def _turned(rng: np.random.Generator, cells: tuple[Cell, ...], is_upright: bool) -> list[Cell]:
    """The blocks mirrored and turned by lot."""
    out = list(cells)
    if rng.random() < 0.5 and not is_upright:
        out = [(j, i) for i, j in out]
    for axis in range(2):
        if rng.random() < 0.5:
            top = max(cell[axis] for cell in out)
            out = [(top - i, j) if axis == 0 else (i, top - j) for i, j in out]
    return out


def _outline(cells: list[Cell]) -> list[Node]:
    """Nodes of the grid around some blocks, counter-clockwise."""
    edges = {}
    for i, j in cells:
        for k, (a, b) in enumerate([((0, 0), (1, 0)), ((1, 0), (1, 1)), ((1, 1), (0, 1)), ((0, 1), (0, 0))]):
            di, dj = STEPS[(k + 3) % 4]
            if (i + di, j + dj) not in cells:
                edges[(i + a[0], j + a[1])] = (i + b[0], j + b[1])
    out = [min(edges)]
    while edges[out[-1]] != out[0]:
        out.append(edges[out[-1]])
    return out


def _is_corner(nodes: list[Node], k: int) -> bool:
    before, here, after = nodes[k - 1], nodes[k], nodes[(k + 1) % len(nodes)]
    return (here[0] - before[0], here[1] - before[1]) != (after[0] - here[0], after[1] - here[1])


def _lines(
    rng: np.random.Generator, cells: list[Cell], num_edges: int, has_hall: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of the streets of the grid."""
    mean = rng.uniform(*LENGTH) / num_edges
    gaps_x = np.clip(mean * rng.uniform(0.8, 1.3, size=1 + max(i for i, _ in cells)), *SPACING)
    gaps_y = np.clip(mean * rng.uniform(0.8, 1.3, size=1 + max(j for _, j in cells)), *SPACING)
    if has_hall:
        gaps_x = rng.uniform(96.0, 118.0, size=len(gaps_x))
        gaps_y = rng.uniform(48.0, 64.0, size=len(gaps_y))
    return np.append(0.0, np.cumsum(gaps_x)), np.append(0.0, np.cumsum(gaps_y))


def _loop_streets(rng: np.random.Generator, places: np.ndarray) -> list[Street]:
    out = []
    for a, b in zip(places, np.roll(places, -1, axis=0), strict=True):
        out.append(Street(tuple(a.tolist()), tuple(b.tolist()), float(rng.choice(DRIVEN_HALF))))
    return out


def _inner_streets(
    rng: np.random.Generator, cells: list[Cell], nodes: list[Node], x: np.ndarray, y: np.ndarray
) -> list[Street]:
    """Streets between two blocks inside the loop: most of them are open."""
    out = []
    for i, j in cells:
        for right in ((1, 0), (0, 1)):
            if (i + right[0], j + right[1]) in cells and rng.random() < 0.8:
                a = (i + right[0], j + right[1])
                b = (i + 1, j + 1)
                out.append(Street((x[a[0]], y[a[1]]), (x[b[0]], y[b[1]]), float(rng.choice(SIDE_HALF))))
    return out


def _stubs(
    rng: np.random.Generator,
    nodes: list[Node],
    x: np.ndarray,
    y: np.ndarray,
    streets: list[Street],
    hall: Rectangle | None,
) -> list[Street]:
    """Side streets out of the nodes of the loop and of the middle of its long sides: crossings of three and four."""
    blocked = [street.area(PAVEMENT) for street in streets]
    out: list[Street] = []
    for k, node in enumerate(nodes):
        after = nodes[(k + 1) % len(nodes)]
        here, there = (np.array([x[n[0]], y[n[1]]]) for n in (node, after))
        along = (there - here) / np.linalg.norm(there - here)
        starts = [(here, np.array(step, dtype=np.float64), 0.55) for step in STEPS]
        if np.linalg.norm(there - here) > 62.0:
            middle = here + rng.uniform(0.4, 0.6) * (there - here)
            starts.append((middle, np.array([along[1], -along[0]]), 0.5))
        for start, step, chance in starts:
            if hall is not None and hall.grown(max(SIDE_HALF) + PAVEMENT).contains(start[0], start[1]):
                continue
            stop = start + step * rng.uniform(*STUB)
            half = float(rng.choice(SIDE_HALF))
            if rng.random() < chance and _is_free(start, stop, step, half, blocked):
                out.append(Street(tuple(start.tolist()), tuple(stop.tolist()), half))
                blocked.append(out[-1].area(PAVEMENT))
    return out


def _is_free(start: np.ndarray, stop: np.ndarray, step: np.ndarray, half: float, blocked: list[Rectangle]) -> bool:
    """True where a side street meets no other street but the one it leaves."""
    near = start + step * (max(DRIVEN_HALF) + PAVEMENT + half + 1.0)
    low, high = np.minimum(near, stop + 20.0 * step), np.maximum(near, stop + 20.0 * step)
    area = Rectangle(low[0], low[1], high[0], high[1])
    across = Rectangle(
        area.x_low - abs(step[1]) * (half + STUB_CLEARANCE),
        area.y_low - abs(step[0]) * (half + STUB_CLEARANCE),
        area.x_high + abs(step[1]) * (half + STUB_CLEARANCE),
        area.y_high + abs(step[0]) * (half + STUB_CLEARANCE),
    )
    return not any(across.overlaps(area) for area in blocked)


def _islands(rng: np.random.Generator, streets: list[Street], places: np.ndarray) -> list[Rectangle]:
    """Traffic islands in the middle of wide side streets, before they meet the loop."""
    out = []
    for street in streets[len(places) :]:
        if street.half_width >= 5.5 and street.length > 40.0 and rng.random() < 0.8:
            start, stop = np.array(street.start), np.array(street.stop)
            step = (stop - start) / street.length
            low, high = start + step * rng.uniform(12.5, 14.0), start + step * rng.uniform(18.0, 22.0)
            low, high = np.minimum(low, high), np.maximum(low, high)
            out.append(Rectangle(low[0] - 0.7, low[1] - 0.7, high[0] + 0.7, high[1] + 0.7))
    return out


def _square(rng: np.random.Generator, cells: list[Cell], x: np.ndarray, y: np.ndarray) -> Rectangle | None:
    """A paved square in one corner of a block that is large enough for it."""
    i, j = cells[int(rng.integers(len(cells)))]
    inset = max(DRIVEN_HALF) + 0.1
    block = Rectangle(x[i] + inset, y[j] + inset, x[i + 1] - inset, y[j + 1] - inset)
    size = rng.uniform(13.0, 22.0, size=2)
    if block.x_high - block.x_low < size[0] + 14.0 or block.y_high - block.y_low < size[1] + 14.0:
        return None
    x_low = block.x_low if rng.random() < 0.5 else block.x_high - size[0]
    y_low = block.y_low if rng.random() < 0.5 else block.y_high - size[1]
    return Rectangle(x_low, y_low, x_low + size[0], y_low + size[1])


def _hall(rng: np.random.Generator, places: np.ndarray) -> Rectangle:
    """A building over the middle of a side along x: the one opposite of the start."""
    k = int(np.argmax(places[:, 1]))
    middle_x, y = 0.5 * (places[:, 0].min() + places[:, 0].max()), places[k, 1]
    half_length = 0.5 * min(rng.uniform(*HALL_LENGTH), float(np.ptp(places[:, 0])) - 2.0 * HALL_ENDS)
    half = rng.uniform(*HALL_HALF)
    return Rectangle(middle_x - half_length, y - half, middle_x + half_length, y + half)


def _path(rng: np.random.Generator, places: np.ndarray, hall: Rectangle | None) -> tuple[np.ndarray, np.ndarray]:
    """The way in the right lane from a start, which is the new origin; the start heads along x."""
    steps = np.roll(places, -1, axis=0) - places
    is_start = steps[:, 0] > 30.0
    if hall is not None:
        is_start &= ~hall.contains(0.5 * (hall.x_low + hall.x_high), places[:, 1])
    if not is_start.any():  # the hall lies on the only side that leads ahead: turn round
        return _path(rng, places[::-1], hall)
    side = int(np.argmax(np.where(is_start, steps[:, 0], 0.0)))
    places = np.roll(places, -side, axis=0)
    ahead = np.roll(places, -1, axis=0) - places
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    right = np.column_stack([ahead[:, 1], -ahead[:, 0]])
    lane = places + LANE * (right + np.roll(right, 1, axis=0))
    start = lane[0] + rng.uniform(0.3, 0.5) * (lane[1] - lane[0])
    path = rounded(np.vstack([start, lane[1:], lane[:1], start]), RADIUS, BLUR)
    return path - start, start


def _moved(area: Rectangle, by: np.ndarray) -> Rectangle:
    return Rectangle(area.x_low + by[0], area.y_low + by[1], area.x_high + by[0], area.y_high + by[1])
