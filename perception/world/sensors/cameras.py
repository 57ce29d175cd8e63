"""The cameras of the generated robot: where they sit, what they are, and when each exposes."""

from dataclasses import dataclass, replace

import numpy as np

from perception.core.cameras import CameraModel, Distortion
from perception.core.geometry import exp_so3, transform
from perception.core.stamps import NS_PER_MS, NS_PER_S
from perception.io.camera_info import crop_camera
from perception.world.config import CameraConfig, WorldConfig
from perception.world.motion import Vehicle
from perception.world.scene import Scene

SURROUND_SIZE = (704, 256)  # px: 1600x900 times 0.44, rows 140 to 395
FRONT_SIZE = (640, 480)  # px
FRONT_CROP = (96, 112, 448, 256)  # px: left, top, width, height of the part that small networks take
SURROUND_FOCAL = 1266.0 * 0.44  # px; 70 degrees, the rear camera has 110
REAR_FOCAL = 809.0 * 0.44  # px
SURROUND_CENTRE = (816.0 * 0.44, 491.0 * 0.44 - 140.0)  # px
FRONT_FOCAL = 460.0  # px; 70 degrees
SURROUND = (  # name, yaw (degrees), place on the base (m)
    ("cam_front", 0.0, (1.70, 0.0, 1.51)),
    ("cam_front_left", 55.0, (1.52, 0.49, 1.51)),
    ("cam_back_left", 110.0, (1.04, 0.48, 1.56)),
    ("cam_back", 180.0, (0.03, 0.0, 1.58)),
    ("cam_back_right", -110.0, (1.01, -0.48, 1.56)),
    ("cam_front_right", -55.0, (1.55, -0.49, 1.50)),
)
FRONT = ("camera", 0.0, (1.72, 0.0, 1.40))
OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])  # from optical axes to x ahead, z up
LENSES: dict[Distortion, tuple[float, ...]] = {
    "none": (),
    "plumb_bob": (-0.07, 0.006, 0.0004, -0.0003, 0.0),
    "rational_polynomial": (0.25, 0.02, 0.0004, -0.0003, 0.001, 0.40, 0.05, 0.004),
    "equidistant": (0.03, -0.01, 0.004, -0.001),
}
NUM_SHUTTER_POSES = 3  # start, middle and end of the exposure
EXPOSURE_STREAM = 5  # random stream of a seed


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """One camera on the robot."""

    name: str  # of its topics and folders; its optical frame is `name` + "_optical"
    model: CameraModel
    T_base_camera: np.ndarray  # (4, 4) float64, optical axes
    offset_ns: int  # of the middle of its exposures after the start of their periods: the LiDAR looks its way then

    @property
    def frame_id(self) -> str:
        """The optical frame."""
        return f"{self.name}_optical"


@dataclass(frozen=True, slots=True, eq=False)
class Exposure:
    """All that decides one image. Poses at the start, the middle and the end of the exposure."""

    camera: Camera
    number: int  # of the frame; seeds its noise
    time_ns: int  # of the middle, after the start of the recording
    T_world_camera: np.ndarray  # (3, 4, 4) float64
    T_world_mover: np.ndarray  # (3, M, 4, 4) float64, in the order of `Scene.movers`
    brightness: float  # stops, by which the automatic exposure is off


def make_cameras(config: CameraConfig) -> tuple[Camera, ...]:
    """The cameras of a configuration: the surround ones, then the front one."""
    count, period_ns = config.num_surround, NS_PER_S // config.rate
    mounts = [(*mount, SURROUND_SIZE) for mount in SURROUND[:count]]
    cameras = [_camera(*mount, config.distortion, period_ns) for mount in mounts]
    if config.has_front:
        front = _camera(*FRONT, FRONT_SIZE, config.distortion, period_ns)
        cameras.append(replace(front, model=crop_camera(front.model, FRONT_CROP)) if config.is_front_cropped else front)
    return tuple(cameras)


def expose(camera: Camera, number: int, time_ns: int, scene: Scene, vehicle: Vehicle, config: WorldConfig) -> Exposure:
    """Exposure `number` of a camera on a moving robot, its middle at `time_ns` after the start."""
    half_ns = round(0.5 * config.cameras.exposure_ms * NS_PER_MS)
    times_ns = time_ns + np.array([-half_ns, 0, half_ns], dtype=np.int64)
    T_world_camera = vehicle.poses(times_ns) @ camera.T_base_camera
    robot_x = float(T_world_camera[1, 0, 3])
    T_world_camera[:, :3, 3] = scene.wrapped(T_world_camera[:, :3, 3], robot_x)
    T_world_mover = np.empty((NUM_SHUTTER_POSES, len(scene.movers), 4, 4))
    for row, mover in enumerate(scene.movers):
        T = mover.motion.poses(times_ns)
        T[:, :3, 3] = scene.wrapped_mover(T[:, :3, 3], robot_x)
        T_world_mover[:, row] = T
    brightness = _brightness(time_ns, config.cameras.exposure_drift, config.seed)
    return Exposure(camera, number, time_ns, T_world_camera, T_world_mover, brightness)


def _camera(
    name: str,
    yaw_deg: float,
    place: tuple[float, float, float],
    size: tuple[int, int],
    lens: Distortion,
    period_ns: int,
) -> Camera:
    offset_ns = round(((180.0 - yaw_deg) % 360.0) / 360.0 * period_ns)  # a sweep turns clockwise from the back
    R = exp_so3(np.array([0.0, 0.0, np.radians(yaw_deg)])) @ OPTICAL
    width, height = size
    if size == FRONT_SIZE:
        focal, centre = FRONT_FOCAL, (0.5 * (width - 1), 0.5 * (height - 1))
    else:
        focal, centre = (REAR_FOCAL if yaw_deg == 180.0 else SURROUND_FOCAL), SURROUND_CENTRE
    K = np.array([[focal, 0.0, centre[0]], [0.0, focal, centre[1]], [0.0, 0.0, 1.0]])
    D = np.array(LENSES[lens], dtype=np.float64)
    return Camera(name, CameraModel(width, height, K, lens, D), transform(R, np.array(place)), offset_ns)


def _brightness(time_ns: int, drift: float, seed: int) -> float:
    """A slow random swing, the same for every camera."""
    rng = np.random.default_rng([seed, EXPOSURE_STREAM])
    frequencies, phases = rng.uniform(0.02, 0.4, size=4), rng.uniform(0.0, 2.0 * np.pi, size=4)  # Hz, rad
    waves = np.sin(2.0 * np.pi * frequencies * time_ns / NS_PER_S + phases)
    return float(drift * waves.sum() / np.sqrt(2.0))
