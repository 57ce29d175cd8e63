import numpy as np
import pytest

from perception.core.errors import InvalidInput
from perception.evaluation.places import judge_places, wilson
from perception.evaluation.polar_heights import NUM_SECTORS, polar_heights, polar_similarity

ALL = np.ones((4, 3), dtype=bool)
DISTANCES = np.array([[1, 50, 50], [50, 2, 50], [50, 50, 3], [50, 60, 70]], dtype=float)


def test_scores_by_hand():
    similarity = np.array([[0.9, 0.1, 0.1], [0.2, 0.8, 0.1], [0.7, 0.1, 0.5], [0.1, 0.1, 0.6]])
    scores = judge_places(similarity, DISTANCES, ALL, 5.0)
    assert (scores.num_queries, scores.recall_at_1) == (3, pytest.approx(2 / 3))
    np.testing.assert_allclose(scores.precisions, [1, 1, 2 / 3, 2 / 4])
    np.testing.assert_allclose(scores.recalls, [1 / 3, 2 / 3, 2 / 3, 2 / 3])
    assert scores.recall_at_full_precision == pytest.approx(2 / 3)


def test_pairs_that_are_not_eligible_neither_help_nor_harm():
    similarity = np.array([[0.9, 0.95, 0.1]])
    eligible = np.array([[True, False, True]])
    assert judge_places(similarity, DISTANCES[:1], eligible, 5.0).recall_at_1 == 1.0
    with pytest.raises(InvalidInput, match="no query"):
        judge_places(similarity, DISTANCES[:1], ~eligible, 5.0)


def test_a_wrong_answer_that_is_the_surest_leaves_no_recall_at_full_precision():
    similarity = np.array([[0.5, 0.1, 0.1], [0.2, 0.4, 0.1], [0.1, 0.1, 0.5], [0.1, 0.1, 0.9]])
    scores = judge_places(similarity, DISTANCES, ALL, 5.0)
    assert (scores.recall_at_1, scores.recall_at_full_precision) == (1.0, 0.0)


def test_all_right_is_full_recall_at_full_precision():
    scores = judge_places(-DISTANCES[:3], DISTANCES[:3], ALL[:3], 5.0)
    assert scores.recall_at_full_precision == 1.0
    assert scores.interval[1] == 1.0


def test_wilsons_interval_is_that_of_textbooks():
    np.testing.assert_allclose(wilson(8, 10), (0.4902, 0.9433), atol=1e-4)
    assert wilson(0, 5)[0] == pytest.approx(0.0, abs=1e-12)


def test_polar_heights_find_a_turned_place_among_others():
    rng = np.random.default_rng(0)
    clouds = [rng.normal(0, 15, (400, 3)).astype(np.float32) for _ in range(5)]
    turn = 2 * np.pi * 13 / NUM_SECTORS
    R = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]], dtype=np.float32)
    stored = np.stack([polar_heights(cloud) for cloud in clouds])
    queries = np.stack([polar_heights(cloud @ R.T) for cloud in clouds])
    similarity = polar_similarity(queries, stored)
    np.testing.assert_array_equal(similarity.argmax(axis=1), np.arange(5))
    assert np.diag(similarity).min() > 0.9
