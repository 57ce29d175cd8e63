"""Configuration of the LiDAR side."""

from typing import Literal

from pydantic import Field, model_validator

from perception.core.config import Config
from perception.core.stamps import NS_PER_S


class TimeConfig(Config):
    """What counts as a late message, a gap and a moved clock."""

    max_gap: float = Field(1.0, gt=0.0, le=60.0, description="A longer silence (s) of a stream is a gap.")
    max_late: float = Field(
        0.5, ge=0.0, le=10.0, description="A message older than the last by up to this (s) is late."
    )
    on_gap: Literal["reset", "extrapolate", "abort"] = Field("reset", description="What to do after a gap.")

    @property
    def max_gap_ns(self) -> int:
        """`max_gap` in nanoseconds."""
        return round(self.max_gap * NS_PER_S)

    @property
    def max_late_ns(self) -> int:
        """`max_late` in nanoseconds."""
        return round(self.max_late * NS_PER_S)


class PreprocessConfig(Config):
    """What happens to a scan before registration."""

    min_range: float = Field(1.0, ge=0.0, le=50.0, description="Nearer points (m) are dropped.")
    max_range: float = Field(100.0, ge=1.0, le=500.0, description="Farther points (m) are dropped.")
    map_voxel_size: float = Field(
        0.25, ge=0.02, le=5.0, description="One point per voxel of this edge (m) enters the map."
    )
    registration_voxel_size: float = Field(
        0.75, ge=0.02, le=10.0, description="One point per voxel of this edge (m) is registered."
    )
    all_points: bool = Field(
        False, description="Hand out every point in range de-skewed, not only those that enter the map; takes longer."
    )


class MapConfig(Config):
    """The local map that scans are registered with."""

    mode: Literal["voxel_plane", "knn5"] = Field(
        "voxel_plane",
        description="A plane per voxel (default), or a plane through five neighbours (reference, slower).",
    )
    voxel_size: float = Field(0.75, ge=0.1, le=10.0, description="Edge (m) of a plane voxel.")
    points_per_voxel: int = Field(100, ge=5, le=10000, description="A plane voxel with this many points is final.")
    min_plane_points: int = Field(5, ge=3, le=100, description="Points that a plane needs.")
    max_plane_deviation: float = Field(
        0.06, gt=0.0, le=1.0, description="Largest standard deviation (m) of points from their plane."
    )
    min_plane_ratio: float = Field(
        15.0, ge=1.0, le=1000.0, description="Least ratio of the middle to the smallest variance of a plane."
    )
    knn_voxel_size: float = Field(0.5, ge=0.1, le=10.0, description="knn5: edge (m) of a voxel.")
    knn_points_per_voxel: int = Field(8, ge=1, le=64, description="knn5: points that a voxel holds.")
    knn_spacing: float = Field(0.1, ge=0.0, le=1.0, description="knn5: least distance (m) of the points in a voxel.")
    knn_max_squared_distance: float = Field(
        5.0, gt=0.0, le=100.0, description="knn5: largest squared distance (m^2) of the fifth neighbour."
    )
    knn_max_offset: float = Field(
        0.1, gt=0.0, le=1.0, description="knn5: largest distance (m) of a neighbour from the plane."
    )
    keep_range: float = Field(120.0, ge=5.0, le=2000.0, description="Voxels farther (m) from the LiDAR are evicted.")
    evictions_per_scan: int = Field(4096, ge=1, description="Voxels looked at for eviction per scan.")
    max_voxels: int = Field(1 << 18, ge=1024, le=1 << 24, description="Most voxels that the map may hold.")
    reorigin_distance: float = Field(
        2000.0, ge=10.0, le=100000.0, description="The origin of the map follows when the robot is farther (m) from it."
    )


