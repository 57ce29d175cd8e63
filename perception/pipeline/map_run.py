"""What mapping gave during a replay: loops with their verdicts, and the pose in the map at every scan."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from perception.core.geometry import interpolate, inverse
from perception.core.stamps import NS_PER_S
from perception.core.trajectory import Trajectory
from perception.mapping.config import MappingConfig
from perception.mapping.loops import ACCEPTED, WAITS
from perception.mapping.opening import begins_anew
from perception.mapping.types import LoopReport, MapGrid, MapOdom, MapPath
from slam.maps.card import CARD
from slam.maps.folder import MapFolder
from slam.maps.grid import FloorGrid

UNDONE = "undone"  # of a `LoopReport`
NO_POSES = np.zeros((0, 4, 4))


@dataclass(frozen=True, slots=True, eq=False)
class MapRun:
    """The map of a replay, as it is at the end."""

    config: MappingConfig
    trajectory: Trajectory  # T_map_base at each scan that has a place in the map
    keyframe_ids: np.ndarray  # (N,) int64, of the whole map
    keyframe_poses: np.ndarray  # (N, 4, 4) T_map_base
    loops: np.ndarray  # (L, 2) int64, of the whole map
    first_id: int  # keyframes from this number on are of this replay
    verdicts: dict[str, int]  # of the revisits that were looked at
    wait: float  # s from the first scan until the place in the map was known; infinite: never
    grid: FloorGrid | None = None  # of the whole map; None: it is not kept

    @property
    def is_new(self) -> np.ndarray:
        """(N,) bool: keyframes of this replay."""
        return self.keyframe_ids >= self.first_id

    def loop_places(self) -> np.ndarray:
        """Positions (L, 2, 3) in the map of the keyframes that each loop joins."""
        return self.keyframe_poses[np.searchsorted(self.keyframe_ids, self.loops), :3, 3]

    def to_json(self) -> dict[str, Any]:
        """Plain values for metrics.json."""
        own = (self.loops >= self.first_id).any(axis=1)
        kept = (ACCEPTED, UNDONE, WAITS)
        return {
            "mode": self.config.mode,
            "keyframes": int(self.is_new.sum()),
            "keyframes_in_map": len(self.keyframe_ids),
            "loops": int(own.sum()),
            "undone": self.verdicts.get(UNDONE, 0),
            "refused": {name: count for name, count in self.verdicts.items() if name not in kept},
            "scans_with_place": len(self.trajectory),
            "wait_s": round(self.wait, 3) if np.isfinite(self.wait) else None,
        }


@dataclass(slots=True)
class MapCollector:
    """Keeps what the mapping stage says. To be made before the stage: it looks at what the map holds already."""

    config: MappingConfig
    first_id: int = field(init=False)
    path: MapPath | None = None  # the last one
    poses: list[MapOdom] = field(default_factory=list)
    verdicts: Counter[str] = field(default_factory=Counter)
    grid: FloorGrid | None = None  # the last one

    def __post_init__(self) -> None:
        self.first_id = _next_keyframe_id(self.config)

    def take(self, item: object) -> None:
        """One item of any stream of the stage."""
        if isinstance(item, MapPath):
            self.path = item
        elif isinstance(item, MapOdom):
            self.poses.append(item)
        elif isinstance(item, LoopReport):
            self.verdicts[item.verdict] += 1
        elif isinstance(item, MapGrid):
            self.grid = item.grid

    def result(self, odometry: Trajectory) -> MapRun:
        """The map at the end; `odometry` has `T_odom_base` at each scan."""
        path = self.path
        return MapRun(
            config=self.config,
            trajectory=self._localized(odometry) if self.config.mode == "localization" else self._mapped(odometry),
            keyframe_ids=np.zeros(0, np.int64) if path is None else path.ids,
            keyframe_poses=NO_POSES if path is None else path.poses,
            loops=np.zeros((0, 2), np.int64) if path is None else path.loops,
            first_id=self.first_id,
            verdicts=dict(self.verdicts),
            wait=self._wait(int(odometry.stamps_ns[0])),
            grid=self.grid,
        )

    def _wait(self, start_ns: int) -> float:
        """Poses before the start are of a run that another one, which is the longest, has followed."""
        known = (item.stamp_ns for item in self.poses if item.stamp_ns >= start_ns)
        return (next(known, np.inf) - start_ns) / NS_PER_S

    def _mapped(self, odometry: Trajectory) -> Trajectory:
        if self.path is None:
            return Trajectory(np.zeros(0, np.int64), NO_POSES, world="map")
        own = self.path.ids >= self.first_id
        stamps, last = np.unique(self.path.stamps_ns[own][::-1], return_index=True)
        poses = self.path.poses[own][::-1][last]
        known = np.isin(stamps, odometry.stamps_ns)
        return carried(odometry, stamps[known], poses[known])

    def _localized(self, odometry: Trajectory) -> Trajectory:
        """As it was known at each scan."""
        known = {item.stamp_ns: item.T_map_base for item in self.poses}
        rows = [row for row, stamp in enumerate(odometry.stamps_ns.tolist()) if stamp in known]
        stamps = odometry.stamps_ns[rows]
        poses = np.stack([known[stamp] for stamp in stamps.tolist()]) if rows else NO_POSES
        return Trajectory(stamps, poses, odometry.body, "map")


def carried(odometry: Trajectory, stamps_ns: np.ndarray, T_map_base: np.ndarray) -> Trajectory:
    """The map's pose at every scan: from the keyframe before and the one after it by odometry, weighted by time.

    `stamps_ns` (K,) of keyframes are stamps of `odometry`, ascending; `T_map_base` (K, 4, 4). Beyond the first and the
    last keyframe odometry goes on from it. Empty without a keyframe.
    """
    if len(stamps_ns) == 0:
        return Trajectory(np.zeros(0, np.int64), NO_POSES, odometry.body, "map")
    T_base_odom = inverse(odometry.poses[np.searchsorted(odometry.stamps_ns, stamps_ns)])
    after = np.searchsorted(stamps_ns, odometry.stamps_ns).clip(0, len(stamps_ns) - 1)
    before = np.searchsorted(stamps_ns, odometry.stamps_ns, side="right").clip(1, None) - 1
    poses = np.empty_like(odometry.poses)
    for row, (a, b) in enumerate(zip(before.tolist(), after.tolist())):
        by_a = T_map_base[a] @ T_base_odom[a] @ odometry.poses[row]
        if a == b:
            poses[row] = by_a
            continue
        by_b = T_map_base[b] @ T_base_odom[b] @ odometry.poses[row]
        share = (odometry.stamps_ns[row] - stamps_ns[a]) / (stamps_ns[b] - stamps_ns[a])
        poses[row] = interpolate(by_a, by_b, float(share))
    return Trajectory(odometry.stamps_ns, poses, odometry.body, "map")


def _next_keyframe_id(config: MappingConfig) -> int:
    """The number that the first keyframe of a run gets. Raises `MapError` where the map cannot be read."""
    path = Path(config.folder)
    if not config.folder or not (path / CARD).exists():
        return 0
    folder = MapFolder(path)
    return 0 if begins_anew(folder) else folder.next_keyframe_id()
