"""Configuration of detection: which network, how it runs, which boxes remain, and how they are followed."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from perception.core.config import Config
from perception.detection.tracking.config import TrackingConfig
from perception.inference.runtime import BACKENDS, PRECISIONS

NETWORK_STRIDE = 32  # px: sides of a network's input are its multiples


class NmsConfig(Config):
    """Which boxes remain. The defaults are those for use; `VALIDATION` those of published accuracies."""

    score_threshold: float = Field(0.25, ge=0.0, le=1.0, description="Boxes must score higher.")
    iou_threshold: float = Field(0.7, ge=0.0, le=1.0, description="Boxes that overlap a better one more are dropped.")
    is_multi_label: bool = Field(False, description="A box counts once for every class above the threshold.")
    is_class_agnostic: bool = Field(False, description="Boxes of different classes suppress each other, too.")
    max_candidates: int = Field(30_000, ge=1, le=1_000_000, description="Best boxes that enter the suppression.")
    max_detections: int = Field(300, ge=1, le=100_000, description="Boxes that remain at most.")
    classes: tuple[int, ...] = Field((), description="Numbers of the classes to report; empty: all.")


class DetectionConfig(Config):
    """A detector for the images of all cameras of a robot."""

    is_enabled: bool = Field(
        False, description="Detect in replays and in the whole pipeline; `detection_node` does so in any case."
    )
    model: str = Field(
        "leyolo-nano-hard-swish", min_length=1, description="Name of a packaged or own model, or path of its card."
    )
    backend: str = Field("auto", description="Runtime; auto: the fastest that works here.")
    precision: str = Field("auto", description="Arithmetic of the runtime; auto: as the backend chooses.")
    num_threads: int = Field(0, ge=0, le=1024, description="Threads of the runtime; 0: one for each core.")
    side: int = Field(640, ge=32, le=4096, multiple_of=NETWORK_STRIDE, description="Long side (px) of the input.")
    fit: Literal["rectangle", "square", "validation"] = Field(
        "rectangle",
        description="rectangle: the smallest input that holds the image, least work; square: always side x side; "
        "validation: as published accuracies are measured.",
    )
    classes: tuple[str, ...] = Field((), description="Names of the classes to report; empty: all.")
    nms: NmsConfig = Field(default_factory=NmsConfig, description="Which boxes remain.")
    tracking: TrackingConfig = Field(default_factory=TrackingConfig, description="Boxes followed across images.")

    @field_validator("backend", "precision")
    @classmethod
    def _is_known(cls, value: str, info: ValidationInfo) -> str:
        known = ("auto", *BACKENDS) if info.field_name == "backend" else PRECISIONS
        if value not in known:
            raise ValueError(f"is unknown; use {', '.join(known)}")
        return value

    @model_validator(mode="after")
    def _names_or_numbers(self) -> "DetectionConfig":
        if self.classes and self.nms.classes:
            raise ValueError("classes and nms.classes: give names or numbers, not both")
        return self
