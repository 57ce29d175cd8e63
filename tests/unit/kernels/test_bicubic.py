import math

import numpy as np
import pytest

from perception.kernels import bicubic


def image_and_places(seed, count):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 1, (9, 7, 5)).astype(np.float32), rng.uniform(-4, 12, (count, 2))


@pytest.mark.parametrize("count", [0, 1, 300])
def test_samples_are_those_of_the_definition(count):
    image, places = image_and_places(count, count)
    want, have = bicubic.sample_twin(image, places), np.full((count, 5), 7, dtype=np.float32)
    bicubic.sample(image, places, have)
    np.testing.assert_allclose(have, want, atol=2e-6)
    plane = np.full(count, 7, dtype=np.float32)
    bicubic.sample_plane(image[:, :, 2].copy(), places, plane)
    np.testing.assert_allclose(plane, want[:, 2], atol=2e-6)


def test_whole_pixels_keep_their_values():
    image, _ = image_and_places(3, 0)
    out = np.empty((63, 5), dtype=np.float32)
    bicubic.sample(image, bicubic.resize_places(9, 7, 9, 7), out)
    np.testing.assert_allclose(out.reshape(9, 7, 5), image, atol=1e-6)


def test_places_that_are_far_or_no_numbers_give_zeros():
    image, _ = image_and_places(4, 0)
    places = np.array([[np.nan, 1], [1, np.inf], [-1e300, 2], [1e18, 1e18], [-3.0, 0], [10.5, 2]])
    for out in (np.ones((6, 5), dtype=np.float32), np.ones(6, dtype=np.float32)):
        kernel = bicubic.sample if out.ndim == 2 else bicubic.sample_plane
        kernel(image if out.ndim == 2 else image[:, :, 0].copy(), places, out)
        assert not out[:5].any()


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_quarter_turns_are_exact(turns):
    image = np.random.default_rng(turns).random((21, 21), dtype=np.float32)
    out = np.empty(441, dtype=np.float32)
    bicubic.sample_plane(image, bicubic.rotation_places(21, turns * math.tau / 4), out)
    np.testing.assert_allclose(out.reshape(21, 21), np.rot90(image, -turns), atol=1e-5)


@pytest.mark.parametrize("count", [0, 40])
def test_the_maximum_is_taken_element_by_element(count):
    rng = np.random.default_rng(count)
    first, second = rng.normal(0, 1, (2, count, 3)).astype(np.float32)
    want = np.maximum(first, second)
    bicubic.maximum_into(first, second)
    np.testing.assert_array_equal(first, want)
