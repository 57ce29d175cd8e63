"""Precision as part of the ONNX file: float16 arithmetic between casts, or float16 weights alone to halve the file.

All functions return a new model. Source for the rule that precision belongs in the file: TensorRT 11 takes it from
nowhere else, and every version understands it there.
"""

from typing import TYPE_CHECKING

import numpy as np

from perception.inference.onnx_graph import arrays, checked, copied, initializer, onnx_package, replace_nodes

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

MAX_HALF = float(np.finfo(np.float16).max)
MIN_COMPRESSED = 16  # elements: smaller constants stay as they are
STORED = ".f16"  # suffix of what is stored for a weight
FLOAT_INPUTS = {"Resize": (1, 2)}  # inputs that stay float32 by the definition of the operator
FLOAT, HALF = 1, 10  # element types of ONNX


def compressed(model: "ModelProto") -> "ModelProto":
    """Weights stored as float16 behind a cast to float32: half the file, float32 arithmetic.

    ONNX Runtime and OpenVINO compute the casts once, when they load the file. Values that float16 cannot hold stay.
    """
    model = copied(model)
    casts, tensors = [], []
    for tensor in model.graph.initializer:
        small = _stored(tensor)
        if small is None:
            tensors.append(tensor)
            continue
        tensors.append(small)
        casts.append(_cast(small.name, tensor.name, FLOAT))
    replace_nodes(model, [*casts, *model.graph.node], tensors)
    return checked(model)


def uncompressed(model: "ModelProto") -> "ModelProto":
    """What `compressed` did undone: float32 weights, as parsers of engines want them."""
    model = copied(model)
    constants = arrays(model)
    casts = {
        node.input[0]: node
        for node in model.graph.node
        if node.op_type == "Cast" and node.input[0] in constants and node.input[0].endswith(STORED)
    }
    tensors = [
        initializer(casts[tensor.name].output[0], constants[tensor.name].astype(np.float32))
        if tensor.name in casts
        else tensor
        for tensor in model.graph.initializer
    ]
    dropped = {node.output[0] for node in casts.values()}
    replace_nodes(model, [node for node in model.graph.node if node.output[0] not in dropped], tensors)
    return checked(model)


def half(model: "ModelProto") -> "ModelProto":
    """Arithmetic and weights in float16; inputs and outputs keep their names and float32."""
    model = uncompressed(model)
    constants = arrays(model)
    inputs = {value.name for value in model.graph.input if value.type.tensor_type.elem_type == FLOAT}
    outputs = {value.name for value in model.graph.output if value.type.tensor_type.elem_type == FLOAT}
    kept = _kept(model)
    inner = {name: f"{name}{STORED}" for name in inputs | outputs}
    nodes = [_cast(name, inner[name], HALF) for name in sorted(inputs)]
    for node in model.graph.node:
        node.input[:] = [name if (node.op_type, row) in kept else inner.get(name, name) for row, name in _rows(node)]
        node.output[:] = [inner.get(name, name) for name in node.output]
        _cast_to_half(node)
        nodes.append(node)
    nodes += [_cast(inner[name], name, FLOAT) for name in sorted(outputs)]
    floats = {name for node in model.graph.node for row, name in _rows(node) if (node.op_type, row) in kept}
    tensors = [
        initializer(tensor.name, _rounded(constants[tensor.name]))
        if tensor.data_type == FLOAT and tensor.name not in floats
        else tensor
        for tensor in model.graph.initializer
    ]
    replace_nodes(model, nodes, tensors)
    return checked(model)


def _stored(tensor: "TensorProto") -> "TensorProto | None":
    if tensor.data_type != FLOAT:
        return None
    values = onnx_package().numpy_helper.to_array(tensor)
    if values.size < MIN_COMPRESSED or not np.isfinite(values).all() or np.abs(values).max() > MAX_HALF:
        return None
    return initializer(tensor.name + STORED, values.astype(np.float16))


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.clip(values, -MAX_HALF, MAX_HALF).astype(np.float16)


def _kept(model: "ModelProto") -> set[tuple[str, int]]:
    """Operators and positions of inputs that must stay float32."""
    kinds = {node.op_type for node in model.graph.node}
    return {(kind, row) for kind, rows in FLOAT_INPUTS.items() if kind in kinds for row in rows}


def _rows(node: "NodeProto") -> list[tuple[int, str]]:
    return list(enumerate(node.input))


def _cast_to_half(node: "NodeProto") -> None:
    """Casts to float32 inside the network become casts to float16."""
    for attribute in node.attribute:
        if node.op_type == "Cast" and attribute.name == "to" and attribute.i == FLOAT:
            attribute.i = HALF


def _cast(source: str, target: str, kind: int) -> "NodeProto":
    return onnx_package().helper.make_node("Cast", [source], [target], name=f"{target}/cast", to=kind)
