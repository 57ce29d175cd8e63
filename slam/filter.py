"""The iterated error-state Kalman filter: carried on by the IMU or a constant motion, corrected by scans (section 8).

The algebra is compiled in `slam/kernels_inertial.py`; `update_step_twin` is its definition.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from perception.core.geometry import exp_so3, hat, left_jacobian_so3, log_so3
from slam import kernels_inertial as kernels
from slam import state as s
from slam.config import FilterConfig
from slam.deskew import Motion
from slam.propagation import Inputs, propagate
from slam.state import ERROR_DIM, State, boxminus, boxplus, error_jacobian, unpacked

SWEEP_KNOTS = 9  # poses of a constant-velocity sweep; between them position is a parabola


class Information(Protocol):
    """What a measurement says about the first k dimensions of the error: H^T H (k, k) and H^T z (k,), z = -r."""

    @property
    def HtH(self) -> np.ndarray: ...  # noqa: D102
    @property
    def Htz(self) -> np.ndarray: ...  # noqa: D102
    @property
    def num_matches(self) -> int: ...  # noqa: D102


Measure = Callable[[State, bool], Information]  # at a state; True: correspondences are to be sought anew


@dataclass(frozen=True, slots=True, eq=False)
class Correction:
    """What one update did. Without `is_accepted` the prediction stands."""

    num_iterations: int
    information: Information | None  # of the last iteration
    is_accepted: bool
    reason: str = ""  # why it was not accepted


@dataclass(frozen=True, slots=True, eq=False)
class Twist:
    """A constant motion in body axes: the pose after t seconds is `T @ Exp(twist * t)`."""

    linear: np.ndarray  # (3,) m/s
    angular: np.ndarray  # (3,) rad/s

    def moved(self, R: np.ndarray, p: np.ndarray, dt: float) -> tuple[np.ndarray, np.ndarray]:
        """Rotation and position after `dt` seconds (also back in time)."""
        turn = self.angular * dt
        return R @ exp_so3(turn), p + R @ (left_jacobian_so3(turn) @ self.linear) * dt


STANDSTILL = Twist(np.zeros(3), np.zeros(3))


def twist_between(a: State, b: State, dt: float) -> Twist:
    """The constant motion that leads from pose `a` to pose `b` in `dt` seconds."""
    turn = log_so3(a.R.T @ b.R)
    shift = np.linalg.solve(left_jacobian_so3(turn), a.R.T @ (b.position - a.position))
    return Twist(shift / dt, turn / dt)


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """What a filter believed at some point; nothing in it is changed afterwards."""

    state: State
    P: np.ndarray
    stamp_ns: int


class Filter:
    """State, covariance (23, 23) and the time they belong to."""

    def __init__(self, config: FilterConfig, state: State, P: np.ndarray, stamp_ns: int) -> None:
        self.config = config
        self.state = state
        self.P = P
        self.stamp_ns = stamp_ns

    def snapshot(self) -> Snapshot:
        """The present belief."""
        return Snapshot(self.state, self.P, self.stamp_ns)

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to an earlier belief."""
        self.state, self.P, self.stamp_ns = snapshot.state, snapshot.P, snapshot.stamp_ns

    def predict(self, inputs: Inputs, noise: np.ndarray) -> Motion:
        """Carry the state through IMU inputs that begin at its time; `noise` as in `propagate`."""
        self.state, self.P, motion = propagate(self.state, self.P, inputs, noise)
        self.stamp_ns = int(inputs.stamps_ns[-1])
        return motion

    def predict_constant(self, twist: Twist, start_ns: int, end_ns: int) -> Motion:
        """Carry the pose on to `end_ns` with a constant motion (section 4.5); the motion covers `start_ns` on.

        Velocity, biases and gravity keep their values and lose their ties to the pose.
        """
        dt = (end_ns - self.stamp_ns) * 1e-9
        motion = sweep_motion(self.state, self.stamp_ns, twist, start_ns, end_ns)
        F = np.eye(6)
        F[:3, 3:] = -self.state.R @ hat(left_jacobian_so3(twist.angular * dt) @ twist.linear * dt)
        F[3:, 3:] = exp_so3(-twist.angular * dt)
        P = np.zeros_like(self.P)
        P[:6, :6] = F @ self.P[:6, :6] @ F.T
        P[6:, 6:] = self.P[6:, 6:]
        position_variance = (0.5 * self.config.free_acceleration * dt * dt) ** 2
        rotation_variance = (0.5 * self.config.free_angular_acceleration * dt * dt) ** 2
        P[range(6), range(6)] += np.repeat((position_variance, rotation_variance), 3)
        self.state = replace(self.state, R=motion.R[-1], position=motion.p[-1])
        self.P, self.stamp_ns = P, end_ns
        return motion

    def set_velocity(self, velocity: np.ndarray, std: float) -> None:
        """Replace the velocity (3,), in W, by one from elsewhere with the given standard deviation (m/s)."""
        self.state, P = replace(self.state, velocity=velocity), self.P.copy()
        P[s.VELOCITY, :] = P[:, s.VELOCITY] = 0.0
        P[s.VELOCITY, s.VELOCITY] = np.eye(3) * std**2
        self.P = P

    def update(self, measure: Measure, start: State | None = None, max_iterations: int = 0) -> Correction:
        """Iterate to the state that fits prediction and measurement best; keep it and its covariance.

        The iteration begins at the prediction, or at `start`, and takes as many steps as configured, or
        `max_iterations`. Where too little matches or a matrix is not definite the prediction stands.
        """
        x, P, correction = self.iterate(measure, start or self.state, max_iterations or self.config.max_iterations)
        if correction.is_accepted:
            self.state, self.P = x, P
        return correction

    def iterate(self, measure: Measure, start: State, max_iterations: int) -> tuple[State, np.ndarray, Correction]:
        """As `update`, but the filter stays as it is: the state found, its covariance, and how it went.

        Correspondences are sought at first, after steps so long that other surfaces may have come nearest, and once
        more when the iteration has come to rest.
        """
        config, prior = self.config, self.state.packed()
        x, x_next, delta, P = start.packed(), np.empty_like(prior), np.empty(ERROR_DIM), np.empty_like(self.P)
        search, num_rests = True, 0
        for iteration in range(1, max_iterations + 1):
            information = measure(unpacked(x), search)
            if information.num_matches < config.min_matches:
                reason = f"{information.num_matches} of at least {config.min_matches} correspondences"
                return start, self.P, Correction(iteration, information, False, reason)
            HtH, Htz = information.HtH, information.Htz
            if not kernels.update_step(prior, x, self.P, HtH, Htz, config.point_variance, x_next, delta, P):
                reason = "the information matrix is not positive definite"
                return start, self.P, Correction(iteration, information, False, reason)
            x, x_next = x_next, np.empty_like(prior)
            is_at_rest = bool(np.abs(delta[:6]).max() < config.converged)
            num_rests += is_at_rest
            if num_rests > 1:
                break
            search = is_at_rest or bool(np.abs(delta[s.POSITION]).max() > config.search_step)
            if iteration == max_iterations - 1 and num_rests == 0:
                search = True
        return unpacked(x), P, Correction(iteration, information, True)


