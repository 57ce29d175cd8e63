"""When a factor is taken back: after optimisation it, or what it does to the odometry, is not believable.

The rule of the specification: its own chi2 beyond 16.8 (6 degrees of freedom, 0.99), or a doubled mean chi2 of the
odometry. Ours beside it: a guess may raise the chi2 of the whole graph by `max_rise` at most, because in a long cycle
a wrong loop is spread over so many odometry factors that neither of the two shows it.
"""

from dataclasses import dataclass

import numpy as np

from slam.graph.config import GraphConfig
from slam.graph.edges import Edges


@dataclass(frozen=True, slots=True)
class Cost:
    """Chi2 of the relative poses without kernels."""

    odometry: float = 0.0
    others: float = 0.0  # loops and wheels
    num_odometry: int = 0

    @property
    def total(self) -> float:
        """Of all of them."""
        return self.odometry + self.others


def cost_of(edges: Edges, ids: np.ndarray, poses: np.ndarray) -> Cost:
    """What the relative poses cost at an estimate."""
    chi2, use = edges.chi2(ids, poses)
    is_odometry = edges.is_odometry[: edges.num]
    return Cost(float(chi2[use & is_odometry].sum()), float(chi2[use & ~is_odometry].sum()), int(is_odometry.sum()))


def reason_against(before: Cost, after: Cost, config: GraphConfig) -> str | None:
    """Why the newest guess is not believable, by what it does to the rest; None where it is."""
    count = max(after.num_odometry, 1)
    mean, floor = after.odometry / count, max(before.odometry / count, config.min_odometry_chi2)
    if mean > config.max_odometry_growth * floor:
        return (
            f"the mean chi2 of the odometry grows to {mean:.3g}, more than {config.max_odometry_growth} x {floor:.3g}"
        )
    rise = after.total - before.total
    if rise > config.max_rise:
        return f"the chi2 of the graph rises by {rise:.4g}, more than {config.max_rise:.4g}"
    return None
