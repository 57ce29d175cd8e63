"""Mapping: keyframes of the odometry become a map on the disk that is right again after every loop.

Section 12 of bev_lio_lc.md, except for candidates, which may lie anywhere, and for the filter, which is never touched:
what the graph knows better is handed out as `T_map_odom` (REP-105). A session that begins in a map with keyframes, or
after the odometry has started again, waits until its place in the map is known; nothing is guessed.
"""

import logging
import shutil
from collections import Counter, deque
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from perception.core.errors import MapError
from perception.core.geometry import inverse
from perception.core.health import OK, Health, Level, worst
from perception.core.stamps import NS_PER_S
from perception.core.types import Odometry, OdometryUpdate
from perception.mapping.grid_drawing import GridDrawing
from perception.mapping.localization import Located
from perception.mapping.loops import LoopFinder
from perception.mapping.memory import View
from perception.mapping.opened import OpenMap
from perception.mapping.sensors import Fixes, Wheels
from perception.mapping.types import AntennaFix, LoopReport, MapOdom, WheelTwist
from slam.graph.factors import Attitude, Between, Factor, Position, Prior, information_of
from slam.graph.messages import GraphResult
from slam.graph.noise import odometry_factor
from slam.graph.process import GraphProcess
from slam.maps.folder import save_copy
from slam.maps.merge import GIVEN_POSITION, GIVEN_ROTATION

log = logging.getLogger(__name__)
Output = tuple[str, object]
NO_ODOMETRY = "set_pose: there is no odometry yet; wait for the first scan"
SAVE_PERIOD_NS = 10 * NS_PER_S  # poses are saved so often; the journal has what they are made of
FINISH_TIMEOUT = 600.0  # s, for the optimum of a large graph


@dataclass(frozen=True, slots=True, eq=False)
class Anchor:
    """What ties a session to the map: a keyframe of it, and how a keyframe of the session lies to that."""

    T_map_odom: np.ndarray  # (4, 4)
    reference_id: int
    T_reference_odom: np.ndarray  # (4, 4)
    information: np.ndarray  # (6, 6)


