"""Configuration of the pose graph."""

from typing import Literal

from pydantic import Field

from perception.core.config import Config
from perception.core.stamps import NS_PER_S

Kernel = Literal["cauchy", "huber", "none"]


class OdometryNoiseConfig(Config):
    """How far the odometry between two keyframes is trusted."""

    scale: float = Field(1.0, gt=0.0, le=1e4, description="Factor of the growth of the filter's covariance.")
    min_position: float = Field(0.01, gt=0.0, le=1.0, description="Least standard deviation (m) of a step.")
    position_per_distance: float = Field(
        0.002, ge=0.0, le=1.0, description="Added to it for each metre of the step (m/m)."
    )
    min_rotation_deg: float = Field(0.05, gt=0.0, le=10.0, description="Least standard deviation (deg) of a step.")


class WheelConfig(Config):
    """How far wheel odometry is trusted."""

    slip: float = Field(0.02, ge=0.0, le=1.0, description="Standard deviation of a step per metre driven.")
    slope: float = Field(0.2, gt=0.0, le=1.0, description="Standard deviation of the slope: m/m, and of tilts (rad).")
    max_gap: float = Field(0.5, gt=0.0, le=10.0, description="With a longer hole (s) in the twists there is no factor.")
    turn_slip: float = Field(0.1, ge=0.0, le=1.0, description="Standard deviation of a turn per radian turned.")
    min_position: float = Field(0.02, gt=0.0, le=1.0, description="Least standard deviation (m) of a step.")
    min_rotation_deg: float = Field(0.5, gt=0.0, le=45.0, description="Least standard deviation (deg) of a turn.")

    @property
    def max_gap_ns(self) -> int:
        """`max_gap` in nanoseconds."""
        return round(self.max_gap * NS_PER_S)


class GnssConfig(Config):
    """Which satellite fixes are used."""

    max_deviation: float = Field(
        5.0, gt=0.0, le=100.0, description="A fix of a larger horizontal standard deviation (m) is left out."
    )
    min_deviation: float = Field(
        0.05, gt=0.0, le=10.0, description="No fix is trusted more than this standard deviation (m)."
    )
    min_fixes: int = Field(8, ge=3, le=1000, description="Fixes that the datum is aligned with at first.")
    min_baseline: float = Field(
        15.0, ge=1.0, le=1000.0, description="Their least horizontal extent (m); before, fixes wait."
    )
    max_waiting: int = Field(1000, ge=10, le=100000, description="Fixes that may wait; then the oldest is dropped.")
    tilt_deg: float = Field(
        0.5, gt=0.0, le=20.0, description="Standard deviation (deg) of the map's vertical against the local one."
    )


class GraphConfig(Config):
    """The pose graph: iSAM2, robust factors, and when a factor is taken back."""

    relinearize_rotation: float = Field(0.01, gt=0.0, le=1.0, description="iSAM2: a larger change (rad) relinearises.")
    relinearize_translation: float = Field(
        0.05, gt=0.0, le=100.0, description="iSAM2: the same for a change (m); robust kernels weigh anew only then."
    )
    max_iterations: int = Field(
        4, ge=1, le=50, description="Steps that a loop may take until it is believable; then it is undone."
    )
    prior_position: float = Field(1e-6, gt=0.0, le=10.0, description="Standard deviation (m) of the first pose.")
    prior_rotation: float = Field(1e-6, gt=0.0, le=3.0, description="Standard deviation (rad) of the first pose.")
    attitude_deg: float = Field(
        0.5, gt=0.0, le=45.0, description="Standard deviation (deg) of roll and pitch in attitude priors."
    )
    loop_position: float = Field(0.1, gt=0.0, le=10.0, description="Standard deviation (m) of a loop that names none.")
    loop_rotation_deg: float = Field(1.0, gt=0.0, le=45.0, description="The same (deg).")
    robust_kernel: Kernel = Field("cauchy", description="Kernel of loops, fixes and wheels.")
    robust_scale: float = Field(3.0, gt=0.0, le=100.0, description="Its scale, in standard deviations.")
    is_undoing: bool = Field(True, description="Take back factors that contradict the graph.")
    max_chi2: float = Field(
        16.8, gt=0.0, le=1e6, description="A loop or wheel factor of a larger chi2 after optimisation is undone."
    )
    max_chi2_position: float = Field(16.3, gt=0.0, le=1e6, description="The same for a satellite fix.")
    max_odometry_growth: float = Field(
        2.0, gt=1.0, le=1000.0, description="So many times may the mean chi2 of the odometry grow with new factors."
    )
    min_odometry_chi2: float = Field(
        1.0, gt=0.0, le=1e3, description="A mean chi2 of the odometry below this counts as this."
    )
    max_rise: float = Field(50.0, gt=0.0, le=1e9, description="A loop may raise the chi2 of the whole graph so far.")
    odometry: OdometryNoiseConfig = Field(default_factory=OdometryNoiseConfig, description="Noise of the odometry.")
    wheel: WheelConfig = Field(default_factory=WheelConfig, description="Noise of wheel odometry.")
    gnss: GnssConfig = Field(default_factory=GnssConfig, description="Satellite fixes.")


# Graphs of others: plain least squares, every factor counts.
IMPORTED = GraphConfig(robust_kernel="none", is_undoing=False, relinearize_translation=1.0)
