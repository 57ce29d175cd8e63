"""Our factors as GTSAM's. GTSAM is imported where it is used: it takes 0.1 s and holds Python's global lock."""

from typing import Any

import numpy as np

from perception.core.errors import MissingDependency
from slam.graph.config import GraphConfig
from slam.graph.factors import Attitude, Between, Factor, Position, Prior, is_guess

ROTATION_FIRST = np.array([3, 4, 5, 0, 1, 2])  # GTSAM's order of a tangent vector, and back again
FREE_YAW = 1e-9  # information (1/rad^2) of the heading in an attitude prior: none, but not singular
FREE_ROTATION = 1e-6  # information (1/rad^2) of the attitude in a position factor
POSE, DATUM = "x", "d"  # letters of GTSAM's symbols
DATUM_HEADING = 3.0  # rad, standard deviation before any fix
DATUM_PLACE = 1e4  # m, the same


def load() -> Any:
    """The module `gtsam`. Raises `MissingDependency` with the command that installs it."""
    try:
        import gtsam
    except ImportError as error:
        raise MissingDependency(f"gtsam is not installed ({error}); run `pip install perception`") from None
    return gtsam


def pose_key(pose_id: int) -> int:
    """GTSAM's key of a keyframe."""
    return load().symbol(POSE, pose_id)


def datum_key() -> int:
    """GTSAM's key of `T_map_enu`."""
    return load().symbol(DATUM, 0)


def pose3(T: np.ndarray) -> Any:
    """A transform (4, 4) as GTSAM's."""
    gtsam = load()
    return gtsam.Pose3(gtsam.Rot3(np.ascontiguousarray(T[:3, :3])), np.ascontiguousarray(T[:3, 3]))


def noise(information: np.ndarray) -> Any:
    """Noise of an information matrix (6, 6), position first."""
    return load().noiseModel.Gaussian.Information(information[np.ix_(ROTATION_FIRST, ROTATION_FIRST)])


def robust(base: Any, config: GraphConfig) -> Any:
    """`base` with the kernel of the configuration."""
    gtsam = load()
    match config.robust_kernel:
        case "cauchy":
            kernel = gtsam.noiseModel.mEstimator.Cauchy.Create(config.robust_scale)
        case "huber":
            kernel = gtsam.noiseModel.mEstimator.Huber.Create(config.robust_scale)
        case "none":
            return base
    return gtsam.noiseModel.Robust.Create(kernel, base)


def translated(
    factor: Factor, config: GraphConfig, R_enu_base: np.ndarray | None = None, is_plain: bool = False
) -> Any:
    """A factor as GTSAM's. A `Position` needs the present attitude `R_enu_base` (3, 3) of its pose.

    `is_plain`: a loop or wheel factor without its robust kernel.
    """
    gtsam = load()
    match factor:
        case Prior():
            return gtsam.PriorFactorPose3(pose_key(factor.pose_id), pose3(factor.T_map_base), noise(factor.information))
        case Between():
            model = noise(factor.information)
            model = robust(model, config) if is_guess(factor) and not is_plain else model
            return gtsam.BetweenFactorPose3(
                pose_key(factor.from_id), pose_key(factor.to_id), pose3(factor.T_from_to), model
            )
        case Attitude():
            return _attitude(factor)
        case Position():
            if R_enu_base is None:
                raise ValueError("a position factor needs R_enu_base")
            return _position(factor, config, R_enu_base)


def _attitude(factor: Attitude) -> Any:
    """Free in yaw: errors are in axes of base, where the vertical is the last row of R."""
    gtsam = load()
    R = factor.R_map_base
    tilt = factor.deviation**-2
    information = R.T @ np.diag([tilt, tilt, FREE_YAW]) @ R
    return gtsam.PoseRotationPrior3D(
        pose_key(factor.pose_id), pose3(_rotated(R)), gtsam.noiseModel.Gaussian.Information(information)
    )


def _position(factor: Position, config: GraphConfig, R_enu_base: np.ndarray) -> Any:
    """`T_enu_base` with a known position and a free attitude, which stands at its present value.

    The length of the residual does not depend on how far the attitude is off: `Log` turns the offset and hardly
    stretches it.
    """
    gtsam = load()
    T = _rotated(R_enu_base)
    T[:3, 3] = factor.p_enu - R_enu_base @ factor.p_base_antenna
    information = np.eye(6) * FREE_ROTATION
    information[:3, :3] = R_enu_base.T @ factor.information @ R_enu_base
    return gtsam.BetweenFactorPose3(datum_key(), pose_key(factor.pose_id), pose3(T), robust(noise(information), config))


def _rotated(R: np.ndarray) -> np.ndarray:
    T = np.eye(4)
    T[:3, :3] = R
    return T


def datum_prior(T_map_enu: np.ndarray, config: GraphConfig) -> Any:
    """Prior of the datum: level within the tilt of the configuration, its heading and place free."""
    tilt, heading, place = np.deg2rad(config.gnss.tilt_deg), DATUM_HEADING, DATUM_PLACE
    deviations = np.array([tilt, tilt, heading, place, place, place])
    return load().PriorFactorPose3(datum_key(), pose3(T_map_enu), load().noiseModel.Diagonal.Variances(deviations**2))
