"""The tracker on labels that are degraded like boxes of a detector, beside plain linking."""

import numpy as np
import pytest

from benchmarks.detection_tracking import DETECTED, Moment, degraded, linked, tracked
from perception.core.labels import ObjectLabels
from perception.detection.tracking.config import TrackingConfig
from perception.evaluation.tracking import scores
from perception.evaluation.tracking_run import counted

STEP = 100_000_000  # ns
WIDTH, HEIGHT = 640, 480


def drive(seed, num_objects=14, length=80):
    """Objects that cross the image at steady speeds while the camera sways; those that overlap hide each other."""
    rng = np.random.default_rng(seed)
    sizes = rng.uniform(20, 90, (num_objects, 2))
    start, speed = rng.uniform(0, [WIDTH, HEIGHT], (num_objects, 2)), rng.normal(0, 25, (num_objects, 2))
    kinds = np.array(DETECTED, dtype=np.uint8)[rng.integers(0, 3, num_objects)]
    clip = []
    for k in range(length):
        sway = np.array([80 * np.sin(0.08 * k), 10 * np.sin(0.2 * k)])
        middle = start + speed * 0.1 * k + sway
        boxes = np.hstack([middle - sizes / 2, middle + sizes / 2]).astype(np.float32)
        boxes = np.clip(boxes, 0, [WIDTH, HEIGHT, WIDTH, HEIGHT]).astype(np.float32)
        rows = np.flatnonzero(((boxes[:, 2:] - boxes[:, :2]) > 12).all(axis=1))
        clip.append(Moment((k + 1) * STEP, labels(boxes[rows], kinds[rows], rows + 1)))
    return clip


def labels(boxes, kinds, ids):
    n = len(boxes)
    hidden = np.zeros(n, dtype=np.float32)
    for row in range(n):  # what comes later in the list is nearer
        low, high = np.maximum(boxes[row, :2], boxes[row + 1 :, :2]), np.minimum(boxes[row, 2:], boxes[row + 1 :, 2:])
        covered = np.prod(np.maximum(high - low, 0), axis=1).sum()
        hidden[row] = min(covered / np.prod(boxes[row, 2:] - boxes[row, :2]), 1.0)
    return ObjectLabels(kinds, ids.astype(np.int32), boxes, boxes, hidden, hidden > 0.7)


@pytest.mark.parametrize("seed", range(3))
def test_the_tracker_keeps_identities_far_better_than_plain_linking(seed):
    clip = drive(seed)
    found = degraded(clip, seed)
    ours = scores(counted([(clip, found, tracked(clip, found, TrackingConfig()))]))
    plain = scores(counted([(clip, found, linked(found))]))
    assert ours.idf1 >= 0.75
    assert ours.idf1 > plain.idf1 + 0.2
    assert ours.hota > plain.hota


def test_low_scores_hold_tracks_together_that_high_ones_alone_would_lose():
    clips = [drive(seed) for seed in range(3)]
    found = [degraded(clip, seed) for seed, clip in enumerate(clips)]
    config = TrackingConfig()
    high_only = config.model_copy(update={"low_score": config.high_score})

    def idf1(settings):
        return scores(counted((c, f, tracked(c, f, settings)) for c, f in zip(clips, found))).idf1

    assert idf1(config) > idf1(high_only)


def test_degrading_labels_is_repeatable_and_leaves_an_empty_clip_empty_but_for_inventions():
    clip = drive(0)
    first, second = degraded(clip, 5), degraded(clip, 5)
    assert all(np.array_equal(a.corners, b.corners) for a, b in zip(first, second))
    assert all((np.diff(boxes.scores) <= 0).all() for boxes in first)
    assert sum(map(len, first)) != sum(map(len, degraded(clip, 6)))
