"""Mapping over a real graph: a robot drives in a generated yard, people ask for things, and the map comes back."""

import shutil
import time
from contextlib import contextmanager

import numpy as np
import pytest
from geometry_msgs.msg import PoseWithCovarianceStamped, TwistStamped
from nav_msgs.msg import OccupancyGrid, Path
from nav_msgs.srv import LoadMap, SetMap
from rclpy.parameter import Parameter
from sensor_msgs.msg import NavSatFix
from std_srvs.srv import Trigger
from visualization_msgs.msg import Marker, MarkerArray

from nodes import messages, qos
from nodes.full_node import FullNode
from nodes.mapping_node import MappingNode
from perception.core.geometry import exp_so3, inverse, log_so3, quaternion_from_matrix, transform
from slam.maps.folder import MapFolder
from tests.contract.graph import WAIT, spinning, wait_for
from tests.contract.test_odometry_node import ERROR, WARN
from tests.yard import HEIGHT, IMU_NS, START_NS, SWEEP_NS, Drive

pytest.importorskip("gtsam", reason="the pose graph needs gtsam")
pytest.importorskip("faiss", reason="the place index needs faiss")
pytest.importorskip("tf2_msgs.msg", reason="tf2_msgs: pip install ./perception/ros_interfaces")

TOPICS = {"map_path": Path, "map": OccupancyGrid, "loops": MarkerArray, "pose": PoseWithCovarianceStamped}
SERVICES = {"save_map": Trigger, "relocalize": Trigger, "reset": Trigger, "load_map": LoadMap, "set_pose": SetMap}
DRIVE = Drive(laps=0.25)
FAST = {"mapping.keyframes.min_interval": 0.0, "mapping.grid_period": 0.5}


@contextmanager
def running(make=MappingNode, start=True, **parameters):
    """The node under test, spun in a thread of its own."""
    values = {**FAST, **{name.replace("__", "."): value for name, value in parameters.items()}}
    node = make(parameter_overrides=[Parameter(name, value=value) for name, value in values.items()])
    try:
        with spinning(node):
            assert not start or node.autostart()
            yield node
    finally:
        node.trigger_shutdown()
        node.destroy_node()


