"""Translation between ROS messages and our types.

This file, `line_messages.py` and `map_messages.py` alone know fields of messages.
"""

import array
import struct
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import TransformStamped
from sensor_msgs.msg import CameraInfo, Image, Imu, PointCloud2, PointField
from std_msgs.msg import Header

from perception.core.cameras import NUM_COEFFICIENTS, CameraModel
from perception.core.errors import InvalidInput
from perception.core.geometry import matrix_from_quaternion, quaternion_from_matrix, transform
from perception.core.health import Health, Level
from perception.core.stamps import NS_PER_S, stamp_from_ros
from perception.core.types import Detections, ImageFrame, ImuBatch, Odometry
from perception.io.cloud_layout import cloud_bytes, read_layout
from perception.io.config import InputConfig
from perception.io.imu import imu_batch, imu_sample
from perception.io.pointcloud import CloudDecoder, detect_format, pack_cloud

if TYPE_CHECKING:
    from vision_msgs.msg import Detection2D, Detection2DArray

CDR_LITTLE_ENDIAN = b"\x00\x01\x00\x00"


def stamp_of(header: Header) -> int:
    """Stamp of a message in nanoseconds. Raises `InvalidInput` for zero or malformed ones."""
    return stamp_from_ros(header.stamp.sec, header.stamp.nanosec)


