"""Configuration of the tracker: which boxes take part, how they move, and when tracks begin and end."""

from pydantic import Field, model_validator

from perception.core.config import Config


class MotionConfig(Config):
    """The Kalman filter of a box. Sizes are those of the box: width for x and width, height for y and height."""

    measurement_noise: float = Field(
        0.05, gt=0.0, le=1.0, description="Standard deviation of a detected side or middle, in sizes of the box."
    )
    acceleration_noise: float = Field(
        1.0, gt=0.0, le=100.0, description="Unknown acceleration, in sizes of the box per s^1.5."
    )
    start_velocity: float = Field(
        2.0, gt=0.0, le=100.0, description="Standard deviation of the velocity of a new track, in sizes per s."
    )
    camera_noise: float = Field(
        100.0, ge=0.0, le=10_000.0, description="Unknown acceleration of all boxes as the camera turns, px per s^1.5."
    )
    least_noise: float = Field(1.0, ge=0.0, le=100.0, description="Least standard deviation (px) of a detected box.")


class AppearanceConfig(Config):
    """Looks of objects, by which a lost track is known again where its box is no longer met."""

    is_enabled: bool = Field(False, description="Compare looks, too; needs the pixels of the images.")
    model: str = Field(
        "osnet-objects", min_length=1, description="Name of a packaged or own model, or path of its card."
    )
    backend: str = Field("onnx", description="Runtime of the network.")
    num_threads: int = Field(1, ge=0, le=1024, description="Threads of the runtime; 0: one for each core.")
    min_similarity: float = Field(0.6, ge=0.0, le=1.0, description="Least cosine between the looks of one object.")
    max_distance: float = Field(
        3.0, gt=0.0, le=100.0, description="Distance from the predicted box, in its standard deviations."
    )
    refresh: float = Field(0.5, ge=0.0, le=60.0, description="Time (s) after which the looks of a track are renewed.")
    memory: float = Field(0.7, ge=0.0, lt=1.0, description="Share of a track's former looks when they are renewed.")


class TrackingConfig(Config):
    """Association in two steps: boxes with a high score first, then those with a low one."""

    is_enabled: bool = Field(True, description="Follow objects from image to image.")
    low_score: float = Field(
        0.1, ge=0.0, le=1.0, description="Boxes must score higher to take part; the detector passes on all of them."
    )
    high_score: float = Field(0.3, ge=0.0, le=1.0, description="Boxes that score higher are associated first.")
    birth_score: float = Field(0.4, ge=0.0, le=1.0, description="A box must score higher to begin a track.")
    first_iou: float = Field(0.15, gt=0.0, le=1.0, description="Least IoU in the first association.")
    second_iou: float = Field(0.4, gt=0.0, le=1.0, description="Least IoU in the second association (low scores).")
    tentative_iou: float = Field(0.2, gt=0.0, le=1.0, description="Least IoU with a track that has no number yet.")
    buffer: float = Field(
        0.5, ge=0.0, le=2.0, description="Added to boxes on each side, in their sizes, before overlaps are measured."
    )
    is_class_aware: bool = Field(True, description="A track is continued only by boxes of its class.")
    num_confirming: int = Field(2, ge=1, le=100, description="Images in a row that give a new track its number.")
    max_lost: float = Field(1.5, ge=0.0, le=60.0, description="Time (s) for which an unseen track is kept.")
    max_gap: float = Field(2.0, gt=0.0, le=60.0, description="A longer silence (s) of the images ends all tracks.")
    max_late: float = Field(0.5, ge=0.0, le=60.0, description="An image older by less (s) is ignored.")
    max_tracks: int = Field(500, ge=1, le=100_000, description="Tracks at most; those lost the longest go first.")
    motion: MotionConfig = Field(default_factory=MotionConfig, description="How boxes move.")
    appearance: AppearanceConfig = Field(default_factory=AppearanceConfig, description="What objects look like.")

    @model_validator(mode="after")
    def _check_order(self) -> "TrackingConfig":
        if not self.low_score <= self.high_score <= self.birth_score:
            raise ValueError(
                f"low_score {self.low_score}, high_score {self.high_score}, birth_score {self.birth_score}: "
                f"must rise in this order"
            )
        return self
