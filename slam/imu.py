"""IMU samples until they are used: the buffer that pairs them with scans, the test whether they are fit, the start.

Sections 4.1 and 4.4 of the specification.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from perception.core.geometry import exp_so3
from perception.core.stamps import NS_PER_S
from perception.core.types import ImuBatch
from slam.config import ImuConfig
from slam.propagation import Inputs
from slam.state import GRAVITY

G_UNIT = (0.8, 1.2)  # a median specific force in this range is in g
MIN_SAMPLES = 10  # fewer do not tell a rate


class ImuBuffer:
    """Samples in the order of time, at most `capacity`; the oldest make room and are counted."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._stamps = np.empty(2 * capacity, dtype=np.int64)
        self._values = np.empty((2 * capacity, 6))
        self._first = self._last = 0
        self.num_overflown = 0

    def __len__(self) -> int:
        return self._last - self._first

    @property
    def stamps_ns(self) -> np.ndarray:
        """Stamps of the samples held (n,)."""
        return self._stamps[self._first : self._last]

    @property
    def values(self) -> np.ndarray:
        """Gyro and accelerometer of the samples held (n, 6), as they were measured."""
        return self._values[self._first : self._last]

    @property
    def newest_ns(self) -> int:
        """Stamp of the newest sample; 0 before the first."""
        return int(self._stamps[self._last - 1]) if len(self) else 0

    def covers(self, stamp_ns: int) -> bool:
        """True when a sample at or after `stamp_ns` is held."""
        return len(self) > 0 and self.newest_ns >= stamp_ns

    def add(self, batch: ImuBatch) -> None:
        """Append samples that are newer than all held."""
        count = min(len(batch.stamps_ns), self.capacity)
        self.num_overflown += len(batch.stamps_ns) - count
        if self._last + count > len(self._stamps):
            self._compact()
        new = slice(self._last, self._last + count)
        self._stamps[new] = batch.stamps_ns[-count:] if count else []
        self._values[new, :3] = batch.gyro[len(batch.gyro) - count :]
        self._values[new, 3:] = batch.accel[len(batch.accel) - count :]
        self._last += count
        excess = max(len(self) - self.capacity, 0)
        self._first += excess
        self.num_overflown += excess

    def window(self, start_ns: int, end_ns: int) -> tuple[np.ndarray, np.ndarray]:
        """Stamps and values of the samples from `start_ns` to `end_ns`, both included."""
        a, b = np.searchsorted(self.stamps_ns, (start_ns, end_ns + 1))
        return self.stamps_ns[a:b], self.values[a:b]

    def forget_before(self, stamp_ns: int) -> None:
        """Drop all samples that no interval from `stamp_ns` on needs."""
        self._first += max(int(np.searchsorted(self.stamps_ns, stamp_ns, side="right")) - 1, 0)

    def clear(self) -> None:
        """Drop all samples."""
        self._first = self._last = 0

    def inputs(self, start_ns: int, end_ns: int, max_step_ns: int, accel_scale: float) -> Inputs | None:
        """The inputs that lead from `start_ns` to `end_ns` (> start), or None where the samples leave a hole.

        Samples are interpolated at both ends; before the first and after the last one its value holds.
        """
        stamps = self.stamps_ns
        first = max(int(np.searchsorted(stamps, start_ns, side="right")) - 1, 0)
        last = min(int(np.searchsorted(stamps, end_ns)), len(stamps) - 1)
        knots = stamps[first : last + 1]
        if len(knots) == 0 or _largest_step(knots, start_ns, end_ns) > max_step_ns:
            return None
        values = self.values[first : last + 1]
        inner = slice(int(knots[0] <= start_ns), len(knots) - int(knots[-1] >= end_ns))
        times = np.concatenate(([start_ns], knots[inner], [end_ns]))
        start, end = _value_at(start_ns, knots[:2], values[:2]), _value_at(end_ns, knots[-2:], values[-2:])
        at = np.concatenate((start, values[inner], end))
        mean = 0.5 * (at[1:] + at[:-1])
        return Inputs(times, np.ascontiguousarray(mean[:, :3]), mean[:, 3:] * accel_scale)

    def _compact(self) -> None:
        held = len(self)
        self._stamps[:held] = self.stamps_ns
        self._values[:held] = self.values.copy()
        self._first, self._last = 0, held


def _largest_step(knots: np.ndarray, start_ns: int, end_ns: int) -> int:
    within = int(np.diff(knots).max()) if len(knots) > 1 else 0
    return max(within, int(knots[0]) - start_ns, end_ns - int(knots[-1]))


