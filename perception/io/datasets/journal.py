"""An append-only list of frames on the disk, which a writer turns into its final file and which survives a stop."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from perception.core.files import atomic_file

SUFFIX = ".part"


class Journal:
    """JSON lines, one for each name, beside the final file `path`. Memory holds names and places, not the records.

    A half-written last line is dropped when the journal is opened again, and a name that is there already is not
    written twice; records come back in the order of their names, so neither stops nor threads change the result.
    """

    def __init__(self, path: Path) -> None:
        """Raises `OSError` where the folder cannot be written."""
        self.path = Path(path)
        self._part = self.path.with_name(self.path.name + SUFFIX)
        self._part.parent.mkdir(parents=True, exist_ok=True)
        self._places: dict[str, int] = {}
        end = self._recover()
        self._file = self._part.open("ab")
        self._file.truncate(end)

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def __len__(self) -> int:
        return len(self._places)

    def add(self, name: str, record: dict[str, Any]) -> None:
        """Append one record, as JSON without NaN."""
        if name in self._places:
            return
        line = json.dumps([name, record], allow_nan=False, separators=(",", ":")).encode("utf-8") + b"\n"
        place = self._file.seek(0, 2)
        self._file.write(line)
        self._file.flush()
        self._places[name] = place

    def records(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every name and record, sorted by name."""
        if not self._places:
            return
        with self._part.open("rb") as file:
            for name in sorted(self._places):
                file.seek(self._places[name])
                yield name, json.loads(file.readline())[1]

    def finish(self, chunks: Iterable[str]) -> None:
        """Write the final file piece by piece, whole or not at all, and remove the journal."""
        with atomic_file(self.path) as file:
            for chunk in chunks:
                file.write(chunk.encode("utf-8"))
        self.close()
        self._part.unlink(missing_ok=True)

    def close(self) -> None:
        """Stop; what was added is kept for the next time."""
        self._file.close()

    def _recover(self) -> int:
        """Find the whole lines of an earlier run; returns where they end."""
        end = 0
        if not self._part.is_file():
            return end
        with self._part.open("rb") as file:
            for line in file:
                name = _name(line)
                if name is None:
                    break
                self._places.setdefault(name, end)
                end += len(line)
        return end


def json_list(items: Iterable[Any]) -> Iterator[str]:
    """The text of a JSON list, one item at a time."""
    start = "["
    for item in items:
        yield start + json.dumps(item, allow_nan=False, separators=(",", ":"))
        start = ",\n"
    yield "]" if start != "[" else "[]"


def _name(line: bytes) -> str | None:
    """The name in a whole line; None where it was cut or damaged."""
    if not line.endswith(b"\n"):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    is_whole = isinstance(record, list) and len(record) == 2 and isinstance(record[0], str)
    return record[0] if is_whole else None
