"""ONNX files as graphs: read, checked, tidied, and extended at the end. Needs the package `onnx`, nothing else."""

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from perception.core.errors import MissingDependency, ModelError
from perception.inference.onnx_file import check_self_contained
from perception.inference.tensors import one_line

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

Axis = int | str  # a number of elements, or the name of a free axis
PRODUCER = "perception"


def onnx_package() -> ModuleType:
    """The package `onnx`. Raises `MissingDependency`."""
    try:
        import onnx
        import onnx.numpy_helper
    except ImportError:
        raise MissingDependency("ONNX files need onnx: pip install 'perception[cpu]'") from None
    return onnx


def read(data: bytes) -> "ModelProto":
    """The model in the bytes of a file, fully checked, with its weights inside. Raises `ModelError`."""
    onnx = onnx_package()
    check_self_contained(data, "ONNX")
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's own errors, which share no base
        raise ModelError(f"ONNX: cannot be read ({one_line(error)}); is it an ONNX file?") from None
    return checked(model)


def checked(model: "ModelProto") -> "ModelProto":
    """The same model, after ONNX's full check with shapes. Raises `ModelError`."""
    onnx = onnx_package()
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ModelError(f"ONNX: is not valid ({one_line(error)})") from None
    return model


def opset(model: "ModelProto") -> int:
    """Version of the standard operators."""
    return next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))


def arrays(model: "ModelProto") -> dict[str, np.ndarray]:
    """Weights and other constants by name, those behind `Constant` nodes too."""
    to_array = onnx_package().numpy_helper.to_array
    found = {tensor.name: to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            found[node.output[0]] = to_array(node.attribute[0].t)
    return found


def initializer(name: str, array: np.ndarray) -> "TensorProto":
    """A constant of a graph."""
    return onnx_package().numpy_helper.from_array(np.ascontiguousarray(array), name)


def replace_nodes(model: "ModelProto", nodes: Sequence["NodeProto"], tensors: Sequence["TensorProto"]) -> None:
    """Put other nodes and constants in the place of a model's, and forget shapes that were inferred before."""
    nodes, tensors = list(nodes), list(tensors)  # they may be views of what is deleted now
    del model.graph.node[:]
    del model.graph.initializer[:]
    del model.graph.value_info[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(tensors)


def copied(model: "ModelProto") -> "ModelProto":
    """A model of its own with the same content."""
    other = onnx_package().ModelProto()
    other.CopyFrom(model)
    return other


def tidied(model: "ModelProto") -> "ModelProto":
    """A copy without `Identity` nodes, `Constant` nodes made constants, and nothing that no node reads."""
    model = copied(model)
    alias = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "Identity"}
    kept_outputs = {value.name for value in model.graph.output}
    constants = {
        node.output[0]: node.attribute[0].t
        for node in model.graph.node
        if node.op_type == "Constant" and node.attribute[0].name == "value"
    }
    for name, tensor in constants.items():
        tensor.name = name
    nodes = [node for node in model.graph.node if not _is_dropped(node, alias, constants, kept_outputs)]
    for node in nodes:
        node.input[:] = [_source(alias, name) for name in node.input]
    used = {name for node in nodes for name in node.input} | kept_outputs
    tensors = [tensor for tensor in (*model.graph.initializer, *constants.values()) if tensor.name in used]
    replace_nodes(model, nodes, tensors)
    model.producer_name, model.producer_version = PRODUCER, ""
    return model


def set_axes(model: "ModelProto", name: str, axes: Sequence[Axis]) -> None:
    """Name or fix the axes of an input or output."""
    values = (*model.graph.input, *model.graph.output)
    dims = next(value for value in values if value.name == name).type.tensor_type.shape.dim
    for dim, axis in zip(dims, axes):
        dim.Clear()
        if isinstance(axis, str):
            dim.dim_param = axis
        else:
            dim.dim_value = axis


def axes_of(model: "ModelProto", name: str) -> tuple[Axis, ...]:
    """The axes of an input or output."""
    values = (*model.graph.input, *model.graph.output)
    dims = next(value for value in values if value.name == name).type.tensor_type.shape.dim
    return tuple(dim.dim_value or dim.dim_param for dim in dims)


class Extension:
    """Nodes that are appended to a copy of a model; `model` is the result."""

    def __init__(self, model: "ModelProto", prefix: str) -> None:
        self.model = copied(model)
        self._prefix = prefix
        self._count = 0

    def add(self, kind: str, *inputs: str, **attributes: int | float | Sequence[int]) -> str:
        """One node with one output, whose name is returned; "" leaves out an input."""
        return self.add_many(kind, inputs, 1, **attributes)[0]

    def add_many(
        self, kind: str, inputs: Sequence[str], num_outputs: int, **attributes: int | float | Sequence[int]
    ) -> list[str]:
        """One node; names of its outputs."""
        base = self._name(kind.lower())
        outputs = [f"{base}_{row}" if row else base for row in range(num_outputs)]
        node = onnx_package().helper.make_node(kind, list(inputs), outputs, name=base, **attributes)
        self.model.graph.node.append(node)
        return outputs

    def constant(self, values: object, kind: type[np.generic] = np.int64) -> str:
        """A constant of this element type."""
        name = self._name("constant")
        self.model.graph.initializer.append(initializer(name, np.array(values, dtype=kind)))
        return name

    def outputs(self, sources: dict[str, tuple[str, type[np.generic], Sequence[Axis]]]) -> "ModelProto":
        """Make these the model's outputs, by name: tensor, element type, axes. Returns the checked model."""
        helper = onnx_package().helper
        del self.model.graph.output[:]
        for name, (tensor, kind, axes) in sources.items():
            self.model.graph.node.append(helper.make_node("Identity", [tensor], [name], name=f"{self._prefix}/{name}"))
            element = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
            self.model.graph.output.append(helper.make_tensor_value_info(name, element, list(axes)))
        return checked(self.model)

    def _name(self, what: str) -> str:
        self._count += 1
        return f"{self._prefix}/{what}_{self._count}"


def _source(alias: dict[str, str], name: str) -> str:
    while name in alias:
        name = alias[name]
    return name


def _is_dropped(node: "NodeProto", alias: dict[str, str], constants: object, kept: set[str]) -> bool:
    if node.output[0] in kept:
        alias.pop(node.output[0], None)
        return False
    return node.output[0] in alias or node.output[0] in constants  # type: ignore[operator]
