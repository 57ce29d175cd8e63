"""The harness of the benchmarks: form of results, decision of targets, clouds that all methods share."""

import importlib.util
import json
import platform
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import clouds, environment, jobs, table
from benchmarks.accuracy import Run, best_errors
from benchmarks.odometry import GROUPS
from benchmarks.peers import GICP, KISS, OURS, RKO, VGICP, deskewed
from benchmarks.render import between, rendered
from benchmarks.result import Result, machine, read, target, write
from benchmarks.run_method import run
from benchmarks.targets import MEDIAN, targets
from perception.bench import checkout, names
from perception.cli import main
from perception.core.errors import ConfigError, InvalidInput
from perception.core.geometry import exp_so3, interpolate, inverse, transform
from perception.core.trajectory import Trajectory
from perception.core.types import ImuBatch, Scan, SensorRig

SWEEP_NS = 100_000_000


def small_drive(num_scans: int = 4) -> list:
    rng = np.random.default_rng(7)
    events = []
    for i in range(num_scans):
        stamps = np.arange(i * SWEEP_NS, (i + 1) * SWEEP_NS, 5_000_000, dtype=np.int64) + 1_000_000
        events.append(ImuBatch(stamps, rng.normal(size=(20, 3)), rng.normal(size=(20, 3))))
        points = rng.normal(size=(50 + i, 3)).astype(np.float32)
        events.append(Scan(i * SWEEP_NS, "lidar", points, rng.integers(0, SWEEP_NS, 50 + i), SWEEP_NS))
    return events


def rig() -> SensorRig:
    T = transform(exp_so3(np.array([0.1, 0.2, 0.3])), np.array([1.0, 0.0, 2.0]))
    return SensorRig("base_link", "lidar", T, "imu", np.eye(4))


def curve(stamps_ns: np.ndarray) -> np.ndarray:
    """A body on a circle of 20 m at 10 m/s that also climbs: its poses (N, 4, 4)."""
    angles = stamps_ns * 1e-9 * 0.5
    where = np.stack([20.0 * np.sin(angles), 20.0 - 20.0 * np.cos(angles), 0.3 * angles**2], axis=1)
    return np.stack([transform(exp_so3(np.array([0.0, 0.0, a])), p) for a, p in zip(angles, where)])


def write_drive(folder, num_scans: int = 4) -> None:
    stamps = np.arange(0, num_scans * SWEEP_NS + 1, 10_000_000, dtype=np.int64)
    clouds.write(folder, iter(small_drive(num_scans)), rig(), Trajectory(stamps, curve(stamps)))


def test_a_result_is_read_back_as_it_was_written(tmp_path):
    result = Result("odometry", {"cores": 2}, {"numpy": "2"})
    result.add("perception", "drive", "ATE", np.float64(0.02), "m")
    result.add("rko-lio", "drive", "ATE", None, "not measured: no wheel")
    result.targets = [target("ATE", 0.1, 0.02, unit="m")]
    write(result, tmp_path / "bench.json")
    assert read(tmp_path / "bench.json") == result


def test_the_json_has_exactly_the_promised_form(tmp_path):
    result = Result("odometry")
    result.add("perception", "drive", "ATE", 0.02, "m")
    result.targets = [target("ATE", 0.1, 0.02)]
    values = json.loads(result.to_json())
    assert list(values) == ["name", "machine", "versions", "rows", "targets"]
    assert list(values["rows"][0]) == ["method", "data", "metric", "value", "unit"]
    assert list(values["targets"][0]) == ["metric", "target", "value", "met"]


def test_the_system_is_named_without_the_build_of_its_kernel():
    system = machine()["system"]
    assert platform.machine() in system and platform.release() not in system


def test_a_value_that_is_no_number_counts_as_not_measured():
    result = Result("odometry")
    result.add("perception", "live nodes", "latency", float("inf"), "ms")
    assert (result.rows[0].value, result.rows[0].unit) == (None, "not measured: inf")
    assert json.loads(result.to_json())["rows"][0]["value"] is None


def test_a_file_that_is_no_result_is_refused_by_name(tmp_path):
    (tmp_path / "other.json").write_text('{"rows": [{"method": 1}]}')
    with pytest.raises(InvalidInput, match=r"other\.json"):
        read(tmp_path / "other.json")


