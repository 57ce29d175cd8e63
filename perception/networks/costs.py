"""How many parameters and floating point operations a network takes, counted from the shapes of its layers."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from perception.networks.leyolo import LeYolo
from perception.networks.leyolo_graph import IMAGE_CHANNELS, NUM_BINS, NUM_SIDES

OPERATIONS_PER_MAC = 2
OPERATIONS_PER_NORM = 8  # per element: as published counts book a norm that is not folded


@dataclass(frozen=True, slots=True)
class LayerCost:
    """Operations of one layer for one image."""

    name: str
    is_norm: bool
    operations: int


def layer_costs(network: LeYolo, height: int, width: int) -> list[LayerCost]:
    """Cost of every convolution and norm for an image of `height` x `width` px; nothing is computed.

    Nodes that never reach the head count as well, as they do in published figures.
    """
    network = copy.deepcopy(network).to("meta").eval()
    costs: list[LayerCost] = []
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d | nn.BatchNorm2d):
            layer.register_forward_hook(_counter(name, costs))
    image = torch.empty(1, IMAGE_CHANNELS, height, width, device="meta")
    features = network.features(image, range(len(network.nodes)))
    outputs = network.head([features[tap] for tap in network.graph.taps])
    num_points = sum(output.shape[2] * output.shape[3] for output in outputs)
    costs.append(LayerCost("head.distances", False, OPERATIONS_PER_MAC * NUM_BINS * NUM_SIDES * num_points))
    return costs


def operations(network: LeYolo, height: int, width: int) -> int:
    """Floating point operations for one image, two per multiplication with addition."""
    return sum(cost.operations for cost in layer_costs(network, height, width))


def num_parameters(network: nn.Module) -> int:
    """Values of all parameters, frozen ones included, running statistics not."""
    return sum(parameter.numel() for parameter in network.parameters())


def _counter(name: str, costs: list[LayerCost]):  # type: ignore[no-untyped-def]
    def count(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(layer, nn.Conv2d):
            per_value = OPERATIONS_PER_MAC * layer.weight[0].numel()
        else:
            per_value = OPERATIONS_PER_NORM
        costs.append(LayerCost(name, isinstance(layer, nn.BatchNorm2d), per_value * output.numel()))

    return count
