"""Message definitions without ROS: those of ROS 2 Jazzy that `rosbags` brings, and vision_msgs from its .msg files."""

from functools import cache
from importlib.resources import files
from typing import Any


@cache
def typestore() -> Any:
    """The definitions with which this package writes messages."""
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    folder = files("perception") / "ros_interfaces" / "interfaces" / "vision_msgs" / "msg"
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".msg"):
            name = f"vision_msgs/msg/{file.name.removesuffix('.msg')}"
            store.register(get_types_from_msg(file.read_text(encoding="utf-8"), name))
    return store
