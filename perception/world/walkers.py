"""People and animals on foot: who walks along streets and corridors, who stands, alone or in a group."""

from collections.abc import Callable

import numpy as np

from perception.core.classes import Class
from perception.core.geometry import exp_so3, transform
from perception.world.geometry.mesh import Mesh, joined
from perception.world.layout import PAVEMENT, Layout, Rectangle, Street
from perception.world.moving import Accompany, Mover, Still, Stride, Traveller, rigid, stepping
from perception.world.objects.animals import draw_animal, make_animal
from perception.world.objects.figure import Figure
from perception.world.objects.ground import KERB, WALK, kind_at
from perception.world.objects.people import HALF_WIDTH, Walk, draw_figure, make_standing_person
from perception.world.things import Thing
from perception.world.variety import Variety

WALKING, RUNNING = (0.8, 1.6), (2.2, 3.0)  # m/s
RUNNING_SHARE = 0.06
WALKING_SHARE = 0.62  # of the people of a street; the others stand
ARMS_SHARE = 0.7  # of those who walk swing their arms
TRIES = 30  # for each person; a place on a crossing or in another's way is refused
APART = 2.0 * HALF_WIDTH + 0.3  # m between two who walk side by side
GROUP_RADIUS = (0.55, 0.8)  # m
SHOE = (0.185, 0.095)  # m ahead of and behind the ankle, at a stature of 1.75 m
HEEL_OF_DOG = (0.05, -0.02)
LEASH = np.array([0.35, -0.55, 0.0])  # m, place of a dog beside its owner
SIDE = 0.65  # m beside the way of the robot, at least
WALK_LENGTH = (6.0, 40.0)  # m
NEAR_SHARE, NEAR_SPREAD = 0.8, 15.0  # of the people, and m along the street, of who is met on the way
WALL_MARGIN = 0.45  # m from the walls

IsFree = Callable[[float, float, float], bool]


class Crowd:
    """Collects people and animals; each object has its own number."""

    def __init__(
        self,
        layout: Layout,
        rng: np.random.Generator,
        first_instance: int,
        variety: Variety,
        reach: float = np.inf,
    ) -> None:
        """`reach`: way (m) of the robot while it records; most people are met on it."""
        self.layout, self.rng, self.variety = layout, rng, variety
        self.reach = min(reach, layout.course.length)
        self.movers: list[Mover] = []
        self.things: list[Thing] = []
        self._ways: list[tuple[np.ndarray, np.ndarray]] = []
        self._first = first_instance

    @property
    def next_instance(self) -> int:
        """The number of the next object."""
        return self._first + len(self.things)

    def is_clear(self, start: np.ndarray, stop: np.ndarray, distance: float = APART) -> bool:
        """True where nobody's way is nearer than `distance` (m) to a way."""
        points = start + np.linspace(0.0, 1.0, 12)[:, None] * (stop - start)
        return all(_nearest(points, *way) > distance for way in self._ways)

    def walk(self, start: np.ndarray, stop: np.ndarray, lift: float) -> Walk:
        """Somebody who walks to and fro between two points; the way is kept free of others."""
        speed = self.rng.uniform(*(RUNNING if self.rng.random() < RUNNING_SHARE else WALKING))
        way = Walk(start, stop, float(speed), float(self.rng.uniform(0.0, 2.0 * np.pi)), self.layout.terrain, lift)
        self._ways.append((start, stop))
        figure = draw_figure(self.rng, self.variety)
        arms = figure.arms if self.rng.random() < ARMS_SHARE else ()
        trunk = figure.trunk if arms else joined([figure.trunk, *(arm.mesh for arm in figure.arms)])
        self._keep(
            *stepping(trunk, figure.legs, arms, way, stride_of(figure, speed), self.next_instance, Class.PEDESTRIAN)
        )
        return way

    def stand(self, place: np.ndarray, lift: float, count: int) -> None:
        """Somebody who stands, or a group that looks at its middle."""
        self._ways.append((place, place))
        z = float(self.layout.terrain.height(place[:1], place[1:])[0]) + lift
        radius = self.rng.uniform(*GROUP_RADIUS) if count > 1 else 0.0
        first = self.rng.uniform(0.0, 2.0 * np.pi)
        for k in range(count):
            angle = first + 2.0 * np.pi * k / max(count, 2) + self.rng.normal(0.0, 0.15)
            x, y = place + radius * np.array([np.cos(angle), np.sin(angle)])
            self._still(make_standing_person(self.rng, self.variety), Class.PEDESTRIAN, (x, y, z), angle + np.pi)

    def pet(self, owner: Traveller, speed: float) -> bool:
        """An animal on legs that walks beside somebody; False where the lot fell on a bird."""
        beast = draw_animal(self.rng, self.variety)
        if not beast.pairs:
            return False
        way = Accompany(owner, LEASH)
        stride = Stride(beast.leg, 0.9 * beast.leg, *HEEL_OF_DOG)
        self._keep(*stepping(beast.trunk, beast.pairs, (), way, stride, self.next_instance, Class.ANIMAL))
        return True

    def rest(self, place: np.ndarray, lift: float) -> None:
        """An animal that stands."""
        z = float(self.layout.terrain.height(place[:1], place[1:])[0]) + lift
        mesh = make_animal(self.rng, self.variety)
        self._still(mesh, Class.ANIMAL, (*place, z), self.rng.uniform(0.0, 2.0 * np.pi))

    def _still(self, mesh: Mesh, kind: Class, place: tuple[float, float, float], yaw: float) -> None:
        T = transform(exp_so3(np.array([0.0, 0.0, yaw])), np.array(place))
        mover, thing = rigid(mesh, Still(T), self.next_instance, kind)
        self._keep([mover], thing)

    def _keep(self, movers: list[Mover], thing: Thing) -> None:
        self.movers += movers
        self.things.append(thing)


