import threading
import time

import numpy as np
import pytest

from nodes.stage_thread import StageThread
from perception.core.errors import InvalidInput, MissingTransform
from perception.core.health import OK, Level
from perception.core.types import Detections, ImageFrame, Odometry, OdometryUpdate, RegistrationReport, Scan
from perception.pipeline.spec import Stage, latest, ordered


class Echo:
    """A worker that gives back what it gets, and obeys orders hidden in the items."""

    def __init__(self):
        self.go = threading.Event()
        self.go.set()

    def step(self, stream, item):
        self.go.wait(5.0)
        if isinstance(item, Exception):
            raise item
        return [("echo", item)]

    def finish(self):
        return []

    def reset(self):
        raise AssertionError("a new worker is made instead")

    def close(self):
        pass

    def health(self):
        return OK

    def counters(self):
        return {}


class Bench:
    def __init__(self, capacity=400, make=None, inbox=None):
        self.worker, self.out = Echo(), []
        stage = Stage("echo", lambda config, rig: self.worker, ("in",), ("echo",), inbox or ordered(capacity), 100)
        self.thread = StageThread(stage, make or (lambda: self.worker), lambda stream, item: self.out.append(item))
        self.thread.start()

    def put(self, *items):
        return sum(self.thread.put("in", item, time.monotonic_ns()) for item in items)

    def wait(self, condition):
        deadline = time.monotonic() + 5.0
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.002)
        assert condition()


@pytest.fixture
def bench():
    bench = Bench()
    yield bench
    bench.worker.go.set()
    assert bench.thread.stop()


def test_items_come_out_in_order(bench):
    bench.put(*range(100))
    bench.wait(lambda: len(bench.out) == 100)
    assert bench.out == list(range(100))


def test_refused_input_is_counted_and_reported_and_costs_nothing_else(bench):
    bench.put(1, InvalidInput("scan: is wrong"))
    bench.wait(lambda: bench.thread.health().level is Level.FAILED)
    assert "scan: is wrong" in bench.thread.health().reason
    bench.put(2)
    bench.wait(lambda: bench.out == [1, 2])
    bench.wait(lambda: bench.thread.health() == OK)
    assert bench.thread.counters()["InvalidInput"] == 1


def test_after_an_error_of_ours_the_stage_goes_on_with_a_new_worker(bench):
    bench.put(1, ZeroDivisionError("ours"), 2)
    bench.wait(lambda: bench.out == [1, 2])
    assert bench.thread.counters()["failures"] == 1
    assert bench.thread.counters()["restarts"] == 1


def test_input_waits_while_the_worker_cannot_be_made_and_none_is_lost():
    known = threading.Event()
    worker = Echo()

    def make():
        if not known.is_set():
            raise MissingTransform("no transform from 'lidar' to 'base_link'")
        return worker

    bench = Bench(make=make)
    bench.put(1, 2, 3)
    bench.wait(lambda: "no transform" in bench.thread.health().reason)
    assert bench.thread.health().level is Level.FAILED
    assert bench.out == []
    known.set()
    bench.thread.wake()
    bench.wait(lambda: bench.out == [1, 2, 3])
    assert bench.thread.stop()


def test_overload_drops_the_oldest_and_the_counts_add_up():
    bench = Bench(capacity=8)
    bench.worker.go.clear()
    bench.put("first")
    bench.wait(lambda: len(bench.thread.inbox) == 0)  # the worker has it
    assert bench.put(*range(20)) == 12
    assert bench.thread.counters()["inbox now"] == 8
    bench.worker.go.set()
    bench.wait(lambda: len(bench.out) == 9)
    assert bench.out == ["first", *range(12, 20)]
    counters = bench.thread.counters()
    assert counters["inbox put"] == counters["inbox dropped"] + len(bench.out) == 21
    assert bench.thread.stop()


def test_restart_makes_a_new_worker_before_the_next_item():
    made = []

    def make():
        made.append(Echo())
        return made[-1]

    bench = Bench(make=make)
    bench.put(1)
    bench.wait(lambda: bench.out == [1])
    bench.thread.restart()
    bench.put(2)
    bench.wait(lambda: len(made) == 2)
    assert bench.thread.stop()


def test_stop_ends_the_thread_while_it_waits_for_its_sensors():
    bench = Bench(make=lambda: None)
    bench.put(1)
    start = time.monotonic()
    assert bench.thread.stop()
    assert time.monotonic() - start < 1.0
    assert bench.thread.inbox.num_dropped == 1


def test_latency_counts_from_the_arrival_of_the_scan_inside_the_output(bench):
    scan = Scan(1000, "lidar", np.zeros((0, 3), np.float32), np.zeros(0, np.int64), duration_ns=100)
    pose = Odometry(1100, np.eye(4), np.eye(6), np.zeros(3), np.zeros(3))
    bench.thread.put("in", scan, time.monotonic_ns() - 50_000_000)
    bench.put(OdometryUpdate(pose, scan.points, RegistrationReport(0, 0, 0, 0.0)))
    bench.wait(lambda: len(bench.out) == 2)
    assert 50.0 <= bench.thread.latency.quantiles().p50 < 500.0


