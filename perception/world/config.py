"""What the generated world looks like, how its sensors err, how long the drive is: the only home of these defaults."""

from typing import Literal

from pydantic import Field

from perception.core.cameras import Distortion
from perception.core.config import Config
from perception.core.stamps import NS_PER_S
from perception.io.datasets.pictures import JPEG_QUALITY

Route = Literal["town", "straight", "turns", "corridor", "endless_corridor", "tunnel", "district", "office", "campus"]
Lidar = Literal["spinning", "livox"]
Weather = Literal["random", "day", "dusk", "night", "rain", "fog"]
MAX_SURROUND = 6


class SceneConfig(Config):
    """How densely the world is furnished, and what moves in it."""

    relief: float = Field(1.0, ge=0.0, le=2.0, description="Scale of the slopes; 1: a few metres over the course.")
    building_gap: float = Field(0.25, ge=0.0, le=1.0, description="Share of plots along a street without a building.")
    tree_spacing: float = Field(16.0, ge=4.0, le=200.0, description="Mean distance between street trees (m).")
    leaves_per_tree: int = Field(500, ge=0, le=5000, description="Leaf triangles in the crown of a large tree.")
    furniture_spacing: float = Field(9.0, ge=2.0, le=200.0, description="Mean distance between posts, signs, bins (m).")
    parked_share: float = Field(0.45, ge=0.0, le=1.0, description="Share of parking places that hold a car.")
    num_moving_cars: int = Field(6, ge=0, le=40, description="Cars that drive the route of the robot.")
    num_pedestrians: int = Field(16, ge=0, le=100, description="People that walk on the pavements.")
    num_animals: int = Field(4, ge=0, le=50, description="Dogs, cats and birds.")
    clutter: float = Field(1.0, ge=0.0, le=3.0, description="Scale of the number of cones, barriers, chairs, plants.")


class BeamConfig(Config):
    """Errors of the LiDAR beams, and the link budget that decides which of them return."""

    min_range: float = Field(0.8, ge=0.0, le=10.0, description="Nearer returns are lost (m).")
    max_range: float = Field(120.0, ge=1.0, le=300.0, description="Farther returns are lost (m).")
    range_at_10_percent: float = Field(
        110.0, ge=1.0, le=1000.0, description="Range (m) at which half of the beams return from a 10 % target."
    )
    range_noise: float = Field(0.015, ge=0.0, le=0.5, description="Standard deviation of a range at right angles (m).")
    grazing_noise: float = Field(0.004, ge=0.0, le=0.1, description="Further noise (m) per tangent of the incidence.")
    far_noise: float = Field(1.5e-4, ge=0.0, le=0.01, description="Further noise (m) per metre of range.")
    dropout: float = Field(0.01, ge=0.0, le=1.0, description="Share of beams lost whatever they hit.")
    num_rings: int = Field(64, ge=2, le=256, description="Beams above each other of the spinning pattern.")
    num_columns: int = Field(1024, ge=64, le=4096, description="Firings in a turn of the spinning pattern.")


class ImuConfig(Config):
    """Errors of the IMU: continuous-time densities as data sheets give them (defaults: class of an ADIS16448)."""

    rate: int = Field(200, ge=50, le=1000, description="Samples per second.")
    gyro_noise: float = Field(2.4e-4, ge=0.0, le=0.1, description="White noise of the rate (rad/s/sqrt(Hz)).")
    accel_noise: float = Field(2.0e-3, ge=0.0, le=0.5, description="White noise of the force (m/s^2/sqrt(Hz)).")
    gyro_walk: float = Field(2.0e-5, ge=0.0, le=0.01, description="Random walk of the rate bias (rad/s^2/sqrt(Hz)).")
    accel_walk: float = Field(3.0e-4, ge=0.0, le=0.1, description="Random walk of the force bias (m/s^3/sqrt(Hz)).")
    gyro_bias: float = Field(2.0e-3, ge=0.0, le=0.1, description="Standard deviation of the first rate bias (rad/s).")
    accel_bias: float = Field(0.03, ge=0.0, le=1.0, description="Standard deviation of the first force bias (m/s^2).")


class CameraConfig(Config):
    """The cameras on the robot, and how they err. None by default: a recording with images takes minutes to make."""

    num_surround: int = Field(
        0, ge=0, le=MAX_SURROUND, description="Cameras of 704x256 around the robot: front, front left, ... as nuScenes."
    )
    has_front: bool = Field(False, description="A further camera of 640x480 that looks ahead.")
    is_front_cropped: bool = Field(False, description="Keep the middle 448x256 px of the front camera only.")
    rate: int = Field(10, ge=1, le=20, description="Images per second of each camera.")
    distortion: Distortion = Field("none", description="Lens of the cameras; equidistant: fisheye.")
    exposure_ms: float = Field(6.0, ge=0.0, le=40.0, description="Exposure by day (ms); longer in the dark. 0: sharp.")
    exposure_drift: float = Field(0.15, ge=0.0, le=1.0, description="Slow changes of the brightness (stops).")
    noise: float = Field(1.0, ge=0.0, le=10.0, description="Scale of the sensor noise; 1: of a small modern sensor.")
    jpeg_quality: int = Field(JPEG_QUALITY, ge=50, le=100, description="Of stored images.")

    @property
    def num_cameras(self) -> int:
        """How many cameras there are."""
        return self.num_surround + self.has_front


class WorldConfig(Config):
    """One generated recording. Everything follows from these fields: same values, same bytes."""

    seed: int = Field(0, ge=0, le=2**31 - 1, description="Decides the world, the motion of its people, and the noise.")
    duration: float = Field(120.0, ge=0.5, le=7200.0, description="Length of the recording (s); the route repeats.")
    route: Route = Field("town", description="Which course through which world.")
    lidar: Lidar = Field("spinning", description="Spinning, 64 x 1024 by default, or a rosette of 70 deg (Livox-like).")
    speed: float = Field(0.0, ge=0.0, le=30.0, description="Cruising speed (m/s); 0: the one that suits the route.")
    rest: float = Field(2.0, ge=0.0, le=60.0, description="Standstill before the start (s).")
    weather: Weather = Field("day", description="Light and weather; random: the seed decides.")
    freedom: float = Field(
        0.0, ge=0.0, le=1.0, description="Share of objects of any shape and colour; 0 for evaluation seeds, always."
    )
    cameras: CameraConfig = Field(default_factory=CameraConfig, description="The cameras.")
    scene: SceneConfig = Field(default_factory=SceneConfig, description="The world.")
    beams: BeamConfig = Field(default_factory=BeamConfig, description="Errors of the LiDAR.")
    imu: ImuConfig = Field(default_factory=ImuConfig, description="The IMU.")

    @property
    def duration_ns(self) -> int:
        """`duration` in nanoseconds."""
        return round(self.duration * NS_PER_S)
