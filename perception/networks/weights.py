"""Weights in and out: safetensors of our own, and arrays of published networks in their order.

A file of ours holds the tensors of the network as it trains (not folded), and its configuration as metadata, so that
it is complete in itself. Nothing here ever unpickles.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from perception.core.config import Config, validated
from perception.core.errors import ConfigError, MissingDependency, ModelError
from perception.core.files import write_atomic
from perception.networks.leyolo import LeYolo
from perception.networks.leyolo_graph import LeYoloConfig

C = TypeVar("C", bound=Config)

BATCH_COUNTER = "num_batches_tracked"
FAMILY = "leyolo"
HEAD_BRANCHES = {"boxes": "cv2", "classes": "cv3"}
PUBLISHED_PREFIX = "model."


def save_leyolo(network: LeYolo, path: Path, dtype: torch.dtype = torch.float32) -> None:
    """Write weights and configuration as safetensors, whole or not at all. Raises `MissingDependency`.

    `dtype`: of the numbers in the file; float16 halves it. They are loaded as float32.
    """
    save_network(network, network.config, FAMILY, path, dtype)


def load_leyolo(path: Path) -> LeYolo:
    """The network of a file that `save_leyolo` wrote, in evaluation mode.

    Raises `ModelError` naming what does not fit, `MissingDependency` without safetensors.
    """
    config, tensors = read_network(path, FAMILY, LeYoloConfig)
    network = LeYolo(config)
    fill(network, tensors, str(path))
    return network.eval()


def save_network(network: nn.Module, config: Config, family: str, path: Path, dtype: torch.dtype) -> None:
    """Write the weights of any network, with numbers as `dtype`, and its configuration, whole or not at all."""
    tensors = {name: stored(tensor, dtype) for name, tensor in network.state_dict().items()}
    metadata = {"family": family, "config": config.model_dump_json()}
    write_atomic(path, safetensors_library().save(tensors, metadata))


def read_network(path: Path, family: str, kind: type[C]) -> tuple[C, dict[str, torch.Tensor]]:
    """Configuration and tensors of a file that `save_network` wrote. Raises `ModelError`, `MissingDependency`."""
    tensors, metadata = read_tensors(path)
    if metadata.get("family") != family:
        raise ModelError(f"{path}: family {metadata.get('family')!r}, expected {family!r}; give a file of this network")
    try:
        return validated(kind, json.loads(metadata.get("config", ""))), tensors
    except (ValueError, ConfigError) as error:
        raise ModelError(f"{path}: its configuration cannot be read ({error})") from None


def ordered_names(network: LeYolo) -> list[str]:
    """Names of parameters and running statistics in the published order, batch counters left out."""
    return [name for name in network.state_dict() if not name.endswith(BATCH_COUNTER)]


def published_names(network: LeYolo) -> list[str]:
    """What published files call the arrays of `ordered_names`, without their prefix `model.`."""
    return [_published(network, name) for name in ordered_names(network)]


def load_ordered(network: LeYolo, arrays: Iterable[np.ndarray], names: Sequence[str] | None = None) -> None:
    """Fill a network with arrays in the published order, as float32; `names` are compared where given.

    Batch counters must be left out. Raises `ModelError` naming the first array that does not fit; the network is
    then unchanged.
    """
    values = list(arrays)
    ours = ordered_names(network)
    if len(values) != len(ours):
        raise ModelError(f"weights: {len(values)} arrays, expected {len(ours)} for {network.config.size}")
    if names is not None:
        _compare(published_names(network), [name.removeprefix(PUBLISHED_PREFIX) for name in names])
    state = network.state_dict()
    tensors = {name: torch.from_numpy(np.array(value, dtype=np.float32)) for name, value in zip(ours, values)}
    counters = {name: torch.zeros_like(value) for name, value in state.items() if name.endswith(BATCH_COUNTER)}
    fill(network, {**tensors, **counters}, "weights")


def stored(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """A tensor as a file holds it: on the host, floating point as `dtype`."""
    tensor = tensor.detach().cpu().contiguous()
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def _compare(ours: Sequence[str], theirs: Sequence[str]) -> None:
    if len(ours) != len(theirs):
        raise ModelError(f"weights: {len(theirs)} names, expected {len(ours)}")
    for row, (want, have) in enumerate(zip(ours, theirs)):
        if want != have:
            raise ModelError(f"weights: array {row} is called {have!r}, expected {want!r}; is it of another size?")


def fill(network: nn.Module, tensors: dict[str, torch.Tensor], source: str) -> None:
    """Put tensors by name into a network; floating point is converted. Raises `ModelError` naming what does not fit."""
    state = network.state_dict()
    if tensors.keys() != state.keys():
        name = min(tensors.keys() ^ state.keys())
        raise ModelError(f"{source}: tensor {name!r} is {'missing' if name in state else 'unknown'}")
    for name, tensor in tensors.items():
        want = state[name]
        if tensor.shape != want.shape or tensor.is_floating_point() != want.is_floating_point():
            have = f"{tuple(tensor.shape)} {tensor.dtype}"
            raise ModelError(f"{source}: {name} is {have}, expected {tuple(want.shape)} {want.dtype}")
        if not torch.isfinite(tensor).all():
            raise ModelError(f"{source}: {name} holds values that are not finite")
    network.load_state_dict(tensors)


def _published(network: LeYolo, name: str) -> str:
    part, *rest = name.split(".")
    if part == "nodes":
        return _published_node(network, rest)
    head = str(len(network.nodes))
    if rest == ["distances", "bins"]:
        return f"{head}.dfl.conv.weight"
    branch, level, layer, *inner = rest
    inner = ["bn" if word == "norm" else word for word in inner]
    return ".".join([head, HEAD_BRANCHES[branch], level, layer, *inner])


def _published_node(network: LeYolo, words: list[str]) -> str:
    """Name of an array of a node; bottlenecks count their units, and their last convolution and norm apart."""
    index, *rest = words
    match network.graph.nodes[int(index)].operation:
        case "conv":
            unit, leaf = rest
            return f"{index}.{'c' if unit == 'conv' else 'bn'}.{leaf}"
        case "pyramid":
            part, unit, leaf = rest
            return f"{index}.{'cv1' if part == 'reduce' else 'cv2'}.{'conv' if unit == 'conv' else 'bn'}.{leaf}"
        case _:
            part, unit, leaf = rest
            first = 1 if network.graph.nodes[int(index)].expansion else 0
            if part == "project":
                return f"{index}.layers.{first + (1 if unit == 'conv' else 2)}.{leaf}"
            layer = first if part == "depthwise" else 0
            return f"{index}.layers.{layer}.{'c' if unit == 'conv' else 'bn'}.{leaf}"


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors by name and the metadata of a safetensors file. Raises `ModelError`, `MissingDependency`."""
    safetensors_library()
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: no readable safetensors file ({error})") from None


def safetensors_library() -> ModuleType:
    """`safetensors.torch`. Raises `MissingDependency` naming the extra."""
    try:
        import safetensors.torch
    except ImportError:
        raise MissingDependency("weights need safetensors: pip install 'perception[torch]'") from None
    return safetensors.torch
