import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from nav_msgs.msg import OccupancyGrid, Path
from nav_msgs.srv import LoadMap
from rclpy.serialization import deserialize_message, serialize_message
from visualization_msgs.msg import Marker

from nodes import map_messages, messages
from nodes.mapping_ports import OdomPlace, folder_of, load_result
from perception.core.errors import InvalidInput
from perception.core.geometry import exp_so3, transform
from perception.mapping.types import MapGrid, MapOdom, MapPath
from slam.maps.grid import FloorGrid

STAMP = 1_700_000_000_123_456_789
T = transform(exp_so3(np.array([0.1, -0.4, 2.0])), np.array([1.0, -2.0, 0.5]))


def map_path(count=5, loops=((0, 3), (1, 4))):
    rng = np.random.default_rng(1)
    poses = np.stack([transform(exp_so3(rng.normal(size=3)), rng.normal(size=3)) for _ in range(count)] or [np.eye(4)])
    ids = 10 * np.arange(count, dtype=np.int64)  # numbers have gaps
    stamps = STAMP + np.arange(count, dtype=np.int64)
    pairs = 10 * np.array(loops, dtype=np.int64).reshape(-1, 2)
    return MapPath(ids, stamps, poses[:count], pairs)


def map_odom(stamp_ns=STAMP, covariance=None):
    return MapOdom(stamp_ns, T, np.eye(6) if covariance is None else covariance, np.eye(4))


def test_keyframes_become_a_path_in_the_frame_of_the_map():
    path = map_path()
    message = deserialize_message(map_messages.map_path_to_bytes(path, "map"), Path)
    assert message.header.frame_id == "map"
    assert [messages.stamp_of(pose.header) for pose in message.poses] == path.stamps_ns.tolist()
    for pose, T_map_base in zip(message.poses, path.poses):
        place = pose.pose.position
        np.testing.assert_array_equal([place.x, place.y, place.z], T_map_base[:3, 3])


def test_an_empty_map_is_an_empty_path_without_markers():
    path = map_path(0, ())
    assert not deserialize_message(map_messages.map_path_to_bytes(path, "map"), Path).poses
    markers = map_messages.markers_to(path, "map", 10).markers
    assert [marker.action for marker in markers] == [Marker.DELETE, Marker.DELETE]


def test_loops_are_lines_between_the_keyframes_with_their_numbers():
    path = map_path()
    keyframes, loops = map_messages.markers_to(path, "map", 100).markers
    ends = np.array([[p.x, p.y, p.z] for p in loops.points]).reshape(-1, 2, 3)
    np.testing.assert_array_equal(ends, path.poses[[[0, 3], [1, 4]], :3, 3])
    assert (loops.type, len(keyframes.points)) == (Marker.LINE_LIST, 5)
    assert {marker.header.frame_id for marker in (keyframes, loops)} == {"map"}


def test_no_more_keyframes_are_drawn_than_asked_for():
    keyframes, _ = map_messages.markers_to(map_path(101, ()), "map", 10).markers
    assert 5 <= len(keyframes.points) <= 10


def test_the_grid_keeps_rows_columns_and_values():
    cells = np.array([[-1, 0, 100], [0, 100, -1]], dtype=np.int8)
    grid = MapGrid(STAMP, FloorGrid(0.1, np.array([-3.0, 2.0]), cells))
    message = deserialize_message(serialize_message(map_messages.grid_to(grid, "map", 1000)), OccupancyGrid)
    assert (message.info.height, message.info.width) == (2, 3)
    assert list(message.data) == cells.ravel().tolist()
    assert (message.info.origin.position.x, message.info.origin.position.y) == (-3.0, 2.0)
    assert message.info.resolution == pytest.approx(0.1)


def test_an_empty_grid_is_legal():
    grid = MapGrid(STAMP, FloorGrid(0.1, np.zeros(2), np.zeros((0, 0), dtype=np.int8)))
    assert len(map_messages.grid_to(grid, "map", 1000).data) == 0


