"""One interface to every library that can compute a network here, and the factory that opens one.

A runtime owns its buffers: what `infer` returns stays valid until the next call. One runtime serves one caller at a
time. Nothing is imported before a backend is asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from perception.core.errors import ConfigError
from perception.inference.model_card import Model, TensorSpec
from perception.inference.tensors import InputCheck, Shapes, default_shapes

BACKENDS = ("torch", "onnx", "openvino", "tensorrt", "tensorrt_rtx")
PRECISIONS = ("auto", "f32", "bf16", "f16", "int8")
DEVICES = ("auto", "cpu", "cuda", "tensorrt")  # tensorrt: the provider of that name inside onnxruntime
MAX_THREADS = 1024


class Runtime(Protocol):
    """A network that is ready to run."""

    backend: str
    precision: str
    device: str
    choice: str  # why this backend: one sentence
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def infer(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs by name, valid until the next call.

        Raises `InvalidInput` naming the tensor whose name, shape or type is wrong, `ModelError` when the library
        fails.
        """
        ...

    def warm_up(self, shapes: Shapes) -> None:
        """Do everything now that a first call with these shapes would otherwise wait for."""
        ...

    def close(self) -> None:
        """Free what the runtime holds; it cannot be used afterwards. May be called twice."""
        ...


@dataclass(frozen=True, slots=True)
class RuntimeOptions:
    """What a backend is asked for."""

    precision: str = "auto"
    num_threads: int = 0  # 0: all physical cores
    device: str = "auto"
    shapes: Shapes = field(default_factory=dict)  # of the inputs that will be used most

    def __post_init__(self) -> None:
        _check("precision", self.precision, PRECISIONS)
        _check("device", self.device, DEVICES)
        if not 0 <= self.num_threads <= MAX_THREADS:
            raise ConfigError(f"num_threads: {self.num_threads} is not 0 (all cores) to {MAX_THREADS}")


def make_runtime(
    model: Model,
    backend: str = "auto",
    precision: str = "auto",
    num_threads: int = 0,
    device: str = "auto",
    shapes: Shapes | None = None,
) -> Runtime:
    """A runtime for `model`; `auto` takes the fastest backend that works here and says which and why.

    `shapes` (by name of the input) are those that will be used; the card's size by default. `num_threads` 0 means all
    physical cores. Raises `ConfigError` for what is unknown or contradictory, `MissingDependency` with the install
    command, `ModelError` when the model cannot be used, `InvalidInput` for shapes that do not fit the card.
    """
    _check("backend", backend, ("auto", *BACKENDS))
    options = RuntimeOptions(precision, num_threads, device, shapes or default_shapes(model.card))
    InputCheck(model.card).axes(options.shapes)
    from perception.inference.choice import choose, settled_precision

    if backend == "auto":
        return choose(model, options)
    if options.precision == "auto":
        options = replace(options, precision=settled_precision(backend, model.card))
    return open_backend(backend, model, options)


def open_backend(backend: str, model: Model, options: RuntimeOptions) -> Runtime:
    """A runtime of a named backend; `options.precision` is decided."""
    match backend:
        case "onnx":
            from perception.inference.onnx import OnnxRuntime

            return OnnxRuntime(model, options)
        case "openvino":
            from perception.inference.openvino import OpenVinoRuntime

            return OpenVinoRuntime(model, options)
        case "torch":
            from perception.inference.torch import TorchRuntime

            return TorchRuntime(model, options)
        case "tensorrt" | "tensorrt_rtx":
            from perception.inference.tensorrt import TensorRtRuntime

            return TensorRtRuntime(model, options, backend)
    raise ConfigError(f"backend: {backend!r} is unknown; use auto, {', '.join(BACKENDS)}")


def _check(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigError(f"{name}: {value!r} is unknown; use {', '.join(known)}")
