from dataclasses import replace

import numpy as np
import pytest

from perception.core.classes import Class
from perception.core.geometry import exp_so3, inverse, transform
from perception.core.labels import OCCUPANCY_LOW, OCCUPANCY_SHAPE, VOXEL
from perception.world.geometry.mesh import box, joined, surface
from perception.world.materials import Material
from perception.world.truth.beams import Beams, joined_beams, sweeps_around
from perception.world.truth.kernels_rays import distinct, walk, walk_twin
from perception.world.truth.kernels_voxels import FREE, STATIC, voxel_areas, voxel_areas_twin
from perception.world.truth.occupancy import OccupancyTruth, to_openocc
from tests.unit.world.truth.worlds import Steady, accelerated, exposed, street, wall

NO_BEAMS = joined_beams(())


def _truth(scene) -> OccupancyTruth:
    return OccupancyTruth(scene, accelerated(scene))


def _labels(scene, T=None, exposures=(), beams=NO_BEAMS, time_ns=0):
    return _truth(scene).labels(time_ns, np.eye(4) if T is None else T, exposures, beams)


def _voxel(x: float, y: float, z: float) -> tuple[int, int, int]:
    return tuple(np.floor((np.array([x, y, z]) - OCCUPANCY_LOW) / VOXEL).astype(int).tolist())


def _along(starts: list, ends: list) -> Beams:
    n = len(starts)
    return Beams(
        np.array(starts, dtype=float), np.array(ends, dtype=float), np.zeros(n, np.int32), np.zeros(n, np.int64)
    )


def test_the_ground_is_one_voxel_thick_where_its_surface_lies():
    semantics = _labels(street()).semantics
    layer = _voxel(0.0, 0.0, 0.0)[2]
    assert (semantics[:, :, layer] == Class.DRIVEABLE_SURFACE).mean() > 0.99
    assert (semantics[:, :, :layer] == FREE).all()
    assert (semantics[:20, :20, layer + 1 :] == FREE).all()


def test_each_surface_gives_its_class_to_the_voxels_that_it_touches():
    semantics = _labels(street(wall(9.1, 5.0, 8.0))).semantics
    assert semantics[_voxel(9.1, 6.0, 2.0)] == Class.MANMADE
    assert semantics[_voxel(9.6, 6.0, 2.0)] == FREE
    assert semantics[_voxel(20.0, 4.0, 2.5)] == Class.MANMADE  # a sign is manmade in Occ3D
    assert semantics[_voxel(12.0, -3.0, 1.4)] == Class.CAR


def test_a_wire_thinner_than_any_sampling_is_found():
    wire = surface(box([-30.0, 3.0, 3.1], [30.0, 3.004, 3.104]), Class.MANMADE, Material.METAL)
    semantics = _labels(street(wire)).semantics
    x, y, z = _voxel(-29.9, 3.0, 3.1)
    assert (semantics[x : x + 149, y, z] == Class.MANMADE).all()
    assert (semantics[x : x + 149, y, z + 1] == FREE).all()


def test_a_triangle_without_width_makes_its_voxel_occupied():
    line = np.array([[[5.0, 5.0, 2.0], [5.1, 5.0, 2.1], [5.1, 5.0, 2.1]]])
    semantics = _labels(street(surface(line, Class.VEGETATION, Material.BARK))).semantics
    assert semantics[_voxel(5.0, 5.0, 2.0)] == Class.VEGETATION


def test_the_class_of_the_larger_area_wins():
    low = np.array([5.05, 5.05, 2.05])
    small = surface(box(low, low + 0.1), Class.VEGETATION, Material.LEAF)
    large = surface(box(low, low + 0.2), Class.BARRIER, Material.CONCRETE)
    for meshes in ((small, large), (large, small)):
        assert _labels(street(*meshes)).semantics[_voxel(*low)] == Class.BARRIER


def test_cars_are_solid_and_houses_are_hollow():
    house = surface(box([-20.0, -6.0, 0.0], [-14.0, 0.0, 4.0]), Class.MANMADE, Material.BRICK)
    semantics = _labels(street(house, motion=Steady((6.0, 8.0, 0.0)))).semantics
    for x, y in ((12.0, -3.0), (6.0, 8.0)):
        column = semantics[_voxel(x, y, 0.5)[:2]]
        assert (column[3:7] == Class.CAR).all()  # from 0.2 m to the roof in 1.5 m
    assert semantics[_voxel(-17.0, -3.0, 2.0)] == FREE


