"""Many drives, many maps, one map: what a fleet brings home, also when processes are killed meanwhile."""

import json
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from perception.cli import main
from perception.core.config import load_config
from perception.core.geometry import inverse, transform
from perception.mapping.loops import LoopFinder
from perception.mapping.merging import merge_maps
from perception.pipeline import batch
from perception.pipeline.config import PerceptionConfig
from slam.graph.factors import Between, information_of
from slam.maps.folder import CONFIG, MapFolder
from slam.maps.sessions import loops_of, sessions_of
from tests.test_replay_maps import SMALL
from tests.yard import Drive, record

pytest.importorskip("gtsam", reason="maps need the pose graph")

DRIVES = {
    "east": Drive(laps=0.4, start=0.0),
    "elsewhere": Drive(laps=0.3, world=1),
    "west": Drive(laps=-0.4, start=0.55, seed=1),
}
PATIENCE = 180.0  # s
SETTINGS = [word for value in SMALL for word in ("--set", value)]


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drives")
    return [record(folder / name, drive) for name, drive in DRIVES.items()]


@pytest.fixture(scope="module")
def fleet(recordings, tmp_path_factory):
    """A batch whose first process was killed in the middle of its map; the folder, the output and what was seen."""
    out, killed = tmp_path_factory.mktemp("fleet") / "out", []

    def kill_one():
        deadline = time.monotonic() + PATIENCE
        while not killed and time.monotonic() < deadline:
            begun = out.glob(".east.part-*/map/keyframes/000000/000000002.pma")
            killed.extend((path.parents[3], _end_child(path.parents[3])) for path in begun)
            time.sleep(0.02)

    thread = threading.Thread(target=kill_one)
    thread.start()
    result = run("replay", *recordings, "--out", out, "--map", "--merge", "--jobs", "2", *SETTINGS)
    thread.join(PATIENCE)
    return out, result, killed


