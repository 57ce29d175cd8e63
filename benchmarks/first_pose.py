"""Starts the pipeline and ends with its first pose: `python -m benchmarks.first_pose CLOUDS`."""

import sys
from pathlib import Path


class Found(Exception):
    """The first pose is there."""


def main(folder: str) -> None:
    """Feed the drive until a pose comes out; raises where none does."""
    from benchmarks import clouds
    from perception.pipeline.config import PerceptionConfig
    from perception.pipeline.full import FULL
    from perception.pipeline.runner import Runner, stream_of

    def sink(stream: str, item: object) -> None:
        if stream == "odometry":
            raise Found

    drive = clouds.read(Path(folder))
    runner = Runner(FULL.only(["odometry"]), PerceptionConfig(), drive.rig, sink)
    try:
        for event in drive.events():
            runner.feed(stream_of(event), event)
    except Found:
        return
    raise SystemExit("no pose came out")


if __name__ == "__main__":
    main(*sys.argv[1:])
