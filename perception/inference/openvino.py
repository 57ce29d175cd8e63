"""OpenVINO on the CPU. Networks are compiled for shapes that are used, since fixed shapes are faster than free ones.

Compiling takes a second or two, so it is done for the first shape, for those that are warmed up, and for those that
come often while there is room; any other shape is served by one network with free axes. Inputs are read where the
caller's arrays lie, and results where the library left them. Its statistics service is never started.
"""

import sys
from collections import Counter, OrderedDict
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from perception.core.errors import ConfigError, MissingDependency, ModelError
from perception.inference.hardware import threads
from perception.inference.model_card import ONNX_ROLES, Model, TensorSpec
from perception.inference.runtime import RuntimeOptions
from perception.inference.tensors import InputCheck, Shapes, one_line

INSTALL = "backend openvino needs openvino: pip install 'perception[cpu]'"
HINTS = {"f32": "f32", "bf16": "bf16", "f16": "f16", "int8": "f32"}  # int8: what is not quantised stays float32
CAPABILITIES = {"bf16": "BF16", "f16": "FP16"}  # which the CPU must have, or the library would quietly use f32
TYPES = {
    "float32": "f32",
    "float16": "f16",
    "uint8": "u8",
    "int8": "i8",
    "int32": "i32",
    "int64": "i64",
    "bool": "boolean",
}
STATISTICS = "openvino_telemetry"
MAX_SHAPES = 8  # whose compiled networks are kept
OFTEN = 16  # calls with a shape after which a network is compiled for it
MAX_COUNTED = 256  # shapes whose calls are counted
Key = tuple[tuple[int, ...], ...]  # shapes of the inputs in the order of the card


