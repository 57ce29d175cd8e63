"""Truth of segments in space from dense depth, the match of found and true segments, and a generated recording."""

import numpy as np
import pytest

from perception.core.errors import InvalidInput
from perception.evaluation.lines_use import (
    EndPointErrors,
    RollErrors,
    end_point_errors,
    roll_errors,
    true_depths,
    true_segment_of,
)
from perception.lines.config import LinesConfig

UPRIGHT = np.array([60.0, 20.0, 60.0, 80.0])


def depth_of(left, right):
    """An image (100, 120) m that is split at column 60."""
    x, y = np.meshgrid(np.arange(120.0), np.arange(100.0))
    return np.where(x < 60.0, left(x, y), right(x, y))


def flat(z):
    return lambda x, y: np.full_like(x, z)


def test_an_edge_has_the_depth_of_the_nearer_side():
    np.testing.assert_allclose(true_depths(UPRIGHT, depth_of(flat(5.0), flat(9.0))), [5.0, 5.0])
    np.testing.assert_allclose(true_depths(UPRIGHT, depth_of(flat(9.0), flat(5.0))), [5.0, 5.0])


def test_a_crease_has_the_depth_where_its_faces_meet_although_no_pixel_does():
    faces = depth_of(
        lambda x, y: 1.0 / (0.1 - 0.001 * (60.0 - x) + 1e-4 * (y - 20)),
        lambda x, y: 1.0 / (0.1 - 0.001 * (x - 60.0) + 1e-4 * (y - 20)),
    )
    np.testing.assert_allclose(true_depths(UPRIGHT, faces), [10.0, 1.0 / 0.106], atol=0.01)


def test_an_edge_against_the_sky_has_one_side_and_one_without_a_plane_has_no_truth():
    np.testing.assert_allclose(true_depths(UPRIGHT, depth_of(flat(5.0), flat(0.0))), [5.0, 5.0])
    rng = np.random.default_rng(0)
    wild = depth_of(flat(9.0), lambda x, y: rng.uniform(2.0, 20.0, x.shape))
    assert true_depths(UPRIGHT, wild) is None


def test_a_found_segment_belongs_to_the_true_one_that_it_lies_along():
    truth = np.array([[10.0, 10.0, 110.0, 10.0], UPRIGHT])
    row, spots = true_segment_of(np.array([61.0, 65.0, 59.5, 35.0]), truth)
    assert row == 1
    np.testing.assert_allclose(spots, [0.75, 0.25])
    assert true_segment_of(np.array([66.0, 30.0, 66.0, 60.0]), truth) is None  # beside it
    assert true_segment_of(np.array([58.0, 40.0, 62.0, 50.0]), truth) is None  # across it
    assert true_segment_of(np.array([60.0, 60.0, 60.0, 95.0]), truth) is None  # beyond its end
    assert true_segment_of(UPRIGHT, np.zeros((0, 4))) is None


def test_errors_are_pooled_and_their_medians_are_those_of_the_range_that_is_asked_for():
    ends = EndPointErrors(errors=[0.01, 0.03, 5.0], depths=[9.0, 11.0, 20.0])
    ends.extend(EndPointErrors(errors=[0.05], depths=[10.0]))
    assert (ends.median(), ends.count()) == (pytest.approx(0.03), 3)
    assert np.isnan(ends.median(50.0, 60.0))
    rolls = RollErrors(roll=[-0.2, 0.1], pitch=[0.0, 0.0], num_images=3)
    rolls.extend(RollErrors(roll=[0.4], pitch=[1.0], num_images=1))
    assert (rolls.median_roll, rolls.num_none) == (pytest.approx(0.2), 1)
    assert np.isnan(RollErrors().median_roll)


def test_a_folder_that_is_no_recording_is_refused(tmp_path):
    with pytest.raises(InvalidInput):
        roll_errors(tmp_path)


@pytest.mark.long
def test_on_a_held_out_world_roll_and_ends_in_space_reach_their_targets(tmp_path):
    from perception.world.config import WorldConfig
    from perception.world.synth import synthesise

    fields = {"seed": 1_004_902, "route": "office", "duration": 2.0, "rest": 0.5}
    config = WorldConfig.model_validate({**fields, "cameras": {"has_front": True, "rate": 2}})
    folder = tmp_path / "office"
    synthesise(folder, config, lambda done, total: None, False, ("lines", "pixels"))
    lines = LinesConfig(detector="lsd")
    assert roll_errors(folder, lines).median_roll <= 1.0
    ends = end_point_errors(folder, lines)
    assert ends.count(0.0, 100.0) > 50
    assert ends.median(0.0, 12.0) <= 0.05
