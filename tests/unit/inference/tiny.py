"""A tiny model with its card, made on the spot: two convolutions, one output at half the size."""

from pathlib import Path

import numpy as np

from perception.inference.model_card import Model, ModelCard, file_entry, write_card

CHANNELS, OUTPUTS, KERNEL = 3, 4, 3
SHAPE = ("batch", CHANNELS, "height", "width")


def weights(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(OUTPUTS, CHANNELS, KERNEL, KERNEL)).astype(np.float32),
        rng.normal(size=OUTPUTS).astype(np.float32),
    )


def reference(images: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
    """What the tiny model computes, in float64."""
    weight, bias = weights(seed)
    padded = np.pad(images.astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (KERNEL, KERNEL), axis=(2, 3))
    full = np.maximum(np.einsum("bchwij,ocij->bohw", windows, weight) + bias[None, :, None, None], 0)
    return {"full": full, "half": full[:, :, ::2, ::2]}


def onnx_bytes(seed: int = 0) -> bytes:
    from onnx import TensorProto, checker, helper, numpy_helper

    weight, bias = weights(seed)
    identity = np.eye(OUTPUTS, dtype=np.float32)[:, :, None, None]
    nodes = [
        helper.make_node("Conv", ["images", "weight", "bias"], ["sums"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["sums"], ["full"]),
        helper.make_node("Conv", ["full", "identity"], ["half"], strides=[2, 2]),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "tiny",
        [value("images", TensorProto.FLOAT, list(SHAPE))],
        [
            value("full", TensorProto.FLOAT, ["batch", OUTPUTS, "height", "width"]),
            value("half", TensorProto.FLOAT, ["batch", OUTPUTS, "h2", "w2"]),
        ],
        [numpy_helper.from_array(a, n) for n, a in (("weight", weight), ("bias", bias), ("identity", identity))],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    return model.SerializeToString()


def card(folder: Path, **fields) -> ModelCard:
    values = {
        "name": "tiny",
        "family": "tiny",
        "task": "testing",
        "inputs": [{"name": "images", "shape": SHAPE}],
        "outputs": [
            {"name": "full", "shape": ("batch", OUTPUTS, "height", "width")},
            {"name": "half", "shape": ("batch", OUTPUTS, "height/2", "width/2")},
        ],
        "multiples": {"height": 2, "width": 2},
        "input_size": (8, 12),
        "licence": "Apache-2.0",
        "training_data": "None: random numbers.",
        "is_generated_data": True,
        "files": {"onnx": file_entry(folder / "tiny.onnx")},
        "opset": 17,
        "metrics": {"ap_loss_bf16": 0.1},
    }
    return ModelCard.model_validate({**values, **fields})


def tiny_model(folder: Path, seed: int = 0, **fields) -> Model:
    """The model written to a folder with its card."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tiny.onnx").write_bytes(onnx_bytes(seed))
    made = card(folder, **fields)
    write_card(made, folder / "tiny.json")
    return Model(made, folder)


def images(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)
