"""Plans of the generated worlds: streets, the way the robot takes through them, and the slopes of the ground."""

from dataclasses import dataclass

import numpy as np

from perception.world.config import Route, WorldConfig
from perception.world.motion import Course, Pace

LANE = 1.75  # m from the middle of a street to the middle of its right lane
ROAD_HALF = 5.5  # m: a lane and a row of parked cars
PAVEMENT = 2.5  # m
TOWN_SPEED, INDOOR_SPEED, TURNS_SPEED = 8.0, 1.5, 5.5  # m/s
TURN_RATE, TIGHT_TURN_RATE = np.radians(32.0), np.radians(42.0)  # rad/s
PATH_STEP = 0.1  # m, of the sampled path
KNOT_STEP, INDOOR_KNOT_STEP = 1.0, 0.2  # m, between the knots of the course
STEPS_MULTIPLE = 10  # a path has so many steps or a multiple, so that knots fit whole laps
STREET_PERIOD = 320.0  # m, after which the endless street repeats
CORRIDOR_PERIOD = 20.0  # m, likewise


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

    def area(self, margin: float = 0.0) -> Rectangle:
        """The road itself, with its round ends squared, grown by `margin`."""
        (x_a, y_a), (x_b, y_b) = self.start, self.stop
        low, high = (min(x_a, x_b), min(y_a, y_b)), (max(x_a, x_b), max(y_a, y_b))
        return Rectangle(*low, *high).grown(self.half_width + margin)


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


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The plan of one world. The robot starts at the origin, heading along x."""

    terrain: Terrain
    course: Course
    pace: Pace
    streets: tuple[Street, ...]  # none indoors
    passage: Rectangle | None = None  # where a street leads through a building
    period: float = 0.0  # m, the world repeats along x; 0: never
    oncoming: Course | None = None  # the way back in the other lane, where the route itself does not take it

    @property
    def furnished(self) -> tuple[Street, ...]:
        """The streets along which a world is built; the others repeat these."""
        if self.period == 0.0:
            return self.streets
        return tuple(s for s in self.streets if s.area().x_low < self.period and s.area().x_high > 0.0)


def make_layout(config: WorldConfig, rng: np.random.Generator) -> Layout:
    """The plan of the configured route; it depends on the seed by its slopes only."""
    period = {"straight": STREET_PERIOD, "endless_corridor": CORRIDOR_PERIOD}.get(config.route, 0.0)
    is_indoor = "corridor" in config.route
    terrain = Terrain(rng, 0.0 if is_indoor else config.scene.relief, period)
    path, streets, passage = _plan(config.route)
    course = _course(path, terrain, INDOOR_KNOT_STEP if is_indoor else KNOT_STEP)
    speed, rate, lateral = {
        "turns": (TURNS_SPEED, TIGHT_TURN_RATE, 3.2),  # m/s^2: what 40 deg/s takes at that speed
        "corridor": (INDOOR_SPEED, TURN_RATE, 1.0),
        "endless_corridor": (INDOOR_SPEED, TURN_RATE, 1.0),
    }.get(config.route, (TOWN_SPEED, TURN_RATE, 2.2))
    pace = Pace(config.speed or speed, rate, lateral, config.rest)
    oncoming = None
    if config.route == "straight":
        oncoming = _course(path[::-1] + np.array([-period, 2.0 * LANE]), terrain, KNOT_STEP)
    return Layout(terrain, course, pace, streets, passage, period, oncoming)


def _plan(route: Route) -> tuple[np.ndarray, tuple[Street, ...], Rectangle | None]:
    """Path (K, 2), streets and passage of a route."""
    match route:
        case "town":
            return _town()
        case "straight":
            half = STREET_PERIOD / 2
            streets = (Street((-half, LANE), (3 * half, LANE)),)
            crossings = tuple(Street((x, -90.0), (x, 90.0)) for x in (-60.0, 70.0, 260.0, 390.0))
            return _wave(STREET_PERIOD, 0.3), streets + crossings, None
        case "turns":
            return _turns()
        case "corridor":
            corners = CORRIDOR_CORNERS - [CORRIDOR_START, 0.0]
            return _rounded(np.vstack([[0.0, 0.0], corners, [0.0, 0.0]]), 1.3, 1.0), (), None
        case "endless_corridor":
            return _wave(CORRIDOR_PERIOD, 0.05), (), None


CORRIDOR_CORNERS = np.array([[40.0, 0.0], [40.0, 24.0], [0.0, 24.0], [0.0, 0.0]])  # m, middle of the corridor
CORRIDOR_START = 8.0  # m, of the route on the first side


def _town() -> tuple[np.ndarray, tuple[Street, ...], Rectangle]:
    """A street driven both ways between two blocks that are driven round; the back street of one is built over."""
    start = np.array([40.0, -LANE])
    streets = [
        Street((-70.0, 0.0), (230.0, 0.0)),
        Street((230.0, 0.0), (230.0, 70.0)),
        Street((160.0, 70.0), (230.0, 70.0)),
        Street((160.0, 0.0), (160.0, 70.0)),
        Street((-70.0, -70.0), (-70.0, 0.0)),
        Street((-70.0, -70.0), (0.0, -70.0)),
        Street((0.0, -70.0), (0.0, 0.0)),
        Street((85.0, 0.0), (85.0, 90.0)),  # side streets, seen into only
        Street((115.0, -90.0), (115.0, 0.0)),
        Street((-110.0, 0.0), (-70.0, 0.0)),
        Street((230.0, -50.0), (230.0, 0.0)),
    ]
    o = LANE
    corners = [
        [230 + o, -o], [230 + o, 70 + o], [160 - o, 70 + o], [160 - o, o],
        [-70 - o, o], [-70 - o, -70 - o], [o, -70 - o], [o, -o],
    ]  # fmt: skip
    path = _rounded(np.vstack([start, corners, start]), 8.0, 5.0)
    shifted = tuple(_shifted(street, -start) for street in streets)
    passage = Rectangle(177.0 - start[0], 70.0 - 14.0 - start[1], 213.0 - start[0], 70.0 + 14.0 - start[1])
    return path - start, shifted, passage


def _turns() -> tuple[np.ndarray, tuple[Street, ...], None]:
    """A way through a grid of narrow streets that turns at nearly every crossing."""
    edge = 36.0  # m
    nodes = edge * np.array(
        [[0, 0], [1, 0], [1, 1], [2, 1], [2, 0], [3, 0], [3, 2], [2, 2], [2, 3], [1, 3], [1, 2], [0, 2], [0, 0]]
    )
    start = np.array([14.0, 0.0])
    path = _rounded(np.vstack([start, nodes[1:], start]), 6.2, 3.0) - start
    streets = [Street((0.0, k * edge), (3 * edge, k * edge)) for k in range(4)]
    streets += [Street((k * edge, 0.0), (k * edge, 3 * edge)) for k in range(4)]
    return path, tuple(_shifted(street, -start) for street in streets), None


def _wave(length: float, amplitude: float) -> np.ndarray:
    """A path along x that sways gently and repeats after `length`."""
    x = np.linspace(0.0, length, round(length / PATH_STEP) + 1)
    return np.column_stack([x, amplitude * (1.0 - np.cos(2.0 * np.pi * x / length))])


def _shifted(street: Street, by: np.ndarray) -> Street:
    (x_a, y_a), (x_b, y_b) = street.start, street.stop
    return Street((x_a + by[0], y_a + by[1]), (x_b + by[0], y_b + by[1]), street.half_width)


def _rounded(corners: np.ndarray, radius: float, blur: float) -> np.ndarray:
    """A closed polygon (first point repeated) with round corners, as a dense path whose curvature changes gently."""
    pieces = []
    for i in range(1, len(corners) - 1):
        before, corner, after = corners[i - 1], corners[i], corners[i + 1]
        a, b = before - corner, after - corner
        a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
        half = 0.5 * np.arccos(np.clip(a @ b, -1.0, 1.0))
        if half > 0.5 * np.pi - 1e-6:
            continue
        centre = corner + (a + b) / np.linalg.norm(a + b) * radius / np.sin(half)
        start, stop = corner + a * radius / np.tan(half) - centre, corner + b * radius / np.tan(half) - centre
        turn = np.arctan2(start[0] * stop[1] - start[1] * stop[0], start @ stop)
        angle = np.linspace(0.0, turn, 40)[:, None]
        across = np.array([-start[1], start[0]])
        pieces.append(centre + np.cos(angle) * start + np.sin(angle) * across)
    path = np.vstack([corners[:1], *pieces, corners[-1:]])
    return _blurred(_resampled(path, PATH_STEP), blur)


def _resampled(path: np.ndarray, step: float) -> np.ndarray:
    length = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1)))
    at = np.linspace(0.0, length[-1], STEPS_MULTIPLE * round(length[-1] / step / STEPS_MULTIPLE) + 1)
    return np.column_stack([np.interp(at, length, path[:, k]) for k in range(2)])


def _blurred(path: np.ndarray, width: float) -> np.ndarray:
    """A closed path averaged by two Hann windows of `width` metres: its curvature becomes smooth."""
    window = np.hanning(2 * round(width / PATH_STEP / 2) + 1)
    window /= window.sum()
    half = len(window) // 2
    ring = path[:-1]
    for _ in range(2):
        padded = np.vstack([ring[-half:], ring, ring[:half]])
        ring = np.column_stack([np.convolve(padded[:, k], window, mode="valid") for k in range(2)])
    return np.vstack([ring, ring[:1]])


def _course(path: np.ndarray, terrain: Terrain, knot_step: float) -> Course:
    """The course of a base that follows a path (K, 2) and stands on the ground."""
    every = round(knot_step / PATH_STEP)
    lap = path[-1] - path[0]
    around = np.vstack([path[-2] - lap, path, path[1] + lap])
    ahead = around[2:] - around[:-2]
    yaw = np.unwrap(np.arctan2(ahead[:, 1], ahead[:, 0]))
    length = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1)))
    slope_x, slope_y = terrain.slope(path[:, 0], path[:, 1])
    climb = slope_x * np.cos(yaw) + slope_y * np.sin(yaw)
    bank = slope_y * np.cos(yaw) - slope_x * np.sin(yaw)
    height = terrain.height(path[:, 0], path[:, 1])
    values = np.column_stack([path, height, yaw, -np.arctan(climb), np.arctan(bank)])
    return Course(length[::every], values[::every])
