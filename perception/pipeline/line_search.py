"""`perception lines`: line segments in images, folders, videos and recordings, by the stages that run on the robot."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from perception.core.config import changed
from perception.core.errors import PerceptionError
from perception.core.files import inside
from perception.core.geometry import apply
from perception.core.types import ImageFrame
from perception.io.image_sources import ImageSource, name_of
from perception.io.line_results import LinesWriter
from perception.io.ply import write_ply_lines
from perception.io.recording import Recording, open_recording
from perception.pipeline.config import PerceptionConfig
from perception.pipeline.full import FULL
from perception.pipeline.runner import stream_of
from perception.pipeline.search import Search, Searched, Update, open_sources, total_of

if TYPE_CHECKING:
    from rich.console import Group

    from perception.lines.annotate import LinesImage
    from perception.lines.segments3d import Segments3d

STREAM = "lines_image"
STREAMS_3D = ("scan", "imu", "image_raw")
FOLDER_3D, MAP_3D = "lines_3d", "lines_3d.ply"


@dataclass(slots=True)
class FoundInImages(Searched):
    """What came out of a run over some images."""

    num_segments: int = 0
    rolls: list[float] = field(default_factory=list)  # rad, of the images that tell one
    num_vanishing: int = 0
    num_3d: int = 0
    refused_3d: Counter[str] = field(default_factory=Counter)  # segments without a depth, by reason


def command_config(
    config: PerceptionConfig,
    detector: str | None = None,
    model: str | None = None,
    backend: str | None = None,
    score: float | None = None,
    is_flat: bool = False,
) -> PerceptionConfig:
    """`config` with the options of the command. Raises `ConfigError`."""
    given = {"detector": detector, "model": model, "backend": backend, "score_threshold": score}
    values: dict[str, Any] = {f"lines.{name}": value for name, value in given.items() if value is not None}
    if is_flat:
        values["lines_3d.is_enabled"] = False
    return changed(config, values)


def find_lines(
    paths: Iterable[Path], config: PerceptionConfig, out: Path | None = None, update: Update = lambda done, total: None
) -> FoundInImages:
    """Segments in the images at `paths`; with `out`, a folder, write annotated images and videos, and lines.json.

    Of recordings with a LiDAR and the places of their sensors, also segments in space, as PLY. What cannot be read is
    counted and the rest goes on. Raises `InvalidInput` where nothing can be read, and `ModelError`, `ConfigError` or
    `MissingDependency` where there is no detector.
    """
    found = FoundInImages()
    sources = open_sources(paths, config, found.losses)
    total = total_of(sources)
    with ExitStack() as stack:
        writer = stack.enter_context(LinesWriter(out)) if out is not None else None
        space: list[_Space] = []  # of the source that is being searched, where it has a LiDAR

        def take(name: str, image: "LinesImage") -> None:
            _count(found, image)
            if writer is not None:
                writer.add(name, image.lines)
            for part in space:
                part.take(name, image)

        search = Search(config, "lines", STREAM, found, take, out, lambda done: update(done, total))
        for source, prefix in sources:
            part = _space_of(source, config, found, out / prefix if out is not None else None)
            space[:] = [part] if part is not None else []
            search.run(source, prefix, part.frames() if part is not None else None)
            if part is not None:
                part.finish()
        search.finish()
    return found


def table_of(found: FoundInImages) -> "Group":
    """How much was found, what it tells, and how fast it went."""
    from rich.console import Group

    rows = [f"{found.num_segments} segments in {found.num_images} images; {found.speed}"]
    if found.rolls:
        roll = np.degrees(np.median(np.abs(found.rolls)))
        rows.append(f"upright in {len(found.rolls)} of {found.num_images} images; median of |roll| {roll:.2f} deg")
    if found.num_3d or found.refused_3d:
        reasons = ", ".join(f"{count} {reason}" for reason, count in found.refused_3d.most_common())
        rows.append(f"{found.num_3d} segments in space" + (f"; others: {reasons}" if reasons else ""))
    return Group(*rows)


def _count(found: FoundInImages, image: "LinesImage") -> None:
    found.num_segments += len(image.lines)
    vanishing = image.vanishing()
    if vanishing is not None:
        found.num_vanishing += len(vanishing)
        if vanishing.attitude is not None:
            found.rolls.append(vanishing.attitude.roll)


def _space_of(source: ImageSource, config: PerceptionConfig, found: FoundInImages, out: Path | None) -> "_Space | None":
    """What gives the segments of a recording their depth; None, with a note why, where nothing does."""
    if source.kind != "recording" or not config.lines_3d.is_enabled:
        return None
    try:
        recording = open_recording(source.path, config.input)
        return _Space(source, recording, config, found, out)
    except PerceptionError as error:  # its images are searched all the same
        found.notes.append(f"{source.path.name}: no segments in space: {error}")
        return None


class _Space:
    """The sensors besides the cameras of one recording, and where the segments in space go."""

    def __init__(
        self,
        source: ImageSource,
        recording: Recording,
        config: PerceptionConfig,
        found: FoundInImages,
        out: Path | None,
    ) -> None:
        self.source, self.recording, self.found, self.out = source, recording, found, out
        self.odometry = FULL.stage("odometry").make(config, recording.rig)
        self.stage: Any = FULL.stage("lines_3d").make(config, recording.rig)
        self._map: list[np.ndarray] = []  # ends (N, 2, 3) float32, m, in the frame of the odometry

    def frames(self) -> Iterator[tuple[str, ImageFrame]]:
        """The images, in the order of time; scans and IMU samples between them go to the odometry."""
        self.source.losses = self.recording.losses
        for event in self.recording.events(STREAMS_3D):
            if isinstance(event, ImageFrame):
                yield name_of(event), event
                continue
            given = [(stream_of(event), event), *self.odometry.step(stream_of(event), event)]
            for stream, item in given:
                if stream in FULL.stage("lines_3d").reads:
                    self.stage.step(stream, item)

    def take(self, name: str, image: "LinesImage") -> None:
        """Give the segments of one image their depth and write them."""
        for _, lines in self.stage.step(STREAM, image):
            self.found.num_3d += len(lines)
            self.found.refused_3d.update(lines.refused)
            if self.out is not None:
                self._write(name, image, lines)

    def finish(self) -> None:
        """Write all segments of the recording as one file."""
        self.found.notes += [f"{self.source.path.name}: {note}" for note in self.stage.notes()]
        if self.out is not None and self._map:
            write_ply_lines(self.out / MAP_3D, np.concatenate(self._map))

    def _write(self, name: str, image: "LinesImage", lines: "Segments3d") -> None:
        colours = image.colours()[lines.rows]
        assert self.out is not None
        path = inside(self.out / FOLDER_3D, f"{name}.ply")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_ply_lines(path, lines.ends, colours)
        ends = apply(self.stage.T_odom_camera(image), lines.ends.reshape(-1, 3))
        self._map.append(ends.reshape(-1, 2, 3).astype(np.float32))
