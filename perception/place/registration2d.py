"""Alignment of two bird's-eye images in metres: seeded RANSAC over pairs of keypoints, refined by all that agree.

Section 12.3 of bev_lio_lc.md: points are the middles of cells as x and y of the level sensor, so that no axis of the
image comes in. The refinement is Kabsch's in the plane.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from perception.core.types import check
from perception.place.config import PlanarConfig

REFINEMENTS = 10  # passes of fitting to what agrees, at most
MIN_FITTED = 2  # pairs that a motion is fitted to
STREAM = 11  # of random numbers
JIT = {"nogil": True, "cache": True, "error_model": "numpy"}


@dataclass(frozen=True, slots=True, eq=False)
class Planar:
    """A rigid motion in the plane that takes points of the query to the reference, and what speaks for it."""

    yaw: float  # rad
    shift: np.ndarray  # (2,) float64, m
    inliers: np.ndarray  # (P,) bool
    is_accepted: bool
    reason: str  # why not; empty where it is

    @property
    def num_inliers(self) -> int:
        """Pairs that agree."""
        return int(self.inliers.sum())

    @property
    def ratio(self) -> float:
        """Share of the pairs that agree."""
        return self.num_inliers / max(len(self.inliers), 1)

    @property
    def T_reference_query(self) -> np.ndarray:
        """The motion (4, 4) of level sensors, without a change of height."""
        T = np.eye(4)
        cosine, sine = np.cos(self.yaw), np.sin(self.yaw)
        T[:2, :2], T[:2, 3] = [[cosine, -sine], [sine, cosine]], self.shift
        return T


def align(query: np.ndarray, reference: np.ndarray, config: PlanarConfig) -> Planar:
    """The motion for which most pairs of points (P, 2) float64, m, agree; the same input gives the same bits."""
    query, reference = np.ascontiguousarray(query), np.ascontiguousarray(reference)
    check("query", query, (None, 2), np.float64)
    check("reference", reference, (len(query), 2), np.float64)
    num = len(query)
    if num < config.min_inliers:
        return _refused(num, f"{num} matches, fewer than {config.min_inliers}")
    samples = np.random.default_rng([config.seed, STREAM, num]).integers(0, num, (config.trials, 2))
    motion = np.zeros(3)
    best = best_motion(query, reference, samples, config.inlier_distance, config.min_baseline, motion)
    if best < config.min_inliers:
        return _refused(num, f"{best} matches agree, fewer than {config.min_inliers}")
    motion, inliers = _refined(query, reference, motion, config.inlier_distance)
    count = int(inliers.sum())
    reason = ""
    if count < config.min_inliers:
        reason = f"{count} matches agree, fewer than {config.min_inliers}"
    elif count < config.min_ratio * num:
        reason = f"{count} of {num} matches agree, a smaller share than {config.min_ratio}"
    return Planar(float(motion[0]), motion[1:].copy(), inliers, not reason, reason)


def kabsch(query: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Yaw and shift (3,) that take points (P, 2) nearest to theirs (P, 2), in the sense of least squares."""
    a, b = query.mean(axis=0), reference.mean(axis=0)
    M = (reference - b).T @ (query - a)
    yaw = np.arctan2(M[1, 0] - M[0, 1], M[0, 0] + M[1, 1])
    cosine, sine = np.cos(yaw), np.sin(yaw)
    return np.array([yaw, *(b - np.array([[cosine, -sine], [sine, cosine]]) @ a)])


def best_motion_twin(
    query: np.ndarray, reference: np.ndarray, samples: np.ndarray, distance: float, baseline: float, motion: np.ndarray
) -> int:
    """The definition of `best_motion`: pairs that agree with the first best of the samples (T, 2), put in `motion`."""
    best = 0
    for i, j in samples:
        a, b = query[j] - query[i], reference[j] - reference[i]
        lengths = np.hypot(*a), np.hypot(*b)
        if min(lengths) < baseline or abs(lengths[0] - lengths[1]) > 2.0 * distance:
            continue
        yaw = np.arctan2(a[0] * b[1] - a[1] * b[0], a[0] * b[0] + a[1] * b[1])
        R = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
        shift = 0.5 * (reference[i] + reference[j]) - R @ (0.5 * (query[i] + query[j]))
        count = int((((query @ R.T + shift - reference) ** 2).sum(axis=1) < distance * distance).sum())
        if count > best:
            best, motion[:] = count, (yaw, *shift)
    return best


@njit(**JIT)
def best_motion(query, reference, samples, distance, baseline, motion):  # type: ignore[no-untyped-def]
    """As `best_motion_twin`."""
    best, limit = 0, distance * distance
    for trial in range(samples.shape[0]):
        i, j = samples[trial, 0], samples[trial, 1]
        ax, ay = query[j, 0] - query[i, 0], query[j, 1] - query[i, 1]
        bx, by = reference[j, 0] - reference[i, 0], reference[j, 1] - reference[i, 1]
        la, lb = np.sqrt(ax * ax + ay * ay), np.sqrt(bx * bx + by * by)
        if la < baseline or lb < baseline or abs(la - lb) > 2.0 * distance:
            continue
        sine, cosine = ax * by - ay * bx, ax * bx + ay * by
        yaw = np.arctan2(sine, cosine)
        cosine, sine = np.cos(yaw), np.sin(yaw)
        mx, my = 0.5 * (query[i, 0] + query[j, 0]), 0.5 * (query[i, 1] + query[j, 1])
        x = 0.5 * (reference[i, 0] + reference[j, 0]) - (cosine * mx - sine * my)
        y = 0.5 * (reference[i, 1] + reference[j, 1]) - (sine * mx + cosine * my)
        count = 0
        for n in range(query.shape[0]):
            dx = cosine * query[n, 0] - sine * query[n, 1] + x - reference[n, 0]
            dy = sine * query[n, 0] + cosine * query[n, 1] + y - reference[n, 1]
            count += dx * dx + dy * dy < limit
        if count > best:
            best = count
            motion[0], motion[1], motion[2] = yaw, x, y
    return best


def _refined(
    query: np.ndarray, reference: np.ndarray, motion: np.ndarray, distance: float
) -> tuple[np.ndarray, np.ndarray]:
    """The motion fitted to the pairs that agree with it, until these are the same."""
    inliers = _agreeing(query, reference, motion, distance)
    for _ in range(REFINEMENTS):
        motion = kabsch(query[inliers], reference[inliers])
        agreeing = _agreeing(query, reference, motion, distance)
        if (agreeing == inliers).all() or agreeing.sum() < MIN_FITTED:
            break
        inliers = agreeing
    return motion, inliers


def _agreeing(query: np.ndarray, reference: np.ndarray, motion: np.ndarray, distance: float) -> np.ndarray:
    cosine, sine = np.cos(motion[0]), np.sin(motion[0])
    moved = query @ np.array([[cosine, sine], [-sine, cosine]]) + motion[1:]
    return ((moved - reference) ** 2).sum(axis=1) < distance * distance


def _refused(num: int, reason: str) -> Planar:
    return Planar(0.0, np.zeros(2), np.zeros(num, dtype=bool), False, reason)


def warm_up() -> None:
    """Compile the kernel with the types of `align`."""
    points = np.zeros((2, 2))
    best_motion(points, points, np.zeros((1, 2), dtype=np.int64), 1.0, 1.0, np.zeros(3))
