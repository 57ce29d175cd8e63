import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("safetensors")

from perception.core.errors import ModelError  # noqa: E402
from perception.detection import decode, nms  # noqa: E402
from perception.detection.config import NmsConfig  # noqa: E402
from perception.inference.detection_graph import HEADS, with_decode, with_nms  # noqa: E402
from perception.inference.export import (  # noqa: E402
    TOLERANCE,
    Description,
    agreement,
    compare,
    leyolo_graph,
    raw_graph,
    write_leyolo,
)
from perception.inference.model_card import open_model  # noqa: E402
from perception.inference.onnx import evaluator  # noqa: E402
from perception.inference.onnx_graph import axes_of, opset, read, tidied  # noqa: E402
from perception.inference.precision import compressed, half, uncompressed  # noqa: E402
from perception.inference.quantization import (  # noqa: E402
    Calibration,
    calibrated,
    quantised,
    quantised_convolutions,
    quantised_weight,
)
from perception.networks.export import exported_leyolo  # noqa: E402
from tests.shared import shared  # noqa: E402
from tests.unit.inference import leyolos  # noqa: E402

CLASSES = tuple(f"thing {row}" for row in range(5))
DESCRIPTION = Description(name="tried", classes=CLASSES, licence="Apache-2.0", training_data="Nothing.")


def computed(graph, images: np.ndarray) -> dict[str, np.ndarray]:
    return evaluator(graph.SerializeToString())({"images": images})


def relative(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> float:
    largest = max(np.abs(array).max() for array in first.values())
    return max(float(np.abs(array - second[name]).max()) for name, array in first.items()) / largest


@pytest.mark.parametrize(
    ("size", "activation"),
    [
        ("nano", "silu"),
        ("nano", "hard_swish"),
        ("medium", "silu"),
        *(
            pytest.param(size, activation, marks=pytest.mark.long)
            for size, activation in (("small", "silu"), ("small", "hard_swish"), ("large", "hard_swish"))
        ),
    ],
)
def test_an_exported_network_computes_what_torch_computes(size, activation):
    network = leyolos.network(size, activation)
    assert compare(network, leyolos.graph(size, activation), TOLERANCE) < TOLERANCE


def test_an_exported_network_states_its_opset_names_its_axes_and_has_few_kinds_of_nodes():
    graph = leyolos.graph(activation="hard_swish")
    assert opset(graph) == 17
    assert axes_of(graph, "images") == ("batch", 3, "height", "width")
    assert axes_of(graph, "p4") == ("batch", 69, "height/16", "width/16")
    kinds = [node.op_type for node in graph.graph.node]
    assert set(kinds) == {"Conv", "HardSwish", "Add", "Concat", "MaxPool", "Resize"}
    assert kinds.count("HardSwish") == 70
    silu = [node.op_type for node in leyolos.graph().graph.node]
    assert silu.count("Sigmoid") == silu.count("Mul") == 70
    assert "BatchNormalization" not in silu


def test_export_writes_the_same_bytes_each_time():
    again = leyolo_graph(leyolos.network())
    assert again.SerializeToString(deterministic=True) == leyolos.graph().SerializeToString(deterministic=True)


def test_a_network_is_written_as_weights_onnx_and_card_and_opens_again(tmp_path: Path):
    written = write_leyolo(leyolos.network(), DESCRIPTION, tmp_path)
    model = open_model(str(tmp_path / "tried.json"))
    assert model.card == written.card
    assert model.card.opset == 17
    assert model.card.classes == CLASSES
    assert "1x3x64x96" in model.card.metrics["onnx_agreement"]
    assert json.loads((tmp_path / "tried.json").read_text())["multiples"] == {"height": 32, "width": 32}
    assert model.path("onnx").stat().st_size < 0.55 * model.path("weights").stat().st_size
    graph = raw_graph(model)
    assert compare(leyolos.network(), graph, 2e-2) < 2e-2
    assert not [node for node in graph.graph.node if node.op_type == "Cast"]


def test_classes_that_the_network_does_not_have_are_refused(tmp_path: Path):
    with pytest.raises(ModelError, match="classes: 1 names, the network has 5"):
        write_leyolo(leyolos.network(), DESCRIPTION.model_copy(update={"classes": ("a",)}), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_network_that_differs_from_its_file_is_refused():
    other = leyolos.graph(activation="hard_swish")
    with pytest.raises(ModelError, match="differs from torch"):
        compare(leyolos.network(), other, TOLERANCE)
    with pytest.raises(ModelError, match="differs from float32"):
        agreement(leyolos.graph(), other, {"images": leyolos.images(1, 3, 32, 32)}, 1e-3)


@pytest.mark.parametrize("data", [b"", b"text", b"\x08\x08"])
def test_what_is_no_network_is_refused(data):
    with pytest.raises(ModelError, match="ONNX"):
        read(data)


def test_tidying_keeps_what_the_network_computes():
    raw = read(exported_leyolo(leyolos.network()))
    images = leyolos.images(1, 3, 32, 64)
    assert relative(computed(raw, images), computed(tidied(raw), images)) == 0
    assert len(tidied(raw).graph.node) < len(raw.graph.node)


# Ends of the network.


@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (3, 3, 96, 160)])
def test_the_decoding_end_equals_that_of_the_detector(shape):
    images = leyolos.images(*shape)
    raw = computed(leyolos.graph(), images)
    decoded = computed(with_decode(leyolos.graph()), images)["decoded"]
    for row, found in enumerate(decoded):
        want = decode.decode([raw[head][row] for head in HEADS])
        np.testing.assert_allclose(found, want, atol=1e-3, rtol=1e-5)


