"""Traffic: cars, lorries, buses and motorcycles on the robot's own route at other times, bicycles at its edge."""

import numpy as np

from perception.core.classes import Class
from perception.world.config import WorldConfig
from perception.world.geometry.mesh import Mesh, placed
from perception.world.layout import Layout
from perception.world.motion import Course, Drive, Pace, Vehicle
from perception.world.moving import Beside, Mover, rigid
from perception.world.objects.vehicles import make_bicycle, make_bus, make_car, make_motorcycle, make_truck
from perception.world.things import Thing
from perception.world.variety import Variety

AHEAD, BEHIND = 7.0, 14.0  # s, that cars keep from the robot; it loses some at its start
MARGIN = 2.0  # s that their drive goes on after the recording
REAR_AXLE, MAX_REAR_AXLE = 0.29, 1.3  # of the length, and m, from the middle of a car, where its course runs
KINDS = (Class.CAR, Class.TRUCK, Class.BUS, Class.MOTORCYCLE)
SHARES = (0.7, 0.12, 0.08, 0.1)  # of `KINDS`
CYCLISTS_PER_CAR = 1.0 / 3.0
ROAD_EDGE = 0.7  # m from the middle of the lane to where bicycles ride


def make_traffic(
    layout: Layout, config: WorldConfig, rng: np.random.Generator, first_instance: int, variety: Variety
) -> tuple[list[Mover], list[Thing]]:
    """Everything that drives. All follow one course with the same limits, so none ever meets another or the robot.

    They share the time of a lap, far enough from the robot; bicycles get what the cars leave.
    """
    pace = Pace(layout.pace.speed, layout.pace.max_rate, layout.pace.max_lateral)
    lap = _lap_time(layout, pace)
    cars, bicycles = config.scene.num_moving_cars, round(CYCLISTS_PER_CAR * config.scene.num_moving_cars)
    fleet = _Fleet(config.duration, rng, first_instance, variety)
    shifts = _shares(AHEAD, lap - BEHIND, cars + bicycles, rng)
    fleet.drive(layout.course, pace, shifts, cars)
    if layout.oncoming is not None:
        cars, bicycles = cars - min(len(shifts), cars), bicycles - max(len(shifts) - cars, 0)
        fleet.drive(layout.oncoming, pace, _shares(0.0, lap, cars + bicycles, rng), cars)
    return fleet.movers, fleet.things


class _Fleet:
    """Collects what drives; instances count up."""

    def __init__(self, duration: float, rng: np.random.Generator, first_instance: int, variety: Variety) -> None:
        self.duration, self.rng, self.variety = duration, rng, variety
        self.movers: list[Mover] = []
        self.things: list[Thing] = []
        self._first = first_instance

    def drive(self, course: Course, pace: Pace, shifts: np.ndarray, num_cars: int) -> None:
        """Bodies that drive one course in steady motion, each ahead of the drive by its shift (s).

        All but `num_cars` of them, chosen by lot, are bicycles that keep to the right.
        """
        drive = Drive(course, pace, self.duration + float(shifts.max(initial=0.0)) + MARGIN)
        is_car = np.argsort(self.rng.permutation(len(shifts))) < num_cars
        for shift, has_engine in zip(shifts, is_car, strict=True):
            way = Vehicle(course, drive, float(shift), vibration=False)
            if has_engine:
                kind = KINDS[int(self.rng.choice(len(KINDS), p=SHARES))]
                body = self._body(kind)
                length = float(np.ptp(body.triangles[..., 0]))
                self._add(placed(body, 0.0, (min(REAR_AXLE * length, MAX_REAR_AXLE), 0.0, 0.0)), way, kind)
            else:
                body = make_bicycle(self.rng, self.variety, has_rider=True)
                self._add(body, Beside(way, np.array([0.0, -ROAD_EDGE, 0.0])), Class.BICYCLE)

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
