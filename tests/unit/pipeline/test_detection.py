"""The detection stage by itself: cameras, tracks, refused answers, and a network that is not there."""

import numpy as np
import pytest

from perception.core.errors import MissingDependency, ModelError
from perception.core.health import OK, Level
from perception.core.types import ImageFrame
from perception.detection.config import DetectionConfig, NmsConfig
from perception.detection.tracking import appearance
from perception.pipeline.config import PerceptionConfig
from perception.pipeline.detection import DetectionStage, make_detection, warm_up_detection
from perception.pipeline.full import FULL, live_streams
from perception.pipeline.spec import MAX_SOURCES
from tests.unit.detection.fakes import CLASSES, SURE, detector

BOX = (2, 100.0, 60.0, 180.0, 200.0, SURE)
FAINT = -1.5  # a score of 0.18
PERIOD_NS = 50_000_000


class Bench:
    """A stage with a fake network that says `boxes` to every image."""

    def __init__(self, boxes=(BOX,), **config):
        self.opened, self.boxes = [], list(boxes)
        self.stage = DetectionStage(DetectionConfig.model_validate(config), self._open)
        self.number = 0

    def _open(self, config, size):
        self.opened.append((config, size))
        self.detector = detector(self.boxes, config)
        return self.detector

    def see(self, frame_id="front", pixels=None, stamp_ns=None):
        self.number += 1
        pixels = np.zeros((480, 640, 3), dtype=np.uint8) if pixels is None else pixels
        frame = ImageFrame(stamp_ns or self.number * PERIOD_NS, frame_id, pixels)
        return dict(self.stage.step("image", frame)), frame


def test_detections_have_the_stamp_frame_and_size_of_their_image():
    outputs, frame = Bench().see()
    found = outputs["detections"]
    assert (found.stamp_ns, found.frame_id, found.size_px) == (frame.stamp_ns, "front", (640, 480))
    assert found.class_names == CLASSES
    assert found.class_ids.tolist() == [2]
    np.testing.assert_allclose(found.boxes, [[100, 60, 180, 200]], atol=0.01)
    shown = outputs["detections_image"]
    assert shown.frame is frame
    assert shown.detections is found


def test_the_network_is_opened_once_with_the_first_image_and_its_size():
    bench = Bench()
    assert bench.stage.notes() == ()
    assert bench.stage.facts() == {}
    for frame_id in ("front", "rear", "front"):
        bench.see(frame_id)
    assert [size for _, size in bench.opened] == [(480, 640)]
    assert bench.stage.facts() == {"model": "fake", "backend": "fake, f32, cpu", "choice": "there is no other"}
    assert bench.stage.notes() == ("detection: fake on fake, f32, cpu: there is no other",)
    assert bench.stage.counters() == {"images": 3, "objects": 3}


def test_an_object_keeps_its_number_and_each_camera_counts_for_itself():
    bench = Bench()
    ids = [bench.see("front")[0]["detections"].track_ids.tolist() for _ in range(4)]
    assert ids[1:] == [[1], [1], [1]]
    bench.see("rear")
    assert bench.see("rear")[0]["detections"].track_ids.tolist() == [1]
    bench.stage.reset()
    ids = [bench.see("front")[0]["detections"].track_ids.tolist() for _ in range(3)]
    assert ids[0] == [0] and ids[2] == [2]  # a new track; its number was not given before
    assert len(bench.opened) == 1


def test_a_followed_object_is_reported_with_a_low_score_and_others_are_not():
    bench = Bench(tracking={"second_iou": 0.4})
    for _ in range(3):
        bench.see()
    bench.detector.runtime.boxes = [(*BOX[:5], FAINT), (0, 400.0, 300.0, 480.0, 400.0, FAINT)]
    found = bench.see()[0]["detections"]
    assert found.track_ids.tolist() == [1]
    assert found.scores[0] < DetectionConfig().nms.score_threshold


def test_without_tracking_nothing_is_followed_and_the_threshold_is_that_of_the_configuration():
    bench = Bench((BOX, (0, 400.0, 300.0, 480.0, 400.0, FAINT)), tracking={"is_enabled": False})
    for _ in range(3):
        found = bench.see()[0]["detections"]
        assert found.track_ids.tolist() == [0]
    assert bench.opened[0][0].nms == NmsConfig()
    assert not bench.stage._trackers


def test_cameras_that_change_their_names_do_not_fill_the_memory():
    bench = Bench()
    for number in range(3 * MAX_SOURCES):
        bench.see(f"camera {number}")
    assert len(bench.stage._trackers) == MAX_SOURCES


