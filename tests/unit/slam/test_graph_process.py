"""The pose graph in its own process: same answers, a front end that never waits, and a death that costs nothing."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import numpy as np
import pytest

from perception.core.errors import MapError
from perception.core.geometry import inverse
from perception.core.health import Level
from tests.unit.slam.graphs import laps, position_error

pytest.importorskip("gtsam", reason="the pose graph needs gtsam")

from slam.graph.factors import Between
from slam.graph.journal import MemoryJournal
from slam.graph.pose_graph import PoseGraph
from slam.graph.process import ROOT, GraphProcess

DATA = laps(120, per_lap=60)
CLOSURES = {loop.to_id: loop for loop in DATA.loops}
PATIENCE = 120.0  # s; the machine may be busy


def drifted():
    """Odometry (N, 4, 4) of the drive, as the front end has it."""
    T_odom_base = [np.eye(4)]
    for edge in DATA.odometry:
        T_odom_base.append(T_odom_base[-1] @ edge.T_from_to)
    return T_odom_base


def drive(graph, start=0, end=None):
    """Hand over keyframes and loops as a front end does."""
    T_odom_base = drifted()
    if start == 0:
        graph.add_first(0, np.eye(4), T_odom_base[0])
    for edge in DATA.odometry[start:end]:
        graph.add(edge, T_odom_base=T_odom_base[edge.to_id])
        if edge.to_id in CLOSURES:
            graph.add(CLOSURES[edge.to_id])


def settled_poses(graph):
    graph.settle()
    return graph.wait(PATIENCE)[-1]


def until(is_true, what):
    deadline = time.monotonic() + PATIENCE
    while not is_true():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def in_this_process():
    graph = PoseGraph()
    graph.add_first(0, np.eye(4))
    for edge in DATA.odometry:
        graph.add(edge)
        if edge.to_id in CLOSURES:
            graph.add(CLOSURES[edge.to_id])
        graph.update()
    graph.settle()
    return graph.poses()[1]


def test_it_finds_what_the_graph_in_this_process_finds_and_hands_out_the_correction():
    with GraphProcess() as graph:
        drive(graph)
        result = settled_poses(graph)
        assert np.array_equal(result.ids, np.arange(120))
        assert np.abs(result.poses - in_this_process()).max() < 1e-3
        T_map_base = graph.T_map_odom @ drifted()[-1]
        assert np.abs(T_map_base - result.poses[-1]).max() < 1e-9
        assert np.abs(graph.T_map_odom - np.eye(4)).max() > 1e-3  # there was something to correct
        assert graph.health.level == Level.OK


def test_killed_at_any_moment_it_comes_back_from_the_journal():
    with GraphProcess() as graph:
        drive(graph, 0, 40)
        graph.wait(PATIENCE)
        os.kill(graph.pid, signal.SIGKILL)
        drive(graph, 40, 80)  # while nobody is there
        until(lambda: graph.num_deaths == 1, "the death was not noticed")
        until(lambda: graph.pid is not None and graph.num_waiting == 0, "it did not come back")
        os.kill(graph.pid, signal.SIGKILL)
        drive(graph, 80)
        result = settled_poses(graph)
        assert graph.num_deaths == 2
        assert len(result.ids) == 120
        assert np.abs(result.poses - in_this_process()).max() < 1e-2
        assert graph.health.level == Level.OK


def test_the_front_end_never_waits_even_for_a_process_that_is_stopped():
    with GraphProcess() as graph:
        drive(graph, 0, 20)
        graph.wait(PATIENCE)
        os.kill(graph.pid, signal.SIGSTOP)
        longest, correction = 0.0, graph.T_map_odom
        for edge in DATA.odometry[20:] * 20:  # more than any pipe holds; what is refused later does not matter
            start = time.perf_counter()
            graph.add(edge)
            graph.poll()
            longest = max(longest, time.perf_counter() - start)
        assert graph.num_waiting == 20 * 99
        assert np.array_equal(graph.T_map_odom, correction)
        assert longest < 1.0  # a call that waited would never have come back; the rest is the scheduler's
        os.kill(graph.pid, signal.SIGCONT)


def test_a_process_that_hangs_is_ended_and_started_again():
    with GraphProcess() as graph:
        drive(graph, 0, 10)
        graph.wait(PATIENCE)
        os.kill(graph.pid, signal.SIGSTOP)
        graph.timeout = 0.5
        drive(graph, 10, 20)
        until(lambda: graph.num_deaths >= 1, "the hang was not noticed")
        graph.timeout = PATIENCE
        assert len(settled_poses(graph).ids) == 21


def test_a_process_that_hangs_is_ended_even_while_something_is_sent_to_it():
    with GraphProcess() as graph:
        drive(graph, 0, 10)
        graph.wait(PATIENCE)
        os.kill(graph.pid, signal.SIGSTOP)
        graph.timeout = 0.5
        for edge in DATA.odometry * 10:  # more than the socket holds
            graph.add(edge)
        until(lambda: graph.num_deaths >= 1, "the hang was not noticed")


def test_settling_may_take_longer_than_another_command():
    with GraphProcess() as graph:
        drive(graph, 0, 10)
        graph.wait(PATIENCE)
        os.kill(graph.pid, signal.SIGSTOP)
        graph.timeout = 0.2
        graph.settle()
        time.sleep(1.0)
        os.kill(graph.pid, signal.SIGCONT)
        assert len(graph.wait(PATIENCE)[-1].ids) == 11
        assert graph.num_deaths == 0


def test_a_start_that_fails_is_tried_again(monkeypatch):
    popen_itself, failures = subprocess.Popen, [BlockingIOError(11, "Resource temporarily unavailable")]

    def popen(*args, **options):
        if failures:
            raise failures.pop()
        return popen_itself(*args, **options)

    monkeypatch.setattr("slam.graph.process.subprocess.Popen", popen)
    with GraphProcess() as graph:
        drive(graph, 0, 5)
        assert len(settled_poses(graph).ids) == 6
        assert graph.num_deaths == 1


class FullDisk(MemoryJournal):
    """Takes factors, and nothing else as long as it is full."""

    is_full = True

    def add_undone(self, factor_id, reason):
        self._check()
        super().add_undone(factor_id, reason)

    def add_judged(self, factor_id):
        self._check()
        super().add_judged(factor_id)

    def _check(self):
        if self.is_full:
            raise MapError("the disk is full")


def test_a_full_disk_costs_no_answers_and_what_was_undone_is_told_when_there_is_room():
    journal = FullDisk()
    with GraphProcess(journal=journal) as graph:
        drive(graph, 0, 70)
        number = graph.add(Between(3, 60, DATA.loops[0].T_from_to, DATA.loops[0].information, "loop"))  # wrong
        graph.wait(PATIENCE)
        assert graph.health.level == Level.DEGRADED and "disk" in graph.health.reason
        os.kill(graph.pid, signal.SIGKILL)  # the next process must not be given the loop as one to be trusted
        until(lambda: graph.num_deaths == 1 and graph.pid is not None, "it did not come back")
        journal.is_full = False
        graph.settle()
        graph.wait(PATIENCE)
        assert graph.health.level == Level.OK
    assert number in journal.undone
    assert journal.judged_until == number


def test_what_a_full_disk_did_not_take_is_told_at_the_end():
    journal = FullDisk()
    with GraphProcess(journal=journal) as graph:
        drive(graph, 0, 3)
        number = graph.add(Between(77, 78, np.eye(4), np.eye(6)))  # hangs on nothing
        graph.wait(PATIENCE)
        assert not journal.undone
        journal.is_full = False
    assert list(journal.undone) == [number]


@dataclass(frozen=True)
class Deadly:
    """Ends the process that unpickles it."""

    pose_id: int = 0

    def __reduce__(self):
        return os._exit, (3,)


def test_a_command_that_ends_the_process_again_and_again_is_dropped():
    journal = MemoryJournal()
    with GraphProcess(journal=journal) as graph:
        drive(graph, 0, 5)
        graph.wait(PATIENCE)
        number = graph.add(Deadly())
        drive(graph, 5, 12)
        assert len(settled_poses(graph).ids) == 13
        assert "ends the process" in journal.undone[number]


def test_a_second_run_goes_on_where_the_journal_ends():
    journal = MemoryJournal()
    with GraphProcess(journal=journal) as graph:
        drive(graph, 0, 70)
        graph.wait(PATIENCE)
    with GraphProcess(journal=journal) as graph:
        drive(graph, 70)
        result = settled_poses(graph)
    assert len(result.ids) == 120
    truth = inverse(DATA.truth[0]) @ DATA.truth
    assert position_error(result.poses, truth) < 0.5


def test_the_process_ends_with_its_front_end():
    graph = GraphProcess()
    drive(graph, 0, 3)
    graph.wait(PATIENCE)
    pid = graph.pid
    graph.close()
    until(lambda: not os.path.exists(f"/proc/{pid}"), "it lives on")  # noqa: PTH110


def test_the_process_gives_way_to_its_front_end():
    with GraphProcess() as graph:
        graph.wait(60.0)
        assert graph.pid is not None
        own = os.getpriority(os.PRIO_PROCESS, 0)
        assert os.getpriority(os.PRIO_PROCESS, graph.pid) > own or own == 19  # the lowest that there is


def test_the_front_end_itself_does_not_load_gtsam():
    code = "import slam.graph.process, slam.maps.folder, sys; print('gtsam' in sys.modules, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
