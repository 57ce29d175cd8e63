"""A recording with LiDAR, IMU and cameras: what the odometry says does not depend on who looks at the images."""

import json

import numpy as np
import pytest
from rosbags.typesys import Stores

from perception.core.errors import ModelError
from perception.detection import detector as detectors
from perception.io import images
from perception.io.recording import open_recording
from perception.pipeline.config import PerceptionConfig
from perception.pipeline.replay import replay
from perception.pipeline.results import finished, write_results
from tests.contract import room
from tests.unit.detection.fakes import CLASSES, SURE, detector
from tests.unit.io.bags import CLOUD, IMAGE, IMU, INFO, TF, Factory, write_ros2

NUM_SCANS = 8
K = np.array([[50.0, 0.0, 31.5], [0.0, 52.0, 23.5], [0.0, 0.0, 1.0]])


def sensors(factory):
    """The room as a robot records it: (topic, type, log time, message)."""
    places = (("base_link", "lidar", (0.0, 0.0, 0.0)), ("base_link", "imu", (0.0, 0.0, 0.0)))
    yield "/tf_static", TF, room.START_NS, factory.transforms(places, room.START_NS)
    for kind, index in room.events(NUM_SCANS):
        if kind == "imu":
            stamp_ns, gyro, accel = room.imu_sample(index)
            msg = factory.imu(stamp_ns)
            for vector, values in ((msg.angular_velocity, gyro), (msg.linear_acceleration, accel)):
                vector.x, vector.y, vector.z = map(float, values)
            yield "/imu", IMU, stamp_ns, msg
        else:
            stamp_ns = room.START_NS + index * room.SCAN_NS
            points, offsets_ns = room.scan_points(index, 3000)
            msg = factory.cloud(stamp_ns, points=len(points))
            records = msg.data.view([("xyz", "<f4", 3), ("intensity", "<f4"), ("t", "<u4")])
            records["xyz"], records["t"] = points, offsets_ns
            yield "/points", CLOUD, stamp_ns + room.SCAN_NS, msg


def pictures(factory):
    """Two cameras at 20 Hz, out of step with the scans."""
    for name, offset_ns in (("left", 13_000_000), ("right", 41_000_000)):
        for index in range(2 * NUM_SCANS):
            stamp_ns = room.START_NS + offset_ns + index * room.SCAN_NS // 2
            pixels = np.full((48, 64, 3), index, np.uint8)
            yield f"/{name}/image_raw", IMAGE, stamp_ns, factory.image(stamp_ns, pixels, name)
            info = factory.camera_info(stamp_ns, K, (-0.2, 0.05, 0.0, 0.0, 0.0), (64, 48), name)
            yield f"/{name}/camera_info", INFO, stamp_ns, info


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    factory = Factory(Stores.ROS2_JAZZY)
    items = sorted((*sensors(factory), *pictures(factory)), key=lambda item: item[2])
    return write_ros2(tmp_path_factory.mktemp("bags") / "room", items)


def run(bag, stages=None, **overrides):
    config = PerceptionConfig.model_validate(overrides)
    return replay(open_recording(bag, config.input), config, stages=stages)


def test_the_trajectory_is_the_same_bit_for_bit_with_and_without_the_camera_stage(bag):
    plain, seeing = run(bag), run(bag, ["odometry", "camera"])
    assert plain.num_scans == NUM_SCANS
    assert len(plain.trajectory) == len(seeing.trajectory) >= NUM_SCANS - 1
    assert seeing.digest() == plain.digest()
    assert seeing.counters["camera"] == {"images": 4 * NUM_SCANS, "rectified": 4 * NUM_SCANS}
    assert len(seeing.cpu_ms["camera"]) == 4 * NUM_SCANS
    assert seeing.counters["odometry"] == plain.counters["odometry"]


def test_a_replay_of_the_odometry_decodes_no_image(bag, monkeypatch):
    def decoded(*_):
        raise AssertionError("an image was decoded")

    monkeypatch.setattr(images, "image_from", decoded)
    assert "camera" not in run(bag).counters


def test_images_that_are_refused_leave_the_trajectory_alone(bag):
    config = {"camera": {"crop": [60, 0, 10, 10]}}
    refused = run(bag, ["odometry", "camera"], **config)
    assert refused.digest() == run(bag).digest()
    assert refused.counters["camera"]["refused"] == 4 * NUM_SCANS


@pytest.fixture
def fake_network(monkeypatch):
    box = (1, 160.0, 120.0, 480.0, 360.0, SURE)
    monkeypatch.setattr(detectors, "open_detector", lambda config, size: detector([box], config))


def test_detection_runs_where_it_is_enabled_and_leaves_the_trajectory_alone(bag, fake_network):
    plain, seeing = run(bag), run(bag, detection={"is_enabled": True})
    assert plain.detections is None
    assert "detection" not in plain.counters
    assert seeing.digest() == plain.digest()
    assert len(seeing.detections) == 4 * NUM_SCANS
    assert {found.frame_id for found in seeing.detections} == {"left", "right"}
    assert seeing.counters["detection"] == {"images": 4 * NUM_SCANS, "objects": 4 * NUM_SCANS}
    assert any("detection: fake on fake" in note for note in seeing.notes)
    assert len(run(bag, ["odometry", "camera", "detection"]).detections) == 4 * NUM_SCANS


def test_what_was_found_is_written_and_counted_in_metrics_and_report(bag, fake_network, tmp_path):
    config = PerceptionConfig.model_validate({"detection": {"is_enabled": True}})
    recording = open_recording(bag, config.input)
    write_results(tmp_path, finished(recording, config, replay(recording, config)))
    results = json.loads((tmp_path / "detections.json").read_text())
    images = json.loads((tmp_path / "images.json").read_text())["images"]
    assert len(results) == len(images) == 4 * NUM_SCANS
    assert {result["track_id"] for result in results if "track_id" in result} == {1}
    found = json.loads((tmp_path / "metrics.json").read_text())["detections"]
    assert found == {"images": 32, "objects": 32, "tracks": 2, "by_class": {CLASSES[1]: 32}}
    assert "by_class" in (tmp_path / "report.html").read_text()


def test_a_model_that_is_not_there_ends_the_replay_that_asked_for_it(bag, monkeypatch, tmp_path):
    monkeypatch.setenv("PERCEPTION_MODELS", str(tmp_path))
    with pytest.raises(ModelError, match="no-such-model"):
        run(bag, detection={"is_enabled": True, "model": "no-such-model"})


def test_a_replay_that_searches_lines_writes_them_by_the_names_of_their_images(bag, tmp_path, monkeypatch):
    from perception.evaluation.lines_files import read_found
    from perception.lines import detector as line_detectors
    from perception.lines.segments import FoundLines

    class Fake:
        def detect(self, pixels):
            return FoundLines(np.float32([[1, 2, 30, 40]]), np.float32([0.8]))

    monkeypatch.setattr(line_detectors, "open_line_detector", lambda config, size: Fake())
    config = PerceptionConfig.model_validate({"lines": {"is_enabled": True}})
    recording = open_recording(bag, config.input)
    result = replay(recording, config)
    assert len(result.lines) == 4 * NUM_SCANS
    write_results(tmp_path / "out", finished(recording, config, result))
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["lines"] == {"images": 4 * NUM_SCANS, "segments": 4 * NUM_SCANS}
    first = result.lines[0]
    found = read_found(tmp_path / "out" / "lines.json").of(f"{first.frame_id}/{first.stamp_ns}", (64, 48))
    np.testing.assert_allclose(found.segments, [[1, 2, 30, 40]], atol=0.01)
