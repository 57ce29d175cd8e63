"""A recording of scans and IMU samples from a bag: topics, times and frames are detected from its first seconds."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from perception.core.errors import DataLoss, InvalidInput
from perception.core.stamps import NS_PER_S
from perception.core.trajectory import Trajectory
from perception.core.types import ImuBatch, Scan
from perception.io.bags import Bag
from perception.io.config import InputConfig
from perception.io.imu import Sample, imu_rate, imu_sample
from perception.io.merging import batched, in_order, read_ahead
from perception.io.pointcloud import CloudFormat, detect_format, scan_from_cloud
from perception.io.probe import choose_imu, look, probe_rig
from perception.io.recording import Losses, Summary
from perception.io.topics import choose_lidar, cloud_decoder, imu_topics
from perception.io.trajectories import read_trajectory

log = logging.getLogger(__name__)

GROUND_TRUTH = "ground_truth.tum"


class BagRecording:
    """See `perception.io.recording.Recording`."""

    reference_fraction = 1.0

    def __init__(self, path: Path, config: InputConfig) -> None:
        """Detect everything. Raises `InvalidInput`, `ConfigError`, `MissingTransform`, or `DataLoss` without a scan."""
        self.path = path
        self.bag = Bag(path)
        self.losses: Losses = self.bag.losses
        self.duration = self.bag.duration
        self._lidar = choose_lidar(self.bag, config)
        self.num_scans = self._lidar.count
        probe = look(self.bag, self._lidar, imu_topics(self.bag, config))
        if not probe.clouds:
            raise probe.damage or InvalidInput(f"{path}: no cloud can be read: {self.losses}")
        self._imu, notes = choose_imu(probe, config)
        self._format = _format(probe.clouds, config)
        self.rig, places = probe_rig(self.bag, probe, self._imu, config)
        self.reference, more = _reference(path, self.bag)
        self.summary = Summary(self.bag.kind, self._rows(), (*notes, *self._format.notes, *places, *more))
        self.losses.clear()  # `events` meets the same messages again

    def events(self) -> Iterator[Scan | ImuBatch]:
        """Scans and IMU batches in the order of time, read ahead in a thread."""
        self.losses.clear()
        try:
            yield from read_ahead(self._ordered)
        finally:
            if self.losses.counts:
                log.warning("%s: not used: %s", self.path, self.losses)

    def _ordered(self) -> Iterator[Scan | ImuBatch]:
        """What was read before a damage is given out before the damage is reported."""
        damage: list[DataLoss] = []
        yield from batched(in_order(_until_damage(self._items(), damage)))
        if damage:
            raise damage[0]

    def _items(self) -> Iterator[Scan | Sample]:
        makers = self._makers()
        for channel, _, raw in self.bag.records(list(makers)):
            try:
                item = makers[channel.topic](raw)
            except InvalidInput as error:
                self.losses.add(f"{channel.topic}: {error}")
                continue
            yield item

    def _makers(self) -> dict[str, Callable[[Any], Scan | Sample]]:
        decode_cloud = cloud_decoder(self.bag, self._lidar)
        makers: dict[str, Callable[[Any], Scan | Sample]] = {
            self._lidar.name: lambda raw: scan_from_cloud(decode_cloud(raw), self._format)
        }
        if self._imu is not None:
            decode_imu = self.bag.decoder(self._imu.topic.name)
            makers[self._imu.topic.name] = lambda raw: imu_sample(decode_imu(raw))
        return makers

    def _rows(self) -> tuple[tuple[str, str], ...]:
        rate = f", {NS_PER_S / self._format.sweep_ns:.1f} Hz" if self._format.sweep_ns else ""
        points = f"{self._lidar.name}, {self.num_scans} scans{rate}, frame {self.rig.lidar_frame}, {self._format}"
        imu = "none"
        if self._imu is not None:
            topic, rate = self._imu.topic, f"{imu_rate(self._imu.samples):.0f} Hz"
            imu = f"{topic.name}, {topic.count} samples, {rate}, frame {self._imu.frame}"
        reference = f"{len(self.reference)} poses" if self.reference else "none"
        return ("points", points), ("imu", imu), ("base", self.rig.base_frame), ("reference", reference)


def _until_damage(items: Iterator[Scan | Sample], damage: list[DataLoss]) -> Iterator[Scan | Sample]:
    try:
        yield from items
    except DataLoss as error:
        damage.append(error)


def _format(clouds: list[Any], config: InputConfig) -> CloudFormat:
    """From the first cloud that is sound on; the reason against the last one where none is."""
    try:
        return detect_format(clouds, config)
    except InvalidInput:
        if len(clouds) == 1:
            raise
    return _format(clouds[1:], config)


def _reference(path: Path, bag: Bag) -> tuple[Trajectory | None, tuple[str, ...]]:
    """The ground truth in the folder of the bag, where its time fits."""
    for file in (path / GROUND_TRUTH, path.parent / GROUND_TRUTH):
        if not file.is_file():
            continue
        try:
            truth = read_trajectory(file)
        except InvalidInput as error:
            return None, (f"the reference is not used: {error}",)
        if len(truth) and truth.stamps_ns[0] <= bag.end_ns and truth.stamps_ns[-1] >= bag.start_ns:
            return truth, ()
        return None, (f"the reference {file} is not used: it covers another time than the recording",)
    return None, ()