def test_the_grid_follows_the_ego_with_all_its_angles():
    scene = street(wall(9.1, 5.0, 8.0))
    T = transform(exp_so3(np.array([0.02, -0.03, 0.8])), np.array([3.0, -2.0, 0.1]))
    semantics = _labels(scene, T).semantics
    rng = np.random.default_rng(0)
    world = np.column_stack([np.full(200, 9.1), rng.uniform(5.0, 8.0, 200), rng.uniform(0.5, 4.0, 200)])
    local = world @ inverse(T)[:3, :3].T + inverse(T)[:3, 3]
    cells = np.floor((local - OCCUPANCY_LOW) / VOXEL).astype(int)
    assert (semantics[tuple(cells.T)] == Class.MANMADE).all()


def test_flow_is_the_velocity_over_ground_of_each_voxel_in_ego_axes():
    way = Steady((6.0, 8.0, 0.0), (1.0, 2.0, 0.0), yaw_rate=0.5)
    T = transform(exp_so3(np.array([0.0, 0.0, 0.5 * np.pi])), np.array([2.0, 0.0, 0.0]))
    labels = _labels(street(motion=way), T)
    cells = np.argwhere(np.nan_to_num(labels.flow).any(axis=-1))
    assert len(cells) > 100
    places = (OCCUPANCY_LOW + VOXEL * (cells + 0.5)) @ T[:3, :3].T + T[:3, 3]
    arm = places - [6.0, 8.0, 0.0]
    velocity = np.array([1.0, 2.0]) + 0.5 * np.column_stack([-arm[:, 1], arm[:, 0]])
    wanted = np.column_stack([velocity[:, 1], -velocity[:, 0]])  # along the axes of an ego that heads along y
    np.testing.assert_allclose(labels.flow[tuple(cells.T)], wanted, atol=1e-3)
    assert (labels.semantics[tuple(cells.T)] == Class.CAR).all()


def test_flow_is_zero_for_parked_cars_and_undefined_for_what_cannot_move():
    labels = _labels(street(motion=Steady((6.0, 8.0, 0.0), (3.0, 0.0, 0.0))))
    np.testing.assert_array_equal(labels.flow[_voxel(12.0, -3.0, 1.0)], [0.0, 0.0])
    defined = np.isfinite(labels.flow).all(axis=-1)
    np.testing.assert_array_equal(defined, labels.semantics == Class.CAR)
    assert np.isnan(labels.flow[~defined]).all()


def test_a_moving_thing_of_several_bodies_moves_as_one():
    scene = street(motion=Steady((6.0, 8.0, 0.0), (2.0, 0.0, 0.0)))
    wheel = surface(box([0.9, -0.9, 2.0], [1.3, -0.7, 2.4]), Class.CAR, Material.RUBBER, 3)
    spin = Steady((6.0, 8.0, 0.0), (2.0, 0.0, 0.0), yaw_rate=3.0)
    scene = replace(scene, movers=(*scene.movers, replace(scene.movers[0], mesh=wheel, motion=spin)))
    labels = _labels(scene)
    np.testing.assert_allclose(labels.flow[_voxel(7.1, 7.2, 2.3)], [2.0, 0.0], atol=1e-4)


def test_what_moves_without_being_a_thing_is_occupied_all_the_same():
    scene = street(motion=Steady((6.0, 8.0, 0.0), (2.0, 0.0, 0.0)))
    labels = _labels(replace(scene, things=scene.things[:-1]), time_ns=10**9)
    assert labels.semantics[_voxel(8.0, 8.0, 1.5)] == Class.CAR


def test_numbers_of_openocc_follow_from_those_of_occ3d():
    occ3d = np.arange(18, dtype=np.uint8)
    assert to_openocc(occ3d).tolist() == [14, 9, 5, 3, 0, 4, 6, 7, 8, 2, 1, 10, 11, 12, 13, 14, 15, 16]


