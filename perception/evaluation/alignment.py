"""The similarity that carries an estimate onto its reference.

Source: S. Umeyama, "Least-squares estimation of transformation parameters between two point patterns", PAMI 1991.
Where the positions leave a rotation open (a straight drive, a standing robot), the attitudes decide it.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.geometry import exp_so3, hat, inverse, transform

Alignment = Literal["none", "origin", "se3", "sim3"]
LINE = 1e-6  # of the second singular value to the first: 3 cm beside 30 m along the line
STILL = 1e-12  # m^2, of the first singular value: no motion but rounding


@dataclass(frozen=True, slots=True, eq=False)
class Similarity:
    """`p_reference = scale * R @ p_estimate + t`, with R and t in `T_reference_estimate`."""

    T_reference_estimate: np.ndarray  # (4, 4) float64
    scale: float = 1.0

    def apply(self, poses: np.ndarray) -> np.ndarray:
        """Poses (N, 4, 4) of a body in the world of the reference; the scale acts on positions only."""
        scaled = poses.copy()
        scaled[:, :3, 3] *= self.scale
        return self.T_reference_estimate @ scaled


def align(estimate: np.ndarray, reference: np.ndarray, how: Alignment) -> Similarity:
    """The similarity between paired poses (N, 4, 4), N > 0.

    none: identity; origin: the first poses coincide; se3, sim3: least squares of the positions, without and with
    scale. Raises `InvalidInput` when a scale is asked of a robot that stands still.
    """
    if how == "none":
        return Similarity(np.eye(4))
    if how == "origin":
        return Similarity(reference[0] @ inverse(estimate[0]))
    return umeyama(estimate, reference, with_scale=how == "sim3")


def umeyama(estimate: np.ndarray, reference: np.ndarray, with_scale: bool) -> Similarity:
    """Least-squares similarity of the positions of paired poses (N, 4, 4), equations 38 to 43."""
    source, target = estimate[:, :3, 3], reference[:, :3, 3]
    centre_source, centre_target = source.mean(axis=0), target.mean(axis=0)
    centred = source - centre_source
    U, d, Vt = np.linalg.svd((target - centre_target).T @ centred / len(source))
    if with_scale and d[0] <= STILL:
        raise InvalidInput("alignment: the positions stand still, so the scale is not determined; use --align se3")
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(U) * np.linalg.det(Vt))])
    R = U @ np.diag(signs) @ Vt
    if d[1] <= max(LINE * d[0], STILL):
        R = _by_attitudes(R, U[:, 0] if d[0] > STILL else None, estimate, reference)
    scale = float((d * signs).sum() / np.square(centred).sum(axis=1).mean()) if with_scale else 1.0
    return Similarity(transform(R, centre_target - scale * R @ centre_source), scale)


def _by_attitudes(R: np.ndarray, line: np.ndarray | None, estimate: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """`R`, turned about `line` (None: about any axis) so that the attitudes agree best in the chordal sense."""
    N = R @ np.einsum("nij,nkj->ik", estimate[:, :3, :3], reference[:, :3, :3])
    if line is None:
        U, _, Vt = np.linalg.svd(N.T)
        return U @ np.diag([1.0, 1.0, np.linalg.det(U @ Vt)]) @ Vt @ R
    angle = np.arctan2(np.trace(hat(line) @ N), np.trace(N) - line @ N @ line)
    return exp_so3(angle * line) @ R
