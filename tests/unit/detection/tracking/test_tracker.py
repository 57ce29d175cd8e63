import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.core.config import load_config
from perception.core.errors import ConfigError
from perception.core.stamps import Verdict
from perception.detection.boxes import DetectedBoxes
from perception.detection.tracking.config import TrackingConfig
from perception.detection.tracking.tracker import Tracker, reported

START, STEP = 1_700_000_000_000_000_000, 100_000_000  # ns
AT_ONCE = TrackingConfig(num_confirming=1)


def found(*boxes, score=0.9, kind=0):
    """Boxes x, y, side or x, y, side, score or x, y, side, score, kind."""
    full = [(*box, *(score, kind)[len(box) - 3 :]) for box in boxes]
    rows = np.array(full, dtype=np.float32).reshape(-1, 5)
    corners = np.column_stack([rows[:, 0], rows[:, 1], rows[:, 0] + rows[:, 2], rows[:, 1] + rows[:, 2]])
    return DetectedBoxes(corners, rows[:, 3].copy(), rows[:, 4].astype(np.int64))


def run(tracker, images, start=START, step=STEP):
    return [tracker.update(start + k * step, boxes).tolist() for k, boxes in enumerate(images)]


def test_an_object_keeps_its_number_while_it_moves():
    images = [found((10 * k, 50, 40), (300 - 10 * k, 60, 40)) for k in range(40)]  # they pass each other
    ids = run(Tracker(TrackingConfig()), images)
    assert ids[0] == [0, 0]
    assert set(map(tuple, ids[1:])) == {(1, 2)}


def test_numbers_begin_at_once_where_one_image_confirms():
    assert run(Tracker(AT_ONCE), [found((0, 0, 40), (200, 0, 40))]) == [[1, 2]]


def test_a_box_that_is_seen_once_gets_no_number_and_leaves_none_behind():
    tracker = Tracker(TrackingConfig())
    ids = run(tracker, [found((0, 0, 40)), found((300, 300, 40)), found((300, 300, 40))])
    assert ids == [[0], [0], [1]]
    assert len(tracker.tracks) == 1


def test_a_hidden_object_gets_its_number_back():
    images = [found((5 * k, 50, 60)) for k in range(10)] + [found()] * 8
    images += [found((5 * k, 50, 60)) for k in range(18, 22)]
    ids = run(Tracker(TrackingConfig()), images)
    assert ids[9] == ids[18] == [1]


def test_an_object_that_was_away_for_too_long_gets_a_new_number():
    images = [found((0, 0, 40))] * 3 + [found()] * 20 + [found((0, 0, 40))] * 3
    ids = run(Tracker(TrackingConfig(max_lost=1.5)), images)
    assert (ids[2], ids[-1]) == ([1], [2])


def test_a_low_score_continues_a_track_but_begins_none():
    images = [found((0, 0, 40))] * 3 + [found((0, 0, 40, 0.15), (200, 0, 40, 0.15))] * 5
    ids = run(Tracker(TrackingConfig()), images)
    assert ids[3:] == [[1, 0]] * 5


def test_a_score_that_is_too_low_takes_no_part():
    ids = run(Tracker(TrackingConfig(low_score=0.2)), [found((0, 0, 40))] * 3 + [found((0, 0, 40, 0.15))])
    assert ids[-1] == [0]


def test_a_lost_track_is_not_taken_up_by_a_low_score():
    images = [found((0, 0, 40))] * 3 + [found()] + [found((0, 0, 40, 0.15))]
    assert run(Tracker(TrackingConfig()), images)[-1] == [0]


@pytest.mark.parametrize(("is_class_aware", "last"), [(True, [2]), (False, [1])])
def test_a_track_goes_on_with_another_class_only_where_that_is_allowed(is_class_aware, last):
    config = TrackingConfig(is_class_aware=is_class_aware, num_confirming=1)
    assert run(Tracker(config), [found((0, 0, 40), kind=3)] * 3 + [found((0, 0, 40), kind=4)])[-1] == last


def test_images_without_boxes_are_no_problem():
    tracker = Tracker(TrackingConfig())
    ids = tracker.update(START, found())
    assert ids.shape == (0,)
    assert ids.dtype == np.int64
    assert run(tracker, [found()] * 5, START + STEP) == [[]] * 5


def test_a_box_without_area_or_of_no_number_is_never_followed():
    broken = DetectedBoxes(
        np.array([[5, 5, 5, 9], [9, 9, 2, 2], [np.nan, 0, 9, 9], [0, 0, np.inf, 9], [0, 0, 9, 9]], dtype=np.float32),
        np.array([0.9, 0.9, 0.9, 0.9, np.nan], dtype=np.float32),
        np.zeros(5, dtype=np.int64),
    )
    tracker = Tracker(AT_ONCE)
    run(tracker, [found((0, 0, 40))] * 2)
    assert tracker.update(START + 2 * STEP, broken).tolist() == [0] * 5
    assert tracker.update(START + 3 * STEP, found((0, 0, 40))).tolist() == [1]
    assert np.isfinite(tracker.tracks.states).all()


def test_dropped_images_do_not_shift_a_track():
    """Speed is per second: of ten images only every third is seen, and the object is met all the same."""
    images = [found((40 * k, 50, 40)) for k in range(60)]  # 400 px/s with boxes of 40 px
    tracker = Tracker(TrackingConfig())
    kept = [k for k in range(60) if k < 10 or k % 3 == 0]
    ids = [tracker.update(START + k * STEP, images[k]).tolist() for k in kept]
    assert set(map(tuple, ids[1:])) == {(1,)}


