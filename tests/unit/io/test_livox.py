import numpy as np
import pytest
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from perception.core.errors import InvalidInput
from perception.core.types import Scan
from perception.io.livox import as_cloud
from perception.io.recording import open_recording
from tests.unit.io.bags import START_NS, SWEEP_NS

POINT = "uint32 offset_time\nfloat32 x\nfloat32 y\nfloat32 z\nuint8 reflectivity\nuint8 tag\nuint8 line\n"
MESSAGE = (
    "std_msgs/Header header\nuint64 timebase\nuint32 point_num\nuint8 lidar_id\nuint8[3] rsvd\nCustomPoint[] points\n"
    f"{'=' * 80}\nMSG: livox_ros_driver2/CustomPoint\n{POINT}"
)
KIND = "livox_ros_driver2/msg/CustomMsg"


def store(kind: Stores):
    types = get_typestore(kind)
    types.register(get_types_from_msg(MESSAGE, KIND))
    return types


def custom(types, stamp_ns: int, count: int, frame: str = "livox"):
    stamp = types.types["builtin_interfaces/msg/Time"](sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    fields = types.fielddefs["std_msgs/msg/Header"][1]
    seq = {"seq": 1} if any(name == "seq" for name, _ in fields) else {}
    point = types.types["livox_ros_driver2/msg/CustomPoint"]
    points = [point(i * (SWEEP_NS // count), i + 1.0, -i - 0.5, 0.25 * i, i % 200, 16, 3) for i in range(count)]
    header = types.types["std_msgs/msg/Header"](**seq, stamp=stamp, frame_id=frame)
    return types.types[KIND](header, stamp_ns, count, 0, np.zeros(3, np.uint8), points)


@pytest.mark.parametrize("frame", ["", "a", "livox", "livox_frame_7"])
@pytest.mark.parametrize("count", [0, 1, 2, 100])
@pytest.mark.parametrize("is_cdr", [True, False])
def test_the_points_of_a_custom_message_are_found_in_its_bytes(frame, count, is_cdr):
    types = store(Stores.ROS2_JAZZY if is_cdr else Stores.ROS1_NOETIC)
    msg = custom(types, START_NS, count, frame) if count else custom(types, START_NS, 1, frame)
    if not count:
        msg.points.clear()
    raw = bytes((types.serialize_cdr if is_cdr else types.serialize_ros1)(msg, KIND))
    cloud = as_cloud(raw, is_cdr)
    assert (cloud.width, cloud.header.frame_id, cloud.header.stamp.sec) == (count, frame, START_NS // 10**9)
    for index, name in ((4, "x"), (8, "y"), (12, "z")):
        values = np.ndarray((count,), "<f4", bytes(cloud.data) + bytes(20), index, (cloud.point_step,))
        assert values.tolist() == [getattr(point, name) for point in msg.points]


def test_a_custom_message_that_was_cut_is_refused():
    types = store(Stores.ROS2_JAZZY)
    raw = bytes(types.serialize_cdr(custom(types, START_NS, 50), KIND))
    for size in (0, 3, 10, 40, 200, len(raw) - 1):
        with pytest.raises(InvalidInput):
            as_cloud(raw[:size], is_cdr=True)
    with pytest.raises(InvalidInput, match="not little-endian CDR"):
        as_cloud(b"\x00\x00" + raw[2:], is_cdr=True)


def livox_bag(path, storage: str):
    from rosbags.rosbag2 import StoragePlugin, Writer

    types = store(Stores.ROS2_JAZZY)
    with Writer(path, version=Writer.VERSION_LATEST, storage_plugin=StoragePlugin[storage]) as bag:
        connection = bag.add_connection("/livox/lidar", KIND, typestore=types)
        for i in range(6):
            stamp_ns = START_NS + i * SWEEP_NS
            bag.write(connection, stamp_ns + SWEEP_NS, types.serialize_cdr(custom(types, stamp_ns, 200), KIND))
    return path


@pytest.mark.parametrize("storage", ["MCAP", "SQLITE3"])
def test_a_bag_of_custom_messages_with_their_definition_is_a_recording(tmp_path, storage):
    recording = open_recording(livox_bag(tmp_path / "bag", storage))
    scans = [event for event in recording.events() if isinstance(event, Scan)]
    assert [scan.stamp_ns for scan in scans] == [START_NS + i * SWEEP_NS for i in range(6)]
    assert scans[0].offsets_ns.tolist() == [i * 500_000 for i in range(200)]
    assert scans[0].points[3].tolist() == [4.0, -3.5, 0.75]


def test_custom_messages_without_a_definition_are_refused_with_the_format_to_record(tmp_path):
    import sqlite3

    path = livox_bag(tmp_path / "bag", "SQLITE3")
    with sqlite3.connect(path / "bag.db3") as connection:
        connection.execute("DELETE FROM message_definitions")
    with pytest.raises(InvalidInput, match=r"/livox/lidar holds livox_ros_driver2/msg/CustomMsg.*xfer_format 0"):
        open_recording(path)
