"""PyTorch: the network itself from its weights, its norms folded, channels last. The reference of the other backends.

On a GPU the inputs go through pinned memory. torch has one number of threads per process; it is set for the time of a
call. On a CPU without bfloat16 that precision is imitated: numbers are rounded where units for it would round them, so
that its cost in accuracy is known on any machine.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

from perception.core.errors import ConfigError, MissingDependency, ModelError
from perception.inference.hardware import has_bf16, threads
from perception.inference.model_card import Model
from perception.inference.runtime import RuntimeOptions
from perception.inference.tensors import InputCheck, Shapes, one_line

INSTALL = "backend torch needs torch and safetensors: pip install 'perception[torch]'"
TYPES = {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}
IMAGE_AXES = 4


class TorchRuntime:
    """A folded network with its buffers."""

    backend = "torch"

    def __init__(self, model: Model, options: RuntimeOptions) -> None:
        self._torch: Any = _library()
        self.device = _device(options.device)
        if options.precision not in TYPES or (options.precision == "f16" and self.device == "cpu"):
            raise ConfigError(f"precision: backend torch does not run {options.precision} on {self.device}; use f32")
        self.precision = options.precision
        self.choice = "torch: asked for"
        self.inputs, self.outputs = model.card.inputs, model.card.outputs
        self._name = model.card.name
        self._check = InputCheck(model.card)
        self._num_threads = threads(options.num_threads)
        is_imitated = options.precision == "bf16" and self.device == "cpu" and not has_bf16()
        self._dtype = getattr(self._torch, TYPES["f32" if is_imitated else options.precision])
        layout = self._torch.channels_last
        network = _network(model).requires_grad_(False)
        if is_imitated:
            _round(network, self._torch.bfloat16)
        self._network: Any = network.to(self.device, self._dtype, memory_format=layout)
        self._buffers: dict[str, Any] = {}  # what is handed out, in memory of the host

    def infer(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """As in `Runtime`."""
        arrays, _ = self._check.arrays(inputs)
        if self._network is None:
            raise ModelError(f"model {self._name}: the runtime is closed; make a new one")
        try:
            with self._torch.inference_mode(), self._budget():
                results = self._network(*(self._to_device(array) for array in arrays))
                return self._to_host(results if isinstance(results, tuple | list) else (results,))
        except RuntimeError as error:
            raise ModelError(f"model {self._name}: torch failed ({one_line(error)})") from error

    def warm_up(self, shapes: Shapes) -> None:
        """As in `Runtime`."""
        self.infer(self._check.example(shapes))

    def close(self) -> None:
        """As in `Runtime`."""
        self._network = None
        self._buffers.clear()

    def _to_device(self, array: np.ndarray) -> Any:
        tensor = self._torch.from_numpy(array if array.flags.writeable else array.copy())
        layout = self._torch.channels_last if array.ndim == IMAGE_AXES else self._torch.contiguous_format
        if self.device != "cpu":
            tensor = tensor.pin_memory().to(self.device, non_blocking=True)
        dtype = self._dtype if tensor.is_floating_point() else tensor.dtype
        return tensor.to(dtype=dtype, memory_format=layout)

    def _to_host(self, results: Any) -> dict[str, np.ndarray]:
        if len(results) != len(self.outputs):
            raise ModelError(f"model {self._name}: {len(results)} outputs, the card has {len(self.outputs)}")
        for spec, result in zip(self.outputs, results):
            buffer = self._buffers.get(spec.name)
            if buffer is None or buffer.shape != result.shape:
                dtype = getattr(self._torch, spec.dtype)
                buffer = self._torch.empty(result.shape, dtype=dtype, pin_memory=self.device != "cpu")
                self._buffers[spec.name] = buffer
            buffer.copy_(result, non_blocking=True)
        if self.device != "cpu":
            self._torch.cuda.synchronize()
        return {name: buffer.numpy() for name, buffer in self._buffers.items()}

    @contextmanager
    def _budget(self) -> Iterator[None]:
        """The threads of this runtime; those of the process again afterwards."""
        before = self._torch.get_num_threads()
        if before == self._num_threads:
            yield
            return
        self._torch.set_num_threads(self._num_threads)
        try:
            yield
        finally:
            self._torch.set_num_threads(before)


def _library() -> ModuleType:
    try:
        import safetensors.torch  # noqa: F401  # what the weights are read with
        import torch
    except ImportError as error:
        raise MissingDependency(f"{INSTALL} ({one_line(error)})") from None
    return torch


def _device(wanted: str) -> str:
    from perception.inference.probe import gpu_problem

    if wanted == "tensorrt":
        raise ConfigError("device: backend torch runs on cpu or cuda, not on tensorrt")
    if wanted == "cpu":
        return "cpu"
    problem = gpu_problem("torch")
    if problem and wanted == "cuda":
        raise ConfigError(f"device: cuda does not work here ({problem}); use cpu")
    return "cpu" if problem else "cuda"


def _network(model: Model) -> Any:
    """The network of the card's family with its weights, folded. Raises `ModelError`."""
    path = model.path("weights")
    network: Any
    match model.card.family:
        case "leyolo":
            from perception.networks.weights import load_leyolo

            network = load_leyolo(path)
        case "osnet":
            from perception.networks.reid import load_reid

            network = load_reid(path)
        case "lsdnet":
            from perception.networks.lsdnet import load_lsdnet

            network = load_lsdnet(path)
        case "rein":
            from perception.networks.rein import ReinEncoder, load_rein

            network = ReinEncoder(load_rein(path)).eval()
        case family:
            raise ModelError(f"model {model.card.name}: family: {family!r} has no torch network; use onnx")
    from perception.networks.blocks import folded

    _compare(model, network.config.model_dump(mode="json"))
    return folded(network)


def _round(network: Any, dtype: Any) -> None:
    """Let a float32 network compute as with `dtype`: its weights and what its layers answer are rounded to it.

    Biases and sums stay as they are, as in the units that multiply matrices of bfloat16.
    """

    def rounded(_layer: Any, _inputs: Any, output: Any) -> Any:
        return output.to(dtype).to(output.dtype)

    for layer in network.modules():
        if not list(layer.children()):
            layer.register_forward_hook(rounded)
        weight = getattr(layer, "weight", None)
        if weight is not None:
            weight.data = weight.data.to(dtype).to(weight.dtype)


def _compare(model: Model, have: Mapping[str, Any]) -> None:
    """That the weights are of the network which the card describes."""
    for field, value in model.card.model_dump(mode="json")["network"].items():
        if field in have and have[field] != value:
            raise ModelError(
                f"model {model.card.name}: network.{field}: the card says {value!r}, the weights {have[field]!r}"
            )
