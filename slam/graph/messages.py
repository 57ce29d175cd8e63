"""What the front end and the process of the pose graph say to each other. Both are ours, so they are pickled."""

from dataclasses import dataclass

import numpy as np

from slam.graph.config import GraphConfig
from slam.graph.journal import Entry
from slam.graph.pose_graph import Undone


@dataclass(frozen=True, slots=True)
class Restore:
    """The first message: the configuration, and what the graph held before."""

    config: GraphConfig
    entries: list[Entry]
    judged_until: int = -1  # guesses of a higher number are judged now
    is_single: bool = False  # one command at a time: it is known which one ends the process, and the order decides


@dataclass(frozen=True, slots=True)
class Command:
    """One thing to do: take a factor, or, without an entry, go to the optimum itself and tell all poses."""

    sequence: int
    entry: Entry | None = None


@dataclass(frozen=True, slots=True, eq=False)
class GraphResult:
    """What the pose graph says after it has worked."""

    sequence: int  # of the last command that is done; -1: only the restored graph
    latest_id: int  # keyframe of the highest number; -1: none
    T_map_base: np.ndarray  # (4, 4), of that keyframe
    undone: tuple[Undone, ...]  # factors taken back, and those refused
    ids: np.ndarray | None = None  # (N,) int64: where older poses may have moved, all of them ...
    poses: np.ndarray | None = None  # (N, 4, 4) T_map_base ... and where they are now
