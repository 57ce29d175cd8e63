"""Which topics are cameras, and recordings that deliver their images."""

import cv2
import numpy as np
import pytest
from rosbags.typesys import Stores

from perception.core.errors import ConfigError, InvalidInput
from perception.core.types import ImageFrame, ImuBatch, Scan
from perception.io import bag_recording, merging
from perception.io.bags import Bag
from perception.io.cameras import CameraDecoder, choose_cameras, detection_topics, info_topics, rectified_topics
from perception.io.config import InputConfig
from perception.io.images import PendingImage
from perception.io.recording import open_recording
from tests.unit.io.bags import COMPRESSED, IMAGE, INFO, START_NS, Content, Factory, messages, write_ros1, write_ros2
from tests.unit.io.messages import camera_info, image

MS = 1_000_000
STREAMS = ("scan", "imu", "image_raw")
K = np.array([[50.0, 0.0, 31.5], [0.0, 52.0, 23.5], [0.0, 0.0, 1.0]])
D = (-0.2, 0.05, 0.001, 0.0, 0.0)


def picture(seed):
    return np.random.default_rng(seed).integers(0, 256, (48, 64, 3), dtype=np.uint8)


def jpeg(seed):
    return cv2.imencode(".jpg", cv2.GaussianBlur(picture(seed), (0, 0), 5))[1].tobytes()


def with_cameras(factory, content=None, info_delay_ns=0):
    """The usual recording, with a raw and a compressed camera at 20 Hz; `camera_info` comes behind its image."""
    items = list(messages(factory, content or Content()))
    for index in range(24):
        stamp_ns = START_NS + 30 * MS + index * 50 * MS
        items.append(("/left/image_raw", IMAGE, stamp_ns, factory.image(stamp_ns, picture(index), "left")))
        info = factory.camera_info(stamp_ns, K, D, (64, 48), "left")
        items.append(("/left/camera_info", INFO, stamp_ns + 1 + info_delay_ns, info))
        items.append(("/jpeg/compressed", COMPRESSED, stamp_ns, factory.compressed(stamp_ns, jpeg(index), "right")))
    return sorted(items, key=lambda item: item[2])


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    path = tmp_path_factory.mktemp("bags") / "cameras"
    return write_ros2(path, with_cameras(Factory(Stores.ROS2_JAZZY)))


def images(recording):
    return [event for event in recording.events(STREAMS) if isinstance(event, ImageFrame)]


def test_images_come_in_the_order_of_time_between_scans_and_samples(bag):
    events = list(open_recording(bag).events(STREAMS))
    times = [end_of(event) for event in events]
    assert times == sorted(times)
    assert {type(event) for event in events} == {Scan, ImuBatch, ImageFrame}


def end_of(event):
    if isinstance(event, ImuBatch):
        return int(event.stamps_ns[-1])
    return event.end_ns if isinstance(event, Scan) else event.stamp_ns


