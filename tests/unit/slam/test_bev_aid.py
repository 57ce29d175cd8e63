"""Images in the odometry: in a tunnel they hold what walls leave open, elsewhere they change nothing."""

import numpy as np
import pytest

from perception.core.config import validated
from perception.core.geometry import exp_so3, inverse
from perception.core.types import Scan
from perception.place.index import unit
from slam.bev import BevGrid, pixels_of
from slam.bev_aid import BevAid, level
from slam.bev_match import Sight
from slam.config import BevAidConfig, OdometryConfig
from slam.odometry import LidarInertialOdometry
from tests.unit.slam import simulation
from tests.unit.slam.simulation import RIG, START_NS, T_BASE_LIDAR, Room

CONFIG = validated(OdometryConfig, {"preprocess": {"map_voxel_size": 0.15, "registration_voxel_size": 0.4}})
GRID = BevGrid(0.4, 100)
NUM_SCANS = 100


class PillarEye:
    """Sees pillars that stand in the tunnel as whole pixels, and takes some for others; or marks that move with it."""

    grid = GRID

    def __init__(self, room, share_wrong=0.0, num_pillars=120, num_marks=0):
        rng = np.random.default_rng(0)
        self.pillars = np.column_stack([rng.uniform(-45, 45, num_pillars), rng.uniform(-8, 8, (num_pillars, 2))])
        self.pillars[:, 2] *= 0.2
        self.looks = unit(rng.normal(size=(num_pillars + num_marks, 32)).astype(np.float32))
        self.marks = rng.integers(20, 180, (num_marks, 2)).astype(np.float64)
        self.room, self.share_wrong, self.end_ns, self.num_seen = room, share_wrong, 0, 0

    def see(self, points, R_level_lidar):
        assert points.dtype == np.float32
        self.num_seen += 1
        T = inverse(self.room.pose((self.end_ns - START_NS) * 1e-9) @ T_BASE_LIDAR)
        pixels = np.rint(pixels_of((self.pillars @ T[:3, :3].T + T[:3, 3]) @ R_level_lidar.T, GRID))
        pixels, looks = np.concatenate([pixels, self.marks]), self.looks.copy()
        rng = np.random.default_rng(self.num_seen)
        wrong = np.flatnonzero(rng.random(len(looks)) < self.share_wrong)
        looks[wrong] = looks[rng.permutation(wrong)]
        is_inside = (pixels >= 0).all(axis=1) & (pixels <= 200).all(axis=1)
        standing = np.zeros((201, 201), dtype=bool)
        standing[tuple(pixels[is_inside].astype(int).T[::-1])] = True
        return Sight(pixels[is_inside], looks[is_inside], standing)

    def close(self):
        pass


def driven(room, images, with_aid_of=None):
    """Errors (m) along the tunnel and across it, scan by scan."""
    core = LidarInertialOdometry(CONFIG, RIG, images)
    process = core._process

    def told(scan, end_ns):
        if with_aid_of is not None:
            with_aid_of.end_ns = end_ns
        return process(scan, end_ns)

    core._process = told
    updates = []
    for event in room.events(NUM_SCANS):
        updates += core.add_scan(event) if isinstance(event, Scan) else core.add_imu(event)
    updates += core.finish()
    first = updates[0].odometry
    found = []
    for update in updates:
        want = room.reference(update.odometry.stamp_ns, first.stamp_ns)
        have = inverse(first.T_odom_base) @ update.odometry.T_odom_base
        difference = have[:3, 3] - want[:3, 3]
        axis = inverse(room.pose((first.stamp_ns - START_NS) * 1e-9))[:3, 0]  # of the tunnel, in the first base
        along = float(difference @ axis)
        found.append((abs(along), float(np.linalg.norm(difference - along * axis))))
    return core, np.array(found)


@pytest.fixture
def tunnel(monkeypatch):
    monkeypatch.setattr(simulation, "HALF_ROOM", np.array([1e4, 12.0, 3.0]))
    return Room(reach=3.0, accel_noise=0.15, gyro_noise=4e-3, seed=1)


def aided(eye):
    return BevAid(BevAidConfig(), eye, CONFIG.registration.weak_translation)


def test_in_a_tunnel_images_hold_the_robot_along_it(tunnel):
    _, without = driven(tunnel, None)
    eye = PillarEye(tunnel)
    core, with_images = driven(tunnel, aided(eye), eye)
    assert core.counters()["images that help"] > 0.6 * NUM_SCANS
    assert with_images[:, 0].max() < 0.5 * without[:, 0].max()
    assert with_images[:, 0].max() < 0.2
    assert with_images[:, 1].max() < without[:, 1].max() + 0.01


def test_some_wrong_matches_do_no_harm(tunnel):
    _, without = driven(tunnel, None)
    eye = PillarEye(tunnel, share_wrong=0.2)
    _, with_images = driven(tunnel, aided(eye), eye)
    assert with_images[:, 0].max() < without[:, 0].max()


def test_where_walls_say_enough_images_are_not_looked_at_and_change_nothing():
    room = Room()
    eye = PillarEye(room)
    _, without = driven(room, None)
    core, with_images = driven(room, aided(eye), eye)
    assert eye.num_seen == 0
    assert "images that help" not in core.counters()
    np.testing.assert_array_equal(with_images, without)


def test_too_few_matches_are_left_out_and_counted(tunnel):
    eye = PillarEye(tunnel, num_pillars=7)
    core, with_images = driven(tunnel, aided(eye), eye)
    _, without = driven(tunnel, None)
    assert "images that help" not in core.counters()
    assert core.counters()["images without help"] > 10
    np.testing.assert_array_equal(with_images, without)


def test_marks_that_move_with_the_sensor_are_not_taken_for_the_world(tunnel):
    _, without = driven(tunnel, None)
    eye = PillarEye(tunnel, num_pillars=0, num_marks=150)
    core, with_images = driven(tunnel, aided(eye), eye)
    assert core.counters()["images without help"] > 10
    assert "images that help" not in core.counters()
    np.testing.assert_array_equal(with_images, without)


def test_marks_beside_the_world_do_no_harm(tunnel):
    _, without = driven(tunnel, None)
    eye = PillarEye(tunnel, num_marks=100)
    core, with_images = driven(tunnel, aided(eye), eye)
    assert core.counters()["images that help"] > 10
    assert with_images[:, 0].max() < 0.5 * without[:, 0].max()


def test_images_that_are_compared_must_share_no_scan():
    with pytest.raises(ValueError, match="stretch"):
        BevAidConfig(stretch=6.0, least_shift=5.0)


def test_a_reset_forgets_the_keyframe(tunnel):
    eye = PillarEye(tunnel)
    aid = aided(eye)
    core, _ = driven(tunnel, aid, eye)
    assert len(aid._keyframes) > 0
    core.reset()
    assert len(aid._keyframes) == 0


@pytest.mark.parametrize("heading", [0.0, 0.7, 3.1])
def test_levelling_keeps_the_heading_and_sets_the_sensor_upright(heading):
    yaw, tilt = exp_so3(np.array([0.0, 0.0, heading])), exp_so3(np.array([0.3, -0.2, 0.0]))
    A = level(yaw @ tilt)
    np.testing.assert_allclose(A @ (yaw @ tilt)[2], [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(A, tilt, atol=1e-12)
    np.testing.assert_allclose(level(yaw), np.eye(3), atol=1e-12)
    np.testing.assert_allclose(level(np.diag([1.0, -1.0, -1.0])) @ [0, 0, -1], [0, 0, 1], atol=1e-12)
