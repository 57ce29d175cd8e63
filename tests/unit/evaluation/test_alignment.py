import numpy as np
import pytest

from perception.core.errors import InvalidInput
from perception.core.geometry import exp_so3, log_so3, transform
from perception.evaluation.alignment import align
from tests.unit.evaluation.paths import curved_drive, noisy, straight_drive

T = transform(exp_so3(np.array([0.3, -0.2, 2.5])), np.array([10.0, -4.0, 1.5]))


def test_a_known_similarity_is_found_again():
    estimate = curved_drive().poses
    reference = estimate.copy()
    reference[:, :3, 3] *= 1.7
    reference = T @ reference
    found = align(estimate, reference, "sim3")
    np.testing.assert_allclose(found.T_reference_estimate, T, atol=1e-9)
    assert found.scale == pytest.approx(1.7, abs=1e-12)
    np.testing.assert_allclose(found.apply(estimate), reference, atol=1e-9)


def test_a_mirrored_point_set_gives_a_rotation_and_no_mirror():
    estimate = curved_drive().poses
    reference = estimate.copy()
    reference[:, 2, 3] *= -1.0
    R = align(estimate, reference, "se3").T_reference_estimate[:3, :3]
    assert np.linalg.det(R) == pytest.approx(1.0)


def test_origin_makes_the_first_poses_coincide():
    reference, estimate = curved_drive().poses, T @ noisy(curved_drive(), seed=3).poses
    np.testing.assert_allclose(align(estimate, reference, "origin").apply(estimate)[0], reference[0], atol=1e-12)


def test_no_small_motion_beats_the_least_squares_alignment():
    reference, estimate = curved_drive().poses, T @ noisy(curved_drive(), seed=4, metres=1.0).poses
    best = align(estimate, reference, "se3")

    def cost(T_reference_estimate: np.ndarray) -> float:
        return float(np.square((T_reference_estimate @ estimate - reference)[:, :3, 3]).sum())

    rng = np.random.default_rng(5)
    for _ in range(50):
        nudge = transform(exp_so3(rng.normal(0.0, 1e-3, 3)), rng.normal(0.0, 1e-3, 3))
        assert cost(best.T_reference_estimate) <= cost(nudge @ best.T_reference_estimate)


def test_attitudes_decide_the_roll_of_a_straight_drive():
    reference = straight_drive().poses
    estimate = T @ reference
    np.testing.assert_allclose(align(estimate, reference, "se3").apply(estimate), reference, atol=1e-9)


def test_attitudes_decide_the_rotation_of_a_robot_that_stands_still():
    reference = np.tile(np.eye(4), (20, 1, 1))
    found = align(T @ reference, reference, "se3")
    assert np.linalg.norm(log_so3(found.T_reference_estimate[:3, :3] @ T[:3, :3])) < 1e-9


def test_a_scale_is_refused_where_nothing_moved():
    still = np.tile(np.eye(4), (20, 1, 1))
    with pytest.raises(InvalidInput, match="stand still"):
        align(still, still, "sim3")
