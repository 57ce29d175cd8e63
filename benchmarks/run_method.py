"""Runs one method over one drive in a process of its own: `python -m benchmarks.run_method METHOD CLOUDS OUT CORE`.

Writes poses and CPU time of every scan to OUT (.npz). Time is that of the whole process with all its threads, from
N x 3 float32 points and offsets to the pose; loading the cloud is not counted.
"""

import os
import sys
import time
from pathlib import Path

WARM_UP_SCANS = 3  # through a second instance first: code and pages are there when the measurement begins


def main(method: str, folder: str, out: str, core: str) -> None:
    """Pin this process to one core, then run."""
    os.sched_setaffinity(0, {int(core)})
    import numpy as np

    from benchmarks import clouds, peers

    drive = clouds.read(Path(folder))
    warm = peers.make(method, drive.rig)
    for i in range(min(WARM_UP_SCANS, len(drive))):
        warm.add_scan(warm.prepare(drive.scan(i)))
    del warm
    starts, ends, poses, cpu_ns = run(peers.make(method, drive.rig), drive, with_imu="without IMU" not in method)
    np.savez(out, starts_ns=starts, ends_ns=ends, poses=poses, cpu_ns=cpu_ns)


def run(method, drive, with_imu):
    """Poses of `method` over `drive` with the CPU time (ns) that passed since the pose before."""
    import numpy as np

    from perception.core.types import Scan

    found, cpu_ns, since = [], [], 0
    for event in drive.events(with_imu):
        is_scan = isinstance(event, Scan)
        prepared = method.prepare(event) if is_scan else event
        start = time.process_time_ns()
        new = method.add_scan(prepared) if is_scan else method.add_imu(prepared)
        since += time.process_time_ns() - start
        for pose in new:
            found.append(pose)
            cpu_ns.append(since)
            since = 0
    start = time.process_time_ns()
    for pose in method.finish():
        found.append(pose)
        cpu_ns.append(since + time.process_time_ns() - start)
    starts, ends, poses = zip(*found) if found else ((), (), ())
    stack = np.array(poses, dtype=np.float64).reshape(-1, 4, 4)
    return np.array(starts, dtype=np.int64), np.array(ends, dtype=np.int64), stack, np.array(cpu_ns, dtype=np.int64)


if __name__ == "__main__":
    main(*sys.argv[1:])
