"""ROS 1 and ROS 2 bags without ROS: which topics they hold, their messages in file order, and what is lost.

`Bag` is the reader for every purpose; `bag_recording` makes a recording of scans and IMU samples from one.
"""

import struct
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from perception.core.config import read_yaml
from perception.core.errors import ConfigError, DataLoss, InvalidInput
from perception.io.mcap_storage import McapStorage
from perception.io.recording import Losses
from perception.io.ros1_storage import Ros1Storage
from perception.io.sqlite_storage import SqliteStorage
from perception.io.storage import Channel, Contents, Damaged, Record, Storage

SUFFIXES = (".mcap", ".db3", ".mcap.zstd", ".db3.zstd", ".bag")


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic of a bag."""

    name: str
    type: str  # e.g. sensor_msgs/msg/PointCloud2
    count: int  # messages, as far as the bag can be read
    channel: Channel


class Bag:
    """A bag of one or several files. Nothing of it is in memory but its list of topics."""

    def __init__(self, path: Path | str) -> None:
        """Look at the index of every file. Raises `InvalidInput` when there is no bag at `path`."""
        self.path = Path(path)
        self.losses = Losses()
        self.damage = ""  # why a file without an index could not be read through; `records` reports it to readers
        self._missing: list[str] = []
        self.storages = [_storage(file) for file in self._files()]
        contents = [self._contents(storage) for storage in self.storages]
        self.topics = _topics(contents)
        self.start_ns = min((found.start_ns for found in contents if found.end_ns), default=0)
        self.end_ns = max((found.end_ns for found in contents), default=0)
        packing = {found.compression for found in contents} | {s.path.suffix[1:] for s in self.storages} & {"zstd"}
        self.kind = _kind(self.storages[0].name, packing - {""})
        self._types = _Types()

    @property
    def duration(self) -> float:
        """Seconds from the first to the last message, by their log times."""
        return max(self.end_ns - self.start_ns, 0) / 1e9

    def topic(self, name: str) -> Topic:
        """The topic called `name`. Raises `InvalidInput` listing the topics there are."""
        for topic in self.topics:
            if topic.name == name:
                return topic
        raise InvalidInput(f"{self.path}: has no topic {name!r}; it has {', '.join(t.name for t in self.topics)}")

    def records(self, topics: Collection[str] | None = None) -> Iterator[Record]:
        """Serialised messages of `topics` (None: all) in file order, with their channel and log time (ns).

        A damaged file gives its readable part and the next file follows; then `DataLoss` names what was lost.
        """
        wanted, damage = None if topics is None else frozenset(topics), list(self._missing)
        for storage in self.storages:
            yield from _readable(storage, wanted, damage)
        if damage:
            raise DataLoss(f"{self.path}: what follows the readable part is lost: {'; '.join(damage)}")

    def messages(self, topics: Collection[str]) -> Iterator[tuple[str, int, Any]]:
        """Topic, log time (ns) and decoded message. One that cannot be decoded is counted in `losses`, and skipped."""
        decoders = {name: self.decoder(name) for name in topics}
        for channel, log_ns, raw in self.records(topics):
            try:
                message = decoders[channel.topic](raw)
            except InvalidInput as error:
                self.losses.add(str(error))
                continue
            yield channel.topic, log_ns, message

    def decoder(self, name: str) -> Callable[[bytes | memoryview], Any]:
        """The function that turns serialised messages of a topic into objects; it raises `InvalidInput`.

        Raises `InvalidInput` now when the type of the topic has no definition.
        """
        return self._types.decoder(self.topic(name).channel)

    def to_cdr(self, name: str, raw: bytes | memoryview) -> bytes:
        """A serialised message of a topic in the encoding of ROS 2, which `publish` of rclpy takes."""
        return self._types.to_cdr(self.topic(name).channel, raw)

    def _files(self) -> list[Path]:
        if self.path.is_file():
            return [self.path]
        present = {file.name: file for file in sorted(self.path.iterdir()) if file.name.endswith(SUFFIXES)}
        listed = _listed_files(self.path / "metadata.yaml")
        self._missing = [f"{name}: is listed in metadata.yaml and missing" for name in listed if name not in present]
        files = [present[name] for name in listed if name in present] or list(present.values())
        if not files:
            raise InvalidInput(f"{self.path}: holds no bag file ({', '.join(SUFFIXES)})")
        return files

    def _contents(self, storage: Storage) -> Contents:
        """From the index; a file without one is read through once, as far as it goes."""
        found = storage.contents()
        if found is not None:
            return found
        found = Contents()
        try:
            for channel, log_ns, _ in storage.records(None):
                found.add(channel, log_ns)
        except Damaged as error:
            self.damage = f"{storage.path.name}: {error}"
        return found


def is_bag(path: Path) -> bool:
    """True for a bag file and for a folder that holds one."""
    if path.is_dir():
        return any(file.name.endswith(SUFFIXES) for file in path.iterdir())
    return path.name.endswith(SUFFIXES)


def _readable(storage: Storage, wanted: frozenset[str] | None, damage: list[str]) -> Iterator[Record]:
    """The messages before the first damage, which is added to `damage`."""
    try:
        yield from storage.records(wanted)
    except Damaged as error:
        damage.append(f"{storage.path.name}: {error}")


def _storage(file: Path) -> Storage:
    match file.name.removesuffix(".zstd").rpartition(".")[2]:
        case "mcap":
            return McapStorage(file)
        case "db3":
            return SqliteStorage(file)
        case "bag":
            return Ros1Storage(file)
    raise InvalidInput(f"{file}: is no bag file; expected {', '.join(SUFFIXES)}")


def _listed_files(metadata: Path) -> list[str]:
    """Names of the bag files in the order in which they were recorded; empty where metadata.yaml does not tell."""
    if not metadata.is_file():
        return []
    try:
        listed = read_yaml(metadata)["rosbag2_bagfile_information"]["relative_file_paths"]
        return [Path(name).name for name in listed]
    except (ConfigError, KeyError, TypeError):
        return []


def _topics(contents: list[Contents]) -> tuple[Topic, ...]:
    """One entry for each name; a topic with two types keeps the one with more messages."""
    counts: dict[str, dict[Channel, int]] = {}
    for found in contents:
        for channel, count in found.counts.items():
            by_channel = counts.setdefault(channel.topic, {})
            by_channel[channel] = by_channel.get(channel, 0) + count
    topics = []
    for name, by_channel in counts.items():
        channel = max(by_channel, key=lambda key: by_channel[key])
        topics.append(Topic(name, channel.type, sum(by_channel.values()), channel))
    return tuple(topics)


def _kind(name: str, packing: set[str]) -> str:
    details = ([] if name == "ROS 1" else [name]) + sorted(packing)
    version = "ROS 1 bag" if name == "ROS 1" else "ROS 2 bag"
    return f"{version} ({', '.join(details)})" if details else version


class _Types:
    """Decoders of message types: ROS's own ones, else those that the bag describes."""

    def __init__(self) -> None:
        self._stores: dict[str, Any] = {}

    def decoder(self, channel: Channel) -> Callable[[bytes | memoryview], Any]:
        store = self._store(channel)
        decode = store.deserialize_cdr if channel.encoding == "cdr" else store.deserialize_ros1
        return lambda raw: _decoded(decode, raw, channel)

    def to_cdr(self, channel: Channel, raw: bytes | memoryview) -> bytes:
        if channel.encoding == "cdr":
            return bytes(raw)
        store = self._store(replace(channel, encoding="cdr"))  # of ROS 2, whose headers have no sequence number
        return bytes(_decoded(store.ros1_to_cdr, raw, channel))

    def _store(self, channel: Channel) -> Any:
        from rosbags.typesys import Stores, get_typestore

        if channel.encoding not in ("cdr", "ros1"):
            raise InvalidInput(f"topic {channel.topic}: encoding {channel.encoding!r} is not one of ROS (cdr, ros1)")
        if channel.encoding not in self._stores:
            kind = Stores.ROS2_JAZZY if channel.encoding == "cdr" else Stores.ROS1_NOETIC
            self._stores[channel.encoding] = get_typestore(kind)
        store = self._stores[channel.encoding]
        if channel.type not in store.fielddefs:
            _register(store, channel)
        return store


def _register(store: Any, channel: Channel) -> None:
    from rosbags.typesys import get_types_from_idl, get_types_from_msg

    if not channel.definition:
        raise InvalidInput(
            f"topic {channel.topic}: type {channel.type} has no definition in the bag and is none of ROS's own; "
            f"record it again as MCAP, which stores definitions"
        )
    try:
        if channel.dialect == "idl":
            found = get_types_from_idl(channel.definition)
        else:
            found = get_types_from_msg(channel.definition, channel.type)
        store.register({name: fields for name, fields in found.items() if name not in store.fielddefs})
    except Exception as error:  # the parser's own family of errors
        raise InvalidInput(
            f"topic {channel.topic}: the definition of {channel.type} cannot be read ({error})"
        ) from None


def _decoded(decode: Callable[..., Any], raw: bytes | memoryview, channel: Channel) -> Any:
    from rosbags.serde import SerdeError

    try:
        return decode(raw, channel.type)
    except (SerdeError, struct.error, ValueError, LookupError, AssertionError, TypeError, MemoryError):
        raise InvalidInput(f"topic {channel.topic}: a message cannot be decoded as {channel.type}") from None
