"""A look at ONNX files without their package: that everything is inside, before a library reads what they name.

Source: the protocol-buffer encoding and `onnx.proto` (numbers of fields).
"""

from collections.abc import Iterator

from perception.core.errors import ModelError

CHILDREN = {  # message: number of a field to the message in it; what cannot hold tensors is passed over
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse tensor", 23: "sparse tensor"},
    "sparse tensor": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
EXTERNAL_DATA, DATA_LOCATION = 13, 14  # fields of a tensor
MAX_DEPTH = 64  # messages in one another
VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5  # wire types
FIXED = {EIGHT_BYTES: 8, FOUR_BYTES: 4}
MAX_VARINT = 10  # bytes


def check_self_contained(data: bytes, what: str) -> None:
    """Raises `ModelError` when an ONNX file is damaged or a tensor lies in another file, which could be any file."""
    try:
        is_inside = _is_inside(memoryview(data), "model", 0)
    except (IndexError, ValueError) as error:
        raise ModelError(f"{what}: is no ONNX file or a damaged one ({error})") from None
    if not is_inside:
        raise ModelError(f"{what}: a tensor lies in another file; export it with the weights inside")


def _is_inside(data: memoryview, kind: str, depth: int) -> bool:
    if depth > MAX_DEPTH:
        raise ValueError(f"more than {MAX_DEPTH} messages in one another")
    children = CHILDREN[kind]
    for number, value in _fields(data):
        if kind == "tensor" and (number == EXTERNAL_DATA or (number == DATA_LOCATION and value)):
            return False
        if number in children:
            if not isinstance(value, memoryview):
                raise ValueError(f"field {number} of a {kind} is no message")
            if not _is_inside(value, children[number], depth + 1):
                return False
    return True


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field of a message; numbers of a fixed size come as bytes."""
    row = 0
    while row < len(data):
        key, row = _varint(data, row)
        wire = key & 7
        if wire == VARINT:
            number, row = _varint(data, row)
            yield key >> 3, number
            continue
        if wire == LENGTH:
            size, row = _varint(data, row)
        elif wire in FIXED:
            size = FIXED[wire]
        else:
            raise ValueError(f"wire type {wire} at byte {row}")
        if size > len(data) - row:
            raise ValueError("it ends early")
        yield key >> 3, data[row : row + size]
        row += size


def _varint(data: memoryview, row: int) -> tuple[int, int]:
    """A number and the byte after it."""
    value = 0
    for shift in range(MAX_VARINT):
        byte = data[row + shift]
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value, row + shift + 1
    raise ValueError(f"a number of more than {MAX_VARINT} bytes")
