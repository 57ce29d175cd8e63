import numpy as np
import pytest

from perception.core.errors import InvalidInput
from perception.core.health import Health, Level, worst
from perception.core.trajectory import Trajectory
from perception.core.types import ImuBatch, Scan


def test_a_scan_of_the_wrong_shape_or_type_is_refused_by_name():
    offsets = np.zeros(2, dtype=np.int64)
    with pytest.raises(InvalidInput, match=r"points: expected \(N, 3\) float32, got \(2, 4\) float32"):
        Scan(1, "lidar", np.zeros((2, 4), np.float32), offsets)
    with pytest.raises(InvalidInput, match="float64"):
        Scan(1, "lidar", np.zeros((2, 3)), offsets)
    with pytest.raises(InvalidInput, match="offsets_ns"):
        Scan(1, "lidar", np.zeros((3, 3), np.float32), offsets)
    with pytest.raises(InvalidInput, match="list"):
        Scan(1, "lidar", [[0, 0, 0]], offsets)


def test_the_end_of_a_scan_is_its_largest_offset_whatever_the_order():
    offsets = np.array([5, 90, 20], dtype=np.int64)
    assert Scan(1000, "lidar", np.zeros((3, 3), np.float32), offsets).end_ns == 1090
    assert Scan(1000, "lidar", np.zeros((3, 3), np.float32), offsets, duration_ns=100).end_ns == 1100
    assert Scan(1000, "lidar", np.zeros((0, 3), np.float32), offsets[:0]).end_ns == 1000


def test_imu_samples_must_be_of_one_length():
    with pytest.raises(InvalidInput, match="accel"):
        ImuBatch(np.zeros(2, np.int64), np.zeros((2, 3)), np.zeros((3, 3)))


def test_a_trajectory_refuses_unsorted_stamps_and_interpolates():
    poses = np.stack([np.eye(4)] * 2)
    poses[1, 0, 3] = 2.0
    with pytest.raises(InvalidInput, match="row 1"):
        Trajectory(np.array([5, 5], dtype=np.int64), poses)
    trajectory = Trajectory(np.array([10, 20], dtype=np.int64), poses)
    assert [trajectory.at(t)[0, 3] for t in (5, 10, 15, 20, 25)] == [-1.0, 0.0, 1.0, 2.0, 3.0]


def test_the_worst_health_keeps_every_reason_of_its_level():
    states = Health(), Health(Level.DEGRADED, "a"), Health(Level.DEGRADED, "b")
    assert worst(*states) == Health(Level.DEGRADED, "a; b")
    assert worst() == Health()
