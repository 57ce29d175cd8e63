import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from perception.core.errors import InvalidInput
from perception.detection import boxes

CORNERS = hnp.arrays(np.float64, st.tuples(st.integers(0, 6), st.just(4)), elements=st.floats(-100, 100))


def test_overlaps_of_known_squares():
    first = np.array([[0.0, 0, 2, 2], [5, 5, 5, 5]])
    second = np.array([[1.0, 0, 3, 2], [0, 0, 2, 2], [2, 0, 4, 2], [5, 5, 5, 5]])
    assert boxes.overlaps(first, second) == pytest.approx(np.array([[1 / 3, 1, 0, 0], [0, 0, 0, 0]]))


@given(CORNERS)
def test_corners_come_back_from_centers(corners):
    assert boxes.to_corners(boxes.to_centers(corners)) == pytest.approx(corners, abs=1e-9)


@given(CORNERS, CORNERS)
def test_overlaps_lie_between_0_and_1_and_do_not_depend_on_the_order(first, second):
    iou = boxes.overlaps(first, second)
    assert iou.shape == (len(first), len(second))
    assert ((iou >= 0) & (iou <= 1 + 1e-12)).all()
    assert np.array_equal(iou, boxes.overlaps(second, first).T)


def test_boxes_are_cut_at_the_borders_and_an_image_without_pixels_is_refused():
    corners = np.array([[-3.0, 5, 700, 20]], dtype=np.float32)
    assert boxes.clipped(corners, 10, 640).tolist() == [[0, 5, 640, 10]]
    with pytest.raises(InvalidInput, match="640x0"):
        boxes.clipped(corners, 0, 640)


def test_detected_boxes_of_a_wrong_type_or_length_are_refused():
    good = np.zeros((2, 4), dtype=np.float32), np.zeros(2, dtype=np.float32), np.zeros(2, dtype=np.int64)
    assert len(boxes.DetectedBoxes(*good)) == 2
    with pytest.raises(InvalidInput, match="classes"):
        boxes.DetectedBoxes(*good[:2], np.zeros(2, dtype=np.int32))
    with pytest.raises(InvalidInput, match="scores"):
        boxes.DetectedBoxes(good[0], good[1][:1], good[2])
