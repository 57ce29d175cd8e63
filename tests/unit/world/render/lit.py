"""A small world under the open sky, with its cameras, for tests of light."""

import numpy as np

from perception.core.classes import Class
from perception.core.geometry import exp_so3, transform
from perception.world.config import CameraConfig, WorldConfig
from perception.world.geometry.mesh import Look, Mesh, box, joined, quads, surface
from perception.world.geometry.raycast import Accelerator, build_accelerator
from perception.world.layout import make_layout
from perception.world.materials import Material, Texture
from perception.world.movers import Mover
from perception.world.render.renderer import Renderer
from perception.world.scene import Scene
from perception.world.sensors.cameras import OPTICAL, Camera, Exposure
from tests.unit.world.render.scenes import camera

PLAIN = Texture.PLAIN.layer(0)
HALF = 30.0  # m, of the ground


class Still:
    """A mover that stands where it is put."""

    def __init__(self, position: tuple[float, float, float]) -> None:
        self.T = transform(np.eye(3), np.array(position))

    def poses(self, times_ns: np.ndarray) -> np.ndarray:
        return np.repeat(self.T[None], len(times_ns), axis=0)


def ground(material: Material = Material.CONCRETE, tint: tuple[int, int, int] = (200, 200, 200)) -> Mesh:
    corners = [[[-HALF, -HALF, 0.0], [HALF, -HALF, 0.0], [HALF, HALF, 0.0], [-HALF, HALF, 0.0]]]
    return surface(quads(np.array(corners)), Class.OTHER_FLAT, material, 0, Look(PLAIN, tint))


def block(low: tuple[float, float, float], high: tuple[float, float, float], instance: int = 1) -> Mesh:
    return surface(box(low, high), Class.MANMADE, Material.PLASTER, instance, Look(PLAIN, (180, 60, 50)))


def config(**changes) -> WorldConfig:
    """Noise, blur and swings of the exposure are off unless asked for."""
    cameras = {"noise": 0.0, "exposure_ms": 0.0, **changes.pop("cameras", {})}
    return WorldConfig(route="straight", cameras=CameraConfig(**cameras), **changes)


def make(static: Mesh, movers: tuple[Mover, ...] = (), **changes) -> tuple[Renderer, Accelerator]:
    settings = config(**changes)
    scene = Scene(static, movers, make_layout(settings, np.random.default_rng(0)))
    world = build_accelerator(static, [mover.mesh for mover in movers])
    return Renderer(scene, world, settings), world


def street(**changes) -> tuple[Renderer, Accelerator]:
    """Ground with two blocks, and a mover."""
    static = joined([ground(), block((6.0, -1.0, 0.0), (8.0, 1.0, 3.0)), block((12.0, 2.0, 0.0), (15.0, 5.0, 6.0), 2)])
    mover = Mover(block((-1.0, -0.5, 0.0), (1.0, 0.5, 1.5), 3), Still((8.0, 4.0, 0.0)))
    return make(static, (mover,), **changes)


def exposure(renderer: Renderer, number: int = 0, at=(0.0, 0.0, 1.6), pitch: float = 0.0, **changes) -> Exposure:
    """A level view along x; `pitch` (rad) downwards."""
    model = camera(changes.get("width", 96), changes.get("height", 64), 60.0, changes.get("lens", "none"))
    T = transform(exp_so3(np.array([0.0, pitch, 0.0])) @ OPTICAL, np.array(at))
    movers = [mover.motion.poses(np.zeros(3, np.int64)) for mover in renderer.scene.movers]
    T_world_mover = np.stack(movers, axis=1) if movers else np.zeros((3, 0, 4, 4))
    T_world_camera = np.repeat(T[None], 3, axis=0)
    T_world_camera[:, 0, 3] += changes.get("slide", 0.0) * np.array([-0.5, 0.0, 0.5])
    view = Camera("camera", model, transform(OPTICAL, np.array(at)), 0)
    return Exposure(view, number, 0, T_world_camera, T_world_mover, changes.get("brightness", 0.0))
