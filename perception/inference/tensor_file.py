"""Single arrays out of a safetensors file with NumPy alone, for parts that run without torch.

The file is a length (8 bytes, little-endian), so many bytes of JSON that say type, shape and place of every tensor, and
the tensors. Everything it says is checked against its size. Source: the format as documented by safetensors.
"""

import json
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from perception.core.errors import ModelError

PREFIX = 8  # bytes of the length
MAX_HEADER = 1 << 24  # bytes
MAX_AXES = 8
TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U8": "u1"}


def read_arrays(data: bytes, names: Iterable[str], source: str) -> dict[str, np.ndarray]:
    """The named tensors of a file's bytes, in their own types. Raises `ModelError`, naming `source`."""
    header, first = _header(data, source)
    return {name: _array(data[first:], header.get(name), f"{source}: tensor {name}") for name in names}


def _header(data: bytes, source: str) -> tuple[dict[str, Any], int]:
    length = int.from_bytes(data[:PREFIX], "little")
    if len(data) < PREFIX or not 0 < length <= min(MAX_HEADER, len(data) - PREFIX):
        raise ModelError(f"{source}: is no safetensors file or a damaged one; fetch or export it again")
    try:
        header = json.loads(data[PREFIX : PREFIX + length])
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise ModelError(f"{source}: its header cannot be read; fetch or export it again")
    return header, PREFIX + length


def _array(data: bytes, entry: Any, where: str) -> np.ndarray:
    if not isinstance(entry, dict):
        raise ModelError(f"{where} is missing; is it a file of this network?")
    kind, shape, place = entry.get("dtype"), _counts(entry.get("shape")), _counts(entry.get("data_offsets"))
    if kind not in TYPES or shape is None or place is None or len(shape) > MAX_AXES:
        raise ModelError(f"{where} has a type, shape or place that cannot be; fetch or export it again")
    dtype = np.dtype(TYPES[kind])
    if len(place) != 2 or place[1] > len(data) or place[1] - place[0] != math.prod(shape) * dtype.itemsize:
        raise ModelError(f"{where} does not lie in the file; it was cut off or damaged: fetch it again")
    return np.frombuffer(data[place[0] : place[1]], dtype=dtype).reshape(shape)


def _counts(values: Any) -> list[int] | None:
    """The values if they are numbers from 0, else None."""
    is_fine = isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)
    return values if is_fine else None
