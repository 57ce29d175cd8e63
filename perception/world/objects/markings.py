"""What is painted and patched on roads: lines, crossings, arrows, parking bays, cycle lanes, manhole covers, repairs.

All of it lies a few millimetres above the ground and follows its triangles exactly.
"""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import Look, Mesh, joined, surface
from perception.world.layout import LANE, Layout, Street
from perception.world.materials import Material, Texture
from perception.world.objects.ground import FLOOR, LIFT, ROAD, Ground
from perception.world.objects.shapes import Stuff, Tint
from perception.world.variety import Variety

PATCH_RISE, COVER_RISE, PAINT_RISE = 0.003, 0.005, 0.007  # m above the road
LINE, WIDE = 0.12, 0.5  # m, widths of a line and of a stop line or a bar of a zebra crossing
DASH, DASH_PERIOD = 3.0, 8.0  # m
BAY = 5.6  # m, of a parking place along the kerb
BAY_DEPTH = 2.05  # m
STOP_GAP, ZEBRA_GAP, ZEBRA_DEPTH = 5.2, 1.2, 3.0  # m from a crossing; depth of its bars
LINE_GAP = STOP_GAP + 0.4  # m from a crossing to the lines along the road
CYCLE = (3.45, 4.5)  # m from the middle of the road: the lane for bicycles
MIN_AREA = 1e-8  # m^2; what is cut along the edge of a cell leaves slivers
WHITE_PAINT: Tint = (255, 255, 255)
CYCLE_TINT: Tint = (255, 142, 122)
YELLOW_PAINT: Tint = (246, 204, 92)
PAINTED = (ROAD, FLOOR)  # kinds of ground; islands stand out of what is painted around them
ARROW = (  # convex pieces in (ahead, left), m
    ((-1.6, -0.07), (0.5, -0.07), (0.5, 0.07), (-1.6, 0.07)),
    ((0.5, -0.35), (1.6, 0.0), (0.5, 0.35)),
)
TURN_ARROW = (
    ((-1.6, -0.07), (0.4, -0.07), (0.4, 0.07), (-1.6, 0.07)),
    ((0.26, 0.07), (0.4, 0.07), (0.4, 0.45), (0.26, 0.45)),
    ((0.0, 0.45), (0.66, 0.45), (0.33, 1.1)),
)


@dataclass(frozen=True, slots=True)
class Arm:
    """A piece of street between two crossings or ends: from `low` to `high` along its axis, and what lies there."""

    street: Street
    low: float
    high: float
    has_crossing: tuple[bool, bool]  # at its low and at its high end


@dataclass(eq=False)
class Decals:
    """Collects flat pieces on the ground."""

    ground: Ground
    _pieces: dict[tuple[Stuff, Class, float], list[np.ndarray]] = field(default_factory=dict)

    def add(self, outline: np.ndarray, stuff: Stuff, rise: float, kind: Class = Class.DRIVEABLE_SURFACE) -> None:
        """A convex outline (K, 2), counter-clockwise, laid on the ground `rise` metres above it."""
        triangles = laid(self.ground, outline, rise, PAINTED)
        self._pieces.setdefault((stuff, kind, rise), []).append(triangles)

    def mesh(self) -> Mesh:
        """All pieces so far; their texture lies along x and y."""
        parts = []
        for (stuff, kind, _), pieces in self._pieces.items():
            triangles = np.concatenate(pieces)
            look = Look(stuff.texture_id, stuff.tint, triangles[..., :2])
            parts.append(surface(triangles, kind, stuff.material, 0, look))
        return joined(parts)


def make_markings(layout: Layout, ground: Ground, rng: np.random.Generator, variety: Variety) -> Mesh:
    """Everything on the roads of one layout. In a world that repeats: only what lies in its first period."""
    decals = Decals(ground)
    white = Stuff(Material.PAINT, WHITE_PAINT, variety.layer(rng, Texture.ROAD_PAINT))
    middle_tint = variety.choose(rng, (WHITE_PAINT, WHITE_PAINT, WHITE_PAINT, YELLOW_PAINT))
    middle = Stuff(Material.PAINT, middle_tint, variety.layer(rng, Texture.ROAD_PAINT))
    asphalt = variety.layer(rng, Texture.ASPHALT)
    for arm in arms(layout):
        _lane_lines(decals, arm, white, middle, asphalt, rng)
        _bays(decals, arm, white)
        _ends(decals, arm, white, rng)
        _covers(decals, arm, rng, variety)
        _patches(decals, arm, rng, variety)
    return decals.mesh()


