"""The pose graph: loops pull drift out, wrong ones are taken back with a reason, and a broken factor costs itself."""

import numpy as np
import pytest

from perception.core.errors import InvalidInput
from perception.core.geometry import exp_so3, inverse, log_so3, transform
from tests.unit.slam.graphs import laps, position_error

gtsam = pytest.importorskip("gtsam", reason="the pose graph needs gtsam")

from slam.graph.config import GraphConfig  # noqa: E402
from slam.graph.factors import (  # noqa: E402
    Attitude,
    Between,
    Position,
    Prior,
    between_residuals,
    chi2_of,
    information_of,
    log_se3,
)
from slam.graph.gtsam_factors import translated  # noqa: E402
from slam.graph.pose_graph import PoseGraph  # noqa: E402


def fed(data, config=None, loops=True, count=None):
    graph = PoseGraph(config)
    graph.add_first(0, np.eye(4))
    closures = {loop.to_id: loop for loop in data.loops} if loops else {}
    undone = []
    for edge in data.odometry[:count]:
        graph.add(edge)
        if edge.to_id in closures:
            graph.add(closures[edge.to_id])
        undone += graph.update().undone
    return graph, undone


def test_residuals_and_their_chi2_are_those_of_gtsam():
    rng = np.random.default_rng(1)
    for scale in (1e-9, 1e-3, 0.5, 3.0):
        T = [transform(exp_so3(rng.normal(size=3) * scale), rng.normal(size=3)) for _ in range(3)]
        root = rng.normal(size=(6, 6))
        edge = Between(0, 1, T[2], root @ root.T + np.eye(6))
        values = gtsam.Values()
        for number, pose in enumerate(T[:2]):
            values.insert(gtsam.symbol("x", number), gtsam.Pose3(pose))
        theirs = 2.0 * translated(edge, GraphConfig()).error(values)
        residual = between_residuals(T[0][None], T[1][None], T[2][None])
        assert chi2_of(residual, edge.information[None])[0] == pytest.approx(theirs, rel=1e-6)
    assert log_se3(np.zeros((0, 4, 4))).shape == (0, 6)


def test_loops_pull_the_drift_out():
    data = laps(300)
    alone, _ = fed(data, loops=False)
    closed, undone = fed(data)
    ids, poses = closed.poses()
    assert not undone
    assert np.array_equal(ids, np.arange(300))
    assert position_error(poses, data.truth) < 0.5 * position_error(alone.poses()[1], data.truth)


def test_the_incremental_estimate_is_that_of_a_batch_optimisation():
    graph, _ = fed(laps(250))
    incremental = graph.chi2()
    graph.settle()
    assert incremental == pytest.approx(graph.chi2(), rel=1e-2)


def test_a_wrong_loop_is_undone_with_its_reason_and_leaves_no_trace():
    data = laps(200)
    graph, _ = fed(data)
    before = graph.poses()[1]
    wrong = Between(20, 170, data.loops[0].T_from_to, information_of(0.05, 0.01), "loop")
    number = graph.add(wrong)
    (undone,) = graph.update().undone
    assert undone.factor_id == number and graph.undone[number] == undone.reason
    assert "chi2" in undone.reason
    assert number not in graph.factors
    assert np.abs(graph.poses()[1] - before).max() < 1e-2  # replanted: the loops that stay are weighed anew


def test_loops_of_a_map_that_is_opened_again_are_judged_by_what_they_add_to_it():
    data = laps(300)
    first, _ = fed(data)
    graph = PoseGraph()
    for number, factor in first.factors.items():
        graph.add(factor, number, is_trusted=True)
    graph.update()
    assert first._cost().total > graph.config.max_rise  # what the map costs is not what a loop adds
    seen = inverse(data.truth[190]) @ data.truth[290] @ transform(np.eye(3), np.array([0.02, -0.01, 0.0]))
    graph.add(Between(190, 290, seen, information_of(0.05, 0.01), "loop"))
    assert not graph.update().undone
    wrong = graph.add(Between(20, 170, seen, information_of(0.05, 0.01), "loop"))
    assert [item.factor_id for item in graph.update().undone] == [wrong]


