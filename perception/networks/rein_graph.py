"""Sizes and names of the place network, apart from torch so that cards are read without it."""

from pydantic import Field

from perception.core.config import Config

FAMILY, TASK = "rein", "place-recognition"
INPUT, OUTPUT = "images", "features"
STRIDE = 8  # px of the image per px of the feature map, rounded up
NUM_ROTATIONS = 8
WHITE = 256.0  # brightness divides by it, as the published weights were trained
CENTROIDS, ASSIGNMENT = "pooling.centroids", "pooling.conv.weight"  # what the pooling reads of the weights


class ReinConfig(Config):
    """REIN: the first two stages of a ResNet-34, turned to eight headings, and NetVLAD."""

    width: int = Field(64, ge=8, le=256, description="Channels of the first stage; the second has twice as many.")
    blocks: tuple[int, int] = Field((3, 4), description="Residual blocks of the two stages.")
    num_clusters: int = Field(64, ge=2, le=256, description="Clusters of the pooling.")

    @property
    def channels(self) -> int:
        """Length of a local descriptor."""
        return 2 * self.width

    @property
    def dimensions(self) -> int:
        """Length of a global descriptor."""
        return self.num_clusters * self.channels
