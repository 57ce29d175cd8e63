"""How often a scan is said not to determine the translation: nearly always in an endless corridor, never elsewhere."""

import sys
from collections.abc import Iterator

from benchmarks.drives import KITTI, SHARED
from benchmarks.jobs import child
from benchmarks.options import BenchOptions
from benchmarks.peers import OURS
from benchmarks.result import Result

CORRIDOR = "endless_corridor"
RECORDINGS = (KITTI, "ouster_indoor_keyframes", "livox_keyframes_hku2")
DURATION = 22.0  # s in the corridor


def measure(options: BenchOptions, result: Result, python: str) -> None:
    """Share of flagged scans in the generated corridor and in each recording."""
    sources = [("world", CORRIDOR), *(("recording", name) for name in RECORDINGS)]
    for kind, name in sources:
        if kind == "recording" and not (SHARED / name).is_dir():
            result.add(OURS, name, "scans flagged degenerate", None, "not measured: it is not beside this checkout")
            continue
        options.say(f"degeneracy: {name}")
        what = name if kind == "world" else str(SHARED / name)
        flagged, registered = map(int, child([sys.executable, "-m", "benchmarks.degeneracy", kind, what]).split())
        result.add(OURS, name, "scans registered", registered, "")
        share = 100.0 * flagged / registered if registered else None
        result.add(OURS, name, "scans flagged degenerate", share, "%")


def count(kind: str, name: str) -> tuple[int, int]:
    """Flagged and registered scans of one replay; the scan that only founds the map has no correspondences."""
    from perception.core.config import validated
    from perception.io.recording import open_recording
    from perception.pipeline.config import PerceptionConfig
    from perception.pipeline.replay import replay
    from perception.world.config import WorldConfig
    from perception.world.recording import SyntheticRecording

    if kind == "world":
        recording = SyntheticRecording(validated(WorldConfig, {"route": name, "duration": DURATION}))
    else:
        recording = open_recording(name)
    registered = list(_registered(replay(recording, PerceptionConfig()).reports))
    return sum(report.is_degenerate for report in registered), len(registered)


def _registered(reports: list) -> Iterator:
    return (report for report in reports if report.num_iterations > 0)


if __name__ == "__main__":
    sys.stdout.write("{} {}\n".format(*count(*sys.argv[1:])))
