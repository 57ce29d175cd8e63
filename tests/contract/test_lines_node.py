"""The nodes of line segments in a graph: images in, segments and what they tell out, and nothing done for nobody."""

import time

import numpy as np
import pytest
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image, Imu, PointCloud2
from visualization_msgs.msg import Marker, MarkerArray

from nodes import messages, qos
from nodes.full_node import FullNode
from nodes.lines_3d_node import Lines3dNode
from nodes.lines_node import LinesNode
from perception.core.cameras import CameraModel
from perception.core.errors import ModelError
from perception.core.geometry import matrix_from_quaternion, transform
from perception.io.images import image_from
from perception.lines import detector as detectors
from perception.lines.segments import FoundLines
from tests.contract import room
from tests.contract.cameras import BENT, ERROR, OK, PERIOD_NS, WARN, Camera, jpeg_message, picture, running
from tests.contract.graph import wait_for
from tests.unit.lines.upright import upright_segments

LIMIT = 10**6
TOPICS = ["/cam/image_raw"]
IDEAL = CameraModel(BENT.width, BENT.height, BENT.K)
ROLL = 0.05  # rad
SEGMENTS = upright_segments(IDEAL, ROLL)
OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])  # from optical axes to x ahead, z up
PLACES = {f"input__T_base_{sensor}": [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0] for sensor in ("lidar", "imu")}


class Fake:
    """A detector that finds the same segments in every image."""

    def __init__(self, segments, bad=False):
        self.segments, self.bad, self.seen = segments, bad, []

    def detect(self, pixels):
        self.seen.append(pixels.shape)
        if self.bad:
            raise ModelError("fake: output 'heat' is not finite")
        return FoundLines(self.segments, np.linspace(0.9, 0.7, len(self.segments), dtype=np.float32))


class Detectors:
    """What the nodes get instead of detectors; `fakes` are those that were opened."""

    def __init__(self):
        self.segments, self.bad, self.error, self.fakes, self.sizes = SEGMENTS, False, None, [], []

    def open(self, config, size):
        self.sizes.append(size)
        if self.error is not None:
            raise self.error
        self.fakes.append(Fake(self.segments, self.bad))
        return self.fakes[-1]

    @property
    def num_seen(self):
        return sum(len(fake.seen) for fake in self.fakes)


@pytest.fixture
def opened(monkeypatch):
    opened = Detectors()
    monkeypatch.setattr(detectors, "open_line_detector", opened.open)
    return opened


KINDS = {
    "lines": PointCloud2,
    "lines_markers": MarkerArray,
    "lines_image": Image,
    "vanishing_points": PointCloud2,
    "attitude": Imu,
    "lines_3d": PointCloud2,
    "lines_3d_markers": MarkerArray,
}


class Listener:
    """Hears chosen topics of one camera."""

    def __init__(self, node, *names, camera="cam"):
        self.node = node
        self.heard = {name: [] for name in names}
        self.subscriptions = [
            node.create_subscription(KINDS[name], f"/{camera}/{name}", self.heard[name].append, qos.result(10))
            for name in names
        ]

    def __getitem__(self, name):
        return self.heard[name]

    def leave(self):
        while self.subscriptions:
            self.node.destroy_subscription(self.subscriptions.pop())


def columns(message):
    """Columns of a table by name, as any reader of clouds gets them."""
    kinds = {7: "<f4", 5: "<i4", 6: "<u4"}
    record = np.dtype(
        {
            "names": [field.name for field in message.fields],
            "formats": [kinds[field.datatype] for field in message.fields],
            "offsets": [field.offset for field in message.fields],
            "itemsize": message.point_step,
        }
    )
    return np.frombuffer(message.data, dtype=record)


