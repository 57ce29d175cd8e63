"""Configuration of what is made of line segments: vanishing points and attitude, and segments in space."""

from pydantic import Field

from perception.core.config import Config


class VanishingConfig(Config):
    """When segments are taken to point to a common vanishing point, and when that is no chance."""

    is_enabled: bool = Field(True, description="Look for vanishing points where somebody wants to know them.")
    max_distance: float = Field(
        1.5, gt=0.0, le=20.0, description="Distance (px) of an end from the line through the middle and the point."
    )
    max_angle_deg: float = Field(2.0, gt=0.0, le=20.0, description="Angle (deg) between that line and the segment.")
    min_length: float = Field(15.0, ge=2.0, le=1000.0, description="Shorter segments (px) are not asked.")
    max_tilt_deg: float = Field(
        30.0, gt=0.0, lt=60.0, description="The camera is upright within this angle (deg): what is vertical follows."
    )
    min_segments: int = Field(5, ge=3, le=1000, description="Segments that a vanishing point needs.")
    max_chance: float = Field(
        0.01, gt=0.0, le=1.0, description="Expected number of points in segments without order; above, it is none."
    )
    max_std_deg: float = Field(1.0, gt=0.0, le=20.0, description="Largest uncertainty (deg, 1 sigma) of a roll.")
    max_points: int = Field(4, ge=1, le=20, description="Vanishing points at most, the vertical one included.")
    num_samples: int = Field(300, ge=10, le=10_000, description="Pairs of segments that are tried for each point.")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Decides which pairs; the same for every image.")


class Lines3dConfig(Config):
    """How segments get their depth from points of a LiDAR."""

    is_enabled: bool = Field(True, description="Segments in space where there are lines, a LiDAR and its calibration.")
    band: float = Field(24.0, ge=2.0, le=200.0, description="Points this near (px) to a segment tell its depth.")
    min_points: int = Field(6, ge=3, le=1000, description="Points that a surface beside a segment needs.")
    tolerance: float = Field(0.05, gt=0.0, le=1.0, description="Points of one surface lie this near to it (m, depth).")
    relative_tolerance: float = Field(0.003, ge=0.0, le=0.1, description="The same, further per metre of depth.")
    min_coverage: float = Field(0.6, ge=0.0, le=1.0, description="Share of a segment beside which points must lie.")
    max_std: float = Field(0.05, gt=0.0, le=5.0, description="Largest uncertainty (m, 1 sigma) of an end's depth.")
    max_range: float = Field(60.0, gt=0.0, le=500.0, description="Farther segments (m) are refused.")
    max_age: float = Field(0.3, gt=0.0, le=10.0, description="Largest time (s) between an image and its points.")
    num_samples: int = Field(60, ge=5, le=10_000, description="Triples of points that are tried for each surface.")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Decides which triples.")
