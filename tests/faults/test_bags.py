"""Damaged bags give their readable part, name what is lost and take bounded memory (reliability C-4, C-5, C-7)."""

import logging
import resource
import struct
from collections.abc import Callable
from pathlib import Path

import lz4.frame
import numpy as np
import pytest
import zstandard

from perception.core.errors import DataLoss, InvalidInput, PerceptionError
from perception.core.types import Scan
from perception.io.bags import Bag
from perception.io.recording import open_recording
from tests.unit.io.bags import POINTS, START_NS, SWEEP_NS, ros2_messages, write_ros1, write_ros2

MCAP_MAGIC = b"\x89MCAP0\r\n"
CHUNK_RECORD = 6


def mcap(tmp_path: Path, zstd: str = "storage", scans: int = 120) -> Path:
    """About three chunks of one MiB."""
    return write_ros2(tmp_path / "bag", ros2_messages(scans=scans), zstd=zstd) / "bag.mcap"


def big_cloud_items(scans: int = 30) -> list:
    from rosbags.typesys import Stores

    from tests.unit.io.bags import CLOUD, Factory

    factory = Factory(Stores.ROS2_JAZZY)
    stamps = [START_NS + i * SWEEP_NS for i in range(scans)]
    return [("/points", CLOUD, s + SWEEP_NS, factory.cloud(s, i, points=20_000)) for i, s in enumerate(stamps)]


def read(path: Path) -> tuple[list[Scan], str]:
    """The scans before the damage, and what the reader said about it (empty: nothing)."""
    scans: list[Scan] = []
    try:
        scans.extend(event for event in open_recording(path).events() if isinstance(event, Scan))
    except DataLoss as error:
        assert error.exit_code == 3
        return scans, str(error)
    return scans, ""


def assert_prefix(scans: list[Scan], total: int) -> None:
    assert [scan.stamp_ns for scan in scans] == [START_NS + i * SWEEP_NS for i in range(len(scans))]
    assert 0 < len(scans) < total


def records(raw: bytes) -> list[tuple[int, int, int]]:
    """Opcode, start and end of the body of each record of an MCAP file."""
    found, position = [], len(MCAP_MAGIC)
    while position < len(raw) - len(MCAP_MAGIC):
        opcode, size = struct.unpack_from("<BQ", raw, position)
        found.append((opcode, position + 9, position + 9 + size))
        position += 9 + size
    return found


def chunks(raw: bytes) -> list[tuple[int, int]]:
    return [(start, end) for opcode, start, end in records(raw) if opcode == CHUNK_RECORD]


def with_chunk(raw: bytes, number: int, chunk: bytes) -> bytes:
    start, end = chunks(raw)[number]
    return raw[: start - 8] + struct.pack("<Q", len(chunk)) + chunk + raw[end:]


def chunk_record(data: bytes, size: int, compression: bytes, crc: int = 0) -> bytes:
    head = struct.pack("<QQQI", START_NS, START_NS, size, crc)
    return head + struct.pack("<I", len(compression)) + compression + struct.pack("<Q", len(data)) + data


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> bytes:
    """An MCAP file with zstd chunks and 30 scans, several of them in no chunk together."""
    return (
        write_ros2(tmp_path_factory.mktemp("m") / "bag", big_cloud_items(), zstd="storage") / "bag.mcap"
    ).read_bytes()


def damaged(tmp_path: Path, raw: bytes, suffix: str = ".mcap") -> Path:
    path = tmp_path / f"damaged{suffix}"
    path.write_bytes(raw)
    return path


def test_a_sound_file_loses_nothing(tmp_path, whole):
    scans, loss = read(damaged(tmp_path, whole))
    assert (len(scans), loss) == (30, "")
    assert len(chunks(whole)) > 5


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_cut_mcap_gives_the_chunks_before_the_cut(tmp_path, whole, share):
    scans, loss = read(damaged(tmp_path, whole[: int(len(whole) * share)]))
    assert_prefix(scans, 30)
    assert "damaged.mcap: the file ends" in loss


def test_an_mcap_cut_between_records_says_that_it_was_not_closed(tmp_path, whole):
    _, end = chunks(whole)[3]
    scans, loss = read(damaged(tmp_path, whole[:end]))
    assert_prefix(scans, 30)
    assert "without its closing record: the recorder was stopped or the file was cut" in loss


def test_an_mcap_whose_index_is_lost_but_whose_data_is_complete_loses_nothing(tmp_path, whole):
    (end,) = [end for opcode, _, end in records(whole) if opcode == 15]  # DataEnd
    assert len(read(damaged(tmp_path, whole[:end]))[0]) == 30
    scans, loss = read(damaged(tmp_path, whole[:end] + b"\x00" * 200))
    assert (len(scans), loss) == (30, "")


