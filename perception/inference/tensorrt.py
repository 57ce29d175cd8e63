"""TensorRT and TensorRT-RTX: engines that `perception export` built, run on an NVIDIA GPU.

Importing the library and starting it may end the process where there is no driver, so that everything that touches
the GPU waits for a probe in a child process. Buffers have the largest shape of the engine's profile and belong to the
runtime; shapes that come again are launched as one CUDA graph each.
"""

import ctypes
import functools
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import ModuleType
from typing import Any

import numpy as np

from perception.core.errors import ConfigError, MissingDependency, ModelError
from perception.inference import engines
from perception.inference.device_memory import Device, Work, cuda_python, make_device
from perception.inference.model_card import Model
from perception.inference.probe import ROOT, gpu_problem
from perception.inference.runtime import RuntimeOptions
from perception.inference.tensorrt_build import LOG, make_logger
from perception.inference.tensors import InputCheck, example
from perception.inference.tensors import Shapes as NamedShapes

PACKAGES = {
    "tensorrt": "TensorRT comes with JetPack, or: pip install tensorrt",
    "tensorrt_rtx": "pip install tensorrt-rtx-cu13",
}
PRECISIONS = ("f32", "f16", "int8")
PROBE_SECONDS = 60
MAX_GRAPHS = 4  # shapes that have a context and a CUDA graph of their own
MAX_SEEN = 64  # shapes that are remembered until they come again
COMPUTE_CAPABILITY = (75, 76)  # attributes of the CUDA driver: major, minor
ELEMENTS = {  # by the library's name of the type
    "FLOAT": np.float32,
    "HALF": np.float16,
    "INT8": np.int8,
    "UINT8": np.uint8,
    "INT32": np.int32,
    "INT64": np.int64,
    "BOOL": np.bool_,
}

Shapes = tuple[tuple[int, ...], ...]  # of the inputs, in the engine's order


@dataclass(frozen=True, slots=True)
class Probe:
    """What a child process found out about one library on this machine."""

    flavour: str
    is_usable: bool  # engines can be run here
    reason: str  # why not
    version: str = ""  # of the library; "": it is not installed
    can_build: bool = False
    gpu: str = ""  # name; "": none
    compute_capability: str = ""


@functools.cache
def probe(flavour: str) -> Probe:
    """Whether engines of `tensorrt` or `tensorrt_rtx` can be built and run here, tried in a child process."""
    if flavour not in PACKAGES:
        raise ConfigError(f"backend: {flavour!r} is unknown; use {', '.join(PACKAGES)}")
    command = [sys.executable, "-c", f"from perception.inference.tensorrt import examine; examine({flavour!r})"]
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": paths}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_SECONDS, env=environment)
    except subprocess.TimeoutExpired:
        return Probe(flavour, False, f"its probe did not end within {PROBE_SECONDS} s")
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    found = Probe(**json.loads(lines[-1])) if lines else Probe(flavour, False, "its probe said nothing")
    if done.returncode != 0:
        how = f"signal {-done.returncode}" if done.returncode < 0 else f"code {done.returncode}"
        return Probe(flavour, False, f"its probe ended with {how} after: {found.reason}", found.version)
    return found


def examine(flavour: str) -> None:
    """The probe itself, for the child process: prints what is known as JSON after each step that may end it."""

    def tell(reason: str, **facts: Any) -> None:
        known.update(facts, reason=reason)
        sys.stdout.write(json.dumps(known) + "\n")
        sys.stdout.flush()

    known: dict[str, Any] = {**asdict(Probe(flavour, False, ""))}
    gpu = _gpu()
    tell("import of the library", **gpu)
    try:
        library = importlib.import_module(flavour)
    except ImportError as error:
        return tell(f"{flavour} cannot be imported ({error}); {PACKAGES[flavour]}")
    tell("start of a builder", version=str(library.__version__))
    log = make_logger(library)
    try:
        library.Builder(log)
        tell("start of a runtime", can_build=True)
    except (TypeError, RuntimeError) as error:
        tell(f"a builder does not start ({error})")
    if not gpu["gpu"]:
        return tell("there is no NVIDIA GPU with a working driver")
    library.Runtime(log)
    if cuda_python() is None and gpu_problem("torch") is not None:
        return tell("memory of the GPU needs cuda-python (pip install cuda-python) or torch built for CUDA")
    return tell("", is_usable=True)


