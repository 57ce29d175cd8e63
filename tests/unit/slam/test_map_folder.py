"""Maps on the disk: what was written is read back, a killed writer costs one keyframe, damage is refused by name."""

import json
import os
import signal
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from perception.core.errors import InvalidInput, MapError
from perception.core.geometry import transform
from slam.graph.factors import Between, Prior, information_of
from slam.graph.g2o import write_g2o
from slam.graph.journal import Entry
from slam.maps.arrays import read_arrays, write_arrays
from slam.maps.clean import write_cleaned
from slam.maps.config import KeyframeConfig, MapsConfig
from slam.maps.folder import MapFolder
from slam.maps.importing import import_g2o
from slam.maps.keyframe import Keyframe, quantised, unquantised
from slam.maps.merge import begun
from slam.maps.records import packed
from tests.unit.slam.maps_made import append, cloud, keyframe, made

ROOT = Path(__file__).resolve().parents[3]
NUM = 12


def test_a_map_is_read_back_as_it_was_written(tmp_path):
    data = made(tmp_path / "map", 25)
    folder = MapFolder(tmp_path / "map")
    assert len(folder) == 25 and not folder.notes and not folder.problems()
    want, got = keyframe(7, folder.keyframes[7].T_odom_base), folder.load(7)
    assert np.abs(want.points - got.points).max() <= 0.5 * 0.005 + 1e-5
    for name, array in want.descriptors.items():
        assert np.array_equal(array, got.descriptors[name]) and array.dtype == got.descriptors[name].dtype
    assert np.array_equal(want.T_base_lidar, got.T_base_lidar) and want.stamp_ns == got.stamp_ns
    entries = list(folder.entries())
    assert [e.factor.kind for e in entries[1:]].count("loop") == sum(loop.to_id < 25 for loop in data.loops)
    assert np.array_equal(entries[3].factor.T_from_to, data.odometry[2].T_from_to)
    assert folder.config_yaml == "odometry: {}\n"


def test_optimised_poses_are_kept_and_later_keyframes_carried_on_from_them(tmp_path):
    data = made(tmp_path / "map", 10)
    with MapFolder(tmp_path / "map", is_writable=True) as folder:
        ids, poses = folder.poses()
        shift = np.eye(4)
        shift[0, 3] = 5.0
        folder.save_poses(ids, shift @ poses)
        append(folder, data, 0)
    folder = MapFolder(tmp_path / "map", is_writable=True)
    append(folder, made(tmp_path / "other", 12), 2)
    folder.close()
    ids, poses = MapFolder(tmp_path / "map").poses()
    assert len(ids) == 12
    assert np.allclose(poses[11], shift @ folder.keyframes[11].T_odom_base)


def test_undone_factors_stay_undone(tmp_path):
    made(tmp_path / "map", 22)
    with MapFolder(tmp_path / "map", is_writable=True) as folder:
        loop = next(e for e in folder.entries() if getattr(e.factor, "kind", "") == "loop")
        folder.add_undone(loop.factor_id, "a guess")
    folder = MapFolder(tmp_path / "map")
    assert folder.undone == {loop.factor_id: "a guess"}
    assert loop.factor_id not in {entry.factor_id for entry in folder.entries()}


@pytest.mark.parametrize("resolution", [0.0, 0.001, 0.005, 0.05])
def test_clouds_keep_their_points_to_half_a_step(resolution):
    for points in (cloud(1), 20.0 * cloud(2), np.zeros((0, 3), np.float32)):
        kept, step = quantised(points, resolution)
        back = unquantised(kept, step)
        assert back.shape == points.shape and back.dtype == np.float32
        assert np.abs(back - points).max(initial=0.0) <= 0.5 * step * 1.001 + 1e-4 * (step > 0.0)


def test_the_journal_cut_at_any_byte_opens_and_lacks_one_keyframe_at_most(tmp_path):
    made(tmp_path / "map", NUM)
    journal = tmp_path / "map" / "journal.bin"
    whole = journal.read_bytes()
    last = len(MapFolder(tmp_path / "map").keyframes)
    for size in range(len(whole) - 1, len(whole) - 900, -37):  # back into the record of the last keyframe but one
        journal.write_bytes(whole[:size])
        folder = MapFolder(tmp_path / "map")
        assert last - 3 <= len(folder.keyframes) <= last
        missing = whole.count(b'"type":"keyframe"', 0, len(whole)) - whole[:size].count(b'"type":"keyframe"')
        assert len(folder.keyframes) >= last - missing - 1