def arms(layout: Layout) -> list[Arm]:
    """The pieces of all streets between their crossings."""
    out = []
    for street in layout.furnished:
        axis = 0 if street.is_along_x else 1
        low, high = sorted((street.start[axis], street.stop[axis]))
        gaps = sorted(_crossed(street, other, axis) for other in layout.streets if _meets(street, other))
        gaps = [(a, b) for a, b in gaps if b > low - street.half_width and a < high + street.half_width]
        edges = [(low, low), *gaps, (high, high)]
        for k, (before, after) in enumerate(pairwise(edges)):
            start, stop = max(before[1], low), min(after[0], high)
            if stop - start > 6.0:
                out.append(Arm(street, start, stop, (k > 0, k + 1 < len(edges) - 1)))
    return [arm for arm in out if _is_own(layout, arm)]


def _is_own(layout: Layout, arm: Arm) -> bool:
    """True for what lies in the first period of a world that repeats."""
    if layout.period == 0.0:
        return True
    x = 0.5 * (arm.low + arm.high) if arm.street.is_along_x else arm.street.start[0]
    return 0.0 <= x < layout.period


def _meets(street: Street, other: Street) -> bool:
    """True where another street crosses this one, or leads into it."""
    return other.is_along_x != street.is_along_x and other.area().overlaps(street.area())


def _crossed(street: Street, other: Street, axis: int) -> tuple[float, float]:
    """The part of the street that a crossing one takes."""
    return other.start[axis] - other.half_width, other.start[axis] + other.half_width


def _outline(arm: Arm, along: tuple[float, float], across: tuple[float, float]) -> np.ndarray:
    """A rectangle on an arm, counter-clockwise; `across` from the middle of the road to the left of its axis."""
    (a, b), (c, d) = along, across
    points = np.array([[a, c], [b, c], [b, d], [a, d]])
    return _turned(arm, points)


def _turned(arm: Arm, points: np.ndarray) -> np.ndarray:
    """Points (K, 2) in (along, left) to x and y."""
    if arm.street.is_along_x:
        return points + np.array([0.0, arm.street.start[1]])
    return np.column_stack([arm.street.start[0] - points[:, 1], points[:, 0]])


def _lane_lines(decals: Decals, arm: Arm, white: Stuff, middle: Stuff, asphalt: int, rng: np.random.Generator) -> None:
    """The dashed line in the middle, lines along the edges, and the lane for bicycles."""
    start = arm.low + (LINE_GAP if arm.has_crossing[0] else 0.5)
    stop = arm.high - (LINE_GAP if arm.has_crossing[1] else 0.5)
    half = arm.street.half_width
    at = start + DASH_PERIOD * rng.uniform(0.0, 0.4)
    while at < stop and half > 4.0:
        decals.add(_outline(arm, (at, min(at + DASH, stop)), (-0.5 * LINE, 0.5 * LINE)), middle, PAINT_RISE)
        at += DASH_PERIOD
    if arm.street.has_cycle_lane:
        red = Stuff(Material.ASPHALT, CYCLE_TINT, asphalt)
        for side in (-1.0, 1.0):
            edges = sorted((side * CYCLE[0], side * CYCLE[1]))
            decals.add(_outline(arm, (start, stop), (edges[0], edges[1])), red, PATCH_RISE)
            for edge in CYCLE:
                _line(decals, arm, (start, stop), side * edge, white)
    elif arm.street.parking == 0.0 or rng.random() < 0.3:
        for side in (-1.0, 1.0):
            _line(decals, arm, (start, stop), side * (half - 0.3), white)


