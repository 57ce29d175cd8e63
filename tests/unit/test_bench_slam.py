"""The benchmark of mapping: how loops are judged, what its targets decide, and that its parts fit together."""

import numpy as np
import pytest

from benchmarks import (
    slam,
    slam_drives,
    slam_factor,
    slam_index,
    slam_loops,
    slam_peers,
    slam_places,
    slam_plot,
    slam_relocalise,
)
from benchmarks.degeneracy import CORRIDOR, FLAGGED
from benchmarks.environment import pins
from benchmarks.options import BenchOptions
from benchmarks.peers import OURS
from benchmarks.result import Result
from benchmarks.slam_run import BEV1, BEV8, LIO, Outcome
from perception.bench import names
from perception.core.errors import ConfigError
from perception.core.geometry import exp_so3, inverse, transform
from perception.core.trajectory import Trajectory
from perception.evaluation.places import PlaceScores

SECOND = 1_000_000_000
LAP = 80  # s, and keyframes, 2 m apart


def at(second: float) -> np.ndarray:
    """A pose on a circle of 160 m that is driven again and again."""
    angle = 2.0 * np.pi * second / LAP
    radius = 2.0 * LAP / (2.0 * np.pi)
    where = np.array([radius * np.sin(angle), radius - radius * np.cos(angle), 0.0])
    return transform(exp_so3(np.array([0.0, 0.0, angle])), where)


def circle(seconds: int) -> Trajectory:
    stamps = np.arange(seconds + 1, dtype=np.int64) * SECOND
    return Trajectory(stamps, np.stack([at(k) for k in range(seconds + 1)]))


def loop(query: int, reference: int, verdict: str = "accepted", shift: float = 0.0, turn_deg: float = 0.0) -> dict:
    T = inverse(at(reference)) @ at(query)
    off = transform(exp_so3(np.radians([0.0, 0.0, turn_deg])), np.array([shift, 0.0, 0.0]))
    return {
        "query_ns": query * SECOND, "reference_ns": reference * SECOND, "verdict": verdict, "detail": "", "T": T @ off
    }  # fmt: skip


def outcome(loops: list[dict], seconds: int = 120, drift: float = 0.0) -> Outcome:
    truth = circle(seconds)
    odometry = truth.poses.copy()
    odometry[:, 2, 3] += drift * np.arange(len(odometry))
    none = np.zeros(0)
    return Outcome(
        Trajectory(truth.stamps_ns, odometry), truth, 60.0, 0, none, np.array([80.0, 90.0]), truth.stamps_ns, none,
        none, loops,
    )  # fmt: skip


def verdicts(targets: list) -> dict[str, bool | None]:
    return {target.metric: target.met for target in targets}


def test_a_true_revisit_is_near_in_space_but_neither_in_time_nor_along_the_path():
    assert not slam_loops.true_revisits(circle(70).stamps_ns, circle(70))
    found = slam_loops.true_revisits(circle(120).stamps_ns, circle(120))
    assert min(found) == (LAP - 2) * SECOND  # within 5 m of the start
    assert len(found) == 120 - LAP + 3


def test_loops_are_wrong_beyond_half_a_metre_or_three_degrees_and_those_undone_do_not_count():
    loops = [
        loop(90, 10),
        loop(91, 11, shift=0.4),
        loop(92, 12, shift=0.6),
        loop(93, 13, turn_deg=4.0),
        loop(94, 14, shift=5.0),
        loop(94, 14, "undone", shift=5.0),
        loop(95, 15, "waits for another revisit that agrees"),
    ]
    found = slam_loops.judge(outcome(loops), circle(120), slam_loops.LIMITS)
    assert (found.accepted, found.wrong, found.closed) == (4, 2, 2)
    assert found.worst == pytest.approx(0.6)
    assert slam_loops.judge(outcome(loops), circle(120), slam_loops.REAL_LIMITS).wrong == 0


def test_one_wrong_loop_on_any_set_misses_the_target():
    result = Result("slam")
    slam_loops.add_outcome(result, "ring", outcome([loop(k, k - LAP) for k in range(78, 121)]), circle(120), (0.5, 3.0))
    assert result.value(OURS, "ring", slam_loops.CLOSED) == 100.0
    assert verdicts(slam_loops.targets(result)) == {
        "wrong loops, all sets": True,
        "true revisits closed, ring": True,
        "ATE above the odometry's, ring": True,
    }
    slam_loops.add_loops(result, "hall", outcome([loop(90, 10, shift=9.0)]), circle(120), slam_loops.LIMITS)
    found = verdicts(slam_loops.targets(result))
    assert found["wrong loops, all sets"] is False
    assert found["true revisits closed, hall"] is False


