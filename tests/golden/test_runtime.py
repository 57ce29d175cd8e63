"""The published LeYOLO-Nano through every backend of the runtime. Its weights are AGPL: tests alone may read them."""

import numpy as np
import pytest

from perception.detection.decode import decode
from perception.detection.nms import NmsConfig, detections_from_outputs
from perception.inference.model_card import Model, ModelCard, file_entry
from perception.inference.runtime import Runtime, make_runtime
from tests.shared import shared

LEVELS = ("p3", "p4", "p5")
NUM_ARRAYS = 557
HEADS, PIXELS, SCORES = 2e-4, 5e-3, 2e-5  # largest differences, as the fixture states them
DETECTED_PIXELS, DETECTED_SCORES = 0.02, 1e-4
PACKAGES = {"torch": "torch", "onnx": "onnxruntime", "openvino": "openvino"}


@pytest.fixture(scope="module")
def stored() -> dict[str, np.ndarray]:
    with np.load(shared("parity/leyolo_nano.npz"), allow_pickle=False) as file:
        return dict(file)


@pytest.fixture(scope="module")
def model(stored, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The published network as a model with a card, its ONNX file in float32 throughout."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    pytest.importorskip("onnx")
    from perception.inference.export import leyolo_graph
    from perception.networks.leyolo import LeYolo
    from perception.networks.leyolo_graph import LeYoloConfig
    from perception.networks.weights import load_ordered, save_leyolo

    torch.set_num_threads(1)
    network = LeYolo(LeYoloConfig()).eval()
    load_ordered(network, [stored[f"sd_{row:04d}"] for row in range(NUM_ARRAYS)])
    folder = tmp_path_factory.mktemp("published")
    weights, onnx = folder / "published.safetensors", folder / "published.onnx"
    save_leyolo(network, weights)
    onnx.write_bytes(leyolo_graph(network).SerializeToString())
    channels = stored["head_p3"].shape[1]
    card = {
        "name": "published",
        "family": "leyolo",
        "task": "detection",
        "network": network.config.model_dump(mode="json"),
        "inputs": [{"name": "images", "shape": ["batch", 3, "height", "width"]}],
        "outputs": [
            {"name": level, "shape": ["batch", channels, f"height/{stride}", f"width/{stride}"]}
            for level, stride in zip(LEVELS, (8, 16, 32))
        ],
        "multiples": {"height": 32, "width": 32},
        "licence": "AGPL-3.0",
        "training_data": "COCO train2017.",
        "files": {"weights": file_entry(weights), "onnx": file_entry(onnx)},
    }
    return Model(ModelCard.model_validate(card), folder)


@pytest.fixture(scope="module", params=PACKAGES)
def runtime(request: pytest.FixtureRequest, model: Model):
    pytest.importorskip(PACKAGES[request.param])
    made = make_runtime(model, request.param, "f32", num_threads=1)
    yield made
    made.close()


def difference(have: np.ndarray, want: np.ndarray) -> float:
    return float(np.abs(have - want).max())


def test_heads_and_boxes_are_those_of_the_reference(runtime: Runtime, stored) -> None:
    outputs = runtime.infer({"images": stored["input"]})
    for level in LEVELS:
        assert difference(outputs[level], stored[f"head_{level}"]) < HEADS
    decoded = decode([outputs[level][0] for level in LEVELS])
    assert difference(decoded[:4], stored["decoded"][0, :4]) < PIXELS
    assert difference(decoded[4:], stored["decoded"][0, 4:]) < SCORES


def test_objects_in_a_photo_are_those_of_the_reference(runtime: Runtime, stored) -> None:
    pixels = stored["bus_letterboxed_rgb_u8"].transpose(2, 0, 1)[None].astype(np.float32) / 255
    outputs = runtime.infer({"images": pixels})
    found = detections_from_outputs([outputs[level][0] for level in LEVELS], NmsConfig())
    want = stored["bus_det_letterbox_conf25_iou70"]
    assert difference(found.corners, want[:, :4]) < DETECTED_PIXELS
    assert difference(found.scores, want[:, 4]) < DETECTED_SCORES
    np.testing.assert_array_equal(found.classes, want[:, 5])


def test_a_batch_is_its_images_one_by_one(runtime: Runtime, stored) -> None:
    pixels = stored["input"]
    both = np.concatenate([pixels, pixels[:, :, ::-1]])
    outputs = {name: values.copy() for name, values in runtime.infer({"images": both}).items()}
    second = runtime.infer({"images": np.ascontiguousarray(both[1:])})
    for level in LEVELS:
        assert difference(outputs[level][0], stored[f"head_{level}"][0]) < HEADS
        assert difference(outputs[level][1], second[level][0]) < HEADS
