import numpy as np
import pytest

from perception.core.errors import ConfigError, InvalidInput, ModelError
from perception.detection import detector as detectors
from perception.detection.config import DetectionConfig, NmsConfig
from perception.detection.detector import MAX_SIZES, Detector, check_card, nms_for, open_detector
from perception.inference.model_card import Model
from perception.kernels.images import planes_reference
from tests.unit.detection.fakes import CLASSES, SURE, FakeRuntime, card, detector

GREY = np.float32(114) / np.float32(255)


def picture(height=480, width=640, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_boxes_are_those_of_the_image_with_score_and_class():
    found = detector([(1, 100.0, 60.0, 180.0, 200.0, SURE)]).detect(picture())
    np.testing.assert_allclose(found.corners, [[100, 60, 180, 200]], atol=0.01)
    assert found.classes.tolist() == [1]
    np.testing.assert_allclose(found.scores, 1 / (1 + np.exp(-SURE)), rtol=1e-5)


def test_the_network_sees_the_pixels_of_a_fitting_image_as_they_are():
    found = detector()
    pixels = picture()
    found.detect(pixels)
    np.testing.assert_array_equal(found.runtime.seen[0], planes_reference(pixels))


def test_an_image_of_another_size_is_scaled_and_its_boxes_come_back():
    found = detector([(0, 64.0, 100.0, 128.0, 164.0, SURE)])
    boxes = found.detect(picture(720, 1280)).corners
    box = found.runtime.seen[0]
    assert box.shape == (3, 384, 640)
    assert (box[:, :12] == GREY).all()
    assert (box[:, -12:] == GREY).all()
    np.testing.assert_allclose(boxes, [[128, 176, 256, 304]], atol=0.02)


def test_images_of_changing_sizes_keep_their_borders_apart():
    found = detector()
    small, large = picture(50, 600), picture(480, 640, seed=1)
    for pixels in (small, large, small, large):
        found.detect(pixels)
    first, second, third, fourth = found.runtime.seen
    np.testing.assert_array_equal(first, third)
    np.testing.assert_array_equal(second, fourth)
    assert (third[:, 0] == GREY).all()


def test_buffers_are_made_once_for_a_size_and_not_without_end():
    found = detector()
    first = found.prepare(picture()).tensor
    assert found.prepare(picture(seed=1)).tensor is first
    for height in range(32, 32 + 2 * MAX_SIZES):
        found.prepare(picture(height, 40))
    assert len(found._inputs) == MAX_SIZES


def test_a_read_only_view_is_enough():
    pixels = picture()
    pixels.flags.writeable = False
    assert len(detector([(0, 100.0, 60.0, 180.0, 200.0, SURE)]).detect(pixels)) == 1
    large = picture(960, 1280)
    large.flags.writeable = False
    assert len(detector([(0, 100.0, 60.0, 180.0, 200.0, SURE)]).detect(large)) == 1


def test_a_grey_image_has_three_equal_planes():
    found = detector()
    grey = picture()[..., 0].copy()
    found.detect(grey)
    for plane in found.runtime.seen[0]:
        np.testing.assert_array_equal(plane, grey / np.float32(255))


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4, 3), dtype=np.float32),
        np.zeros((4, 4, 4), dtype=np.uint8),
        np.zeros(4, dtype=np.uint8),
        np.zeros((0, 4, 3), dtype=np.uint8),
        [[0]],
    ],
)
def test_other_arrays_are_refused(pixels):
    with pytest.raises(InvalidInput):
        detector().detect(pixels)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_answer_that_is_not_finite_is_refused_with_a_remedy(bad):
    with pytest.raises(ModelError, match=r"'p3' is not finite on fake with f32; use detection\.precision=f32"):
        detector([(0, 100.0, 60.0, 180.0, 200.0, SURE)], bad=bad).detect(picture())


def test_a_network_of_one_size_decides_about_the_letterbox():
    found = detector(shape=(1, 3, 320, 320))
    found.detect(picture())
    assert found.runtime.seen[0].shape == (3, 320, 320)
    assert (found.runtime.seen[0][:, :40] == GREY).all()


@pytest.mark.parametrize(
    ("fit", "shape"), [("rectangle", (480, 640)), ("square", (640, 640)), ("validation", (512, 672))]
)
def test_the_configuration_chooses_the_shape_of_the_input(fit, shape):
    assert detector(config=DetectionConfig(fit=fit)).prepare(picture()).tensor.shape == (1, 3, *shape)


def test_boxes_in_the_border_are_no_boxes_of_the_image():
    config = DetectionConfig(fit="square")
    boxes = [(0, 100.0, 10.0, 180.0, 70.0, SURE), (0, 100.0, 50.0, 180.0, 110.0, SURE)]
    found = detector(boxes, config).detect(picture())
    np.testing.assert_allclose(found.corners, [[100, 0, 180, 30]], atol=0.01)


def test_only_the_named_classes_are_reported():
    boxes = [(kind, 40.0 + 160 * kind, 60.0, 120.0 + 160 * kind, 200.0, SURE) for kind in range(3)]
    config = DetectionConfig(classes=("chair", "car"))
    assert sorted(detector(boxes, config).detect(picture()).classes.tolist()) == [0, 2]


def test_unknown_classes_are_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match="dog is unknown; the model has car, pedestrian, chair"):
        nms_for(DetectionConfig(classes=("dog",)), CLASSES)
    with pytest.raises(ConfigError, match="0 to 2"):
        nms_for(DetectionConfig(nms=NmsConfig(classes=(3,))), CLASSES)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"task": "segmentation"}, "task"),
        ({"classes": ("car",)}, "one for each of its 1 classes"),
        ({"outputs": [{"name": "p3", "shape": ("batch", 67, "height/8", "width/8")}]}, "outputs"),
        ({"inputs": [{"name": "images", "shape": ("batch", 3, "height", "width"), "dtype": "uint8"}]}, "inputs"),
    ],
)
def test_a_model_that_is_no_such_detector_is_refused(fields, why):
    with pytest.raises(ModelError, match=why):
        check_card(card(**fields))
    with pytest.raises(ModelError, match=why):
        Detector(Model(card(**fields), None), DetectionConfig(), FakeRuntime())


def test_opening_tells_the_runtime_the_shape_of_the_first_image(monkeypatch):
    asked = []

    def made(model, backend, precision, num_threads, shapes):
        asked.append((backend, precision, num_threads, shapes))
        return FakeRuntime()

    monkeypatch.setattr(detectors, "open_model", lambda name: Model(card(name=name), None))
    monkeypatch.setattr(detectors, "make_runtime", made)
    config = DetectionConfig(model="nano", backend="onnx", precision="f32", num_threads=2)
    found = open_detector(config, (720, 1280))
    assert asked == [("onnx", "f32", 2, {"images": (1, 3, 384, 640)})]
    assert found.runtime.warm == [{"images": (1, 3, 384, 640)}]
    assert found.card.name == "nano"
    found.close()
    assert found.runtime.num_closed == 1


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"backend": "abacus"}, "is unknown; use auto, torch"),
        ({"precision": "f8"}, "is unknown; use auto, f32"),
        ({"side": 100}, "multiple of 32"),
        ({"classes": ("car",), "nms": {"classes": (1,)}}, "names or numbers"),
    ],
)
def test_wrong_configurations_are_refused(values, why):
    with pytest.raises(ValueError, match=why):
        DetectionConfig.model_validate(values)
