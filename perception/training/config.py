"""Settings of a training run, apart from the loop so that they are read without torch."""

from typing import Literal

from pydantic import Field, model_validator

from perception.core.classes import DETECTED
from perception.core.config import Config
from perception.networks.config import DetectionLossConfig
from perception.networks.leyolo_graph import STRIDES, Activation, LeYoloConfig, Size

Layout = Literal["canvas", "crops"]


class ColourConfig(Config):
    """How the colours of a window change."""

    hue: float = Field(0.015, ge=0.0, le=1.0, description="Greatest relative change of the hue.")
    saturation: float = Field(0.7, ge=0.0, le=1.0, description="Greatest relative change of the saturation.")
    value: float = Field(0.4, ge=0.0, le=1.0, description="Greatest relative change of the brightness.")
    grey: float = Field(0.0, ge=0.0, le=1.0, description="Share of windows without colour.")


class AugmentConfig(ColourConfig):
    """How pictures become windows: the input of the network in training."""

    height: int = Field(640, ge=32, le=2048, description="Of the window, px; a multiple of 32.")
    width: int = Field(640, ge=32, le=2048, description="Of the window, px; a multiple of 32.")
    mosaic: float = Field(
        1.0, ge=0.0, le=1.0, description="Share of windows that are put together of several pictures."
    )
    layout: Layout = Field(
        "canvas",
        description="canvas: whole pictures on a canvas, a window cut from it. crops: every part of the window is "
        "filled with a cut-out of its picture, so that small windows show things at full size.",
    )
    grid: int = Field(2, ge=1, le=8, description="Of crops: parts along each side of a window that is put together.")
    picture_side: int = Field(640, ge=32, le=4096, description="Long side of a picture at scale 1, px.")
    min_scale: float = Field(0.5, ge=0.05, le=4.0, description="Least scale of a picture.")
    max_scale: float = Field(1.5, ge=0.05, le=4.0, description="Greatest scale of a picture.")
    stretch: float = Field(
        1.0, ge=1.0, le=4.0, description="Of cut-outs: greatest ratio of the scales of width and height, either way."
    )
    translate: float = Field(0.1, ge=0.0, le=1.0, description="Greatest shift of the canvas, in windows.")
    focus: float = Field(
        0.0, ge=0.0, le=1.0, description="Share of cut-outs around an object; rare classes are drawn more often."
    )
    flip: float = Field(0.5, ge=0.0, le=1.0, description="Share of windows that are mirrored.")
    min_side: float = Field(2.0, ge=0.0, le=100.0, description="Objects with a shorter side (px) are not learned.")
    min_visible: float = Field(0.1, ge=0.0, le=1.0, description="Objects cut to a smaller share are not learned.")
    max_aspect: float = Field(100.0, ge=1.0, le=1000.0, description="Objects longer than this are not learned.")

    @model_validator(mode="after")
    def _fits(self) -> "AugmentConfig":
        if self.height % STRIDES[-1] or self.width % STRIDES[-1]:
            raise ValueError(f"height, width: {self.height}x{self.width}, expected multiples of {STRIDES[-1]}")
        if self.min_scale > self.max_scale:
            raise ValueError(f"min_scale {self.min_scale} is above max_scale {self.max_scale}")
        return self


def _finish() -> AugmentConfig:
    return AugmentConfig(mosaic=0.0)


