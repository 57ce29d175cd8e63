"""Watches sensor streams, of a bag or of a live graph, and condenses them to the facts that `sensors.py` judges."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from perception.core.errors import InvalidInput, PerceptionError
from perception.core.stamps import NS_PER_S, stamp_from_ros
from perception.core.types import ImuBatch, Scan
from perception.io.config import InputConfig
from perception.io.imu import Sample, imu_batch, imu_sample
from perception.io.pointcloud import CloudDecoder

STILL_NS = NS_PER_S  # length of the stretch that is taken as the stillest
MAX_REASONS = 5  # different texts that are kept for refused messages of one stream


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """Stamps of one topic."""

    topic: str
    type: str
    frames: tuple[str, ...] = ()  # all header frames seen
    num: int = 0  # messages, refused ones included
    rate: float = 0.0  # Hz, by the median step of the stamps
    max_gap: float = 0.0  # s, longest step of the stamps
    num_backward: int = 0  # steps back in time
    num_repeated: int = 0  # stamps equal to the one before
    num_unset: int = 0  # zero or malformed stamps
    delay: float | None = None  # s, median of arrival minus stamp; None where the arrival is not known
    first_ns: int = 0
    last_ns: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)  # why messages could not be used, and how many


@dataclass(frozen=True, slots=True)
class CloudFacts:
    """Clouds of one topic."""

    stream: StreamFacts
    num_points: float = 0.0  # median of a message
    num_usable: float = 0.0  # median of a message: finite, not zero, with a good time
    sweep: float = 0.0  # s, median span of the point times
    format: str = ""  # what was detected, for people
    notes: tuple[str, ...] = ()  # what was assumed, each a sentence


@dataclass(frozen=True, slots=True, eq=False)
class ImuFacts:
    """Samples of one topic."""

    stream: StreamFacts
    accel_norm: float = 0.0  # median, in the unit of the sensor
    accel_noise: float = 0.0  # standard deviation over the stillest second
    gyro_norm: float = 0.0  # median
    gyro_peak: float = 0.0  # 99th percentile of the norm
    gyro_noise: float = 0.0  # standard deviation over the stillest second
    still_gyro: float = 0.0  # norm of the mean rate over the stillest second
    up: np.ndarray | None = None  # (3,) unit vector, IMU frame: mean specific force of the stillest second
    is_constant: bool = False  # all samples are the same
    is_unknown: bool = False  # the messages mark the acceleration as not measured


class StreamWatch:
    """Stamps of one topic, one message after the other."""

    def __init__(self, topic: str, type: str) -> None:
        self.topic, self.type = topic, type
        self.frames: dict[str, None] = {}  # ordered
        self.stamps: list[int] = []
        self.delays: list[int] = []
        self.num_unset = 0
        self.refused: Counter[str] = Counter()

    def add(self, header: Any, arrival_ns: int | None) -> None:
        """Take the header of one message, and when it came."""
        if len(self.frames) < MAX_REASONS:
            self.frames[str(header.frame_id)] = None
        try:
            stamp_ns = stamp_from_ros(header.stamp.sec, header.stamp.nanosec)
        except InvalidInput:
            self.num_unset += 1
            return
        self.add_stamp(stamp_ns, arrival_ns)

    def add_stamp(self, stamp_ns: int, arrival_ns: int | None) -> None:
        """Take one stamp, and when it came."""
        self.stamps.append(stamp_ns)
        if arrival_ns is not None:
            self.delays.append(arrival_ns - stamp_ns)

    def refuse(self, reason: str) -> None:
        """Count a message that cannot be used."""
        self.refused[reason if reason in self.refused or len(self.refused) < MAX_REASONS else "other reasons"] += 1

    def facts(self) -> StreamFacts:
        """The stream so far."""
        steps = np.diff(np.array(self.stamps, dtype=np.int64))
        forward = steps[steps > 0]
        return StreamFacts(
            topic=self.topic,
            type=self.type,
            frames=tuple(self.frames),
            num=len(self.stamps) + self.num_unset,
            rate=NS_PER_S / float(np.median(forward)) if len(forward) else 0.0,
            max_gap=float(forward.max()) / NS_PER_S if len(forward) else 0.0,
            num_backward=int((steps < 0).sum()),
            num_repeated=int((steps == 0).sum()),
            num_unset=self.num_unset,
            delay=float(np.median(self.delays)) / NS_PER_S if self.delays else None,
            first_ns=min(self.stamps, default=0),
            last_ns=max(self.stamps, default=0),
            refused=dict(self.refused),
        )


class CloudWatch:
    """Clouds of one topic. Messages have the attributes of a PointCloud2."""

    def __init__(self, topic: str, type: str, config: InputConfig) -> None:
        self.stream = StreamWatch(topic, type)
        self._decoder = CloudDecoder(config)
        self._sizes: list[tuple[int, int, int]] = []  # points, usable points, span in ns

    def add(self, msg: Any, arrival_ns: int | None) -> None:
        """Take one message; one that cannot be used is counted with its reason."""
        self.stream.add(msg.header, arrival_ns)
        try:
            scan = self._decoder.scan(msg)
        except PerceptionError as error:
            self.stream.refuse(str(error))
            return
        self._measure(scan, int(msg.width) * int(msg.height))

    def add_scan(self, scan: Scan, frame: str) -> None:
        """Take one scan of a folder, which has no messages."""
        self.stream.frames[frame] = None
        self.stream.add_stamp(scan.stamp_ns, None)
        self._measure(scan, len(scan.points))

    def _measure(self, scan: Scan, num_points: int) -> None:
        span_ns = int(np.ptp(scan.offsets_ns)) if len(scan.points) else 0
        self._sizes.append((num_points, len(scan.points), span_ns))

    def facts(self) -> CloudFacts:
        """The clouds so far."""
        format = self._decoder.format
        sizes = np.median(np.array(self._sizes, dtype=np.float64), axis=0) if self._sizes else np.zeros(3)
        return CloudFacts(
            self.stream.facts(),
            float(sizes[0]),
            float(sizes[1]),
            float(sizes[2]) / NS_PER_S,
            str(format) if format else self.stream.type if self._sizes else "",
            format.notes if format else (),
        )


class ImuWatch:
    """Samples of one topic."""

    def __init__(self, topic: str, type: str) -> None:
        self.stream = StreamWatch(topic, type)
        self.samples: list[Sample] = []
        self._num_unknown = 0

    def add(self, msg: Any, arrival_ns: int | None) -> None:
        """Take one `sensor_msgs/Imu`; one that cannot be used is counted with its reason."""
        self.stream.add(msg.header, arrival_ns)
        self._num_unknown += float(msg.linear_acceleration_covariance[0]) == -1.0
        try:
            self.samples.append(imu_sample(msg))
        except InvalidInput as error:
            self.stream.refuse(str(error))

    def add_batch(self, batch: ImuBatch, frame: str) -> None:
        """Take samples of a folder, which has no messages."""
        self.stream.frames[frame] = None
        for stamp, gyro, accel in zip(batch.stamps_ns.tolist(), batch.gyro.tolist(), batch.accel.tolist()):
            self.stream.add_stamp(stamp, None)
            self.samples.append((stamp, *gyro, *accel))

    def facts(self) -> ImuFacts:
        """The samples so far."""
        stream = self.stream.facts()
        if len(self.samples) < 2:
            return ImuFacts(stream)
        batch = imu_batch(self.samples)
        norms = np.linalg.norm(batch.gyro, axis=1)
        still = _stillest(batch.stamps_ns, batch.gyro, batch.accel)
        gyro, accel = batch.gyro[still], batch.accel[still]
        mean = accel.mean(axis=0)
        length = float(np.linalg.norm(mean))
        return ImuFacts(
            stream,
            accel_norm=float(np.median(np.linalg.norm(batch.accel, axis=1))),
            accel_noise=float(accel.std(axis=0).max()),
            gyro_norm=float(np.median(norms)),
            gyro_peak=float(np.percentile(norms, 99.0)),
            gyro_noise=float(gyro.std(axis=0).max()),
            still_gyro=float(np.linalg.norm(gyro.mean(axis=0))),
            up=mean / length if length > 0.0 else None,
            is_constant=bool(np.ptp(batch.gyro, axis=0).max() == 0.0 and np.ptp(batch.accel, axis=0).max() == 0.0),
            is_unknown=self._num_unknown > len(self.samples) // 2,
        )


def _stillest(stamps_ns: np.ndarray, gyro: np.ndarray, accel: np.ndarray) -> slice:
    """The stretch of about a second in which the forces scatter least, relative to the whole, and the rates too."""
    period_ns = max(float(np.median(np.abs(np.diff(stamps_ns)))), 1.0)
    length = int(np.clip(round(STILL_NS / period_ns), 2, len(stamps_ns)))
    starts = range(0, len(stamps_ns) - length + 1, max(length // 2, 1))
    scale = (gyro.std() + 1e-9, accel.std() + 1e-9)
    costs = [
        gyro[i : i + length].std(axis=0).sum() / scale[0] + accel[i : i + length].std(axis=0).sum() / scale[1]
        for i in starts
    ]
    best = starts[int(np.argmin(costs))]
    return slice(best, best + length)
