"""Settings of the middleware that must be made before a process becomes part of a ROS graph.

Fast DDS reads its profile when the context starts; without it most clouds over 2 MB are lost between processes.
`perception run` and the launch file put `environment()` into the environment of every node they start.
"""

import ctypes
import os
import sys
from collections.abc import Mapping
from pathlib import Path

PROFILE_VARIABLE = "FASTRTPS_DEFAULT_PROFILES_FILE"
MMAP_THRESHOLD, TRIM_THRESHOLD = 1 << 25, 1 << 29  # bytes; one cloud or image must not be mapped anew for each message
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # <malloc.h>


def profile_file(network: bool = False) -> Path:
    """The Fast DDS profile: for one machine, or with `network` also for the others in reach."""
    return Path(__file__).parent / "profiles" / ("network.xml" if network else "local.xml")


def environment(
    network: bool = False, domain: int | None = None, base: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Variables to set for a node, as text. What the user has set in `base` stays as it is, except for `domain`."""
    wanted = {
        PROFILE_VARIABLE: str(profile_file(network)),
        "MALLOC_MMAP_THRESHOLD_": str(MMAP_THRESHOLD),
        "MALLOC_TRIM_THRESHOLD_": str(TRIM_THRESHOLD),
        # One thread each: the libraries' own pools would fight with the workers for the cores.
        **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    }
    chosen = {name: value for name, value in wanted.items() if name not in base}
    if domain is not None:
        chosen["ROS_DOMAIN_ID"] = str(domain)
    return chosen


def prepare(network: bool = False, domain: int | None = None) -> None:
    """Apply `environment()` and the malloc settings to this process. Call it before `rclpy.init`."""
    os.environ.update(environment(network, domain))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD)
        libc.mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD)
