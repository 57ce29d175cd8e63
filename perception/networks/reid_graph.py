"""Sizes of the network that tells objects apart by their looks, apart from torch so that cards are read without it."""

from pydantic import Field

from perception.core.config import Config

FAMILY, TASK = "osnet", "re-identification"
INPUT, OUTPUT = "crops", "embeddings"


class ReidConfig(Config):
    """A small OSNet for cut-outs of one size."""

    stem: int = Field(16, ge=8, le=64, description="Channels after the first convolution.")
    widths: tuple[int, ...] = Field((64, 96, 128), min_length=1, max_length=4, description="Channels of the stages.")
    blocks: int = Field(1, ge=1, le=4, description="Blocks of each stage.")
    num_streams: int = Field(4, ge=1, le=6, description="Scales in a block: 3, 5, 7, 9... px of its input.")
    dimensions: int = Field(128, ge=8, le=512, description="Length of an embedding.")
    height: int = Field(64, ge=32, le=512, multiple_of=16, description="Of a cut-out, px.")
    width: int = Field(64, ge=32, le=512, multiple_of=16, description="Of a cut-out, px.")
