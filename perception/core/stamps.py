"""Integer nanoseconds, and the guard that decides about each stamp of a stream."""

from collections import Counter
from enum import Enum

from perception.core.errors import InvalidInput

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


def stamp_from_ros(sec: int, nanosec: int) -> int:
    """Nanoseconds of a ROS time. Raises `InvalidInput` for a zero or malformed one."""
    if not 0 <= nanosec < NS_PER_S:
        raise InvalidInput(f"stamp.nanosec: expected 0 to 999999999, got {nanosec}; the driver writes a malformed time")
    stamp_ns = int(sec) * NS_PER_S + int(nanosec)
    if stamp_ns <= 0:
        raise InvalidInput(f"stamp: expected a time after 1970, got {stamp_ns} ns; let the driver set header.stamp")
    return stamp_ns


def to_seconds(stamp_ns: int) -> float:
    """Seconds as a float, for humans and plots only."""
    return stamp_ns / NS_PER_S


class Verdict(Enum):
    """What to do with a message, judged by its stamp."""

    ACCEPT = "accepted"
    DUPLICATE = "duplicate"  # same stamp as the last one: drop
    LATE = "late"  # a little older than the last one: drop
    UNCONFIRMED = "unconfirmed jump"  # first message after a jump: drop, the next one decides
    GAP = "gap"  # the stream went on after a silence: accept, and let the owner apply its policy
    REWIND = "rewind"  # the clock was moved back: reset everything, then accept


class StampGuard:
    """Watches one stream. A jump (either way) counts only when a second message confirms it.

    So one message with a wild stamp costs itself and nothing else, and a moved clock is reported exactly once.
    `counts` holds how often each verdict was given.
    """

    def __init__(self, max_gap_ns: int, max_late_ns: int) -> None:
        self.max_gap_ns = max_gap_ns
        self.max_late_ns = max_late_ns
        self.last_ns: int | None = None
        self.counts: Counter[Verdict] = Counter()
        self._jump_ns: int | None = None

    def check(self, stamp_ns: int) -> Verdict:
        """Judge `stamp_ns` and remember it when it is accepted."""
        verdict = self._judge(stamp_ns)
        self.counts[verdict] += 1
        if verdict in (Verdict.ACCEPT, Verdict.GAP, Verdict.REWIND):
            self.last_ns, self._jump_ns = stamp_ns, None
        return verdict

    def reset(self) -> None:
        """Forget the past; the next stamp is accepted whatever it is. Counts stay."""
        self.last_ns = self._jump_ns = None

    def _judge(self, stamp_ns: int) -> Verdict:
        if self.last_ns is None:
            return Verdict.ACCEPT
        step = stamp_ns - self.last_ns
        if step == 0:
            return Verdict.DUPLICATE
        if 0 < step <= self.max_gap_ns:
            return Verdict.ACCEPT
        if -self.max_late_ns <= step < 0:
            return Verdict.LATE
        if self._jump_ns is not None and 0 < stamp_ns - self._jump_ns <= self.max_gap_ns:
            return Verdict.GAP if step > 0 else Verdict.REWIND
        self._jump_ns = stamp_ns
        return Verdict.UNCONFIRMED
