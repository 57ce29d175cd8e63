"""Real fixes and wheels in the graph: a Husky outdoors, and the GPS of KITTI 00 with its public odometry edges."""

import numpy as np
import pytest

from perception.core.frames import TransformBuffer
from perception.core.geometry import inverse
from perception.io.bag_recording import aid_makers, ordered
from perception.io.bags import Bag
from perception.io.config import InputConfig
from perception.io.trajectories import kitti_poses
from slam.graph.config import GnssConfig, GraphConfig, WheelConfig
from slam.graph.datum import level_alignment
from slam.graph.factors import Between, Position
from slam.graph.g2o import read_g2o
from slam.graph.gnss import GnssFactors
from slam.graph.noise import wheel_factor
from slam.graph.sensors import AntennaFix, WheelTwist
from tests.shared import shared

pytest.importorskip("gtsam", reason="the pose graph needs gtsam")

from slam.graph.pose_graph import PoseGraph

AT_BASE = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
PERIOD_NS = 2_000_000_000  # of the Husky's keyframes
STEP = 10  # frames of KITTI 00 per keyframe


def husky():
    """Twists (stamps, values) and fixes of the recording, which has no LiDAR and no transforms."""
    config = InputConfig(
        gnss_topic="/fix",
        wheel_topic="/husky_velocity_controller/odom",
        T_base_gnss=AT_BASE,
    )
    bag = Bag(shared("data/rosbags/recorded/husky_imu_odom_gps.bag"))
    makers = aid_makers(bag, config, "base_link", TransformBuffer(), ("fix", "wheels"))
    events = list(ordered(bag, makers))
    assert not bag.losses.counts
    fixes = [event.fix for event in events if isinstance(event, AntennaFix)]
    wheels = [event for event in events if isinstance(event, WheelTwist)]
    stamps, first = np.unique(np.array([wheel.stamp_ns for wheel in wheels], dtype=np.int64), return_index=True)
    return stamps, np.array([[*wheel.linear, wheel.angular] for wheel in wheels])[first], fixes


def test_every_fix_and_twist_of_the_husky_is_read_in_the_order_of_time():
    stamps, twists, fixes = husky()
    assert (len(stamps), len(fixes)) == (3952, 989)
    assert (np.diff(stamps) > 0).all() and (np.diff([fix.stamp_ns for fix in fixes]) > 0).all()
    assert np.abs(twists[:, 0]).max() == pytest.approx(1.0, abs=0.1)  # m/s, the most that a Husky drives
    deviations = np.array([np.sqrt(np.diag(fix.covariance)) for fix in fixes])
    assert np.allclose(deviations @ np.diag([1.0, 1.0, 0.5]), deviations[:, :1])  # the height counts half
    assert 0.7 < deviations[:, 0].min() < deviations[:, 0].max() < 2.0  # m


def husky_error(with_fixes):
    """Root mean square distance (m, level) to the fixes that the graph has not seen, and what the gate counted."""
    stamps, twists, fixes = husky()
    keys = np.arange(stamps[0], stamps[-1] - PERIOD_NS, PERIOD_NS)
    graph, gate = PoseGraph(), GnssFactors(GnssConfig())
    graph.add_first(0, np.eye(4))
    for index in range(1, len(keys)):
        wheel = wheel_factor(index - 1, index, stamps, twists, (int(keys[index - 1]), int(keys[index])), WheelConfig())
        assert wheel is not None
        graph.add(wheel)
    graph.update()
    held_out = []
    for number, fix in enumerate(fixes):
        index = int(np.searchsorted(keys, fix.stamp_ns)) - 1
        if not 0 <= index < len(keys) - 1:
            continue
        between = wheel_factor(0, 1, stamps, twists, (int(keys[index]), fix.stamp_ns), WheelConfig())
        if between is None:
            continue
        factor = gate.factor(fix, index, between.T_from_to)
        if factor is None:
            continue
        if number % 2:
            held_out.append(factor)
        elif with_fixes:
            graph.add(factor)
            if number % 40 == 0:
                graph.update()
    graph.settle()
    poses = graph.poses()[1]
    places = np.array([(poses[f.pose_id] @ [*f.p_base_antenna, 1.0])[:3] for f in held_out])
    enu = np.array([f.p_enu for f in held_out])
    T = level_alignment(places, enu, np.ones(len(enu)))
    off = (places @ T[:3, :3].T + T[:3, 3] - enu)[:, :2]
    return float(np.sqrt(np.mean(np.sum(off**2, axis=1)))), gate.counts, graph


def test_fixes_hold_the_wheels_of_a_husky():
    alone, _, _ = husky_error(with_fixes=False)
    fused, counts, graph = husky_error(with_fixes=True)
    assert counts["used"] > 900
    assert graph.T_map_enu is not None
    assert fused < 0.5 * alone, (fused, alone)
    assert fused < 1.5, fused  # the receiver says 0.9 m


def kitti_00(with_fixes):
    """Root mean square distance (m, level) of the graph from the truth, without any loop closure."""
    edges = [edge for edge in read_g2o(shared("data/pose_graphs/kitti_00.g2o")).in_order() if edge.kind == "odometry"]
    rows = np.loadtxt(shared("data/imu_gps_kitti_00/gps_enu.csv"), delimiter=",", skiprows=1)
    frames = (rows[:, 0] - 46534.998) / 0.10369  # of the README
    graph = PoseGraph(GraphConfig())
    graph.add_first(0, np.eye(4))
    chain = [np.eye(4)]
    for edge in edges:
        chain.append(chain[-1] @ edge.T_from_to)
    for index in range(len(edges) // STEP):
        T = inverse(chain[index * STEP]) @ chain[(index + 1) * STEP]
        graph.add(Between(index, index + 1, T, edges[index].information / STEP))
        for frame, row in zip(frames, rows):
            if with_fixes and index * STEP <= frame < (index + 1) * STEP:
                seen = inverse(chain[index * STEP]) @ chain[round(frame)]
                graph.add(Position(index, row[1:4].copy(), np.diag([1.0, 1.0, 0.1]), seen[:3, 3].copy()))
        graph.update()
    graph.settle()
    poses = graph.poses()[1][:, :3, 3]
    truth = kitti_poses(shared("data/trajectories/KITTI_00_gt.txt"))[::STEP, :3, 3][: len(poses)]
    truth = np.stack([truth[:, 2], -truth[:, 0], np.zeros(len(truth))], axis=1)
    T = level_alignment(poses[: len(truth)], truth, np.ones(len(truth)))
    off = (poses[: len(truth)] @ T[:3, :3].T + T[:3, 3] - truth)[:, :2]
    return float(np.sqrt(np.mean(np.sum(off**2, axis=1)))), graph


def test_fixes_pull_the_drift_out_of_kitti_00_without_a_loop():
    alone, _ = kitti_00(with_fixes=False)
    fused, graph = kitti_00(with_fixes=True)
    assert graph.T_map_enu is not None
    assert fused < 0.5 * alone, (fused, alone)
    assert fused < 3.0, fused
