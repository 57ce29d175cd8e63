"""Configuration of place recognition. Sections 9 to 12 of bev_lio_lc.md say where the numbers come from."""

import math
from typing import Literal

from pydantic import Field, model_validator

from perception.core.config import Config


class BevConfig(Config):
    """How a scan becomes a bird's-eye image: an image of how many voxels are occupied above each cell."""

    extent: float = Field(40.0, ge=4.0, le=200.0, description="The image reaches so far (m) in each direction.")
    resolution: float = Field(0.4, ge=0.05, le=4.0, description="Side of a cell (m).")
    voxel_size: float = Field(0.4, ge=0.05, le=4.0, description="One point per voxel of this edge (m) is counted.")
    rule: Literal["bevplace", "bevlio"] = Field(
        "bevplace",
        description="bevplace: as the published weights were trained; bevlio: as the published node makes images, "
        "without cells of a single point.",
    )
    min_height: float = Field(-40.0, ge=-200.0, le=200.0, description="Points lower (m) than this are left out.")
    max_height: float = Field(40.0, ge=-200.0, le=200.0, description="Points higher (m) than this are left out.")

    @model_validator(mode="after")
    def _fits(self) -> "BevConfig":
        if self.min_height >= self.max_height:
            raise ValueError(f"min_height {self.min_height} is not below max_height {self.max_height}")
        if not MIN_SIDE <= self.side <= MAX_SIDE:
            raise ValueError(
                f"extent / resolution: images of {self.side} px; from {MIN_SIDE} to {MAX_SIDE} are allowed"
            )
        return self

    @property
    def first(self) -> int:
        """Cell, counted from the sensor, of row 0 and of column 0: the foremost and the leftmost."""
        return math.floor(self.extent / self.resolution)

    @property
    def side(self) -> int:
        """Rows and columns of the image, px."""
        return self.first - math.floor(-self.extent / self.resolution) + 1


MIN_SIDE, MAX_SIDE = 17, 2048  # px


class DescriptorConfig(Config):
    """The network that describes places, and how it runs."""

    model: str = Field("bevplace", min_length=1, description="Name of a packaged or own model, or path of its card.")
    backend: str = Field("auto", description="Runtime; auto: the fastest that works here.")
    precision: str = Field("auto", description="Arithmetic of the runtime; auto: as the backend chooses.")
    num_threads: int = Field(1, ge=0, le=1024, description="Threads of the runtime; 0: one for each core.")


class KeypointConfig(Config):
    """Corners of a bird's-eye image."""

    threshold: int = Field(10, ge=1, le=255, description="Difference of brightness that makes a corner (FAST 9-16).")
    max_keypoints: int = Field(500, ge=16, le=10_000, description="The strongest corners that remain.")


class MatchingConfig(Config):
    """Which local descriptors are taken for one another."""

    is_mutual: bool = Field(True, description="Both must be the nearest of the other.")
    max_ratio: float = Field(
        1.0, gt=0.0, le=1.0, description="Largest ratio of the nearest to the second distance; 1: any, as published."
    )