def test_a_wrong_loop_in_a_long_chain_without_other_loops_is_undone_too():
    """There neither its own chi2 nor that of the odometry need show it: the cycle is long and takes it in."""
    data = laps(400, per_lap=401)
    graph, _ = fed(data)
    before = graph.poses()[1]
    shifted = inverse(data.truth[10]) @ data.truth[390] @ transform(np.eye(3), np.array([45.0, 30.0, 0.0]))
    graph.add(Between(10, 390, shifted, information_of(0.1, 0.02), "loop"))
    (undone,) = graph.update().undone
    assert "chi2" in undone.reason
    assert np.abs(graph.poses()[1] - before).max() < 1e-2


def test_of_true_and_false_loops_added_together_only_the_false_are_undone():
    data = laps(300)
    graph, _ = fed(data, loops=False)
    true = [graph.add(loop) for loop in data.loops[::4]]
    rng = np.random.default_rng(5)
    false = [
        graph.add(Between(int(i), int(j), data.loops[0].T_from_to, information_of(0.05, 0.01), "loop"))
        for i, j in zip(rng.integers(0, 90, 2), rng.integers(230, 280, 2), strict=True)
    ]
    undone = {item.factor_id for item in graph.update().undone}
    assert set(false) <= undone
    assert not undone & set(true)


def test_without_undoing_every_factor_counts():
    data = laps(150)
    graph, _ = fed(data, GraphConfig(is_undoing=False))
    number = graph.add(Between(5, 95, np.eye(4), information_of(0.05, 0.01), "loop"))
    assert not graph.update().undone
    assert number in graph.factors


def test_attitude_priors_hold_roll_and_pitch_and_leave_the_heading_free():
    data = laps(200)
    plain, _ = fed(data, loops=False)
    graph = PoseGraph()
    graph.add_first(0, np.eye(4))
    for edge in data.odometry:
        graph.add(edge)
        turned = exp_so3(np.array([0.0, 0.0, 1.0])) @ data.truth[edge.to_id][:3, :3]  # a heading that must not count
        graph.add(Attitude(edge.to_id, turned, np.deg2rad(0.05)))
        graph.update()

    def tilts(poses):
        errors = [log_so3(T[:3, :3] @ R[:3, :3].T) for T, R in zip(poses, data.truth, strict=True)]
        return np.abs(np.array(errors))

    held, free = tilts(graph.poses()[1]), tilts(plain.poses()[1])
    assert held[:, :2].max() < 0.3 * free[:, :2].max()
    assert abs(held[-1, 2] - free[-1, 2]) < 0.02


def test_positions_wait_for_their_datum_and_then_remove_drift():
    data = laps(300, per_lap=300)
    rng = np.random.default_rng(3)
    T_enu_map = transform(exp_so3(np.array([0.0, 0.0, 2.0])), np.array([400.0, -250.0, 12.0]))
    arm = np.array([0.5, 0.1, 1.2])
    graph = PoseGraph()
    graph.add_first(0, np.eye(4))
    aligned_at = None
    for edge in data.odometry:
        graph.add(edge)
        T = T_enu_map @ data.truth[edge.to_id]
        if edge.to_id % 3 == 0:
            fix = T[:3, :3] @ arm + T[:3, 3] + rng.normal(0.0, 0.3, 3)
            graph.add(Position(edge.to_id, fix, np.eye(3) / 0.3**2, arm))
        graph.update()
        if aligned_at is None and graph.T_map_enu is not None:
            aligned_at = edge.to_id
    alone, _ = fed(data, loops=False)
    assert aligned_at is not None and 15 <= aligned_at < 60
    assert np.abs(graph.T_map_enu @ T_enu_map - np.eye(4))[:3, :3].max() < 0.03
    graph.settle()
    assert position_error(graph.poses()[1], data.truth) < 0.6 * position_error(alone.poses()[1], data.truth)


def test_all_fixes_of_a_saved_map_count_however_many_they_are():
    data, graph = laps(60, per_lap=300), PoseGraph(GraphConfig(gnss={"max_waiting": 10}))
    graph.add_first(0, np.eye(4))
    for edge in data.odometry:  # added before the first update, as those of a journal are
        graph.add(edge, is_trusted=True)
        graph.add(Position(edge.to_id, data.truth[edge.to_id][:3, 3].copy(), np.eye(3)), is_trusted=True)
    assert not graph.update().undone
    assert sum(isinstance(factor, Position) for factor in graph.factors.values()) == 59


