"""The whole way of a user with maps: a drive becomes a map, a second one goes on in it, a third finds its way in it."""

import hashlib
import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from perception.cli import main
from perception.core.config import load_config
from perception.core.errors import DataLoss, MapError
from perception.core.geometry import inverse
from perception.io.trajectories import read_trajectory
from perception.pipeline.config import PerceptionConfig
from slam.maps.folder import CONFIG, JOURNAL, MapFolder
from slam.maps.sessions import loops_of, sessions_of, ties_of
from tests.yard import PAUSE_NS, SWEEP_NS, Drive, record

pytest.importorskip("gtsam", reason="maps need the pose graph")

FIRST, SECOND = Drive(), Drive(laps=-0.4, start=0.5, seed=1)  # the second one the other way round
SMALL = (  # a yard is smaller than a town
    "mapping.place.index.min_age=5", "mapping.place.index.min_path=25", "mapping.place.bev.extent=20",
)  # fmt: skip


def run(*arguments, settings=SMALL):
    words = [str(argument) for argument in arguments] + [word for value in settings for word in ("--set", value)]
    return CliRunner().invoke(main, words)


@pytest.fixture(scope="module")
def drives(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drives")
    return record(folder / "first", FIRST), record(folder / "second", SECOND)


@pytest.fixture(scope="module")
def mapped(drives, tmp_path_factory):
    out = tmp_path_factory.mktemp("mapped") / "out"
    result = run("replay", drives[0], "--out", out, "--map")
    assert result.exit_code == 0, result.output
    return out, result.output


@pytest.fixture(scope="module")
def continued(drives, mapped, tmp_path_factory):
    """A copy of the first map with the second drive in it."""
    place = tmp_path_factory.mktemp("continued")
    shutil.copytree(mapped[0] / "map", place / "map")
    result = run("replay", drives[1], "--out", place / "out", "--map", place / "map")
    assert result.exit_code == 0, result.output
    return place / "out", place / "map", result.output


def off_the_truth(trajectory, drive):
    """Distance (m) of each pose from where the robot was, in the frame of the first drive's start."""
    T_map_yard = inverse(FIRST.pose(0.0))
    truth = drive.truth()
    T_yard_first = drive.pose(0.0)
    poses = np.stack([T_map_yard @ T_yard_first @ truth.at(int(stamp)) for stamp in trajectory.stamps_ns])
    return np.linalg.norm(trajectory.poses[:, :3, 3] - poses[:, :3, 3], axis=1)


def test_a_replay_leaves_a_map_with_its_loops_and_a_pose_in_it_at_every_scan(mapped):
    out, text = mapped
    folder, metrics = MapFolder(out / "map"), json.loads((out / "metrics.json").read_text())["mapping"]
    assert not folder.problems() and not folder.notes and len(sessions_of(folder)) == 1
    assert metrics["keyframes"] == metrics["keyframes_in_map"] == len(folder)
    assert metrics["loops"] == len(loops_of(folder)) > 5
    trajectory = read_trajectory(out / "map.tum")
    assert len(trajectory) == FIRST.num_scans == metrics["scans_with_place"]
    assert off_the_truth(trajectory, FIRST).max() < 0.1
    assert metrics["ape_map_m"] < 0.05
    assert f"map: {len(folder)} keyframes" in text and "loops closed" in text


def test_the_map_is_shown_beside_it_and_in_the_report(mapped):
    out, _ = mapped
    assert (out / "map.png").read_bytes().startswith(b"\x89PNG")
    assert run("map", "export", out / "map", out.parent / "again.pgm", settings=()).exit_code == 0
    kept, anew = (np.fromfile(path, np.uint8) for path in (out / "map.pgm", out.parent / "again.pgm"))
    assert len(kept) == len(anew) and (kept == anew).mean() > 0.98  # keyframes that moved by millimetres stay as drawn
    assert "resolution: 0.1" in (out / "map.yaml").read_text()
    page = (out / "report.html").read_text()
    assert "<h2>Map</h2>" in page and 'data-name="loops"' in page and "data:image/jpeg" in page


def test_a_map_that_is_there_is_not_written_into_unless_it_is_named(drives, mapped, tmp_path):
    result = run("replay", drives[0], "--out", mapped[0], "--map")
    assert result.exit_code == 2 and "is there already; go on in it with --map" in result.output
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("of somebody")
    result = run("replay", drives[0], "--out", tmp_path / "out", "--map", tmp_path / "mine")
    assert result.exit_code == 1 and "is there already" in result.output
    result = run("replay", drives[0], "--out", tmp_path / "out", "--map", settings=("mapping.mode=localization",))
    assert result.exit_code == 2 and "no map to localize in" in result.output
    result = run("replay", drives[0], "--out", tmp_path / "out", "--stages", "odometry", "--map")
    assert result.exit_code == 2 and "--map needs the stage mapping" in result.output


def test_a_second_drive_goes_on_in_the_first_map(mapped, continued):
    out, place, _ = continued
    folder, metrics = MapFolder(place), json.loads((out / "metrics.json").read_text())["mapping"]
    first, second = sessions_of(folder)
    assert len(first) == len(MapFolder(mapped[0] / "map")) and metrics["keyframes"] == len(second)
    assert len(ties_of(folder)) == 1 and metrics["loops"] > 3
    assert not folder.problems() and not (out / "map").exists()
    assert off_the_truth(read_trajectory(out / "map.tum"), SECOND).max() < 0.1
    facts = json.loads(run("map", "info", place, "--json", settings=()).output)
    assert len(facts["sessions"]) == 2 and facts["loops"]["between sessions"] == metrics["loops"]


def test_localization_follows_a_drive_in_a_saved_map_and_leaves_it_as_it_is(drives, mapped, tmp_path):
    journal = mapped[0] / "map" / JOURNAL
    before = hashlib.sha256(journal.read_bytes()).hexdigest()
    settings = (*SMALL, "mapping.mode=localization")
    result = run("replay", drives[1], "--out", tmp_path, "--map", mapped[0] / "map", settings=settings)
    assert result.exit_code == 0, result.output
    assert hashlib.sha256(journal.read_bytes()).hexdigest() == before
    trajectory = read_trajectory(tmp_path / "map.tum")
    assert len(trajectory) > 0.7 * SECOND.num_scans
    assert off_the_truth(trajectory, SECOND).max() < 0.15
    assert "scans have a place in the map" in result.output
    assert (tmp_path / "map.png").exists() and not (tmp_path / "map.pgm").exists()


def test_a_map_of_two_drives_is_merged_with_another_one(mapped, continued, tmp_path):
    maps = [MapFolder(path) for path in (mapped[0] / "map", continued[1])]
    result = run("map", "merge", *(folder.path for folder in maps), tmp_path / "both", settings=())
    assert result.exit_code == 0, result.output
    both = MapFolder(tmp_path / "both")
    assert len(both) == sum(map(len, maps)) and len(sessions_of(both)) == 3 and not both.problems()
    places = both.poses()[1][:, :3, 3]
    num = len(maps[0])
    assert np.abs(places[:num] - places[num : 2 * num]).max() < 0.1  # the same drive is in both maps
    assert load_config(PerceptionConfig, both.path / CONFIG).mapping.folder == ""


def test_an_odometry_that_starts_again_goes_on_in_the_map_of_the_same_recording(tmp_path):
    short = Drive(laps=0.6)
    recording = record(tmp_path / "broken", short, SECOND)
    result = run("replay", recording, "--out", tmp_path / "out", "--map")
    assert result.exit_code == 0, result.output
    folder, metrics = MapFolder(tmp_path / "out" / "map"), json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["recording"]["num_runs"] == 2
    assert [len(session) > 5 for session in sessions_of(folder)] == [True, True] and len(ties_of(folder)) == 1
    assert metrics["mapping"]["scans_with_place"] == metrics["recording"]["num_poses"] > short.num_scans - 3
    assert off_the_truth(read_trajectory(tmp_path / "out" / "map.tum"), short).max() < 0.1
    T_map_yard, truth = inverse(short.pose(0.0)), SECOND.truth()
    ids, poses = folder.poses()
    later_ns = short.num_scans * SWEEP_NS + PAUSE_NS
    for number in sessions_of(folder)[1].tolist():
        at = T_map_yard @ SECOND.pose(0.0) @ truth.at(folder.keyframes[number].stamp_ns - later_ns)
        assert np.linalg.norm(poses[np.searchsorted(ids, number), :3, 3] - at[:3, 3]) < 0.1


def test_a_disk_that_fills_up_costs_keyframes_of_the_map_and_is_told_and_the_odometry_is_whole(
    drives, mapped, tmp_path, monkeypatch
):
    add, number = MapFolder.add_keyframe, iter(range(1000))

    def fail_at_three(self, keyframe):
        if 3 <= next(number) < 6:
            raise MapError("journal.bin: cannot be written (no space left); make room on the disk")
        add(self, keyframe)

    monkeypatch.setattr(MapFolder, "add_keyframe", fail_at_three)
    result = run("replay", drives[0], "--out", tmp_path, "--map")
    assert result.exit_code == DataLoss.exit_code and "make room on the disk" in result.output
    whole = read_trajectory(mapped[0] / "odometry.tum")
    assert np.array_equal(read_trajectory(tmp_path / "odometry.tum").poses, whole.poses)
    assert len(MapFolder(tmp_path / "map")) == len(MapFolder(mapped[0] / "map")) - 3
    assert "no space left" in json.loads((tmp_path / "metrics.json").read_text())["recording"]["loss"]
