"""From a network that finds line segments to the files that others run: safetensors, ONNX and a model card."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from perception.core.errors import ModelError
from perception.core.files import write_atomic
from perception.inference.model_card import Model, ModelCard, TensorSpec, file_entry, write_card
from perception.inference.onnx_graph import checked, opset, read, set_axes, tidied
from perception.networks.lsdnet_graph import ANGLE, FAMILY, HEAT, INPUT, SIDE, STRIDE, TASK

if TYPE_CHECKING:
    from onnx import ModelProto

    from perception.inference.export import Description
    from perception.networks.lsdnet import LsdNet

TOLERANCE = 5e-4  # between torch and ONNX; both maps are in 0..1, and the sigmoid of the angle is steep
SURE = 0.4  # heat from which directions are compared: elsewhere they mean nothing
PERCENTILE = 99.0  # of pixels: where lines cross, directions jump, and those of a few pixels differ by anything
COMPARED_SHAPES = ((1, 3, 64, 96), (2, 3, 96, 64))
SPECS = (
    TensorSpec(name=INPUT, shape=("batch", 3, "height", "width")),
    TensorSpec(name=HEAT, shape=("batch", "height", "width")),
    TensorSpec(name=ANGLE, shape=("batch", "height", "width")),
)


def write_lsdnet(network: "LsdNet", description: "Description", folder: Path) -> Model:
    """Write NAME.safetensors, NAME.onnx (both float32: half a million weights) and NAME.json, the card, last.

    Raises `ModelError` when ONNX and torch disagree, `MissingDependency`.
    """
    from perception.networks.lsdnet import save_lsdnet

    graph = lsdnet_graph(network)
    apart = compare(network, graph)
    weights, onnx = folder / f"{description.name}.safetensors", folder / f"{description.name}.onnx"
    save_lsdnet(network, weights)
    write_atomic(onnx, graph.SerializeToString())
    sentence = f"maps differ from torch's by at most {apart:.1g} (tolerance {TOLERANCE:.0e})"
    fields = {
        **description.model_dump(),
        "family": FAMILY,
        "task": TASK,
        "network": network.config.model_dump(mode="json"),
        "input_size": (SIDE, SIDE),
        "inputs": SPECS[:1],
        "outputs": SPECS[1:],
        "multiples": {"height": STRIDE, "width": STRIDE},
        "files": {"weights": file_entry(weights), "onnx": file_entry(onnx)},
        "opset": opset(graph),
        "metrics": {**description.metrics, "onnx_agreement": sentence},
    }
    card = ModelCard.model_validate(fields)
    write_card(card, folder / f"{description.name}.json")
    return Model(card, folder)


def lsdnet_graph(network: "LsdNet") -> "ModelProto":
    """ONNX of a network with folded norms and named axes, in float32."""
    from perception.networks.blocks import folded
    from perception.networks.lsdnet import exported_lsdnet

    graph = tidied(read(exported_lsdnet(folded(network))))
    for spec in SPECS:
        set_axes(graph, spec.name, spec.shape)
    return checked(graph)


def compare(network: "LsdNet", graph: "ModelProto") -> float:
    """The largest difference between the maps of torch and ONNX at two shapes. Raises `ModelError` if it is large."""
    from perception.inference.onnx import evaluator
    from perception.networks.blocks import folded
    from perception.networks.export import answers

    run, network, worst = evaluator(graph.SerializeToString()), folded(network), 0.0
    for row, shape in enumerate(COMPARED_SHAPES):
        images = np.random.default_rng([row, *shape]).random(shape, dtype=np.float32)
        maps = run({INPUT: images})
        expected = answers(network, [images])
        worst = max(worst, *(float(np.abs(want - maps[name]).max()) for name, want in zip((HEAT, ANGLE), expected)))
    if not worst <= TOLERANCE:
        raise ModelError(f"ONNX: its maps differ from torch's by {worst:.2g}, more than {TOLERANCE:.2g}")
    return worst


def agreement(expected: "ModelProto", model: "ModelProto", inputs: Mapping[str, np.ndarray], tolerance: float) -> float:
    """How far the maps of two graphs are apart: of heat, and of directions (their sine) where there are lines.

    Of all but the worst pixel in a hundred. Raises `ModelError` beyond the tolerance.
    """
    from perception.inference.onnx import evaluator

    want, have = (evaluator(graph.SerializeToString())(inputs) for graph in (expected, model))
    heat = np.abs(want[HEAT] - have[HEAT]).ravel()
    turned = np.abs(np.sin(np.pi * (want[ANGLE] - have[ANGLE])))[want[HEAT] > SURE]
    worst = max(float(np.percentile(values, PERCENTILE)) for values in (heat, turned) if values.size)
    if not worst <= tolerance:
        raise ModelError(f"ONNX: its maps differ from float32 by {worst:.2g}, more than {tolerance:.2g}")
    return worst
