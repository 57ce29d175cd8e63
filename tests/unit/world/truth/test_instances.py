from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from perception.core.cameras import CameraModel
from perception.core.classes import Class
from perception.core.geometry import exp_so3
from perception.core.labels import ObjectLabels
from perception.world.geometry.mesh import Mesh, placed
from perception.world.geometry.raycast import NO_HIT, Accelerator
from perception.world.scene import Scene
from perception.world.sensors.cameras import Exposure
from perception.world.things import Thing
from perception.world.truth.consistency import cast_pixels
from perception.world.truth.instances import Coverage, label_instances, semantics_of
from perception.world.truth.kernels_images import MAX_CORNERS, seen_corners, seen_corners_twin
from tests.unit.world.truth.worlds import (
    MOVING,
    PARKED,
    SIGN,
    WALKER,
    Steady,
    accelerated,
    car,
    chosen,
    exposed,
    street,
    wall,
)

FISHEYE = CameraModel(
    160, 120, np.array([[60.0, 0.0, 79.5], [0.0, 60.0, 59.5], [0.0, 0.0, 1.0]]), "equidistant",
    np.array([0.03, -0.01, 0.004, -0.001]),
)  # fmt: skip


def _rows(world: Accelerator, exposure: Exposure) -> np.ndarray:
    """Triangles (H, W) in the middle of the pixels, by rays."""
    model = exposure.camera.model
    v, u = np.meshgrid(np.arange(model.height), np.arange(model.width), indexing="ij")
    hits = cast_pixels(world, exposure, np.stack([u, v], axis=-1).reshape(-1, 2).astype(float))
    return hits.rows.reshape(model.height, model.width)


def _alone(scene: Scene, exposure: Exposure) -> Coverage:
    """Pixels of each object's own triangles in a world without anything else, by rays."""

    def pixels(thing: Thing) -> int:
        def own(mesh: Mesh) -> Mesh:
            return chosen(mesh, (mesh.instance_ids == thing.instance_id) & (mesh.class_ids == thing.kind))

        movers = tuple(replace(mover, mesh=own(mover.mesh)) for mover in scene.movers)
        world = accelerated(replace(scene, static=own(scene.static), movers=movers))
        return np.count_nonzero(_rows(world, exposure) != NO_HIT)

    things = {thing.instance_id: thing for thing in scene.things}
    return lambda ids: np.array([pixels(things[i]) for i in ids.tolist()], dtype=np.int64)


def _labels(scene: Scene, **where) -> tuple[ObjectLabels, np.ndarray]:
    world, exposure = accelerated(scene), exposed(scene, **where)
    rows = _rows(world, exposure)
    return label_instances(scene, world, exposure, rows, _alone(scene, exposure)), rows


def _of(labels: ObjectLabels, instance: int) -> int:
    return int(np.flatnonzero(labels.instance_ids == instance)[0])


def test_masks_and_visible_boxes_are_those_of_the_pixels():
    labels, _ = _labels(street())
    assert labels.instance_ids.tolist() == [PARKED, SIGN]
    assert labels.class_ids.tolist() == [Class.CAR, Class.TRAFFIC_SIGN]
    for i, number in enumerate(labels.instance_ids):
        v, u = np.nonzero(labels.instance_map == number)
        assert len(v) > 10
        np.testing.assert_array_equal(labels.boxes[i], [u.min(), v.min(), u.max() + 1, v.max() + 1])


def test_the_box_of_a_plate_is_where_the_pinhole_camera_shows_it():
    labels, _ = _labels(street())
    x = 20.0 - 0.02  # m, the face of the plate; 0.8 m wide around y = 4, from 2.0 to 2.8 m
    u = 79.5 - 100.0 * np.array([4.4, 3.6]) / x + 0.5
    v = 59.5 - 100.0 * np.array([2.8 - 1.5, 2.0 - 1.5]) / x + 0.5
    np.testing.assert_allclose(labels.amodal_boxes[_of(labels, SIGN)], [u[0], v[0], u[1], v[1]], atol=0.05)


def test_the_pole_of_a_sign_is_not_part_of_it():
    labels, rows = _labels(street())
    world = accelerated(street())
    pole = (world.mesh.instance_ids == SIGN) & (world.mesh.class_ids == Class.MANMADE)
    shows_pole = pole[rows] & (rows != NO_HIT)
    assert shows_pole.any()
    assert (labels.instance_map[shows_pole] == 0).all()
    assert labels.occlusion[_of(labels, SIGN)] == pytest.approx(0.0, abs=1e-6)


