"""Replays of many recordings: a crash costs one of them, what is done is kept, a killed process is tried again."""

import json
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from rosbags.typesys import Stores

from perception.cli import main
from perception.core.errors import ConfigError, PerceptionError
from perception.pipeline import batch
from tests.unit.io.bags import Factory, write_ros2
from tests.unit.pipeline.test_replay_with_images import sensors

PATIENCE = 180.0  # s


def faked(monkeypatch, codes):
    """Children that do nothing but end with the next of `codes`; returns the names of those that ran."""
    ran = []

    def child(job, part):
        ran.append(job.name)
        code = codes.pop(0) if codes else 0
        (part / batch.LOG).write_text("first\nInvalidInput: the reason\n")
        if code in (0, 3):
            (part / "metrics.json").write_text(json.dumps({"recording": {"num_scans": 7, "loss": "cut"}}))
        return code

    monkeypatch.setattr(batch, "_child", child)
    return ran


@pytest.fixture
def jobs(tmp_path):
    paths = []
    for name in ("a", "b", "other/a"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
        paths.append(path)
    return batch.jobs_of(paths, tmp_path / "out", ("--set", "x=1"), "settings")


def test_what_is_done_is_kept_and_what_failed_runs_again(jobs, monkeypatch):
    ran = faked(monkeypatch, [0, 1, 0])
    first = batch.run_batch(jobs)
    assert [job.name for job in jobs] == ["a", "b", "a-2"]
    assert [outcome.status for outcome in first] == ["done", "failed", "done"]
    assert "the reason" in first[1].reason
    with pytest.raises(PerceptionError, match="1 of 3 replays failed: b"):
        batch.raise_for(first)
    ran.clear()
    second = batch.run_batch(jobs)
    assert ran == ["b"]
    assert [outcome.status for outcome in second] == ["kept", "done", "kept"]
    assert second[0].metrics["recording"]["num_scans"] == 7
    rows = json.loads((Path(jobs[0].out) / "batch.json").read_text())
    assert [row["status"] for row in rows] == ["kept", "done", "kept"]


def test_other_settings_or_a_changed_recording_are_replayed_anew(jobs, tmp_path, monkeypatch):
    ran = faked(monkeypatch, [])
    batch.run_batch(jobs)
    ran.clear()
    paths = [Path(job.recording) for job in jobs]
    paths[0].write_bytes(b"longer than before")
    batch.run_batch(batch.jobs_of(paths, tmp_path / "out", ("--set", "x=1"), "settings"))
    assert ran == ["a"]
    ran.clear()
    batch.run_batch(batch.jobs_of(paths, tmp_path / "out", ("--set", "x=2"), "settings"), num_workers=2)
    assert sorted(ran) == ["a", "a-2", "b"]


def test_a_killed_process_is_tried_again_and_then_given_up(jobs, monkeypatch):
    faked(monkeypatch, [-9, 0])
    outcome = batch.run_job(jobs[0])
    assert (outcome.status, outcome.attempts) == ("done", 2)
    faked(monkeypatch, [-9, -11, 0])
    outcome = batch.run_job(jobs[1])
    assert outcome.status == "failed" and "signal 11" in outcome.reason
    assert not (Path(jobs[1].out) / "b").exists()
    assert not list(Path(jobs[1].out).glob(".*"))


def test_a_damaged_recording_counts_as_partial_and_is_tried_again_next_time(jobs, monkeypatch):
    ran = faked(monkeypatch, [3])
    assert batch.run_batch(jobs[:1])[0].status == "partial"
    batch.run_batch(jobs[:1])
    assert ran == ["a", "a"]


def test_what_a_killed_batch_left_half_done_goes(jobs, monkeypatch):
    stale = Path(jobs[0].out) / ".a.part-1"
    stale.mkdir(parents=True)
    faked(monkeypatch, [])
    batch.run_batch(jobs[:1])
    assert not stale.exists()


def test_recordings_of_one_name_get_folders_of_their_own(tmp_path):
    paths = [tmp_path / name for name in ("a/drive", "b/drive", "c/drive-2", "d/drive")]
    for path in paths:
        path.mkdir(parents=True)
    assert [job.name for job in batch.jobs_of(paths, tmp_path)] == ["drive", "drive-2", "drive-2-2", "drive-3"]


def test_shards_cover_all_recordings_once(jobs):
    parts = [batch.shard_of(jobs, f"{i}/2") for i in (1, 2)]
    assert sorted(job.name for part in parts for job in part) == ["a", "a-2", "b"]
    for wrong in ("0/2", "3/2", "1", "a/b"):
        with pytest.raises(ConfigError, match="--shard"):
            batch.shard_of(jobs, wrong)


@pytest.fixture(scope="module")
def bags(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bags")
    items = list(sensors(Factory(Stores.ROS2_JAZZY)))
    return [write_ros2(folder / name, items) for name in ("one", "two")]


def test_a_batch_from_the_command_line_is_what_single_replays_are(bags, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    arguments = ["replay", *map(str, bags), str(broken), "--out", str(tmp_path / "out"), "--jobs", "2"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1 and "1 of 3 replays failed: broken" in result.output
    single = CliRunner().invoke(main, ["replay", str(bags[0]), "--out", str(tmp_path / "single")])
    assert single.exit_code == 0, single.output
    digests = {
        json.loads((folder / "metrics.json").read_text())["trajectory_sha256"]
        for folder in (tmp_path / "out/one", tmp_path / "out/two", tmp_path / "single")
    }
    assert len(digests) == 1
    start = time.monotonic()
    result = CliRunner().invoke(main, arguments[:3] + arguments[4:])
    assert result.exit_code == 0 and result.output.count("kept") == 2
    assert time.monotonic() - start < PATIENCE


def test_a_real_cluster_replays_and_replaces_a_worker_that_is_killed(bags, tmp_path):
    distributed = pytest.importorskip("distributed", reason="the cluster needs the extra `cluster`")
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        local_directory=str(tmp_path / "dask"),
    ) as cluster:
        jobs = [replace(job, retries=2) for job in batch.jobs_of(bags, tmp_path / "out")]

        def kill_one() -> None:
            with distributed.Client(cluster.scheduler_address) as client:
                deadline = time.monotonic() + PATIENCE
                while not list((tmp_path / "out").glob(".*.part-*")) and time.monotonic() < deadline:
                    time.sleep(0.02)
                busy = [address for address, keys in client.processing().items() if keys]
                pids = client.run(os.getpid, workers=busy[:1])
                os.kill(next(iter(pids.values())), signal.SIGKILL)
                killed.append(busy[0])

        killed: list[str] = []
        thread = threading.Thread(target=kill_one)
        thread.start()
        outcomes = batch.run_batch(jobs, cluster=cluster.scheduler_address)
        thread.join(PATIENCE)
    assert killed
    assert [outcome.status for outcome in outcomes] == ["done", "done"]
    assert len({outcome.metrics["trajectory_sha256"] for outcome in outcomes}) == 1
    assert np.all([(tmp_path / "out" / job.name / "report.html").exists() for job in jobs])


def test_a_cluster_that_does_not_answer_is_refused_by_its_address(jobs, monkeypatch):
    pytest.importorskip("distributed", reason="the cluster needs the extra `cluster`")
    monkeypatch.setattr(batch, "CONNECT_TIMEOUT", 0.5)
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:9"):
        batch.run_batch(jobs, cluster="tcp://127.0.0.1:9")
