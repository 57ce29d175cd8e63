"""`sensor_msgs/PointCloud2` without ROS: messages of rclpy and of rosbags have the same attributes.

`detect_format` looks at the first messages of a topic once; `scan_from_cloud` then turns each message into a `Scan`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.stamps import stamp_from_ros
from perception.core.types import Scan
from perception.io.cloud_layout import FORMATS, CloudField, CloudLayout, cloud_bytes, read_layout
from perception.io.cloud_time import DEFAULT_SWEEP_NS, PointTime, detect_time, sweep_from_stamps
from perception.io.config import InputConfig
from perception.kernels import clouds

MAX_SWEEP_NS = 1_000_000_000  # points of one message farther apart in time are no sweep
MAX_WILD_SHARE = 0.01  # of the points may have a nonsense time and are dropped; more, and the message is refused


@dataclass(frozen=True, slots=True)
class CloudFormat:
    """How the clouds of one topic are laid out and what their times mean."""

    layout: CloudLayout | None  # None for points that do not come in messages
    time: PointTime
    sweep_ns: int  # period of the clouds; 0: not known
    stamp_at: Literal["start", "middle", "end"]

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed, each a sentence."""
        return self.time.notes

    def __str__(self) -> str:
        return str(self.time)


class CloudDecoder:
    """Scans from the messages of one topic; detects the format from the first one, and again when it changes."""

    def __init__(self, config: InputConfig, format: CloudFormat | None = None) -> None:
        self.config = config
        self.format = format

    def scan(self, msg: Any) -> Scan:
        """The message as a scan. Raises `InvalidInput`, and `ConfigError` where the format is ambiguous."""
        if msg.width * msg.height == 0:
            return empty_scan(msg, self.format)
        layout = read_layout(msg)
        if self.format is None or self.format.layout != layout:
            sweep_ns = self.format.sweep_ns if self.format else 0
            self.format = detect_format([msg], self.config, sweep_ns)
        return scan_from_cloud(msg, self.format)


def detect_format(msgs: Sequence[Any], config: InputConfig, sweep_ns: int = 0) -> CloudFormat:
    """The format of the clouds `msgs`, of one topic and in order; empty ones tell nothing.

    Raises `InvalidInput` naming field, value and remedy, and `ConfigError` listing the candidates when the time
    field or its unit is ambiguous.
    """
    filled = [msg for msg in msgs if msg.width * msg.height > 0]
    if not filled:
        raise InvalidInput("width: every cloud looked at is empty; check the range limits of the driver")
    layout = read_layout(filled[0])
    same = [msg for msg in filled if read_layout(msg) == layout]
    stamps = [_stamp(msg) for msg in same]
    time = detect_time([layout.views(*cloud_bytes(msg, layout)) for msg in same], stamps, config)
    return CloudFormat(layout, time, sweep_ns or sweep_from_stamps(stamps), config.stamp_at)


def scan_from_cloud(msg: Any, format: CloudFormat) -> Scan:
    """The message as a scan: usable points, their times, the start of the sweep.

    Points that are not finite or exactly zero are dropped. `InvalidInput` names what is wrong with the message.
    """
    if msg.width * msg.height == 0:
        return empty_scan(msg, format)
    stamp_ns = _stamp(msg)
    layout = read_layout(msg)
    if layout != format.layout:
        raise InvalidInput(f"fields: changed from {format.layout} to {layout} within the stream; restart the reader")
    return scan_from_columns(layout.views(*cloud_bytes(msg, layout)), stamp_ns, _frame(msg), format)


def scan_from_columns(columns: dict[str, np.ndarray], stamp_ns: int, frame_id: str, format: CloudFormat) -> Scan:
    """A scan from columns by name, each (height, width), among them x y z. Raises `InvalidInput`."""
    points, offsets, reference_ns = _gather(columns, format)
    stamp_ns, offsets = _placed(stamp_ns, reference_ns, points, offsets, format)
    duration_ns = _turn_ns(format) if format.time.kind == "azimuth" else 0
    return Scan(stamp_ns, frame_id, points, offsets, duration_ns)


