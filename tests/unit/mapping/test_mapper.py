"""The mapper on laps in a yard: what drifts is put right, and what cannot be known is waited for."""

import os
import signal
import tempfile

import numpy as np
import pytest

import slam.maps.grid
from perception.core.config import validated
from perception.core.errors import ConfigError, MapError
from perception.core.geometry import exp_so3, inverse, transform
from perception.core.health import Level
from perception.mapping.config import MappingConfig
from perception.mapping.opening import open_mapper
from perception.mapping.types import MapCommand
from perception.pipeline.config import PerceptionConfig
from perception.pipeline.mapping import MappingStage
from perception.place.descriptors import PlaceNetwork
from perception.place.places import PlaceDescriber
from slam.maps.folder import MapFolder
from tests.unit.mapping.robot import RIG, Robot

pytest.importorskip("gtsam", reason="the pose graph needs gtsam")
pytest.importorskip("faiss", reason="the place index needs faiss")

LAP = 32  # steps
NEAR = 0.5  # m; what is left of the drift in the map
TURNING = transform(exp_so3(np.array([0.0, 0.0, np.deg2rad(0.5)])), np.array([0.02, 0.0, 0.0]))  # of each step
SETTINGS = {
    "is_deterministic": True, "is_grid": False,
    "place": {"index": {"min_age": 5.0, "min_path": 20.0}, "network": {"backend": "onnx"}},
    "maps": {"keyframes": {"is_durable": False}},
    "graph": {"odometry": {"position_per_distance": 0.02, "min_rotation_deg": 0.5}},
}  # fmt: skip


def settings(folder, **changes):
    return validated(MappingConfig, {**SETTINGS, "folder": str(folder), **changes})


def drive(mapper, robot, steps):
    """Outputs by stream."""
    heard = {}
    for _ in range(steps):
        for stream, item in mapper.add(robot.step()):
            heard.setdefault(stream, []).append(item)
    return heard


