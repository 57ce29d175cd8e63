"""Configuration of the LiDAR side."""

from typing import Literal

from pydantic import Field

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


class OdometryConfig(Config):
    """LiDAR-inertial odometry."""

    time: TimeConfig = Field(default_factory=TimeConfig, description="Time guards.")
