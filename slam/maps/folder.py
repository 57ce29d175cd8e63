"""A map in a folder: card, configuration, journal, keyframes, optimised poses. docs/maps.md has the format.

The journal is what counts: a keyframe belongs to the map from the moment when its record is whole. Killed at any
moment, the folder opens again and misses at most the keyframe that was being written.
"""

import fcntl
import logging
import os
import shutil
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from perception.core.config import validated
from perception.core.errors import InvalidInput, MapError
from perception.core.files import inside, write_atomic
from perception.core.geometry import inverse
from slam.graph.factors import MAX_ID, Between, Prior, check_pose, poses_of
from slam.graph.journal import Entry
from slam.maps.arrays import read_arrays, write_arrays
from slam.maps.card import CARD, VERSION, MapCard, read_card
from slam.maps.config import MapsConfig
from slam.maps.factor_records import factor_of, factor_record
from slam.maps.keyframe import Keyframe, read_keyframe, write_keyframe
from slam.maps.records import Record, RecordWriter, read_records

CONFIG, JOURNAL, POSES, LOCK = "config.yaml", "journal.bin", "poses.pma", "lock"
GRID = "grid"
PER_FOLDER = 1000  # keyframes
MB = 1 << 20
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class KeyframeInfo:
    """What the journal knows of a keyframe."""

    keyframe_id: int
    stamp_ns: int
    T_odom_base: np.ndarray
    T_base_lidar: np.ndarray
    file: str
    crc32: int
    size: int  # bytes of the file
    num_points: int


