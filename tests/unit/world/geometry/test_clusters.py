"""Clusters hold every triangle of a world once, within their boxes; groups of objects likewise."""

import numpy as np
import pytest

from perception.core.classes import Class
from perception.world.geometry.clusters import CLUSTER_SIZE
from perception.world.geometry.mesh import Mesh, joined, surface
from perception.world.geometry.raycast import build_accelerator
from perception.world.materials import Material


def soup(rng: np.random.Generator, count: int, instance: int = 0) -> Mesh:
    triangles = rng.uniform(-20, 20, size=(count, 1, 3)) + rng.normal(size=(count, 3, 3))
    return surface(triangles, Class.MANMADE, Material.LEAF if instance == 2 else Material.METAL, instance)


@pytest.mark.parametrize("counts", [(0,), (1,), (5, 0, 3), (2000, 300, 0, 1), (0, 700)])
def test_every_triangle_is_in_one_cluster_of_its_body_and_inside_its_box(counts: tuple[int, ...]) -> None:
    rng = np.random.default_rng(sum(counts))
    static, *movers = (soup(rng, n) for n in counts)
    world = build_accelerator(static, movers)
    c = world.clusters
    found = []
    for (start, stop), body, box in zip(c.ranges, c.bodies, c.boxes, strict=True):
        rows, points = c.rows[start:stop], c.corners[start:stop].reshape(-1, 3)
        assert 0 < len(rows) <= CLUSTER_SIZE
        assert ((world.first_rows[body] <= rows) & (rows < world.first_rows[body + 1])).all()
        np.testing.assert_array_equal(c.corners[start:stop].reshape(-1, 3, 3), world.mesh.triangles[rows])
        assert (points >= box[:3]).all() and (points <= box[3:]).all()
        found += rows.tolist()
    assert sorted(found) == list(range(sum(counts)))


def test_leaves_are_marked_and_objects_are_grouped_by_body() -> None:
    rng = np.random.default_rng(3)
    static = joined([soup(rng, 40, 2), soup(rng, 30, 7), soup(rng, 20, 2)])
    world = build_accelerator(static, [soup(rng, 10, 7), soup(rng, 5, 9)])
    c, groups = world.clusters, world.clusters.by_instance
    assert list(zip(groups.ids.tolist(), groups.bodies.tolist(), strict=True)) == [(2, 0), (7, 0), (7, 1), (9, 2)]
    np.testing.assert_array_equal(np.diff(groups.starts), [60, 30, 10, 5])
    np.testing.assert_array_equal(c.is_leaf, world.mesh.material_ids[c.rows] == Material.LEAF)
    for k, number in enumerate(groups.ids):
        part = groups.order[groups.starts[k] : groups.starts[k + 1]]
        assert (world.mesh.instance_ids[c.rows[part]] == number).all()
        points = c.corners[part].reshape(-1, 3)
        np.testing.assert_array_equal(groups.boxes[k], np.concatenate([points.min(axis=0), points.max(axis=0)]))
