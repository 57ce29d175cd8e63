"""Places where several objects belong together: cafes, building sites, bus stops, deliveries, stands of bicycles."""

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import Mesh, box
from perception.world.layout import Rectangle, Street
from perception.world.materials import Material, Texture
from perception.world.objects import furniture, people, vehicles
from perception.world.objects.colours import one_of
from perception.world.objects.ground import PLAZA, WALK, kind_at
from perception.world.objects.plants import make_flower_bed, make_tree
from perception.world.objects.shapes import Parts, Stuff
from perception.world.objects.stage import Stage
from perception.world.variety import Variety

CLEAR_ROAD = 3.05  # m from the middle of a driven road that nothing may stand in
TABLE_PITCH = 2.7  # m between the tables of a cafe
SITE_LENGTH = (14.0, 20.0)  # m, of a building site at the end of a side street


class Sites:
    """Sets up the places of one layout; everything goes onto its `stage`."""

    def __init__(
        self, stage: Stage, num_leaves: int, clutter: float, rng: np.random.Generator, variety: Variety
    ) -> None:
        self.stage, self.clutter, self.rng, self.variety = stage, clutter, rng, variety
        self.num_leaves = num_leaves

    def squares(self, areas: tuple[Rectangle, ...]) -> None:
        """Cafes, trees, benches and people on paved squares; a sign and bollards on traffic islands."""
        for area in areas:
            if min(area.x_high - area.x_low, area.y_high - area.y_low) < 6.0:
                self._island(area)
            else:
                self._square(area)

    def _square(self, area: Rectangle) -> None:
        inner = area.grown(-1.2)
        middle = 0.5 * (inner.x_low + inner.x_high)
        self.cafe(Rectangle(inner.x_low + 2.8, inner.y_low + 2.8, middle, inner.y_high - 2.8))
        for _ in range(round(3 * self.clutter)):
            self._put(make_tree(self.rng, self.num_leaves, self.variety), inner, 1.2)
        for draw in (
            furniture.make_bench,
            furniture.make_bench,
            furniture.make_bicycle_stand,
            furniture.make_lectern,
            furniture.make_bin,
            people.make_standing_person,
            people.make_person,
        ):
            self._put(draw(self.rng, self.variety), inner, 0.9)
        for _ in range(round(4 * self.clutter)):
            self._put(furniture.make_potted_plant(self.rng, self.variety), inner, 0.5)
        self._put(make_flower_bed(self.rng, 3.0, 1.6, self.variety), inner, 2.6)

    def _put(self, mesh: Mesh, area: Rectangle, reach: float, kind: int = PLAZA) -> None:
        """Something at a free place of an area."""
        for _ in range(10):
            x, y = self.rng.uniform(area.x_low, area.x_high), self.rng.uniform(area.y_low, area.y_high)
            here = Rectangle(x, y, x, y).grown(reach)
            if kind_at(self.stage.layout, x, y) == kind and self.stage.take(here):
                self.stage.put(mesh, x, y, self.rng.uniform(0.0, 2.0 * np.pi))
                return

    def _island(self, area: Rectangle) -> None:
        """A narrow island: a sign at its head, bollards behind it."""
        is_x = area.x_high - area.x_low > area.y_high - area.y_low
        length = max(area.x_high - area.x_low, area.y_high - area.y_low)
        x, y = 0.5 * (area.x_low + area.x_high), 0.5 * (area.y_low + area.y_high)
        for k, shift in enumerate(np.arange(-0.5 * length + 0.5, 0.5 * length - 0.3, 1.6)):
            draw = furniture.make_sign if k == 0 else furniture.make_bollard
            yaw = (0.0 if is_x else 0.5 * np.pi) + self.rng.choice([0.0, np.pi])
            at = (x + shift, y) if is_x else (x, y + shift)
            self.stage.put(draw(self.rng, self.variety), *at, yaw)

    def cafe(self, area: Rectangle) -> None:
        """Tables with chairs, parasols between them, potted plants along the edge."""
        nx = max(1, int((area.x_high - area.x_low) / TABLE_PITCH))
        ny = max(1, int((area.y_high - area.y_low) / TABLE_PITCH))
        maker_seed = int(self.rng.integers(2**31))
        for i in range(nx):
            for j in range(ny):
                x = area.x_low + (i + 0.5) * (area.x_high - area.x_low) / nx + self.rng.normal(0.0, 0.12)
                y = area.y_low + (j + 0.5) * (area.y_high - area.y_low) / ny + self.rng.normal(0.0, 0.12)
                if self.rng.random() < 0.85 and self.stage.take(Rectangle(x, y, x, y).grown(1.1)):
                    self._table(x, y, maker_seed)
        for x in np.arange(area.x_low, area.x_high, 1.7):
            if self.rng.random() < 0.5 * self.clutter and self.stage.take(
                Rectangle(x, area.y_low, x, area.y_low).grown(0.3)
            ):
                self.stage.put(furniture.make_potted_plant(self.rng, self.variety), x, area.y_low, 0.0)

    def _table(self, x: float, y: float, maker_seed: int) -> None:
        """One table of a set: all tables and chairs of a cafe look alike, as `maker_seed` says."""
        self.stage.put(furniture.make_table(np.random.default_rng(maker_seed), self.variety), x, y, 0.0)
        if self.rng.random() < 0.4:
            self.stage.put(
                furniture.make_parasol(self.rng, self.variety), x + 0.1, y + 0.95, self.rng.uniform(0.0, 6.3)
            )
        first = self.rng.uniform(0.0, 2.0 * np.pi)
        for k in range(int(self.rng.integers(2, 5))):
            angle = first + 0.5 * np.pi * k + self.rng.normal(0.0, 0.1)
            reach = self.rng.uniform(0.68, 0.85)
            chair = furniture.make_chair(np.random.default_rng(maker_seed + 1), self.variety)
            self.stage.put(chair, x + reach * np.cos(angle), y + reach * np.sin(angle), angle + np.pi)

    def terrace(self, area: Rectangle) -> None:
        """A wooden deck with a cafe, where no house stands."""
        if not self.stage.is_free(area):
            return
        x, y = 0.5 * (area.x_low + area.x_high), 0.5 * (area.y_low + area.y_high)
        half = np.array([area.x_high - x, area.y_high - y])
        planks = Stuff(
            Material.WOOD,
            one_of(self.rng, ((226, 200, 170), (180, 150, 120))),
            self.variety.layer(self.rng, Texture.PLANKS),
        )
        deck = Parts(Class.OTHER_FLAT).add(box([*(-half), -1.0], [*half, 0.16]), planks).mesh()
        self.stage.put(deck, x, y, 0.0)
        self.stage.lift = 0.16
        self.cafe(area.grown(-0.6))
        self.stage.lift = 0.0

    def building_site(self, street: Street, end: int) -> None:
        """The last metres of a side street (0 low, 1 high end), closed off: barriers, cones, machines, heaps."""
        axis = 0 if street.is_along_x else 1
        low, high = sorted((street.start[axis], street.stop[axis]))
        sign = 1.0 if end == 1 else -1.0
        edge = high + street.half_width if end == 1 else low - street.half_width
        length = min(float(self.rng.uniform(*SITE_LENGTH)), 0.45 * (high - low))
        mouth, half = edge - sign * length, street.half_width

        def along(inwards: float) -> float:
            return mouth + sign * inwards

        middle = street.at(along(0.5 * length), 0.0)
        reach = (0.5 * length, half) if axis == 0 else (half, 0.5 * length)
        area = Rectangle(middle[0] - reach[0], middle[1] - reach[1], middle[0] + reach[0], middle[1] + reach[1])
        if not self.stage.take(area):
            return
        yaw = 0.0 if axis == 0 else 0.5 * np.pi
        at = -half + 0.9
        seed = int(self.rng.integers(2**31))
        while at < half - 0.6:  # the barriers at the mouth, all of one kind
            barrier = furniture.make_barrier(np.random.default_rng(seed), self.variety)
            wide = float(np.ptp(barrier.triangles[..., 0]))
            self.stage.put(
                barrier, *street.at(along(0.4), at + 0.5 * wide - 0.6), yaw + 0.5 * np.pi + self.rng.normal(0.0, 0.06)
            )
            at += wide + self.rng.uniform(0.1, 0.5)
        for at in np.arange(-half + 0.5, half - 0.3, 1.4):
            cone = furniture.make_cone(self.rng, self.variety)
            self.stage.put(cone, *street.at(along(-0.9 + self.rng.normal(0.0, 0.15)), at), self.rng.uniform(0.0, 6.3))
        turn = yaw + (0.0 if sign < 0.0 else np.pi) + self.rng.normal(0.0, 0.5)
        machine = vehicles.make_construction_vehicle(self.rng, self.variety)
        self.stage.put(machine, *street.at(along(0.48 * length), 0.25 * half), turn, is_tilted=True)
        trailer = vehicles.make_trailer(self.rng, self.variety)
        self.stage.put(trailer, *street.at(along(0.6 * length), -0.6 * half), yaw, is_tilted=True)
        for _ in range(round(3 * self.clutter)):
            place = street.at(along(self.rng.uniform(2.0, 0.4 * length)), self.rng.uniform(-0.8, -0.2) * half)
            self.stage.put(furniture.make_roadworks(self.rng, self.variety), *place, self.rng.uniform(0.0, 6.3))
        worker = people.make_person(self.rng, self.variety)
        self.stage.put(worker, *street.at(along(2.2), 0.5), self.rng.uniform(0.0, 6.3))

    def roadside_works(self, street: Street, side: float, at: float) -> None:
        """A short stretch of the parking strip dug up: cones around, barriers at both ends, a heap."""
        length, across = self.rng.uniform(5.0, 8.0), street.parking
        half = street.half_width - CLEAR_ROAD - 0.15
        if not self.stage.take(self._strip(street, side, at, at + length)):
            return
        centre = street.half_width - 0.5 * half
        for end in (0.0, length):
            barrier = furniture.make_barrier(self.rng, self.variety)
            fits = min(1.0, (half - 0.1) / max(float(np.ptp(barrier.triangles[..., 0])), 0.1))
            if fits > 0.75:
                self._put_at(barrier, street, side, at + end, centre, 0.5 * np.pi)
            else:
                self._put_at(furniture.make_cone(self.rng, self.variety), street, side, at + end, across, 0.0)
        for d in np.arange(0.8, length - 0.4, 1.3):
            self._put_at(furniture.make_cone(self.rng, self.variety), street, side, at + d, CLEAR_ROAD + 0.3, 0.0)
        self._put_at(
            furniture.make_roadworks(self.rng, self.variety), street, side, at + 0.5 * length, across + 0.1, 0.3
        )

    def bus_stop(self, street: Street, side: float, at: float) -> None:
        """A shelter on the pavement and a bus before it, where the road is wide enough; people who wait."""
        bus = vehicles.make_bus(self.rng, self.variety)
        length = float(np.ptp(bus.triangles[..., 0]))
        half = 0.5 * float(np.ptp(bus.triangles[..., 1]))
        if not self.stage.take(self._strip(street, side, at, at + length)):
            return
        shift = 0.5 * float(bus.triangles[..., 0].max() + bus.triangles[..., 0].min())
        across = max(street.half_width - half - 0.1, CLEAR_ROAD + half)
        heading = np.pi if side > 0.0 else 0.0  # towards the right-hand traffic's way, in the frame of `_put_at`
        ahead = -1.0 if side > 0.0 else 1.0
        self._put_at(
            bus, street, side, at + 0.5 * length - ahead * shift, across, heading - (0.0 if side > 0.0 else np.pi), True
        )
        stop = furniture.make_bus_stop(self.rng, self.variety)
        middle, near = at + 0.5 * length, street.half_width + 1.35
        x, y, _ = street.beside(side, middle, near)
        if self.stage.take(Rectangle(x, y, x, y).grown(1.0)):
            self._put_at(stop, street, side, middle, near, 0.0)
        for _ in range(int(self.rng.integers(1, 4))):
            d = middle + self.rng.uniform(-4.0, 4.0)
            x, y, _ = street.beside(side, d, street.half_width + self.rng.uniform(0.9, 1.6))
            if kind_at(self.stage.layout, x, y) == WALK and self.stage.take(Rectangle(x, y, x, y).grown(0.35)):
                self.stage.put(people.make_standing_person(self.rng, self.variety), x, y, self.rng.uniform(0.0, 6.3))

    def delivery(self, street: Street, side: float, at: float) -> None:
        """A lorry at the kerb, cones behind it, boxes on the pavement."""
        truck = vehicles.make_truck(self.rng, self.variety)
        length, half = float(np.ptp(truck.triangles[..., 0])), 0.5 * float(np.ptp(truck.triangles[..., 1]))
        if not self.stage.take(self._strip(street, side, at, at + length + 2.0)):
            return
        across = max(street.half_width - half - 0.1, CLEAR_ROAD + half)
        shift = 0.5 * float(truck.triangles[..., 0].max() + truck.triangles[..., 0].min())
        self._put_at(truck, street, side, at + 0.5 * length - shift, across, 0.0, True)
        for d in (0.5, 1.2):
            self._put_at(furniture.make_cone(self.rng, self.variety), street, side, at + length + d, across - 0.6, 0.0)
        for _ in range(int(self.rng.integers(2, 5))):
            d, reach = self.rng.uniform(0.0, length), street.half_width + self.rng.uniform(0.8, 1.6)
            x, y, yaw = street.beside(side, at + d, reach)
            if self.stage.take(Rectangle(x, y, x, y).grown(0.4)):
                self.stage.put(self._boxes(), x, y, yaw + self.rng.normal(0.0, 0.4))

    def _boxes(self) -> Mesh:
        """Cartons and crates on each other."""
        parts, z = Parts(Class.OTHERS), 0.0
        for _ in range(int(self.rng.integers(1, 4))):
            x, y, h = self.rng.uniform([0.2, 0.25, 0.2], [0.32, 0.4, 0.45])
            stuff = Stuff(Material.WOOD, one_of(self.rng, ((206, 170, 124), (180, 144, 104), (120, 150, 180))))
            parts.add(box([-x, -y, z], [x, y, z + h]), stuff)
            z += h
        return parts.mesh()

    def two_wheelers(self, street: Street, side: float, at: float) -> None:
        """Motorcycles parked across the strip."""
        count = int(self.rng.integers(2, 5))
        if not self.stage.take(self._strip(street, side, at, at + 1.1 * count + 0.6)):
            return
        for k in range(count):
            draw = vehicles.make_motorcycle if self.rng.random() < 0.75 else vehicles.make_bicycle
            yaw = 0.5 * np.pi + self.rng.normal(0.0, 0.12)
            self._put_at(draw(self.rng, self.variety), street, side, at + 0.7 + 1.1 * k, street.parking, yaw)

    def _strip(self, street: Street, side: float, start: float, stop: float) -> Rectangle:
        """The parking strip between two distances along a street."""
        a, b = street.beside(side, start, CLEAR_ROAD), street.beside(side, stop, street.half_width + 0.1)
        return Rectangle(min(a[0], b[0]), min(a[1], b[1]), max(a[0], b[0]), max(a[1], b[1]))

    def _put_at(
        self, mesh: Mesh, street: Street, side: float, at: float, across: float, turn: float, is_tilted: bool = False
    ) -> None:
        x, y, yaw = street.beside(side, at, across)
        self.stage.put(mesh, x, y, yaw + turn, is_tilted=is_tilted)
