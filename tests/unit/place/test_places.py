"""Places described by the packaged network and compared: section 18 (e) of bev_lio_lc.md."""

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from perception.place.config import DescriptorConfig
from perception.place.descriptors import open_place_network
from perception.place.eye import PlaceEye
from perception.place.places import PlaceConfig, PlaceDescriber, compare
from perception.place.verification import lifted, verify
from slam.bev import pixels_of
from slam.bev_aid import level
from slam.bev_match import Expected, common_shift, pairs_near
from tests.unit.place.scenes import pose, seen, yard

CONFIG = PlaceConfig(network=DescriptorConfig(backend="onnx", num_threads=1))
HERE = pose(-3.0, 2.0, 1.5, 0.3)
REACH = 10.0  # m


@pytest.fixture(scope="module")
def describer():
    network = open_place_network(CONFIG.network, CONFIG.bev.side)
    yield PlaceDescriber(CONFIG, network)
    network.close()


def relative(T_world_query, T_world_reference):
    """Shift (2,) and yaw from the query to the reference, both level."""
    T = np.linalg.inv(T_world_reference) @ T_world_query
    return T[:2, 3], np.arctan2(T[1, 0], T[0, 0])


def elsewhere(k):
    rng = np.random.default_rng([k, 5])
    direction, distance = rng.uniform(0, 2 * np.pi), REACH * rng.uniform(0.1, 1.0)
    x, y = HERE[:2, 3] + distance * np.array([np.cos(direction), np.sin(direction)])
    return pose(x, y, 1.5, np.radians(36.0 * k + rng.uniform(0, 36)))


@pytest.mark.parametrize("k", range(10))
def test_images_of_one_place_at_any_heading_within_ten_metres_are_aligned(describer, k):
    there = elsewhere(k)
    points = yard(k, num_boxes=14)
    rng = np.random.default_rng(k)
    one, two = (points[rng.random(len(points)) < 0.7] for _ in range(2))
    query = describer.describe(seen(one, there, seed=1))
    reference = describer.describe(seen(two, HERE, seed=2))
    match = compare(query.landmarks, reference.landmarks, CONFIG)
    assert match.planar.is_accepted, match.planar.reason
    shift, yaw = relative(there, HERE)
    assert np.linalg.norm(match.planar.shift - shift) < 0.5
    assert abs(np.degrees(np.angle(np.exp(1j * (match.planar.yaw - yaw))))) < 1.0


def test_images_of_different_places_are_not_aligned(describer):
    places = [describer.describe(seen(yard(k, num_boxes=14, size=18.0 + 3 * k), HERE, seed=k)) for k in range(4)]
    for k in range(1, 4):
        planar = compare(places[k].landmarks, places[0].landmarks, CONFIG).planar
        if planar.is_accepted:  # corners of walls may agree; then the clouds must say no
            proof = verify(
                seen(yard(k, num_boxes=14, size=18.0 + 3 * k), HERE), seen(yard(0, num_boxes=14, size=18.0), HERE),
                lifted(planar), CONFIG.verification,
            )  # fmt: skip
            assert not proof.is_accepted


def test_near_images_of_one_place_score_higher_than_far_ones_and_refused_ones_nothing(describer):
    points = yard(1, num_boxes=14)
    here, near, far = (
        describer.describe(seen(points, pose(x, 2.0, 1.5, yaw), seed=k)).landmarks
        for k, (x, yaw) in enumerate([(-3.0, 0.3), (-2.0, 1.0), (6.0, 2.5)])
    )
    empty = describer.describe(np.zeros((0, 3), dtype=np.float32)).landmarks
    scores = [compare(other, here, CONFIG).score for other in (near, far, empty)]
    assert scores[0] > scores[1] > scores[2] == 0.0


def test_a_place_is_nearest_to_itself_at_another_heading(describer):
    here = [describer.describe(seen(yard(k, num_boxes=14), HERE, seed=1)).descriptor for k in range(5)]
    there = [
        describer.describe(seen(yard(k, num_boxes=14), pose(-1, 3, 1.5, 2.0 + k), seed=2)).descriptor for k in range(5)
    ]
    similarity = np.stack(there) @ np.stack(here).T
    np.testing.assert_array_equal(similarity.argmax(axis=1), np.arange(5))


def test_the_eye_of_the_odometry_finds_keypoints_of_what_stands_again(describer):
    eye = PlaceEye(describer)
    before, now = pose(0, 0, 1.5, 0.2, (0.03, 0.01)), pose(2.4, 0.1, 1.5, 0.25, (-0.02, 0.02))
    points = yard(3, num_boxes=14)
    first, second = (eye.see(seen(points, T, seed=k), level(T[:3, :3])) for k, T in enumerate((before, now)))
    assert second.standing[second.pixels[:, 1].astype(int), second.pixels[:, 0].astype(int)].all()
    metres = (eye.grid.first + 0.5 - first.pixels[:, ::-1]) * eye.grid.resolution
    turned = planar(before)[:2, :2] @ metres.T + planar(before)[:2, 2:]
    there = np.linalg.solve(planar(now)[:2, :2], turned - planar(now)[:2, 2:]).T
    expected = pixels_of(np.column_stack([there, np.zeros(len(there))]), eye.grid)
    pairs, _ = pairs_near(second, first, Expected(expected, first.pixels, 6.0), 1.5)
    shifts = second.pixels[pairs[:, 0]] - expected[pairs[:, 1]]
    is_agreed, others = common_shift(shifts, 1.25)
    assert is_agreed.sum() > max(20, 0.4 * len(pairs), 2 * others)
    assert np.abs(shifts[is_agreed].mean(axis=0)).max() < 0.5


def planar(T):
    """Heading and place (3, 3) in the plane of a pose (4, 4)."""
    yaw = np.arctan2(T[1, 0], T[0, 0])
    return np.array([[np.cos(yaw), -np.sin(yaw), T[0, 3]], [np.sin(yaw), np.cos(yaw), T[1, 3]], [0.0, 0.0, 1.0]])
