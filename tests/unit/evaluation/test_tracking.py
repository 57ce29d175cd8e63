import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.core.classes import Class
from perception.core.labels import ObjectLabels
from perception.evaluation.tracking import TrackedFrame, count, frame_of, measure, scores

CAR, PERSON = int(Class.CAR), int(Class.PEDESTRIAN)
SIDE = 20.0

# Frames of drawn clips, and what TrackEval 1.3.0 says of them: HOTA, DetA, AssA, LocA, IDF1, MOTA, switches, recall.
JUDGED = {
    1: (0.323244918, 0.466592876, 0.22533979, 0.746543787, 0.509363296, 0.516014235, 20, 0.743772242),
    2: (0.35943574, 0.472411144, 0.27550269, 0.745122586, 0.58780037, 0.61754386, 10, 0.775438596),
    3: (0.455324975, 0.493610941, 0.42158911, 0.753771435, 0.747252747, 0.620209059, 9, 0.777003484),
}


def boxes_at(*places):
    low = np.array(places, dtype=np.float32).reshape(-1, 2)
    return np.hstack([low, low + np.float32(SIDE)])


def numbers(*values):
    return np.array(values, dtype=np.int64)


def same(clip, ids=None):
    """Found exactly as labelled, with other numbers where given, by image."""
    found = [frame.true_ids for frame in clip] if ids is None else ids
    return [
        TrackedFrame(f.true_boxes, f.true_ids, f.true_kinds, f.true_boxes, i, f.true_kinds) for f, i in zip(clip, found)
    ]


def two_objects(length=10):
    boxes, nothing = boxes_at((0, 0), (100, 0)), numbers()
    none = np.zeros((0, 4), dtype=np.float32)
    return [TrackedFrame(boxes, numbers(1, 2), numbers(CAR, CAR), none, nothing, nothing)] * length


def drawn(seed, num_objects=8, length=40):
    """A clip with hidden labels, missed and shaken boxes, and numbers that change."""
    rng = np.random.default_rng(seed)
    low, sizes = rng.integers(0, 120, (num_objects, 2)), rng.integers(20, 50, (num_objects, 2))
    steps, ids, kinds = rng.integers(-3, 4, (num_objects, 2)), np.arange(1, num_objects + 1), np.arange(num_objects) % 2
    clip = []
    for k in range(length):
        corners = np.hstack([low + steps * k, low + steps * k + sizes]).astype(np.float32)
        if rng.random() < 0.2:
            first, second = rng.choice(num_objects, 2, replace=False)
            ids[[first, second]] = ids[[second, first]]
        is_seen, is_found = rng.random(num_objects) < 0.9, rng.random(num_objects) < 0.8
        shaken = (corners + rng.integers(-6, 7, corners.shape)).astype(np.float32)
        truth = corners[is_seen], np.flatnonzero(is_seen) + 5, kinds[is_seen]
        clip.append(TrackedFrame(*truth, shaken[is_found], ids[is_found].copy(), kinds[is_found]))
    return clip


def values(result):
    return (
        *(result.hota, result.detection, result.association, result.localization),
        *(result.idf1, result.mota, result.switches, result.recall),
    )


def test_perfect_tracks_have_every_score_at_one():
    result = measure([same(two_objects())])
    assert values(result) == pytest.approx((1, 1, 1, 1, 1, 1, 0, 1))
    assert (result.num_true, result.num_found, result.precision) == (20, 20, 1.0)


def test_other_numbers_for_the_same_tracks_change_nothing():
    clip = two_objects()
    assert measure([same(clip, [numbers(70, 3)] * len(clip))]) == measure([same(clip)])


def test_numbers_that_swap_in_the_middle_cost_identity_but_no_detection():
    clip = two_objects(10)
    result = measure([same(clip, [numbers(1, 2)] * 5 + [numbers(2, 1)] * 5)])
    assert result.detection == pytest.approx(1.0)
    assert result.association == pytest.approx(5 / 15)  # of 10 + 10 boxes two tracks share 5
    assert result.hota == pytest.approx(np.sqrt(5 / 15))
    assert result.idf1 == pytest.approx(0.5)
    assert result.switches == 2
    assert result.mota == pytest.approx(1 - 2 / 20)


