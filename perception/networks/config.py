"""Settings of losses and assignment, apart from their modules so that they are read without torch."""

from pydantic import Field

from perception.core.config import Config


class AssignmentConfig(Config):
    """Which points learn which object."""

    top: int = Field(10, ge=1, le=100, description="Points that an object may claim.")
    alpha: float = Field(0.5, ge=0.0, le=10.0, description="Exponent of the score in the metric.")
    beta: float = Field(6.0, ge=0.0, le=20.0, description="Exponent of the IoU in the metric.")


class DetectionLossConfig(Config):
    """Gains of the terms and the constants of the assignment."""

    box_gain: float = Field(7.5, ge=0.0, le=100.0, description="Weight of the box term (1 - complete IoU).")
    class_gain: float = Field(0.5, ge=0.0, le=100.0, description="Weight of the class term.")
    distance_gain: float = Field(1.5, ge=0.0, le=100.0, description="Weight of the term of the distributions.")
    assignment: AssignmentConfig = Field(
        default_factory=AssignmentConfig, description="Which points learn which object."
    )


class LineLossConfig(Config):
    """Gains of the terms of a network for line segments."""

    line_weight: float = Field(3.0, ge=0.1, le=100.0, description="Weight of pixels on lines in the cross entropy.")
    heat_gain: float = Field(1.0, ge=0.0, le=100.0, description="Weight of the cross entropy.")
    dice_gain: float = Field(0.0, ge=0.0, le=100.0, description="Weight of the Dice term of the heat map; 0: none.")
    angle_gain: float = Field(1.0, ge=0.0, le=100.0, description="Weight of the term of directions.")
