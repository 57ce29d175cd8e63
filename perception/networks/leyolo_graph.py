"""The layers of LeYOLO as plain data: what each node computes, from which nodes, and how wide. No torch here.

Source: Hollard, Mohimont, Gaveau, Steffenel, "LeYOLO, New Scalable and Efficient CNN Architecture for Object
Detection", arXiv 2406.14239. Node numbers are positions in the parameter order of published weights.
"""

from dataclasses import dataclass, replace
from typing import Literal

from pydantic import Field, model_validator

from perception.core.config import Config

Size = Literal["nano", "small", "medium", "large"]
Activation = Literal["silu", "hard_swish"]
Operation = Literal["conv", "bottleneck", "pyramid", "upsample", "concat"]

STRIDES = (8, 16, 32)  # px of the image per cell of the levels P3, P4, P5
NUM_BINS = 16  # of the distribution of each side's distance, in cells
NUM_SIDES = 4  # left, top, right, bottom
WIDTH_STEP = 8  # channels: widths are rounded up to its multiples
WIDEST = 576  # nominal channels
MULTIPLIERS: dict[Size, float] = {"nano": 1.0, "small": 1.33, "medium": 1.33, "large": 1.33}
IMAGE_CHANNELS = 3


@dataclass(frozen=True, slots=True)
class Node:
    """One layer of the graph. Widths are nominal in the tables below and real in what `graph` returns."""

    operation: Operation
    width: int = 0  # channels out; 0: follows from the sources
    kernel: int = 1  # px
    stride: int = 1  # px
    expansion: int = 0  # channels between the convolutions of a bottleneck; 0: it does not expand
    sources: tuple[int, ...] = ()  # nodes it reads, newest first; -1: the image; in the tables (): the node before


@dataclass(frozen=True, slots=True)
class Graph:
    """All nodes before the head, with real widths and explicit sources."""

    nodes: tuple[Node, ...]
    strides: tuple[int, ...]  # px of the image per cell of each node's output
    taps: tuple[int, int, int]  # nodes that feed the head at P3, P4, P5

    @property
    def tap_widths(self) -> tuple[int, ...]:
        """Channels of P3, P4, P5."""
        return tuple(self.nodes[tap].width for tap in self.taps)

    @property
    def alive(self) -> tuple[int, ...]:
        """Nodes that reach the head, in order. The published Medium and Large hold some that do not."""
        needed = set(self.taps)
        for index in reversed(range(len(self.nodes))):
            if index in needed:
                needed.update(self.nodes[index].sources)
        return tuple(sorted(needed - {-1}))

    def width_into(self, index: int) -> int:
        """Channels that node `index` reads, all sources together."""
        return sum(IMAGE_CHANNELS if source < 0 else self.nodes[source].width for source in self.nodes[index].sources)


class LeYoloConfig(Config):
    """Which network of the family."""

    size: Size = Field("nano", description="Width and depth; medium and large are the same network.")
    num_classes: int = Field(80, ge=1, le=1000, description="Classes that the head scores.")
    activation: Activation = Field(
        "silu", description="Nonlinearity of every unit; silu: as published, hard_swish: half the time on AMX CPUs."
    )
    taps: tuple[int, int, int] | None = Field(
        None, description="Nodes that feed the head at strides 8, 16, 32; none: the published ones of this size."
    )

    @model_validator(mode="after")
    def _taps_have_the_strides_of_the_levels(self) -> "LeYoloConfig":
        if self.taps is None:
            return self
        strides = _strides(_connected(TABLES[self.size]))
        wrong = [tap for tap, want in zip(self.taps, STRIDES) if not (0 <= tap < len(strides) and strides[tap] == want)]
        if wrong:
            raise ValueError(f"taps {wrong}: no node of that number has the stride of its level {STRIDES}")
        return self


def _conv(width: int, kernel: int, stride: int = 1) -> tuple[Node, ...]:
    return (Node("conv", width, kernel, stride),)


def _blocks(count: int, width: int, kernel: int, expansion: int = 0, stride: int = 1) -> tuple[Node, ...]:
    """Bottlenecks in a row; only the first has the stride."""
    first = Node("bottleneck", width, kernel, stride, expansion)
    return (first, *(replace(first, stride=1) for _ in range(count - 1)))


