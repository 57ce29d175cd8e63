"""rosbag2's sqlite3 files, read in the order in which the messages were written."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from perception.core.errors import InvalidInput
from perception.io.storage import (
    MAX_RECORD,
    ZSTD_MAGIC,
    Channel,
    Contents,
    Damaged,
    Record,
    open_file,
    unpacked_message,
)

BLOCK = 2**20  # bytes copied at once while a compressed file is unpacked
MAX_DISK_SHARE = 0.5  # of the free space that an unpacked file may take
MAGIC = b"SQLite format 3\x00"


class SqliteStorage:
    """One .db3 file, or one .db3.zstd, which is unpacked to a temporary file while it is read."""

    name = "sqlite3"

    def __init__(self, path: Path) -> None:
        self.path = path

    def contents(self) -> Contents | None:
        """Topics, number of messages and times; counting reads no message."""
        if self.path.suffix == ".zstd":
            return None
        try:
            with self._connection() as connection:
                channels = _channels(connection)
                found = Contents(dict.fromkeys(channels.values(), 0))
                time = "CAST(timestamp AS INTEGER)"  # a column of sqlite may hold anything
                query = f"SELECT topic_id, COUNT(*), MIN({time}), MAX({time}) FROM messages GROUP BY topic_id"
                for number, count, start_ns, end_ns in connection.execute(query):
                    found.counts[channels[number]] += count
                    found.start_ns, found.end_ns = min(found.start_ns, start_ns), max(found.end_ns, end_ns)
                found.compression = "zstd" if _first(connection).startswith(ZSTD_MAGIC) else ""
                return found
        except (Damaged, sqlite3.Error, KeyError, TypeError):
            return None

    def records(self, topics: frozenset[str] | None) -> Iterator[Record]:
        """Messages in file order; each one that was compressed by itself is unpacked."""
        try:
            with self._connection() as connection:
                channels = _channels(connection)
                wanted = [number for number, channel in channels.items() if topics is None or channel.topic in topics]
                query = (
                    f"SELECT topic_id, CAST(timestamp AS INTEGER), CASE WHEN length(data) <= {MAX_RECORD} THEN data "
                    f"END FROM messages WHERE topic_id IN ({','.join('?' * len(wanted))}) ORDER BY id"
                )
                for number, log_ns, data in connection.execute(query, wanted):
                    yield channels[number], log_ns, unpacked_message(data)
        except (sqlite3.Error, TypeError, OverflowError) as error:
            raise Damaged(f"the data base is broken ({error})") from None

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with open_file(self.path) as file:
            if (magic := _block(file, len(MAGIC))) != MAGIC:
                raise InvalidInput(f"{self.path}: is not an sqlite3 file, it begins with {magic!r}; check the file")
        if self.path.suffix != ".zstd":
            with closing(_open(self.path)) as connection:
                yield connection
            return
        with tempfile.TemporaryDirectory(prefix="perception-bag-") as folder:
            error = _unpack_file(self.path, target := Path(folder) / self.path.stem)
            with closing(_open(target)) as connection:
                yield connection
            if error is not None:
                raise error


def _open(path: Path) -> sqlite3.Connection:
    """Read-only; `immutable` leaves no journal beside a recording and also works on a read-only medium."""
    has_journal = path.with_name(path.name + "-wal").exists()
    mode = "mode=ro" if has_journal else "mode=ro&immutable=1"
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?{mode}", uri=True)
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute(
        "PRAGMA writable_schema=ON"
    )  # else a file that was cut is refused as a whole; it stays read-only
    return connection


def _channels(connection: sqlite3.Connection) -> dict[int, Channel]:
    definitions: dict[str, tuple[str, str]] = {}
    if _columns(connection, "message_definitions"):
        query = "SELECT topic_type, encoded_message_definition, encoding FROM message_definitions"
        for name, text, form in connection.execute(query):
            definitions[str(name)] = (str(text), str(form).removeprefix("ros2"))
    if not {"id", "name", "type", "serialization_format"} <= _columns(connection, "topics"):
        raise Damaged("it has no table of topics, so it is no rosbag2 file or was cut at its beginning")
    query = "SELECT id, name, type, serialization_format FROM topics ORDER BY id"
    return {
        number: Channel(str(topic), str(kind), str(encoding), *definitions.get(kind, ("", "")))
        for number, topic, kind, encoding in connection.execute(query)
    }


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}


def _first(connection: sqlite3.Connection) -> bytes:
    row = connection.execute("SELECT substr(data, 1, 4) FROM messages LIMIT 1").fetchone()
    return bytes(row[0]) if row and row[0] else b""


def _unpack_file(source: Path, target: Path) -> Damaged | None:
    """Unpack as much as possible; what went wrong is returned, since the part before it can be read."""
    import shutil

    room = int(shutil.disk_usage(target.parent).free * MAX_DISK_SHARE)
    with open_file(source) as packed, target.open("wb") as unpacked:
        try:
            while block := _block(packed, BLOCK):
                room -= unpacked.write(block)
                if room < 0:
                    return Damaged(f"unpacks to more than half of the free disk space of {target.parent}")
        except Damaged as error:
            return error
    return None


def _block(file: object, size: int) -> bytes:
    try:
        return file.read(size)  # type: ignore[attr-defined]
    except Exception as error:  # the unpacker's own family of errors
        raise Damaged(f"the compressed file is broken ({error})") from None
