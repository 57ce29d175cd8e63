"""Rotations and rigid transforms on plain NumPy arrays.

Rotations are 3x3, transforms 4x4 float64, quaternions xyzw. Right perturbations: `R @ exp_so3(delta)`.
Formulas: Sola, Deray, Atchuthan, "A micro Lie theory for state estimation in robotics", appendix B.
"""

import math

import numpy as np

SMALL_ANGLE = 1e-7  # below it (rad) the series replaces the closed form


def hat(v: np.ndarray) -> np.ndarray:
    """Skew matrix of `v` (3,): `hat(v) @ w == cross(v, w)`."""
    return np.array([[0.0, -v[2], v[1]], [v[2], 0.0, -v[0]], [-v[1], v[0], 0.0]])


def exp_so3(v: np.ndarray) -> np.ndarray:
    """Rotation matrix of the rotation vector `v` (3,), rad."""
    angle = float(np.sqrt(v @ v))
    K = hat(v)
    if angle < SMALL_ANGLE:
        return np.eye(3) + K + 0.5 * K @ K
    return np.eye(3) + np.sin(angle) / angle * K + (1.0 - np.cos(angle)) / angle**2 * (K @ K)


def log_so3(R: np.ndarray) -> np.ndarray:
    """Rotation vector (3,) of a rotation matrix, length in [0, pi]; exact near 0 and near pi."""
    q = quaternion_from_matrix(R)
    sine = float(np.sqrt(q[:3] @ q[:3]))
    if sine < SMALL_ANGLE:
        return 2.0 * q[:3] * (1.0 if q[3] >= 0.0 else -1.0)
    if q[3] < 0.0:
        q = -q
    return q[:3] * (2.0 * np.arctan2(sine, q[3]) / sine)


def left_jacobian_so3(v: np.ndarray) -> np.ndarray:
    """J_l(v) of SO(3); the right Jacobian is its transpose."""
    angle = float(np.sqrt(v @ v))
    K = hat(v)
    if angle < 1e-5:  # rad; the next term is angle^2/24 of the second
        return np.eye(3) + 0.5 * K + K @ K / 6.0
    return np.eye(3) + (1.0 - np.cos(angle)) / angle**2 * K + (angle - np.sin(angle)) / angle**3 * (K @ K)


def quaternion_from_matrix(R: np.ndarray) -> np.ndarray:
    """Unit quaternion xyzw of a rotation matrix (or of an (N, 3, 3) stack), w >= 0."""
    R = np.asarray(R, dtype=np.float64)
    if R.ndim == 2:
        return _quaternion_from_one(*R.ravel().tolist())
    m00, m11, m22 = R[..., 0, 0], R[..., 1, 1], R[..., 2, 2]
    four = np.stack([1 + m00 - m11 - m22, 1 - m00 + m11 - m22, 1 - m00 - m11 + m22, 1 + m00 + m11 + m22], axis=-1)
    xy, xz, yz = R[..., 0, 1] + R[..., 1, 0], R[..., 0, 2] + R[..., 2, 0], R[..., 1, 2] + R[..., 2, 1]
    xw, yw, zw = R[..., 2, 1] - R[..., 1, 2], R[..., 0, 2] - R[..., 2, 0], R[..., 1, 0] - R[..., 0, 1]
    rows = np.stack(  # row i is proportional to the quaternion; the one with the largest pivot is the best conditioned
        [
            np.stack([four[..., 0], xy, xz, xw], axis=-1),
            np.stack([xy, four[..., 1], yz, yw], axis=-1),
            np.stack([xz, yz, four[..., 2], zw], axis=-1),
            np.stack([xw, yw, zw, four[..., 3]], axis=-1),
        ],
        axis=-2,
    )
    best = np.argmax(four, axis=-1)
    q = np.take_along_axis(rows, best[..., None, None], axis=-2)[..., 0, :]
    q = q / np.linalg.norm(q, axis=-1, keepdims=True)
    return np.where(q[..., 3:] < 0.0, -q, q)


def _quaternion_from_one(
    m00: float, m01: float, m02: float, m10: float, m11: float, m12: float, m20: float, m21: float, m22: float
) -> np.ndarray:
    """The same for one matrix, without the cost of arrays: at the rate of an IMU it counts."""
    four = (1 + m00 - m11 - m22, 1 - m00 + m11 - m22, 1 - m00 - m11 + m22, 1 + m00 + m11 + m22)
    xy, xz, yz, xw, yw, zw = m01 + m10, m02 + m20, m12 + m21, m21 - m12, m02 - m20, m10 - m01
    rows = ((four[0], xy, xz, xw), (xy, four[1], yz, yw), (xz, yz, four[2], zw), (xw, yw, zw, four[3]))
    x, y, z, w = rows[four.index(max(four))]
    scale = (-1.0 if w < 0.0 else 1.0) / math.sqrt(x * x + y * y + z * z + w * w)
    return np.array([x * scale, y * scale, z * scale, w * scale])


def matrix_from_quaternion(q: np.ndarray) -> np.ndarray:
    """Rotation matrix of a quaternion xyzw of any non-zero length, (4,) or (N, 4)."""
    x, y, z, w = np.moveaxis(np.asarray(q, dtype=np.float64) / np.linalg.norm(q, axis=-1, keepdims=True), -1, 0)
    return np.stack(
        [
            np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)], axis=-1),
            np.stack([2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)], axis=-1),
            np.stack([2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)], axis=-1),
        ],
        axis=-2,
    )


def transform(R: np.ndarray, t: np.ndarray) -> np.ndarray:
    """4x4 transform of a rotation and a translation."""
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = R, t
    return T


def inverse(T: np.ndarray) -> np.ndarray:
    """Inverse of a rigid transform (4, 4) or of a stack (N, 4, 4)."""
    R = np.swapaxes(T[..., :3, :3], -1, -2)
    out = np.zeros_like(T)
    out[..., :3, :3] = R
    out[..., :3, 3] = -np.einsum("...ij,...j->...i", R, T[..., :3, 3])
    out[..., 3, 3] = 1.0
    return out


def apply(T: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (N, 3) mapped by `T` (4, 4); keeps the dtype of the points."""
    return (points @ T[:3, :3].T + T[:3, 3]).astype(points.dtype, copy=False)


def interpolate(T_a: np.ndarray, T_b: np.ndarray, fraction: float) -> np.ndarray:
    """Pose between two poses (fraction 0: a, 1: b): rotation by the shortest arc, translation on a straight line.

    A fraction outside [0, 1] extrapolates.
    """
    R = T_a[:3, :3] @ exp_so3(fraction * log_so3(T_a[:3, :3].T @ T_b[:3, :3]))
    return transform(R, T_a[:3, 3] + fraction * (T_b[:3, 3] - T_a[:3, 3]))


def rotation_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Smallest rotation R with `R @ a` along `b`, both (3,) non-zero."""
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    axis, cosine = np.cross(a, b), float(a @ b)
    if cosine < -1.0 + 1e-12:  # opposite: any axis across a
        other = np.eye(3)[int(np.argmin(np.abs(a)))]
        axis = np.cross(a, other)
        return exp_so3(np.pi * axis / np.linalg.norm(axis))
    K = hat(axis)
    return np.eye(3) + K + K @ K / (1.0 + cosine)
