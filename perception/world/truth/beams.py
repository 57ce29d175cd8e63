"""The returns of LiDAR sweeps as segments in the world, each from where the sensor was at its own time."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from perception.core.types import check
from perception.world.motion import lever
from perception.world.sensors.lidar import SWEEP_NS, LidarScan, LidarSimulator


@dataclass(frozen=True, slots=True, eq=False)
class Beams:
    """Segments from the sensor to what it measured, in the world as `Scene.wrapped` places a robot."""

    origins: np.ndarray  # (N, 3) float64, m
    ends: np.ndarray  # (N, 3) float64, m
    rows: np.ndarray  # (N,) int32, triangle of `Accelerator.mesh` that was hit
    times_ns: np.ndarray  # (N,) int64, after the start of the recording

    def __post_init__(self) -> None:
        n = len(self.origins)
        check("origins", self.origins, (None, 3), np.float64)
        check("ends", self.ends, (n, 3), np.float64)
        check("rows", self.rows, (n,), np.int32)
        check("times_ns", self.times_ns, (n,), np.int64)


def beams_of(simulator: LidarSimulator, scan: LidarScan, start_ns: int) -> Beams:
    """The returns of one sweep that began at `start_ns` after the start of the recording, motion compensated."""
    offsets_ns, firing = np.unique(scan.scan.offsets_ns, return_inverse=True)
    if len(offsets_ns) == 0:
        return joined_beams(())
    state = lever(simulator.vehicle.state(start_ns + offsets_ns), simulator.T_base_lidar)
    origins = simulator.scene.wrapped(state.position, state.position[0, 0])[firing]
    ends = origins + np.einsum("nij,nj->ni", state.R_world_body[firing], scan.scan.points.astype(np.float64))
    return Beams(origins, ends, scan.rows, start_ns + scan.scan.offsets_ns)


def joined_beams(parts: Iterable[Beams]) -> Beams:
    """All beams of several sweeps."""
    none = Beams(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int64))
    parts = [none, *parts]
    names = ("origins", "ends", "rows", "times_ns")
    return Beams(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def sweeps_around(time_ns: int, half_window_ns: int, num_sweeps: int) -> range:
    """The sweeps of a recording of `num_sweeps` that begin less than half a window before or after a time."""
    first = -((half_window_ns - time_ns) // SWEEP_NS)
    last = -((-half_window_ns - time_ns) // SWEEP_NS)
    return range(max(first, 0), min(last, num_sweeps))
