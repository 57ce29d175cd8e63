"""Bad clouds are refused by name or handled, one at a time, and nothing else is lost (reliability C-4, C-6)."""

import resource
from types import SimpleNamespace

import numpy as np
import pytest

from perception.core.errors import InvalidInput
from perception.io.cloud_layout import MAX_POINTS, CloudField
from perception.io.config import InputConfig
from perception.io.pointcloud import detect_format, scan_from_cloud
from tests.unit.io.messages import STAMP_NS, cloud, ramp, sweep

AUTO = InputConfig()


def good(**options) -> SimpleNamespace:
    return cloud({**sweep(), "t": ramp().astype(np.uint32)}, **options)


def changed(**values) -> SimpleNamespace:
    msg = good()
    for name, value in values.items():
        setattr(msg, name, value)
    return msg


def with_fields(*fields: tuple[str, int, int]) -> SimpleNamespace:
    return changed(fields=[CloudField(*field) for field in fields])


def with_stamp(sec: int, nanosec: int) -> SimpleNamespace:
    msg = good()
    msg.header.stamp = SimpleNamespace(sec=sec, nanosec=nanosec)
    return msg


REFUSED = {
    "no z": (with_fields(("x", 0, 7), ("y", 4, 7)), "field z: expected once, got 0"),
    "two x": (with_fields(("x", 0, 7), ("x", 4, 7), ("y", 4, 7), ("z", 8, 7)), "field x: expected once, got 2"),
    "integer y": (with_fields(("x", 0, 7), ("y", 4, 5), ("z", 8, 7)), "field y: expected one FLOAT32 or FLOAT64"),
    "unknown datatype": (with_fields(("x", 0, 9), ("y", 4, 7), ("z", 8, 7)), "field x: datatype 9"),
    "field outside": (with_fields(("x", 0, 7), ("y", 4, 7), ("z", 14, 7)), "field z: needs bytes 14 to 18"),
    "point_step too small": (changed(point_step=8), "field z: needs bytes 8 to 12 of a point, but point_step is 8"),
    "row_step too small": (changed(row_step=100), "row_step: 100 bytes is less than 2000 points of 16 bytes"),
    "data cut": (changed(data=good().data[:-1]), r"data: 31999 bytes, but row_step \* height is 32000"),
    "height lies": (changed(height=7), r"data: 32000 bytes, but row_step \* height is 224000"),
    "no data": (changed(data=b""), "data: 0 bytes"),
    "data is text": (changed(data="hello"), "data: expected bytes, got str"),
    "20 million points": (changed(width=20_000_000, row_step=320_000_000), f"expected at most {MAX_POINTS}"),
    "stamp zero": (with_stamp(0, 0), "stamp: expected a time after 1970"),
    "stamp negative": (with_stamp(-5, 0), "stamp: expected a time after 1970"),
    "nanosec too large": (with_stamp(5, 10**9), "stamp.nanosec: expected 0 to 999999999, got 1000000000"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_malformed_cloud_is_refused_by_field_and_value(name):
    msg, message = REFUSED[name]
    with pytest.raises(InvalidInput, match=message):
        scan_from_cloud(msg, detect_format([good()], AUTO))
    with pytest.raises(InvalidInput, match=message):
        detect_format([msg], AUTO)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999, 1.0])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0])
def test_points_that_are_no_returns_are_dropped_with_their_times(share, value):
    columns = {**sweep(), "t": ramp().astype(np.uint32)}
    bad = np.random.default_rng(0).random(2000) < share
    for name in "xyz":
        columns[name] = np.where(bad, np.float32(value), columns[name])
    scan = scan_from_cloud(cloud(columns), detect_format([good()], AUTO))
    assert np.array_equal(scan.offsets_ns, ramp()[~bad])
    assert np.isfinite(scan.points).all()


def test_one_not_finite_coordinate_is_enough_to_drop_a_point_and_one_zero_is_not():
    columns = {name: values[:3].copy() for name, values in sweep().items()}
    columns["y"][0], columns["z"][1] = np.nan, 0.0
    scan = scan_from_cloud(cloud(columns), detect_format([cloud(columns)], AUTO))
    assert len(scan.points) == 2