@pytest.mark.parametrize(
    ("sense", "value", "met"),
    [
        ("<=", 1.0, True),
        ("<=", 1.01, False),
        ("<", 1.0, False),
        (">=", 1.0, True),
        (">=", 0.99, False),
        (">", 1.0, False),
    ],
)
def test_a_target_is_met_on_its_own_side_of_the_bound(sense, value, met):
    assert target("x", 1.0, value, sense).met is met


def test_a_target_without_a_measurement_is_undecided():
    assert target("x", 1.0, None).met is None


def test_speed_is_compared_with_the_faster_of_the_two_gicp_odometries():
    result = Result("odometry")
    for method, ms in ((OURS, 5.0), (KISS, 45.0), (GICP, 20.0), (VGICP, 14.0), (RKO, 11.0)):
        result.add(method, "generated drives", MEDIAN, ms, "ms")
    decided = {t.metric: (t.value, t.met) for t in targets(result) if t.met is not None}
    assert decided == {
        "CPU time of kiss-icp / ours, generated drives": (9.0, True),
        "CPU time of the faster small_gicp / ours, generated drives": (2.8, False),
        "CPU time of rko-lio with IMU / ours, generated drives": (2.2, True),
    }


def test_accuracy_is_compared_with_the_best_peer_on_each_route():
    result = Result("odometry")
    for seed, (ours, vgicp, kiss) in enumerate([(0.02, 0.01, 0.3), (0.03, 0.05, 0.3)]):
        for method, ate in ((OURS, ours), (VGICP, vgicp), (KISS, kiss)):
            result.add(method, f"turns {seed}", "ATE", ate, "m")
    decided = {t.metric: t for t in targets(result) if t.met is not None}
    assert decided["ATE, turns, mean of 2 seeds, against small_gicp VGICP"].met is True
    won = decided["generated drives on which our ATE is at most that of every peer"]
    assert (won.target, won.value, won.met) == (">= 2", 1.0, False)


def test_a_seed_that_failed_leaves_the_route_undecided():
    result = Result("odometry")
    result.add(OURS, "turns 0", "ATE", 0.02, "m")
    result.add(OURS, "turns 1", "ATE", None, "not measured: crashed")
    result.add(KISS, "turns 0", "ATE", 0.3, "m")
    result.add(KISS, "turns 1", "ATE", 0.3, "m")
    assert next(t for t in targets(result) if t.metric.startswith("ATE, turns")).met is None


def test_clouds_come_back_from_the_disk_as_they_were(tmp_path):
    write_drive(tmp_path)
    stored = clouds.read(tmp_path)
    assert len(stored) == 4
    for event, again in zip(small_drive(), stored.events(), strict=True):
        if isinstance(event, Scan):
            assert (event.stamp_ns, event.end_ns) == (again.stamp_ns, again.end_ns)
            assert np.array_equal(event.points, again.points)
            assert np.array_equal(event.offsets_ns, again.offsets_ns)
        else:
            assert np.array_equal(event.accel, again.accel)
    assert np.array_equal(stored.rig.T_base_lidar, rig().T_base_lidar)


def test_a_drive_without_an_imu_has_a_rig_without_one(tmp_path):
    scans = [event for event in small_drive() if isinstance(event, Scan)]
    stamps = np.arange(3, dtype=np.int64)
    clouds.write(tmp_path, iter(scans), SensorRig("b", "l", np.eye(4)), Trajectory(stamps, curve(stamps)))
    stored = clouds.read(tmp_path)
    assert not stored.rig.has_imu
    assert len(list(stored.events())) == 4


class Recorder:
    """A method that keeps what it is given and answers each second scan with two poses, as one that waits does."""

    def __init__(self):
        self.taken, self.waiting = [], []

    def prepare(self, scan):
        return scan

    def add_imu(self, batch):
        self.taken.append("imu")
        return []

    def add_scan(self, scan):
        self.taken.append("scan")
        self.waiting.append((scan.stamp_ns, scan.end_ns, np.eye(4)))
        return self._given() if len(self.waiting) == 2 else []

    def finish(self):
        return self._given()

    def _given(self):
        given, self.waiting = self.waiting, []
        return given