def _value_at(stamp_ns: int, knots: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values (1, 6) at an instant between two samples, or of the one that is nearer than both."""
    if len(knots) == 1:
        return values[:1]
    fraction = (stamp_ns - int(knots[0])) / int(knots[1] - knots[0])
    return values[:1] + min(max(fraction, 0.0), 1.0) * (values[1:2] - values[:1])


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """What the first samples say. `up` is the mean specific force in the IMU frame at the reference instant."""

    up: np.ndarray  # (3,) m/s^2
    gyro_bias: np.ndarray  # (3,) rad/s, zero when moving
    accel_scale: float  # turns a measured force into m/s^2
    rate: float  # Hz
    is_still: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a stream of samples is not used as an IMU."""

    reason: str


def find_start(buffer: ImuBuffer, end_ns: int, config: ImuConfig, is_last: bool = False) -> Start | Refused | None:
    """How the IMU starts for a first scan that ends at `end_ns`, or None while more samples are needed.

    A still start takes the samples of `still_duration` around the end of the scan; one that is not still waits
    until there is `moving_duration`, and takes gravity from the mean force turned back to `end_ns` by the gyro.
    With `is_last` no further samples will come.
    """
    if len(buffer) == 0:
        return Refused("no samples") if is_last else None
    for duration, must_be_still in ((config.still_duration, True), (config.moving_duration, False)):
        duration_ns = round(duration * NS_PER_S)
        until_ns = max(end_ns, int(buffer.stamps_ns[0]) + duration_ns)
        if not is_last and not buffer.covers(until_ns):
            return None
        stamps, values = buffer.window(until_ns - duration_ns, until_ns)
        refused = refusal(stamps, values, config)
        if refused:
            return refused
        is_still = _is_still(stamps, values, config)
        if is_still or not must_be_still:
            break
    scale = _accel_scale(values, config)
    rate = (len(stamps) - 1) / ((stamps[-1] - stamps[0]) * 1e-9)
    mean = values.mean(axis=0)
    if is_still:
        return Start(scale * mean[3:], mean[:3], scale, rate, True)
    return Start(scale * _mean_force(stamps, values, end_ns), np.zeros(3), scale, rate, False)


def refusal(stamps: np.ndarray, values: np.ndarray, config: ImuConfig) -> Refused | None:
    """Why the samples (stamps (n,), gyro and accelerometer (n, 6)) are no IMU's, or None (section 4.1, last rule)."""
    if len(stamps) < MIN_SAMPLES:
        return Refused(f"only {len(stamps)} samples around the first scan; check the driver and its stamps")
    rate = (len(stamps) - 1) / ((int(stamps[-1]) - int(stamps[0])) * 1e-9)
    if rate < config.min_rate:
        return Refused(f"rate is {rate:.1f} Hz, at least {config.min_rate:g} Hz are needed; raise it in the driver")
    force = float(np.median(np.linalg.norm(values[:, 3:], axis=1)))
    if config.min_gravity <= force <= config.max_gravity or G_UNIT[0] <= force <= G_UNIT[1]:
        return None
    return Refused(
        f"median specific force is {force:.2f}, expected {config.min_gravity:g} to {config.max_gravity:g} m/s^2 "
        f"or {G_UNIT[0]:g} to {G_UNIT[1]:g} g; gravity must not be removed"
    )


def _is_still(stamps: np.ndarray, values: np.ndarray, config: ImuConfig) -> bool:
    scale = _accel_scale(values, config)
    spread, mean = values.std(axis=0), values[:, :3].mean(axis=0)
    return bool(
        (stamps[-1] - stamps[0]) * 1e-9 >= 0.9 * config.still_duration  # the window rarely ends on a sample
        and np.linalg.norm(spread[:3]) < config.still_gyro_std
        and np.linalg.norm(spread[3:]) * scale < config.still_accel_std
        and np.linalg.norm(mean) < config.still_gyro_mean
    )


def _accel_scale(values: np.ndarray, config: ImuConfig) -> float:
    force = float(np.median(np.linalg.norm(values[:, 3:], axis=1)))
    return GRAVITY if force < config.min_gravity else 1.0


def _mean_force(stamps: np.ndarray, values: np.ndarray, reference_ns: int) -> np.ndarray:
    """Mean of the forces (3,), each turned by the integrated gyro into the IMU frame of `reference_ns`."""
    R, turned = np.eye(3), np.empty((len(stamps), 3, 3))
    turned[0] = R
    for k in range(1, len(stamps)):
        rate = 0.5 * (values[k - 1, :3] + values[k, :3])
        R = R @ exp_so3(rate * ((stamps[k] - stamps[k - 1]) * 1e-9))
        turned[k] = R
    reference = turned[int(np.argmin(np.abs(stamps - reference_ns)))]
    return reference.T @ np.einsum("kij,kj->i", turned, values[:, 3:]) / len(stamps)


def noise_variances(config: ImuConfig, rate: float) -> np.ndarray:
    """Variances per sample (4,) at `rate` (Hz), as `slam.propagation.propagate` takes them (section 4.2)."""
    densities = np.array([config.gyro_noise, config.accel_noise, config.gyro_walk, config.accel_walk])
    return (config.noise_factor * densities) ** 2 * rate


def without_bad_samples(batch: ImuBatch, newest_ns: int, config: ImuConfig, counts: Counter[str]) -> ImuBatch:
    """The samples of `batch` that are finite, possible, and newer than `newest_ns`; the others are counted."""
    before = np.maximum.accumulate(np.concatenate(([newest_ns], batch.stamps_ns)))[:-1]
    is_newer = batch.stamps_ns > before
    gyro, accel = np.abs(batch.gyro), np.abs(batch.accel)
    is_possible = (gyro <= config.max_angular_rate).all(axis=1) & (accel <= config.max_acceleration).all(axis=1)
    if is_possible.all() and is_newer.all():
        return batch
    is_finite = np.isfinite(gyro).all(axis=1) & np.isfinite(accel).all(axis=1)
    keep = is_finite & is_possible & is_newer
    counts["imu samples not finite"] += int((~is_finite).sum())
    counts["imu samples beyond the limits"] += int((is_finite & ~is_possible).sum())
    counts["imu samples not newer"] += int((~is_newer).sum())
    return ImuBatch(batch.stamps_ns[keep], batch.gyro[keep], batch.accel[keep])
