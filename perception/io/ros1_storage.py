"""ROS 1 bags, read forwards so that unindexed and cut ones give all they still hold.

Source of the format: wiki.ros.org/Bags/Format/2.0. A record is a header of `name=value` fields and a body, each with
its length (4 bytes, little-endian) before it.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from perception.core.errors import InvalidInput
from perception.core.stamps import NS_PER_S
from perception.io.storage import MAX_RECORD, Channel, Contents, Damaged, Record, decompress, read_exactly

MAGIC = b"#ROSBAG V2.0\n"
MESSAGE, BAG, INDEX, CHUNK, CHUNK_INFO, CONNECTION = 2, 3, 4, 5, 6, 7

Header = dict[bytes, bytes]


class Ros1Storage:
    """One .bag file."""

    name = "ROS 1"

    def __init__(self, path: Path) -> None:
        self.path = path

    def contents(self) -> Contents | None:
        """From the index at the end of the file."""
        with self.path.open("rb") as file:
            try:
                return self._contents(file)
            except (Damaged, OSError, OverflowError, LookupError, struct.error, ValueError):
                return None

    def records(self, topics: frozenset[str] | None) -> Iterator[Record]:
        """Messages in file order."""
        with self.path.open("rb") as file:
            try:
                end = self._index_position(file)
                channels = self._indexed_channels(file, end)
                yield from _records(file, end, channels, topics)
            except (LookupError, OSError, OverflowError, struct.error, ValueError) as error:
                if isinstance(error, InvalidInput):
                    raise
                raise Damaged(f"a record cannot be read ({error!r})") from None
            if not end:
                raise Damaged("it has no index: the recorder was stopped before it closed the file")

    def _index_position(self, file: BinaryIO) -> int:
        """Place of the index, 0 when the bag was never closed. The file is left at the first chunk."""
        magic = file.read(len(MAGIC))
        if magic != MAGIC:
            raise InvalidInput(f"{self.path}: is not a ROS 1 bag of version 2.0, it begins with {magic[:13]!r}")
        header, _ = _read_record(file)
        if header.get(b"encryptor"):
            raise InvalidInput(f"{self.path}: is encrypted; decrypt it with `rosbag decrypt`")
        return struct.unpack("<Q", header[b"index_pos"])[0]

    def _indexed_channels(self, file: BinaryIO, end: int) -> dict[int, Channel]:
        first = file.tell()
        try:
            return dict(_connections(file, end)) if end else {}
        except (Damaged, OSError, OverflowError, LookupError, struct.error, ValueError):
            return {}  # the chunks describe their connections too
        finally:
            file.seek(first)

    def _contents(self, file: BinaryIO) -> Contents | None:
        end = self._index_position(file)
        compression = _read_header(file).get(b"compression", b"none").decode()
        if not end:
            return None
        channels = dict(_connections(file, end))
        if not channels:
            return None  # the place of the index is behind the end of a file that was cut
        found = Contents(dict.fromkeys(channels.values(), 0))
        found.compression = "" if compression == "none" else compression
        file.seek(end)
        while head := file.read(4):
            header, body = _read_record(file, head)
            if header[b"op"][0] == CHUNK_INFO:
                for number, count in struct.iter_unpack("<II", body):
                    found.counts[channels[number]] += count
                found.start_ns = min(found.start_ns, _time(header[b"start_time"]))
                found.end_ns = max(found.end_ns, _time(header[b"end_time"]))
        return found


def _records(file: BinaryIO, end: int, channels: dict[int, Channel], topics: frozenset[str] | None) -> Iterator[Record]:
    """The index records behind a chunk tell its connections, so that one without `topics` is not unpacked."""
    chunk: tuple[Header, memoryview] | None = None
    indexed: list[int] = []
    while not end or file.tell() < end:
        try:
            header, body = _read_record(file, file.read(4), allow_end=not end)
        except Damaged:
            yield from _chunk_records(chunk, indexed, channels, topics)
            raise
        opcode = header[b"op"][0] if header else 0
        if opcode == INDEX:
            indexed.append(struct.unpack("<I", header[b"conn"])[0])
            continue
        yield from _chunk_records(chunk, indexed, channels, topics)
        chunk, indexed = ((header, body) if opcode == CHUNK else None), []
        if not header:
            return
        if opcode != CHUNK:
            yield from _content(opcode, header, body, channels, topics)
    yield from _chunk_records(chunk, indexed, channels, topics)


def _chunk_records(
    chunk: tuple[Header, memoryview] | None,
    indexed: list[int],
    channels: dict[int, Channel],
    topics: frozenset[str] | None,
) -> Iterator[Record]:
    if chunk is None or (indexed and topics is not None and _holds_none(topics, indexed, channels)):
        return
    header, body = chunk
    (size,) = struct.unpack("<I", header[b"size"])
    if size > MAX_RECORD:
        raise Damaged(f"a chunk unpacks to {size} bytes, more than {MAX_RECORD}")
    raw = memoryview(decompress(body, header[b"compression"].decode(), size))
    if len(raw) != size:
        raise Damaged(f"a chunk unpacks to {len(raw)} bytes, expected {size}")
    for inner, content in _inner(raw):
        yield from _content(inner[b"op"][0], inner, content, channels, topics)


def _holds_none(topics: frozenset[str], indexed: list[int], channels: dict[int, Channel]) -> bool:
    return all(number in channels and channels[number].topic not in topics for number in indexed)


def _content(
    opcode: int, header: Header, body: memoryview, channels: dict[int, Channel], topics: frozenset[str] | None
) -> Iterator[Record]:
    if opcode == CONNECTION:
        number, channel = _connection(header, body)
        channels[number] = channel
    elif opcode == MESSAGE:
        channel = channels[struct.unpack("<I", header[b"conn"])[0]]
        if topics is None or channel.topic in topics:
            yield channel, _time(header[b"time"]), body


def _inner(raw: memoryview) -> Iterator[tuple[Header, memoryview]]:
    """Records of an unpacked chunk."""
    position = 0
    while position < len(raw):
        parts = []
        for _ in range(2):
            (size,) = struct.unpack_from("<I", raw, position)
            position += 4
            if size > len(raw) - position:
                raise Damaged(f"a record inside a chunk claims {size} bytes, {len(raw) - position} are left")
            parts.append(raw[position : position + size])
            position += size
        yield _header(parts[0]), parts[1]


def _connections(file: BinaryIO, end: int) -> Iterator[tuple[int, Channel]]:
    file.seek(end)
    while head := file.read(4):
        header, body = _read_record(file, head)
        if header[b"op"][0] == CONNECTION:
            yield _connection(header, body)


def _connection(header: Header, body: memoryview) -> tuple[int, Channel]:
    (number,) = struct.unpack("<I", header[b"conn"])
    description = _header(body)
    package, _, name = description[b"type"].decode().partition("/")
    topic, text = header[b"topic"].decode(), description[b"message_definition"].decode(errors="replace")
    return number, Channel("/" + topic.lstrip("/"), f"{package}/msg/{name}", "ros1", text, "msg")


def _read_record(file: BinaryIO, head: bytes | None = None, allow_end: bool = False) -> tuple[Header, memoryview]:
    """Header and body; `head`, the first four bytes, may be read already. An allowed end of the file is empty."""
    if allow_end and head == b"":
        return {}, memoryview(b"")
    header = _read_header(file, head)
    (size,) = struct.unpack("<I", read_exactly(file, 4, "a record"))
    return header, memoryview(read_exactly(file, size, "a record"))


def _read_header(file: BinaryIO, head: bytes | None = None) -> Header:
    head = read_exactly(file, 4, "a record") if head is None else head
    if len(head) < 4:
        raise Damaged("the file ends before its index: it was cut")
    (size,) = struct.unpack("<I", head)
    return _header(memoryview(read_exactly(file, size, "a record")))


def _header(raw: memoryview) -> Header:
    fields, position = {}, 0
    while position < len(raw):
        (size,) = struct.unpack_from("<I", raw, position)
        name, equals, value = bytes(raw[position + 4 : position + 4 + size]).partition(b"=")
        if not equals or size > len(raw) - position - 4:
            raise Damaged("a field of a record header is broken")
        fields[name] = value
        position += 4 + size
    return fields


def _time(raw: bytes) -> int:
    seconds, nanoseconds = struct.unpack("<II", raw)
    return seconds * NS_PER_S + nanoseconds
