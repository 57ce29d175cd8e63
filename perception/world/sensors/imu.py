"""IMU samples of a body whose motion is known in closed form, with the errors a data sheet names."""

from collections.abc import Iterator

import numpy as np

from perception.core.stamps import NS_PER_S
from perception.core.types import ImuBatch
from perception.world.config import ImuConfig
from perception.world.motion import Vehicle, lever

GRAVITY = np.array([0.0, 0.0, -9.80665])  # m/s^2, world axes
NOISE_STREAM = 2  # random stream of a seed


def true_imu(vehicle: Vehicle, T_base_imu: np.ndarray, times_ns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Angular rate (N, 3) rad/s and specific force (N, 3) m/s^2 of the motion, in IMU axes, without errors."""
    state = lever(vehicle.state(times_ns), T_base_imu)
    force = np.einsum("nji,nj->ni", state.R_world_body, state.acceleration - GRAVITY)
    return state.angular_velocity, force


class ImuSimulator:
    """The samples of one recording, oldest first, from anew with every call of `batches`."""

    def __init__(self, vehicle: Vehicle, T_base_imu: np.ndarray, config: ImuConfig, seed: int) -> None:
        self.vehicle, self.T_base_imu, self.config, self.seed = vehicle, T_base_imu, config, seed

    def batches(self, first_ns: int, ends_ns: Iterator[int], epoch_ns: int) -> Iterator[ImuBatch]:
        """One batch for each of `ends_ns`: the samples up to and with it that no batch held before.

        Times are relative to the start, stamps of the batches to `epoch_ns`; samples begin at `first_ns`.
        """
        rng = np.random.default_rng([self.seed, NOISE_STREAM])
        biases = rng.normal(size=(2, 3)) * [[self.config.gyro_bias], [self.config.accel_bias]]
        period_ns = NS_PER_S // self.config.rate
        next_ns = first_ns
        for end_ns in ends_ns:
            times_ns = np.arange(next_ns, end_ns + 1, period_ns, dtype=np.int64)
            next_ns += len(times_ns) * period_ns
            gyro, accel = true_imu(self.vehicle, self.T_base_imu, times_ns)
            (gyro_error, accel_error), biases = self._errors(rng, biases, len(times_ns))
            yield ImuBatch(times_ns + epoch_ns, gyro + gyro_error, accel + accel_error)

    def _errors(self, rng: np.random.Generator, biases: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Errors (2, count, 3) of rate and force, and the biases (2, 3) after them.

        Discrete forms of the densities: white noise over sqrt(dt), walk times sqrt(dt).
        """
        c, rate = self.config, np.sqrt(self.config.rate)
        walk = rng.normal(size=(2, count, 3)) * np.array([c.gyro_walk, c.accel_walk])[:, None, None] / rate
        white = rng.normal(size=(2, count, 3)) * np.array([c.gyro_noise, c.accel_noise])[:, None, None] * rate
        drifting = biases[:, None] + np.cumsum(walk, axis=1)
        return drifting + white, drifting[:, -1] if count else biases
