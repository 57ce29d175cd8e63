"""The camera node in a graph: raw and compressed images with their calibration in, rectified images out."""

import time

import numpy as np
import pytest
from rclpy.parameter import Parameter

from nodes import messages
from nodes.camera_node import CameraNode
from nodes.full_node import FullNode
from perception.core.cameras import CameraModel
from perception.core.stamps import NS_PER_S
from perception.core.types import ImageFrame
from perception.io import images as images_module
from perception.io.camera_info import Rectifier, camera_from
from perception.io.images import image_from
from tests.contract import room
from tests.contract.cameras import BENT, ERROR, OK, PERIOD_NS, WARN, Camera, K, jpeg_message, picture, running
from tests.contract.graph import wait_for

LIMIT = 10**6


def test_raw_images_come_out_rectified_with_the_camera_that_sees_them(robot):
    camera = Camera(robot.node)
    with running(input__camera_topics=["/cam/image_raw"]):
        camera.wait_for_node()
        camera.send_until(lambda: len(camera.heard) > 3 and len(camera.cameras) > 3, "rectified images")
        out, info = camera.heard[-1], camera.cameras[-1]
        expected = Rectifier(BENT)
        np.testing.assert_array_equal(image_from(out, LIMIT).pixels, expected.apply(picture()))
        assert (out.header.frame_id, out.encoding) == ("cam", "rgb8")
        assert (messages.stamp_of(out.header) - room.START_NS) % PERIOD_NS == 0
        found = camera_from(info)
        np.testing.assert_array_equal(found.K, expected.rectified.K)
        assert found.distortion == "none"
        assert any(message.header.stamp == out.header.stamp for message in camera.cameras)
        wait_for(lambda: robot.heard["/diagnostics"] and "image rate (Hz)" in robot.values(), "diagnostics")
        wait_for(lambda: robot.values().get("image calibration") == "known", "a known calibration")
        assert "camera latency p99 (ms)" in robot.values()


def test_compressed_images_are_heard_where_the_topic_says_so(robot):
    camera = Camera(robot.node, compressed=True)
    message = jpeg_message(picture())
    with running(input__camera_topics=["/cam/image_raw/compressed"], camera__crop=[10, 20, 100, 80]):
        camera.wait_for_node()
        camera.send_until(lambda: camera.heard and camera.cameras, "images", message=message)
        whole = Rectifier(BENT).apply(image_from(with_stamp(message), LIMIT).pixels)
        np.testing.assert_array_equal(image_from(camera.heard[-1], LIMIT).pixels, whole[20:100, 10:110])
        assert camera_from(camera.cameras[-1]).K[0, 2] == K[0, 2] - 10


def with_stamp(message):
    message.header = messages.header_of(room.START_NS, "cam")
    return message


def test_without_configured_topics_the_node_hears_the_remapped_image(robot):
    camera = Camera(robot.node, name="front")

    def make(parameter_overrides):
        class Remapped(CameraNode):
            def resolve_topic_name(self, topic, **options):  # what `-r image:=/front/image_raw` does
                return "/front/image_raw" if topic == "image" else super().resolve_topic_name(topic, **options)

        return Remapped(parameter_overrides=parameter_overrides)

    with running(make):
        camera.wait_for_node()
        camera.send_until(lambda: camera.heard, "images")


def test_without_a_subscriber_no_image_is_decoded(robot, monkeypatch):
    decoded, decode = [], images_module.image_from
    monkeypatch.setattr(images_module, "image_from", lambda *given: decoded.append(1) or decode(*given))
    camera = Camera(robot.node, listens=False)
    with running(input__camera_topics=["/cam/image_raw"]):
        camera.wait_for_node()
        for _ in range(10):
            camera.send()
            time.sleep(0.02)
        wait_for(lambda: robot.heard["/diagnostics"] and int(robot.values().get("image received", 0)) > 5, "images")
        assert not decoded
        robot.wait_for_reason("OK", OK)
        camera.listen()
        camera.send_until(lambda: camera.heard, "images once somebody listens")
        assert decoded
        camera.leave()
        time.sleep(1.0)
        num_decoded = len(decoded)
        for _ in range(5):
            camera.send()
            time.sleep(0.02)
        time.sleep(0.2)
        assert len(decoded) == num_decoded


def test_a_bad_image_is_counted_told_and_survived(robot):
    camera = Camera(robot.node)
    with running(input__camera_topics=["/cam/image_raw"]):
        camera.wait_for_node()
        camera.send_until(lambda: camera.heard, "a good image")
        good = messages.image_to(ImageFrame(1, "cam", picture()))
        good.step = 5
        camera.send_until(
            lambda: any("step: 5 bytes" in array.status[0].message for array in robot.heard["/diagnostics"]),
            "the reason for a refused image",
            message=good,
        )
        robot.wait_for_reason("step: 5 bytes is less than a row", WARN)
        camera.heard.clear()
        camera.send_until(lambda: camera.heard, "good images again")
        wait_for(lambda: int(robot.values().get("camera refused", 0)) >= 1, "the count")
        stampless = messages.image_to(ImageFrame(1, "cam", picture()))
        stampless.header.stamp.sec = stampless.header.stamp.nanosec = 0
        camera.images.publish(stampless)
        camera.send_until(lambda: int(robot.values().get("image refused", 0)) == 1, "the count of the port")
        camera.heard.clear()
        camera.send_until(lambda: camera.heard, "good images after that")


