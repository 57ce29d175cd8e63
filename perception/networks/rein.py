"""REIN, the place network: bird's-eye images to local descriptors and to one global descriptor, whatever the heading.

L. Luo et al., "BEVPlace++", written from the description in section 10 of bev_lio_lc.md: an encoder sees the image at
eight headings, its maps are turned back, and the maximum over the headings changes little when the image is turned.
NetVLAD sums the local descriptors to a global one. Names of the tensors are those of the published weights.
"""

import copy
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from perception.core.config import validated
from perception.networks.rein_graph import ASSIGNMENT, FAMILY, INPUT, NUM_ROTATIONS, OUTPUT, WHITE, ReinConfig
from perception.networks.weights import fill, read_network, save_network

NORM_EPSILON = 1e-5
SMALL = 1e-12  # least length that a vector is divided by
POOLED = 4  # px of the image per px of the map that is pooled
ANGLES = tuple(math.tau * k / NUM_ROTATIONS for k in range(NUM_ROTATIONS))  # by which the input is turned


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1: nn.Module = nn.BatchNorm2d(outputs, eps=NORM_EPSILON)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2: nn.Module = nn.BatchNorm2d(outputs, eps=NORM_EPSILON)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(outputs, eps=NORM_EPSILON))

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H / stride, W / stride), rounded up."""
        shortcut = features if self.downsample is None else self.downsample(features)
        inner = functional.relu(self.bn1(self.conv1(features)))
        return functional.relu(self.bn2(self.conv2(inner)) + shortcut)


class Rem(nn.Module):
    """The encoder, and the maximum over headings of what it sees."""

    def __init__(self, config: ReinConfig) -> None:
        super().__init__()
        width = config.width
        self.encoder = nn.Sequential(
            nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(width, eps=NORM_EPSILON),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),
            _stage(width, width, config.blocks[0], 1),
            _stage(width, 2 * width, config.blocks[1], 2),
        )

    def forward(self, images: Tensor, angles: Sequence[float]) -> Tensor:
        """Grey images (B, 1, n, n), brightness / 256, to maps (B, C, h, h): the maximum over the `angles`."""
        num, side = len(images), images.shape[-1]
        turned = torch.cat([_turned(images, angle) for angle in angles])
        maps = self.encoder(turned.expand(-1, 3, -1, -1) if turned.shape[1] == 1 else turned)
        assert maps.shape[-1] == -(-side // 8)
        back = [_turned(maps[k * num : (k + 1) * num], -angle) for k, angle in enumerate(angles)]
        return torch.stack(back).amax(dim=0)


class NetVlad(nn.Module):
    """Sums of what is left of local descriptors at the centroids that they are assigned to."""

    def __init__(self, config: ReinConfig) -> None:
        super().__init__()
        self.conv = nn.Conv2d(config.channels, config.num_clusters, 1, bias=False)
        self.centroids = nn.Parameter(torch.rand(config.num_clusters, config.channels))

    def forward(self, features: Tensor) -> Tensor:
        """Maps (B, C, h, w) of unit vectors to unit vectors (B, K * C), cluster after cluster."""
        assigned = self.conv(features).flatten(2).softmax(dim=1)
        sums = assigned @ features.flatten(2).transpose(1, 2) - assigned.sum(dim=2)[..., None] * self.centroids
        return functional.normalize(functional.normalize(sums, dim=2, eps=SMALL).flatten(1), dim=1, eps=SMALL)


class Rein(nn.Module):
    """The whole network: the definition of what runtimes and kernels compute, and what is trained."""

    def __init__(self, config: ReinConfig) -> None:
        super().__init__()
        self.config = config
        self.rem = Rem(config)
        self.pooling = NetVlad(config)

    def forward(self, images: Tensor, angles: Sequence[float] = ANGLES) -> Tensor:
        """Grey images (B, 1, n, n), brightness / 256, to global descriptors (B, K * C)."""
        return self.describe(self.rem(images, angles), images.shape[-2:])

    def describe(self, maps: Tensor, size: Sequence[int]) -> Tensor:
        """Global descriptors of maps (B, C, h, w) of images of `size` (height, width)."""
        return self.pooling(_unit(_resized(maps, (size[0] // POOLED, size[1] // POOLED))))

    def local(self, maps: Tensor, size: Sequence[int]) -> Tensor:
        """Local descriptors of every pixel (B, C, height, width): the definition of those at keypoints."""
        return _unit(_resized(maps, (size[0], size[1])))


class ReinEncoder(nn.Module):
    """What a runtime computes: the encoder for grey images, its norms folded.

    Turning images and maps, the maximum and the pooling are left to kernels: they are a hundredth of the work, need
    no size known beforehand, and any library can run what remains.
    """

    def __init__(self, network: Rein) -> None:
        super().__init__()
        self.config = network.config
        encoder = copy.deepcopy(network.rem.encoder).eval()
        first = encoder[0]
        assert isinstance(first, nn.Conv2d)
        grey = nn.Conv2d(1, first.out_channels, 7, stride=2, padding=3, bias=False)
        grey.weight = nn.Parameter(first.weight.detach().double().sum(dim=1, keepdim=True).float())
        blocks = [block for stage in (encoder[4], encoder[5]) for block in _blocks(stage)]
        self.stem = nn.Sequential(_fused(grey, encoder[1]), nn.ReLU(), nn.MaxPool2d(3, stride=2, padding=1))
        self.blocks = nn.Sequential(*(_folded_block(block) for block in blocks))

    def forward(self, images: Tensor) -> Tensor:
        """(B, 1, H, W), brightness / 256, to (B, C, H / 8, W / 8), rounded up."""
        return self.blocks(self.stem(images))


def save_rein(network: Rein, path: Path, dtype: torch.dtype = torch.float16) -> None:
    """Write weights and configuration as safetensors, whole or not at all."""
    save_network(network, network.config, FAMILY, path, dtype)


def load_rein(path: Path) -> Rein:
    """The network of a file that `save_rein` wrote, in evaluation mode. Raises `ModelError`, `MissingDependency`."""
    config, tensors = read_network(path, FAMILY, ReinConfig)
    network = Rein(config)
    fill(network, tensors, str(path))
    return network.eval()


def rein_from(arrays: Mapping[str, np.ndarray], source: str) -> Rein:
    """The network of published arrays by name, in evaluation mode; its sizes follow. Raises `ModelError`."""
    names = list(arrays)
    blocks = tuple(1 + max((int(name.split(".")[3]) for name in names if name.startswith(part)), default=0)
                   for part in ("rem.encoder.4.", "rem.encoder.5."))  # fmt: skip
    width, num_clusters = len(arrays["rem.encoder.0.weight"]), len(arrays[ASSIGNMENT])
    values = {"width": width, "blocks": blocks, "num_clusters": num_clusters}
    network = Rein(validated(ReinConfig, values))
    fill(network, {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}, source)
    return network.eval()


def exported_encoder(network: Rein, side: int) -> bytes:
    """ONNX of the encoder with folded norms, weights inside; batch, height and width are free."""
    from perception.networks.export import Signature, exported

    axes = {INPUT: {0: "batch", 2: "height", 3: "width"}}
    return exported(ReinEncoder(network).eval(), (torch.zeros(2, 1, side, side),), Signature((INPUT,), (OUTPUT,), axes))


def images_from(pixels: Sequence[Tensor] | Tensor) -> Tensor:
    """Bird's-eye images (B, n, n) uint8 as the network reads them: (B, 1, n, n) float32."""
    stacked = pixels if isinstance(pixels, Tensor) else torch.stack(list(pixels))
    return stacked[:, None].float() / WHITE


