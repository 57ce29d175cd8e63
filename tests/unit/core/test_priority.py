"""A process that gives way does so downwards only."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "setpriority"), reason="this system has no priorities of this kind")

WORK = """
import os
from perception.core.priority import give_way
for niceness in (0, 5, 2):
    give_way(niceness)
    print(os.getpriority(os.PRIO_PROCESS, 0))
"""


def test_a_process_gives_way_and_never_rises():
    before = os.getpriority(os.PRIO_PROCESS, 0)
    found = subprocess.run([sys.executable, "-c", WORK], capture_output=True, text=True, check=True).stdout.split()
    assert [int(line) for line in found] == [max(before, 0), max(before, 5), max(before, 5)]
