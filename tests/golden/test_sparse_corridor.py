"""A cheap LiDAR in a corridor: what few planes it fits wrongly must not hold the robot in place."""

import numpy as np
import pytest

from perception.core.config import changed, validated
from perception.core.geometry import inverse
from perception.pipeline.config import PerceptionConfig
from perception.pipeline.replay import replay
from perception.world.config import WorldConfig
from perception.world.recording import SyntheticRecording


@pytest.fixture(scope="module")
def recording() -> SyntheticRecording:
    """12 s of a corridor that leaves 0.02 to 0.1 of the information of a translation, 14 m far."""
    beams, scene = {"num_rings": 32, "num_columns": 512}, {"leaves_per_tree": 80, "clutter": 0.5}
    values = {"seed": 1_000_001, "route": "office", "duration": 12.0, "speed": 2.0, "beams": beams, "scene": scene}
    return SyntheticRecording(validated(WorldConfig, values))


def error(recording: SyntheticRecording, full_translation: float) -> float:
    """Largest distance (m) from the truth, both seen from the first pose."""
    config = changed(PerceptionConfig(), {"odometry.registration.full_translation": full_translation})
    found = replay(recording, config, stages=["odometry"]).trajectory
    true = np.stack([recording.reference.at(int(stamp)) for stamp in found.stamps_ns])
    apart = inverse(found.poses[0]) @ found.poses - inverse(true[0]) @ true
    return float(np.linalg.norm(apart[:, :3, 3], axis=1).max())


def test_the_odometry_drives_through_a_corridor_that_a_sparse_lidar_hardly_tells(recording):
    full = PerceptionConfig().odometry.registration.full_translation
    assert error(recording, full) < 0.7
    assert error(recording, 1e-6) > 5.0  # each scan believed in full: the robot seems to stand still


def test_a_robot_that_stands_in_a_bare_tunnel_stays_where_it_is():
    beams, scene = {"num_rings": 32, "num_columns": 512}, {"leaves_per_tree": 80, "clutter": 0.5}
    values = {"seed": 900_002, "route": "tunnel", "duration": 2.5, "beams": beams, "scene": scene}
    found = replay(
        SyntheticRecording(validated(WorldConfig, values)), PerceptionConfig(), stages=["odometry"]
    ).trajectory
    assert np.linalg.norm(found.poses[:, :3, 3] - found.poses[0, :3, 3], axis=1).max() < 0.03
