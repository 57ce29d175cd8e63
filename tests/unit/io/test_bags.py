import shutil

import numpy as np
import pytest
from rosbags.typesys import Stores, get_typestore

from perception.core.errors import ConfigError, InvalidInput, MissingTransform
from perception.core.types import ImuBatch, Scan
from perception.io.bags import Bag
from perception.io.config import InputConfig
from perception.io.recording import open_recording
from tests.unit.io.bags import POINTS, START_NS, SWEEP_NS, T_IMU, T_LIDAR, ros2_messages, write_ros1, write_ros2

AUTO = InputConfig()


def scans_and_samples(recording) -> tuple[list[Scan], np.ndarray]:
    events = list(recording.events())
    batches = [event.stamps_ns for event in events if isinstance(event, ImuBatch)]
    return [event for event in events if isinstance(event, Scan)], np.concatenate(batches or [np.zeros(0, np.int64)])


def assert_complete(recording) -> None:
    scans, samples = scans_and_samples(recording)
    assert [scan.stamp_ns for scan in scans] == [START_NS + i * SWEEP_NS for i in range(12)]
    assert all(len(scan.points) == POINTS for scan in scans)
    assert samples.tolist() == [START_NS + i * 5_000_000 for i in range(260)]
    assert np.allclose(recording.rig.T_base_lidar[:3, 3], T_LIDAR)
    assert np.allclose(recording.rig.T_base_imu[:3, 3], T_IMU)
    assert recording.num_scans == 12
    assert not recording.losses.counts


@pytest.mark.parametrize(
    ("storage", "zstd"),
    [("mcap", ""), ("mcap", "storage"), ("mcap", "message"), ("mcap", "file"),
     ("sqlite3", ""), ("sqlite3", "message"), ("sqlite3", "file")],
)  # fmt: skip
def test_each_storage_and_compression_of_ros_2_gives_the_same_recording(tmp_path, storage, zstd):
    assert_complete(open_recording(write_ros2(tmp_path / "bag", storage=storage, zstd=zstd)))


@pytest.mark.parametrize("compression", ["", "lz4", "bz2"])
def test_ros_1_bags_give_the_same_recording(tmp_path, compression):
    assert_complete(open_recording(write_ros1(tmp_path / "bag.bag", compression=compression)))


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_lone_file_without_metadata_is_enough(tmp_path, storage):
    folder = write_ros2(tmp_path / "bag", storage=storage)
    file = next(file for file in folder.iterdir() if file.name != "metadata.yaml")
    assert_complete(open_recording(shutil.copy(file, tmp_path / f"lone{file.suffix}")))
    (folder / "metadata.yaml").unlink()
    assert_complete(open_recording(folder))


def test_events_are_in_the_order_of_time_and_a_scan_comes_after_the_imu_of_its_sweep(tmp_path):
    newest = 0
    for event in open_recording(write_ros2(tmp_path / "bag")).events():
        end_ns = event.end_ns if isinstance(event, Scan) else int(event.stamps_ns[-1])
        assert end_ns >= newest
        newest = end_ns


def test_two_readings_give_the_same_events_bit_for_bit(tmp_path):
    recording = open_recording(write_ros2(tmp_path / "bag"))
    for first, second in zip(recording.events(), recording.events(), strict=True):
        if isinstance(first, Scan):
            assert first.points.tobytes() == second.points.tobytes()
        else:
            assert first.stamps_ns.tobytes() == second.stamps_ns.tobytes()


def test_a_reader_that_stops_early_leaves_no_thread(tmp_path):
    import threading

    recording = open_recording(write_ros2(tmp_path / "bag"))
    before = threading.active_count()
    events = recording.events()
    next(events)
    events.close()
    assert threading.active_count() == before


def test_the_summary_names_topics_rates_times_and_frames(tmp_path):
    recording = open_recording(write_ros2(tmp_path / "bag", zstd="storage"))
    rows = dict(recording.summary.rows)
    assert recording.summary.kind == "ROS 2 bag (mcap, zstd)"
    assert rows["points"] == "/points, 12 scans, 10.0 Hz, frame lidar, time field t in ns, relative"
    assert rows["imu"] == "/imu, 260 samples, 200 Hz, frame imu"
    assert recording.summary.notes == ()


def test_several_lidars_are_an_error_that_lists_them_until_one_is_chosen(tmp_path):
    bag = write_ros2(tmp_path / "bag", ros2_messages(lidar_topics=("/front", "/rear")))
    with pytest.raises(
        ConfigError, match=r"/front \(PointCloud2, 12 messages\), /rear .*--set input.lidar_topic=/front"
    ):
        open_recording(bag)
    assert open_recording(bag, InputConfig(lidar_topic="/rear")).num_scans == 12
    with pytest.raises(ConfigError, match="'/side' holds no clouds; choose one of /front"):
        open_recording(bag, InputConfig(lidar_topic="/side"))


