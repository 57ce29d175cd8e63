"""Images of real recordings, read by us and by OpenCV alone, and a replay with and without them."""

from itertools import islice

import cv2
import numpy as np
import pytest
from rosbags.image import message_to_cvimage

from perception.core.errors import ConfigError
from perception.core.types import ImageFrame, Scan
from perception.io.bags import Bag
from perception.io.config import InputConfig
from perception.io.images import image_from
from perception.io.recording import open_recording
from perception.pipeline.config import PerceptionConfig
from perception.pipeline.replay import replay
from tests.shared import shared

BAGS = ["kitti_0005_first2.bag", "kitti_0005_first3_mcap"]
TOPIC = "/camera/image_02/compressed"
VELODYNE = {"input": {"T_base_lidar": [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0], "stamp_at": "middle"}}


@pytest.mark.parametrize("name", BAGS)
def test_images_of_a_bag_are_those_that_opencv_decodes(name):
    path = shared(f"data/rosbags/converted/{name}")
    bag = Bag(path)
    config = PerceptionConfig.model_validate(VELODYNE).input
    frames = [e for e in open_recording(path, config).events(("image_raw",)) if isinstance(e, ImageFrame)]
    messages = [message for _, _, message in bag.messages([TOPIC])]
    assert len(frames) == len(messages) == bag.topic(TOPIC).count > 1
    for frame, message in zip(frames, messages):
        assert frame.pixels.shape == (120, 400, 3)
        np.testing.assert_array_equal(frame.pixels, message_to_cvimage(message, "rgb8"))
        assert frame.stamp_ns == message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def test_a_replay_with_the_camera_stage_has_the_same_trajectory_bit_for_bit():
    path = shared("data/rosbags/converted/kitti_0005_first3_mcap")
    config = PerceptionConfig.model_validate(VELODYNE)
    plain = replay(open_recording(path, config.input), config)
    seeing = replay(open_recording(path, config.input), config, stages=["odometry", "camera"])
    assert seeing.digest() == plain.digest()
    assert "camera" not in plain.counters
    assert seeing.counters["camera"] == {"images": 3, "not calibrated": 3}
    assert any("is not calibrated" in note for note in seeing.notes)
    assert len(seeing.cpu_ms["camera"]) == 3


def test_a_real_picture_is_the_same_in_every_coding_without_loss():
    data = shared("data/kitti_camera_lidar/image_02/000000.jpg").read_bytes()
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    from tests.unit.io.messages import compressed, image

    limit = InputConfig().max_image_pixels
    expected = image_from(compressed("jpeg", data), limit).pixels
    np.testing.assert_array_equal(expected, bgr[..., ::-1])
    png = cv2.imencode(".png", bgr)[1].tobytes()
    for msg in (image("bgr8", bgr, padding=8), image("rgb8", bgr[..., ::-1]), compressed("png", png)):
        np.testing.assert_array_equal(image_from(msg, limit).pixels, expected)


def test_scans_and_images_of_a_bag_alternate_as_the_sensors_did():
    path = shared("data/rosbags/converted/kitti_0005_first3_mcap")
    config = PerceptionConfig.model_validate(VELODYNE).input
    events = list(open_recording(path, config).events(("scan", "image_raw")))
    assert [type(event) for event in events] == [ImageFrame, Scan] * 3


def test_the_images_beside_a_packed_kitti_drive_come_between_its_scans_with_their_scaled_calibration():
    recording = open_recording(shared("data/kitti_raw_0005"))
    events = list(islice(recording.events(("scan", "image_raw")), 20))
    frames = [event for event in events if isinstance(event, ImageFrame)]
    assert [type(event) for event in events] == [ImageFrame, Scan] * 10  # an image at mid-turn, a scan at its end
    assert {(frame.frame_id, frame.camera.width, frame.camera.height) for frame in frames} == {("image_02", 400, 120)}
    assert abs(frames[0].camera.K[0, 0] - 721.5377 * 400 / 1242) < 0.01


def test_a_camera_that_a_drive_does_not_have_is_refused_with_those_it_has():
    recording = open_recording(shared("data/kitti_raw_0005"), InputConfig(camera_topics=("image_03",)))
    with pytest.raises(ConfigError, match="image_03 is none of image_02 of"):
        list(islice(recording.events(("image_raw",)), 1))
