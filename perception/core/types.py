"""The data that flows between parts: small frozen records of arrays, checked once, where they are made.

Time is integer nanoseconds since the epoch, lengths are metres, angles radians. `T_target_source` maps points
from source to target: `p_odom = T_odom_base @ p_base`.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.health import OK, Health

if TYPE_CHECKING:
    from perception.core.cameras import CameraModel
    from perception.core.frames import TransformBuffer


def check(name: str, array: np.ndarray, shape: tuple[int | None, ...], dtype: type) -> None:
    """Refuse `array` unless it has `dtype` and `shape` (None: any length). Raises `InvalidInput`."""
    fits = (
        isinstance(array, np.ndarray)
        and array.dtype == dtype
        and array.ndim == len(shape)
        and all(want is None or want == have for want, have in zip(shape, array.shape, strict=True))
    )
    if fits:
        return
    want = "(" + ", ".join("N" if n is None else str(n) for n in shape) + f") {np.dtype(dtype).name}"
    have = f"{array.shape} {array.dtype.name}" if isinstance(array, np.ndarray) else type(array).__name__
    raise InvalidInput(f"{name}: expected {want}, got {have}")


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """One LiDAR sweep, not motion compensated. Points are finite, in the frame `frame_id`."""

    stamp_ns: int  # start of the sweep, since epoch
    frame_id: str
    points: np.ndarray  # (N, 3) float32, m
    offsets_ns: np.ndarray  # (N,) int64, time of each point after stamp_ns; any order
    duration_ns: int = 0  # nominal length of the sweep; 0: unknown, the largest offset counts

    def __post_init__(self) -> None:
        check("points", self.points, (None, 3), np.float32)
        check("offsets_ns", self.offsets_ns, (len(self.points),), np.int64)

    @property
    def end_ns(self) -> int:
        """Time of the end of the sweep: start plus the larger of nominal duration and last offset."""
        last = int(self.offsets_ns.max()) if len(self.offsets_ns) else 0
        return self.stamp_ns + max(last, self.duration_ns)


@dataclass(frozen=True, slots=True, eq=False)
class ImuBatch:
    """Consecutive IMU samples in the IMU frame, oldest first."""

    stamps_ns: np.ndarray  # (M,) int64, since epoch
    gyro: np.ndarray  # (M, 3) float64, rad/s
    accel: np.ndarray  # (M, 3) float64, specific force, m/s^2 (or g where the sensor says so)

    def __post_init__(self) -> None:
        check("stamps_ns", self.stamps_ns, (None,), np.int64)
        check("gyro", self.gyro, (len(self.stamps_ns), 3), np.float64)
        check("accel", self.accel, (len(self.stamps_ns), 3), np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class ImageFrame:
    """One camera image at `stamp_ns`, the middle of its exposure, in the optical frame `frame_id`."""

    stamp_ns: int
    frame_id: str
    pixels: np.ndarray  # (H, W, 3) uint8 RGB, (H, W) uint8 grey, or (H, W) float32 depth in m (NaN: none)
    camera: "CameraModel | None" = None  # None: not calibrated

    def __post_init__(self) -> None:
        color = self.pixels.ndim == 3
        check("pixels", self.pixels, (None, None, 3) if color else (None, None), self._dtype)
        size = self.pixels.shape[1::-1]
        if self.camera is not None and size != (self.camera.width, self.camera.height):
            raise InvalidInput(
                f"pixels: {size[0]}x{size[1]}, but the camera is {self.camera.width}x{self.camera.height}; "
                f"give the calibration of this resolution"
            )

    @property
    def is_depth(self) -> bool:
        """True where the pixels are depths."""
        return self.pixels.dtype == np.float32

    @property
    def _dtype(self) -> type:
        return np.float32 if self.is_depth and self.pixels.ndim == 2 else np.uint8


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Objects found in one image, best first. Boxes are in px of that image; pixel i covers [i, i + 1)."""

    stamp_ns: int  # of the image
    frame_id: str  # of the image
    size_px: tuple[int, int]  # width, height of the image
    boxes: np.ndarray  # (N, 4) float32, x_low, y_low, x_high, y_high
    scores: np.ndarray  # (N,) float32, 0 to 1
    class_ids: np.ndarray  # (N,) int64, rows of `class_names`
    class_names: tuple[str, ...]
    track_ids: np.ndarray  # (N,) int64, the same object has the same number in later images; 0: not followed

    def __post_init__(self) -> None:
        n = len(self.boxes)
        check("boxes", self.boxes, (None, 4), np.float32)
        check("scores", self.scores, (n,), np.float32)
        check("class_ids", self.class_ids, (n,), np.int64)
        check("track_ids", self.track_ids, (n,), np.int64)

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True, slots=True, eq=False)
class LineSegments:
    """Straight line segments found in one image, best first; undirected, in px with pixel centres at integers."""

    stamp_ns: int  # of the image
    frame_id: str  # of the image
    size_px: tuple[int, int]  # width, height of the image
    segments: np.ndarray  # (N, 4) float32: x, y of one end, x, y of the other
    scores: np.ndarray  # (N,) float32; their range is the detector's

    def __post_init__(self) -> None:
        check("segments", self.segments, (None, 4), np.float32)
        check("scores", self.scores, (len(self.segments),), np.float32)

    def __len__(self) -> int:
        return len(self.segments)


