"""Where objects are put: they stand on the ground as it is triangulated, and are numbered and listed one by one."""

from dataclasses import dataclass, field, replace

import numpy as np

from perception.core.classes import DETECTED, Class
from perception.core.geometry import transform
from perception.world.geometry.mesh import Mesh
from perception.world.layout import Layout, Rectangle
from perception.world.objects.ground import Ground
from perception.world.things import Thing, bounds

COUNTABLE = (*DETECTED, Class.ANIMAL)


@dataclass(eq=False)
class Stage:
    """Collects the objects of one world. `taken` is the ground that is in use."""

    layout: Layout
    ground: Ground | None  # None: level, at height zero
    next_instance: int
    meshes: list[Mesh] = field(default_factory=list)
    things: list[Thing] = field(default_factory=list)
    taken: list[Rectangle] = field(default_factory=list)
    lift: float = 0.0  # m, of what is put now: it stands on something

    def height(self, x: float, y: float) -> float:
        """Height (m) of what one stands on."""
        return self.lift + (0.0 if self.ground is None else self.ground.surface_height(x, y))

    def is_free(self, area: Rectangle) -> bool:
        """True where nothing was placed with `take` yet."""
        return not any(area.overlaps(other) for other in self.taken)

    def is_clear(self, x: float, y: float, radius: float) -> bool:
        """True where somebody may stand or walk."""
        return self.is_free(Rectangle(x, y, x, y).grown(radius))

    def take(self, area: Rectangle) -> bool:
        """Reserve an area; False, and nothing happens, where some of it is in use."""
        if not self.is_free(area):
            return False
        self.taken.append(area)
        return True

    def put(self, mesh: Mesh, x: float, y: float, yaw: float, lift: float = 0.0, is_tilted: bool = False) -> None:
        """Place an object on the ground, `lift` metres above it; vehicles are tilted with the slope.

        Each countable class in the mesh gets a number of its own and is listed; what remains gets a further number.
        """
        T = self._pose(x, y, yaw, lift, is_tilted)
        triangles = (mesh.triangles.astype(np.float64) @ T[:3, :3].T + T[:3, 3]).astype(np.float32)
        ids = np.zeros(len(mesh), dtype=np.int32)
        classes = np.unique(mesh.class_ids)
        for kind in (kind for kind in COUNTABLE if kind in classes):
            here = mesh.class_ids == kind
            ids[here] = self._number()
            low, high = bounds(_chosen(mesh, here))
            self.things.append(Thing(int(ids[here][0]), kind, low, high, T))
        if (ids == 0).any():
            ids[ids == 0] = self._number()
        self.meshes.append(replace(mesh, triangles=triangles, instance_ids=ids))

    def add(self, mesh: Mesh) -> None:
        """An object that is already in its place; it gets a number, and is no thing."""
        self.meshes.append(replace(mesh, instance_ids=np.full(len(mesh), self._number(), dtype=np.int32)))

    def _number(self) -> int:
        self.next_instance += 1
        return self.next_instance - 1

    def _pose(self, x: float, y: float, yaw: float, lift: float, is_tilted: bool) -> np.ndarray:
        c, s = np.cos(yaw), np.sin(yaw)
        R = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
        if is_tilted:
            slope_x, slope_y = self.layout.terrain.slope(np.array([x]), np.array([y]))
            ahead = np.array([c, s, slope_x[0] * c + slope_y[0] * s])
            left = np.array([-s, c, slope_y[0] * c - slope_x[0] * s])
            ahead /= np.linalg.norm(ahead)
            up = np.cross(ahead, left)
            up /= np.linalg.norm(up)
            R = np.column_stack([ahead, np.cross(up, ahead), up])
        return transform(R, np.array([x, y, self.height(x, y) + lift]))


def _chosen(mesh: Mesh, rows: np.ndarray) -> Mesh:
    return Mesh(*(getattr(mesh, name)[rows] for name in Mesh.__slots__))
