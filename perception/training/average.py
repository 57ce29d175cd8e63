"""The running mean of a network's weights: steadier, and better, than the weights of the last step."""

import math

import torch
from torch import Tensor, nn

from perception.training.config import AverageConfig


class RunningAverage:
    """Mean of the floating-point state of a network. Decay at its n-th update: decay * (1 - exp(-n / ramp))."""

    def __init__(self, network: nn.Module, config: AverageConfig) -> None:
        self._config = config
        self.num_updates = 0
        self.state = {name: tensor.detach().clone() for name, tensor in _floats(network).items()}

    def update(self, network: nn.Module) -> None:
        """Move the mean towards the network as it is now."""
        self.num_updates += 1
        decay = self._config.decay * (1 - math.exp(-self.num_updates / self._config.ramp))
        latest = _floats(network)
        with torch.no_grad():
            torch._foreach_lerp_(list(self.state.values()), [latest[name] for name in self.state], 1 - decay)

    def load(self, state: dict[str, Tensor], num_updates: int) -> None:
        """Go on from a stored mean."""
        self.num_updates = num_updates
        for name, tensor in self.state.items():
            tensor.copy_(state[name])

    def put_into(self, network: nn.Module) -> None:
        """Replace the floating-point state of a network by the mean."""
        with torch.no_grad():
            for name, tensor in _floats(network).items():
                tensor.copy_(self.state[name])


def _floats(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in network.state_dict().items() if tensor.is_floating_point()}
