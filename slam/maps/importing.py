"""A pose graph of others as a map: keyframes without clouds, its edges as factors, optimised as least squares."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from perception.core.errors import InvalidInput
from slam.graph.config import IMPORTED
from slam.graph.factors import poses_of
from slam.graph.g2o import G2o, read_g2o
from slam.graph.journal import Entry
from slam.graph.pose_graph import PoseGraph
from slam.maps.config import KeyframeConfig, MapsConfig
from slam.maps.folder import whole_map
from slam.maps.keyframe import Keyframe

PERIOD_NS = 100_000_000  # a g2o file has no times; keyframes are so far apart
FAST = MapsConfig(keyframes=KeyframeConfig(is_durable=False))  # the source is still there


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import gave."""

    num_keyframes: int
    num_factors: int
    chi2: float  # at the optimum


def optimised(file: G2o) -> PoseGraph:
    """A graph as its edges say, at the optimum. It begins with the chain of odometry, not with the file's vertices.

    Raises `InvalidInput` where edges do not hang together.
    """
    graph = PoseGraph(IMPORTED)
    first = min([*file.fixed, *file.ids()[:1]])
    graph.add_first(first, file.poses.get(first, np.eye(4)))
    waiting = file.in_order()
    while waiting:
        left = []
        for edge in waiting:
            if any(i in graph for i in poses_of(edge)):
                graph.add(edge)
            else:
                left.append(edge)
        if len(left) == len(waiting):
            raise InvalidInput(f"edge {left[0].from_id} {left[0].to_id}: does not hang together with pose {first}")
        waiting = left
    graph.settle()
    return graph


def import_g2o(source: Path, out: Path) -> Imported:
    """Make the map `out` of a g2o file. Raises `InvalidInput` and `MapError`."""
    graph = optimised(read_g2o(source))
    ids, poses = graph.poses()
    empty = np.zeros((0, 3), dtype=np.float32)
    with whole_map(out, name=source.stem[:200], config=FAST) as folder:
        for row, number in enumerate(ids.tolist()):
            folder.add_keyframe(Keyframe(number, (row + 1) * PERIOD_NS, _rigid(poses[row]), empty))
        for number, factor in graph.factors.items():
            folder.add_factor(Entry(number, factor))
        folder.add_judged(max(graph.factors))
        folder.save_poses(ids, np.stack([_rigid(T) for T in poses]))
    return Imported(len(ids), len(graph.factors), graph.chi2())


def _rigid(T: np.ndarray) -> np.ndarray:
    """Rounding of a solver taken out of a rotation."""
    u, _, vt = np.linalg.svd(T[:3, :3])
    out = T.copy()
    out[:3, :3] = u @ vt
    return out
