"""MCAP files, read forwards so that damaged and unfinished ones give all they still hold.

Source of the format: the MCAP specification, mcap.dev/spec. Numbers are little-endian; a record is an opcode (1
byte), a length (8 bytes) and a body.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from perception.core.errors import InvalidInput
from perception.io.storage import (
    MAX_RECORD,
    Channel,
    Contents,
    Damaged,
    Record,
    decompress,
    open_file,
    read_exactly,
    unpacked_message,
)

MAGIC = b"\x89MCAP0\r\n"
FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, MESSAGE_INDEX, CHUNK_INDEX, STATISTICS, DATA_END = 2, 3, 4, 5, 6, 7, 8, 11, 15
FOOTER_SIZE = 9 + 20 + len(MAGIC)
DIALECTS = {"ros2msg": "msg", "ros1msg": "msg", "ros2idl": "idl", "omgidl": "idl"}

_head = struct.Struct("<BQ")
_message = struct.Struct("<HIQQ")  # channel, sequence, log time, publish time
_chunk = struct.Struct("<QQQI")  # start, end, uncompressed size, CRC-32


@dataclass(slots=True)
class _Names:
    """Schemas and channels met so far, by their number in the file."""

    schemas: dict[int, tuple[str, str, str]] = field(default_factory=dict)  # name, encoding, text
    channels: dict[int, Channel] = field(default_factory=dict)

    def read(self, opcode: int, body: memoryview) -> None:
        if opcode == SCHEMA:
            (number,) = struct.unpack_from("<H", body)
            (name, encoding, text), _ = _strings(body, 2, 3)
            self.schemas[number] = (name, encoding, text)
        elif opcode == CHANNEL:
            number, schema = struct.unpack_from("<HH", body)
            (topic, encoding), _ = _strings(body, 4, 2)
            name, dialect, text = self.schemas.get(schema, ("", "", ""))
            parts = name.split("/")  # ROS 1 names have no middle part
            kind = f"{parts[0]}/msg/{parts[1]}" if len(parts) == 2 else name
            self.channels[number] = Channel(topic, kind, encoding, text, DIALECTS.get(dialect, ""))


@dataclass(slots=True)
class _Chunk:
    """A chunk whose data is not read yet."""

    uncompressed_size: int
    crc: int
    compression: str
    data_start: int
    data_size: int


class McapStorage:
    """One .mcap file, or one .mcap.zstd."""

    name = "mcap"

    def __init__(self, path: Path) -> None:
        self.path = path

    def contents(self) -> Contents | None:
        """From the summary at the end of the file."""
        if self.path.suffix == ".zstd":
            return None  # its end cannot be reached without unpacking all of it
        with self.path.open("rb") as file:
            try:
                return _summary(file)
            except (Damaged, OSError, OverflowError, struct.error, ValueError):
                return None

    def records(self, topics: frozenset[str] | None) -> Iterator[Record]:
        """Messages in file order; chunks that hold none of `topics` are skipped unread where an index says so."""
        with open_file(self.path) as file:
            if read_exactly(file, len(MAGIC), "its first bytes") != MAGIC:
                raise InvalidInput(f"{self.path}: is not an MCAP file (wrong magic); check the file")
            names = _Names()
            try:
                yield from _records(file, names, topics)
            except (struct.error, ValueError, OSError, OverflowError) as error:
                raise Damaged(f"a record cannot be read ({error})") from None


def _records(file: BinaryIO, names: _Names, topics: frozenset[str] | None) -> Iterator[Record]:
    while True:
        head = file.read(_head.size)
        if len(head) < _head.size:
            raise Damaged("the file ends without its closing record: the recorder was stopped or the file was cut")
        opcode, size = _head.unpack(head)
        if opcode in (DATA_END, FOOTER):
            return
        if opcode == CHUNK:
            yield from _wanted_chunk(file, size, names, topics)
        elif opcode in (SCHEMA, CHANNEL, MESSAGE):
            body = memoryview(read_exactly(file, size, "a record"))
            yield from _content(opcode, body, names, topics)
        else:
            _skip(file, size)


def _wanted_chunk(file: BinaryIO, size: int, names: _Names, topics: frozenset[str] | None) -> Iterator[Record]:
    chunk, rest = _chunk_head(file, size)
    if topics is not None and file.seekable():
        _skip(file, chunk.data_size + rest)
        indexed = _indexed_channels(file)
        after = file.tell()
        if (
            indexed
            and all(number in names.channels for number in indexed)
            and not any(names.channels[number].topic in topics for number in indexed)
        ):
            return
        file.seek(chunk.data_start)
        yield from _chunk_records(file, chunk, names, topics)
        file.seek(after)
    else:
        yield from _chunk_records(file, chunk, names, topics)
        _skip(file, rest)


def _chunk_head(file: BinaryIO, size: int) -> tuple[_Chunk, int]:
    """The head of a chunk, and the number of bytes after its data that belong to it."""
    _, _, uncompressed_size, crc = _chunk.unpack(read_exactly(file, _chunk.size, "a chunk"))
    (length,) = struct.unpack("<I", read_exactly(file, 4, "a chunk"))
    compression = read_exactly(file, min(length, size), "a chunk").decode()
    (data_size,) = struct.unpack("<Q", read_exactly(file, 8, "a chunk"))
    rest = size - _chunk.size - 12 - length - data_size
    if rest < 0:
        raise Damaged("a chunk claims more data than it has")
    start = file.tell() if file.seekable() else 0
    return _Chunk(uncompressed_size, crc, compression, start, data_size), rest


def _indexed_channels(file: BinaryIO) -> list[int]:
    """Numbers of the channels in the index records that follow a chunk; the file is left behind them."""
    numbers: list[int] = []
    while True:
        head = file.read(_head.size + 2)
        if len(head) < _head.size + 2 or head[0] != MESSAGE_INDEX:
            file.seek(-len(head), 1)
            return numbers
        _, size, number = struct.unpack("<BQH", head)
        numbers.append(number)
        file.seek(size - 2, 1)


def _chunk_records(file: BinaryIO, chunk: _Chunk, names: _Names, topics: frozenset[str] | None) -> Iterator[Record]:
    if chunk.uncompressed_size > 2**63:
        raise Damaged(f"a chunk claims {chunk.uncompressed_size} bytes")
    data = read_exactly(file, chunk.data_size, "a chunk")
    raw = memoryview(_unpacked(data, chunk))
    position, end = 0, len(raw)
    while position < end:
        opcode, size = _head.unpack_from(raw, position)
        position += _head.size
        if size > end - position:
            raise Damaged(f"a record inside a chunk claims {size} bytes, {end - position} are left")
        yield from _content(opcode, raw[position : position + size], names, topics)
        position += size


def _unpacked(data: bytes, chunk: _Chunk) -> bytes:
    if chunk.uncompressed_size > MAX_RECORD:
        raise Damaged(f"a chunk unpacks to {chunk.uncompressed_size} bytes, more than {MAX_RECORD}")
    try:
        raw = decompress(data, chunk.compression, chunk.uncompressed_size)
    except Damaged as error:
        raise Damaged(f"a chunk is broken: {error}") from None
    if len(raw) != chunk.uncompressed_size:
        raise Damaged(f"a chunk unpacks to {len(raw)} bytes, expected {chunk.uncompressed_size}")
    if chunk.crc and zlib.crc32(raw) != chunk.crc:
        raise Damaged("the checksum (CRC-32) of a chunk is wrong")
    return raw


def _content(opcode: int, body: memoryview, names: _Names, topics: frozenset[str] | None) -> Iterator[Record]:
    if opcode == MESSAGE:
        number, _, log_ns, _ = _message.unpack_from(body)
        channel = names.channels.get(number)
        if channel is None:
            raise Damaged(f"a message belongs to channel {number}, which the file does not describe")
        if topics is None or channel.topic in topics:
            yield channel, log_ns, unpacked_message(body[_message.size :])
    else:
        names.read(opcode, body)


def _summary(file: BinaryIO) -> Contents | None:
    end = file.seek(-FOOTER_SIZE, 2)
    footer = read_exactly(file, FOOTER_SIZE, "the footer")
    opcode, _, start, _, crc = struct.unpack_from("<BQQQI", footer)
    if opcode != FOOTER or not footer.endswith(MAGIC) or not 0 < start <= end:
        return None
    file.seek(start)
    raw = memoryview(read_exactly(file, end - start, "the summary"))
    if crc and zlib.crc32(footer[: _head.size + 16], zlib.crc32(raw)) != crc:
        return None
    names, statistics, compression, position = _Names(), None, "", 0
    while position < len(raw):
        opcode, size = _head.unpack_from(raw, position)
        body = raw[position + _head.size : position + _head.size + size]
        if opcode == STATISTICS:
            statistics = body
        elif opcode == CHUNK_INDEX and not compression:  # behind four numbers, a map with its size, and a number
            (length,) = struct.unpack_from("<I", body, 32)
            (compression,), _ = _strings(body, 36 + length + 8, 1)
        names.read(opcode, body)
        position += _head.size + size
    if statistics is None or not names.channels:
        return None
    start_ns, end_ns, size = struct.unpack_from("<QQI", statistics, 26)
    counts = dict(struct.iter_unpack("<HQ", statistics[46 : 46 + size]))
    by_channel: dict[Channel, int] = {}
    for number, channel in names.channels.items():
        by_channel[channel] = by_channel.get(channel, 0) + counts.get(number, 0)
    return Contents(by_channel, start_ns, end_ns, compression)


def _strings(body: memoryview, position: int, count: int) -> tuple[list[str], int]:
    """`count` strings from `position` on, and the position after them."""
    found = []
    for _ in range(count):
        (length,) = struct.unpack_from("<I", body, position)
        position += 4
        if length > len(body) - position:
            raise Damaged("a text is longer than its record")
        found.append(bytes(body[position : position + length]).decode())
        position += length
    return found, position


def _skip(file: BinaryIO, size: int) -> None:
    if file.seekable():
        file.seek(size, 1)
        return
    while size > 0:
        size -= len(read_exactly(file, min(size, 2**20), "a record"))
