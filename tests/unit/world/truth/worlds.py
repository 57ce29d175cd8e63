"""A street of a few triangles with one of each: a parked car, a moving one, a sign on a pole, a wall."""

from dataclasses import dataclass, fields
from types import SimpleNamespace

import numpy as np

from perception.core.cameras import CameraModel
from perception.core.classes import Class
from perception.core.geometry import exp_so3, inverse, transform
from perception.world.geometry.mesh import Mesh, box, joined, placed, quads, surface
from perception.world.geometry.raycast import Accelerator, build_accelerator
from perception.world.materials import Material
from perception.world.movers import Mover
from perception.world.scene import Scene
from perception.world.sensors.cameras import OPTICAL, Camera, Exposure
from perception.world.things import Thing, bounds, standing

PARKED, SIGN, MOVING, WALKER = 1, 2, 3, 4  # instance numbers
CAR_SIZE = np.array([4.0, 1.8, 1.5])  # m
CAMERA_HEIGHT = 1.5  # m


@dataclass(frozen=True)
class Steady:
    """Even motion from `place` at time 0, turning about the upright axis through it."""

    place: tuple[float, float, float]
    velocity: tuple[float, float, float] = (0.0, 0.0, 0.0)  # m/s, world
    yaw: float = 0.0  # rad
    yaw_rate: float = 0.0  # rad/s

    def poses(self, times_ns: np.ndarray) -> np.ndarray:
        """`T_world_mover` (N, 4, 4)."""
        seconds = np.asarray(times_ns) * 1e-9
        out = [
            transform(
                exp_so3(np.array([0.0, 0.0, self.yaw + self.yaw_rate * t])),
                np.array(self.place) + t * np.array(self.velocity),
            )
            for t in seconds
        ]
        return np.array(out)


def ground(half: float = 60.0, cell: float = 4.0, height: float = 0.0) -> Mesh:
    """A level road around the origin."""
    x = np.arange(-half, half, cell)
    low = np.array([(a, b, height) for a in x for b in x])
    corners = low[:, None] + cell * np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    return surface(quads(corners), Class.DRIVEABLE_SURFACE, Material.ASPHALT)


def car() -> Mesh:
    """A box on the ground, open below as cars of the world may be; x ahead, origin below its middle."""
    low = np.array([-0.5 * CAR_SIZE[0], -0.5 * CAR_SIZE[1], 0.0])
    return surface(box(low, low + CAR_SIZE), Class.CAR, Material.PAINT)


def person() -> Mesh:
    """An upright box."""
    return surface(box([-0.2, -0.25, 0.0], [0.2, 0.25, 1.75]), Class.PEDESTRIAN, Material.CLOTH)


def sign() -> Mesh:
    """A plate of 0.8 m that looks back along x, above a pole that is no part of the sign."""
    plate = surface(box([-0.02, -0.4, 2.0], [0.02, 0.4, 2.8]), Class.TRAFFIC_SIGN, Material.SIGN)
    return joined([plate, surface(box([0.03, -0.15, 0.0], [0.33, 0.15, 3.0]), Class.MANMADE, Material.METAL)])


def wall(x: float, y_low: float, y_high: float, height: float = 4.0) -> Mesh:
    """A thin wall across x."""
    return surface(quads(np.array([[[x, y_low, 0], [x, y_high, 0], [x, y_high, height], [x, y_low, height]]])),
                   Class.MANMADE, Material.CONCRETE)  # fmt: skip


def street(*further: Mesh, motion: Steady | None = None, walker: Steady | None = None) -> Scene:
    """The world: parked car at (12, -3), sign at (20, 4), the moving car and a walker where motions are given."""
    places = {PARKED: (car(), 0.3, (12.0, -3.0, 0.0)), SIGN: (sign(), 0.0, (20.0, 4.0, 0.0))}
    kinds = {PARKED: Class.CAR, SIGN: Class.TRAFFIC_SIGN}
    things = [standing(_own(mesh, kinds[i]), kinds[i], i, yaw, np.array(at)) for i, (mesh, yaw, at) in places.items()]
    static = [ground(), *(placed(mesh, yaw, at, i) for i, (mesh, yaw, at) in places.items()), *further]
    movers = []
    for number, kind, mesh, way in ((MOVING, Class.CAR, car(), motion), (WALKER, Class.PEDESTRIAN, person(), walker)):
        if way is not None:
            things.append(Thing(number, kind, *bounds(mesh), np.eye(4), way))
            movers.append(Mover(placed(mesh, 0.0, (0.0, 0.0, 0.0), number), way))
    layout = SimpleNamespace(period=0.0)
    return Scene(joined(static), tuple(movers), layout, tuple(things))


def accelerated(scene: Scene) -> Accelerator:
    """Ready for rays."""
    return build_accelerator(scene.static, [mover.mesh for mover in scene.movers])


def exposed(
    scene: Scene, time_ns: int = 0, place: tuple[float, float, float] = (0.0, 0.0, CAMERA_HEIGHT), yaw: float = 0.0,
    model: CameraModel | None = None,
) -> Exposure:  # fmt: skip
    """A camera of 160 x 120 px that looks along x, turned by `yaw`; the world as it is at `time_ns`."""
    model = model or CameraModel(160, 120, np.array([[100.0, 0.0, 79.5], [0.0, 100.0, 59.5], [0.0, 0.0, 1.0]]))
    T = transform(exp_so3(np.array([0.0, 0.0, yaw])) @ OPTICAL, np.array(place))
    T_world_mover = np.array([m.motion.poses(np.array([time_ns]))[0] for m in scene.movers]).reshape(-1, 4, 4)
    camera = Camera("camera", model, inverse(np.eye(4)), 0)
    return Exposure(camera, 0, time_ns, np.tile(T, (3, 1, 1)), np.tile(T_world_mover, (3, 1, 1, 1)), 0.0)


def chosen(mesh: Mesh, mask: np.ndarray) -> Mesh:
    """Some of the triangles."""
    return Mesh(*(getattr(mesh, field.name)[mask] for field in fields(Mesh)))


def _own(mesh: Mesh, kind: Class) -> Mesh:
    """The triangles of one class."""
    return chosen(mesh, mesh.class_ids == kind)