class MapFolder:
    """One map on the disk. One process may write it at a time; others may read what was whole when they opened it."""

    def __init__(self, path: Path, config: MapsConfig | None = None, is_writable: bool = False) -> None:
        """Opens a map. Raises `MapError` naming file, field and remedy."""
        self.path, self.config, self.is_writable = Path(path), config or MapsConfig(), is_writable
        self.card = read_card(self.path)
        self.keyframes: dict[int, KeyframeInfo] = {}
        self.undone: dict[int, str] = {}
        self.judged_until = -1
        self.notes: list[str] = []  # what was lost or left out when the map was opened
        self._entries: dict[int, Entry] = {}
        self._steps: dict[int, int] = {}  # keyframe -> number of the factor of the odometry that leads to it
        self._left_out: list[dict[str, Any]] = []  # records that say so
        self._cache: OrderedDict[int, Keyframe] = OrderedDict()
        self._cached_bytes = 0
        self._mutex = threading.RLock()
        self._lock = _locked(self.path) if is_writable else None
        end = self._read_journal()
        self._writer: RecordWriter | None = None
        if is_writable:
            self._writer = RecordWriter(self.path / JOURNAL, end, self.config.keyframes.is_durable)
            for header in self._left_out:
                self._writer.add(header)

    @classmethod
    def create(cls, path: Path, config_yaml: str = "", name: str = "", config: MapsConfig | None = None) -> "MapFolder":
        """A new, empty map. Raises `MapError` where something is already."""
        path = Path(path)
        if not is_free(path):
            raise MapError(f"{path}: is there already; give another folder, or open it to go on with it")
        try:
            path.mkdir(parents=True, exist_ok=True)
            write_atomic(path / CONFIG, config_yaml)
            write_atomic(path / JOURNAL, b"")
            card = validated(MapCard, {"map_id": uuid.uuid4().hex, "name": name})
            write_atomic(path / CARD, card.model_dump_json(indent=1))
        except OSError as error:
            raise MapError(f"{path}: cannot be written ({error}); check rights and free space") from None
        return cls(path, config, is_writable=True)

    def __enter__(self) -> "MapFolder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self.keyframes)

    @property
    def config_yaml(self) -> str:
        """The configuration with which the map was made."""
        try:
            return (self.path / CONFIG).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise MapError(f"{self.path / CONFIG}: cannot be read ({error}); restore it from a copy") from None

    def close(self) -> None:
        """Let go of the folder; everything that was added is on the disk already."""
        with self._mutex:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    # -- writing -------------------------------------------------------------------------------------------------

    def add_keyframe(self, keyframe: Keyframe) -> None:
        """Add a keyframe; it is on the disk when this returns. Raises `MapError`, and then nothing is added."""
        number = keyframe.keyframe_id
        file = f"keyframes/{number // PER_FOLDER:06d}/{number:09d}.pma"
        path = inside(self.path, file)
        with self._mutex:
            writer = self._open_writer()
            if number in self.keyframes:
                raise MapError(f"{self.path}: keyframe {number} is there already; count up")
            checksum = write_keyframe(path, keyframe, self.config.keyframes)
            header = {
                "type": "keyframe", "id": number, "stamp_ns": keyframe.stamp_ns, "file": file, "crc32": checksum,
                "size": path.stat().st_size, "num_points": len(keyframe.points),
            }  # fmt: skip
            poses = (keyframe.T_odom_base, keyframe.T_base_lidar)
            body = b"".join(np.ascontiguousarray(T, dtype="<f8").tobytes() for T in poses)
            writer.add(header, body)
            self.keyframes[number] = _keyframe_info(header, body)

    def add_factor(self, entry: Entry) -> None:
        """Add a factor of the graph. Raises `MapError`."""
        with self._mutex:
            self._open_writer().add(*factor_record(entry), is_last=False)  # with the next keyframe
            self._note(entry)

    def add_undone(self, factor_id: int, reason: str) -> None:
        """A factor does not count any more. Raises `MapError`."""
        with self._mutex:
            self._open_writer().add({"type": "undone", "id": factor_id, "reason": reason[:1000]}, is_last=False)
            self._entries.pop(factor_id, None)
            self.undone[factor_id] = reason

    def add_judged(self, factor_id: int) -> None:
        """Factors up to this number were judged. Raises `MapError`."""
        with self._mutex:
            self._open_writer().add({"type": "judged", "id": factor_id}, is_last=False)
            self.judged_until = max(self.judged_until, factor_id)

    def save_poses(self, ids: np.ndarray, poses: np.ndarray) -> None:
        """Keep optimised poses `T_map_base` (N, 4, 4), whole or not at all. Raises `MapError`."""
        self._open_writer()
        arrays = {"ids": ids.astype(np.int64), "T_map_base": poses.astype(np.float64)}
        write_arrays(self.path / POSES, arrays, {"version": VERSION}, is_durable=self.config.keyframes.is_durable)

    def leave_out(self, reason: str) -> None:
        """Nothing that the map holds so far counts any more: it begins anew. Raises `MapError`."""
        with self._mutex:
            writer = self._open_writer()
            (self.path / POSES).unlink(missing_ok=True)
            shutil.rmtree(self.path / GRID, ignore_errors=True)
            for name, numbers in (("factor", list(self._entries)), ("keyframe", list(self.keyframes))):
                for number in numbers:
                    writer.add({"type": "left out", name: number})
            self._entries.clear()
            self.keyframes.clear()
            self.notes.append(reason)

    # -- reading -------------------------------------------------------------------------------------------------

    def entries(self) -> Iterator[Entry]:
        """Factors that count, in the order in which they were added."""
        with self._mutex:
            return iter(list(self._entries.values()))

    def step_to(self, keyframe_id: int) -> Between | None:
        """The odometry that leads to a keyframe, or what ties the first one of a session to the map."""
        entry = self._entries.get(self._steps.get(keyframe_id, -1))
        return entry.factor if entry is not None and isinstance(entry.factor, Between) else None

    def next_factor_id(self) -> int:
        """The first number that no factor had."""
        return max([*self._entries, *self.undone, self.judged_until]) + 1  # one that was judged is not given again

    def next_keyframe_id(self) -> int:
        """The first number that no keyframe has."""
        return max(self.keyframes, default=-1) + 1

    def load(self, keyframe_id: int) -> Keyframe:
        """A keyframe with its cloud; those used last stay in memory. Raises `MapError`."""
        with self._mutex:
            if keyframe_id in self._cache:
                self._cache.move_to_end(keyframe_id)
                return self._cache[keyframe_id]
            info = self.keyframes.get(keyframe_id)
            if info is None:
                raise MapError(f"{self.path}: keyframe {keyframe_id} is not in the map")
        places = info.stamp_ns, info.T_odom_base, info.T_base_lidar
        keyframe = read_keyframe(inside(self.path, info.file), info.crc32, keyframe_id, places)
        with self._mutex:
            self._keep(keyframe)
        return keyframe

    def poses(self) -> tuple[np.ndarray, np.ndarray]:
        """Numbers (N,), ascending, and `T_map_base` (N, 4, 4) of all keyframes: optimised, else carried on by odometry.

        A session that was not optimised yet begins where its tie to the map says. Raises `MapError`.
        """
        known = {prior.pose_id: prior.T_map_base for e in self.entries() if isinstance(prior := e.factor, Prior)}
        known |= self._saved_poses()
        ids = np.array(sorted(self.keyframes), dtype=np.int64)
        T_map_odom = np.eye(4)
        for number in ids.tolist():
            T_odom_base, step = self.keyframes[number].T_odom_base, self.step_to(number)
            if number not in known and step is not None and step.from_id in known:
                known[number] = known[step.from_id] @ step.T_from_to
            T_map_base = known.setdefault(number, T_map_odom @ T_odom_base)
            T_map_odom = T_map_base @ inverse(T_odom_base)
        return ids, np.array([known[number] for number in ids.tolist()]).reshape(-1, 4, 4)

    def problems(self) -> list[str]:
        """Everything that is wrong with the files of the map; reads them all."""
        checks: list[Callable[[], object]] = [partial(self.load, number) for number in self.keyframes]
        checks.append(self._saved_poses)
        return [problem for check in checks if (problem := _problem(check)) is not None]

    # -- details -------------------------------------------------------------------------------------------------

    def _open_writer(self) -> RecordWriter:
        if self._writer is None:
            raise MapError(f"{self.path}: is open for reading only; open it with is_writable=True")
        return self._writer

    def _keep(self, keyframe: Keyframe) -> None:
        self._cache[keyframe.keyframe_id] = keyframe
        self._cached_bytes += keyframe.points.nbytes
        while self._cached_bytes > self.config.keyframes.cache_mb * MB and len(self._cache) > 1:
            _, oldest = self._cache.popitem(last=False)
            self._cached_bytes -= oldest.points.nbytes

    def _saved_poses(self) -> dict[int, np.ndarray]:
        path = self.path / POSES
        if not path.exists():
            return {}
        arrays, _ = read_arrays(path)
        ids, poses = arrays.get("ids"), arrays.get("T_map_base")
        if ids is None or poses is None or ids.ndim != 1 or poses.shape != (len(ids), 4, 4):
            raise MapError(
                f"{path}: ids and T_map_base do not fit each other; delete it, it is made anew from the graph"
            )
        try:
            for T in poses:
                check_pose("T_map_base", T)
        except InvalidInput as error:
            raise MapError(f"{path}: {error}; delete the file, it is made anew from the graph") from None
        return dict(zip(ids.tolist(), poses))

    def _read_journal(self) -> int:
        """Everything that the journal says; returns where its whole records end."""
        path = self.path / JOURNAL
        try:
            records, end = read_records(path)
            size = path.stat().st_size
        except OSError as error:
            raise MapError(f"{path}: cannot be read ({error}); restore it from a copy of the map") from None
        for record in records:
            self._take_from(path, record)
        for info in self.keyframes.values():
            self._check_file(info)
        if size > end:
            self.notes.append(f"the last {size - end} bytes of the journal were cut by the end of its writer")
        self._drop_incomplete()
        return end

    def _take_from(self, path: Path, record: Record) -> None:
        try:
            self._take(record)
        except (InvalidInput, MapError) as error:
            raise MapError(f"{path}: record at byte {record.start}: {error}; restore it from a copy") from None

    def _note(self, entry: Entry) -> None:
        self._entries[entry.factor_id] = entry
        if isinstance(entry.factor, Between) and entry.factor.kind == "odometry":
            self._steps[entry.factor.to_id] = entry.factor_id

    def _check_file(self, info: KeyframeInfo) -> None:
        file = inside(self.path, info.file)
        if not file.is_file() or file.stat().st_size != info.size:
            raise MapError(f"{file}: is not there with the {info.size} bytes of the journal; restore it from a copy")

    def _take(self, record: Record) -> None:
        header = record.header
        match header.get("type"):
            case "keyframe":
                info = _keyframe_info(header, record.body)
                self.keyframes[info.keyframe_id] = info
            case "factor":
                number = _number(header, "id")
                self._note(Entry(number, factor_of(header, record.body)))
            case "undone":
                number = _number(header, "id")
                self._entries.pop(number, None)
                self.undone[number] = str(header.get("reason", ""))
            case "judged":
                self.judged_until = max(self.judged_until, _number(header, "id"))
            case "left out":
                self.keyframes.pop(header.get("keyframe", -1), None)
                self._entries.pop(header.get("factor", -1), None)
            case other:
                raise MapError(f"type: {other!r} is unknown; a newer version wrote it")

    def _drop_incomplete(self) -> None:
        """The end of a writer, or a full disk, may have left factors without keyframe and keyframes without factor."""
        known = set(self.keyframes)
        for number in [n for n, entry in self._entries.items() if not known.issuperset(poses_of(entry.factor))]:
            self.notes.append(f"factor {number} is left out: its keyframe was not written any more")
            self._left_out.append({"type": "left out", "factor": number})
            del self._entries[number]
        placed = {i for entry in self._entries.values() for i in poses_of(entry.factor)}
        for number in sorted(known - placed) if placed else ():
            self.notes.append(f"keyframe {number} is left out: its factor was not written")
            self._left_out.append({"type": "left out", "keyframe": number})
            del self.keyframes[number]


