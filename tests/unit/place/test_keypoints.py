import numpy as np
import pytest

from perception.place.config import KeypointConfig, MatchingConfig
from perception.place.keypoints import find_keypoints, match_descriptors
from tests.shared import shared


def test_corners_of_a_real_scan_are_those_of_the_reference():
    with np.load(shared("parity/bevplace_rem.npz")) as data:
        image, want = data["imgA_u8"], data["fast_kp"]
    have = find_keypoints(image, KeypointConfig())
    assert {tuple(pixel) for pixel in have} == {tuple(pixel) for pixel in want[:, :2].astype(int)}
    few = find_keypoints(image, KeypointConfig(max_keypoints=40))
    np.testing.assert_array_equal(few, have[:40])
    assert want[:, 2].min() <= min(want[(want[:, :2] == pixel).all(axis=1), 2][0] for pixel in few)


def test_an_empty_image_has_no_corners():
    assert find_keypoints(np.zeros((50, 50), dtype=np.uint8), KeypointConfig()).shape == (0, 2)


def unit(rng, count, channels=16):
    vectors = rng.normal(0, 1, (count, channels)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_each_descriptor_finds_itself_among_others():
    rng = np.random.default_rng(0)
    reference = unit(rng, 60)
    order = rng.permutation(60)[:25]
    query = reference[order] + rng.normal(0, 0.02, (25, 16)).astype(np.float32)
    pairs = match_descriptors(query, reference, MatchingConfig())
    np.testing.assert_array_equal(pairs, np.stack([np.arange(25), order], axis=1))


def test_only_mutual_neighbours_remain_unless_all_are_asked_for():
    reference = np.eye(3, dtype=np.float32)
    query = np.array([[1, 0, 0], [0.9, 0.436, 0]], dtype=np.float32)
    np.testing.assert_array_equal(match_descriptors(query, reference, MatchingConfig()), [[0, 0]])
    np.testing.assert_array_equal(
        match_descriptors(query, reference, MatchingConfig(is_mutual=False)), [[0, 0], [1, 0]]
    )
    near = MatchingConfig(is_mutual=False, max_ratio=0.3)
    np.testing.assert_array_equal(match_descriptors(query, reference, near), [[0, 0]])


@pytest.mark.parametrize(("num", "other"), [(0, 4), (4, 0), (0, 0)])
def test_nothing_is_matched_with_nothing(num, other):
    rng = np.random.default_rng(1)
    assert match_descriptors(unit(rng, num), unit(rng, other), MatchingConfig()).shape == (0, 2)