def test_where_odometry_drifts_the_map_must_halve_it():
    result = Result("slam")
    slam_loops.add_outcome(result, "ring", outcome([], drift=0.1), circle(120), slam_loops.LIMITS)
    assert result.value(OURS, "ring", slam_loops.ODOMETRY) > 0.5
    assert verdicts(slam_loops.targets(result))["ATE / the odometry's, ring"] is True


def test_kiss_slam_is_beaten_by_accuracy_and_by_time():
    result = Result("slam")
    slam_loops.add_outcome(result, "ring", outcome([]), circle(120), slam_loops.LIMITS)
    for metric, value in ((slam_loops.MAP, 0.2), (slam_loops.CPU, 50.0)):
        result.add(slam_peers.KISS_SLAM, "ring", metric, value, "")
    found = verdicts(slam_loops.targets(result))
    assert found["ATE, ring, against kiss-slam"] is True
    assert found["CPU time / that of kiss-slam, ring"] is False  # 60 s of ours


def test_error_along_a_tunnel_begins_at_zero():
    stamps = np.arange(5, dtype=np.int64) * SECOND
    truth = np.stack([transform(np.eye(3), np.array([3.0 + k, 1.0, 0.0])) for k in range(5)])
    slow = np.stack([transform(np.eye(3), np.array([0.5 * k, 0.0, 9.0])) for k in range(5)])
    error = slam_factor.along(Trajectory(stamps, slow), Trajectory(stamps, truth))
    assert error == pytest.approx(np.sqrt(np.mean((0.5 * np.arange(5)) ** 2)))


def test_images_are_held_against_the_odometry_without():
    result = Result("slam")
    for drives, errors in ((slam_drives.TUNNELS, (1.0, 0.5, 0.8)), (slam_drives.NOISY_TUNNELS, (1.0, 1.5, 0.6))):
        for name in drives:
            for variant, value in zip((LIO, BEV1, BEV8), errors):
                result.add(variant, name, slam_factor.ALONG, value, "m")
    for variant, value in ((LIO, 0.100), (BEV1, 0.104), (BEV8, 0.106)):
        result.add(variant, slam_drives.OFFICE, slam_factor.ATE, value, "m")
    result.add(LIO, CORRIDOR, FLAGGED, 96.0, "%")
    mean = f"{slam_factor.ALONG}, {{}} / {LIO}, mean of {{}}"
    assert verdicts(slam_factor.targets(result)) == {
        mean.format(BEV1, slam_factor.TUNNEL): True,
        mean.format(BEV1, slam_factor.BARE_TUNNEL): None,
        mean.format(BEV1, slam_factor.NOISY_TUNNEL): False,
        f"ATE, {BEV1}, {slam_drives.OFFICE}, against {LIO}": True,
        f"ATE, {BEV1}, {slam_drives.STREET}, against {LIO}": None,
        mean.format(BEV8, slam_factor.TUNNEL): False,
        mean.format(BEV8, slam_factor.BARE_TUNNEL): None,
        mean.format(BEV8, slam_factor.NOISY_TUNNEL): True,
        f"ATE, {BEV8}, {slam_drives.OFFICE}, against {LIO}": False,
        f"ATE, {BEV8}, {slam_drives.STREET}, against {LIO}": None,
        f"{FLAGGED}, {CORRIDOR}": True,
    }


def test_descriptors_of_one_place_are_as_alike_as_stated_and_exact_search_is_exact():
    vectors, queries = slam_index.views(4000, 50)
    assert vectors.shape == (4000, slam_index.DIMENSIONS)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    alike = (vectors[:500] * vectors[500:1000]).sum(axis=1)  # the second view of the same places
    assert np.median(alike) == pytest.approx(slam_index.COSINE, abs=0.03)
    np.testing.assert_array_equal(slam_index.nearest(vectors, queries), (queries @ vectors.T).argmax(axis=1))


def test_the_curve_of_places_tells_the_best_precision_from_each_recall_on():
    result = Result("slam")
    precisions, recalls = np.array([1.0, 0.5, 2 / 3, 0.75]), np.array([0.25, 0.25, 0.5, 0.75])
    slam_places.add_rows(result, OURS, "x", PlaceScores(4, 0.75, (0.3, 0.95), 0.25, precisions, recalls))
    curve = [result.value(OURS, "x", slam_places.precision_at(level)) for level in slam_places.LEVELS]
    assert curve == [100.0, 100.0, 75.0, 75.0, 75.0, 75.0, 75.0, 0.0, 0.0, 0.0]
    assert result.value(OURS, "x", slam_places.RECALL) == 75.0