def test_a_grid_of_too_many_cells_comes_in_larger_ones():
    cells = np.zeros((50, 70), dtype=np.int8)
    cells[13, 44] = 100
    message = map_messages.grid_to(MapGrid(STAMP, FloorGrid(0.1, np.array([5.0, 6.0]), cells)), "map", 1000)
    assert message.info.width * message.info.height <= 1000
    step = message.info.resolution / 0.1
    row, column = divmod(list(message.data).index(100), message.info.width)
    assert (row, column) == (int(13 // step), int(44 // step))
    assert sum(value == 100 for value in message.data) == 1


def test_the_covariance_of_a_pose_is_turned_into_axes_of_the_map():
    along = np.diag([4.0, 1.0, 1.0, 0.1, 0.2, 0.3])
    message = map_messages.pose_to(map_odom(covariance=along), "map")
    covariance = np.array(message.pose.covariance).reshape(6, 6)
    axis = T[:3, 0]  # the x axis of odom, seen in the map
    assert axis @ covariance[:3, :3] @ axis == pytest.approx(4.0)
    np.testing.assert_allclose(np.linalg.eigvalsh(covariance), np.sort(np.diag(along)), atol=1e-9)


def test_a_pose_goes_to_a_message_and_back():
    message = map_messages.pose_to(map_odom(), "map")
    np.testing.assert_allclose(map_messages.pose_from(message, "map"), T, atol=1e-12)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda m: setattr(m.header, "frame_id", "odom"), "expected 'map', got 'odom'"),
        (lambda m: setattr(m.header, "frame_id", ""), "expected 'map', got ''"),
        (lambda m: setattr(m.pose.pose.position, "x", float("nan")), "is no pose"),
        (lambda m: setattr(m.pose.pose.orientation, "w", 3.0), "quaternion has the length"),
    ],
)
def test_a_pose_that_cannot_be_meant_is_refused(spoil, reason):
    message = map_messages.pose_to(map_odom(), "map")
    spoil(message)
    with pytest.raises(InvalidInput, match=reason):
        map_messages.pose_from(message, "map")


SECOND = 10**9


def test_the_place_of_odom_holds_while_mapping_is_busy_and_no_longer():
    place = OdomPlace()
    assert place.at(STAMP, 2 * SECOND) is None
    place.take(map_odom(STAMP))
    np.testing.assert_array_equal(place.at(STAMP + 2 * SECOND, 2 * SECOND), T)
    assert place.at(STAMP + 2 * SECOND + 1, 2 * SECOND) is None


def test_an_answer_that_is_faster_than_the_publishing_of_its_scan_counts():
    place = OdomPlace()
    for stamp_ns in (STAMP, STAMP + SECOND):
        place.take(map_odom(stamp_ns))
        np.testing.assert_array_equal(place.at(stamp_ns, 0), T)


def test_nothing_is_placed_once_mapping_does_not_know_the_place():
    place = OdomPlace()
    place.take(map_odom(STAMP))
    assert place.at(STAMP, SECOND) is not None
    place.take(None)
    assert place.at(STAMP + 1, SECOND) is None
    place.take(map_odom(STAMP + 1))  # of a scan that had waited for mapping
    assert place.at(STAMP + 2, SECOND) is not None


def test_what_is_said_of_an_odometry_that_has_ended_places_nothing():
    place = OdomPlace()
    place.at(STAMP, SECOND)
    place.forget()
    place.take(map_odom(STAMP))
    assert place.at(STAMP + SECOND // 2, SECOND) is None
    place.take(map_odom(STAMP))  # it comes late, after the new one has begun
    assert place.at(STAMP + SECOND // 2 + 1, SECOND) is None
    back = STAMP - 100 * SECOND  # a clock that was moved back
    place.forget()
    place.at(back, SECOND)
    place.take(map_odom(STAMP))
    assert place.at(back + 1, SECOND) is None
    place.take(map_odom(back + 1))
    assert place.at(back + 2, SECOND) is not None


def test_a_map_is_named_by_path_or_url():
    assert folder_of("/maps/a b") == "/maps/a b"
    assert folder_of("file:///maps/a%20b") == "/maps/a b"
    with pytest.raises(InvalidInput, match="is no URL"):
        folder_of("file://[maps")


def test_the_code_of_an_answer_tells_a_missing_map_from_a_damaged_one(tmp_path):
    assert load_result(True, str(tmp_path)) == LoadMap.Response.RESULT_SUCCESS
    assert load_result(False, str(tmp_path)) == LoadMap.Response.RESULT_INVALID_MAP_DATA
    assert load_result(False, "/" + 300 * "x") == LoadMap.Response.RESULT_MAP_DOES_NOT_EXIST
    assert load_result(False, str(tmp_path / "none")) == LoadMap.Response.RESULT_MAP_DOES_NOT_EXIST