def test_segments_come_as_a_table_with_the_stamp_and_frame_of_their_image(robot, opened):
    camera, heard = Camera(robot.node, listens=False), Listener(robot.node, "lines")
    with running(LinesNode, input__camera_topics=TOPICS):
        camera.wait_for_node()
        camera.send_until(lambda: len(heard["lines"]) > 3, "segments", camera=None)
        message = heard["lines"][-1]
        assert message.header.frame_id == "cam"
        assert (messages.stamp_of(message.header) - room.START_NS) % PERIOD_NS == 0
        found = columns(message)
        assert found.dtype.names == ("x1", "y1", "x2", "y2", "score")
        np.testing.assert_array_equal(np.column_stack([found[n] for n in ("x1", "y1", "x2", "y2")]), SEGMENTS)
        assert found["score"][0] == pytest.approx(0.9)
        assert (message.height, message.width) == (1, len(SEGMENTS))
        wait_for(lambda: "lines latency p95 (ms)" in robot.values(), "the latency in the diagnostics")
        assert not robot.node.count_publishers("/cam/image_rect")


def test_a_calibrated_camera_tells_its_roll_and_where_its_segments_are_seen(robot, opened):
    camera = Camera(robot.node, listens=False)
    heard = Listener(robot.node, "attitude", "vanishing_points", "lines_markers")
    with running(LinesNode, input__camera_topics=TOPICS):
        camera.wait_for_node()
        camera.send_until(lambda: all(heard.heard.values()), "attitude, points and markers", camera=IDEAL)
        turn = heard["attitude"][-1].orientation
        R = matrix_from_quaternion(np.array([turn.x, turn.y, turn.z, turn.w]))
        up = R.T @ [0.0, 0.0, 1.0]
        assert np.arctan2(-up[0], -up[1]) == pytest.approx(ROLL, abs=0.01)
        assert R[2, 2] == pytest.approx(0.0, abs=0.05)  # it looks level
        variances = np.array(heard["attitude"][-1].orientation_covariance).reshape(3, 3).diagonal()
        assert 0.0 < variances[0] < np.radians(1.0) ** 2
        assert variances[2] > 1e3
        assert heard["attitude"][-1].linear_acceleration_covariance[0] == -1.0
        points = columns(heard["vanishing_points"][-1])
        assert points["is_vertical"].tolist()[0] == 1
        np.testing.assert_allclose([points[n][0] for n in "xyz"], up, atol=1e-4)
        (marker,) = heard["lines_markers"][-1].markers
        assert (marker.type, marker.action, marker.header.frame_id) == (Marker.LINE_LIST, Marker.ADD, "cam")
        ends = np.array([[point.x, point.y, point.z] for point in marker.points])
        np.testing.assert_allclose(IDEAL.project(ends).reshape(-1, 4), SEGMENTS, atol=1e-3)
        assert len(marker.colors) == len(ends)


def test_without_a_calibration_there_are_segments_and_nothing_that_needs_one(robot, opened):
    camera = Camera(robot.node, listens=False)
    heard = Listener(robot.node, "lines", "attitude", "lines_markers", "vanishing_points")
    with running(LinesNode, input__camera_topics=TOPICS):
        camera.wait_for_node()
        camera.send_until(lambda: len(heard["lines"]) > 3, "segments", camera=None)
        assert not heard["attitude"] and not heard["lines_markers"] and not heard["vanishing_points"]
        robot.wait_for_reason("not calibrated", WARN)


def test_segments_without_order_tell_no_attitude(robot, opened):
    rng = np.random.default_rng(0)
    opened.segments = rng.uniform(0, 200, (40, 4)).astype(np.float32)
    camera, heard = Camera(robot.node, listens=False), Listener(robot.node, "lines", "attitude")
    with running(LinesNode, input__camera_topics=TOPICS):
        camera.wait_for_node()
        camera.send_until(lambda: len(heard["lines"]) > 3, "segments", camera=IDEAL)
        assert not heard["attitude"]


def test_an_image_without_segments_is_an_empty_table_and_takes_its_markers_away(robot, opened):
    opened.segments = np.zeros((0, 4), dtype=np.float32)
    camera, heard = Camera(robot.node, listens=False), Listener(robot.node, "lines", "lines_markers")
    with running(LinesNode, input__camera_topics=TOPICS):
        camera.wait_for_node()
        camera.send_until(lambda: all(heard.heard.values()), "an empty answer", camera=IDEAL)
        assert heard["lines"][-1].width == 0
        assert heard["lines_markers"][-1].markers[0].action == Marker.DELETE