def test_depth_images_are_skipped_and_open_no_network():
    bench = Bench()
    outputs, _ = bench.see(pixels=np.ones((48, 64), dtype=np.float32))
    assert outputs == {}
    assert bench.opened == []
    assert bench.stage.counters() == {"depth images skipped": 1}


def test_grey_images_are_searched():
    outputs, _ = Bench().see(pixels=np.zeros((480, 640), dtype=np.uint8))
    assert len(outputs["detections"]) == 1
    assert outputs["detections_image"].draw().pixels.shape == (480, 640, 3)


def test_answers_that_are_not_finite_are_counted_refused_and_a_failure_when_they_go_on():
    bench = Bench()
    bench.see()
    assert bench.stage.health() == OK
    bench.detector.runtime.bad = np.inf
    levels = []
    for _ in range(4):
        assert bench.see()[0] == {}
        levels.append(bench.stage.health().level)
    assert levels == [Level.DEGRADED, Level.DEGRADED, Level.FAILED, Level.FAILED]
    assert "not finite" in bench.stage.health().reason
    assert bench.stage.counters()["answers refused"] == 4
    bench.detector.runtime.bad = None
    assert "detections" in bench.see()[0]
    assert bench.stage.health() == OK


@pytest.mark.parametrize("error", [ModelError("no such model"), MissingDependency("install it")])
def test_a_network_that_cannot_be_opened_is_told_at_every_image_and_tried_once(error):
    tried = []

    def fail(config, size):
        tried.append(size)
        raise error

    stage = DetectionStage(DetectionConfig(), fail)
    for _ in range(3):
        with pytest.raises(type(error), match=str(error)):
            stage.step("image", ImageFrame(1, "front", np.zeros((4, 4, 3), dtype=np.uint8)))
    assert len(tried) == 1


def test_a_model_that_is_not_there_is_named_with_those_that_are(monkeypatch, tmp_path):
    monkeypatch.setenv("PERCEPTION_MODELS", str(tmp_path))
    config = PerceptionConfig.model_validate({"detection": {"model": "no-such-model"}})
    with pytest.raises(ModelError, match="no-such-model"):
        make_detection(config).step("image", ImageFrame(1, "front", np.zeros((4, 4, 3), dtype=np.uint8)))


def test_warming_up_compiles_everything_that_an_image_needs():
    from perception.kernels import boxes, images, tracking

    warm_up_detection()
    kernels = [f for part in (boxes, images, tracking) for f in vars(part).values() if hasattr(f, "signatures")]
    before = [len(kernel.signatures) for kernel in kernels]
    bench = Bench()
    pixels = np.zeros((480, 640, 3), dtype=np.uint8)
    pixels.flags.writeable = False
    for _ in range(4):
        bench.see(pixels=pixels)
    assert [len(kernel.signatures) for kernel in kernels] == before
    assert all(before)


def test_detection_is_part_of_the_whole_pipeline_where_it_is_enabled():
    values = {"input": {"camera_topics": ["/cam/image_raw"]}, "detection": {"is_enabled": True}}
    config = PerceptionConfig.model_validate(values)
    stages = FULL.enabled(config).fed_by(live_streams(config)).stages
    assert [stage.name for stage in stages] == ["odometry", "camera", "detection"]
    assert [stage.name for stage in FULL.producing(["detections"]).stages] == ["camera", "detection"]
    without = PerceptionConfig.model_validate({"detection": {"is_enabled": True}})
    assert [s.name for s in FULL.enabled(without).fed_by(live_streams(without)).stages] == ["odometry"]


def test_cameras_share_the_network_that_compares_looks(monkeypatch):
    opened = []

    class Looks:
        dimensions = 2

        def embed(self, pixels, corners):
            return np.tile(np.array([1.0, 0.0], dtype=np.float32), (len(corners), 1))

    monkeypatch.setattr(appearance, "open_appearance", lambda config: opened.append(Looks()) or opened[-1])
    bench = Bench(tracking={"appearance": {"is_enabled": True}})
    for frame_id in ("front", "rear") * 3:
        found = bench.see(frame_id)[0]["detections"]
    assert found.track_ids.tolist() == [1]
    assert len(opened) == 1
    assert all(tracker.appearance is opened[0] for tracker in bench.stage._trackers.values())


def test_without_the_network_that_compares_looks_there_are_no_detections(monkeypatch, tmp_path):
    monkeypatch.setenv("PERCEPTION_MODELS", str(tmp_path))
    bench = Bench(tracking={"appearance": {"is_enabled": True, "model": "no-such-model"}})
    for _ in range(2):
        with pytest.raises(ModelError, match="no-such-model"):
            bench.see()
    assert not bench.opened
