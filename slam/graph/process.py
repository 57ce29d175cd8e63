"""The pose graph in a process of its own, beside a front end that it never stops.

GTSAM holds Python's global lock for up to 1.3 s, so it must not share a process with what has a deadline. `add` and
`poll` only touch queues: a thread sends, another receives, a third starts a process that dies or hangs again, with
its factors from the journal. The front end's pose never jumps: the correction is handed out as `T_map_odom`.
"""

import importlib.util
import logging
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from perception.core.errors import MapError, MissingDependency, PerceptionError
from perception.core.geometry import inverse
from perception.core.health import OK, Health, Level
from slam.graph.config import GraphConfig
from slam.graph.factors import Between, Factor, Prior, information_of, is_guess
from slam.graph.journal import Entry, FactorJournal, MemoryJournal
from slam.graph.messages import Command, GraphResult, Restore

TICK = 0.1  # s, how often the keeper looks after the process
MAX_DEATHS = 8  # in a row, without an answer between them
MAX_REMEMBERED = 4096  # keyframes whose odometry is kept for the correction
STOP_TIMEOUT = 5.0  # s
START_TIMEOUT = 60.0  # s, until a new process has its factors
SETTLE_TIMEOUT = 300.0  # s, for the optimum of a large graph
RETRY_PAUSE = 1.0  # s, and so much more after each failure to start a process
ROOT = Path(__file__).resolve().parents[2]  # holds the package slam
_Outbox = queue.SimpleQueue[Command | None]  # None: the end
log = logging.getLogger(__name__)


