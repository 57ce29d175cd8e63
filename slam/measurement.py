"""A scan as a measurement for the filter: matches with the local map, without the directions it says nothing about."""

from dataclasses import replace

import numpy as np

from perception.core.types import RegistrationReport
from slam.config import OdometryConfig
from slam.degeneracy import Degeneracy, analyse, project
from slam.local_map import LocalMap
from slam.registration import NormalEquations, Registration
from slam.state import State

UNKNOWN = Degeneracy(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(3), np.zeros(3))


class ScanMeasurement:
    """The points of one scan (N, 3) float32, LiDAR frame; callable as a `slam.filter.Measure`."""

    def __init__(
        self, config: OdometryConfig, registration: Registration, local_map: LocalMap, points: np.ndarray
    ) -> None:
        self.config = config
        self.registration = registration
        self.local_map = local_map
        self.points = points
        self.degeneracy = UNKNOWN
        self.equations: NormalEquations | None = None  # of the last call, weak directions included

    def __call__(self, state: State, search: bool) -> NormalEquations:
        """Normal equations at `state`; with `search`, over correspondences sought there."""
        pose = (state.R, state.position, state.R_imu_lidar, state.t_imu_lidar)
        if search:
            self.registration.associate(self.local_map, self.points, *pose)
        extrinsics = self.config.filter.estimate_extrinsics
        equations = self.registration.linearise(self.points, *pose, with_extrinsics=extrinsics)
        self.equations = equations
        if search:
            self.degeneracy = analyse(
                equations.HtH, equations.num_matches, equations.mean_squared_range, self.config.registration
            )
        if not self.degeneracy.is_degenerate or equations.num_matches < self.config.filter.min_matches:
            return equations
        HtH, Htz = project(equations.HtH, equations.Htz, self.degeneracy)
        return replace(equations, HtH=HtH, Htz=Htz)

    def report(self, num_iterations: int) -> RegistrationReport:
        """The numbers of the last call."""
        if self.equations is None:
            return RegistrationReport(len(self.points), 0, num_iterations, 0.0)
        num_matches = self.equations.num_matches
        return RegistrationReport(
            len(self.points),
            num_matches,
            num_iterations,
            float(np.sqrt(self.equations.sum_squared_residual / max(num_matches, 1))),
            self.degeneracy.weak_translation,
            self.degeneracy.is_degenerate,
        )

    def weakness(self) -> str:
        """Which motions the scan does not determine, in words."""
        parts = [f"translation along {_named(axis)}" for axis in self.degeneracy.weak_translation]
        parts += [f"rotation about {_named(axis)} of the body" for axis in self.degeneracy.weak_rotation]
        return f"geometry does not determine {', '.join(parts)}"


def _named(axis: np.ndarray) -> str:
    return "(" + ", ".join(f"{value:.2f}" for value in axis) + ")"
