import numpy as np
import pytest

from perception.core.errors import InvalidInput
from perception.kernels.nearest import nearest_distances, nearest_distances_twin


@pytest.mark.parametrize(("num", "others"), [(0, 0), (0, 5), (5, 0), (1, 1), (300, 400)])
@pytest.mark.parametrize("radius", [0.05, 0.7, 30.0])
def test_distances_are_those_of_the_definition(num, others, radius):
    rng = np.random.default_rng(num + others)
    a, b = rng.normal(0, 3, (num, 3)).astype(np.float32), rng.normal(0, 3, (others, 3)).astype(np.float32)
    np.testing.assert_allclose(nearest_distances(a, b, radius), nearest_distances_twin(a, b, radius), rtol=1e-5)


def test_wild_points_have_no_neighbours():
    wild = np.array([[np.nan, 0, 0], [np.inf, 0, 0], [3e38, 0, 0], [0, -1e30, 0]], dtype=np.float32)
    assert np.isinf(nearest_distances(wild, wild, 1.0)).all()
    mixed = np.concatenate([wild, np.zeros((1, 3), dtype=np.float32)])
    np.testing.assert_array_equal(nearest_distances(mixed, mixed, 1.0)[-1], 0)


def test_a_radius_must_be_a_length():
    point = np.zeros((1, 3), dtype=np.float32)
    for radius in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(InvalidInput, match="radius"):
            nearest_distances(point, point, radius)
