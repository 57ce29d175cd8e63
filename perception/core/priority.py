"""Who goes first where processes share a processor."""

import os


def give_way(niceness: int) -> None:
    """Let other processes go first from now on, as `nice` has it; never the other way round. On Windows nothing.

    For a process of its own: a thread that gives way may hold Python's lock while it waits, and all others with it.
    """
    if hasattr(os, "setpriority"):
        os.setpriority(os.PRIO_PROCESS, 0, max(niceness, os.getpriority(os.PRIO_PROCESS, 0)))