def test_cameras_see_up_to_the_first_occupied_voxel():
    scene = street(wall(9.1, -3.0, 3.0))
    labels = _labels(scene, exposures=[exposed(scene)])
    assert labels.mask_camera[_voxel(5.0, 0.0, 1.5)]
    assert labels.mask_camera[_voxel(9.1, 0.0, 1.5)]
    assert not labels.mask_camera[_voxel(9.7, 0.0, 1.5)]
    assert not labels.mask_camera[_voxel(-1.0, 0.0, 1.5)]
    assert not labels.mask_lidar.any()


def test_each_camera_adds_what_it_sees_from_its_own_pose():
    scene = street()
    one = _labels(scene, exposures=[exposed(scene)]).mask_camera
    other = _labels(scene, exposures=[exposed(scene, place=(2.0, 0.0, 1.5), yaw=np.pi)]).mask_camera
    both = _labels(scene, exposures=[exposed(scene), exposed(scene, place=(2.0, 0.0, 1.5), yaw=np.pi)]).mask_camera
    assert one.any() and other.any()
    np.testing.assert_array_equal(both, one | other)


def test_the_lidar_has_seen_what_its_beams_pass_and_meet():
    labels = _labels(street(), beams=_along([[0.11, 0.13, 1.75]], [[8.14, 4.21, 0.93]]))
    origin, step = np.array([0.11, 0.13, 1.75]), np.array([8.03, 4.08, -0.82])
    want = walk_twin((origin - OCCUPANCY_LOW) / VOXEL, step / VOXEL, 1.0, OCCUPANCY_SHAPE)
    assert {tuple(c) for c in np.argwhere(labels.mask_lidar).tolist()} == set(want)
    assert labels.mask_lidar[_voxel(8.14, 4.21, 0.93)]


def test_labels_do_not_depend_on_what_was_labelled_before():
    scene = street(motion=Steady((6.0, 8.0, 0.0), (2.0, 0.0, 0.0)))
    truth = _truth(scene)
    first = truth.labels(10**9, np.eye(4), [exposed(scene)], NO_BEAMS)
    truth.labels(2 * 10**9, transform(np.eye(3), np.array([9.0, 1.0, 0.0])), [exposed(scene)], NO_BEAMS)
    again = truth.labels(10**9, np.eye(4), [exposed(scene)], NO_BEAMS)
    for name in ("semantics", "mask_camera", "flow"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))


def test_sweeps_around_a_key_frame_are_those_that_begin_within_the_window():
    assert list(sweeps_around(1_000_000_000, 250_000_000, 100)) == [8, 9, 10, 11, 12]
    assert list(sweeps_around(0, 250_000_000, 100)) == [0, 1, 2]
    assert list(sweeps_around(950_000_000, 250_000_000, 10)) == [7, 8, 9]


SHAPE = (12, 10, 8)