@pytest.mark.parametrize("score_threshold", [0.0, 0.25, 0.6, 0.999])
@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (4, 3, 96, 160)])
def test_the_suppressing_end_equals_that_of_the_detector(shape, score_threshold):
    images = leyolos.images(*shape, seed=3)
    raw = computed(leyolos.graph(), images)
    found = computed(with_nms(leyolos.graph(), score_threshold, 0.5), images)
    assert found["detections"].shape == (shape[0], 300, 6)
    for row in range(shape[0]):
        config = NmsConfig(score_threshold=score_threshold, iou_threshold=0.5)
        want = nms.detections_from_outputs([raw[head][row] for head in HEADS], config)
        count = int(found["num_detections"][row])
        assert count == len(want)
        boxes = found["detections"][row]
        np.testing.assert_allclose(boxes[:count, :4], want.corners, atol=2e-3)
        np.testing.assert_allclose(boxes[:count, 4], want.scores, atol=1e-5)
        np.testing.assert_array_equal(boxes[:count, 5], want.classes)
        assert not boxes[count:].any()


def test_the_suppressing_end_returns_no_more_than_its_limit():
    found = computed(with_nms(leyolos.graph(), 0.0, 1.0, 7), leyolos.images(2, 3, 64, 64))
    assert found["detections"].shape == (2, 7, 6)
    assert found["num_detections"].tolist() == [7, 7]
    assert (np.diff(found["detections"][:, :, 4]) <= 0).all()


def test_the_published_network_finds_on_the_photo_what_it_should():
    from perception.networks.leyolo import LeYolo
    from perception.networks.leyolo_graph import LeYoloConfig
    from perception.networks.weights import load_ordered

    with np.load(shared("parity/leyolo_nano.npz"), allow_pickle=False) as file:
        network = LeYolo(LeYoloConfig()).eval()
        load_ordered(network, [file[f"sd_{row:04d}"] for row in range(557)], list(file["sd_names"]))
        pixels, want = file["bus_letterboxed_rgb_u8"], file["bus_det_letterbox_conf25_iou70"]
    images = pixels.transpose(2, 0, 1)[None].astype(np.float32) / 255
    found = computed(with_nms(leyolo_graph(network), 0.25, 0.7), images)
    assert found["num_detections"].tolist() == [len(want)]
    boxes = found["detections"][0, : len(want)]
    np.testing.assert_array_equal(boxes[:, 5], want[:, 5])
    np.testing.assert_allclose(boxes[:, :4], want[:, :4], atol=0.02)
    np.testing.assert_allclose(boxes[:, 4], want[:, 4], atol=1e-4)


def test_an_end_needs_raw_heads_in_float32():
    with pytest.raises(ModelError, match="expected the raw heads"):
        with_nms(with_decode(leyolos.graph()), 0.25, 0.7)


# Precision.


def test_stored_halves_become_what_they_were_but_for_rounding():
    graph = leyolos.graph()
    small = compressed(graph)
    assert len(small.SerializeToString()) < 0.55 * len(graph.SerializeToString())
    images = leyolos.images(1, 3, 64, 64)
    again = uncompressed(small)
    assert relative(computed(graph, images), computed(again, images)) < 1e-2
    assert relative(computed(small, images), computed(again, images)) < 1e-5
    assert [node.op_type for node in again.graph.node] == [node.op_type for node in graph.graph.node]


