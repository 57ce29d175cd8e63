from types import SimpleNamespace

import numpy as np
import pytest
from rosbags.typesys import Stores

from perception.core.errors import ConfigError, InvalidInput, MissingTransform
from perception.core.frames import TransformBuffer
from perception.core.geometry import exp_so3, transform
from perception.core.types import ImuBatch, Scan
from perception.io.aids import fix_reader, wheel_reader
from perception.io.config import InputConfig
from perception.io.recording import open_recording
from perception.pipeline.runner import stream_of
from slam.graph.sensors import AntennaFix, WheelTwist
from tests.unit.io.bags import (
    FIX,
    ODOMETRY,
    START_NS,
    T_IMU,
    T_LIDAR,
    TWIST,
    TWIST_COVARIANCE,
    Factory,
    ros2_messages,
    write_ros1,
    write_ros2,
)
from tests.unit.io.messages import STAMP_NS, header

ANTENNA = (-0.3, 0.1, 1.2)
PLACES = (("base_link", "lidar", T_LIDAR), ("base_link", "imu", T_IMU), ("base_link", "gps", ANTENNA))
BOTH = InputConfig(gnss_topic="/fix", wheel_topic="/wheels")
STREAMS = ("scan", "imu", "fix", "wheels")


def vector(xyz):
    return SimpleNamespace(x=xyz[0], y=xyz[1], z=xyz[2])


def fix(status=0, kind=2, **values):
    covariance = values.pop("covariance", np.diag([1.0, 2.0, 4.0]).ravel())
    place = {"latitude": 48.0, "longitude": 11.0, "altitude": 500.0, **values}
    return SimpleNamespace(
        header=header(frame_id="/gps"),
        status=SimpleNamespace(status=status),
        position_covariance=covariance,
        position_covariance_type=kind,
        **place,
    )


def twist(linear=(1.0, 0.0, 0.0), angular=(0.0, 0.0, 0.0), frame="base_link"):
    return SimpleNamespace(
        header=header(frame_id=frame), twist=SimpleNamespace(linear=vector(linear), angular=vector(angular))
    )


def places(T_base_gps=None, T_base_axle=None):
    buffer = TransformBuffer()
    buffer.set_static("base_link", "gps", transform(np.eye(3), np.array(ANTENNA)) if T_base_gps is None else T_base_gps)
    if T_base_axle is not None:
        buffer.set_static("base_link", "axle", T_base_axle)
    return buffer


def read_fix(message, config=None, buffer=None):
    return fix_reader(config or InputConfig(), "base_link", buffer or places())(message)


def read_twist(message, config=None, buffer=None):
    return wheel_reader(config or InputConfig(), "base_link", buffer or places())(message)


def test_a_fix_comes_with_its_covariance_and_the_place_of_its_antenna():
    read = read_fix(fix())
    assert (read.stamp_ns, read.fix.latitude, read.fix.longitude, read.fix.altitude) == (STAMP_NS, 48.0, 11.0, 500.0)
    assert read.fix.has_fix
    assert np.array_equal(read.fix.covariance, np.diag([1.0, 2.0, 4.0]))
    assert np.array_equal(read.p_base_antenna, ANTENNA)


def test_a_covariance_that_is_marked_unknown_is_none():
    assert read_fix(fix(kind=0)).fix.covariance is None


def test_a_receiver_without_a_fix_may_fill_the_rest_with_anything():
    read = read_fix(fix(status=-1, latitude=np.nan, altitude=np.nan, covariance=np.full(9, np.nan)))
    assert not read.fix.has_fix


@pytest.mark.parametrize("spoilt", [{"latitude": np.nan}, {"latitude": 91.0}, {"altitude": np.inf}])
def test_a_place_that_is_none_on_earth_is_refused(spoilt):
    with pytest.raises(InvalidInput, match="no place on Earth"):
        read_fix(fix(**spoilt))


def test_a_covariance_that_is_not_finite_is_refused():
    with pytest.raises(InvalidInput, match="covariance"):
        read_fix(fix(covariance=np.full(9, np.nan)))


