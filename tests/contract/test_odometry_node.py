import sys
import time
from contextlib import contextmanager

import numpy as np
import pytest
from rclpy.parameter import Parameter

from nodes import messages
from nodes.odometry_node import OdometryNode
from tests.contract import room
from tests.contract.graph import spinning, wait_for

OK, WARN, ERROR = b"\x00", b"\x01", b"\x02"
PLACES = {f"input__T_base_{sensor}": [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0] for sensor in ("lidar", "imu")}


@contextmanager
def running(start=True, **parameters):
    """The node under test, spun in a thread of its own."""
    overrides = [Parameter(name.replace("__", "."), value=value) for name, value in parameters.items()]
    node = OdometryNode(parameter_overrides=overrides)
    try:
        with spinning(node):
            assert not start or node.autostart()
            yield node
    finally:
        node.trigger_shutdown()
        node.destroy_node()


def stamps(heard):
    return [message.header.stamp.sec * 10**9 + message.header.stamp.nanosec for message in heard]


def test_scans_and_imu_become_odometry_path_clouds_transforms_and_diagnostics(robot):
    with running() as node:
        robot.send_places()
        robot.wait_for_node()
        robot.drive(12)
        wait_for(lambda: len(robot.heard["odometry"]) == 12, "12 poses")
        wait_for(lambda: robot.heard["/tf"] and robot.heard["path"], "transforms and a path")
        ends = [room.START_NS + (index + 1) * room.SCAN_NS - 1 for index in range(12)]
        assert all(abs(stamp - end) < room.SCAN_NS // 100 for stamp, end in zip(stamps(robot.heard["odometry"]), ends))
        pose = robot.heard["odometry"][-1]
        assert (pose.header.frame_id, pose.child_frame_id) == ("odom", "base_link")
        place = pose.pose.pose.position
        assert np.linalg.norm([place.x, place.y, place.z]) < 0.05
        moved = robot.heard["/tf"][-1].transforms[0]
        assert (moved.header.frame_id, moved.child_frame_id) == ("odom", "base_link")
        assert moved.header.stamp in [message.header.stamp for message in robot.heard["odometry"]]
        assert robot.heard["path"][-1].header.frame_id == "odom"
        wait_for(lambda: robot.heard["cloud_registered"], "a registered cloud")
        assert robot.heard["cloud_registered"][0].header.frame_id == "odom"
        wait_for(lambda: "odometry latency p99 (ms)" in robot.values(), "diagnostics of the outputs")
        assert robot.values()["scan received"] == "12"
        assert robot.values()["scan refused"] == "0"
        assert robot.values()["odometry inbox dropped"] == "0"
        assert float(robot.values()["odometry latency p99 (ms)"]) > 0.0
        assert node.is_active


def test_poses_between_scans_come_at_the_rate_of_the_imu(robot):
    with running():
        robot.send_places()
        robot.wait_for_node()
        robot.drive(30, pause=0.05)
        wait_for(lambda: len(robot.heard["odometry"]) == 30, "30 poses")
        per_scan = room.SCAN_NS // room.IMU_NS
        wait_for(lambda: len(robot.heard["odometry_imu"]) > 5 * per_scan, "poses at the rate of the IMU")
        spacing = np.diff(stamps(robot.heard["odometry_imu"]))
        assert (spacing > 0).all()
        assert np.median(spacing) == room.IMU_NS


def test_lifecycle_goes_through_all_states_and_a_second_activation_works(robot):
    from rclpy.lifecycle import TransitionCallbackReturn

    success = TransitionCallbackReturn.SUCCESS
    with running(autostart=False) as node:
        robot.wait_for_reason("not active", WARN)
        assert node.trigger_configure() == success
        robot.send_places()
        robot.wait_for_node()
        robot.drive(2)
        assert not robot.heard["odometry"]
        assert node.trigger_activate() == success
        robot.drive_until_heard(first=4)
        assert node.trigger_deactivate() == success
        time.sleep(0.5)  # what is under way arrives
        num_heard = len(robot.heard["odometry"])
        robot.drive(4)
        time.sleep(0.2)
        assert len(robot.heard["odometry"]) == num_heard
        assert node.trigger_activate() == success
        robot.drive_until_heard(shift_ns=10**10)
        assert node.trigger_deactivate() == success
        assert node.trigger_cleanup() == success
        wait_for(lambda: robot.points.get_subscription_count() == 0, "the topics to be taken back")
        assert node.trigger_configure() == success


def test_bad_messages_are_counted_and_cost_nothing_else(robot):
    with running():
        robot.send_places()
        robot.wait_for_node()
        robot.drive(6)
        short, other, zero, wrong = (robot.cloud(7) for _ in range(4))
        short.data = short.data[:1000]
        other.fields[1].name = "azimuth"
        zero.header.stamp.sec = zero.header.stamp.nanosec = 0
        wrong.header.stamp.nanosec = 1_500_000_000
        for cloud in (short, other, zero, wrong):
            robot.points.publish(cloud)
        bad = robot.imu.msg_type()
        bad.header.frame_id, bad.header.stamp.sec = "imu", 1_700_000_000
        bad.linear_acceleration.x = float("nan")
        robot.imu.publish(bad)
        robot.drive(6, first=6)
        wait_for(lambda: len(robot.heard["odometry"]) == 12, "the poses of all good scans")
        wait_for(lambda: robot.values()["scan received"] == "16", "diagnostics")
        assert (robot.values()["scan refused"], robot.values()["imu refused"]) == ("4", "1")


def test_a_scan_that_never_came_is_counted_as_missing(robot):
    with running():
        robot.send_places()
        robot.wait_for_node()
        robot.drive(12)
        robot.drive(4, first=14)
        wait_for(lambda: robot.values().get("scan received") == "16", "all scans")
        assert robot.values()["scan missing"] == "2"


def test_points_that_are_not_finite_are_left_out(robot):
    with running():
        robot.send_places()
        robot.wait_for_node()
        robot.drive(5)
        cloud = robot.cloud(5)
        table = np.frombuffer(cloud.data, np.float32).reshape(-1, 4).copy()
        table[::2, :3] = np.nan
        cloud.data = table.tobytes()
        robot.points.publish(cloud)
        robot.drive(3, first=5)  # the first of them repeats the stamp of the spoilt one
        wait_for(lambda: len(robot.heard["odometry"]) == 8, "poses")
        place = robot.heard["odometry"][-1].pose.pose.position
        assert np.linalg.norm([place.x, place.y, place.z]) < 0.05


def test_missing_transform_is_an_error_and_scans_wait_for_it(robot):
    with running():
        robot.wait_for_node()
        robot.drive(6)
        robot.wait_for_reason("no transform from 'lidar' to 'base_link'", ERROR)
        assert not robot.heard["odometry"]
        robot.send_places()
        wait_for(lambda: len(robot.heard["odometry"]) == 6, "the poses of the scans that waited")


def test_cloud_without_a_frame_is_an_error_and_not_a_silent_wait(robot):
    with running():
        robot.send_places()
        robot.wait_for_node()
        for index in range(4):
            cloud = robot.cloud(index)
            cloud.header.frame_id = ""
            robot.points.publish(cloud)
        robot.imu.publish(messages.imu_to(room.START_NS, "imu", np.zeros(3), np.array([0.0, 0.0, room.GRAVITY])))
        robot.wait_for_reason("no transform from '' to 'base_link'", ERROR)


def test_without_an_imu_the_node_waits_a_little_and_then_goes_on(robot):
    with running(publish__imu_wait=0.3):
        robot.send_places()
        robot.wait_for_node()
        robot.drive(5, with_imu=False)
        wait_for(lambda: len(robot.heard["odometry"]) >= 4, "poses without an IMU")
        assert not robot.heard["odometry_imu"]


def test_required_imu_is_waited_for(robot):
    with running(input__imu="required", publish__imu_wait=0.0):
        robot.send_places()
        robot.wait_for_node()
        robot.drive(15, with_imu=False, pause=0.1)
        robot.wait_for_reason("nothing received on /imu", WARN)
        assert not robot.heard["odometry"]


def test_lidar_silence_is_degraded_at_once_failed_later_and_over_when_it_returns(robot):
    with running(odometry__time__max_gap=2.0):
        robot.send_places()
        robot.wait_for_node()
        robot.drive(8, pause=0.1)
        robot.wait_for_reason("/points is late", WARN)
        robot.wait_for_reason("/points has been silent", ERROR)
        num_poses = len(robot.heard["odometry"])
        robot.heard["/diagnostics"].clear()
        robot.drive(8, first=8, pause=0.1)
        robot.wait_for_reason("OK", OK)
        assert len(robot.heard["odometry"]) > num_poses


def test_poses_from_the_imu_alone_end_after_the_longest_gap(robot):
    with running():
        robot.send_places()
        robot.wait_for_node()
        robot.drive(20, pause=0.05)
        wait_for(lambda: len(robot.heard["odometry"]) == 20, "poses")
        first = 20 * room.SCAN_NS // room.IMU_NS + 3
        for index in range(first, first + 500):  # 2.5 s
            stamp_ns, gyro, accel = room.imu_sample(index)
            robot.imu.publish(messages.imu_to(stamp_ns, "imu", gyro, accel))
            time.sleep(0.001)
        wait_for(lambda: robot.values()["imu received"] == str(first + 500), "all samples to arrive")
        last_scan, last = stamps(robot.heard["odometry"])[-1], stamps(robot.heard["odometry_imu"])[-1]
        assert 0.9 < (last - last_scan) / 1e9 <= 1.0


def test_clock_moved_back_resets_the_odometry_once(robot):
    with running():
        robot.send_places()
        robot.wait_for_node()
        robot.drive(6)
        wait_for(lambda: len(robot.heard["odometry"]) == 6, "poses")
        robot.drive(8, shift_ns=-10 * 10**9)
        wait_for(lambda: robot.values().get("odometry resets") == "1", "the reset")
        wait_for(lambda: min(stamps(robot.heard["odometry"])) < room.START_NS, "poses after it")
        assert robot.values()["odometry resets"] == "1"


def test_reset_service_starts_again_at_the_origin(robot):
    from std_srvs.srv import Trigger

    with running():
        robot.send_places()
        robot.wait_for_node()
        robot.drive(6)
        wait_for(lambda: len(robot.heard["odometry"]) == 6, "poses")
        client = robot.node.create_client(Trigger, "/odometry/reset")
        assert client.wait_for_service(10.0)
        future = client.call_async(Trigger.Request())
        wait_for(future.done, "the answer")
        assert future.result().success
        wait_for(lambda: robot.values().get("odometry restarts") == "1", "the restart")
        robot.drive(6, first=6)
        wait_for(lambda: len(robot.heard["odometry"]) == 12, "poses after it")


def test_without_tf2_msgs_the_node_says_so_and_runs(robot, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2_msgs", None)
    monkeypatch.setitem(sys.modules, "tf2_msgs.msg", None)
    with running(**PLACES):
        robot.wait_for_node()
        robot.drive(5)
        wait_for(lambda: len(robot.heard["odometry"]) == 5, "poses without TF")
        robot.wait_for_reason("tf2_msgs is not installed", WARN)
        assert not robot.heard["/tf"]


def test_installed_tf2_msgs_announces_the_hash_of_the_real_package(robot):
    pytest.importorskip("tf2_msgs", reason="tf2_msgs is not installed: pip install ./perception/ros_interfaces")
    announced = [str(end.topic_type_hash) for end in robot.node.get_publishers_info_by_topic("/tf_static")]
    assert announced == ["RIHS01_e369d0f05a23ae52508854b66f6aa0437f3449d652e8cbf22d5abe85d020f087"]
