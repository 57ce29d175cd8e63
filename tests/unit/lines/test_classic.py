import math

import cv2
import numpy as np
import pytest

from perception.kernels import lsd
from perception.lines.classic import ClassicLsd
from perception.lines.config import LsdConfig
from perception.lines.selection import Selection
from tests.unit.lines.test_segments import distances

REFINEMENTS = ("none", "standard", "advanced")


def box(height=160, width=200):
    image = np.full((height, width), 60, dtype=np.uint8)
    image[40:120, 50:150] = 180
    return image


@pytest.mark.parametrize("refine", REFINEMENTS)
@pytest.mark.parametrize("scale", [0.5, 0.8, 1.0, 1.5])
def test_the_sides_of_a_box_are_found_between_its_pixels(refine, scale):
    found = ClassicLsd(LsdConfig(refine=refine, scale=scale)).detect(box())
    left, right, top, bottom = 49.5, 149.5, 39.5, 119.5
    sides = [
        [left, top, right, top],
        [left, bottom, right, bottom],
        [left, top, left, bottom],
        [right, top, right, bottom],
    ]
    assert len(found) == 4
    assert distances(found.segments, np.array(sides)).max() < 4
    for segment in found.segments:
        low = np.abs(segment[2:] - segment[:2]).argmin()
        nearest = np.abs(np.array([[left, right], [top, bottom]][low]) - segment[low]).min()
        assert nearest < 0.3


@pytest.mark.parametrize("angle", np.arange(5.0, 180, 25))
def test_a_tilted_edge_is_found_along_its_direction(angle):
    rows, columns = np.mgrid[:200, :200]
    across = (rows - 100) * math.cos(math.radians(angle)) - (columns - 100) * math.sin(math.radians(angle))
    image = (128 + 60 * np.tanh(across)).astype(np.uint8)
    (best, *_rest) = ClassicLsd(LsdConfig()).detect(image).segments
    steps = best[2:] - best[:2]
    assert np.hypot(*steps) > 150
    assert (math.degrees(math.atan2(steps[1], steps[0])) - angle + 90) % 180 - 90 == pytest.approx(0, abs=0.3)


def test_noise_holds_no_segment_that_passes_the_test():
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (200, 240), dtype=np.uint8) for _ in range(4)]
    found = [len(ClassicLsd(LsdConfig()).detect(image)) for image in images]
    assert sum(found) <= 4  # one for each image is what the test allows
    assert sum(len(ClassicLsd(LsdConfig(refine="none")).detect(image)) for image in images) > 10


def test_scores_are_false_alarms_or_lengths_best_first():
    for refine in REFINEMENTS:
        found = ClassicLsd(LsdConfig(refine=refine)).detect(box())
        assert (np.diff(found.scores) <= 0).all()
    assert len(ClassicLsd(LsdConfig(min_log_nfa=1000)).detect(box())) == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (2, 2), (3, 400)])
@pytest.mark.parametrize("refine", REFINEMENTS)
def test_small_and_flat_images_pass(size, refine):
    detector = ClassicLsd(LsdConfig(refine=refine))
    assert len(detector.detect(np.full(size, 7, dtype=np.uint8))) == 0
    noise = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    assert np.isfinite(detector.detect(noise).segments).all()


def test_a_detector_repeats_itself_after_images_of_other_sizes():
    detector = ClassicLsd(LsdConfig(), Selection(max_segments=3))
    first = detector.detect(box()).segments
    detector.detect(box(170, 300))
    np.testing.assert_array_equal(detector.detect(np.dstack([box()] * 3)).segments, first)
    assert len(first) == 3


def test_gradients_are_those_of_blocks_of_four_pixels():
    image = np.random.default_rng(0).integers(0, 256, (20, 31), dtype=np.uint8)
    directions, magnitudes = np.zeros((20, 31, 2), dtype=np.float32), np.zeros((20, 31), dtype=np.float32)
    largest = lsd.gradients(image, np.float32(5.2), directions, magnitudes)
    a, b, c, d = (part.astype(float) for part in (image[:-1, :-1], image[:-1, 1:], image[1:, :-1], image[1:, 1:]))
    gx, gy = (b + d - a - c) / 2, (c + d - a - b) / 2
    want = np.hypot(gx, gy) * (np.hypot(gx, gy) > 5.2)
    np.testing.assert_allclose(magnitudes[:-1, :-1], want, rtol=1e-6)
    assert not magnitudes[-1].any()
    assert not magnitudes[:, -1].any()
    assert largest == magnitudes.max()
    angles = np.arctan2(gx, -gy)
    np.testing.assert_allclose(directions[:-1, :-1, 0][want > 0], np.cos(angles)[want > 0], atol=1e-6)
    np.testing.assert_allclose(directions[:-1, :-1, 1][want > 0], np.sin(angles)[want > 0], atol=1e-6)


def test_seeds_come_by_falling_class_of_their_gradient():
    magnitudes = np.random.default_rng(0).uniform(-1, 1, (30, 40)).clip(0, None).astype(np.float32)
    order = np.empty(magnitudes.size, dtype=np.int32)
    largest = np.float32(magnitudes.max())
    count = lsd.order_by_magnitude(magnitudes, largest, 16, order)
    classes = np.minimum((magnitudes.ravel() * (np.float32(16) / largest)).astype(int), 15)
    places = np.flatnonzero(magnitudes.ravel() > 0)
    np.testing.assert_array_equal(order[:count], places[np.argsort(-classes[places], kind="stable")])


@pytest.mark.parametrize("share", [0.125, 0.0625, 0.125 / 32])
def test_false_alarms_are_the_binomial_tail(share):
    for num in (1, 5, 30, 400, 5000):
        for aligned in {1, 2, num // 8 + 1, num // 2 + 1, num - 1, num} & set(range(1, num + 1)):
            have, want = lsd.log_nfa(num, aligned, share, 11.0), lsd.log_nfa_reference(num, aligned, share, 11.0)
            if np.isfinite(want):
                assert have == pytest.approx(want, abs=0.05)
    assert lsd.log_nfa(0, 0, share, 11.0) == lsd.log_nfa(7, 0, share, 11.0) == -11.0


def test_curves_are_cut_by_standard_refinement():
    image = np.full((300, 300), 50, dtype=np.uint8)
    cv2.circle(image, (150, 150), 100, 200, -1)
    none, standard = (ClassicLsd(LsdConfig(refine=refine)).detect(image) for refine in REFINEMENTS[:2])
    assert len(standard) > len(none)
