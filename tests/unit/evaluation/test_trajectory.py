import json

import numpy as np
import pytest

from perception.core.errors import ConfigError, InvalidInput
from perception.core.geometry import exp_so3, transform
from perception.core.trajectory import Trajectory
from perception.evaluation.trajectory import (
    Options,
    all_pairs,
    consecutive_pairs,
    evaluate,
    frame_pairs,
    path_lengths,
    rotation_angles_deg,
    segment_pairs,
    statistics,
)
from tests.unit.evaluation.paths import curved_drive, moved, noisy, straight_drive

T = transform(exp_so3(np.array([0.3, -0.2, 2.5])), np.array([10.0, -4.0, 1.5]))


def test_statistics_by_hand():
    found = statistics(np.array([1.0, 2.0, 3.0, 6.0]))
    assert (found.mean, found.median, found.min, found.max, found.sse, found.count) == (3.0, 2.5, 1.0, 6.0, 50.0, 4)
    assert found.rmse == pytest.approx(np.sqrt(12.5))
    assert found.std == pytest.approx(np.sqrt(3.5))


def test_statistics_of_nothing_are_null_in_json():
    assert statistics(np.zeros(0)).to_json()["rmse"] is None


@pytest.mark.parametrize("angle_deg", [0.0, 1e-7, 1.0, 90.0, 179.999999, 180.0])
def test_rotation_angles_are_exact_at_both_ends(angle_deg: float):
    R = exp_so3(np.radians(angle_deg) * np.array([0.6, 0.0, 0.8]))
    assert rotation_angles_deg(transform(R, np.zeros(3))[None])[0] == pytest.approx(angle_deg, abs=1e-11)


def test_equal_trajectories_have_no_error():
    found = evaluate(moved(curved_drive(), T), curved_drive())
    assert found.ape_translation.max < 1e-9
    assert found.ape_rotation_deg.max < 1e-6
    assert found.rpe_frames_translation.max < 1e-9
    assert found.t_rel_percent < 1e-9


def test_a_body_that_is_offset_has_no_error_when_its_place_is_given():
    reference = curved_drive()
    T_ref_est = transform(exp_so3(np.array([0.1, 0.2, -0.7])), np.array([1.0, 0.5, -0.3]))
    estimate = Trajectory(reference.stamps_ns, reference.poses @ T_ref_est)
    assert evaluate(estimate, reference).ape_translation.rmse > 0.01
    found = evaluate(estimate, reference, Options(align="none", T_est_ref=np.linalg.inv(T_ref_est)))
    assert found.ape_translation.max < 1e-9
    assert found.ape_rotation_deg.max < 1e-6


def test_an_estimate_on_a_late_clock_has_no_error_when_the_offset_is_given():
    reference = curved_drive()
    late = Trajectory(reference.stamps_ns + 300_000_000, reference.poses)
    assert evaluate(late, reference, Options(align="none")).ape_translation.mean == pytest.approx(3.0, rel=0.02)
    assert evaluate(late, reference, Options(align="none", offset=-0.3)).ape_translation.max == 0.0


def test_a_scale_error_shows_as_percent_of_every_segment_length():
    reference = straight_drive(1001)
    poses = reference.poses.copy()
    poses[:, 0, 3] *= 1.02
    found = evaluate(Trajectory(reference.stamps_ns, poses), reference, Options(align="origin"))
    assert [s.length for s in found.segments] == [100.0, 200.0, 300.0, 400.0, 500.0, 600.0, 700.0, 800.0]
    for segment in found.segments:  # a segment ends at the first pose beyond its length, one metre later
        assert segment.translation_percent == pytest.approx(2.0 * (segment.length + 1.0) / segment.length, rel=1e-9)
    assert evaluate(Trajectory(reference.stamps_ns, poses), reference, Options("sim3")).ape_translation.max < 1e-6


@pytest.mark.parametrize(
    ("metres", "words", "shortest"),
    [(300, "KITTI's 100 to 800 m", 100.0), (70, "shorter than", 10.0), (6, "much", 0.5)],
)
def test_segment_lengths_follow_the_drive_and_say_so(metres: int, words: str, shortest: float):
    reference = curved_drive(metres * 10 + 1, step=0.1)
    found = evaluate(noisy(reference, seed=6), reference)
    assert words in found.segment_rule
    assert found.segments[0].length == shortest


def test_segments_start_at_every_tenth_pose_and_end_beyond_the_length():
    lengths = path_lengths(straight_drive(250).poses)
    assert segment_pairs(lengths, 100.0, 10)[:2].tolist() == [[0, 101], [10, 111]]
    assert len(segment_pairs(lengths, 100.0, 10)) == 15
    assert len(segment_pairs(lengths, 300.0, 10)) == 0


def test_pairs_by_frames_and_by_metres_by_hand():
    lengths = np.array([0.0, 4.0, 9.0, 10.5, 10.5, 21.0, 30.0])
    assert frame_pairs(7, 3).tolist() == [[0, 3], [3, 6]]
    assert consecutive_pairs(lengths, 10.0).tolist() == [[0, 3], [3, 5]]
    assert all_pairs(lengths, 10.0).tolist() == [[0, 3], [3, 5], [4, 5], [5, 6]]
    assert consecutive_pairs(lengths, 100.0).shape == (0, 2)


def test_trajectories_of_other_clocks_are_refused_with_both_spans():
    reference = curved_drive()
    other = Trajectory(reference.stamps_ns - 10**18, reference.poses)
    with pytest.raises(InvalidInput, match=r"only 0 poses .* estimate has 200 poses from 700000000\.000 .* --offset"):
        evaluate(other, reference)


def test_a_small_overlap_is_warned_about():
    reference = curved_drive()
    estimate = Trajectory(reference.stamps_ns + 15_000_000_000, reference.poses)
    found = evaluate(estimate, reference)
    assert "share only 4.9 s of 19.9 s" in found.warnings[0]
    assert found.num_unmatched == 150
    assert evaluate(reference, reference).warnings == ()


@pytest.mark.parametrize(
    "wrong", [{"align": "umeyama"}, {"rpe_frames": 0}, {"rpe_distance": float("nan")}, {"segment_lengths": (0.0,)}]
)
def test_wrong_options_are_refused_by_name(wrong: dict):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Options(**wrong)


def test_the_result_is_plain_json_with_offset_and_lever_arm():
    reference = curved_drive(8)
    found = evaluate(reference, reference, Options(offset=0.0, rpe_distance=500.0))
    values = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert values["options"]["offset"] == 0.0
    assert values["options"]["T_est_ref"] == np.eye(4).tolist()
    assert values["rpe_distance_translation"]["rmse"] is None
    assert values["num_pairs"] == 8
