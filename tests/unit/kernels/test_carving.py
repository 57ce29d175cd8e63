"""Ray kernels of maps against their definitions on random, empty and extreme input."""

import numpy as np
import pytest

from perception.kernels import carving, floor_rays

BOX = np.array([[-3.0, 2.0, -1.0], [9.0, 11.0, 4.0]])


def both(origin, scans, margin=0.4, max_range=12.0):
    """The same scans counted by the kernel and by the definition."""
    regions = [carving.region_of(np.concatenate(scans), BOX, 0.5) for _ in range(2)]
    for number, points in enumerate(scans):
        carving.carve(regions[0], number, origin, points, margin, max_range)
        carving.carve_by_crossings(regions[1], number, origin, points, margin, max_range)
    return regions


@pytest.mark.parametrize("origin", [(1.0, 5.0, 0.7), (-8.0, -3.0, 2.0), (3.3, 20.0, -4.0)])
def test_carving_is_what_its_definition_says(origin):
    rng = np.random.default_rng(0)
    scans = [rng.uniform(-5.0, 13.0, (120, 3)).astype(np.float32) for _ in range(3)]
    kernel, definition = both(np.array(origin), scans)
    assert np.array_equal(kernel.hits, definition.hits)
    assert np.array_equal(kernel.passes, definition.passes)
    assert kernel.passes.sum() > 0 and kernel.hits.sum() > 0


def test_carving_takes_nothing_points_at_the_sensor_and_points_far_away():
    empty = np.zeros((0, 3), np.float32)
    region = carving.region_of(empty, BOX, 0.5)
    carving.carve(region, 0, np.zeros(3), empty, 0.4, 10.0)
    carving.carve(region, 1, np.zeros(3), np.full((2, 3), 1e9, np.float32), 0.4, 10.0)
    assert len(region.keys) == 0 and (carving.rows_of(region, np.ones((3, 3), np.float32)) == -1).all()
    here = np.array([[1.1, 5.2, 0.3]], np.float32)
    kernel, definition = both(here[0].astype(np.float64), [here, np.array([[1.1, 9.2, 0.3]], np.float32)])
    assert np.array_equal(kernel.passes, definition.passes)
    assert np.array_equal(kernel.hits, definition.hits)


def test_a_voxel_is_counted_once_per_scan_and_not_where_the_scan_has_a_point_beside_it():
    wall = np.array([[6.25, 5.25, 0.25]], np.float32)
    ghost = np.array([[3.25, 5.25, 0.25]], np.float32)
    region = carving.region_of(np.concatenate([wall, ghost]), BOX, 0.5)
    origin = np.array([0.25, 5.25, 0.25])
    carving.carve(region, 0, origin, np.repeat(wall, 5, axis=0), 0.4, 12.0)
    carving.carve(region, 1, origin, np.concatenate([wall, ghost + np.float32(0.5)]), 0.4, 12.0)
    (row,) = carving.rows_of(region, ghost)
    assert region.passes[row] == 1 and region.hits[row] == 0
    (row,) = carving.rows_of(region, wall)
    assert region.passes[row] == 0 and region.hits[row] == 2


def test_rays_on_the_floor_are_bresenhams_lines():
    rng = np.random.default_rng(1)
    for size, count in ((41, 60), (1, 1), (40, 1), (9, 0)):
        ends = rng.integers(0, size, (count, 2)).astype(np.int32)
        is_hit = rng.random(count) < 0.5
        codes = floor_rays.draw_scan(size, ends, is_hit)
        assert np.array_equal(codes, floor_rays.draw_scan_by_lines(size, ends, is_hit))
    corners = np.array([[0, 0], [40, 0], [0, 40], [40, 40], [20, 20]], np.int32)
    codes = floor_rays.draw_scan(41, corners, np.ones(5, bool))
    assert (codes[corners[:, 1], corners[:, 0]] == floor_rays.HIT).all()


def test_kernels_compile_ahead():
    carving.warm_up()
    floor_rays.warm_up()