def test_nobody_listens_and_no_detector_is_opened_or_run(robot, opened):
    camera = Camera(robot.node, listens=False)
    with running(LinesNode, input__camera_topics=TOPICS):
        camera.wait_for_node()
        camera.send_until(
            lambda: robot.heard["/diagnostics"] and int(robot.values().get("image received", 0)) > 5,
            "images",
            camera=None,
        )
        assert not opened.sizes
        robot.wait_for_reason("OK", OK)
        heard = Listener(robot.node, "lines")
        camera.send_until(lambda: heard["lines"], "segments once somebody listens", camera=None)
        assert opened.sizes == [(240, 320)]
        heard.leave()
        time.sleep(1.0)
        num_seen = opened.num_seen
        for _ in range(5):
            camera.send(camera=None)
            time.sleep(0.05)
        assert opened.num_seen == num_seen


def test_the_picture_is_drawn_for_those_who_listen(robot, opened):
    camera, heard = Camera(robot.node, listens=False), Listener(robot.node, "lines_image")
    with running(LinesNode, input__camera_topics=TOPICS):
        camera.wait_for_node()
        camera.send_until(lambda: heard["lines_image"], "a drawn image", camera=None)
        drawn = image_from(heard["lines_image"][-1], LIMIT)
        differs = (drawn.pixels != picture()).any(axis=2)
        x, y = SEGMENTS[0].reshape(2, 2).mean(axis=0).round().astype(int)
        assert differs[y, x]
        assert not differs.all()


def test_compressed_images_are_searched_as_well(robot, opened):
    camera, heard = Camera(robot.node, "right", True, listens=False), Listener(robot.node, "lines", camera="right")
    with running(LinesNode, input__camera_topics=["/right/image_raw/compressed"]):
        camera.wait_for_node()
        camera.send_until(lambda: heard["lines"], "segments", message=jpeg_message(picture()), camera=None)
        assert heard["lines"][-1].header.frame_id == "right"


def test_answers_that_are_not_finite_are_refused_and_never_published(robot, opened):
    opened.bad = True
    camera, heard = Camera(robot.node, listens=False), Listener(robot.node, "lines")
    with running(LinesNode, input__camera_topics=TOPICS):
        camera.wait_for_node()
        camera.send_until(
            lambda: robot.heard["/diagnostics"] and int(robot.values().get("lines answers refused", 0)) >= 3,
            "the count",
            camera=None,
        )
        robot.wait_for_reason("'heat' is not finite", ERROR)
        assert not heard["lines"]
        opened.fakes[0].bad = False
        camera.send_until(lambda: heard["lines"], "segments when the answers are sound again", camera=None)


def test_a_calibration_that_is_not_finite_or_of_another_size_gives_no_attitude_and_a_reason(robot, opened):
    camera, heard = Camera(robot.node, listens=False), Listener(robot.node, "lines", "attitude")
    with running(LinesNode, input__camera_topics=TOPICS):
        camera.wait_for_node()
        camera.send_until(lambda: heard["lines"], "segments", camera=None)
        wrong = messages.camera_info_to(room.START_NS, "cam", IDEAL)
        wrong.k = [np.nan] * 9
        wrong.p = [np.nan] * 12
        for _ in range(5):
            camera.infos.publish(wrong)
            camera.send(camera=None)
            time.sleep(0.05)
        assert not heard["attitude"]
        small = CameraModel(160, 120, IDEAL.K)
        camera.send_until(
            lambda: robot.heard["/diagnostics"] and int(robot.values().get("camera refused", 0)) >= 1,
            "the count",
            camera=small,
        )
        assert not heard["attitude"]
        camera.send_until(lambda: heard["attitude"], "attitude with a calibration that fits", camera=IDEAL)


def test_without_its_model_the_stage_fails_alone_and_the_odometry_goes_on(robot, opened):
    opened.error = ModelError("model 'gone': is unknown; there are: none")
    camera, heard = Camera(robot.node, listens=False), Listener(robot.node, "lines")
    with running(FullNode, input__camera_topics=TOPICS, lines__is_enabled=True, **PLACES) as node:
        robot.wait_for_node()
        camera.wait_for_node()
        camera.send_until(
            lambda: robot.heard["/diagnostics"] and int(robot.values().get("lines ModelError", 0)) >= 3,
            "the count",
            camera=None,
        )
        robot.wait_for_reason("model 'gone': is unknown", ERROR)
        assert len(opened.sizes) == 1  # it is not tried again at every image
        robot.drive_until_heard()
        assert not heard["lines"]
        opened.error = None
        assert node.set_parameters([Parameter("lines.model", value="found")])[0].successful
        camera.send_until(lambda: heard["lines"], "segments with a model that is there", camera=None)