class Driver:
    """Sends a drive to the node, hears what it says of the map, and asks it for things."""

    def __init__(self, robot, drive=DRIVE, name="mapping"):
        self.robot, self.node, self.drive = robot, robot.node, drive
        self.sent, self._samples = 0, 0  # scans, IMU samples
        self.heard = {topic: [] for topic in TOPICS}
        for topic, kind in TOPICS.items():
            profile = qos.result(1000) if topic == "pose" else qos.latched()
            self.node.create_subscription(kind, topic, self.heard[topic].append, profile)
        self.clients = {key: self.node.create_client(kind, f"{name}/{key}") for key, kind in SERVICES.items()}

    def wait_for_node(self):
        """Until sensors are heard and services are there."""
        from tf2_msgs.msg import TFMessage

        lidar = transform(np.eye(3), np.array([0.0, 0.0, HEIGHT]))
        antenna = transform(np.eye(3), np.array([-0.5, 0.0, 1.0]))
        places = {"lidar": lidar, "imu": np.eye(4), "gps": antenna}
        stamped = [messages.transform_to(1, "base_link", frame, T) for frame, T in places.items()]
        self.robot.static.publish(TFMessage(transforms=stamped))
        self.robot.wait_for_node()
        assert all(client.wait_for_service(WAIT) for client in self.clients.values())

    def go(self, num_scans, pause=0.05):
        """So many scans further."""
        for index in range(self.sent, self.sent + num_scans):
            while self._samples * IMU_NS <= (index + 1) * SWEEP_NS + 2 * IMU_NS:
                stamp_ns, gyro, accel = self.drive.imu(self._samples)
                self.robot.imu.publish(messages.imu_to(stamp_ns, "imu", gyro, accel))
                self._samples += 1
            points, offsets_ns = self.drive.scan(index)
            cloud = messages.cloud_to(START_NS + index * SWEEP_NS, "lidar", points, offsets_ns)
            self.robot.points.publish(cloud)
            time.sleep(pause)
        self.sent += num_scans

    def go_until(self, condition, what, limit=None):
        """Drive on until something is true; at the end of the drive it must become so by waiting."""
        while self.sent < (limit or self.drive.num_scans):
            if condition():
                return
            self.go(2)
        wait_for(condition, what)

    def ask(self, name, request=None):
        """The answer of a service."""
        future = self.clients[name].call_async(request or SERVICES[name].Request())
        wait_for(future.done, f"an answer of {name}")
        return future.result()

    def load(self, folder):
        return self.ask("load_map", LoadMap.Request(map_url=str(folder)))

    def map_to_odom(self):
        """The newest `map -> odom` and the stamp of it; None before the first."""
        for array in reversed(self.robot.heard["/tf"]):
            for item in array.transforms:
                if (item.header.frame_id, item.child_frame_id) == ("map", "odom"):
                    return messages.stamp_of(item.header), messages.transform_from(item)
        return None

    def num_keyframes(self):
        return len(self.heard["map_path"][-1].poses)

    def odom_to_base(self, stamp_ns):
        for array in reversed(self.robot.heard["/tf"]):
            for item in array.transforms:
                is_it = (item.header.frame_id, item.child_frame_id) == ("odom", "base_link")
                if is_it and messages.stamp_of(item.header) == stamp_ns:
                    return messages.transform_from(item)
        raise AssertionError(f"no odom -> base_link at {stamp_ns}")

    def error(self, start=0.0):
        """Distance (m) and angle (rad) of the newest pose in the map to the truth; `start`: phase of the map, laps."""
        stamp_ns, T_map_odom = self.map_to_odom()
        T_map_base = T_map_odom @ self.odom_to_base(stamp_ns)
        origin = Drive(start=start).pose(0.0)
        T = inverse(inverse(origin) @ self.drive.pose((stamp_ns - START_NS) * 1e-9)) @ T_map_base
        return np.linalg.norm(T[:3, 3]), np.linalg.norm(log_so3(T[:3, :3]))

    def answer(self):
        """The last answer in the diagnostics."""
        return self.robot.values().get("commands answer", "")


@pytest.fixture
def driver(robot):
    return Driver(robot)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The map of a quarter of a lap, made by a replay's worth of work once."""
    from perception.core.config import changed
    from perception.io.recording import open_recording
    from perception.pipeline.config import PerceptionConfig
    from perception.pipeline.replay import replay
    from tests.yard import record

    place = tmp_path_factory.mktemp("saved")
    folder = place / "map"
    values = {"is_enabled": True, "folder": str(folder), "is_deterministic": True}
    config = changed(PerceptionConfig(), {f"mapping.{name}": value for name, value in values.items()})
    replay(open_recording(record(place / "bag", DRIVE), config.input), config, stages=["odometry", "mapping"])
    return folder


def pose_in(frame, T_map_base):
    message = PoseWithCovarianceStamped()
    message.header.frame_id = frame
    place, turn = message.pose.pose.position, message.pose.pose.orientation
    place.x, place.y, place.z = map(float, T_map_base[:3, 3])
    turn.x, turn.y, turn.z, turn.w = map(float, quaternion_from_matrix(T_map_base[:3, :3]))
    return message


