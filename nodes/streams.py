"""Which ports serve the streams of the pipeline: sensors come in through INPUTS, results go out through OUTPUTS."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nodes.camera_ports import ImageOutput, image_ports
from nodes.ports import ImuPort, InputPort, OdometryPort, ScanPort

if TYPE_CHECKING:
    from nodes.base import PipelineNode

MakeInputs = Callable[["PipelineNode"], dict[str, InputPort]]  # ports by their name in diagnostics

INPUTS: dict[str, MakeInputs] = {
    "scan": lambda node: {"scan": ScanPort(node)},
    "imu": lambda node: {"imu": ImuPort(node)},
    "image_raw": image_ports,
}
OUTPUTS: dict[str, Callable[["PipelineNode"], Any]] = {"odometry": OdometryPort, "image": ImageOutput}
