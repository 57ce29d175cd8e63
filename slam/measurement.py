"""A scan as a measurement for the filter: matches with the local map, which count less where they say little."""

from dataclasses import replace

import numpy as np

from perception.core.types import RegistrationReport
from slam.bev import BevEquations, BevTerm
from slam.config import OdometryConfig
from slam.degeneracy import Degeneracy, analyse
from slam.local_map import LocalMap
from slam.registration import NormalEquations, Registration
from slam.state import State

UNKNOWN = Degeneracy(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(3), np.zeros(3), np.zeros((3, 3)))


class ScanMeasurement:
    """The points of one scan (N, 3) float32, LiDAR frame; callable as a `slam.filter.Measure`.

    With `keep_weak` weak translations stay in the measurement: for a scan before which nothing is known.
    """

    def __init__(
        self,
        config: OdometryConfig,
        registration: Registration,
        local_map: LocalMap,
        points: np.ndarray,
        keep_weak: bool = False,
        before: np.ndarray | None = None,
        images: BevTerm | None = None,
    ) -> None:
        """`before` (3, 3): `Degeneracy.translation` of the scan before, None for the first.

        `images`: keypoints that speak where the scan does not.
        """
        self.images = images
        self.keep_weak = keep_weak
        self.before = before
        self.config = config
        self.registration = registration
        self.local_map = local_map
        self.points = points
        self.degeneracy = UNKNOWN
        self._doubts: list[tuple[np.ndarray, float]] = []
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
            self.degeneracy = self._analysed(pose)
            self._doubts = self.degeneracy.doubts(self.config.registration)
        if self.keep_weak or equations.num_matches < self.config.filter.min_matches:
            return equations
        HtH, Htz = equations.HtH.copy(), equations.Htz.copy()
        for axis, share in self._doubts:
            HtH, Htz = damped(HtH, Htz, axis, share)
        weak = self._open()
        if self.images is not None and len(weak):
            told, pull = along_weak(self.images.linearise(*pose), equations.HtH, weak)
            HtH[:6, :6] += told * self.config.filter.point_variance  # the filter divides by it
            Htz[:6] += pull * self.config.filter.point_variance
        return replace(equations, HtH=HtH, Htz=Htz)

    def _open(self) -> np.ndarray:
        """Translations (K, 3) of which images are asked: the weak ones, and those that are nearly weak."""
        values, vectors = np.linalg.eigh(self.degeneracy.translation)
        return vectors.T[values < self.config.images.attention * self.config.registration.weak_translation]

    def _analysed(self, pose: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]) -> Degeneracy:
        """What the scan does not determine. All matches count alike: weights prefer smooth surfaces to rough ones."""
        plain = self.registration.linearise(self.points, *pose, is_robust=False)
        config = self.config.registration
        return analyse(plain.HtH, plain.num_matches, plain.mean_squared_range, config, self.before)

    @property
    def is_degenerate(self) -> bool:
        """True when some translation is not determined.

        Weak rotations are told but stay in the measurement: far points make rotations weak by comparison where they
        are well known in degrees, and without an IMU nothing else would hold them.
        """
        return len(self.degeneracy.weak_translation) > 0

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
            self.is_degenerate,
        )

    def weakness(self) -> str:
        """Which translations the scan does not determine, in words."""
        axes = ", ".join(_named(axis) for axis in self.degeneracy.weak_translation)
        return f"geometry does not determine the translation along {axes}"


def damped(HtH: np.ndarray, Htz: np.ndarray, axis: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """The normal equations with a `share` of what they say about the translation `axis` (3,); all else is kept.

    A translation u is the motion d = (u, -C^-1 B^T u): the rotation that goes with it is the one the scan would
    choose. With a share of 0 the information stays positive semi-definite with d as its null direction. (To blank the
    rows of u instead would claim that the rotation is known as it stands, and the filter would believe it.)
    """
    mode = np.zeros(len(Htz))
    mode[:6] = weak_modes(HtH, axis[None])[:, 0]
    told = HtH @ mode
    known = float(mode @ told)
    if known <= 0.0:
        return HtH, Htz
    taken = (1.0 - share) * told / known
    return HtH - np.outer(taken, told), Htz - taken * (mode @ Htz)


def along_weak(images: BevEquations, HtH: np.ndarray, weak: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What images say about the weak translations (K, 3) alone, as information (6, 6) and vector (6,).

    What the scan determines stays its own: images tell how far along a weak motion the robot is, nothing else.
    """
    modes = weak_modes(HtH, weak)
    rows = np.zeros((len(weak), 6))
    rows[:, :3] = weak
    return rows.T @ (modes.T @ images.information @ modes) @ rows, rows.T @ (modes.T @ images.vector)


def weak_modes(HtH: np.ndarray, weak: np.ndarray) -> np.ndarray:
    """The motions (6, K) of weak translations (K, 3), with the rotation that the scan would choose for each."""
    B, C = HtH[:3, 3:6], HtH[3:6, 3:6]
    return np.vstack([weak.T, -np.linalg.pinv(C, hermitian=True) @ B.T @ weak.T])


def _named(axis: np.ndarray) -> str:
    return "(" + ", ".join(f"{value:.2f}" for value in axis) + ")"