def test_a_drive_becomes_a_map_and_map_to_odom_is_sent_at_every_scan(driver, robot):
    with running():
        driver.wait_for_node()
        driver.go(DRIVE.num_scans)
        wait_for(driver.map_to_odom, "map -> odom")
        wait_for(lambda: driver.heard["map_path"] and len(driver.heard["map_path"][-1].poses) >= 6, "keyframes")
        wait_for(lambda: driver.heard["map"] and driver.heard["loops"], "grid and markers")
        wait_for(lambda: driver.num_keyframes() == len(driver.heard["loops"][-1].markers[0].points), "the same ones")
        time.sleep(0.5)  # topics are not heard in the order in which they are sent
        sent = [i for array in robot.heard["/tf"] for i in array.transforms if i.child_frame_id == "odom"]
        stamps = [messages.stamp_of(item.header) for item in sent]
        poses = {messages.stamp_of(message.header) for message in robot.heard["odometry"]}
        assert len(stamps) > 0.6 * sum(stamp >= min(stamps) for stamp in poses)  # the node was being made before
        assert poses.issuperset(stamps) and len(set(stamps)) == len(stamps)
        distance, angle = driver.error()
        assert distance < 0.3 and angle < 0.03
        pose = driver.heard["pose"][-1]
        assert pose.header.frame_id == "map"
        assert np.linalg.eigvalsh(np.array(pose.pose.covariance).reshape(6, 6)).min() > 0.0
        grid = driver.heard["map"][-1]
        assert grid.header.frame_id == "map"
        assert len(grid.data) == grid.info.width * grid.info.height > 1000
        assert set(np.unique(np.array(grid.data))) == {-1, 0, 100}
        keyframes, loops = driver.heard["loops"][-1].markers
        assert (keyframes.type, keyframes.action, len(keyframes.points)) == (
            Marker.POINTS, Marker.ADD, driver.num_keyframes()
        )  # fmt: skip
        assert loops.action == Marker.DELETE
        assert robot.values()["mapping mode"] == "mapping"
        assert float(robot.values()["mapping latency p50 (ms)"]) > 0.0


def test_a_map_is_saved_and_a_fresh_node_finds_its_place_in_it(driver, robot, tmp_path):
    folder = tmp_path / "kept"
    with running(save_folder=str(folder)):
        driver.wait_for_node()
        driver.go_until(lambda: driver.heard["map_path"] and len(driver.heard["map_path"][-1].poses) >= 6, "keyframes")
        answer = driver.ask("save_map")
        assert answer.success, answer.message
        assert str(folder) in answer.message
        again = driver.ask("save_map")
        assert not again.success
        assert "is there already; give another folder" in again.message
    with MapFolder(folder) as kept:
        assert len(kept) >= 6
        assert kept.problems() == []
    robot.heard["/tf"].clear()
    again = Driver(robot, Drive(laps=0.15, start=0.05, seed=6))
    with running(mapping__mode="localization", mapping__folder=str(folder)):
        again.wait_for_node()
        again.go_until(again.map_to_odom, "map -> odom")
        distance, angle = again.error()
        assert distance < 0.3 and angle < 0.02


def test_localization_in_a_saved_map_places_the_robot_and_changes_nothing(robot, saved):
    before = {path: path.stat().st_mtime_ns for path in saved.rglob("*.pma")}
    driver = Driver(robot, Drive(laps=0.15, start=0.06, seed=9))
    with running(mapping__mode="localization", mapping__folder=str(saved)):
        driver.wait_for_node()
        driver.go_until(lambda: robot.heard["odometry"], "poses")
        assert driver.map_to_odom() is None
        robot.wait_for_reason("the place in the map is not known", WARN)
        driver.go_until(driver.map_to_odom, "map -> odom")
        distance, angle = driver.error()
        assert distance < 0.3 and angle < 0.02
        wait_for(lambda: driver.heard["map_path"] and driver.heard["map"], "the saved map")
        values = robot.values()
        assert values["mapping mode"] == "localization"
    assert {path: path.stat().st_mtime_ns for path in saved.rglob("*.pma")} == before


