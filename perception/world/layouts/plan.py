"""What a plan of a generated world consists of: streets, areas, rooms, the slopes of the ground, the robot's course."""

from dataclasses import dataclass

import numpy as np

from perception.world.motion import Course, Pace

LANE = 1.75  # m from the middle of a street to the middle of its right lane
ROAD_HALF = 5.5  # m: a lane and a row of parked cars
PAVEMENT = 2.5  # m
PARKING_INSET = 1.05  # m from the kerb to the middle of a row of parked cars
CYCLE_HALF = 6.5  # m: streets at least so wide to each side have a lane for bicycles


@dataclass(frozen=True, slots=True)
class Rectangle:
    """An area parallel to the axes."""

    x_low: float
    y_low: float
    x_high: float
    y_high: float

    def grown(self, margin: float) -> "Rectangle":
        """Larger by `margin` on all sides."""
        return Rectangle(self.x_low - margin, self.y_low - margin, self.x_high + margin, self.y_high + margin)

    def overlaps(self, other: "Rectangle") -> bool:
        """True where both share some area."""
        return (
            self.x_low < other.x_high
            and other.x_low < self.x_high
            and self.y_low < other.y_high
            and other.y_low < self.y_high
        )

    def contains(self, x: np.ndarray | float, y: np.ndarray | float) -> np.ndarray | bool:
        """True for the points inside, its edge included."""
        return (self.x_low <= x) & (x <= self.x_high) & (self.y_low <= y) & (y <= self.y_high)


@dataclass(frozen=True, slots=True)
class Street:
    """A straight piece of road between two points of its middle, parallel to x or y."""

    start: tuple[float, float]
    stop: tuple[float, float]
    half_width: float = ROAD_HALF

    @property
    def is_along_x(self) -> bool:
        """True for a street parallel to x."""
        return self.start[1] == self.stop[1]

    @property
    def length(self) -> float:
        """Distance between its ends."""
        return float(np.abs(np.subtract(self.stop, self.start)).sum())

    @property
    def parking(self) -> float:
        """Offset of the middle of parked cars from the middle of the road; 0 where there is no room for any."""
        return self.half_width - PARKING_INSET if self.half_width >= ROAD_HALF else 0.0

    @property
    def has_cycle_lane(self) -> bool:
        """True for a wide street: a lane for bicycles lies between traffic and parked cars."""
        return self.half_width >= CYCLE_HALF

    def area(self, margin: float = 0.0) -> Rectangle:
        """The road itself, with its round ends squared, grown by `margin`."""
        (x_a, y_a), (x_b, y_b) = self.start, self.stop
        low, high = (min(x_a, x_b), min(y_a, y_b)), (max(x_a, x_b), max(y_a, y_b))
        return Rectangle(*low, *high).grown(self.half_width + margin)

    def at(self, along: float, across: float) -> tuple[float, float]:
        """x and y of the point at the coordinate `along` of the street's axis, `across` metres to the left of it."""
        return (along, self.start[1] + across) if self.is_along_x else (self.start[0] - across, along)

    def beside(self, side: float, along: float, across: float) -> tuple[float, float, float]:
        """x, y and yaw of what stands `across` from the middle, `along` from the low end; its -y looks to the road.

        `side` 1 is on the left of the street's axis, -1 on the right.
        """
        axis = 0 if self.is_along_x else 1
        x, y = self.at(min(self.start[axis], self.stop[axis]) + along, side * across)
        yaw = (0.0 if side > 0 else np.pi) if self.is_along_x else (0.5 * np.pi if side > 0 else -0.5 * np.pi)
        return float(x), float(y), yaw

    def shifted(self, by: np.ndarray) -> "Street":
        """Moved by (x, y)."""
        (x_a, y_a), (x_b, y_b) = self.start, self.stop
        return Street((x_a + by[0], y_a + by[1]), (x_b + by[0], y_b + by[1]), self.half_width)


class Terrain:
    """Height of the ground: a few long waves, zero at the origin."""

    def __init__(self, rng: np.random.Generator, relief: float, period: float = 0.0) -> None:
        """`period`: length (m) after which the ground repeats along x; 0: never."""
        lengths = rng.uniform(140.0, 320.0, size=5)
        angles = rng.uniform(0.0, 2.0 * np.pi, size=5)
        self._waves = 2.0 * np.pi / lengths[:, None] * np.column_stack([np.cos(angles), np.sin(angles)])
        if period > 0.0:
            self._waves[:, 0] = 2.0 * np.pi / period * rng.integers(0, 3, size=5)
        self._phases = rng.uniform(0.0, 2.0 * np.pi, size=5)
        self._amplitudes = relief * rng.uniform(0.3, 1.1, size=5)

    def height(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Height (m) at points of equal shape."""
        zero = self._amplitudes @ np.sin(self._phases)
        angle = np.multiply.outer(np.asarray(x, dtype=np.float64), self._waves[:, 0])
        angle = angle + np.multiply.outer(np.asarray(y, dtype=np.float64), self._waves[:, 1])
        return np.sin(angle + self._phases) @ self._amplitudes - zero

    def slope(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rise per metre along x and along y."""
        angle = np.multiply.outer(x, self._waves[:, 0]) + np.multiply.outer(y, self._waves[:, 1])
        slopes = np.cos(angle + self._phases) * self._amplitudes
        return slopes @ self._waves[:, 0], slopes @ self._waves[:, 1]


@dataclass(frozen=True, slots=True)
class Space:
    """One room, or one piece of a corridor, of an indoor plan."""

    area: Rectangle  # between its walls
    use: str  # corridor, hall, office, meeting, kitchen, store, lounge, lab or court
    height: float  # m
    outer: tuple[int, ...] = ()  # sides with windows to the outside: 0 low y, 1 high x, 2 high y, 3 low x


@dataclass(frozen=True, slots=True)
class Door:
    """An opening in the wall between two spaces, or between one and the outside."""

    x: float  # m, of its middle
    y: float
    is_along_x: bool  # its wall runs along x
    width: float
    height: float
    kind: str  # portal, open, closed or glass


@dataclass(frozen=True, slots=True)
class FloorPlan:
    """One storey of a building: what lies next to each other, a wall apart."""

    spaces: tuple[Space, ...]
    doors: tuple[Door, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The plan of one world. The robot starts at the origin, heading along x."""

    terrain: Terrain
    course: Course
    pace: Pace
    streets: tuple[Street, ...]  # none indoors
    passage: Rectangle | None = None  # where a street along x leads through a building
    period: float = 0.0  # m, the world repeats along x; 0: never
    oncoming: Course | None = None  # the way back in the other lane, where the route itself does not take it
    plazas: tuple[Rectangle, ...] = ()  # paved areas and traffic islands
    has_hall: bool = False  # the passage is a furnished hall
    floor_plan: FloorPlan | None = None  # indoors

    @property
    def furnished(self) -> tuple[Street, ...]:
        """The streets along which a world is built; the others repeat these."""
        if self.period == 0.0:
            return self.streets
        return tuple(s for s in self.streets if s.area().x_low < self.period and s.area().x_high > 0.0)
