"""Puts things along the streets: trees, lamps, signs, lights, hedges, fences, parked vehicles, people who stand."""

from collections.abc import Callable

import numpy as np

from perception.world.config import SceneConfig
from perception.world.geometry.mesh import Mesh
from perception.world.layout import PAVEMENT, Layout, Rectangle, Street
from perception.world.objects import furniture, vehicles
from perception.world.objects.ground import EARTH, WALK, kind_at
from perception.world.objects.markings import STOP_GAP, Arm, arms
from perception.world.objects.plants import make_bush, make_flower_bed, make_hedge, make_tree, make_tufts
from perception.world.objects.stage import Stage
from perception.world.variety import Variety

KERB_STRIP = 0.55  # m from the kerb to the middle of what stands at it
CROSSING_CLEARANCE = 9.0  # m of road around a crossing without parked cars
LAMP_SPACING = 26.0  # m
PARKED_GAP = 0.9  # m between parked vehicles, at least
LANE_CLEAR = 3.05  # m from the middle of the road that parked vehicles keep free
NUM_TREE_KINDS, NUM_CAR_KINDS = 10, 24  # different bodies; every copy is turned and placed anew

Draw = Callable[[np.random.Generator, Variety], Mesh]


class Furnisher:
    """Furnishes the streets of one layout; everything goes onto its `stage`."""

    def __init__(self, stage: Stage, config: SceneConfig, rng: np.random.Generator, variety: Variety) -> None:
        self.stage, self.config, self.rng, self.variety = stage, config, rng, variety
        self.layout: Layout = stage.layout
        self._trees = [make_tree(rng, config.leaves_per_tree, variety) for _ in range(NUM_TREE_KINDS)]
        self._cars = [vehicles.make_car(rng, variety) for _ in range(NUM_CAR_KINDS)]

    def furnish(self, blocked: list[Rectangle]) -> None:
        """Put everything in its place along all streets; nothing of the earth stands in a `blocked` area."""
        for arm in arms(self.layout):
            self._crossing(arm)
        for street in self.layout.furnished:
            for side in (-1.0, 1.0):
                self._row(street, side, self.config.tree_spacing, self._tree)
                self._row(street, side, LAMP_SPACING, furniture.make_lamp)
                self._row(street, side, self.config.furniture_spacing, self._piece)
                self._park(street, side)
                self._gardens(street, side, blocked)

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
            x, y = self._at(arm.street, along, across)
            yaw = (0.0 if arm.street.is_along_x else 0.5 * np.pi) + (0.0 if inwards > 0.0 else np.pi)
            draw = furniture.make_traffic_light if self.rng.random() < 0.6 else furniture.make_sign
            if kind_at(self.layout, x, y) == WALK and not self._in_passage(x, y, 2.0):
                self.stage.put(draw(self.rng, self.variety), x, y, yaw + self.rng.normal(0.0, 0.05))
                self.stage.take(_around(x, y, 0.7))

    @staticmethod
    def _at(street: Street, along: float, across: float) -> tuple[float, float]:
        """From the coordinate along the axis of a street, and the offset to its left, to x and y."""
        if street.is_along_x:
            return along, street.start[1] + across
        return street.start[0] - across, along

    def _row(self, street: Street, side: float, spacing: float, draw: Draw) -> None:
        """Objects at the kerb with random distances around `spacing`."""
        at = self.rng.uniform(0.3, 1.0) * spacing
        while at < street.length:
            offset = street.half_width + KERB_STRIP + self.rng.uniform(-0.1, 0.15)
            x, y, yaw = place(street, side, at, offset)
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
            x, y, yaw = place(street, side, at + 0.5 * length, across)
            reach = 0.5 * length + 0.2
            is_x = street.is_along_x
            here = Rectangle(
                x - (reach if is_x else 1.2), y - (1.2 if is_x else reach),
                x + (reach if is_x else 1.2), y + (1.2 if is_x else reach),
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
        if self.rng.random() < 0.86:
            return self._cars[int(self.rng.integers(len(self._cars)))]
        return vehicles.make_truck(self.rng, self.variety)

    def _gardens(self, street: Street, side: float, blocked: list[Rectangle]) -> None:
        """Hedges, fences, bushes, flowers and trees where no building closes the street."""
        at, offset = 1.0, street.half_width + PAVEMENT + 0.9
        while at < street.length - 4.0:
            length = self.rng.uniform(3.0, 7.0)
            x, y, _ = place(street, side, at + 0.5 * length, offset)
            half = 0.5 * length + 0.2
            here = Rectangle(x - half, y - half, x + half, y + half)
            ends = [place(street, side, at + f * length, offset) for f in (0.0, 1.0)]
            is_earth = all(kind_at(self.layout, px, py) == EARTH for px, py, _ in [(x, y, 0.0), *ends])
            if is_earth and not any(here.overlaps(area) for area in blocked):
                start = ends[0] if side > 0 else ends[1]
                draw = self.rng.random()
                if draw < 0.35:
                    self.stage.put(make_hedge(self.rng, length, variety=self.variety), *start)
                elif draw < 0.7:
                    self.stage.put(furniture.make_fence(self.rng, length, self.variety), *start)
                elif draw < 0.85:
                    self.stage.put(make_flower_bed(self.rng, length, 1.0, self.variety), *start)
                self._behind(street, side, at + 0.5 * length, blocked)
            at += length + self.rng.uniform(0.0, 1.5)

    def _behind(self, street: Street, side: float, at: float, blocked: list[Rectangle]) -> None:
        """Something green behind a fence."""
        x, y, yaw = place(street, side, at, street.half_width + PAVEMENT + self.rng.uniform(2.5, 7.0))
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


def place(street: Street, side: float, along: float, across: float) -> tuple[float, float, float]:
    """x, y and yaw of something `across` from the middle of a street; its -y looks to the road."""
    start = np.minimum(street.start, street.stop)
    if street.is_along_x:
        return start[0] + along, start[1] + side * across, 0.0 if side > 0 else np.pi
    return start[0] - side * across, start[1] + along, 0.5 * np.pi if side > 0 else -0.5 * np.pi


def _around(x: float, y: float, reach: float) -> Rectangle:
    return Rectangle(x - reach, y - reach, x + reach, y + reach)
