"""Mapping under `perception run`: processes end in order and leave no others behind, and what they mapped stays."""

import signal

import psutil
import pytest

from slam.maps.folder import MapFolder
from tests.contract.graph import comes_true, wait_for
from tests.contract.test_mapping_node import Driver
from tests.contract.test_run import START_LIMIT, STOP_LIMIT, running
from tests.yard import Drive

pytest.importorskip("gtsam", reason="the pose graph needs gtsam")
pytest.importorskip("tf2_msgs.msg", reason="tf2_msgs: pip install ./perception/ros_interfaces")

ENABLED = ("--set", "mapping.is_enabled=true", "--set", "mapping.keyframes.min_interval=0")


def drive_in(robot, run, drive, name, num_keyframes):
    """A driver that has made so many keyframes, and every process that takes part."""
    driver = Driver(robot, drive, name)
    wait_for(lambda: robot.points.get_subscription_count(), "the node", START_LIMIT)
    driver.wait_for_node()
    driver.go_until(
        lambda: driver.heard["map_path"] and len(driver.heard["map_path"][-1].poses) >= num_keyframes, "keyframes"
    )
    return driver, psutil.Process(run.popen.pid).children(recursive=True)


@pytest.mark.parametrize(("placement", "name"), [("single", "perception"), ("split", "mapping")])
def test_an_interrupt_while_mapping_ends_every_process_in_time_and_the_map_is_whole(robot, tmp_path, placement, name):
    folder = tmp_path / "map"
    with running(*ENABLED, "--placement", placement, "--set", f"mapping.folder={folder}") as run:
        _, processes = drive_in(robot, run, Drive(laps=0.25), name, 5)
        assert len(run.nodes()) == 1  # split: mapping takes the odometry along
        assert len(processes) >= 2  # the pose graph has its own
        code, seconds = run.stop()
    assert code == 0, run.log.decode()
    assert seconds < STOP_LIMIT
    assert b"Traceback" not in run.log
    assert comes_true(lambda: not any(process.is_running() for process in processes), 5.0)
    with MapFolder(folder, is_writable=True) as kept:
        assert len(kept) >= 5
        assert kept.problems() == [] and kept.notes == []


def test_a_node_that_is_killed_while_mapping_goes_on_in_its_map_when_it_is_started_again(robot, tmp_path):
    folder = tmp_path / "map"
    with running(*ENABLED, "--respawn", "--set", f"mapping.folder={folder}") as run:
        driver, processes = drive_in(robot, run, Drive(laps=0.25), "perception", 5)
        before = len(driver.heard["map_path"][-1].poses)
        (node,) = run.nodes()
        node.send_signal(signal.SIGKILL)
        assert comes_true(lambda: not any(process.is_running() for process in processes), 10.0)  # the graph's, too
        wait_for(lambda: robot.values().get("scan received") == "0", "a new node", START_LIMIT)
        again = Driver(robot, Drive(laps=0.25, start=0.02, seed=4), "perception")
        again.wait_for_node()
        again.go_until(
            lambda: again.heard["map_path"] and len(again.heard["map_path"][-1].poses) > before + 1,
            "keyframes of a second session, which has found its place in the map",
        )
        code, _ = run.stop()
    assert code == 0, run.log.decode()
    with MapFolder(folder) as kept:
        assert len(kept) >= before
        assert kept.problems() == []
