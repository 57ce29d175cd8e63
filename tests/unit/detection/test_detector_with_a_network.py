"""The detector with a real network: an exported LeYOLO of random weights, against torch and the plain decoder."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("safetensors")

from perception.core.types import ImageFrame  # noqa: E402
from perception.detection.boxes import overlaps  # noqa: E402
from perception.detection.config import DetectionConfig, NmsConfig  # noqa: E402
from perception.detection.decode import decode  # noqa: E402
from perception.detection.detector import open_detector  # noqa: E402
from perception.detection.nms import detections  # noqa: E402
from perception.inference.export import Description, write_leyolo  # noqa: E402
from perception.pipeline.detection import DetectionStage  # noqa: E402
from tests.unit.inference import leyolos  # noqa: E402

CLASSES = tuple(f"thing {row}" for row in range(5))
SIZE = (96, 160)  # height and width of the images, px
NUM_COMPARED = 15
STORED = 1e-3  # of a score: files hold weights in half precision
USE = NmsConfig(score_threshold=0.5, max_detections=20)


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    """Path of the card of a small network."""
    description = Description(name="tried", classes=CLASSES, licence="Apache-2.0", training_data="Nothing.")
    model = write_leyolo(leyolos.network(), description, tmp_path_factory.mktemp("models"))
    return str(model.folder / "tried.json")


def configured(card, **fields):
    values = {"model": card, "backend": "onnx", "num_threads": 1, "side": 160, "nms": USE, **fields}
    return DetectionConfig.model_validate(values)


def picture(height=SIZE[0], width=SIZE[1], seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_boxes_are_those_of_torch_and_the_plain_decoder(card):
    pixels = picture()
    found = open_detector(configured(card), SIZE).detect(pixels)
    planes = torch.from_numpy((pixels / np.float32(255)).transpose(2, 0, 1)[None])
    with torch.inference_mode():
        outputs = [output[0].numpy() for output in leyolos.network()(planes)]
    expected = detections(decode(outputs), USE)
    assert len(found) == len(expected) == USE.max_detections
    limits = np.array([SIZE[1], SIZE[0]] * 2, dtype=np.float32)
    alike = overlaps(found.corners, np.clip(expected.corners, 0, limits))
    alike *= found.classes[:, None] == expected.classes[None, :]
    partners = alike.argmax(axis=1)[:NUM_COMPARED]  # the last ones may differ: their scores are almost equal
    assert (alike[np.arange(NUM_COMPARED), partners] > 0.98).all()
    np.testing.assert_allclose(found.scores[:NUM_COMPARED], expected.scores[partners], atol=STORED)


def test_images_of_other_sizes_need_no_other_network(card):
    detector = open_detector(configured(card), SIZE)
    for height, width in ((200, 160), (96, 160), (33, 500)):
        corners = detector.detect(picture(height, width)).corners
        assert len(corners)
        assert (corners >= 0).all()
        assert (corners <= [width, height, width, height]).all()
    detector.close()


def test_the_stage_says_which_network_runs_where(card):
    stage = DetectionStage(configured(card))
    outputs = dict(stage.step("image", ImageFrame(1, "front", picture())))
    assert outputs["detections"].class_names == CLASSES
    assert len(outputs["detections"])
    assert stage.facts()["model"] == "tried"
    assert stage.facts()["backend"].startswith("onnx, f32")
