"""F^H and sAP on drawings small enough to count by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.core.errors import InvalidInput
from perception.evaluation.lines import (
    HEAT_THRESHOLDS,
    ImageLines,
    area,
    drawn_pixels,
    heat_f_score,
    structural_ap,
    thresholds_for,
)

SIZE = (128, 128)  # px: the grid of sAP, too
NONE = np.zeros((0, 4), dtype=np.float32)


def image(truth, segments, scores=None, size=SIZE, name="a") -> ImageLines:
    arrays = [np.array(part, dtype=np.float32).reshape(-1, 4) for part in (truth, segments)]
    scores = np.ones(len(arrays[1])) if scores is None else np.array(scores)
    return ImageLines(name, size, *arrays, scores.astype(np.float32))


def test_a_segment_has_as_many_pixels_as_it_is_long():
    pixels, owners = drawn_pixels(np.array([[10, 20, 15, 20], [3, 3, 3, 3], [5, 9.4, 5, 5.2]]), 0.0, SIZE)
    assert pixels[owners == 0].tolist() == [
        [20, 10],
        [20, 11],
        [20, 13],
        [20, 14],
        [20, 15],
    ]  # 5 samples, ends included
    assert pixels[owners == 1].tolist() == [[3, 3]]
    assert pixels[owners == 2].tolist() == [[9, 5], [8, 5], [7, 5], [6, 5], [5, 5]]


def test_what_reaches_beyond_the_border_is_drawn_on_it():
    pixels, _ = drawn_pixels(np.array([[-5.0, 200.0, 300.0, 200.0]]), 0.0, SIZE)
    assert pixels.min(axis=0).tolist() == [127, 0]
    assert pixels.max(axis=0).tolist() == [127, 127]


def test_halves_are_rounded_upwards():
    pixels, _ = drawn_pixels(np.array([[1.0, 2.0, 1.0, 2.0], [2.0, 3.0, 2.0, 3.0]]), 0.5, SIZE)
    assert pixels.tolist() == [[2, 1], [3, 2]]


def test_half_of_the_truth_found_and_half_of_the_found_true_is_half():
    truth = [[10, 20, 50, 20], [10, 80, 50, 80]]
    found = [[10, 20, 50, 20], [90, 100, 90, 60]]
    scores = heat_f_score([image(truth, found)], np.zeros(1))
    assert scores.asked.tolist() == [80]
    assert scores.found.tolist() == [[80]]
    assert scores.matched.tolist() == [[40]]
    assert scores.precision[0] == scores.recall[0] == scores.f_score == 0.5


def test_pixels_match_within_a_hundredth_of_the_diagonal():
    for distance, share in ((1.0, 1.0), (1.5, 0.0)):  # 1.81 px for 128x128; 0.5 px is taken before rounding
        moved = [[10, 20 + distance + 0.75, 50, 20 + distance + 0.75]]
        scores = heat_f_score([image([[10, 20, 50, 20]], moved)], np.zeros(1))
        assert scores.recall[0] == share


def test_two_found_lines_beside_one_true_one_count_once():
    scores = heat_f_score([image([[10, 20, 50, 20]], [[10, 20, 50, 20], [10, 21, 50, 21]])], np.zeros(1))
    assert scores.recall[0] == 1.0
    assert scores.precision[0] == 0.5


def test_every_threshold_gives_what_it_gives_alone():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 127, (12, 4)).astype(np.float32)
    segments = np.vstack([truth + rng.normal(0, 1.5, truth.shape), rng.uniform(0, 127, (12, 4))])
    one = image(truth, segments, rng.uniform(0.3, 1.0, 24))
    whole = heat_f_score([one], HEAT_THRESHOLDS)
    for row, threshold in enumerate(HEAT_THRESHOLDS):
        alone = heat_f_score([one.above(threshold)], np.zeros(1))
        assert whole.matched[0, row] == alone.matched[0, 0]
        assert whole.found[0, row] == alone.found[0, 0]


def test_the_best_threshold_decides():
    scores = heat_f_score(
        [image([[10, 20, 50, 20]], [[10, 20, 50, 20], [10, 90, 50, 90]], [0.8, 0.5])], [0.4, 0.6, 0.9]
    )
    assert scores.f_scores.tolist() == [pytest.approx(2 / 3), 1.0, 0.0]
    assert (scores.best, scores.f_score) == (1, 1.0)
    assert scores.average_precision == 1.0
    assert scores.precision.tolist() == [0.5, 1.0, 1.0]


def test_images_without_lines_on_either_side_are_no_error():
    empty = image(NONE, NONE)
    scores = heat_f_score([empty, image(NONE, [[1, 1, 9, 9]]), image([[1, 1, 9, 9]], NONE)], np.zeros(1))
    assert scores.f_score == 0.0
    assert scores.of_images(0).tolist() == [0.0, 0.0, 0.0]
    assert structural_ap([empty]) == {5: 0.0, 10: 0.0, 15: 0.0}
    assert heat_f_score([], np.zeros(1)).f_score == 0.0
    assert structural_ap([]) == {5: 0.0, 10: 0.0, 15: 0.0}
    assert thresholds_for([empty]).tolist() == [0.0]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_truth_as_found_is_perfect_however_ends_are_ordered(seed: int):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(1, 126, (rng.integers(1, 15), 4)).astype(np.float32)
    swapped = truth[:, [2, 3, 0, 1]]
    assert structural_ap([image(truth, swapped)]) == {5: 1.0, 10: 1.0, 15: 1.0}
    assert heat_f_score([image(truth, swapped)], np.zeros(1)).f_score > 0.9  # rounding moves some pixels


def test_ends_must_be_near_in_sum_of_squares_of_the_grid():
    truth = [[20, 20, 60, 20]]
    for shift, hits in (
        (2.2, {5: 1.0, 10: 1.0, 15: 1.0}),
        (2.3, {5: 0.0, 10: 1.0, 15: 1.0}),
        (3.5, {5: 0, 10: 0, 15: 1}),
    ):
        assert structural_ap([image(truth, [[20, 20 + shift, 60, 20]])]) == hits
    wide = image([[40, 20, 120, 20]], [[44.6, 20, 120, 20]], size=(256, 128))  # 4.6 px are 2.3 of the grid
    assert structural_ap([wide]) == {5: 0.0, 10: 1.0, 15: 1.0}


def test_a_second_segment_on_the_same_line_is_wrong_even_if_it_is_nearer():
    truth = [[20, 20, 60, 20], [20, 60, 60, 60]]
    found = [[20, 21, 60, 20], [20, 20, 60, 20], [20, 60, 60, 60]]
    assert structural_ap([image(truth, found, [0.9, 0.8, 0.7])])[5] == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_segments_of_all_images_are_ranked_together():
    right, wrong = (
        image([[20, 20, 60, 20]], [[20, 20, 60, 20]], [0.2]),
        image([[9, 9, 90, 9]], [[9, 90, 90, 90]], [0.9]),
    )
    assert structural_ap([right, wrong])[10] == pytest.approx(0.25)


def test_the_area_takes_the_best_precision_at_no_less_recall():
    assert area(np.array([0.0, 0.5, 0.5, 1.0]), np.array([1.0, 0.4, 0.8, 0.6])) == pytest.approx(0.5 * 0.8 + 0.5 * 0.6)
    assert area(np.zeros(0), np.zeros(0)) == 0.0


def test_unknown_scores_get_thresholds_that_leave_out_equal_shares():
    one = image(NONE, np.zeros((100, 4)), np.arange(100.0) ** 2)
    thresholds = thresholds_for([one], 4)
    assert thresholds.tolist() == [0.0, 24.0**2, 49.0**2, 74.0**2]
    assert thresholds_for([image(NONE, np.zeros((3, 4)), np.ones(3))]).tolist() == [1.0]


def test_arrays_of_other_shapes_are_refused():
    with pytest.raises(InvalidInput, match="segments"):
        ImageLines("a", SIZE, NONE, np.zeros((2, 5), dtype=np.float32), np.zeros(2, dtype=np.float32))
    with pytest.raises(InvalidInput, match="scores"):
        ImageLines("a", SIZE, NONE, NONE, np.zeros(2, dtype=np.float32))
