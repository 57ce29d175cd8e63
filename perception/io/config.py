"""How a recording or a live sensor is read. Everything is detected; these fields decide where detection cannot."""

from typing import Literal

from pydantic import Field

from perception.core.config import Config


class InputConfig(Config):
    """Topics, frames, times and extrinsics of the sensors."""

    lidar_topic: str = Field("", description="Topic of the point clouds; empty: the only PointCloud2 topic.")
    imu_topic: str = Field("", description="Topic of the IMU; empty: the only usable Imu topic.")
    imu: Literal["auto", "off", "required"] = Field(
        "auto", description="auto: use a usable IMU; off: ignore it; required: refuse a recording without one."
    )
    camera_topics: tuple[str, ...] = Field(
        (),
        description="Topics of images, raw or compressed; empty: nodes hear none, and a replay that needs images takes "
        "every camera of the recording.",
    )
    camera_transport: Literal["auto", "raw", "compressed"] = Field(
        "auto", description="Messages that nodes expect on image topics; auto: compressed where the name ends so."
    )
    max_image_pixels: int = Field(
        33_554_432, ge=1, le=1_073_741_824, description="Images with more pixels are refused before they are decoded."
    )
    gnss_topic: str = Field(
        "", description="Topic of satellite fixes (sensor_msgs/NavSatFix) for mapping; empty: none are heard or read."
    )
    wheel_topic: str = Field(
        "", description="Topic of wheel odometry for mapping, of which only the twist is used; empty: none is."
    )
    wheel_message: Literal["Odometry", "TwistStamped", "TwistWithCovarianceStamped"] = Field(
        "Odometry", description="Messages that nodes expect on `wheel_topic`; a recording tells."
    )
    base_frame: str = Field("base_link", description="Body frame whose pose is published; it must be on /tf_static.")
    time_field: str = Field(
        "",
        description="Field with the time of each point; empty: t, time, timestamp, ...; `none`: the scan is taken as "
        "instantaneous; `azimuth`: from the angle, for a clockwise turn that starts at the back (HDL-64E of KITTI).",
    )
    time_unit: Literal["auto", "s", "ms", "us", "ns"] = Field(
        "auto", description="Unit of the time field; auto: the unit that makes a sweep last 0.02 to 0.5 s."
    )
    stamp_at: Literal["start", "middle", "end"] = Field(
        "start", description="Instant of the sweep that the header stamp of a cloud names."
    )
    T_base_lidar: tuple[float, ...] = Field(
        (), description="LiDAR in base as x y z qx qy qz qw; empty: from /tf_static or the calibration."
    )
    T_base_imu: tuple[float, ...] = Field(
        (), description="IMU in base as x y z qx qy qz qw; empty: from /tf_static or the calibration."
    )
    T_base_gnss: tuple[float, ...] = Field(
        (), description="Antenna in base as x y z qx qy qz qw; empty: from /tf_static, by the frame of the fixes."
    )
    T_base_wheels: tuple[float, ...] = Field(
        (), description="Frame of the wheels' twists in base as x y z qx qy qz qw; empty: from /tf_static."
    )
