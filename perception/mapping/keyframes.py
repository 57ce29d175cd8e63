"""Which scans become keyframes, and what they look like to place recognition."""

from collections.abc import Callable

import numpy as np

from perception.core.geometry import log_so3
from perception.core.types import Odometry, OdometryUpdate, SensorRig
from perception.mapping.config import KeyframeRule
from perception.mapping.memory import PlaceMemory, View, with_place
from slam.maps.keyframe import Keyframe


class KeyframeMaker:
    """Keeps the last keyframe of a session, and makes the next one when it is due."""

    def __init__(self, rule: KeyframeRule, rig: SensorRig, memory: PlaceMemory) -> None:
        self.rule, self.rig, self.memory = rule, rig, memory
        self.last: Odometry | None = None  # of the last keyframe
        self.path = 0.0  # m of the session up to it

    def begin_session(self) -> None:
        """The next scan is the first of another odometry."""
        self.last, self.path = None, 0.0

    def is_due(self, odometry: Odometry) -> bool:
        """Whether the robot has moved enough since the last keyframe."""
        if self.last is None:
            return True
        if odometry.stamp_ns - self.last.stamp_ns < self.rule.min_interval_ns:
            return False
        turn = np.degrees(np.linalg.norm(log_so3(self.last.T_odom_base[:3, :3].T @ odometry.T_odom_base[:3, :3])))
        return self._step(odometry) >= self.rule.distance or float(turn) >= self.rule.turn_deg

    def make(self, update: OdometryUpdate, number: Callable[[], int]) -> View:
        """The keyframe of a scan, described. `number` is asked for its number."""
        odometry, rig = update.odometry, self.rig
        self.path += self._step(odometry) if self.last is not None else 0.0
        place = self.memory.describe(update.points, odometry.T_odom_base, rig.T_base_lidar)
        keyframe = Keyframe(number(), odometry.stamp_ns, odometry.T_odom_base, update.points, rig.T_base_lidar)
        self.last = odometry
        return View(with_place(keyframe, place, self.memory), place, self.memory.session, self.path)

    def _step(self, odometry: Odometry) -> float:
        assert self.last is not None
        return float(np.linalg.norm(odometry.T_odom_base[:3, 3] - self.last.T_odom_base[:3, 3]))