class RegistrationConfig(Config):
    """Matching of a scan with the local map."""

    robust_scale: float = Field(
        0.08, ge=0.0, le=10.0, description="Residual (m) of weight 1/4 (Geman-McClure); 0: all matches count alike."
    )
    robust_factor: float = Field(
        1.5, ge=0.0, le=10.0, description="The scale is at least the mean absolute residual times this."
    )
    weak_translation: float = Field(
        0.015, ge=0.0, le=1.0, description="Least information per match of a determined translation."
    )
    full_translation: float = Field(
        0.1, gt=0.0, le=1.0, description="Information per match below which a scan counts less and less along it."
    )
    weak_memory: float = Field(
        0.85, ge=0.0, lt=1.0, description="Weight of the scans before in the information of the translation."
    )
    weak_rotation: float = Field(
        5e-4, ge=0.0, le=1.0, description="Least information per match and squared range of a determined rotation."
    )
    num_threads: int = Field(1, ge=1, le=64, description="Threads of the matching; results do not depend on it.")


class ImuConfig(Config):
    """Which IMU is trusted, how it starts, and its noise."""

    min_rate: float = Field(50.0, ge=10.0, le=1000.0, description="A slower IMU (Hz) is refused.")
    min_gravity: float = Field(8.0, ge=5.0, le=9.8, description="A lower median specific force (m/s^2) is refused.")
    max_gravity: float = Field(11.5, ge=9.81, le=20.0, description="A higher median specific force (m/s^2) is refused.")
    max_step: float = Field(0.1, ge=0.01, le=0.1, description="A longer hole (s) between samples is not integrated.")
    max_wait: float = Field(1.0, ge=0.1, le=5.0, description="So long (s) scans wait for samples that do not come.")
    buffer_samples: int = Field(16384, ge=256, le=1 << 20, description="Samples kept while no scan asks for them.")
    max_angular_rate: float = Field(40.0, ge=5.0, le=200.0, description="A faster sample (rad/s) is dropped.")
    max_acceleration: float = Field(320.0, ge=30.0, le=2000.0, description="A harder sample (m/s^2) is dropped.")
    still_duration: float = Field(0.5, ge=0.1, le=10.0, description="So long (s) the start must be still.")
    still_gyro_std: float = Field(0.05, gt=0.0, le=1.0, description="Still: the rates scatter less (rad/s).")
    still_accel_std: float = Field(0.5, gt=0.0, le=5.0, description="Still: the forces scatter less (m/s^2).")
    still_gyro_mean: float = Field(0.15, gt=0.0, le=1.0, description="Still: the mean rate, a bias, is less (rad/s).")
    moving_duration: float = Field(1.0, ge=0.2, le=5.0, description="Mean force over (s) gives gravity when moving.")
    gyro_noise: float = Field(2e-4, gt=0.0, le=0.1, description="Datasheet: white noise of the gyro (rad/s/sqrt(Hz)).")
    accel_noise: float = Field(
        2e-3, gt=0.0, le=1.0, description="Datasheet: white noise of the force (m/s^2/sqrt(Hz))."
    )
    gyro_walk: float = Field(2e-5, gt=0.0, le=0.1, description="Datasheet: walk of the gyro bias (rad/s^2/sqrt(Hz)).")
    accel_walk: float = Field(2e-4, gt=0.0, le=1.0, description="Datasheet: walk of the force bias (m/s^3/sqrt(Hz)).")
    noise_factor: float = Field(10.0, ge=1.0, le=1000.0, description="Datasheet densities are taken times this.")


class FilterConfig(Config):
    """The iterated error-state Kalman filter."""

    max_iterations: int = Field(8, ge=1, le=50, description="Registration steps per scan.")
    converged: float = Field(1e-3, gt=0.0, le=0.1, description="A smaller step (m, rad) ends the iteration.")
    search_step: float = Field(
        0.1, gt=0.0, le=10.0, description="After a longer step (m) correspondences are sought anew."
    )
    point_variance: float = Field(1e-3, gt=0.0, le=1.0, description="Variance of a point-to-plane distance (m^2).")
    min_points: int = Field(20, ge=5, le=1000, description="A scan with fewer points in range is not registered.")
    min_matches: int = Field(20, ge=6, le=1000, description="Fewer matches leave the pose to the prediction.")
    estimate_extrinsics: bool = Field(False, description="Estimate the place of the LiDAR on the IMU too.")
    free_acceleration: float = Field(10.0, gt=0.0, le=100.0, description="Without IMU: unknown acceleration (m/s^2).")
    free_angular_acceleration: float = Field(
        10.0, gt=0.0, le=100.0, description="Without IMU: unknown angular acceleration (rad/s^2)."
    )