class GraphProcess:
    """Hand over factors with `add`; look with `poll` what came of them; read `T_map_odom`. None of them waits."""

    def __init__(
        self,
        config: GraphConfig | None = None,
        journal: FactorJournal | None = None,
        timeout: float = 30.0,
        is_single: bool = False,
    ) -> None:
        """Starts the process. It works on what `journal` holds already. `timeout`: a longer silence (s) is a hang.

        `is_single`: one optimisation for each command, whatever waits, so that the same commands give the same bits.
        Raises `MissingDependency` without GTSAM, which this process itself does not load.
        """
        if importlib.util.find_spec("gtsam") is None:
            raise MissingDependency("gtsam is not installed; run `pip install perception`")
        self.config = config or GraphConfig()
        self.journal = journal if journal is not None else MemoryJournal()
        self.timeout, self.is_single = timeout, is_single
        self.num_deaths = 0
        self.T_map_odom = np.eye(4)
        self._outbox: _Outbox = queue.SimpleQueue()
        self._results: deque[GraphResult] = deque()
        self._in_flight: deque[Command] = deque()
        self._lock = threading.RLock()  # a factor is in the journal and on its way, or neither
        self._odometry: dict[int, np.ndarray] = {}  # keyframe -> T_odom_base
        self._poses: tuple[np.ndarray, np.ndarray] | None = None  # as last told
        self._sequence = 0
        self._next_id = self.journal.next_factor_id()
        self._untold: dict[int, str] = {}  # undone factors that the journal does not have yet, with reasons
        self._judged_until = self.journal.judged_until
        self._heard = time.monotonic()
        self._deaths_in_a_row = 0
        self._suspect: int | None = None  # sequence of the first unanswered command at the last death
        self._child: subprocess.Popen | None = None
        self._is_gone = threading.Event()  # the process of now
        self._is_ready = threading.Event()  # it has its factors
        self._is_closing = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="pose graph", daemon=True)
        self._keeper.start()

    # -- the front end -------------------------------------------------------------------------------------------

    def add_first(self, pose_id: int, T_map_base: np.ndarray, T_odom_base: np.ndarray | None = None) -> int:
        """The first keyframe of a map; returns the number of its factor."""
        deviations = (self.config.prior_position, self.config.prior_rotation)
        return self.add(Prior(pose_id, T_map_base, information_of(*deviations)), T_odom_base=T_odom_base)

    def add(self, factor: Factor, T_odom_base: np.ndarray | None = None, initial: np.ndarray | None = None) -> int:
        """Hand over a factor; returns its number. `T_odom_base`: odometry of the keyframe that comes with it."""
        with self._lock:
            entry = Entry(self._next_id, factor, initial)
            self._next_id += 1
            self.journal.add_factor(entry)
            if T_odom_base is not None:
                self._remember(factor, T_odom_base)
            self._send(entry=entry)
        return entry.factor_id

    def begin_session(self, T_map_odom: np.ndarray) -> None:
        """The odometry has started anew, and this is where it lies in the map; of the old one nothing counts."""
        self._odometry.clear()
        self.T_map_odom = T_map_odom

    def settle(self) -> None:
        """Ask for the optimum itself and all poses; for the end of a run."""
        self._send()

    def poll(self) -> list[GraphResult]:
        """What was answered since the last call, oldest first."""
        answers = []
        while self._results:
            answers.append(self._results.popleft())
        for answer in answers:
            self._apply(answer)
        return answers

    def wait(self, timeout: float = 60.0) -> list[GraphResult]:
        """Everything that was asked for, answered: for replays, whose results must not depend on the machine.

        Raises `PerceptionError` after `timeout` seconds.
        """
        deadline, answers = time.monotonic() + timeout, []
        while True:
            answers += self.poll()
            with self._lock:
                is_done = not self._in_flight and self._is_ready.is_set()
            if is_done and not self._results:
                return answers
            if time.monotonic() > deadline or self.health.level == Level.FAILED:
                raise PerceptionError(f"pose graph: no answer after {timeout} s ({self.health.reason or 'it works'})")
            time.sleep(0.002)

    @property
    def pid(self) -> int | None:
        """Of the process of now; None between two."""
        child = self._child
        return child.pid if child is not None else None

    @property
    def num_waiting(self) -> int:
        """Commands without an answer."""
        return len(self._in_flight)

    @property
    def health(self) -> Health:
        """OK; DEGRADED while the process is started again or the disk is full; FAILED when a start does not help."""
        if self._deaths_in_a_row >= MAX_DEATHS:
            return Health(Level.FAILED, f"the pose graph ended {self._deaths_in_a_row} times in a row")
        if self.num_deaths and not self._is_ready.is_set():
            return Health(Level.DEGRADED, "the pose graph is started again; the correction stays as it was")
        if self._untold:
            reason = f"{len(self._untold)} factors that were undone are not in the journal yet; make room on the disk"
            return Health(Level.DEGRADED, reason)
        return OK

    def close(self) -> None:
        """End the process; the journal stays."""
        self._is_closing.set()
        self._keeper.join(STOP_TIMEOUT)
        self._tell_journal()  # there may be room again

    def __enter__(self) -> "GraphProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, entry: Entry | None = None) -> None:
        if self.health.level == Level.FAILED:
            return  # the journal has it; whoever opens it next goes on from there
        with self._lock:
            command = Command(self._sequence, entry)
            self._sequence += 1
            self._in_flight.append(command)
            self._outbox.put(command)

    def _remember(self, factor: Factor, T_odom_base: np.ndarray) -> None:
        pose_id = factor.to_id if isinstance(factor, Between) else factor.pose_id
        self._odometry[pose_id] = T_odom_base
        if len(self._odometry) > MAX_REMEMBERED:
            self._odometry.pop(next(iter(self._odometry)))

    def _apply(self, answer: GraphResult) -> None:
        T_odom_base = self._odometry.get(answer.latest_id)
        if T_odom_base is not None:
            self.T_map_odom = answer.T_map_base @ inverse(T_odom_base)

    def _tell_journal(self) -> None:
        """What was undone, then what was judged. What a full disk does not take is told the next time."""
        with self._lock:
            try:
                for factor_id, reason in list(self._untold.items()):
                    self.journal.add_undone(factor_id, reason)
                    del self._untold[factor_id]
                if self._judged_until > self.journal.judged_until:
                    self.journal.add_judged(self._judged_until)
            except MapError as error:
                log.warning("pose graph: %s", error)

    # -- the keeper's thread, which neither sends nor receives: nothing that hangs stops it --------------------------

    def _keep(self) -> None:
        while not self._is_closing.is_set() and self._deaths_in_a_row < MAX_DEATHS:
            try:
                self._start()
            except (OSError, RuntimeError) as error:
                log.warning("pose graph: no process can be started: %s", error)
                self._is_closing.wait(RETRY_PAUSE * (1 + self._deaths_in_a_row))
            else:
                self._watch()
            self._end()

    def _start(self) -> None:
        """A new process with all that was answered before; what was not is sent again.

        Raises `OSError` and, where there is no thread for it, `RuntimeError`.
        """
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        ours, theirs = socket.socketpair()
        with ours, theirs:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "slam.graph.worker", str(theirs.fileno())],
                env=environment,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # Ctrl-C in a terminal reaches the front end alone
            )
            connection = Connection(ours.detach())
        self._is_gone.clear()
        self._heard = time.monotonic()
        with self._lock:
            self._outbox = queue.SimpleQueue()
            self._drop_suspect()
            for command in self._in_flight:
                self._outbox.put(command)
            unanswered = {command.entry.factor_id for command in self._in_flight if command.entry is not None}
            kept, left_out = list(self.journal.entries()), unanswered | self._untold.keys()
        entries = [self._placed(entry) for entry in kept if entry.factor_id not in left_out]
        is_single = self.is_single or self._deaths_in_a_row > 0
        restore = Restore(self.config, entries, self._judged_until, is_single)
        for work in (partial(_send_all, connection, restore, self._outbox), partial(self._receive, connection)):
            threading.Thread(target=work, daemon=True).start()

    def _watch(self) -> None:
        """Until the process is gone, silent for too long, or not needed any more."""
        while not self._is_closing.is_set() and not self._is_gone.wait(TICK):
            with self._lock:
                is_waited_for = bool(self._in_flight) or not self._is_ready.is_set()
                limit = self._patience()
            if is_waited_for and time.monotonic() - self._heard > limit:
                log.warning("pose graph: no answer for %g s; it is ended", limit)
                return
            if not is_waited_for:
                self._heard = time.monotonic()

    def _patience(self) -> float:
        """How long (s) the process may be silent with what it does now."""
        if not self._is_ready.is_set():
            return max(self.timeout, START_TIMEOUT)
        is_settling = any(command.entry is None for command in self._in_flight)
        return max(self.timeout, SETTLE_TIMEOUT) if is_settling else self.timeout

    def _end(self) -> None:
        self._is_ready.clear()
        self._outbox.put(None)
        child, self._child = self._child, None
        if not self._is_closing.is_set():
            self.num_deaths += 1
            self._deaths_in_a_row += 1
            log.warning("pose graph: the process is gone; it is started again")
        if child is not None:
            child.kill()
            child.wait()
            self._is_gone.wait(STOP_TIMEOUT)  # all that it said is received

    def _drop_suspect(self) -> None:
        """A command that was the first without an answer at two deaths in a row is what ends the process."""
        first = self._in_flight[0].sequence if self._in_flight else None
        if first is not None and first == self._suspect and self._deaths_in_a_row > 1:
            command = self._in_flight.popleft()
            log.error("pose graph: command %d ends the process and is dropped", command.sequence)
            if command.entry is not None:
                self._untold[command.entry.factor_id] = "it ends the process of the solver"
                self._tell_journal()
            first = None
        self._suspect = first

    def _placed(self, entry: Entry) -> Entry:
        """An entry whose new pose begins where it was last."""
        new = entry.factor.to_id if isinstance(entry.factor, Between) else entry.factor.pose_id
        if self._poses is None or (isinstance(entry.factor, Between) and entry.factor.kind != "odometry"):
            return entry
        ids, poses = self._poses
        row = int(np.searchsorted(ids, new))
        if row == len(ids) or ids[row] != new:
            return entry
        return Entry(entry.factor_id, entry.factor, poses[row])

    # -- the receiver's thread -----------------------------------------------------------------------------------

    def _receive(self, connection: Connection) -> None:
        try:
            while True:
                self._take(connection.recv())
        except (EOFError, OSError):
            pass
        finally:
            self._is_gone.set()

    def _take(self, answer: GraphResult) -> None:
        with self._lock:
            self._untold.update((item.factor_id, item.reason) for item in answer.undone)
            while self._in_flight and self._in_flight[0].sequence <= answer.sequence:
                entry = self._in_flight.popleft().entry
                if entry is not None and is_guess(entry.factor):
                    self._judged_until = max(self._judged_until, entry.factor_id)
            self._tell_journal()
            if answer.ids is not None and answer.poses is not None:
                self._poses = answer.ids, answer.poses
            self._heard = time.monotonic()
            if answer.sequence >= 0 or not self._in_flight:
                self._deaths_in_a_row = 0
            self._results.append(answer)
        self._is_ready.set()


def _send_all(connection: Connection, restore: Restore, outbox: _Outbox) -> None:
    """The sender's thread: everything until None, as long as somebody takes it."""
    try:
        connection.send(restore)
        while (command := outbox.get()) is not None:
            connection.send(command)
    except OSError as error:  # the process ended while something was sent to it
        log.warning("pose graph: %s", error)
