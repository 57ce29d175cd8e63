"""What the nodes say to the ROS graph, and how long they wait for it."""

from pydantic import Field

from perception.core.config import Config


class PublishConfig(Config):
    """Frames, paths and clouds that leave the pipeline."""

    odom_frame: str = Field("odom", min_length=1, description="Name of the drift-continuous frame (REP-105).")
    tf: bool = Field(True, description="Publish odom -> base on /tf.")
    path_step: float = Field(0.2, ge=0.0, le=100.0, description="Motion (m) after which a pose joins the path.")
    path_poses: int = Field(
        5000, ge=2, le=100000, description="Most poses in the path; when full, every second one goes."
    )
    path_rate: float = Field(1.0, gt=0.0, le=100.0, description="Most paths per second.")
    imu_wait: float = Field(
        1.0, ge=0.0, le=60.0, description="Time (s) after the first scan to wait for an IMU when input.imu is auto."
    )
