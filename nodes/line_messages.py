"""Line segments, vanishing points and attitudes as standard messages: tables for programs, markers for people."""

import numpy as np
from geometry_msgs.msg import Point
from sensor_msgs.msg import Imu, PointCloud2, PointField
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from nodes.messages import filled, header_of
from perception.core.cameras import CameraModel
from perception.core.geometry import quaternion_from_matrix
from perception.core.types import LineSegments
from perception.lines.segments3d import Segments3d
from perception.lines.vanishing import Attitude, VanishingPoints, level_from_camera

DATATYPES = {"<f4": PointField.FLOAT32, "<i4": PointField.INT32, "<u4": PointField.UINT32}
FIELD_BYTES = 4
UNKNOWN_VARIANCE = 1e6  # rad^2, of a heading that nothing tells
MARKER_SECONDS = 1  # a marker disappears so long after the camera fell silent
WIDTH, WIDTH_3D = 0.003, 0.02  # m, of drawn lines; in the image plane at a depth of 1 m, and in space
COLOUR_3D = (1.0, 0.72, 0.2)  # RGB


def table_to(stamp_ns: int, frame_id: str, columns: dict[str, np.ndarray]) -> PointCloud2:
    """A table as a cloud whose points are its rows: `columns` (N,) of float32, int32 or uint32, by name."""
    kinds = [(name, values.dtype.newbyteorder("<").str) for name, values in columns.items()]
    table = np.zeros(len(next(iter(columns.values()))), dtype=kinds)
    for name, values in columns.items():
        table[name] = values
    message = PointCloud2(header=header_of(stamp_ns, frame_id), height=1, width=len(table), is_dense=True)
    message.fields = [
        PointField(name=name, offset=FIELD_BYTES * row, datatype=DATATYPES[kind], count=1)
        for row, (name, kind) in enumerate(kinds)
    ]
    message.point_step, message.row_step = table.dtype.itemsize, table.nbytes
    message.data = filled(table)
    return message


def lines_to(lines: LineSegments) -> PointCloud2:
    """Segments of an image: x1, y1, x2, y2 (px of it, pixel centres at integers) and score, one row for each."""
    columns = dict(zip(("x1", "y1", "x2", "y2"), lines.segments.T))
    return table_to(lines.stamp_ns, lines.frame_id, {**columns, "score": lines.scores})


def line_markers_to(lines: LineSegments, camera: CameraModel, colours: np.ndarray) -> MarkerArray:
    """Segments of an image where they are seen: in its optical frame, at a depth of 1 m. `colours` (N, 3) uint8."""
    ends = camera.rays(lines.segments.reshape(-1, 2, 2))
    tints = [ColorRGBA(r=r, g=g, b=b, a=1.0) for r, g, b in (colours / 255.0).tolist()]
    return MarkerArray(markers=[_marker(lines.stamp_ns, lines.frame_id, "lines", ends, WIDTH, tints)])


def lines_3d_to(lines: Segments3d) -> PointCloud2:
    """Segments in space: x1 ... z2 (m), score, 1 sigma of the depth of both ends (m), row of the image's segment."""
    ends = lines.ends.reshape(-1, 6).astype(np.float32)
    columns = dict(zip(("x1", "y1", "z1", "x2", "y2", "z2"), ends.T))
    stds = dict(zip(("std1", "std2"), lines.stds.astype(np.float32).T))
    row = {"row": lines.rows.astype(np.uint32)}
    return table_to(lines.stamp_ns, lines.frame_id, {**columns, "score": lines.scores, **stds, **row})


def line_3d_markers_to(lines: Segments3d) -> MarkerArray:
    """Segments in space, in the optical frame of their camera."""
    r, g, b = COLOUR_3D
    tints = [ColorRGBA(r=r, g=g, b=b, a=1.0)] * len(lines)
    return MarkerArray(markers=[_marker(lines.stamp_ns, lines.frame_id, "lines_3d", lines.ends, WIDTH_3D, tints)])


def vanishing_to(stamp_ns: int, frame_id: str, found: VanishingPoints) -> PointCloud2:
    """Directions x, y, z of vanishing points, how many segments point there, and 1 for the vertical one: up."""
    columns = dict(zip("xyz", found.directions.astype(np.float32).T))
    is_vertical = np.zeros(len(found), dtype=np.uint32)
    is_vertical[: int(found.has_vertical)] = 1
    counts = found.num_segments.astype(np.uint32)
    return table_to(stamp_ns, frame_id, {**columns, "num_segments": counts, "is_vertical": is_vertical})


def attitude_to(stamp_ns: int, frame_id: str, attitude: Attitude) -> Imu:
    """Roll and pitch of a camera as the orientation of its optical frame above a level ground; REP-145.

    The heading is unknown and says so by its variance. There are no rates and no forces.
    """
    message = Imu(header=header_of(stamp_ns, frame_id))
    turn = message.orientation
    turn.x, turn.y, turn.z, turn.w = map(float, quaternion_from_matrix(level_from_camera(attitude.up)))
    variances = (attitude.roll_std**2, attitude.pitch_std**2, UNKNOWN_VARIANCE)
    message.orientation_covariance = np.diag(variances).ravel()
    message.angular_velocity_covariance[0] = message.linear_acceleration_covariance[0] = -1.0  # not given
    return message


def _marker(stamp_ns: int, frame_id: str, kind: str, ends: np.ndarray, width: float, tints: list[ColorRGBA]) -> Marker:
    """Lines between pairs of points `ends` (N, 2, 3) m; without any, the ones before are taken away."""
    marker = Marker(header=header_of(stamp_ns, frame_id), ns=f"{frame_id}/{kind}", type=Marker.LINE_LIST)
    marker.action = Marker.ADD if len(ends) else Marker.DELETE
    marker.pose.orientation.w, marker.scale.x, marker.color.a = 1.0, width, 1.0
    marker.lifetime.sec = MARKER_SECONDS
    marker.points = [Point(x=x, y=y, z=z) for x, y, z in ends.reshape(-1, 3).tolist()]
    marker.colors = [tint for tint in tints for _ in range(2)]
    return marker