def picture(frame_id, stamp_ns):
    return ImageFrame(stamp_ns, frame_id, np.zeros((2, 2), np.uint8))


def test_of_each_camera_only_the_freshest_image_waits_and_that_is_no_overload():
    bench = Bench(inbox=latest())
    bench.worker.go.clear()
    bench.put(picture("left", 1))
    bench.wait(lambda: len(bench.thread.inbox) == 0)
    for stamp_ns in (2, 3, 4):
        bench.put(picture("left", stamp_ns), picture("right", stamp_ns))
    bench.worker.go.set()
    bench.wait(lambda: len(bench.out) == 3)
    assert {(frame.frame_id, frame.stamp_ns) for frame in bench.out} == {("left", 1), ("left", 4), ("right", 4)}
    assert bench.thread.counters()["inbox dropped"] == 4
    assert bench.thread.overload(time.monotonic_ns()) == OK
    assert bench.thread.stop()


def test_dropped_scans_are_an_overload_for_a_while():
    bench = Bench(capacity=2)
    bench.worker.go.clear()
    bench.put(*range(9))
    assert bench.thread.overload(time.monotonic_ns()).level is Level.DEGRADED
    bench.worker.go.set()
    assert bench.thread.stop()


def test_latency_of_an_image_counts_from_its_arrival(bench):
    bench.thread.put("in", picture("left", 1000), time.monotonic_ns() - 50_000_000)
    bench.thread.put("in", picture("right", 1000), time.monotonic_ns())
    bench.wait(lambda: len(bench.out) == 2)
    assert 50.0 <= max(bench.thread.latency._samples_ms) < 500.0
    assert min(bench.thread.latency._samples_ms) < 50.0


def test_images_without_an_output_do_not_fill_the_memory():
    bench = Bench(inbox=latest())
    bench.worker.go.clear()
    for stamp_ns in range(1, 500):
        bench.put(picture("left", stamp_ns))
    assert len(bench.thread._images) <= 64
    bench.worker.go.set()
    assert bench.thread.stop()


def test_latency_of_detections_counts_from_the_arrival_of_their_image(bench):
    arrival_ns = time.monotonic_ns() - 50_000_000
    frame = picture("left", 1000)
    none = np.zeros(0, np.int64)
    boxes, scores = np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
    found = Detections(1000, "left", (2, 2), boxes, scores, none, ("car",), none)
    bench.worker.step = lambda stream, item: [("detections", found), ("shown", object())]
    bench.thread.put("in", frame, arrival_ns)
    bench.wait(lambda: len(bench.out) == 2)
    assert bench.thread.arrival_ns == arrival_ns
    assert len(bench.thread.latency._samples_ms) == 1
    assert 50.0 <= bench.thread.latency.quantiles().p50 < 500.0


def chained(on_restart=(), forgets=(), make=None):
    """A thread whose stage tells and forgets on a restart, and what it wrote."""
    out, worker = [], Echo()
    stage = Stage(
        "echo", lambda config, rig: worker, ("in",), ("echo",), ordered(10), 100, on_restart=on_restart, forgets=forgets
    )
    return StageThread(stage, make or (lambda: worker), lambda *item: out.append(item)), worker, out


def until(condition):
    deadline = time.monotonic() + 5.0
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.002)
    assert condition()


def test_a_restart_tells_the_stages_behind_before_the_first_new_output():
    thread, _, out = chained(on_restart=(("echo_reset", "anew"),))
    thread.start()
    thread.put("in", "old", 0)
    until(lambda: out == [("echo", "old")])
    thread.restart()
    until(lambda: thread.counters().get("restarts") == 1)
    thread.put("in", "new", 0)
    until(lambda: len(out) == 3)
    assert out[1:] == [("echo_reset", "anew"), ("echo", "new")]
    assert thread.stop()


def test_what_a_stage_forgets_is_gone_after_a_restart_and_the_rest_waits_on():
    thread, worker, out = chained(forgets=("stale",))
    thread.start()
    worker.go.clear()
    thread.put("in", "first", 0)
    until(lambda: not len(thread.inbox))  # it is worked on
    thread.put("stale", "of an odometry that has ended", 0)
    thread.put("in", "kept", 0)
    thread.restart()
    worker.go.set()
    until(lambda: len(out) == 2)
    assert [item for _, item in out] == ["first", "kept"]
    assert thread.stop()


def test_what_follows_a_restart_comes_after_the_old_worker_is_gone():
    closed, called = [], []
    thread, worker, _ = chained()
    worker.close = lambda: closed.append(True)
    thread.start()
    until(lambda: thread.counters().get("late") == 0)
    thread.restart(then=lambda: called.append(len(closed)))
    until(lambda: called)
    assert called == [1]
    assert thread.stop()


def test_a_worker_that_does_not_end_well_costs_nothing_that_comes_next(caplog):
    thread, worker, out = chained()

    def fail():
        raise OSError("the disk is full")

    worker.close = fail
    thread.start()
    thread.restart()
    thread.put("in", "next", 0)
    until(lambda: out == [("echo", "next")])
    assert thread.stop()
    assert "the disk is full" in caplog.text
