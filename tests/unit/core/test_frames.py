import numpy as np
import pytest

from perception.core.errors import InvalidInput, MissingTransform
from perception.core.frames import TransformBuffer
from perception.core.geometry import exp_so3, transform

S = 1_000_000_000


def shift(x=0.0, y=0.0, z=0.0, yaw=0.0):
    return transform(exp_so3(np.array([0.0, 0.0, yaw])), np.array([x, y, z]))


def test_transforms_chain_through_the_common_ancestor():
    buffer = TransformBuffer()
    buffer.set_static("base_link", "lidar", shift(x=1.0, yaw=np.pi / 2))
    buffer.set_static("base_link", "imu", shift(y=2.0))
    T_imu_lidar = buffer.lookup("imu", "lidar")
    assert np.allclose(T_imu_lidar @ [0, 0, 0, 1], [1, -2, 0, 1])
    assert np.allclose(buffer.lookup("lidar", "imu") @ T_imu_lidar, np.eye(4))
    assert np.allclose(buffer.lookup("lidar", "lidar"), np.eye(4))


def test_moving_transforms_are_interpolated_and_never_extrapolated():
    buffer = TransformBuffer()
    buffer.set_moving("odom", "base_link", 1 * S, shift(x=0.0))
    buffer.set_moving("odom", "base_link", 2 * S, shift(x=1.0))
    assert np.allclose(buffer.lookup("odom", "base_link", 3 * S // 2)[:3, 3], [0.5, 0, 0])
    assert np.allclose(buffer.lookup("odom", "base_link")[:3, 3], [1, 0, 0])
    for stamp in (S // 2, 3 * S):
        with pytest.raises(MissingTransform, match="known only from"):
            buffer.lookup("odom", "base_link", stamp)


def test_a_missing_transform_is_an_error_that_names_both_frames():
    buffer = TransformBuffer()
    buffer.set_static("base_link", "lidar", np.eye(4))
    with pytest.raises(MissingTransform, match=r"'imu'.*'base_link'.*known frames: base_link, lidar"):
        buffer.lookup("base_link", "imu")


def test_loops_and_broken_rotations_are_refused():
    buffer = TransformBuffer()
    buffer.set_static("a", "b", np.eye(4))
    with pytest.raises(InvalidInput, match="loop"):
        buffer.set_static("b", "a", np.eye(4))
    for broken in (np.zeros((4, 4)), np.full((4, 4), np.nan), np.diag([2.0, 2.0, 2.0, 1.0])):
        with pytest.raises(InvalidInput, match="rigid"):
            buffer.set_static("a", "c", broken)


def test_clearing_forgets_what_moves_and_keeps_what_is_fixed():
    buffer = TransformBuffer()
    buffer.set_static("base_link", "lidar", np.eye(4))
    buffer.set_moving("odom", "base_link", S, np.eye(4))
    buffer.clear()
    assert np.allclose(buffer.lookup("base_link", "lidar"), np.eye(4))
    with pytest.raises(MissingTransform):
        buffer.lookup("odom", "lidar")


def test_old_samples_are_forgotten():
    buffer = TransformBuffer(keep_ns=5 * S)
    for t in range(100):
        buffer.set_moving("odom", "base_link", t * S, shift(x=t))
    with pytest.raises(MissingTransform):
        buffer.lookup("odom", "base_link", 90 * S)
    assert buffer.lookup("odom", "base_link", 95 * S)[0, 3] == 95