def test_values_that_float16_cannot_hold_stay_as_they_are():
    graph = leyolos.graph()
    large = read(graph.SerializeToString())
    tensor = large.graph.initializer[0]
    values = onnx.numpy_helper.to_array(tensor) * np.float32(1e9)
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    kept = {item.name: item.data_type for item in compressed(large).graph.initializer}
    assert kept[tensor.name] == onnx.TensorProto.FLOAT


@pytest.mark.parametrize("activation", ["silu", "hard_swish"])
def test_a_network_in_float16_keeps_its_tensors_and_nearly_what_it_computes(activation):
    graph = leyolos.graph(activation=activation)
    small = half(graph)
    images = leyolos.images(2, 3, 64, 96)
    assert 0 < relative(computed(graph, images), computed(small, images)) < 3e-2
    kinds = {tensor.name: tensor.data_type for tensor in small.graph.initializer}
    weights = [node.input[1] for node in small.graph.node if node.op_type == "Conv"]
    assert {kinds[name] for name in weights} == {onnx.TensorProto.FLOAT16}
    assert computed(with_nms(small, 0.25, 0.7), images)["num_detections"].dtype == np.int32


# INT8.


def test_int8_stays_near_and_weights_are_stored_as_bytes():
    graph = leyolos.graph()
    images = leyolos.images(1, 3, 64, 96)
    small = quantised(graph, calibrated(graph, [{"images": images}], Calibration(100)))
    assert 0 < relative(computed(graph, images), computed(small, images)) < 0.3
    assert len(small.SerializeToString()) < 0.5 * len(graph.SerializeToString())


def test_int8_has_one_symmetric_pair_per_activation_and_no_integer_bias():
    graph = leyolos.graph()
    small = quantised(graph, calibrated(graph, [{"images": leyolos.images(1, 3, 32, 32)}]))
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in small.graph.initializer}
    inputs = [node.input[0] for node in small.graph.node if node.op_type == "QuantizeLinear"]
    assert len(inputs) == len(set(inputs))
    for node in small.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            assert not constants[node.input[2]].any()
            assert constants[node.input[2]].dtype == np.int8
            assert (constants[node.input[1]] > 0).all()
    assert not [array for array in constants.values() if array.dtype == np.int32]


def test_the_first_the_last_and_depthwise_convolutions_stay_in_float32():
    graph = leyolos.graph()
    chosen = quantised_convolutions(graph)
    assert len([node for node in graph.graph.node if node.op_type == "Conv"]) == 100
    assert "images" not in {node.input[0] for node in chosen}
    assert all(attribute.i == 1 for node in chosen for attribute in node.attribute if attribute.name == "group")
    num_depthwise = 24 + 3 * 4  # bottlenecks, and two per branch of the head
    assert len(chosen) == 100 - num_depthwise - 1 - 6
    assert not [node.name for node in chosen if node.name.endswith(".3/Conv")]  # of the head


def test_weights_of_a_channel_use_the_whole_range_of_int8():
    weight = np.array([[[[1.0, -0.5]]], [[[0.001, 0.0]]], [[[0.0, 0.0]]]], dtype=np.float32)
    values, scales = quantised_weight(weight)
    assert values.reshape(3, 2).tolist() == [[127, -64], [127, 0], [0, 0]]
    np.testing.assert_allclose(values * scales.reshape(3, 1, 1, 1), weight, atol=0.004)


def test_ranges_grow_with_images_and_shrink_with_the_percentile():
    graph = leyolos.graph()
    dark, light = {"images": leyolos.images(1, 3, 32, 32) * 0.1}, {"images": leyolos.images(1, 3, 32, 32, seed=1)}
    one, both = calibrated(graph, [dark]), calibrated(graph, [dark, light])
    assert all(both[name] >= one[name] for name in one)
    lower = calibrated(graph, [dark, light], Calibration(90))
    assert all(lower[name] <= both[name] for name in one)
    assert sum(lower.values()) < sum(both.values())


def test_a_calibration_without_images_or_for_another_network_is_refused():
    graph = leyolos.graph()
    with pytest.raises(ModelError, match="no range for the activation"):
        quantised(graph, {})
    with pytest.raises(ValueError, match="no inputs"):
        calibrated(graph, [])
    with pytest.raises(ValueError, match="percentile"):
        Calibration(10)
