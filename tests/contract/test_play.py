"""`perception play` as a user starts it."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import PointCloud2

from nodes import qos
from tests.contract.graph import wait_for
from tests.shared import shared

ROOT = Path(__file__).resolve().parents[2]


def play(*arguments):
    command = [sys.executable, "-m", "perception", "play", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def test_the_clock_runs_at_the_rate_and_an_interrupt_ends_it(robot):
    bag = shared("data/rosbags/recorded/nav2_turtlebot.mcap")
    ticks = []
    robot.node.create_subscription(
        Clock, "/clock", lambda m: ticks.append((time.monotonic(), m.clock)), qos.result(100)
    )
    player = play(bag, "--rate", "4")
    wait_for(lambda: len(ticks) > 100, "the clock")
    player.send_signal(signal.SIGINT)
    output, _ = player.communicate(timeout=30.0)
    assert player.returncode == 0
    assert output.startswith("published")
    real = np.array([when for when, _ in ticks])
    stamps = np.array([clock.sec * 10**9 + clock.nanosec for _, clock in ticks])
    assert (np.diff(stamps) >= 0).all()
    rate = (stamps[-1] - stamps[0]) * 1e-9 / (real[-1] - real[0])
    assert 2.0 < rate < 8.0  # 4, on a machine with other work


def test_large_clouds_arrive_whole_at_best_effort_and_the_player_says_how_many_messages_went_out(robot):
    bag = shared("data/rosbags/converted/kitti_0005_first3_mcap")
    clouds = []
    robot.node.create_subscription(PointCloud2, "/velodyne_points", clouds.append, qos.sensor_input(10))
    player = play(bag, "--topics", "/velodyne_points", "--wait", "20")
    output, _ = player.communicate(timeout=60.0)
    assert (player.returncode, output) == (0, "published 3 messages\n")
    wait_for(lambda: clouds, "a cloud")  # a busy machine may lose a fragment of the others: best effort is just that
    assert all(len(cloud.data) > 18 * 10**5 for cloud in clouds)


def test_a_path_without_a_recording_is_refused_in_one_line():
    player = play("/nowhere/at/all")
    player.communicate(timeout=60.0)
    assert player.returncode == 1
