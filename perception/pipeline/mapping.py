"""Mapping as a stage: what comes from the odometry and from other sensors goes to the mapper, its answers go out."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from perception.core.config import changed, to_yaml
from perception.core.errors import InvalidInput, PerceptionError
from perception.core.health import Health
from perception.core.types import SensorRig, check
from perception.mapping.config import MappingConfig
from perception.pipeline.spec import Output

if TYPE_CHECKING:
    from perception.mapping.map_localization import MapLocalization
    from perception.mapping.mapper import Mapper
    from perception.mapping.types import MapCommand
    from perception.pipeline.config import PerceptionConfig


def make_mapping(config: "PerceptionConfig", rig: SensorRig) -> "MappingStage":
    """The mapping stage of one robot. Raises `MapError` where the map cannot be opened, `ModelError`."""
    return MappingStage(config, rig)


def warm_up_mapping() -> None:
    """Compile the kernels of places and maps, or load them from the cache."""
    from perception.mapping.opening import warm_up

    warm_up()


class MappingStage:
    """Keyframes, loops and the pose graph behind the odometry."""

    def __init__(self, config: "PerceptionConfig", rig: SensorRig) -> None:
        self.config: MappingConfig = config.mapping
        self.rig, self._config_yaml = rig, to_yaml(changed(config, {"mapping.folder": ""}))  # a map may be moved
        self.refused = 0  # commands
        self.mapper = self._opened(self.config)

    def step(self, stream: str, item: Any) -> Iterable[Output]:
        """Take an item of any of its streams; returns what the map says then."""
        match stream:
            case "odometry":
                return self.mapper.add(item)
            case "odometry_reset":
                self.mapper.restart_odometry(str(item))
                return self._unplaced()
            case "fix":
                self.mapper.add_fix(item)
            case "wheels":
                self.mapper.add_wheels(item)
            case "map_command":
                self._obey(item)
                return self._unplaced()
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
        return {**self.mapper.counters(), "commands refused": self.refused}

    def close(self) -> None:
        """End the process of the graph and let go of the map, all of which is on the disk."""
        self.mapper.close()

    def facts(self) -> dict[str, str]:
        """The map and the place network."""
        mapped = self.mapper.map
        folder = "a temporary one" if not self.config.folder else str(mapped.folder.path)
        network = mapped.memory.describer.network.name
        return {"map": folder, "mode": self.config.mode, "keyframes": str(len(mapped.folder)), "places": network}

    def _unplaced(self) -> list[Output]:
        """Said at once where the place in the map is given up: the next pose may take long."""
        return [("map_odom", None)] if self.mapper.T_map_odom is None else []

    def _opened(self, config: MappingConfig) -> "Mapper | MapLocalization":
        from perception.mapping.opening import open_mapper

        return open_mapper(config, self.rig, self._config_yaml)

    def _obey(self, command: "MapCommand") -> None:
        """Do what somebody asks for, and say how it went. A refusal changes nothing."""
        try:
            command.reply(True, self._done(command))
        except PerceptionError as error:
            self.refused += 1
            command.reply(False, str(error))

    def _done(self, command: "MapCommand") -> str:
        argument = command.argument
        match command.kind:
            case "save" if isinstance(argument, str) and argument:
                return f"wrote {self.mapper.save(Path(argument))} keyframes to {argument}"
            case "load" if isinstance(argument, str) and argument:
                return self._loaded(argument)
            case "set_pose" if isinstance(argument, np.ndarray):
                check("set_pose", argument, (4, 4), np.float64)
                self.mapper.set_pose(argument)
                return "the pose is taken over with the next keyframe"
            case "relocalize":
                self.mapper.begin_session("relocalize")
                return "the place in the map is sought anew"
        raise InvalidInput(f"{command.kind}: {argument!r} is no argument for it; give a folder, or a pose")

    def _loaded(self, folder: str) -> str:
        """Go on in another map; the one before stays where it cannot be read. A temporary map is given up."""
        from slam.maps.folder import MapFolder

        if folder and self.config.folder and Path(folder).resolve() == Path(self.config.folder).resolve():
            self.mapper.begin_session("load")  # it is open: its place is sought anew
        else:
            config = changed(self.config, {"folder": folder})
            if folder:
                MapFolder(Path(folder), config.maps).close()  # it has to be there: mapping would make it
            before, self.mapper = self.mapper, self._opened(config)
            before.close()
            self.config = config
        return f"{len(self.mapper.map.folder)} keyframes in {folder or 'a new map'}"