def test_every_image_is_there_with_the_calibration_that_comes_behind_the_first_one(bag):
    found = images(open_recording(bag))
    left = [frame for frame in found if frame.frame_id == "left"]
    right = [frame for frame in found if frame.frame_id == "right"]
    assert (len(left), len(right)) == (24, 24)
    assert all(frame.camera is left[0].camera for frame in left)
    np.testing.assert_array_equal(left[0].camera.D, D)
    assert right[0].camera is None
    for index, frame in enumerate(left):
        np.testing.assert_array_equal(frame.pixels, picture(index))
    decoded = cv2.imdecode(np.frombuffer(jpeg(3), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    np.testing.assert_array_equal(right[3].pixels, decoded)


def test_ros_1_bags_have_cameras_too(tmp_path):
    path = write_ros1(tmp_path / "cameras.bag", with_cameras(Factory(Stores.ROS1_NOETIC)))
    left = [frame for frame in images(open_recording(path)) if frame.frame_id == "left"]
    assert len(left) == 24
    np.testing.assert_array_equal(left[0].camera.K, K)


def test_scans_and_samples_are_the_same_with_and_without_images(bag):
    def inertial(streams):
        events = [event for event in open_recording(bag).events(streams) if not isinstance(event, ImageFrame)]
        samples = np.concatenate([event.stamps_ns for event in events if isinstance(event, ImuBatch)])
        return samples, [event.stamp_ns for event in events if isinstance(event, Scan)]

    (samples, scans), (samples_with, scans_with) = inertial(("scan", "imu")), inertial(STREAMS)
    np.testing.assert_array_equal(samples, samples_with)
    assert scans == scans_with


def test_without_the_stream_no_image_is_read(bag, monkeypatch):
    def opened(*_):
        raise AssertionError("an image was read")

    monkeypatch.setattr(bag_recording, "camera_makers", opened)
    assert all(not isinstance(event, ImageFrame) for event in open_recording(bag).events())


def test_only_images_are_read_where_only_they_are_wanted(bag):
    assert all(isinstance(event, ImageFrame) for event in open_recording(bag).events(("image_raw",)))


def test_the_summary_names_the_cameras(bag):
    rows = dict(open_recording(bag).summary.rows)
    assert rows["cameras"] == "/left/image_raw, 24 images; /jpeg/compressed, 24 images"


def test_configured_topics_choose_and_wrong_ones_are_refused_with_the_right_ones(bag):
    found = images(open_recording(bag, InputConfig(camera_topics=("/left/image_raw",))))
    assert {frame.frame_id for frame in found} == {"left"}
    with pytest.raises(ConfigError, match=r"/points holds no images; topics with images: .*/left/image_raw"):
        open_recording(bag, InputConfig(camera_topics=("/points",)))


def test_images_that_are_refused_are_counted_and_cost_nothing_else(bag):
    recording = open_recording(bag, InputConfig(max_image_pixels=100))
    assert not images(recording)
    assert sum(recording.losses.counts.values()) == 48
    assert "input.max_image_pixels" in str(recording.losses)


def test_an_uncalibrated_camera_is_counted_once(tmp_path):
    factory = Factory(Stores.ROS2_JAZZY)
    items = with_cameras(factory)
    blank = factory.camera_info(START_NS, np.zeros((3, 3)), (), (64, 48), "left")
    items = [(topic, kind, log, blank if kind == INFO else msg) for topic, kind, log, msg in items]
    recording = open_recording(write_ros2(tmp_path / "bag", items))
    assert all(frame.camera is None for frame in images(recording))
    assert [count for reason, count in recording.losses.counts.items() if "not calibrated" in reason] == [1]


def test_a_camera_with_a_wrong_clock_leaves_the_order_of_the_others(tmp_path):
    factory = Factory(Stores.ROS2_JAZZY)
    items = list(messages(factory, Content()))
    plain = write_ros2(tmp_path / "plain", items)
    for index, clock_ns in enumerate((-(10**18), 10**17, 700 * MS, -700 * MS)):
        for number in range(12):
            log_ns = START_NS + number * 100 * MS
            msg = factory.image(log_ns + clock_ns + index, picture(number), f"camera_{index}")
            items.append((f"/camera_{index}/image_raw", IMAGE, log_ns, msg))
    mixed = write_ros2(tmp_path / "mixed", sorted(items, key=lambda item: item[2]))
    expected = [event.stamp_ns for event in open_recording(plain).events() if isinstance(event, Scan)]
    events = list(open_recording(mixed).events(STREAMS))
    assert [event.stamp_ns for event in events if isinstance(event, Scan)] == expected
    samples = np.concatenate([event.stamps_ns for event in events if isinstance(event, ImuBatch)])
    assert (np.diff(samples) > 0).all()
    assert sum(isinstance(event, ImageFrame) for event in events) == 48


def test_images_that_wait_are_bounded_in_memory(monkeypatch):
    monkeypatch.setattr(merging, "MAX_IMAGE_BYTES", 5_000)
    taken = []

    def source():
        for index in range(100):
            msg = image("mono8", np.zeros((10, 100), np.uint8), stamp_ns=START_NS + index * MS)
            taken.append(index)
            yield PendingImage(START_NS + index * MS, msg, None, 10**6)

    stamps = []
    for item in merging.in_order(source()):
        stamps.append(item.stamp_ns)
        assert len(taken) - len(stamps) <= 5
    assert stamps == sorted(stamps)
    assert len(stamps) == 100


class FakeBag:
    """Topics without messages."""

    def __init__(self, *names):
        kinds = {"camera_info": INFO, "compressed": COMPRESSED, "compressedDepth": COMPRESSED}
        channel = None
        self.topics = tuple(Topic(name, kinds.get(name.rpartition("/")[2], IMAGE), 5, channel) for name in names)


def Topic(*values):
    from perception.io.bags import Topic as BagTopic

    return BagTopic(*values)


@pytest.mark.parametrize(
    ("topics", "chosen"),
    [
        (["/cam/image_raw", "/cam/image_raw/compressed"], ["/cam/image_raw"]),
        (["/cam/image_rect/compressed", "/cam/image_mono", "/cam/image_color"], ["/cam/image_color"]),
        (["/cam/image_raw/compressed", "/cam/image_rect"], ["/cam/image_raw/compressed"]),
        (["/a/image_raw", "/b/image_raw/compressed"], ["/a/image_raw", "/b/image_raw/compressed"]),
        (["/camera/image_02", "/camera/image_03"], ["/camera/image_02", "/camera/image_03"]),
        (["/d/depth/compressed", "/d/depth/compressedDepth"], ["/d/depth/compressedDepth"]),
        (["/front_camera"], ["/front_camera"]),
        (["/cam/camera_info"], []),
    ],
)
def test_each_camera_is_taken_once_by_the_topic_that_lost_least(topics, chosen):
    assert [camera.image.name for camera in choose_cameras(FakeBag(*topics), InputConfig())] == chosen


@pytest.mark.parametrize(
    ("topic", "info"),
    [
        ("/cam/image_raw/compressed", "/cam/camera_info"),
        ("/cam/image_rect", "/cam/camera_info_rect"),
        ("/camera/image_02", "/camera/image_02/camera_info"),
        ("/CAM_FRONT/image_rect_compressed", "/CAM_FRONT/camera_info"),
    ],
)
def test_the_calibration_lies_beside_the_image(topic, info):
    assert info in info_topics(topic)
    (camera,) = choose_cameras(_bag_with(topic, info), InputConfig())
    assert camera.info.name == info


def _bag_with(topic, info):
    bag = FakeBag(topic)
    bag.topics = (*bag.topics, Topic(info, INFO, 5, None))
    return bag


@pytest.mark.parametrize(
    ("topic", "image_topic", "info_topic"),
    [
        ("/cam/image_raw/compressed", "/cam/image_rect", "/cam/camera_info_rect"),
        ("/image", "/image_rect", "/camera_info_rect"),
        ("/camera/image_02", "/camera/image_02_rect", "/camera/image_02_rect/camera_info"),
    ],
)
def test_rectified_images_lie_beside_the_raw_ones_and_are_found_again(topic, image_topic, info_topic):
    assert rectified_topics(topic) == (image_topic, info_topic)
    assert info_topic in info_topics(image_topic)


def test_a_calibration_of_another_frame_is_not_used():
    decoder = CameraDecoder(10**6)
    msg = image("mono8", np.zeros((48, 64), np.uint8), frame_id="left")
    assert decoder.why_uncalibrated("left") == "no camera_info has come"
    decoder.take_info(camera_info(frame_id="right"))
    assert decoder.frame(msg).camera is None
    assert "frame 'right'" in decoder.why_uncalibrated("left")
    decoder.take_info(camera_info(frame_id="/left"))
    assert decoder.frame(msg).camera is not None


def test_a_calibration_of_another_resolution_is_refused_with_both_sizes():
    decoder = CameraDecoder(10**6)
    decoder.take_info(camera_info(128, 96))
    with pytest.raises(InvalidInput, match="64x48, but the camera is 128x96"):
        decoder.frame(image("mono8", np.zeros((48, 64), np.uint8)))


def test_a_bag_without_cameras_has_none(tmp_path):
    assert choose_cameras(Bag(write_ros2(tmp_path / "bag")), InputConfig()) == ()


@pytest.mark.parametrize(
    ("image_topic", "expected"),
    [
        ("/front/image_raw", "/front/detections"),
        ("/front/image_raw/compressed", "/front/detections"),
        ("/front/image_rect", "/front/detections"),
        ("/image", "/detections"),
        ("/cameras/left", "/cameras/left/detections"),
    ],
)
def test_detections_are_published_beside_the_images_of_their_camera(image_topic, expected):
    assert detection_topics(image_topic) == (expected, f"{expected}_image")
