import numpy as np
import pytest

from perception.core.errors import InvalidInput
from perception.place.config import PlanarConfig
from perception.place.registration2d import align, best_motion, best_motion_twin, kabsch

CONFIG = PlanarConfig()


def pairs(seed, num=80, share=0.4, noise=0.15, yaw=2.5, shift=(6.0, -7.0)):
    """Matched points of which a share fits a motion."""
    rng = np.random.default_rng(seed)
    query = rng.uniform(-35, 35, (num, 2))
    R = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
    reference = query @ R.T + shift + rng.normal(0, noise, (num, 2))
    wrong = rng.permutation(num)[round(share * num) :]
    reference[wrong] = rng.uniform(-35, 35, (len(wrong), 2))
    return query, reference, np.isin(np.arange(num), wrong, invert=True)


@pytest.mark.parametrize("yaw", np.arange(0.0, 6.28, 0.7))
@pytest.mark.parametrize("share", [1.0, 0.6, 0.3])
def test_the_motion_is_found_at_any_heading_among_wrong_pairs(yaw, share):
    query, reference, is_right = pairs(int(100 * yaw), share=share, yaw=yaw)
    found = align(query, reference, CONFIG)
    assert found.is_accepted, found.reason
    assert abs(np.angle(np.exp(1j * (found.yaw - yaw)))) < np.radians(0.5)
    np.testing.assert_allclose(found.shift, [6, -7], atol=0.2)
    assert (found.inliers & is_right).sum() >= 0.95 * is_right.sum()
    np.testing.assert_allclose((found.T_reference_query @ [*query[0], 0, 1])[3], 1)


@pytest.mark.parametrize("num", [0, 2, 3, 50])
def test_the_kernel_finds_what_its_definition_does(num):
    rng = np.random.default_rng(num)
    query, reference, _ = pairs(num, num=num)
    samples = rng.integers(0, max(num, 1), (200 if num else 0, 2))
    have, want = np.zeros(3), np.zeros(3)
    count = best_motion(query, reference, samples, 0.8, 2.0, have)
    assert count == best_motion_twin(query, reference, samples, 0.8, 2.0, want)
    np.testing.assert_allclose(have, want, atol=1e-12)


def test_the_same_pairs_give_the_same_bits():
    query, reference, _ = pairs(4)
    first, second = align(query, reference, CONFIG), align(query.copy(), reference.copy(), CONFIG)
    assert first.yaw == second.yaw
    np.testing.assert_array_equal(first.shift, second.shift)


def test_pairs_that_do_not_agree_are_refused_with_a_reason():
    rng = np.random.default_rng(0)
    least = CONFIG.min_inliers - 1
    for num, word in ((0, "0 matches"), (least, f"{least} matches"), (60, "agree")):
        found = align(rng.uniform(-30, 30, (num, 2)), rng.uniform(-30, 30, (num, 2)), CONFIG)
        assert not found.is_accepted
        assert word in found.reason
    query, reference, _ = pairs(1, num=400, share=0.06)
    found = align(query, reference, CONFIG)
    assert not found.is_accepted
    assert "share" in found.reason


def test_points_that_all_coincide_are_refused():
    found = align(np.ones((30, 2)), np.ones((30, 2)), CONFIG)
    assert not found.is_accepted


def test_kabsch_is_exact_for_exact_pairs():
    query, reference, _ = pairs(2, share=1.0, noise=0.0, yaw=-3.0)
    np.testing.assert_allclose(kabsch(query, reference), [-3.0, 6.0, -7.0], atol=1e-12)


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(InvalidInput, match="reference"):
        align(np.zeros((3, 2)), np.zeros((4, 2)), CONFIG)
