import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception.core.errors import InvalidInput
from perception.detection import letterbox
from perception.detection.boxes import clipped

SIZES = st.tuples(st.integers(1, 3000), st.integers(1, 3000))


def test_a_camera_of_640x480_needs_neither_scaling_nor_border():
    box = letterbox.minimum((480, 640), 640)
    assert (box.size, box.resized, box.top, box.left) == ((480, 640), (480, 640), 0, 0)
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    assert np.shares_memory(box.apply(image), image)


def test_an_odd_border_is_larger_below():
    box = letterbox.fixed((5, 8), (8, 8))
    assert (box.top, box.left) == (1, 0)
    out = box.apply(np.zeros((5, 8, 3), dtype=np.uint8))
    assert out[:, 0, 0].tolist() == [114, 0, 0, 0, 0, 0, 114, 114]


def test_without_enlarging_a_small_image_keeps_its_pixels():
    image = np.random.default_rng(0).integers(0, 256, (10, 20, 3), dtype=np.uint8)
    box = letterbox.fixed((10, 20), (64, 32), may_enlarge=False)
    assert box.scale == (1.0, 1.0)
    assert np.array_equal(box.apply(image)[box.top : box.top + 10, box.left : box.left + 20], image)


def test_the_validation_size_of_wide_tall_and_mixed_batches():
    assert letterbox.validation_size([(480, 640)], 640) == (512, 672)
    assert letterbox.validation_size([(480, 640), (320, 640)], 640) == (512, 672)
    assert letterbox.validation_size([(640, 480)], 640) == (672, 512)
    assert letterbox.validation_size([(640, 480), (480, 640)], 640) == (672, 672)
    assert letterbox.validation_size([], 320) == (352, 352)


def test_validation_enlarges_and_rounds_sizes_up():
    box = letterbox.validation((100, 301), 640)
    assert box.resized == (213, 640)  # 212.6 rounded up
    assert box.size == (256, 672)
    assert box.apply(np.zeros((100, 301, 3), dtype=np.uint8)).shape == (256, 672, 3)


@given(SIZES, st.integers(1, 20))
def test_inputs_of_the_minimum_rectangle_are_multiples_of_32_and_hold_the_image(source, steps):
    side = 32 * steps
    box = letterbox.minimum(source, side)
    assert all(outer % 32 == 0 and 0 <= outer - inner < 32 for outer, inner in zip(box.size, box.resized))
    assert max(box.size) == side


@given(SIZES, st.integers(1, 20))
def test_validation_holds_the_image_for_any_size(source, steps):
    box = letterbox.validation(source, 32 * steps)
    assert all(outer % 32 == 0 and outer >= inner for outer, inner in zip(box.size, box.resized))
    assert max(box.resized) == 32 * steps


@given(SIZES, st.sampled_from(["fixed", "minimum", "validation"]))
def test_boxes_come_back_from_the_input(source, way):
    box = letterbox.fixed(source, (320, 640)) if way == "fixed" else getattr(letterbox, way)(source, 320)
    corners = np.random.default_rng(1).uniform(-10, 3000, (8, 4))
    assert box.to_source(box.to_input(corners)) == pytest.approx(clipped(corners, *source), abs=1e-6)


def test_wrong_images_and_sizes_are_refused():
    box = letterbox.minimum((4, 6), 32)
    with pytest.raises(InvalidInput, match="image"):
        box.apply(np.zeros((6, 4, 3), dtype=np.uint8))
    with pytest.raises(InvalidInput, match="image: 0x5"):
        letterbox.fixed((5, 0), (32, 32))
    with pytest.raises(InvalidInput, match="validation_size"):
        letterbox.validation((5, 5), 64, (32, 32))
