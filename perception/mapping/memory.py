"""What mapping remembers of places: the index of all keyframes, their landmarks and clouds, read from the map.

Memory holds the index; landmarks and clouds come from the folder of the map, which keeps those used last. Descriptors
of another network, or of other images, than those of now are made anew from the clouds.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from perception.core.geometry import apply, inverse, transform
from perception.mapping.config import MappingConfig
from perception.networks.rein_graph import NUM_ROTATIONS
from perception.place.bev_image import cell_centres
from perception.place.index import DescriptorIndex, PlaceIndex
from perception.place.places import Landmarks, Place, PlaceDescriber
from slam.bev_aid import level
from slam.maps.folder import MapFolder
from slam.maps.keyframe import Keyframe
from slam.maps.sessions import sessions_of

GLOBAL, LOCAL, KEYPOINTS, ORIGIN = "global", "local", "keypoints", "origin"  # names of stored arrays
DIGEST = 16  # bytes of what says by which network descriptors were made


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A keyframe as it looks for its like."""

    keyframe: Keyframe
    place: Place
    session: int  # keyframes of a session share one odometry
    path: float  # m of the session up to it

    @property
    def T_level_lidar(self) -> np.ndarray:
        """As `level_of`."""
        return level_of(self.keyframe.T_odom_base, self.keyframe.T_base_lidar)


