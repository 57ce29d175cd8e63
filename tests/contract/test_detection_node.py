"""The detection node in a graph: images in, what was found in them out, and nothing done for nobody."""

import sys
import time

import numpy as np
import pytest
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from nodes import messages, qos
from nodes.detection_node import DetectionNode
from nodes.full_node import FullNode
from perception.core.errors import ModelError
from perception.core.types import ImageFrame
from perception.detection import detector as detectors
from perception.io.images import image_from
from tests.contract import room
from tests.contract.cameras import ERROR, OK, PERIOD_NS, WARN, Camera, jpeg_message, picture, running
from tests.contract.graph import wait_for
from tests.unit.detection.fakes import CLASSES, SURE, detector

vision = pytest.importorskip("vision_msgs.msg", reason="vision_msgs: pip install ./perception/ros_interfaces")
LIMIT = 10**6
BOX = (1, 200.0, 160.0, 360.0, 400.0, SURE)  # px of the network's input of 640x480; images are half as large
TOPICS = ["/cam/image_raw"]


class Listener:
    """Hears the detections of one camera, and their pictures on demand."""

    def __init__(self, node, name="cam", draws=False):
        self.node, self.name, self.found, self.drawn, self.subscriptions = node, name, [], [], []
        self.hear(vision.Detection2DArray, "detections", self.found)
        if draws:
            self.hear(Image, "detections_image", self.drawn)

    def hear(self, kind, topic, heard):
        made = self.node.create_subscription(kind, f"/{self.name}/{topic}", heard.append, qos.result(10))
        self.subscriptions.append(made)

    def leave(self):
        while self.subscriptions:
            self.node.destroy_subscription(self.subscriptions.pop())


class Network:
    """What the nodes get instead of a network; `fakes` are the detectors that were opened."""

    def __init__(self):
        self.boxes, self.bad, self.error, self.fakes, self.sizes = [BOX], None, None, [], []

    def open(self, config, size):
        self.sizes.append(size)
        if self.error is not None:
            raise self.error
        self.fakes.append(detector(self.boxes, config, self.bad))
        return self.fakes[-1]

    @property
    def num_seen(self):
        return sum(len(fake.runtime.seen) for fake in self.fakes)


@pytest.fixture
def network(monkeypatch):
    network = Network()
    monkeypatch.setattr(detectors, "open_detector", network.open)
    return network


def until(robot, camera, condition, what, **given):
    camera.send_until(lambda: robot.heard["/diagnostics"] and condition(), what, camera=None, **given)


def test_what_is_found_comes_with_the_stamp_and_frame_of_its_image_and_the_names_of_the_classes(robot, network):
    camera, heard = Camera(robot.node, listens=False), Listener(robot.node)
    with running(DetectionNode, input__camera_topics=TOPICS):
        camera.wait_for_node()
        camera.send_until(lambda: len(heard.found) > 3, "detections", camera=None)
        message = heard.found[-1]
        assert message.header.frame_id == "cam"
        assert (messages.stamp_of(message.header) - room.START_NS) % PERIOD_NS == 0
        (found,) = message.detections
        assert found.header == message.header
        assert found.results[0].hypothesis.class_id == CLASSES[1]
        assert found.results[0].hypothesis.score == pytest.approx(1 / (1 + np.exp(-SURE)), abs=1e-5)
        middle = found.bbox.center.position
        assert (middle.x, middle.y) == pytest.approx((140.0, 140.0), abs=0.05)
        assert (found.bbox.size_x, found.bbox.size_y) == pytest.approx((80.0, 120.0), abs=0.05)
        assert found.bbox.center.theta == 0.0
        assert found.id == "1"
        assert {m.detections[0].id for m in heard.found} <= {"", "1"}
        wait_for(lambda: "detection latency p95 (ms)" in robot.values(), "the latency in the diagnostics")
        assert robot.values()["detection model"] == "fake"
        assert robot.values()["detection backend"] == "fake, f32, cpu"
        assert robot.values()["detection choice"] == "there is no other"
        assert not robot.node.count_publishers("/cam/image_rect")


def test_without_tracking_there_are_no_numbers(robot, network):
    camera, heard = Camera(robot.node, listens=False), Listener(robot.node)
    with running(DetectionNode, input__camera_topics=TOPICS, detection__tracking__is_enabled=False):
        camera.wait_for_node()
        camera.send_until(lambda: len(heard.found) > 3, "detections", camera=None)
        assert {m.detections[0].id for m in heard.found} == {""}


