"""Named arrays in one compressed file with checksums; nothing in it is code.

`PMA1`, then a JSON header with its length and crc32, then each array's bytes, compressed by zstd. The header names
shape, dtype, size and crc32 of each. Sizes are checked before anything is allocated.
"""

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from perception.core.errors import MapError
from perception.core.files import atomic_file

MAGIC = b"PMA1"
HEAD = struct.Struct("<II")  # length of the header, its crc32
MAX_HEADER = 1 << 20
MAX_BYTES = 1 << 30  # of one array
MAX_ARRAYS = 64
DTYPES = {"uint8", "int16", "int32", "int64", "float16", "float32", "float64"}

Arrays = dict[str, np.ndarray]


def write_arrays(path: Path, arrays: Arrays, meta: dict[str, Any], level: int = 3, is_durable: bool = True) -> int:
    """Write arrays and a JSON mapping, whole or not at all; returns the crc32 of the file."""
    import zstandard

    parts, entries = [], []
    packer = zstandard.ZstdCompressor(level=level)
    for name, array in arrays.items():
        raw = np.ascontiguousarray(array).tobytes()
        parts.append(packer.compress(raw))
        entries.append(
            {"name": name, "dtype": array.dtype.name, "shape": array.shape, "size": len(parts[-1]),
             "crc32": zlib.crc32(parts[-1])}
        )  # fmt: skip
    header = json.dumps({"meta": meta, "arrays": entries}, allow_nan=False, separators=(",", ":")).encode("utf-8")
    data = b"".join([MAGIC, HEAD.pack(len(header), zlib.crc32(header)), header, *parts])
    try:
        with atomic_file(path, is_durable) as file:
            file.write(data)
    except OSError as error:
        raise MapError(f"{path}: cannot be written ({error}); make room on the disk") from None
    return zlib.crc32(data)


def read_arrays(path: Path, expected_crc32: int | None = None) -> tuple[Arrays, dict[str, Any]]:
    """Read what `write_arrays` wrote. Raises `MapError` naming file, field and remedy."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MapError(f"{path}: cannot be read ({error}); restore it from a copy of the map") from None
    if expected_crc32 is not None and zlib.crc32(data) != expected_crc32:
        raise MapError(f"{path}: crc32 is not the one in the journal; the file was changed, restore it from a copy")
    header, start = _header(path, data)
    arrays: Arrays = {}
    for entry in header["arrays"]:
        name, dtype, shape, size = _entry(path, entry)
        raw = data[start : start + size]
        start += size
        if len(raw) < size or zlib.crc32(raw) != entry["crc32"]:
            raise MapError(f"{path}: array {name} is damaged (crc32); restore the file from a copy of the map")
        arrays[name] = _unpacked(path, name, raw, dtype, shape)
    return arrays, header["meta"]


def _header(path: Path, data: bytes) -> tuple[dict[str, Any], int]:
    start = len(MAGIC) + HEAD.size
    if data[: len(MAGIC)] != MAGIC or len(data) < start:
        raise MapError(f"{path}: magic is {data[:4]!r}, expected {MAGIC!r}; it is no file of a map, or of a newer one")
    size, checksum = HEAD.unpack_from(data, len(MAGIC))
    text = data[start : start + size]
    if size > MAX_HEADER or len(text) < size or zlib.crc32(text) != checksum:
        raise MapError(f"{path}: its header is damaged (crc32); restore the file from a copy of the map")
    try:
        header = json.loads(text)
    except ValueError:
        header = None
    is_whole = isinstance(header, dict) and isinstance(header.get("meta"), dict)
    if not is_whole or not isinstance(header.get("arrays"), list) or len(header["arrays"]) > MAX_ARRAYS:
        raise MapError(f"{path}: header has no meta and arrays (at most {MAX_ARRAYS}); it is no file of a map")
    return header, start + size


def _entry(path: Path, entry: Any) -> tuple[str, np.dtype, tuple[int, ...], int]:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or not _is_count(entry.get("crc32")):
        raise MapError(f"{path}: an array has no name or crc32; it is no file of a map")
    name, dtype, shape, size = entry["name"], entry.get("dtype"), entry.get("shape"), entry.get("size")
    if dtype not in DTYPES:
        raise MapError(f"{path}: array {name} has dtype {dtype!r}; expected one of {', '.join(sorted(DTYPES))}")
    if not isinstance(shape, list) or len(shape) > 4 or not all(_is_count(n) for n in shape):
        raise MapError(f"{path}: array {name} has shape {shape!r}; expected up to four counts")
    count = 1
    for n in shape:
        count *= n
    if (
        not isinstance(size, int)
        or not _is_count(size)
        or count * np.dtype(dtype).itemsize > MAX_BYTES
        or size > MAX_BYTES
    ):
        raise MapError(f"{path}: array {name} has {count} elements; at most {MAX_BYTES} bytes are read")
    return name, np.dtype(dtype), tuple(shape), size


def _unpacked(path: Path, name: str, raw: bytes, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    import zstandard

    expected = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    try:
        frame = zstandard.frame_content_size(raw)
        if frame != expected:
            raise MapError(f"{path}: array {name} unpacks to {frame} bytes, expected {expected}; the file is not ours")
        data = zstandard.ZstdDecompressor().decompress(raw, max_output_size=expected) if expected else b""
    except zstandard.ZstdError as error:
        raise MapError(f"{path}: array {name} cannot be unpacked ({error}); restore the file from a copy") from None
    return np.frombuffer(data, dtype).reshape(shape).copy()


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 40
