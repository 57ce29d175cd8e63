"""Configuration of the search for line segments: which detector, how regions grow, what is kept of them."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from perception.core.config import Config
from perception.inference.runtime import BACKENDS, PRECISIONS
from perception.lines.use_config import VanishingConfig

Refinement = Literal["none", "standard", "advanced"]


class RegionsConfig(Config):
    """How segments are found in a map of heat and one of directions. The defaults are those of the published program,
    but for its defect."""

    heat_threshold: float = Field(0.4, ge=0.0, lt=1.0, description="Pixels of lines are hotter.")
    block: int = Field(11, ge=3, le=101, description="Side (px, odd) of the window of the local threshold.")
    offset: int = Field(2, ge=-255, le=255, description="Grey levels (of 255) that a pixel may lie below its window.")
    chord: float = Field(
        0.05, gt=0.0, le=1.9, description="Squared distance of doubled directions within a region; 0.05: 6.4 degrees."
    )
    heat_deviation: float = Field(0.3, gt=0.0, le=1.0, description="Distance of a pixel's heat from its region's mean.")
    min_size: int = Field(10, ge=1, le=100_000, description="Regions must have more pixels.")
    is_split: bool = Field(True, description="Divide regions of parallel lines that have grown together.")
    bandwidth: float = Field(1.0, gt=0.0, le=100.0, description="Of the density (px) whose minima divide a region.")
    has_quadrants: bool = Field(False, description="Grow in four quarters and join them, as the published program.")
    has_axis_swap: bool = Field(
        False, description="Repeat a defect of the published program with axis-parallel regions; for comparisons."
    )

    @field_validator("block")
    @classmethod
    def _is_odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("must be odd")
        return value


class LsdConfig(Config):
    """Classic LSD, which needs no network. The defaults are those of its authors."""

    refine: Refinement = Field(
        "advanced", description="none: regions as grown; standard: curved ones cut; advanced: rectangles tried, too."
    )
    scale: float = Field(0.8, gt=0.05, le=4.0, description="Of the image in which is searched.")
    sigma_scale: float = Field(0.6, gt=0.0, le=5.0, description="Blur before scaling, times the scale (px).")
    quantization: float = Field(2.0, ge=0.0, le=50.0, description="Error of gradients (grey levels) to be expected.")
    angle_tolerance: float = Field(22.5, gt=0.5, le=60.0, description="Of directions within a region (degrees).")
    min_log_nfa: float = Field(0.0, ge=-100.0, le=1000.0, description="-log10 of the false alarms of a segment, least.")
    min_density: float = Field(0.7, ge=0.0, le=1.0, description="Share of a rectangle that its region must fill.")
    num_bins: int = Field(1024, ge=2, le=65536, description="Classes of gradients when seeds are ordered.")


class LinesConfig(Config):
    """A detector of line segments for the images of all cameras of a robot."""

    is_enabled: bool = Field(
        False, description="Search in replays and in the whole pipeline; `lines_node` does so in any case."
    )
    detector: Literal["lsdnet", "lsd"] = Field("lsdnet", description="With a network, or classic LSD without one.")
    model: str = Field("lsdnet", min_length=1, description="Name of a packaged or own model, or path of its card.")
    backend: str = Field("auto", description="Runtime; auto: the fastest that works here.")
    precision: str = Field("auto", description="Arithmetic of the runtime; auto: as the backend chooses.")
    num_threads: int = Field(0, ge=0, le=1024, description="Threads of the runtime; 0: one for each core.")
    score_threshold: float = Field(
        0.7, ge=0.0, le=1.0, description="Mean heat of a segment, least; of lsdnet only. Useful: 0.65 to 0.75."
    )
    regions: RegionsConfig = Field(default_factory=RegionsConfig, description="From maps to segments; of lsdnet.")
    lsd: LsdConfig = Field(default_factory=LsdConfig, description="Of lsd.")
    min_length: float = Field(0.0, ge=0.0, le=10_000.0, description="Of a segment (px of the image).")
    max_segments: int = Field(10_000, ge=1, le=1_000_000, description="Best segments of an image that are kept.")
    is_merged: bool = Field(False, description="Join collinear neighbours.")
    has_validation: bool = Field(
        False, description="Segments of lsdnet must pass the test of LSD (lsd.min_log_nfa) on their map of directions."
    )
    vanishing: VanishingConfig = Field(default_factory=VanishingConfig, description="Where segments point to.")

    @field_validator("backend", "precision")
    @classmethod
    def _is_known(cls, value: str, info: ValidationInfo) -> str:
        known = ("auto", *BACKENDS) if info.field_name == "backend" else PRECISIONS
        if value not in known:
            raise ValueError(f"is unknown; use {', '.join(known)}")
        return value
