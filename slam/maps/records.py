"""An append-only file of records, each with its length and checksum: what was written whole is never lost.

A record is `magic, length of header, length of body, crc32` (little-endian uint32 each), a JSON header and raw bytes.
The checksum covers lengths, header and body. A record that was cut by the end of the process is dropped when the file
is opened to be written; a broken record with whole ones after it is damage, and refused.
"""

import io
import json
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from perception.core.errors import MapError

MAGIC = 0x31524D50  # "PMR1"
HEAD = struct.Struct("<IIII")
LENGTHS = struct.Struct("<II")
MAX_HEADER, MAX_BODY = 1 << 16, 1 << 24  # bytes; longer ones are not ours
MAX_BROKEN = 100  # records that are tried after a damaged one


@dataclass(frozen=True, slots=True)
class Record:
    """One entry, and where it lies in the file."""

    header: dict[str, Any]
    body: bytes
    start: int
    end: int


def packed(header: dict[str, Any], body: bytes = b"") -> bytes:
    """The bytes of a record. Raises `ValueError` for NaN in the header or too much of either."""
    text = json.dumps(header, allow_nan=False, separators=(",", ":")).encode("utf-8")
    if len(text) > MAX_HEADER or len(body) > MAX_BODY:
        raise ValueError(f"record: {len(text)} and {len(body)} bytes, at most {MAX_HEADER} and {MAX_BODY} fit")
    lengths = LENGTHS.pack(len(text), len(body))
    return HEAD.pack(MAGIC, len(text), len(body), zlib.crc32(body, zlib.crc32(lengths + text))) + text + body


def read_records(path: Path) -> tuple[list[Record], int]:
    """All whole records, and where the last of them ends. Raises `MapError` for damage before the last one."""
    with path.open("rb") as file:
        records = list(_records(file))
        end = records[-1].end if records else 0
        file.seek(end)
        rest = file.read()
    later = _whole_record_in(rest[1:])
    if later is not None:
        raise MapError(
            f"{path}: the record at byte {end} is damaged (checksum), and others follow at byte {end + 1 + later}; "
            f"restore the file from a copy, or cut it there and lose what follows"
        )
    return records, end


class RecordWriter:
    """Appends records to a file. Each is one write, so that the end of the process cuts the last one at most."""

    def __init__(self, path: Path, end: int | None = None, is_durable: bool = True) -> None:
        """`end`: cut the file there first, where `read_records` says that the whole records end."""
        self.path, self.is_durable = path, is_durable
        self._file = path.open("ab", buffering=0)
        if end is not None and end < self._file.tell():
            self._file.truncate(end)

    def add(self, header: dict[str, Any], body: bytes = b"", is_last: bool = True) -> None:
        """Append one record, and wait for the disk when it `is_last` of what belongs together.

        Raises `MapError` where the disk does not take it; then nothing is appended.
        """
        data = packed(header, body)
        start = os.fstat(self._file.fileno()).st_size
        try:
            if self._file.write(data) != len(data):
                raise OSError("only a part was written")
            if self.is_durable and is_last:
                os.fsync(self._file.fileno())
        except OSError as error:
            self._file.truncate(start)
            raise MapError(f"{self.path}: cannot be written ({error}); make room on the disk") from None

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _records(file: BinaryIO) -> Iterator[Record]:
    while True:
        start = file.tell()
        head = file.read(HEAD.size)
        if len(head) < HEAD.size:
            return
        magic, header_size, body_size, checksum = HEAD.unpack(head)
        if magic != MAGIC or header_size > MAX_HEADER or body_size > MAX_BODY:
            return
        data = file.read(header_size + body_size)
        if len(data) < header_size + body_size or zlib.crc32(data, zlib.crc32(head[4:12])) != checksum:
            return
        try:
            header = json.loads(data[:header_size])
        except ValueError:
            return
        if not isinstance(header, dict):
            return
        yield Record(header, data[header_size:], start, file.tell())


def _whole_record_in(data: bytes) -> int | None:
    """Where a whole record begins in `data`, or the last of `MAX_BROKEN` broken ones, which no cut leaves, or None."""
    file, magic, place = io.BytesIO(data), MAGIC.to_bytes(4, "little"), -1
    for _ in range(MAX_BROKEN):
        place = data.find(magic, place + 1)
        if place < 0:
            return None
        file.seek(place)
        if next(_records(file), None) is not None:
            break
    return place