def test_nobody_listens_and_no_network_is_loaded_or_run(robot, network):
    camera = Camera(robot.node, listens=False)
    with running(DetectionNode, input__camera_topics=TOPICS):
        camera.wait_for_node()
        until(robot, camera, lambda: int(robot.values().get("image received", 0)) > 5, "images")
        assert not network.sizes
        robot.wait_for_reason("OK", OK)
        heard = Listener(robot.node)
        camera.send_until(lambda: heard.found, "detections once somebody listens", camera=None)
        assert network.sizes == [(240, 320)]
        heard.leave()
        time.sleep(1.0)
        num_seen = network.num_seen
        for _ in range(5):
            camera.send(camera=None)
            time.sleep(0.05)
        assert network.num_seen == num_seen


def test_the_picture_with_boxes_is_drawn_for_those_who_listen(robot, network):
    camera, heard = Camera(robot.node, listens=False), Listener(robot.node, draws=True)
    with running(DetectionNode, input__camera_topics=TOPICS):
        camera.wait_for_node()
        camera.send_until(lambda: heard.drawn and heard.found, "drawn images", camera=None)
        drawn = image_from(heard.drawn[-1], LIMIT)
        differs = (drawn.pixels != picture()).any(axis=2)
        assert differs[200, 100]
        assert differs[140, 100]
        assert not differs[140, 140]
        assert drawn.frame_id == "cam"


def test_two_cameras_share_the_network_and_keep_their_numbers_apart(robot, network):
    left, right = Camera(robot.node, "left", listens=False), Camera(robot.node, "right", True, listens=False)
    ears = {name: Listener(robot.node, name) for name in ("left", "right")}
    topics = ["/left/image_raw", "/right/image_raw/compressed"]
    with running(DetectionNode, input__camera_topics=topics):
        for camera in (left, right):
            camera.wait_for_node()
        left.send_until(lambda: len(ears["left"].found) > 3, "detections of the left camera", camera=None)
        right.send_until(
            lambda: len(ears["right"].found) > 3,
            "detections of the right camera",
            message=jpeg_message(picture()),
            camera=None,
        )
        for name, heard in ears.items():
            assert {message.header.frame_id for message in heard.found} == {name}
            assert heard.found[-1].detections[0].id == "1"
        assert len(network.fakes) == 1


def test_only_the_camera_that_somebody_asks_for_costs_anything(robot, network):
    left, right = (Camera(robot.node, name, listens=False) for name in ("left", "right"))
    heard = Listener(robot.node, "left")
    with running(DetectionNode, input__camera_topics=["/left/image_raw", "/right/image_raw"]):
        for camera in (left, right):
            camera.wait_for_node()
        left.send_until(lambda: heard.found, "detections", camera=None)
        num_seen = network.num_seen
        for _ in range(5):
            right.send(camera=None)
            time.sleep(0.03)
        assert network.num_seen == num_seen


def test_a_bad_image_is_counted_and_the_next_one_is_searched(robot, network):
    camera, heard = Camera(robot.node, listens=False), Listener(robot.node)
    with running(DetectionNode, input__camera_topics=TOPICS):
        camera.wait_for_node()
        camera.send_until(lambda: heard.found, "detections", camera=None)
        bad = messages.image_to(ImageFrame(1, "cam", picture()))
        bad.data = bad.data[:100]
        until(robot, camera, lambda: int(robot.values().get("camera refused", 0)) >= 1, "the count", message=bad)
        robot.wait_for_reason("data: 100 bytes", WARN)
        heard.found.clear()
        camera.send_until(lambda: heard.found, "detections again", camera=None)


def test_depth_images_are_not_searched(robot, network):
    camera, heard = Camera(robot.node, listens=False), Listener(robot.node)
    depth = messages.image_to(ImageFrame(1, "cam", np.ones((240, 320), dtype=np.float32)))
    with running(DetectionNode, input__camera_topics=TOPICS):
        camera.wait_for_node()
        skipped = "detection depth images skipped"
        until(robot, camera, lambda: int(robot.values().get(skipped, 0)) >= 1, "the count", message=depth)
        assert not network.sizes
        assert not heard.found


def test_answers_that_are_not_finite_are_refused_and_never_published(robot, network):
    network.bad = np.nan
    camera, heard = Camera(robot.node, listens=False), Listener(robot.node)
    with running(DetectionNode, input__camera_topics=TOPICS):
        camera.wait_for_node()
        until(robot, camera, lambda: int(robot.values().get("detection answers refused", 0)) >= 3, "the count")
        robot.wait_for_reason("'p3' is not finite", ERROR)
        assert not heard.found
        network.fakes[0].runtime.bad = None
        camera.send_until(lambda: heard.found, "detections when the answers are sound again", camera=None)
        wait_for(lambda: "not finite" not in robot.heard["/diagnostics"][-1].status[0].message, "a better health")


