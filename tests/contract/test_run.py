"""`perception run` as a user starts it: as a process, with signals."""

import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.contract import graph
from tests.contract.graph import wait_for

ROOT = Path(__file__).resolve().parents[2]
START_LIMIT, STOP_LIMIT = 120.0, 5.0  # s; the first start of all compiles the kernels


def ignore_interrupts() -> None:
    """What a shell without job control does for a command started with `&`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Run:
    """One running `perception run`."""

    def __init__(self, *options: str, in_background: bool = False) -> None:
        self.log = b""
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "perception", "run", *options],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            preexec_fn=ignore_interrupts if in_background else None,
        )

    def nodes(self) -> list[psutil.Process]:
        """The processes that it started."""
        return psutil.Process(self.popen.pid).children()

    def stop(self, number: int = signal.SIGINT) -> tuple[int, float]:
        """Exit code and seconds after a signal."""
        start = time.monotonic()
        self.popen.send_signal(number)
        return self.wait(), time.monotonic() - start

    def wait(self) -> int:
        """Exit code, once it ends by itself."""
        self.log = self.popen.communicate(timeout=30.0)[1]
        return self.popen.returncode


@contextmanager
def running(*options, in_background=False):
    run = Run(*options, in_background=in_background)
    try:
        yield run
    finally:
        if run.popen.poll() is None:
            run.popen.terminate()
            run.wait()


@pytest.mark.parametrize(
    ("options", "in_background"),
    [((), True), (("--placement", "split", "--namespace", "robot"), False)],
    ids=["single, in the background", "split, in a namespace"],
)
def test_run_publishes_odometry_and_ends_on_an_interrupt_within_five_seconds(robot, options, in_background):
    name = "/robot/odometry" if "--namespace" in options else "/odometry"
    remaps = ("--points", "/points", "--imu", "/imu") if "--namespace" in options else ()
    heard = []
    robot.node.create_subscription(graph.Odometry, name, heard.append, graph.qos.result(100))
    with running(*options, *remaps, in_background=in_background) as run:
        robot.send_places()
        wait_for(lambda: robot.points.get_subscription_count(), "the node", START_LIMIT)
        wait_for(lambda: robot.imu.get_subscription_count(), "the node to hear the IMU")
        wait_for(lambda: robot.node.count_publishers(name), "its odometry")
        time.sleep(graph.SETTLING)
        robot.drive(8)
        wait_for(lambda: len(heard) == 8, "the poses of all scans")
        code, seconds = run.stop()
    assert code == 0, run.log.decode()
    assert seconds < STOP_LIMIT
    assert b"Traceback" not in run.log


@pytest.mark.parametrize("pause", [0.1, 1.2])  # s: during its imports, and while it makes ready
def test_signal_during_the_start_ends_it_as_well(robot, pause):
    with running() as run:
        wait_for(lambda: run.nodes(), "the node's process")
        time.sleep(pause)
        code, seconds = run.stop(signal.SIGTERM)
    assert (code, seconds < STOP_LIMIT) == (0, True), run.log.decode()
    assert b"Traceback" not in run.log


def test_each_stage_in_a_process_of_its_own_takes_what_is_its(robot):
    from sensor_msgs.msg import Image

    from nodes import qos

    images = robot.node.create_publisher(Image, "/front/image_raw", qos.result(2))
    with running("--placement", "split", "--set", "input.camera_topics=[/front/image_raw]") as run:
        wait_for(lambda: images.get_subscription_count(), "the camera node", START_LIMIT)
        wait_for(lambda: robot.points.get_subscription_count(), "the odometry node", START_LIMIT)
        wait_for(lambda: robot.node.count_publishers("/front/image_rect"), "the rectified images")
        assert images.get_subscription_count() == 1
        assert len(run.nodes()) == 2
        code, seconds = run.stop()
    assert (code, seconds < STOP_LIMIT) == (0, True), run.log.decode()


def test_killed_node_ends_the_group_with_its_name(robot):
    with running() as run:
        wait_for(lambda: robot.points.get_subscription_count(), "the node", START_LIMIT)
        run.nodes()[0].kill()
        start = time.monotonic()
        assert run.wait() == 1
    assert time.monotonic() - start < 4.0
    assert b"node perception was ended by SIGKILL" in run.log


@pytest.mark.long
def test_hanging_node_is_found_and_replaced_in_respawn_mode(robot):
    with running("--respawn") as run:
        wait_for(lambda: robot.points.get_subscription_count(), "the node", START_LIMIT)
        wait_for(lambda: robot.heard["/diagnostics"], "the executor to turn")
        (node,) = run.nodes()
        node.suspend()
        start = time.monotonic()
        wait_for(lambda: node.pid not in [child.pid for child in run.nodes()], "the hanging node to be taken away")
        assert time.monotonic() - start < 4.5  # 4 s, and the steps of those who look
        wait_for(lambda: run.nodes(), "another node")
        robot.heard["/diagnostics"].clear()
        wait_for(lambda: robot.heard["/diagnostics"], "its diagnostics")
        assert time.monotonic() - start < 20.0  # 10 s on a machine that does nothing else
        code, seconds = run.stop()
    assert (code, seconds < STOP_LIMIT) == (0, True), run.log.decode()
    assert b"hangs" in run.log


def test_nodes_end_when_the_supervisor_is_killed(robot):
    with running() as run:
        wait_for(lambda: robot.points.get_subscription_count(), "the node", START_LIMIT)
        (node,) = run.nodes()
        run.popen.kill()
        run.wait()
        gone, alive = psutil.wait_procs([node], timeout=5.0)
    assert (len(gone), len(alive)) == (1, 0)


def test_wrong_configuration_is_refused_before_anything_starts():
    result = subprocess.run(
        [sys.executable, "-m", "perception", "run", "--set", "odometry.voxelsize=1"],
        cwd=ROOT,
        capture_output=True,
        timeout=60.0,
    )
    assert result.returncode == 2
    assert b"odometry.voxelsize" in result.stderr
    assert b"started" not in result.stderr
