import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from nav_msgs.msg import Odometry as OdometryMessage
from nav_msgs.msg import Path
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Imu, PointCloud2

from nodes import messages
from perception.core.errors import InvalidInput
from perception.core.geometry import exp_so3, matrix_from_quaternion, transform
from perception.core.health import OK, Health, Level
from perception.core.types import Odometry
from perception.io.config import InputConfig

STAMP = 1_700_000_000_123_456_789
T = transform(exp_so3(np.array([0.1, -0.4, 2.0])), np.array([1.0, -2.0, 0.5]))


def scan_arrays(num=1000, seed=0):
    rng = np.random.default_rng(seed)
    points = rng.uniform(1.0, 20.0, (num, 3)).astype(np.float32)
    return points, np.linspace(0, 99_000_000, num).astype(np.int64)


def test_cloud_becomes_the_scan_it_was_made_from():
    points, offsets_ns = scan_arrays()
    cloud = messages.cloud_to(STAMP, "lidar", points, offsets_ns)
    cloud = deserialize_message(serialize_message(cloud), PointCloud2)
    messages.check_cloud(cloud)
    scan = messages.decoder_of([cloud], InputConfig()).scan(cloud)
    assert (scan.stamp_ns, scan.frame_id) == (STAMP, "lidar")
    np.testing.assert_array_equal(scan.points, points)
    np.testing.assert_array_equal(scan.offsets_ns, offsets_ns)


def test_empty_cloud_is_legal():
    cloud = messages.cloud_to(STAMP, "lidar", np.zeros((0, 3), np.float32))
    messages.check_cloud(cloud)
    assert len(messages.decoder_of([cloud], InputConfig()).scan(cloud).points) == 0


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        (lambda cloud: setattr(cloud.header.stamp, "sec", 0) or setattr(cloud.header.stamp, "nanosec", 0), "stamp"),
        (lambda cloud: setattr(cloud.header.stamp, "nanosec", 1_000_000_000), "nanosec"),
        (lambda cloud: setattr(cloud.fields[0], "name", "range"), "field x"),
        (lambda cloud: setattr(cloud, "data", cloud.data[:100]), "data"),
        (lambda cloud: setattr(cloud, "row_step", 1), "row_step"),
    ],
)
def test_spoilt_cloud_is_refused_by_the_name_of_its_field(spoil, field):
    cloud = messages.cloud_to(STAMP, "lidar", *scan_arrays())
    spoil(cloud)
    with pytest.raises(InvalidInput, match=field):
        messages.check_cloud(cloud)


def test_imu_message_becomes_the_sample_it_was_made_from():
    batch = messages.imu_from(messages.imu_to(STAMP, "imu", np.array([0.1, 0.2, 0.3]), np.array([0.0, 1.0, 9.8])))
    assert batch.stamps_ns.tolist() == [STAMP]
    assert batch.gyro.tolist() == [[0.1, 0.2, 0.3]]
    assert batch.accel.tolist() == [[0.0, 1.0, 9.8]]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_imu_that_is_not_finite_is_refused(value):
    message = messages.imu_to(STAMP, "imu", np.zeros(3), np.array([0.0, 0.0, 9.8]))
    message.angular_velocity.y = value
    with pytest.raises(InvalidInput, match="gyro y"):
        messages.imu_from(message)


def test_imu_without_a_stamp_is_refused():
    with pytest.raises(InvalidInput, match="stamp"):
        messages.imu_from(Imu())


def test_transform_goes_there_and_back():
    message = messages.transform_to(STAMP, "base_link", "lidar", T)
    np.testing.assert_allclose(messages.transform_from(message), T, atol=1e-12)
    assert (message.header.frame_id, message.child_frame_id) == ("base_link", "lidar")


def test_transform_with_an_empty_quaternion_is_refused():
    message = messages.transform_to(STAMP, "base_link", "lidar", T)
    message.transform.rotation.x = message.transform.rotation.y = 0.0
    message.transform.rotation.z = message.transform.rotation.w = 0.0
    with pytest.raises(InvalidInput, match="quaternion"):
        messages.transform_from(message)


@pytest.mark.parametrize("frames", [("odom", "base_link"), ("o", "b"), ("", "robot/base"), ("odom3", "")])
def test_odometry_carries_pose_covariance_and_twist_in_the_right_frames(frames):
    covariance = np.arange(36.0).reshape(6, 6)
    odometry = Odometry(STAMP, T, covariance, np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0]))
    message = deserialize_message(messages.odometry_to_bytes(odometry, *frames), OdometryMessage)
    assert (message.header.frame_id, message.child_frame_id) == frames
    assert messages.stamp_of(message.header) == STAMP
    place, turn = message.pose.pose.position, message.pose.pose.orientation
    assert [place.x, place.y, place.z] == T[:3, 3].tolist()
    np.testing.assert_allclose(
        matrix_from_quaternion(np.array([turn.x, turn.y, turn.z, turn.w])), T[:3, :3], atol=1e-12
    )
    assert message.pose.covariance.tolist() == covariance.ravel().tolist()
    linear, angular = message.twist.twist.linear, message.twist.twist.angular
    assert [linear.x, linear.y, linear.z, angular.x, angular.y, angular.z] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert not message.twist.covariance.any()


@pytest.mark.parametrize("frame", ["odom", "o", "map_frame", "robot/odom", ""])
@pytest.mark.parametrize("num_poses", [0, 1, 2, 7])
def test_path_bytes_are_read_by_rclpy_as_the_path_they_were_made_from(frame, num_poses):
    from geometry_msgs.msg import PoseStamped

    rng = np.random.default_rng(num_poses)
    stamps_ns = STAMP + np.arange(num_poses, dtype=np.int64) * 100_000_007
    poses = rng.normal(size=(num_poses, 7))
    path = Path(header=messages.header_of(int(stamps_ns[-1]) if num_poses else 0, frame))
    for stamp_ns, row in zip(stamps_ns.tolist(), poses):
        pose = PoseStamped(header=messages.header_of(stamp_ns, frame))
        p, q = pose.pose.position, pose.pose.orientation
        p.x, p.y, p.z, q.x, q.y, q.z, q.w = map(float, row)
        path.poses.append(pose)
    ours = messages.path_to_bytes(stamps_ns, poses, frame)
    assert deserialize_message(ours, Path) == path
    assert abs(len(ours) - len(serialize_message(path))) < 4  # the padding of rclpy holds arbitrary bytes


def test_diagnostics_state_level_reason_and_facts():
    array = messages.diagnostics_to(STAMP, "odometry", Health(Level.FAILED, "no scan"), {"scans": 3})
    status = array.status[0]
    assert (status.level, status.name, status.message) == (b"\x02", "odometry", "no scan")
    assert [(value.key, value.value) for value in status.values] == [("scans", "3")]
    assert messages.diagnostics_to(STAMP, "odometry", OK, {}).status[0].message == "OK"


def test_path_record_is_thinned_by_distance_and_bounded():
    from nodes.ports import PathRecord
    from perception.pipeline.publish import PublishConfig

    record = PathRecord(PublishConfig(path_step=0.2, path_poses=100))
    for index in range(5000):
        pose = np.eye(4)
        pose[0, 3] = 0.1 * index
        record.add(index + 1, pose)
    stamps_ns, poses = record.rows()
    assert 50 <= len(poses) <= 100
    assert poses[0, 0] == 0.0
    assert poses[-1, 0] > 450.0
    assert (np.diff(stamps_ns) > 0).all()
