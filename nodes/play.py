"""`perception play`: publishes a recording with /clock, as `ros2 bag play` does where ROS's tools are installed."""

import importlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.serialization import serialize_message
from rosgraph_msgs.msg import Clock

from nodes import messages, qos
from nodes.process import StopSignal
from perception.core.errors import DataLoss, InvalidInput
from perception.core.stamps import NS_PER_S
from perception.core.types import ImuBatch, Scan
from perception.io.bags import Bag, is_bag
from perception.io.config import InputConfig
from perception.io.merging import read_ahead

CLOCK_TOPIC, STATIC_TOPIC = "/clock", "/tf_static"
CLOCK_PERIOD = 0.01  # s of real time between two clock messages
LARGE_TYPES = ("sensor_msgs/msg/PointCloud2", "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
LARGE_DEPTH, SMALL_DEPTH = 5, 1000  # messages that wait for a slow subscriber
READ_AHEAD = 32  # messages; a few clouds and what is between them
GRACE = 2.0  # s after a first subscriber was found, in which the others and the way back are found
ACK_TIMEOUT = 2.0  # s to wait at the end until the last messages have arrived

Message = tuple[str, int, bytes]  # topic, time in ns, serialised


class Source(Protocol):
    """Something that can be played: its topics with their types, and its messages in the order of time."""

    types: dict[str, str]
    num_messages: int
    skipped: tuple[str, ...]  # what is not played, each a sentence

    def static(self) -> Iterable[Message]:
        """All of /tf_static, which is published first and kept for those who come later."""

    def messages(self) -> Iterator[Message]:
        """Everything else."""


class BagSource:
    """A bag: messages of ROS 2 pass as they are, those of ROS 1 are rewritten."""

    def __init__(self, path: Path, topics: Collection[str]) -> None:
        self.bag = Bag(path)
        chosen = {name: self.bag.topic(name) for name in topics} or {topic.name: topic for topic in self.bag.topics}
        chosen.pop(CLOCK_TOPIC, None)
        skipped = {name: reason for name, topic in chosen.items() if (reason := _why_not(name, topic.type))}
        self.skipped = tuple(skipped.values())
        self.types = {name: topic.type for name, topic in chosen.items() if name not in skipped}
        self.num_messages = sum(chosen[name].count for name in self.types if name != STATIC_TOPIC)

    def static(self) -> Iterator[Message]:
        """The static transforms of the bag."""
        if STATIC_TOPIC not in self.types:
            return
        try:
            for channel, log_ns, raw in self.bag.records({STATIC_TOPIC}):
                yield channel.topic, log_ns, self.bag.to_cdr(channel.topic, raw)
        except DataLoss:
            return  # `messages` reports it

    def messages(self) -> Iterator[Message]:
        """In the order of the file. Raises `DataLoss` after the readable part of a damaged bag."""
        for channel, log_ns, raw in self.bag.records(set(self.types) - {STATIC_TOPIC}):
            data = self._cdr(channel.topic, raw)
            if data is not None:
                yield channel.topic, log_ns, data

    def _cdr(self, topic: str, raw: bytes | memoryview) -> bytes | None:
        try:
            return self.bag.to_cdr(topic, raw)
        except InvalidInput as error:
            self.bag.losses.add(str(error))
            return None


class FolderSource:
    """Scans and IMU samples of any other recording, as messages on /points and /imu."""

    def __init__(self, path: Path, topics: Collection[str]) -> None:
        from perception.io.recording import open_recording

        config = InputConfig()
        self.recording = open_recording(path, config)
        self.base_frame = config.base_frame  # whatever the recording calls its body, or when it is the LiDAR itself
        self.types = {"/points": "sensor_msgs/msg/PointCloud2", STATIC_TOPIC: "tf2_msgs/msg/TFMessage"}
        if self.recording.rig.has_imu:
            self.types["/imu"] = "sensor_msgs/msg/Imu"
        unknown = set(topics) - set(self.types)
        if unknown:
            raise InvalidInput(f"--topics {', '.join(sorted(unknown))}: {path} gives {', '.join(self.types)}")
        reason = _why_not(STATIC_TOPIC, self.types[STATIC_TOPIC])
        self.skipped = (reason,) if reason else ()
        self.types = {name: kind for name, kind in self.types.items() if not topics or name in topics}
        if reason:
            self.types.pop(STATIC_TOPIC, None)
        self.num_messages = 0 if "/imu" in self.types else self.recording.num_scans  # 0: not known before it is read

    def static(self) -> Iterator[Message]:
        """Where the sensors sit."""
        if STATIC_TOPIC not in self.types:
            return
        from tf2_msgs.msg import TFMessage

        rig = self.recording.rig
        places = [(rig.lidar_frame, rig.T_base_lidar)]
        if rig.imu_frame is not None and rig.T_base_imu is not None:
            places.append((rig.imu_frame, rig.T_base_imu))
        transforms = [messages.transform_to(0, self.base_frame, frame, T) for frame, T in places]
        yield STATIC_TOPIC, 0, serialize_message(TFMessage(transforms=transforms))

    def messages(self) -> Iterator[Message]:
        """Scans at their end, IMU samples at their stamp."""
        for event in self.recording.events():
            yield from self._scan(event) if isinstance(event, Scan) else self._imu(event)

    def _scan(self, scan: Scan) -> Iterator[Message]:
        if "/points" in self.types:
            offsets_ns = scan.offsets_ns if scan.offsets_ns.any() else None
            cloud = messages.cloud_to(scan.stamp_ns, scan.frame_id, scan.points, offsets_ns)
            yield "/points", scan.end_ns, serialize_message(cloud)

    def _imu(self, batch: ImuBatch) -> Iterator[Message]:
        if "/imu" not in self.types:
            return
        frame = self.recording.rig.imu_frame or "imu"
        for stamp_ns, gyro, accel in zip(batch.stamps_ns.tolist(), batch.gyro, batch.accel):
            yield "/imu", stamp_ns, serialize_message(messages.imu_to(stamp_ns, frame, gyro, accel))


@dataclass(frozen=True, slots=True)
class PlayOptions:
    """How a recording is played."""

    rate: float = 1.0  # times real time; 0: as fast as possible
    loop: bool = False
    start: float = 0.0  # s to skip
    topics: tuple[str, ...] = ()  # empty: all
    wait: float = 0.0  # s to wait for a first subscriber


def open_source(path: Path, topics: Collection[str] = ()) -> Source:
    """The recording at `path` as messages. Raises `InvalidInput` when there is none, or when nothing can be played."""
    source: Source = BagSource(path, topics) if path.exists() and is_bag(path) else FolderSource(path, topics)
    if not set(source.types) - {STATIC_TOPIC}:
        raise InvalidInput(f"{path}: nothing can be played; {'; '.join(source.skipped) or 'it holds no messages'}")
    return source


class Player:
    """Publishes a source from a node. `update` is told (messages published, messages in all; 0: unknown)."""

    def __init__(self, node: Node, source: Source, options: PlayOptions, update: Callable[[int, int], None]) -> None:
        self.source, self.options, self.update = source, options, update
        self.publishers = {name: _publisher(node, name, kind) for name, kind in source.types.items()}
        self.clock = node.create_publisher(Clock, CLOCK_TOPIC, qos.result(1))
        self.num_published = 0
        self._clock_due = 0.0

    def play(self, stop: StopSignal) -> None:
        """Publish everything, once or for ever, until `stop`. Raises `DataLoss` after a damaged bag's readable part."""
        for topic, _, data in self.source.static():
            if topic in self.publishers:
                self.publishers[topic].publish(data)
        self._wait_for_subscriber(stop)
        while not stop.requested.is_set():
            self._play_once(stop)
            if not self.options.loop:
                break
        for publisher in self.publishers.values():
            publisher.wait_for_all_acked(Duration(seconds=0.0 if stop.requested.is_set() else ACK_TIMEOUT))

    def _play_once(self, stop: StopSignal) -> None:
        first_ns, began = None, time.monotonic()
        for topic, stamp_ns, data in read_ahead(self.source.messages, READ_AHEAD):
            if first_ns is None:
                first_ns = stamp_ns + int(self.options.start * NS_PER_S)
            if stamp_ns < first_ns:
                continue
            if self.options.rate > 0.0:
                self._wait_until(began + (stamp_ns - first_ns) / NS_PER_S / self.options.rate, stamp_ns, stop)
            if stop.requested.is_set():
                return
            self._tick(stamp_ns)
            self.publishers[topic].publish(data)
            self.num_published += 1
            self.update(self.num_published, 0 if self.options.loop else self.source.num_messages)

    def _wait_until(self, due: float, stamp_ns: int, stop: StopSignal) -> None:
        """Sleep until `due` (monotonic s), when `stamp_ns` is, and let the clock go on meanwhile."""
        while (delay := due - time.monotonic()) > 0.0 and not stop.requested.is_set():
            self._tick(stamp_ns - int(delay * self.options.rate * NS_PER_S))
            stop.requested.wait(min(delay, CLOCK_PERIOD))

    def _tick(self, now_ns: int) -> None:
        now = time.monotonic()
        if now >= self._clock_due and now_ns >= 0:
            self._clock_due = now + CLOCK_PERIOD
            self.clock.publish(Clock(clock=messages.time_of(now_ns)))

    def _wait_for_subscriber(self, stop: StopSignal) -> None:
        deadline = time.monotonic() + self.options.wait
        inputs = [publisher for name, publisher in self.publishers.items() if name != STATIC_TOPIC]
        while time.monotonic() < deadline and not stop.requested.wait(CLOCK_PERIOD):
            if any(publisher.get_subscription_count() for publisher in inputs):
                stop.requested.wait(GRACE)
                return


def play(path: Path, options: PlayOptions, update: Callable[[int, int], None], report: Callable[[str], None]) -> int:
    """Publish the recording at `path` until its end or a signal; returns how many messages went out.

    `report` is given one sentence for each topic that is not played.
    """
    import rclpy
    from rclpy.signals import SignalHandlerOptions

    stop = StopSignal()
    source = open_source(path, options.topics)
    for sentence in source.skipped:
        report(sentence)
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = Node("player", enable_rosout=False, start_parameter_services=False)
    player = Player(node, source, options, update)
    try:
        player.play(stop)
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    return player.num_published


def _why_not(topic: str, kind: str) -> str:
    """Why messages of type `kind` cannot be published here; empty when they can."""
    try:
        _message_class(kind)
    except (ImportError, AttributeError, ValueError):
        return f"{topic} is not played: the messages of {kind} are not installed"
    return ""


def _message_class(kind: str) -> Any:
    package, folder, name = kind.split("/")
    return getattr(importlib.import_module(f"{package}.{folder}"), name)


def _publisher(node: Node, topic: str, kind: str) -> Publisher:
    if topic == STATIC_TOPIC:
        profile = qos.STATIC_TRANSFORMS
    else:
        profile = qos.result(LARGE_DEPTH if kind in LARGE_TYPES else SMALL_DEPTH)
    return node.create_publisher(_message_class(kind), topic, profile)
