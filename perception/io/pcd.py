"""PCD files (ascii, binary, binary_compressed) as columns by name. Source of the format: the PCL documentation."""

import struct
from pathlib import Path

import numpy as np

from perception.core.errors import InvalidInput
from perception.io.cloud_layout import MAX_POINTS
from perception.io.columns import MAX_FILE, Columns, ascii_columns, record_columns

HEADER_LINES = 64  # a longer header is none
TYPES = {"F4": "<f4", "F8": "<f8", "U1": "u1", "U2": "<u2", "U4": "<u4", "U8": "<u8",
         "I1": "i1", "I2": "<i2", "I4": "<i4", "I8": "<i8"}  # fmt: skip


def read_pcd(path: Path) -> Columns:
    """Columns (N,) of the scalar fields of a PCD file. Raises `InvalidInput` naming the file and what is wrong."""
    raw = path.read_bytes()
    header, start = _header(path, raw)
    dtype, count = _dtype(path, header), _integer(path, header, "POINTS")
    match " ".join(header.get("DATA", [])):
        case "ascii":
            return ascii_columns(path, raw[start:], dtype, count)
        case "binary":
            return record_columns(path, raw, start, dtype, count)
        case "binary_compressed":
            return _by_field(path, _unpacked(path, raw, start, dtype.itemsize * count), dtype, count)
        case other:
            raise InvalidInput(f"{path}: DATA {other!r} is unknown; expected ascii, binary or binary_compressed")


def _header(path: Path, raw: bytes) -> tuple[dict[str, list[str]], int]:
    """Words of each header line by its first word, and where the data starts."""
    header: dict[str, list[str]] = {}
    start = 0
    for _ in range(HEADER_LINES):
        end = raw.find(b"\n", start)
        if end < 0:
            break
        words = raw[start:end].decode("ascii", errors="replace").split()
        start = end + 1
        if words and not words[0].startswith("#"):
            header[words[0].upper()] = words[1:]
            if words[0].upper() == "DATA":
                return header, start
    raise InvalidInput(f"{path}: is no PCD file, its header has no line DATA")


def _dtype(path: Path, header: dict[str, list[str]]) -> np.dtype:
    names, sizes, kinds = (header.get(key, []) for key in ("FIELDS", "SIZE", "TYPE"))
    counts = header.get("COUNT", ["1"] * len(names))
    if not names or not len(names) == len(sizes) == len(kinds) == len(counts):
        raise InvalidInput(f"{path}: FIELDS, SIZE, TYPE and COUNT do not have the same number of entries")
    parts = []
    for index, (name, size, kind, count) in enumerate(zip(names, sizes, kinds, counts)):
        if kind + size not in TYPES or not count.isdecimal() or not 0 < int(count) <= 4096:
            raise InvalidInput(f"{path}: field {name} has TYPE {kind}, SIZE {size} and COUNT {count}, which is no type")
        unique = name if name != "_" and name not in names[:index] else f"{name}#{index}"  # _ is padding
        parts.append((unique, TYPES[kind + size], (int(count),)) if count != "1" else (unique, TYPES[kind + size]))
    return np.dtype(parts)


def _integer(path: Path, header: dict[str, list[str]], key: str) -> int:
    text = " ".join(header.get(key, ["none"]))
    if not text.isdecimal() or int(text) > MAX_POINTS:
        raise InvalidInput(f"{path}: {key} is {text}, expected a number up to {MAX_POINTS}")
    return int(text)


def _unpacked(path: Path, raw: bytes, start: int, expected: int) -> bytes:
    from perception.kernels import lzf

    if len(raw) < start + 8:
        raise InvalidInput(f"{path}: ends before its data; the file was cut")
    packed, unpacked = struct.unpack_from("<II", raw, start)
    if len(raw) < start + 8 + packed or unpacked != expected or unpacked > MAX_FILE:
        raise InvalidInput(
            f"{path}: has {len(raw) - start - 8} of {packed} packed bytes for {unpacked}, expected {expected}; "
            f"the file was cut or its header is wrong"
        )
    out = np.empty(unpacked, dtype=np.uint8)
    if lzf.decompress(np.frombuffer(raw, np.uint8, packed, start + 8), out) != unpacked:
        raise InvalidInput(f"{path}: its compressed data is broken")
    return out.tobytes()


def _by_field(path: Path, raw: bytes, dtype: np.dtype, count: int) -> Columns:
    """Compressed files hold one field after the other."""
    columns, position = {}, 0
    for name in dtype.names or ():
        field = dtype[name]
        if field.subdtype is None:
            columns[name] = np.frombuffer(raw, field, count, position)
        position += field.itemsize * count
    return columns
