"""What mapping hears and says, besides the odometry."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from slam.graph.sensors import AntennaFix as AntennaFix
from slam.graph.sensors import WheelTwist as WheelTwist
from slam.maps.grid import FloorGrid

CommandKind = Literal["save", "load", "relocalize", "set_pose"]


@dataclass(frozen=True, slots=True, eq=False)
class MapCommand:
    """Something that somebody asks for; `reply` is called once, in the thread of mapping."""

    kind: CommandKind
    argument: str | np.ndarray | None = None  # folder of save and load; T_map_base (4, 4) of set_pose
    reply: Callable[[bool, str], None] = lambda is_done, text: None


@dataclass(frozen=True, slots=True, eq=False)
class MapOdom:
    """Where the frame `odom` lies in the map; None is said in its place where that is not known."""

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
