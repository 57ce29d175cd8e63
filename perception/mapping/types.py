"""What mapping hears and says, besides the odometry."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.types import check
from slam.graph.gnss import GnssFix
from slam.maps.grid import FloorGrid

CommandKind = Literal["save", "load", "relocalize", "reset", "set_pose"]


@dataclass(frozen=True, slots=True, eq=False)
class AntennaFix:
    """A satellite fix, and where its antenna sits."""

    fix: GnssFix
    p_base_antenna: np.ndarray  # (3,) float64, m

    def __post_init__(self) -> None:
        check("p_base_antenna", self.p_base_antenna, (3,), np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class WheelTwist:
    """What the wheels say, in axes of the base."""

    stamp_ns: int
    linear: np.ndarray  # (2,) float64, m/s, forward and left
    angular: float  # rad/s, to the left

    def __post_init__(self) -> None:
        check("linear", self.linear, (2,), np.float64)
        if not (np.isfinite(self.linear).all() and np.isfinite(self.angular)):
            raise InvalidInput(f"twist: {self.linear.tolist()}, {self.angular} is not finite; drop the message")


@dataclass(frozen=True, slots=True, eq=False)
class MapCommand:
    """Something that somebody asks for; `reply` is called once, in the thread of mapping."""

    kind: CommandKind
    argument: str | np.ndarray | None = None  # folder of save and load; T_map_base (4, 4) of set_pose
    reply: Callable[[bool, str], None] = lambda is_done, text: None


@dataclass(frozen=True, slots=True, eq=False)
class MapOdom:
    """Where the frame `odom` lies in the map; said only while the place in the map is known."""

    stamp_ns: int  # of the odometry that it came with
    T_map_odom: np.ndarray  # (4, 4) float64
    odometry_covariance: np.ndarray  # (6, 6) as in `Odometry`, of that pose
    T_odom_base: np.ndarray  # (4, 4) float64

    @property
    def T_map_base(self) -> np.ndarray:
        """Pose (4, 4) of the base in the map."""
        return self.T_map_odom @ self.T_odom_base


@dataclass(frozen=True, slots=True, eq=False)
class MapPath:
    """All keyframes, after one was added or older ones moved."""

    ids: np.ndarray  # (N,) int64, ascending
    stamps_ns: np.ndarray  # (N,) int64
    poses: np.ndarray  # (N, 4, 4) T_map_base
    loops: np.ndarray  # (L, 2) int64, numbers of the keyframes that a loop joins


@dataclass(frozen=True, slots=True, eq=False)
class MapGrid:
    """The occupancy grid at a time."""

    stamp_ns: int
    grid: FloorGrid


@dataclass(frozen=True, slots=True, eq=False)
class LoopReport:
    """A revisit that was thought of, and what came of it."""

    stamp_ns: int  # of the query
    query_id: int
    reference_id: int
    verdict: str  # "accepted", "undone", "waits", or why not
    detail: str = ""
    T_reference_query: np.ndarray | None = None  # (4, 4) of the bases, where it was found

    @property
    def is_accepted(self) -> bool:
        """Whether it became a factor."""
        return self.verdict == "accepted"