def _unit(maps: Tensor) -> Tensor:
    return functional.normalize(maps, dim=1, eps=SMALL)


@lru_cache(maxsize=64)
def _rotation_grid(height: int, width: int, angle: float, device: str) -> Tensor:
    """Where the pixels of a turned image come from (1, H, W, 2): constant for a size."""
    cosine, sine = math.cos(angle), math.sin(angle)
    matrix = torch.tensor([[[cosine, sine, 0.0], [-sine, cosine, 0.0]]])
    return functional.affine_grid(matrix, [1, 1, height, width], align_corners=True).to(device)


def _turned(maps: Tensor, angle: float) -> Tensor:
    if angle == 0.0:
        return maps
    grid = _rotation_grid(maps.shape[-2], maps.shape[-1], angle, str(maps.device)).expand(len(maps), -1, -1, -1)
    return functional.grid_sample(maps, grid, mode="bicubic", padding_mode="zeros", align_corners=True)


def _resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Bicubic with corners on corners and zeros outside."""
    identity = torch.eye(2, 3, device=maps.device).expand(len(maps), 2, 3)
    grid = functional.affine_grid(identity, [len(maps), 1, *size], align_corners=True)
    return functional.grid_sample(maps, grid, mode="bicubic", padding_mode="zeros", align_corners=True)


def _stage(inputs: int, outputs: int, num_blocks: int, stride: int) -> nn.Sequential:
    first = BasicBlock(inputs, outputs, stride)
    return nn.Sequential(first, *(BasicBlock(outputs, outputs, 1) for _ in range(num_blocks - 1)))


def _blocks(stage: nn.Module) -> list[BasicBlock]:
    return [block for block in stage.children() if isinstance(block, BasicBlock)]


def _folded_block(block: BasicBlock) -> BasicBlock:
    block.conv1, block.bn1 = _fused(block.conv1, block.bn1), nn.Identity()
    block.conv2, block.bn2 = _fused(block.conv2, block.bn2), nn.Identity()
    if isinstance(block.downsample, nn.Sequential):
        conv, norm = block.downsample
        assert isinstance(conv, nn.Conv2d)
        block.downsample = _fused(conv, norm)
    return block


def _fused(conv: nn.Conv2d, norm: nn.Module) -> nn.Conv2d:
    """A convolution with the norm behind it, as it is in evaluation, inside (by float64)."""
    assert isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
    shape = (conv.in_channels, conv.out_channels, conv.kernel_size[0], conv.stride[0], conv.padding[0])
    fused = nn.Conv2d(*shape, bias=True)
    fused.weight = nn.Parameter((conv.weight.double() * scale[:, None, None, None]).float().detach())
    fused.bias = nn.Parameter((norm.bias.double() - norm.running_mean.double() * scale).float().detach())
    return fused
