"""How mapping begins: the folder that a configuration names, or a temporary one, opened by what `mode` asks for."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from perception.core.errors import ConfigError, MapError
from perception.core.types import SensorRig
from perception.mapping.config import MappingConfig
from perception.mapping.map_localization import MapLocalization
from perception.mapping.mapper import Mapper
from perception.mapping.opened import opened
from slam.maps.card import CARD
from slam.maps.folder import MapFolder

TEMPORARY = "perception-map-"  # begins the names of temporary maps
Progress = Callable[[int, int], None]


def open_mapper(
    config: MappingConfig,
    rig: SensorRig,
    config_yaml: str = "",
    on_keyframe: Progress = lambda done, total: None,
) -> Mapper | MapLocalization:
    """What makes a map, or localizes in one. `on_keyframe`: keyframes read of a saved map, done and in all.

    Raises `MapError` naming the folder, `ConfigError`, `ModelError` and as `make_runtime`.
    """
    if config.mode == "localization":
        if not config.folder:
            raise ConfigError("mapping.folder: is empty, but mapping.mode is localization; name the folder of a map")
        folder = MapFolder(Path(config.folder), config.maps)
        if not len(folder):
            raise MapError(f"{folder.path}: has no keyframe; localization needs a map that was made before")
        return MapLocalization(opened(config, rig, folder, on_keyframe))
    folder = working_folder(config, config_yaml)
    try:
        return Mapper(opened(config, rig, folder, on_keyframe), rig.has_imu, is_temporary=not config.folder)
    except BaseException:
        folder.close()
        if not config.folder:
            shutil.rmtree(folder.path, ignore_errors=True)
        raise


def warm_up() -> None:
    """Compile the kernels of places and maps, or load them from the cache."""
    from perception.kernels import bicubic, floor_rays, nearest
    from perception.place import bev_image, registration2d
    from slam import kernels

    for part in (bev_image, registration2d, bicubic, nearest, floor_rays, kernels):
        part.warm_up()


def working_folder(config: MappingConfig, config_yaml: str) -> MapFolder:
    """The folder that mapping writes to: a map that goes on, a new one, or a temporary one. Raises `MapError`."""
    if not config.folder:
        return MapFolder.create(Path(tempfile.mkdtemp(prefix=TEMPORARY)), config_yaml, config=config.maps)
    path = Path(config.folder)
    if (path / CARD).exists():
        folder = MapFolder(path, config.maps, is_writable=True)
        if begins_anew(folder):
            folder.leave_out("the map held one keyframe, which is too little to be found again; it begins anew")
        return folder
    return MapFolder.create(path, config_yaml, path.name, config.maps)


def begins_anew(folder: MapFolder) -> bool:
    """Whether mapping does not go on in a map: nobody would find a place in it, and wait for ever."""
    return len(folder) == 1
