"""Maps of many drives become one: the places that two maps share are found by place recognition, as in a run.

Each map is sought in what was merged before it, keyframe by keyframe; where revisits agree with one another it joins.
One that touches nothing so far is tried again when the merged map has grown, and is left out at the end.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from perception.core.errors import InvalidInput
from perception.core.geometry import inverse
from perception.mapping.config import MappingConfig
from perception.mapping.loops import LoopFinder
from perception.mapping.memory import PlaceMemory, View
from perception.mapping.pose_table import PoseTable
from perception.mapping.revisits import apart
from perception.place.descriptors import open_place_network
from perception.place.places import PlaceDescriber
from slam.maps.folder import MapFolder
from slam.maps.merge import MapLoop, begun, join

Progress = Callable[[int, int], None]  # keyframes sought, and in all


@dataclass(slots=True)
class MergedMaps:
    """What came of many maps."""

    num_keyframes: int = 0
    num_loops: dict[str, int] = field(default_factory=dict)  # by map: kept loops with those before it; 0: the first
    left_out: dict[str, str] = field(default_factory=dict)  # by map: why
    undone: int = 0  # loops that contradicted


class MapMerger:
    """One map that others join."""

    def __init__(self, folder: MapFolder, config: MappingConfig, describer: PlaceDescriber) -> None:
        """`folder` is open for writing."""
        self.folder, self.config, self.describer = folder, config, describer
        self.memory = PlaceMemory(config, folder, describer)
        self.memory.restore()

    def seek(self, other: MapFolder, on_keyframe: Progress = lambda done, total: None) -> list[MapLoop]:
        """Places that the other map shares with this one, those first with which most others agree."""
        poses, other_poses, offset = _table(self.folder), _table(other), self.folder.next_keyframe_id()
        finder, session, found = LoopFinder(self.config, self.memory), -1, []
        for done, view in enumerate(self._views(other, offset), start=1):
            if view.session != session:
                finder.begin_session()
                session = view.session
            found += finder.seek(view, other_poses(view.keyframe.keyframe_id - offset), poses)[1]
            on_keyframe(done, len(other))
        loops = [MapLoop(loop.from_id, loop.to_id - offset, loop.T_from_to, loop.information) for loop in found]
        votes = self._votes(loops, poses, other_poses)
        return [loops[k] for k in sorted(range(len(loops)), key=lambda k: -votes[k]) if votes[k] >= self._min_support]

    def join(self, other: MapFolder, loops: Sequence[MapLoop]) -> tuple[int, int]:
        """Take the other map in; returns how many of the loops are kept, and how many contradicted."""
        offset, session = self.folder.next_keyframe_id(), -1
        result = join(self.folder, other, None, loops, self.config.graph)
        for view in self._views(other, offset):  # one after the other: their clouds are not all in memory
            if view.session != session:
                self.memory.begin_session()
                session = view.session
            self.memory.add(view)
        self.memory.begin_session()
        return result.num_loops, len(loops) - result.num_loops

    @property
    def _min_support(self) -> int:
        return self.config.localization.min_support

    def _views(self, other: MapFolder, offset: int) -> Iterator[View]:
        """The keyframes of the other map, with the numbers that they get in this one, from `offset` on."""
        memory = PlaceMemory(self.config, other, self.describer)
        memory.restore()
        for number in sorted(other.keyframes):
            keyframe = replace(other.load(number), keyframe_id=number + offset)
            yield View(keyframe, memory.place(number), memory.session_of(number), memory.path_of(number))

    def _votes(self, loops: Sequence[MapLoop], poses: PoseTable, other: PoseTable) -> list[int]:
        """For each loop how many, itself included, agree with where it puts the other map."""
        limits = self.config.place.verification
        places = [poses(loop.first_id) @ loop.T_first_second for loop in loops]
        votes = []
        for loop, place in zip(loops, places):
            T_first_second = place @ inverse(other(loop.second_id))
            errors = [apart(T_first_second @ other(x.second_id), there) for x, there in zip(loops, places)]
            votes.append(sum(m <= limits.max_correction and d <= limits.max_correction_deg for m, d in errors))
        return votes


def merge_maps(
    paths: Sequence[Path], out: Path, config: MappingConfig, on_keyframe: Progress = lambda done, total: None
) -> MergedMaps:
    """Write one new map `out` of all maps that touch, in the frame of the first one.

    Raises `MapError`, `InvalidInput`, `ModelError` and as `make_runtime`.
    """
    waiting = {name: MapFolder(path, config.maps) for name, path in zip(_names(paths), paths)}
    if not len(next(iter(waiting.values()))):
        raise InvalidInput(f"{paths[0]}: holds no keyframe; there is nothing to merge")
    network = open_place_network(config.place.network, config.place.bev.side)
    try:
        describer = PlaceDescriber(config.place, network)
        first = next(iter(waiting))
        result = MergedMaps(num_loops={first: 0})
        with begun(waiting.pop(first), out) as folder:
            _join_all(MapMerger(folder, config, describer), waiting, result, on_keyframe)
            result.num_keyframes = len(folder)
        return result
    finally:
        network.close()


def _join_all(merger: MapMerger, waiting: dict[str, MapFolder], result: MergedMaps, on_keyframe: Progress) -> None:
    """Rounds over the maps that wait, as long as one of them joins in each."""
    has_grown = True
    while waiting and has_grown:
        has_grown = False
        for name, other in list(waiting.items()):
            loops = merger.seek(other, on_keyframe) if len(other) else []
            if not loops:
                result.left_out[name] = "it shares no place with the others" if len(other) else "it holds no keyframe"
                continue
            kept, contradicted = merger.join(other, loops)
            result.num_loops[name], has_grown = kept, True
            result.undone += contradicted
            result.left_out.pop(name, None)
            del waiting[name]


def _names(paths: Sequence[Path]) -> list[str]:
    """A name for each map; the folder above it where `map` says nothing."""
    resolved = [Path(path).resolve() for path in paths]
    names = [path.parent.name if path.name == "map" else path.name for path in resolved]
    return names if len(set(names)) == len(names) else [str(path) for path in resolved]


def _table(folder: MapFolder) -> PoseTable:
    table = PoseTable()
    for number, T_map_base in zip(*folder.poses()):
        table.add(int(number), folder.keyframes[int(number)].stamp_ns, T_map_base)
    return table