def test_what_nothing_hides_has_equal_boxes_and_no_occlusion():
    labels, _ = _labels(street(motion=Steady((15.0, 1.0, 0.0))))
    np.testing.assert_allclose(labels.boxes, labels.amodal_boxes, atol=1.01)
    np.testing.assert_array_equal(labels.occlusion, 0.0)


def test_a_wall_hides_a_share_that_pixels_tell():
    scene = street(wall(5.0, -1.2, 0.0, 3.0), motion=Steady((15.0, 1.0, 0.0)))
    labels, _ = _labels(scene)
    free, _ = _labels(street(motion=Steady((15.0, 1.0, 0.0))))
    i, k = _of(labels, PARKED), _of(free, PARKED)
    pixels = [np.count_nonzero(x.instance_map == PARKED) for x in (labels, free)]
    assert 0.2 < labels.occlusion[i] < 0.9
    assert labels.occlusion[i] == pytest.approx(1.0 - pixels[0] / pixels[1], abs=1e-6)
    np.testing.assert_array_equal(labels.amodal_boxes[i], free.amodal_boxes[k])
    assert labels.boxes[i, 0] > labels.amodal_boxes[i, 0] + 5.0


def test_the_rasteriser_tells_the_same_occlusion_as_rays_also_of_what_has_several_bodies():
    scene = street(wall(5.0, -1.2, 0.3, 1.4), motion=Steady((15.0, 1.0, 0.0)), walker=Steady((9.0, 0.0, 0.0)))
    walker = scene.movers[-1]
    arm = replace(walker, motion=Steady((9.0, 0.3, 0.0), yaw=0.4))  # a second body, half beside the first
    scene = replace(scene, movers=(*scene.movers, arm))
    world, exposure = accelerated(scene), exposed(scene)
    rows = _rows(world, exposure)
    by_rays = label_instances(scene, world, exposure, rows, _alone(scene, exposure))
    labels = label_instances(scene, world, exposure, rows)
    assert labels.instance_ids.tolist() == [PARKED, SIGN, MOVING, WALKER]
    np.testing.assert_allclose(labels.occlusion, by_rays.occlusion, atol=0.01)
    assert (labels.occlusion[[0, 3]] > 0.1).all()


def test_the_small_and_the_hidden_are_ignored():
    labels, _ = _labels(street())
    assert not labels.is_ignored[_of(labels, PARKED)]
    assert labels.is_ignored[_of(labels, SIGN)]  # 4 px
    hidden, _ = _labels(street(wall(5.0, -1.75, 0.0, 3.0)))
    i = _of(hidden, PARKED)
    assert hidden.occlusion[i] > 0.7
    assert hidden.is_ignored[i]


def test_an_object_across_the_border_and_behind_the_camera_is_cut():
    scene = street(motion=Steady((1.0, 1.5, 0.0)))  # from 1 m behind the camera to 3 m ahead, on its left
    labels, _ = _labels(scene)
    i = _of(labels, MOVING)
    assert labels.amodal_boxes[i, 0] == 0.0
    np.testing.assert_allclose(labels.boxes[i], labels.amodal_boxes[i], atol=1.01)
    assert labels.occlusion[i] == 0.0


def test_boxes_of_a_fisheye_hold_the_pixels():
    labels, _ = _labels(street(motion=Steady((6.0, 1.5, 0.0), yaw=0.4)), model=FISHEYE)
    assert set(labels.instance_ids) >= {PARKED, MOVING}
    np.testing.assert_allclose(labels.boxes, labels.amodal_boxes, atol=1.5)  # edges bend between their ends


def test_the_same_object_keeps_its_number_where_it_moves():
    scene = street(motion=Steady((8.0, 3.0, 0.0), (2.0, -1.0, 0.0)))
    boxes = []
    for time_ns in (0, 10**9):
        labels, _ = _labels(scene, time_ns=time_ns)
        boxes.append(labels.boxes[_of(labels, MOVING)])
    assert boxes[1][0] > boxes[0][0]  # to the right


