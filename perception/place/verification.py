"""Whether a candidate is the same place: registration of both clouds in three dimensions, with a reason for each no.

Section 12.4 of bev_lio_lc.md: point to plane with our voxel planes, far-reaching correspondences first, then near
ones. What is accepted must overlap, fit, determine all directions, and not contradict what the images said.
"""

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.geometry import exp_so3, inverse, log_so3
from perception.core.types import check
from perception.kernels.nearest import nearest_distances
from perception.kernels.voxels import VoxelScratch, voxel_indices
from perception.place.config import VerificationConfig
from perception.place.registration2d import Planar
from slam.config import MapConfig, RegistrationConfig
from slam.degeneracy import analyse
from slam.local_map import LocalMap
from slam.registration import NormalEquations, Registration

CONVERGED = 1e-4  # m, rad: a smaller step ends a stage
MIN_MATCHES = 50  # points on planes, of a registration that can be judged
LOOSE_PLANE, TIGHT_PLANE = (0.25, 4.0), (0.08, 10.0)  # largest deviation (m) and least ratio of variances of planes
LOWEST, GROUND = 0.05, 0.4  # share of the points that is ground for certain; so much (m) higher it is none
SMALL = 1e-9
MAX_POINTS, MAX_VOXELS = 10_000, 1 << 20  # of a voxel that is final, of a map


class Verdict(Enum):
    """Why a candidate is a revisit or none."""

    ACCEPTED = "accepted"
    FEW_POINTS = "too few points"
    NO_FIT = "the clouds find no common surfaces"
    FAR_CORRECTION = "the clouds contradict the images"
    LOW_OVERLAP = "too small a share of the points overlap"
    LARGE_RESIDUAL = "the surfaces do not fit"
    DEGENERATE = "the surfaces leave a direction open"


@dataclass(frozen=True, slots=True, eq=False)
class Verification:
    """What came out for one candidate."""

    verdict: Verdict
    detail: str  # with numbers; empty where it is accepted
    T_reference_query: np.ndarray  # (4, 4), as far as it was found
    information: np.ndarray  # (6, 6) of translation (reference axes) and rotation (query axes), per square metre
    overlap: float
    residual: float  # m, RMS of the matches

    @property
    def is_accepted(self) -> bool:
        """Whether it is a revisit."""
        return self.verdict is Verdict.ACCEPTED


def lifted(planar: Planar, height: float = 0.0) -> np.ndarray:
    """`T_reference_query` (4, 4) of level sensors from a motion in the plane and the height (m) that odometry says."""
    T = planar.T_reference_query
    T[2, 3] = height
    return T


def verify(
    query: np.ndarray, reference: np.ndarray, T_reference_query: np.ndarray, config: VerificationConfig
) -> Verification:
    """Register points of the query (N, 3) float32, m, in its sensor's frame, with those of the reference (M, 3).

    The reference is best several keyframes together, in the frame of the candidate. Raises `InvalidInput`.
    """
    check("query", query, (None, 3), np.float32)
    check("reference", reference, (None, 3), np.float32)
    check("T_reference_query", T_reference_query, (4, 4), np.float64)
    if not np.isfinite(T_reference_query).all():
        raise InvalidInput("T_reference_query: holds numbers that are not finite; give what the images said")
    sparse = query[voxel_indices(query, config.query_voxel, VoxelScratch())]
    if min(len(sparse), len(reference)) < config.min_points:
        detail = f"{len(sparse)} and {len(reference)} points, at least {config.min_points} are needed"
        return _refused(Verdict.FEW_POINTS, detail, T_reference_query)
    T, equations = T_reference_query, None
    for edge, plane in ((config.coarse_voxel, LOOSE_PLANE), (config.fine_voxel, TIGHT_PLANE)):
        T, equations = _registered(sparse, reference, T, edge, plane, config)
        if equations is None or equations.num_matches < MIN_MATCHES:
            num = 0 if equations is None else equations.num_matches
            return _refused(Verdict.NO_FIT, f"{num} points on surfaces {edge} m wide", T)
    assert equations is not None
    return _judged(sparse, reference, T_reference_query, T, equations, config)


