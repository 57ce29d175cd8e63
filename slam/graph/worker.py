"""The process of the pose graph: `python -m slam.graph.worker FD`. It ends when its front end does."""

import logging
import os
import signal
import sys
from multiprocessing.connection import Connection

import numpy as np

from perception.core.errors import PerceptionError
from slam.graph.factors import poses_of
from slam.graph.journal import Entry
from slam.graph.messages import Command, GraphResult, Restore
from slam.graph.pose_graph import PoseGraph, Undone

MAX_AT_ONCE = 64  # commands that one optimisation may answer
NICENESS = 5  # it gives way to the front end; threads must not: one that waits may hold Python's lock
log = logging.getLogger(__name__)


class Worker:
    """Answers commands: all that wait are taken together and optimised once."""

    def __init__(self, restore: Restore) -> None:
        self.graph = PoseGraph(restore.config)
        self.max_at_once = 1 if restore.is_single else MAX_AT_ONCE
        self.latest = -1

    def restored(self, restore: Restore) -> GraphResult:
        """The graph as it was."""
        refused = [
            undone for entry in restore.entries for undone in self._add(entry, entry.factor_id <= restore.judged_until)
        ]
        update = self.graph.update()
        return self._result(-1, (*refused, *update.undone), True)

    def done(self, commands: list[Command]) -> GraphResult:
        """Everything that the commands ask for."""
        refused = [undone for command in commands if command.entry for undone in self._add(command.entry, False)]
        update = self.graph.update()
        is_settling = any(command.entry is None for command in commands)
        if is_settling:
            self.graph.settle()
        undone = (*refused, *update.undone)
        return self._result(commands[-1].sequence, undone, update.is_corrected or is_settling)

    def _add(self, entry: Entry, is_trusted: bool) -> list[Undone]:
        if entry.factor_id in self.graph.factors:
            return []  # it came with the journal
        try:
            self.graph.add(entry.factor, entry.factor_id, entry.initial, is_trusted)
        except PerceptionError as error:
            log.warning("factor %d is refused: %s", entry.factor_id, error)
            return [Undone(entry.factor_id, str(error))]
        self.latest = max(self.latest, *poses_of(entry.factor))
        return []

    def _result(self, sequence: int, undone: tuple[Undone, ...], has_moved: bool) -> GraphResult:
        ids, poses = self.graph.poses() if has_moved and len(self.graph) else (None, None)
        known = self.latest if self.latest in self.graph else -1
        T_map_base = self.graph.pose(known) if known >= 0 else np.eye(4)
        return GraphResult(sequence, known, T_map_base, undone, ids, poses)


def serve(connection: Connection) -> None:
    """Work until the other side is gone."""
    restore = connection.recv()
    worker = Worker(restore)
    connection.send(worker.restored(restore))
    while True:
        commands = [connection.recv()]
        while len(commands) < worker.max_at_once and connection.poll(0):
            commands.append(connection.recv())
        connection.send(worker.done(commands))


def main() -> None:
    """Entry point; the argument is the file descriptor of the connection."""
    os.nice(NICENESS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the front end, which then ends us
    try:
        serve(Connection(int(sys.argv[1])))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


if __name__ == "__main__":
    main()