def test_all_points_equal_are_a_scan():
    columns = {name: np.full(500, 3.0, np.float32) for name in "xyz"}
    assert len(scan_from_cloud(cloud(columns), detect_format([cloud(columns)], AUTO)).points) == 500


def test_a_time_jump_inside_a_cloud_is_refused():
    times = ramp().astype(np.uint32)
    times[1000:] += 2_000_000_000
    format = detect_format([good()], AUTO)
    with pytest.raises(InvalidInput, match=r"field t: spans 2\.1 s within one cloud"):
        scan_from_cloud(cloud({**sweep(), "t": times}), format)


def test_absolute_times_far_from_the_header_stamp_are_refused():
    def at(offset_ns: int) -> SimpleNamespace:
        return cloud({**sweep(), "timestamp": (STAMP_NS + offset_ns + ramp()) * 1e-9})

    format = detect_format([at(0)], AUTO)
    assert format.time.kind == "absolute"
    with pytest.raises(InvalidInput, match="field timestamp: starts 3600 s after the header stamp"):
        scan_from_cloud(at(3_600_000_000_000), format)


def test_fields_that_change_within_a_stream_are_refused():
    with pytest.raises(InvalidInput, match="fields: changed from"):
        scan_from_cloud(cloud(sweep()), detect_format([good()], AUTO))


def mutated(rng: np.random.Generator) -> SimpleNamespace:
    """A good cloud with one to three things wrong, of types that a deserialiser can give."""
    msg = good(**[{}, {"height": 40}, {"packed": True}, {"bigendian": True}][rng.integers(4)])
    small, any_u32 = int(rng.integers(0, 64)), int(rng.integers(0, 2**32))
    for _ in range(rng.integers(1, 4)):
        field = msg.fields[rng.integers(len(msg.fields))] if msg.fields else SimpleNamespace()
        match rng.integers(12):
            case 0:
                msg.width = [small, any_u32][rng.integers(2)]
            case 1:
                msg.height = [small, any_u32][rng.integers(2)]
            case 2:
                msg.point_step = [small, any_u32][rng.integers(2)]
            case 3:
                msg.row_step = [small, any_u32][rng.integers(2)]
            case 4:
                msg.data = msg.data[: rng.integers(len(msg.data) + 1)]
            case 5:
                field.offset = [small, any_u32][rng.integers(2)]
            case 6:
                field.datatype = int(rng.integers(0, 256))
            case 7:
                field.count = [small, any_u32][rng.integers(2)]
            case 8:
                field.name = ["x", "y", "z", "t", "", "\x00"][rng.integers(6)]
            case 9:
                msg.fields = msg.fields[: rng.integers(len(msg.fields) + 1)]
            case 10:
                msg.header.stamp = SimpleNamespace(sec=int(rng.integers(-(2**31), 2**31)), nanosec=any_u32)
            case 11:
                raw = np.frombuffer(msg.data, np.uint8).copy()
                raw[rng.integers(0, max(len(raw), 1), len(raw) // 50)] = rng.integers(0, 256)
                msg.data = raw.tobytes()
    msg.is_bigendian = bool(rng.integers(2)) if rng.random() < 0.1 else msg.is_bigendian
    return msg


def survive(count: int, seed: int) -> int:
    """Feed mutated clouds; only `InvalidInput` may come out. Returns how many were read in spite of it."""
    rng = np.random.default_rng(seed)
    formats = [detect_format([good()], AUTO), detect_format([good()], InputConfig(time_field="none"))]
    num_read = 0
    for _ in range(count):
        msg = mutated(rng)
        for format in (formats[rng.integers(2)], None):
            try:
                format = format or detect_format([msg], InputConfig(time_field="none"))
                scan = scan_from_cloud(msg, format)
            except InvalidInput:
                continue
            num_read += 1
            assert np.isfinite(scan.points).all()
            assert scan.offsets_ns.min(initial=0) >= 0
    return num_read


def test_hundreds_of_mutated_clouds_are_read_or_refused_and_nothing_else():
    num_read = survive(400, seed=1)
    assert 0 < num_read < 800


@pytest.mark.long
def test_ten_thousand_mutated_clouds_crash_nothing_and_leave_no_memory_behind():
    survive(500, seed=2)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    survive(10_000, seed=3)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 1.2 * before