def _touched(triangles: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    n = len(triangles)
    batches = np.array([0, n]), np.array([STATIC], dtype=np.int32), np.array([False])
    T = np.eye(4)[None, :3].copy()
    return voxel_areas(triangles, kinds, np.arange(n), np.zeros(n, dtype=np.int32), T, batches, SHAPE)[0]


def _triangles(rng: np.random.Generator, n: int) -> np.ndarray:
    size = rng.choice([0.05, 0.5, 2.0], size=(n, 1, 1))
    return (rng.uniform(-2.0, 13.0, size=(n, 1, 3)) + size * rng.normal(size=(n, 3, 3))).astype(np.float32)


def test_voxels_of_a_triangle_are_those_of_the_twin():
    rng = np.random.default_rng(5)
    for triangle in _triangles(rng, 60):
        found = np.argwhere(_touched(triangle[None], np.zeros(1, dtype=np.uint8)) != FREE)
        assert {tuple(c) for c in found.tolist()} == set(voxel_areas_twin(triangle, SHAPE))


def test_the_class_of_a_voxel_is_that_of_the_areas_of_the_twin():
    rng = np.random.default_rng(6)
    triangles, kinds = _triangles(rng, 80), rng.integers(0, 17, size=80).astype(np.uint8)
    areas = np.zeros((*SHAPE, 17))
    for triangle, kind in zip(triangles, kinds, strict=True):
        for cell, area in voxel_areas_twin(triangle, SHAPE).items():
            areas[(*cell, kind)] += area
    semantics = _touched(triangles, kinds)
    ranked = np.sort(areas, axis=-1)
    clear = (ranked[..., -1] > 1.001 * ranked[..., -2]) & (ranked[..., -1] > 0.0)  # single precision decides the rest
    assert clear.sum() > 100
    np.testing.assert_array_equal(semantics[clear], areas.argmax(axis=-1)[clear])
    np.testing.assert_array_equal(semantics == FREE, areas.max(axis=-1) == 0.0)


def test_extreme_triangles_stay_in_the_grid():
    far = np.full((1, 3, 3), 1e30, dtype=np.float32)
    nan = np.full((1, 3, 3), np.nan, dtype=np.float32)
    huge = np.array([[[-1e5, -1e5, 3.5], [1e5, -1e5, 3.5], [0.0, 2e5, 3.5]]], dtype=np.float32)
    semantics = _touched(np.concatenate([far, nan, huge]), np.array([1, 2, 3], dtype=np.uint8))
    assert (semantics[:, :, 3] == 3).all()
    assert (semantics[:, :, [0, 1, 2, 4, 5, 6, 7]] == FREE).all()
    assert (_touched(np.zeros((0, 3, 3), dtype=np.float32), np.zeros(0, dtype=np.uint8)) == FREE).all()


def test_a_face_in_the_plane_between_two_voxels_is_in_one_of_them():
    face = np.array([[[2.0, 2.0, 3.0], [4.0, 2.0, 3.0], [2.0, 4.0, 3.0]]], dtype=np.float32)
    found = np.argwhere(_touched(face, np.zeros(1, dtype=np.uint8)) != FREE)
    assert {tuple(c) for c in found.tolist()} == {(2, 2, 3), (3, 2, 3), (2, 3, 3)}


def test_voxels_of_a_ray_are_those_of_the_twin():
    rng = np.random.default_rng(7)
    nowhere = np.zeros(SHAPE, dtype=np.bool_)
    for _ in range(400):
        origin, step = rng.uniform(-5.0, 15.0, size=3), rng.normal(size=3)
        step[rng.random(3) < 0.15] = 0.0
        seen = np.zeros(SHAPE, dtype=np.bool_)
        walk(origin[None], step[None], 5.0, nowhere, False, seen)
        assert {tuple(c) for c in np.argwhere(seen).tolist()} == set(walk_twin(origin, step, 5.0, SHAPE))


def test_a_ray_stops_at_the_first_occupied_voxel():
    rng = np.random.default_rng(8)
    occupied = rng.random(SHAPE) < 0.1
    for _ in range(200):
        origin, step = rng.uniform(-2.0, 14.0, size=3), rng.normal(size=3)
        seen = np.zeros(SHAPE, dtype=np.bool_)
        walk(origin[None], step[None], np.inf, occupied, True, seen)
        path = walk_twin(origin, step, 1e3, SHAPE)
        stop = next((i + 1 for i, cell in enumerate(path) if occupied[cell]), len(path))
        assert {tuple(c) for c in np.argwhere(seen).tolist()} == set(path[:stop])


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_rays_without_sense_see_nothing_outside(bad):
    seen = np.zeros(SHAPE, dtype=np.bool_)
    walk(np.full((1, 3), bad), np.ones((1, 3)), np.inf, seen, False, seen)
    assert not seen.any()


def test_of_segments_into_one_voxel_the_first_is_kept():
    ends = np.array(
        [[5.2, 5.2, 5.2], [5.4, 5.3, 5.2], [6.2, 5.2, 5.2], [50.0, 5.5, 5.5], [60.0, 5.6, 5.5], [-9, -9, 5]]
    )
    origins = np.tile([0.5, 5.5, 5.5], (len(ends), 1))
    origins[-1] = -5.0
    starts, steps = np.empty_like(ends), np.empty_like(ends)
    num = distinct(origins, ends, np.eye(4)[:3].copy(), np.zeros(SHAPE, dtype=np.bool_), starts, steps)
    np.testing.assert_allclose((starts + steps)[:num], ends[[0, 2, 3]])
    np.testing.assert_array_equal(starts[:num], origins[[0, 2, 3]])


def test_a_world_of_nothing_is_free():
    scene = replace(street(), static=joined(()), things=())
    labels = _labels(scene, exposures=[exposed(scene)])
    assert (labels.semantics == FREE).all()
    assert labels.mask_camera.any()
    assert np.isnan(labels.flow).all()
