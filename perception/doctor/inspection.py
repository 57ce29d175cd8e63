"""Looks into a recording and gathers the facts that `recording.py` judges."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from perception.core.errors import DataLoss, InvalidInput, PerceptionError
from perception.core.frames import TransformBuffer
from perception.core.stamps import NS_PER_S
from perception.core.types import ImuBatch, Scan, SensorRig
from perception.doctor.motion import LidarRotations, MotionFacts, compare_motion
from perception.doctor.recording import RecordingFacts
from perception.doctor.streams import CloudWatch, ImuWatch
from perception.io.config import InputConfig
from perception.io.recording import Recording, open_recording

TF_TYPES = ("tf2_msgs/msg/TFMessage", "tf/msg/tfMessage")
Progress = Callable[[int, int], None]


def look(
    path: Path, config: InputConfig, seconds: float, progress: Progress = lambda done, total: None
) -> RecordingFacts:
    """Facts of the recording at `path`, of whose data the first `seconds` are read.

    What is wrong with the recording becomes a fact and no exception. `progress` is called with (done, 100).
    """
    messages = _Messages()
    try:
        if not path.exists():
            raise InvalidInput(f"{path}: does not exist; check the path")
        _look_at_messages(messages, path, config, seconds, progress)
        recording = open_recording(path, config)
    except PerceptionError as reason:
        return _facts(path, messages, refusal=str(reason))
    events = _look_at_events(recording, seconds, progress)
    if not messages.clouds:  # a folder has no messages; its scans and samples stand for them
        messages.clouds, messages.imus = {"scans": events.cloud}, {"imu": events.imu} if events.imu.samples else {}
    return _facts(
        path,
        messages,
        seconds=max(messages.seconds, events.seconds),
        damage=messages.damage or events.damage,
        summary=recording.summary,
        rig=recording.rig,
        motion=events.motion(recording.rig),
        losses=dict(recording.losses.counts),
    )


@dataclass(slots=True)
class _Messages:
    """What the messages of a bag say, before any choice between its topics."""

    topics: tuple[tuple[str, str, int], ...] = ()
    clouds: dict[str, CloudWatch] = field(default_factory=dict)
    imus: dict[str, ImuWatch] = field(default_factory=dict)
    edges: dict[tuple[str, str], None] = field(default_factory=dict)
    bad_transforms: dict[str, None] = field(default_factory=dict)
    seconds: float = 0.0
    damage: str = ""

    def take(self, topic: str, message: Any, log_ns: int) -> None:
        """Take one decoded message."""
        watch = self.clouds.get(topic) or self.imus.get(topic)
        if watch is not None:
            watch.add(message, log_ns)
            return
        from perception.io.extrinsics import add_transforms

        add_transforms(TransformBuffer(), message, is_static=True)  # refuses what is no rotation
        for stamped in message.transforms:
            self.edges[stamped.header.frame_id.lstrip("/"), stamped.child_frame_id.lstrip("/")] = None

    def refuse(self, topic: str, reason: str) -> None:
        """Count a message that cannot be used."""
        watch = self.clouds.get(topic) or self.imus.get(topic)
        if watch is not None:
            watch.stream.refuse(reason)
        else:
            self.bad_transforms[reason] = None


class _Events:
    """What the scans and samples say that a replay would use. Scans are not kept."""

    def __init__(self, recording: Recording) -> None:
        rig = recording.rig
        self.cloud = CloudWatch("scans", recording.summary.kind, InputConfig())
        self.imu = ImuWatch("imu", recording.summary.kind)
        self.rotations = LidarRotations() if rig.has_imu else None
        self.batches: list[ImuBatch] = []
        self.first_ns: int | None = None
        self.seconds = 0.0
        self.damage = ""
        self._frames = (rig.lidar_frame, rig.imu_frame or "")

    def take(self, event: Scan | ImuBatch) -> None:
        """Take one event of the recording."""
        end_ns = event.end_ns if isinstance(event, Scan) else int(event.stamps_ns[-1])
        self.first_ns = end_ns if self.first_ns is None else self.first_ns
        self.seconds = (end_ns - self.first_ns) / NS_PER_S
        if isinstance(event, Scan):
            self.cloud.add_scan(event, self._frames[0])
            if self.rotations is not None:
                self.rotations.add(event)
        else:
            self.imu.add_batch(event, self._frames[1])
            self.batches.append(event)

    def motion(self, rig: SensorRig) -> MotionFacts | None:
        """LiDAR and gyro compared; None where one of them is missing."""
        if self.rotations is None or rig.T_base_imu is None or not self.batches:
            return None
        names = ("stamps_ns", "gyro", "accel")
        batch = ImuBatch(*(np.concatenate([getattr(batch, name) for batch in self.batches]) for name in names))
        if (np.diff(batch.stamps_ns) <= 0).any():
            _, kept = np.unique(batch.stamps_ns, return_index=True)
            batch = ImuBatch(batch.stamps_ns[kept], batch.gyro[kept], batch.accel[kept])
        return compare_motion(self.rotations.finish(), batch, rig.T_base_lidar[:3, :3].T @ rig.T_base_imu[:3, :3])


def _look_at_messages(messages: _Messages, path: Path, config: InputConfig, seconds: float, progress: Progress) -> None:
    from perception.io.bags import Bag, is_bag

    if not is_bag(path):
        return
    bag = Bag(path)
    messages.topics = tuple((topic.name, topic.type, topic.count) for topic in bag.topics)
    decoders = _decoders(messages, bag, config)
    try:
        for channel, log_ns, raw in bag.records(list(decoders)):
            messages.seconds = (log_ns - bag.start_ns) / NS_PER_S
            if messages.seconds > seconds:
                break
            progress(round(50.0 * messages.seconds / min(seconds, bag.duration or seconds)), 100)
            try:
                messages.take(channel.topic, decoders[channel.topic](raw), log_ns)
            except InvalidInput as reason:
                messages.refuse(channel.topic, str(reason))
    except DataLoss as loss:
        messages.damage = str(loss)


def _decoders(messages: _Messages, bag: Any, config: InputConfig) -> dict[str, Callable[[Any], Any]]:
    """How the messages of each topic that matters are decoded; a watch is made for every sensor."""
    from perception.io.topics import IMU, cloud_decoder, is_cloud

    decoders: dict[str, Callable[[Any], Any]] = {}
    for topic in bag.topics:
        if not topic.count:
            continue
        if is_cloud(topic):
            messages.clouds[topic.name] = CloudWatch(topic.name, topic.type, config)
            decoders[topic.name] = cloud_decoder(bag, topic)
        elif topic.type == IMU:
            messages.imus[topic.name] = ImuWatch(topic.name, topic.type)
            decoders[topic.name] = bag.decoder(topic.name)
        elif topic.type in TF_TYPES:
            decoders[topic.name] = bag.decoder(topic.name)
    return decoders


def _look_at_events(recording: Recording, seconds: float, progress: Progress) -> _Events:
    events = _Events(recording)
    try:
        for event in recording.events():
            events.take(event)
            if events.seconds > seconds:
                break
            progress(50 + round(50.0 * events.seconds / min(seconds, recording.duration or seconds)), 100)
    except DataLoss as loss:
        events.damage = str(loss)
    return events


def _facts(path: Path, messages: _Messages, **more: Any) -> RecordingFacts:
    values = {
        "topics": messages.topics,
        "clouds": tuple(watch.facts() for watch in messages.clouds.values()),
        "imus": tuple(watch.facts() for watch in messages.imus.values()),
        "edges": tuple(messages.edges),
        "bad_transforms": tuple(messages.bad_transforms),
        "seconds": messages.seconds,
        "damage": messages.damage,
    }
    return RecordingFacts(str(path), **{**values, **more})
