"""Puts things along the streets: trees, lamps, posts, hedges, fences, parked cars; each is one instance."""

from collections.abc import Callable

import numpy as np

from perception.world.config import SceneConfig
from perception.world.geometry.mesh import Mesh, placed
from perception.world.layout import PAVEMENT, Layout, Rectangle, Street
from perception.world.objects.furniture import PIECES, make_fence, make_lamp
from perception.world.objects.ground import EARTH, KERB, WALK, kind_at
from perception.world.objects.plants import make_bush, make_hedge, make_tree
from perception.world.objects.vehicles import make_car, make_truck

KERB_STRIP = 0.55  # m from the kerb to the middle of what stands at it
PARKING = 4.45  # m from the middle of the street
CROSSING_CLEARANCE = 9.0  # m of road around a crossing without parked cars
NUM_TREE_KINDS, NUM_CAR_KINDS = 8, 10  # different bodies; every copy is turned and placed anew
TRUCK_SHARE = 0.06

Draw = Callable[[np.random.Generator], Mesh]


class Furnisher:
    """Furnishes the streets of one layout. `meshes` grows with every object."""

    def __init__(self, layout: Layout, config: SceneConfig, rng: np.random.Generator, first_instance: int) -> None:
        self.layout, self.config, self.rng = layout, config, rng
        self.meshes: list[Mesh] = []
        self.next_instance = first_instance
        self._trees = [make_tree(rng, config.leaves_per_tree) for _ in range(NUM_TREE_KINDS)]
        self._cars = [make_car(rng) for _ in range(NUM_CAR_KINDS)]

    def furnish(self, blocked: list[Rectangle]) -> None:
        """Put everything in its place along all streets; nothing of the earth stands in a `blocked` area."""
        for street in self.layout.furnished:
            for side in (-1.0, 1.0):
                self._row(street, side, self.config.tree_spacing, self._tree)
                self._row(street, side, 26.0, make_lamp)
                self._row(street, side, self.config.furniture_spacing, self._piece)
                self._park(street, side)
                self._gardens(street, side, blocked)

    def _tree(self, rng: np.random.Generator) -> Mesh:
        return self._trees[int(rng.integers(len(self._trees)))]

    def _piece(self, rng: np.random.Generator) -> Mesh:
        shares = np.array([share for _, share in PIECES])
        return PIECES[int(rng.choice(len(PIECES), p=shares / shares.sum()))][0](rng)

    def _row(self, street: Street, side: float, spacing: float, draw: Draw) -> None:
        """Objects at the kerb with random distances around `spacing`."""
        at = self.rng.uniform(0.3, 1.0) * spacing
        while at < _length(street):
            offset = street.half_width + KERB_STRIP + self.rng.uniform(-0.1, 0.15)
            x, y, yaw = _place(street, side, at, offset)
            if kind_at(self.layout, x, y) == WALK and not self._in_passage(x, y, 3.0):
                self._put(draw(self.rng), x, y, yaw + self.rng.normal(0.0, 0.05), KERB)
            at += spacing * self.rng.uniform(0.6, 1.4)

    def _park(self, street: Street, side: float) -> None:
        """Parked cars, none near a crossing."""
        others = [other.area(CROSSING_CLEARANCE) for other in self.layout.streets if other is not street]
        at = 4.0
        while at < _length(street) - 4.0:
            x, y, yaw = _place(street, side, at, PARKING + self.rng.uniform(-0.12, 0.1))
            here = Rectangle(x - 2.5, y - 2.5, x + 2.5, y + 2.5)
            is_free = not any(here.overlaps(other) for other in others) and not self._in_passage(x, y, 4.0)
            if is_free and self.rng.random() < self.config.parked_share:
                is_truck = self.rng.random() < TRUCK_SHARE
                body = make_truck(self.rng) if is_truck else self._cars[int(self.rng.integers(len(self._cars)))]
                turn = float(self.rng.choice([0.0, np.pi])) + self.rng.normal(0.0, 0.02)
                self._put(body, x, y, yaw + turn, 0.0)
                at += 3.0 if is_truck else 0.0
            at += self.rng.uniform(5.4, 7.5)

    def _gardens(self, street: Street, side: float, blocked: list[Rectangle]) -> None:
        """Hedges, fences, bushes and trees where no building closes the street."""
        at = 1.0
        while at < _length(street) - 4.0:
            length = self.rng.uniform(3.0, 7.0)
            x, y, _ = _place(street, side, at + 0.5 * length, street.half_width + PAVEMENT + 0.9)
            half = 0.5 * length + 0.2
            here = Rectangle(x - half, y - half, x + half, y + half)
            ends = [_place(street, side, at + f * length, street.half_width + PAVEMENT + 0.9) for f in (0.0, 1.0)]
            is_earth = all(kind_at(self.layout, px, py) == EARTH for px, py, _ in [(x, y, 0.0), *ends])
            if is_earth and not any(here.overlaps(area) for area in blocked):
                start = ends[0] if side > 0 else ends[1]
                draw = self.rng.random()
                if draw < 0.4:
                    self._put(make_hedge(self.rng, length), *start, 0.0)
                elif draw < 0.75:
                    self._put(make_fence(self.rng, length), *start, 0.0)
                self._behind(street, side, at + 0.5 * length, blocked)
            at += length + self.rng.uniform(0.0, 1.5)

    def _behind(self, street: Street, side: float, at: float, blocked: list[Rectangle]) -> None:
        """Something green behind a fence."""
        x, y, yaw = _place(street, side, at, street.half_width + PAVEMENT + self.rng.uniform(2.5, 7.0))
        here = Rectangle(x - 1.5, y - 1.5, x + 1.5, y + 1.5)
        if kind_at(self.layout, x, y) != EARTH or any(here.overlaps(area) for area in blocked):
            return
        self._put(self._tree(self.rng) if self.rng.random() < 0.4 else make_bush(self.rng), x, y, yaw, 0.0)

    def _put(self, mesh: Mesh, x: float, y: float, yaw: float, lift: float) -> None:
        z = float(self.layout.terrain.height(np.array([x]), np.array([y]))[0]) + lift
        self.meshes.append(placed(mesh, yaw, (x, y, z), self.next_instance))
        self.next_instance += 1

    def _in_passage(self, x: float, y: float, margin: float) -> bool:
        area = self.layout.passage
        return area is not None and bool(area.grown(margin).contains(x, y))


def _length(street: Street) -> float:
    return float(np.abs(np.subtract(street.stop, street.start)).sum())


def _place(street: Street, side: float, along: float, across: float) -> tuple[float, float, float]:
    """x, y and yaw of something `across` from the middle of a street; its -y looks to the road."""
    start = np.minimum(street.start, street.stop)
    if street.is_along_x:
        return start[0] + along, start[1] + side * across, 0.0 if side > 0 else np.pi
    return start[0] - side * across, start[1] + along, 0.5 * np.pi if side > 0 else -0.5 * np.pi
