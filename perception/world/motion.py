"""Motion of a vehicle along a course: pose, velocity, acceleration and rates in closed form at any time.

A course gives position and attitude as splines over the distance driven, a drive gives the distance as a spline over
time; the chain rule (`jets.py`) does the rest, so an IMU made from it is exact.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.interpolate import BSpline, make_interp_spline

from perception.core.stamps import NS_PER_S
from perception.world.jets import Jet, compose, cos, sin

DEGREE = 5  # of all splines: position is continuous up to its fourth derivative
MAX_LONGITUDINAL = 1.4  # m/s^2
SPEED_STEP = 0.4  # s between the control points of the speed, which smooth it
DRIVE_STEP = 0.05  # s, of the simulated driver
NUM_BEFORE = 6  # control points before the start and after the end, at least (DEGREE + 1) / 2
VIBRATION = (  # axis (0 z, 1 pitch, 2 roll), amplitude (m or rad) at 8 m/s, frequency (Hz), phase (rad)
    (0, 0.008, 1.3, 0.2),
    (0, 0.0006, 9.1, 1.9),
    (1, 0.0040, 1.6, 1.1),
    (1, 0.0005, 11.3, 2.3),
    (2, 0.0050, 1.1, 0.7),
    (2, 0.0005, 8.2, 3.0),
)
VIBRATION_SPEED = 8.0  # m/s


@dataclass(frozen=True, slots=True, eq=False)
class MotionState:
    """A rigid body at N times. World axes with z up; `b` are the axes of the body."""

    R_world_body: np.ndarray  # (N, 3, 3)
    position: np.ndarray  # (N, 3) m, world
    velocity: np.ndarray  # (N, 3) m/s, world
    acceleration: np.ndarray  # (N, 3) m/s^2, world
    angular_velocity: np.ndarray  # (N, 3) rad/s, body axes
    angular_acceleration: np.ndarray  # (N, 3) rad/s^2, body axes

    @property
    def T_world_body(self) -> np.ndarray:
        """Poses (N, 4, 4)."""
        T = np.zeros((len(self.position), 4, 4))
        T[:, :3, :3], T[:, :3, 3], T[:, 3, 3] = self.R_world_body, self.position, 1.0
        return T


class Course:
    """Position and attitude over distance: x, y, z, yaw, pitch, roll. Repeats with an increment after each lap."""

    def __init__(self, distance: np.ndarray, values: np.ndarray) -> None:
        """`values` (K, 6) at increasing `distance` (K,) from 0; the last row is the first one of the next lap."""
        self.length = float(distance[-1])
        self.lap = values[-1] - values[0]
        trend = np.outer(distance / self.length, self.lap)
        periodic = values - trend
        periodic[-1] = periodic[0]
        self._spline = make_interp_spline(distance, periodic, k=DEGREE, bc_type="periodic")
        self._derivatives = [self._spline.derivative(k) if k else self._spline for k in range(3)]

    def derivative(self, distance: np.ndarray, order: int) -> np.ndarray:
        """Derivatives (N, 6) of the six values by the distance (N,)."""
        out = self._derivatives[order](np.mod(distance, self.length))
        if order == 0:
            return out + np.outer(distance / self.length, self.lap)
        return out + self.lap / self.length if order == 1 else out

    def jets(self, distance: Jet) -> list[Jet]:
        """x, y, z, yaw, pitch and roll over time."""
        together = compose(self._columns, distance)
        return [Jet(*(d[i] for d in together.d)) for i in range(6)]

    def _columns(self, distance: np.ndarray, order: int) -> np.ndarray:
        return self.derivative(distance, order).T

    @cached_property
    def curvature(self) -> tuple[np.ndarray, np.ndarray]:
        """Distance (K,) and the absolute change of the heading per metre there."""
        distance = np.arange(0.0, self.length, 0.25)
        return distance, np.abs(self.derivative(distance, 1)[:, 3])


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a course is driven."""

    speed: float  # m/s, cruising
    max_rate: float  # rad/s, turn rate
    max_lateral: float = 2.2  # m/s^2, in bends
    rest: float | None = None  # s of standstill at the start; None: in full motion from the first moment


class Drive:
    """Distance over time: rest, then as fast as speed, bends and comfort allow."""

    def __init__(self, course: Course, pace: Pace, duration: float) -> None:
        """Covers the times from 0 to `duration` (s)."""
        speeds = _speeds(course, pace, duration)
        first = -NUM_BEFORE - (DEGREE + 1) / 2  # control point i then acts around the time (i - NUM_BEFORE) SPEED_STEP
        knots = SPEED_STEP * (np.arange(len(speeds) + DEGREE + 1) + first)
        spline = BSpline(knots, speeds, DEGREE)
        self._orders = [spline.antiderivative(), spline, spline.derivative(1), spline.derivative(2)]
        self._start = float(self._orders[0](0.0))

    def distance(self, time: np.ndarray) -> Jet:
        """Distance driven (m) at `time` (N,) in seconds after the start."""
        return Jet(self._orders[0](time) - self._start, self._orders[1](time), self._orders[2](time))

    def speed(self, time: np.ndarray) -> Jet:
        """Speed (m/s) at `time` (N,) in seconds after the start."""
        return Jet(*(order(time) for order in self._orders[1:]))


