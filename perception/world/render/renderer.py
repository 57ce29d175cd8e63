"""Images of the generated world: what is seen, how it is lit, and what the camera makes of it, step by step."""

import zlib
from functools import lru_cache
from time import perf_counter

import numpy as np

from perception.core.cameras import CameraModel
from perception.core.geometry import inverse
from perception.world.config import SceneConfig, WorldConfig
from perception.world.geometry.raycast import Accelerator, build_accelerator
from perception.world.motion import Course
from perception.world.render import post
from perception.world.render.ambient import Ambient
from perception.world.render.bake import bake_lamps, bake_sky, lamps_at, sky_at
from perception.world.render.fragments import View, room_for
from perception.world.render.frame import Frame
from perception.world.render.glare import DROP_FRAMES, add_bloom, add_drops, add_rain
from perception.world.render.lamps import find_lamps, headlights, lamps_of
from perception.world.render.light import exposure_at, light_of
from perception.world.render.occlusion import obscurance
from perception.world.render.reflections import add_reflections
from perception.world.render.shading import Stage, shade_pixels
from perception.world.render.shadows import moving_shadows, sun_shadows
from perception.world.render.sky import paint_sky
from perception.world.render.surfaces import Surfaces, pack_surfaces
from perception.world.render.texels import texels_of
from perception.world.render.visibility import SAMPLES, Visibility, rasterise
from perception.world.render.weather import draw_weather
from perception.world.scene import Scene, build_scene
from perception.world.sensors.cameras import Camera, Exposure

SENSOR_STREAM, RAIN_STREAM = 8, 9  # random streams of a seed
SHELTERED = 0.3  # share of the sky below which no rain falls
AROUND = 70.0  # m around the robot's way, where shadows are drawn
WAY_POINTS = 400
MIDDLE = 1  # pose of an exposure that ground truth refers to


class Renderer:
    """Renders the exposures of one recording, each on its own and from any thread."""

    def __init__(self, scene: Scene, world: Accelerator, config: WorldConfig) -> None:
        self.scene, self.world, self.config = scene, world, config
        self.weather = draw_weather(config)
        self.surfaces = pack_surfaces(world)
        self.sky = paint_sky(self.weather, config.seed)
        self.texels = texels_of(world.mesh.texture_ids)
        self.low, self.high = _area(scene.layout.course, world)
        self.still = sun_shadows(world, self.weather.sun, self.low, self.high)
        self.ambient = self._ambient()

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
        seen = _Seen(visible, view, self.surfaces)
        clock.lap("ground truth")
        stage = self._stage(exposure)
        clock.lap("shadows")
        occlusion = obscurance(seen.depth, seen.normals, view.rays, float(camera.K[0, 0]))
        clock.lap("occlusion")
        image, water = np.empty((*occlusion.shape, 3), dtype=np.float32), np.empty((*occlusion.shape, 2), np.float32)
        room = room_for(camera.width)
        shade_pixels(stage, view, visible.rows, visible.depth, SAMPLES, occlusion, room, image, water)
        clock.lap("shading")
        image = self._mirrored(image, water, seen, view, stage, camera)
        clock.lap("reflections")
        image *= np.float32(post.metered(image / np.float32(2.0**exposure.brightness), self.weather.darkness))
        image = self._blurred(image, seen, view, exposure)
        clock.lap("motion blur")
        image = self._through_lens(image, stage, exposure)
        clock.lap("lens")
        color = self._developed(image, exposure)
        clock.lap("sensor")
        return Frame(color, seen.depth, seen.rows, seen.normals), clock.laps

    def warm_up(self) -> None:
        """Compile the kernels that images of this recording need, so that the first one need not wait."""
        model = CameraModel(16, 8, np.array([[8.0, 0.0, 8.0], [0.0, 8.0, 4.0], [0.0, 0.0, 1.0]]))
        num_movers = len(self.world.first_rows) - 2
        at_home, movers = np.tile(np.eye(4), (3, 1, 1)), np.tile(np.eye(4), (3, num_movers, 1, 1))
        self.render(Exposure(Camera("warm_up", model, np.eye(4), 0), 0, 0, at_home, movers, 0.0))

    def _ambient(self) -> Ambient:
        """The sky on every place, then the lamps that hang where it is dark."""
        sky = bake_sky(self.world, self.low, self.high)
        lamps = lamps_of(find_lamps(self.world.mesh), sky, self.weather.darkness)
        return bake_lamps(self.world, sky, lamps)

    def _stage(self, exposure: Exposure) -> Stage:
        T_world_camera, T_world_mover = exposure.T_world_camera[MIDDLE], exposure.T_world_mover[MIDDLE]
        eye = T_world_camera[:3, 3]
        gain = exposure_at(self.weather, sky_at(self.ambient, eye), lamps_at(self.ambient, eye))
        light = light_of(self.weather, gain * 2.0**exposure.brightness, sky_at(self.ambient, eye))
        moving = moving_shadows(self.world, self.weather.sun, eye, T_world_mover)
        spots = np.zeros((0, 8), dtype=np.float32)
        if self.weather.darkness > 0.5:
            T_world_robot = T_world_camera @ inverse(exposure.camera.T_base_camera)
            spots = headlights(self.world, T_world_mover, T_world_robot, self.weather.darkness)
        return Stage(self.surfaces, self.texels, self.sky, light, self.ambient, self.still, moving, spots)

    def _mirrored(
        self, image: np.ndarray, water: np.ndarray, seen: "_Seen", view: View, stage: Stage, camera: CameraModel
    ) -> np.ndarray:
        if self.weather.wetness == 0.0:
            return image
        out, K = np.empty_like(image), camera.K[[0, 1, 0, 1], [0, 1, 2, 2]]
        R = np.ascontiguousarray(view.T_world_camera[:, :3])
        sky, light = self.sky.mirrored, stage.light
        add_reflections(image, water, seen.depth, seen.normals, view.rays, K, R, sky, light, out)
        return out

    def _blurred(self, image: np.ndarray, seen: "_Seen", view: View, exposure: Exposure) -> np.ndarray:
        if self.config.cameras.exposure_ms == 0.0:
            return image
        motions, out = np.empty((*seen.depth.shape, 2), dtype=np.float32), np.empty_like(image)
        steps, bodies = _shutter_steps(exposure), self.surfaces.looks[:, 5]
        post.motion(view.rays, seen.depth, seen.rows, bodies, steps, self.weather.shutter, motions)
        post.blur(image, motions, seen.depth, out)
        return out

    def _through_lens(self, image: np.ndarray, stage: Stage, exposure: Exposure) -> np.ndarray:
        image = add_bloom(image)
        if self.weather.kind != "rain" or stage.light.haze == 0.0 or self._is_sheltered(exposure):
            return image
        name, focal = zlib.crc32(exposure.camera.name.encode()), float(exposure.camera.model.K[0, 0])
        rng = np.random.default_rng([self.config.seed, RAIN_STREAM, name, exposure.number])
        image = add_rain(image, np.array(stage.light.haze_color) * stage.light.exposure, focal, rng)
        wiped = exposure.number // DROP_FRAMES
        return add_drops(image, np.random.default_rng([self.config.seed, RAIN_STREAM, name, wiped, 1]))

    def _is_sheltered(self, exposure: Exposure) -> bool:
        return sky_at(self.ambient, exposure.T_world_camera[MIDDLE, :3, 3]) < SHELTERED

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


