"""Tensors out of torch files of unknown origin, without running anything of them (`unpickler`), and without torch.

A file is a zip archive with `data.pkl` and one uncompressed member per storage. It may not hold more than its size,
and no tensor more than its storage.
"""

import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from perception.core.errors import ModelError
from perception.inference.unpickler import Machine, Name, Record, ordered

MAX_FILE_BYTES = 1 << 30
MAX_MEMBERS = 1 << 16
MAX_PICKLE_BYTES = 1 << 26
MAX_AXES = 8
MAX_COUNT = 1 << 40  # elements along an axis, and steps between them
MAX_SHARE = 4  # bytes of all tensors together, per byte of the file
MAX_DEPTH = 64  # modules in modules
MAX_MODULES = 1 << 16
MAX_BYTE_ORDER = 16  # bytes of the member that tells it
REMEDY = "give a checkpoint as torch.save writes it"
STORAGES: dict[str, str] = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
    "BFloat16Storage": "<u2",  # read as bits
}
BFLOAT16 = "BFloat16Storage"


@dataclass(frozen=True, slots=True)
class Storage:
    """A member of the archive that holds the values of tensors."""

    kind: str
    key: str
    num_elements: int


def read_checkpoint(path: Path) -> Any:
    """What a torch file holds: containers, numbers, strings, NumPy arrays for tensors, and `Record`s for the rest.

    Raises `ModelError` for a file that is damaged, too large, compressed, or says what no such file says.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ModelError(f"{path}: has more than {MAX_FILE_BYTES} bytes; {REMEDY}")
        with zipfile.ZipFile(path) as archive:
            members = _members(path, archive)
            name = next((name for name in members if name.endswith("/data.pkl") and name.count("/") == 1), None)
            if name is None:
                raise ModelError(f"{path}: holds no data.pkl; {REMEDY}")
            if members[name].file_size > MAX_PICKLE_BYTES:
                raise ModelError(f"{path}: its data.pkl has more than {MAX_PICKLE_BYTES} bytes; {REMEDY}")
            root = name.removesuffix("data.pkl")
            _check_byte_order(path, archive, members, root)
            tensors = _Tensors(archive, members, root, path.stat().st_size)
            return Machine(tensors.known(), tensors.storage).run(archive.read(name))
    except zipfile.BadZipFile as error:
        raise ModelError(f"{path}: is no torch file or a damaged one ({error}); {REMEDY}") from None
    except (OSError, EOFError, RuntimeError, NotImplementedError, ValueError, IndexError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: cannot be read ({' '.join(str(error).split())[:200]}); {REMEDY}") from None


def walked(module: Record) -> Iterator[tuple[str, np.ndarray]]:
    """Names and tensors of a module tree in torch's order: parameters, buffers, then those of the children.

    Buffers that the module does not save are left out. Raises `ModelError` for a tree that is too deep or too large.
    """
    pending: list[tuple[str, Any, int]] = [("", module, 0)]
    num_steps = 0
    while pending:
        prefix, current, depth = pending.pop()
        num_steps += 1
        if depth > MAX_DEPTH or num_steps > MAX_MODULES:
            raise ModelError(f"checkpoint: its modules are more than {MAX_MODULES} or {MAX_DEPTH} in one another")
        if not isinstance(current, Record):
            continue
        attributes = current.attributes()
        skipped = _skipped(attributes.get("_non_persistent_buffers_set"))
        for group in ("_parameters", "_buffers"):
            for name, value in _entries(attributes.get(group)):
                if isinstance(value, np.ndarray) and name not in skipped:
                    yield f"{prefix}{name}", value
        children = [(f"{prefix}{name}.", child, depth + 1) for name, child in _entries(attributes.get("_modules"))]
        pending.extend(reversed(children))


def _entries(group: Any) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in group.items() if isinstance(name, str)] if isinstance(group, dict) else []


def _skipped(names: Any) -> set[str]:
    found = [*names.items, *_flat(names.arguments)] if isinstance(names, Record) else []
    return {name for name in found if isinstance(name, str)}


def _flat(arguments: Any) -> list[Any]:
    """Elements of a set as protocol 2 writes it: arguments ([...],)."""
    is_list = isinstance(arguments, tuple) and len(arguments) == 1 and isinstance(arguments[0], list)
    return arguments[0] if is_list else []


def _members(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Members by name; together they are not larger than the file, so that nothing can grow out of it."""
    found = archive.infolist()
    if len(found) > MAX_MEMBERS:
        raise ModelError(f"{path}: has {len(found)} members, more than {MAX_MEMBERS}; {REMEDY}")
    packed = next((info for info in found if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1), None)
    if packed is not None:
        raise ModelError(f"{path}: member {packed.filename!r} is compressed or encrypted; {REMEDY}")
    if sum(info.file_size for info in found) > path.stat().st_size:
        raise ModelError(f"{path}: its members are larger than the file itself; {REMEDY}")
    members = {info.filename: info for info in found}
    if len(members) < len(found):
        raise ModelError(f"{path}: has two members of one name; {REMEDY}")
    return members


