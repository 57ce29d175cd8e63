"""LeYOLO: an inverted-bottleneck backbone, a neck with one cheap block at stride 8, and a decoupled head.

Source: arXiv 2406.14239; the layers are listed in `leyolo_graph`.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from perception.networks.blocks import ACTIVATIONS, Concat, ConvShape, ConvUnit, InvertedBottleneck, PoolingPyramid
from perception.networks.detection_points import boxes_from, level_points, mean_distances, to_centers
from perception.networks.leyolo_graph import NUM_BINS, NUM_SIDES, STRIDES, Graph, LeYoloConfig, Node, graph

MIN_BOX_WIDTH = 16  # channels of the box branch, at least
MAX_CLASS_WIDTH = 100  # channels of the class branch that the number of classes may ask for
BOX_BIAS = 1.0
PRIOR_OBJECTS, PRIOR_SIDE = 5, 640  # the first class scores expect so many objects per image of this side (px)


class LeYolo(nn.Module):
    """The network of a `LeYoloConfig`: images to raw head outputs; `decode` turns these into boxes and scores."""

    def __init__(self, config: LeYoloConfig) -> None:
        super().__init__()
        self.config = config
        self.graph = graph(config)
        self.nodes = nn.ModuleList(_module(self.graph, index, config) for index in range(len(self.graph.nodes)))
        self.head = Head(self.graph.tap_widths, config)
        self._alive = self.graph.alive
        for index in set(range(len(self.nodes))) - set(self._alive):
            self.nodes[index].requires_grad_(False)  # no gradient ever reaches them, which distributed training minds

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images (B, 3, H, W) float in [0, 1], RGB, sides multiples of 32, to the outputs of P3, P4, P5.

        Each is (B, 64 + num_classes, H / s, W / s): box logits, channel side * 16 + bin, then class logits.
        """
        features = self.features(images, self._alive)
        return self.head([features[tap] for tap in self.graph.taps])

    def features(self, images: Tensor, indices: Sequence[int]) -> dict[int, Tensor]:
        """Outputs of the nodes `indices`, which must hold the sources of each, in order."""
        outputs: dict[int, Tensor] = {-1: images}
        for index in indices:
            outputs[index] = self.nodes[index](*(outputs[source] for source in self.graph.nodes[index].sources))
        return outputs

    def decode(self, outputs: Sequence[Tensor]) -> Tensor:
        """Outputs of `forward` to (B, 4 + num_classes, A): cx, cy, w, h in px of the input, then scores."""
        points, strides = level_points(outputs, STRIDES)
        logits = torch.cat([output.flatten(2) for output in outputs], dim=2)
        box_logits, class_logits = logits.split([NUM_SIDES * NUM_BINS, self.config.num_classes], dim=1)
        boxes = to_centers(boxes_from(points, self.head.distances(box_logits))) * strides
        return torch.cat([boxes.transpose(1, 2), class_logits.sigmoid()], dim=1)


class Head(nn.Module):
    """Per level one branch for the distances of the four sides and one for the classes; nothing is shared."""

    def __init__(self, widths: Sequence[int], config: LeYoloConfig) -> None:
        super().__init__()
        box_width = max(MIN_BOX_WIDTH, widths[0] // 4, NUM_SIDES * NUM_BINS)
        class_width = max(widths[0], min(config.num_classes, MAX_CLASS_WIDTH))
        num_box = NUM_SIDES * NUM_BINS
        self.boxes = nn.ModuleList(_branch(width, box_width, num_box, config) for width in widths)
        self.classes = nn.ModuleList(_branch(width, class_width, config.num_classes, config) for width in widths)
        self.distances = Distances()
        self._set_biases(config.num_classes)

    def forward(self, levels: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Feature maps of P3, P4, P5 to (B, 64 + num_classes, H, W) each."""
        branches = zip(levels, self.boxes, self.classes)
        return tuple(torch.cat([boxes(level), classes(level)], dim=1) for level, boxes, classes in branches)

    def _set_biases(self, num_classes: int) -> None:
        for boxes, classes, stride in zip(self.boxes, self.classes, STRIDES):
            nn.init.constant_(boxes[-1].bias, BOX_BIAS)
            expected = PRIOR_OBJECTS / num_classes / (PRIOR_SIDE / stride) ** 2
            nn.init.constant_(classes[-1].bias, math.log(expected))


class Distances(nn.Module):
    """Expected distances of the distributions; the bins are a frozen parameter, as published weights hold them."""

    def __init__(self) -> None:
        super().__init__()
        bins = torch.arange(NUM_BINS, dtype=torch.float32).view(1, NUM_BINS, 1, 1)
        self.bins = nn.Parameter(bins, requires_grad=False)

    def forward(self, box_logits: Tensor) -> Tensor:
        """Logits (B, 64, A) to distances (B, A, 4) in cells."""
        return mean_distances(box_logits.transpose(1, 2), self.bins.flatten())


def _branch(inputs: int, width: int, outputs: int, config: LeYoloConfig) -> nn.Sequential:
    activation = ACTIVATIONS[config.activation]
    depthwise = ConvShape(width, width, 3, groups=width)
    return nn.Sequential(
        ConvUnit(ConvShape(inputs, width), activation(), has_bias=False),
        ConvUnit(depthwise, activation(), has_bias=False),
        ConvUnit(depthwise, activation(), has_bias=False),
        nn.Conv2d(width, outputs, 1),
    )


def _module(plan: Graph, index: int, config: LeYoloConfig) -> nn.Module:
    node: Node = plan.nodes[index]
    activation = ACTIVATIONS[config.activation]
    shape = ConvShape(plan.width_into(index), node.width, node.kernel, node.stride)
    match node.operation:
        case "conv":
            return ConvUnit(shape, activation(), has_bias=True)
        case "bottleneck":
            return InvertedBottleneck(shape, node.expansion, activation)
        case "pyramid":
            return PoolingPyramid(shape.inputs, shape.outputs, shape.kernel, activation)
        case "upsample":
            return nn.Upsample(scale_factor=2, mode="nearest")
        case _:
            return Concat()
