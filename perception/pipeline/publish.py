"""What the nodes say to the ROS graph, and how long they wait for it."""

from pydantic import Field

from perception.core.config import Config
from perception.core.stamps import NS_PER_S


class PublishConfig(Config):
    """Frames, paths and clouds that leave the pipeline."""

    odom_frame: str = Field("odom", min_length=1, description="Name of the drift-continuous frame (REP-105).")
    map_frame: str = Field("map", min_length=1, description="Name of the frame of the map (REP-105).")
    tf: bool = Field(True, description="Publish odom -> base, and with mapping map -> odom, on /tf.")
    map_hold: float = Field(
        2.0,
        ge=0.0,
        le=60.0,
        description="So long (s) the last map -> odom is sent on while mapping is busy.",
    )
    max_grid_cells: int = Field(
        4_000_000, ge=1000, le=100_000_000, description="A larger occupancy grid is published in larger cells."
    )
    answer_wait: float = Field(
        60.0, gt=0.0, le=3600.0, description="Time (s) after which a service answers that mapping has not."
    )
    path_step: float = Field(0.2, ge=0.0, le=100.0, description="Motion (m) after which a pose joins the path.")
    path_poses: int = Field(
        5000, ge=2, le=100000, description="Most poses in the path; when full, every second one goes."
    )
    path_rate: float = Field(1.0, gt=0.0, le=100.0, description="Most paths per second.")
    imu_wait: float = Field(
        1.0, ge=0.0, le=60.0, description="Time (s) after the first scan to wait for an IMU when input.imu is auto."
    )

    @property
    def map_hold_ns(self) -> int:
        """`map_hold` in nanoseconds."""
        return round(self.map_hold * NS_PER_S)