def _down(width: int, kernel: int, expansion: int = 0) -> tuple[Node, ...]:
    return _blocks(1, width, kernel, expansion, stride=2)


def _concat(*sources: int) -> tuple[Node, ...]:
    return (Node("concat", sources=sources),)


_PYRAMID = (Node("pyramid", 96, kernel=5),)
_UPSAMPLE = (Node("upsample"),)
_STEM = (*_conv(16, 3, 2), *_conv(16, 1), *_down(16, 3))

_SHALLOW = (
    *_STEM,
    *(*_down(32, 3, 96), *_blocks(1, 32, 3, 96)),  # 3, 4
    *(*_down(64, 5, 96), *_blocks(4, 64, 5, 192)),  # 5 to 9
    *(*_down(96, 5, 576), *_blocks(3, 96, 5, 576), *_PYRAMID),  # 10 to 14
    *(*_UPSAMPLE, *_concat(15, 9), *_blocks(3, 64, 5, 128)),  # 15 to 19
    *(*_UPSAMPLE, *_concat(20, 4), *_blocks(1, 32, 3), *_blocks(2, 32, 3, 64)),  # 20 to 24, P3
    *(*_conv(64, 3, 2), *_concat(25, 19), *_blocks(3, 64, 5, 128)),  # 25 to 29, P4
    *(*_conv(96, 3, 2), *_concat(30, 14), *_blocks(3, 96, 5, 192)),  # 30 to 34, P5
)
_DEEP = (
    *_STEM,
    *(*_down(32, 3, 96), *_blocks(2, 32, 3, 96)),  # 3 to 5
    *(*_down(64, 5, 96), *_blocks(5, 64, 5, 192)),  # 6 to 11
    *(*_down(96, 5, 576), *_blocks(4, 96, 5, 576), *_PYRAMID),  # 12 to 17
    *(*_UPSAMPLE, *_concat(18, 11), *_blocks(4, 64, 5, 128)),  # 18 to 23
    *(*_UPSAMPLE, *_concat(24, 5), *_blocks(1, 32, 3), *_blocks(2, 32, 3, 64), *_blocks(1, 64, 5, 128)),  # 24 to 29
    *(*_conv(64, 3, 2), *_concat(30, 23), *_blocks(4, 64, 5, 128)),  # 30 to 35
    *(*_conv(96, 3, 2), *_concat(36, 17), *_blocks(3, 96, 5, 192), *_blocks(1, 64, 5, 128)),  # 36 to 41
)
TABLES: dict[Size, tuple[Node, ...]] = {"nano": _SHALLOW, "small": _SHALLOW, "medium": _DEEP, "large": _DEEP}
TAPS: dict[Size, tuple[int, int, int]] = {
    "nano": (24, 29, 34),
    "small": (24, 29, 34),
    "medium": (27, 32, 37),  # as published: they fit a neck of three blocks per level, and leave 38 to 41 unused
    "large": (27, 32, 37),
}


def scaled(width: int, multiplier: float) -> int:
    """Real channels of a nominal width: rounded up to a multiple of 8, after the cap at 576."""
    steps = min(width, WIDEST) * multiplier / WIDTH_STEP
    return WIDTH_STEP * -int(-steps // 1)


def graph(config: LeYoloConfig) -> Graph:
    """The nodes of a network with real widths."""
    multiplier = MULTIPLIERS[config.size]
    nodes: list[Node] = []
    for node in _connected(TABLES[config.size]):
        inherited = sum(nodes[source].width for source in node.sources if source >= 0)
        width = scaled(node.width, multiplier) if node.width else inherited
        nodes.append(replace(node, width=width, expansion=scaled(node.expansion, multiplier)))
    return Graph(tuple(nodes), _strides(nodes), config.taps or TAPS[config.size])


def _connected(table: tuple[Node, ...]) -> list[Node]:
    return [replace(node, sources=node.sources or (index - 1,)) for index, node in enumerate(table)]


def _strides(nodes: list[Node]) -> tuple[int, ...]:
    strides: list[int] = []
    for node in nodes:
        before = 1 if node.sources[0] < 0 else strides[node.sources[0]]
        strides.append(before // 2 if node.operation == "upsample" else before * node.stride)
    return tuple(strides)