def test_a_map_is_loaded_into_a_node_that_runs_and_what_is_no_map_costs_nothing(robot, saved, tmp_path):
    driver = Driver(robot, Drive(laps=0.2, start=0.04, seed=5))
    broken, own = tmp_path / "broken", tmp_path / "own"
    shutil.copytree(saved, broken)
    (broken / "map.json").write_text("{")
    shutil.copytree(saved, own)
    with running():
        driver.wait_for_node()
        driver.go_until(driver.map_to_odom, "map -> odom in a new map")
        assert driver.load(tmp_path / "nowhere").result == LoadMap.Response.RESULT_MAP_DOES_NOT_EXIST
        wait_for(lambda: "nowhere is no map, give the folder that holds map.json" in driver.answer(), "the reason")
        assert driver.load(broken).result == LoadMap.Response.RESULT_INVALID_MAP_DATA
        wait_for(lambda: "broken" in driver.answer() and "restore it from a copy" in driver.answer(), "the reason")
        stamp_ns, _ = driver.map_to_odom()
        driver.go(3)
        wait_for(lambda: driver.map_to_odom()[0] > stamp_ns, "map -> odom in the map of before")
        assert driver.load(f"file://{own}").result == LoadMap.Response.RESULT_SUCCESS
        wait_for(lambda: robot.values().get("mapping map") == str(own), "the other map in the diagnostics")
        num_sent = driver.sent
        driver.go_until(
            lambda: driver.map_to_odom()[0] > START_NS + num_sent * SWEEP_NS and driver.error()[0] < 0.3,
            "the place in the map that was loaded",
        )


@pytest.mark.parametrize("way", ["set_pose", "initialpose"])
def test_a_pose_that_is_said_places_the_robot(robot, saved, way):
    drive = Drive(laps=0.12, start=0.1, seed=3)
    driver = Driver(robot, drive)
    topic = robot.node.create_publisher(PoseWithCovarianceStamped, "initialpose", qos.result(1))
    with running(mapping__mode="localization", mapping__folder=str(saved), mapping__localization__min_support=50):
        driver.wait_for_node()
        driver.go(6)
        wait_for(lambda: robot.heard["odometry"], "poses")
        truth = inverse(Drive().pose(0.0)) @ drive.pose(driver.sent * SWEEP_NS * 1e-9)
        off = transform(exp_so3(np.array([0.0, 0.0, 0.03])), np.array([0.2, -0.1, 0.0]))
        message = pose_in("map", truth @ off)
        if way == "set_pose":
            assert driver.ask("set_pose", SetMap.Request(initial_pose=message)).success
        else:
            wait_for(lambda: topic.get_subscription_count() == 1, "the node to hear it")
            topic.publish(message)
        driver.go_until(driver.map_to_odom, "map -> odom")
        driver.go_until(lambda: driver.error()[0] < 0.1, "the exact place")


def test_poses_in_other_frames_and_maps_handed_over_are_refused_with_reasons(driver, robot):
    with running():
        driver.wait_for_node()
        asked = {
            "expected 'map', got 'odom'": SetMap.Request(initial_pose=pose_in("odom", np.eye(4))),
            "cannot be handed over": SetMap.Request(
                initial_pose=pose_in("map", np.eye(4)), map=OccupancyGrid(data=[0, 0])
            ),
            "is no pose": SetMap.Request(initial_pose=pose_in("map", np.full((4, 4), np.nan))),
        }
        for reason, request in asked.items():
            assert not driver.ask("set_pose", request).success
            wait_for(lambda reason=reason: reason in driver.answer(), f"the reason {reason!r}")
        assert int(robot.values()["commands refused"]) == 3
        topic = robot.node.create_publisher(PoseWithCovarianceStamped, "initialpose", qos.result(1))
        wait_for(lambda: topic.get_subscription_count() == 1, "the node to hear it")
        topic.publish(pose_in("odom", np.eye(4)))
        wait_for(lambda: driver.answer().startswith("/initialpose: refused"), "the refusal of the topic")


def test_save_without_a_folder_is_refused_until_the_parameter_names_one(driver, tmp_path):
    with running() as node:
        driver.wait_for_node()
        answer = driver.ask("save_map")
        assert (answer.success, "save_folder is empty" in answer.message) == (False, True)
        driver.go_until(lambda: driver.heard["map_path"], "a keyframe")
        assert node.set_parameters([Parameter("save_folder", value=str(tmp_path / "kept"))])[0].successful
        answer = driver.ask("save_map")
        assert answer.success, answer.message


