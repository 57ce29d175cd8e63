"""Building blocks of convolutional networks, and the folding of their normalisations for inference."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

NORM_EPSILON = 1e-3
NORM_MOMENTUM = 0.03  # share of a new batch in the running statistics

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"silu": nn.SiLU, "hard_swish": nn.Hardswish}
ModuleType = TypeVar("ModuleType", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class ConvShape:
    """Sizes of one convolution; padding is half the kernel."""

    inputs: int  # channels
    outputs: int  # channels
    kernel: int = 1  # px
    stride: int = 1  # px
    groups: int = 1


class ConvUnit(nn.Module):
    """Convolution, batch norm, activation. After `folded` the norm is part of the convolution."""

    def __init__(self, shape: ConvShape, activation: nn.Module, has_bias: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            shape.inputs,
            shape.outputs,
            shape.kernel,
            shape.stride,
            padding=shape.kernel // 2,
            groups=shape.groups,
            bias=has_bias,
        )
        self.norm: nn.Module = nn.BatchNorm2d(shape.outputs, eps=NORM_EPSILON, momentum=NORM_MOMENTUM)
        self.activation = activation

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        return self.activation(self.norm(self.conv(features)))

    def fold(self) -> None:
        """Put the norm, as it is in evaluation, into the convolution (in float64); without effect the second time."""
        if not isinstance(self.norm, nn.BatchNorm2d):
            return
        norm, conv = self.norm.double(), self.conv.double()
        mean, variance = norm.running_mean, norm.running_var
        assert mean is not None and variance is not None  # made with running statistics
        scale = norm.weight / torch.sqrt(variance + NORM_EPSILON)
        bias = torch.zeros_like(scale) if conv.bias is None else conv.bias
        conv.weight = nn.Parameter((conv.weight * scale[:, None, None, None]).detach())
        conv.bias = nn.Parameter(((bias - mean) * scale + norm.bias).detach())
        self.conv, self.norm = conv.float(), nn.Identity()


class InvertedBottleneck(nn.Module):
    """Pointwise expansion, depthwise convolution, pointwise projection without activation.

    The input is added to the output iff the stride is 1 and both have the same width, also without an expansion.
    """

    def __init__(self, shape: ConvShape, expansion: int, activation: Callable[[], nn.Module]) -> None:
        super().__init__()
        middle = expansion or shape.inputs
        depthwise = ConvShape(middle, middle, shape.kernel, shape.stride, groups=middle)
        self.expand = ConvUnit(ConvShape(shape.inputs, middle), activation(), True) if expansion else nn.Identity()
        self.depthwise = ConvUnit(depthwise, activation(), has_bias=True)
        self.project = ConvUnit(ConvShape(middle, shape.outputs), nn.Identity(), has_bias=True)
        self.has_residual = shape.stride == 1 and shape.inputs == shape.outputs

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        out = self.project(self.depthwise(self.expand(features)))
        return features + out if self.has_residual else out


class PoolingPyramid(nn.Module):
    """Three maximum poolings in a row, concatenated with their input (fast spatial pyramid pooling)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, activation: Callable[[], nn.Module]) -> None:
        super().__init__()
        middle = inputs // 2
        self.reduce = ConvUnit(ConvShape(inputs, middle), activation(), has_bias=False)
        self.merge = ConvUnit(ConvShape(4 * middle, outputs), activation(), has_bias=False)
        self.pool = nn.MaxPool2d(kernel, stride=1, padding=kernel // 2)

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H, W)."""
        levels = [self.reduce(features)]
        for _ in range(3):
            levels.append(self.pool(levels[-1]))
        return self.merge(torch.cat(levels, dim=1))


class Concat(nn.Module):
    """Feature maps of one size joined along their channels."""

    def forward(self, *features: Tensor) -> Tensor:
        """Each (B, C_i, H, W); returns (B, sum of C_i, H, W)."""
        return torch.cat(features, dim=1)


def folded(network: ModuleType, has_bias: bool | None = None) -> ModuleType:
    """A copy in evaluation mode with the norm of every `ConvUnit` folded into its convolution.

    `has_bias` restricts it to units whose convolution has (True) or lacks (False) a bias; published counts of folded
    LeYOLO fold the latter only.
    """
    network = copy.deepcopy(network).eval()
    for unit in network.modules():
        if isinstance(unit, ConvUnit) and has_bias in (None, unit.conv.bias is not None):
            unit.fold()
    return network
