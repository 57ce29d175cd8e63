"""Which pose of an estimate belongs to which pose of a reference."""

from dataclasses import dataclass

import numpy as np

from perception.core.geometry import matrix_from_quaternion, quaternion_from_matrix
from perception.core.stamps import NS_PER_S
from perception.core.trajectory import Trajectory

PARALLEL = 1e-9  # of 1 - cosine; closer quaternions are mixed linearly


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Poses of estimate and reference at the same times. Both lists have N entries."""

    stamps_ns: np.ndarray  # (N,) int64, of the reference
    estimate: np.ndarray  # (N, 4, 4) float64, T_world_body
    reference: np.ndarray  # (N, 4, 4) float64, T_world_body
    num_unmatched: int  # poses of the reference (nearest: of the shorter list) that found no partner

    def __len__(self) -> int:
        return len(self.stamps_ns)


def interpolated(estimate: Trajectory, reference: Trajectory, max_gap_ns: int) -> Pairs:
    """The estimate at every stamp of the reference that it covers: not before, not after, not inside a long silence.

    `max_gap_ns`: two poses of the estimate farther apart than this are not joined; 0 joins all.
    """
    if len(estimate) == 0 or len(reference) == 0:
        return _none(len(reference))
    stamps = reference.stamps_ns
    after = np.clip(np.searchsorted(estimate.stamps_ns, stamps), 1, max(len(estimate) - 1, 1))
    exact = np.isin(stamps, estimate.stamps_ns)
    covered = (stamps >= estimate.stamps_ns[0]) & (stamps <= estimate.stamps_ns[-1])
    if max_gap_ns > 0 and len(estimate) > 1:
        covered &= exact | (np.diff(estimate.stamps_ns)[after - 1] <= max_gap_ns)
    poses = poses_at(estimate, stamps[covered])
    return Pairs(stamps[covered], poses, reference.poses[covered], int((~covered).sum()))


def nearest(estimate: Trajectory, reference: Trajectory, max_difference_ns: int) -> Pairs:
    """Every pose of the shorter list with the nearest in time of the longer, at most `max_difference_ns` away."""
    if len(estimate) == 0 or len(reference) == 0:
        return _none(max(len(estimate), len(reference)))
    swap = len(estimate) > len(reference)
    sparse, dense = (reference, estimate) if swap else (estimate, reference)
    ids = nearest_ids(dense.stamps_ns, sparse.stamps_ns)
    close = np.abs(dense.stamps_ns[ids] - sparse.stamps_ns) <= max_difference_ns
    sparse_ids, dense_ids = np.flatnonzero(close), ids[close]
    estimate_ids, reference_ids = (dense_ids, sparse_ids) if swap else (sparse_ids, dense_ids)
    unmatched = int((~close).sum())
    stamps = reference.stamps_ns[reference_ids]
    return Pairs(stamps, estimate.poses[estimate_ids], reference.poses[reference_ids], unmatched)


def nearest_ids(stamps_ns: np.ndarray, wanted_ns: np.ndarray) -> np.ndarray:
    """Index (M,) of the entry of increasing `stamps_ns` (N > 0) nearest to each of `wanted_ns`; ties: the earlier."""
    after = np.searchsorted(stamps_ns, wanted_ns).clip(0, len(stamps_ns) - 1)
    before = (after - 1).clip(0)
    return np.where(wanted_ns - stamps_ns[before] <= stamps_ns[after] - wanted_ns, before, after)


def poses_at(trajectory: Trajectory, stamps_ns: np.ndarray) -> np.ndarray:
    """Poses (M, 4, 4) at `stamps_ns` inside the covered time: the vectorised form of `Trajectory.at`."""
    if len(trajectory) == 1 or len(stamps_ns) == 0:
        return np.repeat(trajectory.poses[:1], len(stamps_ns), axis=0)
    after = np.clip(np.searchsorted(trajectory.stamps_ns, stamps_ns), 1, len(trajectory) - 1)
    start, end = trajectory.stamps_ns[after - 1], trajectory.stamps_ns[after]
    fraction = ((stamps_ns - start) / (end - start))[:, None]
    T_a, T_b = trajectory.poses[after - 1], trajectory.poses[after]
    poses = np.zeros_like(T_a)
    poses[:, :3, :3] = matrix_from_quaternion(
        slerp(quaternion_from_matrix(T_a[:, :3, :3]), quaternion_from_matrix(T_b[:, :3, :3]), fraction)
    )
    poses[:, :3, 3] = T_a[:, :3, 3] + fraction * (T_b[:, :3, 3] - T_a[:, :3, 3])
    poses[:, 3, 3] = 1.0
    return poses


def slerp(q_a: np.ndarray, q_b: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    """Unit quaternions (N, 4) between `q_a` and `q_b` along the shorter arc; `fraction` (N, 1) in [0, 1]."""
    cosine = np.sum(q_a * q_b, axis=1, keepdims=True)
    q_b = np.where(cosine < 0.0, -q_b, q_b)
    cosine = np.minimum(np.abs(cosine), 1.0)
    angle = np.arccos(cosine)
    sine = np.where(1.0 - cosine < PARALLEL, 1.0, np.sin(angle))
    mixed = np.sin((1.0 - fraction) * angle) / sine * q_a + np.sin(fraction * angle) / sine * q_b
    return np.where(1.0 - cosine < PARALLEL, (1.0 - fraction) * q_a + fraction * q_b, mixed)


def shifted(trajectory: Trajectory, offset: float) -> Trajectory:
    """The same poses `offset` seconds later."""
    if offset == 0.0:
        return trajectory
    stamps = trajectory.stamps_ns + round(offset * NS_PER_S)
    return Trajectory(stamps, trajectory.poses, trajectory.body, trajectory.world)


def _none(num_unmatched: int) -> Pairs:
    poses = np.zeros((0, 4, 4))
    return Pairs(np.zeros(0, dtype=np.int64), poses, poses, num_unmatched)
