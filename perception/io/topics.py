"""Which topics of a bag are the LiDAR and the IMU, and how their messages become clouds and samples."""

from collections.abc import Callable, Collection
from typing import Any

from perception.core.errors import ConfigError, DataLoss, InvalidInput
from perception.io.aids import FIX, WHEEL_TYPES
from perception.io.bags import Bag, Topic
from perception.io.config import InputConfig
from perception.io.livox import CUSTOM_TYPES, as_cloud

CLOUD, IMU = "sensor_msgs/msg/PointCloud2", "sensor_msgs/msg/Imu"
PACKETS = {  # types that hold raw packets, and the driver that turns them into clouds
    "ouster_ros/msg/PacketMsg": "ouster_ros",
    "ouster_sensor_msgs/msg/PacketMsg": "ouster_ros",
    "velodyne_msgs/msg/VelodyneScan": "velodyne_pointcloud",
    "velodyne_msgs/msg/VelodynePacket": "velodyne_pointcloud",
    "hesai_ros_driver/msg/UdpFrame": "hesai_ros_driver",
    "hesai_lidar/msg/PandarScan": "hesai_ros_driver",
    "pandar_msgs/msg/PandarScan": "nebula_ros",
    "nebula_msgs/msg/NebulaPackets": "nebula_ros",
    "rslidar_msg/msg/RslidarPacket": "rslidar_sdk",
    "rslidar_msgs/msg/rslidarScan": "rslidar_sdk",
    "livox_interfaces/msg/CustomMsg": "livox_ros_driver2 (xfer_format 0)",
    **dict.fromkeys(CUSTOM_TYPES, "livox_ros_driver2 (xfer_format 0)"),  # where the bag does not describe it
}


def choose_lidar(bag: Bag, config: InputConfig) -> Topic:
    """The configured topic of clouds, or the only one.

    Raises `ConfigError` listing the candidates when there are several or the configured one is none of them, and
    `InvalidInput` naming what the bag holds instead when there is none, or `DataLoss` when it is damaged.
    """
    found = [topic for topic in bag.topics if topic.count and is_cloud(topic)]
    if config.lidar_topic:
        found = [topic for topic in found if topic.name == config.lidar_topic] or found[:0]
    if len(found) == 1:
        return found[0]
    if not any(topic.count and is_cloud(topic) for topic in bag.topics):
        if bag.damage:
            raise DataLoss(f"{bag.path}: no cloud can be read: {bag.damage}")
        raise InvalidInput(f"{bag.path}: {_no_cloud(bag)}")
    listed = [topic for topic in bag.topics if topic.count and is_cloud(topic)]
    if config.lidar_topic:
        raise ConfigError(f"input.lidar_topic: {config.lidar_topic!r} holds no clouds; {_choice('lidar', listed)}")
    raise ConfigError(f"input.lidar_topic: several topics hold clouds; {_choice('lidar', listed)}")


def imu_topics(bag: Bag, config: InputConfig) -> list[Topic]:
    """The configured IMU topic, or all topics of type Imu; none when the IMU is off. Raises `ConfigError`."""
    if config.imu == "off":
        return []
    found = [topic for topic in bag.topics if topic.type == IMU and topic.count]
    if not config.imu_topic:
        return found
    chosen = [topic for topic in found if topic.name == config.imu_topic]
    if not chosen:
        raise ConfigError(f"input.imu_topic: {config.imu_topic!r} holds no Imu messages; {_choice('imu', found)}")
    return chosen


def fix_topic(bag: Bag, config: InputConfig) -> Topic | None:
    """The configured topic of satellite fixes; None without one. Raises `ConfigError` listing those there are."""
    return _configured(bag, config.gnss_topic, "gnss", (FIX,), "satellite fixes")


def wheel_topic(bag: Bag, config: InputConfig) -> Topic | None:
    """The configured topic of wheel odometry; None without one. Raises `ConfigError` listing those there are."""
    return _configured(bag, config.wheel_topic, "wheel", tuple(WHEEL_TYPES.values()), "twists")


def unused_fixes(bag: Bag, config: InputConfig) -> tuple[str, ...]:
    """A sentence for each topic of satellite fixes that the configuration leaves out."""
    names = [topic.name for topic in bag.topics if topic.type == FIX and topic.count]
    if config.gnss_topic:
        return ()
    return tuple(f"satellite fixes of {name} are not used; mapping takes them with input.gnss_topic" for name in names)


def is_cloud(topic: Topic) -> bool:
    """True where the messages can become scans."""
    return topic.type == CLOUD or (topic.type in CUSTOM_TYPES and bool(topic.channel.definition))


def cloud_decoder(bag: Bag, topic: Topic) -> Callable[[bytes | memoryview], Any]:
    """From a serialised message to one with the attributes of a PointCloud2."""
    if topic.type in CUSTOM_TYPES:
        return lambda raw: as_cloud(raw, is_cdr=topic.channel.encoding == "cdr")
    return bag.decoder(topic.name)


def several_imus(topics: list[Topic]) -> ConfigError:
    """The error that asks to choose one of several usable IMUs."""
    return ConfigError(f"input.imu_topic: several topics are usable IMUs; {_choice('imu', topics)}")


def _configured(bag: Bag, name: str, sensor: str, types: Collection[str], what: str) -> Topic | None:
    found = [topic for topic in bag.topics if topic.type in types and topic.count]
    chosen = [topic for topic in found if topic.name == name]
    if name and not chosen:
        raise ConfigError(f"input.{sensor}_topic: {name!r} holds no {what}; {_choice(sensor, found)}")
    return chosen[0] if chosen else None


def _choice(sensor: str, topics: list[Topic]) -> str:
    if not topics:
        return "the recording has no such topic"
    listed = ", ".join(f"{topic.name} ({topic.type.split('/')[-1]}, {topic.count} messages)" for topic in topics)
    return f"choose one of {listed} with --set input.{sensor}_topic={topics[0].name}"


def _no_cloud(bag: Bag) -> str:
    for topic in bag.topics:
        if topic.type in PACKETS:
            return (
                f"{topic.name} holds {topic.type}, raw packets of the sensor and no points; play it through "
                f"{PACKETS[topic.type]} and record the sensor_msgs/PointCloud2 topic of the driver"
            )
    listed = ", ".join(f"{topic.name} ({topic.type}, {topic.count})" for topic in bag.topics) or "nothing readable"
    return f"has no sensor_msgs/PointCloud2 messages; it holds {listed}"
