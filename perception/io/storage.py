"""What the three kinds of bag files have in common: channels, records in file order, and the place where they break."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

MAX_RECORD = 256 * 2**20  # bytes of one message or uncompressed chunk; a larger one is damage or an attack
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


class Damaged(Exception):
    """Nothing after this place of a file can be read; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One topic of one file, with the type of its messages."""

    topic: str
    type: str  # e.g. sensor_msgs/msg/Imu
    encoding: str  # cdr or ros1; others cannot be decoded
    definition: str = ""
    dialect: str = ""  # of the definition: msg, idl or empty


@dataclass(slots=True)
class Contents:
    """What a file holds, from its index."""

    counts: dict[Channel, int] = field(default_factory=dict)
    start_ns: int = 2**63 - 1  # log time of the first message
    end_ns: int = 0
    compression: str = ""

    def add(self, channel: Channel, log_ns: int) -> None:
        """Count one message."""
        self.counts[channel] = self.counts.get(channel, 0) + 1
        self.start_ns, self.end_ns = min(self.start_ns, log_ns), max(self.end_ns, log_ns)


Record = tuple[Channel, int, "bytes | memoryview"]  # channel, log time in ns, message


class Storage(Protocol):
    """One file of a bag."""

    path: Path
    name: str  # for people: mcap, sqlite3, ROS 1

    def contents(self) -> Contents | None:
        """What the file holds, or None where its index is missing or broken."""

    def records(self, topics: frozenset[str] | None) -> Iterator[Record]:
        """Messages of `topics` (None: all) in the order of the file. Raises `Damaged` where it breaks."""


def decompress(data: "bytes | memoryview", method: str, limit: int = MAX_RECORD) -> bytes:
    """The content of a compressed chunk or message, never more than `limit` bytes. Raises `Damaged`."""
    try:
        match method:
            case "" | "none":
                return bytes(data)
            case "zstd":
                raw = _zstd(data, limit)
            case "lz4":
                import lz4.frame

                raw = lz4.frame.LZ4FrameDecompressor().decompress(data, max_length=limit + 1)
            case "bz2":
                import bz2

                raw = bz2.BZ2Decompressor().decompress(data, max_length=limit + 1)
            case _:
                raise Damaged(f"its compression {method!r} is unknown; expected zstd, lz4 or bz2")
    except Damaged:
        raise
    except Exception as error:  # each library has its own family of errors
        raise Damaged(f"{method} cannot unpack it ({error})") from None
    if len(raw) > limit:
        raise Damaged(f"unpacks to more than the {limit} bytes it should have")
    return raw


def unpacked_message(data: "bytes | memoryview | None") -> "bytes | memoryview":
    """A message that may be compressed by itself. One that is broken becomes empty: it costs itself when decoded."""
    if data is None:
        return b""
    if bytes(data[:4]) != ZSTD_MAGIC:  # CDR begins with a zero byte
        return data
    try:
        return decompress(data, "zstd")
    except Damaged:
        return b""


def _zstd(data: "bytes | memoryview", limit: int) -> bytes:
    import zstandard

    size = zstandard.frame_content_size(data)
    if size > limit:
        raise Damaged(f"unpacks to {size} bytes, more than {limit}")
    if size >= 0:
        return zstandard.ZstdDecompressor().decompress(data)
    with zstandard.ZstdDecompressor().stream_reader(data) as reader:
        return reader.read(limit + 1)


def open_file(path: Path) -> BinaryIO:
    """A file for reading; one that ends in .zstd is unpacked on the fly and cannot seek."""
    file = path.open("rb")
    if path.suffix != ".zstd":
        return file
    import zstandard

    return io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file, closefd=True), 2**20)


def read_exactly(file: BinaryIO, size: int, what: str) -> bytes:
    """`size` bytes. Raises `Damaged` naming `what` and the place when the file ends before."""
    if size > MAX_RECORD:
        raise Damaged(f"{what} claims {size} bytes, more than {MAX_RECORD}")
    try:
        data = file.read(size)
    except Exception as error:  # the unpacker's own family of errors
        raise Damaged(f"{what} cannot be unpacked ({error})") from None
    if len(data) != size:
        raise Damaged(f"the file ends inside {what} ({len(data)} of {size} bytes)")
    return data
