"""Writes a generated recording as a ROS 2 bag with standard messages.

The `rosbags` writer closes a chunk after the first message that makes it longer than 1 MiB, so a chunk is about one
sweep with its IMU samples: a reader unpacks no more than it needs.
"""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

from perception.core.labels import OccupancyLabels
from perception.core.stamps import NS_PER_MS
from perception.core.types import ImuBatch
from perception.io.messages import Messages
from perception.world.recording import BASE_FRAME, EPOCH_NS, IMU_FRAME, SyntheticRecording
from perception.world.sensors.cameras import Camera
from perception.world.sensors.lidar import LidarScan
from perception.world.shelf import Shelf

CLOCK_STEP_NS = 20 * NS_PER_MS
TOPICS = {
    "/points": "sensor_msgs/msg/PointCloud2",
    "/imu": "sensor_msgs/msg/Imu",
    "/tf_static": "tf2_msgs/msg/TFMessage",
    "/clock": "rosgraph_msgs/msg/Clock",
}
TRUE_POSES, TRUE_BOXES = "/ground_truth/odometry", "/ground_truth/boxes"
TRUE_VOXELS = "/ground_truth/occupancy"
TRUTH_TOPICS = {
    TRUE_POSES: "nav_msgs/msg/Odometry",
    TRUE_BOXES: "vision_msgs/msg/Detection3DArray",
    TRUE_VOXELS: "visualization_msgs/msg/Marker",
}
CAMERA_TOPICS = {
    "image_raw/compressed": "sensor_msgs/msg/CompressedImage",
    "camera_info": "sensor_msgs/msg/CameraInfo",
    "ground_truth/detections": "vision_msgs/msg/Detection2DArray",
    "ground_truth/lines": "visualization_msgs/msg/ImageMarker",
}

Message = tuple[int, str, bytes]  # time in ns since the epoch, topic, CDR


def topics_of(cameras: tuple[Camera, ...]) -> dict[str, str]:
    """Topics of a recording and their types; the truth about objects is there where there are cameras."""
    out = dict(TOPICS)
    if cameras:
        out |= TRUTH_TOPICS
    for camera in cameras:
        out |= {f"/{camera.name}/{name}": kind for name, kind in CAMERA_TOPICS.items()}
    return out


@dataclass(frozen=True, slots=True)
class Taken:
    """What was made of a recording before its bag is written."""

    shelf: Shelf
    key_frame: Callable[[int], OccupancyLabels | None]  # the occupancy at a picture's number


def write_bag(
    folder: Path, recording: SyntheticRecording, taken: Taken | None, progress: Callable[[int], None]
) -> None:
    """Write the bag of a recording; `taken` where it has cameras. `progress` is told the number of scans done."""
    from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

    messages = Messages()
    bag = Writer(folder, version=Writer.VERSION_LATEST, storage_plugin=StoragePlugin.MCAP)
    bag.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    with bag:
        connections = {
            topic: bag.add_connection(topic, kind, typestore=messages.typestore, offered_qos_profiles=_qos(topic))
            for topic, kind in topics_of(recording.cameras).items()
        }
        streams = [_sensors(recording, messages, progress)]
        if taken is not None:
            streams += [*_pictures(recording, messages, taken.shelf), _voxels(recording, messages, taken)]
        for time_ns, topic, data in heapq.merge(*streams, key=itemgetter(0)):
            bag.write(connections[topic], time_ns, data)


def _sensors(recording: SyntheticRecording, messages: Messages, progress: Callable[[int], None]) -> Iterator[Message]:
    """LiDAR, IMU, transforms, clock and the true poses and boxes at the ends of scans, in the order of time."""
    places = {recording.rig.lidar_frame: recording.rig.T_base_lidar, IMU_FRAME: recording.rig.T_base_imu}
    places |= {camera.frame_id: camera.T_base_camera for camera in recording.cameras}
    yield EPOCH_NS, "/tf_static", messages.transforms(EPOCH_NS, BASE_FRAME, places)
    clock_ns, done = EPOCH_NS, 0
    for event in recording.detailed_events():
        if isinstance(event, LidarScan):
            yield from _scan(event, recording, messages)
            done += 1
            progress(done)
            continue
        for row, stamp_ns in enumerate(event.stamps_ns.tolist()):
            while clock_ns <= stamp_ns:
                yield clock_ns, "/clock", messages.clock(clock_ns)
                clock_ns += CLOCK_STEP_NS
            yield stamp_ns, "/imu", _imu(messages, event, row, recording)


def _scan(event: LidarScan, recording: SyntheticRecording, messages: Messages) -> Iterator[Message]:
    end_ns = event.scan.end_ns
    yield end_ns, "/points", messages.cloud(event.scan, event.intensities, event.rings)
    if not recording.cameras:
        return
    from perception.world.truth.boxes import label_boxes

    T_odom_base = recording.T_odom_base(end_ns - EPOCH_NS)
    yield end_ns, TRUE_POSES, messages.odometry(end_ns, T_odom_base, BASE_FRAME)
    T_world_base = recording.T_world_base(end_ns - EPOCH_NS)
    boxes = label_boxes(recording.scene, end_ns - EPOCH_NS, T_world_base, float(T_odom_base[0, 3]))
    yield end_ns, TRUE_BOXES, messages.boxes(end_ns, BASE_FRAME, boxes)


def _pictures(recording: SyntheticRecording, messages: Messages, shelf: Shelf) -> Iterator[Iterator[Message]]:
    """One stream for each camera."""

    def of(camera: Camera) -> Iterator[Message]:
        topics = [f"/{camera.name}/{name}" for name in CAMERA_TOPICS]
        for number in range(recording.num_pictures):
            stamp_ns = EPOCH_NS + recording.picture_time_ns(camera, number)
            yield stamp_ns, topics[0], messages.image(stamp_ns, camera.frame_id, shelf.image(camera, number))
            yield stamp_ns, topics[1], messages.camera_info(stamp_ns, camera.frame_id, camera.model)
            labels = shelf.labels(camera, number)
            yield stamp_ns, topics[2], messages.detections(stamp_ns, camera.frame_id, labels.objects)
            if labels.lines is not None:
                yield stamp_ns, topics[3], messages.lines(stamp_ns, camera.frame_id, labels.lines)

    return map(of, recording.cameras)


def _voxels(recording: SyntheticRecording, messages: Messages, taken: Taken) -> Iterator[Message]:
    """Occupancy in the frame of the base at the stamp of the first camera."""
    for number in range(recording.num_pictures):
        labels = taken.key_frame(number)
        if labels is not None:
            stamp_ns = EPOCH_NS + recording.picture_time_ns(recording.cameras[0], number)
            yield stamp_ns, TRUE_VOXELS, messages.voxels(stamp_ns, BASE_FRAME, labels)


def _imu(messages: Messages, batch: ImuBatch, row: int, recording: SyntheticRecording) -> bytes:
    config = recording.config.imu
    variances = (config.gyro_noise**2 * config.rate, config.accel_noise**2 * config.rate)
    return messages.imu(batch, row, IMU_FRAME, variances)


def _qos(topic: str) -> list[Any]:
    """`/tf_static` is kept for late subscribers, all else is reliable and not kept."""
    from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime

    forever = QosTime(2147483647, 4294967295)
    return [
        Qos(
            QosHistory.KEEP_LAST,
            1 if topic == "/tf_static" else 10,
            QosReliability.RELIABLE,
            QosDurability.TRANSIENT_LOCAL if topic == "/tf_static" else QosDurability.VOLATILE,
            forever,
            forever,
            QosLiveliness.AUTOMATIC,
            forever,
            False,
        )
    ]