def stride_of(figure: Figure, speed: float) -> Stride:
    """Steps that suit a person and its speed (m/s)."""
    scale = figure.build.stature / 1.75
    return Stride(figure.build.hip, scale * min(0.35 + 0.28 * speed, 0.95), *(scale * part for part in SHOE))


def people_outdoors(crowd: Crowd, num_people: int, num_animals: int, is_free: IsFree | None) -> None:
    """People and animals on the pavements of the streets."""
    walkers = round(WALKING_SHARE * num_people)
    owners = [way for way in (_pavement_walk(crowd, is_free) for _ in range(walkers)) if way is not None]
    left = num_people - len(owners)
    while left > 0:
        count = min(left, int(crowd.rng.choice([1, 1, 2, 3])))
        place = _pavement_place(crowd, is_free, GROUP_RADIUS[1] + 0.1 if count > 1 else 0.3)
        if place is None:
            break
        crowd.stand(place, KERB, count)
        left -= count
    kept = 0
    for owner in owners[: round(0.5 * num_animals)]:
        kept += crowd.pet(owner, owner.speed)
    for _ in range(num_animals - kept):
        place = _pavement_place(crowd, is_free, 0.3)
        if place is not None:
            crowd.rest(place, KERB)


def _pavement_walk(crowd: Crowd, is_free: IsFree | None) -> Walk | None:
    for k in range(TRIES):
        start, stop = _way(crowd, (0.5, 0.75), crowd.rng.uniform(*WALK_LENGTH))
        points = start + np.linspace(0.0, 1.0, 9)[:, None] * (stop - start)
        is_clear = k > TRIES // 2 or crowd.is_clear(start, stop)
        is_clear = is_clear and (is_free is None or all(is_free(*point, 0.3) for point in points))
        if is_clear and all(kind_at(crowd.layout, x, y) == WALK for x, y in points):
            return crowd.walk(start, stop, KERB)
    return None


