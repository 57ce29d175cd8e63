"""How far an estimated trajectory is from a reference: absolute, relative and segment errors.

Definitions: J. Sturm et al., "A benchmark for the evaluation of RGB-D SLAM systems", IROS 2012 (absolute and relative
pose error); A. Geiger et al., "Are we ready for autonomous driving?", CVPR 2012 (segment errors).
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from perception.core.errors import ConfigError, InvalidInput
from perception.core.geometry import inverse, quaternion_from_matrix
from perception.core.stamps import NS_PER_S
from perception.core.trajectory import Trajectory
from perception.core.types import check
from perception.evaluation.alignment import Alignment, Similarity, align
from perception.evaluation.association import Pairs, interpolated, nearest, shifted

KITTI_LENGTHS = (100.0, 200.0, 300.0, 400.0, 500.0, 600.0, 700.0, 800.0)  # m
KITTI_STEP = 10  # poses between the starts of two segments
SHORT_LENGTHS = (10.0, 20.0, 30.0, 50.0)  # m, for drives that have too few segments of KITTI's shortest length
TINY_LENGTHS = (0.5, 1.0, 2.0, 5.0)  # m, for what moves inside a room
LONG_DRIVE = 200.0  # m of reference path from which KITTI's lengths are used
SHORT_DRIVE = 20.0  # m from which SHORT_LENGTHS are used
PATH_TOLERANCE = 0.1  # of the distance: how far off a pair of "all" relative errors may be
MIN_PAIRS = 3  # fewer positions do not determine an alignment
LOW_OVERLAP = 0.5  # of the shorter trajectory's time


@dataclass(frozen=True, slots=True, eq=False)
class Options:
    """How two trajectories are compared. Checked at construction; raises `ConfigError`."""

    align: Alignment = "se3"
    associate: Literal["interpolate", "nearest"] = "interpolate"
    max_difference: float = 0.01  # s, of the stamps of a pair, for `nearest`
    max_gap: float = 1.0  # s, longest silence of the estimate that is interpolated across; 0: any
    offset: float = 0.0  # s, added to the stamps of the estimate
    T_est_ref: np.ndarray = field(default_factory=lambda: np.eye(4))  # (4, 4) float64, body of reference in estimate's
    rpe_frames: int = 1  # poses between the ends of a relative error
    rpe_distance: float = 10.0  # m between the ends of a relative error
    rpe_pairs: Literal["consecutive", "all"] = "consecutive"
    rpe_path: Literal["reference", "estimate"] = "reference"  # whose path measures `rpe_distance`
    segment_lengths: tuple[float, ...] = ()  # m; empty: by the length of the drive
    segment_step: int = 0  # poses between the starts of two segments; 0: 10 with KITTI's lengths, else 1

    def __post_init__(self) -> None:
        check("T_est_ref", self.T_est_ref, (4, 4), np.float64)
        allowed = {
            "align": ("none", "origin", "se3", "sim3"),
            "associate": ("interpolate", "nearest"),
            "rpe_pairs": ("consecutive", "all"),
            "rpe_path": ("reference", "estimate"),
        }
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise ConfigError(f"{name}: got {getattr(self, name)!r}; use {', '.join(values)}")
        for name, minimum in (("max_difference", 0.0), ("max_gap", 0.0), ("rpe_frames", 1), ("segment_step", 0)):
            if not getattr(self, name) >= minimum:
                raise ConfigError(f"{name}: got {getattr(self, name)}; use {minimum} or more")
        if not self.rpe_distance > 0.0 or not all(length > 0.0 for length in self.segment_lengths):
            raise ConfigError(f"rpe_distance, segment_lengths: got {self.rpe_distance}, {self.segment_lengths}; use >0")

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**values, "T_est_ref": self.T_est_ref.tolist(), "segment_lengths": list(self.segment_lengths)}


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of a list of errors, in the unit of the errors; `sse` in its square. NaN without any error."""

    rmse: float
    mean: float
    median: float
    std: float
    min: float
    max: float
    sse: float
    count: int

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; null where there was no error to count."""
        return {name: getattr(self, name) if self.count else None for name in self.__dataclass_fields__} | {
            "count": self.count
        }


@dataclass(frozen=True, slots=True)
class SegmentErrors:
    """Mean drift over all segments of one length."""

    length: float  # m
    count: int
    translation_percent: float
    rotation_deg_per_100m: float


@dataclass(frozen=True, slots=True, eq=False)
class TrajectoryErrors:
    """Result of a comparison, with what is needed to draw it. N is the number of pairs."""

    options: Options
    stamps_ns: np.ndarray  # (N,) int64, of the reference
    estimate: np.ndarray  # (N, 4, 4) float64, body of the reference by the estimate, aligned, in the reference's world
    reference: np.ndarray  # (N, 4, 4) float64
    num_unmatched: int
    alignment: Similarity
    translation_errors: np.ndarray  # (N,) float64, m
    rotation_errors_deg: np.ndarray  # (N,) float64
    ape_translation: Statistics  # m
    ape_rotation_deg: Statistics
    rpe_frames_translation: Statistics  # m
    rpe_frames_rotation_deg: Statistics
    rpe_distance_translation: Statistics  # m
    rpe_distance_rotation_deg: Statistics
    segments: tuple[SegmentErrors, ...]
    segment_rule: str  # which lengths and starts were used, and why
    t_rel_percent: float  # mean over all segments of all lengths, as on the KITTI page; NaN without segments
    r_rel_deg_per_100m: float
    reference_path_length: float  # m, over the pairs
    estimate_path_length: float  # m, over the pairs, after a scale of sim3
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON, without the errors of the single poses."""
        numbers = ("num_unmatched", "segment_rule", "reference_path_length", "estimate_path_length")
        kinds = ("ape", "rpe_frames", "rpe_distance")
        statistics = [f"{kind}_{part}" for kind in kinds for part in ("translation", "rotation_deg")]
        return {
            "num_pairs": len(self.stamps_ns),
            **{name: getattr(self, name) for name in numbers},
            **{name: getattr(self, name).to_json() for name in statistics},
            "segments": [{name: getattr(s, name) for name in s.__dataclass_fields__} for s in self.segments],
            "t_rel_percent": self.t_rel_percent if self.segments else None,
            "r_rel_deg_per_100m": self.r_rel_deg_per_100m if self.segments else None,
            "T_reference_estimate": self.alignment.T_reference_estimate.tolist(),
            "scale": self.alignment.scale,
            "warnings": list(self.warnings),
            "options": self.options.to_json(),
        }


