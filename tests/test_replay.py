"""The whole way of a user: make a recording, replay it, look at what it left behind."""

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from perception.cli import main
from perception.core.config import load_config
from perception.io.recording import open_recording
from perception.io.trajectories import kitti_poses, read_trajectory
from perception.pipeline.config import PerceptionConfig
from perception.pipeline.replay import replay

DURATION = 4.0  # s


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("generated") / "recording"
    result = run("synth", path, "--seed", 7, "--duration", DURATION, "--route", "straight")
    assert result.exit_code == 0, result.output
    return path


@pytest.fixture(scope="module")
def results(recording, tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    result = run("replay", recording, "--out", out)
    assert result.exit_code == 0, result.output
    return out, result.output


def test_every_file_of_a_replay_is_written_and_reads_back(results):
    out, _ = results
    names = ["config.yaml", "metrics.json", "odometry.tum", "odometry_kitti.txt", "report.html"]
    assert sorted(path.name for path in out.iterdir()) == names
    trajectory, kitti = read_trajectory(out / "odometry.tum"), kitti_poses(out / "odometry_kitti.txt")
    assert len(trajectory) == len(kitti) == round(DURATION * 10)
    assert np.allclose(kitti[0], np.eye(4))
    assert load_config(PerceptionConfig, out / "config.yaml") == PerceptionConfig()


def test_metrics_hold_accuracy_timing_and_what_was_counted(results):
    metrics = json.loads((results[0] / "metrics.json").read_text())
    assert metrics["accuracy"]["ape_translation"]["rmse"] < 0.05
    assert metrics["recording"]["num_poses"] == metrics["recording"]["num_scans"] == round(DURATION * 10)
    assert metrics["time"]["cpu_ms_per_output"]["odometry"]["median"] > 0.0
    assert metrics["counters"]["odometry"]["scan accepted"] == round(DURATION * 10)


def test_the_terminal_shows_what_was_detected_and_where_the_report_is(results):
    out, text = results
    assert "/points" in text and "/imu" in text and "time field t in ns" in text
    assert str(out / "report.html") in text


@pytest.mark.parametrize("num_threads", [1, 2])
def test_a_second_replay_gives_the_same_trajectory_bit_for_bit(recording, results, num_threads):
    config = load_config(PerceptionConfig, None, [f"odometry.registration.num_threads={num_threads}"])
    again = replay(open_recording(recording, config.input), config)
    assert again.digest() == json.loads((results[0] / "metrics.json").read_text())["trajectory_sha256"]


def test_a_recording_can_be_evaluated_from_its_files(recording, results, tmp_path):
    result = run("evaluate", results[0] / "odometry.tum", recording / "ground_truth.tum", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "evaluation.json").read_text())["ape_translation"]["rmse"] < 0.05


def test_without_its_imu_the_same_recording_says_so_and_still_works(recording, tmp_path):
    result = run("replay", recording, "--out", tmp_path, "--set", "input.imu=off")
    assert result.exit_code == 0, result.output
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["recording"]["num_poses"] == round(DURATION * 10)
    assert metrics["accuracy"]["ape_translation"]["rmse"] < 0.2
    assert any("IMU" in note for note in metrics["notes"])
    assert "without an IMU" in (tmp_path / "report.html").read_text()


def test_a_truncated_recording_keeps_its_readable_part_and_ends_with_code_3(recording, tmp_path):
    damaged = tmp_path / "damaged"
    shutil.copytree(recording, damaged)
    (bag,) = damaged.glob("*.mcap")
    bag.write_bytes(bag.read_bytes()[: int(0.6 * bag.stat().st_size)])
    result = run("replay", damaged, "--out", tmp_path / "out")
    assert result.exit_code == 3, result.output
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert 10 < metrics["recording"]["num_poses"] < DURATION * 10
    assert metrics["recording"]["loss"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--set", "odometry.max_rnage=3"], 2, "odometry.max_rnage: is unknown"),
        (["--set", "odometry.preprocess.max_range=-3"], 2, "odometry.preprocess.max_range"),
        (["--preset", "moon"], 2, "'moon' is unknown"),
        (["--stages", "slam"], 2, "stage 'slam' is unknown"),
        (["--set", "input.lidar_topic=/nothing"], None, "/nothing"),
    ],
)
def test_a_wrong_argument_is_one_line_with_the_field_and_no_traceback(recording, tmp_path, arguments, code, words):
    result = run("replay", recording, "--out", tmp_path, *arguments)
    assert result.exit_code == code if code else result.exit_code in (1, 2)
    assert words in result.output
    assert "Traceback" not in result.output


def test_a_path_that_is_not_there_is_named(tmp_path):
    result = run("replay", tmp_path / "absent", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "absent" in result.output
    assert not (tmp_path / "out").exists()