def test_every_scan_gets_its_imu_samples_first_and_every_pose_is_kept(tmp_path):
    write_drive(tmp_path, num_scans=3)
    method = Recorder()
    starts, ends, poses, cpu_ns = run(method, clouds.read(tmp_path), with_imu=True)
    assert method.taken == ["imu", "scan"] * 3
    assert starts.tolist() == [0, SWEEP_NS, 2 * SWEEP_NS]
    assert (ends - starts == SWEEP_NS).all()
    assert poses.shape == (3, 4, 4)
    assert len(cpu_ns) == 3
    assert cpu_ns[0] >= cpu_ns[1]  # the wait for the second scan is paid by the pose that ended it


def test_a_method_that_must_do_without_imu_gets_none(tmp_path):
    write_drive(tmp_path)
    method = Recorder()
    run(method, clouds.read(tmp_path), with_imu=False)
    assert set(method.taken) == {"scan"}


@pytest.mark.parametrize("instant", [0.0, 0.5, 1.0])
def test_a_peer_is_read_at_the_instant_that_suits_it_best(instant):
    starts = np.arange(40, dtype=np.int64) * SWEEP_NS
    at = starts + round(SWEEP_NS * instant)
    dense = np.arange(0, 41 * SWEEP_NS, 10_000_000, dtype=np.int64)
    peer = Run(starts, starts + SWEEP_NS, curve(at), np.zeros(40, dtype=np.int64))
    found, errors = best_errors(peer, Trajectory(dense, curve(dense)), at_reference=False)
    assert found == instant
    assert errors.ape_translation.rmse < 1e-9


def test_a_method_that_states_its_time_is_read_there_and_nowhere_else():
    starts = np.arange(40, dtype=np.int64) * SWEEP_NS
    dense = np.arange(0, 41 * SWEEP_NS, 10_000_000, dtype=np.int64)
    reference = Trajectory(dense, curve(dense))
    late = Run(starts + SWEEP_NS, starts + SWEEP_NS, curve(starts), np.zeros(40, dtype=np.int64))
    instant, errors = best_errors(late, reference, at_reference=False)
    assert instant == 1.0
    assert errors.ape_translation.rmse > 1e-4  # 0.1 s late on a climbing circle: no alignment hides it


def test_deskewed_points_are_where_the_interpolated_motion_puts_them():
    rng = np.random.default_rng(1)
    points = rng.uniform(-30.0, 30.0, (20, 3)).astype(np.float32)
    fractions = rng.uniform(-0.5, 0.5, 20)
    motion = transform(exp_so3(np.array([0.01, -0.02, 0.07])), np.array([1.0, 0.1, -0.05]))
    expected = [(interpolate(np.eye(4), motion, f) @ [*p, 1.0])[:3] for f, p in zip(fractions, points.astype(float))]
    np.testing.assert_allclose(deskewed(points, fractions, motion), expected, atol=1e-5)


def test_deskewing_without_motion_changes_nothing():
    points = np.ones((3, 3), dtype=np.float32)
    assert np.array_equal(deskewed(points, np.array([-0.5, 0.0, 0.5]), np.eye(4)), points)
    assert deskewed(np.zeros((0, 3), dtype=np.float32), np.zeros(0), np.eye(4)).shape == (0, 3)