def test_a_map_whose_writer_was_killed_goes_on(tmp_path):
    data = made(tmp_path / "map", NUM)
    journal = tmp_path / "map" / "journal.bin"
    journal.write_bytes(journal.read_bytes()[:-30])  # in the factor of the last keyframe
    with MapFolder(tmp_path / "map", is_writable=True) as folder:
        assert len(folder) == NUM - 1
        assert any("left out" in note for note in folder.notes)
        append(folder, made(tmp_path / "more", 20), 3)
    folder = MapFolder(tmp_path / "map")
    assert sorted(folder.keyframes) == list(range(NUM + 2))
    assert not folder.notes and not folder.problems()
    del data


def test_damage_in_the_middle_is_refused_with_its_place(tmp_path):
    made(tmp_path / "map", NUM)
    journal = tmp_path / "map" / "journal.bin"
    raw = bytearray(journal.read_bytes())
    raw[len(raw) // 2] ^= 0x40
    journal.write_bytes(raw)
    with pytest.raises(MapError, match=r"journal\.bin: the record at byte \d+ is damaged"):
        MapFolder(tmp_path / "map")


def test_a_changed_keyframe_is_found(tmp_path):
    made(tmp_path / "map", 3)
    folder = MapFolder(tmp_path / "map")
    file = tmp_path / "map" / folder.keyframes[1].file
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(raw)
    assert MapFolder(tmp_path / "map").problems() == [
        f"{file}: crc32 is not the one in the journal; the file was changed, restore it from a copy"
    ]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"version": 99}, "version: 99|version is 99"),
        ({"format": "other"}, "format"),
        ({"map_id": "../x"}, "map_id"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_wrong_card_is_refused_by_its_field(tmp_path, change, what):
    made(tmp_path / "map", 2)
    card = tmp_path / "map" / "map.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | change))
    with pytest.raises(MapError, match=what):
        MapFolder(tmp_path / "map")


@pytest.mark.parametrize(
    ("header", "body", "what"),
    [
        ({"type": "keyframe", "id": 2, "file": "keyframes/../../x"}, b"", "body"),
        ({"type": "keyframe", "id": 2, "file": "/etc/passwd"}, np.tile(np.eye(4), (2, 1, 1)).tobytes(), "file"),
        (
            {"type": "keyframe", "id": 2, "file": "keyframes/../../../x", "stamp_ns": 1, "crc32": 1, "size": 1,
             "num_points": 1}, np.tile(np.eye(4), (2, 1, 1)).tobytes(), "leaves the folder",
        ),
        ({"type": "keyframe", "id": -2, "file": "keyframes/x"}, np.tile(np.eye(4), (2, 1, 1)).tobytes(), "id: -2"),
        ({"type": "keyframe", "id": 2, "file": "keyframes/x"}, np.full(32, np.nan).tobytes(), "T_odom_base"),
        ({"type": "factor", "id": 9, "form": "between", "from": 0, "to": 1, "kind": "loop"}, b"1", "body"),
        ({"type": "factor", "id": 9, "form": "curve"}, b"", "form"),
        ({"type": "factor", "id": 9, "form": "between", "from": 0, "to": 1, "kind": "x"}, bytes(52 * 8), "kind"),
        ({"type": "dance"}, b"", "type"),
    ],
)  # fmt: skip
def test_records_that_are_not_ours_are_refused_by_their_field(tmp_path, header, body, what):
    made(tmp_path / "map", 2)
    with (tmp_path / "map" / "journal.bin").open("ab") as file:
        file.write(packed(header, body))
    with pytest.raises((MapError, InvalidInput), match=what):
        MapFolder(tmp_path / "map")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["map"]


def test_arrays_with_lying_sizes_are_refused_before_memory_is_taken(tmp_path):
    path = tmp_path / "a.pma"
    write_arrays(path, {"x": np.zeros(10, np.float32)}, {})
    data = path.read_bytes()
    start = 12
    size = int.from_bytes(data[4:8], "little")
    for change, what in (
        ({"shape": [1 << 39]}, "elements"),
        ({"shape": [-1]}, "shape"),
        ({"dtype": "object"}, "dtype"),
        ({"shape": [11]}, "unpacks to"),
        ({"size": 1}, "crc32"),
    ):
        header = json.loads(data[start : start + size])
        header["arrays"][0] |= change
        text = json.dumps(header).encode()
        head = len(text).to_bytes(4, "little") + zlib.crc32(text).to_bytes(4, "little")
        path.write_bytes(data[:4] + head + text + data[start + size :])
        with pytest.raises(MapError, match=rf"array x .*{what}"):
            read_arrays(path)


def test_a_second_writer_is_refused(tmp_path):
    made(tmp_path / "map", 2)
    with MapFolder(tmp_path / "map", is_writable=True):
        with pytest.raises(MapError, match="another process"):
            MapFolder(tmp_path / "map", is_writable=True)
        assert len(MapFolder(tmp_path / "map")) == 2  # readers may
    with pytest.raises(MapError, match="reading only"):
        append(MapFolder(tmp_path / "map"), made(tmp_path / "b", 4), 1)


def test_a_full_disk_costs_the_keyframe_and_nothing_else(tmp_path, monkeypatch):
    data = made(tmp_path / "map", 3)
    with MapFolder(tmp_path / "map", is_writable=True) as folder:
        monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(MapError, match="make room"):
            folder.add_keyframe(keyframe(3, data.truth[0]))
        monkeypatch.undo()
        folder.add_keyframe(keyframe(3, data.truth[0]))
    assert not list(tmp_path.rglob(".*.pma.*"))
    assert len(MapFolder(tmp_path / "map").problems()) == 0


def test_memory_for_clouds_is_bounded(tmp_path):
    made(tmp_path / "map", 4, num_points=60_000)
    folder = MapFolder(tmp_path / "map", MapsConfig(keyframes=KeyframeConfig(cache_mb=1)))
    for number in (0, 1, 2, 3, 2):
        folder.load(number)
        assert folder._cached_bytes <= 1 << 20


def test_broken_keyframes_are_refused():
    with pytest.raises(InvalidInput, match="points"):
        Keyframe(0, 1, np.eye(4), np.full((1, 3), np.nan, np.float32))
    with pytest.raises(InvalidInput, match="descriptors: global"):
        Keyframe(0, 1, np.eye(4), cloud(0), descriptors={"global": np.array(["a"])})


def killed_again_and_again(path, kills, rng):
    """Kill a writer `kills` times; after each, the map opens and lacks one keyframe at most of those that were said."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.unit.slam.maps_made", str(path), "300"]
    for _ in range(kills):
        before = len(MapFolder(path))
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, cwd=ROOT, text=True) as writer:
            said = int(writer.stdout.readline())
            for _ in range(int(rng.integers(0, 6))):
                said = int(writer.stdout.readline())
            pause = rng.uniform(0.0, 0.02)
            try:
                writer.wait(pause)
            except subprocess.TimeoutExpired:
                os.kill(writer.pid, signal.SIGKILL)
            rest = [int(line) for line in writer.stdout.read().split("\n")[:-1] if line]
        said = rest[-1] if rest else said
        folder = MapFolder(path)
        assert len(folder) >= said, "more than one keyframe was lost"  # `said` is a number: said + 1 were written
        assert len(folder) > before and not folder.problems()
        assert sorted(folder.keyframes) == list(range(len(folder)))


def test_eight_kills_at_random_moments_cost_one_keyframe_each_at_most(tmp_path):
    made(tmp_path / "map", 2)
    killed_again_and_again(tmp_path / "map", 8, np.random.default_rng(0))


@pytest.mark.long
def test_fifty_kills_at_random_moments_cost_one_keyframe_each_at_most(tmp_path):
    made(tmp_path / "map", 2)
    killed_again_and_again(tmp_path / "map", 50, np.random.default_rng(1))


def two_sessions(path):
    """The second one has an odometry of its own and hangs on the first at x = 5; its pose was not optimised."""
    T, information = lambda x: transform(np.eye(3), np.array([x, 0.0, 0.0])), information_of(0.1, 0.1)
    with MapFolder.create(path) as folder:
        folder.add_keyframe(keyframe(0, T(0.0), 20))
        folder.add_factor(Entry(0, Prior(0, T(3.0), information)))
        folder.add_keyframe(keyframe(1, T(1.0), 20))
        folder.add_factor(Entry(1, Between(0, 1, T(1.0), information)))
        folder.add_keyframe(keyframe(3, T(100.0), 20))
        folder.add_factor(Entry(2, Between(1, 3, T(1.0), information)))
        folder.add_keyframe(keyframe(4, T(101.0), 20))
        folder.add_factor(Entry(3, Between(3, 4, T(1.0), information)))


def test_a_session_without_optimised_poses_begins_where_its_tie_says(tmp_path):
    two_sessions(tmp_path / "map")
    folder = MapFolder(tmp_path / "map", is_writable=True)
    assert np.allclose(folder.poses()[1][:, 0, 3], [3.0, 4.0, 5.0, 6.0])
    moved = folder.poses()[1][:2]
    moved[:, 0, 3] += 10.0
    folder.save_poses(np.array([0, 1]), moved)
    assert np.allclose(folder.poses()[1][:, 0, 3], [13.0, 14.0, 15.0, 16.0])
    folder.close()


def test_every_keyframe_without_a_factor_is_left_out_wherever_it_is(tmp_path):
    two_sessions(tmp_path / "map")
    with MapFolder(tmp_path / "map", is_writable=True) as folder:
        folder.add_keyframe(keyframe(5, np.eye(4), 20))  # the disk was full when its factor came
        folder.add_keyframe(keyframe(6, np.eye(4), 20))
        folder.add_factor(Entry(4, Between(4, 6, np.eye(4), information_of(0.1, 0.1))))
    opened = MapFolder(tmp_path / "map")
    assert sorted(opened.keyframes) == [0, 1, 3, 4, 6]
    assert opened.notes == ["keyframe 5 is left out: its factor was not written"]


def test_a_number_of_a_factor_that_was_judged_is_not_given_again(tmp_path):
    data = made(tmp_path / "map", 2)
    with MapFolder(tmp_path / "map", is_writable=True) as folder:
        folder.add_judged(7)
        assert folder.next_factor_id() == 8
        folder.leave_out("too little")
        append(folder, data, 1)  # judged when the map is opened again, as all that is new
        assert all(entry.factor_id > folder.judged_until for entry in folder.entries())


def test_a_map_that_was_judged_is_so_in_what_is_made_of_it(tmp_path):
    made(tmp_path / "map", 3)
    with MapFolder(tmp_path / "map", is_writable=True) as folder:
        folder.add_judged(2)
    with begun(MapFolder(tmp_path / "map"), tmp_path / "merged") as folder:
        assert folder.judged_until == 2
        assert not (tmp_path / "merged").exists()  # not before it is whole
    assert MapFolder(tmp_path / "merged").judged_until == 2


def cleaned_from(source, out):
    folder = MapFolder(source)
    write_cleaned(folder, {i: np.zeros(info.num_points, dtype=bool) for i, info in folder.keyframes.items()}, out)


def imported_from(source, out):
    pytest.importorskip("gtsam", reason="graphs are imported by the pose graph")
    graph = source.with_suffix(".g2o")
    write_g2o(graph, np.arange(2), np.tile(np.eye(4), (2, 1, 1)), [Between(0, 1, np.eye(4), np.eye(6))])
    import_g2o(graph, out)


@pytest.mark.parametrize("make", [cleaned_from, imported_from])
def test_a_derived_map_has_its_name_when_it_is_whole_and_not_before(tmp_path, monkeypatch, make):
    made(tmp_path / "map", 3)
    seen = []

    def add_factor(folder, entry):
        seen.append((tmp_path / "out").exists())
        return add_factor_itself(folder, entry)

    add_factor_itself = MapFolder.add_factor
    monkeypatch.setattr(MapFolder, "add_factor", add_factor)
    make(tmp_path / "map", tmp_path / "out")
    assert seen and not any(seen)
    assert len(MapFolder(tmp_path / "out")) > 1
    assert not list(tmp_path.glob(".out*"))


def test_a_map_takes_the_place_of_what_an_end_of_create_has_left(tmp_path):
    made(tmp_path / "map", 3)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "config.yaml").write_text("")
    cleaned_from(tmp_path / "map", tmp_path / "out")
    assert len(MapFolder(tmp_path / "out")) == 3


def test_a_journal_of_beginnings_of_records_is_refused_at_once(tmp_path):
    made(tmp_path / "map", 2)
    with (tmp_path / "map" / "journal.bin").open("ab") as file:
        file.write(b"\0" + b"PMR1" * 1_000_000)
    with pytest.raises(MapError, match="others follow"):  # each of them was tried, on all that follows
        MapFolder(tmp_path / "map")


def test_a_map_that_begins_anew_holds_nothing_of_before_when_it_is_opened_again(tmp_path):
    data = made(tmp_path / "map", 2)
    with MapFolder(tmp_path / "map", is_writable=True) as folder:
        folder.save_poses(*folder.poses())
        folder.leave_out("too little")
        assert len(folder) == 0 and not list(folder.entries()) and folder.next_keyframe_id() == 0
        append(folder, data, 1)
    opened = MapFolder(tmp_path / "map")
    assert list(opened.keyframes) == [0] and [entry.factor_id for entry in opened.entries()] == [0]
    assert not opened.problems() and not (tmp_path / "map" / "poses.pma").exists()
