"""What gives way does so alone, and only down."""

import os
import sys
import threading

import pytest

from perception.core.priority import give_way

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities of their own on Linux only")


def own() -> int:
    return os.getpriority(os.PRIO_PROCESS, 0)


def test_a_thread_gives_way_alone_and_never_rises():
    before, found = own(), []

    def work():
        for niceness in (0, before + 5, before + 2):
            give_way(niceness)
            found.append(own())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [before, min(before + 5, 19), min(before + 5, 19)]
    assert own() == before
