"""Localization in a saved map, which is read and never changed: found anywhere, then followed keyframe by keyframe."""

from collections import Counter
from pathlib import Path

import numpy as np

from perception.core.errors import MapError
from perception.core.geometry import inverse
from perception.core.health import OK, Health, Level, worst
from perception.core.types import Odometry, OdometryUpdate
from perception.mapping.grid_drawing import GridDrawing
from perception.mapping.mapper import NO_ODOMETRY, Output, map_notes, map_odom_of, unplaced
from perception.mapping.opened import OpenMap
from perception.mapping.types import AntennaFix, WheelTwist
from slam.maps.folder import save_copy


class MapLocalization:
    """Odometry in; `map_odom` out (None: not known), and the saved path and grid once. Speaks like `Mapper`."""

    def __init__(self, open_map: OpenMap) -> None:
        self.map, self.config = open_map, open_map.config
        self.events: Counter[str] = Counter()
        self.T_map_odom: np.ndarray | None = None
        self._latest: Odometry | None = None
        self._misses = 0  # in a row
        self._is_told = False
        period, is_grid = self.config.grid_period, self.config.is_grid
        self._grid = GridDrawing(open_map.folder, open_map.poses, period, is_kept=False) if is_grid else None

    def add(self, update: OdometryUpdate) -> list[Output]:
        """One pose of the odometry with its cloud."""
        self._latest = odometry = update.odometry
        if self.map.maker.is_due(odometry):
            self._keyframe(update)
        return [*self._saved(odometry.stamp_ns), ("map_odom", map_odom_of(odometry, self.T_map_odom))]

    def add_fix(self, item: AntennaFix) -> None:
        """A saved map is not changed by fixes."""
        self.events["fixes not used"] += 1

    def add_wheels(self, twist: WheelTwist) -> None:
        """A saved map is not changed by wheels."""
        self.events["twists not used"] += 1

    def restart_odometry(self, reason: str) -> None:
        """The odometry starts anew, at another origin: where it was says nothing any more."""
        self._latest = None
        self.begin_session(reason)

    def begin_session(self, reason: str) -> None:
        """The place in the map is sought anew."""
        self.events[f"sessions: {reason}"] += 1
        self.T_map_odom, self._misses = None, 0
        for part in (self.map.memory, self.map.maker, self.map.localizer):
            part.begin_session()

    def set_pose(self, T_map_base: np.ndarray) -> None:
        """Somebody says where the robot is; the next keyframe makes it exact. Raises `MapError` before any odometry."""
        if self._latest is None:
            raise MapError(NO_ODOMETRY)
        self.T_map_odom, self._misses = T_map_base @ inverse(self._latest.T_odom_base), 0
        self.map.maker.begin_session()

    def save(self, path: Path) -> int:
        """Copy the map to another folder; returns how many keyframes it has. Raises `MapError`."""
        save_copy(self.map.folder, path)
        return len(self.map.folder)

    def finish(self) -> list[Output]:
        """The grid, where the recording ended before all of it was drawn."""
        return self._grid.finish() if self._grid is not None else []

    def close(self) -> None:
        """Let go of the folder."""
        if self._grid is not None:
            self._grid.close()
        self.map.folder.close()
        self.map.memory.describer.network.close()

    def health(self) -> Health:
        """DEGRADED while the place is not known, or the map does not fit what is seen."""
        is_missing = bool(self._misses) and bool(self.map.localizer.reason)
        missing = Health(Level.DEGRADED, f"the map does not fit: {self.map.localizer.reason}") if is_missing else OK
        grid = self._grid.health if self._grid is not None else OK
        return worst(grid, missing, unplaced(self.T_map_odom, self.map.localizer.reason))

    def notes(self) -> tuple[str, ...]:
        """What a reader of the results should know."""
        grid = self._grid.notes() if self._grid is not None else ()
        return (*map_notes(self.map), *grid)

    def counters(self) -> dict[str, int]:
        """Keyframes by what became of them."""
        return dict(self.events)

    def _keyframe(self, update: OdometryUpdate) -> None:
        view, poses = self.map.maker.make(update, lambda: 0), self.map.poses
        T_odom_base = update.odometry.T_odom_base
        is_followed = self.T_map_odom is not None
        if self.T_map_odom is not None:
            located = self.map.localizer.follow(view, self.T_map_odom @ T_odom_base, poses)
        else:
            located = self.map.localizer.locate(view, poses)
        if located is not None:
            self.T_map_odom, self._misses = located.T_map_base @ inverse(T_odom_base), 0
            self.events["keyframes followed" if is_followed else "keyframes located"] += 1
            return
        is_outside = is_followed and not self.map.localizer.reason
        self.events["keyframes outside the map" if is_outside else "keyframes that do not fit"] += 1
        self._misses += not is_outside
        if is_followed and self._misses >= self.config.localization.lost_after:
            self.begin_session("lost")

    def _saved(self, stamp_ns: int) -> list[Output]:
        """The path at once; the grid, some keyframes of which are drawn at each scan, when it is whole."""
        path: list[Output] = [] if self._is_told else [("map_path", self.map.path())]
        self._is_told = True
        grid = self._grid.add(stamp_ns) if self._grid is not None else []
        if self._grid is not None and grid:
            self._grid.close()
            self._grid = None
        return path + grid
