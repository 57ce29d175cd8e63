import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from perception.kernels.polygons import fill, fill_reference

POINTS = hnp.arrays(np.float64, st.tuples(st.integers(0, 7), st.just(2)), elements=st.floats(-30, 30, width=32))


def test_a_rectangle_on_pixel_borders_covers_its_pixels():
    mask = np.zeros((6, 8), dtype=bool)
    fill(np.array([[2.0, 1.0], [5.0, 1.0], [5.0, 4.0], [2.0, 4.0]]), mask)
    want = np.zeros_like(mask)
    want[1:4, 2:5] = True
    assert np.array_equal(mask, want)


@given(POINTS, st.integers(1, 12), st.integers(1, 12))
@settings(deadline=None)
def test_the_kernel_fills_what_the_plain_form_fills(points, height, width):
    mask, want = np.zeros((height, width), dtype=bool), np.zeros((height, width), dtype=bool)
    fill(points, mask)
    fill_reference(points, want)
    assert np.array_equal(mask, want)


@pytest.mark.parametrize("scale", [1e6, 1e15, 1e300])
def test_points_far_outside_are_cut_at_the_border(scale):
    mask = np.zeros((4, 4), dtype=bool)
    fill(np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]) * scale, mask)
    assert mask.all()


def test_pycocotools_fills_the_same_but_for_the_border():
    judge = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(0)
    for _ in range(20):
        angles = np.sort(rng.uniform(0.0, 2.0 * np.pi, 12))
        radii = rng.uniform(40.0, 90.0, 12)
        points = 100.0 + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        mask = np.zeros((200, 210), dtype=bool)
        fill(points, mask)
        other = judge.decode(judge.merge(judge.frPyObjects([points.ravel().tolist()], 200, 210))).astype(bool)
        assert (mask & other).sum() / (mask | other).sum() > 0.985