def _line(
    decals: Decals, arm: Arm, along: tuple[float, float], across: float, stuff: Stuff, width: float = LINE
) -> None:
    decals.add(_outline(arm, along, (across - 0.5 * width, across + 0.5 * width)), stuff, PAINT_RISE)


def _bays(decals: Decals, arm: Arm, white: Stuff) -> None:
    """Marked parking places along the kerb."""
    half = arm.street.half_width
    start, stop = arm.low + 9.0, arm.high - 9.0
    count = int((stop - start) / BAY)
    if arm.street.parking == 0.0 or count < 1:
        return
    first = start + 0.5 * (stop - start - count * BAY)
    for side in (-1.0, 1.0):
        inner = side * (half - BAY_DEPTH)
        _line(decals, arm, (first, first + count * BAY), inner, white, 0.1)
        edges = sorted((inner, side * (half - 0.05)))
        for k in range(count + 1):
            at = first + k * BAY
            decals.add(_outline(arm, (at - 0.05, at + 0.05), (edges[0], edges[1])), white, PAINT_RISE)


def _ends(decals: Decals, arm: Arm, white: Stuff, rng: np.random.Generator) -> None:
    """Stop lines, zebra crossings and arrows before the crossings."""
    half = arm.street.half_width
    reach = half if arm.street.parking == 0.0 else half - BAY_DEPTH
    has_zebra = rng.random(2) < 0.7
    for end, edge, inwards in ((0, arm.low, 1.0), (1, arm.high, -1.0)):
        if not arm.has_crossing[end] or arm.high - arm.low < 18.0:
            continue
        if has_zebra[end]:
            low, high = sorted((edge + inwards * ZEBRA_GAP, edge + inwards * (ZEBRA_GAP + ZEBRA_DEPTH)))
            for at in np.arange(-half + 0.4, half - 0.4, 2.0 * WIDE):
                decals.add(_outline(arm, (low, high), (at, at + WIDE)), white, PAINT_RISE)
        low, high = sorted((edge + inwards * STOP_GAP, edge + inwards * (STOP_GAP + 0.4)))
        lane = sorted((inwards * 0.15, inwards * reach))  # the right lane of those who drive towards the crossing
        decals.add(_outline(arm, (low, high), (lane[0], lane[1])), white, PAINT_RISE)
        if arm.high - arm.low > 30.0 and half > 5.0 and rng.random() < 0.6:
            _arrow(decals, arm, edge + inwards * (STOP_GAP + 5.0), inwards, white, rng)


def _arrow(decals: Decals, arm: Arm, at: float, inwards: float, white: Stuff, rng: np.random.Generator) -> None:
    """An arrow in the lane that leads against `inwards`."""
    shape = TURN_ARROW if rng.random() < 0.4 else ARROW
    flip = float(rng.choice([-1.0, 1.0]))
    for piece in shape:
        points = np.array(piece) * [1.0, flip]
        points = points[::-1] if flip < 0.0 else points
        placed = np.column_stack([at - inwards * points[:, 0], inwards * LANE - inwards * points[:, 1]])
        decals.add(_turned(arm, placed), white, PAINT_RISE)


def _covers(decals: Decals, arm: Arm, rng: np.random.Generator, variety: Variety) -> None:
    """Manhole covers, gullies at the kerb."""
    iron = Stuff(Material.METAL, (112, 108, 104), variety.layer(rng, Texture.METAL))
    angle = 2.0 * np.pi * np.arange(10) / 10
    for at in np.arange(arm.low + rng.uniform(3.0, 14.0), arm.high - 2.0, rng.uniform(16.0, 30.0)):
        across = rng.uniform(-2.4, 2.4)
        ring = np.column_stack([at + 0.33 * np.cos(angle), across + 0.33 * np.sin(angle)])
        decals.add(_turned(arm, ring), iron, COVER_RISE)
        side = float(rng.choice([-1.0, 1.0]))
        edges = sorted((side * (arm.street.half_width - 0.45), side * (arm.street.half_width - 0.05)))
        decals.add(_outline(arm, (at + 3.0, at + 3.5), (edges[0], edges[1])), iron, COVER_RISE)


