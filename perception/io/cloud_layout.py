"""Where the fields of a `PointCloud2` lie in its bytes, checked once so that views of them are safe."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from perception.core.errors import InvalidInput

MAX_POINTS = 8_000_000  # of one cloud; the largest sensors give a million
FORMATS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}  # sensor_msgs/PointField
NAMES = {1: "INT8", 2: "UINT8", 3: "INT16", 4: "UINT16", 5: "INT32", 6: "UINT32", 7: "FLOAT32", 8: "FLOAT64"}
FLOATS = (7, 8)


@dataclass(frozen=True, slots=True)
class CloudField:
    """The same as `sensor_msgs/PointField`."""

    name: str
    offset: int  # bytes from the start of a point
    datatype: int  # key of `FORMATS`
    count: int = 1

    def __str__(self) -> str:
        return f"{self.name} ({NAMES.get(self.datatype, self.datatype)})"


@dataclass(frozen=True, slots=True)
class CloudLayout:
    """Fields, size and byte order of the points of a cloud. All fields lie inside a point; x y z are floats."""

    fields: tuple[CloudField, ...]
    point_step: int  # bytes
    is_bigendian: bool

    def views(self, data: np.ndarray, height: int, width: int, row_step: int) -> dict[str, np.ndarray]:
        """A (height, width) view of every scalar field, without a copy of the bytes."""
        order = ">" if self.is_bigendian else "<"
        strides = (row_step, self.point_step)
        return {
            field.name: np.ndarray((height, width), order + FORMATS[field.datatype], data, field.offset, strides)
            for field in self.fields
            if field.count == 1
        }

    def __str__(self) -> str:
        return ", ".join(str(field) for field in self.fields)


def read_layout(msg: Any) -> CloudLayout:
    """The checked layout of a message. Raises `InvalidInput` naming field, value and remedy."""
    fields = tuple(CloudField(str(f.name), int(f.offset), int(f.datatype), max(int(f.count), 1)) for f in msg.fields)
    layout = CloudLayout(fields, int(msg.point_step), bool(msg.is_bigendian))
    names = [field.name for field in fields]
    for field in fields:
        if field.datatype not in FORMATS:
            raise InvalidInput(f"field {field.name}: datatype {field.datatype} is not one of 1 to 8; fix the driver")
        size = int(FORMATS[field.datatype][1]) * field.count
        if field.offset < 0 or field.offset + size > layout.point_step:
            raise InvalidInput(
                f"field {field.name}: needs bytes {field.offset} to {field.offset + size} of a point, "
                f"but point_step is {layout.point_step}; fix the driver"
            )
    for name in "xyz":
        if names.count(name) != 1:
            raise InvalidInput(f"field {name}: expected once, got {names.count(name)}; the cloud has {layout}")
        field = fields[names.index(name)]
        if field.datatype not in FLOATS or field.count != 1:
            raise InvalidInput(
                f"field {name}: expected one FLOAT32 or FLOAT64, got {field.count} x {NAMES[field.datatype]}; "
                f"set the driver to Cartesian float output"
            )
    return layout


def cloud_bytes(msg: Any, layout: CloudLayout) -> tuple[np.ndarray, int, int, int]:
    """The bytes of a message as a read-only array, with its height, width and row_step, all found to fit together.

    Raises `InvalidInput` naming field and value.
    """
    height, width, row_step = int(msg.height), int(msg.width), int(msg.row_step)
    if height < 0 or width < 0 or height * width > MAX_POINTS:
        raise InvalidInput(f"height x width: {height} x {width} points; expected at most {MAX_POINTS}")
    if row_step < width * layout.point_step:
        raise InvalidInput(
            f"row_step: {row_step} bytes is less than {width} points of {layout.point_step} bytes; fix the driver"
        )
    data = message_bytes(msg.data)
    if len(data) < row_step * height:
        raise InvalidInput(
            f"data: {len(data)} bytes, but row_step * height is {row_step * height}; the message was cut or its driver "
            f"is wrong"
        )
    return data, height, width, row_step


def message_bytes(data: Any) -> np.ndarray:
    """The bytes of a message's `data` (N,) uint8 as a read-only view. Raises `InvalidInput` for what holds no bytes."""
    try:
        array = np.frombuffer(data, dtype=np.uint8)
    except (TypeError, ValueError, BufferError) as error:
        if hasattr(data, "__len__") and len(data) == 0:
            return np.zeros(0, dtype=np.uint8)
        raise InvalidInput(f"data: expected bytes, got {type(data).__name__} ({error})") from None
    array.flags.writeable = False  # one type for the kernels
    return array
