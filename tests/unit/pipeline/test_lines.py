"""The stages of line segments and `perception lines`: files of every kind in, files for programs and people out."""

import json

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from perception.cli import main
from perception.core.cameras import CameraModel
from perception.core.errors import InvalidInput, ModelError
from perception.core.frames import TransformBuffer
from perception.core.geometry import transform
from perception.core.health import OK, Level
from perception.core.types import ImageFrame, Odometry, OdometryUpdate, RegistrationReport, Scan, SensorRig
from perception.io.datasets.pictures import read_color
from perception.io.ply import read_ply, write_ply_lines
from perception.lines import detector as detectors
from perception.lines.config import LinesConfig
from perception.lines.segments import FoundLines
from perception.lines.use_config import Lines3dConfig
from perception.pipeline.config import PerceptionConfig
from perception.pipeline.full import FULL, live_streams
from perception.pipeline.line_search import command_config, find_lines
from perception.pipeline.lines import Lines3dStage, LinesStage
from tests.unit.lines.upright import OPTICAL, upright_segments

K = np.array([[460.0, 0.0, 319.5], [0.0, 460.0, 239.5], [0.0, 0.0, 1.0]])
CAMERA = CameraModel(640, 480, K)
SEGMENTS = upright_segments(CAMERA, 0.1)
NS = 1_000_000_000


class Fake:
    """A detector that finds the same segments in every image."""

    def __init__(self, segments=SEGMENTS):
        self.segments, self.error = segments, None

    def detect(self, pixels):
        if self.error is not None:
            raise self.error
        return FoundLines(self.segments, np.linspace(0.9, 0.7, len(self.segments), dtype=np.float32))


def frame(stamp_ns=NS, camera=CAMERA, frame_id="front"):
    return ImageFrame(stamp_ns, frame_id, np.zeros((480, 640, 3), dtype=np.uint8), camera)


@pytest.fixture
def fake(monkeypatch):
    fake = Fake()
    monkeypatch.setattr(detectors, "open_line_detector", lambda config, size: fake)
    return fake


def test_segments_have_the_stamp_frame_and_size_of_their_image_and_vanishing_points_on_demand():
    stage = LinesStage(LinesConfig(), lambda config, size: Fake())
    image = frame()
    outputs = dict(stage.step("image", image))
    lines, shown = outputs["lines"], outputs["lines_image"]
    assert (lines.stamp_ns, lines.frame_id, lines.size_px) == (NS, "front", (640, 480))
    assert shown.frame is image
    assert shown.vanishing().attitude.roll == pytest.approx(0.1, abs=1e-3)
    assert shown.vanishing() is shown.vanishing()
    assert stage.counters() == {"images": 1, "segments": len(SEGMENTS)}
    drawn = shown.draw().pixels
    assert drawn.any()
    assert not image.pixels.any()


def test_images_without_a_calibration_have_no_vanishing_points_and_depth_images_no_segments():
    stage = LinesStage(LinesConfig(), lambda config, size: Fake())
    shown = dict(stage.step("image", frame(camera=None)))["lines_image"]
    assert shown.vanishing() is None
    assert shown.draw().pixels.any()
    assert not list(stage.step("image", ImageFrame(NS, "front", np.ones((4, 4), dtype=np.float32))))
    assert stage.counters()["depth images skipped"] == 1


def test_refused_answers_degrade_and_then_fail_and_a_sound_one_heals():
    fake = Fake()
    stage = LinesStage(LinesConfig(), lambda config, size: fake)
    fake.error = ModelError("output is not finite")
    levels = []
    for _ in range(3):
        assert not list(stage.step("image", frame()))
        levels.append(stage.health().level)
    assert levels == [Level.DEGRADED, Level.DEGRADED, Level.FAILED]
    fake.error = None
    stage.step("image", frame())
    assert stage.health() == OK


