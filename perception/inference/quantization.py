"""INT8 by explicit quantise and dequantise nodes around convolutions: what TensorRT, ONNX Runtime and OpenVINO read.

Weights are symmetric per output channel, activations symmetric per tensor with ranges seen on given images; biases
stay in float32 (TensorRT refuses them quantised). Depthwise convolutions stay in float32, too, and so do the first one
and those that make the outputs: they have few of the multiplications and cost most of the accuracy. (LeYOLO-Nano,
published weights: with depthwise ones in int8 16 of 75 detections on eight photos are lost, without them none.)
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perception.core.errors import InvalidInput, ModelError
from perception.inference.onnx_graph import arrays, checked, copied, initializer, onnx_package, replace_nodes

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

Inputs = Mapping[str, np.ndarray]
Ranges = Mapping[str, float]  # largest magnitude by name of the activation
LARGEST = 127  # of int8, both ways
SMALLEST_RANGE = 1e-6  # of an activation that is always zero
DEFAULT_PERCENTILE = 99.99
NON_LINEAR = (
    "Sigmoid",
    "Mul",
    "HardSwish",
    "Concat",
    "Gather",
    "Identity",
    "Cast",
)  # between a convolution and an output
Progress = Callable[[int, int], None]  # done, total


@dataclass(frozen=True, slots=True)
class Calibration:
    """How ranges are taken: per image the percentile of magnitudes (100: the largest), then the largest of these."""

    percentile: float = DEFAULT_PERCENTILE

    def __post_init__(self) -> None:
        if not 50 <= self.percentile <= 100:
            raise InvalidInput(f"percentile: {self.percentile} is not 50 to 100")


def quantised(model: "ModelProto", ranges: Ranges) -> "ModelProto":
    """A copy whose inner convolutions read int8 activations and weights; inputs and outputs stay float32.

    `ranges` are those of `calibrated` for the same model. Raises `ModelError` naming a tensor without a range.
    """
    model = copied(model)
    constants = arrays(model)
    chosen = {node.name: node for node in quantised_convolutions(model)}
    builder = _Builder(constants, ranges)
    nodes: list[NodeProto] = []
    for node in model.graph.node:
        if node.name in chosen:
            node.input[0] = builder.activation(node.input[0], nodes)
            node.input[1] = builder.weight(node.input[1], nodes)
        nodes.append(node)
    used = {name for node in nodes for name in node.input}
    tensors = [tensor for tensor in (*model.graph.initializer, *builder.tensors) if tensor.name in used]
    replace_nodes(model, nodes, tensors)
    return checked(model)


def calibrated(
    model: "ModelProto",
    batches: Iterable[Inputs],
    calibration: Calibration | None = None,
    progress: Progress = lambda done, total: None,
) -> dict[str, float]:
    """Ranges of the activations that `quantised` needs, over these inputs. Raises `InvalidInput` without any."""
    from perception.inference.onnx import evaluator

    percentile = (calibration or Calibration()).percentile
    names = sorted({node.input[0] for node in quantised_convolutions(model)})
    run = evaluator(_exposed(model, names).SerializeToString())
    ranges: dict[str, float] = {}
    for row, inputs in enumerate(batches):
        outputs = {**inputs, **run(inputs)}
        for name in names:
            ranges[name] = max(ranges.get(name, SMALLEST_RANGE), _range(outputs[name], percentile))
        progress(row + 1, 0)
    if not ranges:
        raise InvalidInput("calibration: no inputs; give a folder with images like those it will see")
    return ranges


def quantised_convolutions(model: "ModelProto") -> "list[NodeProto]":
    """Dense convolutions with constant weights, without the first one and those that make the outputs."""
    constants = arrays(model)
    found = [node for node in model.graph.node if node.op_type == "Conv" and node.input[1] in constants]
    unnamed = next((node for node in found if not node.name), None)
    if unnamed is not None:
        raise ModelError(f"ONNX: the convolution that makes {unnamed.output[0]!r} has no name; export it again")
    last = _makers(model, {value.name for value in model.graph.output})
    return [node for node in found[1:] if node.output[0] not in last and _groups(node) == 1]


class _Builder:
    """Quantise and dequantise nodes, one pair per activation however often it is read."""

    def __init__(self, constants: Mapping[str, np.ndarray], ranges: Ranges) -> None:
        self.tensors: list[TensorProto] = []
        self._constants = constants
        self._ranges = ranges
        self._done: dict[str, str] = {}

    def activation(self, name: str, nodes: "list[NodeProto]") -> str:
        """The name of an activation after both steps."""
        if name in self._done:
            return self._done[name]
        if name not in self._ranges:
            raise ModelError(f"calibration: no range for the activation {name!r}; calibrate this very model")
        scale = self._constant(f"{name}/scale", np.float32(self._ranges[name] / LARGEST))
        zero = self._constant(f"{name}/zero", np.int8(0))
        nodes.append(_node("QuantizeLinear", [name, scale, zero], f"{name}/int8"))
        nodes.append(_node("DequantizeLinear", [f"{name}/int8", scale, zero], f"{name}/steps"))
        self._done[name] = f"{name}/steps"
        return self._done[name]

    def weight(self, name: str, nodes: "list[NodeProto]") -> str:
        """The name of a weight that is stored as int8, after its dequantisation."""
        if name in self._done:
            return self._done[name]
        values, scales = quantised_weight(self._constants[name])
        inputs = [
            self._constant(f"{name}/int8", values),
            self._constant(f"{name}/scale", scales),
            self._constant(f"{name}/zero", np.zeros(len(scales), dtype=np.int8)),
        ]
        nodes.append(_node("DequantizeLinear", inputs, f"{name}/steps", axis=0))
        self._done[name] = f"{name}/steps"
        return self._done[name]

    def _constant(self, name: str, value: np.ndarray | np.generic) -> str:
        self.tensors.append(initializer(name, np.asarray(value)))
        return name


def quantised_weight(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (C, ...) as int8 in -127..127 and their scales (C,) float32."""
    largest = np.abs(weight.reshape(len(weight), -1)).max(axis=1)
    scales = (np.maximum(largest, SMALLEST_RANGE) / LARGEST).astype(np.float32)
    steps = np.rint(weight / scales.reshape(-1, *[1] * (weight.ndim - 1)))
    return np.clip(steps, -LARGEST, LARGEST).astype(np.int8), scales


def _groups(node: "NodeProto") -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)


def _makers(model: "ModelProto", names: set[str]) -> set[str]:
    """Outputs of the convolutions from which the tensors `names` follow without another convolution."""
    wanted = set(names)
    for node in reversed(model.graph.node):
        if wanted.intersection(node.output) and node.op_type in NON_LINEAR:
            wanted.update(node.input)
    return wanted


def _exposed(model: "ModelProto", names: Iterable[str]) -> "ModelProto":
    """A copy that also gives out these tensors."""
    onnx = onnx_package()
    model = copied(model)
    have = {value.name for value in (*model.graph.output, *model.graph.input)}
    for name in names:
        if name not in have:
            model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    return model


def _range(values: np.ndarray, percentile: float) -> float:
    magnitudes = np.abs(values).reshape(-1)
    if percentile == 100:
        return float(magnitudes.max())
    rank = min(len(magnitudes) - 1, int(np.ceil(len(magnitudes) * percentile / 100)) - 1)
    return float(np.partition(magnitudes, rank)[rank])


def _node(kind: str, inputs: list[str], output: str, **attributes: int) -> "NodeProto":
    return onnx_package().helper.make_node(kind, inputs, [output], name=output, **attributes)
