"""Which motions a scan does not determine: eigenvalues of the point-to-plane information, section 8 of bev_lio_lc.md.

Units are not mixed: translation is judged after rotation is eliminated and the other way round, rotation divided by
the mean squared range of the points.
"""

from dataclasses import dataclass

import numpy as np

from slam.config import RegistrationConfig

DECAY = 4  # power of the information with which a scan loses its say; of 2, 4 and 8 the best on generated drives
SMALL = 1e-12  # of the trace, added to a block so that it can be inverted whatever the scene


@dataclass(frozen=True, slots=True, eq=False)
class Degeneracy:
    """Directions in which the scan says too little, as unit vectors, with all eigenvalues (ascending, per match)."""

    weak_translation: np.ndarray  # (K, 3) in odom axes
    weak_rotation: np.ndarray  # (K, 3) in IMU axes (right perturbation)
    translation_eigenvalues: np.ndarray  # (3,)
    rotation_eigenvalues: np.ndarray  # (3,)
    translation: np.ndarray  # (3, 3) information of the translation that was judged, per match

    def doubts(self, config: RegistrationConfig) -> list[tuple[np.ndarray, float]]:
        """Translations (3,), unit vectors in odom axes, that the scan knows badly, and which share of it to believe.

        What little it says there comes from planes fitted over edges and gaps, which agree with one another where the
        robot stands still: taken at their word they hold it in place while it drives. Weak translations count for 0.
        """
        values, vectors = np.linalg.eigh(self.translation)
        shares = np.where(values < config.weak_translation, 0.0, (values / config.full_translation) ** DECAY)
        return [(vectors[:, k], float(shares[k])) for k in np.flatnonzero(shares < 1.0)]

    @property
    def is_degenerate(self) -> bool:
        """True when some translation or rotation is not determined."""
        return len(self.weak_translation) + len(self.weak_rotation) > 0


def analyse(
    HtH: np.ndarray,
    sum_weights: float,
    mean_squared_range: float,
    config: RegistrationConfig,
    before: np.ndarray | None = None,
) -> Degeneracy:
    """Weak directions of `HtH` (6, 6), order p, R, over matches of that weight. Without matches everything is weak.

    `before` (3, 3), the `translation` of the scan before, steadies the judgement of the translation: single scans of
    a narrow field of view see little for a moment, and a few badly fitted planes make a corridor look determined.
    """
    if sum_weights <= 0.0 or mean_squared_range <= 0.0 or not HtH.any():
        return Degeneracy(np.eye(3), np.eye(3), np.zeros(3), np.zeros(3), np.zeros((3, 3)))
    information = HtH[:6, :6] / sum_weights
    A, B, C = information[:3, :3], information[:3, 3:], information[3:, 3:]
    inverse_A, inverse_C = np.linalg.inv(np.stack((A, C)) + SMALL * np.trace(information) * np.eye(3))
    blocks = np.stack((A - B @ inverse_C @ B.T, (C - B.T @ inverse_A @ B) / mean_squared_range))
    if before is not None:
        blocks[0] = config.weak_memory * before + (1.0 - config.weak_memory) * blocks[0]
    (values_t, values_r), (vectors_t, vectors_r) = np.linalg.eigh(blocks)
    return Degeneracy(
        vectors_t.T[values_t < config.weak_translation],
        vectors_r.T[values_r < config.weak_rotation],
        values_t,
        values_r,
        blocks[0],
    )
