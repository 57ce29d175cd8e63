"""The whole configuration: one group for each part."""

from pydantic import Field

from perception.core.config import Config
from perception.detection.config import DetectionConfig
from perception.io.config import InputConfig
from perception.lines.config import LinesConfig
from perception.lines.use_config import Lines3dConfig
from perception.mapping.config import MappingConfig
from perception.pipeline.camera import CameraConfig
from perception.pipeline.publish import PublishConfig
from slam.config import OdometryConfig


class PerceptionConfig(Config):
    """What `--config FILE`, `--set a.b=c`, presets and ROS parameters override."""

    input: InputConfig = Field(default_factory=InputConfig, description="How recordings and sensors are read.")
    camera: CameraConfig = Field(default_factory=CameraConfig, description="Images before anything looks at them.")
    detection: DetectionConfig = Field(default_factory=DetectionConfig, description="Objects in images.")
    lines: LinesConfig = Field(default_factory=LinesConfig, description="Line segments in images.")
    lines_3d: Lines3dConfig = Field(default_factory=Lines3dConfig, description="Line segments in space.")
    odometry: OdometryConfig = Field(default_factory=OdometryConfig, description="LiDAR-inertial odometry.")
    mapping: MappingConfig = Field(default_factory=MappingConfig, description="Maps, loops and localization.")
    publish: PublishConfig = Field(default_factory=PublishConfig, description="What the nodes publish.")
