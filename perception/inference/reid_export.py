"""From a network for the looks of objects to the files that others run: safetensors, ONNX and a model card."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from perception.core.errors import ModelError
from perception.core.files import write_atomic
from perception.inference.model_card import Model, ModelCard, TensorSpec, file_entry, write_card
from perception.inference.onnx_graph import checked, opset, read, set_axes, tidied
from perception.inference.precision import compressed
from perception.networks.reid_graph import FAMILY, INPUT, OUTPUT, TASK

if TYPE_CHECKING:
    from perception.inference.export import Description
    from perception.networks.reid import ReidNetwork

LEAST_AGREEMENT = 0.999  # cosine between what torch and ONNX answer; weights are rounded to float16
NUM_COMPARED = 3  # cut-outs


def write_reid(network: "ReidNetwork", description: "Description", folder: Path) -> Model:
    """Write NAME.safetensors, NAME.onnx and NAME.json; the card is written last.

    Raises `ModelError` when ONNX and torch disagree, `MissingDependency`.
    """
    from perception.networks.blocks import folded as with_folded_norms
    from perception.networks.reid import exported_reid, save_reid

    config, folded = network.config, with_folded_norms(network)
    specs = (
        TensorSpec(name=INPUT, shape=("batch", 3, config.height, config.width)),
        TensorSpec(name=OUTPUT, shape=("batch", config.dimensions)),
    )
    crops = np.random.default_rng(0).random((NUM_COMPARED, 3, config.height, config.width), dtype=np.float32)
    graph = tidied(read(exported_reid(folded, NUM_COMPARED)))
    for spec in specs:
        set_axes(graph, spec.name, spec.shape)
    small = compressed(checked(graph))
    _compare(folded, small.SerializeToString(), crops)
    weights, onnx = folder / f"{description.name}.safetensors", folder / f"{description.name}.onnx"
    save_reid(network, weights)
    write_atomic(onnx, small.SerializeToString())
    fields = {
        **description.model_dump(),
        "family": FAMILY,
        "task": TASK,
        "network": config.model_dump(mode="json"),
        "input_size": (config.height, config.width),
        "inputs": specs[:1],
        "outputs": specs[1:],
        "files": {"weights": file_entry(weights), "onnx": file_entry(onnx)},
        "opset": opset(small),
    }
    card = ModelCard.model_validate(fields)
    write_card(card, folder / f"{description.name}.json")
    return Model(card, folder)


def _compare(network: "ReidNetwork", data: bytes, crops: np.ndarray) -> None:
    from perception.inference.onnx import evaluator
    from perception.networks.export import answers

    alike = (answers(network, [crops])[0] * evaluator(data)({INPUT: crops})[OUTPUT]).sum(axis=1).min()
    if not alike >= LEAST_AGREEMENT:
        raise ModelError(f"ONNX: its embeddings are alike to torch's by {alike:.4f}, less than {LEAST_AGREEMENT}")
