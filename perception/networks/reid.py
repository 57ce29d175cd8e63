"""A small network that tells objects apart by their looks: cut-outs to unit vectors that are alike for one object.

K. Zhou et al., "Omni-Scale Feature Learning for Person Re-Identification", ICCV 2019, written from the paper: blocks
with several streams, each a chain of light 3x3 convolutions of another length and so of another scale; one small gate,
shared by all streams, says channel by channel how much of each scale goes on.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from perception.networks.blocks import ConvShape, ConvUnit
from perception.networks.reid_graph import FAMILY, INPUT, OUTPUT, ReidConfig
from perception.networks.weights import fill, read_network, save_network

REDUCTION = 4  # of channels inside a block
GATE_REDUCTION = 4  # of channels inside the gate; the streams are narrow here
MIDDLE_GREY = 0.5  # values in 0..1 are centred before the first convolution


class ReidNetwork(nn.Module):
    """The network of a `ReidConfig`."""

    def __init__(self, config: ReidConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = nn.Sequential(_unit(3, config.stem, 3, stride=2), nn.MaxPool2d(3, stride=2, padding=1))
        widths = (config.stem, *config.widths)
        last = len(config.widths) - 1
        self.stages = nn.Sequential(*(_stage(widths[k], widths[k + 1], config, k == last) for k in range(last + 1)))
        self.embed = nn.Linear(config.widths[-1], config.dimensions, bias=False)
        self.norm = nn.BatchNorm1d(config.dimensions, affine=False)

    def forward(self, crops: Tensor) -> Tensor:
        """Cut-outs (B, 3, height, width) in 0..1, RGB, to unit vectors (B, dimensions)."""
        features = self.stages(self.stem(crops - MIDDLE_GREY)).mean(dim=(2, 3))
        return functional.normalize(self.norm(self.embed(features)), dim=1)


class LightConv(nn.Module):
    """A 3x3 convolution in two cheap steps: pointwise without norm or activation, then depthwise."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.pointwise = nn.Conv2d(width, width, 1, bias=False)
        self.depthwise = ConvUnit(ConvShape(width, width, 3, groups=width), nn.ReLU(), has_bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """(B, width, H, W) to the same shape."""
        return self.depthwise(self.pointwise(features))


class AggregationGate(nn.Module):
    """A weight in 0..1 for each channel of a stream, from the mean of that channel over the image."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = max(width // GATE_REDUCTION, 1)
        self.weights = nn.Sequential(nn.Linear(width, inner), nn.ReLU(), nn.Linear(inner, width), nn.Sigmoid())

    def forward(self, features: Tensor) -> Tensor:
        """(B, width, H, W) to the same shape."""
        return features * self.weights(features.mean(dim=(2, 3)))[:, :, None, None]


class OmniScaleBlock(nn.Module):
    """Streams of 1, 2, ... light convolutions over fewer channels, gated, summed, and added to the input."""

    def __init__(self, inputs: int, outputs: int, num_streams: int) -> None:
        super().__init__()
        middle = max(outputs // REDUCTION, 1)
        self.reduce = _unit(inputs, middle, 1)
        self.streams = nn.ModuleList(
            nn.Sequential(*(LightConv(middle) for _ in range(length))) for length in range(1, num_streams + 1)
        )
        self.gate = AggregationGate(middle)
        self.restore = ConvUnit(ConvShape(middle, outputs), nn.Identity(), has_bias=False)
        self.skip: nn.Module = nn.Identity()
        if inputs != outputs:
            self.skip = ConvUnit(ConvShape(inputs, outputs), nn.Identity(), has_bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H, W)."""
        reduced = self.reduce(features)
        scales = [self.gate(stream(reduced)) for stream in self.streams]
        return functional.relu(self.restore(sum(scales[1:], scales[0])) + self.skip(features))


def save_reid(network: ReidNetwork, path: Path) -> None:
    """Write weights as float16 and the configuration as safetensors, whole or not at all."""
    save_network(network, network.config, FAMILY, path, torch.float16)


def load_reid(path: Path) -> ReidNetwork:
    """The network of a file that `save_reid` wrote, in evaluation mode. Raises `ModelError`, `MissingDependency`."""
    config, tensors = read_network(path, FAMILY, ReidConfig)
    network = ReidNetwork(config)
    fill(network, tensors, str(path))
    return network.eval()


def exported_reid(network: ReidNetwork, batch: int = 2) -> bytes:
    """ONNX of a network with folded norms, weights inside; the batch is free."""
    from perception.networks.export import Signature, exported

    config = network.config
    signature = Signature((INPUT,), (OUTPUT,), {INPUT: {0: "batch"}})
    return exported(network, (torch.zeros(batch, 3, config.height, config.width),), signature)


def _unit(inputs: int, outputs: int, kernel: int, stride: int = 1) -> ConvUnit:
    return ConvUnit(ConvShape(inputs, outputs, kernel, stride), nn.ReLU(), has_bias=False)


def _stage(inputs: int, outputs: int, config: ReidConfig, is_last: bool) -> nn.Sequential:
    """Blocks of one width, then half the resolution unless it is the last stage."""
    blocks = [OmniScaleBlock(outputs if k else inputs, outputs, config.num_streams) for k in range(config.blocks)]
    return nn.Sequential(*blocks, nn.Identity() if is_last else _transition(outputs))


def _transition(width: int) -> nn.Sequential:
    return nn.Sequential(_unit(width, width, 1), nn.AvgPool2d(2))
