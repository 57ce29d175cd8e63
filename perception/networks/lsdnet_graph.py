"""Sizes of the network that finds line segments, apart from torch so that cards are read without it."""

from pydantic import Field

from perception.core.config import Config

FAMILY, TASK = "lsdnet", "lines"
INPUT, HEAT, ANGLE = "images", "heat", "angle"
STRIDE = 8  # px of the input per px of the deepest features; sides of the input must be multiples of it
SIDE = 288  # px, of the input it is meant for


class LsdNetConfig(Config):
    """LSDNet (`lsdnet.md`, section 2). Other widths have the same layers with other numbers of channels."""

    base_width: int = Field(
        16, ge=4, le=64, description="Channels of the first layer; 16 as published. The deepest has eight times that."
    )

    @property
    def layers(self) -> tuple[tuple[int, int], ...]:
        """Channels in and out of every 3x3 convolution, in the order of the table."""
        one, two, four, eight = (self.base_width * factor for factor in (1, 2, 4, 8))
        encoder = ((3, one), (one, two), (two, two), (two, four), (four, four), (four, eight), (eight, eight))
        decoder = ((eight + four, four), (four, four), (four + two, two), (two, two), (two + one, two), (two, two))
        return (*encoder, *decoder)
