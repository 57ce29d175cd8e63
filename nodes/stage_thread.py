"""One stage at work: its inbox, its thread and what it counts. Free of ROS."""

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from nodes.statistics import DropMonitor, LatencyMonitor
from perception.core.errors import PerceptionError
from perception.core.health import OK, Health, Level, worst
from perception.core.mailbox import Closed, Mailbox
from perception.core.types import OdometryUpdate, Scan
from perception.mapping.types import MapOdom
from perception.pipeline.spec import Stage, Worker

log = logging.getLogger(__name__)
MAX_PENDING = 64  # scans or images whose arrival is remembered until their output appears
JOIN_TIMEOUT = 4.0  # s; a node must be able to end within five

Sink = Callable[[str, Any], None]
MakeWorker = Callable[[], "Worker | None"]


class StageThread:
    """Runs the worker of `stage` in a thread of its own.

    `make_worker` is asked until it returns a worker (None: what it needs, such as a transform, is not known yet);
    items wait in the inbox meanwhile. `sink` is called in this thread with every output.
    """

    def __init__(self, stage: Stage, make_worker: MakeWorker, sink: Sink) -> None:
        self.stage = stage
        self.inbox: Mailbox[tuple[str, Any]] = Mailbox(stage.inbox.capacity)
        self.latency = LatencyMonitor(stage.deadline_ms)
        self.drops = DropMonitor(f"items dropped in front of stage {stage.name}")
        self.events: Counter[str] = Counter()
        self.arrival_ns: int | None = None  # of the input behind the newest output (monotonic); None: not known
        self._make_worker, self._sink = make_worker, sink
        self._worker: Worker | None = None
        self._failure = OK
        self._arrivals: deque[tuple[int, int]] = deque(maxlen=MAX_PENDING)  # start of a scan or pose, and when it came
        self._images: dict[tuple[str, bool, int], int] = {}  # camera and stamp of an image, and when it came
        self._after_restart: list[Callable[[], None]] = []
        self._wake, self._stopping, self._restart = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"stage {stage.name}", daemon=True)

    def start(self) -> None:
        """Begin to take items."""
        self._thread.start()

    def stop(self) -> bool:
        """Drop what waits and join the thread; False when it did not end in time."""
        self._stopping.set()
        self._wake.set()
        self.inbox.clear()
        self.inbox.close()
        self._thread.join(JOIN_TIMEOUT)
        return not self._thread.is_alive()

    def put(self, stream: str, item: Any, now_ns: int) -> int:
        """Hand over one item that arrived at `now_ns`; returns how many older ones had to go for it.

        Where only the latest counts, the older ones of the same source are those; else none has to as long as there
        is room.
        """
        if isinstance(item, Scan):
            self._arrivals.append((item.stamp_ns, now_ns))
        elif stream == "odometry":
            self._arrivals.append((item.odometry.stamp_ns - 1, now_ns))
        elif _is_of_a_camera(item):
            self._note_image(item, now_ns)
        source = _source(stream, item)
        replaces = (lambda entry: _source(*entry) == source) if self.is_latest else None
        try:
            return self.inbox.put((stream, item), replaces)
        except Closed:
            return 0

    @property
    def is_latest(self) -> bool:
        """True where newer items replace older ones by intention, which is no sign of overload."""
        return self.stage.inbox.kind == "latest"

    def overload(self, now_ns: int) -> Health:
        """DEGRADED while items are dropped that should not be, or outputs come too late."""
        dropped = OK if self.is_latest else self.drops.health(self.inbox.num_dropped, now_ns)
        return worst(self.latency.health(), dropped)

    def wake(self) -> None:
        """Something that `make_worker` waits for may have changed."""
        self._wake.set()

    def restart(self, then: Callable[[], None] = lambda: None) -> None:
        """Make a new worker within half a second or after the next item, then call `then` in the stage's thread."""
        self._after_restart.append(then)
        self._restart.set()
        self._wake.set()

    def health(self) -> Health:
        """The worker's own state, or why there is none."""
        if self._failure.level is not Level.OK:
            return self._failure
        return self._worker.health() if self._worker is not None else OK

    def counters(self) -> dict[str, int]:
        """What the inbox, this thread and the worker counted."""
        inbox = {"inbox put": self.inbox.num_put, "inbox dropped": self.inbox.num_dropped, "inbox now": len(self.inbox)}
        worker = self._worker.counters() if self._worker is not None else {}
        return {**inbox, **self.events, "late": self.latency.num_late, **worker}

    def facts(self) -> dict[str, str]:
        """What the worker works with."""
        return self._worker.facts() if self._worker is not None else {}

    def _run(self) -> None:
        try:
            self._work()
        finally:
            self._drop_worker()

    def _drop_worker(self) -> None:
        worker, self._worker = self._worker, None
        if worker is None:
            return
        try:
            worker.close()
        except Exception as error:  # what it held may be lost; what comes next must not be
            self._fail(f"stage {self.stage.name} did not end well: {error}")

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                if self._restart.is_set():
                    self._begin_anew()
                if self._worker is None:
                    self._prepare()
                    continue
                entry = self.inbox.get(timeout=0.5)  # s; a restart is seen at least this often
            except Closed:
                return
            if entry is not None and self._worker is not None:
                self._step(*entry)

    def _begin_anew(self) -> None:
        self._restart.clear()
        waiting, self._after_restart = self._after_restart, []
        self._drop_worker()
        self.events["restarts"] += 1
        self.inbox.discard(lambda entry: entry[0] in self.stage.forgets)
        for output in self.stage.on_restart:
            self._sink(*output)
        for then in waiting:
            then()

    def _prepare(self) -> None:
        self._wake.clear()
        try:
            self._worker = self._make_worker()
            self._failure = OK
        except PerceptionError as error:
            self._report(error)
        except Exception as error:
            self._fail(f"stage {self.stage.name} cannot be made: {error}")
        if self._worker is None:
            self._wake.wait(timeout=0.5)  # s; what is awaited wakes us, except for the passing of time

    def _step(self, stream: str, item: Any) -> None:
        assert self._worker is not None
        try:
            for name, output in self._worker.step(stream, item):
                self._note(output)
                self._sink(name, output)
            self._failure = OK
        except PerceptionError as error:
            self._report(error)
        except Exception as error:
            self._fail(f"stage {self.stage.name} failed on {stream!r} input and starts again: {error!r}")
            self.restart()

    def _note(self, output: Any) -> None:
        """Time an output from the arrival of its image, or of the newest scan that it can contain."""
        if _is_of_a_camera(output):
            arrival_ns = self._images.pop(_image_of(output), None)
            if arrival_ns is None:
                return  # another output of the same image was first
            self.arrival_ns = arrival_ns
        elif isinstance(output, OdometryUpdate | MapOdom):
            stamp_ns = output.stamp_ns if isinstance(output, MapOdom) else output.odometry.stamp_ns
            self.arrival_ns = None
            while self._arrivals and self._arrivals[0][0] < stamp_ns:
                self.arrival_ns = self._arrivals.popleft()[1]
        else:
            return
        if self.arrival_ns is not None:
            self.latency.note(time.monotonic_ns() - self.arrival_ns)

    def _note_image(self, image: Any, now_ns: int) -> None:
        while len(self._images) >= MAX_PENDING:
            self._images.pop(next(iter(self._images)), None)
        self._images[_image_of(image)] = now_ns

    def _fail(self, reason: str) -> None:
        """An error of ours, not of the input: told with its traceback, once."""
        self.events["failures"] += 1
        if reason != self._failure.reason:
            log.exception("%s", reason)
        self._failure = Health(Level.FAILED, reason)

    def _report(self, error: PerceptionError) -> None:
        self.events[type(error).__name__] += 1
        if str(error) != self._failure.reason:
            log.error("stage %s: %s", self.stage.name, error)
        self._failure = Health(Level.FAILED, str(error))


def _is_of_a_camera(item: Any) -> bool:
    """True for images and what is made of one of them, which have its frame and stamp."""
    return not isinstance(item, Scan) and hasattr(item, "frame_id") and hasattr(item, "stamp_ns")


def _image_of(item: Any) -> tuple[str, bool, int]:
    return item.frame_id, getattr(item, "is_depth", False), item.stamp_ns


def _source(stream: str, item: Any) -> tuple[str, str, bool]:
    """Whose newest item counts: the sensor, by its frame and by what it measures."""
    return stream, getattr(item, "frame_id", ""), getattr(item, "is_depth", False)
