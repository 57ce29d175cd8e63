"""Which ports serve the streams of the pipeline: sensors come in through INPUTS, results go out through OUTPUTS."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from nodes.camera_ports import ImageOutput, image_ports
from nodes.detection_ports import DetectionOutput
from nodes.line_ports import Lines3dOutput, LinesOutput
from nodes.mapping_ports import CommandPort, FixPort, MapOutput, WheelPort
from nodes.ports import ImuPort, InputPort, OdometryPort, OutputPort, ScanPort

if TYPE_CHECKING:
    from nodes.base import PipelineNode

MakeInputs = Callable[["PipelineNode"], dict[str, InputPort]]  # ports by their name in diagnostics

INPUTS: dict[str, MakeInputs] = {
    "scan": lambda node: {"scan": ScanPort(node)},
    "imu": lambda node: {"imu": ImuPort(node)},
    "image_raw": image_ports,
    "fix": lambda node: {"fix": FixPort(node)} if node.config.input.gnss_topic else {},
    "wheels": lambda node: {"wheels": WheelPort(node)} if node.config.input.wheel_topic else {},
    "map_command": lambda node: {"commands": CommandPort(node)},
}
OUTPUTS: dict[str, Callable[["PipelineNode"], OutputPort]] = {
    "odometry": OdometryPort,
    "map_odom": MapOutput,
    "image": ImageOutput,
    "detections": DetectionOutput,
    "lines": LinesOutput,
    "lines_3d": Lines3dOutput,
}
