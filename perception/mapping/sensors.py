"""Satellite fixes and wheels on their way into the graph: they wait for the keyframe and the odometry around them."""

from collections import Counter, deque

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
MAX_LATE_NS = NS_PER_S  # a stamp so much older than the last is late; more, and the clock may have been moved
USED = (Verdict.ACCEPT, Verdict.GAP, Verdict.REWIND)


class Fixes:
    """At most one fix for each keyframe, the first after it."""

    def __init__(self, config: GraphConfig) -> None:
        self.factors = GnssFactors(config.gnss)
        self._guard = StampGuard(MAX_FIX_GAP_NS, MAX_LATE_NS)
        self._waiting: deque[AntennaFix] = deque(maxlen=MAX_FIXES)
        self._before: Odometry | None = None
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
        self._before = None

    def due(self, odometry: Odometry, keyframe_id: int | None, keyframe: Odometry | None) -> list[Position]:
        """Factors of the fixes up to this odometry, at the keyframe before them."""
        found = []
        before, self._before = self._before, odometry
        while self._waiting and self._waiting[0].fix.stamp_ns <= odometry.stamp_ns:
            item = self._waiting.popleft()
            if before is None or keyframe_id is None or keyframe is None or self._used_for == keyframe_id:
                continue
            if not keyframe.stamp_ns <= item.fix.stamp_ns or item.fix.stamp_ns < before.stamp_ns:
                self.factors.counts["without an odometry"] += 1
                continue
            T_keyframe_base = inverse(keyframe.T_odom_base) @ _between(before, odometry, item.fix.stamp_ns)
            factor = self._factor(item, keyframe_id, T_keyframe_base)
            if factor is not None:
                self._used_for = keyframe_id
                found.append(factor)
        return found

    @property
    def counts(self) -> Counter[str]:
        """What became of the fixes."""
        return Counter({f"fixes: {reason}": count for reason, count in self.factors.counts.items()})

    def _factor(self, item: AntennaFix, keyframe_id: int, T_keyframe_base: np.ndarray) -> Position | None:
        self.factors.p_base_antenna = item.p_base_antenna
        return self.factors.factor(item.fix, keyframe_id, T_keyframe_base)


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