def test_a_wrong_checksum_of_a_chunk_ends_the_readable_part(tmp_path, whole):
    start, _ = chunks(whole)[4]
    raw = bytearray(whole)
    raw[start + 24 : start + 28] = b"\x01\x02\x03\x04"
    scans, loss = read(damaged(tmp_path, bytes(raw)))
    assert_prefix(scans, 30)
    assert "checksum (CRC-32)" in loss


def test_flipped_bits_in_a_compressed_chunk_end_the_readable_part(tmp_path, whole):
    start, end = chunks(whole)[4]
    raw = bytearray(whole)
    raw[start + 44 : end] = bytes(byte ^ 0xFF for byte in raw[start + 44 : end])
    scans, loss = read(damaged(tmp_path, bytes(raw)))
    assert_prefix(scans, 30)
    assert "a chunk is broken: zstd cannot unpack it" in loss


def test_an_unknown_compression_is_named(tmp_path, whole):
    scans, loss = read(damaged(tmp_path, with_chunk(whole, 4, chunk_record(b"abc", 3, b"brotli"))))
    assert_prefix(scans, 30)
    assert "its compression 'brotli' is unknown" in loss


BOMB = 2 * 2**30  # bytes


def bomb_frames() -> dict[str, tuple[bytes, int, bytes]]:
    """Compressed zeros that lie about, hide, or admit their size: data, claimed size, compression."""
    block = bytes(2**20)
    hidden = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    streamed = b"".join(hidden.compress(block) for _ in range(600)) + hidden.flush()
    frame = lz4.frame.LZ4FrameCompressor()
    packed = frame.begin() + b"".join(frame.compress(block) for _ in range(600)) + frame.flush()
    honest = zstandard.ZstdCompressor().compressobj(size=300 * 2**20)
    admitted = b"".join(honest.compress(block) for _ in range(300)) + honest.flush()
    return {
        "zstd, hidden size": (streamed, 1000, b"zstd"),
        "zstd, admitted size": (admitted, 300 * 2**20, b"zstd"),
        "zstd, small claim": (admitted, 1000, b"zstd"),
        "lz4": (packed, 1000, b"lz4"),
        "huge claim": (streamed, BOMB, b"zstd"),
    }


def test_a_chunk_that_unpacks_to_gigabytes_is_refused_within_bounded_memory(tmp_path, whole):
    bombs = bomb_frames()
    read(damaged(tmp_path, whole))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, (data, size, compression) in bombs.items():
        raw = with_chunk(whole, 4, chunk_record(data, size, compression))
        scans, loss = read(damaged(tmp_path, raw))
        assert_prefix(scans, 30)
        assert "unpacks to" in loss, name
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown_mb < 100


def test_a_record_that_claims_exabytes_is_damage_and_allocates_nothing(tmp_path, whole):
    start, _ = chunks(whole)[4]
    for size in (2**62, 2**64 - 1, 2**40):
        raw = bytearray(whole)
        raw[start - 8 : start] = struct.pack("<Q", size)
        scans, loss = read(damaged(tmp_path, bytes(raw)))
        assert_prefix(scans, 30)
        assert loss


def test_a_file_cut_within_its_first_scan_is_a_loss_not_a_crash(tmp_path, whole):
    for size in (0, 5, len(MCAP_MAGIC), 20, 300, 5000):
        with pytest.raises(DataLoss, match=r"no cloud can be read: .*the file ends"):
            open_recording(damaged(tmp_path, whole[:size]))


def sqlite(tmp_path: Path, zstd: str = "") -> Path:
    folder = write_ros2(tmp_path / "bag", big_cloud_items(), storage="sqlite3", zstd=zstd)
    return next(file for file in folder.iterdir() if file.name != "metadata.yaml")


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_cut_sqlite_file_gives_the_messages_before_the_cut(tmp_path, share):
    raw = sqlite(tmp_path).read_bytes()
    scans, loss = read(damaged(tmp_path, raw[: int(len(raw) * share)], ".db3"))
    assert_prefix(scans, 30)
    assert "the data base is broken (database disk image is malformed)" in loss


