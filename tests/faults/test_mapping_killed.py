"""A replay that makes a map is ended by SIGKILL, or its pose graph is: what is lost, and whether it goes on."""

import json
import os
import signal
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.slam_kills import SETTINGS, kill_again_and_again
from perception.core.config import load_config
from perception.io.recording import open_recording
from perception.io.trajectories import read_trajectory
from perception.pipeline.config import PerceptionConfig
from perception.pipeline.replay import replay
from slam.graph.process import GraphProcess
from slam.maps.folder import MapFolder
from slam.maps.sessions import loops_of
from tests.test_replay_maps import FIRST, SMALL, off_the_truth
from tests.yard import record

pytest.importorskip("gtsam", reason="maps need the pose graph")


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return record(tmp_path_factory.mktemp("drive") / "first", FIRST)


def killed(recording, place, kills, seed):
    found = kill_again_and_again(recording, place, kills, np.random.default_rng(seed), SETTINGS)
    assert not found.problems
    assert len(found.lost) == kills and max(found.lost) <= 1
    assert max(found.keyframes) > 3
    for out in found.resumed:
        metrics = json.loads((out / "metrics.json").read_text())["mapping"]
        assert metrics["loops"] > 5 and metrics["scans_with_place"] == FIRST.num_scans
        assert off_the_truth(read_trajectory(out / "map.tum"), FIRST).max() < 0.15


def test_three_kills_of_a_replay_cost_one_keyframe_each_at_most_and_it_resumes(recording, tmp_path):
    killed(recording, tmp_path, 3, seed=0)


@pytest.mark.long
def test_fifty_kills_of_a_replay_cost_one_keyframe_each_at_most_and_it_resumes(recording, tmp_path):
    killed(recording, tmp_path, 50, seed=1)


def test_a_pose_graph_that_dies_again_and_again_costs_a_replay_nothing(recording, tmp_path, monkeypatch):
    deaths, add = [], GraphProcess.add

    def dying(graph, factor, *rest):
        number = add(graph, factor, *rest)
        if number in (20, 60) and graph.pid is not None:
            os.kill(graph.pid, signal.SIGKILL)
            deaths.append(number)
        return number

    def made(name):
        settings = [*SMALL, "mapping.is_enabled=true", f"mapping.folder={tmp_path / name}"]
        config = load_config(PerceptionConfig, None, settings)
        return replay(open_recording(recording, config.input), config).map, MapFolder(tmp_path / name)

    whole, whole_folder = made("whole")
    monkeypatch.setattr(GraphProcess, "add", dying)
    other, other_folder = made("other")
    assert deaths == [20, 60]
    assert np.array_equal(whole.keyframe_ids, other.keyframe_ids)
    assert np.array_equal(loops_of(whole_folder), loops_of(other_folder)) and len(whole.loops) > 5
    assert np.abs(whole.trajectory.poses - other.trajectory.poses).max() < 1e-3


def test_a_kill_while_the_map_is_made_leaves_a_folder_in_which_it_is_made_again(tmp_path):
    MapFolder.create(tmp_path / "map", "odometry: {}\n").close()
    for name in ("map.json", "lock"):
        (tmp_path / "map" / name).unlink()
    (tmp_path / "map" / ".map.json.abc").write_text("half")
    with MapFolder.create(tmp_path / "map") as folder:
        assert len(folder) == 0


def test_a_map_of_which_one_keyframe_was_left_begins_anew(recording, tmp_path):
    settings = [*SMALL, "mapping.is_enabled=true", f"mapping.folder={tmp_path / 'map'}"]
    config = load_config(PerceptionConfig, None, settings)
    short = record(tmp_path / "short", replace(FIRST, laps=0.02))
    replay(open_recording(short, config.input), config)
    assert len(MapFolder(tmp_path / "map")) == 1
    found = replay(open_recording(recording, config.input), config)
    assert any("begins anew" in note for note in found.notes)
    assert found.map is not None and len(found.map.trajectory) == FIRST.num_scans and len(found.map.loops) > 5