def update_step_twin(
    prior: State, x: State, P: np.ndarray, HtH: np.ndarray, Htz: np.ndarray, variance: float
) -> tuple[State, np.ndarray, np.ndarray]:
    """One step of the iterated update: the moved state, the step (23,), the covariance that belongs to the state.

    The error of the prior is re-expressed at `x`; there, the step is the weighted least-squares solution.
    """
    k = len(Htz)
    d = boxminus(x, prior)
    J = error_jacobian(prior, d)
    L_inverse = np.linalg.inv(J @ P @ J.T)
    S, pull = L_inverse.copy(), -L_inverse @ J @ d
    S[:k, :k] += HtH / variance
    pull[:k] += Htz / variance
    P_here = np.linalg.inv(S)
    delta = P_here @ pull
    J_step = error_jacobian(x, delta)
    return boxplus(x, delta), delta, J_step @ P_here @ J_step.T


def sweep_motion(state: State, stamp_ns: int, twist: Twist, start_ns: int, end_ns: int) -> Motion:
    """Motion from `start_ns` to `end_ns` along `twist` through the pose of `state` at `stamp_ns`."""
    stamps = np.unique(np.linspace(0, end_ns - min(start_ns, end_ns - 1), SWEEP_KNOTS).astype(np.int64))
    stamps += end_ns - stamps[-1]
    poses = [twist.moved(state.R, state.position, (stamp - stamp_ns) * 1e-9) for stamp in stamps.tolist()]
    R, p = (np.array(parts) for parts in zip(*poses, strict=True))
    v = R @ twist.linear
    a = R @ np.cross(twist.angular, twist.linear)
    w = np.tile(twist.angular, (len(stamps), 1))
    return Motion(stamps, R, p, v, a, w)
