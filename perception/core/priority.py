"""Who goes first where threads and processes share a processor."""

import os
import sys


def give_way(niceness: int) -> None:
    """Let others go first from now on, as `nice` has it: this thread, and what it starts. On Linux; else nothing."""
    if niceness > 0 and sys.platform == "linux":  # elsewhere a thread has no priority of its own
        os.setpriority(os.PRIO_PROCESS, 0, max(niceness, os.getpriority(os.PRIO_PROCESS, 0)))
