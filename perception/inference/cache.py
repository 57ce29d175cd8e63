"""Where results that can be made again are kept between starts."""

import os
from pathlib import Path

CACHE_VARIABLE = "PERCEPTION_CACHE"


def cache_folder(part: str) -> Path:
    """Folder of one kind of results: below $PERCEPTION_CACHE, else `perception` in the user's cache folder."""
    given = os.environ.get(CACHE_VARIABLE)
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "perception"
    return (Path(given) if given else base) / part
