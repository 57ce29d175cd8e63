"""The words of `perception synth` for what the configuration says in fields."""

from perception.core.errors import ConfigError
from perception.world.config import MAX_SURROUND
from perception.world.data_sets import DEFAULT_FORMATS

ROUTE_OF_SCENE = {"street": "district", "indoor": "office", "mixed": "campus"}
CAMERAS = {"none": (0, False), "front": (0, True), "surround": (MAX_SURROUND, False), "all": (MAX_SURROUND, True)}


def camera_overrides(word: str | None) -> list[str]:
    """Overrides for `--cameras`; none where it is not given. Raises `ConfigError`."""
    if word is None:
        return []
    if word.isdigit():
        return [f"cameras.num_surround={word}"]
    if word not in CAMERAS:
        raise ConfigError(
            f"--cameras {word}: is unknown; use {', '.join(CAMERAS)} or a number from 1 to {MAX_SURROUND}"
        )
    num_surround, has_front = CAMERAS[word]
    return [f"cameras.num_surround={num_surround}", f"cameras.has_front={str(has_front).lower()}"]


def route_of(scene: str | None, route: str | None) -> list[str]:
    """Overrides for `--scene`. Raises `ConfigError` where `--route` says something too."""
    if scene is None:
        return []
    if route is not None:
        raise ConfigError(f"--scene {scene} --route {route}: both choose the world; give one of them")
    return [f"route={ROUTE_OF_SCENE[scene]}"]


def format_names(words: str | None) -> tuple[str, ...]:
    """The data sets that `--format` names; the default ones where it is not given."""
    if words is None:
        return DEFAULT_FORMATS
    return tuple(word for word in (word.strip() for word in words.split(",")) if word and word != "none")
