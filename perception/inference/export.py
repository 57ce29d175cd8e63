"""From a network in torch to the files that others run: safetensors, ONNX and a model card, in one folder.

The ONNX file has raw heads, free batch, height and width, and its weights inside (as float16 behind casts to float32,
which halves it). It is compared with torch before it is written, and the card says how far apart they are.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from perception.core.config import Config
from perception.core.errors import ModelError
from perception.core.files import write_atomic
from perception.inference.detection_graph import BOX_CHANNELS, HEADS
from perception.inference.model_card import Model, ModelCard, TensorSpec, file_entry, write_card
from perception.inference.onnx_graph import checked, opset, read, set_axes, tidied
from perception.inference.precision import compressed, uncompressed
from perception.networks.leyolo_graph import IMAGE_CHANNELS, STRIDES

if TYPE_CHECKING:
    from onnx import ModelProto

    from perception.networks.leyolo import LeYolo

COMPARED_SHAPES = ((1, 3, 64, 96), (2, 3, 96, 64))  # of the inputs at which ONNX and torch are compared
TOLERANCE = 1e-4  # of the largest output, float32 weights
COMPRESSED_TOLERANCE = 2e-2  # of the largest output, weights rounded to float16
INT8_TOLERANCE = 0.5  # of the largest output: more means that the calibration did not see such images
INPUTS = (TensorSpec(name="images", shape=("batch", IMAGE_CHANNELS, "height", "width")),)


class Description(Config):
    """What a card says beyond what the network itself tells."""

    name: str = Field(description="Name of the model.")
    classes: tuple[str, ...] = Field(description="Names by class index.")
    licence: str = Field(description="Of the weights.")
    training_data: str = Field(description="What it has learnt from, in a sentence.")
    is_generated_data: bool = Field(False, description="Whether that is generated, not recorded.")
    input_size: tuple[int, int] = Field((480, 640), description="Height and width (px) it is meant for.")
    metrics: dict[str, float | str] = Field(default_factory=dict, description="Measured results.")


def write_leyolo(network: "LeYolo", description: Description, folder: Path) -> Model:
    """Write NAME.safetensors, NAME.onnx and NAME.json for a LeYOLO; the card is written last.

    Raises `ModelError` when ONNX and torch disagree or the classes do not fit, `MissingDependency`.
    """
    from perception.networks.weights import save_leyolo

    if len(description.classes) != network.config.num_classes:
        have, want = len(description.classes), network.config.num_classes
        raise ModelError(f"classes: {have} names, the network has {want}; name every class")
    graph = leyolo_graph(network)
    small = compressed(graph)
    apart = compare(network, graph, TOLERANCE)
    apart_small = compare(network, small, COMPRESSED_TOLERANCE)
    weights, onnx = folder / f"{description.name}.safetensors", folder / f"{description.name}.onnx"
    save_leyolo(network, weights)
    write_atomic(onnx, small.SerializeToString())
    card = _card(network, description, {"weights": weights, "onnx": onnx}, _sentence(apart, apart_small), opset(small))
    write_card(card, folder / f"{description.name}.json")
    return Model(card, folder)


def leyolo_graph(network: "LeYolo") -> "ModelProto":
    """ONNX of a LeYOLO with folded norms, raw heads and named axes, in float32."""
    from perception.networks.export import exported_leyolo

    model = tidied(read(exported_leyolo(network)))
    for spec in (*INPUTS, *_outputs(network.config.num_classes)):
        set_axes(model, spec.name, spec.shape)
    return checked(model)


def compare(network: "LeYolo", model: "ModelProto", tolerance: float) -> float:
    """The largest difference between the outputs of torch and ONNX at two shapes, as a share of the largest output.

    Raises `ModelError` beyond the tolerance.
    """
    from perception.inference.onnx import evaluator
    from perception.networks.blocks import folded
    from perception.networks.export import answers

    run, network = evaluator(model.SerializeToString()), folded(network)
    worst = 0.0
    for row, shape in enumerate(COMPARED_SHAPES):
        images = np.random.default_rng([row, *shape]).random(shape, dtype=np.float32)
        worst = max(worst, _difference(answers(network, [images]), run({"images": images})))
    if not worst <= tolerance:
        raise ModelError(f"ONNX: differs from torch by {worst:.2g} of the largest output, more than {tolerance:.2g}")
    return worst


def agreement(expected: "ModelProto", model: "ModelProto", inputs: Mapping[str, np.ndarray], tolerance: float) -> float:
    """The largest difference between the outputs of two graphs, as a share of the largest output.

    Raises `ModelError` beyond the tolerance.
    """
    from perception.inference.onnx import evaluator

    want, have = (evaluator(graph.SerializeToString())(inputs) for graph in (expected, model))
    largest = max(float(np.abs(array).max()) for array in want.values())
    worst = max(float(np.abs(array - have[name]).max()) for name, array in want.items()) / largest
    if not worst <= tolerance:
        raise ModelError(f"ONNX: differs from float32 by {worst:.2g} of the largest output, more than {tolerance:.2g}")
    return worst


def raw_graph(model: Model) -> "ModelProto":
    """The network of a model as a float32 graph with raw heads, from its ONNX file. Raises `ModelError`."""
    return uncompressed(read(model.read("onnx")))


def _difference(expected: Sequence[np.ndarray], outputs: Mapping[str, np.ndarray]) -> float:
    largest = max(float(np.abs(array).max()) for array in expected)
    return max(float(np.abs(want - outputs[head]).max()) for head, want in zip(HEADS, expected)) / largest


def _outputs(num_classes: int) -> tuple[TensorSpec, ...]:
    channels = BOX_CHANNELS + num_classes
    return tuple(
        TensorSpec(name=head, shape=("batch", channels, f"height/{stride}", f"width/{stride}"))
        for head, stride in zip(HEADS, STRIDES)
    )


def _card(
    network: "LeYolo", description: Description, files: Mapping[str, Path], agreement: str, version: int
) -> ModelCard:
    values = description.model_dump()
    values["metrics"] = {**values["metrics"], "onnx_agreement": agreement}
    fields = {
        **values,
        "family": "leyolo",
        "task": "detection",
        "network": network.config.model_dump(mode="json"),
        "inputs": INPUTS,
        "outputs": _outputs(network.config.num_classes),
        "multiples": {"height": STRIDES[-1], "width": STRIDES[-1]},
        "files": {role: file_entry(path) for role, path in files.items()},
        "opset": version,
    }
    return ModelCard.model_validate(fields)


def _sentence(apart: float, apart_small: float) -> str:
    shapes = " and ".join("x".join(str(axis) for axis in shape) for shape in COMPARED_SHAPES)
    return (
        f"differs from torch by at most {apart:.1g} of the largest output (tolerance {TOLERANCE:.0e}) at {shapes}; "
        f"with weights stored as float16 by {apart_small:.1g} (tolerance {COMPRESSED_TOLERANCE:.0e})"
    )
