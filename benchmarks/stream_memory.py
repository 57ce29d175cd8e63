"""Runs the pipeline on a drive that is generated while it runs, and prints its memory as JSON.

`python -m benchmarks.stream_memory SECONDS`. The generator and its world are in the same process, so the numbers are
upper bounds of what the odometry holds.
"""

import json
import resource
import sys

WARM_UP = 60.0  # s of driving before the slope counts; a third of the drive where that is longer
SAMPLE_EVERY = 10  # scans


def main(duration: str) -> None:
    """Stream the drive, then print minutes, scans, memory after warm-up, its slope and the peak."""
    import numpy as np

    from perception.core.config import validated
    from perception.core.types import Scan
    from perception.pipeline.config import PerceptionConfig
    from perception.pipeline.full import FULL
    from perception.pipeline.runner import Runner, stream_of
    from perception.world.config import WorldConfig
    from perception.world.recording import SyntheticRecording

    recording = SyntheticRecording(validated(WorldConfig, {"duration": float(duration)}))
    runner = Runner(FULL.only(["odometry"]), PerceptionConfig(), recording.rig, lambda stream, item: None)
    minutes, held, scans, first_ns = [], [], 0, 0
    for event in recording.events():
        runner.feed(stream_of(event), event)
        if isinstance(event, Scan):
            first_ns = first_ns or event.stamp_ns
            scans += 1
            if scans % SAMPLE_EVERY == 0:
                minutes.append((event.stamp_ns - first_ns) / 60e9)
                held.append(resident_mib())
    warm = np.array(minutes) >= max(WARM_UP, float(duration) / 3.0) / 60.0
    slope = np.polyfit(np.array(minutes)[warm], np.array(held)[warm], 1)[0]
    found = {
        "minutes": minutes[-1],
        "scans": scans,
        "warm_mib": held[int(np.argmax(warm))],
        "slope_mib_per_min": float(slope),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0,
    }
    sys.stdout.write(json.dumps(found) + "\n")


def resident_mib() -> float:
    """Memory of this process that is in RAM now."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - read a few thousand times
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


if __name__ == "__main__":
    main(*sys.argv[1:])
