"""`perception view`: from a recording to the files and the server that people look at."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.trajectory import Trajectory
from perception.io.config import InputConfig
from perception.io.detection_results import read_found
from perception.io.recording import open_recording
from perception.view.moments import Moment, moments
from perception.view.overlays import Overlays
from perception.view.stream import Message, Source

PAGE_MOMENTS = 100  # on a page: few enough for one file


@dataclass(frozen=True, slots=True)
class Sinks:
    """What is made of a recording; None: not wanted."""

    mcap: Path | None = None
    html: Path | None = None
    rerun: Path | None = None
    port: int | None = None  # of the live server


class Viewer:
    """One recording and what is known about it."""

    def __init__(self, path: Path, config: InputConfig, detections: Path | None = None) -> None:
        """`detections`: COCO results of this recording, for Foxglove. Raises `InvalidInput` for what is none."""
        self.path, self.source = path, Source(path, config)
        self.found = read_found(detections) if detections is not None else {}
        self.reference: Trajectory | None = None
        self.T_base_lidar: np.ndarray | None = None
        self.duration = 0.0
        self.note = ""
        try:
            recording = open_recording(path, config)
        except InvalidInput as error:  # a bag without a LiDAR shows its images all the same
            self.note = f"without clouds and poses: {error}"
        else:
            self.reference, self.T_base_lidar = recording.reference, recording.rig.T_base_lidar
            self.duration = recording.duration

    def show(self, sinks: Sinks, say: Callable[[str], None], update: Callable[[int, int], None]) -> None:
        """Fill every sink; the live server last, it ends with Ctrl-C."""
        if self.note:
            say(self.note)
        if sinks.mcap is not None:
            from perception.view.foxglove import write_mcap

            say(f"wrote {sinks.mcap}: {write_mcap(sinks.mcap, self._drawn(update))} messages")
        if sinks.html is not None:
            from perception.view.page import write_page

            count = write_page(sinks.html, self.path.name, self._moments(self.duration / PAGE_MOMENTS), self.reference)
            say(f"wrote {sinks.html}: {count} moments")
        if sinks.rerun is not None:
            from perception.view.rerun import write_rerun

            say(f"wrote {sinks.rerun}: {write_rerun(sinks.rerun, self.path.name, self._moments(0.0))} moments")
        if self.source.losses.counts:
            say(f"not shown: {self.source.losses}")
        if sinks.port is not None:
            from perception.view.foxglove import serve

            serve(lambda: self._drawn(lambda done, total: None), say, sinks.port)

    def _drawn(self, update: Callable[[int, int], None]) -> Iterator[Message]:
        from perception.view.foxglove import drawn

        folder = self.path if self.path.is_dir() else self.path.parent
        return drawn(self.source, Overlays(folder, self.reference, self.found), update)

    def _moments(self, period: float) -> Iterator[Moment]:
        return moments(self.source, self.reference, period, self.T_base_lidar)