def test_an_uncalibrated_camera_passes_its_images_and_says_so(robot):
    camera = Camera(robot.node)
    with running(input__camera_topics=["/cam/image_raw"]):
        camera.wait_for_node()
        camera.send_until(lambda: camera.heard, "images", camera=None)
        np.testing.assert_array_equal(image_from(camera.heard[-1], LIMIT).pixels, picture())
        camera.send_until(
            lambda: any("not calibrated" in a.status[0].message for a in robot.heard["/diagnostics"]),
            "the missing calibration",
            camera=None,
        )
        wait_for(lambda: robot.values().get("image calibration") == "no camera_info has come", "the reason")
        assert not camera.cameras
        camera.send_until(lambda: camera.cameras, "a rectified camera once it is calibrated")


def test_a_silent_camera_fails_the_health(robot):
    camera = Camera(robot.node)
    with running(input__camera_topics=["/cam/image_raw"], camera__max_gap=0.5):
        robot.wait_for_reason("nothing received on /cam/image_raw", WARN)
        camera.wait_for_node()
        camera.send_until(lambda: len(camera.heard) > 5, "images")
        robot.wait_for_reason("/cam/image_raw has been silent", ERROR)
        camera.heard.clear()
        camera.send_until(lambda: camera.heard, "images again")


def test_one_process_runs_odometry_and_several_cameras(robot):
    places = {f"input__T_base_{sensor}": [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0] for sensor in ("lidar", "imu")}
    left, right = Camera(robot.node, "left"), Camera(robot.node, "right", compressed=True)
    topics = ["/left/image_raw", "/right/image_raw/compressed"]
    with running(FullNode, input__camera_topics=topics, **places):
        robot.wait_for_node()
        for camera in (left, right):
            camera.wait_for_node()
        robot.drive(6)
        wait_for(lambda: len(robot.heard["odometry"]) == 6, "poses")
        left.send_until(lambda: left.heard, "images of the left camera")
        right.send_until(lambda: right.heard, "images of the right camera", message=jpeg_message(picture()))
        assert {message.header.frame_id for message in left.heard} == {"left"}
        assert {message.header.frame_id for message in right.heard} == {"right"}
        wait_for(lambda: "image /left/image_raw received" in robot.values(), "diagnostics of each camera")


def test_a_change_of_the_camera_starts_no_odometry_again(robot):
    places = {f"input__T_base_{sensor}": [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0] for sensor in ("lidar", "imu")}
    camera = Camera(robot.node)
    with running(FullNode, input__camera_topics=["/cam/image_raw"], **places) as node:
        robot.wait_for_node()
        camera.wait_for_node()
        robot.drive(8)
        wait_for(lambda: len(robot.heard["odometry"]) == 8, "poses")
        assert node.set_parameters([Parameter("camera.rectify", value=False)])[0].successful
        camera.send_until(
            lambda: camera.heard and np.array_equal(image_from(camera.heard[-1], LIMIT).pixels, picture()),
            "images as they are",
        )
        wait_for(lambda: robot.values().get("camera restarts") == "1", "the restart in the diagnostics")
        assert "odometry restarts" not in robot.values()


def test_two_cameras_with_one_frame_are_refused_by_name(robot):
    left, right = Camera(robot.node, "left", frame_id="optical"), Camera(robot.node, "right", frame_id="optical")
    with running(input__camera_topics=["/left/image_raw", "/right/image_raw"]):
        for camera in (left, right):
            camera.wait_for_node()
        left.send_until(lambda: left.heard, "images of the first camera")
        right.send_until(
            lambda: any("'optical' is also that of /left" in a.status[0].message for a in robot.heard["/diagnostics"]),
            "the clash of frames",
        )
        assert not right.heard


def test_without_cameras_the_whole_pipeline_hears_no_images(robot):
    with running(FullNode) as node:
        assert [stage.name for stage in node.pipeline.stages] == ["odometry"]
        wait_for(lambda: robot.node.count_publishers("odometry"), "the node")
        names = [name for name, _ in node.get_subscriber_names_and_types_by_node("perception", "/")]
        assert not [name for name in names if "image" in name or "camera" in name]


@pytest.mark.parametrize("pixels", [picture(), picture()[..., 0], picture()[..., 0].astype(np.float32) + 1.0])
def test_an_image_goes_through_a_message_unchanged(pixels):
    frame = ImageFrame(NS_PER_S, "camera", np.ascontiguousarray(pixels))
    back = image_from(messages.image_to(frame), LIMIT)
    np.testing.assert_array_equal(back.pixels, pixels)
    assert (back.stamp_ns, back.frame_id, back.is_depth) == (frame.stamp_ns, frame.frame_id, frame.is_depth)


@pytest.mark.parametrize("camera", [BENT, CameraModel(320, 240, K)])
def test_a_camera_goes_through_a_message_unchanged(camera):
    back = camera_from(messages.camera_info_to(NS_PER_S, "camera", camera))
    assert (back.width, back.height, back.distortion) == (camera.width, camera.height, camera.distortion)
    np.testing.assert_array_equal(back.K, camera.K)
    np.testing.assert_array_equal(back.D, camera.D)