def _check_byte_order(path: Path, archive: zipfile.ZipFile, members: Mapping[str, Any], root: str) -> None:
    name = f"{root}byteorder"
    if name in members and members[name].file_size < MAX_BYTE_ORDER and archive.read(name).strip() != b"little":
        raise ModelError(f"{path}: its numbers are not little-endian; save it again on a usual machine")


class _Tensors:
    """Rebuilds tensors from the members of the archive."""

    def __init__(
        self, archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], root: str, num_bytes: int
    ) -> None:
        self._archive = archive
        self._members = members
        self._root = root
        self._budget = MAX_SHARE * num_bytes
        self._arrays: dict[Storage, np.ndarray] = {}

    def known(self) -> dict[str, Any]:
        """The functions of torch and Python that a file may mean, by dotted name."""
        return {
            "collections.OrderedDict": ordered,
            "torch._utils._rebuild_tensor_v2": self.tensor,
            "torch._utils._rebuild_parameter": _parameter,
            "torch._utils._rebuild_parameter_with_state": _parameter,
        }

    def storage(self, found: tuple[Any, ...]) -> Storage:
        """A persistent id of torch: ("storage", type, key, location, number of elements)."""
        if len(found) != 5 or found[0] != "storage":
            raise ValueError("a persistent id that is no storage")
        _, kind, key, _, count = found
        if not (isinstance(kind, Name) and kind.module in ("torch", "torch.storage") and kind.name in STORAGES):
            raise ValueError(f"a storage of an unknown type ({kind if isinstance(kind, Name) else '?'})")
        if not (isinstance(key, str) and key.isalnum() and _is_count(count)):
            raise ValueError("a storage without key or size")
        return Storage(kind.name, key, count)

    def tensor(self, arguments: tuple[Any, ...]) -> np.ndarray:
        storage, offset, shape, strides = arguments[:4]
        if not isinstance(storage, Storage):
            raise ValueError("a tensor without a storage")
        if not all(isinstance(axes, tuple) and all(map(_is_count, axes)) for axes in (shape, strides, (offset,))):
            raise ValueError("a tensor without a shape")
        if len(shape) != len(strides) or len(shape) > MAX_AXES:
            raise ValueError(f"a tensor of shape {shape[:MAX_AXES]} with {len(strides)} strides")
        values = self._values(storage)
        num_elements = 1
        for size in shape:
            num_elements *= size
        last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides))
        if num_elements and (last >= len(values) or num_elements > len(values)):
            raise ValueError(f"a tensor of shape {shape} that is larger than its storage")
        if not num_elements:
            return np.zeros(shape, dtype=values.dtype)
        self._budget -= num_elements * values.itemsize
        if self._budget < 0:
            raise ValueError("tensors that are together much larger than the file")
        steps = tuple(stride * values.itemsize for stride in strides)
        view = np.lib.stride_tricks.as_strided(values[offset:], shape, steps, writeable=False)
        return np.ascontiguousarray(view).reshape(shape)

    def _values(self, storage: Storage) -> np.ndarray:
        if storage not in self._arrays:
            data = self._archive.read(self._members[f"{self._root}data/{storage.key}"])
            values = np.frombuffer(data, dtype=STORAGES[storage.kind])
            if len(values) != storage.num_elements:
                raise ValueError(f"storage {storage.key} holds {len(values)} elements, expected {storage.num_elements}")
            if storage.kind == BFLOAT16:
                values = (values.astype(np.uint32) << 16).view(np.float32)
            self._arrays[storage] = values
        return self._arrays[storage]


def _parameter(arguments: tuple[Any, ...]) -> np.ndarray:
    if not (arguments and isinstance(arguments[0], np.ndarray)):
        raise ValueError("a parameter without a tensor")
    return arguments[0]


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < MAX_COUNT