def load_library(flavour: str) -> ModuleType:
    """The module `tensorrt` or `tensorrt_rtx`. Raises `MissingDependency`."""
    try:
        return importlib.import_module(flavour)
    except ImportError as error:
        raise MissingDependency(f"backend {flavour}: {PACKAGES[flavour]} ({error})") from None


def engine_key(model: Model, flavour: str, precision: str, found: Probe) -> engines.EngineKey:
    """What an engine for this model, this machine and this precision is known by."""
    is_portable = flavour == "tensorrt_rtx"  # its engines are finished for the GPU when they are loaded
    return engines.EngineKey.model_validate(
        {
            "model": model.fingerprint,
            "flavour": flavour,
            "version": found.version,
            "gpu": engines.ANY if is_portable else found.gpu,
            "compute_capability": engines.ANY if is_portable else found.compute_capability,
            "precision": precision,
        }
    )


class TensorRtRuntime:
    """An engine with its buffers on the GPU."""

    device = "cuda"

    def __init__(self, model: Model, options: RuntimeOptions, flavour: str) -> None:
        if options.precision not in PRECISIONS:
            raise ConfigError(f"precision: backend {flavour} does not run {options.precision}; use {PRECISIONS}")
        found = probe(flavour)
        if not found.is_usable:
            raise ModelError(f"backend {flavour}: cannot run here: {found.reason}; use onnx or openvino")
        engine, _ = engines.find(model.card.name, engine_key(model, flavour, options.precision, found), options.shapes)
        self.backend, self.precision = flavour, options.precision
        self.choice = f"{flavour} {found.version} on {found.gpu}: asked for"
        self.inputs, self.outputs = model.card.inputs, model.card.outputs
        self._check = InputCheck(model.card)
        self._execution = Execution(load_library(flavour), engine, make_device())

    def infer(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """As in `Runtime`."""
        arrays, _ = self._check.arrays(inputs)
        return self._execution.run({spec.name: array for spec, array in zip(self.inputs, arrays)})

    def warm_up(self, shapes: NamedShapes) -> None:
        """As in `Runtime`: what has run twice is recorded."""
        for _ in range(2):
            self.infer(example(self.inputs, shapes))

    def close(self) -> None:
        """As in `Runtime`."""
        self._execution.close()


@dataclass(frozen=True, slots=True)
class _Tensor:
    name: str
    is_input: bool
    dtype: np.dtype
    host: np.ndarray  # (bytes of the largest shape,) uint8, pinned
    address: int  # of as many bytes on the GPU

    def view(self, shape: tuple[int, ...]) -> np.ndarray:
        """The beginning of the host buffer as an array."""
        return self.part(shape).view(self.dtype).reshape(shape)

    def part(self, shape: tuple[int, ...]) -> np.ndarray:
        """The bytes of the host buffer (N,) that a shape takes."""
        return self.host[: int(np.prod(shape, dtype=np.int64)) * self.dtype.itemsize]


class Execution:
    """An engine, its contexts and its buffers, on one stream. `library` is the module that built the engine.

    A shape that comes again gets a context of its own and is recorded as a CUDA graph, as long as there is room; a
    graph is valid only while its context stays as it was.
    """

    def __init__(self, library: Any, engine: bytes, device: Device) -> None:
        self._device = device
        self._log = make_logger(library)
        self._runtime = library.Runtime(self._log)
        self._engine = self._runtime.deserialize_cuda_engine(engine)
        if self._engine is None:
            raise ModelError(f"engine: {library.__name__} cannot load it ({self._log.last}); build it again")
        self._any = self._new_context()
        self._tensors = self._allocated(library)
        self._bind(self._any)
        self._seen: set[Shapes] = set()
        self._graphs: dict[Shapes, _Graph] = {}
        self._can_record = True

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs by name, in pinned memory, valid until the next call. Raises `ModelError`."""
        if self._engine is None:
            raise ModelError("engine: the runtime is closed; make a new one")
        given = [tensor for tensor in self._tensors if tensor.is_input]
        shapes = tuple(inputs[tensor.name].shape for tensor in given)
        graph = self._graphs.get(shapes)
        context = self._any if graph is None else graph.context
        if graph is None:
            self._set_shapes(context, shapes)
        for tensor, shape in zip(given, shapes):
            np.copyto(tensor.view(shape), inputs[tensor.name], casting="same_kind")
        if graph is None:
            self._queue(context)
        else:
            graph.launch()
        self._device.wait()
        if graph is None:
            self._consider(shapes)
        return {tensor.name: tensor.view(_shape(context, tensor)) for tensor in self._tensors if not tensor.is_input}

    def close(self) -> None:
        """Free everything; may be called twice."""
        if self._engine is not None:
            self._device.wait()
        self._graphs.clear()
        self._any = self._engine = self._runtime = None
        self._device.close()

    def _new_context(self) -> Any:
        context = self._engine.create_execution_context()
        if context is None:
            raise ModelError(f"engine: no context ({self._log.last}); is there enough memory on the GPU?")
        return context

    def _allocated(self, library: Any) -> list[_Tensor]:
        """Buffers for the largest shapes of the profile."""
        names = [self._engine.get_tensor_name(row) for row in range(self._engine.num_io_tensors)]
        inputs = {name for name in names if self._engine.get_tensor_mode(name) == library.TensorIOMode.INPUT}
        for name in inputs:
            self._any.set_input_shape(name, self._largest(name))
        tensors = []
        for name in names:
            dtype = np.dtype(ELEMENTS[self._engine.get_tensor_dtype(name).name])
            shape = tuple(self._any.get_tensor_shape(name))
            if min(shape, default=1) < 0:
                raise ModelError(f"engine: shape {shape} of {name!r} depends on the content; export without it")
            num_bytes = max(1, int(np.prod(shape, dtype=np.int64)) * dtype.itemsize)
            host, address = self._device.pinned(num_bytes), self._device.allocate(num_bytes)
            tensors.append(_Tensor(name, name in inputs, dtype, host, address))
        return tensors

    def _largest(self, name: str) -> tuple[int, ...]:
        shape = tuple(self._engine.get_tensor_shape(name))
        return tuple(self._engine.get_tensor_profile_shape(name, 0)[2]) if -1 in shape else shape

    def _bind(self, context: Any) -> None:
        for tensor in self._tensors:
            if not context.set_tensor_address(tensor.name, tensor.address):
                raise ModelError(f"engine: {tensor.name!r} takes no buffer ({self._log.last})")

    def _set_shapes(self, context: Any, shapes: Shapes) -> None:
        for tensor, shape in zip((tensor for tensor in self._tensors if tensor.is_input), shapes):
            if not context.set_input_shape(tensor.name, shape):
                raise ModelError(f"engine: {tensor.name} {shape} is outside its profile; export one for this shape")

    def _queue(self, context: Any) -> None:
        for tensor in self._tensors:
            if tensor.is_input:
                self._device.upload(tensor.address, tensor.part(_shape(context, tensor)))
        if not context.execute_async_v3(self._device.stream):
            raise ModelError(f"engine: execution failed ({self._log.last})")
        for tensor in self._tensors:
            if not tensor.is_input:
                self._device.download(tensor.part(_shape(context, tensor)), tensor.address)

    def _consider(self, shapes: Shapes) -> None:
        """Record a shape that has come twice, while there is room; first it runs once in its new context."""
        if not self._can_record or len(self._graphs) >= MAX_GRAPHS:
            return
        if shapes not in self._seen:
            if len(self._seen) >= MAX_SEEN:
                self._seen.clear()
            self._seen.add(shapes)
            return
        try:
            context = self._new_context()
            self._bind(context)
            self._set_shapes(context, shapes)
            self._queue(context)
            self._device.wait()
            self._graphs[shapes] = _Graph(context, self._device.captured(lambda: self._queue(context)))
        except (ModelError, RuntimeError) as error:
            LOG.warning("engine: cannot be recorded as a CUDA graph (%s); it runs step by step", error)
            self._can_record = False


@dataclass(frozen=True, slots=True)
class _Graph:
    context: Any
    launch: Work


def _shape(context: Any, tensor: _Tensor) -> tuple[int, ...]:
    return tuple(context.get_tensor_shape(tensor.name))


def _gpu() -> dict[str, str]:
    """Name and compute capability of the first GPU by the CUDA driver; empty where there is none."""
    none = {"gpu": "", "compute_capability": ""}
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return none
    count, name, number = ctypes.c_int(), ctypes.create_string_buffer(256), ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)) or not count.value:
        return none
    if driver.cuDeviceGetName(name, len(name), 0):
        return none
    parts = []
    for attribute in COMPUTE_CAPABILITY:
        driver.cuDeviceGetAttribute(ctypes.byref(number), attribute, 0)
        parts.append(str(number.value))
    return {"gpu": name.value.decode(errors="replace"), "compute_capability": ".".join(parts)}
