"""Traffic: cars, lorries, buses and motorcycles on the robot's own route at other times, bicycles at its edge."""

import numpy as np

from perception.core.classes import Class
from perception.world.config import WorldConfig
from perception.world.geometry.mesh import Mesh, placed
from perception.world.layout import Layout
from perception.world.motion import Course, Drive, Pace, Vehicle
from perception.world.moving import Beside, Mover, rigid
from perception.world.objects.vehicles import make_bicycle, make_bus, make_car, make_motorcycle, make_truck
from perception.world.things import Thing, bounds
from perception.world.variety import Variety

AHEAD, BEHIND = 7.0, 14.0  # s, that cars keep from the robot; it loses some at its start
MARGIN = 2.0  # s that their drive goes on after the recording
REAR_AXLE = 0.29  # of the length from the middle of a car, where its course runs
KINDS = (Class.CAR, Class.TRUCK, Class.BUS, Class.MOTORCYCLE)
SHARES = (0.7, 0.12, 0.08, 0.1)  # of `KINDS`
CYCLISTS_PER_CAR = 1.0 / 3.0
CYCLING = (3.5, 5.0)  # m/s
ROAD_EDGE = 1.5  # m from the middle of the lane to where bicycles ride


def make_traffic(
    layout: Layout, config: WorldConfig, rng: np.random.Generator, first_instance: int, variety: Variety
) -> tuple[list[Mover], list[Thing]]:
    """Everything that drives. Cars follow one course with the same limits, so none ever meets another or the robot.

    They share the time of a lap, far enough from the robot.
    """
    pace = Pace(layout.pace.speed, layout.pace.max_rate, layout.pace.max_lateral)
    lap = _lap_time(layout, pace)
    wanted = config.scene.num_moving_cars
    there = _shares(AHEAD, lap - BEHIND, wanted, rng)
    fleet = _Fleet(config.duration, rng, first_instance, variety)
    fleet.drive(layout.course, pace, there)
    if layout.oncoming is not None:
        fleet.drive(layout.oncoming, pace, _shares(0.0, lap, wanted - len(there), rng))
    fleet.cycle(layout, round(CYCLISTS_PER_CAR * wanted))
    return fleet.movers, fleet.things


class _Fleet:
    """Collects what drives; instances count up."""

    def __init__(self, duration: float, rng: np.random.Generator, first_instance: int, variety: Variety) -> None:
        self.duration, self.rng, self.variety = duration, rng, variety
        self.movers: list[Mover] = []
        self.things: list[Thing] = []
        self._first = first_instance

    def drive(self, course: Course, pace: Pace, shifts: np.ndarray) -> None:
        """Cars that drive one course in steady motion, each ahead of the drive by its shift (s)."""
        drive = Drive(course, pace, self.duration + float(shifts.max(initial=0.0)) + MARGIN)
        for shift in shifts:
            kind = KINDS[int(self.rng.choice(len(KINDS), p=SHARES))]
            body = self._body(kind)
            low, high = bounds(body)
            mesh = placed(body, 0.0, (REAR_AXLE * (high[0] - low[0]), 0.0, 0.0))
            self._add(mesh, Vehicle(course, drive, float(shift), vibration=False), kind)

    def cycle(self, layout: Layout, count: int) -> None:
        """Bicycles that ride along the edge of the road; cars pass them."""
        for k in range(count):
            pace = Pace(float(self.rng.uniform(*CYCLING)), layout.pace.max_rate, layout.pace.max_lateral)
            lap = layout.course.length / pace.speed
            shift = lap * (k + self.rng.uniform(0.1, 0.9)) / count
            vehicle = Vehicle(layout.course, Drive(layout.course, pace, self.duration + shift + MARGIN), shift, False)
            body = make_bicycle(self.rng, self.variety, has_rider=True)
            self._add(body, Beside(vehicle, np.array([0.0, -ROAD_EDGE, 0.0])), Class.BICYCLE)

    def _body(self, kind: Class) -> Mesh:
        match kind:
            case Class.TRUCK:
                return make_truck(self.rng, self.variety, is_lit=True)
            case Class.BUS:
                return make_bus(self.rng, self.variety, is_lit=True)
            case Class.MOTORCYCLE:
                return make_motorcycle(self.rng, self.variety, has_rider=True)
        return make_car(self.rng, self.variety, is_lit=True)

    def _add(self, mesh: Mesh, motion: Vehicle | Beside, kind: Class) -> None:
        mover, thing = rigid(mesh, motion, self._first + len(self.things), kind)
        self.movers.append(mover)
        self.things.append(thing)


def _shares(first: float, last: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """At most `count` times (s) between two, none nearer to the next than half of the distance `AHEAD`."""
    count = max(0, min(count, int((last - first) / AHEAD)))
    return first + (last - first) * (np.arange(count) + rng.uniform(0.1, 0.6, size=count)) / max(count, 1)


def _lap_time(layout: Layout, pace: Pace) -> float:
    """Seconds of one lap in steady motion."""
    longest, length = layout.course.length / pace.speed, layout.course.length
    while True:
        longest *= 2.0
        times = np.arange(0.0, longest, 0.1)
        distances = Drive(layout.course, pace, longest).distance(times).d[0]
        if distances[-1] > length:
            return float(np.interp(length, distances, times))
