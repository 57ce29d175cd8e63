"""Files that are written whole or not at all, and paths that stay where they belong."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from perception.core.errors import InvalidInput

MAX_NAME = 255  # characters of a file name; no common file system takes more


def inside(root: Path, name: str) -> Path:
    """`root / name`, refused with `InvalidInput` when it leaves `root` (absolute, `..`, or through a link)."""
    root = root.resolve()
    if "\0" in name or len(max(name.split("/"), key=len)) > MAX_NAME:
        raise InvalidInput(f"path {name[:MAX_NAME]!r}: holds a NUL or a part of more than {MAX_NAME} characters")
    path = (root / name).resolve()
    if path != root and root not in path.parents:
        raise InvalidInput(f"path {name!r}: leaves the folder {root}; use a name inside it")
    return path


def write_atomic(path: Path, data: str | bytes, is_durable: bool = True) -> None:
    """Write `data` as `atomic_file` does."""
    raw = data.encode("utf-8") if isinstance(data, str) else data
    with atomic_file(path, is_durable) as file:
        file.write(raw)


@contextmanager
def atomic_file(path: Path, is_durable: bool = True) -> Iterator[BinaryIO]:
    """A file to write to: a temporary neighbour that is flushed to the disk and renamed to `path` at the end.

    Nothing appears at `path` when the block raises. Without `is_durable` the flush is left out, which takes
    milliseconds: a power failure may then leave an empty file, the end of the process cannot.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            if is_durable:
                file.flush()
                os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
