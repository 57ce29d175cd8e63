"""Offices by lot: a ring of corridors, halls and rooms that the robot drives, with rooms left and right of it."""

import numpy as np

from perception.world.layouts.paths import rounded
from perception.world.layouts.plan import Door, FloorPlan, Rectangle, Space
from perception.world.variety import Variety

WALL = 0.18  # m, thickness of the walls
LENGTH, DEPTH = (28.0, 44.0), (14.0, 25.0)  # m, of the ring, middle to middle
CORRIDOR = (2.7, 3.6)  # m, width
HALL_DEPTH = (7.0, 10.0)  # m
ROOM_DEPTH, ROOM_WIDTH = (4.0, 6.2), (3.0, 6.5)  # m
THROUGH_HALF = (2.6, 3.4)  # m, half the width of a room that the robot drives through
RADIUS, BLUR = 1.3, 1.0  # m, of the bends
DOOR_HEIGHT = 2.15  # m
PORTAL_HEIGHT = 2.45  # m
# What the four sides of the ring are, from the first one counter-clockwise; the last quarter is held out.
RINGS = (
    ("corridor", "corridor", "corridor", "corridor"),
    ("hall", "corridor", "corridor", "corridor"),
    ("corridor", "rooms", "corridor", "corridor"),
    ("corridor", "corridor", "hall", "rooms"),
    ("corridor", "rooms", "corridor", "rooms"),
    ("hall", "corridor", "corridor", "rooms"),
    ("hall", "rooms", "corridor", "corridor"),
    ("hall", "rooms", "hall", "rooms"),
)
OUTER_USES = ("office", "office", "meeting", "kitchen", "lounge", "lab")
INNER_USES = ("store", "office", "meeting", "kitchen", "lab", "court")


def make_office(rng: np.random.Generator, variety: Variety) -> tuple[np.ndarray, FloorPlan]:
    """The robot's path (K, 2) from the origin along x, and the plan around it."""
    ring = variety.choose(rng, RINGS)
    length, depth = rng.uniform(*LENGTH), rng.uniform(*DEPTH)
    plan = _Plan(rng, ring, length, depth)
    start = np.array([rng.uniform(0.3, 0.5) * length, 0.0])
    corners = np.array([[length, 0.0], [length, depth], [0.0, depth], [0.0, 0.0]])
    path = rounded(np.vstack([start, corners, start]), RADIUS, BLUR)
    return path - start, plan.moved(-start)


