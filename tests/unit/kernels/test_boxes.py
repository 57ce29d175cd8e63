import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from perception.kernels import boxes as kernels

unhurried = settings(deadline=None, max_examples=60)  # the first call of a kernel compiles it

SCORES = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 5), st.integers(0, 9)),
    elements=st.sampled_from([0.0, 0.25, 0.26, 0.5, 1.0, -np.inf, np.inf, np.nan]),
)
BOXES = hnp.arrays(
    np.float32, st.tuples(st.integers(0, 12), st.just(4)), elements=st.floats(-50, 700, width=32, allow_subnormal=False)
)
ALLOWED = st.lists(st.booleans(), min_size=5, max_size=5)


def assert_equal_pairs(have, want):
    for ours, theirs in zip(have, want, strict=True):
        assert ours.dtype == np.int64
        assert np.array_equal(ours, theirs)


@unhurried
@given(SCORES, ALLOWED, st.sampled_from([-np.inf, 0.0, 0.25, 1.0]))
def test_candidates_are_those_of_the_definition(scores, allowed, threshold):
    mask = np.array(allowed[: len(scores)])
    arguments = scores, mask, threshold
    assert_equal_pairs(kernels.best_classes(*arguments), kernels.best_classes_reference(*arguments))
    assert_equal_pairs(kernels.all_classes(*arguments), kernels.all_classes_reference(*arguments))


def test_a_score_equal_to_the_threshold_is_no_candidate_and_the_first_of_equal_classes_wins():
    scores = np.array([[0.25, 0.3, 0.1], [0.25, 0.3, 0.26]], dtype=np.float32)
    points, classes = kernels.best_classes(scores, np.ones(2, dtype=bool), 0.25)
    assert (points.tolist(), classes.tolist()) == ([1, 2], [0, 1])


def test_a_point_whose_best_class_is_not_asked_for_is_left_out():
    scores = np.array([[0.9, 0.2], [0.8, 0.7]], dtype=np.float32)
    only_second = np.array([False, True])
    assert kernels.best_classes(scores, only_second, 0.1)[0].tolist() == [1]
    assert kernels.all_classes(scores, only_second, 0.1)[0].tolist() == [0, 1]


@unhurried
@given(BOXES, st.sampled_from([0.0, 0.45, 0.7, 1.0]), st.integers(0, 12))
def test_what_remains_is_what_the_definition_keeps_for_any_boxes(boxes, threshold, limit):
    assert np.array_equal(
        kernels.suppress(boxes, threshold, limit), kernels.suppress_reference(boxes, threshold, limit)
    )


@pytest.mark.parametrize("seed", range(3))
def test_what_remains_is_what_the_definition_keeps_in_crowds(seed):
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 80, (400, 2))
    boxes = np.hstack([low, low + rng.uniform(10, 60, (400, 2))]).astype(np.float32)
    kept = kernels.suppress(boxes, 0.5, 300)
    assert np.array_equal(kept, kernels.suppress_reference(boxes, 0.5, 300))
    assert 5 < len(kept) < 300


def test_an_overlap_equal_to_the_threshold_survives():
    boxes = np.array([[0, 0, 2, 2], [0, 0, 2, 1], [0, 0, 2, 1.01]], dtype=np.float32)  # IoU 0.5 and 0.505
    assert kernels.suppress(boxes, 0.5, 10).tolist() == [0, 1]


def test_warming_up_compiles_for_scores_that_may_not_be_written_to():
    kernels.warm_up()
    compiled = [len(kernel.signatures) for kernel in (kernels._best_classes, kernels._all_classes, kernels._suppress)]
    scores = np.full((2, 3), 0.9, dtype=np.float32)
    scores.flags.writeable = False
    for select in (kernels.best_classes, kernels.all_classes):
        select(scores, np.ones(2, dtype=bool), 0.5)
    assert compiled == [2, 2, 1]
    assert [len(kernels._best_classes.signatures), len(kernels._all_classes.signatures)] == [2, 2]


@unhurried
@given(
    hnp.arrays(np.float32, (64, 12), elements=st.floats(-40, 40, width=32)),
    st.lists(st.integers(0, 11), max_size=12),
    st.sampled_from([8, 16, 32]),
)
def test_corners_are_those_of_the_definition(logits, points, stride):
    points = np.array(points, dtype=np.int64)
    have, want = (f(logits, points, 4, stride) for f in (kernels.corners, kernels.corners_reference))
    assert have.dtype == want.dtype == np.float32
    assert have.shape == want.shape == (len(points), 4)
    np.testing.assert_allclose(have, want, atol=1e-3)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_corners_are_not_finite_where_a_logit_is_not(value):
    logits = np.zeros((64, 2), dtype=np.float32)
    logits[5, 1] = value
    points = np.array([0, 1])
    for corners in (kernels.corners(logits, points, 2, 8), kernels.corners_reference(logits, points, 2, 8)):
        assert np.isfinite(corners[0]).all()
        assert not np.isfinite(corners[1]).all()