class Vehicle:
    """A body on a course: what the robot and the other cars do. Times are nanoseconds after the start."""

    def __init__(self, course: Course, drive: Drive, shift: float = 0.0, vibration: bool = True) -> None:
        """`shift` seconds ahead (or behind, if negative) of the drive."""
        self.course, self.drive, self.shift, self.vibration = course, drive, shift, vibration

    def state(self, times_ns: np.ndarray) -> MotionState:
        """The motion at times (N,) int64."""
        seconds = np.asarray(times_ns, dtype=np.int64) / NS_PER_S
        distance = self.drive.distance(seconds + self.shift)
        x, y, z, yaw, pitch, roll = self.course.jets(distance)
        if self.vibration:
            dz, dpitch, droll = _vibration(seconds, self.drive.speed(seconds + self.shift))
            z, pitch, roll = z + dz, pitch + dpitch, roll + droll
        return _state(x, y, z, yaw, pitch, roll)

    def poses(self, times_ns: np.ndarray) -> np.ndarray:
        """`T_world_body` (N, 4, 4) at times (N,) int64."""
        return self.state(times_ns).T_world_body


def lever(state: MotionState, T_body_sensor: np.ndarray) -> MotionState:
    """The motion of a sensor that is fixed to the body (rigid-body kinematics, exact)."""
    R, r = T_body_sensor[:3, :3], T_body_sensor[:3, 3]
    w, a = state.angular_velocity, state.angular_acceleration
    swing = np.cross(w, r)
    to_world = state.R_world_body
    return MotionState(
        to_world @ R,
        state.position + to_world @ r,
        state.velocity + np.einsum("nij,nj->ni", to_world, swing),
        state.acceleration + np.einsum("nij,nj->ni", to_world, np.cross(a, r) + np.cross(w, swing)),
        w @ R,
        a @ R,
    )


def _state(x: Jet, y: Jet, z: Jet, yaw: Jet, pitch: Jet, roll: Jet) -> MotionState:
    """Rotation is Rz(yaw) Ry(pitch) Rx(roll); pitch is positive nose down, as z is up."""
    cp, sp, cr, sr = cos(pitch), sin(pitch), cos(roll), sin(roll)
    cy, sy = np.cos(yaw.d[0]), np.sin(yaw.d[0])
    a, b, c, d = cp.d[0], sp.d[0], cr.d[0], sr.d[0]
    R = np.stack(
        [
            np.stack([cy * a, cy * b * d - sy * c, cy * b * c + sy * d], axis=-1),
            np.stack([sy * a, sy * b * d + cy * c, sy * b * c - cy * d], axis=-1),
            np.stack([-b, a * d, a * c], axis=-1),
        ],
        axis=-2,
    )
    yaw_rate, pitch_rate, roll_rate = yaw.rate(), pitch.rate(), roll.rate()
    rates = (  # body axes, from the rates of the three angles
        roll_rate - yaw_rate * sp,
        pitch_rate * cr + yaw_rate * (cp * sr),
        yaw_rate * (cp * cr) - pitch_rate * sr,
    )
    place = [np.stack([q.d[k] for q in (x, y, z)], axis=-1) for k in range(3)]
    turn = [np.stack([q.d[k] for q in rates], axis=-1) for k in range(2)]
    return MotionState(R, *place, *turn)


def _vibration(seconds: np.ndarray, speed: Jet) -> list[Jet]:
    """Small motion of the springs in z, pitch and roll; grows with the speed, and none at rest."""
    zero = np.zeros_like(seconds)
    axes = [Jet(zero, zero, zero)] * 3
    for axis, amplitude, frequency, phase in VIBRATION:
        omega = 2.0 * np.pi * frequency
        angle = Jet(omega * seconds + phase, zero + omega, zero)
        axes[axis] = axes[axis] + speed * sin(angle) * (amplitude / VIBRATION_SPEED)
    return axes


def _speeds(course: Course, pace: Pace, duration: float) -> np.ndarray:
    """Control points of the speed every `SPEED_STEP`, from `NUM_BEFORE` steps before the start."""
    grid, limit = _lap_limit(course, pace)
    steps = round(SPEED_STEP / DRIVE_STEP)
    total = int((duration / SPEED_STEP + 2 * NUM_BEFORE) * steps)
    waiting = 0 if pace.rest is None else int((pace.rest / SPEED_STEP + NUM_BEFORE) * steps)
    speed, distance = (float(limit[0]), 0.0) if pace.rest is None else (0.0, 0.0)
    out = np.full(total, speed)
    for i in range(waiting, total):
        ahead = float(limit[int(distance / (grid[1] - grid[0])) % len(limit)])
        speed = min(speed + MAX_LONGITUDINAL * DRIVE_STEP, ahead)
        distance += speed * DRIVE_STEP
        out[i] = speed
    controls = out[: total // steps * steps].reshape(-1, steps).mean(axis=1)
    return np.concatenate([np.full(NUM_BEFORE, controls[0]), controls])


def _lap_limit(course: Course, pace: Pace) -> tuple[np.ndarray, np.ndarray]:
    """Highest speed at each place of a lap from which every later bend can still be braked for."""
    grid, curvature = course.curvature
    curvature = np.maximum(curvature, 1e-6)
    limit = np.minimum(pace.speed, np.minimum(np.sqrt(pace.max_lateral / curvature), pace.max_rate / curvature))
    step = grid[1] - grid[0]
    for _ in range(2):  # twice round: a bend after the end of the lap counts at its end
        for i in range(len(limit) - 1, -1, -1):
            following = limit[(i + 1) % len(limit)]
            limit[i] = min(limit[i], np.sqrt(following**2 + 2.0 * MAX_LONGITUDINAL * step))
    return grid, limit
