"""The optimiser, its schedule, and its state as plain tensors that fit a small checkpoint.

The moments are kept at the precision at which checkpoints hold them, always, so that a resumed run goes on with the
same bits: AdamW's mean gradient as bfloat16, its mean square with 16 bits of fraction (its steps are 0.1 % at
beta 2 = 0.999, which bfloat16 would round away). SGD's momentum keeps all bits.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from perception.core.errors import ModelError
from perception.training.config import OptimiserConfig

MEAN, SQUARE, MOMENTUM = "exp_avg", "exp_avg_sq", "momentum_buffer"  # torch's names
ADAM_PARTS, SGD_PARTS = ("mean", "square_high", "square_low"), ("momentum",)  # of a parameter in a checkpoint
LOW_BITS = 8  # of a float32 that a mean square does without
TAKES_DECAY = 2  # dimensions: weights of convolutions have more, norms and biases one


def make_optimiser(network: nn.Module, config: OptimiserConfig) -> torch.optim.Optimizer:
    """The optimiser of a run; weights of convolutions decay, biases and norms do not."""
    named = [value for value in network.parameters() if value.requires_grad]
    groups = [
        {"params": [value for value in named if value.ndim > TAKES_DECAY], "weight_decay": config.weight_decay},
        {"params": [value for value in named if value.ndim <= TAKES_DECAY], "weight_decay": 0.0},
    ]
    if config.kind == "adamw":
        betas = (config.momentum, config.beta2)
        return torch.optim.AdamW(groups, lr=config.learning_rate, betas=betas, foreach=True)
    return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.momentum, nesterov=True, foreach=True)


def learning_rate(step: int, steps: int, config: OptimiserConfig) -> float:
    """At a step counted from 0: rising from 0 in the warm-up, then falling to the last share."""
    done = step / steps
    fall = 1 - done if config.schedule == "linear" else (1 + math.cos(math.pi * done)) / 2
    warm_up = min(1.0, (step + 1) / max(config.warm_up * steps, 1))
    return config.learning_rate * warm_up * (config.last_share + (1 - config.last_share) * fall)


def set_rates(optimiser: torch.optim.Optimizer, step: int, steps: int, config: OptimiserConfig) -> None:
    """Set learning rate and, for SGD, momentum of the step that follows."""
    warm_up = min(1.0, (step + 1) / max(config.warm_up * steps, 1))
    for group in optimiser.param_groups:
        group["lr"] = learning_rate(step, steps, config)
        if config.kind == "sgd":
            group["momentum"] = config.first_momentum + (config.momentum - config.first_momentum) * warm_up


@torch.no_grad()
def round_moments(optimiser: torch.optim.Optimizer) -> None:
    """Bring the moments to the precision of checkpoints."""
    for state in optimiser.state.values():
        if MEAN in state:
            state[MEAN].copy_(state[MEAN].bfloat16())
            bits = state[SQUARE].view(torch.int32)
            bits.add_(1 << (LOW_BITS - 1)).bitwise_and_(-(1 << LOW_BITS))


def moments(network: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state by name; empty before the first step."""
    found: dict[str, Tensor] = {}
    for name, parameter in network.named_parameters():
        state = optimiser.state.get(parameter, {})
        if MEAN in state:
            bits = state[SQUARE].contiguous().view(torch.int32)
            found[f"mean.{name}"] = state[MEAN].bfloat16()
            found[f"square_high.{name}"] = (bits >> 16).to(torch.int16)
            found[f"square_low.{name}"] = (bits >> LOW_BITS & 0xFF).to(torch.uint8)
        elif state.get(MOMENTUM) is not None:
            found[f"momentum.{name}"] = state[MOMENTUM]
    return found


def load_moments(
    network: nn.Module, optimiser: torch.optim.Optimizer, stored: Callable[[str], Tensor | None], step: int
) -> None:
    """Put back what `moments` gave at a step. Raises `ModelError` naming what is missing."""
    if step == 0:
        return
    is_adam = isinstance(optimiser, torch.optim.AdamW)
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        found = [stored(f"{part}.{name}") for part in (ADAM_PARTS if is_adam else SGD_PARTS)]
        parts = [part for part in found if part is not None and part.shape == parameter.shape]
        if len(parts) < len(found):
            raise ModelError(f"checkpoint: the optimiser's state of {name} is missing; was it another optimiser?")
        optimiser.state[parameter] = _state(parts, parameter, step)


def _state(parts: list[Tensor], parameter: Tensor, step: int) -> dict[str, Tensor]:
    like = torch.zeros_like(parameter)
    if len(parts) == 1:
        return {MOMENTUM: like.copy_(parts[0])}
    mean, high, low = parts
    bits = (high.to(torch.int32) << 16) | (low.to(torch.int32) << LOW_BITS)
    square = torch.zeros_like(parameter).copy_(bits.view(torch.float32))
    return {"step": torch.tensor(float(step)), MEAN: like.copy_(mean), SQUARE: square}