def _judged(
    query: np.ndarray,
    reference: np.ndarray,
    T_before: np.ndarray,
    T: np.ndarray,
    equations: NormalEquations,
    config: VerificationConfig,
) -> Verification:
    """The verdict on a registration, by the first check that fails."""
    moved = (query @ T[:3, :3].T + T[:3, 3]).astype(np.float32)
    is_there = np.isfinite(nearest_distances(moved, reference, config.overlap_distance))
    overlap = float(is_there.mean())
    is_standing = moved[:, 2] > np.quantile(moved[:, 2], LOWEST) + GROUND
    standing = float(is_there[is_standing].mean()) if is_standing.any() else overlap
    residual = float(np.sqrt(equations.sum_squared_residual / equations.num_matches))
    correction = inverse(T_before) @ T
    shift, turn = float(np.linalg.norm(correction[:3, 3])), np.degrees(np.linalg.norm(log_so3(correction[:3, :3])))
    degeneracy = analyse(equations.HtH, equations.sum_weights, equations.mean_squared_range, RegistrationConfig())
    found = Verification(Verdict.ACCEPTED, "", T, equations.HtH, overlap, residual)
    if shift > config.max_correction or turn > config.max_correction_deg:
        return _no(found, Verdict.FAR_CORRECTION, f"moved by {shift:.2f} m and {turn:.1f} deg")
    if overlap < config.min_overlap:
        return _no(found, Verdict.LOW_OVERLAP, f"{overlap:.2f}, at least {config.min_overlap}")
    if standing < config.min_standing:
        return _no(found, Verdict.LOW_OVERLAP, f"{standing:.2f} above the ground, at least {config.min_standing}")
    if residual > config.max_residual:
        return _no(found, Verdict.LARGE_RESIDUAL, f"{residual:.3f} m, at most {config.max_residual} m")
    if degeneracy.is_degenerate:
        least = float(degeneracy.translation_eigenvalues[0])
        return _no(found, Verdict.DEGENERATE, f"least information {least:.4f} per point")
    return found


def _registered(
    query: np.ndarray,
    reference: np.ndarray,
    T: np.ndarray,
    edge: float,
    plane: tuple[float, float],
    config: VerificationConfig,
) -> tuple[np.ndarray, NormalEquations | None]:
    """Gauss-Newton with planes of voxels; the equations are those at the end, None where they say nothing."""
    deviation, ratio = plane
    limits = {"max_plane_deviation": deviation, "min_plane_ratio": ratio, "points_per_voxel": MAX_POINTS}
    settings = MapConfig(voxel_size=edge, max_voxels=MAX_VOXELS, **limits)
    local_map = LocalMap(settings)
    local_map.insert(reference, np.eye(4))
    registration = Registration(RegistrationConfig(robust_scale=config.robust_scale, robust_factor=0.0))
    R, p, equations = T[:3, :3].copy(), T[:3, 3].copy(), None
    for _ in range(config.iterations):
        registration.associate(local_map, query, R, p, np.eye(3), np.zeros(3))
        equations = registration.linearise(query, R, p, np.eye(3), np.zeros(3))
        if equations.num_matches < MIN_MATCHES:
            break
        damping = SMALL * np.trace(equations.HtH) * np.eye(6)
        step = np.linalg.solve(equations.HtH + damping, equations.Htz)
        p, R = p + step[:3], R @ exp_so3(step[3:])
        if np.abs(step).max() < CONVERGED:
            break
    found = np.eye(4)
    found[:3, :3], found[:3, 3] = R, p
    return found, equations


def _refused(verdict: Verdict, detail: str, T: np.ndarray) -> Verification:
    return Verification(verdict, detail, T, np.zeros((6, 6)), 0.0, np.inf)


def _no(found: Verification, verdict: Verdict, detail: str) -> Verification:
    return replace(found, verdict=verdict, detail=detail)
