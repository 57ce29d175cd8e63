"""Does the gyro turn as the LiDAR sees the world turn? Finds wrong rotations, units and clock offsets between them.

The LiDAR's own odometry (without the IMU) gives one rotation per scan. The rotation, the clock offset and the scale
that carry the gyro's integral onto them are found by least squares.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perception.core.geometry import SMALL_ANGLE, exp_so3, log_so3, quaternion_from_matrix
from perception.core.stamps import NS_PER_S
from perception.core.trajectory import Trajectory
from perception.core.types import ImuBatch, OdometryUpdate, Scan, SensorRig
from perception.doctor.findings import Finding, error, ok, warn
from perception.evaluation.association import poses_at

WINDOW = 1.0  # s: shorter rotations are blurred by the LiDAR's own de-skewing, which knows no gyro
MAX_OFFSET, OFFSET_STEP = 0.5, 0.01  # s, of the search for the clock offset
MIN_WINDOWS = 40
MIN_ROTATION = np.radians(1.5)  # rms of a window: with less nothing can be said
MAX_UNEXPLAINED = 0.5  # of the energy: then LiDAR and gyro do not see the same motion
SIGMAS = 3.0  # a deviation within so many standard deviations is no finding
FULL_SIGMA = 1.0  # deg: then all three angles of the rotation are determined
GOOD_ANGLE, WRONG_ANGLE = 3.0, 7.0  # deg between the measured and the configured rotation
GOOD_OFFSET, WRONG_OFFSET = 0.03, 0.1  # s
GOOD_SCALE = 0.1  # deviation from 1 of the scale of a gyro in rad/s
DEGREES = np.pi / 180.0
TINY = 1e-12  # rad^2


@dataclass(frozen=True, slots=True)
class MotionFacts:
    """What the comparison of LiDAR and gyro gave, with standard deviations."""

    num_windows: int  # of a second, one from each scan, that the gyro covers
    rotation: float = 0.0  # rad, rms over the windows, seen by the LiDAR
    offset: float = 0.0  # s to add to the gyro's stamps
    offset_sigma: float = 0.0  # s
    scale: float = 1.0  # to multiply the gyro's values by
    scale_sigma: float = 0.0
    angle_deg: float = 0.0  # between the measured and the configured rotation of the IMU, as far as it is determined
    angle_sigma_deg: float = 0.0
    is_full: bool = False  # all three angles are determined, not only the tilt of the axis of rotation
    unexplained: float = 0.0  # share of the energy that the best fit leaves


def compare_motion(scans: Sequence[tuple[int, np.ndarray]], imu: ImuBatch, R_lidar_imu: np.ndarray) -> MotionFacts:
    """Compare rotations. `scans`: stamps (ns) and rotations (3, 3) of the LiDAR, in the order of time.

    `R_lidar_imu` (3, 3) is the configured one.
    """
    seen, spans, length = _windows(scans, imu)
    rotation = float(np.sqrt(np.square(seen).sum(axis=1).mean())) if len(seen) else 0.0
    if len(seen) < MIN_WINDOWS or rotation < MIN_ROTATION:
        return MotionFacts(len(seen), rotation)
    gyro, unit = _Orientation(imu), 1.0
    offset = _search(seen, spans, gyro)
    if _fit(seen, gyro.between(spans, offset)).unexplained > MAX_UNEXPLAINED:  # degrees turn over within a second
        degrees = _Orientation(ImuBatch(imu.stamps_ns, imu.gyro * DEGREES, imu.accel))
        other = _search(seen, spans, degrees)
        if _fit(seen, degrees.between(spans, other)).unexplained < MAX_UNEXPLAINED:
            gyro, unit, offset = degrees, DEGREES, other
    return _facts(seen, gyro.around(spans, offset), length, offset, unit, R_lidar_imu)


def _facts(
    seen: np.ndarray, turns: np.ndarray, length: int, offset: float, unit: float, R_lidar_imu: np.ndarray
) -> MotionFacts:
    """The facts at the best offset. `turns` (3, K, 3): of the gyro, a step of the offset before it, at it, after it."""
    turned, slope = turns[1], (turns[2] - turns[0]) / (2.0 * OFFSET_STEP)
    fit = _fit(seen, turned)
    energy = np.square(seen - seen.mean(axis=0)).sum()
    variance = fit.unexplained * energy / (3 * len(seen)) * length  # the windows overlap
    angle, angle_sigma, is_full = _angle(fit, turned, variance, R_lidar_imu)
    return MotionFacts(
        num_windows=len(seen),
        rotation=float(np.sqrt(np.square(seen).sum(axis=1).mean())),
        offset=offset,
        offset_sigma=_sigma(variance, fit.scale * slope),
        scale=fit.scale * unit,
        scale_sigma=_sigma(variance, turned) * unit,
        angle_deg=float(np.degrees(angle)),
        angle_sigma_deg=float(np.degrees(angle_sigma)),
        is_full=is_full,
        unexplained=fit.unexplained,
    )


def check_motion(facts: MotionFacts) -> list[Finding]:
    """Rotation, clock offset and unit of the gyro against the LiDAR."""
    check = "gyro against lidar"
    if facts.num_windows < MIN_WINDOWS or facts.rotation < MIN_ROTATION:
        value = (
            f"too little rotation to compare: {np.degrees(facts.rotation):.1f} deg a second, {facts.num_windows} scans"
        )
        return [ok(check, value, "record half a minute with turns, best about all axes")]
    if facts.unexplained > MAX_UNEXPLAINED:
        value = f"{100.0 * facts.unexplained:.0f} % of the rotation is unexplained: they do not see the same motion"
        return [error(check, value, "check the topics, the axes and the clocks; --set input.imu=off goes without")]
    return [_unit(facts), _rotation(facts), _offset(facts)]


class LidarRotations:
    """Rotations of the LiDAR from its scans alone. Scans are not kept."""

    def __init__(self) -> None:
        from slam.config import OdometryConfig
        from slam.odometry import LidarInertialOdometry

        self._odometry = LidarInertialOdometry(OdometryConfig(), SensorRig("lidar", "lidar", np.eye(4)))
        self._rotations: list[tuple[int, np.ndarray]] = []
        self._newest_ns = 0

    def add(self, scan: Scan) -> None:
        """Take one scan; one that is not newer than the last is left out."""
        if scan.stamp_ns <= self._newest_ns:
            return
        self._newest_ns = scan.stamp_ns
        self._keep(self._odometry.add_scan(scan))

    def finish(self) -> list[tuple[int, np.ndarray]]:
        """Stamps (ns, end of sweep) and rotations (3, 3) R_first_lidar of all scans."""
        self._keep(self._odometry.finish())
        return self._rotations

    def _keep(self, updates: list[OdometryUpdate]) -> None:
        self._rotations += [(u.odometry.stamp_ns, u.odometry.T_odom_base[:3, :3]) for u in updates]


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """`seen = scale * R @ turned + bias` by least squares."""

    R: np.ndarray  # (3, 3)
    scale: float
    unexplained: float  # share of the energy of `seen`


class _Orientation:
    """The gyro integrated to an orientation."""

    def __init__(self, imu: ImuBatch) -> None:
        self.stamps_ns = imu.stamps_ns
        steps = 0.5 * (imu.gyro[1:] + imu.gyro[:-1]) * (np.diff(imu.stamps_ns) / NS_PER_S)[:, None]
        poses = np.tile(np.eye(4), (len(imu.stamps_ns), 1, 1))
        for i, step in enumerate(steps):
            poses[i + 1, :3, :3] = poses[i, :3, :3] @ exp_so3(step)
        self.trajectory = Trajectory(imu.stamps_ns, poses)

    def between(self, spans_ns: np.ndarray, offset: float) -> np.ndarray:
        """Rotation vectors (K, 3) over `spans_ns` (K, 2), when `offset` s belong on the stamps of the gyro."""
        at = np.clip(spans_ns - round(offset * NS_PER_S), self.stamps_ns[0], self.stamps_ns[-1])
        R_start, R_end = (poses_at(self.trajectory, stamps)[:, :3, :3] for stamps in at.T)
        return rotation_vectors(np.einsum("nji,njk->nik", R_start, R_end))

    def around(self, spans_ns: np.ndarray, offset: float) -> np.ndarray:
        """The same (3, K, 3), a step of the search before `offset`, at it, and after it."""
        return np.stack([self.between(spans_ns, offset + step) for step in (-OFFSET_STEP, 0.0, OFFSET_STEP)])


def rotation_vectors(R: np.ndarray) -> np.ndarray:
    """Rotation vectors (N, 3) of rotations (N, 3, 3): the stacked form of `log_so3`."""
    q = quaternion_from_matrix(R)
    sine = np.linalg.norm(q[:, :3], axis=1, keepdims=True)
    return q[:, :3] * np.where(
        sine > SMALL_ANGLE, 2.0 * np.arctan2(sine, q[:, 3:]) / np.maximum(sine, SMALL_ANGLE), 2.0
    )


def _windows(scans: Sequence[tuple[int, np.ndarray]], imu: ImuBatch) -> tuple[np.ndarray, np.ndarray, int]:
    """Rotation vectors (K, 3) of the LiDAR over a second from each scan, their times (K, 2) in ns, scans per window.

    Windows are left out where the gyro does not cover them amply, or a scan is missing.
    """
    nothing = np.zeros((0, 3)), np.zeros((0, 2), dtype=np.int64), 1
    if len(scans) < MIN_WINDOWS or len(imu.stamps_ns) < MIN_WINDOWS:
        return nothing
    stamps, R = np.array([stamp for stamp, _ in scans]), np.stack([rotation for _, rotation in scans])
    length = max(round(WINDOW * NS_PER_S / float(np.median(np.diff(stamps)))), 1)
    if len(stamps) <= length:
        return nothing
    spans = np.stack([stamps[:-length], stamps[length:]], axis=1)
    seen = rotation_vectors(np.einsum("nji,njk->nik", R[:-length], R[length:]))
    margin = round(MAX_OFFSET * NS_PER_S)
    covered = (spans[:, 0] >= imu.stamps_ns[0] + margin) & (spans[:, 1] <= imu.stamps_ns[-1] - margin)
    keep = covered & (np.diff(spans, axis=1)[:, 0] < 1.5 * WINDOW * NS_PER_S)
    return seen[keep], spans[keep], length


def _fit(seen: np.ndarray, turned: np.ndarray) -> _Fit:
    a, b = seen - seen.mean(axis=0), turned - turned.mean(axis=0)
    if np.square(b).sum() < TINY or np.square(a).sum() < TINY:
        return _Fit(np.eye(3), 0.0, 1.0)
    U, d, Vt = np.linalg.svd(a.T @ b)
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(U @ Vt))])
    R = U @ np.diag(signs) @ Vt
    scale = float((d * signs).sum() / np.square(b).sum())
    return _Fit(R, scale, float(np.square(a - scale * b @ R.T).sum() / np.square(a).sum()))


def _angle(fit: _Fit, turned: np.ndarray, variance: float, R_lidar_imu: np.ndarray) -> tuple[float, float, bool]:
    """Angle (rad) of the configured rotation to the fitted one, its standard deviation, and whether it is all of it.

    About the main axis of the motion the rotation is known only as well as there is motion about another one.
    """
    b = fit.scale * (turned - turned.mean(axis=0))
    energy, axes = np.linalg.eigh(b.T @ b)  # ascending
    deviation = R_lidar_imu.T @ fit.R
    sigma = float(np.sqrt(variance / max(energy[0] + energy[1], TINY)))  # about the main axis: the worst
    if np.degrees(sigma) < FULL_SIGMA:
        return float(np.linalg.norm(log_so3(deviation))), sigma, True
    main = axes[:, 2]
    tilt = float(np.arccos(np.clip(main @ deviation @ main, -1.0, 1.0)))
    return tilt, float(np.sqrt(variance / max(energy[2], TINY))), False


def _search(seen: np.ndarray, spans_ns: np.ndarray, gyro: _Orientation) -> float:
    """The offset (s) that leaves least unexplained: sought in wide steps, then in fine ones, then by a parabola."""
    wide = 5.0 * OFFSET_STEP
    best = 0.0
    for reach, step in ((MAX_OFFSET, wide), (wide, OFFSET_STEP)):
        offsets = best + np.arange(-reach, reach + 0.5 * step, step)
        costs = np.array([_fit(seen, gyro.between(spans_ns, offset)).unexplained for offset in offsets])
        i = int(np.argmin(costs))
        best = float(offsets[i])
    if i in (0, len(offsets) - 1):
        return best
    before, here, after = costs[i - 1 : i + 2]
    bend = before - 2.0 * here + after
    return best + (0.5 * float((before - after) / bend) * OFFSET_STEP if bend > 0.0 else 0.0)


def _sigma(variance: float, slopes: np.ndarray) -> float:
    """Standard deviation of a parameter on which the rotations (K, 3) depend by `slopes`."""
    return float(np.sqrt(variance / max(np.square(slopes - slopes.mean(axis=0)).sum(), TINY)))


def _unit(facts: MotionFacts) -> Finding:
    value = f"the LiDAR turns {facts.scale:.3g} ± {facts.scale_sigma:.2g} times as much as the gyro says"
    if abs(facts.scale - 1.0) <= GOOD_SCALE + SIGMAS * facts.scale_sigma:
        return ok("gyro unit", value)
    if abs(facts.scale / DEGREES - 1.0) <= GOOD_SCALE + SIGMAS * facts.scale_sigma / DEGREES:
        return error("gyro unit", f"{value}: it is in deg/s", "publish rad/s (REP-103)")
    return error("gyro unit", value, "the gyro's unit or range setting is wrong: correct it in the driver")


def _rotation(facts: MotionFacts) -> Finding:
    known = "" if facts.is_full else " (tilt of the main axis of rotation; the angle about it is not seen)"
    value = f"{facts.angle_deg:.1f} ± {facts.angle_sigma_deg:.1f} deg off the configured one{known}"
    remedy = "correct the rotation between LiDAR and IMU on /tf_static, or input.T_base_lidar and input.T_base_imu"
    return _graded(
        "rotation of lidar to imu", value, remedy, facts.angle_deg, facts.angle_sigma_deg, GOOD_ANGLE, WRONG_ANGLE
    )


def _offset(facts: MotionFacts) -> Finding:
    size, sigma = abs(facts.offset), facts.offset_sigma
    value = f"the gyro's stamps are {size * 1e3:.0f} ± {sigma * 1e3:.0f} ms {'early' if facts.offset > 0 else 'late'}"
    remedy = "synchronise the clocks; if the header stamp of the clouds is not their start, set input.stamp_at"
    return _graded("clock offset", value, remedy, size, sigma, GOOD_OFFSET, WRONG_OFFSET)


def _graded(check: str, value: str, remedy: str, size: float, sigma: float, good: float, wrong: float) -> Finding:
    sure = size - SIGMAS * sigma
    if sure <= good:
        return ok(check, value)
    return (error if sure > wrong else warn)(check, value, remedy)
