"""ONNX Runtime: reads the ONNX file and the card, nothing else; on the CPU, or through its CUDA and TensorRT providers.

Inputs are read where the caller's arrays lie, and results are written to buffers of this runtime, one set per shape.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from perception.core.errors import ConfigError, MissingDependency, ModelError
from perception.inference.cache import cache_folder
from perception.inference.hardware import threads
from perception.inference.model_card import ONNX_ROLES, Model, TensorSpec
from perception.inference.runtime import RuntimeOptions
from perception.inference.tensors import InputCheck, Shapes, one_line, output_shape

INSTALL = "backend onnx needs onnxruntime: pip install onnxruntime"
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
PRECISIONS = ("f32", "f16", "int8")  # the file decides
TYPES = {
    "float32": "tensor(float)",
    "float16": "tensor(float16)",
    "uint8": "tensor(uint8)",
    "int8": "tensor(int8)",
    "int32": "tensor(int32)",
    "int64": "tensor(int64)",
    "bool": "tensor(bool)",
}
MAX_SHAPES = 8  # whose buffers are kept
LOG_NOTHING = 4  # errors are raised


class OnnxRuntime:
    """A session of ONNX Runtime with its buffers."""

    backend = "onnx"

    def __init__(self, model: Model, options: RuntimeOptions) -> None:
        if options.precision not in PRECISIONS:
            raise ConfigError(f"precision: backend onnx does not run {options.precision}; use {', '.join(PRECISIONS)}")
        self.precision = options.precision
        self.device = options.device if options.device != "auto" else "cpu"
        self.choice = "onnx: asked for"
        self.inputs, self.outputs = model.card.inputs, model.card.outputs
        self._name = model.card.name
        self._check = InputCheck(model.card)
        data = model.read(ONNX_ROLES[options.precision])
        self._session: Any = _session(self._name, data, self.device, threads(options.num_threads))
        _compare(f"model {self._name}: inputs", self.inputs, self._session.get_inputs())
        _compare(f"model {self._name}: outputs", self.outputs, self._session.get_outputs())
        self._bound: OrderedDict[tuple[tuple[int, ...], ...], _Binding] = OrderedDict()

    def infer(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """As in `Runtime`."""
        arrays, shapes = self._check.arrays(inputs)
        binding = self._bound.get(shapes) or self._bind(shapes)
        try:
            return binding.run(self._session, arrays)
        except Exception as error:  # the library's errors share no base
            if self._session is None:
                raise
            raise ModelError(f"model {self._name}: onnxruntime failed ({one_line(error)})") from error

    def warm_up(self, shapes: Shapes) -> None:
        """As in `Runtime`."""
        self.infer(self._check.example(shapes))

    def close(self) -> None:
        """As in `Runtime`."""
        self._session = None
        self._bound.clear()

    def _bind(self, shapes: tuple[tuple[int, ...], ...]) -> "_Binding":
        if self._session is None:
            raise ModelError(f"model {self._name}: the runtime is closed; make a new one")
        axes = self._check.axes({spec.name: shape for spec, shape in zip(self.inputs, shapes)})
        while len(self._bound) >= MAX_SHAPES:
            self._bound.popitem(last=False)
        binding = self._bound[shapes] = _Binding(self._session.io_binding(), self.inputs, self.outputs, axes)
        return binding


class _Binding:
    """Inputs and outputs of one shape, bound to memory."""

    def __init__(
        self, binding: Any, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...], axes: Mapping[str, int]
    ) -> None:
        self._binding = binding
        self._inputs = [(spec.name, np.dtype(spec.dtype)) for spec in inputs]
        self._addresses = [0] * len(inputs)
        self._results: dict[str, np.ndarray] = {}
        self._free: list[str] = []  # outputs whose shape follows from the content of the inputs
        self._names = [spec.name for spec in outputs]
        for spec in outputs:
            shape, dtype = output_shape(spec, axes), np.dtype(spec.dtype)
            if shape is None:
                self._free.append(spec.name)
                continue
            buffer = self._results[spec.name] = np.empty(shape, dtype)
            binding.bind_output(spec.name, "cpu", 0, dtype, shape, buffer.ctypes.data)

    def run(self, session: Any, arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
        for row, array in enumerate(arrays):
            address = array.__array_interface__["data"][0]
            if address != self._addresses[row]:
                name, dtype = self._inputs[row]
                self._binding.bind_input(name, "cpu", 0, dtype, array.shape, address)
                self._addresses[row] = address
        for name in self._free:
            self._binding.bind_output(name, "cpu")  # memory of the library, anew for each call
        session.run_with_iobinding(self._binding)
        if not self._free:
            return dict(self._results)
        made = dict(zip([*self._results, *self._free], self._binding.get_outputs()))
        return {name: self._results[name] if name in self._results else made[name].numpy() for name in self._names}


def evaluator(data: bytes, num_threads: int = 1) -> Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]:
    """A function that computes the outputs of an ONNX file that has no card yet. Raises `ModelError`."""
    session = _session("being made", data, "cpu", num_threads)
    names = [node.name for node in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(names, dict(inputs))))


def _session(name: str, data: bytes, device: str, num_threads: int) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingDependency(f"{INSTALL} ({one_line(error)})") from None
    provider = PROVIDERS[device]
    if provider not in onnxruntime.get_available_providers():
        raise ConfigError(f"device: this onnxruntime has no {provider}; use cpu, or pip install onnxruntime-gpu")
    _check_gpu(device)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = num_threads
    settings.inter_op_num_threads = 1
    settings.log_severity_level = LOG_NOTHING
    settings.add_session_config_entry("session.force_spinning_stop", "1")  # after a run the cores are free at once
    try:
        session = onnxruntime.InferenceSession(data, settings, providers=providers(device))
    except Exception as error:  # the library's errors share no base
        raise ModelError(f"model {name}: onnxruntime cannot read the ONNX file ({one_line(error)})") from error
    if session.get_providers()[0] != provider:
        raise ModelError(f"device: {provider} does not start here; see its log, or use cpu")
    return session


def providers(device: str) -> list[tuple[str, dict[str, str]]]:
    """Providers of a device with their settings, each behind the one that it stands in for."""
    chain: list[tuple[str, dict[str, str]]] = [(PROVIDERS["cpu"], {})]
    if device != "cpu":
        chain.insert(0, (PROVIDERS["cuda"], {}))
    if device == "tensorrt":  # building takes minutes, so that its engines are kept
        folder = str(cache_folder("onnxruntime-tensorrt"))
        settings = {"trt_engine_cache_enable": "1", "trt_engine_cache_path": folder, "trt_timing_cache_enable": "1"}
        chain.insert(0, (PROVIDERS["tensorrt"], settings))
    return chain


def _check_gpu(device: str) -> None:
    """That the driver works, tried where a crash does no harm. Raises `ConfigError`."""
    if device == "cpu":
        return
    from perception.inference.probe import gpu_problem

    problem = gpu_problem("onnx")
    if problem:
        raise ConfigError(f"device: {device} does not work here ({problem}); use cpu")


def _compare(what: str, specs: tuple[TensorSpec, ...], nodes: list[Any]) -> None:
    """That the ONNX file has the tensors of the card. Raises `ModelError`."""
    have = {node.name: node for node in nodes}
    if have.keys() != {spec.name for spec in specs}:
        raise ModelError(f"{what}: the ONNX file has {', '.join(have)}, the card {', '.join(s.name for s in specs)}")
    for spec in specs:
        node = have[spec.name]
        fits = len(node.shape) == len(spec.shape) and all(
            not (isinstance(a, int) and isinstance(b, int)) or a == b for a, b in zip(node.shape, spec.shape)
        )
        if not fits or node.type != TYPES[spec.dtype]:
            raise ModelError(f"{what}.{spec.name}: the ONNX file has {node.type} {node.shape}, the card {spec.shape}")
