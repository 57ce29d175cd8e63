"""JSON from outside: every field is checked where it is read, and an error names file, field, value and remedy."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.geometry import matrix_from_quaternion, transform

MAX_FILE = 4_000_000_000  # bytes of one JSON file
PIECE = 1 << 20  # characters read at a time
MAX_ITEM = 1 << 26  # characters of one item of a list that is read item by item
MAX_INTEGER = 2**63 - 1
MAX_NUMBER = 1e12  # of a list: no pixel, metre or second is larger, and products stay finite
SHOWN = 60  # characters of a value in an error
ROTATION_TOLERANCE = 1e-3  # of R R^T - I in a 4x4 matrix


def load_json(path: Path) -> Any:
    """What a JSON file holds. Raises `InvalidInput` naming the place of a mistake."""
    try:
        return json.loads(_checked(path).read_text(encoding="utf-8"), parse_constant=_refused)
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInput(f"{path}: is no JSON that can be read ({error})") from None


def load_records(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON list, read one at a time, so that a table may be larger than memory."""
    decoder = json.JSONDecoder(parse_constant=_refused)
    try:
        with _checked(path).open(encoding="utf-8") as file:
            for item in _items(path, file, decoder):
                if not isinstance(item, dict):
                    raise InvalidInput(f"{path}: expected a list of objects, got {_shown(item)} in it")
                yield item
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"{path}: is no JSON list that can be read ({error})") from None


def field(record: Any, name: str, kind: type, where: str) -> Any:
    """`record[name]`, which must be a `kind`; int counts as float. Raises `InvalidInput` naming `where`."""
    if not isinstance(record, dict):
        raise InvalidInput(f"{where}: expected an object with {name}, got {_shown(record)}")
    if name not in record:
        raise InvalidInput(f"{where}: {name} is missing; the file is cut or of another format")
    value = record[name]
    fits = isinstance(value, (int, float) if kind is float else kind)
    if not fits or (isinstance(value, bool) and kind is not bool):
        raise InvalidInput(f"{where}: {name}: expected {kind.__name__}, got {_shown(value)}")
    if isinstance(value, int) and not -MAX_INTEGER <= value <= MAX_INTEGER:
        raise InvalidInput(f"{where}: {name}: expected a number of 64 bit, got {_shown(value)}")
    return value


def optional(record: Any, name: str, kind: type, where: str) -> Any:
    """As `field`; None where the name is missing or null."""
    is_there = isinstance(record, dict) and record.get(name) is not None
    return field(record, name, kind, where) if is_there or not isinstance(record, dict) else None


def stamp_of(record: Any, where: str) -> int | None:
    """`stamp_ns`, nanoseconds that fit 64 bit; None where a set has none."""
    stamp_ns = optional(record, "stamp_ns", int, where)
    if stamp_ns is not None and not 0 <= stamp_ns < 2**63:
        raise InvalidInput(f"{where}: stamp_ns: expected 0 to 2^63 - 1, got {stamp_ns}")
    return stamp_ns


def size_of(record: Any, where: str, max_side: int = 1 << 16) -> tuple[int, int]:
    """`width` and `height`, px, both positive."""
    width, height = field(record, "width", int, where), field(record, "height", int, where)
    if not (0 < width <= max_side and 0 < height <= max_side):
        raise InvalidInput(f"{where}: width, height: expected 1 to {max_side}, got {width}, {height}")
    return width, height


def numbers(value: Any, shape: tuple[int, ...], where: str) -> np.ndarray:
    """A nested list as float64 array of `shape` (-1: any length). Raises `InvalidInput` where it has another one."""
    try:
        array = np.array(value, dtype=np.float64)
    except (ValueError, TypeError, OverflowError):
        raise InvalidInput(f"{where}: expected numbers of shape {shape}, got {_shown(value)}") from None
    if array.size == 0 and -1 in shape:
        array = array.reshape([0 if side == -1 else side for side in shape])
    fits = array.ndim == len(shape) and all(want in (-1, have) for want, have in zip(shape, array.shape))
    if not fits or not (np.abs(array) <= MAX_NUMBER).all():
        raise InvalidInput(f"{where}: expected finite numbers of shape {shape}, got {_shown(value)}")
    return array


def rigid(value: Any, where: str) -> np.ndarray:
    """A rigid transform (4, 4) from nested lists; its rotation may be rounded to float32."""
    T = numbers(value, (4, 4), where)
    R = T[:3, :3]
    if np.abs(R @ R.T - np.eye(3)).max() > ROTATION_TOLERANCE or np.linalg.det(R) < 0.0:
        raise InvalidInput(f"{where}: its first three columns are no rotation; check the order of the numbers")
    return T


def pose(record: Any, where: str) -> np.ndarray:
    """A transform (4, 4) from `translation` (m) and `rotation` (quaternion w x y z), as nuScenes has them."""
    t = numbers(field(record, "translation", list, where), (3,), f"{where}: translation")
    w, x, y, z = numbers(field(record, "rotation", list, where), (4,), f"{where}: rotation")
    length = math.hypot(w, x, y, z)
    if not 0.5 < length < 2.0:
        raise InvalidInput(f"{where}: rotation: has the length {length:.3g}, expected 1")
    return transform(matrix_from_quaternion(np.array([x, y, z, w])), t)


def _checked(path: Path) -> Path:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be read ({error.strerror})") from None
    if size > MAX_FILE:
        raise InvalidInput(f"{path}: has {size} bytes, expected at most {MAX_FILE}")
    return path


def _items(path: Path, file: Any, decoder: json.JSONDecoder) -> Iterator[Any]:
    """Decode item after item from a window that moves over the text."""
    window = _Window(file)
    if window.next_character() != "[":
        raise InvalidInput(f"{path}: expected a JSON list, it begins with {window.text[:SHOWN]!r}")
    window.at += 1
    if window.next_character() == "]":
        return
    end = ","
    while end == ",":
        item = window.item(decoder)
        if item is None:
            raise InvalidInput(f"{path}: ends or breaks within its list; copy it anew")
        yield item
        end = window.next_character()
        if end not in (",", "]"):
            raise InvalidInput(f"{path}: expected a comma or the end of the list, got {end!r}")
        window.at += 1


class _Window:
    """A piece of a text file, and the place in it."""

    def __init__(self, file: Any) -> None:
        self.file, self.text, self.at = file, "", 0

    def next_character(self) -> str:
        """The next one that is no space, which stays unread; empty at the end."""
        while True:
            while self.at < len(self.text) and self.text[self.at] in " \t\r\n":
                self.at += 1
            if self.at < len(self.text) or not self._read_on():
                return self.text[self.at : self.at + 1]

    def item(self, decoder: json.JSONDecoder) -> Any:
        """The next value; reads on until it is whole. None where the file ends before."""
        self.next_character()
        while True:
            item, end = _decoded(decoder, self.text, self.at)
            if end > 0:
                self.at = end
                return item
            if len(self.text) - self.at > MAX_ITEM or not self._read_on():
                return None

    def _read_on(self) -> bool:
        more = self.file.read(PIECE)
        self.text, self.at = self.text[self.at :] + more, 0
        return bool(more)


def _decoded(decoder: json.JSONDecoder, text: str, at: int) -> tuple[Any, int]:
    """A value and where it ends; 0 where it is not whole."""
    try:
        return decoder.raw_decode(text, at)
    except json.JSONDecodeError:
        return None, 0


def _refused(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."
