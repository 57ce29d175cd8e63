"""Puts things along the streets: trees, lamps, signs, lights, hedges, fences, parked vehicles, people who stand."""

from collections.abc import Callable

import numpy as np

from perception.world.config import SceneConfig
from perception.world.geometry.mesh import Mesh
from perception.world.layout import PAVEMENT, Layout, Rectangle, Street
from perception.world.objects import furniture, people, vehicles
from perception.world.objects.ground import EARTH, WALK, kind_at
from perception.world.objects.markings import STOP_GAP, Arm, arms
from perception.world.objects.plants import make_bush, make_flower_bed, make_hedge, make_tree, make_tufts
from perception.world.objects.sites import Sites
from perception.world.objects.stage import Stage
from perception.world.variety import Variety

KERB_STRIP = 0.55  # m from the kerb to the middle of what stands at it
CROSSING_CLEARANCE = 9.0  # m of road around a crossing without parked cars
LAMP_SPACING = 26.0  # m
PARKED_GAP = 0.9  # m between parked vehicles, at least
PARKED_HALF = 0.95  # m, half the width of what a parked vehicle takes
LANE_CLEAR = 3.05  # m from the middle of the road that parked vehicles keep free
BYSTANDERS = 0.6  # people who stand, for each that walks
SITES, MIN_SITE, SITE_CLEARANCE = 3.0, 24.0, 30.0  # building sites; m of street they need, and to the robot's way
CAR_SHARE = 0.84  # of what is parked
MIN_ARM = 36.0  # m of street between crossings for a stop or a delivery
TERRACE = 0.16  # share of the open fronts with a cafe on a deck
NUM_TREE_KINDS, NUM_CAR_KINDS = 10, 24  # different bodies; every copy is turned and placed anew

Draw = Callable[[np.random.Generator, Variety], Mesh]


