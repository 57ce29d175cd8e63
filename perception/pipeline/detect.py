"""`perception detect`: objects in images, folders, videos and recordings, by the stages that run on the robot."""

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perception.core.config import changed
from perception.detection.annotate import DetectedImage
from perception.io.detection_results import DetectionCounts, ResultsWriter
from perception.pipeline.config import PerceptionConfig
from perception.pipeline.search import Search, Searched, Update, open_sources, total_of

if TYPE_CHECKING:
    from rich.console import Group

STREAM = "detections_image"


@dataclass(slots=True)
class Detected(Searched):
    """What came out of a run over some images."""

    counts: DetectionCounts = field(default_factory=DetectionCounts)


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
    sources = open_sources(paths, config, detected.losses)
    total = total_of(sources)
    with ExitStack() as stack:
        writer = stack.enter_context(ResultsWriter(out)) if out is not None else None

        def take(name: str, image: DetectedImage) -> None:
            detected.counts.add(image.detections)
            if writer is not None:
                writer.add(name, image.detections)

        search = Search(config, "detection", STREAM, detected, take, out, lambda done: update(done, total))
        for source, prefix in sources:
            search.run(source, prefix)
        search.finish()
    return detected


def table_of(detected: Detected) -> "Group":
    """Objects by class, and how fast it went."""
    from rich.console import Group
    from rich.table import Table

    counts = detected.counts.to_json()
    tracks = f", {counts['tracks']} tracks" if counts["tracks"] else ""
    speed = f"{counts['objects']} objects{tracks} in {counts['images']} images; {detected.speed}"
    table = Table()
    table.add_column("class")
    table.add_column("objects", justify="right")
    for name, count in counts["by_class"].items():
        table.add_row(name, str(count))
    return Group(table, speed) if counts["objects"] else Group(speed)
