import math

import numpy as np
import pytest

from perception.lines.segments import FoundLines
from perception.lines.selection import Selection, merged, selected, validated


def lines(*rows, scores=None):
    segments = np.array(rows, dtype=np.float32).reshape(-1, 4)
    scores = np.linspace(0.9, 0.5, len(segments)) if scores is None else scores
    return FoundLines(segments, np.array(scores, dtype=np.float32))


def test_the_default_keeps_all():
    found = lines([0, 0, 1, 0], [5, 5, 9, 9])
    assert selected(found, Selection()) is found


def test_score_length_and_number_decide_best_first():
    found = lines([0, 0, 9, 0], [0, 5, 1, 5], [0, 9, 9, 9], [0, 20, 9, 20], scores=[0.9, 0.8, 0.7, 0.4])
    assert selected(found, Selection(min_score=0.5, min_length=5)).segments[:, 1].tolist() == [0, 9]
    assert selected(found, Selection(max_segments=1)).scores.tolist() == pytest.approx([0.9])


@pytest.mark.parametrize("angle", [0.0, 0.7, 2.0])
def test_collinear_neighbours_become_one_whatever_their_order_and_sense(angle):
    cos, sin = math.cos(angle), math.sin(angle)
    turn = np.array([[cos, sin], [-sin, cos]])
    ends = np.array([[0, 0, 50, 0], [104, 1, 52, 0.5], [106, 1, 130, 1]]).reshape(-1, 2, 2) @ turn + 200
    for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0]):
        found = merged(lines(*ends[order].reshape(-1, 4), scores=[0.8, 0.8, 0.8]))
        assert len(found) == 1
        assert np.hypot(*(found.segments[0, 2:] - found.segments[0, :2])) == pytest.approx(130, abs=1)
        assert found.scores[0] == pytest.approx(0.8)


@pytest.mark.parametrize(
    "other",
    [[60, 0, 90, 0], [51, 3, 80, 3], [51, 0, 80, 4], [20, 5, 20, 25]],
    ids=["gap", "aside", "angle", "across"],
)
def test_segments_that_are_no_neighbours_stay_apart(other):
    assert len(merged(lines([0, 0, 50, 0], other))) == 2


def test_segments_without_length_and_none_at_all_pass():
    assert len(merged(lines())) == 0
    assert len(merged(lines([3, 3, 3, 3], [3, 3, 3, 3]))) == 2
    angle = np.zeros((8, 8), dtype=np.float32)
    assert len(validated(lines([3, 3, 3, 3], [-50, -50, -40, -40]), angle, 0.05, 0.0)) == 0


def test_validation_counts_aligned_directions():
    angle = np.random.default_rng(0).uniform(0, 1, (60, 80)).astype(np.float32)
    angle[20:23] = 1.0
    found = validated(lines([5, 21, 70, 21], [5, 40, 70, 40]), angle, 0.05, 0.0)
    assert found.segments[:, 1].tolist() == [21]
