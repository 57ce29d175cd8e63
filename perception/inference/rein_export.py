"""From a place network to the files that others run: safetensors, ONNX of the encoder and a model card."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from perception.core.errors import ModelError
from perception.core.files import write_atomic
from perception.inference.model_card import Model, ModelCard, TensorSpec, file_entry, write_card
from perception.inference.onnx_graph import checked, opset, read, set_axes, tidied
from perception.inference.precision import compressed
from perception.networks.rein_graph import FAMILY, INPUT, OUTPUT, TASK

if TYPE_CHECKING:
    from perception.inference.export import Description
    from perception.networks.rein import Rein

LEAST_AGREEMENT = 0.999  # mean cosine of the features of torch and of ONNX, whose weights are rounded to float16
COMPARED = ((2, 57, 57), (1, 101, 101))  # batch, height, width
INPUT_SIZE = (201, 201)  # px of images of 40 m to each side with cells of 0.4 m
TRACED = 57  # px; odd, so that no size becomes a constant by accident


def write_rein(network: "Rein", description: "Description", folder: Path) -> Model:
    """Write NAME.safetensors, NAME.onnx and NAME.json; the card is written last.

    The ONNX file holds the encoder; the pooling is read out of the weights. Raises `ModelError` when ONNX and torch
    disagree, `MissingDependency`.
    """
    from perception.networks.rein import ReinEncoder, exported_encoder, save_rein

    specs = (
        TensorSpec(name=INPUT, shape=("batch", 1, "height", "width")),
        TensorSpec(name=OUTPUT, shape=("batch", network.config.channels, "rows", "columns")),
    )
    graph = tidied(read(exported_encoder(network, TRACED)))
    for spec in specs:
        set_axes(graph, spec.name, spec.shape)
    small = compressed(checked(graph)).SerializeToString()
    agreement = _agreement(ReinEncoder(network).eval(), small)
    weights, onnx = folder / f"{description.name}.safetensors", folder / f"{description.name}.onnx"
    save_rein(network, weights)
    write_atomic(onnx, small)
    fields = {
        **description.model_dump(),
        "family": FAMILY,
        "task": TASK,
        "network": network.config.model_dump(mode="json"),
        "input_size": INPUT_SIZE,
        "inputs": specs[:1],
        "outputs": specs[1:],
        "files": {"weights": file_entry(weights), "onnx": file_entry(onnx)},
        "opset": opset(graph),
        "metrics": {**description.metrics, "onnx_cosine": agreement},
    }
    card = ModelCard.model_validate(fields)
    write_card(card, folder / f"{description.name}.json")
    return Model(card, folder)


def _agreement(encoder: Any, data: bytes) -> float:
    """Least mean cosine between the features of torch and of ONNX, pixel by pixel."""
    from perception.inference.onnx import evaluator
    from perception.networks.export import answers

    rng, run, found = np.random.default_rng(0), evaluator(data), []
    for batch, height, width in COMPARED:
        images = rng.random((batch, 1, height, width), dtype=np.float32) * (rng.random((height, width)) < 0.2)
        images = images.astype(np.float32)
        want, have = answers(encoder, [images])[0], run({INPUT: images})[OUTPUT]
        lengths = np.linalg.norm(want, axis=1) * np.linalg.norm(have, axis=1)
        found.append(float(((want * have).sum(axis=1) / np.maximum(lengths, 1e-12)).mean()))
    if not min(found) >= LEAST_AGREEMENT:
        raise ModelError(f"ONNX: its features are alike to torch's by {min(found):.4f}, less than {LEAST_AGREEMENT}")
    return min(found)
