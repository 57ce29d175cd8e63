import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from perception.kernels import images


@settings(deadline=None, max_examples=30)
@given(hnp.arrays(np.uint8, st.tuples(st.integers(0, 5), st.integers(0, 5), st.just(3))))
def test_planes_are_those_of_the_definition(pixels):
    planes = images.planes(pixels)
    assert planes.dtype == np.float32
    assert np.array_equal(planes, images.planes_reference(pixels))


def test_every_grey_level_is_its_quotient_by_255_and_a_given_buffer_is_filled():
    pixels = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    buffer = np.empty((3, 1, 256), dtype=np.float32)
    assert images.planes(pixels, buffer) is buffer
    assert np.array_equal(buffer[2, 0], np.arange(256, dtype=np.float32) / np.float32(255))


def test_a_view_with_reversed_channels_gives_reversed_planes():
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    assert np.array_equal(images.planes(pixels[..., ::-1]), images.planes(pixels)[::-1])


def test_warming_up_compiles_for_images_that_may_not_be_written_to():
    images.warm_up()
    compiled = len(images._planes.signatures)
    pixels = np.zeros((2, 2, 3), dtype=np.uint8)
    pixels.flags.writeable = False
    images.planes(pixels)
    assert len(images._planes.signatures) == compiled == 2


def test_an_image_is_put_into_a_larger_buffer_and_leaves_its_border_alone():
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    buffer = np.full((3, 9, 8), -1.0, dtype=np.float32)
    images.planes(pixels, buffer, top=3, left=1)
    assert np.array_equal(buffer[:, 3:7, 1:7], images.planes_reference(pixels))
    buffer[:, 3:7, 1:7] = -1.0
    assert (buffer == -1.0).all()


@pytest.mark.parametrize(("top", "left"), [(-1, 0), (0, -1), (6, 0), (0, 3)])
def test_an_image_that_would_be_written_outside_its_buffer_is_refused(top, left):
    with pytest.raises(ValueError, match="outside 8x9 px"):
        images.planes(np.zeros((4, 6, 3), dtype=np.uint8), np.zeros((3, 9, 8), dtype=np.float32), top, left)
