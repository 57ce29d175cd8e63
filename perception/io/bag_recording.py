"""A recording from a bag: topics, times and frames are detected from its first seconds."""

import logging
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from perception.core.errors import DataLoss, InvalidInput
from perception.core.frames import TransformBuffer
from perception.core.stamps import NS_PER_S
from perception.core.trajectory import Trajectory
from perception.core.types import ImageFrame
from perception.io.aids import Reader, fix_reader, wheel_reader
from perception.io.bags import Bag
from perception.io.cameras import CameraDecoder, CameraTopics, choose_cameras
from perception.io.config import InputConfig
from perception.io.images import PendingImage
from perception.io.imu import imu_rate, imu_sample
from perception.io.merging import MAX_WAITING, batched, in_order, read_ahead
from perception.io.merging import Event as Item
from perception.io.pointcloud import CloudFormat, detect_format, scan_from_cloud
from perception.io.probe import PROBE_NS, choose_imu, look, probe_rig
from perception.io.recording import LIDAR_STREAMS, Event, Losses, Summary
from perception.io.topics import choose_lidar, cloud_decoder, fix_topic, imu_topics, unused_fixes, wheel_topic
from perception.io.trajectories import read_trajectory

log = logging.getLogger(__name__)

GROUND_TRUTH = "ground_truth.tum"
MAX_FRAMES_WAITING = 4  # items read ahead where some are decoded images

Maker = Callable[[Any], Item | None]  # from a serialised message; None: nothing comes of it alone


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
        self._cameras = choose_cameras(self.bag, config)
        self._config = config
        self._aids = tuple(topic for topic in (fix_topic(self.bag, config), wheel_topic(self.bag, config)) if topic)
        self.num_scans = self._lidar.count
        probe = look(self.bag, self._lidar, imu_topics(self.bag, config))
        if not probe.clouds:
            raise probe.damage or InvalidInput(f"{path}: no cloud can be read: {self.losses}")
        self._imu, notes = choose_imu(probe, config)
        self._format = _format(probe.clouds, config)
        self.rig, places = probe_rig(self.bag, probe, self._imu, config)
        self.reference, more = _reference(path, self.bag)
        more = (*more, *unused_fixes(self.bag, config))
        self.summary = Summary(self.bag.kind, self._rows(), (*notes, *self._format.notes, *places, *more))
        self.losses.clear()  # `events` meets the same messages again

    def events(self, streams: Collection[str] = LIDAR_STREAMS) -> Iterator[Event]:
        """What belongs to `streams` in the order of time, read ahead in a thread."""
        self.losses.clear()
        capacity = MAX_FRAMES_WAITING if "image_raw" in streams and self._cameras else MAX_WAITING
        try:
            yield from read_ahead(lambda: ordered(self.bag, self._makers(streams)), capacity)
        finally:
            if self.losses.counts:
                log.warning("%s: not used: %s", self.path, self.losses)

    def _makers(self, streams: Collection[str]) -> dict[str, Maker]:
        makers: dict[str, Maker] = {}
        if "scan" in streams:
            decode_cloud = cloud_decoder(self.bag, self._lidar)
            makers[self._lidar.name] = lambda raw: scan_from_cloud(decode_cloud(raw), self._format)
        if "imu" in streams and self._imu is not None:
            decode_imu = self.bag.decoder(self._imu.topic.name)
            makers[self._imu.topic.name] = lambda raw: imu_sample(decode_imu(raw))
        if "image_raw" in streams:
            makers.update(camera_makers(self.bag, self._cameras, self._config.max_image_pixels))
        if self.rig.places is not None:
            makers.update(aid_makers(self.bag, self._config, self.rig.base_frame, self.rig.places, streams))
        return makers

    def _rows(self) -> tuple[tuple[str, str], ...]:
        rate = f", {NS_PER_S / self._format.sweep_ns:.1f} Hz" if self._format.sweep_ns else ""
        points = f"{self._lidar.name}, {self.num_scans} scans{rate}, frame {self.rig.lidar_frame}, {self._format}"
        imu = "none"
        if self._imu is not None:
            topic, rate = self._imu.topic, f"{imu_rate(self._imu.samples):.0f} Hz"
            imu = f"{topic.name}, {topic.count} samples, {rate}, frame {self._imu.frame}"
        reference = f"{len(self.reference)} poses" if self.reference else "none"
        cameras = [f"{camera.image.name}, {camera.image.count} images" for camera in self._cameras]
        aids = [f"{topic.name}, {topic.count} messages" for topic in self._aids]
        rows = (("points", points), ("imu", imu), ("base", self.rig.base_frame), ("reference", reference))
        others = (("cameras", "; ".join(cameras)), ("fixes and wheels", "; ".join(aids)))
        return (*rows, *(row for row in others if row[1]))


