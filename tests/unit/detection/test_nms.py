import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.core.errors import InvalidInput
from perception.detection.boxes import overlaps
from perception.detection.decode import decode
from perception.detection.nms import NmsConfig, detections, detections_from_outputs
from tests.unit.detection.test_decode import outputs


def points(*rows: tuple[float, ...]) -> np.ndarray:
    """Decoded points (4 + classes, A) from rows cx, cy, w, h, scores."""
    return np.array(rows, dtype=np.float32).T


PAIR = points((50, 50, 40, 40, 0.9, 0.0), (52, 50, 40, 40, 0.0, 0.8), (51, 50, 40, 40, 0.7, 0.6))


def test_boxes_of_one_class_suppress_each_other_and_those_of_another_do_not():
    found = detections(PAIR, NmsConfig())
    assert found.classes.tolist() == [0, 1]
    assert found.scores == pytest.approx([0.9, 0.8])
    assert found.corners[0].tolist() == [30, 30, 70, 70]


def test_without_regard_to_classes_one_box_remains():
    assert len(detections(PAIR, NmsConfig(is_class_agnostic=True))) == 1


def test_with_many_labels_a_box_counts_for_every_class():
    apart = points((20, 20, 10, 10, 0.9, 0.5), (90, 90, 10, 10, 0.3, 0.2))
    found = detections(apart, NmsConfig(is_multi_label=True))
    assert list(zip(found.classes.tolist(), found.corners[:, 0].tolist())) == [(0, 15.0), (1, 15.0), (0, 85.0)]


def test_only_the_asked_classes_are_reported_and_unknown_ones_refused():
    assert detections(PAIR, NmsConfig(classes=(1,))).classes.tolist() == [1]
    with pytest.raises(InvalidInput, match=r"\[2\] are unknown"):
        detections(PAIR, NmsConfig(classes=(1, 2)))


def test_equal_scores_are_ordered_by_point():
    apart = points((20, 20, 10, 10, 0.5), (60, 60, 10, 10, 0.5), (90, 90, 10, 10, 0.6))
    assert detections(apart, NmsConfig()).corners[:, 0].tolist() == [85, 15, 55]


def test_candidates_and_detections_are_limited_to_the_best():
    rng = np.random.default_rng(0)
    many = points(*[(20.0 * n, 50, 10, 10, score) for n, score in enumerate(rng.uniform(0.3, 1, 50))])
    best = np.sort(many[4])[::-1]
    assert np.array_equal(detections(many, NmsConfig(max_detections=7)).scores, best[:7])
    assert np.array_equal(detections(many, NmsConfig(max_candidates=9)).scores, best[:9])


def test_points_that_are_not_finite_never_become_boxes():
    bad = points((np.nan, 50, 40, 40, 0.9), (50, 50, 40, 40, np.nan), (np.inf, 9, 4, 4, 0.9), (20, 20, 4, 4, 0.5))
    assert detections(bad, NmsConfig()).scores.tolist() == [0.5]


def test_nothing_in_gives_nothing_out():
    assert len(detections(np.zeros((6, 0), dtype=np.float32), NmsConfig())) == 0
    assert len(detections(PAIR, NmsConfig(score_threshold=1.0))) == 0
    with pytest.raises(InvalidInput, match="4 rows"):
        detections(np.zeros((4, 3), dtype=np.float32), NmsConfig())


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 2**32), st.integers(1, 4), st.booleans(), st.booleans(), st.sampled_from([0.0, 1e-8, 0.3, 0.9, 1.0])
)
def test_candidates_decoded_alone_are_those_of_the_whole_decoding(seed, num_classes, multi, agnostic, threshold):
    levels = outputs(num_classes, seed=seed)
    config = NmsConfig(score_threshold=threshold, is_multi_label=multi, is_class_agnostic=agnostic)
    whole, sieved = detections(decode(levels), config), detections_from_outputs(levels, config)
    assert np.array_equal(whole.classes, sieved.classes)
    assert whole.scores == pytest.approx(sieved.scores, abs=1e-6)
    assert whole.corners == pytest.approx(sieved.corners, abs=1e-3)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32), st.sampled_from([0.1, 0.5, 0.7]))
def test_what_remains_overlaps_less_than_the_threshold_and_comes_best_first(seed, threshold):
    found = detections(decode(outputs(2, seed=seed)), NmsConfig(score_threshold=0.2, iou_threshold=threshold))
    assert (np.diff(found.scores) <= 0).all()
    same = (found.classes[:, None] == found.classes) & ~np.eye(len(found), dtype=bool)
    assert (overlaps(found.corners, found.corners)[same] <= threshold + 1e-3).all()  # shifted boxes: 2^-11 px