def test_a_detector_that_is_not_there_is_tried_once():
    tries = []

    def fail(config, size):
        tries.append(size)
        raise ModelError("model 'gone' is unknown")

    stage = LinesStage(LinesConfig(), fail)
    for _ in range(3):
        with pytest.raises(ModelError, match="gone"):
            stage.step("image", frame())
    assert tries == [(480, 640)]


def test_the_pipeline_has_both_stages_where_they_are_enabled_and_can_be_fed():
    config = PerceptionConfig.model_validate({"lines": {"is_enabled": True}, "input": {"camera_topics": ["/a"]}})
    names = [stage.name for stage in FULL.enabled(config).fed_by(live_streams(config)).stages]
    assert names == ["odometry", "camera", "lines", "lines_3d"]
    assert [stage.name for stage in FULL.producing(["lines"]).stages] == ["camera", "lines"]
    assert [stage.name for stage in FULL.enabled(config).fed_by(["image_raw"]).stages] == ["camera", "lines"]


# In space: the robot drives at 5 m/s towards a wall with segments on it.


def wall_scan(end_ns):
    """A wall 10 m ahead at `end_ns`, seen over 0.1 s by a LiDAR in the camera."""
    y, z = np.meshgrid(np.linspace(-8.0, 8.0, 160), np.linspace(-6.0, 6.0, 90))
    offsets = np.sort(np.random.default_rng(0).integers(0, NS // 10, y.size))
    x = 10.0 + 5.0 * (0.1 - offsets / NS)
    points = np.stack([x, y.ravel(), z.ravel()], axis=1).astype(np.float32)
    return Scan(end_ns - NS // 10, "lidar", points, offsets, NS // 10)


def update(stamp_ns):
    odometry = Odometry(stamp_ns, np.eye(4), np.eye(6), np.array([5.0, 0.0, 0.0]), np.zeros(3))
    return OdometryUpdate(odometry, np.zeros((0, 3), dtype=np.float32), RegistrationReport(0, 0, 0, 0.0))


def rig(with_camera=True):
    places = TransformBuffer()
    places.set_static("base", "lidar", np.eye(4))
    if with_camera:
        places.set_static("base", "front", transform(OPTICAL, np.zeros(3)))
    return SensorRig("base", "lidar", np.eye(4), places=places)


def shown(stamp_ns, camera=CAMERA):
    return dict(LinesStage(LinesConfig(), lambda config, size: Fake()).step("image", frame(stamp_ns, camera)))[
        "lines_image"
    ]


def test_segments_get_the_depth_that_the_wall_has_at_the_time_of_the_image():
    stage = Lines3dStage(Lines3dConfig(max_std=1.0), rig())
    assert not list(stage.step("lines_image", shown(NS)))
    assert stage.counters() == {"images before the first pose": 1}
    stage.step("scan", wall_scan(NS))
    stage.step("odometry", update(NS))
    ((stream, found),) = stage.step("lines_image", shown(NS + NS // 10))
    assert stream == "lines_3d"
    assert len(found) > len(SEGMENTS) / 2
    np.testing.assert_allclose(found.ends[..., 2], 9.5, atol=0.05)  # half a metre later
    assert stage.health() == OK
    assert stage.T_odom_camera(shown(NS + NS // 10))[0, 3] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("places", "camera", "stamp_ns", "reason"),
    [
        (rig(False), CAMERA, NS, "no transform from 'base' to 'front'"),
        (SensorRig("base", "lidar", np.eye(4)), CAMERA, NS, "has no places of sensors"),
        (rig(), None, NS, "is not calibrated"),
        (rig(), CAMERA, 3 * NS, "2.00 s after that of the newest scan"),
    ],
)
def test_what_is_missing_is_an_error_that_is_told_and_nothing_is_guessed(places, camera, stamp_ns, reason):
    stage = Lines3dStage(Lines3dConfig(), places)
    stage.step("scan", wall_scan(NS))
    stage.step("odometry", update(NS))
    assert not list(stage.step("lines_image", shown(stamp_ns, camera)))
    assert stage.counters() == {"images without depth": 1}
    assert stage.health().level is Level.DEGRADED
    assert reason in stage.health().reason
    assert reason in stage.notes()[0]


def test_the_command_writes_the_layout_of_the_wireframe_set_and_annotated_images(tmp_path, fake):
    picture = np.zeros((480, 640, 3), dtype=np.uint8)
    assert cv2.imwrite(str(tmp_path / "street.png"), picture)
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    result = CliRunner().invoke(
        main, ["lines", str(tmp_path / "street.png"), str(tmp_path / "bad.jpg"), "--out", str(tmp_path / "out")]
    )
    assert result.exit_code == 3
    assert f"{len(SEGMENTS)} segments in 1 images" in result.output
    (entry,) = json.loads((tmp_path / "out" / "lines.json").read_text())
    assert (entry["filename"], entry["width"], entry["height"]) == ("street.png", 640, 480)
    np.testing.assert_allclose(entry["lines"], SEGMENTS, atol=0.006)
    assert len(entry["scores"]) == len(SEGMENTS)
    assert read_color(tmp_path / "out" / "annotated" / "street.png.jpg").any()


def test_what_the_command_writes_can_be_evaluated(tmp_path, fake):
    from perception.evaluation.lines_files import read_found

    assert cv2.imwrite(str(tmp_path / "street.png"), np.zeros((480, 640, 3), dtype=np.uint8))
    find_lines([tmp_path / "street.png"], PerceptionConfig(), tmp_path / "out")
    found = read_found(tmp_path / "out" / "lines.json").of("street.png", (640, 480))
    np.testing.assert_allclose(found.segments, SEGMENTS, atol=0.006)


def test_options_of_the_command_change_the_configuration():
    config = command_config(PerceptionConfig(), detector="lsd", score=0.65, is_flat=True)
    assert (config.lines.detector, config.lines.score_threshold, config.lines_3d.is_enabled) == ("lsd", 0.65, False)


def test_nothing_to_search_is_an_error(tmp_path, fake):
    with pytest.raises(InvalidInput, match="no image could be searched"):
        find_lines([tmp_path / "none"], PerceptionConfig())


def test_help_names_what_comes_out():
    text = CliRunner().invoke(main, ["lines", "--help"]).output
    for word in ("lines.json", "lines_3d.ply", "--detector", "Wireframe", "horizon"):
        assert word in text


def test_ply_lines_are_vertices_and_edges(tmp_path):
    ends = np.arange(18.0).reshape(3, 2, 3)
    write_ply_lines(tmp_path / "plain.ply", ends)
    write_ply_lines(tmp_path / "tinted.ply", ends, np.arange(9, dtype=np.uint8).reshape(3, 3))
    for name in ("plain.ply", "tinted.ply"):
        columns = read_ply(tmp_path / name)
        np.testing.assert_array_equal(np.stack([columns[axis] for axis in "xyz"], axis=1), ends.reshape(-1, 3))
    raw = (tmp_path / "plain.ply").read_bytes()
    assert b"element edge 3\nproperty int vertex1\nproperty int vertex2\n" in raw
    np.testing.assert_array_equal(np.frombuffer(raw[-24:], dtype="<i4"), range(6))
    write_ply_lines(tmp_path / "empty.ply", np.zeros((0, 2, 3)))
    assert len(read_ply(tmp_path / "empty.ply")["x"]) == 0


def test_open3d_reads_the_lines(tmp_path):
    open3d = pytest.importorskip("open3d", reason="open3d is not installed", exc_type=ImportError)
    ends = np.arange(12.0).reshape(2, 2, 3)
    write_ply_lines(tmp_path / "lines.ply", ends, np.full((2, 3), 255, dtype=np.uint8))
    read = open3d.io.read_line_set(str(tmp_path / "lines.ply"))
    np.testing.assert_array_equal(np.asarray(read.points), ends.reshape(-1, 3))
    np.testing.assert_array_equal(np.asarray(read.lines), [[0, 1], [2, 3]])
    assert np.asarray(read.colors).tolist() == [[1.0, 1.0, 1.0]] * 2