class PlanarConfig(Config):
    """Alignment of two bird's-eye images by matched keypoints: a rotation about the vertical and a shift."""

    inlier_distance: float = Field(0.8, gt=0.0, le=10.0, description="Pairs so near (m) after it agree with it.")
    min_inliers: int = Field(8, ge=3, le=1000, description="Fewer pairs that agree prove nothing.")
    min_ratio: float = Field(0.1, ge=0.0, le=1.0, description="Least share of the pairs that agree.")
    trials: int = Field(2000, ge=1, le=1_000_000, description="Samples of two pairs.")
    min_baseline: float = Field(
        2.0, ge=0.0, le=50.0, description="Least distance (m) of the two keypoints of a sample."
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Of the samples.")


class IndexConfig(Config):
    """The index of places by their global descriptors."""

    exact_below: int = Field(
        20_000, ge=16, le=10_000_000, description="A map opened with fewer places compares one by one, which is exact."
    )
    kind: Literal["ivf", "hnsw"] = Field(
        "ivf",
        description="Else: inverted lists of short codes, the best compared exactly, or a graph of neighbours.",
    )
    is_compressed: bool = Field(False, description="Inverted lists hold codes of bytes (PQ) alone, not the vectors.")
    code_bytes: int = Field(64, ge=1, le=1024, description="Of a code; the length of a descriptor is its multiple.")
    probes: int = Field(256, ge=1, le=65_536, description="Lists, of 4 sqrt(N), that a query looks at.")
    links: int = Field(32, ge=4, le=256, description="Of each place in the graph of neighbours.")
    effort: int = Field(128, ge=8, le=65_536, description="Places that a query of the graph keeps in view.")
    num_threads: int = Field(1, ge=1, le=256, description="Of FAISS, for the whole process.")
    candidates: int = Field(
        25, ge=1, le=1000, description="Nearest places that a query gives; their images decide which is first."
    )
    max_distance: float = Field(
        0.9, gt=0.0, le=2.0, description="Places whose descriptors lie farther apart (L2 of unit vectors) are none."
    )
    min_age: float = Field(30.0, ge=0.0, le=3600.0, description="Places of the last so many seconds are left out.")
    min_path: float = Field(50.0, ge=0.0, le=10_000.0, description="Places of the last so many metres are left out.")


class VerificationConfig(Config):
    """The proof of a revisit in three dimensions, and by other revisits."""

    query_voxel: float = Field(0.5, ge=0.05, le=5.0, description="One point of the query per voxel of this edge (m).")
    coarse_voxel: float = Field(2.0, ge=0.2, le=10.0, description="Reach (m) of correspondences in the first stage.")
    fine_voxel: float = Field(0.5, ge=0.1, le=5.0, description="Reach (m) of correspondences in the second stage.")
    iterations: int = Field(30, ge=1, le=200, description="Steps of each stage at most.")
    robust_scale: float = Field(0.5, gt=0.0, le=5.0, description="Residual (m) of weight 1/4 (Geman-McClure).")
    min_points: int = Field(200, ge=20, le=100_000, description="Fewer points of either side prove nothing.")
    overlap_distance: float = Field(
        0.5, ge=0.05, le=5.0, description="Points so near (m) to the other side overlap it."
    )
    min_overlap: float = Field(0.6, ge=0.0, le=1.0, description="Least share of the query's points that overlap.")
    min_standing: float = Field(
        0.85, ge=0.0, le=1.0, description="Likewise of those above the ground, which is alike everywhere."
    )
    max_residual: float = Field(0.2, gt=0.0, le=2.0, description="Largest RMS distance (m) of matches from planes.")
    max_correction: float = Field(3.0, gt=0.0, le=50.0, description="Largest change (m) of what the images said.")
    max_correction_deg: float = Field(8.0, gt=0.0, le=90.0, description="Largest change (deg) of what the images said.")
    min_support: int = Field(2, ge=1, le=20, description="Revisits, itself included, that must agree; 1: no check.")
    recent: int = Field(20, ge=1, le=1000, description="Revisits that are remembered to agree with.")
    cycle_distance: float = Field(0.5, gt=0.0, le=20.0, description="Revisits agree when their cycle closes by (m),")
    cycle_deg: float = Field(3.0, gt=0.0, le=45.0, description="and by (deg),")
    cycle_drift: float = Field(0.02, ge=0.0, le=0.5, description="and so much (m) per metre of odometry in the cycle.")


class PlaceConfig(Config):
    """Place recognition: how places are described, found again, and proven."""

    bev: BevConfig = Field(default_factory=BevConfig, description="Bird's-eye images.")
    network: DescriptorConfig = Field(default_factory=DescriptorConfig, description="The place network.")
    keypoints: KeypointConfig = Field(default_factory=KeypointConfig, description="Corners of the images.")
    matching: MatchingConfig = Field(default_factory=MatchingConfig, description="Pairs of local descriptors.")
    planar: PlanarConfig = Field(default_factory=PlanarConfig, description="Alignment of two images.")
    index: IndexConfig = Field(default_factory=IndexConfig, description="The index of places.")
    verification: VerificationConfig = Field(default_factory=VerificationConfig, description="Proof of a revisit.")