def evaluate(estimate: Trajectory, reference: Trajectory, options: Options | None = None) -> TrajectoryErrors:
    """Compare `estimate` with `reference`.

    The estimate is shifted in time, associated, carried to the body of the reference, then aligned. Raises
    `InvalidInput` when fewer than three poses can be paired or a scale is not determined.
    """
    options = options or Options()
    estimate = shifted(estimate, options.offset)
    pairs = _associate(estimate, reference, options)
    poses = pairs.estimate @ options.T_est_ref
    alignment = align(poses, pairs.reference, options.align)
    poses, truth = alignment.apply(poses), pairs.reference
    translation = np.linalg.norm(poses[:, :3, 3] - truth[:, :3, 3], axis=1)
    rotation = rotation_angles_deg(inverse(truth) @ poses)
    frames = [statistics(e) for e in relative_errors(poses, truth, frame_pairs(len(pairs), options.rpe_frames))]
    distance = [statistics(e) for e in relative_errors(poses, truth, _distance_pairs(poses, truth, options))]
    segments, means, rule = _segments(poses, truth, options)
    return TrajectoryErrors(
        options=options,
        stamps_ns=pairs.stamps_ns,
        estimate=poses,
        reference=truth,
        num_unmatched=pairs.num_unmatched,
        alignment=alignment,
        translation_errors=translation,
        rotation_errors_deg=rotation,
        ape_translation=statistics(translation),
        ape_rotation_deg=statistics(rotation),
        rpe_frames_translation=frames[0],
        rpe_frames_rotation_deg=frames[1],
        rpe_distance_translation=distance[0],
        rpe_distance_rotation_deg=distance[1],
        segments=segments,
        segment_rule=rule,
        t_rel_percent=means[0],
        r_rel_deg_per_100m=means[1],
        reference_path_length=float(path_lengths(truth)[-1]),
        estimate_path_length=float(path_lengths(poses)[-1]),
        warnings=_warnings(estimate, reference, pairs),
    )


