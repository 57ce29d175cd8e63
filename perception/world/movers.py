"""What moves in the generated world: cars on the robot's own route at other times, and people on the pavements."""

from dataclasses import dataclass

import numpy as np

from perception.world.config import SceneConfig, WorldConfig
from perception.world.geometry.mesh import Mesh, placed
from perception.world.layout import PAVEMENT, Layout, Street
from perception.world.motion import Course, Drive, Pace, Vehicle
from perception.world.objects.ground import KERB, WALK, kind_at
from perception.world.objects.people import Walk, make_person
from perception.world.objects.vehicles import make_car, make_truck
from perception.world.things import Motion

AHEAD, BEHIND = 7.0, 14.0  # s, that cars keep from the robot; it loses some at its start
TRUCK_SHARE = 0.15
WALKING = (0.8, 1.6)  # m/s
MARGIN = 2.0  # s that their drive goes on after the recording
REAR_AXLE = 1.3  # m from the middle of a car, where its course runs
INDOOR_SHARE = 0.25  # of the people of a street


@dataclass(frozen=True, slots=True, eq=False)
class Mover:
    """An object that moves; its mesh is in its own frame (x ahead, z up, origin on the ground)."""

    mesh: Mesh
    motion: Motion


def make_street_movers(
    layout: Layout, config: WorldConfig, rng: np.random.Generator, first_instance: int
) -> list[Mover]:
    """Cars that drive the robot's route earlier or later than it, and people walking along the streets."""
    cars = _cars(layout, config, rng, first_instance)
    return [*cars, *_people(layout, config.scene, rng, first_instance + len(cars))]


def make_people_indoors(
    layout: Layout, config: SceneConfig, rng: np.random.Generator, first_instance: int
) -> list[Mover]:
    """People who walk along the side of the long corridors."""
    out = []
    for k in range(round(INDOOR_SHARE * config.num_pedestrians)):
        x, length = rng.uniform(-4.0, 20.0), rng.uniform(6.0, 12.0)
        y = float(rng.choice([0.0, 24.0])) + float(rng.choice([-1.0, 1.0]))  # m, beside the way of the robot
        walk = _walk(np.array([x, y]), np.array([x + length, y]), layout, 0.0, rng)
        out.append(Mover(placed(make_person(rng), 0.0, (0, 0, 0), first_instance + k), walk))
    return out


def _cars(layout: Layout, config: WorldConfig, rng: np.random.Generator, first_instance: int) -> list[Mover]:
    """Cars follow the same course with the same speed limits, so none ever meets another or the robot.

    They share the time of a lap, far enough from the robot.
    """
    pace = Pace(layout.pace.speed, layout.pace.max_rate, layout.pace.max_lateral)
    lap = _lap_time(layout, pace)
    wanted = config.scene.num_moving_cars
    there = _shares(AHEAD, lap - BEHIND, wanted, rng)
    out = _convoy(layout.course, pace, there, config.duration, rng, first_instance)
    if layout.oncoming is not None:
        back = _shares(0.0, lap, wanted - len(there), rng)
        out += _convoy(layout.oncoming, pace, back, config.duration, rng, first_instance + len(out))
    return out


def _shares(first: float, last: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """At most `count` times (s) between two, none nearer to the next than half of the distance `AHEAD`."""
    count = max(0, min(count, int((last - first) / AHEAD)))
    return first + (last - first) * (np.arange(count) + rng.uniform(0.1, 0.6, size=count)) / max(count, 1)


def _convoy(
    course: Course, pace: Pace, shifts: np.ndarray, duration: float, rng: np.random.Generator, first_instance: int
) -> list[Mover]:
    """Cars that drive one course in steady motion, each ahead of the drive by its shift (s)."""
    drive = Drive(course, pace, duration + float(shifts.max(initial=0.0)) + MARGIN)
    out = []
    for k, shift in enumerate(shifts):
        body = make_truck(rng) if rng.random() < TRUCK_SHARE else make_car(rng)
        mesh = placed(body, 0.0, (REAR_AXLE, 0.0, 0.0), first_instance + k)
        out.append(Mover(mesh, Vehicle(course, drive, float(shift), vibration=False)))
    return out


def _lap_time(layout: Layout, pace: Pace) -> float:
    """Seconds of one lap in steady motion."""
    longest, length = layout.course.length / pace.speed, layout.course.length
    while True:
        longest *= 2.0
        times = np.arange(0.0, longest, 0.1)
        distances = Drive(layout.course, pace, longest).distance(times).d[0]
        if distances[-1] > length:
            return float(np.interp(length, distances, times))


def _people(layout: Layout, config: SceneConfig, rng: np.random.Generator, first_instance: int) -> list[Mover]:
    out: list[Mover] = []
    for _ in range(20 * config.num_pedestrians):  # tries; a place on a crossing is refused
        if len(out) == config.num_pedestrians:
            break
        street = layout.streets[int(rng.integers(len(layout.streets)))]
        start, stop = _way(street, rng)
        ways = [start + f * (stop - start) for f in np.linspace(0.0, 1.0, 9)]
        if all(kind_at(layout, x, y) == WALK for x, y in ways):
            walk = _walk(start, stop, layout, KERB, rng)
            out.append(Mover(placed(make_person(rng), 0.0, (0, 0, 0), first_instance + len(out)), walk))
    return out


def _way(street: Street, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two points on the pavement of a street."""
    axis = 0 if street.is_along_x else 1
    start, stop = np.minimum(street.start, street.stop), np.maximum(street.start, street.stop)
    across = float(rng.choice([-1.0, 1.0])) * (street.half_width + PAVEMENT * rng.uniform(0.5, 0.75))
    ends = np.sort(rng.uniform(start[axis], stop[axis], size=2))
    points = np.zeros((2, 2))
    points[:, axis] = ends[0], min(ends[1], ends[0] + 40.0) + 4.0
    points[:, 1 - axis] = start[1 - axis] + across
    return points[0], points[1]


def _walk(start: np.ndarray, stop: np.ndarray, layout: Layout, lift: float, rng: np.random.Generator) -> Walk:
    return Walk(start, stop, rng.uniform(*WALKING), rng.uniform(0.0, 2.0 * np.pi), layout.terrain, lift)