class Mapper:
    """Odometry in; `map_odom` (None: not known), `map_path`, `map_grid` and `loops` out. One caller."""

    def __init__(self, open_map: OpenMap, has_gravity: bool, is_temporary: bool = False) -> None:
        """`open_map` is open for writing; its folder goes at the end if it `is_temporary`.

        `has_gravity`: the odometry knows roll and pitch.
        """
        self.map, self.config, self.has_gravity = open_map, open_map.config, has_gravity
        self.is_temporary = is_temporary
        period, is_grid = self.config.grid_period, self.config.is_grid
        self.grid = GridDrawing(open_map.folder, open_map.poses, period, is_kept=True) if is_grid else None
        self.graph = GraphProcess(self.config.graph, open_map.folder, is_single=self.config.is_deterministic)
        self.loops = LoopFinder(self.config, open_map.memory)
        self.fixes, self.wheels = Fixes(self.config.graph), Wheels(self.config.graph)
        self._has_fixes = any(isinstance(entry.factor, Position) for entry in open_map.folder.entries())
        self.events: Counter[str] = Counter()
        self.T_map_odom: np.ndarray | None = None  # None: the place in the map is not known
        self._next_id = open_map.folder.next_keyframe_id() + bool(len(open_map.folder))
        self._last: tuple[int, Odometry] | None = None  # the newest keyframe of the session in the map
        self._latest: Odometry | None = None
        self._waiting: deque[tuple[View, Odometry]] = deque()
        self._given: np.ndarray | None = None  # T_map_odom that somebody said
        self._tied: Anchor | None = None  # what holds the first keyframe of the session; None: a prior
        self._saved_ns = 0

    # -- what comes ------------------------------------------------------------------------------------------------

    def add(self, update: OdometryUpdate) -> list[Output]:
        """One pose of the odometry with its cloud."""
        self._latest = odometry = update.odometry
        outputs: list[Output] = []
        last_id, last = self._last or (None, None)
        for factor in self.fixes.due(odometry, last_id, last):
            self.graph.add(factor)
        is_keyframe = self.map.maker.is_due(odometry)
        if is_keyframe:
            outputs += [("loops", report) for report in self._keyframe(update)]
        outputs += self._heard(is_keyframe)
        outputs += self.grid.add(odometry.stamp_ns) if self.grid is not None else []
        return [*outputs, ("map_odom", map_odom_of(odometry, self.T_map_odom))]

    def add_fix(self, item: AntennaFix) -> None:
        """A satellite fix; it counts when the odometry of its time has come.

        Not in a map that an earlier run has given fixes: where its level frame began is not kept.
        """
        if self._has_fixes:
            self.events["fixes: of another origin than those of the map"] += 1
            return
        self.fixes.add(item)

    def add_wheels(self, twist: WheelTwist) -> None:
        """A twist of the wheels."""
        self.wheels.add(twist)

    def restart_odometry(self, reason: str) -> None:
        """The odometry starts anew, at another origin: where it was says nothing any more."""
        self._latest = None
        self.begin_session(reason)

    def begin_session(self, reason: str) -> None:
        """The odometry starts anew, or its place in the map is not to be believed any more."""
        self.events[f"sessions: {reason}"] += 1
        self._next_id += 1  # a gap in the numbers tells sessions apart
        self.T_map_odom, self._last, self._given = None, None, None
        self._saved_ns = 0  # the clock may have been moved back
        self.events["keyframes without a place"] += len(self._waiting)
        self._waiting.clear()
        for part in (self.map.memory, self.map.maker, self.map.localizer, self.loops):
            part.begin_session()
        self.fixes.clear()
        self.wheels.clear()

    def set_pose(self, T_map_base: np.ndarray) -> None:
        """Somebody says where the robot is. Raises `MapError` before the first odometry."""
        if self._latest is None:
            raise MapError(NO_ODOMETRY)
        latest = self._latest
        if len(self.map.folder):
            self.begin_session("set_pose")
        self._given = T_map_base @ inverse(latest.T_odom_base)

    def save(self, path: Path) -> int:
        """Write the map as it is now to another folder; returns how many keyframes it has. Raises `MapError`."""
        self._save_poses()
        save_copy(self.map.folder, path)
        return len(self.map.folder)

    def finish(self) -> list[Output]:
        """The optimum of the graph, the whole grid, and all poses on the disk."""
        self.graph.settle()
        outputs = self._take(self.graph.wait(FINISH_TIMEOUT), is_path_due=True)
        self._save_poses()
        return outputs + self.grid.finish() if self.grid is not None else outputs

    def close(self) -> None:
        """End the graph's process and let go of the folder."""
        try:
            self._save_poses()
        except MapError as error:
            log.warning("poses are not saved, the journal has what they are made of: %s", error)
        finally:
            self.graph.close()
            self.map.folder.close()
            self.map.memory.describer.network.close()
            if self.is_temporary:
                shutil.rmtree(self.map.folder.path, ignore_errors=True)

    # -- how it is -------------------------------------------------------------------------------------------------

    def health(self) -> Health:
        """Of the graph, and whether the place in the map is known."""
        grid = self.grid.health if self.grid is not None else OK
        return worst(self.graph.health, grid, unplaced(self.T_map_odom, self.map.localizer.reason))

    def notes(self) -> tuple[str, ...]:
        """What a reader of the results should know."""
        lost = len(self._waiting) + self.events["keyframes without a place"]
        waiting = (f"{lost} keyframes have no place in the map: {self.map.localizer.reason}",) if lost else ()
        grid = self.grid.notes() if self.grid is not None else ()
        return (*map_notes(self.map), *waiting, *grid)

    def counters(self) -> dict[str, int]:
        """What came and what became of it."""
        ends = {"graph restarts": self.graph.num_deaths}
        grid = self.grid.counts if self.grid is not None else {}
        return {**self.events, **self.fixes.counts, **self.wheels.counts, **grid, **ends}

    # -- details ---------------------------------------------------------------------------------------------------

    def _keyframe(self, update: OdometryUpdate) -> list[LoopReport]:
        """A keyframe waits for the place of the session; then all that wait go into the map, each only once."""
        view = self.map.maker.make(update, self._number)
        self._waiting.append((view, update.odometry))
        if self.T_map_odom is None:
            if len(self._waiting) > self.config.localization.max_waiting:
                self._waiting.popleft()
                self.events["keyframes without a place"] += 1
            anchor, is_known = self._anchor(view)
            if not is_known:
                return []
            self._settle(anchor)
        reports: list[LoopReport] = []
        while self._waiting:
            reports += self._insert(*self._waiting.popleft(), is_seeking=not self._waiting)
        return reports

    def _number(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def _anchor(self, view: View) -> tuple[Anchor | None, bool]:
        """What ties the waiting keyframes to the map, and whether their place is known; an empty map needs no tie."""
        poses, given = self.map.poses, self._given
        if len(poses) == 0:
            return None, True
        if given is not None:
            T_map_base = given @ view.keyframe.T_odom_base
            near = poses.nearest(T_map_base[:3, 3], np.inf)
            assert near is not None
            information = information_of(GIVEN_POSITION, GIVEN_ROTATION)
            return Anchor(given, near, inverse(poses(near)) @ given, information), True
        located = self.map.localizer.locate(view, poses)
        return (None, False) if located is None else (self._tie(view, located), True)

    def _tie(self, view: View, located: Located) -> Anchor:
        graph, T_base_odom = self.config.graph, inverse(view.keyframe.T_odom_base)
        information = information_of(graph.loop_position, float(np.deg2rad(graph.loop_rotation_deg)))
        found = located.found
        T_reference_odom = found.T_reference_query @ T_base_odom
        return Anchor(located.T_map_base @ T_base_odom, found.reference_id, T_reference_odom, information)

    def _settle(self, anchor: Anchor | None) -> None:
        """The place of the session is known."""
        self.T_map_odom = anchor.T_map_odom if anchor is not None else self._given
        if self.T_map_odom is None:
            self.T_map_odom = np.eye(4)  # the first keyframe of all defines the map
        self._tied, self._given = anchor, None
        self.graph.begin_session(self.T_map_odom)

    def _insert(self, view: View, odometry: Odometry, is_seeking: bool) -> list[LoopReport]:
        """A keyframe into map, graph and index: first onto the disk, so that no factor is ever without it."""
        assert self.T_map_odom is not None
        number, T_map_base = view.keyframe.keyframe_id, self.T_map_odom @ odometry.T_odom_base
        try:
            self.map.folder.add_keyframe(view.keyframe)
        except MapError:
            if not self._waiting:
                self._next_id = number  # a hole in the numbers would look like the end of a session
            raise
        self.graph.add(self._step(number, odometry, T_map_base), odometry.T_odom_base, T_map_base)
        if self.has_gravity:
            deviation = float(np.deg2rad(self.config.graph.attitude_deg))
            self.graph.add(Attitude(number, np.ascontiguousarray(odometry.T_odom_base[:3, :3]), deviation))
        self.map.poses.add(number, odometry.stamp_ns, T_map_base)
        self._add_wheels(number, odometry)
        self._last = (number, odometry)
        self.events["keyframes"] += 1
        reports = self._close_loops(view, T_map_base) if is_seeking and self.config.is_closing_loops else []
        self.map.memory.add(view)
        return reports

    def _step(self, number: int, odometry: Odometry, T_map_base: np.ndarray) -> Factor:
        """What holds a new keyframe: the odometry, its tie to the map, or for the first of all a prior."""
        graph = self.config.graph
        if self._last is not None:
            return odometry_factor(self._last[0], number, self._last[1], odometry, graph.odometry)
        if self._tied is None:
            return Prior(number, T_map_base, information_of(graph.prior_position, graph.prior_rotation))
        T = self._tied.T_reference_odom @ odometry.T_odom_base
        return Between(self._tied.reference_id, number, T, self._tied.information)

    def _add_wheels(self, number: int, odometry: Odometry) -> None:
        if self._last is None:
            return
        factor = self.wheels.due(self._last[0], number, self._last[1].stamp_ns, odometry.stamp_ns)
        if factor is not None:
            self.graph.add(factor)

    def _close_loops(self, view: View, T_map_base: np.ndarray) -> list[LoopReport]:
        reports, loops = self.loops.seek(view, T_map_base, self.map.poses)
        for loop in loops:
            self.map.loops[self.graph.add(loop)] = loop
        for report in reports:
            self.events[f"revisits: {report.verdict}"] += 1
        return reports

    def _heard(self, is_keyframe: bool) -> list[Output]:
        """What the graph has said since the last scan."""
        if is_keyframe and self.config.is_deterministic:
            return self._take(self.graph.wait(FINISH_TIMEOUT), is_keyframe)
        return self._take(self.graph.poll(), is_keyframe)

    def _take(self, answers: list[GraphResult], is_path_due: bool) -> list[Output]:
        outputs: list[Output] = []
        for answer in answers:
            outputs += [("loops", report) for report in self._undone(answer)]
            if answer.ids is not None and answer.poses is not None:
                self.map.poses.correct(answer.ids, answer.poses)
                is_path_due = True
            elif answer.latest_id >= 0:
                self.map.poses.correct(np.array([answer.latest_id]), answer.T_map_base[None])
        if answers and self.T_map_odom is not None:
            self.T_map_odom = self.graph.T_map_odom
        if is_path_due:
            outputs.append(("map_path", self.map.path()))
        if is_path_due and self._latest is not None and self._latest.stamp_ns - self._saved_ns > SAVE_PERIOD_NS:
            self._save_poses()
        return outputs

    def _undone(self, answer: GraphResult) -> list[LoopReport]:
        reports = []
        for item in answer.undone:
            loop = self.map.loops.pop(item.factor_id, None)
            self.events["loops undone" if loop else "factors undone"] += 1
            if loop is not None:
                stamp_ns = self.map.folder.keyframes[loop.to_id].stamp_ns
                reports.append(LoopReport(stamp_ns, loop.to_id, loop.from_id, "undone", item.reason, loop.T_from_to))
        return reports

    def _save_poses(self) -> None:
        if self._latest is not None:
            self._saved_ns = self._latest.stamp_ns
        if len(self.map.poses):
            self.map.folder.save_poses(self.map.poses.ids, self.map.poses.poses)


def map_odom_of(odometry: Odometry, T_map_odom: np.ndarray | None) -> MapOdom | None:
    """What is said of the place in the map with a pose of the odometry; None where it is not known."""
    if T_map_odom is None:
        return None
    return MapOdom(odometry.stamp_ns, T_map_odom, odometry.covariance, odometry.T_odom_base)


def unplaced(T_map_odom: np.ndarray | None, reason: str) -> Health:
    """OK where the place in the map is known."""
    if T_map_odom is not None:
        return Health()
    return Health(Level.DEGRADED, f"the place in the map is not known{': ' if reason else ''}{reason}")


def map_notes(open_map: OpenMap) -> tuple[str, ...]:
    """What was found when the map was opened."""
    anew = open_map.num_described_anew
    described = (f"{anew} keyframes of the map were described anew: another network had done it",) if anew else ()
    return (*open_map.folder.notes, *described)