@pytest.fixture(scope="module")
def lap(tmp_path_factory):
    """A lap and a quarter with a drifting odometry: robot, outputs, counters and the folder."""
    folder, robot = tmp_path_factory.mktemp("maps") / "yard", Robot(TURNING)
    mapper = open_mapper(settings(folder), RIG, "mapping: {}\n")
    heard = drive(mapper, robot, LAP + LAP // 4)
    heard["map_path"] += [item for stream, item in mapper.finish() if stream == "map_path"]
    counters, health = mapper.counters(), mapper.health()
    mapper.close()
    return robot, heard, counters, health, folder


def errors(path, robot):
    """Distances (N,) m of keyframes from the truth, with the first at its place."""
    where = dict(zip(robot.stamps_ns, robot.truth))
    truth = np.stack([inverse(robot.truth[0]) @ where[int(stamp)] for stamp in path.stamps_ns])
    return np.linalg.norm(path.poses[:, :3, 3] - truth[:, :3, 3], axis=1)


def test_loops_take_away_most_of_a_drift(lap):
    robot, heard, _, health, _ = lap
    before = errors(next(path for path in reversed(heard["map_path"]) if not len(path.loops)), robot)
    after = errors(heard["map_path"][-1], robot)
    assert before.max() > 2.0
    assert after.max() < 0.25 * before.max()
    assert health.level is Level.OK


def test_every_loop_is_true_and_every_refusal_has_a_reason(lap):
    robot, heard, counters, _, _ = lap
    accepted = [report for report in heard["loops"] if report.is_accepted]
    assert len(accepted) >= LAP // 8
    assert counters["revisits: accepted"] == len(accepted)
    ids = heard["map_path"][-1].ids.tolist()
    for report in accepted:
        T = inverse(robot.truth[ids.index(report.reference_id)]) @ robot.truth[ids.index(report.query_id)]
        assert np.linalg.norm((report.T_reference_query - T)[:3, 3]) < 0.1
    assert all(report.verdict for report in heard["loops"])


def test_the_odometry_never_jumps_and_the_map_carries_the_correction(lap):
    robot, heard, _, _, _ = lap
    last = heard["map_odom"][-1]
    assert len(heard["map_odom"]) == len(robot.truth)
    assert np.array_equal(heard["map_odom"][0].T_map_odom, np.eye(4))
    truth = inverse(robot.truth[0]) @ robot.truth[-1]
    drifted = np.linalg.norm((last.T_odom_base - truth)[:3, 3])
    assert np.linalg.norm((last.T_map_base - truth)[:3, 3]) < 0.25 * drifted


def test_the_map_on_the_disk_is_the_one_that_was_told(lap):
    _, heard, counters, _, folder = lap
    ids, poses = MapFolder(folder).poses()
    path = heard["map_path"][-1]
    np.testing.assert_array_equal(ids, path.ids)
    np.testing.assert_allclose(poses, path.poses)
    assert len(ids) == counters["keyframes"]
    assert MapFolder(folder).problems() == []


@pytest.mark.parametrize("exact_below", [20_000, 16])
def test_a_second_session_waits_for_its_place_and_then_goes_on_in_the_map(lap, copy, exact_below):
    index = {
        **SETTINGS["place"]["index"],
        "exact_below": exact_below,
    }  # lists of codes are made of a map as it is opened
    mapper = open_mapper(settings(copy, place={**SETTINGS["place"], "index": index}), RIG)
    robot = Robot(phase=1.0)
    before = len(mapper.map.folder)
    heard = drive(mapper, robot, 6)
    mapper.finish()
    T_map_yard = inverse(lap[0].truth[0])
    assert robot.error(heard["map_odom"][-1].T_map_base, T_map_yard) < NEAR
    assert len(mapper.map.folder) == before + 6  # those that waited are in the map, too
    mapper.close()
    again = open_mapper(settings(copy), RIG)
    assert again.map.memory.session_of(before + 2) == 1
    again.close()


def test_a_robot_elsewhere_gets_no_place_and_its_keyframes_wait(copy):
    mapper = open_mapper(settings(copy, localization={"max_waiting": 3}), RIG)
    before = len(mapper.map.folder)
    heard = drive(mapper, Robot(world=1), 5)
    assert set(heard["map_odom"]) == {None}
    assert len(mapper.map.folder) == before
    assert mapper.health().level is Level.DEGRADED
    assert any("5 keyframes have no place" in note for note in mapper.notes())
    mapper.close()


def test_an_odometry_that_starts_again_finds_its_way_back_into_the_map(copy, lap):
    mapper, robot = open_mapper(settings(copy), RIG), Robot(phase=1.0)
    drive(mapper, robot, 4)
    mapper.begin_session("the clock was moved back")
    robot.restart_odometry()
    heard = drive(mapper, robot, 4)
    assert robot.error(heard["map_odom"][-1].T_map_base, inverse(lap[0].truth[0])) < NEAR
    mapper.close()


def test_a_pose_that_somebody_says_is_believed_at_once(copy):
    mapper, robot = open_mapper(settings(copy), RIG), Robot(world=1)
    with pytest.raises(MapError, match="no odometry yet"):
        mapper.set_pose(np.eye(4))
    drive(mapper, robot, 1)
    said = transform(exp_so3(np.array([0.0, 0.0, 0.3])), np.array([3.0, 1.0, 0.0]))
    mapper.set_pose(said)
    update = robot.step()
    ((_, heard),) = [output for output in mapper.add(update) if output[0] == "map_odom"]
    np.testing.assert_allclose(heard.T_map_base, said @ update.odometry.T_odom_base, atol=1e-3)
    mapper.close()


@pytest.mark.parametrize("mode", ["mapping", "localization"])
def test_a_pose_is_taken_over_with_the_odometry_that_goes_on_and_never_with_one_that_ended(copy, mode):
    stage = MappingStage(PerceptionConfig(mapping=settings(copy, mode=mode)), RIG)
    robot, answers = Robot(phase=1.0), []

    def ask(kind, argument=None):
        command = MapCommand(kind, argument, lambda is_done, text: answers.append((is_done, text)))
        return list(stage.step("map_command", command))

    for _ in range(4):
        said = list(stage.step("odometry", robot.step()))
    assert dict(said)["map_odom"] is not None
    assert ask("relocalize") == [("map_odom", None)]
    ask("set_pose", np.eye(4))
    assert all(is_done for is_done, _ in answers)
    assert stage.step("odometry_reset", "the clock was moved back") == [("map_odom", None)]
    ask("set_pose", np.eye(4))
    assert answers[-1][0] is False and "no odometry yet" in answers[-1][1]
    stage.close()


def test_a_full_disk_costs_that_keyframe_alone(tmp_path, monkeypatch):
    mapper, robot = open_mapper(settings(tmp_path / "map"), RIG), Robot()
    drive(mapper, robot, 3)
    add, update = mapper.map.folder.add_keyframe, robot.step()

    def refuse(keyframe):
        raise MapError("journal.bin: cannot be written (no space left); make room on the disk")

    monkeypatch.setattr(mapper.map.folder, "add_keyframe", refuse)
    with pytest.raises(MapError, match="make room"):
        mapper.add(update)
    monkeypatch.setattr(mapper.map.folder, "add_keyframe", add)
    drive(mapper, robot, 3)
    mapper.finish()
    mapper.close()
    found = MapFolder(tmp_path / "map")
    assert len(found) == 6
    assert errors_of(found, robot).max() < 0.05


def errors_of(folder, robot):
    ids, poses = folder.poses()
    where = dict(zip(robot.stamps_ns, robot.truth))
    truth = [inverse(robot.truth[0]) @ where[folder.keyframes[int(number)].stamp_ns] for number in ids]
    return np.linalg.norm((poses - np.stack(truth))[:, :3, 3], axis=1)


def test_the_end_of_the_graphs_process_costs_nothing(tmp_path):
    mapper, robot = open_mapper(settings(tmp_path / "map"), RIG), Robot()
    drive(mapper, robot, 3)
    os.kill(mapper.graph.pid, signal.SIGKILL)
    drive(mapper, robot, 3)
    mapper.finish()
    assert mapper.counters()["graph restarts"] == 1
    mapper.close()
    assert errors_of(MapFolder(tmp_path / "map"), robot).max() < 0.05


def test_localization_follows_in_a_map_that_it_does_not_change(lap, copy):
    before = {path: path.stat().st_mtime_ns for path in sorted(copy.rglob("*")) if path.is_file()}
    mapper, robot = open_mapper(settings(copy, mode="localization"), RIG), Robot(TURNING, phase=2.0)
    heard = drive(mapper, robot, 12)
    mapper.close()
    assert robot.error(heard["map_odom"][-1].T_map_base, inverse(lap[0].truth[0])) < NEAR
    assert mapper.counters()["keyframes followed"] >= 10
    assert before == {path: path.stat().st_mtime_ns for path in sorted(copy.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("mode", ["mapping", "localization"])
def test_a_disk_that_may_not_be_written_costs_the_grid_and_not_the_pose(copy, monkeypatch, mode):
    def refuse(path, data, is_durable):
        raise OSError(30, "Read-only file system", str(path))

    mapper, robot = open_mapper(settings(copy, mode=mode, is_grid=True, grid_period=0.1), RIG), Robot(phase=2.0)
    with monkeypatch.context() as patch:
        patch.setattr(slam.maps.grid, "write_atomic", refuse)
        heard = drive(mapper, robot, 3)
        assert "map_grid" not in dict(mapper.finish())  # and it raises nothing
    assert heard["map_odom"][-1] is not None and "map_grid" not in heard
    assert "Read-only file system" in mapper.notes()[-1]
    assert mapper.health().level is Level.DEGRADED and "Read-only file system" in mapper.health().reason
    assert drive(mapper, robot, 3)["map_grid"]
    assert mapper.health().level is Level.OK
    mapper.close()


def test_what_is_kept_of_a_place_is_read_and_not_described_again(copy, monkeypatch):
    mapper = open_mapper(settings(copy, mode="localization"), RIG)
    memory = mapper.map.memory
    keyframe = memory.folder.load(3)
    described = memory.describe(keyframe.points, keyframe.T_odom_base, keyframe.T_base_lidar)
    monkeypatch.delattr(PlaceDescriber, "describe")
    kept = memory.place(3)
    np.testing.assert_allclose(kept.descriptor, described.descriptor, atol=0.05)
    assert kept.landmarks.num_rotations == described.landmarks.num_rotations
    mapper.close()


def test_a_map_that_cannot_be_read_leaves_no_network_open(copy, monkeypatch):
    first = next(iter((copy / "keyframes").rglob("*.pma")))
    first.write_bytes(first.read_bytes()[::-1])
    closed = []
    monkeypatch.setattr(PlaceNetwork, "close", lambda network: closed.append(network))
    with pytest.raises(MapError, match=first.name):
        open_mapper(settings(copy, mode="localization"), RIG)
    assert len(closed) == 1


def test_without_a_grid_no_temporary_folder_is_made(copy, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(copy / "none"))
    mapper = open_mapper(settings(copy, mode="localization"), RIG)
    assert drive(mapper, Robot(phase=2.0), 2)["map_odom"]
    mapper.close()


def test_a_robot_that_is_carried_away_is_found_again(lap, copy):
    mapper, robot = open_mapper(settings(copy, mode="localization", localization={"lost_after": 2}), RIG), Robot()
    drive(mapper, robot, 6)
    robot.carry(np.pi)  # in a yard of four walls, which fit this way round as well
    heard = drive(mapper, robot, 3)
    assert robot.error(heard["map_odom"][-1].T_map_base, inverse(lap[0].truth[0])) < NEAR
    mapper.close()


def test_localization_without_a_map_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"mapping\.folder"):
        open_mapper(settings("", mode="localization"), RIG)
    with pytest.raises(MapError, match=r"map\.json"):
        open_mapper(settings(tmp_path / "none", mode="localization"), RIG)


def test_a_temporary_map_is_saved_where_it_is_asked_for_and_goes_at_the_end(tmp_path):
    mapper, robot = open_mapper(settings(""), RIG), Robot()
    drive(mapper, robot, 2)
    place = mapper.map.folder.path
    assert mapper.save(tmp_path / "kept") == 2
    with pytest.raises(MapError, match="is there already"):
        mapper.save(tmp_path / "kept")
    mapper.close()
    assert not place.exists()
    assert len(MapFolder(tmp_path / "kept")) == 2


@pytest.fixture
def copy(lap, tmp_path):
    """The map of the lap, to be changed."""
    from slam.maps.folder import save_copy

    save_copy(MapFolder(lap[-1]), tmp_path / "copy")
    return tmp_path / "copy"