class OptimiserConfig(Config):
    """How the weights move."""

    kind: Literal["sgd", "adamw"] = Field("sgd", description="SGD with Nesterov momentum, or AdamW.")
    learning_rate: float = Field(0.01, gt=0.0, le=1.0, description="After the warm-up.")
    last_share: float = Field(0.01, ge=0.0, le=1.0, description="Learning rate at the end, as a share of it.")
    schedule: Literal["linear", "cosine"] = Field("linear", description="Between the two.")
    warm_up: float = Field(0.006, ge=0.0, le=0.5, description="Share of the steps in which the rate rises from 0.")
    momentum: float = Field(0.937, ge=0.0, lt=1.0, description="Of SGD; beta 1 of AdamW.")
    first_momentum: float = Field(0.8, ge=0.0, lt=1.0, description="Of SGD at the start of the warm-up.")
    beta2: float = Field(0.999, gt=0.0, lt=1.0, description="Of AdamW: decay of the mean squared gradient.")
    weight_decay: float = Field(1e-3, ge=0.0, le=1.0, description="Of the weights of convolutions.")
    max_gradient: float = Field(10.0, gt=0.0, description="Longer gradients (L2 norm) are shortened to this.")


class AverageConfig(Config):
    """The running mean of the weights, which is what a run is for."""

    decay: float = Field(
        0.9999, ge=0.0, lt=1.0, description="Share of the mean that stays at each step, late in a run."
    )
    ramp: float = Field(2000.0, gt=0.0, description="Steps after which 63 % of that decay is reached.")


class RunConfig(Config):
    """What every training run is told, whatever it trains."""

    steps: int = Field(462_000, ge=1, le=100_000_000, description="Batches in all.")
    batch: int = Field(128, ge=1, le=4096, description="Windows per step, over all processes.")
    accumulate: int = Field(1, ge=1, le=256, description="Parts that a batch is computed in, to save memory.")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Of first weights, order and augmentation.")
    precision: Literal["float32", "bfloat16"] = Field("float32", description="bfloat16: autocast; for GPUs.")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: a GPU where there is one.")
    threads: int = Field(0, ge=0, le=256, description="Of torch on a CPU; 0: its own choice.")
    workers: int = Field(2, ge=1, le=64, description="Threads that prepare windows ahead of the network.")
    ahead: int = Field(4, ge=1, le=64, description="Batches prepared ahead.")
    cache_gb: float = Field(4.0, ge=0.0, le=1000.0, description="Decoded pictures kept in memory, 1e9 bytes at most.")
    checkpoint_every: int = Field(500, ge=1, description="Steps between checkpoints.")
    record_every: int = Field(20, ge=1, description="Steps that a row of the curves stands for.")
    finish_share: float = Field(0.02, ge=0.0, le=1.0, description="Share of the steps that `finish` is for: the last.")
    finish_batch: int = Field(0, ge=0, le=4096, description="Windows per step there; 0: as before.")
    optimiser: OptimiserConfig = Field(default_factory=OptimiserConfig, description="How the weights move.")
    average: AverageConfig = Field(default_factory=AverageConfig, description="The running mean of the weights.")

    @property
    def finish_from(self) -> int:
        """First step of the finish."""
        return self.steps - round(self.steps * self.finish_share)

    def batch_at(self, step: int) -> int:
        """Windows of a step, over all processes."""
        return self.batch if step < self.finish_from else self.finish_batch or self.batch


class TrainingConfig(RunConfig):
    """One training run of LeYOLO. The defaults are the published recipe: 500 passes over 118 287 images."""

    size: Size = Field("nano", description="Size of the network.")
    activation: Activation = Field("silu", description="SiLU for accuracy, hard-swish for speed on CPUs.")
    classes: tuple[str, ...] = Field(
        tuple(kind.label for kind in DETECTED), min_length=1, description="Names, in the order of the outputs."
    )
    augment: AugmentConfig = Field(default_factory=AugmentConfig, description="Of all steps but the last.")
    finish: AugmentConfig = Field(default_factory=_finish, description="Of the last steps, without mosaics.")
    loss: DetectionLossConfig = Field(default_factory=DetectionLossConfig, description="What is minimised.")

    @property
    def network(self) -> LeYoloConfig:
        """The network that is trained."""
        return LeYoloConfig(size=self.size, num_classes=len(self.classes), activation=self.activation)

    def augment_at(self, step: int) -> AugmentConfig:
        """How the windows of a step are made."""
        return self.augment if step < self.finish_from else self.finish