class PlaceMemory:
    """The places of a map that can be found again. Add keyframes in the order of their numbers."""

    def __init__(self, config: MappingConfig, folder: MapFolder, describer: PlaceDescriber) -> None:
        self.config, self.folder, self.describer = config, folder, describer
        self.session = 0  # of the keyframes that are added now
        self._ids: list[int] = []  # by row of the index
        self._rows: dict[int, int] = {}
        self._sessions: dict[int, int] = {}
        self._paths: dict[int, float] = {}
        self._index: PlaceIndex | None = None  # as long as the length of descriptors is not known
        self._clouds: OrderedDict[tuple[int, ...], np.ndarray] = OrderedDict()
        self._origin = origin_of(describer)

    def __len__(self) -> int:
        return len(self._ids)

    def restore(self, on_keyframe: Callable[[int, int], None] = lambda done, total: None) -> int:
        """Everything that the map holds; returns how many descriptors had to be made anew. Raises `MapError`."""
        anew, path, last, starts = 0, 0.0, None, {int(ids[0]) for ids in sessions_of(self.folder)}
        for number in sorted(self.folder.keyframes):
            if last is not None and number in starts:
                self.begin_session()
                path, last = 0.0, None
            keyframe = self.folder.load(number)
            if last is not None:
                path += float(np.linalg.norm(keyframe.T_odom_base[:3, 3] - last[:3, 3]))
            last = keyframe.T_odom_base
            descriptor = self._stored(keyframe)
            if descriptor is None:
                anew += 1
                descriptor = self.describe(keyframe.points, keyframe.T_odom_base, keyframe.T_base_lidar).descriptor
            self._add(number, descriptor, keyframe.stamp_ns, path)
            on_keyframe(len(self), len(self.folder.keyframes))
        if self._index is not None:
            self._index.index.reorganise()
            self.begin_session()
        return anew

    def describe(self, points: np.ndarray, T_odom_base: np.ndarray, T_base_lidar: np.ndarray) -> Place:
        """The place of a cloud (N, 3) float32 in the frame of the LiDAR."""
        return self.describer.describe(points, level_of(T_odom_base, T_base_lidar)[:3, :3])

    def stored(self, place: Place) -> dict[str, np.ndarray]:
        """What a keyframe keeps of a place."""
        return {
            GLOBAL: place.descriptor.astype(np.float16),
            LOCAL: place.landmarks.descriptors.astype(np.float16),
            KEYPOINTS: place.landmarks.pixels.astype(np.int32),
            ORIGIN: self._origin,
        }

    def add(self, view: View) -> None:
        """A keyframe that is in the map now."""
        self._add(view.keyframe.keyframe_id, view.place.descriptor, view.keyframe.stamp_ns, view.path)

    def begin_session(self) -> None:
        """What is added from now on has another odometry; nothing of what is there is too recent for it."""
        self.session += 1
        if self._index is not None:
            self._index.begin_session()

    def session_of(self, keyframe_id: int) -> int:
        """Of a keyframe that is there."""
        return self._sessions[keyframe_id]

    def path_of(self, keyframe_id: int) -> float:
        """Metres of its session up to a keyframe."""
        return self._paths[keyframe_id]

    def candidates(self, view: View, count: int) -> list[int]:
        """At most `count` numbers of keyframes that look like `view`, the most alike first; no recent ones."""
        if self._index is None:
            return []
        found = self._index.candidates(view.place.descriptor, view.keyframe.stamp_ns, view.path)
        return [self._ids[candidate.row] for candidate in found[:count]]

    def landmarks(self, keyframe_id: int) -> Landmarks:
        """Those of a keyframe. Raises `MapError`."""
        keyframe = self.folder.load(keyframe_id)
        if self._stored(keyframe) is None:
            return self.describe(keyframe.points, keyframe.T_odom_base, keyframe.T_base_lidar).landmarks
        pixels = keyframe.descriptors[KEYPOINTS].astype(np.int64)
        descriptors = keyframe.descriptors[LOCAL].astype(np.float32)
        return Landmarks(cell_centres(pixels, self.config.place.bev), pixels, descriptors, NUM_ROTATIONS)

    def place(self, keyframe_id: int) -> Place:
        """All that is kept of a keyframe's place. Raises `MapError`."""
        keyframe = self.folder.load(keyframe_id)
        descriptor = self._stored(keyframe)
        if descriptor is None:
            return self.describe(keyframe.points, keyframe.T_odom_base, keyframe.T_base_lidar)
        return Place(self.landmarks(keyframe_id), descriptor)

    def surroundings(self, keyframe_id: int) -> np.ndarray:
        """Cloud (N, 3) float32 of a keyframe and its neighbours of the same session, in its level frame."""
        ids = tuple(self._around(keyframe_id))
        key = (keyframe_id, *ids)
        if key not in self._clouds:
            centre = self.folder.load(keyframe_id)
            T_level_odom = level_of(centre.T_odom_base, centre.T_base_lidar) @ inverse(
                centre.T_odom_base @ centre.T_base_lidar
            )
            clouds = [
                apply(T_level_odom @ near.T_odom_base @ near.T_base_lidar, near.points)
                for near in map(self.folder.load, ids)
            ]
            self._clouds[key] = np.concatenate(clouds)
            if len(self._clouds) > self.config.loops.submaps:
                self._clouds.popitem(last=False)
        self._clouds.move_to_end(key)
        return self._clouds[key]

    def _around(self, keyframe_id: int) -> list[int]:
        """A keyframe and its neighbours of the same session, as far as the odometry knows where they lie beside it."""
        row, reach = self._rows[keyframe_id], self.config.loops.around
        before = self._ids[max(0, row - reach) : row + 1][::-1]
        after = self._ids[row : row + reach + 1]
        return [*self._chain(before)[:0:-1], *self._chain(after)]

    def _chain(self, ids: list[int]) -> list[int]:
        """The first of `ids`, and those that follow from it by steps of the odometry that are sure together."""
        variance = 0.0
        for row, (one, other) in enumerate(pairwise(ids)):
            first, second = sorted((one, other))
            step = self.folder.step_to(second)
            if step is None or step.from_id != first:
                return ids[: row + 1]
            variance += float(np.linalg.eigvalsh(np.linalg.inv(step.information)[:3, :3])[-1])
            if variance > self.config.loops.around_deviation**2:
                return ids[: row + 1]
        return ids

    def _add(self, number: int, descriptor: np.ndarray, stamp_ns: int, path: float) -> None:
        if self._index is None:
            self._index = PlaceIndex(DescriptorIndex(len(descriptor), self.config.place.index))
        self._rows[number] = self._index.add(descriptor, stamp_ns, path)
        self._ids.append(number)
        self._sessions[number], self._paths[number] = self.session, path

    def _stored(self, keyframe: Keyframe) -> np.ndarray | None:
        """The global descriptor, where one of the network of now is there."""
        found = keyframe.descriptors
        if not {GLOBAL, LOCAL, KEYPOINTS, ORIGIN} <= set(found) or not np.array_equal(found[ORIGIN], self._origin):
            return None
        return found[GLOBAL].astype(np.float32)


def level_of(T_odom_base: np.ndarray, T_base_lidar: np.ndarray) -> np.ndarray:
    """`T_level_lidar` (4, 4): a rotation that sets the LiDAR upright, z up in odom."""
    return transform(level((T_odom_base @ T_base_lidar)[:3, :3]), np.zeros(3))


def with_place(keyframe: Keyframe, place: Place, memory: PlaceMemory) -> Keyframe:
    """The keyframe with what is kept of its place."""
    return replace(keyframe, descriptors={**keyframe.descriptors, **memory.stored(place)})


def origin_of(describer: PlaceDescriber) -> np.ndarray:
    """What says by which network and from which images descriptors were made: bytes (16,) uint8."""
    config = describer.config
    text = "|".join((describer.network.digest, config.bev.model_dump_json(), config.keypoints.model_dump_json()))
    return np.frombuffer(hashlib.sha256(text.encode()).digest()[:DIGEST], dtype=np.uint8)