def _patches(decals: Decals, arm: Arm, rng: np.random.Generator, variety: Variety) -> None:
    """Where the road was dug up: rectangles of darker or lighter asphalt."""
    half = arm.street.half_width
    for _ in range(rng.poisson((arm.high - arm.low) / 26.0)):
        length, width = rng.uniform(0.8, 6.0), rng.uniform(0.6, 2.2)
        if rng.random() < 0.25:
            length, width = width * 0.6, 2.0 * half - 0.6  # a trench across
        at = rng.uniform(arm.low, max(arm.low + 0.1, arm.high - length))
        across = rng.uniform(-half + 0.1, half - 0.1 - width) if width < 2.0 * half - 0.3 else -half + 0.1
        gray = int(rng.uniform(150, 255))
        stuff = Stuff(Material.ASPHALT, (gray, gray, gray), variety.layer(rng, Texture.ASPHALT))
        along = (at, min(at + length, arm.high))
        decals.add(_outline(arm, along, (across, across + width)), stuff, PATCH_RISE - 0.001 * rng.random())


def laid(ground: Ground, outline: np.ndarray, rise: float, kinds: tuple[int, ...] | None = None) -> np.ndarray:
    """Triangles (N, 3, 3) of a convex outline (K, 2), cut along the triangles of the ground and lifted onto them.

    Only on cells of the given kinds of ground; None: of all.
    """
    points = [(float(x), float(y)) for x, y in outline]
    i_low, j_low = ground.cell(*np.min(outline, axis=0))
    i_high, j_high = ground.cell(*np.max(outline, axis=0))
    out: list[list[tuple[float, float, float]]] = []
    for i in range(i_low, i_high + 1):
        strip = _cut(_cut(points, 1.0, 0.0, -ground.x[i]), -1.0, 0.0, ground.x[i + 1])
        for j in range(j_low, j_high + 1):
            cell = _cut(_cut(strip, 0.0, 1.0, -ground.y[j]), 0.0, -1.0, ground.y[j + 1])
            if len(cell) >= 3 and (kinds is None or ground.kinds[i, j] in kinds):
                _lay(ground, i, j, cell, rise + float(LIFT[ground.kinds[i, j]]), out)
    triangles = np.array(out, dtype=np.float64).reshape(-1, 3, 3)
    edges = np.diff(triangles[..., :2], axis=1)
    area = 0.5 * np.abs(edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0])
    return triangles[area > MIN_AREA]


Polygon = list[tuple[float, float]]


def _lay(
    ground: Ground, i: int, j: int, cell: Polygon, rise: float, out: list[list[tuple[float, float, float]]]
) -> None:
    """Split what lies in one cell along its diagonal, and lift both parts onto their planes."""
    dx, dy = ground.x[i + 1] - ground.x[i], ground.y[j + 1] - ground.y[j]
    u, v = 1.0 / dx, -1.0 / dy
    w = -ground.x[i] / dx + ground.y[j] / dy
    for is_lower, sign in ((True, 1.0), (False, -1.0)):
        part = _cut(cell, sign * u, sign * v, sign * w)
        a, b, c = ground.plane(i, j, is_lower)
        corners = [(x, y, a + b * x + c * y + rise) for x, y in part]
        out.extend([corners[0], corners[k], corners[k + 1]] for k in range(1, len(corners) - 1))


def _cut(polygon: Polygon, a: float, b: float, c: float) -> Polygon:
    """The part of a convex polygon where a x + b y + c >= 0 (Sutherland and Hodgman)."""
    values = [a * x + b * y + c for x, y in polygon]
    if not values or min(values) >= 0.0:
        return polygon
    if max(values) <= 1e-9:
        return []
    out: Polygon = []
    for k, (x, y) in enumerate(polygon):
        value, before = values[k], values[k - 1]
        if (value > 0.0) != (before > 0.0):
            f = before / (before - value)
            px, py = polygon[k - 1]
            out.append((px + f * (x - px), py + f * (y - py)))
        if value > 0.0:
            out.append((x, y))
    return out
