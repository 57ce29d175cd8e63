"""LSDNet: an image to a map of what lies on a line and a map of the direction of lines.

D. Teplyakov et al., "LSDNet: Trainable Modification of LSD Algorithm for Real-Time Line Segment Detection", IEEE Access
vol. 10, 2022; layers after `lsdnet.md`, section 2. A light U-Net with three poolings; its third concatenation has the
upsampled features first, the other two have them last.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from perception.core.errors import ModelError
from perception.networks.blocks import NORM_EPSILON, ConvShape, ConvUnit
from perception.networks.lsdnet_graph import ANGLE, FAMILY, HEAT, INPUT, LsdNetConfig
from perception.networks.weights import fill, read_network, save_network

NUM_MAPS = 2  # heat, angle
EXAMPLE = (1, 3, 64, 96)  # traced once; batch and sides are free


class LsdNet(nn.Module):
    """The network of a `LsdNetConfig`."""

    def __init__(self, config: LsdNetConfig) -> None:
        super().__init__()
        self.config = config
        units = (ConvUnit(ConvShape(*widths, kernel=3), nn.ReLU(), has_bias=True) for widths in config.layers)
        self.layers = nn.ModuleList(units)
        self.head = nn.Conv2d(config.layers[-1][1], NUM_MAPS, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, 3, H, W) in 0..1, RGB, to heat and angle (B, H, W), both in 0..1.

        Heat: how likely the pixel is on a line. Angle: direction of that line, atan2(dy, dx) mod pi, as a share of pi,
        in the frame of the input (x right, y down).
        """
        maps = torch.sigmoid(self.logits(images))
        return maps[:, 0], maps[:, 1]

    def logits(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) to both maps before the sigmoid, (B, 2, H, W)."""
        layers = self.layers
        full = layers[0](images)
        half = layers[2](layers[1](_pooled(full)))
        quarter = layers[4](layers[3](_pooled(half)))
        features = layers[6](layers[5](_pooled(quarter)))
        features = layers[8](layers[7](torch.cat([quarter, _doubled(features)], dim=1)))
        features = layers[10](layers[9](torch.cat([half, _doubled(features)], dim=1)))
        features = layers[12](layers[11](torch.cat([_doubled(features), full], dim=1)))
        return self.head(features)


def published_lsdnet(weights: Sequence[np.ndarray], biases: Sequence[np.ndarray]) -> LsdNet:
    """The network of folded convolutions in the order of the table, (out, in, k, k) and (out,), in evaluation mode.

    Its norms do nothing until they are trained. Raises `ModelError` naming the array that does not fit.
    """
    network = LsdNet(LsdNetConfig(base_width=len(weights[0]) if weights else 4))
    units = [unit for unit in network.layers if isinstance(unit, ConvUnit)]
    convolutions = [*(unit.conv for unit in units), network.head]
    if len(weights) != len(convolutions) or len(biases) != len(convolutions):
        raise ModelError(f"weights: {len(weights)} and {len(biases)} biases, expected {len(convolutions)} of each")
    for row, (convolution, weight, bias) in enumerate(zip(convolutions, weights, biases)):
        if weight.shape != convolution.weight.shape or bias.shape != weight.shape[:1]:
            raise ModelError(f"weights: array {row} is {weight.shape}, expected {tuple(convolution.weight.shape)}")
        convolution.weight = nn.Parameter(torch.from_numpy(weight.astype(np.float32)))
        convolution.bias = nn.Parameter(torch.from_numpy(bias.astype(np.float32)))
    for unit in units:
        assert isinstance(unit.norm, nn.BatchNorm2d)  # as it is made
        nn.init.constant_(unit.norm.weight, math.sqrt(1 + NORM_EPSILON))  # the variance is 1, and epsilon is added
    return network.eval()


def save_lsdnet(network: LsdNet, path: Path, dtype: torch.dtype = torch.float32) -> None:
    """Write weights, as `dtype`, and configuration as safetensors, whole or not at all."""
    save_network(network, network.config, FAMILY, path, dtype)


def load_lsdnet(path: Path) -> LsdNet:
    """The network of a file that `save_lsdnet` wrote, in evaluation mode. Raises `ModelError`, `MissingDependency`."""
    config, tensors = read_network(path, FAMILY, LsdNetConfig)
    network = LsdNet(config)
    fill(network, tensors, str(path))
    return network.eval()


def exported_lsdnet(network: LsdNet) -> bytes:
    """ONNX of a network with folded norms, weights inside; batch, height and width are free."""
    from perception.networks.export import Signature, exported

    signature = Signature((INPUT,), (HEAT, ANGLE), {INPUT: {0: "batch", 2: "height", 3: "width"}})
    return exported(network, (torch.zeros(EXAMPLE),), signature)


def _pooled(features: Tensor) -> Tensor:
    return functional.max_pool2d(features, 2)


def _doubled(features: Tensor) -> Tensor:
    return functional.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)
