import numpy as np
import pytest
from pydantic import ValidationError

from perception.core.cameras import CameraModel
from perception.core.health import OK, Level
from perception.core.stamps import NS_PER_S
from perception.core.types import ImageFrame
from perception.io.camera_info import Rectifier, crop_frame
from perception.pipeline.camera import CameraConfig, CameraStage
from perception.pipeline.config import PerceptionConfig
from perception.pipeline.full import FULL, live_streams
from perception.pipeline.replay import replay
from perception.pipeline.spec import Pipeline, Stage, latest

K = np.array([[50.0, 0.0, 31.5], [0.0, 52.0, 23.5], [0.0, 0.0, 1.0]])
IDEAL = CameraModel(64, 48, K)
BENT = CameraModel(64, 48, K, "plumb_bob", np.array([-0.2, 0.05, 0.001, 0.0, 0.0]))
PICTURE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
START_NS = 1_700_000_000 * NS_PER_S
WINDOW = (8, 4, 40, 30)


def frame(time=0.0, camera=BENT, frame_id="left", pixels=PICTURE):
    return ImageFrame(START_NS + round(time * NS_PER_S), frame_id, pixels, camera)


def out(stage, item):
    ((stream, found),) = stage.step("image_raw", item)
    assert stream == "image"
    return found


def test_a_calibrated_image_is_rectified_and_says_which_camera_sees_it():
    stage = CameraStage(CameraConfig())
    found = out(stage, frame())
    np.testing.assert_array_equal(found.pixels, Rectifier(BENT).apply(PICTURE))
    assert found.camera.distortion == "none"
    assert (found.stamp_ns, found.frame_id) == (START_NS, "left")
    assert stage.counters() == {"images": 1, "rectified": 1}
    assert stage.health() == OK


@pytest.mark.parametrize("config", [{"rectify": False}, {"crop": ()}])
def test_an_image_that_needs_nothing_is_passed_on_itself(config):
    item = frame(camera=IDEAL)
    assert out(CameraStage(CameraConfig(**config)), item) is item


def test_rectification_can_be_switched_off():
    item = frame()
    assert out(CameraStage(CameraConfig(rectify=False)), item) is item


@pytest.mark.parametrize("camera", [IDEAL, BENT, None])
def test_the_configured_part_is_cut_from_the_rectified_image(camera):
    item = frame(camera=camera)
    found = out(CameraStage(CameraConfig(crop=WINDOW)), item)
    whole = out(CameraStage(CameraConfig()), item)
    np.testing.assert_array_equal(found.pixels, crop_frame(whole, WINDOW).pixels)
    if camera is not None:
        np.testing.assert_array_equal(found.camera.K[:2, 2], K[:2, 2] - WINDOW[:2])


def test_an_uncalibrated_image_passes_as_it_is_and_the_stage_says_so():
    stage = CameraStage(CameraConfig())
    item = frame(camera=None)
    assert out(stage, item) is item
    assert stage.health().level is Level.DEGRADED
    assert "camera 'left' is not calibrated" in stage.health().reason
    assert "publish its camera_info, or set camera.rectify=false" in stage.notes()[0]
    assert CameraStage(CameraConfig(rectify=False)).health() == OK


def test_the_maps_are_made_once_for_each_calibration():
    stage = CameraStage(CameraConfig())
    cameras = [out(stage, frame(time)).camera for time in (0.0, 0.1)]
    assert cameras[0] is cameras[1]
    zoomed = CameraModel(64, 48, K * [[2.0], [2.0], [1.0]], BENT.distortion, BENT.D)
    assert out(stage, frame(0.2, zoomed)).camera.K[0, 0] == 100.0


def test_a_window_outside_the_image_refuses_the_image_and_nothing_else():
    stage = CameraStage(CameraConfig(crop=(60, 0, 10, 10)))
    assert list(stage.step("image_raw", frame())) == []
    assert "10x10 at (60, 0) is no part of an image of 64x48" in stage.health().reason
    assert stage.counters()["refused"] == 1


@pytest.mark.parametrize("crop", [(1, 2, 3), (-1, 0, 5, 5), (0, 0, 0, 5), (1, 2, 3, 4, 5)])
def test_a_window_that_is_none_is_refused_in_the_configuration(crop):
    with pytest.raises(ValidationError, match="expected left, top >= 0 and width, height >= 1"):
        CameraConfig(crop=crop)