def test_of_too_many_fixes_that_wait_the_oldest_are_undone_with_their_reason():
    graph = PoseGraph(GraphConfig(gnss={"max_waiting": 10}))
    graph.add_first(0, np.eye(4))
    fixes = [graph.add(Position(0, np.array([0.01 * i, 0.0, 0.0]), np.eye(3))) for i in range(13)]  # it stands
    assert [item.factor_id for item in graph.update().undone] == fixes[:3]
    assert "more than 10 fixes wait" in graph.undone[fixes[0]]
    graph.add(Position(0, np.zeros(3), np.eye(3)))
    assert [item.factor_id for item in graph.update().undone] == [fixes[3]]


def test_a_fix_far_off_is_undone():
    data = laps(120, per_lap=300)
    graph = PoseGraph()
    graph.add_first(0, np.eye(4))
    for edge in data.odometry:
        graph.add(edge)
        graph.add(Position(edge.to_id, data.truth[edge.to_id][:3, 3].copy(), np.eye(3)))
        graph.update()
    number = graph.add(Position(119, data.truth[119][:3, 3] + np.array([40.0, 0.0, 0.0]), np.eye(3)))
    (undone,) = graph.update().undone
    assert undone.factor_id == number


def test_a_factor_that_the_solver_cannot_take_costs_itself_alone():
    data = laps(60)
    graph, _ = fed(data, count=50)
    edge = data.odometry[50]
    singular = np.zeros((6, 6))
    singular[0, 0] = 1.0
    bad = graph.add(Between(edge.from_id, edge.to_id, edge.T_from_to, singular))  # nothing holds the new pose
    (undone,) = graph.update().undone
    assert undone.factor_id == bad and "solver" in undone.reason
    assert len(graph) == 51
    for edge in data.odometry[50:]:
        graph.add(edge)
    graph.update()
    assert len(graph.poses()[0]) == 60


@pytest.mark.parametrize(
    ("factor", "field"),
    [
        (lambda: Between(0, 9, np.eye(4), np.eye(6)), None),
        (lambda: Between(0, 1, np.full((4, 4), np.nan), np.eye(6)), "T_from_to"),
        (lambda: Between(0, 1, np.eye(4), -np.eye(6)), "information"),
        (lambda: Between(0, 1, np.eye(4, dtype=np.float32), np.eye(6)), "T_from_to"),
        (lambda: Between(1, 1, np.eye(4), np.eye(6)), "to_id"),
        (lambda: Between(0, 1, np.diag([1.0, 1.0, -1.0, 1.0]), np.eye(6)), "rotation"),
        (lambda: Prior(-1, np.eye(4), np.eye(6)), "pose_id"),
        (lambda: Attitude(0, np.eye(3), 0.0), "deviation"),
        (lambda: Position(0, np.array([np.inf, 0, 0]), np.eye(3)), "p_enu"),
    ],
)
def test_broken_factors_are_refused_before_the_solver_sees_them(factor, field):
    if field is None:
        graph = PoseGraph()
        graph.add_first(0, np.eye(4))
        graph.add(factor())
        with pytest.raises(InvalidInput, match="pose 77"):
            graph.add(Between(77, 78, np.eye(4), np.eye(6)))
        return
    with pytest.raises(InvalidInput, match=field):
        factor()


def test_a_number_is_used_once():
    graph = PoseGraph()
    graph.add_first(0, np.eye(4))
    with pytest.raises(InvalidInput, match="factor 0"):
        graph.add(Between(0, 1, np.eye(4), np.eye(6)), factor_id=0)


def test_with_a_third_of_the_loops_false_none_of_those_is_kept_and_the_trajectory_gets_better():
    data = laps(300, per_lap=60, every=6)
    alone, _ = fed(data, loops=False)
    rng = np.random.default_rng(7)
    graph, false = PoseGraph(), set()
    graph.add_first(0, np.eye(4))
    closures = {loop.to_id: loop for loop in data.loops}
    for edge in data.odometry:
        graph.add(edge)
        loop = closures.get(edge.to_id)
        if loop is not None:
            graph.add(loop)
        if loop is not None and rng.random() < 0.5:  # another place that looks the same
            other = int(rng.integers(0, edge.to_id - 20))
            if abs((edge.to_id - other) % 60) > 6:
                false.add(graph.add(Between(other, edge.to_id, loop.T_from_to, loop.information, "loop")))
        graph.update()
    assert len(false) > 10
    assert false <= graph.undone.keys() and all(graph.undone.values())
    assert len(graph.undone.keys() - false) <= 0.1 * len(data.loops)
    assert position_error(graph.poses()[1], data.truth) < position_error(alone.poses()[1], data.truth)
