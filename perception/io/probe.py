"""A look at the beginning of a bag: what its clouds, IMUs and transforms are like, before anything runs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from perception.core.errors import DataLoss, InvalidInput, MissingTransform
from perception.core.frames import TransformBuffer
from perception.core.stamps import NS_PER_S, stamp_from_ros
from perception.core.types import SensorRig
from perception.io.bags import Bag, Topic
from perception.io.cloud_layout import read_layout
from perception.io.config import InputConfig
from perception.io.extrinsics import add_transforms, sensor_rig
from perception.io.imu import Sample, imu_sample, why_unusable
from perception.io.topics import cloud_decoder, several_imus

PROBE_NS = 10 * NS_PER_S  # of the beginning are looked at
PROBE_CLOUDS, PROBE_SAMPLES = 5, 400  # enough to know formats and rates
MAX_STATIC = 1000  # messages of /tf_static that are read
MAX_CLOCK_STEP_NS = NS_PER_S  # between the clocks of LiDAR and IMU, each against that of the recorder
TF_TYPES = ("tf2_msgs/msg/TFMessage", "tf/msg/tfMessage")


@dataclass(slots=True)
class ImuProbe:
    """The first samples of one IMU topic."""

    topic: Topic
    samples: list[Sample] = field(default_factory=list)
    frame: str = ""
    lag_ns: int = 0  # log time minus stamp of the first one
    is_unknown: bool = False  # its acceleration is marked as not measured

    def add(self, message: Any, log_ns: int) -> None:
        """Keep one sample, of the first ones. Raises `InvalidInput`."""
        if len(self.samples) >= PROBE_SAMPLES:
            return
        self.samples.append(imu_sample(message))
        if len(self.samples) == 1:
            self.frame = message.header.frame_id.lstrip("/")
            self.lag_ns = log_ns - self.samples[0][0]
            self.is_unknown = float(message.linear_acceleration_covariance[0]) == -1.0


@dataclass(slots=True)
class Probe:
    """What the beginning of a bag holds."""

    imus: dict[str, ImuProbe]
    clouds: list[Any] = field(default_factory=list)  # messages, of the LiDAR topic
    cloud_lag_ns: int = 0  # log time minus stamp of the first one
    moving: list[Any] = field(default_factory=list)  # messages of /tf
    damage: DataLoss | None = None

    def is_enough(self) -> bool:
        """True when nothing more has to be read."""
        return len(self.clouds) >= PROBE_CLOUDS and all(len(i.samples) >= PROBE_SAMPLES for i in self.imus.values())

    def add_cloud(self, message: Any, log_ns: int) -> None:
        """Keep one sound cloud, of the first ones. Raises `InvalidInput`."""
        if len(self.clouds) >= PROBE_CLOUDS:
            return
        stamp_ns = stamp_from_ros(message.header.stamp.sec, message.header.stamp.nanosec)
        if message.width * message.height:
            read_layout(message)
        self.cloud_lag_ns = self.cloud_lag_ns if self.clouds else log_ns - stamp_ns
        self.clouds.append(message)


def look(bag: Bag, lidar: Topic, imus: list[Topic]) -> Probe:
    """Read the first seconds of a bag, as far as they are sound; messages that are not are counted in its losses."""
    probe = Probe({topic.name: ImuProbe(topic) for topic in imus})
    keep: dict[str, Callable[[Any, int], None]] = {lidar.name: probe.add_cloud}
    keep.update({name: imu.add for name, imu in probe.imus.items()})
    keep.update({topic.name: lambda message, _: probe.moving.append(message) for topic in _tf_topics(bag, "/tf")})
    decoders = {name: bag.decoder(name) for name in keep if name != lidar.name}
    decoders[lidar.name] = cloud_decoder(bag, lidar)
    first_ns = None
    try:
        for channel, log_ns, raw in bag.records(list(keep)):
            first_ns = log_ns if first_ns is None else first_ns
            try:
                keep[channel.topic](decoders[channel.topic](raw), log_ns)
            except InvalidInput as error:
                bag.losses.add(f"{channel.topic}: {error}")
            if probe.is_enough() or (log_ns - first_ns > PROBE_NS and probe.clouds):
                break
    except DataLoss as error:
        probe.damage = error  # comes again, behind the readable part
    return probe


def choose_imu(probe: Probe, config: InputConfig) -> tuple[ImuProbe | None, tuple[str, ...]]:
    """The only usable IMU, and why the others are not used.

    Raises `ConfigError` when several are usable, and `InvalidInput` when one is required and none is.
    """
    reasons = {name: _why_unusable(imu, probe) for name, imu in probe.imus.items()}
    usable = [imu for name, imu in probe.imus.items() if not reasons[name]]
    notes = tuple(f"IMU {name} is not used: {reason}" for name, reason in reasons.items() if reason)
    if len(usable) > 1:
        raise several_imus([imu.topic for imu in usable])
    if not usable and config.imu == "required":
        raise InvalidInput(f"input.imu is required, but {'; '.join(notes) or 'there is no topic of type Imu'}")
    if not usable and not notes:
        notes = ("the IMU is switched off" if config.imu == "off" else "the recording has no IMU",)
    return (usable[0] if usable else None), notes


def probe_rig(bag: Bag, probe: Probe, imu: ImuProbe | None, config: InputConfig) -> tuple[SensorRig, tuple[str, ...]]:
    """The place of the sensors from /tf_static, or else from the first transforms on /tf, taken as constant."""
    buffer = TransformBuffer()
    notes: list[str] = []
    lidar_frame = probe.clouds[0].header.frame_id.lstrip("/")
    imu_frame = imu.frame if imu else None
    for message in _static_messages(bag):
        _add(buffer, message, True, notes)
    try:
        rig, more = sensor_rig(config, lidar_frame, imu_frame, buffer)
        if not more:
            return rig, tuple(notes)
    except MissingTransform:
        if not probe.moving:
            raise
    for message in probe.moving:
        _add(buffer, message, False, notes)
    static_frames = buffer.frames()
    rig, more = sensor_rig(config, lidar_frame, imu_frame, buffer)
    if probe.moving and not more and static_frames:
        more = ("the place of the sensors is read from /tf, not /tf_static, and taken as constant",)
    return rig, (*notes, *more)


def _why_unusable(imu: ImuProbe, probe: Probe) -> str:
    if not imu.samples:
        return "no message at the beginning of the recording can be read"
    if reason := why_unusable(imu.samples, imu.is_unknown):
        return reason
    step_ns = imu.lag_ns - probe.cloud_lag_ns
    if abs(step_ns) > MAX_CLOCK_STEP_NS:
        return f"its clock differs from that of the LiDAR by {step_ns / NS_PER_S:.3f} s; synchronise the sensors"
    return ""


def _static_messages(bag: Bag) -> list[Any]:
    names = [topic.name for topic in _tf_topics(bag, "/tf_static")]
    found: list[Any] = []
    if not names:
        return found
    try:
        for _, _, message in bag.messages(names):
            found.append(message)
            if len(found) >= MAX_STATIC:
                break
    except DataLoss:
        pass  # `events` reports it
    return found


def _tf_topics(bag: Bag, end: str) -> list[Topic]:
    return [topic for topic in bag.topics if topic.type in TF_TYPES and topic.name.endswith(end)]


def _add(buffer: TransformBuffer, message: Any, is_static: bool, notes: list[str]) -> None:
    try:
        add_transforms(buffer, message, is_static)
    except InvalidInput as error:
        if str(error) not in notes:
            notes.append(str(error))
