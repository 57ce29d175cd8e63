"""The filter's state: where the IMU is, how it moves, its biases, its place on the LiDAR, and gravity.

The error of the state has 23 dimensions; rotations are perturbed on the right, gravity moves on a sphere (its length
is known). These are the definitions; `slam/kernels_inertial.py` holds the same algebra compiled.
"""

from dataclasses import dataclass

import numpy as np

from perception.core.geometry import exp_so3, hat, left_jacobian_so3, log_so3

GRAVITY = 9.80665  # m/s^2, standard gravity
ERROR_DIM = 23

# Places of the blocks in the error vector.
POSITION = slice(0, 3)
ROTATION = slice(3, 6)
LIDAR_ROTATION = slice(6, 9)
LIDAR_POSITION = slice(9, 12)
VELOCITY = slice(12, 15)
GYRO_BIAS = slice(15, 18)
ACCEL_BIAS = slice(18, 21)
GRAVITY_DIRECTION = slice(21, 23)

BASIS_POLE = 1e-11  # m/s^2; nearer than this to the -x axis the basis takes its fixed value
PARALLEL = 1e-11  # m^2/s^4; a smaller cross product of two gravities counts as no difference


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """One estimate. World axes W are those of `odom`; I is the IMU, L the LiDAR."""

    position: np.ndarray  # (3,) of the IMU in W, m
    R: np.ndarray  # (3, 3) W <- I
    R_imu_lidar: np.ndarray  # (3, 3)
    t_imu_lidar: np.ndarray  # (3,) m
    velocity: np.ndarray  # (3,) of the IMU in W, m/s
    gyro_bias: np.ndarray  # (3,) rad/s
    accel_bias: np.ndarray  # (3,) m/s^2
    gravity: np.ndarray  # (3,) in W, m/s^2

    def packed(self) -> np.ndarray:
        """All blocks in their order in one vector (36,), rotations row by row: the form the kernels take."""
        return np.concatenate(
            (
                self.position,
                self.R.ravel(),
                self.R_imu_lidar.ravel(),
                self.t_imu_lidar,
                self.velocity,
                self.gyro_bias,
                self.accel_bias,
                self.gravity,
            )
        )


def unpacked(x: np.ndarray) -> State:
    """The state in a packed vector (36,); it shares the memory of `x`."""
    return State(
        x[0:3], x[3:12].reshape(3, 3), x[12:21].reshape(3, 3), x[21:24], x[24:27], x[27:30], x[30:33], x[33:36]
    )


def boxplus(state: State, delta: np.ndarray) -> State:
    """The state moved by an error `delta` (23,)."""
    axis = s2_basis(state.gravity) @ delta[GRAVITY_DIRECTION]
    return State(
        state.position + delta[POSITION],
        state.R @ exp_so3(delta[ROTATION]),
        state.R_imu_lidar @ exp_so3(delta[LIDAR_ROTATION]),
        state.t_imu_lidar + delta[LIDAR_POSITION],
        state.velocity + delta[VELOCITY],
        state.gyro_bias + delta[GYRO_BIAS],
        state.accel_bias + delta[ACCEL_BIAS],
        exp_so3(axis) @ state.gravity,
    )


def boxminus(state: State, origin: State) -> np.ndarray:
    """The error (23,) that leads from `origin` to `state`."""
    return np.concatenate(
        (
            state.position - origin.position,
            log_so3(origin.R.T @ state.R),
            log_so3(origin.R_imu_lidar.T @ state.R_imu_lidar),
            state.t_imu_lidar - origin.t_imu_lidar,
            state.velocity - origin.velocity,
            state.gyro_bias - origin.gyro_bias,
            state.accel_bias - origin.accel_bias,
            s2_boxminus(state.gravity, origin.gravity),
        )
    )


def s2_basis(g: np.ndarray) -> np.ndarray:
    """Two orthonormal columns (3, 2) across `g` (3,), smooth everywhere but at the -x axis (section 3 of the spec)."""
    x, y, z = g
    length = float(np.sqrt(g @ g))
    if x + length < BASIS_POLE:
        return np.array([[0.0, 0.0], [0.0, -1.0], [1.0, 0.0]])
    across = -y * z / (length + x)
    return (
        np.array([[-y, -z], [length - y * y / (length + x), across], [across, length - z * z / (length + x)]]) / length
    )


def s2_boxminus(g: np.ndarray, g_origin: np.ndarray) -> np.ndarray:
    """The tangent step (2,) that turns `g_origin` into `g`."""
    cross = np.cross(g_origin, g)
    sine = float(np.sqrt(cross @ cross))
    if sine < PARALLEL:
        return np.zeros(2)
    return np.arctan2(sine, float(g @ g_origin)) / sine * (s2_basis(g_origin).T @ cross)


def s2_jacobian(g_origin: np.ndarray, delta: np.ndarray) -> np.ndarray:
    """How an error (2,) at `g_origin`, near `delta`, reads at the gravity that `delta` leads to: (2, 2).

    Product of the derivative of the step by its tangent and of the tangent at the end by the vector.
    """
    basis = s2_basis(g_origin)
    axis = basis @ delta
    g = exp_so3(axis) @ g_origin
    return s2_basis(g).T @ hat(g) @ -hat(g) @ left_jacobian_so3(axis) @ basis / float(g @ g)


def error_jacobian(origin: State, delta: np.ndarray) -> np.ndarray:
    """How errors (23,) at `origin`, near `delta`, read at `boxplus(origin, delta)`: (23, 23), block diagonal."""
    J = np.eye(ERROR_DIM)
    J[ROTATION, ROTATION] = left_jacobian_so3(delta[ROTATION]).T
    J[LIDAR_ROTATION, LIDAR_ROTATION] = left_jacobian_so3(delta[LIDAR_ROTATION]).T
    J[GRAVITY_DIRECTION, GRAVITY_DIRECTION] = s2_jacobian(origin.gravity, delta[GRAVITY_DIRECTION])
    return J