def _area(course: Course, world: Accelerator) -> tuple[np.ndarray, np.ndarray]:
    """Low and high corner (3,) of the still world around the robot's way: light is known there."""
    triangles = world.mesh.triangles[: world.first_rows[1]]
    low, high = triangles.min(axis=(0, 1)).astype(np.float64), triangles.max(axis=(0, 1)).astype(np.float64)
    way = course.derivative(np.linspace(0.0, course.length, WAY_POINTS), 0)[:, :2]
    low[:2], high[:2] = np.maximum(low[:2], way.min(axis=0) - AROUND), np.minimum(high[:2], way.max(axis=0) + AROUND)
    return low, high


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
        np.ascontiguousarray(T_world_camera[:3], dtype=np.float32),
        np.ascontiguousarray(T_body_camera[:, :3], dtype=np.float32),
        R_world_body.astype(np.float32),
    )


def _shutter_steps(exposure: Exposure) -> np.ndarray:
    """From the camera in the middle of the exposure to the camera at its start and end (2, B, 3, 4), by body."""
    out = np.empty((2, 1 + exposure.T_world_mover.shape[1], 3, 4))
    for k, pose in enumerate((0, 2)):
        T_camera_world = inverse(exposure.T_world_camera[pose])
        out[k, 0] = (T_camera_world @ exposure.T_world_camera[MIDDLE])[:3]
        for m, (T_then, T_middle) in enumerate(zip(exposure.T_world_mover[pose], exposure.T_world_mover[MIDDLE])):
            out[k, m + 1] = (T_camera_world @ T_then @ inverse(T_middle) @ exposure.T_world_camera[MIDDLE])[:3]
    return out.astype(np.float32)


class _Seen:
    """What the middles of the pixels see: `depth`, `rows` and `normals` of a `Frame`."""

    def __init__(self, visible: Visibility, view: View, surfaces: Surfaces) -> None:
        self.rows, self.depth = np.ascontiguousarray(visible.rows[..., 0]), np.ascontiguousarray(visible.depth[..., 0])
        self.normals = np.empty((*self.rows.shape, 3), dtype=np.float32)
        R_camera_body = np.ascontiguousarray(view.T_body_camera[:, :, :3].transpose(0, 2, 1))
        post.plane_normals(self.rows, view.rays, surfaces.planes, surfaces.looks, R_camera_body, self.normals)


def warm_up() -> None:
    """Compile the kernels of all images: a smooth corridor in the rain needs every one of them."""
    config = WorldConfig(route="endless_corridor", weather="rain", scene=SceneConfig(leaves_per_tree=0))
    scene = build_scene(config)
    Renderer(scene, build_accelerator(scene.static), config).warm_up()
