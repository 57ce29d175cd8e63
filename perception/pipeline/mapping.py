"""Mapping as a stage: what comes from the odometry and from other sensors goes to the mapper, its answers go out."""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from perception.core.health import Health
from perception.core.types import SensorRig
from perception.mapping.config import MappingConfig
from perception.pipeline.spec import Output

if TYPE_CHECKING:
    from perception.mapping.mapper import Mapper
    from perception.pipeline.config import PerceptionConfig


def make_mapping(config: "PerceptionConfig", rig: SensorRig) -> "MappingStage":
    """The mapping stage of one robot. Raises `MapError` where the map cannot be opened, `ModelError`."""
    return MappingStage(config, rig)


def warm_up_mapping() -> None:
    """Compile the kernels of places and maps, or load them from the cache."""
    from perception.mapping.mapper import warm_up

    warm_up()


class MappingStage:
    """Keyframes, loops and the pose graph behind the odometry."""

    def __init__(self, config: "PerceptionConfig", rig: SensorRig) -> None:
        from perception.core.config import to_yaml
        from perception.mapping.mapper import open_mapper

        self.config: MappingConfig = config.mapping
        self.events: Counter[str] = Counter()
        self.mapper: Mapper = open_mapper(self.config, rig, to_yaml(config))

    def step(self, stream: str, item: Any) -> Iterable[Output]:
        """Take an item of any of its streams; returns what the map says then."""
        match stream:
            case "odometry":
                return self.mapper.add(item)
            case "odometry_reset":
                self.mapper.begin_session(str(item))
            case "fix":
                self.mapper.add_fix(item)
            case "wheels":
                self.mapper.add_wheels(item)
            case "map_command":
                return self.mapper.obey(item)
        return []

    def finish(self) -> Iterable[Output]:
        """The optimum of the graph, and the map as it is then; it is on the disk."""
        return self.mapper.finish()

    def reset(self) -> None:
        """A new session: the map stays."""
        self.mapper.begin_session("reset")

    def health(self) -> Health:
        """DEGRADED while the place in the map is unknown, or the pose graph is started again."""
        return self.mapper.health()

    def notes(self) -> tuple[str, ...]:
        """What was lost of the map when it was opened, keyframes without a place in it."""
        return self.mapper.notes()

    def counters(self) -> dict[str, int]:
        """Keyframes, revisits by verdict, fixes and wheel factors."""
        return dict(self.mapper.events)

    def close(self) -> None:
        """End the process of the graph and let go of the map, all of which is on the disk."""
        self.mapper.close()

    def facts(self) -> dict[str, str]:
        """The map and the place network."""
        return self.mapper.facts()