def test_a_clock_that_was_moved_back_ends_all_tracks_and_numbers_go_on():
    tracker = Tracker(AT_ONCE)
    run(tracker, [found((0, 0, 40))] * 3)
    ids = run(tracker, [found((0, 0, 40))] * 3, START - 1000 * STEP)
    assert ids == [[0], [2], [2]]  # the first image after the jump is not trusted yet
    assert tracker.guard.counts[Verdict.REWIND] == 1


def test_a_long_silence_ends_all_tracks():
    tracker = Tracker(AT_ONCE)
    run(tracker, [found((0, 0, 40))] * 3)
    assert run(tracker, [found((0, 0, 40))] * 3, START + 1000 * STEP) == [[0], [2], [2]]


def test_repeated_and_late_images_are_left_out_and_counted():
    tracker = Tracker(AT_ONCE)
    run(tracker, [found((0, 0, 40))] * 3)
    assert tracker.update(START + 2 * STEP, found((0, 0, 40))).tolist() == [0]
    assert tracker.update(START + 1 * STEP, found((0, 0, 40))).tolist() == [0]
    assert tracker.update(START + 3 * STEP, found((0, 0, 40))).tolist() == [1]
    assert (tracker.guard.counts[Verdict.DUPLICATE], tracker.guard.counts[Verdict.LATE]) == (1, 1)


def test_reset_ends_all_tracks_and_never_gives_a_number_twice():
    tracker = Tracker(AT_ONCE)
    assert run(tracker, [found((0, 0, 40))]) == [[1]]
    tracker.reset()
    assert run(tracker, [found((0, 0, 40))], 0) == [[2]]


def test_the_number_of_tracks_is_bounded_and_the_lost_make_room():
    tracker = Tracker(TrackingConfig(num_confirming=1, max_tracks=3))
    assert run(tracker, [found(*((60 * k, 0, 40, 0.6 + 0.05 * k) for k in range(5)))]) == [[0, 0, 1, 2, 3]]
    moved = found(*((60 * k, 300, 40) for k in range(2)))
    assert tracker.update(START + STEP, moved).tolist() == [4, 5]
    assert len(tracker.tracks) == 3


def test_a_new_track_starts_with_the_motion_that_all_boxes_share():
    """A camera turns: what enters the image moves like everything else and is met again at once."""
    steady = [(600 - 30 * k, 50 + 60 * n, 40) for n in range(3) for k in [0]]
    tracker = Tracker(AT_ONCE)
    for k in range(10):
        tracker.update(START + k * STEP, found(*((x - 30 * k, y, s) for x, y, s in steady)))
    tracker.update(START + 10 * STEP, found(*((x - 300, y, s) for x, y, s in steady), (600, 400, 12)))
    assert tracker.tracks.states[-1, 0, 1] == pytest.approx(-300, rel=0.1)  # px/s
    last = found(*((x - 330, y, s) for x, y, s in steady), (570, 400, 12))
    assert tracker.update(START + 11 * STEP, last).tolist() == [1, 2, 3, 4]


def test_the_order_of_the_boxes_does_not_matter():
    rng = np.random.default_rng(5)
    first, second = Tracker(AT_ONCE), Tracker(AT_ONCE)
    boxes = found(*((60.0 * k, 100, 40, 0.9 - 0.05 * k) for k in range(6)))
    names = first.update(START, boxes)
    assert second.update(START, boxes).tolist() == names.tolist()
    for k in range(1, 8):
        order = rng.permutation(6)
        turned = DetectedBoxes(boxes.corners[order], boxes.scores[order], boxes.classes[order])
        assert first.update(START + k * STEP, boxes).tolist() == names.tolist()
        assert second.update(START + k * STEP, turned).tolist() == names[order].tolist()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 3]))
def test_numbers_in_an_image_differ_and_are_never_given_to_two_objects(seed, num_confirming):
    rng = np.random.default_rng(seed)
    tracker = Tracker(TrackingConfig(num_confirming=num_confirming, max_tracks=40))
    stamp, highest, before = START, 0, set()
    for _ in range(30):
        count = int(rng.integers(0, 25))
        low = rng.uniform(-50, 600, (count, 2))
        corners = np.hstack([low, low + rng.uniform(-5, 90, (count, 2))]).astype(np.float32)
        boxes = DetectedBoxes(corners, rng.random(count).astype(np.float32), rng.integers(0, 3, count))
        stamp += int(rng.integers(0, 4)) * STEP
        ids = tracker.update(stamp, boxes)
        given_ids = ids[ids > 0]
        assert len(set(given_ids.tolist())) == len(given_ids)
        assert ids.shape == (count,)
        assert len(tracker.tracks) <= 40
        assert all(number > highest for number in set(given_ids.tolist()) - before)
        before = set(tracker.tracks.ids.tolist())
        highest = max([highest, *before])


def test_what_is_reported_scores_high_enough_or_belongs_to_a_track():
    boxes = found((0, 0, 9, 0.9), (0, 0, 9, 0.2), (0, 0, 9, 0.2))
    assert reported(boxes, np.array([0, 7, 0]), 0.25).tolist() == [0, 1]


def test_thresholds_must_rise():
    with pytest.raises(ConfigError, match="must rise"):
        load_config(TrackingConfig, overrides=["low_score=0.5", "high_score=0.4"])