def test_services_of_a_node_that_is_not_active_refuse_at_once(driver, tmp_path):
    with running(start=False, save_folder=str(tmp_path / "kept")) as node:
        from rclpy.lifecycle import TransitionCallbackReturn

        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        assert all(client.wait_for_service(WAIT) for client in driver.clients.values())
        for name in ("save_map", "relocalize", "reset"):
            answer = driver.ask(name)
            assert (answer.success, answer.message) == (False, "the node is not active")
        assert not driver.ask("set_pose", SetMap.Request(initial_pose=pose_in("map", np.eye(4)))).success
        assert driver.load(tmp_path).result != LoadMap.Response.RESULT_SUCCESS


def test_a_question_to_mapping_that_waits_for_sensors_is_answered_in_time_and_holds_nothing_up(driver, robot):
    with running(publish__answer_wait=1.0):
        driver.wait_for_node()
        start = time.monotonic()
        future = driver.clients["relocalize"].call_async(Trigger.Request())
        refused = driver.ask("save_map")  # by the executor, which is free
        assert "save_folder" in refused.message and not future.done()
        assert time.monotonic() - start < 1.0
        wait_for(future.done, "the answer")
        assert not future.result().success
        assert "mapping has not answered in 1 s" in future.result().message


def test_deactivation_answers_what_waits(driver):
    with running() as node:
        driver.wait_for_node()
        future = driver.clients["relocalize"].call_async(Trigger.Request())
        time.sleep(0.5)
        assert not future.done()
        node.trigger_deactivate()
        wait_for(future.done, "the answer")
        assert future.result().message == "the node was deactivated"


def test_reset_begins_a_new_map_and_a_new_odometry_together(robot):
    driver = Driver(robot, Drive(laps=0.8))
    with running():
        driver.wait_for_node()
        driver.go_until(lambda: driver.heard["map_path"] and len(driver.heard["map_path"][-1].poses) >= 4, "keyframes")
        answer = driver.ask("reset")
        assert answer.success
        wait_for(lambda: int(robot.values().get("mapping restarts", 0)) == 1, "the restart")
        at = START_NS + driver.sent * SWEEP_NS
        driver.go_until(lambda: driver.map_to_odom()[0] > at, "map -> odom of the new map")
        _, T_map_odom = driver.map_to_odom()
        np.testing.assert_allclose(T_map_odom, np.eye(4), atol=0.05)  # nothing of the old odometry is in the new map
        assert len(driver.heard["map_path"][-1].poses) < 4


def test_an_odometry_that_begins_anew_is_a_new_session_in_the_same_map(robot):
    driver = Driver(robot, Drive(laps=0.5))
    with running(publish__map_hold=30.0) as node:
        driver.wait_for_node()
        driver.go_until(lambda: driver.heard["map_path"] and len(driver.heard["map_path"][-1].poses) >= 4, "keyframes")
        assert node.set_parameters([Parameter("odometry.preprocess.max_range", value=60.0)])[0].successful
        wait_for(lambda: robot.values().get("mapping sessions: the odometry begins anew") == "1", "a new session")
        assert robot.values()["odometry restarts"] == "1"
        assert "mapping restarts" not in robot.values()
        stamp_ns, _ = driver.map_to_odom()
        num_poses = len(robot.heard["odometry"])
        driver.go_until(lambda: len(robot.heard["odometry"]) > num_poses + 3, "poses of the new odometry")
        place = robot.heard["odometry"][num_poses].pose.pose.position
        assert np.linalg.norm([place.x, place.y]) < 3.0  # m, near the new origin
        assert driver.map_to_odom()[0] == stamp_ns or driver.error()[0] < 0.5  # nothing old is said of the new one


def test_relocalize_ends_what_is_said_of_the_place_at_once(robot, saved):
    drive = Drive(laps=0.2, start=0.03, seed=7)
    driver = Driver(robot, drive)
    unsure = {"mapping__localization__min_support": 50, "mapping__localization__sure_overlap": 1.0}
    with running(mapping__mode="localization", mapping__folder=str(saved), publish__map_hold=30.0, **unsure):
        driver.wait_for_node()
        driver.go(6)
        wait_for(lambda: robot.heard["odometry"], "poses")
        truth = inverse(Drive().pose(0.0)) @ drive.pose(driver.sent * SWEEP_NS * 1e-9)
        assert driver.ask("set_pose", SetMap.Request(initial_pose=pose_in("map", truth))).success
        driver.go_until(driver.map_to_odom, "map -> odom")
        assert driver.ask("relocalize").success
        at, num_poses = START_NS + driver.sent * SWEEP_NS, len(robot.heard["odometry"])
        driver.go(6)
        wait_for(lambda: len(robot.heard["odometry"]) >= num_poses + 5, "poses of the odometry, which goes on")
        assert driver.map_to_odom()[0] <= at


