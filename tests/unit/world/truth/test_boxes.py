from dataclasses import replace

import numpy as np
import pytest

from perception.core.classes import Class
from perception.core.geometry import apply, exp_so3, inverse, transform
from perception.core.stamps import NS_PER_S
from perception.world.truth.boxes import label_boxes
from tests.unit.world.truth.worlds import CAR_SIZE, MOVING, PARKED, SIGN, Steady, street


def _ego(x: float, y: float, yaw: float) -> np.ndarray:
    return transform(exp_so3(np.array([0.0, 0.0, yaw])), np.array([x, y, 0.0]))


def test_boxes_have_place_size_and_heading_in_the_ego_frame():
    T = _ego(2.0, 1.0, np.radians(90.0))
    labels = label_boxes(street(), 0, T, 2.0)
    assert labels.instance_ids.tolist() == [PARKED, SIGN]
    assert labels.class_ids.tolist() == [Class.CAR, Class.TRAFFIC_SIGN]
    np.testing.assert_allclose(labels.centres[0], [-4.0, -10.0, 0.75], atol=1e-9)
    np.testing.assert_allclose(labels.sizes[0], CAR_SIZE, atol=1e-6)
    assert labels.yaws[0] == pytest.approx(0.3 - np.radians(90.0))


def test_velocity_is_over_ground_along_the_axes_of_the_ego():
    scene = street(motion=Steady((5.0, 6.0, 0.0), (3.0, 0.0, 0.0)))
    labels = label_boxes(scene, NS_PER_S, _ego(0.0, 0.0, np.radians(90.0)), 0.0)
    velocity = dict(zip(labels.instance_ids.tolist(), labels.velocities, strict=True))
    np.testing.assert_allclose(velocity[MOVING], [0.0, -3.0, 0.0], atol=1e-9)
    np.testing.assert_array_equal(velocity[PARKED], [0.0, 0.0, 0.0])


def test_velocity_of_a_turning_body_is_the_one_of_its_middle():
    scene = street(motion=Steady((5.0, 6.0, 0.0), (0.0, 0.0, 0.0), yaw_rate=1.0))
    thing = scene.things[-1]
    ahead = np.array([2.0, 0.0, 0.0])
    scene = replace(scene, things=(replace(thing, low=thing.low + ahead, high=thing.high + ahead),))
    labels = label_boxes(scene, 0, np.eye(4), 0.0)
    np.testing.assert_allclose(labels.velocities[0], [0.0, 2.0, 0.0], atol=1e-3)  # 2 m from the axis at 1 rad/s


def test_things_beyond_60_m_are_left_out():
    assert label_boxes(street(), 0, _ego(-47.0, -3.0, 0.0), 0.0).instance_ids.tolist() == [PARKED]


def test_returns_are_counted_in_the_turned_box_but_not_on_the_ground_below():
    scene = street(motion=Steady((5.0, 6.0, 0.0)))
    corner = 0.5 * CAR_SIZE - 0.01
    local = np.array([[0, 0, 0.5], [corner[0], corner[1], 1.4], [corner[0], -corner[1], 0.3], [0, 0, 0.0], [3, 0, 0.5]])
    T_world_car = scene.things[0].T_world_thing
    T = _ego(2.0, 1.0, 0.7)
    points = apply(inverse(T) @ T_world_car, local)
    labels = label_boxes(scene, 0, T, 2.0, points.astype(np.float32))
    assert labels.num_points.tolist() == [3, 0, 0]


def test_without_a_scan_the_number_of_returns_is_unknown():
    assert label_boxes(street(), 0, np.eye(4), 0.0).num_points.tolist() == [-1, -1]


def test_a_world_without_things_has_no_boxes():
    assert len(label_boxes(replace(street(), things=()), 0, np.eye(4), 0.0).class_ids) == 0