def test_several_usable_imus_are_an_error_that_lists_them_until_one_is_chosen(tmp_path):
    bag = write_ros2(tmp_path / "bag", ros2_messages(imu_topics=("/imu_a", "/imu_b")))
    with pytest.raises(ConfigError, match=r"/imu_a .*/imu_b .*--set input.imu_topic=/imu_a"):
        open_recording(bag)
    assert "/imu_b" in dict(open_recording(bag, InputConfig(imu_topic="/imu_b")).summary.rows)["imu"]
    assert not open_recording(bag, InputConfig(imu="off")).rig.has_imu


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"imu_rate": 20}, "it runs at 20 Hz, at least 50 Hz are needed"),
        ({"gravity": 0.0}, "median of its acceleration is 0.0374|median of its acceleration is 0,|acceleration is 0"),
        ({"imu_clock_ns": 5_000_000_000}, "its clock differs from that of the LiDAR by -5"),
    ],
)
def test_an_imu_that_is_none_is_named_and_left_out(tmp_path, content, reason):
    bag = write_ros2(tmp_path / "bag", ros2_messages(**content))
    recording = open_recording(bag)
    assert not recording.rig.has_imu
    assert any("/imu is not used" in note for note in recording.summary.notes)
    with pytest.raises(InvalidInput, match=f"input.imu is required, but .*({reason})"):
        open_recording(bag, InputConfig(imu="required"))


def test_an_imu_in_g_is_usable(tmp_path):
    assert open_recording(write_ros2(tmp_path / "bag", ros2_messages(gravity=1.0))).rig.has_imu


def test_an_imu_without_a_transform_is_refused_until_its_place_is_given(tmp_path):
    bag = write_ros2(tmp_path / "bag", ros2_messages(transforms=()))
    with pytest.raises(MissingTransform, match=r"from 'imu' to 'lidar'.*--set input.T_base_imu=.*input.imu=off"):
        open_recording(bag)
    assert open_recording(bag, InputConfig(imu="off")).rig.base_frame == "lidar"
    given = open_recording(bag, InputConfig(T_base_imu=(1, 2, 3, 0, 0, 0, 1)))
    assert np.allclose(given.rig.T_base_imu[:3, 3], [1, 2, 3])
    assert "the LiDAR frame 'lidar' is the base" in given.summary.notes[0]
    both = InputConfig(T_base_imu=(1, 2, 3, 0, 0, 0, 1), T_base_lidar=(0, 0, 1, 0, 0, 1, 0))
    assert open_recording(bag, both).rig.base_frame == "base_link"


def test_a_base_that_the_transforms_do_not_reach_is_refused(tmp_path):
    bag = write_ros2(tmp_path / "bag", ros2_messages(transforms=(("base_link", "wheel", T_LIDAR),)))
    with pytest.raises(MissingTransform, match=r"from 'lidar' to 'base_link'.*input.T_base_lidar="):
        open_recording(bag)


def test_transforms_on_tf_are_taken_aloud(tmp_path):
    recording = open_recording(write_ros2(tmp_path / "bag", ros2_messages(tf_topic="/tf")))
    assert np.allclose(recording.rig.T_base_imu[:3, 3], T_IMU)
    assert any("/tf, not /tf_static" in note for note in recording.summary.notes)


@pytest.mark.parametrize("values", [(1.0, 2.0), (0.0,) * 7])
def test_a_malformed_place_is_refused(tmp_path, values):
    with pytest.raises(ConfigError, match=r"input\.T_base_lidar"):
        open_recording(write_ros2(tmp_path / "bag"), InputConfig(T_base_lidar=values))


def test_the_ground_truth_beside_a_bag_is_its_reference_where_the_time_fits(tmp_path):
    bag = write_ros2(tmp_path / "bag")
    (bag / "ground_truth.tum").write_text("1700000000.5 1 2 3 0 0 0 1\n1700000001 1 2 3 0 0 0 1\n")
    assert len(open_recording(bag).reference) == 2
    assert len(open_recording(bag / "bag.mcap").reference) == 2
    (bag / "ground_truth.tum").write_text("5 1 2 3 0 0 0 1\n")
    recording = open_recording(bag)
    assert recording.reference is None
    assert "another time" in recording.summary.notes[0]