def test_every_peer_gives_the_pose_of_the_base(tmp_path):
    for package in ("kiss_icp", "rko_lio", "small_gicp"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed; requirements/install.sh .venv bench adds it")
    shift = np.array([0.05, 0.0, 0.0])  # of the base between two scans
    stamps = np.arange(0, 6 * SWEEP_NS + 1, 5_000_000, dtype=np.int64)
    imu = ImuBatch(stamps, np.zeros((len(stamps), 3)), np.tile([0.0, 0.0, 9.81], (len(stamps), 1)))
    truth = np.stack([transform(np.eye(3), shift * stamp / SWEEP_NS) for stamp in stamps])
    offsets = np.arange(6000, dtype=np.int64) * SWEEP_NS // 6000  # kiss-icp fails on points of one and the same time
    scans = [Scan(i * SWEEP_NS, "lidar", room(i * shift), offsets, SWEEP_NS) for i in range(6)]
    clouds.write(tmp_path, iter([imu, *scans]), rig(), Trajectory(stamps, truth))
    for run_ in jobs.run_beside([jobs.Job(name, tmp_path) for name in (KISS, RKO, GICP, VGICP)]):
        assert isinstance(run_, Run), run_
        moved = inverse(run_.poses[0]) @ run_.poses[-1]
        np.testing.assert_allclose(moved[:3, 3], 5 * shift, atol=0.05)
        assert (run_.cpu_ns > 0).all()


def room(position: np.ndarray) -> np.ndarray:
    """Points (6000, 3) on the walls of a room, in the frame of a LiDAR whose base is at `position`."""
    rng = np.random.default_rng(3)
    walls = rng.uniform(-8.0, 8.0, (6000, 3))
    walls[np.arange(6000), rng.integers(0, 3, 6000)] = 8.0 * rng.choice([-1.0, 1.0], 6000)
    T_base_lidar = rig().T_base_lidar
    return ((walls - position - T_base_lidar[:3, 3]) @ T_base_lidar[:3, :3]).astype(np.float32)


def test_a_child_that_fails_says_what_it_said():
    with pytest.raises(jobs.JobFailed, match="exit code 3: the reason"):
        jobs.child([sys.executable, "-c", "import sys; sys.stderr.write('the reason'); sys.exit(3)"])


def test_a_child_that_hangs_is_ended():
    with pytest.raises(jobs.JobFailed, match="still running"):
        jobs.child([sys.executable, "-c", "import time; time.sleep(60)"], seconds=0.5)


def test_children_are_held_to_one_thread():
    code = "import os; print(os.environ['OMP_NUM_THREADS'], os.environ['NUMBA_NUM_THREADS'])"
    assert jobs.child([sys.executable, "-c", code]).split() == ["1", "1"]


def test_one_failed_job_does_not_stop_the_others(tmp_path):
    write_drive(tmp_path)
    found = jobs.run_beside([jobs.Job("no such method", tmp_path)])
    assert isinstance(found[0], jobs.JobFailed)
    assert "no such method" in str(found[0])


def test_every_peer_is_pinned_to_one_version():
    assert set(environment.pins()) == {"kiss-icp", "rko-lio", "small-gicp"}


def test_the_benchmarks_of_a_checkout_are_those_with_a_run_function():
    assert "odometry" in names(jobs.ROOT)
    assert not {"peers", "jobs", "drives", "result"} & set(names(jobs.ROOT))


def test_outside_of_a_checkout_the_command_says_where_to_get_the_benchmarks(tmp_path):
    with pytest.raises(ConfigError, match="clone"):
        checkout((tmp_path,))


def test_an_unknown_benchmark_is_refused_with_the_known_ones():
    outcome = CliRunner().invoke(main, ["bench", "odometri"])
    assert outcome.exit_code == 2
    assert "odometry" in outcome.output


def test_an_unknown_group_is_refused_with_the_known_ones():
    outcome = CliRunner().invoke(main, ["bench", "odometry", "--only", "speed"])
    assert outcome.exit_code == 2
    assert all(group in outcome.output for group in GROUPS)


def test_numbers_are_shown_with_the_digits_that_mean_something():
    assert [table.number(v) for v in (None, 0.0226, 4.26, 123.4, 1800.0)] == ["-", "0.0226", "4.26", "123", "1800"]


def test_the_document_holds_what_the_result_holds():
    result = Result("odometry", {"processor": "P", "cores": 2}, {"numpy": "2"})
    result.add(OURS, "turns 0", "ATE", 0.0123, "m")
    result.add(KISS, "turns 0", "ATE", 0.3, "m")
    result.targets = [target("ATE, turns", 0.3, 0.0123, unit="m")]
    text = rendered(result)
    assert "| turns 0 | ATE | 0.0123 | 0.3 | m |" in text
    assert "| ATE, turns | <= 0.3 m | 0.0123 | yes |" in text


def test_only_the_marked_part_of_a_document_is_replaced():
    page = "before\n<!-- bench: begin -->\nold\n<!-- bench: end -->\nafter\n"
    assert between(page, "new\n") == "before\n<!-- bench: begin -->\nnew\n<!-- bench: end -->\nafter\n"
    with pytest.raises(InvalidInput, match="bench: begin"):
        between("no marks", "new")
