"""A node as a process: its signals, its executor, and an orderly end with exit code 0.

EventsExecutor is by far the cheapest one for many small messages, but its `spin()` never runs a callback in this
version, and neither does `spin_once()` without a timeout; so it is spun in short steps.
"""

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

from nodes import middleware
from perception.core.errors import PerceptionError

if TYPE_CHECKING:
    from nodes.base import PipelineNode

SPIN_STEP = 0.2  # s; a signal is seen at least this often
HEARTBEAT_VARIABLE = "PERCEPTION_HEARTBEAT_FD"  # write end of a pipe to the supervisor


STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignal:
    """Turns SIGINT and SIGTERM into a flag. Set in any case: a job started in the background finds SIGINT ignored.

    A supervisor starts us with both held back, so that one that comes during our imports is kept until here.
    """

    def __init__(self) -> None:
        self.requested = threading.Event()
        self.interrupts = False  # True: also raise KeyboardInterrupt, to leave a long call
        for number in STOP_SIGNALS:
            signal.signal(number, self._handle)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.requested.set()
        if self.interrupts:
            self.interrupts = False
            raise KeyboardInterrupt


def run(make_node: "Callable[[], PipelineNode]", arguments: list[str] | None = None) -> int:
    """Run one node until a signal comes; returns the exit code."""
    stop = StopSignal()
    middleware.prepare()
    die_with_parent()
    import rclpy.logging
    from rclpy.experimental import EventsExecutor
    from rclpy.signals import SignalHandlerOptions

    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    executor = EventsExecutor()
    node = None
    try:
        stop.interrupts = True  # compiling kernels may take a minute
        if stop.requested.is_set():
            return 0
        node = make_node()
        bridge_logging(node)
        executor.add_node(node)
        node.warm_up()  # before the heartbeat begins, which it would interrupt
        started = node.autostart()
        stop.interrupts = False
        if started:
            spin(executor, stop)
        return 0 if started else 1
    except KeyboardInterrupt:
        return 0
    except PerceptionError as error:  # a wrong parameter
        rclpy.logging.get_logger("perception").fatal(str(error))
        return error.exit_code
    finally:
        stop.interrupts = False
        executor.shutdown()
        if node is not None:
            with contextlib.suppress(Exception):  # whatever state it is in, the rest must be taken down too
                node.trigger_shutdown()
            node.destroy_node()
        rclpy.try_shutdown()


def spin(executor: object, stop: StopSignal) -> None:
    """Run callbacks until a signal comes or the context ends."""
    import rclpy
    from rclpy.executors import ExternalShutdownException

    heartbeat = Heartbeat()
    while rclpy.ok() and not stop.requested.is_set():
        try:
            executor.spin_once(timeout_sec=SPIN_STEP)
        except ExternalShutdownException:
            return
        heartbeat.beat()


class Heartbeat:
    """Tells a supervisor that the executor still turns, when there is one."""

    def __init__(self) -> None:
        text = os.environ.get(HEARTBEAT_VARIABLE, "")
        self._fd = int(text) if text.isdigit() else None
        if self._fd is not None:
            os.set_blocking(self._fd, False)

    def beat(self) -> None:
        """Write one byte; a full pipe or a gone supervisor does not matter."""
        if self._fd is not None:
            with contextlib.suppress(OSError):
                os.write(self._fd, b".")


def die_with_parent() -> None:
    """Under a supervisor: end when it is killed, instead of going on unseen."""
    if HEARTBEAT_VARIABLE in os.environ and sys.platform == "linux":
        import ctypes

        PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def bridge_logging(node: "PipelineNode") -> None:
    """What our parts log appears in the log of the node."""
    handler = logging.Handler()
    logger = node.get_logger()
    write = {logging.INFO: logger.info, logging.WARNING: logger.warning, logging.ERROR: logger.error}

    def emit(record: logging.LogRecord) -> None:
        write.get(record.levelno, logger.error)(f"{record.name}: {handler.format(record)}")

    handler.emit = emit
    for name in ("perception", "slam", "nodes"):
        logging.getLogger(name).addHandler(handler)
        logging.getLogger(name).setLevel(logging.INFO)
        logging.getLogger(name).propagate = False
