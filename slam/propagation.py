"""How the state moves through one IMU interval, and how its uncertainty grows (section 4.2 of the spec).

`propagate_step` is the definition; the filter runs the compiled loop over all intervals of a scan, `propagate`.
"""

from dataclasses import dataclass, replace

import numpy as np

from perception.core.geometry import exp_so3, hat, left_jacobian_so3
from slam import kernels_inertial as kernels
from slam import state as s
from slam.deskew import Motion
from slam.state import State, s2_basis


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """What drives the state through n consecutive intervals: the mean of the samples at both ends, in SI units."""

    stamps_ns: np.ndarray  # (n + 1,) int64, the ends of the intervals, increasing
    gyro: np.ndarray  # (n, 3) rad/s
    accel: np.ndarray  # (n, 3) m/s^2

    @property
    def dts(self) -> np.ndarray:
        """Length of each interval (n,), s."""
        return np.diff(self.stamps_ns) * 1e-9


def transition(state: State, gyro: np.ndarray, accel: np.ndarray, dt: float) -> np.ndarray:
    """F (23, 23): the error after an interval by the error before it."""
    w, a = gyro - state.gyro_bias, accel - state.accel_bias
    F = np.eye(s.ERROR_DIM)
    F[s.POSITION, s.VELOCITY] = np.eye(3) * dt
    F[s.ROTATION, s.ROTATION] = exp_so3(-w * dt)
    F[s.ROTATION, s.GYRO_BIAS] = -left_jacobian_so3(-w * dt) * dt
    F[s.VELOCITY, s.ROTATION] = -state.R @ hat(a) * dt
    F[s.VELOCITY, s.ACCEL_BIAS] = -state.R * dt
    F[s.VELOCITY, s.GRAVITY_DIRECTION] = -hat(state.gravity) @ s2_basis(state.gravity) * dt
    return F


def noise_input(state: State, gyro: np.ndarray, dt: float) -> np.ndarray:
    """G (23, 12): the error after an interval by the noise of gyro, accelerometer and the two bias walks."""
    G = np.zeros((s.ERROR_DIM, 12))
    G[s.ROTATION, 0:3] = -left_jacobian_so3(-(gyro - state.gyro_bias) * dt) * dt
    G[s.VELOCITY, 3:6] = -state.R * dt
    G[s.GYRO_BIAS, 6:9] = G[s.ACCEL_BIAS, 9:12] = np.eye(3) * dt
    return G


def propagate_step(
    state: State, P: np.ndarray, gyro: np.ndarray, accel: np.ndarray, dt: float, noise: np.ndarray
) -> tuple[State, np.ndarray]:
    """State and covariance after one interval; `noise` (4,) holds the variances that `propagate` takes."""
    F, G = transition(state, gyro, accel, dt), noise_input(state, gyro, dt)
    moved = replace(
        state,
        position=state.position + state.velocity * dt,
        R=state.R @ exp_so3((gyro - state.gyro_bias) * dt),
        velocity=state.velocity + (state.R @ (accel - state.accel_bias) + state.gravity) * dt,
    )
    return moved, F @ P @ F.T + G * np.repeat(noise, 3) @ G.T


def propagate(state: State, P: np.ndarray, inputs: Inputs, noise: np.ndarray) -> tuple[State, np.ndarray, Motion]:
    """State and covariance after all intervals, and the way there.

    `noise` (4,): variance per sample of gyro (rad/s)^2, accelerometer (m/s^2)^2, and of the walks of their biases.
    """
    n = len(inputs.gyro)
    x, P = state.packed(), P.copy()
    R, p, v, a, w = np.empty((n + 1, 3, 3)), *(np.empty((n + 1, 3)) for _ in range(4))
    kernels.propagate(x, P, inputs.dts, inputs.gyro, inputs.accel, noise, R, p, v, a, w)
    return s.unpacked(x), P, Motion(inputs.stamps_ns, R, p, v, a, w)