def test_the_plot_of_the_curves_is_the_same_every_time():
    pytest.importorskip("matplotlib")
    result = Result("slam")
    scores = PlaceScores(4, 0.75, (0.3, 0.95), 0.25, np.array([1.0, 0.5, 0.75]), np.array([0.25, 0.25, 0.75]))
    slam_places.add_rows(result, OURS, slam_places.REAL, scores)
    picture = slam_plot.plot(result)
    assert picture.startswith(b"\x89PNG")
    assert picture == slam_plot.plot(result)


def test_places_are_decided_against_the_better_peer():
    result = Result("slam")
    result.add(OURS, slam_places.REAL, slam_places.RECALL, 80.0, "%")
    result.add(slam_places.POLAR, slam_places.REAL, slam_places.RECALL, 20.0, "%")
    assert verdicts(slam_places.targets(result))["recall@1 at 3 m, livox_keyframes_hku2, against the best peer"] is None
    result.add(slam_peers.MAP_CLOSURES, slam_places.REAL, slam_places.RECALL, 85.0, "%")
    assert (
        verdicts(slam_places.targets(result))["recall@1 at 3 m, livox_keyframes_hku2, against the best peer"] is False
    )


def test_a_place_that_is_found_late_or_wrongly_does_not_count():
    result = Result("slam")
    trial = {"shift": 0.1, "turn": 0.5, "seconds": 0.5, "reason": ""}
    trials = [trial, {**trial, "seconds": 2.5}, {**trial, "shift": 0.4}, {**trial, "shift": None, "turn": None}]
    slam_relocalise.add_trials(result, slam_drives.TOWN, trials)
    for metric, value in ((slam_relocalise.SHARE, 25.0), (slam_relocalise.WRONG, 25.0), ("no place said", 25.0)):
        assert result.value(OURS, slam_drives.TOWN, metric) == value


def test_every_drive_can_be_described_and_the_noisy_one_shares_its_scans():
    for name in (slam_drives.TOWN, slam_drives.OFFICE, slam_drives.STREET, slam_drives.LONG, *slam_drives.TUNNELS):
        assert slam_drives.world(name).seed >= 1_000_000
    plain, noisy = slam_drives.world(slam_drives.TOWN), slam_drives.world(slam_drives.NOISY)
    assert noisy.imu.gyro_noise == pytest.approx(10.0 * plain.imu.gyro_noise)
    assert noisy.beams == plain.beams and noisy.duration == plain.duration


def test_another_imu_is_written_beside_the_same_scans(tmp_path, monkeypatch):
    from benchmarks import clouds
    from perception.core.config import changed
    from perception.world.recording import SyntheticRecording

    small = changed(slam_drives.world(slam_drives.TUNNELS[0]), {"duration": 1.0, "beams.num_columns": 64})
    recording = SyntheticRecording(small)
    clouds.write(tmp_path / "plain", recording.events(), recording.rig, recording.reference)
    (tmp_path / "noisy").mkdir()
    for file in (tmp_path / "plain").iterdir():
        slam_drives._linked(str(file), str(tmp_path / "noisy" / file.name))
    slam_drives._write_imu(tmp_path / "noisy", changed(small, {"imu.gyro_noise": 2.4e-3, "imu.accel_noise": 0.02}))
    plain, noisy = clouds.read(tmp_path / "plain"), clouds.read(tmp_path / "noisy")
    assert np.array_equal(plain.points, noisy.points) and np.array_equal(plain.imu_stamps_ns, noisy.imu_stamps_ns)
    assert not np.array_equal(plain.gyro, noisy.gyro)
    assert np.abs(np.mean(plain.accel - noisy.accel, axis=0)).max() < 0.1  # the same motion
    assert np.std(noisy.gyro[:40]) > 3.0 * np.std(plain.gyro[:40])


def test_slam_is_a_benchmark_of_its_own_with_pinned_peers():
    from benchmarks.jobs import ROOT

    assert "slam" in names(ROOT) and "backend" not in names(ROOT)
    assert set(pins(slam_peers.REQUIREMENTS)) == {"kiss-slam", "map_closures"}
    with pytest.raises(ConfigError, match="nothing"):
        slam.run(BenchOptions(only=("nothing",)))
