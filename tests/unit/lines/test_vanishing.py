"""Vanishing points: signs of roll and pitch, accuracy, chance, and kernels against their definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.core.cameras import CameraModel
from perception.core.errors import InvalidInput
from perception.core.geometry import transform
from perception.lines import vanishing_kernels as kernels
from perception.lines.use_config import VanishingConfig
from perception.lines.vanishing import attitude_of, level_from_camera, roll_pitch, vanishing_points
from tests.unit.lines.upright import rotation, seen, upright_segments, world_edges

K = np.array([[460.0, 0.0, 319.5], [0.0, 460.0, 239.5], [0.0, 0.0, 1.0]])
CAMERA = CameraModel(640, 480, K)
AXES = np.eye(3)
angles = st.floats(-0.3, 0.3)


def clutter(num, seed=0):
    rng = np.random.default_rng(seed)
    middle, angle = rng.uniform([0, 0], [640, 480], (num, 2)), rng.uniform(0.0, np.pi, num)
    half = rng.uniform(8.0, 40.0, (num, 1)) * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.concatenate([middle - half, middle + half], axis=1).astype(np.float32)


def noisy(segments, px, seed=0):
    return segments + np.random.default_rng(seed).normal(scale=px, size=segments.shape).astype(np.float32)


def test_a_camera_whose_right_side_is_lower_has_a_positive_roll():
    right_side_down = rotation(roll=0.1)
    assert (right_side_down @ [1.0, 0.0, 0.0])[2] < 0.0
    assert attitude_of(transform(right_side_down, np.zeros(3))) == pytest.approx((0.1, 0.0))


def test_a_camera_that_looks_up_has_a_positive_pitch():
    upward = rotation(roll=0.0, pitch=0.2)
    assert (upward @ [0.0, 0.0, 1.0])[2] > 0.0
    assert attitude_of(transform(upward, np.zeros(3))) == pytest.approx((0.0, 0.2))


@given(roll=angles, pitch=angles, yaw=st.floats(-3.0, 3.0))
@settings(max_examples=40, deadline=None)
def test_roll_and_pitch_follow_from_posts_whatever_the_heading(roll, pitch, yaw):
    R = rotation(roll, pitch, yaw)
    segments = seen(CAMERA, R, world_edges([AXES[2]], 300))
    found = vanishing_points(segments, CAMERA)
    assert found.has_vertical
    assert (found.attitude.roll, found.attitude.pitch) == pytest.approx(
        attitude_of(transform(R, np.zeros(3))), abs=1e-3
    )
    assert found.attitude.share == pytest.approx(1.0)


def test_the_horizon_passes_where_level_directions_are_seen():
    R = rotation(0.1, -0.1, 0.4)
    found = vanishing_points(seen(CAMERA, R, world_edges([AXES[2]], 300)), CAMERA)
    (x1, y1), (x2, y2) = found.attitude.horizon(CAMERA)
    level = CAMERA.project(np.array([[np.cos(a), np.sin(a), 0.0] for a in (0.2, 0.4, 0.6)]) @ R)
    np.testing.assert_allclose(np.interp(level[:, 0], [x1, x2], [y1, y2]), level[:, 1], atol=0.5)


def test_a_world_of_right_angles_gives_its_three_directions_and_the_group_of_each_segment():
    R = rotation(0.05, 0.1, 0.5)
    segments = seen(CAMERA, R, world_edges(AXES, 150))
    found = vanishing_points(segments, CAMERA)
    assert len(found) == 3
    cosines = np.abs(found.directions @ R.T @ AXES)
    assert cosines.max(axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    assert found.num_segments.sum() == (found.groups >= 0).sum() > 0.9 * len(segments)


def test_noise_of_a_pixel_and_as_many_segments_without_order_leave_the_roll_within_half_a_degree():
    errors = []
    for seed in range(20):
        R = rotation(0.1, 0.05, 0.3 * seed)
        posts = noisy(seen(CAMERA, R, world_edges([AXES[2]], 200, seed))[:20], 0.7, seed)
        found = vanishing_points(np.concatenate([posts, clutter(20, seed)]), CAMERA)
        if found.has_vertical:
            errors.append(found.attitude.roll - 0.1)
    assert len(errors) >= 15
    assert np.degrees(np.median(np.abs(errors))) < 0.5


def test_the_uncertainty_is_that_of_the_errors():
    rolls, stds = [], []
    for seed in range(40):
        segments = noisy(upright_segments(CAMERA, 0.1, 0.05, seed=3), 0.7, seed)
        found = vanishing_points(segments, CAMERA).attitude
        rolls.append(found.roll - 0.1)
        stds.append(found.roll_std)
    assert 0.5 < np.sqrt(np.mean(np.square(rolls))) / np.mean(stds) < 2.0


def test_segments_without_order_tell_nothing():
    told = [vanishing_points(clutter(60, seed), CAMERA).has_vertical for seed in range(100)]
    assert sum(told) <= 2


@pytest.mark.parametrize("num", [0, 1, 4])
def test_too_few_segments_tell_nothing(num):
    found = vanishing_points(upright_segments(CAMERA, 0.0)[:num], CAMERA)
    assert (len(found), found.attitude) == (0, None)
    assert found.groups.tolist() == [-1] * num


def test_level_segments_alone_are_not_taken_for_upright_ones():
    found = vanishing_points(seen(CAMERA, rotation(0.0), world_edges(AXES[:2], 200)), CAMERA)
    assert not found.has_vertical
    assert len(found) == 2


def test_the_order_and_direction_of_segments_do_not_matter_and_the_same_ones_give_the_same():
    segments = noisy(upright_segments(CAMERA, 0.1), 0.5)
    first = vanishing_points(segments, CAMERA).attitude
    assert vanishing_points(segments, CAMERA).attitude.roll == first.roll
    turned = np.ascontiguousarray(segments[::-1][:, [2, 3, 0, 1]])
    assert vanishing_points(turned, CAMERA).attitude.roll == pytest.approx(first.roll, abs=2e-3)


def test_a_bent_image_a_broken_calibration_and_broken_segments_are_refused():
    segments = upright_segments(CAMERA, 0.0)
    bent = CameraModel(640, 480, K, "plumb_bob", np.array([-0.2, 0.0, 0.0, 0.0, 0.0]))
    with pytest.raises(InvalidInput, match="rectify them first"):
        vanishing_points(segments, bent)
    broken = K.copy()
    broken[0, 2] = np.nan
    with pytest.raises(InvalidInput, match="K is not finite"):
        vanishing_points(segments, CameraModel(640, 480, broken))
    segments[0, 0] = np.inf
    with pytest.raises(InvalidInput, match="expected finite px"):
        vanishing_points(segments, CAMERA)
    with pytest.raises(InvalidInput, match="segments: expected"):
        vanishing_points(np.zeros((2, 3), dtype=np.float32), CAMERA)


def test_the_level_frame_has_z_up_and_x_ahead():
    up = rotation(0.2, 0.1).T @ AXES[2]
    R = level_from_camera(up)
    np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(R @ up, AXES[2], atol=1e-12)
    assert (R @ [0.0, 0.0, 1.0])[1] == pytest.approx(0.0, abs=1e-12)
    assert roll_pitch(up) == pytest.approx((0.2, 0.1))


@pytest.mark.parametrize("num", [0, 1, 2, 40])
def test_kernels_equal_their_definitions(num):
    rng = np.random.default_rng(num)
    angle = rng.uniform(0.0, np.pi, num)
    rows = np.column_stack([rng.uniform(-300, 300, (num, 2)), np.cos(angle), np.sin(angle), rng.uniform(1, 90, num)])
    tolerances, weights = rng.uniform(0.01, 0.3, num), rng.uniform(0.0, 9.0, num)
    directions = rng.normal(size=(7, 3))
    directions[0] = (0.0, 0.0, 1.0)
    normals = rng.normal(size=(num, 3))
    for direction in directions:
        np.testing.assert_allclose(
            kernels.sines(rows, direction, 400.0), kernels.sines_reference(rows, direction, 400.0), atol=1e-12
        )
        np.testing.assert_allclose(
            kernels.refined(rows, normals, tolerances, direction, 400.0),
            kernels.refined_reference(rows, normals, tolerances, direction, 400.0),
            atol=1e-6,
        )
    np.testing.assert_allclose(
        kernels.supports(rows, tolerances, weights, directions, 400.0),
        kernels.supports_reference(rows, tolerances, weights, directions, 400.0),
        atol=1e-9,
    )


def test_a_loose_limit_of_chance_takes_more():
    strict = VanishingConfig(max_chance=1e-9)
    few = np.concatenate([upright_segments(CAMERA, 0.0)[:6], clutter(40)])
    assert not vanishing_points(few, CAMERA, strict).has_vertical