def test_without_the_place_of_the_antenna_a_fix_is_an_error_with_the_remedy():
    with pytest.raises(MissingTransform, match=r"'gps' to 'base_link'.*--set input.T_base_gnss="):
        read_fix(fix(), buffer=TransformBuffer())


def test_the_place_of_the_antenna_may_be_given():
    given = InputConfig(T_base_gnss=(1.0, 2.0, 3.0, 0.0, 0.0, 0.0, 1.0))
    assert read_fix(fix(), given, TransformBuffer()).p_base_antenna.tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(ConfigError, match=r"input.T_base_gnss: expected 7 numbers"):
        read_fix(fix(), InputConfig(T_base_gnss=(1.0, 2.0)))


def test_the_twist_of_an_axle_becomes_that_of_the_base():
    rng = np.random.default_rng(4)
    R, lever = exp_so3(np.array([0.0, 0.0, 0.7])), np.array([0.8, -0.3, 0.2])
    velocity, turn = np.append(rng.normal(size=2), 0.0), np.array([0.0, 0.0, 0.6])
    step = 1e-6  # s; the axle is carried along by a base that moves for so long
    moved = transform(exp_so3(turn * step), velocity * step)
    speed = (moved[:3, :3] @ lever + moved[:3, 3] - lever) / step
    read = read_twist(twist(R.T @ speed, R.T @ turn, "axle"), buffer=places(T_base_axle=transform(R, lever)))
    np.testing.assert_allclose(read.linear, velocity[:2], atol=1e-5)
    assert read.angular == pytest.approx(0.6)


@pytest.mark.parametrize(
    "spoilt", [{"linear": (np.nan, 0.0, 0.0)}, {"angular": (0.0, 0.0, np.inf)}, {"linear": (1e6, 0.0, 0.0)}]
)
def test_a_twist_that_is_not_finite_or_absurd_is_refused(spoilt):
    with pytest.raises(InvalidInput, match="driver of the wheels"):
        read_twist(twist(**spoilt))


def test_the_twist_of_an_unknown_frame_is_an_error_with_the_remedy():
    with pytest.raises(MissingTransform, match=r"--set input.T_base_wheels="):
        read_twist(twist(frame="axle"))


