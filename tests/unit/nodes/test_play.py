import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from nodes.play import STATIC_TOPIC, open_source
from perception.core.errors import InvalidInput
from tests.shared import shared


def test_ros2_messages_pass_as_they_are():
    from rclpy.serialization import deserialize_message
    from sensor_msgs.msg import PointCloud2

    source = open_source(shared("data/rosbags/converted/kitti_0005_first3_mcap"))
    clouds = [data for topic, _, data in source.messages() if source.types[topic] == "sensor_msgs/msg/PointCloud2"]
    assert len(clouds) == 3
    assert deserialize_message(clouds[0], PointCloud2).width > 100_000


def test_ros1_messages_are_rewritten_for_ros2():
    from rclpy.serialization import deserialize_message
    from sensor_msgs.msg import Imu

    source = open_source(shared("data/rosbags/recorded/phidgets_imu.bag"), ["/imu/data_raw"])
    topic, log_ns, data = next(iter(source.messages()))
    message = deserialize_message(data, Imu)
    assert (topic, message.header.frame_id) == ("/imu/data_raw", "imu")
    assert abs(message.header.stamp.sec - log_ns // 10**9) <= 1


def test_static_transforms_are_given_first_and_not_twice():
    source = open_source(shared("data/rosbags/recorded/tf_example"))
    static = list(source.static())
    if STATIC_TOPIC in source.types:
        assert static
    assert all(topic != STATIC_TOPIC for topic, _, _ in source.messages())


def test_only_the_wanted_topics_are_played_and_unknown_ones_are_refused():
    path = shared("data/rosbags/converted/kitti_0005_first3_mcap")
    name = next(name for name, kind in open_source(path).types.items() if kind == "sensor_msgs/msg/PointCloud2")
    assert {topic for topic, _, _ in open_source(path, [name]).messages()} == {name}
    with pytest.raises(InvalidInput, match="/nothing"):
        open_source(path, ["/nothing"])


def test_folder_of_scans_becomes_clouds_with_the_place_of_the_sensor():
    pytest.importorskip("tf2_msgs", reason="tf2_msgs is not installed: pip install ./perception/ros_interfaces")
    from rclpy.serialization import deserialize_message
    from sensor_msgs.msg import PointCloud2
    from tf2_msgs.msg import TFMessage

    source = open_source(shared("data/kitti_raw_0005"))
    ((topic, _, data),) = source.static()
    (place,) = deserialize_message(data, TFMessage).transforms
    assert (topic, place.header.frame_id) == (STATIC_TOPIC, "base_link")
    topic, time_ns, data = next(source.messages())
    cloud = deserialize_message(data, PointCloud2)
    assert (topic, cloud.header.frame_id) == ("/points", place.child_frame_id)
    assert cloud.width > 100_000
    assert 0 <= time_ns - (cloud.header.stamp.sec * 10**9 + cloud.header.stamp.nanosec) < 2 * 10**8
