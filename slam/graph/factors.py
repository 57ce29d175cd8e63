"""What the pose graph is made of, as plain data: poses by number, and factors between them.

Every 6-vector is position (m), then rotation vector (rad), as in `Odometry`; GTSAM's opposite order exists in
`gtsam_factors.py` alone. A residual is `Log(measured^-1 * predicted)`, in axes of the measured frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.geometry import quaternion_from_matrix
from perception.core.types import check

Kind = Literal["odometry", "loop", "wheel"]
KINDS: tuple[Kind, ...] = ("odometry", "loop", "wheel")
ROTATION_TOLERANCE = 1e-6  # of R R^T - I
MAX_ID = (1 << 48) - 1  # of a keyframe
SYMMETRY = 1e-9  # of an information matrix, relative to its largest entry
MIN_EIGENVALUE = -1e-9  # of an information matrix, relative to its largest
SMALL_ANGLE = 1e-6  # rad, below it the series replaces the closed form


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """A pose that is known: the first of a map, or one that somebody set."""

    pose_id: int
    T_map_base: np.ndarray  # (4, 4) float64
    information: np.ndarray  # (6, 6) float64, in axes of base

    def __post_init__(self) -> None:
        check_id("pose_id", self.pose_id)
        check_pose("T_map_base", self.T_map_base)
        check_information("information", self.information, 6)


@dataclass(frozen=True, slots=True, eq=False)
class Between:
    """Relative pose of two keyframes: odometry, a loop closure, or the wheels."""

    from_id: int
    to_id: int
    T_from_to: np.ndarray  # (4, 4) float64
    information: np.ndarray  # (6, 6) float64, in axes of `to`
    kind: Kind = "odometry"

    def __post_init__(self) -> None:
        check_id("from_id", self.from_id)
        check_id("to_id", self.to_id)
        if self.from_id == self.to_id:
            raise InvalidInput(f"to_id: {self.to_id} is from_id, too; a factor joins two poses")
        if self.kind not in KINDS:
            raise InvalidInput(f"kind: {self.kind!r} is unknown; use {', '.join(KINDS)}")
        check_pose("T_from_to", self.T_from_to)
        check_information("information", self.information, 6)


@dataclass(frozen=True, slots=True, eq=False)
class Attitude:
    """Roll and pitch of a keyframe as gravity gives them; the heading is free."""

    pose_id: int
    R_map_base: np.ndarray  # (3, 3) float64; only its roll and pitch count
    deviation: float  # rad, of roll and of pitch

    def __post_init__(self) -> None:
        check_id("pose_id", self.pose_id)
        check_rotation("R_map_base", self.R_map_base)
        check_positive("deviation", self.deviation)


@dataclass(frozen=True, slots=True, eq=False)
class Position:
    """Where an antenna was, in the local level frame `enu` (east, north, up) whose place in the map is estimated."""

    pose_id: int
    p_enu: np.ndarray  # (3,) float64, m
    information: np.ndarray  # (3, 3) float64, axes of enu
    p_base_antenna: np.ndarray = field(default_factory=lambda: np.zeros(3))  # (3,) float64, m

    def __post_init__(self) -> None:
        check_id("pose_id", self.pose_id)
        check_finite("p_enu", self.p_enu, (3,))
        check_finite("p_base_antenna", self.p_base_antenna, (3,))
        check_information("information", self.information, 3)


Factor = Prior | Between | Attitude | Position


def poses_of(factor: Factor) -> tuple[int, ...]:
    """Numbers of the poses that a factor joins."""
    return (factor.from_id, factor.to_id) if isinstance(factor, Between) else (factor.pose_id,)


def is_guess(factor: Factor) -> bool:
    """True for what may be wrong as a whole, and so gets a robust kernel and may be undone."""
    return isinstance(factor, Position) or (isinstance(factor, Between) and factor.kind != "odometry")


def information_of(position: float, rotation: float) -> np.ndarray:
    """Information (6, 6) of standard deviations of position (m) and rotation (rad), equal in all directions."""
    return np.diag(np.repeat([position**-2, rotation**-2], 3))


def between_residuals(T_from: np.ndarray, T_to: np.ndarray, T_from_to: np.ndarray) -> np.ndarray:
    """Residuals (N, 6) of relative poses (N, 4, 4) where the poses (N, 4, 4) are `T_from` and `T_to`."""
    return log_se3(inverses(T_from_to) @ (inverses(T_from) @ T_to))


def chi2_of(residuals: np.ndarray, information: np.ndarray) -> np.ndarray:
    """Squared Mahalanobis lengths (N,) of residuals (N, d) under information matrices (N, d, d)."""
    return np.einsum("ni,nij,nj->n", residuals, information, residuals)


def log_se3(T: np.ndarray) -> np.ndarray:
    """Twists (N, 6), position then rotation, whose exponentials are the transforms (N, 4, 4)."""
    if len(T) == 0:
        return np.zeros((0, 6))
    omega = log_rotations(T[:, :3, :3])
    angle = np.linalg.norm(omega, axis=1)
    is_small = angle < SMALL_ANGLE
    safe = np.where(is_small, 1.0, angle)
    exact = (1.0 - 0.5 * safe * np.cos(0.5 * safe) / np.sin(0.5 * safe)) / safe**2
    factor = np.where(is_small, 1.0 / 12.0, exact)
    t = T[:, :3, 3]
    once = np.cross(omega, t)
    rho = t - 0.5 * once + factor[:, None] * np.cross(omega, once)
    return np.concatenate([rho, omega], axis=1)


def log_rotations(R: np.ndarray) -> np.ndarray:
    """Rotation vectors (N, 3) of rotations (N, 3, 3), each at most pi long."""
    q = quaternion_from_matrix(R)  # w >= 0
    sine = np.linalg.norm(q[:, :3], axis=1)
    is_small = sine < SMALL_ANGLE
    return q[:, :3] * np.where(is_small, 2.0, 2.0 * np.arctan2(sine, q[:, 3]) / np.where(is_small, 1.0, sine))[:, None]


def inverses(T: np.ndarray) -> np.ndarray:
    """Inverses (N, 4, 4) of rigid transforms (N, 4, 4)."""
    out = np.zeros_like(T)
    R = out[:, :3, :3] = np.swapaxes(T[:, :3, :3], 1, 2)
    out[:, :3, 3] = -(R @ T[:, :3, 3:])[:, :, 0]
    out[:, 3, 3] = 1.0
    return out


def stacked(matrices: Sequence[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Equal arrays as one, also where there is none."""
    return np.stack(matrices) if matrices else np.zeros((0, *shape))


