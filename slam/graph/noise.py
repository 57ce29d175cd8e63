"""Factors from what sensors say about the motion between two keyframes: the LiDAR odometry, and the wheels."""

import numpy as np

from perception.core.geometry import exp_so3, inverse, transform
from perception.core.stamps import NS_PER_S
from perception.core.types import Odometry
from slam.graph.config import OdometryNoiseConfig, WheelConfig
from slam.graph.factors import Between


def odometry_factor(from_id: int, to_id: int, start: Odometry, end: Odometry, config: OdometryNoiseConfig) -> Between:
    """The factor between two keyframes from the odometry at both.

    Its covariance is the growth of the filter's, scaled, plus a floor: a filter that counts thousands of points as
    independent claims millimetres.
    """
    T = inverse(start.T_odom_base) @ end.T_odom_base
    growth = _positive(end.covariance - start.covariance)
    turn = np.kron(np.eye(2), end.T_odom_base[:3, :3].T)  # from axes of odom to axes of the later base
    distance = float(np.linalg.norm(T[:3, 3]))
    position = config.min_position + config.position_per_distance * distance
    floor = np.repeat([position**2, np.deg2rad(config.min_rotation_deg) ** 2], 3)
    covariance = config.scale * turn @ growth @ turn.T + np.diag(floor)
    information = np.linalg.inv(covariance)
    return Between(from_id, to_id, T, 0.5 * (information + information.T))


def wheel_factor(
    from_id: int, to_id: int, stamps_ns: np.ndarray, twists: np.ndarray, span_ns: tuple[int, int], config: WheelConfig
) -> Between | None:
    """The factor between two keyframes from wheel twists (M, 3): forward and left m/s, turn rad/s, in axes of base.

    `stamps_ns` (M,) int64 must rise. None where the samples do not cover `span_ns` without a gap, so that nothing is
    made up. The motion is integrated in the plane; height, roll and pitch are left to the slope that the
    configuration allows.
    """
    start_ns, end_ns = span_ns
    gaps = np.diff(stamps_ns[(stamps_ns >= start_ns - config.max_gap_ns) & (stamps_ns <= end_ns + config.max_gap_ns)])
    is_covered = len(stamps_ns) > 1 and stamps_ns[0] <= start_ns and stamps_ns[-1] >= end_ns
    if not is_covered or end_ns <= start_ns or gaps.max(initial=0) > config.max_gap_ns:
        return None
    inner = stamps_ns[(stamps_ns > start_ns) & (stamps_ns < end_ns)]
    times = np.concatenate([[start_ns], inner, [end_ns]])
    seconds = (times - stamps_ns[0]) / NS_PER_S
    at = np.stack([np.interp(seconds, (stamps_ns - stamps_ns[0]) / NS_PER_S, column) for column in twists.T], axis=1)
    steps = np.diff(seconds)
    middle = 0.5 * (at[1:] + at[:-1]) * steps[:, None]
    heading = np.cumsum(middle[:, 2]) - 0.5 * middle[:, 2]
    x = float((np.cos(heading) * middle[:, 0] - np.sin(heading) * middle[:, 1]).sum())
    y = float((np.sin(heading) * middle[:, 0] + np.cos(heading) * middle[:, 1]).sum())
    turn, driven = float(middle[:, 2].sum()), float(np.linalg.norm(middle[:, :2], axis=1).sum())
    T = transform(exp_so3(np.array([0.0, 0.0, turn])), np.array([x, y, 0.0]))
    return Between(
        from_id, to_id, T, np.diag(_wheel_deviations(driven, np.abs(middle[:, 2]).sum(), config) ** -2.0), "wheel"
    )


def _wheel_deviations(driven: float, turned: float, config: WheelConfig) -> np.ndarray:
    """Standard deviations (6,): x, y, z (m), roll, pitch, yaw (rad)."""
    along = config.min_position + config.slip * driven
    tilt = config.min_position + config.slope * driven
    yaw = np.deg2rad(config.min_rotation_deg) + config.turn_slip * turned
    return np.array([along, along, tilt, config.slope, config.slope, yaw])


def _positive(covariance: np.ndarray) -> np.ndarray:
    """The nearest matrix (6, 6) without negative eigenvalues: a filter may get surer from one scan to the next."""
    values, vectors = np.linalg.eigh(0.5 * (covariance + covariance.T))
    return (vectors * np.maximum(values, 0.0)) @ vectors.T
