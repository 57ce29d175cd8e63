"""A map on the disk as the journal of the pose graph's process: a killed session goes on and closes its loops."""

import os
import signal

import numpy as np
import pytest

from perception.core.errors import PerceptionError
from slam.graph.factors import Between
from slam.maps.folder import MapFolder
from tests.unit.slam.graphs import laps, position_error
from tests.unit.slam.maps_made import keyframe, made

PATIENCE = 120.0  # s
DATA = laps(140, per_lap=50)


def drive(folder, graph, start, end):
    """Keyframes and loops from `start` to `end`, as a front end hands them over."""
    T_odom_base = [np.eye(4)]
    for edge in DATA.odometry:
        T_odom_base.append(T_odom_base[-1] @ edge.T_from_to)
    closures = {loop.to_id: loop for loop in DATA.loops}
    for number in range(start, end):
        folder.add_keyframe(keyframe(number, T_odom_base[number], 20))
        if number == 0:
            graph.add_first(0, np.eye(4), T_odom_base[0])
        else:
            graph.add(DATA.odometry[number - 1], T_odom_base[number])
        if number in closures:
            graph.add(closures[number])


def test_a_session_that_was_killed_goes_on_in_its_map_and_closes_its_loops(tmp_path):
    pytest.importorskip("gtsam", reason="the pose graph needs gtsam")
    from slam.graph.process import GraphProcess

    with MapFolder.create(tmp_path / "map") as folder, GraphProcess(journal=folder) as graph:
        drive(folder, graph, 0, 90)
        graph.wait(PATIENCE)
        graph.add(Between(3, 80, DATA.loops[0].T_from_to, DATA.loops[0].information, "loop"))  # wrong
        graph.wait(PATIENCE)
        assert len(folder.undone) == 1
    journal = tmp_path / "map" / "journal.bin"
    journal.write_bytes(journal.read_bytes()[:-25])  # no poses were saved, and the last record is cut
    with MapFolder(tmp_path / "map", is_writable=True) as folder, GraphProcess(journal=folder) as graph:
        assert folder.next_keyframe_id() == 90
        graph.settle()
        first = graph.wait(PATIENCE)[-1]
        assert np.array_equal(first.ids, np.arange(90))
        drive(folder, graph, 90, 140)
        os.kill(graph.pid, signal.SIGKILL)
        graph.settle()
        last = graph.wait(PATIENCE)[-1]
        folder.save_poses(last.ids, last.poses)
        alone = np.stack([folder.keyframes[i].T_odom_base for i in range(140)])
    ids, poses = MapFolder(tmp_path / "map").poses()
    assert len(ids) == 140
    assert position_error(poses, DATA.truth) < 0.6 * position_error(alone, DATA.truth)
    kept = [entry for entry in MapFolder(tmp_path / "map").entries() if getattr(entry.factor, "kind", "") == "loop"]
    assert len(kept) >= len(DATA.loops) - 1


def test_mutated_maps_are_refused_or_read_and_nothing_else(tmp_path):
    """Whatever the bytes of a small map: the answer is a map or an error of ours, and no file appears outside."""
    made(tmp_path / "map", 4, num_points=30)
    with MapFolder(tmp_path / "map", is_writable=True) as folder:
        folder.save_poses(*folder.poses())
    files = sorted(path for path in (tmp_path / "map").rglob("*") if path.is_file() and path.stat().st_size)
    rng, num_refused = np.random.default_rng(0), 0
    for number in range(300):
        path = files[number % len(files)]
        whole = path.read_bytes()
        raw = bytearray(whole)
        for place in rng.integers(0, len(raw), rng.integers(1, 4)):
            raw[place] = rng.integers(0, 256)
        path.write_bytes(raw[: rng.integers(1, len(raw) + 1)] if rng.random() < 0.2 else raw)
        try:
            opened = MapFolder(tmp_path / "map")
            num_refused += bool(opened.problems() or opened.notes)
        except PerceptionError:
            num_refused += 1
        path.write_bytes(whole)
    assert num_refused > 200
    assert not MapFolder(tmp_path / "map").problems()
    assert [path.name for path in tmp_path.iterdir()] == ["map"]
