"""Which ports serve the streams of the pipeline: sensors come in through INPUTS, results go out through OUTPUTS."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from nodes.camera_ports import ImageOutput, image_ports
from nodes.detection_ports import DetectionOutput
from nodes.line_ports import Lines3dOutput, LinesOutput
from nodes.ports import ImuPort, InputPort, OdometryPort, OutputPort, ScanPort

if TYPE_CHECKING:
    from nodes.base import PipelineNode

MakeInputs = Callable[["PipelineNode"], dict[str, InputPort]]  # ports by their name in diagnostics

INPUTS: dict[str, MakeInputs] = {
    "scan": lambda node: {"scan": ScanPort(node)},
    "imu": lambda node: {"imu": ImuPort(node)},
    "image_raw": image_ports,
}
OUTPUTS: dict[str, Callable[["PipelineNode"], OutputPort]] = {
    "odometry": OdometryPort,
    "image": ImageOutput,
    "detections": DetectionOutput,
    "lines": LinesOutput,
    "lines_3d": Lines3dOutput,
}