def empty_scan(msg: Any, format: CloudFormat | None = None) -> Scan:
    """A cloud without points: legal, it tells that the sensor lives."""
    start_ns = _stamp(msg) - (_lead_ns(format) if format else 0)
    return Scan(start_ns, _frame(msg), np.zeros((0, 3), np.float32), np.zeros(0, np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class PackedCloud:
    """The parts of an unorganised little-endian `PointCloud2`; an adapter fills its message from them."""

    fields: tuple[CloudField, ...]
    points: np.ndarray  # (N,) of one record for each point, without gaps

    @property
    def point_step(self) -> int:
        """Bytes of one point."""
        return self.points.dtype.itemsize


def pack_cloud(points: np.ndarray, **columns: np.ndarray) -> PackedCloud:
    """`points` (N, 3) as float32 x y z, and further fields (N,) of four bytes, such as `t=` uint32, in one copy."""
    kinds = {"x": "<f4", "y": "<f4", "z": "<f4", **{name: values.dtype.str for name, values in columns.items()}}
    table = np.empty(len(points), dtype=list(kinds.items()))
    table["x"], table["y"], table["z"] = points.T
    for name, values in columns.items():
        table[name] = values
    datatypes = {form: datatype for datatype, form in FORMATS.items()}
    fields = (CloudField(name, table.dtype.fields[name][1], datatypes[kind[1:]]) for name, kind in kinds.items())
    return PackedCloud(tuple(fields), table)


def _stamp(msg: Any) -> int:
    stamp = msg.header.stamp
    return stamp_from_ros(stamp.sec, stamp.nanosec)


def _frame(msg: Any) -> str:
    return str(msg.header.frame_id).lstrip("/")


def _gather(views: dict[str, np.ndarray], format: CloudFormat) -> tuple[np.ndarray, np.ndarray, int]:
    """Points, offsets and the time (ns) they count from, which is 0 where that is the header stamp."""
    x, y, z = views["x"], views["y"], views["z"]
    time, reference, to_ns = format.time.column(views)
    gather = clouds.gather if _is_compiled(x, y, z, time) else clouds.gather_reference
    points, offsets, num_wild = gather(x, y, z, time, reference, to_ns)
    if num_wild > MAX_WILD_SHARE * (len(points) + num_wild):
        raise InvalidInput(
            f"field {format.time.field}: {num_wild} of {len(points) + num_wild} points have a time far from the others "
            f"or not finite; fix the driver or set input.time_field=none"
        )
    return points, offsets, format.time.reference_ns(reference)


def _is_compiled(x: np.ndarray, y: np.ndarray, z: np.ndarray, time: np.ndarray) -> bool:
    """True for the array types that `clouds.warm_up` compiled: strided and read-only."""
    return (
        x.dtype == y.dtype == z.dtype == np.float32
        and time.dtype in clouds.TIME_TYPES
        and not any(column.flags.writeable or column.flags.c_contiguous for column in (x, y, z, time))
    )


def _placed(
    stamp_ns: int, reference_ns: int, points: np.ndarray, offsets: np.ndarray, format: CloudFormat
) -> tuple[int, np.ndarray]:
    """Start of the sweep and offsets after it, none negative."""
    if format.time.kind == "azimuth":
        return stamp_ns - _lead_ns(format), clouds.azimuth_offsets(points, _turn_ns(format))
    if format.time.kind == "none" or len(offsets) == 0:
        return stamp_ns - _lead_ns(format), offsets
    first, last = int(offsets.min()), int(offsets.max())
    if last - first > MAX_SWEEP_NS:
        raise InvalidInput(
            f"field {format.time.field}: spans {(last - first) / 1e9:.3g} s within one cloud, expected at most 1 s; "
            f"set input.time_unit or fix the driver"
        )
    if format.time.kind == "absolute":
        return _near(reference_ns + first, stamp_ns, format), offsets - first
    first_ns = first if format.time.kind == "foreign" else min(first, 0)  # of another clock only differences count
    offsets = offsets - first_ns if first_ns else offsets
    if format.time.kind == "signed":
        return stamp_ns + first_ns, offsets
    return stamp_ns - _lead_ns(format), offsets


def _near(start_ns: int, stamp_ns: int, format: CloudFormat) -> int:
    if abs(start_ns - stamp_ns) <= MAX_SWEEP_NS:
        return start_ns
    raise InvalidInput(
        f"field {format.time.field}: starts {(start_ns - stamp_ns) / 1e9:.6g} s after the header stamp, "
        f"expected within 1 s of it; the clock of the sensor or of the driver jumped"
    )


def _lead_ns(format: CloudFormat) -> int:
    """How long before the header stamp the sweep began. Times that are no mere offsets say it themselves."""
    if format.time.kind not in ("relative", "foreign", "azimuth"):
        return 0
    sweep_ns = _turn_ns(format) if format.time.kind == "azimuth" else format.time.span_ns
    return {"start": 0, "middle": sweep_ns // 2, "end": sweep_ns}[format.stamp_at]


def _turn_ns(format: CloudFormat) -> int:
    """Time of one turn of a spinning sensor."""
    return format.sweep_ns or DEFAULT_SWEEP_NS
