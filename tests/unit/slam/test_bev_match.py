import numpy as np
import pytest

from slam.bev_match import Expected, Sight, change_along, common_shift, pairs_near

ALONG_X, ALONG_Y = np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]])  # column and row


def sight(pixels, descriptors=None, side=60):
    pixels = np.array(pixels, dtype=np.float64).reshape(-1, 2)
    standing = np.zeros((side, side), dtype=bool)
    standing[tuple(pixels.astype(int).T[::-1])] = True
    descriptors = np.eye(len(pixels), 64, dtype=np.float32) if descriptors is None else descriptors
    return Sight(pixels, descriptors, standing)


def test_a_wall_changes_across_itself_and_not_along():
    wall = sight([[30, row] for row in range(60)])
    middle = slice(15, 45)
    assert change_along(wall, ALONG_X)[middle].max() == 0.0
    assert change_along(wall, ALONG_Y)[middle].min() == 1.0
    np.testing.assert_array_equal(change_along(wall, np.concatenate([ALONG_X, ALONG_Y]))[middle], 0.0)


def test_a_pillar_at_a_wall_and_the_end_of_a_wall_change_along_it():
    wall = sight([[30, row] for row in range(10, 60)] + [[31, 40], [32, 40]])
    change = change_along(wall, ALONG_X)
    assert change[-1] > 0.1
    assert change[0] > 0.1
    assert change[15] == 0.0


def test_keypoints_at_the_rim_are_judged_too():
    assert change_along(sight([[0, 0], [59, 59]]), ALONG_X).tolist() == [1.0, 1.0]
    assert len(change_along(sight([]), ALONG_X)) == 0


def expected(before, shift, reach=3.0):
    return Expected(before.pixels + shift, before.pixels, reach)


def test_keypoints_are_found_where_the_prediction_has_them():
    before = sight([[10, 10], [20, 20], [30, 40]])
    now = sight(before.pixels[::-1] + np.array([0, 7]), before.descriptors[::-1])
    assert pairs_near(now, before, expected(before, [1.0, 6.0]), 1.5)[0].tolist() == [[0, 2], [1, 1], [2, 0]]
    assert len(pairs_near(now, before, expected(before, [0.0, 1.0]), 1.5)[0]) == 0


def test_what_stays_where_it_was_is_left_out_even_where_something_else_would_do():
    before = sight([[10, 10], [10, 16]], np.eye(2, 64, dtype=np.float32))
    now = sight([[10, 10], [10, 16]], before.descriptors)
    pairs, num_still = pairs_near(now, before, expected(before, [0.0, 6.0]), 1.5)
    assert (len(pairs), num_still) == (0, 2)
    moved = sight([[10, 16], [10, 22]], before.descriptors)
    assert pairs_near(moved, before, expected(before, [0.0, 6.0]), 1.5)[0].tolist() == [[0, 0], [1, 1]]


@pytest.mark.parametrize(("here", "there"), [(0, 3), (3, 0), (0, 0)])
def test_without_keypoints_there_are_no_pairs(here, there):
    one, other = sight([[5, k] for k in range(here)]), sight([[5, k] for k in range(there)])
    assert pairs_near(one, other, expected(other, [0.0, 5.0]), 1.5)[0].shape == (0, 2)


def test_the_shift_of_most_is_found_and_the_next_best_is_counted():
    rng = np.random.default_rng(0)
    shifts = np.concatenate([[1.0, -2.0] + 0.3 * rng.normal(size=(20, 2)), [5.0, 5.0] + 0.1 * rng.normal(size=(7, 2))])
    is_agreed, others = common_shift(shifts, 1.25)
    assert is_agreed.tolist() == [True] * 20 + [False] * 7
    assert others == 7
    assert common_shift(np.zeros((0, 2)), 1.0)[1] == 0