@dataclass(frozen=True, slots=True, eq=False)
class SensorRig:
    """Where the sensors sit on the robot. `T_base_imu` is None when there is no IMU."""

    base_frame: str
    lidar_frame: str
    T_base_lidar: np.ndarray  # (4, 4) float64
    imu_frame: str | None = None
    T_base_imu: np.ndarray | None = None  # (4, 4) float64
    places: "TransformBuffer | None" = None  # of all frames, cameras among them; None: not known

    def __post_init__(self) -> None:
        check("T_base_lidar", self.T_base_lidar, (4, 4), np.float64)
        if self.T_base_imu is not None:
            check("T_base_imu", self.T_base_imu, (4, 4), np.float64)

    @property
    def has_imu(self) -> bool:
        """True when an IMU is mounted and its place is known."""
        return self.T_base_imu is not None


@dataclass(frozen=True, slots=True, eq=False)
class Odometry:
    """Motion of the base in the drift-continuous frame `odom` (REP-105) at `stamp_ns`, the end of a scan."""

    stamp_ns: int
    T_odom_base: np.ndarray  # (4, 4) float64
    covariance: np.ndarray  # (6, 6) float64, position (m), rotation vector (rad), both in axes of odom (nav_msgs)
    velocity: np.ndarray  # (3,) float64, of the base, in base axes, m/s
    angular_velocity: np.ndarray  # (3,) float64, of the base, in base axes, rad/s
    health: Health = OK

    def __post_init__(self) -> None:
        check("T_odom_base", self.T_odom_base, (4, 4), np.float64)
        check("covariance", self.covariance, (6, 6), np.float64)
        check("velocity", self.velocity, (3,), np.float64)
        check("angular_velocity", self.angular_velocity, (3,), np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class ImuState:
    """What is needed to carry a pose on with further IMU samples: the inertial part of the filter state."""

    stamp_ns: int
    T_odom_imu: np.ndarray  # (4, 4) float64
    velocity: np.ndarray  # (3,) float64, of the IMU, in odom axes, m/s
    gyro_bias: np.ndarray  # (3,) float64, rad/s
    accel_bias: np.ndarray  # (3,) float64, m/s^2
    gravity: np.ndarray  # (3,) float64, in odom axes, m/s^2
    accel_scale: float = 1.0  # factor that turns a measured specific force into m/s^2
    covariance: np.ndarray | None = None  # (23, 23) float64, of the error in the order of `slam/state.py`


@dataclass(frozen=True, slots=True, eq=False)
class RegistrationReport:
    """How one scan was matched: the numbers behind the health of an odometry."""

    num_points: int  # points that were registered
    num_matches: int  # of these, with an accepted correspondence
    num_iterations: int
    rms_residual: float  # m, point to plane, accepted matches
    weak_directions: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))  # (K, 3) unit vectors, odom axes
    is_degenerate: bool = False  # translation is not determined along the weak directions


@dataclass(frozen=True, slots=True, eq=False)
class OdometryUpdate:
    """Everything the odometry says about one scan."""

    odometry: Odometry
    points: np.ndarray  # (N, 3) float32, motion compensated, LiDAR frame at the end of the scan
    report: RegistrationReport
    imu_state: ImuState | None = None  # None without an IMU
