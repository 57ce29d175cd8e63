"""Settings of the training of LSDNet, apart from its loop so that they are read without torch."""

from pathlib import Path

from pydantic import Field, model_validator

from perception.core.config import Config
from perception.networks.config import LineLossConfig
from perception.networks.lsdnet_graph import SIDE, STRIDE, LsdNetConfig
from perception.training.config import AverageConfig, ColourConfig, OptimiserConfig, RunConfig


class LineAugmentConfig(ColourConfig):
    """How pictures become windows: the input of the network in training.

    A picture is stretched to the input of the network as when it is used, then turned, scaled and cut; end points of
    segments go the same way, and maps are drawn from them afterwards.
    """

    side: int = Field(SIDE, ge=32, le=1024, description="Of the window, px; a multiple of 8. Smaller than 288: a part.")
    min_scale: float = Field(0.7, ge=0.1, le=4.0, description="Least scale of a picture; 1 is that of use.")
    max_scale: float = Field(1.3, ge=0.1, le=4.0, description="Greatest scale of a picture.")
    stretch: float = Field(1.25, ge=1.0, le=4.0, description="Greatest ratio of both scales, either way.")
    mirror: float = Field(0.5, ge=0.0, le=1.0, description="Share of windows whose left and right are exchanged.")
    flip: float = Field(0.1, ge=0.0, le=1.0, description="Share of windows whose top and bottom are exchanged.")
    quarter_turn: float = Field(0.2, ge=0.0, le=1.0, description="Share of windows turned by 90 degrees.")
    turn_deg: float = Field(5.0, ge=0.0, le=180.0, description="Greatest further turn, either way.")
    contrast: float = Field(0.4, ge=0.0, le=1.0, description="Greatest relative change of the contrast.")
    blur: float = Field(1.0, ge=0.0, le=10.0, description="Greatest standard deviation of a Gaussian blur, px.")
    noise: float = Field(8.0, ge=0.0, le=100.0, description="Greatest standard deviation of noise, 8-bit levels.")

    @model_validator(mode="after")
    def _fits(self) -> "LineAugmentConfig":
        if self.side % STRIDE:
            raise ValueError(f"side: {self.side}, expected a multiple of {STRIDE}")
        if self.min_scale > self.max_scale:
            raise ValueError(f"min_scale {self.min_scale} is above max_scale {self.max_scale}")
        return self


class LineTargetConfig(Config):
    """How segments become the maps that are learned."""

    stroke: float = Field(3.0, ge=1.0, le=15.0, description="Width of a line in the heat map, px; its borders fade.")
    near: float = Field(1.5, ge=0.0, le=10.0, description="Directions are learned at most this far from a line, px.")
    ambiguous_deg: float = Field(
        10.0, ge=0.0, le=90.0, description="Lines that near to a pixel and turned by more: it has no direction."
    )


def _optimiser() -> OptimiserConfig:
    return OptimiserConfig(
        kind="adamw",
        learning_rate=1e-3,
        schedule="cosine",
        momentum=0.9,
        weight_decay=1e-4,
        warm_up=0.02,
        max_gradient=100.0,
    )


def _finish() -> LineAugmentConfig:
    return LineAugmentConfig(
        min_scale=1.0, max_scale=1.0, stretch=1.0, flip=0.0, quarter_turn=0.0, turn_deg=0.0, blur=0.0, noise=2.0
    )


class LineTrainingConfig(RunConfig):
    """One training run of LSDNet. The published program has no training code: this recipe is ours."""

    base_width: int = Field(16, ge=4, le=64, description="Channels of the first layer; 16 as published.")
    steps: int = Field(50_000, ge=1, le=100_000_000, description="Batches in all.")
    batch: int = Field(16, ge=1, le=4096, description="Windows per step, over all processes.")
    teacher: Path | None = Field(None, description="Weights (.safetensors) of a network whose maps are learned, too.")
    teacher_share: float = Field(0.5, ge=0.0, le=1.0, description="Of the loss, where there is a teacher.")
    augment: LineAugmentConfig = Field(default_factory=LineAugmentConfig, description="Of all steps but the last.")
    finish: LineAugmentConfig = Field(default_factory=_finish, description="Of the last steps.")
    targets: LineTargetConfig = Field(default_factory=LineTargetConfig, description="What is learned.")
    optimiser: OptimiserConfig = Field(default_factory=_optimiser, description="How the weights move.")
    average: AverageConfig = Field(
        default_factory=lambda: AverageConfig(decay=0.999, ramp=500.0), description="The running mean of the weights."
    )
    loss: LineLossConfig = Field(default_factory=LineLossConfig, description="What is minimised.")

    @property
    def network(self) -> LsdNetConfig:
        """The network that is trained."""
        return LsdNetConfig(base_width=self.base_width)
