"""Images of the generated world: what is seen, how it is lit, and what the camera makes of it, step by step."""

import zlib
from functools import lru_cache
from time import perf_counter

import numpy as np

from perception.core.cameras import CameraModel
from perception.core.geometry import inverse
from perception.world.config import WorldConfig
from perception.world.geometry.raycast import Accelerator
from perception.world.render import post
from perception.world.render.ambient import open_air
from perception.world.render.frame import Frame
from perception.world.render.light import light_of
from perception.world.render.shading import Stage, View, shade_pixels
from perception.world.render.shadows import no_shadows
from perception.world.render.sky import paint_sky
from perception.world.render.surfaces import pack_surfaces
from perception.world.render.texels import texels_of
from perception.world.render.visibility import SAMPLES, Visibility, rasterise
from perception.world.render.weather import draw_weather
from perception.world.scene import Scene
from perception.world.sensors.cameras import Exposure

SENSOR_STREAM = 8  # random stream of a seed
MIDDLE = 1  # pose of an exposure that ground truth refers to


class Renderer:
    """Renders the exposures of one recording, each on its own and from any thread."""

    def __init__(self, scene: Scene, world: Accelerator, config: WorldConfig) -> None:
        self.scene, self.world, self.config = scene, world, config
        self.weather = draw_weather(config)
        self.surfaces = pack_surfaces(world)
        self.sky = paint_sky(self.weather, config.seed)
        self.texels = texels_of(world.mesh.texture_ids)
        self.ambient = open_air()
        self.still = no_shadows()

    def render(self, exposure: Exposure) -> Frame:
        """The image of one exposure, and what its pixels show."""
        return self.render_timed(exposure)[0]

    def render_timed(self, exposure: Exposure) -> tuple[Frame, dict[str, float]]:
        """As `render`, with the seconds that each stage took."""
        clock = _Clock()
        camera = exposure.camera.model
        visible = rasterise(self.world, camera, exposure.T_world_camera[MIDDLE], exposure.T_world_mover[MIDDLE])
        clock.lap("visibility")
        view = _view(exposure)
        stage = self._stage(exposure)
        clock.lap("shadows")
        occlusion = np.ones(visible.rows.shape[:2], dtype=np.float32)
        clock.lap("occlusion")
        image = np.empty((*occlusion.shape, 3), dtype=np.float32)
        shade_pixels(stage, view, visible.rows, visible.depth, SAMPLES, occlusion, exposure.number & 0xFFFF, image)
        clock.lap("shading")
        image = self._blurred(image, visible, view, exposure)
        clock.lap("motion blur")
        color = self._developed(image, exposure)
        clock.lap("sensor")
        frame = _frame(color, visible, view, self.surfaces)
        clock.lap("ground truth")
        return frame, clock.laps

    def _stage(self, exposure: Exposure) -> Stage:
        light = light_of(self.weather, 2.0**exposure.brightness)
        spots = np.zeros((0, 8), dtype=np.float32)
        return Stage(self.surfaces, self.texels, self.sky, light, self.ambient, self.still, no_shadows(), spots)

    def _blurred(self, image: np.ndarray, visible: Visibility, view: View, exposure: Exposure) -> np.ndarray:
        if self.config.cameras.exposure_ms == 0.0:
            return image
        depth, rows = np.ascontiguousarray(visible.depth[..., 0]), np.ascontiguousarray(visible.rows[..., 0])
        motions, out = np.empty((*depth.shape, 2), dtype=np.float32), np.empty_like(image)
        steps = _shutter_steps(exposure)
        post.motion(view.rays, depth, rows, self.surfaces.looks[:, 5], steps, self.weather.shutter, motions)
        post.blur(image, motions, depth, out)
        return out

    def _developed(self, image: np.ndarray, exposure: Exposure) -> np.ndarray:
        out = np.empty(image.shape, dtype=np.uint8)
        name = zlib.crc32(exposure.camera.name.encode())
        key = np.random.SeedSequence([self.config.seed, SENSOR_STREAM, name, exposure.number]).generate_state(
            1, np.uint64
        )
        scale = self.config.cameras.noise
        shot, read = (
            scale**2 * self.weather.gain * post.SHOT_NOISE**2,
            scale * self.weather.gain**0.75 * post.READ_NOISE,
        )
        post.develop(image, key[0], shot, read, post.CURVE, out)
        return out


class _Clock:
    """Seconds of each stage."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = perf_counter()

    def lap(self, name: str) -> None:
        now = perf_counter()
        self.laps[name] = now - self._last
        self._last = now


@lru_cache(maxsize=16)
def _ray_table(camera: CameraModel) -> np.ndarray:
    """x and y at depth 1 (H + 1, W + 1, 2) float32 of what the middle of each pixel sees, one row and column more."""
    v, u = np.mgrid[: camera.height + 1, : camera.width + 1]
    return np.ascontiguousarray(camera.rays(np.stack([u, v], axis=-1))[..., :2], dtype=np.float32)


def _view(exposure: Exposure) -> View:
    T_world_camera, T_world_mover = exposure.T_world_camera[MIDDLE], exposure.T_world_mover[MIDDLE]
    T_body_camera = np.array([T_world_camera, *(inverse(T) @ T_world_camera for T in T_world_mover)])
    R_world_body = np.array([np.eye(3), *(T[:3, :3] for T in T_world_mover)])
    return View(
        _ray_table(exposure.camera.model),
        np.ascontiguousarray(T_world_camera[:3]),
        np.ascontiguousarray(T_body_camera[:, :3]),
        R_world_body,
    )


def _shutter_steps(exposure: Exposure) -> np.ndarray:
    """From the camera in the middle of the exposure to the camera at its start and end (2, B, 3, 4), by body."""
    out = np.empty((2, 1 + exposure.T_world_mover.shape[1], 3, 4))
    for k, pose in enumerate((0, 2)):
        T_camera_world = inverse(exposure.T_world_camera[pose])
        out[k, 0] = (T_camera_world @ exposure.T_world_camera[MIDDLE])[:3]
        for m, (T_then, T_middle) in enumerate(zip(exposure.T_world_mover[pose], exposure.T_world_mover[MIDDLE])):
            out[k, m + 1] = (T_camera_world @ T_then @ inverse(T_middle) @ exposure.T_world_camera[MIDDLE])[:3]
    return out


def _frame(color: np.ndarray, visible: Visibility, view: View, surfaces) -> Frame:
    rows, depth = np.ascontiguousarray(visible.rows[..., 0]), np.ascontiguousarray(visible.depth[..., 0])
    normals = np.empty((*rows.shape, 3), dtype=np.float32)
    R_camera_body = np.ascontiguousarray(view.T_body_camera[:, :, :3].transpose(0, 2, 1))
    post.plane_normals(rows, view.rays, surfaces.planes, surfaces.looks, R_camera_body, normals)
    return Frame(color, depth, rows, normals)