def is_free(path: Path) -> bool:
    """Whether a map may be made at `path`: nothing is there, or what an end of `MapFolder.create` has left."""
    if not path.is_dir():
        return not path.exists()
    left = [item.name for item in path.iterdir()]
    is_begun = all(name.startswith((CONFIG, JOURNAL, f".{CONFIG}.", f".{JOURNAL}.", f".{CARD}.")) for name in left)
    return is_begun and not (JOURNAL in left and (path / JOURNAL).stat().st_size)


@contextmanager
def whole_map(
    path: Path, config_yaml: str = "", name: str = "", config: MapsConfig | None = None
) -> Iterator[MapFolder]:
    """A new map, open for writing, that takes its place at `path` when the block is done, and not before.

    Raises `MapError` where something is there already.
    """
    part = _part_of(path)
    try:
        with MapFolder.create(part, config_yaml, name, config) as folder:
            yield folder
        _take_place(part, path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def save_copy(folder: MapFolder, path: Path) -> None:
    """The map as it is on the disk now, as another folder, whole or not at all. Raises `MapError`."""
    part = _part_of(path)
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(folder.path, part, ignore=shutil.ignore_patterns(LOCK, ".*"))
        _take_place(part, path)
    except (OSError, shutil.Error) as error:
        raise MapError(f"{path}: cannot be written ({error}); check rights and free space") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _part_of(path: Path) -> Path:
    """Where a map is made before it gets its name `path`. Raises `MapError` where something is there already."""
    path = Path(path).absolute()
    if not is_free(path):
        raise MapError(f"{path}: is there already; give another folder")
    for old in path.parent.glob(f".{path.name}.part-*"):  # of one that was killed
        shutil.rmtree(old, ignore_errors=True)
    return path.with_name(f".{path.name}.part-{uuid.uuid4().hex}")


def _take_place(part: Path, path: Path) -> None:
    """Give a map its name, where nothing is, or what an end of `MapFolder.create` has left. Raises `MapError`."""
    try:
        if path.is_dir() and is_free(path):  # not what came there meanwhile
            shutil.rmtree(path)
        part.replace(path)
    except OSError as error:
        raise MapError(f"{path}: cannot be written ({error}); check the rights of the folder") from None


def _problem(check: Callable[[], object]) -> str | None:
    try:
        check()
    except MapError as error:
        return str(error)
    return None


def _locked(path: Path) -> int:
    """A lock that ends with this process. Raises `MapError` where another one writes the map."""
    try:
        handle = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise MapError(f"{path}: cannot be written ({error}); check the rights of the folder") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise MapError(f"{path}: another process writes it; end that one, or open the map for reading") from None
    return handle


def _keyframe_info(header: dict[str, Any], body: bytes) -> KeyframeInfo:
    if len(body) != 2 * 128:
        raise MapError(f"body: two poses have 256 bytes, got {len(body)}")
    T_odom_base, T_base_lidar = np.frombuffer(body, "<f8").astype(np.float64).reshape(2, 4, 4)
    check_pose("T_odom_base", T_odom_base)
    check_pose("T_base_lidar", T_base_lidar)
    file = header.get("file")
    if not isinstance(file, str) or not file.startswith("keyframes/"):
        raise MapError(f"file: {file!r} is no file of a keyframe")
    names = ("id", "stamp_ns", "crc32", "size", "num_points")
    number, stamp_ns, checksum, size, num_points = (_number(header, name) for name in names)
    if number > MAX_ID:
        raise MapError(f"id: {number} is larger than {MAX_ID}")
    return KeyframeInfo(number, stamp_ns, T_odom_base, T_base_lidar, file, checksum, size, num_points)


def _number(header: dict[str, Any], name: str) -> int:
    value = header.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        raise MapError(f"{name}: {value!r} is no number from 0")
    return value