def test_a_split_bag_is_read_in_the_order_of_its_metadata(tmp_path):
    items = ros2_messages()
    first, second = write_ros2(tmp_path / "z", items[:130]), write_ros2(tmp_path / "a", items[130:])
    shutil.move(second / "a.mcap", first / "a.mcap")
    text = (first / "metadata.yaml").read_text()
    (first / "metadata.yaml").write_text(text.replace("  - z.mcap\n", "  - z.mcap\n  - a.mcap\n"))
    assert_complete(open_recording(first))


def test_messages_out_of_order_in_the_file_come_sorted(tmp_path):
    items = ros2_messages()
    order = np.argsort([item[2] + np.random.default_rng(i).integers(0, 300_000_000) for i, item in enumerate(items)])
    assert_complete(open_recording(write_ros2(tmp_path / "bag", [items[i] for i in order])))


def test_a_looped_bag_keeps_both_rounds_in_the_order_of_the_file(tmp_path):
    items = ros2_messages(imu_topics=(), transforms=())
    again = [(topic, kind, log_ns + 2 * 10**9, msg) for topic, kind, log_ns, msg in items]
    scans, _ = scans_and_samples(open_recording(write_ros2(tmp_path / "bag", items + again)))
    assert [scan.stamp_ns for scan in scans] == 2 * [START_NS + i * SWEEP_NS for i in range(12)]


def test_messages_of_ros_1_become_those_of_ros_2(tmp_path):
    bag = Bag(write_ros1(tmp_path / "bag.bag"))
    _, _, raw = next(bag.records(["/points"]))
    message = get_typestore(Stores.ROS2_JAZZY).deserialize_cdr(
        bag.to_cdr("/points", raw), "sensor_msgs/msg/PointCloud2"
    )
    assert (message.width, message.header.frame_id, message.header.stamp.sec) == (POINTS, "lidar", 1_700_000_000)


def test_what_is_no_recording_is_refused_with_what_to_give(tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    (tmp_path / "b.mcap").write_bytes(b"hello, this is no MCAP file")
    (tmp_path / "c.bag").write_bytes(b"hello, this is no bag")
    (tmp_path / "d.db3").write_bytes(b"hello, this is no data base")
    (tmp_path / "e.pcap").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    expected = {
        "a.txt": "is no recording",
        "b.mcap": "is not an MCAP file",
        "c.bag": "is not a ROS 1 bag",
        "d.db3": "is not an sqlite3 file",
        "e.pcap": "play it through the ROS driver",
        "empty": "holds no scan",
        "nothing": "does not exist",
    }
    for name, message in expected.items():
        with pytest.raises(InvalidInput, match=message):
            open_recording(tmp_path / name)


@pytest.mark.parametrize("kind", ["mcap", "ros1"])
def test_chunks_that_hold_only_other_topics_are_not_unpacked(tmp_path, kind, monkeypatch):
    from perception.io import mcap_storage, ros1_storage
    from tests.unit.io.bags import CLOUD, Factory

    factory = Factory(Stores.ROS2_JAZZY if kind == "mcap" else Stores.ROS1_NOETIC)
    items = [("/other", CLOUD, START_NS + i, factory.cloud(START_NS, i, points=30_000)) for i in range(20)]
    items.insert(0, ("/points", CLOUD, START_NS - 1, factory.cloud(START_NS)))
    items.append(("/points", CLOUD, START_NS + 99, factory.cloud(START_NS)))
    path = write_ros2(tmp_path / "bag", items) if kind == "mcap" else write_ros1(tmp_path / "bag.bag", items)
    module, calls = (mcap_storage if kind == "mcap" else ros1_storage), []
    unpack = module.decompress
    monkeypatch.setattr(module, "decompress", lambda *args: calls.append(1) or unpack(*args))
    bag = Bag(path)
    assert sum(1 for _ in bag.records(["/points"])) == 2
    few = len(calls)
    assert sum(1 for _ in bag.records()) == 22
    assert few == 2 < len(calls) - few


def test_a_data_base_that_was_not_closed_is_read_with_its_journal(tmp_path):
    import sqlite3

    folder = write_ros2(tmp_path / "bag", storage="sqlite3")
    writer = sqlite3.connect(folder / "bag.db3")
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("DELETE FROM messages WHERE timestamp > ?", (START_NS + 5 * SWEEP_NS,))
    writer.commit()
    target = tmp_path / "copy"
    shutil.copytree(folder, target)  # as a crashed recorder leaves it: the deletion is in the journal only
    writer.close()
    assert (target / "bag.db3-wal").stat().st_size > 0
    scans, _ = scans_and_samples(open_recording(target / "bag.db3"))
    assert len(scans) == 5
