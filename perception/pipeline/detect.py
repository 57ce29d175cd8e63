"""`perception detect`: objects in images, folders, videos and recordings, by the stages that run on the robot."""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from perception.core.config import changed
from perception.core.errors import DataLoss, InvalidInput
from perception.core.types import ImageFrame
from perception.detection.annotate import DetectedImage
from perception.io.datasets.frames import attempt
from perception.io.detection_results import DetectionCounts, ResultsWriter
from perception.io.image_sources import ImageSource, name_of, open_images
from perception.io.recording import Losses
from perception.pipeline.config import PerceptionConfig
from perception.pipeline.full import FULL
from perception.pipeline.pictures import FOLDER, PictureWriter
from perception.pipeline.spec import Worker

if TYPE_CHECKING:
    from rich.console import Group

STREAM = "detections_image"
Update = Callable[[int, int], None]  # images done, in all (0: not known)


@dataclass(slots=True)
class Detected:
    """What came out of a run over some images."""

    counts: DetectionCounts = field(default_factory=DetectionCounts)
    losses: Losses = field(default_factory=Losses)  # files and images that could not be used
    seconds: list[float] = field(default_factory=list)  # for each image, without reading, drawing and writing
    notes: list[str] = field(default_factory=list)

    @property
    def loss(self) -> DataLoss | None:
        """What could not be used, as an error; None where everything could."""
        return DataLoss(f"not used: {self.losses}") if self.losses.counts else None


def command_config(
    config: PerceptionConfig,
    model: str | None = None,
    backend: str | None = None,
    score: float | None = None,
    is_tracked: bool = False,
) -> PerceptionConfig:
    """`config` with the options of the command. Raises `ConfigError`."""
    given = {"model": model, "backend": backend, "nms.score_threshold": score}
    values: dict[str, Any] = {f"detection.{name}": value for name, value in given.items() if value is not None}
    return changed(config, {**values, "detection.tracking.is_enabled": is_tracked})


def detect(
    paths: Iterable[Path], config: PerceptionConfig, out: Path | None = None, update: Update = lambda done, total: None
) -> Detected:
    """Search the images at `paths`; with `out`, a folder, write annotated images and videos, and COCO results.

    What cannot be read is counted and the rest goes on. Raises `InvalidInput` where nothing can be read, and
    `ModelError`, `ConfigError` or `MissingDependency` where there is no detector.
    """
    detected = Detected()
    opened = [attempt(detected.losses, partial(open_images, path, config.input)) for path in paths]
    sources = [source for source in opened if source is not None]
    total = sum(source.num_images for source in sources) if all(source.num_images for source in sources) else 0
    with ExitStack() as stack:
        writer = stack.enter_context(ResultsWriter(out)) if out is not None else None
        search = _Search(config, detected, lambda done: update(done, total), writer, out)
        for source, prefix in zip(sources, prefixes(sources)):
            search.run(source, prefix)
        if not detected.counts.num_images:
            raise InvalidInput(f"no image could be searched: {detected.losses or 'there is none'}")
    detected.notes = [*search.stage.notes(), *detected.notes]
    return detected


def prefixes(sources: Sequence[ImageSource]) -> list[str]:
    """What goes before the names of the images of each source, so that no two are the same."""
    if len(sources) == 1:
        return [""]
    names = [source.path.name for source in sources]
    unique = [name if names.count(name) == 1 else f"{row}_{name}" for row, name in enumerate(names, 1)]
    return [
        "" if source.path.is_file() and name == source.path.name else f"{name}/"
        for source, name in zip(sources, unique)
    ]


def table_of(detected: Detected) -> "Group":
    """Objects by class, and how fast it went."""
    from rich.console import Group
    from rich.table import Table

    counts = detected.counts.to_json()
    tracks = f", {counts['tracks']} tracks" if counts["tracks"] else ""
    milliseconds = 1e3 * np.array(detected.seconds[1:] or detected.seconds)  # the first one loads the network
    speed = (
        f"{counts['objects']} objects{tracks} in {counts['images']} images; "
        f"{np.median(milliseconds):.1f} ms each, p95 {np.percentile(milliseconds, 95):.1f} ms, without reading"
    )
    table = Table()
    table.add_column("class")
    table.add_column("objects", justify="right")
    for name, count in counts["by_class"].items():
        table.add_row(name, str(count))
    return Group(table, speed) if counts["objects"] else Group(speed)


@dataclass(slots=True)
class _Search:
    """One detector for all sources, so that it is loaded once."""

    config: PerceptionConfig
    detected: Detected
    update: Callable[[int], None]
    writer: ResultsWriter | None
    out: Path | None
    stage: Worker = field(init=False)

    def __post_init__(self) -> None:
        self.stage = FULL.stage("detection").make(self.config, None)

    def run(self, source: ImageSource, prefix: str) -> None:
        """Search the images of one source; a damaged one up to the damage."""
        camera = FULL.stage("camera").make(self.config, None)
        pictures = PictureWriter(self.out / FOLDER / prefix, source) if self.out is not None else None
        self.stage.reset()
        try:
            for name, frame in source.frames():
                image = self._prepared(camera, frame) if source.kind == "recording" else frame
                if image is not None:
                    self._search(prefix + name, name, image, pictures)
        except DataLoss as error:
            self.detected.losses.add(str(error))
        finally:
            if pictures is not None:
                pictures.close()
        for reason, count in source.losses.counts.items():
            self.detected.losses.add(reason, count)
        self.detected.notes += camera.notes() if source.kind == "recording" else ()

    def _prepared(self, camera: Any, frame: ImageFrame) -> ImageFrame | None:
        """An image of a recording as the robot's cameras give it: rectified and cut."""
        for _, image in camera.step("image_raw", frame):
            return image
        self.detected.losses.add(f"{name_of(frame)}: {camera.health().reason}")
        return None

    def _search(self, name: str, file_name: str, frame: ImageFrame, pictures: PictureWriter | None) -> None:
        start = time.perf_counter()
        outputs = dict(self.stage.step("image", frame))
        self.detected.seconds.append(time.perf_counter() - start)
        image: DetectedImage | None = outputs.get(STREAM)
        if image is None:
            if not frame.is_depth:
                self.detected.losses.add(f"{name}: {self.stage.health().reason}")
            return
        self.detected.counts.add(image.detections)
        if self.writer is not None:
            self.writer.add(name, image.detections)
        if pictures is not None:
            pictures.add(file_name, image)
        self.update(self.detected.counts.num_images)