def camera_frames(bag: Bag, cameras: Collection[CameraTopics], max_pixels: int) -> Iterator[ImageFrame]:
    """The images of some cameras in the order of time; what cannot be read is counted in the losses of the bag.

    Raises `DataLoss` after the readable part of a damaged bag.
    """
    for event in ordered(bag, camera_makers(bag, cameras, max_pixels)):
        if isinstance(event, ImageFrame):
            yield event


def ordered(bag: Bag, makers: dict[str, Maker]) -> Iterator[Event]:
    """What the makers give in the order of time. What was read before a damage is given out before it is reported."""
    damage: list[DataLoss] = []
    for item in batched(in_order(_until_damage(_made(bag, makers), damage))):
        event = _decoded(item, bag.losses) if isinstance(item, PendingImage) else item
        if event is not None:
            yield event
    if damage:
        raise damage[0]


def aid_makers(
    bag: Bag, config: InputConfig, base_frame: str, transforms: TransformBuffer, streams: Collection[str]
) -> dict[str, Maker]:
    """What makes fixes ("fix") and twists ("wheels") of the messages of the configured topics. Raises `ConfigError`."""
    makers: dict[str, Maker] = {}
    for stream, topic, reader in (
        ("fix", fix_topic(bag, config), fix_reader), ("wheels", wheel_topic(bag, config), wheel_reader)
    ):  # fmt: skip
        if stream in streams and topic is not None:
            makers[topic.name] = _read_with(bag.decoder(topic.name), reader(config, base_frame, transforms))
    return makers


def camera_makers(bag: Bag, cameras: Collection[CameraTopics], max_pixels: int) -> dict[str, Maker]:
    """What makes images, and takes calibrations, of the messages of the cameras' topics.

    The first calibration of each camera counts from the beginning of the bag, wherever in its first seconds it lies.
    """
    makers: dict[str, Maker] = {}
    infos: dict[str, list[CameraDecoder]] = {}
    for camera in cameras:
        decoder = CameraDecoder(max_pixels)
        makers[camera.image.name] = _image_maker(bag.decoder(camera.image.name), decoder)
        if camera.info is not None:
            infos.setdefault(camera.info.name, []).append(decoder)
    for name, decoders in infos.items():
        makers[name] = _info_maker(bag.decoder(name), decoders)
    _take_first(bag, {name: makers[name] for name in infos})
    return makers


def _made(bag: Bag, makers: dict[str, Maker]) -> Iterator[Item]:
    """What the makers make of the messages of their topics, in the order of the file."""
    for channel, _, raw in bag.records(list(makers)):
        try:
            item = makers[channel.topic](raw)
        except InvalidInput as error:
            bag.losses.add(f"{channel.topic}: {error}")
            continue
        if item is not None:
            yield item


def _decoded(image: PendingImage, losses: Losses) -> ImageFrame | None:
    try:
        return image.decode()
    except InvalidInput as error:
        losses.add(f"image of {image.message.header.frame_id!r}: {error}")
        return None


def _image_maker(decode: Callable[[Any], Any], decoder: CameraDecoder) -> Maker:
    return lambda raw: decoder.pending(decode(raw))


def _read_with(decode: Callable[[Any], Any], read: Reader) -> Maker:
    return lambda raw: read(decode(raw))


def _info_maker(decode: Callable[[Any], Any], decoders: list[CameraDecoder]) -> Maker:
    def take(raw: Any) -> None:
        msg = decode(raw)
        for decoder in decoders:
            decoder.take_info(msg)

    return take


def _take_first(bag: Bag, makers: dict[str, Maker]) -> None:
    """Give the first message of each topic to its maker."""
    waiting, end_ns = set(makers), bag.start_ns + PROBE_NS
    if not waiting:
        return
    try:
        for channel, log_ns, raw in bag.records(list(waiting)):
            if channel.topic in waiting:
                waiting.discard(channel.topic)
                try:
                    makers[channel.topic](raw)
                except InvalidInput as error:
                    bag.losses.add(f"{channel.topic}: {error}")
            if not waiting or log_ns > end_ns:
                return
    except DataLoss:
        return  # `events` reports it


def _until_damage(items: Iterator[Item], damage: list[DataLoss]) -> Iterator[Item]:
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
