"""Stores one drive for the methods to share.

`python -m benchmarks.make_drive world FOLDER ROUTE SEED DURATION` or `... recording FOLDER PATH`.
"""

import sys
from pathlib import Path

from benchmarks import clouds


def from_world(folder: str, route: str, seed: str, duration: str) -> None:
    """A drive through a generated world."""
    from perception.core.config import validated
    from perception.world.config import WorldConfig
    from perception.world.recording import SyntheticRecording

    config = validated(WorldConfig, {"route": route, "seed": int(seed), "duration": float(duration)})
    recording = SyntheticRecording(config)
    clouds.write(Path(folder), recording.events(), recording.rig, recording.reference)


def from_recording(folder: str, path: str) -> None:
    """A drive that was recorded."""
    from perception.io.recording import open_recording

    recording = open_recording(path)
    clouds.write(Path(folder), recording.events(), recording.rig, recording.reference)


if __name__ == "__main__":
    {"world": from_world, "recording": from_recording}[sys.argv[1]](*sys.argv[2:])