def check_id(name: str, value: int) -> None:
    """Refuse a number that no keyframe has. Raises `InvalidInput`."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_ID:
        raise InvalidInput(f"{name}: {value!r} is no number of a keyframe; expected an integer from 0 to {MAX_ID}")


def check_positive(name: str, value: float) -> None:
    """Refuse what is not a finite positive number. Raises `InvalidInput`."""
    if not (np.isfinite(value) and value > 0.0):
        raise InvalidInput(f"{name}: {value} is no positive number")


def check_finite(name: str, array: np.ndarray, shape: tuple[int | None, ...]) -> None:
    """Refuse an array of another form, or with NaN. Raises `InvalidInput`."""
    check(name, array, shape, np.float64)
    if not np.isfinite(array).all():
        raise InvalidInput(f"{name}: holds a number that is not finite; drop what it comes from")


def check_rotation(name: str, R: np.ndarray) -> None:
    """Refuse what is no rotation. Raises `InvalidInput`."""
    check_finite(name, R, (3, 3))
    if np.abs(R @ R.T - np.eye(3)).max() > ROTATION_TOLERANCE or np.linalg.det(R) < 0.0:
        raise InvalidInput(f"{name}: is no rotation; make its axes unit and at right angles")


def check_pose(name: str, T: np.ndarray) -> None:
    """Refuse what is no rigid transform. Raises `InvalidInput`."""
    check_finite(name, T, (4, 4))
    check_rotation(f"{name}, its rotation", np.ascontiguousarray(T[:3, :3]))
    if not np.array_equal(T[3], [0.0, 0.0, 0.0, 1.0]):
        raise InvalidInput(f"{name}: its last row is {T[3].tolist()}, expected 0, 0, 0, 1")


def check_information(name: str, information: np.ndarray, size: int) -> None:
    """Refuse what is no information matrix. Raises `InvalidInput`."""
    check_finite(name, information, (size, size))
    if np.abs(information - information.T).max() > SYMMETRY * np.abs(information).max():
        raise InvalidInput(f"{name}: is not symmetric; give (A + A.T) / 2")
    values = np.linalg.eigvalsh(information)
    if values[-1] <= 0.0 or values[0] < MIN_EIGENVALUE * values[-1]:
        raise InvalidInput(f"{name}: has the eigenvalue {values[0]:.3g}; an information matrix has none below 0")
