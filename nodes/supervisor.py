"""`perception run`: starts the described processes, watches them, and ends them all on SIGINT or SIGTERM.

It is no node: it only holds the processes and a pipe from each, on which the node's executor beats.
"""

import contextlib
import importlib.util
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

from nodes.description import NodeProcess, Plan, RunOptions, describe
from nodes.process import HEARTBEAT_VARIABLE, STOP_SIGNALS, StopSignal
from perception.core.errors import MissingDependency

POLL = 0.1  # s
HANG_TIMEOUT = 3.0  # s without a heartbeat, after the first one
RESPAWN_DELAY = 0.5  # s
STOP_TIMEOUT = 4.0  # s until SIGKILL
MAX_RESPAWNS = 10  # of one process; one that always dies at once must not do so for ever


def supervise(options: RunOptions, report: Callable[[str], None], domain: int | None = None) -> int:
    """Run what `options` ask for until a signal comes; returns the exit code.

    Raises `ConfigError` for a wrong configuration, and `MissingDependency` without rclpy, before anything starts.
    """
    stop = StopSignal()
    if importlib.util.find_spec("rclpy") is None:
        raise MissingDependency("rclpy is not installed; `make setup` installs it, or source a ROS 2 workspace")
    return Supervisor(describe(options), options.respawn, report, domain).run(stop)


@dataclass
class Child:
    """One running process."""

    process: NodeProcess
    popen: "subprocess.Popen[bytes]"
    pipe: int
    last_beat: float | None = None  # monotonic s; None before the node is up
    num_respawns: int = 0

    def trouble(self, now: float) -> str:
        """Why the process is of no use any more; empty while it is."""
        code = self.popen.poll()
        if code is not None:
            return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        with contextlib.suppress(BlockingIOError):
            while os.read(self.pipe, 4096):
                self.last_beat = now
        if self.last_beat is not None and now - self.last_beat > HANG_TIMEOUT:
            return f"hangs: no sign of life for {now - self.last_beat:.1f} s"
        return ""


class Supervisor:
    """Holds the processes of a plan. `report` is given one sentence for every event."""

    def __init__(self, plan: Plan, respawn: bool, report: Callable[[str], None], domain: int | None = None) -> None:
        self.plan, self.respawn, self.report = plan, respawn, report
        self.environment = {**os.environ, **plan.environment}
        if domain is not None:
            self.environment["ROS_DOMAIN_ID"] = str(domain)
        self.children: list[Child] = []

    def run(self, stop: StopSignal) -> int:
        """Start everything and wait; returns 0 after a signal, 1 when a process failed."""
        code = 0
        try:
            self.children = [self._start(process) for process in self.plan.processes]
            while not stop.requested.wait(POLL):
                if not all(self._watch(child, stop) for child in list(self.children)):
                    code = 1
                    break
        finally:
            self._stop_all()
        return code

    def _start(self, process: NodeProcess) -> Child:
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)  # handed down; see StopSignal
        try:
            popen = subprocess.Popen(
                process.command(),
                env={**self.environment, HEARTBEAT_VARIABLE: str(writer)},
                pass_fds=(writer,),
                start_new_session=True,  # Ctrl-C in a terminal reaches us alone, and we pass it on
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(writer)
        self.report(f"started {process.name} (process {popen.pid})")
        return Child(process, popen, reader)

    def _watch(self, child: Child, stop: StopSignal) -> bool:
        """Look after one process; False when the whole must end."""
        trouble = child.trouble(time.monotonic())
        if not trouble or stop.requested.is_set():
            return True
        self.report(f"node {child.process.name} {trouble}")
        child.popen.kill()  # a hanging process would not hear anything else
        self._end([child])
        if not self.respawn or child.num_respawns >= MAX_RESPAWNS:
            return False
        if stop.requested.wait(RESPAWN_DELAY):
            return True
        fresh = self._start(child.process)
        fresh.num_respawns = child.num_respawns + 1
        self.children[self.children.index(child)] = fresh
        return True

    def _stop_all(self) -> None:
        self._end(self.children)

    def _end(self, children: list[Child]) -> None:
        """SIGINT, time to end, SIGKILL."""
        for child in children:
            if child.popen.poll() is None:
                child.popen.send_signal(signal.SIGINT)
        deadline = time.monotonic() + STOP_TIMEOUT
        for child in children:
            try:
                child.popen.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.report(f"node {child.process.name} does not end and is killed")
                child.popen.kill()
                child.popen.wait()
            with contextlib.suppress(OSError):
                os.close(child.pipe)