def _pavement_place(crowd: Crowd, is_free: IsFree | None, radius: float) -> np.ndarray | None:
    """A place with some room around it where nobody walks."""
    ring = radius * np.array(
        [[0, 0], [1, 0], [0, 1], [-1, 0], [0, -1], [0.7, 0.7], [-0.7, 0.7], [0.7, -0.7], [-0.7, -0.7]]
    )
    for _ in range(4 * TRIES):
        place, _ = _way(crowd, (0.25, 0.85), 0.0)
        x, y = float(place[0]), float(place[1])
        is_paved = all(kind_at(crowd.layout, float(px), float(py)) == WALK for px, py in place + ring)
        if not is_paved or not crowd.is_clear(place, place, HALF_WIDTH + radius + 0.3):
            continue
        if is_free is None or is_free(x, y, radius):
            return place
    return None


def _way(crowd: Crowd, across: tuple[float, float], length: float) -> tuple[np.ndarray, np.ndarray]:
    """Two points on a pavement about `length` (m) apart, `across` it between its kerb (0) and the houses (1)."""
    street, along = _spot(crowd)
    axis = 0 if street.is_along_x else 1
    low, high = np.minimum(street.start, street.stop), np.maximum(street.start, street.stop)
    side = float(crowd.rng.choice([-1.0, 1.0]))
    points = np.zeros((2, 2))
    points[:, axis] = np.clip([along - 0.5 * length, along + 0.5 * length], low[axis], high[axis])
    points[:, 1 - axis] = low[1 - axis] + side * (street.half_width + PAVEMENT * crowd.rng.uniform(*across))
    return points[0], points[1]


def _spot(crowd: Crowd) -> tuple[Street, float]:
    """A street and a place along it (m): most often where the robot comes by."""
    streets, rng = crowd.layout.streets, crowd.rng
    if rng.random() < NEAR_SHARE:
        at = crowd.layout.course.derivative(np.array([rng.uniform(0.0, crowd.reach)]), 0)[0, :2]
        near = [street for street in streets if street.area().contains(*at)]
        if near:
            street = near[int(rng.integers(len(near)))]
            return street, float(at[0 if street.is_along_x else 1] + rng.normal(0.0, NEAR_SPREAD))
    street = streets[int(rng.integers(len(streets)))]
    axis = 0 if street.is_along_x else 1
    return street, float(rng.uniform(*sorted((street.start[axis], street.stop[axis]))))


def people_indoors(crowd: Crowd, areas: list[Rectangle], count: int, is_free: IsFree | None) -> None:
    """People who walk along corridors or stand in rooms, never in the way of the robot."""
    distance = np.arange(0.0, crowd.layout.course.length, 0.25)
    course = crowd.layout.course.derivative(distance, 0)[:, :2]
    for _ in range(TRIES * count):
        if len(crowd.things) >= count:
            return
        area = areas[int(crowd.rng.integers(len(areas)))]
        low, high = np.array([area.x_low, area.y_low]) + WALL_MARGIN, np.array([area.x_high, area.y_high]) - WALL_MARGIN
        if (low > high).any():
            continue
        start = crowd.rng.uniform(low, high)
        stop = start.copy()
        axis = int(np.argmax(high - low))
        stop[axis] = min(start[axis] + crowd.rng.uniform(4.0, 12.0), high[axis])
        is_walk = stop[axis] - start[axis] > 2.5 and crowd.rng.random() < WALKING_SHARE
        stop = stop if is_walk else start
        points = start + np.linspace(0.0, 1.0, 9)[:, None] * (stop - start)
        beside = SIDE + HALF_WIDTH * is_walk
        if np.linalg.norm(points[:, None] - course, axis=2).min() < beside or not crowd.is_clear(start, stop):
            continue
        if is_free is not None and not all(is_free(float(x), float(y), 0.4) for x, y in points):
            continue
        if is_walk:
            crowd.walk(start, stop, 0.0)
        else:
            crowd.stand(start, 0.0, 1)


def _nearest(points: np.ndarray, start: np.ndarray, stop: np.ndarray) -> float:
    """Distance (m) of the nearest of the points (N, 2) from a line."""
    along = stop - start
    share = np.clip((points - start) @ along / max(float(along @ along), 1e-9), 0.0, 1.0)
    return float(np.linalg.norm(points - start - share[:, None] * along, axis=1).min())
