"""Satellite fixes and wheels of a recording reach the pose graph, and nothing of them reaches the odometry."""

import numpy as np
import pytest
from rosbags.typesys import Stores

from perception.core.config import changed
from perception.core.geometry import log_so3
from perception.io.bags import Bag
from perception.io.recording import open_recording
from perception.pipeline.config import PerceptionConfig
from perception.pipeline.replay import replay
from slam.graph.factors import Between, Position
from slam.graph.gnss import LevelFrame
from slam.maps.folder import MapFolder
from tests.unit.io.bags import FIX, ODOMETRY, TF, Factory, write_ros2
from tests.yard import START_NS, Drive, record

pytest.importorskip("gtsam", reason="the pose graph needs gtsam")

DRIVE = Drive(laps=0.9)
ORIGIN, ANTENNA = (48.0, 11.0, 500.0), (-0.4, 0.0, 1.5)
FIX_NS, WHEEL_NS = 500_000_000, 20_000_000
DEVIATION = 0.3  # m


def degrees_of(p_enu):
    """Latitude, longitude (deg) and altitude (m) of a point near the origin, by Newton's steps."""
    frame, place = LevelFrame.at(*ORIGIN), np.array(ORIGIN)
    scale = np.array([1.0 / 74_000.0, 1.0 / 111_000.0, 1.0])  # about, deg per metre to the east and north
    for _ in range(5):
        off = p_enu - frame.enu(*place)
        place = place + np.array([off[1] * scale[1], off[0] * scale[0], off[2]])
    return place


def fixes(factory):
    rng = np.random.default_rng(5)
    for stamp in range(0, DRIVE.num_scans * 100_000_000, FIX_NS):
        T = DRIVE.pose(stamp * 1e-9)
        antenna = T[:3, :3] @ ANTENNA + T[:3, 3] + DEVIATION * rng.normal(size=3)
        latitude, longitude, altitude = degrees_of(antenna)
        message = factory.fix(START_NS + stamp, latitude)
        message.longitude, message.altitude = longitude, altitude
        message.position_covariance = np.diag(np.full(3, DEVIATION**2)).ravel()
        yield "/fix", FIX, START_NS + stamp, message


def wheels(factory):
    for stamp in range(0, DRIVE.num_scans * 100_000_000, WHEEL_NS):
        (before, after), h = (DRIVE.pose(stamp * 1e-9 + step) for step in (-1e-3, 1e-3)), 2e-3
        step = np.linalg.inv(before) @ after
        message = factory.wheels(ODOMETRY, START_NS + stamp, step[0, 3] / h, log_so3(step[:3, :3])[2] / h)
        yield "/odom", ODOMETRY, START_NS + stamp, message


@pytest.fixture(scope="module")
def drive(tmp_path_factory):
    """The bag of a lap with fixes and wheels."""
    place = tmp_path_factory.mktemp("aided")
    factory = Factory(Stores.ROS2_JAZZY)
    plain = Bag(record(place / "plain", DRIVE))
    items = [(channel.topic, channel.type, log_ns, bytes(raw)) for channel, log_ns, raw in plain.records()]
    antenna = factory.transforms((("base_link", "gps", ANTENNA),), START_NS)
    items += [("/tf_static", TF, START_NS - 1, antenna), *fixes(factory), *wheels(factory)]
    return write_ros2(place / "bag", sorted(items, key=lambda item: item[2]))


def mapped(drive, folder, **settings):
    """What the stage counted, and the factors of the map."""
    values = {"mapping.is_enabled": True, "mapping.folder": str(folder), "mapping.is_deterministic": True, **settings}
    config = changed(PerceptionConfig(), values)
    result = replay(open_recording(drive, config.input), config, stages=["odometry", "mapping"])
    with MapFolder(folder) as found:
        return result, [entry.factor for entry in found.entries()]


@pytest.fixture(scope="module")
def plain(drive, tmp_path_factory):
    return mapped(drive, tmp_path_factory.mktemp("plain") / "map")


def test_fixes_and_wheels_become_factors_of_the_map(drive, plain, tmp_path):
    topics = {"input.gnss_topic": "/fix", "input.wheel_topic": "/odom"}
    result, factors = mapped(drive, tmp_path / "map", **topics)
    counts = result.counters["mapping"]
    steps = [factor for factor in factors if isinstance(factor, Between) and factor.kind == "wheel"]
    positions = [factor for factor in factors if isinstance(factor, Position)]
    assert len(steps) == counts["wheels: steps"] > 0.8 * counts["keyframes"]
    assert len(positions) > 15
    assert counts["fixes: used"] >= len(positions)
    assert counts.get("factors undone", 0) == 0  # they agree with the odometry
    lengths = [np.linalg.norm(step.T_from_to[:3, 3]) for step in steps[2:-2]]
    assert np.median(lengths) == pytest.approx(2.4, abs=0.5)  # m, one keyframe after the other
    assert plain[0].digest() == result.digest()  # the odometry never hears of them


def test_without_their_topics_nothing_of_them_is_read(plain):
    result, factors = plain
    assert not [factor for factor in factors if isinstance(factor, Position)]
    assert not [name for name in result.counters["mapping"] if name.startswith(("fixes", "wheels"))]