def test_without_its_model_detection_fails_alone_and_the_odometry_goes_on(robot, network):
    network.error = ModelError("model 'gone': is unknown; there are: none")
    places = {f"input__T_base_{sensor}": [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0] for sensor in ("lidar", "imu")}
    camera, heard = Camera(robot.node, listens=False), Listener(robot.node)
    with running(FullNode, input__camera_topics=TOPICS, detection__is_enabled=True, **places) as node:
        robot.wait_for_node()
        camera.wait_for_node()
        until(robot, camera, lambda: int(robot.values().get("detection ModelError", 0)) >= 3, "the count")
        robot.wait_for_reason("model 'gone': is unknown", ERROR)
        assert len(network.sizes) == 1  # it is not tried again at every image
        robot.drive_until_heard()
        assert not heard.found
        network.error = None
        assert node.set_parameters([Parameter("detection.model", value="found")])[0].successful
        camera.send_until(lambda: heard.found, "detections with a model that is there", camera=None)


def test_the_whole_pipeline_detects_only_where_it_is_enabled(robot, network):
    with running(FullNode, input__camera_topics=TOPICS) as node:
        assert [stage.name for stage in node.pipeline.stages] == ["odometry", "camera"]
        assert not robot.node.count_publishers("/cam/detections")


def test_in_the_whole_pipeline_somebody_who_wants_rectified_images_starts_no_detection(robot, network):
    camera = Camera(robot.node)
    with running(FullNode, input__camera_topics=TOPICS, detection__is_enabled=True):
        camera.wait_for_node()
        camera.send_until(lambda: len(camera.heard) > 3, "rectified images")
        assert not network.sizes


def test_the_node_can_be_stopped_and_started_again(robot, network):
    camera, heard = Camera(robot.node, listens=False), Listener(robot.node)
    with running(DetectionNode, input__camera_topics=TOPICS) as node:
        camera.wait_for_node()
        camera.send_until(lambda: heard.found, "detections", camera=None)
        node.trigger_deactivate()
        time.sleep(0.2)
        heard.found.clear()
        camera.send(camera=None)
        time.sleep(0.3)
        assert not heard.found
        node.trigger_cleanup()
        assert node.trigger_configure() == node.trigger_activate()
        camera.send_until(lambda: heard.found, "detections again", camera=None)
        assert len(network.fakes) == 2


def test_without_vision_msgs_the_node_says_so_and_still_draws(robot, network, monkeypatch):
    camera, heard = Camera(robot.node, listens=False), []
    robot.node.create_subscription(Image, "/cam/detections_image", heard.append, qos.result(10))
    monkeypatch.setitem(sys.modules, "vision_msgs", None)
    monkeypatch.setitem(sys.modules, "vision_msgs.msg", None)
    with running(DetectionNode, input__camera_topics=TOPICS):
        robot.wait_for_reason("vision_msgs is not installed", WARN)
        camera.wait_for_node()
        camera.send_until(lambda: heard, "drawn images", camera=None)


def test_wrong_parameters_are_refused_by_name(robot, network):
    with running(DetectionNode, input__camera_topics=TOPICS) as node:
        result = node.set_parameters([Parameter("detection.nms.score_threshold", value=1.5)])[0]
        assert not result.successful
        result = node.set_parameters([Parameter("detection.backend", value="abacus")])[0]
        assert "detection.backend" in result.reason
        assert node.set_parameters([Parameter("detection.classes", value=["car"])])[0].successful
        assert node.config.detection.classes == ("car",)


def test_a_real_network_runs_in_the_node(robot, tmp_path):
    for package in ("torch", "onnx", "onnxruntime", "safetensors"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    from perception.inference.export import Description, write_leyolo
    from tests.unit.inference import leyolos

    names = tuple(f"thing {row}" for row in range(5))
    description = Description(name="tried", classes=names, licence="Apache-2.0", training_data="Nothing.")
    write_leyolo(leyolos.network(), description, tmp_path)
    camera, heard = Camera(robot.node, listens=False), Listener(robot.node)
    given = {"detection__model": str(tmp_path / "tried.json"), "detection__backend": "onnx", "detection__side": 160}
    with running(DetectionNode, input__camera_topics=TOPICS, **given):
        camera.wait_for_node()
        camera.send_until(lambda: heard.found, "detections", camera=None)
        found = heard.found[-1].detections
        assert found
        assert {detection.results[0].hypothesis.class_id for detection in found} <= set(names)
        wait_for(lambda: robot.values().get("detection backend", "").startswith("onnx, f32"), "the backend")
