"""`map.json`: what a folder says of itself."""

import json
from pathlib import Path
from typing import Literal

from pydantic import Field

from perception.core.config import Config, validated
from perception.core.errors import ConfigError, MapError

VERSION = 1
CARD = "map.json"


class MapCard(Config):
    """`map.json`."""

    format: Literal["perception-map"] = Field("perception-map", description="What this is.")
    version: int = Field(VERSION, ge=1, description="Of the format.")
    map_id: str = Field(pattern="^[0-9a-f]{32}$", description="Its own number.")
    name: str = Field("", max_length=200, description="For people.")


def read_card(path: Path) -> MapCard:
    """The card of the map in a folder. Raises `MapError`."""
    file = path / CARD
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MapError(f"{file}: is not there; {path} is no map, give the folder that holds {CARD}") from None
    except (OSError, ValueError) as error:
        raise MapError(f"{file}: cannot be read ({error}); restore it from a copy of the map") from None
    version = values.get("version") if isinstance(values, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise MapError(f"{file}: version is {version}, this program reads up to {VERSION}; update it")
    try:
        return validated(MapCard, values)
    except ConfigError as error:
        raise MapError(f"{file}: {error}; restore it from a copy of the map") from None
