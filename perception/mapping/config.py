"""Configuration of mapping."""

from typing import Literal

from pydantic import Field

from perception.core.config import Config
from perception.core.stamps import NS_PER_S
from perception.place.config import PlaceConfig
from slam.graph.config import GraphConfig
from slam.maps.config import MapsConfig


class KeyframeRule(Config):
    """Which scans become keyframes."""

    distance: float = Field(2.0, gt=0.0, le=100.0, description="A keyframe after so many metres,")
    turn_deg: float = Field(20.0, gt=0.0, le=180.0, description="or after so many degrees,")
    min_interval: float = Field(0.4, ge=0.0, le=60.0, description="but not before so many seconds.")

    @property
    def min_interval_ns(self) -> int:
        """`min_interval` in nanoseconds."""
        return round(self.min_interval * NS_PER_S)


class LoopConfig(Config):
    """How a revisit becomes a factor."""

    compared: int = Field(10, ge=1, le=1000, description="Candidates of the index whose images are compared.")
    verified: int = Field(4, ge=1, le=100, description="Of these, those that are registered in space, the best first.")
    margin: float = Field(
        0.05, ge=0.0, le=1.0, description="Another spot whose overlap comes so near the best one's makes both doubtful."
    )
    around: int = Field(
        2, ge=0, le=50, description="So many keyframes before and after a place are registered with it as one cloud."
    )
    around_deviation: float = Field(
        0.3, ge=0.0, le=10.0, description="Of these, those whose place (m) beside it the odometry knows so well."
    )
    submaps: int = Field(16, ge=1, le=10_000, description="Such clouds kept in memory.")


class LocalizationConfig(Config):
    """How the robot finds its place in a map."""

    min_support: int = Field(2, ge=1, le=50, description="Places of the map, or keyframes in a row, that must agree;")
    sure_overlap: float = Field(0.85, ge=0.0, le=1.0, description="one is enough that overlaps so much.")
    min_overlap: float = Field(0.75, ge=0.0, le=1.0, description="Places that overlap less do not count at first.")
    verified: int = Field(6, ge=1, le=100, description="Places of the map that are registered with the scan.")
    agree_distance: float = Field(0.5, gt=0.0, le=10.0, description="Poses so near (m) agree,")
    agree_deg: float = Field(2.0, gt=0.0, le=45.0, description="and so near (deg).")
    radius: float = Field(5.0, gt=0.0, le=100.0, description="Keyframes of the map so near (m) follow a known pose.")
    max_waiting: int = Field(
        50, ge=1, le=10_000, description="Keyframes that wait for a place in the map; then the oldest is dropped."
    )
    lost_after: int = Field(
        5, ge=1, le=1000, description="Keyframes in a row that do not fit the map: the place is sought anew."
    )


class MappingConfig(Config):
    """Mapping: keyframes, loop closure, pose graph, saved maps, and localization in them."""

    is_enabled: bool = Field(False, description="Make a map, or localize in one.")
    mode: Literal["mapping", "localization"] = Field(
        "mapping", description="mapping: a new map, or a saved one goes on; localization: a saved one is not changed."
    )
    folder: str = Field("", description="Folder of the map; empty: a temporary one, which the service save_map copies.")
    is_deterministic: bool = Field(
        False, description="Wait for the pose graph at each keyframe, so that results do not depend on the machine."
    )
    is_closing_loops: bool = Field(True, description="Look for revisits.")
    is_grid: bool = Field(True, description="Keep a 2D occupancy grid.")
    grid_period: float = Field(2.0, ge=0.1, le=3600.0, description="Least time (s) between two grids.")
    keyframes: KeyframeRule = Field(default_factory=KeyframeRule, description="Which scans become keyframes.")
    loops: LoopConfig = Field(default_factory=LoopConfig, description="How a revisit becomes a factor.")
    localization: LocalizationConfig = Field(
        default_factory=LocalizationConfig, description="How the robot finds its place in a map."
    )
    place: PlaceConfig = Field(default_factory=PlaceConfig, description="How places are described and proven.")
    graph: GraphConfig = Field(default_factory=GraphConfig, description="The pose graph.")
    maps: MapsConfig = Field(default_factory=MapsConfig, description="What is saved.")
