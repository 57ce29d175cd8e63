"""What a live graph does to the odometry: silence, jitter, repeats, wrecked bytes and overload."""

import time
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from rclpy.serialization import serialize_message

from nodes.odometry_node import OdometryNode
from perception.core.types import ImuBatch, Scan, SensorRig
from perception.pipeline.config import PerceptionConfig
from perception.pipeline.full import FULL
from perception.pipeline.spec import Pipeline, ordered
from perception.pipeline.stages import make_odometry
from tests.contract import room
from tests.contract.conftest import robot  # noqa: F401
from tests.contract.graph import spinning, wait_for
from tests.contract.test_odometry_node import ERROR, WARN, running

RIG = SensorRig("base_link", "lidar", np.eye(4), "imu", np.eye(4))


def item(kind, index):
    if kind == "scan":
        return Scan(room.START_NS + index * room.SCAN_NS, "lidar", *room.scan_points(index))
    stamp_ns, gyro, accel = room.imu_sample(index)
    return ImuBatch(np.array([stamp_ns], dtype=np.int64), gyro[None], accel[None])


def trajectory(arrivals):
    """Poses and counters of the odometry stage for (kind, index) in the order of their arrival."""
    worker = make_odometry(PerceptionConfig(), RIG)
    outputs = [output for kind, index in arrivals for output in worker.step(kind, item(kind, index))]
    poses = [update.odometry for stream, update in outputs if stream == "odometry"]
    return [(pose.stamp_ns, pose.T_odom_base.tobytes()) for pose in poses], worker.counters()


def delayed(num_scans, delay_ns):
    """The events of the room with each stream delayed by `delay_ns(kind, index)`, order within a stream kept."""
    arrivals, newest = [], {"imu": 0, "scan": 0}
    for kind, index in room.events(num_scans):
        when = index * room.IMU_NS if kind == "imu" else (index + 1) * room.SCAN_NS
        newest[kind] = max(newest[kind], when + delay_ns(kind, index))
        arrivals.append((newest[kind], kind, index))
    return [(kind, index) for _, kind, index in sorted(arrivals, key=lambda arrival: arrival[0])]


@pytest.mark.parametrize("seed", range(3))
def test_jitter_between_the_streams_and_repeats_do_not_change_the_trajectory(seed):
    rng = np.random.default_rng(seed)
    clean, _ = trajectory(room.events(12))
    arrivals = delayed(12, lambda kind, index: int(rng.integers(0, 300_000_000)))
    repeated = [arrival for arrival in arrivals for _ in range(2 if rng.random() < 0.2 else 1)]
    jittered, counters = trajectory(repeated)
    assert jittered == clean
    assert counters["imu duplicate"] + counters.get("scan duplicate", 0) == len(repeated) - len(arrivals)


@pytest.mark.parametrize("missing", [40, 400])  # IMU samples: 0.2 and 2 s
def test_imu_silence_is_told_and_the_odometry_goes_on(missing):
    num_scans = 10 + missing // 20 + 15
    silent = range(200, 200 + missing)
    poses, counters = trajectory((kind, i) for kind, i in room.events(num_scans) if kind == "scan" or i not in silent)
    assert poses[-1][0] > room.START_NS + (num_scans - 2) * room.SCAN_NS
    assert counters["scans without imu samples"] > 0 or counters["imu gap"] > 0
    last = np.frombuffer(poses[-1][1]).reshape(4, 4)
    assert np.linalg.norm(last[:3, 3]) < 0.1


def test_scans_that_jump_an_hour_and_back_cost_themselves_alone():
    hour_ns = 3600 * 10**9
    worker = make_odometry(PerceptionConfig(), RIG)
    stamps = []
    for kind, index in room.events(14):
        thing = item(kind, index)
        if kind == "scan" and index == 8:
            thing = replace(thing, stamp_ns=thing.stamp_ns + hour_ns)
        stamps += [update.odometry.stamp_ns for _, update in worker.step(kind, thing)]
    assert len(stamps) == 13
    assert worker.counters()["scan unconfirmed jump"] == 1
    assert "resets" not in worker.counters()


def test_wrecked_bytes_do_not_stop_the_node(robot):  # noqa: F811
    rng = np.random.default_rng(0)
    with running():
        robot.send_places()
        robot.wait_for_node()
        robot.drive(5)
        cloud, imu = serialize_message(robot.cloud(0)), serialize_message(robot.imu.msg_type())
        for index in range(200):
            for publisher, whole in ((robot.points, cloud), (robot.imu, imu)):
                wreck = bytearray(whole[: rng.integers(8, len(whole))] if index % 2 else whole)
                for at in rng.integers(4, min(len(wreck), 200), 4):
                    wreck[at] = rng.integers(0, 256)
                publisher.publish(bytes(wreck))
            time.sleep(0.002)
        before = len(robot.heard["odometry"])
        robot.drive(10, first=20)
        wait_for(lambda: len(robot.heard["odometry"]) >= before + 9, "the poses of the good scans that follow")
        assert int(robot.values()["scan refused"]) > 0
        assert int(robot.values()["imu refused"]) > 0


class Slow:
    """A worker that takes its time for every scan."""

    def __init__(self, worker, seconds):
        self.worker, self.seconds = worker, seconds

    def step(self, stream, item):
        if stream == "scan":
            time.sleep(self.seconds)
        return self.worker.step(stream, item)

    def __getattr__(self, name):
        return getattr(self.worker, name)


def test_overload_is_told_and_bounded_and_nothing_vanishes_uncounted(robot):  # noqa: F811
    stage = FULL.stage("odometry")
    slow = replace(stage, inbox=ordered(30), make=lambda config, rig: Slow(stage.make(config, rig), 0.2))
    node = OdometryNode(Pipeline((slow,)))
    try:
        with spinning(node):
            assert node.autostart()
            robot.send_places()
            robot.wait_for_node()
            robot.drive(20, pause=0.05)
            robot.wait_for_reason("dropped in front of stage odometry", WARN)
            robot.wait_for_reason("silent", ERROR)  # and the inbox is worked off
            wait_for(lambda: robot.values()["odometry inbox now"] == "0", "an empty inbox", 20.0)
            values = {key: int(robot.values()[key]) for key in ("odometry inbox put", "odometry inbox dropped")}
            taken = node.threads["odometry"].inbox.num_taken
            assert values["odometry inbox dropped"] > 0
            assert values["odometry inbox put"] == values["odometry inbox dropped"] + taken
            assert values["odometry inbox put"] == 20 + 20 * 20 + 3
    finally:
        node.trigger_shutdown()
        node.destroy_node()
