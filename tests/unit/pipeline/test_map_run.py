"""The pose in the map at every scan: odometry, carried by the corrections of the keyframes around it."""

from itertools import pairwise

import numpy as np
import pytest

from perception.core.geometry import exp_so3, inverse, transform
from perception.core.trajectory import Trajectory
from perception.mapping.config import MappingConfig
from perception.mapping.types import LoopReport, MapOdom, MapPath
from perception.pipeline.map_run import MapCollector, carried


def pose(x, y=0.0, yaw=0.0):
    return transform(exp_so3(np.array([0.0, 0.0, yaw])), np.array([x, y, 0.0]))


STAMPS = np.arange(0, 1_000, 100, dtype=np.int64)
TRUTH = np.stack([pose(1000.0 + i, 0.1 * i**2, 0.05 * i) for i in range(10)])


def test_an_odometry_without_error_gives_the_truth_whatever_its_frame():
    odometry = Trajectory(STAMPS, pose(3.0, 4.0, 2.0) @ TRUTH)
    found = carried(odometry, STAMPS[[2, 7]], TRUTH[[2, 7]])
    assert found.world == "map"
    assert np.abs(found.poses - TRUTH).max() < 1e-9


def test_between_two_keyframes_the_correction_changes_evenly_and_beyond_them_it_stays():
    drift = np.array([0.0, 0.0, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.5])
    odometry = Trajectory(STAMPS, np.stack([pose(10.0 * i + error) for i, error in enumerate(drift)]))
    right = np.stack([pose(10.0 * i) for i in range(10)])
    found = carried(odometry, STAMPS[[2, 7]], right[[2, 7]])
    assert np.abs(found.poses - right).max() < 1e-9


def test_a_heading_that_drifts_far_from_the_origin_is_right_between_keyframes():
    odometry = [TRUTH[0]]
    for before, after in pairwise(TRUTH):
        odometry.append(odometry[-1] @ inverse(before) @ after @ pose(0.0, 0.0, 0.01))
    found = carried(Trajectory(STAMPS, np.stack(odometry)), STAMPS[::3], TRUTH[::3])
    assert np.linalg.norm((odometry - TRUTH)[:, :2, 3], axis=1).max() > 0.3
    assert np.linalg.norm((found.poses - TRUTH)[:, :2, 3], axis=1).max() < 0.03  # 0.01 rad on a step of 1 to 2 m


def test_without_a_keyframe_no_scan_has_a_place():
    assert len(carried(Trajectory(STAMPS, TRUTH), STAMPS[:0], TRUTH[:0])) == 0


@pytest.fixture
def collector():
    made = MapCollector(MappingConfig())
    made.first_id = 3  # three keyframes of an earlier session
    return made


def test_only_keyframes_of_this_run_carry_its_odometry(collector):
    ids = np.array([0, 1, 2, 4, 5])
    stamps = np.array([200, 300, 400, 200, 700])
    poses = np.stack([pose(-99.0)] * 3 + [TRUTH[2], TRUTH[7]])
    collector.take(MapPath(ids, stamps, poses, np.array([[0, 2], [1, 4]])))
    for verdict in ("accepted", "accepted", "undone", "too little overlap", "waits for another revisit that agrees"):
        collector.take(LoopReport(200, 4, 1, verdict))
    run = collector.result(Trajectory(STAMPS, inverse(TRUTH[0]) @ TRUTH))
    assert np.abs(run.trajectory.poses - TRUTH).max() < 1e-9
    told = run.to_json()
    assert (told["keyframes"], told["keyframes_in_map"], told["loops"], told["undone"]) == (2, 5, 1, 1)
    assert told["refused"] == {"too little overlap": 1}
    assert told["wait_s"] is None
    assert np.array_equal(run.loop_places()[1], [poses[1][:3, 3], poses[3][:3, 3]])


def test_localization_keeps_what_was_known_at_each_scan():
    collector = MapCollector(MappingConfig(mode="localization"))
    odometry = Trajectory(STAMPS, TRUTH)
    for row in (4, 5, 6):
        collector.take(MapOdom(int(STAMPS[row]), pose(0.0, float(row)), np.eye(6), TRUTH[row]))
    run = collector.result(odometry)
    assert run.trajectory.stamps_ns.tolist() == [400, 500, 600]
    assert np.array_equal(run.trajectory.poses[1], pose(0.0, 5.0) @ TRUTH[5])
    assert run.wait == pytest.approx(400e-9) and run.to_json()["scans_with_place"] == 3
