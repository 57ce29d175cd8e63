"""A scan as a measurement for the filter: matches with the local map, without the directions it says nothing about."""

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
        weak = self._open()
        if not len(weak) or self.keep_weak or equations.num_matches < self.config.filter.min_matches:
            return equations
        HtH, Htz = without_weak_translation(equations.HtH, equations.Htz, weak)
        if self.images is not None:
            told, pull = along_weak(self.images.linearise(*pose), equations.HtH, weak)
            HtH[:6, :6] += told * self.config.filter.point_variance  # the filter divides by it
            Htz[:6] += pull * self.config.filter.point_variance
        return replace(equations, HtH=HtH, Htz=Htz)

    def _open(self) -> np.ndarray:
        """Translations (K, 3) that the scan does not tell: the weak ones, with images also those that are nearly weak.

        What little a scan says there comes from few edges, and errs together: it would outvote the images.
        """
        if self.images is None:
            return self.degeneracy.weak_translation
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
        return f"geometry does not determine the translation along {named(self.degeneracy.weak_translation)}"

    def poor_translations(self) -> np.ndarray:
        """Translations (K, 3) in odom axes that may slide: the scan says little about them, and no image helps."""
        if self.images is not None or self.equations is None:
            return np.zeros((0, 3))
        return self.degeneracy.poor_translation(self.config.registration)


def without_weak_translation(HtH: np.ndarray, Htz: np.ndarray, weak: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The normal equations without what they say about the weak translations (K, 3); all else they say is kept.

    A weak translation u is the motion d = (u, -C^-1 B^T u): the rotation that goes with it is the one the scan would
    choose. Taking d out of the information leaves it positive semi-definite with d as its null direction. (To blank
    the rows of u instead would claim that the rotation is known as it stands, and the filter would believe it.)
    """
    modes = np.zeros((len(Htz), len(weak)))
    modes[:6] = weak_modes(HtH, weak)
    told = HtH @ modes
    weights = np.linalg.pinv(modes.T @ told, rcond=1e-9, hermitian=True)
    return HtH - told @ weights @ told.T, Htz - told @ (weights @ (modes.T @ Htz))


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


def named(axes: np.ndarray) -> str:
    """Axes (K, 3) in words."""
    return ", ".join("(" + ", ".join(f"{value:.2f}" for value in axis) + ")" for axis in axes)
