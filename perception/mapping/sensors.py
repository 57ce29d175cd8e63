"""Satellite fixes and wheels on their way into the graph: they wait for the keyframe and the odometry around them."""

from collections import Counter, deque
from itertools import pairwise

import numpy as np

from perception.core.geometry import interpolate, inverse
from perception.core.stamps import NS_PER_S, StampGuard, Verdict
from perception.core.types import Odometry
from perception.mapping.types import AntennaFix, WheelTwist
from slam.graph.config import GraphConfig
from slam.graph.factors import Between, Position
from slam.graph.gnss import GnssFactors
from slam.graph.noise import wheel_factor

MAX_FIXES, MAX_TWISTS = 100, 10_000  # that wait; older ones go
MAX_FIX_GAP_NS, MAX_TWIST_GAP_NS = 60 * NS_PER_S, 5 * NS_PER_S  # more between two stamps is a jump, to be confirmed
HELD_NS = 2 * NS_PER_S  # odometry that is kept for fixes, which come late
MAX_LATE_NS = NS_PER_S  # a stamp so much older than the last is late; more, and the clock may have been moved
USED = (Verdict.ACCEPT, Verdict.GAP, Verdict.REWIND)


class Fixes:
    """At most one fix for each keyframe, the first after it. Those of the last seconds are in time."""

    def __init__(self, config: GraphConfig) -> None:
        self.factors = GnssFactors(config.gnss)
        self._guard = StampGuard(MAX_FIX_GAP_NS, MAX_LATE_NS)
        self._waiting: deque[AntennaFix] = deque(maxlen=MAX_FIXES)
        self._odometry: deque[Odometry] = deque()
        self._keyframes: deque[tuple[int, Odometry]] = deque(maxlen=2)
        self._used_for = -1

    def add(self, item: AntennaFix) -> None:
        """A fix waits for the odometry of its time; one with a wild stamp costs itself and nothing else."""
        verdict = self._guard.check(item.stamp_ns)
        if verdict is Verdict.REWIND:
            self._waiting.clear()
        if verdict in USED:
            self._waiting.append(item)
        else:
            self.factors.counts[verdict.value] += 1

    def clear(self) -> None:
        """The odometry starts anew."""
        self._guard.reset()
        self._waiting.clear()
        self._odometry.clear()
        self._keyframes.clear()

    def due(self, odometry: Odometry, keyframe_id: int | None, keyframe: Odometry | None) -> list[Position]:
        """Factors of the fixes up to this odometry, at the keyframe before them: `keyframe`, or the last but one."""
        self._keep(odometry, keyframe_id, keyframe)
        found = []
        while self._waiting and self._waiting[0].fix.stamp_ns <= odometry.stamp_ns:
            item = self._waiting.popleft()
            if self._keyframes:
                found += self._used(item)
        return found

    @property
    def counts(self) -> Counter[str]:
        """What became of the fixes."""
        return Counter({f"fixes: {reason}": count for reason, count in self.factors.counts.items()})

    def _keep(self, odometry: Odometry, keyframe_id: int | None, keyframe: Odometry | None) -> None:
        self._odometry.append(odometry)
        while len(self._odometry) > 2 and odometry.stamp_ns - self._odometry[0].stamp_ns > HELD_NS:
            self._odometry.popleft()
        is_new = not self._keyframes or self._keyframes[-1][0] != keyframe_id
        if keyframe_id is not None and keyframe is not None and is_new:
            self._keyframes.append((keyframe_id, keyframe))

    def _used(self, item: AntennaFix) -> list[Position]:
        """The factor of a fix at the keyframe before it; none where that has one already, or the fix is too old."""
        stamp_ns = item.fix.stamp_ns
        before = [(number, keyframe) for number, keyframe in self._keyframes if keyframe.stamp_ns <= stamp_ns]
        T_odom_base = self._pose_at(stamp_ns)
        if not before or T_odom_base is None:
            self.factors.counts["without an odometry"] += 1
            return []
        number, keyframe = before[-1]
        if number <= self._used_for:
            return []
        self.factors.p_base_antenna = item.p_base_antenna
        factor = self.factors.factor(item.fix, number, inverse(keyframe.T_odom_base) @ T_odom_base)
        if factor is None:
            return []
        self._used_for = number
        return [factor]

    def _pose_at(self, stamp_ns: int) -> np.ndarray | None:
        """`T_odom_base` (4, 4) between two poses that are kept."""
        for before, after in pairwise(self._odometry):
            if before.stamp_ns <= stamp_ns <= after.stamp_ns:
                return _between(before, after, stamp_ns)
        return None


class Wheels:
    """Twists between keyframes. The last keyframe but one is used, so that late messages are in time."""

    def __init__(self, config: GraphConfig) -> None:
        self.config = config.wheel
        self.counts: Counter[str] = Counter()
        self._guard = StampGuard(MAX_TWIST_GAP_NS, MAX_LATE_NS)
        self._twists: deque[WheelTwist] = deque(maxlen=MAX_TWISTS)
        self._span: tuple[int, int, int, int] | None = None  # numbers and stamps of two keyframes

    def add(self, twist: WheelTwist) -> None:
        """A twist; one that is not later than the last is counted and left out, and so is one with a wild stamp."""
        verdict = self._guard.check(twist.stamp_ns)
        if verdict is Verdict.REWIND:
            self._twists.clear()
        if verdict in USED:
            self._twists.append(twist)
        else:
            self.counts[f"wheels: {verdict.value}"] += 1

    def clear(self) -> None:
        """The odometry starts anew."""
        self._guard.reset()
        self._twists.clear()
        self._span = None

    def due(self, from_id: int, to_id: int, start_ns: int, end_ns: int) -> Between | None:
        """A keyframe has come; the factor of the pair before it, where the twists cover its time."""
        span, self._span = self._span, (from_id, to_id, start_ns, end_ns)
        if span is None or len(self._twists) < 2:
            return None
        stamps = np.array([twist.stamp_ns for twist in self._twists], dtype=np.int64)
        twists = np.array([[*twist.linear, twist.angular] for twist in self._twists])
        factor = wheel_factor(span[0], span[1], stamps, twists, (span[2], span[3]), self.config)
        self.counts["wheels: steps" if factor else "wheels: gaps"] += 1
        while len(self._twists) > 2 and self._twists[1].stamp_ns <= span[3]:
            self._twists.popleft()
        return factor


def _between(before: Odometry, after: Odometry, stamp_ns: int) -> np.ndarray:
    fraction = (stamp_ns - before.stamp_ns) / max(1, after.stamp_ns - before.stamp_ns)
    return interpolate(before.T_odom_base, after.T_odom_base, fraction)
