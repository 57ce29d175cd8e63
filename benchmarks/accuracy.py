"""How well the poses of one run agree with the reference, read at a stated instant of the sweep."""

from dataclasses import dataclass

import numpy as np

from perception.core.trajectory import Trajectory
from perception.evaluation.association import poses_at
from perception.evaluation.trajectory import Options, TrajectoryErrors, evaluate

INSTANTS = (0.0, 0.5, 1.0)  # of the sweep: start, middle, end; a pose of a peer may belong to any of them


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What one method gave on one drive: N poses, each with the span of time it may belong to, and its CPU time."""

    starts_ns: np.ndarray  # (N,) int64
    ends_ns: np.ndarray  # (N,) int64
    poses: np.ndarray  # (N, 4, 4) float64, T_odom_base
    cpu_ns: np.ndarray  # (N,) int64

    def trajectory(self, instant: float) -> Trajectory:
        """The poses at a fraction of their sweeps."""
        return Trajectory(self.starts_ns + ((self.ends_ns - self.starts_ns) * instant).astype(np.int64), self.poses)


def best_errors(run: Run, reference: Trajectory, at_reference: bool) -> tuple[float, TrajectoryErrors]:
    """The instant (fraction of the sweep) that suits the run best, and the errors there; a stated time is the end.

    `at_reference`: compare at the stamps of the reference, which has one pose for each sweep (KITTI); otherwise the
    dense reference is read at the stamps of the run.
    """
    stated = bool((run.starts_ns == run.ends_ns).all())
    errors = {at: compare(run.trajectory(at), reference, at_reference) for at in ((1.0,) if stated else INSTANTS)}
    return min(errors.items(), key=lambda item: item[1].ape_translation.rmse)


def compare(estimate: Trajectory, reference: Trajectory, at_reference: bool) -> TrajectoryErrors:
    """Errors after SE(3) alignment, with segments of the lengths of short drives."""
    options = Options(align="se3", segment_lengths=(10.0, 20.0, 30.0, 50.0))
    if at_reference:
        return evaluate(carried_on(estimate, reference.stamps_ns), reference, options)
    stamps = estimate.stamps_ns
    known = stamps[(stamps >= reference.stamps_ns[0]) & (stamps <= reference.stamps_ns[-1])]
    return evaluate(estimate, Trajectory(known, poses_at(reference, known)), options)


def carried_on(trajectory: Trajectory, stamps_ns: np.ndarray) -> Trajectory:
    """`trajectory` at `stamps_ns`; half a sweep before the first or after the last pose is extrapolated."""
    period = int(np.median(np.diff(trajectory.stamps_ns)))
    first, last = trajectory.stamps_ns[[0, -1]]
    near = stamps_ns[(stamps_ns >= first - period) & (stamps_ns <= last + period)]
    return Trajectory(near, np.stack([trajectory.at(int(stamp)) for stamp in near]))