def statistics(errors: np.ndarray) -> Statistics:
    """Statistics of errors (N,); the standard deviation is that of the whole population."""
    if len(errors) == 0:
        nan = float("nan")
        return Statistics(nan, nan, nan, nan, nan, nan, nan, count=0)
    sse = float(np.square(errors).sum())
    return Statistics(
        rmse=float(np.sqrt(sse / len(errors))),
        mean=float(errors.mean()),
        median=float(np.median(errors)),
        std=float(errors.std()),
        min=float(errors.min()),
        max=float(errors.max()),
        sse=sse,
        count=len(errors),
    )


def rotation_angles_deg(T: np.ndarray) -> np.ndarray:
    """Angle (N,) of the rotation of each transform (N, 4, 4), in [0, 180]; exact near 0 and near 180."""
    q = quaternion_from_matrix(T[:, :3, :3])
    return np.degrees(2.0 * np.arctan2(np.linalg.norm(q[:, :3], axis=1), np.abs(q[:, 3])))


def path_lengths(poses: np.ndarray) -> np.ndarray:
    """Distance (N,) travelled up to each pose (N, 4, 4), N > 0, m."""
    return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1))])


def relative_errors(poses: np.ndarray, truth: np.ndarray, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Translation (m) and rotation (deg) errors (M,) of the motion between the poses of each pair (M, 2)."""
    start, end = pairs.T
    motion, true_motion = inverse(poses[start]) @ poses[end], inverse(truth[start]) @ truth[end]
    error = inverse(true_motion) @ motion
    return np.linalg.norm(error[:, :3, 3], axis=1), rotation_angles_deg(error)


def frame_pairs(num_poses: int, frames: int) -> np.ndarray:
    """Pairs (M, 2) of poses `frames` apart, from every `frames`-th pose on."""
    ids = np.arange(0, num_poses, frames)
    return np.stack([ids[:-1], ids[1:]], axis=1)


def consecutive_pairs(lengths: np.ndarray, distance: float) -> np.ndarray:
    """Pairs (M, 2) that follow each other, each ending at the first pose at least `distance` farther than its start."""
    ids = [0]
    while (end := int(np.searchsorted(lengths, lengths[ids[-1]] + distance))) < len(lengths):
        ids.append(end)
    return np.array([ids[:-1], ids[1:]], dtype=np.int64).T


def all_pairs(lengths: np.ndarray, distance: float) -> np.ndarray:
    """Pairs (M, 2) from every pose to the one nearest to `distance` farther, where that is off by a tenth at most."""
    wanted = lengths + distance
    after = np.searchsorted(lengths, wanted).clip(1, len(lengths) - 1)
    end = np.where(wanted - lengths[after - 1] <= lengths[after] - wanted, after - 1, after)
    end = np.searchsorted(lengths, lengths[end])  # where the robot stood still, the moment it got there
    start = np.arange(len(lengths))
    keep = np.abs(lengths[end] - wanted) <= PATH_TOLERANCE * distance
    return np.stack([start[keep], end[keep]], axis=1)


def segment_pairs(lengths: np.ndarray, length: float, step: int) -> np.ndarray:
    """Pairs (M, 2) from every `step`-th pose to the first more than `length` farther, as KITTI's development kit."""
    start = np.arange(0, len(lengths), step)
    end = np.searchsorted(lengths, lengths[start] + length, side="right")
    keep = end < len(lengths)
    return np.stack([start[keep], end[keep]], axis=1)


def _associate(estimate: Trajectory, reference: Trajectory, options: Options) -> Pairs:
    if options.associate == "nearest":
        pairs = nearest(estimate, reference, round(options.max_difference * NS_PER_S))
    else:
        pairs = interpolated(estimate, reference, round(options.max_gap * NS_PER_S))
    if len(pairs) >= MIN_PAIRS:
        return pairs
    raise InvalidInput(
        f"only {len(pairs)} poses of estimate and reference belong together, at least {MIN_PAIRS} are needed: "
        f"estimate {_span(estimate)}, reference {_span(reference)}; are both on the same clock? "
        f"--offset shifts the estimate"
    )


def _span(trajectory: Trajectory) -> str:
    if len(trajectory) == 0:
        return "is empty"
    first, last = trajectory.stamps_ns[[0, -1]] / NS_PER_S
    return f"has {len(trajectory)} poses from {first:.3f} to {last:.3f} s"


def _distance_pairs(poses: np.ndarray, truth: np.ndarray, options: Options) -> np.ndarray:
    lengths = path_lengths(truth if options.rpe_path == "reference" else poses)
    make = consecutive_pairs if options.rpe_pairs == "consecutive" else all_pairs
    return make(lengths, options.rpe_distance)


def _segments(
    poses: np.ndarray, truth: np.ndarray, options: Options
) -> tuple[tuple[SegmentErrors, ...], tuple[float, float], str]:
    lengths = path_lengths(truth)
    wanted, step, why = _segment_rule(float(lengths[-1]), options)
    found, percents, degrees = [], [], []
    for length in wanted:
        pairs = segment_pairs(lengths, length, step)
        if len(pairs):
            translation, rotation = relative_errors(poses, truth, pairs)
            percents.append(100.0 * translation / length)
            degrees.append(100.0 * rotation / length)
            found.append(SegmentErrors(length, len(pairs), float(percents[-1].mean()), float(degrees[-1].mean())))
    starts = "every pose" if step == 1 else f"every {step}th pose"
    rule = f"{'/'.join(f'{segment.length:g}' for segment in found)} m from {starts} ({why})"
    if not found:
        return (), (float("nan"), float("nan")), f"none: the path of {lengths[-1]:.2f} m is too short ({why})"
    return tuple(found), (float(np.concatenate(percents).mean()), float(np.concatenate(degrees).mean())), rule


def _segment_rule(path_length: float, options: Options) -> tuple[tuple[float, ...], int, str]:
    """Lengths to try, step between their starts, and why these."""
    if options.segment_lengths:
        wanted, why = options.segment_lengths, "as asked"
    elif path_length >= LONG_DRIVE:
        wanted, why = KITTI_LENGTHS, "KITTI's 100 to 800 m, as far as the drive is long enough"
    elif path_length >= SHORT_DRIVE:
        wanted, why = SHORT_LENGTHS, f"shorter than KITTI's, the drive has {path_length:.0f} m"
    else:
        wanted, why = TINY_LENGTHS, f"much shorter than KITTI's, the path has {path_length:.1f} m"
    return wanted, options.segment_step or (KITTI_STEP if wanted == KITTI_LENGTHS else 1), why


def _warnings(estimate: Trajectory, reference: Trajectory, pairs: Pairs) -> tuple[str, ...]:
    spans = [int(t.stamps_ns[-1] - t.stamps_ns[0]) for t in (estimate, reference)]
    common = int(pairs.stamps_ns[-1] - pairs.stamps_ns[0])
    if common >= LOW_OVERLAP * min(spans):
        return ()
    return (
        f"the trajectories share only {common / NS_PER_S:.1f} s of {min(spans) / NS_PER_S:.1f} s; "
        f"errors say little about the rest; check --offset and the clocks",
    )
