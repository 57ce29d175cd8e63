"""A map that is open, with everything that finds places in it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from perception.core.types import SensorRig
from perception.mapping.config import MappingConfig
from perception.mapping.keyframes import KeyframeMaker
from perception.mapping.localization import Localizer
from perception.mapping.memory import PlaceMemory
from perception.mapping.pose_table import PoseTable
from perception.mapping.types import MapPath
from perception.place.descriptors import open_place_network
from perception.place.places import PlaceDescriber
from slam.graph.factors import Between
from slam.maps.folder import MapFolder


@dataclass(frozen=True, slots=True, eq=False)
class OpenMap:
    """A folder of a map and what is known of it."""

    config: MappingConfig
    folder: MapFolder
    memory: PlaceMemory
    poses: PoseTable
    maker: KeyframeMaker
    localizer: Localizer
    loops: dict[int, Between]  # that count, by number of the factor
    num_described_anew: int  # keyframes whose descriptors were of another network

    def path(self) -> MapPath:
        """All keyframes, and the loops between them."""
        loops = np.array([(loop.from_id, loop.to_id) for loop in self.loops.values()], dtype=np.int64)
        table = self.poses
        return MapPath(table.ids.copy(), table.stamps_ns.copy(), table.poses.copy(), loops.reshape(-1, 2))


def opened(
    config: MappingConfig,
    rig: SensorRig,
    folder: MapFolder,
    on_keyframe: Callable[[int, int], None] = lambda done, total: None,
) -> OpenMap:
    """Everything in memory that a map needs. Raises `MapError`, `ModelError` and as `make_runtime`."""
    network = open_place_network(config.place.network, config.place.bev.side)
    try:
        memory = PlaceMemory(config, folder, PlaceDescriber(config.place, network))
        anew = memory.restore(on_keyframe)
        poses = PoseTable()
        for number, T_map_base in zip(*folder.poses()):
            poses.add(int(number), folder.keyframes[int(number)].stamp_ns, T_map_base)
        maker = KeyframeMaker(config.keyframes, rig, memory)
        return OpenMap(config, folder, memory, poses, maker, Localizer(config, memory), loops_of(folder), anew)
    except BaseException:
        network.close()
        raise


def loops_of(folder: MapFolder) -> dict[int, Between]:
    """The loops of a map that count, by number of the factor."""
    factors = {entry.factor_id: entry.factor for entry in folder.entries()}
    return {n: factor for n, factor in factors.items() if isinstance(factor, Between) and factor.kind == "loop"}
