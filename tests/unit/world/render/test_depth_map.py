"""Depth maps along parallel rays against their definition: every texel against every triangle."""

import numpy as np
import pytest

from perception.core.geometry import exp_so3
from perception.world.geometry.leaf_mask import covered
from perception.world.geometry.mesh import box
from perception.world.render.depth_map import depth_map, draw_depth, parallel_view

DOWN = np.array([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]])  # axes of a view from above


def by_hand(triangles: np.ndarray, is_leaf: np.ndarray, to_map: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    rows, columns = np.mgrid[: size[0], : size[1]]
    depth = np.full(size, np.inf)
    for t, leaf in zip(triangles.astype(np.float64) @ to_map[:, :3].T + to_map[:, 3], is_leaf, strict=True):
        edges = np.array([t[1, :2] - t[0, :2], t[2, :2] - t[0, :2]]).T
        if np.linalg.det(edges) == 0.0:
            continue
        u, v = np.moveaxis(np.stack([columns - t[0, 0], rows - t[0, 1]], axis=-1) @ np.linalg.inv(edges).T, -1, 0)
        inside = (u >= 0.0) & (v >= 0.0) & (u + v <= 1.0)
        if leaf:
            inside &= covered(u, v)
        z = t[0, 2] + u * (t[1, 2] - t[0, 2]) + v * (t[2, 2] - t[0, 2])
        depth = np.where(inside & (z < depth), z, depth)
    return depth


@pytest.mark.parametrize(("count", "scale"), [(0, 1.0), (1, 3.0), (60, 1.0), (60, 0.05), (20, 40.0)])
def test_fast_and_plain_maps_agree_on_random_triangles(count: int, scale: float) -> None:
    rng = np.random.default_rng(count)
    triangles = rng.uniform(-6, 6, size=(count, 1, 3)) + rng.normal(scale=scale, size=(count, 3, 3))
    triangles, is_leaf = triangles.astype(np.float32), rng.random(count) < 0.3
    view = parallel_view(np.array([-5.0, 4.0, 9.0]), exp_so3(np.array([2.5, 0.3, 0.2])), 0.13)
    fast, plain = depth_map(triangles, is_leaf, view, (70, 90)), by_hand(triangles, is_leaf, view, (70, 90))
    same = np.isclose(fast, plain, rtol=1e-5, atol=1e-4)
    assert np.count_nonzero(~same) <= 2  # rounding at the rim of a cell of the leaf mask
    assert count < 60 or np.isfinite(fast).any()


def test_a_box_seen_from_above_has_the_depth_of_its_top_and_its_own_outline() -> None:
    view = parallel_view(np.array([-2.0, 2.0, 10.0]), DOWN, 0.25)
    depth = depth_map(
        box([-1.1, -0.6, 0], [1.1, 0.6, 3]).astype(np.float32), np.zeros(12, dtype=np.bool_), view, (17, 17)
    )
    x, y = np.meshgrid(-2.0 + 0.25 * np.arange(17), 2.0 - 0.25 * np.arange(17))
    inside = (np.abs(x) <= 1.1) & (np.abs(y) <= 0.6)
    np.testing.assert_allclose(depth[inside], 7.0, rtol=1e-6)
    assert np.isinf(depth[~inside]).all()


def test_what_is_drawn_into_a_map_only_lowers_it() -> None:
    view = parallel_view(np.array([-2.0, 2.0, 10.0]), DOWN, 0.25)
    floor = np.array([[[-9.0, -9, 0], [9, -9, 0], [0, 20, 0]]], dtype=np.float32)
    depth = depth_map(floor, np.zeros(1, dtype=np.bool_), view, (17, 17))
    still = depth.copy()
    draw_depth(box([-1, -1, -2], [0, 0, -1]).astype(np.float32), np.zeros(12, dtype=np.bool_), view, depth)
    np.testing.assert_array_equal(depth, still)
    draw_depth(box([-1, -1, 1], [0, 0, 2]).astype(np.float32), np.zeros(12, dtype=np.bool_), view, depth)
    assert set(np.unique(depth)) == {8.0, 10.0}


def test_triangles_without_area_or_seen_edge_on_leave_no_trace() -> None:
    view = parallel_view(np.array([-2.0, 2.0, 10.0]), DOWN, 0.25)
    upright = np.array([[[0.0, 0, 0], [1, 0, 0], [0, 0, 3]], [[1.0, 1, 1]] * 3], dtype=np.float32)
    assert np.isinf(depth_map(upright, np.zeros(2, dtype=np.bool_), view, (17, 17))).all()
