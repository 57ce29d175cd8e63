"""A training run on disk: one safetensors file with all that is needed to go on with the same bits. No pickles."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from perception.core.config import validated
from perception.core.errors import ConfigError, ModelError
from perception.core.files import write_atomic
from perception.networks.weights import safetensors_library
from perception.training.average import RunningAverage
from perception.training.config import RunConfig, TrainingConfig
from perception.training.optimiser import load_moments, moments

FORMAT = "perception-training-1"


@dataclass(frozen=True, slots=True)
class Run:
    """The parts of a run that change with every step."""

    network: nn.Module
    average: RunningAverage
    optimiser: torch.optim.Optimizer


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a file holds besides tensors."""

    step: int  # steps done
    num_updates: int  # of the running average
    config: RunConfig
    num_pictures: int
    tensors: dict[str, Tensor]


def save_checkpoint(path: Path, run: Run, step: int, config: RunConfig, num_pictures: int) -> None:
    """Write the run after `step` steps, whole or not at all."""
    tensors = {f"model.{name}": tensor for name, tensor in run.network.state_dict().items()}
    tensors |= {f"average.{name}": tensor for name, tensor in run.average.state.items()}
    tensors |= {f"optimiser.{name}": tensor for name, tensor in moments(run.network, run.optimiser).items()}
    facts = {"step": step, "num_updates": run.average.num_updates, "num_pictures": num_pictures}
    metadata = {"format": FORMAT, "config": config.model_dump_json(), "facts": json.dumps(facts)}
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_atomic(path, safetensors_library().save(plain, metadata))


def read_checkpoint(path: Path, kind: type[RunConfig] = TrainingConfig) -> Checkpoint:
    """What `save_checkpoint` wrote of a run with this kind of configuration. Raises `ModelError`."""
    safetensors_library()
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: no readable checkpoint ({error})") from None
    if metadata.get("format") != FORMAT:
        raise ModelError(f"{path}: format {metadata.get('format')!r}, expected {FORMAT!r}; give checkpoint.safetensors")
    try:
        facts: dict[str, Any] = json.loads(metadata["facts"])
        config = validated(kind, json.loads(metadata["config"]))
        return Checkpoint(int(facts["step"]), int(facts["num_updates"]), config, int(facts["num_pictures"]), tensors)
    except (KeyError, TypeError, ValueError, ConfigError) as error:
        raise ModelError(f"{path}: its description cannot be read ({error})") from None


def restore(checkpoint: Checkpoint, run: Run, config: RunConfig, fixed: Sequence[str]) -> None:
    """Put a checkpoint into a run. Raises `ConfigError` for one of `fixed` that has changed, and `ModelError`."""
    for name in (*fixed, "seed", "optimiser.kind"):
        have, want = _value(checkpoint.config, name), _value(config, name)
        if have != want:
            raise ConfigError(f"{name}: the run was started with {have!r}, not {want!r}; start another one with --init")
    model = _part(checkpoint.tensors, "model.")
    state = run.network.state_dict()
    wrong = sorted(model.keys() ^ state.keys()) or [key for key in state if state[key].shape != model[key].shape]
    if wrong:
        raise ModelError(f"checkpoint: {wrong[0]} does not fit the network")
    run.network.load_state_dict(model)
    average = _part(checkpoint.tensors, "average.")
    if average.keys() != run.average.state.keys():
        raise ModelError("checkpoint: the running average does not fit the network")
    run.average.load(average, checkpoint.num_updates)
    load_moments(run.network, run.optimiser, _part(checkpoint.tensors, "optimiser.").get, checkpoint.step)


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _value(config: RunConfig, path: str) -> Any:
    value: Any = config
    for name in path.split("."):
        value = getattr(value, name)
    return value
