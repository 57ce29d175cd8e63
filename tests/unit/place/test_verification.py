import numpy as np
import pytest

from perception.core.errors import InvalidInput
from perception.core.geometry import inverse, log_so3
from perception.place.config import VerificationConfig
from perception.place.registration2d import Planar
from perception.place.verification import Verdict, lifted, verify
from tests.unit.place.scenes import pose, seen, yard

CONFIG = VerificationConfig()
HERE, THERE = pose(1.0, 2.0, 1.5, 0.4, (0.02, -0.01)), pose(5.0, -3.0, 1.6, -2.3, (-0.01, 0.03))


def clouds(seed=0, other=None):
    reference = yard(seed)
    query = yard(seed if other is None else other)
    rng = np.random.default_rng(seed)
    return seen(query[rng.random(len(query)) < 0.5], THERE, seed=1), seen(reference, HERE, seed=2)


def errors(T, want):
    E = inverse(want) @ T
    return np.linalg.norm(E[:3, 3]), np.degrees(np.linalg.norm(log_so3(E[:3, :3])))


@pytest.mark.parametrize("seed", range(4))
def test_a_revisit_is_accepted_and_its_pose_refined_from_what_images_say(seed):
    query, reference = clouds(seed)
    truth = inverse(HERE) @ THERE
    rng = np.random.default_rng(seed)
    start = truth @ pose(*rng.uniform(-0.6, 0.6, 3), rng.uniform(-0.03, 0.03), rng.uniform(-0.04, 0.04, 2))
    found = verify(query, reference, start, CONFIG)
    assert found.is_accepted, (found.verdict, found.detail)
    shift, turn = errors(found.T_reference_query, truth)
    assert shift < 0.03
    assert turn < 0.1
    assert found.overlap > 0.9
    assert np.linalg.eigvalsh(found.information).min() > 0


def test_another_place_is_refused():
    query, reference = clouds(0, other=7)
    cut = query[np.abs(query[:, 2]) < 20]
    shifted = pose(9.0, 6.0, 0.0, 1.0)
    found = verify(cut, reference, inverse(HERE) @ THERE @ shifted, CONFIG)
    assert not found.is_accepted
    assert found.verdict in (Verdict.LOW_OVERLAP, Verdict.FAR_CORRECTION, Verdict.LARGE_RESIDUAL)
    assert found.detail


def test_what_contradicts_the_images_is_refused():
    query, reference = clouds(1)
    start = inverse(HERE) @ THERE @ pose(0.8, 0.5, 0.0)
    found = verify(query, reference, start, VerificationConfig(max_correction=0.3))
    assert found.verdict is Verdict.FAR_CORRECTION
    assert "0.9" in found.detail


def test_a_smooth_tunnel_leaves_a_direction_open():
    rng = np.random.default_rng(0)
    angle, along = rng.uniform(0, 2 * np.pi, 30_000), rng.uniform(-30, 30, 30_000)
    tunnel = np.stack([along, 3 * np.cos(angle), 3 * np.sin(angle)], axis=1)
    query = tunnel[np.abs(tunnel[:, 0]) < 15]
    found = verify(seen(query, np.eye(4), 0.01), seen(tunnel, np.eye(4), 0.01, 5), pose(0.3), CONFIG)
    assert found.verdict is Verdict.DEGENERATE


def test_surfaces_that_do_not_fit_are_refused():
    query, reference = clouds(2)
    rng = np.random.default_rng(0)
    rough = query + rng.normal(0, 0.35, query.shape).astype(np.float32)
    found = verify(rough, reference, inverse(HERE) @ THERE, VerificationConfig(max_residual=0.12, min_standing=0.0))
    assert found.verdict is Verdict.LARGE_RESIDUAL


@pytest.mark.parametrize("num", [0, 150])
def test_too_few_points_prove_nothing(num):
    query, reference = clouds(0)
    for pair in ((query[:num], reference), (query, reference[:num])):
        assert verify(*pair, np.eye(4), CONFIG).verdict is Verdict.FEW_POINTS


def test_clouds_without_common_surfaces_find_no_fit():
    query, reference = clouds(0)
    assert verify(query, reference, pose(500.0), CONFIG).verdict is Verdict.NO_FIT


def test_the_same_input_gives_the_same_bits():
    query, reference = clouds(3)
    first, second = (verify(query, reference, inverse(HERE) @ THERE, CONFIG) for _ in range(2))
    np.testing.assert_array_equal(first.T_reference_query, second.T_reference_query)


def test_a_start_that_is_no_pose_is_refused():
    query, reference = clouds(0)
    with pytest.raises(InvalidInput, match="finite"):
        verify(query, reference, np.full((4, 4), np.nan), CONFIG)


def test_a_motion_in_the_plane_is_lifted_by_the_height_of_odometry():
    T = lifted(Planar(0.5, np.array([1.0, -2.0]), np.ones(3, dtype=bool), True, ""), 0.7)
    np.testing.assert_allclose(T, pose(1.0, -2.0, 0.7, 0.5), atol=1e-12)
