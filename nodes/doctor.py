"""What `perception doctor` asks of ROS. rclpy is imported where it is used: it may be what is missing."""

import importlib

PACKAGES = ("rclpy", "sensor_msgs", "nav_msgs", "geometry_msgs", "diagnostic_msgs", "tf2_msgs", "vision_msgs")


def import_errors() -> dict[str, str]:
    """Each ROS package that the nodes need, and why it cannot be imported; empty where it can."""
    return {name: _import_error(name if name == "rclpy" else f"{name}.msg") for name in PACKAGES}


def _import_error(module: str) -> str:
    try:
        importlib.import_module(module)
    except ImportError as error:  # also for a library of the system that is missing
        return " ".join(str(error).split()) or type(error).__name__
    return ""
