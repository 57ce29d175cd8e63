"""Furniture of rooms by their use, of corridors and halls; everything is placed where the robot does not drive."""

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import Mesh, box
from perception.world.layouts.plan import FloorPlan, Rectangle, Space
from perception.world.materials import Material, Texture
from perception.world.objects import furniture, people
from perception.world.objects.colours import one_of
from perception.world.objects.plants import make_bush, make_tree
from perception.world.objects.rooms import door_spans, sides_of
from perception.world.objects.shapes import Parts, Stuff, rounded_box
from perception.world.objects.stage import Stage
from perception.world.variety import Variety

PATH_CLEAR = 1.05  # m to each side of the robot's way
TRIES = 8  # places that are tried for a piece
DOOR_CLEAR = 0.9  # m before a door
COUNTERS = ((236, 236, 232), (170, 190, 200), (120, 100, 84), (84, 96, 110))
CARTON = (206, 170, 124)


class Interior:
    """Furnishes the rooms of one plan; everything goes onto its `stage`."""

    def __init__(
        self, stage: Stage, plan: FloorPlan, clutter: float, rng: np.random.Generator, variety: Variety
    ) -> None:
        self.stage, self.plan, self.clutter, self.rng, self.variety = stage, plan, clutter, rng, variety

    def furnish(self) -> None:
        """Put furniture into all rooms."""
        self._keep_ways_free()
        for space in self.plan.spaces:
            getattr(self, f"_{space.use}")(space)

    def _keep_ways_free(self, clear: float = PATH_CLEAR) -> None:
        course = self.stage.layout.course
        for x, y in course.derivative(np.arange(0.0, course.length, 0.5), 0)[:, :2]:
            self.stage.taken.append(Rectangle(x, y, x, y).grown(clear))
        for door in self.plan.doors:
            dx, dy = (0.5 * door.width, DOOR_CLEAR) if door.is_along_x else (DOOR_CLEAR, 0.5 * door.width)
            self.stage.taken.append(Rectangle(door.x - dx, door.y - dy, door.x + dx, door.y + dy))

    def furnish_hall(self, space: Space, path_clear: float) -> None:
        """A large hall on the robot's street: what stands in halls and on squares, for its size."""
        self._keep_ways_free(path_clear)
        middle = 0.5 * (space.area.y_low + space.area.y_high)
        self.stage.taken.append(Rectangle(space.area.x_low, middle, space.area.x_high, middle).grown(2.0 * path_clear))
        size = (space.area.x_high - space.area.x_low) * (space.area.y_high - space.area.y_low)
        self._inside(space, self._reception())
        self._stairs(space)
        for _ in range(round(self.clutter * size / 90.0)):
            self._cafe(space, 1)
            self._greens(space, 0.8)
            self._inside(space, furniture.make_lectern(self.rng, self.variety))
            self._inside(space, self._carton(), margin=0.1)
            self._against(
                space, self._locker() if self.rng.random() < 0.4 else furniture.make_shelf(self.rng, self.variety)
            )
            self._against(space, furniture.make_sofa(self.rng, self.variety), margin=0.3)
            self._person(space, 0.6)

    def _count(self, low: int, high: int) -> int:
        """A number of pieces, scaled by the clutter."""
        return round(self.clutter * int(self.rng.integers(low, high + 1)))

    def _against(
        self, space: Space, mesh: Mesh, gap: float = 0.04, margin: float = 0.0
    ) -> tuple[float, float, float] | None:
        """Place something with its back (-x) to a wall of a space; where it stands, or None without room."""
        low, high = mesh.triangles.min(axis=(0, 1)), mesh.triangles.max(axis=(0, 1))
        half = 0.5 * float(high[1] - low[1])
        for _ in range(TRIES):
            side = int(self.rng.integers(4))
            (ax, ay), (bx, by) = sides_of(space.area)[side]
            length = abs(bx - ax) + abs(by - ay)
            if length < 2.0 * half + 0.1:
                continue
            along = np.array([bx - ax, by - ay]) / length
            inwards = np.array([along[1], -along[0]])
            at = self.rng.uniform(half + 0.05, length - half - 0.05)
            if any(a - 0.1 < at + half and at - half < b + 0.1 for a, b, _ in door_spans(space, side, self.plan.doors)):
                continue
            foot = np.array([ax, ay]) + at * along
            near, far = foot + gap * inwards, foot + (gap + float(high[0] - low[0]) + margin) * inwards
            corners = np.array([near - half * along, near + half * along, far - half * along, far + half * along])
            area = Rectangle(*corners.min(axis=0), *corners.max(axis=0))
            if not self.stage.take(area):
                continue
            x, y = foot + (gap - float(low[0])) * inwards
            yaw = float(np.arctan2(inwards[1], inwards[0]))
            self.stage.put(mesh, x, y, yaw)
            return x, y, yaw
        return None

    def _inside(
        self, space: Space, mesh: Mesh, yaw: float | None = None, margin: float = 0.3
    ) -> tuple[float, float] | None:
        """Place something free in a space."""
        reach = float(np.abs(mesh.triangles[..., :2]).max()) + margin
        a = space.area.grown(-reach)
        if a.x_high <= a.x_low or a.y_high <= a.y_low:
            return None
        for _ in range(TRIES):
            x, y = self.rng.uniform(a.x_low, a.x_high), self.rng.uniform(a.y_low, a.y_high)
            if self.stage.take(Rectangle(x, y, x, y).grown(reach)):
                self.stage.put(mesh, x, y, self.rng.uniform(0.0, 2.0 * np.pi) if yaw is None else yaw)
                return x, y
        return None

    def _desk(self, space: Space) -> None:
        """A desk at a wall, a chair before it, at times somebody on it."""
        place = self._against(space, furniture.make_desk(self.rng, self.variety), margin=0.75)
        if place is not None:
            self._seat(*place, reach=float(self.rng.uniform(0.75, 0.95)))

    def _seat(self, x: float, y: float, yaw: float, reach: float) -> None:
        """A chair `reach` metres ahead of a place, that looks back at it."""
        cx, cy = x + reach * np.cos(yaw), y + reach * np.sin(yaw)
        turn = yaw + np.pi + self.rng.normal(0.0, 0.25)
        self.stage.put(furniture.make_chair(self.rng, self.variety), cx, cy, turn)

    def _office(self, space: Space) -> None:
        for _ in range(self._count(1, 3)):
            self._desk(space)
        for _ in range(self._count(1, 2)):
            self._against(space, furniture.make_shelf(self.rng, self.variety))
        self._greens(space, 0.7)
        self._person(space, 0.25)

    def _lab(self, space: Space) -> None:
        for _ in range(self._count(2, 4)):
            self._desk(space)
        for _ in range(self._count(1, 3)):
            self._against(
                space, self._locker() if self.rng.random() < 0.5 else furniture.make_shelf(self.rng, self.variety)
            )
        self._person(space, 0.3)

    def _meeting(self, space: Space) -> None:
        x, y = 0.5 * (space.area.x_low + space.area.x_high), 0.5 * (space.area.y_low + space.area.y_high)
        self._table_with_chairs(x, y, space)
        self._greens(space, 0.8)
        if self.rng.random() < 0.5:
            self._against(space, furniture.make_shelf(self.rng, self.variety))

    def _table_with_chairs(self, x: float, y: float, space: Space) -> None:
        """A long table for a meeting in the middle of a room."""
        a = space.area
        wide, deep = a.x_high - a.x_low, a.y_high - a.y_low
        half = np.array([0.5, 0.5]) * np.clip([wide - 2.2, deep - 2.2], 0.7, [3.0, 1.4] if wide > deep else [1.4, 3.0])
        if not self.stage.take(Rectangle(x - half[0], y - half[1], x + half[0], y + half[1]).grown(0.35)):
            return
        parts = Parts(Class.OTHERS)
        top = Stuff(
            Material.WOOD,
            one_of(self.rng, ((255, 255, 255), (214, 190, 160), (236, 236, 232))),
            self.variety.layer(self.rng, Texture.WOOD),
        )
        parts.add(rounded_box([-half[0], -half[1], 0.7], [half[0], half[1], 0.74], 0.02), top)
        for sx in (-1.0, 1.0):
            for sy in (-1.0, 1.0):
                px, py = sx * (half[0] - 0.12), sy * (half[1] - 0.12)
                parts.add(
                    box([px - 0.03, py - 0.03, 0.0], [px + 0.03, py + 0.03, 0.7]), Stuff(Material.METAL, (90, 92, 96))
                )
        self.stage.put(parts.mesh(), x, y, 0.0)
        for side, (along, across) in enumerate(((half[0], half[1]), (half[1], half[0]))):
            count = int(2.0 * along / 0.75)
            for k in range(count):
                at = (k + 0.5) * 2.0 * along / count - along
                for sign in (-1.0, 1.0):
                    if self.rng.random() < 0.15 or (side == 1 and along < 0.5):
                        continue
                    dx, dy = (at, sign * (across + 0.25)) if side == 0 else (sign * (across + 0.25), at)
                    yaw = float(np.arctan2(-dy if side == 0 else 0.0, -dx if side == 1 else 0.0))
                    chair = furniture.make_chair(self.rng, self.variety)
                    self.stage.put(chair, x + dx, y + dy, yaw + self.rng.normal(0.0, 0.15))

    def _kitchen(self, space: Space) -> None:
        self._against(space, self._counter(min(3.0, 0.7 * (space.area.x_high - space.area.x_low))))
        self._against(space, self._fridge())
        self._cafe(space, self._count(1, 2))
        self._greens(space, 0.4)
        self._person(space, 0.3)

    def _lounge(self, space: Space) -> None:
        for _ in range(self._count(1, 2)):
            self._against(space, furniture.make_sofa(self.rng, self.variety), margin=0.3)
        self._cafe(space, 1)
        self._greens(space, 1.0)
        self._against(space, furniture.make_shelf(self.rng, self.variety))
        self._person(space, 0.3)

    def _store(self, space: Space) -> None:
        for _ in range(self._count(2, 4)):
            self._against(space, furniture.make_shelf(self.rng, self.variety))
        for _ in range(self._count(2, 6)):
            self._inside(space, self._carton(), margin=0.05)

    def _court(self, space: Space) -> None:
        if min(space.area.x_high - space.area.x_low, space.area.y_high - space.area.y_low) > 4.0:
            self._inside(space, make_tree(self.rng, 300, self.variety), margin=-2.5)
        for _ in range(3):
            self._inside(space, make_bush(self.rng, self.variety), margin=0.0)
        self._inside(space, furniture.make_bench(self.rng, self.variety))

    def _corridor(self, space: Space) -> None:
        length = max(space.area.x_high - space.area.x_low, space.area.y_high - space.area.y_low)
        for _ in range(round(self.clutter * length / 3.0)):
            draw = self.rng.random()
            if draw < 0.2:
                mesh = furniture.make_chair(self.rng, self.variety)
            elif draw < 0.42:
                mesh = furniture.make_potted_plant(self.rng, self.variety)
            elif draw < 0.6:
                mesh = self._locker()
            elif draw < 0.72:
                mesh = self._carton()
            elif draw < 0.84:
                mesh = furniture.make_lectern(self.rng, self.variety)
            else:
                mesh = furniture.make_bin(self.rng, self.variety)
            self._against(space, mesh)

    def _hall(self, space: Space) -> None:
        self._columns(space)
        self._inside(space, self._reception())
        self._stairs(space)
        for _ in range(self._count(2, 4)):
            self._against(space, furniture.make_sofa(self.rng, self.variety), margin=0.3)
        for _ in range(self._count(1, 3)):
            self._inside(space, furniture.make_lectern(self.rng, self.variety))
        self._cafe(space, self._count(2, 4))
        for _ in range(self._count(3, 6)):
            self._greens(space, 1.0)
        for _ in range(self._count(1, 3)):
            self._person(space, 1.0)

    def _cafe(self, space: Space, count: int) -> None:
        """Small tables with chairs around them."""
        for _ in range(count):
            place = self._inside(space, furniture.make_table(self.rng, self.variety), 0.0, 0.55)
            if place is not None:
                first = self.rng.uniform(0.0, 2.0 * np.pi)
                for k in range(int(self.rng.integers(2, 5))):
                    self._seat(*place, first + k * 0.5 * np.pi, float(self.rng.uniform(0.75, 0.9)))

    def _greens(self, space: Space, chance: float) -> None:
        if self.rng.random() < chance:
            plant = furniture.make_potted_plant(self.rng, self.variety)
            self._against(space, plant)

    def _person(self, space: Space, chance: float) -> None:
        if self.rng.random() < chance:
            self._inside(space, people.make_standing_person(self.rng, self.variety), None, 0.1)

    def _columns(self, space: Space) -> None:
        """Two rows of columns, none on the way."""
        a, parts = space.area, Parts(Class.MANMADE)
        stuff = Stuff(
            Material.CONCRETE,
            one_of(self.rng, ((240, 240, 238), (210, 206, 200))),
            self.variety.layer(self.rng, Texture.CONCRETE),
        )
        half = self.rng.uniform(0.18, 0.3)
        for x in np.linspace(a.x_low, a.x_high, max(3, int((a.x_high - a.x_low) / 6.0)) + 1)[1:-1]:
            for f in (0.25, 0.75):
                y = a.y_low + f * (a.y_high - a.y_low)
                if self.stage.take(Rectangle(x - half, y - half, x + half, y + half)):
                    parts.add(box([x - half, y - half, 0.0], [x + half, y + half, space.height]), stuff)
        self.stage.add(parts.mesh())

    def _stairs(self, space: Space) -> None:
        """Steps up to a landing at a wall."""
        wide, count = 1.6, 9
        parts = Parts(Class.MANMADE)
        stone = Stuff(Material.STONE, (232, 230, 226), self.variety.layer(self.rng, Texture.STONE))
        for k in range(count):
            parts.add(box([0.0, -0.5 * wide, 0.0], [0.3 * (count - k), 0.5 * wide, 0.17 * (k + 1)]), stone)
        steel = Stuff(Material.METAL, (120, 124, 128))
        for side in (-1.0, 1.0):
            for k in range(0, count, 2):
                x, z = 0.3 * (count - k) - 0.15, 0.17 * (k + 1)
                parts.add(
                    box([x - 0.02, side * 0.5 * wide - 0.02, z], [x + 0.02, side * 0.5 * wide + 0.02, z + 0.9]), steel
                )
        self._against(space, parts.mesh(), 0.0, 0.4)

    def _reception(self) -> Mesh:
        """A counter with a top of stone."""
        wood = Stuff(
            Material.WOOD,
            one_of(self.rng, ((255, 255, 255), (190, 150, 112), (236, 236, 232))),
            self.variety.layer(self.rng, Texture.PLANKS),
        )
        parts = Parts(Class.OTHERS).add(box([-0.35, -1.3, 0.0], [0.35, 1.3, 1.05]), wood)
        parts.add(box([-0.4, -1.35, 1.05], [0.45, 1.35, 1.1]), Stuff(Material.STONE, (230, 230, 228)))
        return parts.mesh()

    def _locker(self) -> Mesh:
        """Lockers or a cupboard, its back at -x."""
        wide, high = self.rng.uniform(0.8, 1.6), self.rng.uniform(1.2, 1.95)
        paint = Stuff(
            Material.METAL, one_of(self.rng, ((160, 170, 178), (70, 96, 130), (210, 206, 196), (120, 140, 110)))
        )
        parts = Parts(Class.OTHERS).add(box([0.0, -0.5 * wide, 0.05], [0.4, 0.5 * wide, high]), paint)
        dark = Stuff(Material.METAL, (60, 62, 66))
        count = max(2, round(wide / 0.4))
        for k in range(1, count):
            y = (k / count - 0.5) * wide
            parts.add(box([0.4, y - 0.006, 0.08], [0.403, y + 0.006, high - 0.03]), dark)
        for k in range(count):
            y = ((k + 0.8) / count - 0.5) * wide
            parts.add(box([0.4, y - 0.012, 0.5 * high], [0.425, y + 0.012, 0.5 * high + 0.1]), dark)
        return parts.mesh()

    def _counter(self, wide: float) -> Mesh:
        """Kitchen cupboards with a sink's worth of top, and cupboards above."""
        front = Stuff(Material.WOOD, one_of(self.rng, COUNTERS), self.variety.layer(self.rng, Texture.WOOD))
        parts = Parts(Class.OTHERS).add(box([0.0, -0.5 * wide, 0.1], [0.56, 0.5 * wide, 0.86]), front)
        parts.add(box([0.0, -0.5 * wide, 0.86], [0.6, 0.5 * wide, 0.9]), Stuff(Material.STONE, (90, 90, 92)))
        parts.add(box([0.0, -0.5 * wide, 1.45], [0.33, 0.5 * wide, 2.1]), front)
        dark = Stuff(Material.METAL, (70, 72, 76))
        for k in range(1, int(wide / 0.6)):
            y = 0.6 * k - 0.5 * wide
            parts.add(box([0.56, y - 0.005, 0.12], [0.563, y + 0.005, 0.84]), dark)
            parts.add(box([0.33, y - 0.005, 1.46], [0.333, y + 0.005, 2.09]), dark)
        return parts.mesh()

    def _fridge(self) -> Mesh:
        paint = Stuff(Material.METAL, one_of(self.rng, ((236, 236, 236), (170, 174, 178), (60, 62, 66))))
        parts = Parts(Class.OTHERS).add(rounded_box([0.0, -0.3, 0.03], [0.62, 0.3, 1.8], 0.02), paint)
        parts.add(box([0.62, 0.2, 0.7], [0.65, 0.23, 1.3]), Stuff(Material.METAL, (200, 202, 204)))
        return parts.mesh()

    def _carton(self) -> Mesh:
        """A few boxes on each other."""
        parts, z = Parts(Class.OTHERS), 0.0
        for _ in range(int(self.rng.integers(1, 4))):
            x, y, h = self.rng.uniform([0.15, 0.18, 0.2], [0.28, 0.32, 0.45])
            shift = self.rng.uniform(-0.04, 0.04)
            parts.add(
                box([-x, -y + shift, z], [x, y + shift, z + h]),
                Stuff(Material.WOOD, one_of(self.rng, (CARTON,)), Texture.PLAIN.layer(1)),
            )
            z += h
        return parts.mesh()
