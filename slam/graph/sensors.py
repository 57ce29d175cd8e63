"""What sensors besides the odometry say about the motion of the base: satellite fixes and wheels."""

from dataclasses import dataclass

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.types import check
from slam.graph.gnss import GnssFix


@dataclass(frozen=True, slots=True, eq=False)
class AntennaFix:
    """A satellite fix, and where its antenna sits."""

    fix: GnssFix
    p_base_antenna: np.ndarray  # (3,) float64, m

    def __post_init__(self) -> None:
        check("p_base_antenna", self.p_base_antenna, (3,), np.float64)

    @property
    def stamp_ns(self) -> int:
        """Time of the fix."""
        return self.fix.stamp_ns


@dataclass(frozen=True, slots=True, eq=False)
class WheelTwist:
    """What the wheels say, in axes of the base."""

    stamp_ns: int
    linear: np.ndarray  # (2,) float64, m/s, forward and left
    angular: float  # rad/s, to the left

    def __post_init__(self) -> None:
        check("linear", self.linear, (2,), np.float64)
        if not (np.isfinite(self.linear).all() and np.isfinite(self.angular)):
            raise InvalidInput(f"twist: {self.linear.tolist()}, {self.angular} is not finite; drop the message")