def test_without_boxes_or_without_labels_nothing_is_matched():
    missed = measure([two_objects()])
    assert (missed.hota, missed.idf1, missed.mota, missed.num_true) == (0.0, 0.0, 0.0, 20)
    none = np.zeros((0, 4), dtype=np.float32)
    invented = measure([[TrackedFrame(none, numbers(), numbers(), boxes_at((0, 0)), numbers(4), numbers(CAR))]])
    assert (invented.hota, invented.idf1, invented.precision, invented.num_found) == (0.0, 0.0, 0.0, 1)
    empty = measure([])
    assert (empty.hota, empty.idf1, empty.mota) == (0.0, 0.0, 0.0)


def test_boxes_of_another_class_match_nothing():
    clip = [
        TrackedFrame(f.true_boxes, f.true_ids, f.true_kinds, f.boxes, f.ids, f.kinds + 1) for f in same(two_objects())
    ]
    assert measure([clip]).hota == 0.0


def test_an_invented_box_costs_precision_and_mota():
    frames = [
        TrackedFrame(
            f.true_boxes,
            f.true_ids,
            f.true_kinds,
            boxes_at((0, 0), (100, 0), (300, 300)),
            numbers(1, 2, 9),
            numbers(CAR, CAR, CAR),
        )
        for f in two_objects(4)
    ]
    result = measure([frames])
    assert (result.precision, result.mota) == pytest.approx((2 / 3, 0.5))
    assert result.idf1 == pytest.approx(2 * 8 / (8 + 12))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_the_counts_of_clips_add_up_and_scores_are_shares(first, second):
    clips = [drawn(first, length=6), drawn(second, length=4)]
    together = measure(clips)
    assert together == scores(count(clips[0]) + count(clips[1]))
    shares = values(together)[:5]
    assert all(0.0 <= share <= 1.0 for share in shares)
    assert together.mota <= together.recall


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_the_order_of_boxes_in_an_image_does_not_matter(seed):
    clip = drawn(seed, length=8)
    turned = [
        TrackedFrame(
            *(array[::-1].copy() for array in (f.true_boxes, f.true_ids, f.true_kinds, f.boxes, f.ids, f.kinds))
        )
        for f in clip
    ]
    assert values(measure([turned])) == pytest.approx(values(measure([clip])))


@pytest.mark.parametrize("seed", JUDGED)
def test_the_scores_are_those_of_the_field_s_own_evaluation(seed):
    assert values(measure([drawn(seed)])) == pytest.approx(JUDGED[seed], abs=1e-8)


def labels(boxes, kinds, ignored):
    n = len(boxes)
    return ObjectLabels(
        np.array(kinds, dtype=np.uint8),
        np.arange(1, n + 1, dtype=np.int32),
        boxes,
        boxes,
        np.zeros(n, dtype=np.float32),
        np.array(ignored, dtype=np.bool_),
    )


def test_a_box_on_an_ignored_object_of_its_class_costs_nothing():
    truth = labels(boxes_at((0, 0), (100, 0), (200, 0)), [CAR, CAR, PERSON], [False, True, True])
    found = boxes_at((0, 0), (104, 0), (200, 0), (300, 0))
    frame = frame_of(truth, found, numbers(1, 2, 3, 0), numbers(CAR, CAR, CAR, CAR))
    assert frame.true_ids.tolist() == [1]
    assert frame.ids.tolist() == [1, 3]  # the second is excused, the third of another class, the fourth without number


def test_a_region_of_no_class_excuses_every_class_but_no_box_that_matches_an_object():
    others = int(Class.OTHERS)
    region = np.array([[0, 0, 400, 400]], dtype=np.float32)
    truth = labels(np.vstack([boxes_at((0, 0)), region]), [CAR, others], [False, True])
    found = boxes_at((1, 0), (100, 0))
    both = numbers(CAR, PERSON)
    assert frame_of(truth, found, numbers(1, 2), both, frozenset([others])).ids.tolist() == [1]
    assert frame_of(truth, found, numbers(1, 2), both).ids.tolist() == [1, 2]
