from pathlib import Path

import numpy as np
import pytest

from perception.core.errors import InvalidInput
from perception.core.geometry import exp_so3, transform
from perception.core.trajectory import Trajectory
from perception.io.trajectories import kitti_poses, parse_stamp, read_trajectory, write_kitti, write_tum


def wiggle(count: int) -> Trajectory:
    rng = np.random.default_rng(1)
    poses = np.stack([transform(exp_so3(rng.normal(size=3)), rng.normal(size=3) * 50) for _ in range(count)])
    return Trajectory(1_700_000_000_123_456_789 + np.arange(count, dtype=np.int64) * 100_000_001, poses)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "poses.txt"
    path.write_text(text)
    return path


def test_tum_keeps_every_nanosecond_and_the_poses(tmp_path):
    trajectory = wiggle(20)
    write_tum(tmp_path / "a.tum", trajectory)
    back = read_trajectory(tmp_path / "a.tum")
    assert (back.stamps_ns == trajectory.stamps_ns).all()
    assert np.abs(back.poses - trajectory.poses).max() < 1e-8


def test_kitti_rows_come_back_at_ten_hertz_or_at_the_given_times(tmp_path):
    poses = wiggle(5).poses
    write_kitti(tmp_path / "p.txt", poses)
    (tmp_path / "times.txt").write_text("1.5\n2.5\n3.25\n4.000000001\n5e0\n")
    back = read_trajectory(tmp_path / "p.txt")
    assert back.stamps_ns.tolist() == [0, 100_000_000, 200_000_000, 300_000_000, 400_000_000]
    assert np.abs(back.poses - poses).max() < 1e-7
    timed = read_trajectory(tmp_path / "p.txt", tmp_path / "times.txt")
    assert timed.stamps_ns.tolist() == [1_500_000_000, 2_500_000_000, 3_250_000_000, 4_000_000_001, 5_000_000_000]
    assert (kitti_poses(tmp_path / "p.txt") == back.poses).all()


def test_euroc_has_the_scalar_part_first_and_nanoseconds(tmp_path):
    path = written(tmp_path, "#t,px,py,pz,qw,qx,qy,qz,vx\n1403715273262142976,1,2,3,1,0,0,0,9\n")
    back = read_trajectory(path)
    assert back.stamps_ns.tolist() == [1403715273262142976]
    assert np.allclose(back.poses[0], transform(np.eye(3), np.array([1.0, 2.0, 3.0])))


@pytest.mark.parametrize(
    ("text", "stamp_ns"),
    [
        ("1305031098.6659", 1305031098665900000),
        ("1.311868164363600016e+09", 1311868164363600016),
        ("0.0000000015", 2),
        ("-1.25", -1250000000),
        ("7", 7_000_000_000),
    ],
)
def test_stamps_are_read_from_their_digits_not_through_a_float(text, stamp_ns):
    assert parse_stamp(text, "here") == stamp_ns


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no pose"),
        ("1 2 3\n", r"poses.txt:1: expected 8 columns"),
        ("1 0 0 0 0 0 0 1\n2 0 0 0 0 0 0\n", r"poses.txt:2: expected 8 columns as in the first row, got 7"),
        ("1 0 0 0 0 0 0 1\n2 0 0 x 0 0 0 1\n", r"poses.txt:2: .*'x'"),
        ("1 0 0 nan 0 0 0 1\n", r"poses.txt:1: .*not finite"),
        ("# c\n1 0 0 0 0 0 0 0\n", r"poses.txt:2: its quaternion has length 0"),
        ("2 0 0 0 0 0 0 1\n2 0 0 0 0 0 0 1\n", r"poses.txt:2: its stamp is not after"),
        ("noon 0 0 0 0 0 0 1\n", r"poses.txt:1: expected a time in seconds, got 'noon'"),
        ("1e300 0 0 0 0 0 0 1\n", r"poses.txt:1: time '1e300' does not fit"),
        ("nan 0 0 0 0 0 0 1\n", r"poses.txt:1: expected a time"),
        ("2 0 0 0 0 1 0 0 0 0 1 0\n", r"poses.txt:1: .*no rotation"),
    ],
)
def test_a_broken_file_is_refused_by_its_line(tmp_path, text, message):
    with pytest.raises(InvalidInput, match=message):
        read_trajectory(written(tmp_path, text))


def test_the_wrong_number_of_times_is_refused(tmp_path):
    write_kitti(tmp_path / "p.txt", wiggle(3).poses)
    (tmp_path / "times.txt").write_text("1\n2\n")
    with pytest.raises(InvalidInput, match=r"times.txt: expected 3 times"):
        read_trajectory(tmp_path / "p.txt", tmp_path / "times.txt")


def test_a_missing_or_binary_file_is_refused(tmp_path):
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\x00\x80")
    for name in ("b.txt", "none.txt"):
        with pytest.raises(InvalidInput, match=name):
            read_trajectory(tmp_path / name)


def test_no_pose_is_written_as_an_empty_file(tmp_path):
    write_tum(tmp_path / "e.tum", Trajectory(np.zeros(0, np.int64), np.zeros((0, 4, 4))))
    assert (tmp_path / "e.tum").read_text() == ""
