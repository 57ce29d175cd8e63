"""Small bags written with `rosbags`, as recordings of a turning LiDAR and an IMU."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin
from rosbags.rosbag2 import Writer as Writer2
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

CLOUD, IMU, TF = "sensor_msgs/msg/PointCloud2", "sensor_msgs/msg/Imu", "tf2_msgs/msg/TFMessage"
IMAGE, COMPRESSED, INFO = (f"sensor_msgs/msg/{name}" for name in ("Image", "CompressedImage", "CameraInfo"))
FIX, ODOMETRY = "sensor_msgs/msg/NavSatFix", "nav_msgs/msg/Odometry"
TWIST, TWIST_COVARIANCE = (f"geometry_msgs/msg/{name}" for name in ("TwistStamped", "TwistWithCovarianceStamped"))
START_NS = 1_700_000_000_000_000_000
SWEEP_NS, POINTS = 100_000_000, 500
T_LIDAR, T_IMU = (0.1, 0.0, 0.5), (0.0, 0.2, 0.4)


@dataclass(frozen=True)
class Content:
    """What is recorded."""

    scans: int = 12
    imu_rate: int = 200
    imu_frame: str = "imu"
    gravity: float = 9.81
    lidar_topics: tuple[str, ...] = ("/points",)
    imu_topics: tuple[str, ...] = ("/imu",)
    transforms: tuple[tuple[str, str, tuple[float, float, float]], ...] = (
        ("base_link", "lidar", T_LIDAR),
        ("base_link", "imu", T_IMU),
    )
    tf_topic: str = "/tf_static"
    imu_clock_ns: int = 0  # added to the stamps of the IMU


Message = tuple[str, str, int, Any]  # topic, type, log time, message


class Factory:
    """Messages of one ROS generation."""

    def __init__(self, store: Stores) -> None:
        self.store = get_typestore(store)
        self.is_ros1 = store is Stores.ROS1_NOETIC
        if self.is_ros1:
            self.store.register(get_types_from_msg("geometry_msgs/TransformStamped[] transforms", TF))

    def make(self, kind: str, **values: Any) -> Any:
        return self.store.types[kind](**values)

    def header(self, stamp_ns: int, frame: str) -> Any:
        stamp = self.make("builtin_interfaces/msg/Time", sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
        return self.make("std_msgs/msg/Header", **({"seq": 0} if self.is_ros1 else {}), stamp=stamp, frame_id=frame)

    def cloud(self, stamp_ns: int, seed: int = 0, frame: str = "lidar", points: int = POINTS) -> Any:
        names = [("x", "f4", 7), ("y", "f4", 7), ("z", "f4", 7), ("intensity", "f4", 7), ("t", "u4", 6)]
        records = np.zeros(points, np.dtype([(name, form) for name, form, _ in names]))
        rng = np.random.default_rng(seed)
        for name in "xyz":
            records[name] = rng.uniform(1.0, 30.0, points)
        records["t"] = np.arange(points) * (SWEEP_NS // points)
        field = self.store.types["sensor_msgs/msg/PointField"]
        return self.make(
            CLOUD,
            header=self.header(stamp_ns, frame),
            height=1,
            width=points,
            fields=[field(name, 4 * i, datatype, 1) for i, (name, _, datatype) in enumerate(names)],
            is_bigendian=False,
            point_step=20,
            row_step=20 * points,
            data=records.view(np.uint8),
            is_dense=True,
        )

    def imu(self, stamp_ns: int, gravity: float = 9.81, frame: str = "imu") -> Any:
        vector = self.store.types["geometry_msgs/msg/Vector3"]
        return self.make(
            IMU,
            header=self.header(stamp_ns, frame),
            orientation=self.make("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0),
            orientation_covariance=np.zeros(9),
            angular_velocity=vector(0.01, 0.02, 0.03),
            angular_velocity_covariance=np.zeros(9),
            linear_acceleration=vector(0.0, 0.0, gravity),
            linear_acceleration_covariance=np.zeros(9),
        )

    def image(self, stamp_ns: int, pixels: np.ndarray, frame: str = "camera") -> Any:
        return self.make(
            IMAGE,
            header=self.header(stamp_ns, frame),
            height=len(pixels),
            width=pixels.shape[1],
            encoding="rgb8",
            is_bigendian=0,
            step=pixels.strides[0],
            data=pixels.reshape(-1),
        )

    def compressed(self, stamp_ns: int, data: bytes, frame: str = "camera") -> Any:
        pixels = np.frombuffer(data, np.uint8)
        return self.make(COMPRESSED, header=self.header(stamp_ns, frame), format="jpeg", data=pixels)

    def camera_info(self, stamp_ns: int, K: np.ndarray, D: Any, size: tuple[int, int], frame: str = "camera") -> Any:
        names = "DKRP" if self.is_ros1 else "dkrp"
        P = np.column_stack([K, np.zeros(3)])
        matrices = dict(zip(names, (np.asarray(D, float), K.ravel(), np.eye(3).ravel(), P.ravel())))
        return self.make(
            INFO,
            header=self.header(stamp_ns, frame),
            width=size[0],
            height=size[1],
            distortion_model="plumb_bob",
            **matrices,
            binning_x=0,
            binning_y=0,
            roi=self.make(
                "sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
            ),
        )

    def fix(self, stamp_ns: int, latitude: float, frame: str = "gps", status: int = 0, kind: int = 2) -> Any:
        return self.make(
            FIX,
            header=self.header(stamp_ns, frame),
            status=self.make("sensor_msgs/msg/NavSatStatus", status=status, service=1),
            latitude=latitude,
            longitude=11.0,
            altitude=500.0,
            position_covariance=np.diag([1.0, 1.0, 4.0]).ravel(),
            position_covariance_type=kind,
        )

    def wheels(self, kind: str, stamp_ns: int, speed: float, turn: float = 0.0, frame: str = "base_link") -> Any:
        vector = self.store.types["geometry_msgs/msg/Vector3"]
        twist = self.make("geometry_msgs/msg/Twist", linear=vector(speed, 0.0, 0.0), angular=vector(0.0, 0.0, turn))
        if kind == TWIST:
            return self.make(kind, header=self.header(stamp_ns, frame), twist=twist)
        with_covariance = self.make("geometry_msgs/msg/TwistWithCovariance", twist=twist, covariance=np.zeros(36))
        if kind == TWIST_COVARIANCE:
            return self.make(kind, header=self.header(stamp_ns, frame), twist=with_covariance)
        pose = self.make(
            "geometry_msgs/msg/Pose",
            position=self.make("geometry_msgs/msg/Point", x=7.0, y=8.0, z=9.0),
            orientation=self.make("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0),
        )
        return self.make(
            ODOMETRY,
            header=self.header(stamp_ns, "odom"),
            child_frame_id=frame,
            pose=self.make("geometry_msgs/msg/PoseWithCovariance", pose=pose, covariance=np.zeros(36)),
            twist=with_covariance,
        )

    def transforms(self, entries: tuple[tuple[str, str, tuple[float, float, float]], ...], stamp_ns: int) -> Any:
        def stamped(parent: str, child: str, xyz: tuple[float, float, float]) -> Any:
            pose = self.make(
                "geometry_msgs/msg/Transform",
                translation=self.make("geometry_msgs/msg/Vector3", x=xyz[0], y=xyz[1], z=xyz[2]),
                rotation=self.make("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0),
            )
            return self.make(
                "geometry_msgs/msg/TransformStamped",
                header=self.header(stamp_ns, parent),
                child_frame_id=child,
                transform=pose,
            )

        return self.make(TF, transforms=[stamped(*entry) for entry in entries])


def messages(factory: Factory, content: Content) -> Iterator[Message]:
    """All messages in the order in which a recorder sees them."""
    found: list[Message] = []
    if content.transforms:
        tf = factory.transforms(content.transforms, START_NS)
        found.append((content.tf_topic, TF, START_NS - 1, tf))
    for topic in content.lidar_topics:
        for i in range(content.scans):
            stamp_ns = START_NS + i * SWEEP_NS
            found.append((topic, CLOUD, stamp_ns + SWEEP_NS, factory.cloud(stamp_ns, i)))
    for topic in content.imu_topics:
        for i in range(content.imu_rate * (content.scans + 1) // 10):
            log_ns = START_NS + i * (10**9 // content.imu_rate)
            msg = factory.imu(log_ns + content.imu_clock_ns, content.gravity, content.imu_frame)
            found.append((topic, IMU, log_ns, msg))
    yield from sorted(found, key=lambda item: item[2])


def write_ros2(path: Path, items: list[Message] | None = None, storage: str = "mcap", zstd: str = "") -> Path:
    """A ROS 2 bag folder at `path`; zstd: none, message, file or storage."""
    factory = Factory(Stores.ROS2_JAZZY)
    items = list(messages(factory, Content())) if items is None else items
    bag = Writer2(path, version=Writer2.VERSION_LATEST, storage_plugin=StoragePlugin[storage.upper()])
    if zstd:
        bag.set_compression(CompressionMode[zstd.upper()], CompressionFormat.ZSTD)
    with bag:
        connections: dict[str, Any] = {}
        for topic, kind, log_ns, msg in items:
            if topic not in connections:
                connections[topic] = bag.add_connection(topic, kind, typestore=factory.store)
            raw = msg if isinstance(msg, bytes) else factory.store.serialize_cdr(msg, kind)
            bag.write(connections[topic], log_ns, raw)
    return path


def write_ros1(path: Path, items: list[Message] | None = None, compression: str = "") -> Path:
    """A ROS 1 bag; compression: none, lz4 or bz2."""
    factory = Factory(Stores.ROS1_NOETIC)
    items = list(messages(factory, Content())) if items is None else items
    bag = Writer1(path)
    if compression:
        bag.set_compression(Writer1.CompressionFormat[compression.upper()])
    with bag:
        connections: dict[str, Any] = {}
        for topic, kind, log_ns, msg in items:
            if topic not in connections:
                connections[topic] = bag.add_connection(topic, kind, typestore=factory.store)
            bag.write(connections[topic], log_ns, factory.store.serialize_ros1(msg, kind))
    return path


def ros2_messages(**options: Any) -> list[Message]:
    """Messages of ROS 2 with the given content."""
    return list(messages(Factory(Stores.ROS2_JAZZY), Content(**options)))