def test_a_far_copy_in_a_world_that_repeats_does_not_widen_the_box():
    alone, _ = _labels(street())
    copy = placed(car(), 0.3, (112.0, -3.0, 0.0), PARKED)
    scene = replace(street(copy), layout=SimpleNamespace(period=100.0))
    world, exposure = accelerated(scene), exposed(scene)
    rows = _rows(world, exposure)
    labels = label_instances(scene, world, exposure, rows)
    far = (rows >= len(street().static)) & (world.mesh.instance_ids[rows] == PARKED)
    assert far.any()
    assert (labels.instance_map[far] == 0).all()
    i, k = _of(labels, PARKED), _of(alone, PARKED)
    np.testing.assert_array_equal(labels.boxes[i], alone.boxes[k])
    np.testing.assert_array_equal(labels.amodal_boxes[i], alone.amodal_boxes[k])


def test_a_camera_that_sees_no_object_has_empty_labels():
    labels, rows = _labels(street(), yaw=np.pi)
    assert len(labels.instance_ids) == 0
    assert labels.boxes.shape == labels.amodal_boxes.shape == (0, 4)
    assert (labels.instance_map == 0).all()
    assert (rows != NO_HIT).any()


def test_a_thing_that_is_not_detected_is_no_object():
    scene = street()
    scene = replace(scene, things=tuple(replace(t, kind=Class.ANIMAL) for t in scene.things))
    assert len(_labels(scene)[0].instance_ids) == 0


def test_semantics_are_classes_and_the_sky_is_free():
    scene = street()
    world, exposure = accelerated(scene), exposed(scene)
    semantics = semantics_of(world, _rows(world, exposure))
    assert semantics.dtype == np.uint8
    assert set(np.unique(semantics)) == {
        Class.CAR, Class.DRIVEABLE_SURFACE, Class.MANMADE, Class.TRAFFIC_SIGN, Class.FREE,
    }  # fmt: skip
    assert semantics[0, 0] == Class.FREE
    assert semantics[-1, 80] == Class.DRIVEABLE_SURFACE


def _kernel(triangles: np.ndarray, window: np.ndarray, near: float) -> list[np.ndarray]:
    n = len(triangles)
    corners, sources = np.empty((MAX_CORNERS * n, 2)), np.empty(MAX_CORNERS * n, dtype=np.int32)
    T = np.eye(4)[None, :3].copy()
    rows, bodies = np.arange(n), np.zeros(n, dtype=np.int32)
    num = seen_corners(triangles.astype(np.float32), rows, bodies, T, window, near, corners, sources)
    return [corners[:num][sources[:num] == i] for i in range(n)]


def test_clipping_is_that_of_the_twin_on_random_and_extreme_triangles():
    rng = np.random.default_rng(3)
    triangles = rng.normal(size=(400, 3, 3)) * rng.choice([0.1, 1.0, 30.0], size=(400, 1, 1)) + [0.0, 0.0, 1.5]
    triangles[0] = 0.0  # a point in the camera
    triangles[1, :, 2] = -3.0  # behind
    triangles[2] = [[-1e4, -1e4, 5.0], [1e4, -1e4, 5.0], [0.0, 2e4, 5.0]]  # all of the view
    triangles = triangles.astype(np.float32)
    window = np.array([-0.8, -0.6, 0.9, 0.5])
    found = _kernel(triangles, window, 0.05)
    for triangle, corners in zip(triangles, found, strict=True):
        np.testing.assert_allclose(corners, seen_corners_twin(triangle, window, 0.05), atol=1e-9)
    assert sum(len(corners) > 0 for corners in found) > 50
    np.testing.assert_allclose(np.sort(found[2][:, 0]), [-0.8, -0.8, 0.9, 0.9])


def test_clipping_uses_the_pose_of_the_body():
    triangle = np.array([[[0, 0, 2], [0.5, 0, 2], [0, 0.5, 2]]], dtype=np.float32)
    T = np.eye(4)[:3].copy()
    T[:, :3], T[:, 3] = exp_so3(np.array([0.0, 0.0, 0.5 * np.pi])), (0.1, 0.2, 1.0)
    corners, sources = np.empty((MAX_CORNERS, 2)), np.empty(MAX_CORNERS, dtype=np.int32)
    window = np.array([-1.0, -1.0, 1.0, 1.0])
    args = (np.zeros(1, dtype=np.int64), np.ones(1, dtype=np.int32), np.stack([np.zeros((3, 4)), T]), window, 0.05)
    num = seen_corners(triangle, *args, corners, sources)
    np.testing.assert_allclose(corners[:num], np.array([[0.1, 0.2], [0.1, 0.7], [-0.4, 0.2]]) / 3.0, atol=1e-7)


def test_no_triangles_have_no_corners():
    assert _kernel(np.zeros((0, 3, 3)), np.array([-1.0, -1.0, 1.0, 1.0]), 0.05) == []
