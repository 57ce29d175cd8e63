"""Livox's CustomMsg as a PointCloud2: its points lie in the bytes like those of one, so none is copied.

Fields, in order: header, timebase uint64, point_num uint32, lidar_id uint8, rsvd uint8[3], points[] of offset_time
uint32, x y z float32, reflectivity tag line uint8.
"""

import struct
from types import SimpleNamespace
from typing import Any

from perception.core.errors import InvalidInput
from perception.io.cloud_layout import CloudField

CUSTOM_TYPES = ("livox_ros_driver/msg/CustomMsg", "livox_ros_driver2/msg/CustomMsg")
FIELDS = (
    CloudField("offset_time", 0, 6),
    CloudField("x", 4, 7),
    CloudField("y", 8, 7),
    CloudField("z", 12, 7),
    CloudField("reflectivity", 16, 2),
    CloudField("tag", 17, 2),
    CloudField("line", 18, 2),
)
POINT_SIZE = 19  # bytes; CDR aligns the next point to 4


def as_cloud(raw: bytes | memoryview, is_cdr: bool) -> Any:
    """The serialised message with the attributes of a PointCloud2. Raises `InvalidInput` when it is cut."""
    try:
        return _cdr(memoryview(raw)) if is_cdr else _ros1(memoryview(raw))
    except (struct.error, UnicodeDecodeError):
        raise InvalidInput("a message cannot be decoded as a Livox CustomMsg") from None


def _cdr(raw: memoryview) -> Any:
    if bytes(raw[:2]) != b"\x00\x01":
        raise InvalidInput("a Livox CustomMsg is not little-endian CDR; record it with the standard serialisation")
    body = raw[4:]
    sec, nanosec, length = struct.unpack_from("<iII", body)
    frame = bytes(body[12 : 12 + max(length - 1, 0)]).decode()  # ends in a zero byte
    start = -(-(12 + length) // 8) * 8 + 8 + 4 + 4  # timebase is aligned to 8; point_num, lidar_id and rsvd follow
    return _message(sec, nanosec, frame, body, start, 20)


def _ros1(raw: memoryview) -> Any:
    _, sec, nanosec, length = struct.unpack_from("<IIII", raw)
    frame = bytes(raw[16 : 16 + length]).decode()
    return _message(sec, nanosec, frame, raw, 16 + length + 8 + 4 + 4, POINT_SIZE)


def _message(sec: int, nanosec: int, frame: str, body: memoryview, start: int, step: int) -> Any:
    (count,) = struct.unpack_from("<I", body, start)
    data = body[start + 4 :]
    needed = (count - 1) * step + POINT_SIZE if count else 0
    if len(data) < needed:
        raise InvalidInput(f"points: {count} points need {needed} bytes, the message has {len(data)}; it was cut")
    if len(data) < count * step:  # the last point has no padding behind it
        data = memoryview(bytes(data) + bytes(step))
    header = SimpleNamespace(stamp=SimpleNamespace(sec=sec, nanosec=nanosec), frame_id=frame)
    return SimpleNamespace(
        header=header, height=1, width=count, fields=FIELDS, is_bigendian=False, point_step=step, row_step=count * step,
        data=data,
    )  # fmt: skip