def time_of(stamp_ns: int) -> Time:
    """A ROS time."""
    return Time(sec=stamp_ns // NS_PER_S, nanosec=stamp_ns % NS_PER_S)


def header_of(stamp_ns: int, frame_id: str) -> Header:
    """A header."""
    return Header(stamp=time_of(stamp_ns), frame_id=frame_id)


def check_cloud(message: PointCloud2) -> None:
    """Raise `InvalidInput` naming the field for which a cloud cannot be read."""
    stamp_of(message.header)
    cloud_bytes(message, read_layout(message))


def decoder_of(clouds: list[PointCloud2], config: InputConfig) -> CloudDecoder:
    """A decoder for the topic that `clouds` came from. Raises `ConfigError` where their format is ambiguous."""
    if all(cloud.width * cloud.height == 0 for cloud in clouds):
        return CloudDecoder(config)  # which detects the format when there are points
    return CloudDecoder(config, detect_format(clouds, config))


def imu_from(message: Imu) -> ImuBatch:
    """One IMU sample. Raises `InvalidInput` for a bad stamp or a value that is not finite."""
    return imu_batch([imu_sample(message)])


def imu_to(stamp_ns: int, frame_id: str, gyro: np.ndarray, accel: np.ndarray) -> Imu:
    """One IMU sample without orientation; `gyro` (3,) rad/s, `accel` (3,) m/s^2."""
    message = Imu(header=header_of(stamp_ns, frame_id))
    message.orientation_covariance[0] = -1.0  # says that there is no orientation
    rates, forces = message.angular_velocity, message.linear_acceleration
    rates.x, rates.y, rates.z = map(float, gyro)
    forces.x, forces.y, forces.z = map(float, accel)
    return message


def transform_to(stamp_ns: int, parent: str, child: str, T_parent_child: np.ndarray) -> TransformStamped:
    """A stamped transform."""
    message = TransformStamped(header=header_of(stamp_ns, parent), child_frame_id=child)
    place, turn = message.transform.translation, message.transform.rotation
    place.x, place.y, place.z = map(float, T_parent_child[:3, 3])
    turn.x, turn.y, turn.z, turn.w = map(float, quaternion_from_matrix(T_parent_child[:3, :3]))
    return message


def transform_from(message: TransformStamped) -> np.ndarray:
    """`T_parent_child` (4, 4). Raises `InvalidInput` for a quaternion that is not of unit length."""
    place, turn = message.transform.translation, message.transform.rotation
    q = np.array([turn.x, turn.y, turn.z, turn.w])
    norm = float(np.linalg.norm(q))
    if not 0.99 < norm < 1.01:  # a calibration typed with two digits is still a rotation
        raise InvalidInput(
            f"transform {message.header.frame_id!r} -> {message.child_frame_id!r}: quaternion has the length {norm:g}"
        )
    return transform(matrix_from_quaternion(q), np.array([place.x, place.y, place.z]))


def odometry_to_bytes(odometry: Odometry, odom_frame: str, base_frame: str) -> bytes:
    """A serialised nav_msgs/Odometry: pose in `odom_frame` with covariance, twist in `base_frame`.

    The covariance of the twist is not estimated and stays zero. Written as CDR at once: at the rate of an IMU, message
    objects would keep every other thread waiting for a tenth of the time.
    """
    head = struct.pack("<iI", odometry.stamp_ns // NS_PER_S, odometry.stamp_ns % NS_PER_S)
    for name in (odom_frame.encode() + b"\0", base_frame.encode() + b"\0"):
        head += b"\0" * (-len(head) % 4) + struct.pack("<I", len(name)) + name
    T, values = odometry.T_odom_base, np.zeros(7 + 36 + 6 + 36)  # pose and twist, each with its covariance behind it
    values[:3], values[3:7] = T[:3, 3], quaternion_from_matrix(T[:3, :3])
    values[7:43] = odometry.covariance.ravel()
    values[43:46], values[46:49] = odometry.velocity, odometry.angular_velocity
    return CDR_LITTLE_ENDIAN + head + b"\0" * (-len(head) % 8) + values.tobytes()


def cloud_to(stamp_ns: int, frame_id: str, points: np.ndarray, offsets_ns: np.ndarray | None = None) -> PointCloud2:
    """Points (N, 3) float32 as an unorganised cloud, with the field `t` (ns after the stamp) when offsets are given."""
    packed = pack_cloud(points) if offsets_ns is None else pack_cloud(points, t=offsets_ns.astype(np.uint32))
    message = PointCloud2(header=header_of(stamp_ns, frame_id), height=1, width=len(points), is_dense=True)
    message.fields = [PointField(name=f.name, offset=f.offset, datatype=f.datatype, count=1) for f in packed.fields]
    message.point_step, message.row_step = packed.point_step, packed.points.nbytes
    message.data = filled(packed.points)
    return message


def image_to(frame: ImageFrame) -> Image:
    """An image as rgb8, mono8 or 32FC1 (depth in m); its pixels are copied once."""
    pixels = np.ascontiguousarray(frame.pixels)
    height, width = pixels.shape[:2]
    encoding = "32FC1" if frame.is_depth else "rgb8" if pixels.ndim == 3 else "mono8"
    message = Image(header=header_of(frame.stamp_ns, frame.frame_id), height=height, width=width, encoding=encoding)
    message.step, message.is_bigendian = pixels.strides[0], int(sys.byteorder == "big")
    message.data = filled(pixels)
    return message


def camera_info_to(stamp_ns: int, frame_id: str, camera: CameraModel) -> CameraInfo:
    """The calibration of a camera; one without a distortion is a plumb_bob of zeros, as ROS has it."""
    message = CameraInfo(header=header_of(stamp_ns, frame_id), height=camera.height, width=camera.width)
    is_ideal = camera.distortion == "none"
    message.distortion_model = "plumb_bob" if is_ideal else camera.distortion
    message.d = [0.0] * NUM_COEFFICIENTS["plumb_bob"] if is_ideal else camera.D.tolist()
    message.k, message.r = camera.K.ravel(), np.eye(3).ravel()
    message.p = np.column_stack([camera.K, np.zeros(3)]).ravel()
    return message


def detection_array_type() -> type | None:
    """`vision_msgs/Detection2DArray`; None where vision_msgs is not installed."""
    try:
        from vision_msgs.msg import Detection2DArray
    except ImportError:
        return None
    return Detection2DArray


def detections_to(detections: Detections) -> "Detection2DArray":
    """What was found in one image, with its stamp and frame; needs vision_msgs.

    `class_id` is the name of the class, `id` the number of the track, empty where the object is not followed.
    """
    from vision_msgs.msg import Detection2DArray

    header = header_of(detections.stamp_ns, detections.frame_id)
    names = [detections.class_names[row] for row in detections.class_ids]
    columns = (detections.boxes.tolist(), detections.scores.tolist(), names, detections.track_ids.tolist())
    return Detection2DArray(header=header, detections=[_detection_to(header, *row) for row in zip(*columns)])


def path_to_bytes(stamps_ns: np.ndarray, poses: np.ndarray, frame_id: str) -> bytes:
    """A serialised nav_msgs/Path of poses (N, 7) float64 `x y z qx qy qz qw` in `frame_id`.

    Written as CDR at once: made of message objects, thousands of poses would stop the node for a tenth of a second.
    """
    name = frame_id.encode() + b"\0"
    newest_ns = int(stamps_ns[-1]) if len(stamps_ns) else 0
    head = struct.pack(f"<iII{len(name)}s", newest_ns // NS_PER_S, newest_ns % NS_PER_S, len(name), name)
    head += b"\0" * (-len(head) % 4) + struct.pack("<I", len(poses))
    start = len(head) % 8  # the doubles of a pose are aligned to 8 bytes after the encapsulation header
    first = np.dtype(_pose_record(len(name), start))
    other = np.dtype(_pose_record(len(name), 0))
    tables = [np.zeros(min(1, len(poses)), first), np.zeros(max(0, len(poses) - 1), other)]
    for table, rows in zip(tables, (slice(0, 1), slice(1, None))):
        table["sec"], table["nanosec"] = stamps_ns[rows] // NS_PER_S, stamps_ns[rows] % NS_PER_S
        table["length"], table["name"], table["pose"] = len(name), name, poses[rows]
    return CDR_LITTLE_ENDIAN + head + tables[0].tobytes() + tables[1].tobytes()


def diagnostics_to(stamp_ns: int, name: str, health: Health, values: Mapping[str, object]) -> DiagnosticArray:
    """The state of one node."""
    status = DiagnosticStatus(level=bytes([health.level]), name=name, hardware_id="perception")
    status.message = health.reason or Level(health.level).name
    status.values = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
    return DiagnosticArray(header=header_of(stamp_ns, ""), status=[status])


def _detection_to(header: Header, box: list[float], score: float, name: str, track_id: int) -> "Detection2D":
    from vision_msgs.msg import Detection2D, ObjectHypothesisWithPose

    message = Detection2D(header=header, id=str(track_id) if track_id else "")
    result = ObjectHypothesisWithPose()
    result.hypothesis.class_id, result.hypothesis.score = name, score
    message.results = [result]
    x1, y1, x2, y2 = box
    message.bbox.center.position.x, message.bbox.center.position.y = (x1 + x2) / 2, (y1 + y2) / 2
    message.bbox.size_x, message.bbox.size_y = x2 - x1, y2 - y1
    return message


def filled(values: np.ndarray) -> array.array:
    """The bytes of a C-contiguous array in the one type that a message takes without a look at each of them."""
    data = array.array("B")
    data.frombytes(values.reshape(-1).view(np.uint8))  # also right for no values
    return data


def _pose_record(name_length: int, start: int) -> dict[str, Sequence[object]]:
    """Layout of one geometry_msgs/PoseStamped whose first byte lies `start` bytes after a multiple of eight."""
    pose_at = 12 + name_length
    pose_at += -(start + pose_at) % 8
    return {
        "names": ["sec", "nanosec", "length", "name", "pose"],
        "formats": ["<i4", "<u4", "<u4", f"S{name_length}", ("<f8", 7)],
        "offsets": [0, 4, 8, 12, pose_at],
        "itemsize": pose_at + 56,
    }
