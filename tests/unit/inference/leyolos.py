"""Small LeYOLOs with norms that do something and heads that find something, and their graphs; made once."""

import functools

import numpy as np
import torch

from perception.inference.export import leyolo_graph
from perception.networks.leyolo import LeYolo
from perception.networks.leyolo_graph import LeYoloConfig


@functools.cache
def network(size: str = "nano", activation: str = "silu", num_classes: int = 5) -> LeYolo:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    made = LeYolo(LeYoloConfig(size=size, activation=activation, num_classes=num_classes)).eval()
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.0)
            module.weight.data.uniform_(1.0, 1.5)
            module.bias.data.normal_(0, 0.2)
    for branch in made.head.classes:
        torch.nn.init.normal_(branch[-1].weight, std=1.0)
        torch.nn.init.constant_(branch[-1].bias, -1.0)
    return made


@functools.cache
def graph(size: str = "nano", activation: str = "silu", num_classes: int = 5):
    """The float32 graph with raw heads; copy it before changing it."""
    return leyolo_graph(network(size, activation, num_classes))


def images(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)