def test_a_cut_compressed_file_gives_what_unpacks(tmp_path):
    for name, path in {"db3": sqlite(tmp_path / "s", "file"), "mcap": mcap_file(tmp_path / "m")}.items():
        raw = path.read_bytes()
        scans, loss = read(damaged(tmp_path, raw[: len(raw) // 2], f".{name}.zstd"))
        assert_prefix(scans, 30)
        assert loss


def mcap_file(tmp_path: Path) -> Path:
    return write_ros2(tmp_path / "bag", big_cloud_items(), zstd="file") / "bag.mcap.zstd"


@pytest.mark.parametrize("compression", ["", "lz4", "bz2"])
def test_a_cut_ros_1_bag_gives_the_chunks_before_the_cut(tmp_path, compression):
    raw = ros1(tmp_path, compression).read_bytes()
    for share in (0.4, 0.8):
        scans, loss = read(damaged(tmp_path, raw[: int(len(raw) * share)], ".bag"))
        assert_prefix(scans, 30)
        assert "the file ends" in loss


def ros1(tmp_path: Path, compression: str = "") -> Path:
    from rosbags.typesys import Stores

    from tests.unit.io.bags import CLOUD, Factory

    factory = Factory(Stores.ROS1_NOETIC)
    stamps = [START_NS + i * SWEEP_NS for i in range(30)]
    points = 8_000 if compression == "bz2" else 20_000  # bz2 packs slowly
    items = [("/points", CLOUD, s + SWEEP_NS, factory.cloud(s, i, points=points)) for i, s in enumerate(stamps)]
    return write_ros1(tmp_path / "bag.bag", items, compression)


def test_a_ros_1_bag_that_was_never_closed_gives_all_and_says_so(tmp_path):
    raw = bytearray(ros1(tmp_path).read_bytes())
    place = raw.index(b"index_pos=") + len(b"index_pos=")
    (index,) = struct.unpack_from("<Q", raw, place)
    raw[place : place + 8] = bytes(8)
    scans, loss = read(damaged(tmp_path, bytes(raw[:index]), ".bag"))
    assert len(scans) == 30
    assert "it has no index: the recorder was stopped before it closed the file" in loss


def test_a_missing_file_of_a_split_bag_is_named_after_the_others_are_read(tmp_path):
    folder = write_ros2(tmp_path / "bag", big_cloud_items())
    text = (folder / "metadata.yaml").read_text()
    (folder / "metadata.yaml").write_text(text.replace("  - bag.mcap\n", "  - bag.mcap\n  - bag_1.mcap\n"))
    scans, loss = read(folder)
    assert len(scans) == 30
    assert "bag_1.mcap: is listed in metadata.yaml and missing" in loss


def test_metadata_that_cannot_be_read_is_not_needed(tmp_path):
    folder = write_ros2(tmp_path / "bag", big_cloud_items())
    for text in (
        "",
        "[1, 2",
        "rosbag2_bagfile_information: 5",
        "rosbag2_bagfile_information: {relative_file_paths: 3}",
    ):
        (folder / "metadata.yaml").write_text(text)
        assert len(read(folder)[0]) == 30


def changed(change: Callable[[list], None]) -> list:
    items = ros2_messages()
    change(items)
    return items


def nth(items: list, topic: str, number: int) -> int:
    return [index for index, item in enumerate(items) if item[0] == topic][number]


def cut_data(items: list) -> None:
    items[nth(items, "/points", 5)][3].row_step = 10**6


def zero_stamp(items: list) -> None:
    items[nth(items, "/points", 5)][3].header.stamp.sec = 0
    items[nth(items, "/points", 5)][3].header.stamp.nanosec = 0


def large_nanosec(items: list) -> None:
    items[nth(items, "/points", 5)][3].header.stamp.nanosec = 10**9 + 1


def no_message(items: list) -> None:
    index = nth(items, "/points", 5)
    items[index] = (*items[index][:3], b"\x00\x01\x00\x00\x07")


def claims_much(items: list) -> None:
    index = nth(items, "/points", 5)
    items[index] = (*items[index][:3], b"\x00\x01\x00\x00" + b"\xff" * 400)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (cut_data, "data: 10000 bytes, but row_step"),
        (zero_stamp, "stamp: expected a time after 1970"),
        (large_nanosec, "stamp.nanosec: expected 0 to 999999999"),
        (no_message, "a message cannot be decoded"),
        (claims_much, "a message cannot be decoded"),
    ],
)
def test_a_bad_cloud_costs_only_itself_and_is_named_in_the_end(tmp_path, caplog, change, reason):
    recording = open_recording(write_ros2(tmp_path / "bag", changed(change)))
    with caplog.at_level(logging.WARNING):
        scans = [event for event in recording.events() if isinstance(event, Scan)]
    assert len(scans) == 11
    assert list(recording.losses.counts.values()) == [1]
    assert reason in str(recording.losses)
    assert reason in caplog.text


def test_a_bad_imu_sample_costs_only_itself(tmp_path):
    def spoil(items: list) -> None:
        items[nth(items, "/imu", 30)][3].angular_velocity.x = float("nan")
        items[nth(items, "/imu", 60)][3].linear_acceleration.z = 1e30

    recording = open_recording(write_ros2(tmp_path / "bag", changed(spoil)))
    samples = sum(len(event.stamps_ns) for event in recording.events() if not isinstance(event, Scan))
    assert samples == 258
    assert "imu gyro x: nan is not finite" in str(recording.losses)


def test_a_recording_without_one_good_cloud_is_refused_with_the_reason(tmp_path):
    def spoil(items: list) -> None:
        for topic, _, _, msg in items:
            if topic == "/points":
                msg.header.stamp.sec = msg.header.stamp.nanosec = 0

    with pytest.raises(InvalidInput, match=r"no cloud can be read: .*expected a time after 1970"):
        open_recording(write_ros2(tmp_path / "bag", changed(spoil)))


def test_a_first_cloud_that_is_bad_does_not_hide_the_others(tmp_path):
    def spoil(items: list) -> None:
        items[nth(items, "/points", 0)][3].row_step = 10**6

    recording = open_recording(write_ros2(tmp_path / "bag", changed(spoil)))
    assert sum(isinstance(event, Scan) for event in recording.events()) == 11


def test_a_clock_moved_back_reaches_the_guards_in_the_order_of_the_file(tmp_path):
    items = ros2_messages(imu_topics=(), transforms=(), scans=20)
    for topic, _, _, msg in items[10:]:
        assert topic == "/points"
        msg.header.stamp.sec -= 10
    recording = open_recording(write_ros2(tmp_path / "bag", items))
    stamps = np.array([event.stamp_ns for event in recording.events()])
    steps = np.diff(stamps)
    assert (steps[:9] == SWEEP_NS).all()
    assert steps[9] == SWEEP_NS - 10 * 10**9
    assert (steps[10:] == SWEEP_NS).all()


def test_one_wild_stamp_disturbs_no_other_message(tmp_path):
    for step in (-3600, 3600):
        items = ros2_messages(imu_topics=(), transforms=())
        items[6][3].header.stamp.sec += step
        recording = open_recording(write_ros2(tmp_path / f"bag{step}", items))
        stamps = [event.stamp_ns for event in recording.events()]
        expected = [START_NS + i * SWEEP_NS for i in range(12)]
        wild = expected.pop(6) + step * 10**9
        stamps.remove(wild)
        assert stamps == expected


def flips(raw: bytes, rng: np.random.Generator) -> bytes:
    """A file with one to eight bytes changed, sometimes cut as well."""
    array = np.frombuffer(raw, np.uint8).copy()
    array[rng.integers(0, len(array), rng.integers(1, 9))] = rng.integers(0, 256)
    return array[: rng.integers(1, len(array)) if rng.random() < 0.2 else len(array)].tobytes()


def survive(tmp_path: Path, count: int, seed: int) -> int:
    """Read damaged files of every kind; only our errors may come out. Returns how many gave scans."""
    small = ros2_messages(scans=6)
    sources = {
        "a.mcap": (write_ros2(tmp_path / "a", small, zstd="storage") / "a.mcap").read_bytes(),
        "b.mcap": (write_ros2(tmp_path / "b", small) / "b.mcap").read_bytes(),
        "c.db3": (write_ros2(tmp_path / "c", small, storage="sqlite3") / "c.db3").read_bytes(),
        "d.bag": write_ros1(tmp_path / "d.bag", compression="lz4").read_bytes(),
        "e.bag": write_ros1(tmp_path / "e.bag").read_bytes(),
    }
    rng, num_read = np.random.default_rng(seed), 0
    for index in range(count):
        name, raw = list(sources.items())[index % len(sources)]
        path = tmp_path / f"flipped-{name}"
        path.write_bytes(flips(raw, rng))
        try:
            scans, _ = read(path)
            num_read += bool(scans)
            assert all(len(scan.points) <= POINTS for scan in scans)
        except PerceptionError:
            continue
    return num_read


def test_flipped_bytes_anywhere_are_a_named_loss_or_refusal(tmp_path, caplog):
    assert survive(tmp_path, 60, seed=1) > 20


@pytest.mark.long
def test_thousands_of_flipped_files_crash_nothing(tmp_path, caplog):
    assert survive(tmp_path, 3000, seed=2) > 1000


def test_a_bag_with_no_message_at_all_says_what_it_holds(tmp_path):
    folder = write_ros2(tmp_path / "bag", [])
    with pytest.raises(InvalidInput, match="has no sensor_msgs/PointCloud2 messages; it holds nothing readable"):
        open_recording(folder)
    assert Bag(folder).topics == ()
