"""Two maps become one: by a given relative pose, or by loops between their keyframes."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.geometry import inverse
from slam.graph.config import GraphConfig
from slam.graph.factors import Attitude, Between, Factor, Position, Prior, information_of, poses_of
from slam.graph.journal import Entry
from slam.graph.pose_graph import PoseGraph
from slam.maps.folder import MapFolder, whole_map

GIVEN_POSITION, GIVEN_ROTATION = 0.5, np.deg2rad(3.0)  # how far a pose that somebody gave is trusted


@dataclass(frozen=True, slots=True, eq=False)
class MapLoop:
    """A place that both maps know: the pose of a keyframe of the second one seen from a keyframe of the first."""

    first_id: int
    second_id: int
    T_first_second: np.ndarray  # (4, 4) float64, between the bases at the keyframes
    information: np.ndarray  # (6, 6) float64, as in `Between`


@dataclass(frozen=True, slots=True)
class Merged:
    """What came of a merge."""

    num_keyframes: int
    num_factors: int
    num_loops: int  # between the two maps, that were kept
    undone: dict[int, str]  # by number of the factor


def merge(
    first: MapFolder,
    second: MapFolder,
    out: Path,
    T_first_second: np.ndarray | None = None,
    loops: Sequence[MapLoop] = (),
    config: GraphConfig | None = None,
) -> Merged:
    """Write both maps to the new folder `out`, in the frame of the first.

    `T_first_second` (4, 4): where the frame of the second map lies in that of the first, about. `loops` are judged
    like those of a run; without `T_first_second` the first of them places the second map. Raises `InvalidInput`,
    `MapError`.
    """
    if not len(first):
        raise InvalidInput(f"{first.path}: holds no keyframe; there is nothing to merge")
    _check_joining(first, second, T_first_second, loops)
    with begun(first, out) as folder:
        return join(folder, second, T_first_second, loops, config)


@contextmanager
def begun(first: MapFolder, out: Path) -> Iterator[MapFolder]:
    """A new map with everything of `first`, open for writing; it takes its place at `out` when the block is done.

    Raises `MapError` where something is there already.
    """
    with whole_map(out, first.config_yaml, Path(out).absolute().name, first.config) as folder:
        _copy(first, folder, 0, 0)
        if first.judged_until >= 0:
            folder.add_judged(first.judged_until)
        yield folder


def join(
    folder: MapFolder,
    second: MapFolder,
    T_first_second: np.ndarray | None = None,
    loops: Sequence[MapLoop] = (),
    config: GraphConfig | None = None,
) -> Merged:
    """Write the second map into `folder`, which is open for writing; the rest as in `merge`."""
    _check_joining(folder, second, T_first_second, loops)
    offset = folder.next_keyframe_id()
    bridges = [] if T_first_second is None else [_bridge(folder, second, T_first_second, offset)]
    T = _placed_by(folder, second, loops) if T_first_second is None else T_first_second
    _copy(second, folder, offset, folder.next_factor_id(), T)
    number = folder.next_factor_id()
    ties = [Between(x.first_id, x.second_id + offset, x.T_first_second, x.information, "loop") for x in loops]
    for index, factor in enumerate([*ties, *bridges]):
        folder.add_factor(Entry(number + index, factor))
    return _optimised(folder, number, len(loops), bool(bridges), config)


def _copy(source: MapFolder, target: MapFolder, offset: int, first_factor: int, T: np.ndarray | None = None) -> None:
    """Keyframes and factors of a map under other numbers; `T` moves what is said in the frame of the map."""
    ids, poses = source.poses()
    for number in ids.tolist():
        keyframe = source.load(number)
        target.add_keyframe(replace(keyframe, keyframe_id=number + offset))
    for index, entry in enumerate(source.entries()):
        factor = _renumbered(entry.factor, offset, T)
        if factor is not None:
            target.add_factor(Entry(first_factor + index if offset else entry.factor_id, factor))
    saved_ids, saved = target.poses()
    moved = poses if T is None else T @ poses
    is_new = np.isin(saved_ids, ids + offset)
    saved[is_new] = moved
    target.save_poses(saved_ids, saved)


def _renumbered(factor: Factor, offset: int, T: np.ndarray | None) -> Factor | None:
    """A factor of the second map in the merged one; its prior and its fixes belong to another frame and are left."""
    if isinstance(factor, Between):
        return replace(factor, from_id=factor.from_id + offset, to_id=factor.to_id + offset)
    if T is None:
        return factor
    if isinstance(factor, Attitude):
        return replace(factor, pose_id=factor.pose_id + offset, R_map_base=T[:3, :3] @ factor.R_map_base)
    assert isinstance(factor, Prior | Position)
    return None


def _bridge(first: MapFolder, second: MapFolder, T_first_second: np.ndarray, offset: int) -> Between:
    """The given pose as a factor between the first keyframes of both maps."""
    (ids_a, a), (ids_b, b) = first.poses(), second.poses()
    T_from_to = inverse(a[0]) @ T_first_second @ b[0]
    information = information_of(GIVEN_POSITION, GIVEN_ROTATION)
    return Between(int(ids_a[0]), int(ids_b[0]) + offset, T_from_to, information, "odometry")


def _placed_by(first: MapFolder, second: MapFolder, loops: Sequence[MapLoop]) -> np.ndarray:
    (ids_a, a), (ids_b, b) = first.poses(), second.poses()
    loop = loops[0]
    T_a, T_b = a[np.searchsorted(ids_a, loop.first_id)], b[np.searchsorted(ids_b, loop.second_id)]
    return T_a @ loop.T_first_second @ inverse(T_b)


def _check_joining(
    first: MapFolder, second: MapFolder, T_first_second: np.ndarray | None, loops: Sequence[MapLoop]
) -> None:
    if not len(second):
        raise InvalidInput(f"{second.path}: holds no keyframe; there is nothing to merge")
    if T_first_second is None and not loops:
        raise InvalidInput("merge: neither a pose nor loops between the maps are given; give --pose or --loops")
    for loop in loops:
        if loop.first_id not in first.keyframes:
            raise InvalidInput(f"loops: keyframe {loop.first_id} is not in the first map {first.path}")
        if loop.second_id not in second.keyframes:
            raise InvalidInput(f"loops: keyframe {loop.second_id} is not in the second map {second.path}")


def _optimised(
    folder: MapFolder, first_new: int, num_loops: int, has_bridge: bool, config: GraphConfig | None
) -> Merged:
    """Optimise the merged graph; the maps' own factors were judged before, the new loops are judged now."""
    graph, (ids, poses) = PoseGraph(config), folder.poses()
    where = dict(zip(ids.tolist(), poses))
    entries = list(folder.entries())
    ties = [entry for entry in entries if entry.factor_id >= first_new]
    tie = ties[-1] if has_bridge else ties[0]  # what holds the maps together before any loop is judged
    own = [entry for entry in entries if entry.factor_id < first_new]
    for entry in _growing([*own, tie]):
        graph.add(entry.factor, entry.factor_id, _initial(entry.factor, graph, where), is_trusted=True)
    graph.update()
    for entry in ties:
        if entry is not tie:
            graph.add(entry.factor, entry.factor_id)
            graph.update()
    graph.settle()
    for number, reason in graph.undone.items():
        folder.add_undone(number, reason)
    folder.add_judged(folder.next_factor_id() - 1)
    folder.save_poses(*graph.poses())
    kept = num_loops - sum(number >= first_new for number in graph.undone)
    return Merged(len(folder), len(graph.factors), kept, dict(graph.undone))


def _growing(entries: Sequence[Entry]) -> Iterable[Entry]:
    """Entries in an order in which each joins what is there already; those of the first keyframe begin."""
    known: set[int] = set()
    waiting = sorted(entries, key=lambda entry: not isinstance(entry.factor, Prior))
    while waiting:
        left = []
        for entry in waiting:
            poses = poses_of(entry.factor)
            if isinstance(entry.factor, Prior) or any(i in known for i in poses):
                known.update(poses)
                yield entry
            else:
                left.append(entry)
        if len(left) == len(waiting):
            raise InvalidInput(f"graph: {len(left)} factors hang on nothing; give a prior or a loop that joins them")
        waiting = left


def _initial(factor: Factor, graph: PoseGraph, where: dict[int, np.ndarray]) -> np.ndarray | None:
    new = [i for i in poses_of(factor) if i not in graph]
    return where[new[0]] if new else None