def aided(store, kind=ODOMETRY, clock_ns=0, count=12):
    """A recording with fixes at 5 Hz and wheels at 50 Hz beside LiDAR and IMU."""
    factory = Factory(store)
    items = ros2_messages(transforms=PLACES) if store is Stores.ROS2_JAZZY else None
    if items is None:
        from tests.unit.io.bags import Content, messages

        items = list(messages(factory, Content(transforms=PLACES)))
    for i in range(count // 2):
        stamp_ns = START_NS + i * 200_000_000
        items.append(("/fix", FIX, stamp_ns, factory.fix(stamp_ns + clock_ns, 48.0 + i * 1e-5)))
    for i in range(5 * count):
        stamp_ns = START_NS + i * 20_000_000
        items.append(("/wheels", kind, stamp_ns, factory.wheels(kind, stamp_ns, 0.1 * i, 0.2)))
    return sorted(items, key=lambda item: item[2])


@pytest.mark.parametrize("kind", [ODOMETRY, TWIST, TWIST_COVARIANCE])
def test_fixes_and_wheels_of_a_bag_come_between_its_scans_in_the_order_of_time(tmp_path, kind):
    bag = write_ros2(tmp_path / "bag", aided(Stores.ROS2_JAZZY, kind))
    events = list(open_recording(bag, BOTH).events(STREAMS))
    fixes = [event for event in events if isinstance(event, AntennaFix)]
    wheels = [event for event in events if isinstance(event, WheelTwist)]
    assert [f.fix.latitude for f in fixes] == pytest.approx([48.0 + i * 1e-5 for i in range(6)])
    assert np.array_equal(fixes[0].p_base_antenna, ANTENNA)
    assert [w.linear[0] for w in wheels] == pytest.approx([0.1 * i for i in range(60)])
    assert {w.angular for w in wheels} == {0.2}
    times = [e.end_ns if isinstance(e, Scan) else e.stamps_ns[-1] if isinstance(e, ImuBatch) else e.stamp_ns
             for e in events]  # fmt: skip
    assert times == sorted(times)
    assert {stream_of(event) for event in events} == set(STREAMS)


def test_ros_1_bags_give_the_same_fixes_and_twists(tmp_path):
    one = open_recording(write_ros1(tmp_path / "one.bag", aided(Stores.ROS1_NOETIC)), BOTH)
    two = open_recording(write_ros2(tmp_path / "two", aided(Stores.ROS2_JAZZY)), BOTH)
    streams = ("fix", "wheels")
    for a, b in zip(one.events(streams), two.events(streams), strict=True):
        assert (type(a), a.stamp_ns) == (type(b), b.stamp_ns)
    assert one.summary.rows == two.summary.rows
    assert ("fixes and wheels", "/fix, 6 messages; /wheels, 60 messages") in one.summary.rows


def test_nothing_is_read_that_nobody_wants_or_names(tmp_path):
    bag = write_ros2(tmp_path / "bag", aided(Stores.ROS2_JAZZY))
    assert {type(event) for event in open_recording(bag, BOTH).events()} == {Scan, ImuBatch}
    assert {type(event) for event in open_recording(bag).events(STREAMS)} == {Scan, ImuBatch}
    note = "satellite fixes of /fix are not used; mapping takes them with input.gnss_topic"
    assert note in open_recording(bag).summary.notes
    assert note not in open_recording(bag, BOTH).summary.notes


def test_fixes_with_a_wrong_clock_change_nothing_for_scans_and_imu(tmp_path):
    plain = open_recording(write_ros2(tmp_path / "plain", ros2_messages(transforms=PLACES)))
    late = open_recording(write_ros2(tmp_path / "late", aided(Stores.ROS2_JAZZY, clock_ns=-(10**12))), BOTH)
    scans = [[e.stamp_ns for e in r.events(STREAMS) if isinstance(e, Scan)] for r in (plain, late)]
    samples = [np.concatenate([e.stamps_ns for e in r.events(STREAMS) if isinstance(e, ImuBatch)])
               for r in (plain, late)]  # fmt: skip
    assert scans[0] == scans[1]
    assert np.array_equal(*samples)


def test_a_topic_that_holds_something_else_is_an_error_that_lists_those_that_fit(tmp_path):
    bag = write_ros2(tmp_path / "bag", aided(Stores.ROS2_JAZZY))
    with pytest.raises(ConfigError, match=r"input.gnss_topic: '/wheels' holds no satellite fixes; choose one of /fix"):
        open_recording(bag, InputConfig(gnss_topic="/wheels"))
    with pytest.raises(ConfigError, match=r"input.wheel_topic: '/nothing' holds no twists; choose one of /wheels"):
        open_recording(bag, InputConfig(wheel_topic="/nothing"))


def test_a_missing_transform_of_the_antenna_ends_the_reading(tmp_path):
    items = [item for item in aided(Stores.ROS2_JAZZY) if "tf" not in item[0]]
    known = Factory(Stores.ROS2_JAZZY).transforms(PLACES[:2], START_NS)
    items.insert(0, ("/tf_static", "tf2_msgs/msg/TFMessage", START_NS - 1, known))
    recording = open_recording(write_ros2(tmp_path / "bag", items), BOTH)
    assert len([event for event in recording.events() if isinstance(event, Scan)]) == 12
    with pytest.raises(MissingTransform, match="'gps'"):
        list(recording.events(STREAMS))


def test_messages_that_are_spoilt_are_counted_and_cost_nothing_else(tmp_path):
    factory, items = Factory(Stores.ROS2_JAZZY), aided(Stores.ROS2_JAZZY)
    bad = factory.wheels(ODOMETRY, START_NS, float("nan"))
    items += [("/wheels", ODOMETRY, START_NS, bad), ("/fix", FIX, START_NS, factory.fix(START_NS, 123.0))]
    recording = open_recording(write_ros2(tmp_path / "bag", sorted(items, key=lambda item: item[2])), BOTH)
    events = list(recording.events(("fix", "wheels")))
    assert len(events) == 66
    assert sum(recording.losses.counts.values()) == 2
    assert "no place on Earth" in str(recording.losses)
