"""A saved map for Foxglove: its cloud and the path of its keyframes, in the frame `map`."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.types import Scan
from perception.io.maps import map_trajectory
from perception.io.messages import Messages
from perception.view.stream import Message, ros_schema
from slam.maps.cloud import map_cloud
from slam.maps.folder import MapFolder

FRAME = "map"
VOXEL = 0.2  # m, one point of the cloud for each


def map_messages(path: Path, voxel_size: float = VOXEL) -> Iterator[Message]:
    """The messages that show the map in the folder `path`. Raises `MapError`, `InvalidInput` where it is empty."""
    folder, write = MapFolder(path), Messages()
    if not len(folder):
        raise InvalidInput(f"{path}: holds no keyframe, there is nothing to show")
    trajectory = map_trajectory(folder)
    start_ns = int(trajectory.stamps_ns[0])
    points = np.concatenate(list(map_cloud(folder, voxel_size)))
    scan = Scan(start_ns, FRAME, points, np.zeros(len(points), np.int64))
    cloud = write.cloud(scan, np.zeros(len(points), np.float32), np.zeros(len(points), np.uint16))
    yield Message(start_ns, "/map/points", ros_schema("sensor_msgs/msg/PointCloud2"), cloud)
    poses = write.path(start_ns, trajectory.stamps_ns, trajectory.poses, FRAME)
    yield Message(start_ns, "/map/path", ros_schema("nav_msgs/msg/Path"), poses)
