"""The hierarchy holds every triangle once, and every box holds what is below it."""

import numpy as np
import pytest

from perception.core.classes import Class
from perception.world.geometry.bvh import LEAF_SIZE, STACK_SIZE, Bvh, build_bvh
from perception.world.geometry.mesh import surface
from perception.world.materials import Material


def triangles_below(bvh: Bvh, child: int, depth: int = 1) -> tuple[list[int], int]:
    """Positions in `corners` below a child, and how deep the tree goes there."""
    if child < 0:
        start, count = bvh.leaves[~child]
        return list(range(start, start + count)), depth
    found, deepest = [], depth
    for side in (0, 1):
        below, reached = triangles_below(bvh, int(bvh.children[child, side]), depth + 1)
        corners = bvh.corners[below].reshape(-1, 3, 3)
        points = np.stack([corners[:, 0], corners[:, 0] + corners[:, 1], corners[:, 0] + corners[:, 2]], axis=1)
        if below:
            assert (points.min(axis=(0, 1)) >= bvh.boxes[child, side, :3] - 1e-4).all()
            assert (points.max(axis=(0, 1)) <= bvh.boxes[child, side, 3:] + 1e-4).all()
        found += below
        deepest = max(deepest, reached)
    return found, deepest


def cloud(kind: str) -> np.ndarray:
    rng = np.random.default_rng(7)
    match kind:
        case "spread":
            return rng.uniform(-50, 50, size=(700, 1, 3)) + rng.normal(size=(700, 3, 3))
        case "one":
            return rng.normal(size=(1, 3, 3))
        case "equal":
            return np.repeat(rng.normal(size=(1, 3, 3)), 300, axis=0)
        case "line":  # ever closer together: the worst case for splits by place
            return np.geomspace(1e-6, 1e6, 400)[:, None, None] + rng.normal(scale=1e-9, size=(400, 3, 3))
    raise AssertionError(kind)


@pytest.mark.parametrize("kind", ["spread", "one", "equal", "line"])
def test_every_triangle_is_in_one_leaf_and_inside_all_boxes_above(kind: str) -> None:
    triangles = cloud(kind)
    bvh = build_bvh(surface(triangles, Class.OTHERS, Material.CONCRETE))
    below, depth = triangles_below(bvh, 0)
    assert sorted(below) == list(range(len(triangles)))
    assert sorted(bvh.rows.tolist()) == list(range(len(triangles)))
    assert bvh.leaves[:, 1].max() <= LEAF_SIZE
    assert depth <= STACK_SIZE
    np.testing.assert_array_equal(bvh.corners[:, :3], triangles.astype(np.float32)[bvh.rows, 0])
