"""Translation between ROS messages and what mapping hears and says."""

import array

import numpy as np
from geometry_msgs.msg import Point, PoseWithCovarianceStamped
from nav_msgs.msg import OccupancyGrid
from visualization_msgs.msg import Marker, MarkerArray

from nodes.messages import header_of, path_to_bytes, time_of
from perception.core.errors import InvalidInput
from perception.core.geometry import matrix_from_quaternion, quaternion_from_matrix, transform
from perception.mapping.types import MapGrid, MapOdom, MapPath

KEYFRAME_COLOUR, LOOP_COLOUR = (0.2, 0.6, 1.0), (1.0, 0.35, 0.1)
KEYFRAME_SIZE, LOOP_WIDTH = 0.15, 0.08  # m


def map_path_to_bytes(path: MapPath, frame_id: str) -> bytes:
    """A serialised nav_msgs/Path of all keyframes."""
    turns = quaternion_from_matrix(path.poses[:, :3, :3])
    return path_to_bytes(path.stamps_ns, np.concatenate([path.poses[:, :3, 3], turns], axis=1), frame_id)


def grid_to(item: MapGrid, frame_id: str, max_cells: int) -> OccupancyGrid:
    """The occupancy of the floor: -1 unknown, 0 free, 100 occupied; in larger cells where there are more of them."""
    grid = item.grid.at_most(max_cells)
    message = OccupancyGrid(header=header_of(item.stamp_ns, frame_id))
    message.info.map_load_time, message.info.resolution = time_of(item.stamp_ns), float(grid.resolution)
    message.info.height, message.info.width = grid.cells.shape
    origin = message.info.origin
    origin.position.x, origin.position.y = map(float, grid.origin)
    origin.orientation.w = 1.0
    data = array.array("b")
    data.frombytes(np.ascontiguousarray(grid.cells, dtype=np.int8).reshape(-1).view(np.uint8))
    message.data = data
    return message


def markers_to(path: MapPath, frame_id: str, max_keyframes: int) -> MarkerArray:
    """Keyframes as points, at most so many of them, and accepted loops as lines between two."""
    stamp_ns = int(path.stamps_ns[-1]) if len(path.stamps_ns) else 1
    places = path.poses[:, :3, 3]
    step = max(1, -(-len(places) // max_keyframes))
    ends = places[np.searchsorted(path.ids, path.loops)].reshape(-1, 3)
    size, width = KEYFRAME_SIZE, LOOP_WIDTH
    return MarkerArray(
        markers=[
            _marker(stamp_ns, frame_id, "keyframes", Marker.POINTS, places[::step], size, KEYFRAME_COLOUR),
            _marker(stamp_ns, frame_id, "loops", Marker.LINE_LIST, ends, width, LOOP_COLOUR),
        ]
    )


def pose_to(item: MapOdom, frame_id: str) -> PoseWithCovarianceStamped:
    """Pose of the base in the map. Its covariance is the odometry's, turned into axes of the map."""
    message = PoseWithCovarianceStamped(header=header_of(item.stamp_ns, frame_id))
    T_map_base, turn = item.T_map_base, np.kron(np.eye(2), item.T_map_odom[:3, :3])
    place, direction = message.pose.pose.position, message.pose.pose.orientation
    place.x, place.y, place.z = map(float, T_map_base[:3, 3])
    direction.x, direction.y, direction.z, direction.w = map(float, quaternion_from_matrix(T_map_base[:3, :3]))
    message.pose.covariance = (turn @ item.odometry_covariance @ turn.T).ravel()
    return message


def pose_from(message: PoseWithCovarianceStamped, frame_id: str) -> np.ndarray:
    """`T_map_base` (4, 4) that somebody says. Raises `InvalidInput` unless it is a pose in `frame_id`.

    Its stamp is not used: tools leave it empty, and what they mean is now.
    """
    frame = message.header.frame_id.lstrip("/")
    if frame != frame_id:
        raise InvalidInput(f"header.frame_id: expected {frame_id!r}, got {frame!r}; set the fixed frame of the tool")
    place, turn = message.pose.pose.position, message.pose.pose.orientation
    values = np.array([place.x, place.y, place.z, turn.x, turn.y, turn.z, turn.w])
    norm = float(np.linalg.norm(values[3:]))
    if not np.isfinite(values).all() or not 0.99 < norm < 1.01:
        raise InvalidInput(f"pose: {values.tolist()} is no pose; its quaternion has the length {norm:g}")
    return transform(matrix_from_quaternion(values[3:]), values[:3])


def _marker(
    stamp_ns: int, frame_id: str, name: str, kind: int, points: np.ndarray, size: float, colour: tuple[float, ...]
) -> Marker:
    """Points (N, 3) m of one colour; without any, those before are taken away."""
    marker = Marker(header=header_of(stamp_ns, frame_id), ns=name, type=kind)
    marker.action = Marker.ADD if len(points) else Marker.DELETE
    marker.pose.orientation.w, marker.scale.x, marker.scale.y = 1.0, size, size
    marker.color.r, marker.color.g, marker.color.b, marker.color.a = *colour, 1.0
    marker.points = [Point(x=x, y=y, z=z) for x, y, z in points.tolist()]
    return marker