class Furnisher:
    """Furnishes the streets of one layout; everything goes onto its `stage`."""

    def __init__(self, stage: Stage, config: SceneConfig, rng: np.random.Generator, variety: Variety) -> None:
        self.stage, self.config, self.rng, self.variety = stage, config, rng, variety
        self.layout: Layout = stage.layout
        self.sites = Sites(stage, config.leaves_per_tree, config.clutter, rng, variety)
        self._trees = [make_tree(rng, config.leaves_per_tree, variety) for _ in range(NUM_TREE_KINDS)]
        self._others = (vehicles.make_truck, vehicles.make_trailer, vehicles.make_construction_vehicle)
        self._cars = [vehicles.make_car(rng, variety) for _ in range(NUM_CAR_KINDS)]

    def furnish(self, blocked: list[Rectangle]) -> None:
        """Put everything in its place along all streets; nothing of the earth stands in a `blocked` area."""
        pieces = arms(self.layout)
        for arm in pieces:
            self._crossing(arm)
        self.sites.squares(self.layout.plazas)
        self._works(pieces)
        self._stops(pieces)
        for street in self.layout.furnished:
            for side in (-1.0, 1.0):
                self._row(street, side, self.config.tree_spacing, self._tree)
                self._row(street, side, LAMP_SPACING, furniture.make_lamp)
                self._row(street, side, self.config.furniture_spacing, self._piece)
                self._park(street, side)
                self._gardens(street, side, blocked)

        self._bystanders(round(BYSTANDERS * self.config.num_pedestrians))

    def _works(self, pieces: list[Arm]) -> None:
        """Building sites at the ends of side streets that the robot does not drive."""
        course = self.layout.course
        way = course.derivative(np.arange(0.0, course.length, 4.0), 0)[:, :2]
        ends = [
            (arm, end) for arm in pieces for end in (0, 1) if not arm.has_crossing[end] and self.layout.period == 0.0
        ]
        count = 0
        for k in self.rng.permutation(len(ends)):
            arm, end = ends[k]
            if arm.high - arm.low < MIN_SITE or count >= round(SITES * self.config.clutter):
                continue
            x, y = arm.street.at((arm.low, arm.high)[end], 0.0)
            if np.linalg.norm(way - [x, y], axis=1).min() > SITE_CLEARANCE:
                self.sites.building_site(arm.street, end)
                count += 1

    def _stops(self, pieces: list[Arm]) -> None:
        """Bus stops, deliveries, works at the kerb and rows of motorcycles, by lot among the pieces of street."""
        long = [arm for arm in pieces if arm.street.parking > 0.0 and arm.high - arm.low > MIN_ARM]
        if not long:
            return
        makers = (self.sites.bus_stop, self.sites.delivery, self.sites.roadside_works, self.sites.two_wheelers)
        for k in range(round(len(long) * self.config.clutter) + len(makers)):
            arm = long[int(self.rng.integers(len(long)))]
            low = min(
                arm.street.start[0 if arm.street.is_along_x else 1], arm.street.stop[0 if arm.street.is_along_x else 1]
            )
            at = self.rng.uniform(arm.low + CROSSING_CLEARANCE + 1.0, max(arm.low + 11.0, arm.high - 23.0)) - low
            side = float(self.rng.choice([-1.0, 1.0]))
            middle = arm.street.beside(side, at + 6.0, 0.0)
            if not self._in_passage(middle[0], middle[1], 14.0):
                makers[k % len(makers)](arm.street, side, at)

    def _bystanders(self, count: int) -> None:
        """People who stand on the pavements."""
        for _ in range(count):
            street = self.layout.furnished[int(self.rng.integers(len(self.layout.furnished)))]
            side, along = float(self.rng.choice([-1.0, 1.0])), self.rng.uniform(0.0, street.length)
            x, y, _ = street.beside(side, along, street.half_width + self.rng.uniform(0.8, PAVEMENT - 0.3))
            if (
                kind_at(self.layout, x, y) == WALK
                and not self._in_passage(x, y, 1.0)
                and self.stage.take(_around(x, y, 0.35))
            ):
                body = people.make_standing_person(self.rng, self.variety)
                self.stage.put(body, x, y, self.rng.uniform(0.0, 2.0 * np.pi))

    def _tree(self, rng: np.random.Generator, variety: Variety) -> Mesh:
        return self._trees[int(rng.integers(len(self._trees)))]

    def _piece(self, rng: np.random.Generator, variety: Variety) -> Mesh:
        shares = np.array([share for _, share in furniture.PIECES])
        return furniture.PIECES[int(rng.choice(len(shares), p=shares / shares.sum()))][0](rng, variety)

    def _crossing(self, arm: Arm) -> None:
        """Traffic lights, or signs, for those who come to a crossing."""
        for end, edge, inwards in ((0, arm.low, 1.0), (1, arm.high, -1.0)):
            if not arm.has_crossing[end] or arm.high - arm.low < 14.0 or self.rng.random() < 0.2:
                continue
            along, across = edge + inwards * (STOP_GAP - 0.3), inwards * (arm.street.half_width + KERB_STRIP)
            x, y = arm.street.at(along, across)
            yaw = (0.0 if arm.street.is_along_x else 0.5 * np.pi) + (0.0 if inwards > 0.0 else np.pi)
            draw = furniture.make_traffic_light if self.rng.random() < 0.6 else furniture.make_sign
            if kind_at(self.layout, x, y) == WALK and not self._in_passage(x, y, 2.0):
                self.stage.put(draw(self.rng, self.variety), x, y, yaw + self.rng.normal(0.0, 0.05))
                self.stage.take(_around(x, y, 0.7))

    def _row(self, street: Street, side: float, spacing: float, draw: Draw) -> None:
        """Objects at the kerb with random distances around `spacing`."""
        at = self.rng.uniform(0.3, 1.0) * spacing
        while at < street.length:
            offset = street.half_width + KERB_STRIP + self.rng.uniform(-0.1, 0.15)
            x, y, yaw = street.beside(side, at, offset)
            is_here = kind_at(self.layout, x, y) == WALK and not self._in_passage(x, y, 3.0)
            if is_here and self.stage.take(_around(x, y, 0.45)):
                self.stage.put(draw(self.rng, self.variety), x, y, yaw + self.rng.normal(0.0, 0.05))
            at += spacing * self.rng.uniform(0.6, 1.4)

    def _park(self, street: Street, side: float) -> None:
        """Parked vehicles, none near a crossing."""
        if street.parking == 0.0:
            return
        others = [other.area(CROSSING_CLEARANCE) for other in self.layout.streets if other is not street]
        at = 4.0
        while at < street.length - 4.0:
            if self.rng.random() > self.config.parked_share:
                at += self.rng.uniform(5.0, 6.5)
                continue
            body = self._vehicle()
            low, high = body.triangles.min(axis=(0, 1)), body.triangles.max(axis=(0, 1))
            length, half = float(high[0] - low[0]), 0.5 * float(high[1] - low[1])
            across = max(street.parking + self.rng.uniform(-0.12, 0.1), LANE_CLEAR + half)
            x, y, yaw = street.beside(side, at + 0.5 * length, across)
            reach = 0.5 * length + 0.2
            is_x = street.is_along_x
            here = Rectangle(
                x - (reach if is_x else PARKED_HALF), y - (PARKED_HALF if is_x else reach),
                x + (reach if is_x else PARKED_HALF), y + (PARKED_HALF if is_x else reach),
            )  # fmt: skip
            is_free = not any(here.overlaps(other) for other in others) and not self._in_passage(x, y, 4.0)
            if is_free and self.stage.take(here):
                turn = float(self.rng.choice([0.0, np.pi])) if self.rng.random() < 0.3 else (0.0 if side < 0 else np.pi)
                yaw = turn + (0.0 if is_x else 0.5 * np.pi) + self.rng.normal(0.0, 0.02)
                shift = 0.5 * float(high[0] + low[0])  # the origin of some vehicles is not at their middle
                c, s = np.cos(yaw), np.sin(yaw)
                self.stage.put(body, x - c * shift, y - s * shift, yaw, is_tilted=True)
            at += length + PARKED_GAP + self.rng.exponential(0.5)

    def _vehicle(self) -> Mesh:
        """Mostly a car."""
        if self.rng.random() < CAR_SHARE:
            return self._cars[int(self.rng.integers(len(self._cars)))]
        draw = self._others[int(self.rng.integers(len(self._others)))]
        return draw(self.rng, self.variety)

    def _gardens(self, street: Street, side: float, blocked: list[Rectangle]) -> None:
        """Hedges, fences, bushes, flowers and trees where no building closes the street."""
        at, offset = 1.0, street.half_width + PAVEMENT + 0.9
        while at < street.length - 4.0:
            length = self.rng.uniform(3.0, 7.0)
            x, y, _ = street.beside(side, at + 0.5 * length, offset)
            half = 0.5 * length + 0.2
            here = Rectangle(x - half, y - half, x + half, y + half)
            ends = [street.beside(side, at + f * length, offset) for f in (0.0, 1.0)]
            is_earth = all(kind_at(self.layout, px, py) == EARTH for px, py, _ in [(x, y, 0.0), *ends])
            if is_earth and not any(here.overlaps(area) for area in blocked):
                start = ends[0] if side > 0 else ends[1]
                draw = self.rng.random()
                if self.rng.random() < TERRACE * self.config.clutter and self._terrace(
                    street, side, at, length, blocked
                ):
                    draw = 2.0
                elif draw < 0.35:
                    self.stage.put(make_hedge(self.rng, length, variety=self.variety), *start)
                elif draw < 0.7:
                    self.stage.put(furniture.make_fence(self.rng, length, self.variety), *start)
                elif draw < 0.85:
                    self.stage.put(make_flower_bed(self.rng, length, 1.0, self.variety), *start)
                if draw < 1.0:
                    self._behind(street, side, at + 0.5 * length, blocked)
            at += length + self.rng.uniform(0.0, 1.5)

    def _terrace(self, street: Street, side: float, at: float, length: float, blocked: list[Rectangle]) -> bool:
        """A cafe on a deck behind the pavement; False where there is no room."""
        near, far = street.half_width + PAVEMENT + 0.1, street.half_width + PAVEMENT + 5.0
        a, b = street.beside(side, at, near), street.beside(side, at + max(length, 5.0), far)
        area = Rectangle(min(a[0], b[0]), min(a[1], b[1]), max(a[0], b[0]), max(a[1], b[1]))
        corners = [(x, y) for x in (area.x_low, area.x_high) for y in (area.y_low, area.y_high)]
        is_open = all(kind_at(self.layout, x, y) == EARTH for x, y in corners)
        if not is_open or any(area.overlaps(other) for other in blocked) or not self.stage.is_free(area):
            return False
        self.sites.terrace(area)
        return True

    def _behind(self, street: Street, side: float, at: float, blocked: list[Rectangle]) -> None:
        """Something green behind a fence."""
        x, y, yaw = street.beside(side, at, street.half_width + PAVEMENT + self.rng.uniform(2.5, 7.0))
        here = Rectangle(x - 1.5, y - 1.5, x + 1.5, y + 1.5)
        if kind_at(self.layout, x, y) != EARTH or any(here.overlaps(area) for area in blocked):
            return
        draw = self.rng.random()
        if draw < 0.4:
            self.stage.put(self._tree(self.rng, self.variety), x, y, yaw)
        elif draw < 0.8:
            self.stage.put(make_bush(self.rng, self.variety), x, y, yaw)
        else:
            self.stage.put(make_tufts(self.rng, 2.5, self.variety), x, y, yaw)

    def _in_passage(self, x: float, y: float, margin: float) -> bool:
        area = self.layout.passage
        return area is not None and bool(area.grown(margin).contains(x, y))


def _around(x: float, y: float, reach: float) -> Rectangle:
    return Rectangle(x - reach, y - reach, x + reach, y + reach)
