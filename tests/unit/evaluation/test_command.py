import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from perception.cli import main
from perception.core.geometry import exp_so3, transform
from perception.core.trajectory import Trajectory
from perception.io.trajectories import write_kitti, write_tum
from tests.unit.evaluation.paths import curved_drive, noisy


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["evaluate", f"{folder}/estimate", f"{folder}/reference", *arguments])


@pytest.fixture
def files(tmp_path: Path) -> Path:
    write_tum(tmp_path / "reference", curved_drive(300))
    write_tum(tmp_path / "estimate", noisy(curved_drive(300), seed=1))
    return tmp_path


def test_table_shows_errors_segments_offset_and_lever_arm(files: Path):
    result = run(files, "--offset", "0.02", "--T_est_ref", "0.5 0 0 0 0 0 1")
    assert result.exit_code == 0
    for words in (
        "APE (m)",
        "RPE 10 m (deg)",
        "100 m",
        "0.02 s added to the estimate",
        "1, 0, 0, 0.5 /",
        "KITTI's 100 to 800 m",
    ):
        assert words in " ".join(result.output.split())


def test_json_holds_the_same_errors(files: Path):
    values = json.loads(run(files, "--json", "--segments", "25,50", "--align", "origin").output)
    assert [segment["length"] for segment in values["segments"]] == [25.0, 50.0]
    assert values["options"]["align"] == "origin"


def test_kitti_poses_get_their_times_from_a_file(files: Path):
    drive = curved_drive(300)
    write_kitti(files / "estimate", drive.poses)
    (files / "times").write_text("".join(f"{t // 10**9}.{t % 10**9:09d}\n" for t in drive.stamps_ns.tolist()))
    assert run(files).exit_code == 1
    result = run(files, "--times", f"{files}/times", "--json")
    assert json.loads(result.output)["ape_translation"]["max"] < 1e-6


def test_the_lever_arm_is_undone(files: Path):
    drive = curved_drive(300)
    T_ref_est = transform(exp_so3(np.array([0.0, 0.0, 0.5])), np.array([2.0, 0.0, 0.0]))
    write_tum(files / "estimate", Trajectory(drive.stamps_ns, drive.poses @ T_ref_est))
    x, y = -2.0 * np.cos(-0.5), -2.0 * np.sin(-0.5)
    place = f"{x} {y} 0 0 0 {np.sin(-0.25)} {np.cos(-0.25)}"
    assert json.loads(run(files, "--T_est_ref", place, "--json").output)["ape_translation"]["max"] < 1e-6


@pytest.mark.parametrize("wrong", [("--T_est_ref", "1 2"), ("--segments", "10;20"), ("--rpe-distance", "-1")])
def test_wrong_options_end_with_two_and_one_line(files: Path, wrong: tuple[str, str]):
    result = run(files, *wrong)
    assert result.exit_code == 2
    assert len(result.output.strip().splitlines()) == 1


def test_the_command_can_be_named_and_need_not_be(files: Path):
    named = CliRunner().invoke(main, ["evaluate", "trajectory", f"{files}/estimate", f"{files}/reference", "--json"])
    assert named.exit_code == 0
    assert json.loads(named.output) == json.loads(run(files, "--json").output)
    first = CliRunner().invoke(main, ["evaluate", "--json", f"{files}/estimate", f"{files}/reference"])
    assert first.output == named.output
