"""Rows of `perception bench lines` about the node: images of 640x480 in, tables of segments out, over real ROS 2."""

from benchmarks.detection_live import LiveNode, measure_node
from benchmarks.lines_world import held_out
from benchmarks.options import BenchOptions
from benchmarks.result import Result

NODE = LiveNode("lines", "lines", "segments", 10.0)
NUM_PICTURES = 12


def measure(options: BenchOptions, result: Result) -> None:
    """`lines_node` on held-out images. Raises `JobFailed`."""
    from perception.io.datasets.pictures import read_color

    files = sorted((held_out(options) / "images").rglob("*.jpg"))[:NUM_PICTURES]
    measure_node(options, result, NODE, [read_color(file) for file in files])