def test_a_camera_that_falls_silent_beside_others_is_named_until_it_is_back():
    stage = CameraStage(CameraConfig(max_gap=0.5))
    for time in (0.0, 0.1):
        for name in ("left", "right"):
            out(stage, frame(time, frame_id=name))
    for time in (0.2, 0.4, 0.7):
        out(stage, frame(time))
    assert stage.health().level is Level.DEGRADED
    assert "camera 'right' is 0.6 s behind the others" in stage.health().reason
    out(stage, frame(0.7, frame_id="right"))
    assert stage.health() == OK


def test_a_clock_moved_back_makes_no_camera_silent():
    stage = CameraStage(CameraConfig())
    for time in (100.0, 100.1, 5.0, 5.1):
        for name in ("left", "right"):
            out(stage, frame(time, frame_id=name))
    assert stage.health() == OK
    assert stage.counters()["rewinds"] == 1


def test_depth_and_colour_of_one_frame_are_two_cameras():
    stage = CameraStage(CameraConfig())
    depth = np.random.default_rng(1).uniform(1.0, 9.0, (48, 64)).astype(np.float32)
    for _ in range(2):
        assert out(stage, frame()).pixels.dtype == np.uint8
        found = out(stage, frame(pixels=depth)).pixels
        assert np.isin(found[~np.isnan(found)], depth).all()
    assert stage.counters()["rectified"] == 4


def worker(*_):
    raise AssertionError("made")


def stages(**reads_writes):
    return Pipeline(
        tuple(Stage(name, worker, reads, writes, latest(), 50) for name, (reads, writes) in reads_writes.items())
    )


CHAIN = stages(
    camera=(("image_raw",), ("image",)),
    odometry=(("scan", "imu"), ("odometry",)),
    detection=(("image",), ("detections",)),
    mapping=(("odometry", "detections"), ("map",)),
)


def names(pipeline):
    return [stage.name for stage in pipeline.stages]


@pytest.mark.parametrize(
    ("results", "kept", "inputs"),
    [
        (["odometry"], ["odometry"], ("scan", "imu")),
        (["detections"], ["camera", "detection"], ("image_raw",)),
        (["map"], ["camera", "odometry", "detection", "mapping"], ("image_raw", "scan", "imu")),
        (["nothing"], [], ()),
    ],
)
def test_only_the_stages_that_results_need_are_kept(results, kept, inputs):
    assert names(CHAIN.producing(results)) == kept
    assert CHAIN.producing(results).inputs() == inputs


def test_a_stage_whose_input_cannot_come_is_left_out_with_those_behind_it():
    assert names(CHAIN.fed_by(("scan", "imu"))) == ["odometry"]
    assert names(CHAIN.fed_by(("image_raw",))) == ["camera", "detection"]
    assert CHAIN.only(["detection"]).inputs() == ("image",)


def test_cameras_run_live_only_where_they_are_configured():
    config = PerceptionConfig.model_validate({"input": {"camera_topics": ["/cam/image_raw"]}})
    assert names(FULL.enabled(PerceptionConfig()).fed_by(live_streams(PerceptionConfig()))) == ["odometry"]
    assert names(FULL.enabled(config).fed_by(live_streams(config))) == ["odometry", "camera"]


class Reader:
    """A recording that tells which streams it was asked for, and gives images alone."""

    rig, num_scans = None, 0

    def __init__(self):
        self.asked = []

    def events(self, streams=("scan", "imu")):
        self.asked.append(tuple(streams))
        return iter([frame(), frame(0.1)] if "image_raw" in streams else [])


def test_a_replay_asks_for_images_only_when_a_chosen_stage_wants_them(monkeypatch):
    from perception.core.errors import InvalidInput
    from perception.pipeline import stages as module
    from tests.unit.pipeline.test_stages import RecordingCore

    monkeypatch.setattr(module, "LidarInertialOdometry", RecordingCore)
    for chosen, asked in ((None, ("scan", "imu")), (["camera"], ("image_raw",)), (["camera", "odometry"], STREAMS)):
        reader = Reader()
        with pytest.raises((InvalidInput, AttributeError)):  # neither gives a pose that could be kept
            replay(reader, PerceptionConfig(), stages=chosen)
        assert reader.asked == [asked]


STREAMS = ("scan", "imu", "image_raw")