def test_relocalize_gives_the_place_up_and_finds_it_again(robot, saved):
    driver = Driver(robot, Drive(laps=0.2, start=0.03, seed=7))
    with running(mapping__mode="localization", mapping__folder=str(saved), publish__map_hold=0.2):
        driver.wait_for_node()
        driver.go_until(driver.map_to_odom, "map -> odom")
        answer = driver.ask("relocalize")
        assert answer.success, answer.message
        at = START_NS + (driver.sent + 5) * SWEEP_NS
        driver.go_until(lambda: driver.map_to_odom()[0] > at and driver.error()[0] < 0.3, "the place again")


def test_fixes_and_wheels_are_heard_and_bad_ones_cost_nothing_else(driver, robot):
    fixes = robot.node.create_publisher(NavSatFix, "fix", qos.result(10))
    wheels = robot.node.create_publisher(TwistStamped, "wheels", qos.result(10))

    def fix(number, status=0):
        message = NavSatFix(latitude=48.0, longitude=11.0 + 1e-6 * number, altitude=500.0)
        message.header = messages.header_of(START_NS + number * SWEEP_NS, "gps")
        message.status.status, message.position_covariance_type = status, 2
        message.position_covariance = np.diag([1.0, 1.0, 4.0]).ravel()
        return message

    def twist(number, speed, frame="base_link"):
        message = TwistStamped(header=messages.header_of(START_NS + number * SWEEP_NS, frame))
        message.twist.linear.x = speed
        return message

    aids = {"input__gnss_topic": "fix", "input__wheel_topic": "wheels", "input__wheel_message": "TwistStamped"}
    with running(**aids):
        driver.wait_for_node()
        wait_for(lambda: fixes.get_subscription_count() and wheels.get_subscription_count(), "the node to subscribe")
        time.sleep(0.5)
        for number in range(12):
            fixes.publish(fix(number, status=-1 if number == 5 else 0))
            wheels.publish(twist(number, float("nan") if number == 5 else 1.0, "axle" if number == 6 else "base_link"))
            driver.go(1)
        received = ("wheels received", "fix received")
        wait_for(lambda: {robot.values().get(key) for key in received} == {"12"}, "wheels and fixes")
        values = robot.values()
        assert (values["fix received"], values["fix refused"]) == ("12", "0")
        assert values["wheels refused"] == "2"
        driver.go_until(driver.map_to_odom, "a place in the map")
        wheels.publish(twist(13, 1.0, "axle"))
        robot.wait_for_reason("no transform from 'axle' to 'base_link'", WARN)


def test_a_folder_that_is_no_map_fails_mapping_alone_and_names_the_remedy(robot, tmp_path):
    (tmp_path / "map.json").write_text("{")
    driver = Driver(robot, name="perception")
    with running(FullNode, mapping__is_enabled=True, mapping__mode="localization", mapping__folder=str(tmp_path)):
        driver.wait_for_node()
        driver.go(8)
        robot.wait_for_reason("restore it from a copy of the map", ERROR)
        wait_for(lambda: len(robot.heard["odometry"]) >= 6, "the odometry, which goes on")
        assert driver.map_to_odom() is None


def test_without_mapping_the_whole_pipeline_has_none_of_its_topics_and_services(robot):
    with running(FullNode):
        robot.wait_for_node()
        names = dict(robot.node.get_service_names_and_types())
        assert "/perception/reset" in names
        assert not [name for name in names if "map" in name or "set_pose" in name]
        assert not robot.node.count_publishers("map_path")