class _Plan:
    """Lays out one storey. The ring runs through (0, 0) and (length, depth)."""

    def __init__(self, rng: np.random.Generator, ring: tuple[str, ...], length: float, depth: float) -> None:
        self.rng, self.ring = rng, ring
        self.height = rng.uniform(2.65, 3.1)
        self.spaces: list[Space] = []
        self.doors: list[Door] = []
        half = 0.5 * rng.uniform(*CORRIDOR, size=4)
        self.half = [
            THROUGH_HALF[0] + rng.uniform(0.0, 0.8) if use == "rooms" else half[k] for k, use in enumerate(ring)
        ]
        south = self._long_side(0, Rectangle(-self.half[3], -half[0], length + self.half[1], half[0]))
        north = self._long_side(2, Rectangle(-self.half[3], depth - half[2], length + self.half[1], depth + half[2]))
        for side, x in ((1, length), (3, 0.0)):
            self._short_side(side, x, south.y_high + WALL, north.y_low - WALL)
        self._inside(
            Rectangle(self.half[3] + WALL, south.y_high + WALL, length - self.half[1] - WALL, north.y_low - WALL)
        )

    def moved(self, by: np.ndarray) -> FloorPlan:
        """The finished plan, moved by (x, y)."""
        dx, dy = by
        return FloorPlan(
            tuple(
                Space(Rectangle(a.x_low + dx, a.y_low + dy, a.x_high + dx, a.y_high + dy), s.use, s.height, s.outer)
                for s in self.spaces
                for a in (s.area,)
            ),
            tuple(Door(d.x + dx, d.y + dy, d.is_along_x, d.width, d.height, d.kind) for d in self.doors),
        )

    def _long_side(self, side: int, area: Rectangle) -> Rectangle:
        """The corridor or the hall along the south (0) or the north (2), and the rooms beyond it."""
        if self.ring[side] == "hall":
            deeper = self.rng.uniform(*HALL_DEPTH) - (area.y_high - area.y_low)
            low = area.y_low - (deeper if side == 0 else 0.0)
            area = Rectangle(area.x_low, low, area.x_high, area.y_high + (deeper if side == 2 else 0.0))
            self.spaces.append(Space(area, "hall", self.rng.uniform(3.6, 4.6), (side, 1, 3)))
            return area
        self.spaces.append(Space(area, "corridor", self.height, (1, 3)))
        y = area.y_low - WALL if side == 0 else area.y_high + WALL
        self._row(area.x_low, area.x_high, y, -1.0 if side == 0 else 1.0, True)
        return area

    def _short_side(self, side: int, x: float, y_low: float, y_high: float) -> None:
        """The corridor, or the two rooms in a row, that lead from the south to the north."""
        half = self.half[side]
        for y, edge in ((y_low, -1.0), (y_high, 1.0)):
            width = 2.0 * half - 0.3 if self.ring[side] == "corridor" else 3.1
            self.doors.append(Door(x, y + 0.5 * edge * WALL, True, width, PORTAL_HEIGHT, "portal"))
        if self.ring[side] == "corridor":
            self.spaces.append(Space(Rectangle(x - half, y_low, x + half, y_high), "corridor", self.height))
            self._column(side, x + (half + WALL if side == 1 else -half - WALL), y_low, y_high)
            return
        middle = 0.5 * (y_low + y_high)
        for low, high in ((y_low, middle - 0.5 * WALL), (middle + 0.5 * WALL, y_high)):
            use = str(self.rng.choice(["lounge", "lab", "office"]))
            self.spaces.append(Space(Rectangle(x - half, low, x + half, high), use, self.height, (side,)))
        self.doors.append(Door(x, middle, True, 1.7, DOOR_HEIGHT + 0.1, "portal"))

    def _row(self, x_low: float, x_high: float, y: float, outwards: float, is_outer: bool, depth: float = 0.0) -> None:
        """Rooms side by side along x, each with a door in the wall at `y`."""
        at = x_low
        while x_high - at > ROOM_WIDTH[0]:
            width = self.rng.uniform(*ROOM_WIDTH)
            if x_high - at - width < ROOM_WIDTH[0]:
                width = x_high - at
            deep = depth or self.rng.uniform(*ROOM_DEPTH)
            low, high = sorted((y, y + outwards * deep))
            use = self._use(is_outer)
            outer = ((0 if outwards < 0.0 else 2),) if is_outer else ()
            self.spaces.append(Space(Rectangle(at, low, at + width - WALL, high), use, self.height, outer))
            self._door(at, width - WALL, y - outwards * 0.5 * WALL, True)
            at += width

    def _column(self, side: int, x: float, y_low: float, y_high: float) -> None:
        """Rooms side by side along y, beyond a short corridor."""
        at, outwards = y_low + 1.0, 1.0 if side == 1 else -1.0
        while y_high - 1.0 - at > ROOM_WIDTH[0]:
            width = self.rng.uniform(*ROOM_WIDTH)
            if y_high - 1.0 - at - width < ROOM_WIDTH[0]:
                width = y_high - 1.0 - at
            low, high = sorted((x, x + outwards * self.rng.uniform(*ROOM_DEPTH)))
            area = Rectangle(low, at, high, at + width - WALL)
            self.spaces.append(Space(area, self._use(True), self.height, (side,)))
            self._door(at, width - WALL, x - outwards * 0.5 * WALL, False)
            at += width

    def _inside(self, area: Rectangle) -> None:
        """Two rows of rooms back to back within the ring, or one where it is narrow."""
        deep = area.y_high - area.y_low
        if deep < 2.0 * ROOM_DEPTH[0]:
            self._row(area.x_low, area.x_high + WALL, area.y_low, 1.0, False, deep)
            return
        first = deep * self.rng.uniform(0.4, 0.6) - 0.5 * WALL
        self._row(area.x_low, area.x_high + WALL, area.y_low, 1.0, False, first)
        self._row(area.x_low, area.x_high + WALL, area.y_high, -1.0, False, deep - first - WALL)

    def _use(self, is_outer: bool) -> str:
        return str(self.rng.choice(OUTER_USES if is_outer else INNER_USES))

    def _door(self, start: float, width: float, across: float, is_along_x: bool) -> None:
        """A door somewhere in a wall from `start` on: open, closed, or a wide one of glass."""
        kind = str(self.rng.choice(["open", "closed", "glass"], p=[0.55, 0.25, 0.2]))
        wide = min(width - 0.6, self.rng.uniform(1.8, 3.0)) if kind == "glass" else self.rng.uniform(0.9, 1.05)
        at = start + self.rng.uniform(0.3 + 0.5 * wide, width - 0.3 - 0.5 * wide)
        x, y = (at, across) if is_along_x else (across, at)
        self.doors.append(Door(x, y, is_along_x, wide, DOOR_HEIGHT, kind))
