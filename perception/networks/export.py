"""From a torch network to the bytes of an ONNX file. What follows (checks, precision, engines) needs no torch."""

import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from perception.networks.blocks import folded
from perception.networks.leyolo import LeYolo

OPSET = 17  # HardSwish needs 14; TensorRT 8.6 reads 17
EXAMPLE = (1, 3, 64, 96)  # traced once; the free axes are named below
LEYOLO_OUTPUTS = ("p3", "p4", "p5")


@dataclass(frozen=True, slots=True)
class Signature:
    """Names of the inputs and outputs of a network, and of the axes that stay free."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    free_axes: Mapping[str, Mapping[int, str]]  # by input: axis to name


LEYOLO = Signature(("images",), LEYOLO_OUTPUTS, {"images": {0: "batch", 2: "height", 3: "width"}})


def exported_leyolo(network: LeYolo) -> bytes:
    """ONNX of a LeYOLO with folded norms and raw heads, weights inside; batch, height and width are free."""
    return exported(folded(network), (torch.zeros(EXAMPLE),), LEYOLO)


def exported(network: nn.Module, example: Sequence[torch.Tensor], signature: Signature) -> bytes:
    """ONNX of any network in evaluation mode, by tracing `example`; weights inside, opset `OPSET`."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        # The exporter by tracing keeps the weights in the file, which TensorRT's parser needs, and is called legacy.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network,
            tuple(example),
            file,
            input_names=list(signature.inputs),
            output_names=list(signature.outputs),
            dynamic_axes={name: dict(axes) for name, axes in signature.free_axes.items()},
            opset_version=OPSET,
            dynamo=False,
        )
    return file.getvalue()


def answers(network: nn.Module, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """What torch computes for these inputs, to compare an exported file with."""
    with torch.no_grad():
        outputs = network(*(torch.from_numpy(array) for array in inputs))
    return [output.numpy() for output in (outputs if isinstance(outputs, tuple) else (outputs,))]
