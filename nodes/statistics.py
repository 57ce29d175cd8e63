"""What a node measures about itself, and the rules that turn it into a health. Free of ROS and of clocks."""

import statistics
from collections import deque
from dataclasses import dataclass
from itertools import pairwise

from perception.core.health import OK, Health, Level

NS_PER_MS = 1_000_000
NUM_KEPT = 500  # samples behind a rate or a quantile: 50 s of scans
MIN_STEPS = 9  # between stamps, before their rhythm is known
MAX_HOLE_NS = 10_000_000_000  # a larger step is a jump of the clock
SILENT_PERIODS = 3  # a stream is late after this many of its own periods,
MIN_SILENCE_NS = 300 * NS_PER_MS  # but not before this, which scheduling alone can cause


class StreamMonitor:
    """Arrivals of one input stream. Times are nanoseconds of a monotonic clock."""

    def __init__(self, topic: str, start_ns: int) -> None:
        self.topic = topic
        self.start_ns = start_ns
        self.num_received = self.num_refused = 0
        self.num_missing = 0  # messages that should lie between two stamps: lost on the way, or never sent
        self.refusal = ""  # why the newest message was refused; empty when it was not
        self._arrivals: deque[int] = deque(maxlen=NUM_KEPT)
        self._steps: deque[int] = deque(maxlen=MIN_STEPS)  # between the newest stamps
        self._stamp_ns = 0

    def note(self, now_ns: int) -> None:
        """One message arrived."""
        self.num_received += 1
        self._arrivals.append(now_ns)

    def refuse(self, reason: Exception) -> None:
        """The newest message could not be used."""
        self.num_refused += 1
        self.refusal = str(reason)

    def accept(self, stamp_ns: int) -> None:
        """The newest message was good and is stamped `stamp_ns`. A hole in the rhythm of the stamps is counted."""
        self.refusal = ""
        step, self._stamp_ns = stamp_ns - self._stamp_ns if self._stamp_ns else 0, stamp_ns
        if not 0 < step < MAX_HOLE_NS:
            return
        period = statistics.median(self._steps) if len(self._steps) >= MIN_STEPS else step
        self.num_missing += max(0, round(step / period) - 1)
        self._steps.append(step)

    def silence_ns(self, now_ns: int) -> int:
        """Time since the last message, or since the start."""
        return now_ns - (self._arrivals[-1] if self._arrivals else self.start_ns)

    def period_ns(self) -> int:
        """Median time between the newest messages; 0 while unknown."""
        newest = list(self._arrivals)[-20:]
        return int(statistics.median(b - a for a, b in pairwise(newest))) if len(newest) > 2 else 0

    def rate(self, now_ns: int, window_ns: int = 5_000_000_000) -> float:
        """Messages per second over the last `window_ns`."""
        span = min(window_ns, now_ns - self.start_ns)
        return sum(arrival > now_ns - span for arrival in self._arrivals) * 1e9 / span if span > 0 else 0.0

    def health(self, now_ns: int, max_gap_ns: int) -> Health:
        """DEGRADED when late by its own rhythm or never heard, FAILED after a silence of `max_gap_ns`."""
        silence = self.silence_ns(now_ns)
        seconds = f"{silence / 1e9:.1f} s"
        if not self.num_received:
            late = silence > max_gap_ns
            reason = f"nothing received on {self.topic} for {seconds}; check the driver and the topic's name"
            return Health(Level.DEGRADED, reason) if late else OK
        if silence > max(max_gap_ns, SILENT_PERIODS * self.period_ns()):
            return Health(Level.FAILED, f"{self.topic} has been silent for {seconds}")
        if silence > max(MIN_SILENCE_NS, SILENT_PERIODS * self.period_ns()):
            return Health(Level.DEGRADED, f"{self.topic} is late by {seconds}")
        if self.refusal:
            return Health(Level.DEGRADED, f"{self.topic}: {self.refusal}")
        return OK


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Of a latency, ms."""

    p50: float
    p95: float
    p99: float


class LatencyMonitor:
    """Times from the arrival of an input to the output it caused."""

    def __init__(self, deadline_ms: int) -> None:
        self.deadline_ms = deadline_ms
        self.num_late = 0
        self._samples_ms: deque[float] = deque(maxlen=NUM_KEPT)

    def note(self, latency_ns: int) -> None:
        """One output was finished."""
        latency_ms = latency_ns / NS_PER_MS
        self._samples_ms.append(latency_ms)
        self.num_late += latency_ms > self.deadline_ms

    def quantiles(self) -> Quantiles | None:
        """Of the newest samples; None before the first."""
        ordered = sorted(self._samples_ms)
        if not ordered:
            return None
        return Quantiles(*(ordered[min(len(ordered) - 1, int(q * len(ordered)))] for q in (0.5, 0.95, 0.99)))

    def health(self) -> Health:
        """DEGRADED while most of the newest outputs are later than the deadline."""
        newest = list(self._samples_ms)[-10:]
        if len(newest) == 10 and statistics.median(newest) > self.deadline_ms:
            return Health(
                Level.DEGRADED,
                f"outputs take {statistics.median(newest):.0f} ms, the deadline is {self.deadline_ms} ms; "
                "the machine is overloaded",
            )
        return OK


class DropMonitor:
    """Turns a growing count of losses into a health that holds for a while."""

    def __init__(self, what: str, hold_ns: int = 2_000_000_000) -> None:
        self.what = what
        self.hold_ns = hold_ns
        self._count = 0
        self._last_ns: int | None = None

    def health(self, count: int, now_ns: int) -> Health:
        """DEGRADED for `hold_ns` after `count` has grown."""
        if count > self._count:
            self._count, self._last_ns = count, now_ns
        if self._last_ns is not None and now_ns - self._last_ns <= self.hold_ns:
            return Health(Level.DEGRADED, f"{count} {self.what} so far")
        return OK
