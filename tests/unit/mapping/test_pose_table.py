import numpy as np
import pytest

from perception.core.geometry import transform
from perception.mapping.pose_table import PoseTable


def pose(x):
    return transform(np.eye(3), np.array([float(x), 0.0, 0.0]))


@pytest.fixture
def table():
    found = PoseTable()
    for number in (0, 1, 2, 5, 6):
        found.add(number, 100 * number, pose(number))
    return found


def test_what_was_added_is_there_and_nothing_else(table):
    assert len(table) == 5
    assert 5 in table and 3 not in table and 7 not in table
    np.testing.assert_array_equal(table.stamps_ns, [0, 100, 200, 500, 600])
    np.testing.assert_array_equal(table(5), pose(5))


def test_later_keyframes_move_along_with_the_last_that_is_corrected(table):
    table.correct(np.array([1, 2, 4]), np.stack([pose(10), pose(20), pose(99)]))
    assert table.poses[:, 0, 3].tolist() == [0.0, 10.0, 20.0, 23.0, 24.0]


def test_a_correction_of_unknown_keyframes_or_none_changes_nothing(table):
    before = table.poses.copy()
    table.correct(np.array([3, 9]), np.stack([pose(1), pose(2)]))
    table.correct(np.zeros(0, dtype=np.int64), np.zeros((0, 4, 4)))
    np.testing.assert_array_equal(table.poses, before)


def test_the_nearest_is_found_within_the_radius_only(table):
    assert table.nearest(np.array([4.2, 0.0, 0.0]), 1.0) == 5
    assert table.nearest(np.array([3.5, 0.0, 9.0]), 1.0) is None
    assert PoseTable().nearest(np.zeros(3), np.inf) is None


def test_room_grows_with_the_keyframes():
    table = PoseTable()
    for number in range(1000):
        table.add(number, number, pose(number))
    np.testing.assert_array_equal(table.poses[:, 0, 3], np.arange(1000.0))
    np.testing.assert_array_equal(table.ids, np.arange(1000))
