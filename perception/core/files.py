"""Files that are written whole or not at all, and paths that stay where they belong."""

import os
import tempfile
from pathlib import Path

from perception.core.errors import InvalidInput


def inside(root: Path, name: str) -> Path:
    """`root / name`, refused with `InvalidInput` when it leaves `root` (absolute, `..`, or through a link)."""
    root = root.resolve()
    path = (root / name).resolve()
    if path != root and root not in path.parents:
        raise InvalidInput(f"path {name!r}: leaves the folder {root}; use a name inside it")
    return path


def write_atomic(path: Path, data: str | bytes) -> None:
    """Write `data` to a temporary neighbour, flush it to the disk, then rename it to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = data.encode("utf-8") if isinstance(data, str) else data
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