def _end_child(part):
    """Kill the process that writes `part`."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and str(part).encode() in _command_of(entry):
            os.kill(int(entry.name), signal.SIGKILL)
            return int(entry.name)
    return None


def _command_of(process):
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


def test_a_killed_worker_is_tried_again_and_no_half_map_is_taken_for_a_whole_one(fleet):
    out, result, killed = fleet
    assert result.exit_code == 0, result.output
    assert killed and killed[0][1] is not None and not killed[0][0].exists()
    outcomes = {row["name"]: row for row in json.loads((out / "batch.json").read_text())}
    assert outcomes["east"]["attempts"] == 2 and {row["status"] for row in outcomes.values()} == {"done"}
    for name in DRIVES:
        folder = MapFolder(out / name / "map")
        assert not folder.problems() and not folder.notes
        assert len(folder) == outcomes[name]["metrics"]["mapping"]["keyframes"] > 5


def off_the_truth(folder):
    """Distance (m) of each keyframe of east and west from where it was, in a map that begins with east."""
    ids, poses = folder.poses()
    T_map_yard, errors = inverse(DRIVES["east"].pose(0.0)), []
    for name, session in zip(("east", "west"), sessions_of(folder)):
        truth, drive = DRIVES[name].truth(), DRIVES[name]
        for number in session.tolist():
            at = T_map_yard @ drive.pose(0.0) @ truth.at(folder.keyframes[number].stamp_ns)
            errors.append(np.linalg.norm(poses[np.searchsorted(ids, number), :3, 3] - at[:3, 3]))
    return np.array(errors)


def test_maps_that_touch_become_one_and_the_one_that_does_not_is_named(fleet):
    out, result, _ = fleet
    assert "elsewhere" in result.output and "left out: it shares no place with the others" in result.output
    folder = MapFolder(out / "map")
    assert len(sessions_of(folder)) == 2 and len(loops_of(folder)) >= 2 and not folder.problems()
    assert off_the_truth(folder).max() < 0.15


def test_one_table_tells_keyframes_loops_and_errors_of_each(fleet):
    _, result, _ = fleet
    outcomes = json.loads((fleet[0] / "batch.json").read_text())
    rows = [batch.Outcome(**row) for row in outcomes]
    heads = [str(column.header) for column in batch.table(rows).columns]
    assert {"keyframes", "loops", "APE (m)", "APE, map (m)"} <= set(heads)
    assert all(row.metrics["mapping"]["ape_map_m"] < 0.05 for row in rows)
    assert result.output.count("done") == 3


def test_an_interrupted_batch_resumes_and_a_changed_one_is_merged_anew(fleet, recordings, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(fleet[0], out)
    map_id = MapFolder(out / "map").card.map_id
    arguments = ("replay", *recordings, "--out", out, "--map", "--merge", *SETTINGS)
    result = run(*arguments)
    assert result.exit_code == 0 and result.output.count("kept") == 4, result.output
    assert MapFolder(out / "map").card.map_id == map_id
    shutil.rmtree(out / "west")
    result = run(*arguments)
    assert result.exit_code == 0 and result.output.count("kept") == 2, result.output
    assert MapFolder(out / "map").card.map_id != map_id
    same = [(folder / "west" / "map.tum").read_bytes() for folder in (fleet[0], out)]
    assert same[0] == same[1]  # a map does not depend on when and where it is made


def test_a_map_that_merge_did_not_make_is_not_replaced(fleet, recordings, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(fleet[0], out)
    (out / "merged.json").unlink()
    result = run("replay", *recordings, "--out", out, "--map", "--merge", *SETTINGS)
    assert result.exit_code == 2 and "--merge did not make it" in result.output


def test_many_recordings_do_not_go_on_in_one_map(recordings, fleet, tmp_path):
    result = run("replay", *recordings, "--out", tmp_path, "--map", fleet[0] / "map")
    assert result.exit_code == 2 and "cannot go on in one map" in result.output
    assert run("replay", recordings[0], "--out", tmp_path, "--merge").exit_code == 2


@pytest.mark.long
def test_many_recordings_find_their_place_in_one_map_and_the_one_from_elsewhere_finds_none(fleet, recordings, tmp_path):
    settings = (*SETTINGS, "--set", "mapping.mode=localization")
    result = run("replay", *recordings, "--out", tmp_path, "--map", fleet[0] / "map", "--jobs", "2", *settings)
    assert result.exit_code == 0, result.output
    rows = {row["name"]: row["metrics"]["mapping"] for row in json.loads((tmp_path / "batch.json").read_text())}
    assert rows["east"]["scans_with_place"] > 20 and rows["west"]["scans_with_place"] > 20
    assert rows["elsewhere"]["scans_with_place"] == 0 and rows["elsewhere"]["wait_s"] is None
    assert "its place in the map was never known" in (tmp_path / "elsewhere" / "replay.log").read_text()


def test_a_map_joins_later_by_one_that_touches_both(fleet, tmp_path):
    """First comes a map that touches nothing yet; it is tried again when the others have joined."""
    folders = [fleet[0] / name / "map" for name in ("elsewhere", "east", "west")]
    config = load_config(PerceptionConfig, folders[0] / CONFIG).mapping
    found = merge_maps([folders[1], folders[0], folders[2]], tmp_path / "map", config)
    assert set(found.num_loops) == {"east", "west"} and set(found.left_out) == {"elsewhere"}
    assert found.num_loops["west"] == len(loops_of(MapFolder(tmp_path / "map")))
    alone = merge_maps(folders[:2], tmp_path / "alone", config)
    assert set(alone.left_out) == {"east"} and alone.num_keyframes == len(MapFolder(folders[0]))
    assert not list(tmp_path.glob(".*"))


def test_a_wrong_revisit_does_not_place_a_map(fleet, tmp_path, monkeypatch):
    seek, misled = LoopFinder.seek, []

    def misleading(finder, view, *rest):
        reports, loops = seek(finder, view, *rest)
        if len(misled) < 2:  # two that do not agree with each other, the first of all
            T_wrong = transform(np.eye(3), np.array([7.0, 9.0 * len(misled), 0.0]))
            misled.append(Between(1, view.keyframe.keyframe_id, T_wrong, information_of(0.1, 0.02), "loop"))
            loops = [misled[-1], *loops]
        return reports, loops

    monkeypatch.setattr(LoopFinder, "seek", misleading)
    folders = [fleet[0] / name / "map" for name in ("east", "west")]
    config = load_config(PerceptionConfig, folders[0] / CONFIG).mapping
    found = merge_maps(folders, tmp_path / "map", config)
    assert len(misled) == 2 and found.num_loops["west"] >= 2
    assert off_the_truth(MapFolder(tmp_path / "map")).max() < 0.15
