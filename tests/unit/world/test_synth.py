"""Generated recordings, in memory and on the disk."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from perception.core.config import load_config
from perception.core.errors import ConfigError, InvalidInput
from perception.core.geometry import matrix_from_quaternion, quaternion_from_matrix
from perception.core.types import ImuBatch, Scan
from perception.io.trajectories import read_trajectory
from perception.world.config import WorldConfig
from perception.world.recording import EPOCH_NS, SyntheticRecording, make_rig
from perception.world.sensors.lidar import SWEEP_NS
from perception.world.synth import SIDECAR, synthesise

SHORT = WorldConfig(route="corridor", duration=1.0, seed=3)


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthesise(tmp_path_factory.mktemp("synth") / "short", SHORT)


def digest(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


def messages(folder: Path) -> list[tuple[str, int, object]]:
    from rosbags.highlevel import AnyReader

    with AnyReader([folder]) as reader:
        return [(c.topic, t, reader.deserialize(raw, c.msgtype)) for c, t, raw in reader.messages()]


def stamp(header) -> int:
    return header.stamp.sec * 10**9 + header.stamp.nanosec


def test_events_come_in_order_with_imu_samples_before_and_after_each_scan() -> None:
    last_imu = 0
    scans = 0
    for event in SyntheticRecording(SHORT).events():
        if isinstance(event, ImuBatch):
            assert event.stamps_ns[0] > last_imu and (np.diff(event.stamps_ns) == 5_000_000).all()
            last_imu = int(event.stamps_ns[-1])
        else:
            assert isinstance(event, Scan) and event.stamp_ns == EPOCH_NS + scans * SWEEP_NS
            assert event.end_ns - 5_000_000 < last_imu <= event.end_ns
            scans += 1
    assert scans == 10
    assert last_imu > EPOCH_NS + 10 * SWEEP_NS


def test_the_result_depends_neither_on_the_number_of_threads_nor_on_reading_twice() -> None:
    recording = SyntheticRecording(SHORT, num_threads=1)
    runs = [list(recording.events()), list(recording.events()), list(SyntheticRecording(SHORT, num_threads=3).events())]
    for other in runs[1:]:
        for a, b in zip(runs[0], other, strict=True):
            if isinstance(a, Scan):
                assert a.points.tobytes() == b.points.tobytes() and a.offsets_ns.tobytes() == b.offsets_ns.tobytes()
            else:
                assert a.gyro.tobytes() == b.gyro.tobytes() and a.accel.tobytes() == b.accel.tobytes()


def test_reading_may_stop_early() -> None:
    events = SyntheticRecording(SHORT).events()
    next(events)
    next(events)
    events.close()


def test_progress_counts_the_scans() -> None:
    seen: list[tuple[int, int]] = []
    list(SyntheticRecording(SHORT, lambda done, total: seen.append((done, total))).events())
    assert seen == [(k, 10) for k in range(1, 11)]


def test_the_reference_covers_the_ends_of_all_scans() -> None:
    recording = SyntheticRecording(SHORT)
    ends = EPOCH_NS + SWEEP_NS * np.arange(11)
    assert np.isin(ends, recording.reference.stamps_ns).all()
    np.testing.assert_allclose(recording.reference.poses[0], np.eye(4), atol=1e-6)
    assert recording.num_scans == 10 and recording.duration == 1.0 and recording.reference_fraction == 1.0


def test_the_same_configuration_writes_the_same_bytes(bag: Path, tmp_path: Path) -> None:
    again = synthesise(tmp_path / "short", SHORT)
    assert digest(again) == digest(bag)
    other = synthesise(tmp_path / "other" / "short", SHORT.model_copy(update={"seed": 4}))
    assert digest(other)["short.mcap"] != digest(bag)["short.mcap"]


def test_the_bag_holds_the_recording_as_standard_messages(bag: Path) -> None:
    found = messages(bag)
    assert [t for _, t, _ in found] == sorted(t for _, t, _ in found)
    clouds = [m for topic, _, m in found if topic == "/points"]
    expected = list(SyntheticRecording(SHORT).detailed_events())
    scans = [event for event in expected if not isinstance(event, ImuBatch)]
    assert len(clouds) == len(scans) == 10
    for cloud, lidar in zip(clouds, scans):
        assert stamp(cloud.header) == lidar.scan.stamp_ns and cloud.header.frame_id == "lidar"
        assert [(f.name, f.offset, f.datatype) for f in cloud.fields] == [
            ("x", 0, 7), ("y", 4, 7), ("z", 8, 7), ("intensity", 12, 7), ("t", 16, 6), ("ring", 20, 4)
        ]  # fmt: skip
        rows = cloud.data.reshape(-1, cloud.point_step)
        assert cloud.row_step == cloud.data.size and cloud.width == len(rows) and cloud.height == 1
        assert rows[:, :12].tobytes() == lidar.scan.points.tobytes()
        assert (rows[:, 16:20].copy().view("<u4").ravel() == lidar.scan.offsets_ns).all()
        assert (rows[:, 20:22].copy().view("<u2").ravel() == lidar.rings).all()
    samples = [m for topic, _, m in found if topic == "/imu"]
    batches = [event for event in expected if isinstance(event, ImuBatch)]
    assert [stamp(m.header) for m in samples] == np.concatenate([b.stamps_ns for b in batches]).tolist()
    accel = [[m.linear_acceleration.x, m.linear_acceleration.y, m.linear_acceleration.z] for m in samples]
    np.testing.assert_array_equal(accel, np.concatenate([b.accel for b in batches]))
    assert all(m.orientation_covariance[0] == -1.0 for m in samples)


def test_the_places_of_the_sensors_are_on_tf_static(bag: Path) -> None:
    (tf,) = [m for topic, _, m in messages(bag) if topic == "/tf_static"]
    rig = make_rig()
    for transform, T in zip(tf.transforms, (rig.T_base_lidar, rig.T_base_imu), strict=True):
        q, p = transform.transform.rotation, transform.transform.translation
        np.testing.assert_allclose([p.x, p.y, p.z], T[:3, 3])
        np.testing.assert_allclose(matrix_from_quaternion(np.array([q.x, q.y, q.z, q.w])), T[:3, :3], atol=1e-12)
        assert transform.header.frame_id == "base_link"
    assert [t.child_frame_id for t in tf.transforms] == ["lidar", "imu"]


def test_the_clock_runs_at_50_hertz(bag: Path) -> None:
    times = [m.clock.sec * 10**9 + m.clock.nanosec for topic, _, m in messages(bag) if topic == "/clock"]
    assert times[0] == EPOCH_NS and set(np.diff(times)) == {20_000_000} and len(times) >= 50


def test_the_mcap_file_is_readable_on_its_own_with_its_schemas(bag: Path) -> None:
    from mcap.reader import make_reader

    with (bag / "short.mcap").open("rb") as file:
        summary = make_reader(file).get_summary()
    assert {schema.encoding for schema in summary.schemas.values()} == {"ros2msg"}
    assert {channel.topic for channel in summary.channels.values()} == {"/points", "/imu", "/tf_static", "/clock"}
    assert summary.statistics.message_count == len(messages(bag))
    assert {chunk.compression for chunk in summary.chunk_indexes} == {"zstd"}


def test_ground_truth_and_configuration_lie_beside_the_bag(bag: Path) -> None:
    truth = read_trajectory(bag / "ground_truth.tum")
    reference = SyntheticRecording(SHORT).reference
    assert (truth.stamps_ns == reference.stamps_ns).all()
    np.testing.assert_allclose(truth.poses, reference.poses, atol=1e-8)
    assert load_config(WorldConfig, bag / "world.yaml") == SHORT
    assert json.loads((bag / SIDECAR).read_text())["scans"] == 10
    info = yaml.safe_load((bag / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert info["storage_identifier"] == "mcap" and info["relative_file_paths"] == ["short.mcap"]
    assert np.abs(quaternion_from_matrix(truth.poses[:, :3, :3])[:, 3]).max() <= 1.0


def test_what_is_there_already_is_not_overwritten(bag: Path, tmp_path: Path) -> None:
    own = synthesise(tmp_path / "own", SHORT)
    with pytest.raises(InvalidInput, match="--force"):
        synthesise(own, SHORT)
    (tmp_path / "other").mkdir()
    precious = tmp_path / "other" / "thesis.tex"
    precious.write_text("years of work")
    for force in (False, True):
        with pytest.raises(InvalidInput, match="choose another folder"):
            synthesise(tmp_path / "other", SHORT, force=force)
    assert precious.read_text() == "years of work"


def test_force_replaces_an_own_recording_and_an_empty_folder_is_used(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    synthesise(tmp_path / "out", SHORT)
    before = digest(tmp_path / "out")
    synthesise(tmp_path / "out", SHORT.model_copy(update={"seed": 9}), force=True)
    assert digest(tmp_path / "out") != before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def interrupt(done: int, total: int) -> None:
    if done == 3:
        raise KeyboardInterrupt


def test_an_interrupted_run_is_finished_by_the_same_call_with_the_same_bytes(tmp_path: Path, bag: Path) -> None:
    out = tmp_path / bag.name
    with pytest.raises(KeyboardInterrupt):
        synthesise(out, SHORT, interrupt)
    assert not out.exists()
    synthesise(out, SHORT)
    assert digest(out) == digest(bag)
    assert list(tmp_path.iterdir()) == [out]


def test_the_beginning_of_another_recording_is_not_mixed_in(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        synthesise(tmp_path / "out", SHORT, interrupt)
    other = SHORT.model_copy(update={"seed": 4})
    with pytest.raises(InvalidInput, match="other settings; add --force"):
        synthesise(tmp_path / "out", other)
    synthesise(tmp_path / "out", other, force=True)
    assert "seed: 4" in (tmp_path / "out" / "world.yaml").read_text()


def test_two_runs_cannot_write_the_same_recording(tmp_path: Path) -> None:
    def again(done: int, total: int) -> None:
        with pytest.raises(InvalidInput, match="another run is writing it"):
            synthesise(tmp_path / "out", SHORT)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthesise(tmp_path / "out", SHORT, again)


def test_an_unknown_format_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'voc': is unknown; use coco"):
        synthesise(tmp_path / "out", SHORT, formats=("coco", "voc"))


def test_a_recording_larger_than_the_disk_is_refused_before_it_is_made(tmp_path: Path, monkeypatch) -> None:
    import shutil
    from types import SimpleNamespace

    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1_000_000))
    with pytest.raises(InvalidInput, match="are free"):
        synthesise(tmp_path / "out", SHORT)