class BevTermConfig(Config):
    """When keypoints of bird's-eye images help the filter, and how much they are trusted."""

    min_inliers: int = Field(8, ge=4, le=1000, description="Fewer matches that agree are left out.")
    min_ratio: float = Field(0.2, ge=0.0, le=1.0, description="A smaller share of the matches that agree is left out.")
    max_tilt_deg: float = Field(10.0, ge=0.0, le=45.0, description="Left out when the LiDAR is tilted more (deg).")
    noise: float = Field(1.0, gt=0.0, le=20.0, description="Least standard deviation (px) of a keypoint.")
    huber: float = Field(2.0, gt=0.0, le=50.0, description="Residuals beyond it (px) count less.")
    gate: float = Field(9.21, gt=0.0, le=100.0, description="Squared distance beyond which a match is left out.")
    distinct: float = Field(
        1.5, ge=1.0, le=10.0, description="So many times the matches of any other motion must agree."
    )
    max_share: float = Field(
        30.0, gt=0.0, le=10_000.0, description="Matches count together as so many at most: they err together."
    )


class BevAidConfig(BevTermConfig):
    """When images are looked at, and which keypoints are taken for the same, besides what makes them useful."""

    is_enabled: bool = Field(
        False, description="Keypoints of bird's-eye images, by the place network, where geometry says too little."
    )
    keyframe_distance: float = Field(1.0, gt=0.0, le=20.0, description="A new keyframe after so many metres,")
    keyframe_deg: float = Field(10.0, gt=0.0, le=90.0, description="or after so many degrees.")
    attention: float = Field(
        2.5,
        ge=1.0,
        le=1e6,
        description="Images are looked at, and heard instead of the scan, below so many times the least information.",
    )
    scans: int = Field(12, ge=1, le=100, description="The last scans make an image together, so many at most,")
    stretch: float = Field(
        4.0, ge=0.0, le=50.0, description="taken within so many px: images that are compared share no scan."
    )
    min_change: float = Field(
        0.1, ge=0.0, le=1.0, description="So much the image around a keypoint changes along an open direction."
    )
    least_shift: float = Field(
        5.0, ge=0.0, le=50.0, description="Keyframes nearer (px) are not compared: what moves with the sensor agrees."
    )
    most_shift: float = Field(12.0, ge=0.0, le=200.0, description="Nor are those farther (px).")
    locked: float = Field(
        1.5, ge=0.0, le=10.0, description="Keypoints so near (px) to where they were belong to the sensor."
    )
    min_reach: float = Field(2.5, ge=0.5, le=50.0, description="Keypoints are sought so far (px) at least,")
    max_reach: float = Field(7.5, ge=0.5, le=50.0, description="and at most, from where the prediction has them.")
    steady: int = Field(
        5, ge=1, le=10, description="So many of the last ten images must have said something; single ones err."
    )
    agreeing: float = Field(1.25, ge=0.2, le=10.0, description="Shifts so near (px) agree.")

    @model_validator(mode="after")
    def _shares_no_scan(self) -> "BevAidConfig":
        if not self.stretch <= self.least_shift <= self.most_shift:
            raise ValueError(
                f"stretch {self.stretch} <= least_shift {self.least_shift} <= most_shift {self.most_shift}"
            )
        return self


class OdometryConfig(Config):
    """LiDAR-inertial odometry."""

    time: TimeConfig = Field(default_factory=TimeConfig, description="Time guards.")
    preprocess: PreprocessConfig = Field(default_factory=PreprocessConfig, description="Range limits and thinning.")
    imu: ImuConfig = Field(default_factory=ImuConfig, description="The inertial measurement unit.")
    filter: FilterConfig = Field(default_factory=FilterConfig, description="The filter.")
    registration: RegistrationConfig = Field(default_factory=RegistrationConfig, description="Matching with the map.")
    map: MapConfig = Field(default_factory=MapConfig, description="The local map.")
    max_waiting_scans: int = Field(64, ge=2, le=1000, description="Scans that may wait for IMU samples.")
    images: BevAidConfig = Field(default_factory=BevAidConfig, description="Bird's-eye images in the odometry.")
