import array

import numpy as np
import pytest

from perception.core.errors import ConfigError, InvalidInput
from perception.io.config import InputConfig
from perception.io.pointcloud import CloudDecoder, detect_format, pack_cloud, scan_from_cloud
from perception.kernels.clouds import azimuth_offsets
from tests.unit.io.messages import STAMP_NS, SWEEP_NS, cloud, ramp, sweep

AUTO = InputConfig()


def scan_of(msg, config: InputConfig = AUTO):
    return scan_from_cloud(msg, detect_format([msg], config))


LAYOUTS = {  # name of the driver: columns of its time
    "ouster": {"t": ramp().astype(np.uint32)},
    "velodyne": {"time": (ramp() * 1e-9).astype(np.float32)},
    "hesai or robosense": {"timestamp": (STAMP_NS + ramp()) * 1e-9},
    "livox, absolute": {"timestamp": (STAMP_NS + ramp()).astype(np.float64)},
    "livox, offsets": {"offset_time": ramp().astype(np.uint32)},
    "microseconds": {"t": (ramp() // 1000).astype(np.uint32)},
    "milliseconds": {"time": (ramp() * 1e-6).astype(np.float32)},
    "signed integers": {"t": ramp().astype(np.int32)},
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("driver", LAYOUTS)
def test_each_driver_gives_the_same_scan(driver, packed):
    points = sweep()
    msg = cloud({**points, "ring": np.zeros(2000, np.uint16), **LAYOUTS[driver]}, packed=packed)
    scan = scan_of(msg)
    assert scan.frame_id == "lidar"
    assert abs(scan.stamp_ns - STAMP_NS) <= 1000
    assert np.array_equal(scan.points, np.stack(list(points.values()), axis=1))
    assert np.abs(scan.offsets_ns - ramp()).max() <= 1000


def test_velodyne_times_before_the_stamp_move_the_start_of_the_sweep():
    msg = cloud({**sweep(), "time": ((ramp() - SWEEP_NS) * 1e-9).astype(np.float32)})
    scan = scan_of(msg, InputConfig(stamp_at="end"))
    assert abs(scan.stamp_ns - (STAMP_NS - SWEEP_NS)) < 20
    assert scan.offsets_ns.min() == 0
    assert np.abs(scan.offsets_ns - ramp()).max() < 20


@pytest.mark.parametrize(("stamp_at", "lead_ns"), [("start", 0), ("middle", SWEEP_NS // 2), ("end", SWEEP_NS)])
def test_the_header_stamp_names_the_configured_instant(stamp_at, lead_ns):
    msgs = [cloud({**sweep(), "t": ramp().astype(np.uint32)}, STAMP_NS + i * SWEEP_NS) for i in range(4)]
    format = detect_format(msgs, InputConfig(stamp_at=stamp_at))
    assert format.sweep_ns == SWEEP_NS
    start_ns = scan_from_cloud(msgs[1], format).stamp_ns
    assert abs(start_ns - (STAMP_NS + SWEEP_NS - lead_ns)) <= SWEEP_NS // 2000  # one step between points


def test_absolute_times_overrule_the_header_stamp():
    msg = cloud({**sweep(), "timestamp": (STAMP_NS - SWEEP_NS + ramp()) * 1e-9})
    scan = scan_of(msg)
    assert abs(scan.stamp_ns - (STAMP_NS - SWEEP_NS)) < 1000


def test_times_of_another_clock_give_differences_only_and_say_so():
    msg = cloud({**sweep(), "timestamp": 1234.5 + ramp() * 1e-9})
    format = detect_format([msg], AUTO)
    scan = scan_from_cloud(msg, format)
    assert scan.stamp_ns == STAMP_NS
    assert np.abs(scan.offsets_ns - ramp()).max() <= 2
    assert "another clock" in format.notes[0]


def test_points_without_time_are_an_instantaneous_scan_and_say_so():
    for columns in ({}, {"time": np.zeros(2000, np.float32)}):
        msg = cloud({**sweep(), **columns})
        format = detect_format([msg], AUTO)
        assert not scan_from_cloud(msg, format).offsets_ns.any()
        assert "instantaneous" in format.notes[0]


def test_azimuth_of_an_hdl_gives_the_time_only_when_it_is_asked_for():
    points = np.array([[-1, 1e-6, 0], [0, 1, 0], [1, 0, 0], [0, -1, 0], [-1, -1e-6, 0]], np.float32)
    assert np.allclose(azimuth_offsets(points, 1000), [0, 250, 500, 750, 1000], atol=1)
    msg = cloud({"x": points[:, 0], "y": points[:, 1], "z": points[:, 2]})
    scan = scan_of(msg, InputConfig(time_field="azimuth", stamp_at="middle"))
    assert scan.stamp_ns == STAMP_NS - SWEEP_NS // 2
    assert abs(scan.offsets_ns[1] - SWEEP_NS // 4) < 10


def test_several_time_fields_are_an_error_that_lists_them_until_one_is_chosen():
    columns = {**sweep(), "t": ramp().astype(np.uint32), "time": (ramp() * 1e-9).astype(np.float32)}
    with pytest.raises(ConfigError, match=r"t \(in ns\), time \(in s\).*set input.time_field"):
        scan_of(cloud(columns))
    assert detect_format([cloud(columns)], InputConfig(time_field="time")).time.unit == "s"


def test_a_time_field_that_never_changes_does_not_compete():
    columns = {**sweep(), "t": ramp().astype(np.uint32), "time": np.zeros(2000, np.float32)}
    assert detect_format([cloud(columns)], AUTO).time.field == "t"


def test_a_span_that_no_unit_explains_is_an_error_that_lists_them():
    msg = cloud({**sweep(), "t": np.arange(2000, dtype=np.uint32)})
    with pytest.raises(ConfigError, match=r"2 s if in ms, 0.002 s if in us"):
        scan_of(msg)
    assert scan_of(msg, InputConfig(time_unit="us")).offsets_ns.max() == 1_999_000


def test_an_unknown_time_field_is_refused_with_the_fields_there_are():
    with pytest.raises(ConfigError, match="'when' is not in the cloud; it has x, y, z"):
        scan_of(cloud(sweep()), InputConfig(time_field="when"))


def test_organised_padded_and_big_endian_clouds_read_the_same():
    columns = {**sweep(), "t": ramp().astype(np.uint32)}
    plain = scan_of(cloud(columns))
    for options in ({"height": 40}, {"height": 40, "padding": 12}, {"bigendian": True}, {"step": 48}):
        scan = scan_of(cloud(columns, **options))
        assert np.array_equal(scan.points, plain.points), options
        assert np.array_equal(scan.offsets_ns, plain.offsets_ns), options


def test_double_coordinates_and_rclpy_bytes_are_read():
    columns = {name: values.astype(np.float64) for name, values in sweep().items()}
    msg = cloud(columns)
    msg.data = array.array("B", msg.data)
    assert np.array_equal(scan_of(msg).points, scan_of(cloud(sweep())).points)


def test_one_point_and_no_point_are_scans():
    one = cloud({name: values[:1] for name, values in sweep().items()})
    assert len(scan_of(one).points) == 1
    empty = cloud({name: values[:0] for name, values in sweep().items()})
    assert len(scan_from_cloud(empty, detect_format([one], AUTO)).points) == 0
    assert CloudDecoder(AUTO).scan(empty).stamp_ns == STAMP_NS


def test_the_decoder_follows_a_driver_that_restarts_with_other_fields():
    decoder = CloudDecoder(AUTO)
    first = decoder.scan(cloud({**sweep(), "t": ramp().astype(np.uint32)}))
    second = decoder.scan(cloud({**sweep(), "time": (ramp() * 1e-9).astype(np.float32)}))
    assert np.abs(first.offsets_ns - second.offsets_ns).max() < 20


def test_packed_clouds_come_back():
    points = np.stack(list(sweep().values()), axis=1)
    for columns in ({}, {"intensity": np.arange(len(points), dtype=np.float32), "t": ramp().astype(np.uint32)}):
        packed = pack_cloud(points, **columns)
        msg = cloud(sweep())
        msg.fields, msg.point_step, msg.width = packed.fields, packed.point_step, len(points)
        msg.row_step, msg.data = packed.point_step * len(points), packed.points.tobytes()
        assert np.array_equal(scan_of(msg).points, points)
    assert pack_cloud(points[:0]).points.tobytes() == b""


def test_a_nonsense_time_of_a_few_points_costs_those_points_only():
    times = ramp() * 1e-9
    times[5] = np.nan
    scan = scan_of(cloud({**sweep(), "time": times}))
    assert len(scan.points) == 1999
    times[:100] = 1e12
    good = detect_format([cloud({**sweep(), "time": ramp() * 1e-9})], AUTO)
    with pytest.raises(InvalidInput, match="field time: 100 of 2000 points"):
        scan_from_cloud(cloud({**sweep(), "time": times}), good)
