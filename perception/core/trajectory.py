"""A trajectory: stamped poses, interpolated where they are asked for."""

from dataclasses import dataclass

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.geometry import interpolate
from perception.core.types import check


@dataclass(frozen=True, slots=True, eq=False)
class Trajectory:
    """Poses `T_world_body` over strictly increasing time. `body` and `world` only name the frames."""

    stamps_ns: np.ndarray  # (N,) int64
    poses: np.ndarray  # (N, 4, 4) float64
    body: str = "base_link"
    world: str = "odom"

    def __post_init__(self) -> None:
        check("stamps_ns", self.stamps_ns, (None,), np.int64)
        check("poses", self.poses, (len(self.stamps_ns), 4, 4), np.float64)
        late = np.flatnonzero(np.diff(self.stamps_ns) <= 0)
        if len(late):
            raise InvalidInput(f"stamps_ns: not increasing at row {late[0] + 1}; sort the trajectory and drop repeats")

    def __len__(self) -> int:
        return len(self.stamps_ns)

    def at(self, stamp_ns: int) -> np.ndarray:
        """Pose (4, 4) at `stamp_ns`; outside the covered time the motion of the two nearest poses is carried on."""
        if len(self) == 0:
            raise InvalidInput("trajectory: is empty, no pose can be interpolated")
        if len(self) == 1:
            return self.poses[0]
        after = int(np.clip(np.searchsorted(self.stamps_ns, stamp_ns), 1, len(self) - 1))
        t_a, t_b = int(self.stamps_ns[after - 1]), int(self.stamps_ns[after])
        return interpolate(self.poses[after - 1], self.poses[after], (stamp_ns - t_a) / (t_b - t_a))