class OpenVinoRuntime:
    """Compiled networks of OpenVINO with their requests."""

    backend, device = "openvino", "cpu"

    def __init__(self, model: Model, options: RuntimeOptions) -> None:
        if options.precision not in HINTS:
            raise ConfigError(f"precision: backend openvino does not run {options.precision}; use {', '.join(HINTS)}")
        if options.device not in ("auto", "cpu"):
            raise ConfigError(f"device: backend openvino runs on the cpu, not on {options.device}")
        self.precision = options.precision
        self.choice = "openvino: asked for"
        self.inputs, self.outputs = model.card.inputs, model.card.outputs
        self._name = model.card.name
        self._check = InputCheck(model.card)
        self._library = _library()
        self._core: Any = self._library.Core()
        self._settings = _settings(self._core, options)
        self._network: Any = _network(self._core, model, ONNX_ROLES[options.precision])
        self._compiled: OrderedDict[Key, _Request] = OrderedDict()
        self._free: _Request | None = None  # the network with free axes
        self._calls: Counter[Key] = Counter()

    def infer(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """As in `Runtime`."""
        arrays, shapes = self._check.arrays(inputs)
        request = self._compiled.get(shapes) or self._request(shapes)
        try:
            return request.run(arrays)
        except RuntimeError as error:
            raise ModelError(f"model {self._name}: openvino failed ({one_line(error)})") from error

    def warm_up(self, shapes: Shapes) -> None:
        """As in `Runtime`."""
        arrays, key = self._check.arrays(self._check.example(shapes))
        request = self._compiled.get(key) or self._fixed(key)
        request.run(arrays)

    def close(self) -> None:
        """As in `Runtime`."""
        self._compiled.clear()
        self._free = self._network = self._core = None

    def _request(self, shapes: Key) -> "_Request":
        """What serves a shape that no network is compiled for."""
        self._calls[shapes] += 1
        if not self._compiled or (self._calls[shapes] > OFTEN and len(self._compiled) < MAX_SHAPES):
            return self._fixed(shapes)
        if len(self._calls) > MAX_COUNTED:
            self._calls.clear()
        if self._free is None:
            self._free = self._made(self._network)
        return self._free

    def _fixed(self, shapes: Key) -> "_Request":
        """A network compiled for a shape, in the place of the oldest."""
        if self._core is None:
            raise ModelError(f"model {self._name}: the runtime is closed; make a new one")
        network = self._network.clone()
        network.reshape({spec.name: list(shape) for spec, shape in zip(self.inputs, shapes)})
        while len(self._compiled) >= MAX_SHAPES:
            self._compiled.popitem(last=False)
        request = self._compiled[shapes] = self._made(network)
        self._calls.pop(shapes, None)
        return request

    def _made(self, network: Any) -> "_Request":
        try:
            request = self._core.compile_model(network, "CPU", self._settings).create_infer_request()
        except RuntimeError as error:
            raise ModelError(f"model {self._name}: openvino cannot compile it ({one_line(error)})") from error
        return _Request(self._library.Tensor, request, self.inputs, self.outputs)


class _Request:
    """A compiled network with its memory. Inputs are bound again only when they differ from those before."""

    def __init__(
        self, tensor: Any, request: Any, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]
    ) -> None:
        self._tensor, self._request = tensor, request
        self._names = [spec.name for spec in inputs]
        self._bound: list[tuple[int, tuple[int, ...]]] = [(0, ())] * len(inputs)  # address and shape
        network = request.get_compiled_model()
        self._outputs = [(spec.name, network.output(spec.name)) for spec in outputs]
        is_static = all(port.partial_shape.is_static for _, port in self._outputs)
        self._results = self._views() if is_static else None

    def run(self, arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
        for row, array in enumerate(arrays):
            place = array.__array_interface__["data"][0], array.shape
            if not array.flags.writeable:  # the library shares only memory that could be written
                self._request.set_tensor(self._names[row], self._tensor(array, shared_memory=False))
                place = 0, ()
            elif place != self._bound[row]:
                self._request.set_tensor(self._names[row], self._tensor(array, shared_memory=True))
            self._bound[row] = place
        self._request.infer(share_outputs=True)  # otherwise it copies them once more
        return self._views() if self._results is None else dict(self._results)

    def _views(self) -> dict[str, np.ndarray]:
        return {name: self._request.get_tensor(port).data for name, port in self._outputs}


def _library() -> ModuleType:
    """The library, imported without its statistics service, which would write to the home folder and send."""
    is_kept_out = "openvino" not in sys.modules and STATISTICS not in sys.modules
    if is_kept_out:
        sys.modules[STATISTICS] = None  # type: ignore[assignment]  # its import now fails, which the library expects
    try:
        import openvino
    except ImportError as error:
        raise MissingDependency(f"{INSTALL} ({one_line(error)})") from None
    finally:
        if is_kept_out:
            del sys.modules[STATISTICS]
    return openvino


def save_ir(data: bytes, path: Path) -> None:
    """Write an ONNX file as OpenVINO's own two, `path` (.xml) and its neighbour (.bin). Raises `ModelError`."""
    library = _library()
    try:
        library.save_model(library.Core().read_model(data), str(path), compress_to_fp16=False)
    except RuntimeError as error:
        raise ModelError(f"{path}: openvino cannot write it ({one_line(error)})") from error


def _settings(core: Any, options: RuntimeOptions) -> dict[str, Any]:
    needed = CAPABILITIES.get(options.precision)
    if needed and needed not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise ConfigError(f"precision: this CPU does not compute with {options.precision}; use f32")
    return {
        "INFERENCE_PRECISION_HINT": HINTS[options.precision],
        "INFERENCE_NUM_THREADS": threads(options.num_threads),
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,  # several nodes would all sit on the first cores
    }


def _network(core: Any, model: Model, role: str) -> Any:
    name = model.card.name
    try:
        network = core.read_model(model.read(role))
    except RuntimeError as error:
        raise ModelError(f"model {name}: openvino cannot read the ONNX file ({one_line(error)})") from error
    _compare(f"model {name}: inputs", model.card.inputs, network.inputs)
    _compare(f"model {name}: outputs", model.card.outputs, network.outputs)
    return network


def _compare(what: str, specs: tuple[TensorSpec, ...], ports: list[Any]) -> None:
    """That the ONNX file has the tensors of the card. Raises `ModelError`."""
    have = {port.get_any_name(): port for port in ports}
    if have.keys() != {spec.name for spec in specs}:
        raise ModelError(f"{what}: the ONNX file has {', '.join(have)}, the card {', '.join(s.name for s in specs)}")
    for spec in specs:
        kind, shape = have[spec.name].element_type.get_type_name(), have[spec.name].partial_shape
        sizes = list(shape) if shape.rank.is_static else []
        fits = len(sizes) == len(spec.shape) and all(
            isinstance(want, str) or size.is_dynamic or size.get_length() == want
            for want, size in zip(spec.shape, sizes)
        )
        if not fits or kind != TYPES[spec.dtype]:
            raise ModelError(f"{what}.{spec.name}: the ONNX file has {kind} {shape}, the card {spec.shape}")