def test_the_whole_pipeline_searches_only_where_it_is_enabled(robot, opened):
    with running(FullNode, input__camera_topics=TOPICS) as node:
        assert [stage.name for stage in node.pipeline.stages] == ["odometry", "camera"]
        assert not robot.node.count_publishers("/cam/lines")


# In space: a camera in the middle of the room looks ahead, at the wall x = 10, whose edges it sees.


def corner_segments():
    """The seen parts of the upper edge of the wall ahead, and of an edge of nothing across the middle of it."""
    edge = np.array([[10.0, 2.0, 2.5], [10.0, -2.0, 2.5]])
    across = np.array([[10.0, 3.0, 0.3], [10.0, -3.0, -0.3]])
    return IDEAL.project(np.concatenate([edge, across]) @ OPTICAL).reshape(-1, 4).astype(np.float32)


def send_camera_place(robot):
    from tf2_msgs.msg import TFMessage

    place = transform(OPTICAL, np.zeros(3))
    robot.static.publish(TFMessage(transforms=[messages.transform_to(1, "base_link", "cam", place)]))


def send_moment(robot, camera, state):
    """One scan of the standing robot, then an image at its end."""
    index = state["index"] = state.get("index", -1) + 1
    robot.drive(1, first=index, pause=0.0)
    camera.number = ((index + 1) * room.SCAN_NS + PERIOD_NS - 1) // PERIOD_NS
    camera.send(camera=IDEAL)
    time.sleep(0.1)


@pytest.mark.parametrize("make", [FullNode, Lines3dNode])
def test_with_a_lidar_and_transforms_segments_have_their_place_in_space(robot, opened, make):
    pytest.importorskip("tf2_msgs.msg", reason="tf2_msgs: pip install ./perception/ros_interfaces")
    opened.segments = corner_segments()
    camera, heard = Camera(robot.node, listens=False), Listener(robot.node, "lines_3d", "lines_3d_markers")
    given = {} if make is Lines3dNode else {"lines__is_enabled": True}
    state = {}
    with running(make, input__camera_topics=TOPICS, lines_3d__max_std=0.5, **given):
        camera.wait_for_node()
        robot.send_places()
        send_camera_place(robot)

        def is_heard():
            send_moment(robot, camera, state)
            return all(heard.heard.values()) and heard["lines_3d"][-1].width > 0

        wait_for(is_heard, "segments in space")
        found = columns(heard["lines_3d"][-1])
        ends = np.stack([[found[f"{axis}{end}"] for axis in "xyz"] for end in (1, 2)]).transpose(2, 0, 1)
        assert found.dtype.names[:7] == ("x1", "y1", "z1", "x2", "y2", "z2", "score")
        np.testing.assert_allclose(ends[..., 2], 10.0, atol=0.2)  # m along the optical axis
        (marker,) = heard["lines_3d_markers"][-1].markers
        assert (marker.type, marker.header.frame_id) == (Marker.LINE_LIST, "cam")
        assert len(marker.points) == 2 * len(found)
        if make is Lines3dNode:
            assert not robot.node.count_publishers("odometry")


def test_a_missing_transform_of_the_camera_is_told_and_nothing_is_guessed(robot, opened):
    camera, heard = Camera(robot.node, listens=False), Listener(robot.node, "lines", "lines_3d")
    state = {}
    with running(FullNode, input__camera_topics=TOPICS, lines__is_enabled=True, **PLACES):
        robot.wait_for_node()
        camera.wait_for_node()

        def is_counted():
            send_moment(robot, camera, state)
            values = robot.values() if robot.heard["/diagnostics"] else {}
            return int(values.get("lines_3d images without depth", 0)) >= 2 and heard["lines"]

        wait_for(is_counted, "the count, and segments in the image all the same")
        robot.wait_for_reason("no transform from 'base_link' to 'cam'", WARN)
        assert not heard["lines_3d"]
