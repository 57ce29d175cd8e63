import numpy as np

from perception.core.trajectory import Trajectory
from perception.evaluation.association import interpolated, nearest, nearest_ids, poses_at, shifted
from tests.unit.evaluation.paths import curved_drive, noisy

S = 1_000_000_000


def at(*seconds: float) -> Trajectory:
    stamps = np.array([round(s * S) for s in seconds], dtype=np.int64)
    poses = np.tile(np.eye(4), (len(stamps), 1, 1))
    poses[:, 0, 3] = seconds
    return Trajectory(stamps, poses)


def test_stacked_interpolation_equals_the_single_one():
    drive = noisy(curved_drive(50), seed=1, radians=0.8)
    rng = np.random.default_rng(2)
    stamps = np.sort(rng.integers(drive.stamps_ns[0], drive.stamps_ns[-1], 200))
    np.testing.assert_allclose(poses_at(drive, stamps), np.stack([drive.at(int(t)) for t in stamps]), atol=1e-9)


def test_interpolation_between_equal_rotations_is_exact():
    drive = at(0.0, 1.0, 2.0)
    np.testing.assert_array_equal(poses_at(drive, np.array([S // 4]))[0, :3, 3], [0.25, 0.0, 0.0])


def test_reference_poses_outside_the_estimate_stay_unmatched():
    pairs = interpolated(at(1.0, 2.0, 3.0), at(0.5, 1.0, 1.5, 3.0, 3.5), max_gap_ns=0)
    assert pairs.stamps_ns.tolist() == [S, 3 * S // 2, 3 * S]
    assert pairs.num_unmatched == 2
    np.testing.assert_allclose(pairs.estimate[:, 0, 3], [1.0, 1.5, 3.0])


def test_a_long_silence_of_the_estimate_is_not_bridged():
    estimate, reference = at(0.0, 1.0, 5.0, 6.0), at(0.5, 1.0, 3.0, 5.0, 5.5)
    pairs = interpolated(estimate, reference, max_gap_ns=2 * S)
    assert pairs.stamps_ns.tolist() == [S // 2, S, 5 * S, 11 * S // 2]
    assert interpolated(estimate, reference, max_gap_ns=0).num_unmatched == 0


def test_nearest_matches_every_pose_of_the_shorter_list():
    pairs = nearest(at(0.104, 0.31), at(0.0, 0.1, 0.2, 0.3), max_difference_ns=5_000_000)
    assert pairs.reference[:, 0, 3].tolist() == [0.1]
    assert pairs.num_unmatched == 1
    swapped = nearest(at(0.0, 0.1, 0.2, 0.3), at(0.104, 0.31), max_difference_ns=5_000_000)
    assert swapped.estimate[:, 0, 3].tolist() == [0.1]
    assert swapped.reference[:, 0, 3].tolist() == [0.104]


def test_the_earlier_of_two_equally_near_stamps_wins():
    assert nearest_ids(np.array([0, 10, 20]), np.array([-5, 5, 14, 99])).tolist() == [0, 0, 1, 2]


def test_empty_and_single_trajectories_have_defined_pairs():
    empty, single, drive = at(), at(1.0), at(0.0, 1.0, 2.0)
    assert len(interpolated(empty, drive, 0)) == 0
    assert interpolated(drive, empty, 0).num_unmatched == 0
    assert interpolated(single, drive, S).stamps_ns.tolist() == [S]
    assert len(nearest(empty, drive, S)) == 0


def test_offset_is_added_to_the_stamps():
    assert shifted(at(1.0, 2.0), -0.25).stamps_ns.tolist() == [3 * S // 4, 7 * S // 4]
